"""Training with gradients by hand, compared with training with autograd."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from forked_command import fork_two_processes
from helpers import SCRIPT, composed, forks, weights
from torch import Tensor

from mlp_lab.commands.train import train as train_command
from mlp_lab.errors import UserError
from mlp_lab.nn.mlp import MLP
from mlp_lab.nn.schedules import Constant
from mlp_lab.runs.train import train
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs
from mlp_lab.tasks.classification_by_hand import ClassificationByHand


@pytest.fixture
def lecture_config(mnist_config: Callable) -> Callable:
    """``lecture_config("network.width=3", ...)``: the config of a short training."""
    common = ["experiment=mnist_lecture", "trainer.max_epochs=3", "data.batch_size=32"]
    common += ["data.train_size=480"]
    return lambda *overrides: mnist_config(*common, "callbacks=none", "logger=none", *overrides)


BY_HAND = "task=classification_by_hand"
DOUBLE = "trainer.precision=64-true"


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["optimizer=momentum", "optimizer.weight_decay=0.01", "schedule=cosine", "seed=3"],
        ["network.activation=tanh", "network.widths=[20,10]", "task.output=softmax"],
        # This training amplifies rounding by a factor of 1e5.
        ["network.depth=0", "task.loss=cross_entropy", "augmentation=affine", DOUBLE],
        ["task.output=softmax", "task.loss=cross_entropy", "task.label_smoothing=0.2"],
        pytest.param([DOUBLE], marks=pytest.mark.slow),
        pytest.param(
            ["network.activation=sigmoid", "task.output=softmax", "task.loss=cross_entropy"],
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda overrides: " ".join(overrides) or "mnist_lecture",
)
def test_training_by_hand_gives_the_weights_of_autograd(overrides, lecture_config, monkeypatch):
    expected = train(lecture_config(*overrides, "gradients=autograd"))
    monkeypatch.setattr(Tensor, "backward", lambda *_: pytest.fail("autograd was asked"))
    monkeypatch.setattr(torch.autograd, "grad", lambda *_: pytest.fail("autograd was asked"))
    result = train(lecture_config(*overrides, BY_HAND))
    actual, other = weights(result.folder), weights(expected.folder)
    assert actual.keys() == other.keys()
    for name in actual:
        # The products have another order of the sums than those of autograd.
        tolerance = 1e-4 if actual[name].dtype == torch.float32 else 1e-9
        torch.testing.assert_close(actual[name], other[name], rtol=tolerance, atol=tolerance)
    assert result.steps == expected.steps == 45
    measured = [name for name in expected.last if "/" in name]
    assert {"loss/train", "error/validation"} <= set(measured)
    for name in measured:
        assert result.last[name] == pytest.approx(expected.last[name], rel=1e-4), name


def test_training_by_hand_in_mixed_precision(lecture_config):
    runs = [
        train(lecture_config("trainer.precision=bf16-mixed", *overrides))
        for overrides in ([], [BY_HAND])
    ]
    expected, actual = (run.last["loss/validation"] for run in runs)
    assert actual == pytest.approx(expected, rel=0.02)


def test_training_by_hand_refuses_other_networks(lecture_config):
    with pytest.raises(UserError, match="network: closed-form gradients need linear layers"):
        train(lecture_config(BY_HAND, "network.dropout=0.1"))


def test_training_by_hand_refuses_a_single_output():
    with pytest.raises(UserError, match="an output for each class"):
        ClassificationByHand(
            output="softmax", loss="cross_entropy", network=MLP(3, 1), optimizer=torch.optim.SGD,
            schedule=Constant(), seed=0,
        )  # fmt: skip


def test_gradients_by_hand_are_not_stacked(lecture_config, tmp_path, capsys):
    """A stack has its gradients from autograd."""
    jobs = [
        Job(
            lecture_config(BY_HAND, "trainer.max_epochs=1", f"seed={seed}"),
            [],
            tmp_path / str(seed),
        )
        for seed in (0, 1)
    ]
    assert [result.status for result in train_jobs(jobs)] == ["finished"] * 2
    assert (
        capsys.readouterr().out.count("trains alone (its task has explicit gradient formulas)") == 2
    )


@forks
@pytest.mark.slow
def test_training_by_hand_in_two_processes(tiny_mnist: Path, tmp_path: Path):
    common = [BY_HAND, "trainer.max_epochs=2", "data.batch_size=20", "callbacks=none"]
    common += ["trainer.accelerator=cpu", f"data.root='{tiny_mnist}'"]
    first = train(composed(*common, f"logs='{tmp_path}/alone'")).folder
    command = [str(SCRIPT), "trainer=ddp", *common, f"logs='{tmp_path}/ddp'"]
    out = fork_two_processes(train_command, command)
    second = out.partition("run folder: ")[2].splitlines()[0]
    alone, together = map(weights, (first, second))
    for name in alone:
        torch.testing.assert_close(together[name], alone[name], rtol=1e-4, atol=1e-5)
