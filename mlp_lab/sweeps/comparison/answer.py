"""The end of a sweep, and a look at runs at any time: one answer."""

import os
from collections.abc import Sequence
from pathlib import Path

from mlp_lab.errors import UserError
from mlp_lab.storage.files import write_png, write_whole
from mlp_lab.storage.run_folder import Run
from mlp_lab.storage.tensorboard import write_event_file
from mlp_lab.sweeps.comparison import summary
from mlp_lab.sweeps.comparison.comparison import Comparison, find_runs
from mlp_lab.sweeps.comparison.drawing import draw


def compare(
    places: Sequence[str], metric: str = "loss", mode: str = "min", output: str | None = None
) -> str:
    """Compare all runs in ``places``; write the summary to ``output`` and return it as text.

    Without ``output`` it goes to the folder that holds all places. The test set isn't touched.
    """
    folder = _common_folder(places) if output is None else Path(output)
    return _tell(Comparison(find_runs(places), metric, mode), folder)


def conclude(folder: str) -> str:
    """End the sweep in ``folder``: test the chosen run once, and it alone; then tell the answer.

    With ``sweep.test=each`` the best epoch of each job is tested; with ``last`` the last one, and
    none is chosen.
    """
    runs = find_runs([folder])
    select = runs[0].config.select
    comparison = Comparison(runs, select.metric, select.mode)
    if untested := _untested(comparison):
        from mlp_lab.runs.evaluate import measure  # which loads torch; a comparison does without

        for run, checkpoint in untested:
            measure(run, "test", checkpoint)
        comparison = Comparison(runs, select.metric, select.mode)
    return _tell(comparison, Path(folder))


def _untested(comparison: Comparison) -> list[tuple[Run, str]]:
    """The runs and checkpoints that the test set is for, and was not evaluated for yet."""
    jobs = [job for job in comparison.jobs if job.finished]
    if comparison.tested == "chosen":
        jobs = [job for job in jobs if job is comparison.chosen]
    checkpoint = "last" if comparison.tested == "last" else "best"
    return [(job.run, checkpoint) for job in jobs if comparison.test_of(job) is None]


def _tell(comparison: Comparison, folder: Path) -> str:
    write(comparison, folder)
    written = f"{folder / 'summary.md'}, {folder / 'figures'}"
    return f"{summary.as_text(comparison)}\n\nsummary: {written}"


def write(comparison: Comparison, folder: Path) -> None:
    """Write ``summary.csv``, ``summary.md``, ``figures/*.png`` and TensorBoard's event file."""
    markdown = summary.as_markdown(comparison)
    write_whole(folder / "summary.csv", summary.as_csv(comparison).encode())
    write_whole(folder / "summary.md", markdown.encode())
    pictures = {
        name: write_png(folder / "figures" / f"{name}.png", figure)
        for name, figure in draw(comparison).items()
    }
    write_event_file(folder, markdown, pictures)


def _common_folder(places: Sequence[str]) -> Path:
    """The deepest folder that holds all places. Raises UserError where that is the root."""
    absolute = any(map(os.path.isabs, places))
    folder = Path(os.path.commonpath([os.path.abspath(p) if absolute else p for p in places]))
    if absolute and len(folder.parts) == 1:
        raise UserError(f"{', '.join(places)}: lie in no common folder; --output names one")
    return folder
