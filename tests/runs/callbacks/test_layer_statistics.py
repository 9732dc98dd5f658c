"""The callback that writes gradient norms and sparsity of layers, compared with a plain loop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch.nn.functional as F
from helpers import assert_equal_weights
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from mlp_lab.runs.build import build_task
from mlp_lab.runs.train import resume, train
from mlp_lab.storage.checkpoints import load_network
from mlp_lab.storage.results import Result
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs

Experiment = Callable[..., Result]


@pytest.fixture
def config(mnist_config: Callable) -> Callable:
    """``config("network.depth=3", ...)``: return a config on the small MNIST with the callback."""
    common = ["trainer.max_epochs=3", "data.batch_size=50", "network.width=12"]
    return lambda *overrides: mnist_config(*common, "callbacks=layers", *overrides)


def table(result: Result) -> np.ndarray:
    """Return epoch, layer, gradient norm and sparsity: ``[rows, 4]``."""
    names = ("epoch", "layer", "gradient norm", "sparsity")
    rows = RunFolder(result.folder).table("layers")
    return np.array([[row.get(name, np.nan) for name in names] for row in rows])


def expected_rows(cfg: Any, checkpoint: Path | None, epoch: int, examples: int) -> np.ndarray:
    """Return the expected rows for the initial weights or those of a checkpoint."""
    data, task = build_task(cfg)
    data.setup()
    if checkpoint is not None:
        load_network(task, checkpoint)
    x, y = data.splits["train"]
    task.network.eval()
    F.cross_entropy(task.network(x[:examples]), y[:examples]).backward()
    linear = [m for m in task.network if isinstance(m, nn.Linear)]
    h, rows = x[:examples], []
    for module in task.network:
        h = module(h)
        if isinstance(module, nn.ReLU):
            rows[-1][3] = (h == 0).double().mean().item()
        if isinstance(module, nn.Linear):
            norm = module.weight.grad.norm().item()
            rows.append([epoch, linear.index(module) + 1, norm, np.nan])
    return np.array(rows)


def test_layers_csv_equals_a_plain_loop(config: Callable) -> None:
    cfg = config("network.depth=3", "network.dropout=0.3", "callbacks.layers.examples=100")
    result = train(cfg)
    rows = table(result)
    assert rows[:, 0].tolist() == [epoch for epoch in range(4) for _ in range(4)]
    np.testing.assert_allclose(rows[:4], expected_rows(cfg, None, 0, 100), rtol=1e-5)
    last = RunFolder(result.folder).checkpoints.existing("last")
    np.testing.assert_allclose(rows[-4:], expected_rows(cfg, last, 3, 100), rtol=1e-5)


def test_layer_statistics_do_not_change_the_weights(config: Callable) -> None:
    common = ["network.dropout=0.2", "network.normalization=batch", "optimizer=adam"]
    assert_equal_weights(
        train(config(*common, "callbacks=layers")), train(config(*common, "callbacks=none"))
    )


def test_tensorboard_and_the_folder_have_the_layer_statistics(config: Callable) -> None:
    result = train(config("network.depth=2", "trainer.max_epochs=5"))
    events = EventAccumulator(result.folder, size_guidance={"histograms": 0}).Reload()
    rows = table(result)
    for layer in (1, 2, 3):
        layer_rows = rows[rows[:, 1] == layer]
        scalars = events.Scalars(f"gradient norm/layer {layer:02}")
        assert [event.step for event in scalars] == list(range(6))
        np.testing.assert_allclose([event.value for event in scalars], layer_rows[:, 2], rtol=1e-6)
        histograms = events.Histograms(f"gradient/layer {layer:02}")
        assert [event.step for event in histograms] == [0, 1, 2, 4]
        norms = [event.histogram_value.sum_squares**0.5 for event in histograms]
        np.testing.assert_allclose(norms, layer_rows[[0, 1, 2, 4], 2], rtol=1e-5)
    sparsity = [event.value for event in events.Scalars("sparsity/layer 02")]
    np.testing.assert_allclose(sparsity, rows[rows[:, 1] == 2][:, 3], rtol=1e-6)
    assert "sparsity/layer 03" not in events.Tags()["scalars"]
    drawn = {"loss_curves", "weights", "gradient_norms", "sparsity"}
    assert {path.stem for path in (Path(result.folder) / "figures").iterdir()} == drawn
    assert set(events.Tags()["images"]) == drawn


def test_steps_on_the_axis(config: Callable) -> None:
    result = train(config("logger.x_axis=step", "trainer.max_epochs=1"))
    events = EventAccumulator(result.folder, size_guidance={"histograms": 0}).Reload()
    for kind in (events.Scalars("gradient norm/layer 01"), events.Histograms("gradient/layer 01")):
        assert [event.step for event in kind] == [0, 32]


def test_other_activations_have_no_sparsity(config: Callable) -> None:
    result = train(config("network.activation=sigmoid", "logger=none", "trainer.max_epochs=1"))
    assert np.isnan(table(result)[:, 3]).all()
    assert not (Path(result.folder) / "figures" / "sparsity.png").exists()


def test_gradients_of_zero_are_drawn(config: Callable) -> None:
    result = train(config("network.gain=0", "network.initialization=he", "trainer.max_epochs=1"))
    first = table(result)[:2]
    assert first[:, 2].tolist() == [0, 0]
    assert first[0, 3] == 1


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_resumed_run_continues_the_table(epochs: int, config: Callable) -> None:
    whole = train(config("optimizer=momentum"))
    part = train(config("optimizer=momentum", f"trainer.max_epochs={epochs}"))
    resume(part.folder, {"trainer.max_epochs": 3})
    one, other = ((Path(r.folder) / "layers.csv").read_text() for r in (whole, part))
    assert one == other


def test_a_diverging_run_keeps_its_layer_statistics(config: Callable) -> None:
    result = train(config("optimizer.lr=1e30"))
    assert result.status == "diverged"
    assert table(result)[:, 0].tolist() == [0, 0]
    assert (Path(result.folder) / "figures" / "gradient_norms.png").is_file()


def test_members_of_a_stack_have_the_layer_statistics_of_single_runs(
    config: Callable, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    job_overrides = [
        ["network.initialization=he", "seed=1"],
        ["network.initialization=xavier", "network.gain=0.5", "seed=1"],
        ["network.activation=tanh", "network.initialization=normal", "network.gain=0.1"],
    ]
    common = ["network.depth=2", "network.dropout=0.2", "trainer.precision=64-true"]
    jobs = [
        Job(config(*common, *overrides), overrides, tmp_path / f"stacked_{number}")
        for number, overrides in enumerate(job_overrides)
    ]
    stacked = train_jobs(jobs)
    assert "3 jobs train as one network" in capsys.readouterr().out
    for overrides, result in zip(job_overrides, stacked, strict=True):
        alone = train(config(*common, *overrides))
        np.testing.assert_allclose(table(result), table(alone), rtol=1e-6)


def test_jobs_with_different_initializations_train_as_a_stack(
    config: Callable, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    names = ("uniform", "xavier", "he", "normal")
    job_overrides = [[f"network.initialization={name}"] for name in names] + [["network.gain=0.5"]]
    common = ["callbacks=none", "trainer.max_epochs=1", "optimizer.lr=0.01"]
    jobs = [Job(config(*common, *w), w, tmp_path / str(i)) for i, w in enumerate(job_overrides)]
    assert {result.status for result in train_jobs(jobs)} == {"finished"}
    assert "5 jobs train as one network" in capsys.readouterr().out
