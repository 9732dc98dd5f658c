"""Values and sizes at the edge: a run handles them, or ends with the reason."""

import math
from pathlib import Path

import pytest
from helpers import composed

from mlp_lab.errors import UserError
from mlp_lab.runs.train import train
from mlp_lab.storage.results import Result
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs

COMMON = ["callbacks=none", "logger=none", "trainer.accelerator=cpu", "trainer.max_epochs=2"]
POINTS = ["experiment=points_mlp", "data.size=60"]
CURVE = ["experiment=curve_fit"]
DIVERGED = "diverged: the training loss is not finite in epoch 1, by step {}; a smaller"


def run(tmp_path: Path, *overrides: str) -> Result:
    return train(composed(*overrides, *COMMON, f"logs='{tmp_path}/logs'"))


@pytest.mark.parametrize(
    ("overrides", "step"),
    [
        ([*POINTS, "optimizer.lr=1e30"], 6),
        ([*POINTS, "optimizer.lr=1e30", "gradients=autograd"], 6),
        ([*POINTS, "optimizer.lr=1e30", "average_decay=0.9"], 6),
        ([*POINTS, "optimizer.lr=1e30", "trainer.gradient_clip_val=1"], 6),
        ([*POINTS, "optimizer=sgd", "optimizer.weight_decay=1e30"], 6),
        ([*CURVE, "optimizer=sgd", "optimizer.lr=1e30"], 50),
        # exploding gradients: each layer multiplies them
        ([*POINTS, "network.depth=30", "optimizer=sgd", "optimizer.lr=100"], 6),
    ],
    ids=str,
)
def test_a_loss_that_is_not_finite_ends_a_run(
    overrides: list[str], step: int, tmp_path: Path
) -> None:
    result = run(tmp_path, *overrides)
    assert result.status == "diverged"
    assert str(result.reason).startswith(DIVERGED.format(step))
    assert result.best is None


def test_a_diverging_member_of_a_stack_does_not_change_the_others(tmp_path: Path) -> None:
    def jobs(name: str, *rates: str) -> list[Job]:
        overrides = [[*POINTS, *COMMON, f"optimizer.lr={rate}"] for rate in rates]
        return [
            Job(composed(*each), each, tmp_path / name / str(number))
            for number, each in enumerate(overrides)
        ]

    with_it = train_jobs(jobs("with", "0.1", "1e30", "0.05"))
    without = train_jobs(jobs("without", "0.1", "0.05"))
    assert [result.status for result in with_it] == ["finished", "diverged", "finished"]
    assert str(with_it[1].reason).startswith(DIVERGED.format(6))
    for one, other in zip((with_it[0], with_it[2]), without, strict=True):
        assert one.last is not None
        assert other.last is not None
        assert one.last["loss/validation"] == pytest.approx(other.last["loss/validation"], rel=1e-5)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.size=1"], "data.size=1: must be a whole number at least 2"),
        (["data.batch_size=0"], "data.batch_size=0: must be a whole number at least 1"),
        (["trainer.limit_train_batches=0"], "must be a whole number at least 1"),
        (
            ["network.normalization=batch", "data.batch_size=59"],
            "the last minibatch of 60 examples has 1, but batch normalization needs 2; set"
            " data.drop_last=true, another data.batch_size or another network",
        ),
        (["network.normalization=batch", "data.batch_size=1"], "needs at least 2 examples"),
    ],
    ids=str,
)
def test_sizes_that_are_refused(overrides: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        run(tmp_path, "experiment=points_mlp", "data.size=60", *overrides) if not any(
            o.startswith("data.size") for o in overrides
        ) else run(tmp_path, "experiment=points_mlp", *overrides)
    assert message in str(caught.value)
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("overrides", "steps"),
    [
        (["data.size=2"], 2),
        (["data.size=60", "data.batch_size=100000"], 2),
        (["data.size=60", "data.batch_size=100000", "data.drop_last=true"], 2),
        (["data.size=61", "data.batch_size=60"], 4),  # the last minibatch has one example
        (["data.size=61", "data.batch_size=60", "network.normalization=layer"], 4),
        (["data.size=61", "data.batch_size=60", "network.normalization=batch",
          "data.drop_last=true"], 2),
    ],
    ids=str,
)  # fmt: skip
def test_few_examples_and_large_minibatches(
    overrides: list[str], steps: int, tmp_path: Path
) -> None:
    result = run(tmp_path, "experiment=points_mlp", *overrides)
    assert (result.status, result.steps) == ("finished", steps)
    assert result.last is not None
    assert math.isfinite(result.last["loss/validation"])


def csv_run(tmp_path: Path, rows: list[str]) -> Result:
    path = tmp_path / "points.csv"
    path.write_text("\n".join(["height,width,kind", *rows, ""]))
    return run(tmp_path, "experiment=points_mlp", "data=csv", f"data.path='{path}'")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["1,2,a", "2,3,b"], "examples: 2; must be at least 5"),
        ([f"{x},{x * x},a" for x in range(9)], "all examples have the label 'a'; must be two or"),
        ([f"nan,{x},{'ab'[x % 2]}" for x in range(9)], "line 2: the value of height is missing"),
        ([f"{x},1e39,{'ab'[x % 2]}" for x in range(9)], "line 2: '1e39' is not a finite number"),
    ],
)
def test_data_that_are_refused(rows: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        csv_run(tmp_path, rows)
    assert message in str(caught.value)
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("rows", "warning"),
    [
        (
            [f"{x / 7},5,{'ab'[x % 2]}" for x in range(40)],
            "all training examples have the same value of width, which therefore does not help",
        ),
        (
            [f"{x / 7},{x * x},{'b' if x else 'a'}" for x in range(40)],
            "no example of the split test has the label a",
        ),
        ([f"{x}e37,{x},{'ab'[x % 2]}" for x in range(10)], None),
    ],
)
def test_data_with_a_warning(
    rows: list[str], warning: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = csv_run(tmp_path, rows)
    out = capsys.readouterr().out
    assert warning is None or warning in out
    assert result.status == "finished"
    assert result.last is not None
    assert math.isfinite(result.last["loss/validation"])
