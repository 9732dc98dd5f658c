"""What a sweep's networks made of pictures, side by side with the truth."""

import statistics
from collections import defaultdict

import numpy as np
from matplotlib.figure import Figure

from mlp_lab.images.codecs import read_png
from mlp_lab.storage.run_folder import Run
from mlp_lab.sweeps.comparison.comparison import Comparison
from mlp_lab.sweeps.comparison.differences import label_of
from mlp_lab.sweeps.comparison.figures import image_rows

_MOST = 8  # pictures, and networks

# A run, and what its table of looks says of the last one.
_Look = tuple[Run, dict[str, float]]


def draw(comparison: Comparison) -> dict[str, Figure]:
    """``pictures_side_by_side`` of runs with ``callbacks=image_progress``: their last looks.

    A row for each picture, a column for each way to learn it, from the lowest mean PSNR to the
    highest; of several seeds the first is shown. Where there are more, the last columns stay.
    """
    rows: dict[str, dict[str, _Look]] = defaultdict(dict)
    psnr: dict[str, list[float]] = defaultdict(list)
    for group in comparison.groups():
        run = min(group.jobs, key=lambda job: job.settings.get("seed", 0)).run
        if run.truth.is_file():
            data = {key: v for key, v in group.settings.items() if key.startswith("data.")}
            ways = {key: v for key, v in group.settings.items() if key not in data}
            name, way = (label_of(settings, comparison.swept) for settings in (data, ways))
            last = run.table("pictures")[-1]
            rows[name][way] = run, last
            psnr[way].append(last["psnr"])
    if sum(map(len, rows.values())) < 2:
        return {}
    columns = sorted(psnr, key=lambda way: statistics.fmean(psnr[way]))[-_MOST:]
    shown = {name: _row(rows[name], columns) for name in sorted(rows)[:_MOST]}
    return {"pictures_side_by_side": image_rows.side_by_side(shown, columns)}


def _row(looks: dict[str, _Look], columns: list[str]) -> image_rows.PictureRow:
    """The truth, and in each column what was made of it, where there is a run."""
    run, _ = next(iter(looks.values()))
    return read_png(run.truth), [_shown(*looks[w]) if w in looks else None for w in columns]


def _shown(run: Run, row: dict[str, float]) -> tuple[np.ndarray, float]:
    """The picture of a look, and its PSNR."""
    return read_png(run.picture(int(row["epoch"]))), row["psnr"]
