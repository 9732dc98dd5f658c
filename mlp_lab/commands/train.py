"""Train one experiment, or a sweep of experiments: ``scripts/train.py``, ``mlp-train``."""

import os
import sys
from argparse import Namespace
from functools import partial
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig

from mlp_lab.commands.application import (
    errors_in_one_line,
    other_flags,
    parse_arguments,
    parse_overrides,
    run_action,
    run_application,
)
from mlp_lab.commands.process import entry_point
from mlp_lab.config.command_line import recorded_overrides, search_path
from mlp_lab.config.compose import check_overrides
from mlp_lab.config.schemas.train import Train
from mlp_lab.errors import UserError
from mlp_lab.runs.cluster import check_processes
from mlp_lab.runs.threads import set_threads
from mlp_lab.storage.results import Result, Status


@entry_point
def train() -> None:
    """Run the ``train`` command with the arguments of the command line."""
    args = parse_arguments()
    folder = _resumed_folder(args)
    if args.help or not (args.multirun or folder):
        if not args.help:
            _refuse_sweep_preset(args)
        run_application("train", _train_run)
    elif folder and not (args.multirun or _is_sweep(folder)):
        run_action(Train, partial(_resume_run, folder, args))
    else:
        with errors_in_one_line(Train):
            if not _train_sweep(args, folder):
                sys.exit(1)


def _train_run(cfg: DictConfig) -> object:
    """Train a new run; return the metrics of the best epoch."""
    if cfg.resume is not None:
        raise UserError(f"resume={cfg.resume}: must be an override of the command line")
    check_processes(cfg.trainer)
    set_threads(cfg.threads)
    # Importing torch takes seconds: errors in the config are reported before. torch then reads the
    # number of threads that set_threads has set.
    from mlp_lab.runs.train import train

    return _best(train(cfg, recorded_overrides(HydraConfig.get())))


def _resume_run(folder: str, args: Namespace) -> None:
    """Resume a run.

    Hydra composes no config: overrides are checked against the config of the run.
    """
    changes, overrides = {}, parse_overrides(args.overrides)
    check_overrides(overrides)
    for override in overrides:
        if override.type is not OverrideType.CHANGE or override.is_sweep_override():
            raise UserError(f"{override.input_line}: must be key=value when a run is resumed")
        changes[override.key_or_group] = override.value()
    del changes["resume"]
    from mlp_lab.runs.resumed_config import changed_config
    from mlp_lab.storage.run_folder import RunFolder

    # Unless changed, a resumed run keeps its number of threads, which affects rounding.
    cfg = changed_config(RunFolder.open(folder).config, changes)
    check_processes(cfg.trainer)
    set_threads(cfg.threads)
    from mlp_lab.runs.train import resume

    _best(resume(folder, changes))


def _best(result: Result) -> dict[str, float] | None:
    """Return the metrics of the best epoch. Raises an exception if the run has not finished."""
    if result.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    if result.status is not Status.FINISHED:
        raise UserError(result.reason)
    return result.best


def _train_sweep(args: Namespace, folder: str | None) -> bool:
    """Train a new sweep, or resume the one in ``folder``; return whether all jobs finished."""
    if flags := other_flags(args) - {"config_dir"}:
        sys.exit(f"mlp_lab: -m: can't be combined with --{sorted(flags)[0].replace('_', '-')}")
    check_processes(None)
    overrides = parse_overrides(args.overrides)
    check_overrides(overrides)
    from mlp_lab.sweeps.launch import resume, start

    if folder is not None and _is_sweep(folder):
        return resume(folder, [o.input_line or "" for o in overrides if o.key_or_group != "resume"])
    if args.config_dir:  # recorded as an override, since a resumed sweep has no flags
        source = f"file://{Path(args.config_dir).absolute()}"
        return start([*args.overrides, search_path([source])])
    return start(args.overrides)


def _refuse_sweep_preset(args: Namespace) -> None:
    """Exit with an error for ``sweep=learning_rates`` without -m, which would train one run."""
    for override in _parsed(args):
        preset = override.value()
        if override.key_or_group == "sweep" and preset not in ("grid", None):
            sys.exit(f"mlp_lab: sweep={preset}: needs -m, which trains all runs of a sweep")


def _resumed_folder(args: Namespace) -> str | None:
    """Return the folder that ``resume`` names; None if it is not given, or Hydra only shows it."""
    values = [o.value() for o in _parsed(args) if o.key_or_group == "resume"]
    if not values or values[-1] is None or other_flags(args) - {"config_dir"}:
        return None
    return os.path.expanduser(str(values[-1]))


def _is_sweep(folder: str) -> bool:
    return (Path(folder) / "sweep.yaml").is_file()


def _parsed(args: Namespace) -> list[Override]:
    """Return the parsed overrides; none if one is wrong, which composing the config reports."""
    try:
        return parse_overrides(args.overrides)
    except HydraException:
        return []
