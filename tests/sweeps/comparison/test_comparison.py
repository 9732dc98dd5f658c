"""Order, labels and statistics of compared runs, compared with plain numpy."""

import csv
import io
import itertools
import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.config.flatten import flatten
from mlp_lab.errors import UserError
from mlp_lab.storage.results import Result
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison import answer, summary
from mlp_lab.sweeps.comparison.answer import compare
from mlp_lab.sweeps.comparison.compared_run import ComparedRun
from mlp_lab.sweeps.comparison.comparison import Comparison, find_runs
from mlp_lab.sweeps.comparison.differences import _rounded, flat_config, label_of
from mlp_lab.sweeps.comparison.network_sizes import draw
from mlp_lab.sweeps.comparison.option_names import with_option_names
from mlp_lab.sweeps.comparison.repeated_runs import over_repeated_runs
from mlp_lab.sweeps.comparison.run_group import Interval, RunGroup


def test_jobs_are_ordered_by_validation_metric(make_run: Callable, tmp_path: Path) -> None:
    make_run([3, 2, 2.5], "optimizer.lr=0.01")
    make_run([3, 1, 1.5], "optimizer.lr=0.1")
    make_run([], "optimizer.lr=1", status="diverged")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert comparison.swept == ["optimizer.lr"]
    assert [job.settings["optimizer.lr"] for job in comparison.jobs] == [0.1, 0.01, 1]
    assert comparison.chosen is not None
    assert comparison.chosen.best is not None
    assert comparison.chosen.best["epoch"] == 2
    rows = list(csv.DictReader(io.StringIO(summary.as_csv(comparison))))
    assert rows[0] == {
        "optimizer.lr": "0.1", "epochs": "3", "best epoch": "2", "loss/train": "0.5",
        "loss/validation": "1.0", "error/train": "0.05", "error/validation": "0.1",
        "seconds": "6.0", "status": "finished", "last loss/train": "0.75",
        "last loss/validation": "1.5", "last error/train": "0.075",
        "last error/validation": "0.15", "folder": str(comparison.chosen.run.folder),
    }  # fmt: skip
    assert rows[2]["last error/train"] == rows[2]["best epoch"] == ""
    assert [c for c in summary.columns(comparison) if "last" in c] == ["last loss/train"]
    assert [row["status"] for row in rows] == ["finished", "finished", "diverged"]
    assert next(iter(rows[0])) == "optimizer.lr"


def test_parameter_counts_are_shown_where_they_differ(make_run: Callable, tmp_path: Path) -> None:
    for width in (8, 16):
        make_run([1 / width], f"network.width={width}", parameters=100 * width)
    places = [str(tmp_path)]
    rows = list(csv.DictReader(io.StringIO(summary.as_csv(Comparison(find_runs(places))))))
    assert list(rows[0])[:3] == ["network.width", "parameters", "epochs"]
    assert [row["parameters"] for row in rows] == ["1600", "800"]
    [panel] = draw(Comparison(find_runs(places)))["error_against_parameters"]().axes
    line = panel.lines[0]  # the others mark the sizes
    np.testing.assert_allclose(line.get_xydata(), [[800, 0.1 / 8], [1600, 0.1 / 16]])
    failed = make_run([], "network.width=32", status="failed")
    lines = summary.as_text(Comparison(find_runs(places))).splitlines()
    shown = [line.split()[1:3] for line in lines[1:4]]
    assert shown == [["16", "1,600"], ["8", "800"], ["32", "-"]]
    for run in find_runs(places):
        run.write_result(replace(run.result, parameters=0 if run.folder == failed else 5))
    assert "parameters" not in summary.columns(Comparison(find_runs(places)))


def test_seconds_of_stacked_jobs_are_marked_as_shared(make_run: Callable, tmp_path: Path) -> None:
    note = "seconds: wall time; jobs that trained as one network share the time of that network"
    make_run([1], "seed=0")
    assert note not in summary.as_text(Comparison(find_runs([str(tmp_path)])))
    make_run([2], "seed=1")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert note in summary.as_text(comparison).splitlines()
    assert f"- {note}" in summary.as_markdown(comparison).splitlines()


def test_a_metric_to_maximize_reverses_the_order(make_run: Callable, tmp_path: Path) -> None:
    make_run([3, 2], "seed=1")
    make_run([1, 4], "seed=2")
    comparison = Comparison(find_runs([str(tmp_path)]), "error", "max")
    assert comparison.chosen is not None
    assert comparison.chosen.settings == {"seed": 2}
    assert comparison.chosen.best is not None
    assert comparison.chosen.best["error/validation"] == 0.4


def test_runs_without_differences_are_labelled_by_folder(
    make_run: Callable, tmp_path: Path
) -> None:
    first, second = make_run([1]), make_run([2])
    jobs = Comparison(find_runs([str(tmp_path)])).jobs
    assert [job.label for job in jobs] == [first.name, second.name]


def test_a_swept_choice_is_labelled_by_its_name(make_run: Callable, tmp_path: Path) -> None:
    make_run([1], "optimizer=sgd", "optimizer.lr=0.1")
    make_run([2], "optimizer=rmsprop", "optimizer.lr=0.1")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert comparison.swept[0] == "optimizer"
    assert [job.settings["optimizer"] for job in comparison.jobs] == ["sgd", "rmsprop"]


def test_mean_deviation_and_interval_over_seeds(make_run: Callable, tmp_path: Path) -> None:
    values = {0.1: [1.0, 1.2, 1.7], 1.0: [2.0, 2.5, 2.1]}
    for lr, losses in values.items():
        for seed, loss in enumerate(losses):
            make_run([loss], f"optimizer.lr={lr}", f"seed={seed}")
    for group, (lr, losses) in zip(
        Comparison(find_runs([str(tmp_path)])).groups(), values.items(), strict=True
    ):
        assert group.settings == {"optimizer.lr": lr}
        interval = group.intervals["validation"]
        assert interval.mean == pytest.approx(np.mean(losses))
        assert interval.std == pytest.approx(np.std(losses, ddof=1))
        # Student's t has a closed form for two degrees of freedom.
        t = 0.95 * math.sqrt(2 / (1 - 0.95**2))
        assert interval.half_width == pytest.approx(t * interval.std / math.sqrt(3), rel=1e-3)


def test_folds_are_repeated_measurements(make_run: Callable, tmp_path: Path) -> None:
    """The interval of paired differences is that of scipy's paired t test."""
    common, losses = [0.0, 3.0, 1.0, 5.0, 2.0], {"relu": [], "tanh": []}
    for (activation, values), offset in zip(losses.items(), (1.0, 1.2), strict=True):
        for fold, seed in itertools.product(range(5), range(2)):
            values.append(offset + common[fold] + 0.01 * ((7 * fold + 3 * seed) % 5) * offset)
            make_run(
                [values[-1]],
                f"network.activation={activation}",
                f"data.fold={fold}",
                f"seed={seed}",
            )
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert comparison.problems == [""]
    groups = comparison.groups()
    assert [group.settings["network.activation"] for group in groups] == ["relu", "tanh"]
    for group, values in zip(groups, losses.values(), strict=True):
        assert group.count == "10"
        assert group.intervals["validation"] == Interval.of(
            [job.best["loss/validation"] for job in group.jobs if job.best]
        )
        assert group.intervals["validation"].mean == pytest.approx(np.mean(values))
    (header, _), (title, [row]) = over_repeated_runs(comparison)
    assert header[:2] == ["network.activation", "runs"]
    assert title == [
        "network.activation", "pairs", "loss/validation above the best", "± sd", "± 95 % interval",
    ]  # fmt: skip
    test = scipy.stats.ttest_rel(losses["tanh"], losses["relu"])
    low, high = test.confidence_interval(0.95)
    differences = np.subtract(losses["tanh"], losses["relu"])
    expected = [np.mean(differences), np.std(differences, ddof=1), (high - low) / 2]
    assert row[:3] == ["tanh", "10", f"+{expected[0]:.4f}"]
    assert [float(cell) for cell in row[3:]] == pytest.approx(expected[1:], abs=1e-4)


def test_only_runs_of_the_same_fold_are_paired(make_run: Callable, tmp_path: Path) -> None:
    for width, folds in ((2, (0, 1, 2)), (4, (1, 2, 3))):
        for fold in folds:
            make_run([fold + 1 / width], f"network.width={width}", f"data.fold={fold}")
    (header, means), (_, [row]) = over_repeated_runs(Comparison(find_runs([str(tmp_path)])))
    assert header[1] == "folds"
    assert [line[0] for line in means] == ["2", "4"]
    assert row == ["4", "2", "-0.2500", "0.0000", "0.0000"]


def test_one_value_has_no_spread() -> None:
    interval = Interval.of([3.0])
    assert interval.mean == 3
    assert math.isnan(interval.std)
    assert math.isnan(interval.half_width)


@pytest.mark.parametrize(("n", "t"), [(41, 2.0211), (61, 2.0003), (121, 1.9799)])
def test_intervals_over_many_values(n: int, t: float) -> None:
    interval = Interval.of([float(i) for i in range(n)])
    assert interval.half_width == pytest.approx(t * interval.std / math.sqrt(n), rel=1e-3)


@given(st.lists(st.lists(st.floats(0, 10), min_size=1, max_size=5), min_size=1, max_size=4))
def test_the_curve_of_a_group_equals_a_loop(columns: list[list[float]]) -> None:
    jobs = [
        ComparedRun(RunFolder("."), {}, {}, "", "", rows, None, Result(""), 0.0)
        for column in columns
        for rows in [[{"epoch": i, "x": v} for i, v in enumerate(column, 1)]]
    ]  # fmt: skip
    curve = RunGroup({}, "", jobs, len(jobs), {}, {}).curve("x")
    longest = max(map(len, columns))
    assert curve[0].tolist() == list(range(1, longest + 1))
    for place in range(longest):
        values = [column[place] for column in columns if len(column) > place]
        assert curve[3, place] == len(values)
        assert curve[1, place] == pytest.approx(statistics.fmean(values))
        if len(values) > 1:
            assert curve[2, place] == pytest.approx(statistics.stdev(values), abs=1e-9)
        else:
            assert math.isnan(curve[2, place])


def test_keys_implied_by_a_choice_are_not_compared(make_run: Callable, tmp_path: Path) -> None:
    names = ("sgd", "momentum", "nesterov", "adam", "adagrad")
    for optimizer in names:
        make_run([1], f"optimizer={optimizer}")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert comparison.swept == ["optimizer"]
    assert {job.label for job in comparison.jobs} == {f"optimizer={name}" for name in names}
    assert {group.label for group in comparison.groups()} == {f"optimizer={n}" for n in names}


def test_options_of_one_class_are_compared_by_name(make_run: Callable, tmp_path: Path) -> None:
    make_run([1])  # augmentation=none, a default
    for name in ("affine", "elastic", "affine_elastic"):
        make_run([1], f"augmentation={name}")
    make_run([2], "augmentation=elastic", "augmentation.alpha=20")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert comparison.swept == ["augmentation", "augmentation.alpha"]
    shown = {tuple(job.settings[key] for key in comparison.swept) for job in comparison.jobs}
    assert shown == {
        ("none", 0.0), ("affine", 0.0), ("elastic", 37.0), ("elastic", 20.0),
        ("affine_elastic", 37.0),
    }  # fmt: skip


def test_an_option_that_has_changed_since_is_named_by_its_class(
    make_run: Callable, tmp_path: Path
) -> None:
    make_run([1], "experiment=perceptron")
    make_run([1], "experiment=points_mlp")
    runs = find_runs([str(tmp_path)])
    configs = [flat_config(run) for run in runs]
    named = with_option_names(runs, configs)
    assert [(each["network"], each["task"]) for each in named] == [
        ("perceptron", "perceptron"), ("mlp", "classification"),
    ]  # fmt: skip
    configs[0]["network"] = "Siren"
    assert [each["network"] for each in with_option_names(runs, configs)] == ["Siren", "MLP"]


def test_repeated_runs_are_not_taken_for_seeds(make_run: Callable, tmp_path: Path) -> None:
    losses = {0: [1.0, 1.5], 1: [2.0, 2.0, 2.0], 2: [4.5]}
    for seed, values in losses.items():
        for value in values:
            make_run([value], f"seed={seed}")
    comparison = Comparison(find_runs([str(tmp_path)]))
    [group] = comparison.groups()
    latest = [values[-1] for values in losses.values()]
    assert group.count == "3"
    assert group.intervals["validation"] == Interval.of(latest)
    assert group.intervals["validation"].std == pytest.approx(np.std(latest, ddof=1))
    assert "repeated runs of a seed: 3; means include the latest" in summary.as_text(comparison)


def test_the_latest_of_repeated_sweeps_counts(make_run: Callable, tmp_path: Path) -> None:
    for name, loss in (("2026-01-02_00-00-00", 2.0), ("2026-02-01_00-00-00", 1.0)):
        sweep = tmp_path / "sweeps" / name
        sweep.mkdir(parents=True)
        (sweep / "sweep.yaml").touch()
        make_run([loss], "seed=0").rename(sweep / "0_seed=0")
    [group] = Comparison(find_runs([str(tmp_path)])).groups()
    assert [job.run.folder.parent.name for job in group.jobs] == ["2026-02-01_00-00-00"]


def test_runs_of_one_seed_have_no_interval(make_run: Callable, tmp_path: Path) -> None:
    for loss in (1.0, 1.0, 1.0):
        make_run([loss])
    [group] = Comparison(find_runs([str(tmp_path)])).groups()
    assert math.isnan(group.intervals["validation"].half_width)


def test_runs_on_different_problems_are_grouped_and_none_is_chosen(
    make_run: Callable, tmp_path: Path
) -> None:
    for data_set, losses in {"separable": [0.2, 0.1], "xor": [3.0, 2.0]}.items():
        for width, loss in zip((8, 16), losses, strict=True):
            overrides = ["experiment=points_mlp", f"data.set={data_set}", f"network.width={width}"]
            make_run([loss], *overrides, f"data.batch_size={width}")
    make_run([9.0], "experiment=points_mlp", "data.set=xor", status="diverged")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert comparison.problems == ["set=separable", "set=xor"]
    order = [(j.settings["data.set"], j.settings["network.width"]) for j in comparison.jobs]
    assert order == [("separable", 16), ("separable", 8), ("xor", 16), ("xor", 8), ("xor", 64)]
    assert comparison.chosen is None
    [first, *best] = summary.choice(comparison)
    assert first.startswith("no run is chosen: the runs learn 2 different problems")
    assert [line.partition(", epoch")[0] for line in best] == [
        "set=separable: set=separable batch_size=16 width=16",
        "set=xor: set=xor batch_size=16 width=16",
    ]
    assert answer._untested(comparison) == []


@pytest.mark.parametrize(("metric", "count"), [("loss", 2), ("error", 1)])
def test_losses_of_different_definitions_are_not_ranked(
    metric: str, count: int, make_run: Callable, tmp_path: Path
) -> None:
    make_run([1], "experiment=mnist_hw4")
    make_run([2], "experiment=mnist_lecture")
    assert len(Comparison(find_runs([str(tmp_path)]), metric).problems) == count


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["task.output=softmax"], 2),
        (["task=mixup", "task.output=sigmoid"], 1),
        (["experiment=curve_fit", "task.output=identity"], 2),
    ],
)
def test_outputs_of_classes_define_the_loss(
    options: list[str], count: int, make_run: Callable, tmp_path: Path
) -> None:
    make_run([1], "task.output=sigmoid")
    make_run([2], *options)
    assert len(Comparison(find_runs([str(tmp_path)]), "loss").problems) == count


def test_outputs_of_numbers_do_not_define_the_loss(make_run: Callable, tmp_path: Path) -> None:
    for output in ("identity", "sigmoid"):
        make_run([1], "experiment=image_hw", f"task.output={output}")
    assert Comparison(find_runs([str(tmp_path)]), "loss").problems == [""]


def test_the_direction_is_that_of_the_selection_of_all_runs(
    make_run: Callable, tmp_path: Path
) -> None:
    for loss in (1.0, 2.0):
        make_run([loss], "select.mode=max")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert comparison.mode == "max"
    assert Comparison(find_runs([str(tmp_path)]), "error").mode == "min"
    make_run([3.0])
    assert Comparison(find_runs([str(tmp_path)])).mode == "min"


def test_a_repeated_run_has_the_classes_of_its_options(
    make_run: Callable, tmp_path: Path, compose: Callable
) -> None:
    first = make_run([1.0], "optimizer=nesterov")
    second = make_run([2.0], "optimizer=nesterov", "seed=1")
    RunFolder(second).write_start(
        compose("optimizer=nesterov", "seed=1"), [f"config={first}/config.yaml", "seed=1"]
    )
    assert Comparison(find_runs([str(tmp_path)])).swept == ["seed"]


def test_tasks_with_the_same_validation_loss_are_ranked(make_run: Callable, tmp_path: Path) -> None:
    for loss, task in enumerate(("mixup", "sharpness_aware", "classification_by_hand")):
        make_run([1 + loss], f"task={task}")
    make_run([9])
    comparison = Comparison(find_runs([str(tmp_path)]), "loss")
    assert comparison.problems == [""]
    assert comparison.chosen is not None
    assert comparison.chosen.settings["task"] == "mixup"


@given(st.lists(st.floats(1e-8, 1e3), min_size=1, max_size=8, unique=True))
def test_numbers_keep_the_digits_that_distinguish_them(values: list[float]) -> None:
    shown = [_rounded(values)(value) for value in values]
    assert len(set(shown)) == len(values)
    for value, text in zip(values, shown, strict=True):
        assert text == pytest.approx(value, rel=5e-4)
    if len({f"{value:.4g}" for value in values}) == len(values):
        assert shown == [float(f"{value:.4g}") for value in values]


def test_labels_round_numbers_and_the_csv_does_not(make_run: Callable, tmp_path: Path) -> None:
    rates = [2.296714929e-06, 0.0123456789]
    for rate in rates:
        make_run([1], f"optimizer.lr={rate}")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert {job.label for job in comparison.jobs} == {"lr=2.297e-06", "lr=0.01235"}
    rows = list(csv.DictReader(io.StringIO(summary.as_csv(comparison))))
    assert {float(row["optimizer.lr"]) for row in rows} == set(rates)


def test_experiments_are_labelled_by_name_and_overrides(make_run: Callable, tmp_path: Path) -> None:
    make_run([1], "experiment=mnist_hw4", "name=a", "optimizer.lr=0.3")
    make_run([2], "experiment=mnist_lecture", "name=b")
    comparison = Comparison(find_runs([str(tmp_path)]))
    # The two presets differ in width and loss as well.
    assert comparison.swept == ["name", "optimizer.lr"]


def test_a_missing_key_differs_from_null(make_run: Callable, tmp_path: Path) -> None:
    make_run([1], "callbacks=early_stopping", "data.train_size=null")
    make_run([2], "callbacks=default", "data.train_size=1000")
    [header, *rows] = csv.reader(
        io.StringIO(summary.as_csv(Comparison(find_runs([str(tmp_path)]))))
    )
    assert header[:2] == ["data.train_size", "callbacks.early_stopping"]
    assert [row[:2] for row in rows] == [["null", "EarlyStopping"], ["1000", ""]]


def test_the_device_is_compared_only_if_it_was_set(make_run: Callable, tmp_path: Path) -> None:
    make_run([1], "threads=1", "logs=a")
    make_run([2], "threads=2", "logs=b")
    assert Comparison(find_runs([str(tmp_path)])).swept == ["threads"]


@pytest.mark.parametrize("name", [path.stem for path in CONFIG_FOLDER.glob("callbacks/*.yaml")])
def test_only_callbacks_that_can_stop_a_run_are_compared(
    name: str, make_run: Callable, tmp_path: Path
) -> None:
    make_run([1], "callbacks=none")
    callbacks = RunFolder(make_run([2], f"callbacks={name}")).config.callbacks
    monitors = {f"callbacks.{key}" for key, callback in callbacks.items() if "monitor" in callback}
    assert set(Comparison(find_runs([str(tmp_path)])).swept) == monitors


def test_keys_with_equal_endings_are_shown_in_full() -> None:
    settings = {"select.mode": "min", "callbacks.early_stopping.mode": "max", "optimizer.lr": 0.1}
    label = "select.mode=min callbacks.early_stopping.mode=max lr=0.1"
    assert label_of(settings, list(settings)) == label


def test_a_key_that_depends_on_the_seed_is_omitted(make_run: Callable, tmp_path: Path) -> None:
    for seed in (0, 1):
        make_run([1], "data=points", f"seed={seed}")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert comparison.swept == ["seed"]
    assert len(comparison.groups()) == 1
    make_run([1], "data=points", "seed=2", "data.points_seed=0")
    assert Comparison(find_runs([str(tmp_path)])).swept == ["data.points_seed", "seed"]


def test_configs_are_read_as_written(make_run: Callable, tmp_path: Path) -> None:
    overrides = ["data.train_size=null", "network.widths=[12,8]", "optimizer.lr=1e-05", "seed=7"]
    run = RunFolder(make_run([1], *overrides, "optimizer=adam", "logs='1e3'"))
    settings = flat_config(run)
    assert settings == flatten(run.config)
    assert list(settings) == list(flatten(run.config))
    assert [type(v) for v in settings.values()] == [type(v) for v in flatten(run.config).values()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: [1", "damaged: while parsing a flow sequence"),
        ("- seed", "damaged: not a config"),
        ("db: {host: localhost}", "db: no such key"),
        ("\xff\xfe", "damaged: "),
    ],
)
def test_invalid_configs_are_refused(
    text: str, message: str, make_run: Callable, tmp_path: Path
) -> None:
    path = make_run([1]) / "config.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=f"^{path}: {message}"):
        compare([str(tmp_path)])


@pytest.mark.parametrize(("mode", "chosen"), [("max", math.inf), ("min", -math.inf)])
def test_infinitely_good_values_are_ranked_first(
    mode: str, chosen: float, make_run: Callable[..., Path]
) -> None:
    """Such as a PSNR of inf, that of an image without an error."""
    losses = {"1": [2.0, math.inf], "2": [3.0, 4.0], "3": [-math.inf, 2.0], "4": [math.nan]}
    folders = {seed: make_run(values, f"seed={seed}") for seed, values in losses.items()}
    comparison = Comparison([RunFolder(folder) for folder in folders.values()], "loss", mode)
    assert comparison.chosen is not None
    assert comparison.chosen.best is not None
    assert comparison.chosen.best["loss/validation"] == chosen
    assert comparison.jobs[-1].run.folder == folders["4"]
    text = compare([str(folder) for folder in folders.values()], "loss", mode).text
    assert f"chosen by validation loss: seed={'1' if mode == 'max' else '3'}" in text
