"""Start, resume or repeat a run: what precedes the import of torch, and the status at the end.

The command and the Python API share these functions. This module does not import torch.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig

from mlp_lab.config.command_line import override
from mlp_lab.config.compose import check_overrides, parse_overrides
from mlp_lab.errors import UserError
from mlp_lab.runs.cluster import check_processes
from mlp_lab.runs.threads import set_threads
from mlp_lab.storage.results import Result, Status


def start(cfg: DictConfig, overrides: Sequence[str]) -> Result:
    """Train a new run; return its result.

    Args:
        cfg: checked config.
        overrides: overrides that the run records.

    Raises:
        UserError: the config is unsuitable, or the run diverged.
        KeyboardInterrupt: the run was interrupted.
    """
    for key in ("resume", "config"):
        if cfg[key] is not None:
            raise UserError(f"{key}={cfg[key]}: must be an override of the command line")
    check_processes(cfg.trainer)
    set_threads(cfg.threads)
    # Importing torch takes seconds: errors in the config are reported before. torch then reads the
    # number of threads that set_threads has set.
    from mlp_lab.runs.train import train

    return _finished(train(cfg, overrides))


def resume(folder: str, overrides: Sequence[str]) -> Result:
    """Resume a run; return its result.

    Hydra composes no config: overrides are checked against the config of the run.

    Args:
        folder: run folder.
        overrides: overrides with ``resume=`` among them.

    Raises:
        UserError: an override is not allowed, there is no such run, or the run diverged.
        KeyboardInterrupt: the run was interrupted.
    """
    changes = _changes(overrides, "resume", "resumed")
    from mlp_lab.runs.resumed_config import changed_config
    from mlp_lab.storage.run_folder import RunFolder

    # Unless changed, a resumed run keeps its number of threads, which affects rounding.
    cfg = changed_config(RunFolder.open(folder).config, changes)
    check_processes(cfg.trainer)
    set_threads(cfg.threads)
    from mlp_lab.runs import train

    return _finished(train.resume(folder, changes))


def repeat(config: str, overrides: Sequence[str]) -> Result:
    """Train a new run with the config of another one; return its result.

    Args:
        config: the ``config.yaml`` of the other run.
        overrides: overrides with ``config=`` among them. The others change keys of the config.

    Raises:
        UserError: an override is not allowed, there is no such file, or the run diverged.
        KeyboardInterrupt: the run was interrupted.
    """
    changes = _changes(overrides, "config", "repeated")
    from mlp_lab.runs.resumed_config import repeated_config

    others = [text for text in overrides if not text.startswith("config=")]
    recorded = [override("config", os.path.abspath(config)), *others]
    return start(repeated_config(Path(config), changes), recorded)


def _changes(overrides: Sequence[str], key: str, done: str) -> dict[str, object]:
    """Return the values of all overrides but that of ``key``, by dotted key.

    Args:
        overrides: overrides.
        key: ``resume`` or ``config``.
        done: what happens to the run, for error messages.
    """
    changes: dict[str, object] = {}
    parsed = parse_overrides(overrides)
    check_overrides(parsed)
    for each in parsed:
        if each.type is not OverrideType.CHANGE or each.is_sweep_override():
            raise UserError(f"{each.input_line}: must be key=value when a run is {done}")
        changes[each.key_or_group] = each.value()
    del changes[key]
    return changes


def named_path(overrides: Sequence[Override], key: str) -> str | None:
    """Return the path that ``resume`` or ``config`` names; None if it is not given."""
    values = [o.value() for o in overrides if o.key_or_group == key]
    return os.path.expanduser(str(values[-1])) if values and values[-1] is not None else None


def refuse_sweep_preset(overrides: Sequence[Override]) -> None:
    """Raise UserError for ``sweep=learning_rates`` without -m, which would train one run."""
    for each in overrides:
        preset = each.value()
        if each.key_or_group == "sweep" and preset not in ("grid", None):
            raise UserError(f"sweep={preset}: needs -m, which trains all runs of a sweep")


def _finished(result: Result) -> Result:
    """Return the result of a run. Raises an exception if the run has not finished."""
    if result.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    if result.status is not Status.FINISHED:
        raise UserError(result.reason)
    return result
