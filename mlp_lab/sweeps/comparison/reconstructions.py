"""The images that a sweep's networks reconstructed, beside the original ones."""

import statistics
from collections import defaultdict
from functools import partial

import numpy as np

from mlp_lab.figures.rendering import Draw
from mlp_lab.images.codecs import read_png
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison.comparison import Comparison
from mlp_lab.sweeps.comparison.differences import label_of
from mlp_lab.sweeps.comparison.figures import image_rows

_MOST = 8  # images, and networks

# A run, and the last row of its table of reconstructions.
_Reconstruction = tuple[RunFolder, dict[str, float]]


def draw(comparison: Comparison) -> dict[str, Draw]:
    """Return ``pictures_side_by_side`` of runs with ``callbacks=image_progress``.

    It shows the last reconstructions: a row for each image, a column for each network, from the
    lowest mean PSNR to the highest. Of several seeds the first is shown. Only the last columns are
    shown if there are too many.
    """
    rows: dict[str, dict[str, _Reconstruction]] = defaultdict(dict)
    psnr: dict[str, list[float]] = defaultdict(list)
    for group in comparison.groups():
        run = min(group.jobs, key=lambda job: job.settings.get("seed", 0)).run
        if run.truth.is_file():
            data = {key: v for key, v in group.settings.items() if key.startswith("data.")}
            other = {key: v for key, v in group.settings.items() if key not in data}
            image, network = (label_of(settings, comparison.swept) for settings in (data, other))
            last = run.table("pictures")[-1]
            rows[image][network] = run, last
            psnr[network].append(last["psnr"])
    if sum(map(len, rows.values())) < 2:
        return {}
    columns = sorted(psnr, key=lambda network: statistics.fmean(psnr[network]))[-_MOST:]
    shown = {name: _row(rows[name], columns) for name in sorted(rows)[:_MOST]}
    return {"pictures_side_by_side": partial(image_rows.side_by_side, shown, columns)}


def _row(reconstructions: dict[str, _Reconstruction], columns: list[str]) -> image_rows.ImageRow:
    """Return the original image and, for each column, its reconstruction or None."""
    run, _ = next(iter(reconstructions.values()))
    shown = {column: _shown(*each) for column, each in reconstructions.items()}
    return read_png(run.truth), [shown.get(column) for column in columns]


def _shown(run: RunFolder, row: dict[str, float]) -> tuple[np.ndarray, float]:
    """Return a reconstructed image and its PSNR."""
    return read_png(run.picture(int(row["epoch"]))), row["psnr"]
