"""Train one experiment, or a sweep of experiments: ``scripts/train.py``, ``mlp-train``."""

import sys
from argparse import Namespace
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from mlp_lab.commands.application import (
    errors_in_one_line,
    other_flags,
    parse_arguments,
    parse_overrides,
    run_application,
)
from mlp_lab.commands.process import entry_point
from mlp_lab.config.schemas.train import Train
from mlp_lab.errors import UserError
from mlp_lab.runs.threads import set_threads
from mlp_lab.storage.results import Status


@entry_point
def train() -> None:
    """Run the command line of ``train``."""
    args = parse_arguments()
    if args.help or not (args.multirun or _resumed_sweep(args)):
        run_application("train", _train_run)
        return
    with errors_in_one_line(Train):
        if not _train_sweep(args):
            sys.exit(1)


def _train_run(cfg: DictConfig) -> object:
    """Train a new run, or resume one; return the metrics of the best epoch."""
    set_threads(_threads(cfg))
    from mlp_lab.runs.train import resume, train

    overrides = list(HydraConfig.get().overrides.task)
    if cfg.resume is None:
        result = train(cfg, overrides)
    else:
        keys = [override.partition("=")[0] for override in overrides]
        changes = {key: OmegaConf.select(cfg, key) for key in keys if key != "resume"}
        result = resume(cfg.resume, changes)
    if result.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    if result.status is not Status.FINISHED:
        raise UserError(result.reason)
    return result.best


def _train_sweep(args: Namespace) -> bool:
    """Train a new sweep, or resume one; return whether all jobs finished."""
    if flags := other_flags(args) - {"config_dir"}:
        sys.exit(f"mlp_lab: -m: can't be combined with --{sorted(flags)[0].replace('_', '-')}")
    from mlp_lab.sweeps.launch import resume, start

    if folder := _resumed_sweep(args):
        overrides = parse_overrides(args.overrides)
        return resume(folder, [o.input_line or "" for o in overrides if o.key_or_group != "resume"])
    if args.config_dir:  # recorded as an override, since a resumed sweep has no flags
        path = Path(args.config_dir).absolute()
        return start([*args.overrides, f"hydra.searchpath=['file://{path}']"])
    return start(args.overrides)


def _threads(cfg: DictConfig) -> int | None:
    """Return the number of threads; a resumed run keeps its number, which affects rounding."""
    if cfg.resume is None or cfg.threads is not None:
        return cfg.threads
    from mlp_lab.storage.run_folder import RunFolder

    return RunFolder.open(cfg.resume).config.threads


def _resumed_sweep(args: Namespace) -> str | None:
    """Return the folder that ``resume`` names, if it is a sweep folder."""
    try:
        overrides = parse_overrides(args.overrides)
    except HydraException:  # reported when the config is composed
        return None
    folders = [str(o.value()) for o in overrides if o.key_or_group == "resume"]
    return next((folder for folder in folders if (Path(folder) / "sweep.yaml").is_file()), None)
