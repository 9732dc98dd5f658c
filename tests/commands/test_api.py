"""The Python API: the same runs and messages as the commands, without effects on the process."""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import Finished, assert_equal_weights, history
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from PIL import Image

from mlp_lab import compare, compose, load_run, sweep, train
from mlp_lab.errors import UserError
from mlp_lab.nn.mlp import MLP
from mlp_lab.runs.session import session
from mlp_lab.storage.results import Status

TINY = [
    "experiment=points_mlp", "network.width=4", "data.size=20", "trainer.max_epochs=2",
    "trainer.accelerator=cpu", "callbacks=none", "logger=none",
]  # fmt: skip


@pytest.fixture(autouse=True)
def unchanged_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check after each test that the process is as before."""
    monkeypatch.chdir(tmp_path)
    variables = {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"}
    threads, arguments = torch.get_num_threads(), list(sys.argv)
    hydra = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    generators = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    yield
    assert random.getstate() == generators[0]
    assert np.random.get_state()[1].tolist() == generators[1]
    assert torch.equal(torch.get_rng_state(), generators[2])
    assert Path.cwd() == tmp_path
    after = {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"}
    assert after == variables
    assert (torch.get_num_threads(), sys.argv) == (threads, arguments)
    assert (GlobalHydra.instance().hydra, HydraConfig.instance().cfg) == hydra


def test_the_package_is_imported_without_torch_and_hydra() -> None:
    code = "import mlp_lab, sys; assert mlp_lab.__all__; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"torch", "pytorch_lightning", "hydra", "omegaconf", "numpy", "matplotlib"}
    assert not heavy & set(modules)


def test_a_run_is_that_of_the_command(
    command: Callable[..., Finished], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = sys.argv
    overrides = ["experiment=mnist_hw4", "trainer.max_epochs=2", "callbacks=none", "threads=1"]
    with session():  # a command ends with its process
        assert command(*overrides).returncode == 0
    monkeypatch.setattr(sys, "argv", arguments)
    [folder] = tmp_path.glob("mnist_hw4/*")
    root = compose(f"data.root='{load_run(str(folder)).config.data.root}'").data.root
    result = train(*overrides, f"data.root='{root}'", "logs=logs", "trainer.accelerator=cpu")
    assert result.status is Status.FINISHED
    assert_equal_weights(result, folder)
    assert Path(result.folder).parent == Path("logs/mnist_hw4")


def test_a_loaded_run_has_its_network_history_and_figures(run_folder: Path) -> None:
    run = load_run(str(run_folder))
    assert run.config.network.width == 64
    assert run.history == history(run_folder)
    frame = pd.DataFrame(run.history)
    assert frame["epoch"].tolist() == [1, 2]
    assert frame["loss/train"].tolist() == [row["loss/train"] for row in run.history]
    x, y = run.split("test")
    with torch.random.fork_rng():
        network = MLP(784, 10, width=64)
    content = torch.load(run_folder / "checkpoints" / "best.ckpt", weights_only=True)
    state = content["state_dict"].items()
    network.load_state_dict({k.removeprefix("network."): v for k, v in state})
    with torch.no_grad():
        expected = network(x)
    outputs = run.network(x)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(run.network(x.double().numpy()), expected)
    torch.testing.assert_close(run.network(x[:1].tolist()), expected[:1])
    error = float((outputs.argmax(1) != y).float().mean())
    [evaluation] = run.result.evaluations
    assert evaluation.metrics["error"] == pytest.approx(error)
    assert run.class_names[3] == "3"
    with Image.open(run_folder / "figures" / "loss_curves.png") as image:
        assert run.figure("loss_curves").tobytes() == image.tobytes()
    with pytest.raises(UserError, match=r"no figure los_curves; did you mean loss_curves\?"):
        run.figure("los_curves")
    with pytest.raises(UserError, match=r"no figure \.\./checkpoints/best"):
        run.figure("../checkpoints/best")


@pytest.mark.parametrize("shape", [(784,), (2, 783), (1, 2, 784)])
def test_inputs_of_another_shape_are_refused(shape: tuple[int, ...], run_folder: Path) -> None:
    with pytest.raises(UserError, match=r"must be \[batch, 784\]"):
        load_run(str(run_folder)).network(np.zeros(shape))


def test_the_network_of_coordinates_includes_the_encoding_and_has_input_gradients() -> None:
    overrides = ["experiment=curve_fit", "encoding=positional", "data.size=10", "average_decay=0.5"]
    result = train(*overrides, *TINY[1:2], *TINY[3:])
    run = load_run(result.folder)
    x, _ = run.split("validation")
    assert x.shape[1] == 1
    [tested] = [e for e in run.result.evaluations if e.split == "test"]
    test_x, test_y = run.split("test")
    squared = (run.network(test_x) - test_y.view(-1, 1)).square().mean()
    assert tested.metrics["squared_error"] == pytest.approx(float(squared), rel=1e-4)
    x = x.clone().requires_grad_()
    run.network(x).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in run.network.parameters())


def test_a_sweep_and_a_comparison_return_what_they_write() -> None:
    summary = sweep(*TINY, "optimizer.lr=0.01,0.1", "logs=logs")
    assert summary.failures == {}
    assert {row["optimizer.lr"] for row in summary.rows} == {0.01, 0.1}
    written = pd.read_csv(summary.folder / "summary.csv")
    frame = pd.DataFrame(summary.rows)
    assert list(frame.columns) == list(written.columns)
    np.testing.assert_allclose(frame["loss/validation"], written["loss/validation"])
    best = min(summary.rows, key=lambda row: row["loss/validation"])
    assert summary.chosen == best["folder"]
    assert "chosen by validation loss" in str(summary)
    again = compare(str(summary.folder), output="comparison")
    assert [row["folder"] for row in again.rows] == [row["folder"] for row in summary.rows]
    assert Path("comparison/summary.md").is_file()
    os.mkdir("elsewhere")  # a resumed sweep runs in the folder where it was started
    assert sweep(f"resume={summary.folder}").rows == summary.rows


def test_runs_are_resumed() -> None:
    result = train(*TINY)
    longer = train(f"resume={result.folder}", "trainer.max_epochs=3")
    assert (longer.folder, longer.epochs) == (result.folder, 3)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: train("network.widht=3"), r"network\.widht: no such key; did you mean network.w"),
        (lambda: train("optimizer.lr=-1"), r"optimizer\.lr=-1: must be a number"),
        (lambda: train("seed=1", "seed=2"), r"seed: given twice"),
        (lambda: train("seed=1,2"), r"seed=1,2: several values need -m"),
        (lambda: train("sweep=learning_rates"), r"sweep=learning_rates: needs -m"),
        (lambda: train("data=csv", "data.path=none.csv"), r"none\.csv: No such file"),
        (lambda: train("resume=nowhere"), r"nowhere: no such folder"),
        (lambda: sweep("optimizer.lr=0.1,x"), r"optimizer\.lr=x: must be a number"),
        (lambda: sweep("resume=nowhere"), r"nowhere: not the folder of a sweep"),
        (lambda: compose("netwrk=mlp"), r"netwrk: no such"),
        (lambda: compose(command="trian"), r"command=trian: must be one of train, "),
        (lambda: train("plugins=[no_such_module]"), r"plug-in no_such_module: no module"),
        (lambda: compare("nowhere"), r"nowhere: no such folder"),
        (lambda: compare(), r"compare: needs at least one folder"),
        (lambda: compare("nowhere", mode="maximum"), r"mode=maximum: must be min or max"),
        (
            lambda: compare("nowhere", figure_format="jpg"),
            r"figure_format=jpg: must be one of png, pdf, svg",
        ),
        (lambda: load_run("nowhere"), r"nowhere: no such folder"),
        (lambda: load_run("x", checkpoint="first"), r"checkpoint=first: must be one of best, last"),
    ],
)
def test_errors_are_those_of_the_commands(act: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        act()
    assert len(str(caught.value).splitlines()) == 1
    assert not list(Path.cwd().iterdir())


def test_a_run_that_diverges_is_an_error() -> None:
    with pytest.raises(UserError, match="epoch 1"):
        train(*TINY, "optimizer.lr=1e30")


def test_a_config_of_the_user_stays_initialized(tmp_path: Path) -> None:
    """A notebook may have initialized Hydra for its own configs."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mine.yaml").write_text("key: 1\n")
    with initialize_config_dir(str(tmp_path / "conf"), version_base="1.3"):
        assert compose("network.width=7").network.width == 7
        assert hydra_compose("mine", ["key=2"]).key == 2
    (tmp_path / "conf" / "mine.yaml").unlink()
    (tmp_path / "conf").rmdir()


def test_threads_are_those_of_the_config(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = []
    monkeypatch.setattr(
        "mlp_lab.runs.train.train", lambda *_: numbers.append(torch.get_num_threads())
    )
    for threads in ("2", "null"):
        with pytest.raises(AttributeError):  # the stub returns no result
            train(*TINY, f"threads={threads}")
    assert numbers == [2, 1]  # OMP_NUM_THREADS is 1 in the tests
