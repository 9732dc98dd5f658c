"""Regression: losses and metrics, including the largest error."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch

import numpy as np
import pytest
import torch
from forked_command import fork_two_processes
from helpers import SCRIPT, forks, history, regression_task
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio

from mlp_lab.commands.train import train as train_command
from mlp_lab.data import batches
from mlp_lab.data.batches import ChunkLoader
from mlp_lab.runs.train import Training, fit_alone, train
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs

FORMULAS = {"half_squared_error": 0.5, "squared_error": 1.0}
shapes = st.tuples(st.integers(1, 40), st.integers(1, 5))


def example(examples: int, outputs: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    f, y = torch.randn(2, examples, outputs, generator=generator, dtype=torch.float64)
    return f, y


@pytest.mark.parametrize("loss", FORMULAS)
@given(shapes, st.integers(0, 99))
def test_losses(loss: str, shape: tuple[int, int], seed: int) -> None:
    f, y = example(*shape, seed)
    expected = FORMULAS[loss] * np.mean((f.numpy() - y.numpy()) ** 2)
    assert regression_task(loss).loss(f, y).item() == pytest.approx(expected, rel=1e-12)


def test_the_gradient_of_half_the_squared_error_is_the_error() -> None:
    f, y = example(20, 1, 0)
    f.requires_grad_()
    regression_task().loss(f, y).backward()
    np.testing.assert_allclose(f.grad, (f - y).detach() / 20, rtol=1e-12)


@given(shapes, st.integers(0, 99), st.integers(1, 50), st.integers(1, 50))
def test_evaluation_is_a_mean_and_a_maximum_for_any_batch_size(
    shape: tuple[int, int], seed: int, batch_size: int, chunk: int
) -> None:
    f, y = example(*shape, seed)
    with patch.object(batches, "chunk_length", lambda _: chunk):
        actual = regression_task().evaluate(ChunkLoader((f, y), batch_size))
    error = f.numpy() - y.numpy()
    assert actual == pytest.approx(
        {
            "loss": np.mean(error**2) / 2,
            "squared_error": np.mean(error**2),
            "largest_error": np.abs(error).max(),
        },
        rel=1e-6,
    )


@given(shapes, st.integers(0, 99), st.integers(1, 50), st.floats(0.1, 300))
def test_psnr_is_computed_over_the_whole_split_for_any_batch_size(
    shape: tuple[int, int], seed: int, batch_size: int, peak: float
) -> None:
    f, y = example(*shape, seed)
    psnr = peak_signal_noise_ratio(y.numpy(), f.numpy(), data_range=peak)
    actual = regression_task(peak=peak)
    assert actual.metrics == ("squared_error", "largest_error", "psnr")
    assert actual.evaluate(ChunkLoader((f, y), batch_size))["psnr"] == pytest.approx(psnr, rel=1e-5)


@pytest.mark.parametrize(("error", "psnr"), [(0.0, math.inf), (math.inf, -math.inf)])
def test_psnr_of_zero_and_infinite_error(error: float, psnr: float) -> None:
    y = torch.zeros(3, 1)
    assert regression_task(peak=1.0).evaluate(ChunkLoader((y + error, y), 2))["psnr"] == psnr


@given(shapes, st.integers(0, 99))
def test_the_sigmoid_is_applied_before_all_metrics(shape: tuple[int, int], seed: int) -> None:
    f, y = example(*shape, seed)
    squashed, bare = regression_task(output="sigmoid"), regression_task()
    values = 1 / (1 + np.exp(-f.numpy()))
    np.testing.assert_allclose(squashed.predictions(f), values, rtol=1e-12)
    assert torch.equal(bare.predictions(f), f)
    loader, expected = ChunkLoader((f, y), 7), ChunkLoader((torch.tensor(values), y), 7)
    assert squashed.evaluate(loader) == pytest.approx(bare.evaluate(expected), rel=1e-6)


@pytest.mark.parametrize("output", ["identity", "sigmoid"])
@pytest.mark.parametrize("grey", [True, False])
def test_initial_outputs_are_near_the_mean_of_the_training_targets(
    output: str, grey: bool, compose: Callable, tmp_path: Path
) -> None:
    overrides = ["experiment=image_tancik", "data.size=16", "data.image=text", f"data.grey={grey}"]
    overrides += [
        "trainer.accelerator=cpu",
        "trainer.max_epochs=1",
        "data.passes=1",
        "callbacks=none",
    ]
    overrides += [f"task.output={output}", "task.output_bias=mean", f"logs='{tmp_path}'"]
    training = Training.new(compose(*overrides))
    with torch.no_grad():
        training.task.network[-1].weight.zero_()
        values = training.task.predictions(training.task(torch.rand(5, 2)))
    training.data.setup()
    mean = training.data.splits["train"][1].mean(0)
    np.testing.assert_allclose(values, mean.clamp(1e-3, 1 - 1e-3).expand(5, -1), rtol=1e-5)
    # Training improves the initial outputs.
    result = fit_alone(training, test=False, terminal=False)
    bias = training.task.network[-1].bias
    again = Training.resumed(result.folder, {"trainer.max_epochs": 2})
    assert torch.equal(again.task.network[-1].bias, bias)


def test_targets_of_one_output_may_be_one_dimensional() -> None:
    f, y = example(9, 1, 0)
    assert regression_task().loss(f, y[:, 0]) == regression_task().loss(f, y)
    for name, values in regression_task().measure(f, y).items():
        assert torch.equal(regression_task().measure(f, y[:, 0])[name], values)
        assert values.shape == (9,)


def test_an_empty_share_of_a_batch_adds_nothing() -> None:
    f, y = example(3, 1, 0)
    # Of the batches {0, 1} and {2}, the second of two processes has the example 1 only.
    actual = regression_task().evaluate(ChunkLoader((f, y), 2).share(1, 2))
    assert actual["largest_error"] == pytest.approx((f - y)[1].abs().item())
    assert actual["squared_error"] == pytest.approx((f - y)[1].square().item())


# --- in trainings -------------------------------------------------------------------------------

USUAL = ["experiment=curve_fit", "trainer.accelerator=cpu", "trainer.max_epochs=3", "data.passes=2"]


def test_the_history_has_the_largest_error_of_each_epoch(compose: Callable, tmp_path: Path) -> None:
    overrides = [*USUAL, "callbacks=none", f"logs='{tmp_path}'"]
    overrides += ["data.batch_size=10", "data.passes=8"]  # several chunks an epoch
    training = Training.new(compose(*overrides))
    measured: list[torch.Tensor] = []
    measure = training.task.measure

    def watched(output: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        if training.trainer.training:
            measured.append((output - target).abs().max())
        return measure(output, target)

    training.task.measure = watched
    fit_alone(training, test=False)
    rows = history(training.run.folder)
    epochs = torch.stack(measured).view(3, -1)
    assert [row["largest_error/train"] for row in rows] == pytest.approx(epochs.amax(1).tolist())
    # By the last weights, with numpy.
    x, y = (t.numpy() for t in training.data.splits["validation"])
    w1, b1, w2, b2 = (p.detach().numpy() for p in training.task.network.parameters())
    fit = (1 / (1 + np.exp(-(x @ w1.T + b1)))) @ w2.T + b2
    assert rows[-1]["largest_error/validation"] == pytest.approx(np.abs(fit - y).max(), rel=1e-4)
    assert rows[-1]["squared_error/validation"] == pytest.approx(np.mean((fit - y) ** 2), rel=1e-4)


def test_a_stack_reports_the_largest_error_of_each_member(
    compose: Callable, tmp_path: Path
) -> None:
    job_overrides = [["optimizer.lr=0.01", "callbacks=curve"], ["optimizer.lr=0.1"], ["seed=4"]]
    common = [*USUAL, "callbacks=none", "logger=none"]

    def jobs(name: str) -> list[Job]:
        folders = [tmp_path / name / str(i) for i in range(len(job_overrides))]
        return [
            Job(compose(*common, *w), w, f) for w, f in zip(job_overrides, folders, strict=True)
        ]

    for job in jobs("alone"):
        fit_alone(Training.new(job.cfg, job.overrides, job.folder), test=False, terminal=False)
    train_jobs(jobs("stacked"))
    for i in range(len(job_overrides)):
        alone, stacked = (history(tmp_path / name / str(i)) for name in ("alone", "stacked"))
        for one, other in zip(alone, stacked, strict=True):
            del one["seconds"], other["seconds"]
            assert other == pytest.approx(one, rel=1e-3)
    assert (tmp_path / "stacked" / "0" / "figures" / "curve_fit.png").is_file()


@given(st.integers(1, 30), st.integers(0, 30), st.integers(0, 99))
def test_processes_average_means_and_take_the_maximum_of_maxima(
    here: int, there: int, seed: int
) -> None:
    f, y = example(here + there, 2, seed)
    first, other = regression_task(), regression_task()
    for each, rows in ((first, slice(here)), (other, slice(here, None))):
        each.on_validation_epoch_start()
        each.record_validation([f[rows]], [y[rows]])
    sent: list[torch.Tensor] = []

    class Trainer:
        """Trainer of two processes; reductions are in place, as in torch."""

        world_size = 2
        callback_metrics: ClassVar[dict] = {}

        @property
        def strategy(self) -> "Trainer":
            return self

        def reduce(self, values: torch.Tensor, reduce_op: str) -> torch.Tensor:
            if len(sent) < 2:  # the other process comes first
                sent.append(values.clone())
                return values
            both = {"sum": torch.add, "max": torch.maximum}[reduce_op](values, sent[0])
            return values.copy_(both)

    first.trainer = trainer = Trainer()  # a task keeps a weak reference only
    other._sums["validation"].gather(trainer, torch.device("cpu"))
    first._log_means("validation")
    expected = regression_task().evaluate(ChunkLoader((f, y), 100))
    assert first.means == pytest.approx({f"{k}/validation": v for k, v in expected.items()})
    del trainer


@forks
@pytest.mark.slow
def test_two_processes_give_the_results_of_one(compose: Callable, tmp_path: Path) -> None:
    # More than the 2,048 examples of a microbatch in each process.
    common = [*USUAL, "data.size=10000", "data.batch_size=10000", "network.width=300"]
    common += ["callbacks=none", "logger=none"]
    alone = history(train(compose(*common, f"logs='{tmp_path}/alone'")))
    command = [str(SCRIPT), "trainer=ddp", *common, f"logs='{tmp_path}/ddp'"]
    fork_two_processes(train_command, command)
    together = history(next((tmp_path / "ddp" / "curve_fit").iterdir()))
    for one, other in zip(alone, together, strict=True):
        del one["seconds"], other["seconds"]
        assert other == pytest.approx(one, rel=1e-3)
