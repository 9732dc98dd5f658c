"""A folder that shows runs in TensorBoard: named by what differs, with charts and columns."""

import re
from collections.abc import Sequence
from pathlib import Path

from mlp_lab.config.metrics import get_metric, metric_order
from mlp_lab.config.names import EPOCH_SPLITS
from mlp_lab.storage.tensorboard import BEST_EPOCH
from mlp_lab.storage.tensorboard_layout import write_layout
from mlp_lab.sweeps.comparison.answer import ALL_RUNS
from mlp_lab.sweeps.comparison.comparison import Comparison, find_runs

_MAX_NAME = 150  # characters; file systems allow 255 bytes


def arrange(places: Sequence[str], view: Path) -> int:
    """Fill an empty folder with links to runs and with a layout; return the number of runs.

    The links of runs are named by the settings in which the runs differ. Sweeps keep their
    folders' names.

    Args:
        places: folders with runs in or below them.
        view: the empty folder.

    Raises:
        UserError: there are no runs in a folder, or a run is damaged.
    """
    comparison = Comparison(find_runs(places))
    runs = _run_links(comparison)
    for name, folder in runs.items():
        (view / name).symlink_to(folder.resolve(), target_is_directory=True)
    _link_summaries(places, view)
    write_layout(view, _charts(comparison), comparison.swept, _columns(comparison))
    return len(runs)


def _run_links(comparison: Comparison) -> dict[str, Path]:
    """Return the folders of the runs by the names of their links."""
    links: dict[str, Path] = {}
    for job in comparison.jobs:
        name = _link_name(job.label)
        if name in links:  # another run has the same settings
            name += f" #{len(links)}"
        links[name] = job.run.folder
    return links


def _link_summaries(places: Sequence[str], view: Path) -> None:
    """Link the event files with summaries of runs; their folders also contain the runs."""
    files = {path.resolve() for place in places for path in Path(place).rglob(f"*.{ALL_RUNS}")}
    for file in files:
        folder = view / _link_name(f"all runs of {file.parent.name}")
        folder.mkdir(exist_ok=True)
        (folder / file.name).symlink_to(file)


def _charts(comparison: Comparison) -> dict[str, str]:
    """Return a regular expression of the curves of each metric, by the title of the chart."""
    keys = {key for job in comparison.jobs for row in job.history for key in row if "/" in key}
    names = sorted({key.partition("/")[0] for key in keys}, key=metric_order)
    splits = "|".join(EPOCH_SPLITS)
    return {get_metric(name).label: f"^{re.escape(name)}/({splits})$" for name in names}


def _columns(comparison: Comparison) -> dict[str, str]:
    """Return the columns of metrics in HPARAMS that all runs have, by the name of the curve.

    TensorBoard hides runs that lack a column in its parallel coordinates.
    """
    best = [
        {*(job.best or {}), *(f"{name}/test" for name in comparison.test_metrics(job))}
        for job in comparison.jobs
    ]
    last = [set(job.history[-1] if job.history else {}) for job in comparison.jobs]
    columns = {f"{BEST_EPOCH}/{key}": f"best epoch: {key}" for key in _shared(best)}
    return columns | {key: f"last epoch: {key}" for key in _shared(last)}


def _shared(keys: Sequence[set[str]]) -> list[str]:
    return sorted((key for key in set.intersection(*keys) if "/" in key), key=metric_order)


def _link_name(label: str) -> str:
    return label.replace("/", "_")[:_MAX_NAME]
