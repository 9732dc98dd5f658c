"""Sweeps end in an answer: held against plain numpy and what was made up for the purpose."""

import csv
import io
import math
import re
import shlex
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers import CHECKOUT, Start
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from PIL import Image
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import get_experiment, list_session_groups
from tensorboard.plugins.hparams.api_pb2 import (
    STATUS_SUCCESS,
    ColParams,
    Experiment,
    GetExperimentRequest,
    ListSessionGroupsRequest,
    SessionGroup,
)
from tensorboard.plugins.hparams.backend_context import Context

from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.config.flatten import flatten, format_value
from mlp_lab.errors import UserError
from mlp_lab.runs import evaluate
from mlp_lab.runs.train import train
from mlp_lab.storage.run_folder import Run
from mlp_lab.sweeps.comparison import summary
from mlp_lab.sweeps.comparison.answer import _common_folder, compare, conclude
from mlp_lab.sweeps.comparison.comparison import (
    Comparison,
    Group,
    Interval,
    Job,
    find_runs,
)
from mlp_lab.sweeps.comparison.differences import label_of, settings_of
from mlp_lab.sweeps.comparison.drawing import draw

COLUMNS = [
    "epoch",
    "step",
    "lr",
    "error/train",
    "error/validation",
    "loss/train",
    "loss/validation",
]


@pytest.fixture
def made_up(tmp_path: Path, compose: Callable) -> Callable[..., Path]:
    """``made_up(losses, "optimizer.lr=1", ...)``: a run's folder with these validation losses."""

    def make(
        losses: list[float],
        *overrides: str,
        status: str = "finished",
        reason: str | None = None,
        tested: Sequence[int] = (),
        parameters: int = 0,
    ) -> Path:
        run = Run.create(str(tmp_path), "made_up")
        run.write_start(compose(*overrides), overrides)
        rows = [
            {"epoch": i, "step": 10 * i, "lr": 0.1, "seconds": 2.0}
            | {
                "loss/train": v / 2,
                "loss/validation": v,
                "error/train": v / 20,
                "error/validation": v / 10,
            }
            for i, v in enumerate(losses, 1)
        ]
        if status != "failed":
            run.write_history([*COLUMNS, "seconds"], rows)
        tests = [
            {"split": "test", "checkpoint": "best", "epoch": epoch, "loss": 0.5, "error": 0.25}
            for epoch in tested
        ]
        if status != "unfinished":
            told = {"status": status, "reason": reason, "parameters": parameters}
            run.write_result(told | {"seconds": [], "evaluations": tests})
        return run.folder

    return make


def test_jobs_stand_best_first_by_validation(made_up: Callable, tmp_path: Path) -> None:
    made_up([3, 2, 2.5], "optimizer.lr=0.01")
    made_up([3, 1, 1.5], "optimizer.lr=0.1")
    made_up([], "optimizer.lr=1", status="diverged")
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


def test_parameters_are_told_where_they_differ(made_up: Callable, tmp_path: Path) -> None:
    for width in (8, 16):
        made_up([1 / width], f"network.width={width}", parameters=100 * width)
    places = [str(tmp_path)]
    rows = list(csv.DictReader(io.StringIO(summary.as_csv(Comparison(find_runs(places))))))
    assert list(rows[0])[:3] == ["network.width", "parameters", "epochs"]
    assert [row["parameters"] for row in rows] == ["1600", "800"]
    failed = made_up([], "network.width=32", status="failed")
    lines = summary.as_text(Comparison(find_runs(places))).splitlines()
    assert [line.split()[:2] for line in lines[1:4]] == [["16", "1,600"], ["8", "800"], ["32", "-"]]
    for run in find_runs(places):
        run.write_result(run.result | {"parameters": 0 if run.folder == failed else 5})
    assert "parameters" not in summary.columns(Comparison(find_runs(places)))


def test_seconds_of_stacked_jobs_are_said_to_be_shared(made_up: Callable, tmp_path: Path) -> None:
    note = "seconds: of wall time; jobs that trained as one network bear that of all of it"
    made_up([1], "seed=0")
    assert note not in summary.as_text(Comparison(find_runs([str(tmp_path)])))
    made_up([2], "seed=1")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert note in summary.as_text(comparison).splitlines()
    assert f"- {note}" in summary.as_markdown(comparison).splitlines()


def test_the_other_way_round(made_up: Callable, tmp_path: Path) -> None:
    made_up([3, 2], "seed=1")
    made_up([1, 4], "seed=2")
    comparison = Comparison(find_runs([str(tmp_path)]), "error", "max")
    assert comparison.chosen is not None
    assert comparison.chosen.settings == {"seed": 2}
    assert comparison.chosen.best is not None
    assert comparison.chosen.best["error/validation"] == 0.4


def test_runs_that_differ_in_nothing_go_by_their_folders(made_up: Callable, tmp_path: Path) -> None:
    first, second = made_up([1]), made_up([2])
    jobs = Comparison(find_runs([str(tmp_path)])).jobs
    assert [job.label for job in jobs] == [first.name, second.name]


def test_a_swept_choice_goes_by_its_class(made_up: Callable, tmp_path: Path) -> None:
    made_up([1], "optimizer=sgd", "optimizer.lr=0.1")
    made_up([2], "optimizer=rmsprop", "optimizer.lr=0.1")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert comparison.swept[0] == "optimizer"
    assert [job.settings["optimizer"] for job in comparison.jobs] == ["SGD", "RMSprop"]


def test_mean_deviation_and_interval_over_seeds(made_up: Callable, tmp_path: Path) -> None:
    values = {0.1: [1.0, 1.2, 1.7], 1.0: [2.0, 2.5, 2.1]}
    for lr, losses in values.items():
        for seed, loss in enumerate(losses):
            made_up([loss], f"optimizer.lr={lr}", f"seed={seed}")
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
def test_curve_of_a_group_is_that_of_a_loop(columns: list[list[float]]) -> None:
    jobs = [
        Job(Run("."), {}, "", [{"epoch": i, "x": v} for i, v in enumerate(column, 1)], None, "",
            None, None, 0.0, [])
        for column in columns
    ]  # fmt: skip
    curve = Group({}, "", jobs, len(jobs), {}, {}).curve("x")
    shortest = min(map(len, columns))
    assert curve[0].tolist() == list(range(1, shortest + 1))
    for place in range(shortest):
        values = [column[place] for column in columns]
        assert curve[1, place] == pytest.approx(statistics.fmean(values))
        if len(values) > 1:
            assert curve[2, place] == pytest.approx(statistics.stdev(values), abs=1e-9)
        else:
            assert math.isnan(curve[2, place])


def test_only_finished_jobs_are_chosen_and_the_others_say_why(
    made_up: Callable, tmp_path: Path
) -> None:
    made_up([], "seed=0", status="failed", reason="Traceback ...\nOSError: disk full\n")
    made_up([3, 2], "seed=1", status="diverged", reason="the loss is not finite in epoch 3")
    made_up([4], "seed=2")
    made_up([5], "seed=3", status="unfinished")
    made_up([1], "seed=4", status="interrupted", reason="interrupted in epoch 2")
    made_up([4.5], "seed=5", reason="pruned after epoch 1")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert [job.settings["seed"] for job in comparison.jobs] == [2, 5, 4, 1, 3, 0]
    assert comparison.chosen is comparison.jobs[0]
    [group] = comparison.groups()
    assert [job.settings["seed"] for job in group.jobs] == [2, 5]
    lines = summary.as_text(comparison).splitlines()
    assert lines[2].endswith("  pruned after epoch 1")
    assert lines[6].split() == ["0", "0", *"------", "0.0", "failed"]
    said = [
        "seed=4: interrupted in epoch 2",
        "seed=1: diverged: the loss is not finite in epoch 3",
        "seed=3: unfinished: it runs still, or was killed",
        "seed=0: failed: OSError: disk full",
    ]
    start = lines.index(said[0])
    assert lines[start : start + 5] == [*said, ""]
    assert any(line.split()[:3] == ["2", "of", "6"] for line in lines)  # which a mean is over
    assert all(f"- {line}" in summary.as_markdown(comparison).splitlines() for line in said)
    labels = [line.get_label() for line in draw(comparison)["error_curves"].axes[1].lines]
    assert {"seed=2", "seed=4 (interrupted)", "seed=1 (diverged)"} < set(labels)


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([[], []], "none is chosen: no job has finished an epoch"),
        ([[3, 2], [4]], "none is chosen: no job has finished; the best so far: seed=0, epoch 2"),
    ],
)
def test_jobs_of_which_none_finished_have_a_table_and_no_choice(
    losses: list[list[float]], said: str, made_up: Callable, tmp_path: Path
) -> None:
    for seed, (own, status) in enumerate(zip(losses, ("interrupted", "diverged"), strict=True)):
        made_up(own, f"seed={seed}", "optimizer.lr=1", status=status, reason=f"{status} in epoch 9")
    lines = compare([str(tmp_path)]).splitlines()
    assert lines[0].split()[:2] == ["seed", "epochs"]
    assert [line.split()[-1] for line in lines[1:3]] == ["interrupted", "diverged"]
    assert "seed=0: interrupted in epoch 9" in lines
    assert said in lines
    drawn = {path.name for path in (tmp_path / "figures").glob("*")}
    assert drawn == ({"error_curves.png"} if losses[0] else set())


@pytest.mark.parametrize(
    "words",
    [
        ["optimizer.lr=0.1"],
        ["network.widths=[12,8]", "optimizer=adam", "data.root='/a place/$HOME'"],
        ["experiment=mnist_lecture", "++network.depth=2"],
    ],
)
def test_the_command_of_the_choice_runs_it_again(
    words: list[str], made_up: Callable, tmp_path: Path, compose: Callable
) -> None:
    made_up([2], "optimizer.lr=0.5")
    made_up([1], *words)
    comparison = Comparison(find_runs([str(tmp_path)]))
    said, _, command = summary.choice(comparison)[-1].partition(": ")
    assert said == "run it again"
    python, script, *again = shlex.split(command)
    assert (python, script) == ("python", "scripts/train.py")
    assert comparison.chosen is not None
    assert compose(*again) == comparison.chosen.run.config


@pytest.mark.parametrize(
    ("tested", "said"),
    [
        (([], [], []), "the test set was not evaluated"),
        (([2], [], []), "the test set was evaluated for it alone"),
        (([2, 2], [], []), "the test set was evaluated for it alone"),
        (([2], [1], []), "the test set was evaluated for it and 1 other network"),
        (([1], [1], [1]), "the test set was not evaluated for it, but for 3 other networks"),
    ],
)
def test_the_summary_says_what_was_tested(
    tested: tuple[list[int], ...], said: str, made_up: Callable, tmp_path: Path
) -> None:
    for seed, (losses, epochs) in enumerate(zip(([2, 1], [3], [4]), tested, strict=True)):
        made_up(losses, f"seed={seed}", tested=epochs)
    lines = summary.choice(Comparison(find_runs([str(tmp_path)])))
    assert said in lines
    own = ", test loss 0.5000, test error 25.00 %" if 2 in tested[0] else ""
    assert lines[1] == (
        "it reaches: training loss 0.5000, validation loss 1.0000, "
        f"training error 5.00 %, validation error 10.00 %{own}"
    )


@pytest.mark.parametrize(
    ("statuses", "tested"),
    [
        (("finished", "finished"), 1),
        (("finished", "diverged"), 0),
        (("finished", "interrupted"), 0),
        (("diverged", "failed"), None),
    ],
)
def test_a_sweep_is_tested_once(
    statuses: tuple[str, str], tested: int | None, made_up: Callable, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folders = [
        made_up([2 - i], f"seed={i}", status=status, reason=f"{status} in epoch 2")
        for i, status in enumerate(statuses)
    ]
    asked = []

    def measure(run: Run, split: str, which: str) -> None:
        asked.append((run.folder, split, which))
        run.add_evaluation({"split": split, "checkpoint": which, "epoch": 1, "loss": 2.0})

    monkeypatch.setattr(evaluate, "measure", measure)
    texts = [conclude(str(tmp_path)) for _ in range(2)]
    assert asked == ([] if tested is None else [(folders[tested], "test", "best")])
    assert texts[0] == texts[1]
    assert ("test loss 2.0000" in texts[0]) == (tested is not None)


def test_each_job_is_tested_in_the_epoch_that_is_its_best(
    made_up: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = {0: [3.0, 2.0, 2.5], 1: [1.5, 2.0, 3.0], 2: [2.5, 2.0, 1.0]}
    errors = {0: 0.03, 1: 0.01, 2: 0.05}  # the best one on validation data isn't on the test set
    for seed, own in losses.items():
        made_up(own, f"seed={seed}", "sweep.test=each", tested=[3])
    # Of its last epoch, which counts for the third alone.
    made_up([9.0], "seed=3", "sweep.test=each", status="diverged")

    def measure(run: Run, split: str, which: str) -> None:
        seed = run.config.seed
        epoch = 1 + losses[seed].index(min(losses[seed]))
        entry = {"checkpoint": which, "epoch": epoch, "error": errors[seed]}
        run.add_evaluation({"split": split} | entry)

    monkeypatch.setattr(evaluate, "measure", measure)
    texts = [conclude(str(tmp_path)) for _ in range(2)]
    assert texts[0] == texts[1]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "summary.csv").read_text())))
    found = {row["seed"]: row["error/test"] for row in rows}
    assert found == {"2": "0.25", "1": "0.01", "0": "0.03", "3": ""}
    values = [0.25, 0.01, 0.03]
    [group] = Comparison(find_runs([str(tmp_path)])).groups()
    assert group.tests["error"].mean == pytest.approx(np.mean(values))
    assert group.tests["error"].std == pytest.approx(np.std(values, ddof=1))
    assert "chosen by validation loss: seed=2, epoch 3" in texts[0]
    assert "test error 25.00 %" in texts[0]
    assert re.search(r"3 of 4 +error/test +9.67 % +13.3", texts[0])
    assert "the test set was evaluated for it and 4 other networks" in texts[0]


def test_figures_have_what_the_chosen_job_reaches_in_its_test(
    made_up: Callable, tmp_path: Path
) -> None:
    made_up([2, 3], "optimizer.lr=0.1", tested=[1])
    made_up([4], "optimizer.lr=1", tested=[1])
    made_up([5], "optimizer.lr=10")
    [panel] = draw(Comparison(find_runs([str(tmp_path)])))["loss_against_optimizer.lr"].axes
    stars = [line.get_xydata().tolist() for line in panel.lines if line.get_marker() == "*"]
    assert stars == [[[0.1, 0.5]]]


def test_what_a_choice_says_is_no_key_of_its_own(made_up: Callable, tmp_path: Path) -> None:
    for optimizer in ("sgd", "nesterov", "adam", "adagrad"):
        made_up([1], f"optimizer={optimizer}", "optimizer.lr=0.1")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert comparison.swept == ["optimizer", "optimizer.momentum", "optimizer.nesterov"]
    labels = {job.label for job in comparison.jobs}
    assert labels == {
        "optimizer=SGD momentum=0 nesterov=false", "optimizer=SGD momentum=0.9 nesterov=true",
        "optimizer=Adam", "optimizer=Adagrad",
    }  # fmt: skip


def test_experiments_go_by_their_names_and_what_was_typed(
    made_up: Callable, tmp_path: Path
) -> None:
    made_up([1], "experiment=mnist_hw4", "name=a", "optimizer.lr=0.3")
    made_up([2], "experiment=mnist_lecture", "name=b")
    comparison = Comparison(find_runs([str(tmp_path)]))
    # The two presets differ in width and loss as well.
    assert comparison.swept == ["name", "optimizer.lr"]


def test_a_key_that_is_not_there_is_not_null(made_up: Callable, tmp_path: Path) -> None:
    made_up([1], "callbacks=early_stopping", "data.train_size=null")
    made_up([2], "callbacks=default", "data.train_size=1000")
    [header, *rows] = csv.reader(
        io.StringIO(summary.as_csv(Comparison(find_runs([str(tmp_path)]))))
    )
    assert header[:2] == ["data.train_size", "callbacks.early_stopping"]
    assert [row[:2] for row in rows] == [["null", "EarlyStopping"], ["1000", ""]]


def test_where_a_run_ran_is_told_if_somebody_set_it(made_up: Callable, tmp_path: Path) -> None:
    made_up([1], "threads=1", "logs=a")
    made_up([2], "threads=2", "logs=b")
    assert Comparison(find_runs([str(tmp_path)])).swept == ["threads"]


def test_keys_that_end_alike_are_told_in_full() -> None:
    settings = {"select.mode": "min", "callbacks.early_stopping.mode": "max", "optimizer.lr": 0.1}
    label = "select.mode=min callbacks.early_stopping.mode=max lr=0.1"
    assert label_of(settings, list(settings)) == label


def test_figures_fit_what_was_swept(made_up: Callable, tmp_path: Path) -> None:
    for lr in (0.01, 0.1):
        for width in (8, 16):
            for seed in (0, 1):
                losses = [1.0, lr + width / 100 + seed / 10]
                made_up(losses, f"optimizer.lr={lr}", f"network.width={width}", f"seed={seed}")
    drawn = draw(Comparison(find_runs([str(tmp_path)]), "loss"))
    assert set(drawn) == {
        "error_curves", "seed_bands", "heat_map", "heat_map_train",
        "loss_against_optimizer.lr", "loss_against_network.width",
    }  # fmt: skip
    bands = drawn["seed_bands"]
    labels = [text.get_text() for text in bands.legends[0].get_texts()]
    assert labels[0] == "width=8 lr=0.01  (2 seeds)"
    panel = drawn["loss_against_network.width"].axes[0]
    legend = drawn["loss_against_network.width"].legends[0]
    assert legend.get_title().get_text() == "optimizer.lr"
    assert [text.get_text() for text in legend.get_texts()] == ["0.01", "0.1"]
    train, validation, *_ = [line for line in panel.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(validation.get_xydata(), [[8, 0.14], [16, 0.22]])
    np.testing.assert_allclose(train.get_xydata(), [[8, 0.07], [16, 0.11]])  # half as much


def test_half_empty_grids_have_no_heat_map(made_up: Callable, tmp_path: Path) -> None:
    for i in range(1, 4):
        made_up([1], f"network.width={i}", f"network.depth={i}")
    drawn = draw(Comparison(find_runs([str(tmp_path)])))
    assert not [name for name in drawn if "heat_map" in name]


def test_tensorboard_shows_the_summary_and_its_figures_once(
    made_up: Callable, tmp_path: Path
) -> None:
    own = made_up([2, 3], "seed=0") / "events.out.tfevents.1.host.2.0"
    own.write_bytes(b"")
    made_up([1], "seed=1")
    for _ in range(2):
        compare([str(tmp_path)])
    assert own.is_file()
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1
    events = EventAccumulator(str(tmp_path)).Reload()
    pictures = {path.stem: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert set(pictures) == {"error_curves", "seed_bands"}
    assert set(events.Tags()["images"]) == {f"summary/{name}" for name in pictures}
    for name, picture in pictures.items():
        [shown] = events.Images(f"summary/{name}")
        assert shown.encoded_image_string == picture
        assert (shown.width, shown.height) == Image.open(io.BytesIO(picture)).size
    [text] = events.Tensors("summary")
    assert text.tensor_proto.string_val[0].decode() == (tmp_path / "summary.md").read_text()
    assert events.summary_metadata["summary"].plugin_data.plugin_name == "text"


def hparams(folder: Path) -> tuple[Experiment, dict[str, SessionGroup]]:
    """The columns of TensorBoard's HPARAMS and, by run, its rows: what its server answers."""
    events = EventMultiplexer().AddRunsFromDirectory(str(folder)).Reload()
    data = MultiplexerDataProvider(events, str(folder))
    hparams = Context(TBContext(data_provider=data, logdir=str(folder)))
    columns = get_experiment.Handler(RequestContext(), hparams, "", GetExperimentRequest()).run()
    asked = ListSessionGroupsRequest(
        allowed_statuses=[STATUS_SUCCESS],
        slice_size=1000,
        col_params=[ColParams(hparam=c.name, include_in_result=True) for c in columns.hparam_infos],
    )
    answer = list_session_groups.Handler(RequestContext(), hparams, "", asked).run()
    return columns, {row.name: row for row in answer.session_groups}


def test_hparams_compare_several_runs_with_true_values(
    tiny_mnist: Path, tmp_path: Path, compose: Callable
) -> None:
    # What one optimizer has and another lacks, and another value in a sweep of another key.
    for name, words in (
        ("a/0", ["optimizer=sgd", "data.train_size=null"]),
        ("a/1", ["optimizer=adam", "data.train_size=null"]),
        ("b/0", ["optimizer=sgd", "data.train_size=1000", "trainer.max_epochs=2"]),
    ):
        words += ["network.width=4", "trainer.accelerator=cpu", f"data.root='{tiny_mnist}'"]
        train(compose("trainer.max_epochs=1", *words), words, tmp_path / name)
    columns, rows = hparams(tmp_path)
    assert set(rows) == {"a/0", "a/1", "b/0"}
    configs = {name: flatten(Run(tmp_path / name).config) for name in rows}
    told = [column.name for column in columns.hparam_infos]
    parts = {"seed", "encoding", "network", "augmentation", "optimizer", "schedule", "task", "data"}
    keys = {key for config in configs.values() for key in config if key.partition(".")[0] in parts}
    limits = {"average_decay", "trainer.max_epochs", "trainer.max_steps", "trainer.precision"}
    assert set(told) == (keys | limits) - {"data.root"}
    assert {"optimizer.momentum", "optimizer.betas"} <= set(told)
    assert told[:4] == ["data.train_size", "optimizer", "optimizer.lr", "trainer.max_epochs"]
    for name, row in rows.items():
        for key in told:
            value = configs[name].get(key)
            if key not in configs[name]:
                assert key not in row.hparams
            elif type(value) in (int, float):
                assert row.hparams[key].number_value == value
            else:
                assert row.hparams[key].string_value == format_value(value)
        history = Run(tmp_path / name).history
        best = min(history, key=lambda epoch: epoch["loss/validation"])
        reached = {metric.name.tag: metric.value for metric in row.metric_values}
        for key in ("loss/train", "loss/validation", "error/train", "error/validation"):
            assert reached[f"best/{key}"] == pytest.approx(best[key])
            assert reached[key] == pytest.approx(history[-1][key])
    metrics = [metric.name.tag for metric in columns.metric_infos]
    assert all(tag.startswith("best/") for tag in metrics[:6])


def test_places_without_a_common_folder(made_up: Callable, tmp_path: Path) -> None:
    assert _common_folder(["logs/a", "logs/b/c"]) == Path("logs")
    assert _common_folder([str(tmp_path / "a"), str(tmp_path / "b")]) == tmp_path
    with pytest.raises(UserError, match="/a, /b: lie in no common folder; --output names one"):
        _common_folder(["/a", "/b"])


def test_summary_is_written_and_tells_the_choice(made_up: Callable, tmp_path: Path) -> None:
    for width in (8, 16):
        for depth in (1, 2, 3):
            made_up([1 / width + depth / 10], f"network.width={width}", f"network.depth={depth}")
    text = compare([str(tmp_path)])
    assert "chosen by validation loss: width=16 depth=1, epoch 1" in text
    markdown = (tmp_path / "summary.md").read_text()
    assert markdown.splitlines()[0].startswith("| network.width | network.depth | epochs |")
    assert markdown.splitlines()[2].startswith("| 16 | 1 | 1 |")
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "error_curves.png", "heat_map.png", "heat_map_train.png",
        "loss_against_network.width.png", "loss_against_network.depth.png",
    }  # fmt: skip


def test_heat_map_shows_the_means(made_up: Callable, tmp_path: Path) -> None:
    cells = {(8, 1): [1.0, 3.0], (8, 2): [4.0], (16, 1): [5.0]}
    for (width, depth), losses in cells.items():
        for seed, loss in enumerate(losses):
            made_up([loss], f"network.width={width}", f"network.depth={depth}", f"seed={seed}")
    figure = draw(Comparison(find_runs([str(tmp_path)])))["heat_map"]
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(shown.filled(np.nan), [[2.0, 4.0], [5.0, np.nan]])
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["1", "2"]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["8", "16"]


def test_a_heat_map_shows_where_the_training_ended(made_up: Callable, tmp_path: Path) -> None:
    for width, depth in ((8, 1), (8, 2), (16, 1), (16, 2)):
        for seed in (0, 1):
            losses = [1.0, width + depth + seed]  # the first epoch is chosen
            made_up(losses, f"network.width={width}", f"network.depth={depth}", f"seed={seed}")
    figure = draw(Comparison(find_runs([str(tmp_path)])))["heat_map_train"]
    assert figure.axes[1].get_ylabel() == "loss on training data, last epoch"
    shown = figure.axes[0].images[0].get_array()
    # made_up gives half the loss to the training data.
    np.testing.assert_array_equal(shown, np.array([[9.5, 10.5], [17.5, 18.5]]) / 2)


def test_a_key_that_follows_the_seed_is_not_told(made_up: Callable, tmp_path: Path) -> None:
    for seed in (0, 1):
        made_up([1], "data=points", f"seed={seed}")
    comparison = Comparison(find_runs([str(tmp_path)]))
    assert comparison.swept == ["seed"]
    assert len(comparison.groups()) == 1
    made_up([1], "data=points", "seed=2", "data.points_seed=0")
    assert Comparison(find_runs([str(tmp_path)])).swept == ["data.points_seed", "seed"]


def test_chosen_epoch_is_marked(made_up: Callable, tmp_path: Path) -> None:
    made_up([3, 1, 2], "seed=0")
    made_up([3, 2, 4], "seed=1")
    panel = draw(Comparison(find_runs([str(tmp_path)])))["error_curves"].axes[1]
    [ring] = [line for line in panel.lines if line.get_marker() == "o"]
    np.testing.assert_array_equal(ring.get_xydata(), [[2, 1]])


@pytest.mark.parametrize(
    ("places", "metric", "said"),
    [
        (["nowhere"], "loss", "nowhere: no such folder"),
        (["."], "loss", ".: no runs in this folder"),
        (["made_up"], "accuracy", "metric=accuracy: no run has it .these are there: error, loss"),
    ],
)
def test_mistakes(
    places: list[str], metric: str, said: str, made_up: Callable, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if places == ["made_up"]:
        made_up([1])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said):
        compare(places, metric)


def test_a_sweep_ends_in_an_answer(start: Start, tmp_path: Path) -> None:
    process = start("-m", "optimizer.lr=0.01,1e30,0.1", "trainer.max_epochs=2", "seed=3")
    out, err = process.communicate(timeout=200)
    assert process.returncode == 1  # for the job that diverged, which didn't stop the others
    assert err.count("1_lr=1e+30: diverged: ") == 1
    assert "Traceback" not in err
    [sweep] = tmp_path.glob("mnist_hw4/sweeps/*")
    jobs = {path.name: Run(path) for path in sweep.iterdir() if (path / "config.yaml").is_file()}
    assert set(jobs) == {"0_lr=0.01", "1_lr=1e+30", "2_lr=0.1"}
    tested = [name for name, run in jobs.items() if run.result["evaluations"]]
    losses = {name: run.history[-1]["loss/validation"] for name, run in jobs.items() if run.history}
    assert tested == [min(losses, key=losses.__getitem__)]
    [entry] = jobs[tested[0]].result["evaluations"]
    assert (entry["split"], entry["checkpoint"]) == ("test", "best")
    assert "chosen by validation loss" in out
    assert "the test set was evaluated for it alone" in out
    assert f"test error {100 * entry['error']:.2f} %" in out
    assert "lr=1e+30: diverged: " in out
    header = (sweep / "summary.csv").read_text().splitlines()[0]
    assert header.startswith("optimizer.lr,epochs,")
    assert "seed=3" in OmegaConf.load(sweep / tested[0] / "overrides.yaml")


def test_a_sweep_of_which_nothing_came_says_so(start: Start, tmp_path: Path) -> None:
    process = start("-m", "optimizer.lr=1e30,1e31", "trainer.max_epochs=1")
    out, err = process.communicate(timeout=200)
    assert process.returncode == 1
    assert len(err.splitlines()) == 2
    assert all(" diverged: " in line for line in err.splitlines())
    assert "none is chosen: no job has finished an epoch" in out.splitlines()
    [csv_file] = tmp_path.glob("mnist_hw4/sweeps/*/summary.csv")
    rows = csv.DictReader(io.StringIO(csv_file.read_text()))
    assert [row["status"] for row in rows] == ["diverged", "diverged"]


@pytest.mark.parametrize(
    "path", sorted(CONFIG_FOLDER.glob("sweep/*.yaml")), ids=lambda path: path.stem
)
def test_each_value_of_a_preset_is_one(path: Path, compose: Callable) -> None:
    params = OmegaConf.select(OmegaConf.load(path), "hydra.sweeper.params") or {}
    words = [f"{key}={values}" for key, values in params.items()]
    values: dict[str, list[object]] = {}
    for override in OverridesParser.create().parse_overrides(words):
        value = override.value()
        if override.is_interval_sweep():
            values[override.key_or_group] = [value.start, value.end]
        elif override.is_sweep_override():
            values[override.key_or_group] = list(override.sweep_string_iterator())
        else:
            values[override.key_or_group] = [value]
    # A key may belong to what the preset chooses, or to the experiment that its first line names.
    named = re.search(r"\bexperiment=\w+", path.read_text())
    chosen = {"experiment": named[0]} if named else {}
    chosen |= {
        key: f"{key}={own[0]}" for key, own in values.items() if (CONFIG_FOLDER / key).is_dir()
    }
    for key, own in values.items():
        for value in own:
            compose(*(chosen | {key: f"{key}={value}"}).values())


def test_a_preset_names_its_jobs_by_what_it_varies(start: Start, tmp_path: Path) -> None:
    process = start("-m", "sweep=learning_rates", "trainer.max_epochs=1", "callbacks=none")
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    folders = [path for path in tmp_path.glob("mnist_hw4/sweeps/*/*_*") if path.is_dir()]
    assert {path.name for path in folders} == {"0_lr=0.01", "1_lr=0.1", "2_lr=1"}
    assert {Run(path).config.optimizer.lr for path in folders} == {0.01, 0.1, 1}


def test_compare_as_a_command_needs_no_torch(made_up: Callable, tmp_path: Path) -> None:
    made_up([2], "seed=0")
    made_up([1], "seed=1")
    (tmp_path / "torch.py").write_text("raise ImportError('torch was loaded')")
    script = CHECKOUT / "scripts" / "compare.py"
    code = f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[1:] = ['made_up']"
    code += f"; runpy.run_path({str(script)!r}, run_name='__main__')"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("made_up/events.out.tfevents.*"))) == 1
    assert "chosen by validation loss: seed=1, epoch 1" in done.stdout
    for folder in Path(tmp_path / "made_up").glob("2*"):
        assert Run(folder).result["evaluations"] == []


def test_configs_are_read_as_they_were_written(made_up: Callable, tmp_path: Path) -> None:
    words = ["data.train_size=null", "network.widths=[12,8]", "optimizer.lr=1e-05", "seed=7"]
    run = Run(made_up([1], *words, "optimizer=adam", "logs='1e3'"))
    settings = settings_of(run)
    assert settings == flatten(run.config)
    assert list(settings) == list(flatten(run.config))
    assert [type(v) for v in settings.values()] == [type(v) for v in flatten(run.config).values()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: [1", "damaged: while parsing a flow sequence"),
        ("- seed", "damaged: not a config"),
        ("db: {host: localhost}", "db: no such key"),
        ("\xff\xfe", "damaged: "),
    ],
)
def test_configs_of_others_are_refused(
    text: str, said: str, made_up: Callable, tmp_path: Path
) -> None:
    path = made_up([1]) / "config.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=f"^{path}: {said}"):
        compare([str(tmp_path)])
