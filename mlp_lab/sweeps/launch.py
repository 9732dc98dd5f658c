"""Run a sweep from its overrides to its summary."""

import os
import sys
from collections.abc import Sequence
from contextlib import chdir, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import hydra
from hydra.core.override_parser.types import Override, Quote, QuotedString
from omegaconf import DictConfig

from mlp_lab.config.command_line import command_line, override
from mlp_lab.config.compose import CONFIG_FOLDER, check_overrides, parse_overrides
from mlp_lab.config.plugin_modules import plugins_overrides, split_plugins
from mlp_lab.config.schemas.data import DATA_PATHS
from mlp_lab.errors import UserError
from mlp_lab.runs.cluster import check_processes
from mlp_lab.runs.environment import environment_variables
from mlp_lab.runs.threads import set_threads
from mlp_lab.storage.sweep_folder import SweepFolder
from mlp_lab.sweeps.job_runner import JobRunner
from mlp_lab.sweeps.overrides import text_of
from mlp_lab.sweeps.plan import Plan
from mlp_lab.sweeps.planning import plan
from mlp_lab.sweeps.recorded_overrides import check_recorded, check_recorded_plugins

if TYPE_CHECKING:  # imports matplotlib
    from mlp_lab.sweeps.comparison.answer import Summary

# Keys that may change when a sweep is resumed, besides those of the launcher.
_RESUMABLE = (
    "threads",
    "figures.format",
    "sweep.fail_fast",
    *DATA_PATHS,
    "hydra.sweeper.max_batch_size",
    "hydra.sweeper.n_trials",
    "hydra.sweeper.n_jobs",
    "hydra.searchpath",
)


@dataclass(frozen=True)
class PreparedSweep:
    """A sweep that can run: its folder and its plan."""

    folder: SweepFolder
    plan: Plan


def prepare(overrides: Sequence[str], folder: str | None = None) -> PreparedSweep:
    """Return a new sweep, or the one in ``folder``, which is resumed.

    When a sweep is resumed, finished jobs are kept, the others are resumed or started. The
    overrides may change what does not affect a job's result: where jobs run, how many at a time,
    how many trials.

    Args:
        overrides: overrides of the command.
        folder: sweep folder; None: a new sweep, whose folder is created.

    Raises:
        UserError: a value is wrong; nothing is written then. A combination of values is checked
            when its job starts.
    """
    check_processes(None)
    parsed = parse_overrides(overrides)
    check_overrides(parsed)
    if folder is not None:
        return _prepare_resumed(folder, [o for o in parsed if o.key_or_group != "resume"])
    planned = plan(overrides)
    recorded = [*planned.recorded, *plugins_overrides()]
    return PreparedSweep(
        SweepFolder.create(planned.cfg.logs, planned.name, recorded, planned.varied), planned
    )


def _prepare_resumed(folder: str, changes: Sequence[Override]) -> PreparedSweep:
    sweep = SweepFolder.open(folder)
    if not os.path.isdir(sweep.directory):  # the folder was copied from elsewhere
        sweep = replace(sweep, directory=os.getcwd())
    plugins, recorded = split_plugins(sweep.overrides)
    check_recorded_plugins(plugins)
    before = parse_overrides(recorded)
    check_recorded(before, changes)
    for change in changes:
        if text_of(change) in recorded:
            continue
        if change.key_or_group not in _RESUMABLE and not _is_of_launcher(change):
            raise UserError(
                f"{change.key_or_group}: can't be changed when a sweep is resumed"
                f" (these can: {', '.join(_RESUMABLE)}, hydra/launcher, hydra.launcher.*)"
            )
        if change.key_or_group in sweep.varied:
            raise UserError(f"{change.key_or_group}: can't be changed: the sweep varies it")
    if any(change.key_or_group == "hydra/launcher" for change in changes):
        before = [override for override in before if not _is_of_launcher(override)]
    with chdir(sweep.directory):
        planned = plan(list(map(text_of, (*before, *changes))), resumed=True)
    return PreparedSweep(sweep, planned)


def _is_of_launcher(override: Override) -> bool:
    return override.key_or_group.startswith(("hydra/launcher", "hydra.launcher."))


def run(prepared: PreparedSweep) -> "Summary":
    """Let Hydra run a sweep; print failures and the summary, and return it.

    If the sweep ends early, for example since a process died, the error is raised after the summary
    of the jobs that are done. The working directory is that in which the sweep was started, and
    afterwards the same as before.
    """
    sweep, planned = prepared.folder, prepared.plan
    runner = JobRunner(sweep, planned)
    with chdir(sweep.directory), sweep.locked():
        try:
            _launch(runner, planned.overrides)
        except BaseException as error:
            _print_command(sweep)
            if isinstance(error, Exception):  # not Ctrl-C
                with suppress(UserError, OSError):  # no job has a result
                    _print_summary(sweep, planned.cfg, final=False)
            raise
        if sweep.stopped:
            _print_command(sweep)
        failures = sweep.failures()
        runner.report_failures(failures)
        return replace(_print_summary(sweep, planned.cfg), failures=failures)


def _launch(runner: JobRunner, overrides: Sequence[str]) -> None:
    folder = QuotedString(str(runner.sweep.folder), Quote.single).with_quotes()
    main = hydra.main(version_base="1.3", config_path=str(CONFIG_FOLDER), config_name="train")
    sys.argv = [runner.command[0], "--multirun", *overrides, f"hydra.sweep.dir={folder}"]
    try:
        # With this variable, Hydra raises its errors instead of printing many lines.
        with environment_variables({"HYDRA_FULL_ERROR": "1"}):
            main(runner)()
    finally:
        sys.argv = runner.command
        runner.close()


def _print_command(sweep: SweepFolder) -> None:
    print(f"resume:  {command_line('train', [override('resume', str(sweep.folder))])}", flush=True)


def _print_summary(sweep: SweepFolder, cfg: DictConfig, *, final: bool = True) -> "Summary":
    """Print and return the summary. The test set is evaluated only if it is ``final``."""
    set_threads(cfg.threads)  # not set yet if all jobs ran in other processes
    from mlp_lab.sweeps.comparison.answer import compare, conclude

    folder, style = str(sweep.folder), {"figure_format": cfg.figures.format}
    summary = conclude(folder, **style) if final else compare([folder], **style)
    print(f"\n{summary.text}")
    return summary
