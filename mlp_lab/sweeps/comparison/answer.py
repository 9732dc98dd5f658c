"""Summarize many runs: at the end of a sweep, or at any time."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlp_lab.config.titles import title_of
from mlp_lab.errors import UserError
from mlp_lab.figures.rendering import failure_logged, save_figures
from mlp_lab.storage.files import figure_writer, write_whole
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.storage.tensorboard import write_event_file
from mlp_lab.sweeps.comparison import summary
from mlp_lab.sweeps.comparison.comparison import Comparison, find_runs
from mlp_lab.sweeps.comparison.drawing import draw

#: Name of the summary in TensorBoard.
ALL_RUNS = "all_runs"


@dataclass(frozen=True)
class Summary:
    """The comparison of runs, as it is printed and written.

    Attributes:
        folder: folder of ``summary.csv``, ``summary.md`` and ``figures/``.
        text: summary for a terminal.
        rows: rows of ``summary.csv``, best run first, by column: the keys in which the runs differ,
            metrics, status and folder.
        chosen: folder of the run that validation data select; None if there is none.
        failures: reasons of the jobs of a sweep that have not finished, by folder name.
    """

    folder: Path
    text: str
    rows: list[dict[str, Any]]
    chosen: Path | None
    failures: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text


def compare(
    places: Sequence[str],
    metric: str | None = None,
    mode: str | None = None,
    output: str | None = None,
    figure_format: str = "png",
) -> Summary:
    """Compare all runs in ``places``; write the summary to files and return it.

    The test set is not evaluated.

    Args:
        places: folders with runs in or below them.
        metric: the metric that is compared on validation data; None: see ``Comparison``.
        mode: ``min`` or ``max``: which values are better; None: see ``Comparison``.
        output: folder of the summary; None: the common parent folder of ``places``.
        figure_format: format of the figures' files: ``png``, ``pdf`` or ``svg``.
    """
    folder = _common_folder(places) if output is None else Path(output)
    return _summarize(Comparison(find_runs(places), metric, mode), folder, figure_format)


def conclude(folder: str, figure_format: str = "png") -> Summary:
    """Evaluate the chosen run of a finished sweep on the test set; then summarize as ``compare``.

    Only the chosen run is evaluated, and only once. With ``sweep.test=problems`` the best run of
    each problem is evaluated; with ``each`` the best epoch of each run; with ``last`` the last
    epoch of each, and no run is chosen; with ``none`` no run is evaluated.
    """
    comparison = Comparison(find_runs([folder]))
    if untested := _untested(comparison):
        from mlp_lab.runs.evaluate import measure  # imports torch, which ``compare`` does not need

        for run, checkpoint in untested:
            measure(run, "test", checkpoint)
        comparison.read_tests()
    return _summarize(comparison, Path(folder), figure_format)


def _untested(comparison: Comparison) -> list[tuple[RunFolder, str]]:
    """Return runs and checkpoints that remain to be evaluated on the test set."""
    jobs = [job for job in comparison.jobs if job.finished]
    if comparison.tested == "chosen":
        jobs = [job for job in jobs if job is comparison.chosen]
    elif comparison.tested == "none":
        jobs = []
    elif comparison.tested == "problems":
        jobs = comparison.best_jobs
    checkpoint = "last" if comparison.tested == "last" else "best"
    return [(job.run, checkpoint) for job in jobs if comparison.test_of(job) is None]


def _summarize(comparison: Comparison, folder: Path, figure_format: str) -> Summary:
    _write(comparison, folder, figure_format)
    paths = f"{folder / 'summary.md'}, {folder / 'figures'}"
    chosen = None if comparison.tested == "last" else comparison.chosen
    return Summary(
        folder,
        f"{summary.as_text(comparison)}\n\nsummary: {paths}",
        summary.rows(comparison),
        None if chosen is None else chosen.run.folder,
    )


def _write(comparison: Comparison, folder: Path, figure_format: str) -> None:
    """Write ``summary.csv``, ``summary.md``, ``figures/*`` and a TensorBoard event file."""
    markdown = summary.as_markdown(comparison)
    write_whole(folder / "summary.csv", summary.as_csv(comparison).encode())
    write_whole(folder / "summary.md", markdown.encode())
    images: dict[str, bytes] = {}
    with failure_logged("of the comparison"):
        title = title_of([job.config for job in comparison.jobs])
        save = figure_writer(folder / "figures")
        images = save_figures(draw(comparison), save, figure_format, title)
    write_event_file(folder, markdown, images, ALL_RUNS)


def _common_folder(places: Sequence[str]) -> Path:
    """Return the deepest folder that contains all places. Raises UserError if it is the root."""
    absolute = any(map(os.path.isabs, places))
    folder = Path(os.path.commonpath([os.path.abspath(p) if absolute else p for p in places]))
    if absolute and len(folder.parts) == 1:
        raise UserError(f"{', '.join(places)}: have no common folder; set one with --output")
    return folder
