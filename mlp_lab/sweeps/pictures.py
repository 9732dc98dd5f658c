"""What a sweep's networks made of pictures, side by side with the truth."""

import statistics
from collections import defaultdict

import numpy as np
from matplotlib.figure import Figure

from mlp_lab.image_bytes import read_pixels
from mlp_lab.sweeps import figures
from mlp_lab.sweeps.comparison import Comparison, Job
from mlp_lab.sweeps.differences import label_of

_MOST = 8  # pictures, and networks


def draw(comparison: Comparison) -> dict[str, Figure]:
    """``pictures_side_by_side`` of runs with ``callbacks=pictures``: their last looks.

    A row for each picture, a column for each way to learn it, from the lowest mean PSNR to the
    highest; of several seeds the first is shown. Where there are more, the last columns stay.
    """
    rows: dict[str, dict[str, Job]] = defaultdict(dict)
    for job in sorted(comparison.jobs, key=lambda job: job.settings.get("seed", 0)):
        if job.finished and job.run.truth.is_file():
            own = {key: v for key, v in job.settings.items() if key != "seed"}
            data = {key: v for key, v in own.items() if key.startswith("data.")}
            ways = {key: v for key, v in own.items() if key not in data}
            labels = [label_of(settings, comparison.swept) for settings in (data, ways)]
            rows[labels[0]].setdefault(labels[1], job)
    if sum(map(len, rows.values())) < 2:
        return {}
    psnr: dict[str, list[float]] = defaultdict(list)
    for jobs in rows.values():
        for way, job in jobs.items():
            psnr[way].append(job.run.table("pictures")[-1]["psnr"])
    columns = sorted(psnr, key=lambda way: statistics.fmean(psnr[way]))[-_MOST:]
    shown = {name: _row(rows[name], columns) for name in sorted(rows)[:_MOST]}
    return {"pictures_side_by_side": figures.side_by_side(shown, columns)}


def _row(jobs: dict[str, Job], columns: list[str]) -> figures.PictureRow:
    """The truth, and in each column what was made of it, where there is a job."""
    looks = [_last_look(jobs[way]) if way in jobs else None for way in columns]
    return read_pixels(next(iter(jobs.values())).run.truth), looks


def _last_look(job: Job) -> tuple[np.ndarray, float]:
    """The picture and its PSNR."""
    row = job.run.table("pictures")[-1]
    return read_pixels(job.run.picture(int(row["epoch"]))), row["psnr"]
