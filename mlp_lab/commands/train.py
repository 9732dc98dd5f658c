"""Train one experiment, or a sweep of experiments: ``scripts/train.py``, ``mlp-train``."""

import os
import sys
from argparse import Namespace
from functools import partial

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig

from mlp_lab.commands.application import (
    config_folder_overrides,
    errors_in_one_line,
    other_flags,
    parse_arguments,
    run_action,
    run_application,
    traceback_of_faults,
)
from mlp_lab.commands.process import entry_point
from mlp_lab.config.command_line import recorded_overrides
from mlp_lab.config.compose import parse_overrides
from mlp_lab.config.schemas.train import Train
from mlp_lab.runs.start import named_path, refuse_sweep_preset, repeat, resume, start
from mlp_lab.storage.folders import not_a_folder


@entry_point
def train() -> None:
    """Run the ``train`` command with the arguments of the command line."""
    args = parse_arguments()
    folder, config = (_named_path(args, key) for key in ("resume", "config"))
    if args.help or not (args.multirun or folder or config):
        if not args.help:
            run_action(Train, partial(refuse_sweep_preset, _parsed(args)))
        run_application("train", _train_run)
    elif folder and not (args.multirun or _is_sweep(folder)):
        run_action(Train, partial(resume, folder, args.overrides))
    elif config and not (args.multirun or folder):
        run_action(Train, partial(repeat, config, args.overrides))
    else:
        with errors_in_one_line(Train):
            if not _train_sweep(args, folder):
                sys.exit(1)


def _train_run(cfg: DictConfig) -> object:
    """Train a new run; return the metrics of the best epoch."""
    return start(cfg, recorded_overrides(HydraConfig.get())).best


def _train_sweep(args: Namespace, folder: str | None) -> bool:
    """Train a new sweep, or resume the one in ``folder``; return whether all jobs finished."""
    if flags := other_flags(args):
        sys.exit(f"mlp_lab: -m: can't be combined with --{sorted(flags)[0].replace('_', '-')}")
    if folder and not os.path.isdir(folder):
        raise not_a_folder(folder, "not a folder")
    from mlp_lab.sweeps.launch import prepare, run

    # Recorded, so that a resumed sweep needs no flags.
    overrides = [*args.overrides, *config_folder_overrides(args)]
    planned = prepare(overrides, folder if folder and _is_sweep(folder) else None)
    with traceback_of_faults():
        return not run(planned).failures


def _named_path(args: Namespace, key: str) -> str | None:
    """Return the path that ``key`` names; None if Hydra only shows the config."""
    return None if other_flags(args) else named_path(_parsed(args), key)


def _is_sweep(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, "sweep.yaml"))  # False for any wrong path


def _parsed(args: Namespace) -> list[Override]:
    """Return the parsed overrides; none if one is wrong, which composing the config reports."""
    try:
        return parse_overrides(args.overrides)
    except HydraException:
        return []
