"""Training with closed-form gradients ends with the weights that autograd gives."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from helpers import assert_equal_weights, history, weights

from mlp_lab.errors import UserError
from mlp_lab.nn.output_deltas import OutputDelta
from mlp_lab.runs.train import resume, train
from mlp_lab.storage.results import Status
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs
from mlp_lab.tasks.chunked_training import ChunkedTraining
from mlp_lab.tasks.classification import Classification
from mlp_lab.tasks.classification_by_hand import ClassificationByHand
from mlp_lab.tasks.closed_form import _is_of_loss

CLOSED_FORM = "gradients=closed_form"


@pytest.fixture
def cfg(mnist_config: Callable) -> Callable:
    """``cfg("network.width=3", ...)``: a run of two epochs in double precision."""
    usual = ["trainer.max_epochs=2", "data.batch_size=48", "network.width=8", "callbacks=none"]
    usual += ["logger=none", "trainer.precision=64-true", "data.train_size=480"]
    return lambda *overrides: mnist_config(*usual, *overrides)


VARIANTS = [
    [],
    ["optimizer=momentum", "schedule=cosine", "seed=3"],
    ["optimizer=nesterov", "optimizer.weight_decay=0.01"],
    ["optimizer=sgd", "optimizer.weight_decay=0.01"],
    ["optimizer=sgd", "network.normalization=batch"],
    ["optimizer=sgd", "network.normalization=layer", "network.depth=2"],
    [
        "optimizer=sgd",
        "network.depth=3",
        "network.residual=true",
        "network.normalization=batch",
        "network.dropout=0.2",
    ],
    ["optimizer=adam", "network.depth=2", "network.dropout=0.2"],
    ["optimizer=adamw", "network.normalization=batch", "average_decay=0.9"],
    ["optimizer=nadam", "network.normalization=layer", "network.activation=gelu"],
    ["optimizer=rmsprop", "network.depth=3", "network.residual=true"],
    ["optimizer=adagrad", "augmentation=affine", "task.label_smoothing=0.1"],
    ["task.output=sigmoid", "task.loss=squared_error", "network.activation=tanh"],
]


@pytest.mark.parametrize("overrides", VARIANTS, ids=" ".join)
def test_weights_and_history_are_those_of_autograd(cfg: Callable, overrides: list[str]) -> None:
    expected = train(cfg(*overrides, "gradients=autograd"))
    result = train(cfg(*overrides, CLOSED_FORM))
    state, other = weights(result), weights(expected)
    assert state.keys() == other.keys()
    for name in state:
        torch.testing.assert_close(state[name], other[name], rtol=1e-6, atol=1e-8)
    assert result.steps == expected.steps
    for row, expected_row in zip(history(result), history(expected), strict=True):
        for key in expected_row.keys() - {"seconds"}:
            assert row[key] == pytest.approx(expected_row[key], rel=1e-5), key


@pytest.mark.parametrize(
    "overrides",
    [
        *VARIANTS[3::6],
        *(pytest.param(variant, marks=pytest.mark.slow) for variant in VARIANTS[::6]),
    ],
    ids=" ".join,
)
def test_a_stack_is_its_single_runs(
    cfg: Callable, tmp_path: Path, overrides: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    members = [["seed=1"], ["seed=2"], ["seed=1", "schedule=constant"]]
    configs = [cfg(*overrides, CLOSED_FORM, *own) for own in members]
    single = [train(config) for config in configs]
    jobs = [Job(config, [], tmp_path / f"job{n}") for n, config in enumerate(configs)]
    stacked = train_jobs(jobs)
    assert "3 jobs train as one network" in capsys.readouterr().out
    for job in jobs:
        assert (job.folder / "train.log").read_text().count("gradients: in closed form\n") == 1
    for one, other in zip(stacked, single, strict=True):
        for name, tensor in weights(one).items():
            torch.testing.assert_close(tensor, weights(other)[name], rtol=1e-6, atol=1e-8)


def test_large_minibatches_are_differentiated_in_parts(
    cfg: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = train(cfg(CLOSED_FORM))
    monkeypatch.setattr("mlp_lab.tasks.closed_form.microbatch_size", lambda *_: 14)
    result = train(cfg(CLOSED_FORM))
    for name, tensor in weights(result).items():
        torch.testing.assert_close(tensor, weights(expected)[name], rtol=1e-6, atol=1e-8)


def test_a_resumed_run_ends_with_the_same_weights(
    cfg: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = [CLOSED_FORM, "optimizer=adam", "network.dropout=0.2", "trainer.max_epochs=4"]
    expected = train(cfg(*overrides))
    first = train(cfg(*overrides, "trainer.max_epochs=2"))
    result = resume(first.folder, {"trainer.max_epochs": 4})
    assert result.status is Status.FINISHED
    assert_equal_weights(result, expected)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.precision=bf16-mixed", "none with trainer.precision=bf16-mixed"),
        ("task=mixup", "Mixup.differentiate is used; must be auto or autograd"),
    ],
)
def test_what_has_no_closed_form_is_refused(cfg: Callable, override: str, message: str) -> None:
    with pytest.raises(UserError, match=f"gradients=closed_form: {message}"):
        train(cfg(CLOSED_FORM, override))
    assert train(cfg("gradients=auto", override)).status is Status.FINISHED


def test_a_loss_can_be_maximized(cfg: Callable) -> None:
    maximized = ["optimizer=torch", "optimizer.name=SGD", "optimizer.lr=0.01"]
    maximized += ["+optimizer.maximize=true", "trainer.max_epochs=2"]
    first, last = (row["loss/train"] for row in history(train(cfg(*maximized))))
    assert last > first


def test_closed_form_is_the_default(cfg: Callable) -> None:
    result = train(cfg())
    assert "gradients: in closed form" in (Path(result.folder) / "train.log").read_text()
    assert_equal_weights(result, train(cfg(CLOSED_FORM)))


@pytest.mark.parametrize(
    "experiment",
    [
        ["experiment=ct", "data.size=16", "data.projections=6", "data.passes=3"],
        ["experiment=mri", "data.size=8", "encoding.sigma=0.5"],
        ["experiment=nerf", "data.size=8", "data.samples=6", "data.batch_size=20", "data.passes=3"],
    ],
    ids=["ct", "mri", "nerf"],
)
def test_autograd_of_a_loss_continues_with_closed_forms(
    compose: Callable, tmp_path: Path, experiment: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlp_lab.nn.closed_form_network.CPU_POINTS", 100)
    usual = ["network.width=12", "encoding.frequencies=12", "trainer.max_epochs=2"]
    usual += ["trainer.precision=64-true", "trainer.accelerator=cpu", "callbacks=none"]
    common = [*experiment, *usual, f"logs='{tmp_path}'", "logger=none"]
    result = train(compose(*common, CLOSED_FORM))
    line = "gradients: of the loss by autograd, of the network in closed form\n"
    assert line in (Path(result.folder) / "train.log").read_text()
    expected = weights(train(compose(*common, "gradients=autograd")))
    for name, tensor in weights(result).items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("setting", ["auto", "autograd"])
def test_a_task_with_its_own_gradients_is_named(cfg: Callable, setting: str) -> None:
    result = train(cfg("task=classification_by_hand", f"gradients={setting}"))
    line = "gradients: by ClassificationByHand.differentiate\n"
    assert line in (Path(result.folder) / "train.log").read_text()


def test_a_loss_without_its_derivative_has_gradients_by_autograd() -> None:
    class Doubled(Classification):
        def loss(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return 2 * super().loss(output, target)

    class WithDerivative(Doubled):
        def output_delta(self, tasks: Sequence[ChunkedTraining]) -> OutputDelta | None:
            return None

    assert _is_of_loss(Classification)
    assert not _is_of_loss(Doubled)
    assert _is_of_loss(WithDerivative)
    assert not _is_of_loss(ClassificationByHand)
