"""Types and functions that several test modules use; fixtures are in conftest.py."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from omegaconf import DictConfig
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlp_lab.config.compose import compose as compose_config
from mlp_lab.runs.train import Result
from mlp_lab.storage.checkpoints import read_checkpoint
from mlp_lab.storage.run_folder import Run

CHECKOUT = Path(__file__).parents[1]
SCRIPT = Path(__file__).with_name("train_tiny.py")
Start = Callable[..., subprocess.Popen]
forks = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes aren't forked")


class TinyFiles(NamedTuple):
    """Four idx files of 1,600 + 400 and 400 pictures, below ``root``, and their md5."""

    root: Path
    md5: dict[str, str]


def composed(*overrides: str, root: str = "train") -> DictConfig:
    """The checked config of a command."""
    return compose_config(overrides, root)


def soon(
    true: Callable[[], Any], seconds: int = 60, process: subprocess.Popen | None = None
) -> Any:
    """What ``true`` returns, as soon as it is true, in time and while ``process`` lives."""
    for _ in range(20 * seconds):
        if found := true():
            return found
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def wait_for(pattern: str, folder: Path, process: subprocess.Popen) -> Path:
    """The file that ``process`` writes."""
    return soon(lambda: sorted(folder.glob(pattern)), process=process)[-1]


@contextmanager
def accepted(files: TinyFiles) -> Iterator[None]:
    """Take the small files for those of MNIST."""
    from mlp_lab.data import mnist

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mnist.MNIST, "md5", files.md5)
        patch.setattr(mnist, "_TRAIN_SIZE", 1_600)
        yield


def assert_alike(one: Any, other: Any, at: str = "") -> None:
    """The same up to rounding; times may differ."""
    if isinstance(one, dict):
        assert list(one) == list(other), at
        for key in one:
            if key not in ("seconds", "folder", "pytorch-lightning_version"):
                assert_alike(one[key], other[key], f"{at}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), at
        for place, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_alike(a, b, f"{at}[{place}]")
    elif isinstance(one, torch.Tensor):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-5, msg=lambda m: f"{at}: {m}")
    elif isinstance(one, float):
        # One picture of the 400 may lie so near to a boundary that rounding decides.
        assert other == pytest.approx(one, rel=1e-3, abs=2 / 400 if "error" in at else 1e-5), at
    else:
        assert one == other, at


def curves(folder: str) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(folder, size_guidance={"scalars": 0}).Reload()
    return {
        tag: [(e.step, e.value) for e in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if tag != "seconds"
    }


def assert_same_runs(apart: list[Result], stacked: list[Result]) -> None:
    """Whatever they leave in their folders is the same: results, curves, checkpoints."""
    for one, other in zip(apart, stacked, strict=True):
        assert_alike(vars(one), vars(other))
        a, b = Run(one.folder), Run(other.folder)
        assert_alike(a.history, b.history)
        assert_alike(a.result, b.result)
        assert_alike(curves(one.folder), curves(other.folder))
        for which in ("best", "last"):
            assert_alike(read_checkpoint(a.checkpoint(which)), read_checkpoint(b.checkpoint(which)))
        assert {
            p.relative_to(a.folder) for p in a.folder.rglob("*") if "tfevents" not in p.name
        } == {p.relative_to(b.folder) for p in b.folder.rglob("*") if "tfevents" not in p.name}
