"""How well networks with different encodings predict unseen pixels: the table of a paper.

Tancik et al. 2020 (arXiv 2006.10739, table 1) give the PSNR on test pixels in the last step, mean
over images, of four encodings of coordinates; for computed tomography, the pixels are those of the
reconstructed phantom. The table shows them beside the results of a sweep over encodings and images
that tests all of its runs.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from mlp_lab.sweeps.comparison.comparison import ComparedRun, Comparison, Table

# In dB, by the classes of the encodings.
_PUBLISHED = {
    "natural": {"Identity": 19.32, "Basic": 21.71, "Positional": 24.95, "Gaussian": 25.57},
    "text": {"Identity": 18.40, "Basic": 20.48, "Positional": 27.57, "Gaussian": 30.47},
    "ct": {"Identity": 16.75, "Basic": 23.31, "Positional": 26.89, "Gaussian": 28.33},
}
_NONE = "-"

# By encoding, then by image: the values of the seeds.
_Values = dict[str, dict[str, list[float]]]


def tables(comparison: Comparison) -> list[Table]:
    """Return header and rows of the table, if encodings were swept and all runs were tested.

    A row has the images on which all of its encodings were tested. ``±`` is the standard deviation
    over images of the means over seeds. The row below it has the standard deviation over seeds for
    one image.
    """
    if not (comparison.tested == "last" and "encoding" in comparison.swept):
        return []
    psnr_by_kind: dict[str, _Values] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for job in comparison.jobs:
        kind = _kind(job.config)
        if kind is None or (psnr := _psnr(job)) is None:
            continue
        seed = job.config["data.phantom" if kind == "ct" else "data.text_seed"]
        image = f"{job.config['data.image']} {seed}"
        psnr_by_kind[kind][job.config["encoding"]][image].append(psnr)
    columns = ["test PSNR in dB", "images", "seeds", *map(str.lower, _PUBLISHED["natural"])]
    rows = [
        row
        for kind in _PUBLISHED
        if kind in psnr_by_kind
        for row in _rows(kind, psnr_by_kind[kind])
    ]
    return [(columns, rows)] if rows else []


def _kind(config: Mapping[str, Any]) -> str | None:
    """Return the row of the table to which a run belongs; None: it belongs to none."""
    if "data.phantom" in config:
        return "ct"
    if config.get("data.protocol") != "upsample":
        return None
    return "text" if config["data.image"] == "text" else "natural"


def _psnr(run: ComparedRun) -> float | None:
    """Return the PSNR of a finished run on the test set in its last epoch."""
    test = run.last_test
    return test.metrics.get("psnr") if run.finished and test is not None else None


def _rows(kind: str, values_by_encoding: _Values) -> list[list[str]]:
    """Return rows with means, deviations over seeds, and published values of a kind of images."""
    images = sorted(set.intersection(*map(set, values_by_encoding.values())))
    values = {name: [by_image[i] for i in images] for name, by_image in values_by_encoding.items()}
    seeds = [len(each) for lists in values.values() for each in lists]
    fewest, most = min(seeds, default=0), max(seeds, default=0)
    counts = [str(len(images)), str(most) if fewest == most else f"{fewest} to {most}"]
    published = _PUBLISHED[kind]
    rows = [[kind, *counts, *(_mean(values.get(name, [])) for name in published)]]
    if fewest > 1:
        rows.append(
            ["± over seeds", "", "", *(_seed_deviation(values.get(name, [])) for name in published)]
        )
    shown = [f"{value:.2f}" for value in published.values()]
    return [*rows, [f"{kind}, Tancik et al. 2020", _NONE, _NONE, *shown]]


def _mean(values: list[list[float]]) -> str:
    """Return mean and standard deviation over images."""
    means = [statistics.fmean(seeds) for seeds in values]
    if not means:
        return _NONE
    spread = f" ± {statistics.stdev(means):.2f}" if len(means) > 1 else ""
    return f"{statistics.fmean(means):.2f}{spread}"


def _seed_deviation(values: list[list[float]]) -> str:
    """Return the standard deviation over seeds, from the mean of the images' variances."""
    if not values:
        return _NONE
    return f"{math.sqrt(statistics.fmean(map(statistics.variance, values))):.2f}"
