"""The properties of metrics: name, unit, format, order and direction."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mlp_lab.errors import UserError

# Factor that makes smaller values better, by mode (``select.mode``).
SIGN = {"min": 1, "max": -1}
# Between the name of a metric and the opponent against which it is measured.
_VS = "_vs_"


@dataclass(frozen=True)
class Metric:
    """The properties of a metric.

    Attributes:
        name: name, without the split.
        unit: unit of its values; empty if it has none.
        percent: whether its values are fractions that are shown in per cent.
        direction: mode in which values are compared: ``min`` or ``max``, whichever is better.
    """

    name: str
    unit: str = ""
    percent: bool = False
    direction: str = "min"

    @property
    def label(self) -> str:
        """The name, followed by the unit if there is one: ``psnr (dB)``."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def text(self, value: float | None) -> str:
        """Return a value as tables show it: ``12.34 %``, ``0.1234``, or ``-`` for None."""
        if value is None:
            return "-"
        if self.percent:
            return percent(value)
        fixed = value == 0 or 0.001 <= abs(value) < 1000
        return f"{value:.4f}" if fixed else f"{value:.4g}"

    def short_text(self, value: float) -> str:
        """Return a value with three digits, as figures show it: ``12.3%`` or ``0.123``."""
        return f"{100 * value:.3g}%" if self.percent else f"{value:.3g}"


def percent(fraction: float) -> str:
    """Return a fraction in per cent, as tables show it."""
    return f"{100 * fraction:.2f} %"


# All metrics with their properties. Tables and figures show them in this order.
METRICS = {
    metric.name: metric
    for metric in (
        Metric("loss"),
        Metric("error", percent=True),
        Metric("points", direction="max"),
        Metric("standard_error"),
        Metric("wins", percent=True, direction="max"),
        Metric("gammons", percent=True),
        Metric("plies"),
        Metric("ece", percent=True),
        Metric("largest_error"),
        Metric("intersection", percent=True, direction="max"),
        Metric("iou", direction="max"),
        Metric("iou_near_surface", direction="max"),
        Metric("nll"),
        Metric("psnr", unit="dB", direction="max"),
        Metric("psnr_bicubic", unit="dB", direction="max"),
        Metric("psnr_cubic_spline", unit="dB", direction="max"),
        Metric("psnr_filtered_back_projection", unit="dB", direction="max"),
        Metric("psnr_zero_filled", unit="dB", direction="max"),
        Metric("squared_error"),
        Metric("ssim", direction="max"),
    )
}


def add_metric(name: str, *, unit: str = "", percent: bool = False, direction: str = "min") -> None:
    """Define the properties of a metric of a plug-in; see ``Metric``.

    Without them, it is a plain number of which smaller values are better.

    Raises:
        UserError: the direction is unknown, or there is another metric of this name.
    """
    metric = Metric(name, unit, percent, direction)
    if direction not in SIGN:
        raise UserError(f"add_metric: direction={direction}: must be one of {', '.join(SIGN)}")
    if METRICS.get(name, metric) != metric:
        raise UserError(f"add_metric: {name}: exists with other properties: {METRICS[name]}")
    METRICS[name] = metric


def get_metric(key: str) -> Metric:
    """Return the metric of a column: that of ``error`` or ``error/validation``.

    ``points_vs_gnubg`` has the properties of ``points``. A metric that is not in ``METRICS`` is a
    plain number of which smaller values are better.
    """
    name = key.partition("/")[0]
    return replace(METRICS.get(name.partition(_VS)[0], Metric(name)), name=name)


def metric_against(name: str, opponent: str) -> str:
    """Return the name of a metric that is measured in games against an opponent."""
    return f"{name}{_VS}{opponent}"


def is_against_opponent(name: str) -> bool:
    """Return whether a metric is measured in games against an opponent."""
    return _VS in name


def by_opponent(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return the metrics that are measured against opponents, by opponent and name."""
    parts = [(*name.partition(_VS), value) for name, value in metrics.items()]
    opponents = dict.fromkeys(opponent for _, separator, opponent, _ in parts if separator)
    return {
        opponent: {name: value for name, _, other, value in parts if other == opponent}
        for opponent in opponents
    }


def metric_order(key: str) -> tuple[int, str]:
    """Return the sort key of a metric's name or column: the order of ``METRICS``, then the name."""
    name = key.partition("/")[0]
    names = list(METRICS)
    kind = name.partition(_VS)[0]
    place = names.index(kind) if kind in METRICS else len(names)
    return place, key


def best_row(history: Sequence[dict[str, float]], key: str, mode: str) -> dict[str, float] | None:
    """Return the row with the best value of ``key``, the first among equals.

    An infinite value can be the best one. Returns None if no row has a value other than nan.
    """
    rows = [row for row in history if not math.isnan(row.get(key, math.nan))]
    return min(rows, key=lambda row: SIGN[mode] * row[key], default=None)
