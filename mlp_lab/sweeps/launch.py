"""Run a sweep from its overrides to its summary."""

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig

from mlp_lab.config.command_line import command_line, override
from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.config.schemas.data import DATA_PATHS
from mlp_lab.errors import UserError
from mlp_lab.runs.threads import set_threads
from mlp_lab.storage.sweep_folder import SweepFolder
from mlp_lab.sweeps.job_runner import JobRunner
from mlp_lab.sweeps.overrides import text_of
from mlp_lab.sweeps.plan import Plan
from mlp_lab.sweeps.planning import plan
from mlp_lab.sweeps.recorded_overrides import check_recorded

# Keys that may change when a sweep is resumed, besides those of the launcher.
_RESUMABLE = (
    "threads",
    "sweep.fail_fast",
    *DATA_PATHS,
    "hydra.sweeper.max_batch_size",
    "hydra.sweeper.n_trials",
    "hydra.sweeper.n_jobs",
)


def start(overrides: Sequence[str]) -> bool:
    """Run a new sweep; return whether all jobs finished.

    Raises UserError for a wrong value before anything is written.
    """
    planned = plan(overrides)
    sweep = SweepFolder.create(planned.cfg.logs, planned.name, planned.recorded, planned.varied)
    return _run(sweep, planned)


def resume(folder: str, overrides: Sequence[str]) -> bool:
    """Resume the sweep in ``folder``; return whether all jobs finished.

    Finished jobs are kept, the others are resumed or started. ``overrides`` may change what does
    not affect a job's result: where jobs run, how many at a time, how many trials.
    """
    sweep = SweepFolder.open(folder)
    if not os.path.isdir(sweep.directory):  # the folder was copied from elsewhere
        sweep = replace(sweep, directory=os.getcwd())
    changes = OverridesParser.create().parse_overrides(list(overrides))
    before = OverridesParser.create().parse_overrides(sweep.overrides)
    check_recorded(before, changes)
    for change in changes:
        if text_of(change) in sweep.overrides:
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
    os.chdir(sweep.directory)
    return _run(sweep, plan(list(map(text_of, (*before, *changes))), resumed=True))


def _is_of_launcher(override: Override) -> bool:
    return override.key_or_group.startswith(("hydra/launcher", "hydra.launcher."))


def _run(sweep: SweepFolder, planned: Plan) -> bool:
    """Let Hydra run the sweep, then print failures and summary.

    If the sweep ends early, for example since a process died, the error is raised after the summary
    of the jobs that are done.
    """
    runner = JobRunner(sweep, planned)
    with sweep.locked(), _traceback_of_faults():
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
        _print_summary(sweep, planned.cfg)
    return not failures


def _launch(runner: JobRunner, overrides: Sequence[str]) -> None:
    folder = QuotedString(str(runner.sweep.folder), Quote.single).with_quotes()
    main = hydra.main(version_base="1.3", config_path=str(CONFIG_FOLDER), config_name="train")
    sys.argv = [runner.command[0], "--multirun", *overrides, f"hydra.sweep.dir={folder}"]
    try:
        main(runner)()
    finally:
        sys.argv = runner.command
        runner.close()


def _print_command(sweep: SweepFolder) -> None:
    print(f"resume:  {command_line('train', [override('resume', str(sweep.folder))])}", flush=True)


def _print_summary(sweep: SweepFolder, cfg: DictConfig, *, final: bool = True) -> None:
    """Print the summary. The test set is evaluated only if it is ``final``."""
    set_threads(cfg.threads)  # not set yet if all jobs ran in other processes
    from mlp_lab.sweeps.comparison.answer import compare, conclude

    folder, select = str(sweep.folder), (cfg.select.metric, cfg.select.mode)
    text = conclude(folder, *select) if final else compare([folder], *select)
    print(f"\n{text}")


@contextmanager
def _traceback_of_faults() -> Iterator[None]:
    """Exit with the full traceback of an error that the user did not cause."""
    try:
        yield
    except (UserError, OSError, HydraException):
        raise
    except Exception:
        sys.exit(traceback.format_exc())
