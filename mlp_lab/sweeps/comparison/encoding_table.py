"""How well networks with different encodings predict unseen points: the tables of a paper.

Tancik et al. 2020 (arXiv 2006.10739, table 1) give results of four encodings of coordinates in the
last step, means over objects: the PSNR on test pixels of images, of densities that are
reconstructed by computed tomography and magnetic resonance imaging, and of held-out views of
scenes; the intersection over union of 3D shapes, of points near the surface. For the
reconstructions, there is also a trained value per pixel or voxel, without a network. The tables
show them beside the results of a sweep over encodings and objects that tests all of its runs, and
beside classical methods.
"""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlp_lab.sweeps.comparison.compared_run import ComparedRun
from mlp_lab.sweeps.comparison.comparison import Comparison, Table

# The classes of the encodings; the paper has no encoding in the first column.
_ENCODINGS = ("Identity", "Basic", "Positional", "Gaussian")
# For 3D shapes and scenes, the coordinates without an encoding are in [-1, 1).
_COLUMNS = {name: name for name in _ENCODINGS} | {"Centred": "Identity"}
_GRID = "Grid"  # of values at the pixels or voxels
# First column and decimals of the table of each metric.
_TABLES = {"psnr": ("test PSNR in dB", 2), "iou_near_surface": ("test IoU near the surface", 3)}
# Columns of classical methods with the same training data, by metric.
_CLASSICAL = {
    "psnr_bicubic": "bicubic",
    "psnr_cubic_spline": "cubic spline",
    "psnr_filtered_back_projection": "filtered back-projection",
    "psnr_zero_filled": "zero-filled",
}
_NONE = "-"


@dataclass(frozen=True)
class _Kind:
    """A kind of objects.

    Attributes:
        metric: metric of the paper.
        keys: keys of the config that identify an object.
        published: values of the paper, by encoding.
        published_grid: value of the paper for a grid of values.
    """

    metric: str
    keys: tuple[str, ...]
    published: tuple[float, float, float, float]
    published_grid: float | None = None


_KINDS = {
    "natural": _Kind("psnr", ("data.image",), (19.32, 21.71, 24.95, 25.57)),
    "text": _Kind("psnr", ("data.text_seed",), (18.40, 20.48, 27.57, 30.47)),
    "ct": _Kind("psnr", ("data.image", "data.phantom"), (16.75, 23.31, 26.89, 28.33), 24.99),
    "mri": _Kind("psnr", ("data.volume", "data.phantom"), (26.14, 28.58, 32.23, 34.51), 32.71),
    "shape": _Kind("iou_near_surface", ("data.path", "data.solid"), (0.864, 0.892, 0.960, 0.973)),
    # One scene, lego; with the axes rotated, positional has 25.28.
    "nerf": _Kind("psnr", ("data.path", "data.scene"), (22.41, 23.16, 26.27, 25.48)),
}

# Kinds by a key of the config that only they have.
_KINDS_BY_KEY = {
    "data.projections": "ct",
    "data.volume": "mri",
    "data.solid": "shape",
    "data.scene": "nerf",
}

# By encoding or classical method, then by object: the values of the seeds.
_Values = dict[str, dict[str, list[float]]]


def tables(comparison: Comparison) -> list[Table]:
    """Return header and rows of each table, if encodings were swept and all runs were tested.

    A row has the objects on which all of its encodings were tested. ``±`` is the standard deviation
    over objects of the means over seeds. The row below it has the standard deviation over seeds for
    one object. A classical method has a column if it was measured for all objects of a row. A kind
    of objects has no row if another setting differs between runs with the same encoding, object and
    seed.
    """
    if not (comparison.tested == "last" and "encoding" in comparison.swept):
        return []
    values: dict[str, _Values] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    runs: Counter[tuple[Any, ...]] = Counter()
    for job in comparison.jobs:
        kind = _kind(job.config)
        if kind is None or (value := _value(job, _KINDS[kind].metric)) is None:
            continue
        name = " ".join(str(job.config[key]) for key in _KINDS[kind].keys)
        column = _column(job.config)
        runs[kind, column, name, job.config["seed"]] += 1
        values[kind][column][name].append(value)
        for metric, method in _CLASSICAL.items():
            if (value := _value(job, metric)) is not None:
                values[kind][method][name].append(value)
    for kind, *_ in (run for run, number in runs.items() if number > 1):
        values.pop(kind, None)
    made = []
    for metric, (title, _) in _TABLES.items():
        kinds = [kind for kind in _KINDS if kind in values and _KINDS[kind].metric == metric]
        known = {column for kind in kinds for column in values[kind]}
        others = [column for column in (_GRID, *_CLASSICAL.values()) if column in known]
        columns = [*_ENCODINGS, *others]
        if rows := [row for kind in kinds for row in _rows(kind, values[kind], columns)]:
            made.append(([title, "objects", "seeds", *map(str.lower, columns)], rows))
    return made


def _kind(config: Mapping[str, Any]) -> str | None:
    """Return the row of the table to which a run belongs; None: it belongs to none."""
    for key, kind in _KINDS_BY_KEY.items():
        if key in config:
            return kind
    if config.get("data.protocol") != "upsample":
        return None
    return "text" if config["data.image"] == "text" else "natural"


def _column(config: Mapping[str, Any]) -> str:
    """Return the column of the table to which a run belongs, or its encoding."""
    if config.get("encoding.levels") == 1:
        return _GRID
    encoding = config["encoding"]
    return _COLUMNS.get(encoding, encoding)


def _value(run: ComparedRun, metric: str) -> float | None:
    """Return a metric of a finished run on the test set in its last epoch."""
    test = run.last_test
    return test.metrics.get(metric) if run.finished and test is not None else None


def _rows(kind: str, values_by_column: _Values, columns: Sequence[str]) -> list[list[str]]:
    """Return rows with means, deviations over seeds, and published values of a kind of objects."""
    trained = values_by_column.keys() - _CLASSICAL.values()
    objects = sorted(set.intersection(*(set(values_by_column[name]) for name in trained)))
    values = {
        name: [each[i] for i in objects]
        for name, each in values_by_column.items()
        if each.keys() >= set(objects)
    }
    seeds = [len(each) for name in trained for each in values[name]]
    fewest, most = min(seeds, default=0), max(seeds, default=0)
    counts = [str(len(objects)), str(most) if fewest == most else f"{fewest} to {most}"]
    _, decimals = _TABLES[_KINDS[kind].metric]
    shown = [values.get(name, []) for name in columns]
    rows = [[kind, *counts, *(_mean(column, decimals) for column in shown)]]
    if fewest > 1:
        deviations = (_seed_deviation(column, decimals) for column in shown)
        rows.append(["± over seeds", "", "", *deviations])
    published = dict(zip(_ENCODINGS, _KINDS[kind].published, strict=True))
    known = published | {_GRID: _KINDS[kind].published_grid}
    values_of_paper = [known.get(column) for column in columns]
    texts = [_NONE if value is None else f"{value:.{decimals}f}" for value in values_of_paper]
    return [*rows, [f"{kind}, Tancik et al. 2020", _NONE, _NONE, *texts]]


def _mean(values: list[list[float]], decimals: int) -> str:
    """Return mean and standard deviation over objects."""
    means = [statistics.fmean(seeds) for seeds in values]
    if not means:
        return _NONE
    spread = f" ± {statistics.stdev(means):.{decimals}f}" if len(means) > 1 else ""
    return f"{statistics.fmean(means):.{decimals}f}{spread}"


def _seed_deviation(values: list[list[float]], decimals: int) -> str:
    """Return the standard deviation over seeds, from the mean of the objects' variances."""
    if not values:
        return _NONE
    deviation = math.sqrt(statistics.fmean(map(statistics.variance, values)))
    return f"{deviation:.{decimals}f}"
