"""Training with gradients by hand, held against training with autograd."""

from collections.abc import Callable

import pytest
import torch
from helpers import Start, weights
from torch import Tensor

from mlp_lab.errors import UserError
from mlp_lab.nn.mlp import MLP
from mlp_lab.nn.schedules import Constant
from mlp_lab.runs.train import train
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs
from mlp_lab.tasks.classification_by_hand import ClassificationByHand


@pytest.fixture
def cfg(mnist_config: Callable) -> Callable:
    """``cfg("network.width=3", ...)``: a shortened training of the lecture's network."""
    common = ["experiment=mnist_lecture", "trainer.max_epochs=3", "data.batch_size=32"]
    return lambda *words: mnist_config(*common, "callbacks=none", "logger=none", *words)


BY_HAND = "task=classification_by_hand"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["optimizer=momentum", "optimizer.weight_decay=0.01", "schedule=cosine", "seed=3"],
        ["network.activation=tanh", "network.widths=[20,10]", "task.output=softmax"],
        ["network.activation=sigmoid", "task.output=softmax", "task.loss=cross_entropy"],
        ["network.depth=0", "task.loss=cross_entropy", "augmentation=affine"],
        ["task.output=softmax", "task.loss=cross_entropy", "task.label_smoothing=0.2"],
        ["trainer.precision=64-true"],
    ],
    ids=lambda words: " ".join(words) or "mnist_lecture",
)
def test_training_by_hand_ends_with_autograd_s_weights(words, cfg, monkeypatch):
    expected = train(cfg(*words))
    monkeypatch.setattr(Tensor, "backward", lambda *_: pytest.fail("autograd was asked"))
    monkeypatch.setattr(torch.autograd, "grad", lambda *_: pytest.fail("autograd was asked"))
    result = train(cfg(*words, BY_HAND))
    found, other = weights(result.folder), weights(expected.folder)
    assert found.keys() == other.keys()
    for name in found:
        torch.testing.assert_close(found[name], other[name])  # 1e-5 in float32, 1e-7 in float64
    assert result.steps == expected.steps == 150
    measured = [name for name in expected.last if "/" in name]
    assert {"loss/train", "error/validation"} <= set(measured)
    for name in measured:
        assert result.last[name] == pytest.approx(expected.last[name], rel=1e-4), name


def test_training_by_hand_in_mixed_precision(cfg):
    runs = [train(cfg("trainer.precision=bf16-mixed", *words)) for words in ([], [BY_HAND])]
    expected, found = (run.last["loss/validation"] for run in runs)
    assert found == pytest.approx(expected, rel=0.02)


def test_training_by_hand_refuses_other_networks(cfg):
    with pytest.raises(UserError, match="network: closed-form gradients need linear layers"):
        train(cfg(BY_HAND, "network.dropout=0.1"))


def test_training_by_hand_refuses_a_single_output():
    with pytest.raises(UserError, match="an output for each class"):
        ClassificationByHand(
            output="softmax", loss="cross_entropy", network=MLP(3, 1), optimizer=torch.optim.SGD,
            schedule=Constant(), seed=0,
        )  # fmt: skip


def test_gradients_by_hand_are_not_stacked(cfg, tmp_path, capsys):
    """A stack has its gradients from autograd."""
    jobs = [
        Job(cfg(BY_HAND, "trainer.max_epochs=1", f"seed={seed}"), [], tmp_path / str(seed))
        for seed in (0, 1)
    ]
    assert [result.status for result in train_jobs(jobs)] == ["finished"] * 2
    assert (
        capsys.readouterr().out.count("trains alone (its task has explicit gradient formulas)") == 2
    )


@pytest.mark.slow
def test_two_processes_train_by_hand_as_one(start: Start):
    folders = []
    for trainer in ("default", "ddp"):
        process = start(BY_HAND, f"trainer={trainer}", "trainer.max_epochs=2", "data.batch_size=20")
        out, err = process.communicate(timeout=400)
        assert process.returncode == 0, err
        folders.append(out.partition("run folder: ")[2].splitlines()[0])
    alone, together = map(weights, folders)
    for name in alone:
        torch.testing.assert_close(together[name], alone[name], rtol=1e-4, atol=1e-5)
