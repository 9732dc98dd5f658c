"""The Python API: what the commands do, for notebooks and programs.

The functions compose, check and run as the commands do, with the same implementation. They raise
``UserError`` with the message that a command would print, and leave the working directory, the
environment, the number of threads, the random number generators and Hydra's global state as they
were. Torch is imported when a function needs it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from mlp_lab.config import compose as composition
from mlp_lab.config.compose import ROOTS, check_overrides, isolated_hydra, parse_overrides
from mlp_lab.config.metrics import SIGN
from mlp_lab.config.names import FIGURE_FORMATS
from mlp_lab.config.plugin_modules import import_plugins, plugins_overrides, split_plugins
from mlp_lab.errors import UserError
from mlp_lab.runs import start
from mlp_lab.runs.environment import restored_environment
from mlp_lab.runs.session import session, user_errors
from mlp_lab.runs.threads import set_threads
from mlp_lab.storage.results import Result

if TYPE_CHECKING:  # import torch or matplotlib
    from mlp_lab.runs.run import Run
    from mlp_lab.sweeps.comparison.answer import Summary


def compose(*overrides: str, command: str = "train") -> DictConfig:
    """Return the checked, read-only config of a command.

    Args:
        overrides: overrides as on the command line: ``"experiment=mnist_hw4"``.
        command: name of the command: train, evaluate, predict, play, backprop.

    Raises:
        UserError: an override is wrong.
    """
    if command not in ROOTS:
        raise UserError(f"command={command}: must be one of {', '.join(ROOTS)}")
    with isolated_hydra(), restored_environment(), user_errors(ROOTS[command], Exception):
        others = _import_named(overrides)
        check_overrides(parse_overrides(others))
        return composition.compose(others, command)


def train(*overrides: str) -> Result:
    """Train a run; return its result.

    ``"resume=FOLDER"`` resumes a run, ``"config=FOLDER/config.yaml"`` repeats one.

    Args:
        overrides: overrides as on the command line.

    Raises:
        UserError: an override is wrong, or the run diverged.
        KeyboardInterrupt: the run was interrupted; it can be resumed.
    """
    with session():
        others = _import_named(overrides)
        folder, config = (_named_path(others, key) for key in ("resume", "config"))
        if folder is not None:
            return start.resume(folder, others)
        if config is not None:
            return start.repeat(config, others)
        cfg = compose(*others)
        start.refuse_sweep_preset(parse_overrides(others))
        return start.start(cfg, [*others, *plugins_overrides()])


def sweep(*overrides: str) -> "Summary":
    """Run a sweep, or resume one with ``"resume=FOLDER"``; print and return its summary.

    Args:
        overrides: overrides as after ``-m``: ``"optimizer.lr=0.01,0.1"``.

    Raises:
        UserError: an override is wrong, or no job has finished an epoch.
        KeyboardInterrupt: the sweep was interrupted; it can be resumed.
    """
    with session():
        from mlp_lab.sweeps.launch import prepare, run

        others = _import_named(overrides)
        with user_errors(ROOTS["train"], Exception):
            prepared = prepare(others, _named_path(others, "resume"))
        return run(prepared)


def compare(
    *folders: str,
    metric: str | None = None,
    mode: str | None = None,
    output: str | None = None,
    figure_format: str = "png",
) -> "Summary":
    """Compare runs; write tables and figures, and return the summary.

    Args:
        folders: run folders, or folders that contain run folders.
        metric: metric on validation data; None: that which selected the epochs of the runs.
        mode: which values are better, ``min`` or ``max``; None: that of the metric.
        output: folder of the summary; None: the common parent folder.
        figure_format: format of the figures' files: ``png``, ``pdf`` or ``svg``.

    Raises:
        UserError: there are no runs, no run has the metric, or there is no such mode or format.
    """
    if not folders:
        raise UserError("compare: needs at least one folder")
    if mode not in (None, *SIGN):
        raise UserError(f"mode={mode}: must be {' or '.join(SIGN)}")
    if figure_format not in FIGURE_FORMATS:
        allowed = ", ".join(FIGURE_FORMATS)
        raise UserError(f"figure_format={figure_format}: must be one of {allowed}")
    with session():
        from mlp_lab.sweeps.comparison import answer

        places = [str(folder) for folder in folders]
        return answer.compare(places, metric, mode, output, figure_format)


def load_run(folder: str, checkpoint: str = "best") -> "Run":
    """Return a run that was trained: its config, history, result, network and figures.

    Args:
        folder: run folder.
        checkpoint: checkpoint of the network: ``best`` or ``last``.

    Raises:
        UserError: there is no such run.
    """
    with session():
        set_threads(None)  # before torch is imported
        from mlp_lab.runs.run import Run

        return Run(str(folder), checkpoint)


def _import_named(overrides: Sequence[str]) -> list[str]:
    """Import the plug-ins that overrides ``plugins=[...]`` name; return the other overrides."""
    modules, others = split_plugins(overrides)
    import_plugins(modules)
    return others


def _named_path(overrides: Sequence[str], key: str) -> str | None:
    """Return the path that ``resume`` or ``config`` names; None if it is not given."""
    with user_errors(ROOTS["train"], Exception):
        return start.named_path(parse_overrides(overrides), key)
