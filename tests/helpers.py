"""Types and functions that several test modules use; fixtures are in shared_fixtures.py."""

import csv
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import hydra
import pytest
import torch
from omegaconf import DictConfig
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from mlp_lab.config.cached_composer import CachedComposer
from mlp_lab.config.check import check
from mlp_lab.config.compose import CONFIG_FOLDER, ROOTS, config_loader
from mlp_lab.lightning import pl
from mlp_lab.nn.mlp import MLP
from mlp_lab.nn.schedules import Constant
from mlp_lab.runs import threads
from mlp_lab.runs.build import build_task
from mlp_lab.runs.trainer import build_trainer
from mlp_lab.storage.checkpoints import read_checkpoint
from mlp_lab.storage.results import Evaluation, Result
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps import launch
from mlp_lab.tasks.base import Task
from mlp_lab.tasks.classification import Classification
from mlp_lab.tasks.regression import Regression

CHECKOUT = Path(__file__).parents[1]
SCRIPT = CHECKOUT / "scripts" / "train.py"
PRESETS = sorted(path.stem for path in (CONFIG_FOLDER / "experiment").glob("*.yaml"))
Experiment = Callable[..., Result]
Evaluate = Callable[..., Evaluation]
Start = Callable[..., subprocess.Popen]
forks = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes aren't forked")


class Finished(NamedTuple):
    """Exit status and output of a command."""

    returncode: int
    out: str
    err: str


def composed(*overrides: str, root: str = "train") -> DictConfig:
    """Return the checked config of a command."""
    return check(_composer(root)(overrides), ROOTS[root])


@cache
def _composer(root: str) -> CachedComposer:
    def compose(overrides: Sequence[str]) -> DictConfig:
        with config_loader():
            return hydra.compose(root, list(overrides))

    with config_loader() as loader:
        return CachedComposer(compose, loader)


def shortened_preset(name: str, root: Path) -> list[str]:
    """Return the overrides of an experiment with one epoch of few examples.

    Args:
        name: name of the preset.
        root: folder of the small MNIST.
    """
    overrides = [f"experiment={name}", "trainer.max_epochs=1", "trainer.accelerator=cpu"]
    cfg = composed(*overrides)
    data = cfg.data
    if len(cfg.network.get("widths") or []) > 3:  # millions of weights
        overrides += ["network.widths=[9,8,7,6,5]"]
    if "root" in data:
        overrides += [f"data.root='{root}'", "data.train_size=100"]
    if "image" in data:
        overrides += ["data.size=16", "data.passes=2"]
    if "volume" in data:
        overrides += ["data.size=12", "data.passes=2"]
    if "solid" in data:
        overrides += ["data.passes=2", "data.batch_size=100", "data.evaluation_size=100"]
        overrides += ["callbacks.surface.resolution=12"]
    if "scene" in data:
        overrides += ["data.size=12", "data.views=2", "data.held_out_views=1", "data.samples=4"]
        overrides += ["data.passes=2", "data.batch_size=20", "callbacks.novel_views.frames=2"]
    if "opponent" in data:
        overrides += ["data.size=100", "data.validation_size=10", "data.test_size=10"]
        overrides += ["data.opponent=random", "data.test_opponents=[random]"]
        overrides += ["trainer.check_val_every_n_epoch=1"]
    return overrides


def make_task(cls: type[Task], **arguments: Any) -> Task:
    """Return a task whose network returns its input, unless ``network`` is another one."""
    common = {"network": nn.Identity(), "schedule": Constant(), "seed": 0}
    return cls(**(common | {"optimizer": torch.optim.SGD} | arguments))


def classification_task(
    output: str = "softmax", loss: str = "cross_entropy", label_smoothing: float = 0.0
) -> Classification:
    return make_task(Classification, output=output, loss=loss, label_smoothing=label_smoothing)


def regression_task(
    loss: str = "half_squared_error",
    output: str = "identity",
    peak: float | None = None,
    **arguments: Any,
) -> Regression:
    arguments = {"output_bias": None} | arguments
    return make_task(Regression, loss=loss, output=output, peak=peak, **arguments)


def seeded_generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def contents(folder: Path | str) -> dict[Path, bytes]:
    """Return the contents of all files in and below a folder, by path."""
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def weights(run: Result | Path | str, which: str = "last") -> dict[str, Tensor]:
    """Return the state of the task in a checkpoint of a run."""
    folder = run.folder if isinstance(run, Result) else run
    return read_checkpoint(RunFolder(folder).checkpoints.existing(which))["state_dict"]


def assert_equal_weights(first: Result | Path | str, second: Result | Path | str) -> None:
    a, b = weights(first), weights(second)
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def history(run: Result | Path | str) -> list[dict[str, float]]:
    """Return the rows of history.csv, each without its empty cells."""
    folder = run.folder if isinstance(run, Result) else run
    with (Path(folder) / "history.csv").open(newline="") as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


def scalars(result: Result, name: str) -> list[tuple[float, int, float]]:
    events = EventAccumulator(result.folder)
    events.Reload()
    return [(e.wall_time, e.step, e.value) for e in events.Scalars(name)]


def single_spaced(text: str) -> str:
    """Return a table's text without the spaces that align its columns."""
    return re.sub(" +", " ", text)


def start_sweep(overrides: Sequence[str]) -> bool:
    """Run a new sweep; return whether all jobs finished."""
    return not launch.run(launch.prepare(overrides)).failures


def resume_sweep(folder: str, overrides: Sequence[str]) -> bool:
    """Resume a sweep; return whether all jobs finished."""
    return not launch.run(launch.prepare(overrides, folder)).failures


def set_cores(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Set the number of cores that this process sees."""
    monkeypatch.setattr(threads, "cores", lambda: number)


@contextmanager
def stopped_in(epoch: int, error: type[BaseException]) -> Iterator[None]:
    """Raise ``error`` after the first minibatches of an epoch of all runs."""

    class Stop(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            if trainer.current_epoch == epoch:
                raise error

    def with_stop(*args: Any) -> pl.Trainer:
        trainer = build_trainer(*args)
        trainer.callbacks.append(Stop())
        return trainer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlp_lab.runs.train.build_trainer", with_stop)
        yield


def wait_until(
    condition: Callable[[], Any], seconds: int = 120, process: subprocess.Popen | None = None
) -> Any:
    """Return the first true value of ``condition``; fail at a timeout or when ``process`` ends."""
    for _ in range(20 * seconds):
        if value := condition():
            return value
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def wait_for(pattern: str, folder: Path, process: subprocess.Popen) -> Path:
    """Wait for a file that ``process`` writes and return its path."""
    return wait_until(lambda: sorted(folder.glob(pattern)), process=process)[-1]


def assert_all_close(one: Any, other: Any, at: str = "") -> None:
    """Assert that nested values are equal up to rounding; times may differ."""
    if isinstance(one, dict):
        assert list(one) == list(other), at
        for key in one:
            if key not in ("seconds", "tables", "folder", "pytorch-lightning_version"):
                assert_all_close(one[key], other[key], f"{at}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), at
        for place, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_all_close(a, b, f"{at}[{place}]")
    elif isinstance(one, torch.Tensor):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-5, msg=lambda m: f"{at}: {m}")
    elif isinstance(one, float):
        # Rounding may change the class of one of the 320 images near a boundary.
        assert other == pytest.approx(one, rel=1e-3, abs=2 / 320 if "error" in at else 1e-5), at
    else:
        assert one == other, at


def curves(folder: str) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(folder, size_guidance={"scalars": 0}).Reload()
    return {
        tag: [(e.step, e.value) for e in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if tag != "seconds"
    }


def assert_same_runs(single: list[Result], stacked: list[Result]) -> None:
    """Assert that the run folders have equal results, curves and checkpoints."""
    for one, other in zip(single, stacked, strict=True):
        assert_all_close(one.to_json(), other.to_json())
        a, b = RunFolder(one.folder), RunFolder(other.folder)
        assert_all_close(a.history, b.history)
        assert_all_close(a.result.to_json(), b.result.to_json())
        assert_all_close(curves(one.folder), curves(other.folder))
        for which in ("best", "last"):
            assert_all_close(
                read_checkpoint(a.checkpoints.existing(which)),
                read_checkpoint(b.checkpoints.existing(which)),
            )
        assert {
            p.relative_to(a.folder) for p in a.folder.rglob("*") if "tfevents" not in p.name
        } == {p.relative_to(b.folder) for p in b.folder.rglob("*") if "tfevents" not in p.name}


def log_probabilities(folder: Path, split: str, which: str) -> tuple[Tensor, Tensor]:
    """Return the log-probabilities and the targets, computed with plain torch."""
    data, _ = build_task(RunFolder.open(str(folder)).config)
    data.setup()
    network = MLP(784, 10, width=64)
    content = torch.load(folder / "checkpoints" / f"{which}.ckpt", weights_only=True)
    state = content["state_dict"].items()
    network.load_state_dict({k.removeprefix("network."): v for k, v in state})
    x, y = data.splits[split]
    with torch.no_grad():
        return torch.stack([network(row[None])[0].log_softmax(0) for row in x]), y


def layer_rows(norms: dict[int, list[float]]) -> list[dict[str, float]]:
    return [
        {"epoch": epoch, "layer": layer, "gradient norm": value}
        for epoch, values in norms.items()
        for layer, value in enumerate(values, 1)
    ]
