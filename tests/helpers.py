"""Types and functions that several test modules use; fixtures are in conftest.py."""

import copy
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import hydra
import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlp_lab.config.check import check
from mlp_lab.config.compose import CONFIG_FOLDER, ROOTS
from mlp_lab.runs.train import Result
from mlp_lab.storage.checkpoints import read_checkpoint
from mlp_lab.storage.run_folder import Run

CHECKOUT = Path(__file__).parents[1]
SCRIPT = CHECKOUT / "scripts" / "train.py"
Start = Callable[..., subprocess.Popen]
forks = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes aren't forked")


class Finished(NamedTuple):
    """The exit status and the output of a command."""

    returncode: int
    out: str
    err: str


def composed(*overrides: str, root: str = "train") -> DictConfig:
    """Return the checked config of a command.

    Hydra needs a quarter of a second for a composition, which is half the time of a short training.
    Hence one composition serves all tests that choose the same options; other values are set in a
    copy of it.
    """
    values, choices = [], []
    for override in overrides:
        key = override.partition("=")[0]
        is_choice = key[0] in "+~" or "@" in key or (CONFIG_FOLDER / key).is_dir()
        (choices if is_choice or key.startswith("hydra") else values).append(override)
    cfg = copy.deepcopy(_options(root, *choices))
    for override in OverridesParser.create().parse_overrides(values):
        OmegaConf.update(cfg, override.key_or_group, override.value())
    return check(cfg, ROOTS[root])


@cache
def _options(root: str, *choices: str) -> DictConfig:
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONFIG_FOLDER)):
        return hydra.compose(root, list(choices))


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
        # One image of the 320 may lie so near to a boundary that rounding decides.
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
