"""Axis labels that several figures share."""

from collections.abc import Sequence

from matplotlib.axes import Axes

_UNITS = {"psnr": "dB"}


def with_unit(metric: str) -> str:
    """Return the name of a metric, followed by its unit if it has one."""
    return f"{metric} ({_UNITS[metric]})" if metric in _UNITS else metric


def tilt_long_names(panel: Axes, names: Sequence[str], room: int = 3) -> None:
    """Rotate the tick labels of the horizontal axis if one of them is too long.

    Args:
        panel: axes whose tick labels are ``names``.
        names: tick labels.
        room: length of the longest label that fits without rotation, in characters.
    """
    if max(map(len, names)) > room:
        panel.tick_params("x", which="major", rotation=45)
        for label in panel.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
