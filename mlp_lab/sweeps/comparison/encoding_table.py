"""How well encodings let a network guess the pixels that it wasn't shown: the table of a paper.

Tancik et al. 2020 (arXiv 2006.10739, table 1) give the PSNR on test pixels in the last step, mean
over pictures, of four mappings of coordinates. A sweep over encodings and pictures that tests all
of its jobs stands beside them.
"""

import math
import statistics
from collections import defaultdict

from mlp_lab.sweeps.comparison.comparison import Comparison, Job
from mlp_lab.sweeps.comparison.differences import settings_of

# In dB, by the classes of the encodings.
_PUBLISHED = {
    "natural": {"Identity": 19.32, "Basic": 21.71, "Positional": 24.95, "Gaussian": 25.57},
    "text": {"Identity": 18.40, "Basic": 20.48, "Positional": 27.57, "Gaussian": 30.47},
}
_NONE = "-"

Table = tuple[list[str], list[list[str]]]
# By mapping, then by picture: what the seeds reached.
_Reached = dict[str, dict[str, list[float]]]


def tables(comparison: Comparison) -> list[Table]:
    """Header and rows of the table, if the comparison tells of mappings; none otherwise.

    A row has the pictures that all of its mappings were tested on. ``±`` is the standard deviation
    over pictures of means over seeds; below it, that over seeds, of a picture.
    """
    if not (comparison.tested == "last" and "encoding" in comparison.swept):
        return []
    kinds: dict[str, _Reached] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for job in comparison.jobs:
        settings = settings_of(job.run)
        if settings.get("data.protocol") != "upsample" or (psnr := _psnr(job)) is None:
            continue
        kind = "text" if settings["data.image"] == "text" else "natural"
        picture = f"{settings['data.image']} {settings['data.text_seed']}"
        kinds[kind][settings["encoding"]][picture].append(psnr)
    columns = ["test PSNR in dB", "pictures", "seeds", *map(str.lower, _PUBLISHED["natural"])]
    rows = [row for kind in _PUBLISHED if kind in kinds for row in _rows(kind, kinds[kind])]
    return [(columns, rows)] if rows else []


def _psnr(job: Job) -> float | None:
    """On the test set in the last epoch, of a job that finished."""
    return (job.last_test or {}).get("psnr") if job.finished else None


def _rows(kind: str, reached: _Reached) -> list[list[str]]:
    """The mean and the spread over seeds of a kind of pictures, and what is published."""
    pictures = sorted(set.intersection(*(set(own) for own in reached.values())))
    values = {name: [own[picture] for picture in pictures] for name, own in reached.items()}
    seeds = [len(own) for lists in values.values() for own in lists]
    fewest, most = min(seeds, default=0), max(seeds, default=0)
    counts = [str(len(pictures)), str(most) if fewest == most else f"{fewest} to {most}"]
    published = _PUBLISHED[kind]
    rows = [[kind, *counts, *(_mean(values.get(name, [])) for name in published)]]
    if fewest > 1:
        rows.append(["± over seeds", "", "", *(_noise(values.get(name, [])) for name in published)])
    told = [f"{value:.2f}" for value in published.values()]
    return [*rows, [f"{kind}, Tancik et al. 2020", _NONE, _NONE, *told]]


def _mean(values: list[list[float]]) -> str:
    """Mean and standard deviation over pictures."""
    means = [statistics.fmean(own) for own in values]
    if not means:
        return _NONE
    spread = f" ± {statistics.stdev(means):.2f}" if len(means) > 1 else ""
    return f"{statistics.fmean(means):.2f}{spread}"


def _noise(values: list[list[float]]) -> str:
    """Standard deviation over seeds, from the mean of the pictures' variances."""
    if not values:
        return _NONE
    return f"{math.sqrt(statistics.fmean(map(statistics.variance, values))):.2f}"
