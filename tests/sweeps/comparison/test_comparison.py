"""Order, labels and statistics of compared runs, compared with plain numpy."""

import csv
import io
import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.config.flatten import flatten
from mlp_lab.errors import UserError
from mlp_lab.storage.results import Result
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison import summary
from mlp_lab.sweeps.comparison.answer import compare
from mlp_lab.sweeps.comparison.comparison import (
    ComparedRun,
    Comparison,
    Interval,
    SeedGroup,
    find_runs,
)
from mlp_lab.sweeps.comparison.differences import flat_config, label_of


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
    failed = make_run([], "network.width=32", status="failed")
    lines = summary.as_text(Comparison(find_runs(places))).splitlines()
    assert [line.split()[:2] for line in lines[1:4]] == [["16", "1,600"], ["8", "800"], ["32", "-"]]
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


def test_a_swept_choice_is_labelled_by_its_class(make_run: Callable, tmp_path: Path) -> None:
    make_run([1], "optimizer=sgd", "optimizer.lr=0.1")
    make_run([2], "optimizer=rmsprop", "optimizer.lr=0.1")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert comparison.swept[0] == "optimizer"
    assert [job.settings["optimizer"] for job in comparison.jobs] == ["SGD", "RMSprop"]


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
        ComparedRun(RunFolder("."), {}, {}, "", rows, None, Result(""), 0.0)
        for column in columns
        for rows in [[{"epoch": i, "x": v} for i, v in enumerate(column, 1)]]
    ]  # fmt: skip
    curve = SeedGroup({}, "", jobs, len(jobs), {}, {}).curve("x")
    shortest = min(map(len, columns))
    assert curve[0].tolist() == list(range(1, shortest + 1))
    for place in range(shortest):
        values = [column[place] for column in columns]
        assert curve[1, place] == pytest.approx(statistics.fmean(values))
        if len(values) > 1:
            assert curve[2, place] == pytest.approx(statistics.stdev(values), abs=1e-9)
        else:
            assert math.isnan(curve[2, place])


def test_keys_implied_by_a_choice_are_not_compared(make_run: Callable, tmp_path: Path) -> None:
    for optimizer in ("sgd", "nesterov", "adam", "adagrad"):
        make_run([1], f"optimizer={optimizer}", "optimizer.lr=0.1")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert comparison.swept == ["optimizer", "optimizer.momentum", "optimizer.nesterov"]
    labels = {job.label for job in comparison.jobs}
    assert labels == {
        "optimizer=SGD momentum=0 nesterov=false", "optimizer=SGD momentum=0.9 nesterov=true",
        "optimizer=Adam", "optimizer=Adagrad",
    }  # fmt: skip


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
    text = compare([str(folder) for folder in folders.values()], "loss", mode)
    assert f"chosen by validation loss: seed={'1' if mode == 'max' else '3'}" in text
