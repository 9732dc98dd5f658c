"""Gradient norms and sparsity of layers, held against closed forms and plain autograd."""

import copy
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import Start
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from mlp_lab.figures import layer_profiles
from mlp_lab.nn.mlp import MLP
from mlp_lab.nn.probes import inspect_layers
from mlp_lab.runs.build import build_task
from mlp_lab.runs.train import Result, resume, train
from mlp_lab.storage.checkpoints import load_network, read_checkpoint
from mlp_lab.storage.run_folder import Run
from mlp_lab.sweeps.comparison.answer import compare
from mlp_lab.sweeps.comparison.comparison import Comparison, find_runs
from mlp_lab.sweeps.comparison.layer_curves import draw
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs

Experiment = Callable[..., Result]

# --- inspect_layers -----------------------------------------------------------------------------

weights = st.lists(st.floats(-2, 2).filter(lambda w: abs(w) > 0.1), min_size=1, max_size=6)


@given(weights, st.floats(-2, 2), st.floats(-2, 2))
def test_a_chain_of_linear_units(w: list[float], x: float, y: float) -> None:
    network = MLP(1, 1, width=1, depth=len(w) - 1, activation="identity").double()
    with torch.no_grad():
        for value, layer in zip(w, (m for m in network if isinstance(m, nn.Linear)), strict=True):
            layer.weight.fill_(value)
            layer.bias.zero_()
    inputs = torch.tensor([[x]], dtype=torch.float64)
    layers = inspect_layers(network, inputs, lambda f: ((f - y) ** 2).sum())
    # E = (w1 w2 ... x - y)^2: the derivative leaves the own factor out.
    f = math.prod(w) * x
    for value, layer in zip(w, layers, strict=True):
        expected = abs(2 * (f - y) * math.prod(w) / value * x)
        assert layer.gradient_norm == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert layer.sparsity is None


@given(
    st.lists(st.integers(1, 5), max_size=3),
    st.sampled_from(["relu", "tanh", "identity"]),
    st.integers(0, 2**32 - 1),
)
def test_gradients_are_those_of_a_plain_loop(widths: list[int], activation: str, seed: int) -> None:
    torch.manual_seed(seed)
    network = MLP(4, 3, widths=widths, activation=activation)
    x, y = torch.randn(6, 4), torch.randint(3, (6,))
    layers = inspect_layers(network, x, lambda output: F.cross_entropy(output, y))

    own, h, sparsity = copy.deepcopy(network), x, []
    for module in own:
        h = module(h)
        if isinstance(module, nn.ReLU):
            sparsity.append(sum(v == 0 for v in h.flatten().tolist()) / h.numel())
    F.cross_entropy(h, y).backward()
    linear = [module for module in own if isinstance(module, nn.Linear)]
    assert len(layers) == len(linear) == len(widths) + 1
    for layer, module in zip(layers, linear, strict=True):
        torch.testing.assert_close(layer.gradient, module.weight.grad)
        squares = sum(g * g for g in module.weight.grad.flatten().tolist())
        assert layer.gradient_norm == pytest.approx(math.sqrt(squares), rel=1e-5, abs=1e-12)
    expected = sparsity if activation == "relu" else [None] * len(widths)
    assert [layer.sparsity for layer in layers] == pytest.approx([*expected, None])


@pytest.mark.parametrize("training", [True, False])
def test_looking_changes_nothing(training: bool) -> None:
    torch.manual_seed(0)
    network = MLP(4, 3, depth=2, dropout=0.5, normalization="batch").train(training)
    state, random = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    first, second = (inspect_layers(network, torch.ones(5, 4), torch.Tensor.sum) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), random)
    assert all(module.training == training for module in network.modules())
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.gradient, other.gradient)


def test_a_network_that_fails_is_left_as_it_was() -> None:
    network = MLP(4, 3)
    with pytest.raises(RuntimeError):
        inspect_layers(network, torch.ones(5, 7), torch.Tensor.sum)
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())


# --- the callback -------------------------------------------------------------------------------


@pytest.fixture
def config(mnist_config: Callable) -> Callable:
    """``config("network.depth=3", ...)``: on the small MNIST, with the callback."""
    common = ["trainer.max_epochs=3", "data.batch_size=50", "network.width=12"]
    return lambda *own: mnist_config(*common, "callbacks=layers", *own)


def table(result: Result) -> np.ndarray:
    """Epoch, layer, gradient norm and sparsity: ``[rows, 4]``."""
    names = ("epoch", "layer", "gradient norm", "sparsity")
    rows = Run(result.folder).table("layers")
    return np.array([[row.get(name, np.nan) for name in names] for row in rows])


def expected_rows(cfg: Any, checkpoint: Path | None, epoch: int, examples: int) -> np.ndarray:
    """What a run's first weights, or those of a checkpoint, have to leave."""
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


def test_layers_csv_is_that_of_a_plain_loop(config: Callable) -> None:
    cfg = config("network.depth=3", "network.dropout=0.3", "callbacks.layers.examples=100")
    result = train(cfg)
    rows = table(result)
    assert rows[:, 0].tolist() == [epoch for epoch in range(4) for _ in range(4)]
    np.testing.assert_allclose(rows[:4], expected_rows(cfg, None, 0, 100), rtol=1e-5)
    last = Run(result.folder).checkpoint("last")
    np.testing.assert_allclose(rows[-4:], expected_rows(cfg, last, 3, 100), rtol=1e-5)


def test_training_ends_with_the_same_weights_as_without(config: Callable) -> None:
    own = ["network.dropout=0.2", "network.normalization=batch", "optimizer=adam"]
    states = [
        read_checkpoint(Run(train(config(*own, word)).folder).checkpoint("last"))["state_dict"]
        for word in ("callbacks=layers", "callbacks=none")
    ]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_what_tensorboard_and_the_folder_show(config: Callable) -> None:
    result = train(config("network.depth=2", "trainer.max_epochs=5"))
    events = EventAccumulator(result.folder, size_guidance={"histograms": 0}).Reload()
    rows = table(result)
    for layer in (1, 2, 3):
        own = rows[rows[:, 1] == layer]
        scalars = events.Scalars(f"gradient norm/layer {layer:02}")
        assert [event.step for event in scalars] == list(range(6))
        np.testing.assert_allclose([event.value for event in scalars], own[:, 2], rtol=1e-6)
        histograms = events.Histograms(f"gradient/layer {layer:02}")
        assert [event.step for event in histograms] == [0, 1, 2, 4]
        norms = [event.histogram_value.sum_squares**0.5 for event in histograms]
        np.testing.assert_allclose(norms, own[[0, 1, 2, 4], 2], rtol=1e-5)
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
def test_a_resumed_run_goes_on_with_the_table(epochs: int, config: Callable) -> None:
    whole = train(config("optimizer=momentum"))
    part = train(config("optimizer=momentum", f"trainer.max_epochs={epochs}"))
    resume(part.folder, {"trainer.max_epochs": 3})
    one, other = ((Path(r.folder) / "layers.csv").read_text() for r in (whole, part))
    assert one == other


def test_a_run_that_diverges_leaves_what_it_saw(config: Callable) -> None:
    result = train(config("optimizer.lr=1e30"))
    assert result.status == "diverged"
    assert table(result)[:, 0].tolist() == [0, 0]
    assert (Path(result.folder) / "figures" / "gradient_norms.png").is_file()


def test_a_stack_s_members_leave_what_they_leave_alone(
    config: Callable, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    own = [
        ["network.initialization=he", "seed=1"],
        ["network.initialization=xavier", "network.gain=0.5", "seed=1"],
        ["network.activation=tanh", "network.initialization=normal", "network.gain=0.1"],
    ]
    common = ["network.depth=2", "network.dropout=0.2", "trainer.precision=64-true"]
    jobs = [
        Job(config(*common, *words), words, tmp_path / f"stacked_{number}")
        for number, words in enumerate(own)
    ]
    stacked = train_jobs(jobs)
    assert "3 jobs train as one network" in capsys.readouterr().out
    for words, result in zip(own, stacked, strict=True):
        alone = train(config(*common, *words))
        np.testing.assert_allclose(table(result), table(alone), rtol=1e-6)


def test_first_weights_are_no_reason_to_train_apart(
    config: Callable, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    names = ("uniform", "xavier", "he", "normal")
    own = [[f"network.initialization={name}"] for name in names] + [["network.gain=0.5"]]
    common = ["callbacks=none", "trainer.max_epochs=1", "optimizer.lr=0.01"]
    jobs = [Job(config(*common, *w), w, tmp_path / str(i)) for i, w in enumerate(own)]
    assert {result.status for result in train_jobs(jobs)} == {"finished"}
    assert "5 jobs train as one network" in capsys.readouterr().out


@pytest.mark.slow
def test_one_process_looks_for_all(start: Start, tmp_path: Path) -> None:
    words = ["trainer=ddp", "trainer.max_epochs=1", "callbacks=layers", "name=two"]
    process = start(*words)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    [folder] = (tmp_path / "two").iterdir()
    assert [row["epoch"] for row in Run(folder).table("layers")] == [0, 0, 1, 1]


# --- figures ------------------------------------------------------------------------------------


def rows_of(norms: dict[int, list[float]]) -> list[dict[str, float]]:
    return [
        {"epoch": epoch, "layer": layer, "gradient norm": value}
        for epoch, values in norms.items()
        for layer, value in enumerate(values, 1)
    ]


def test_columns_by_epoch() -> None:
    found = layer_profiles.values_by_epoch(rows_of({0: [1, 2], 3: [4, 5]}), "gradient norm")
    assert {epoch: values.tolist() for epoch, values in found.items()} == {0: [1, 2], 3: [4, 5]}
    assert np.isnan(layer_profiles.values_by_epoch(rows_of({0: [1.0]}), "sparsity")[0]).all()


@pytest.mark.parametrize("panels", [1, 2, 3, 4, 7])
def test_a_line_a_value_and_nothing_cut_off(panels: int) -> None:
    curves = {depth: 10.0 ** -np.arange(depth + 1) for depth in (1, 2, 12)}
    names = ["activation=sigmoid initialization=uniform " * (1 + i % 2) + str(i) for i in range(7)]
    figure = layer_profiles.quantity_by_layer(
        dict.fromkeys(names[:panels], curves), "gradient norm", "hidden layers", "before training"
    )
    for panel in figure.axes[:panels]:
        assert [line.get_ydata().tolist() for line in panel.lines] == [
            curve.tolist() for curve in curves.values()
        ]
        assert panel.lines[2].get_xdata().tolist() == list(range(1, 14))
        assert panel.get_yscale() == "log"
    figure.savefig(io.BytesIO(), format="png")
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -0.01


def test_zeros_have_no_place_on_a_logarithmic_axis() -> None:
    [panel] = layer_profiles.quantity_by_layer(
        {"": {0: np.zeros(3)}}, "gradient norm", "epoch"
    ).axes
    assert panel.get_yscale() == "linear"
    [panel] = layer_profiles.quantity_by_layer(
        {"": {0: np.array([0, 1, 2.0])}}, "gradient norm", "epoch"
    ).axes
    assert panel.get_yscale() == "log"
    np.testing.assert_array_equal(panel.lines[0].get_ydata(), [np.nan, 1, 2])


def test_sparsity_is_per_cent() -> None:
    panel = layer_profiles.quantity_by_layer(
        {"": {0: np.array([0.5, np.nan])}}, "sparsity", "epoch"
    ).axes[0]
    assert panel.get_ylim() == (0, 1)
    assert panel.yaxis.get_major_formatter()(0.25) == "25%"


def test_errors_stand_beside_what_is_expected() -> None:
    [panel] = layer_profiles.errors_by_layer({"a": ([1.0, 2.0, 4.0], 0.25)}).axes
    measured, expected = panel.lines
    np.testing.assert_allclose(measured.get_ydata(), [1, 2, 4])
    np.testing.assert_allclose(expected.get_ydata(), [0.25, 1, 4])


# --- a sweep's answer ---------------------------------------------------------------------------


@pytest.fixture
def made_up(tmp_path: Path, compose: Callable) -> Callable[..., None]:
    """``made_up({0: norms, 1: norms}, "network.depth=1")``: a run with a layers.csv."""

    def make(norms: dict[int, list[float]], *overrides: str, loss: float = 1.0) -> None:
        run = Run.create(str(tmp_path), "made_up")
        run.write_start(compose("callbacks=layers", *overrides), overrides)
        history = {"epoch": 1, "loss/train": loss, "loss/validation": loss}
        run.write_history(list(history), [history])
        run.write_result({"status": "finished", "seconds": [], "evaluations": []})
        if norms:
            columns = ["epoch", "layer", "gradient norm", "sparsity"]
            run.write_table("layers", columns, rows_of(norms))

    return make


def drawn(folder: Path) -> dict[str, dict[str, list[list[float]]]]:
    """Lines by panel and figure."""
    drawn = draw(Comparison(find_runs([str(folder)])))
    return {
        name: {
            panel.get_title(): [line.get_ydata().tolist() for line in panel.lines]
            for panel in figure.axes
            if panel.lines
        }
        for name, figure in drawn.items()
    }


def test_depths_share_a_panel(made_up: Callable, tmp_path: Path) -> None:
    for activation, factor in (("sigmoid", 1.0), ("relu", 3.0)):
        for depth in (1, 2):
            norms = {0: [factor * (depth + i) for i in range(depth + 1)], 2: [9.0] * (depth + 1)}
            words = [f"network.activation={activation}", f"network.depth={depth}"]
            made_up(norms, *words, loss=depth / factor)
    assert drawn(tmp_path) == {
        "gradient_norms_before_training": {
            "activation=relu": [[3, 6], [6, 9, 12]],
            "activation=sigmoid": [[1, 2], [2, 3, 4]],
        },
        "gradient_norms_after_training": {
            "activation=relu": [[9, 9], [9, 9, 9]],
            "activation=sigmoid": [[9, 9], [9, 9, 9]],
        },
    }


def test_colours_tell_the_depth(made_up: Callable, tmp_path: Path) -> None:
    made_up({0: [1.0, 2.0]}, "network.depth=1")
    made_up({0: [1.0] * 8}, "network.depth=7")
    for figure in draw(Comparison(find_runs([str(tmp_path)]))).values():
        bar = figure.axes[-1]
        assert (bar.get_ylabel(), bar.get_ylim()) == ("hidden layers", (1, 7))


def test_seeds_are_averaged(made_up: Callable, tmp_path: Path) -> None:
    made_up({0: [1.0, 2.0]}, "seed=1")
    made_up({0: [3.0, 6.0]}, "seed=2")
    assert drawn(tmp_path)["gradient_norms_before_training"] == {"": [[2, 4]]}


def test_runs_without_layers_are_left_out(made_up: Callable, tmp_path: Path) -> None:
    made_up({}, "optimizer.lr=0.1")
    assert drawn(tmp_path) == {}
    made_up({0: [1.0, 2.0]}, "optimizer.lr=0.2")
    assert drawn(tmp_path)["gradient_norms_after_training"] == {"lr=0.2": [[1, 2]]}


def test_the_best_of_many_settings(made_up: Callable, tmp_path: Path) -> None:
    for i in range(14):
        made_up({0: [1.0, float(i + 1)]}, f"optimizer.lr={i + 1}", loss=i)
    figure = draw(Comparison(find_runs([str(tmp_path)])))["gradient_norms_before_training"]
    assert figure.get_suptitle() == "before training, the best 12"
    titles = [panel.get_title() for panel in figure.axes if panel.lines]
    assert titles == [f"lr={i + 1}" for i in range(12)]


def test_a_comparison_shows_them_on_disk_and_in_tensorboard(
    made_up: Callable, tmp_path: Path
) -> None:
    made_up({0: [1.0, 2.0]}, "network.depth=1")
    made_up({0: [3.0, 6.0, 9.0]}, "network.depth=2")
    compare([str(tmp_path)])
    names = {"gradient_norms_before_training", "gradient_norms_after_training"}
    assert names <= {path.stem for path in (tmp_path / "figures").iterdir()}
    shown = EventAccumulator(str(tmp_path)).Reload().Tags()["images"]
    assert {f"summary/{name}" for name in names} <= set(shown)


# --- presets ------------------------------------------------------------------------------------


def test_the_sweep_of_vanishing_gradients(command: Callable, tmp_path: Path) -> None:
    words = ["-m", "experiment=mnist_gradients", "sweep=vanishing_gradients"]
    small = ["network.depth=1,4", "trainer.max_epochs=1", "callbacks.layers.examples=50"]
    fast = ["logger=none", "callbacks.loss_curves=null"]
    status, out, err = command(*words, *small, *fast)
    assert status == 0, out + err
    [folder] = (tmp_path / "mnist_gradients" / "sweeps").iterdir()
    runs = find_runs([str(folder)])
    settings = {
        tuple(
            OmegaConf.select(run.config, f"network.{key}")
            for key in ("activation", "initialization")
        )
        for run in runs
    }
    assert settings == {("sigmoid", "uniform"), ("relu", "uniform"), ("relu", "he")}
    assert len(runs) == 6
    pictures = {path.stem for path in (folder / "figures").iterdir()}
    assert {"gradient_norms_before_training", "sparsity_after_training"} <= pictures
    first = {
        run.config.network.initialization + run.config.network.activation: norms[0] / norms[-1]
        for run in runs
        if run.config.network.depth == 4
        for norms in [layer_profiles.values_by_epoch(run.table("layers"), "gradient norm")[0]]
    }
    assert first["uniformsigmoid"] < 0.1
    assert first["herelu"] > 0.3
