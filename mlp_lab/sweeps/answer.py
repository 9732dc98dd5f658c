"""The end of a sweep, and a look at runs at any time: one answer."""

import os
from collections.abc import Sequence
from pathlib import Path

from mlp_lab.sweeps import summary
from mlp_lab.sweeps.comparison import Comparison, find_runs


def compare(
    places: Sequence[str], metric: str = "loss", mode: str = "min", output: str | None = None
) -> str:
    """Compare all runs in ``places``; write the summary to ``output`` and return it as text.

    Without ``output`` it goes to the folder that holds all places. The test set isn't touched.
    """
    comparison = Comparison(find_runs(places), metric, mode)
    folder = Path(output if output is not None else os.path.commonpath(places))
    summary.write(comparison, folder)
    return (
        f"{summary.as_text(comparison)}\n\nsummary: {folder / 'summary.md'}, {folder / 'figures'}"
    )


def conclude(folder: str) -> str:
    """End the sweep in ``folder``: test the chosen run, and it alone; then ``compare``."""
    runs = find_runs([folder])
    select = runs[0].config.select
    chosen = Comparison(runs, select.metric, select.mode).chosen
    if chosen.best is not None and chosen.status == "finished":
        from mlp_lab.evaluation import measure  # which loads torch; a comparison does without

        measure(chosen.run, "test", "best")
    return compare([folder], select.metric, select.mode)
