"""A sweep from its words to its answer: checked, run by Hydra, told."""

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

from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.errors import UserError
from mlp_lab.runs.threads import set_threads
from mlp_lab.storage.sweep_folder import Sweep
from mlp_lab.sweeps.job_runner import Task
from mlp_lab.sweeps.plan import Plan, plan

# What may differ when a sweep goes on, beside its launcher.
_CHANGEABLE = (
    "threads",
    "sweep.fail_fast",
    "hydra.sweeper.max_batch_size",
    "hydra.sweeper.n_trials",
    "hydra.sweeper.n_jobs",
)


def start(words: Sequence[str]) -> bool:
    """Run the sweep of ``words``, a command's overrides; return whether all jobs finished.

    Raises UserError, before anything is written, for a value that can't be.
    """
    planned = plan(words)
    sweep = Sweep.create(planned.cfg.logs, planned.cfg.name, words, planned.varied)
    return _run(sweep, planned)


def go_on(folder: str, words: Sequence[str]) -> bool:
    """Run the sweep in ``folder`` again: finished jobs are only read, others go on or begin.

    ``words`` may change what changes no job: where jobs run, how many at a time, how many trials.
    """
    sweep = Sweep.open(folder)
    if not os.path.isdir(sweep.directory):  # the folder came from elsewhere
        sweep = replace(sweep, directory=os.getcwd())
    changes = OverridesParser.create().parse_overrides(list(words))
    for change in changes:
        if change.key_or_group not in _CHANGEABLE and not _of_launcher(change):
            raise UserError(
                f"{change.key_or_group}: can't be changed when a sweep goes on"
                f" (these can: {', '.join(_CHANGEABLE)}, hydra/launcher, hydra.launcher.*)"
            )
    before = OverridesParser.create().parse_overrides(sweep.words)
    if any(change.key_or_group == "hydra/launcher" for change in changes):
        before = [word for word in before if not _of_launcher(word)]
    os.chdir(sweep.directory)
    return _run(sweep, plan([word.input_line or "" for word in (*before, *changes)]))


def _of_launcher(override: Override) -> bool:
    return override.key_or_group.startswith(("hydra/launcher", "hydra.launcher."))


def _run(sweep: Sweep, planned: Plan) -> bool:
    """Let Hydra run the sweep; then tell which jobs failed, and the answer.

    What ends it early, such as the death of a process, is raised when the jobs that are done have
    been told of.
    """
    task = Task(sweep)
    with sweep.running(), _faults_in_full():
        try:
            _launch(task, planned.words)
        except BaseException as error:
            _offer(sweep)
            if isinstance(error, Exception):  # not the user's Ctrl-C
                with suppress(UserError, OSError):  # where there is nothing to tell of
                    _answer(sweep, planned.cfg, final=False)
            raise
        if sweep.stopped:
            _offer(sweep)
        failures = sweep.failures()
        task.tell(failures)
        _answer(sweep, planned.cfg)
    return not failures


def _launch(task: Task, words: Sequence[str]) -> None:
    folder = QuotedString(str(task.sweep.folder), Quote.single).with_quotes()
    main = hydra.main(version_base="1.3", config_path=str(CONFIG_FOLDER), config_name="train")
    sys.argv = [task.command[0], "--multirun", *words, f"hydra.sweep.dir={folder}"]
    try:
        main(task)()
    finally:
        sys.argv = task.command
        task.close()


def _offer(sweep: Sweep) -> None:
    print(f"go on:  python scripts/train.py resume={sweep.folder}", flush=True)


def _answer(sweep: Sweep, cfg: DictConfig, *, final: bool = True) -> None:
    """Print the answer. One that isn't ``final`` leaves the test set alone: others may come."""
    set_threads(cfg.threads)  # no job has, where all ran in other processes
    from mlp_lab.sweeps.comparison.answer import compare, conclude

    folder = str(sweep.folder)
    told = conclude(folder) if final else compare([folder], cfg.select.metric, cfg.select.mode)
    print(f"\n{told}")


@contextmanager
def _faults_in_full() -> Iterator[None]:
    """End in a traceback for what isn't the user's: a fault of the program or of a cluster."""
    try:
        yield
    except (UserError, OSError, HydraException):
        raise
    except Exception:
        sys.exit(traceback.format_exc())
