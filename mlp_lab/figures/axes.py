"""What several figures have on their axes."""

from collections.abc import Sequence

from matplotlib.axes import Axes

_UNITS = {"psnr": "dB"}


def with_unit(metric: str) -> str:
    """The name of a metric, and its unit, if it has one."""
    return f"{metric} ({_UNITS[metric]})" if metric in _UNITS else metric


def tilt_long_names(panel: Axes, names: Sequence[str], room: int = 3) -> None:
    """Turn the names below the horizontal axis where one is longer than ``room``, in letters."""
    if max(map(len, names)) > room:
        panel.tick_params("x", which="major", rotation=45)
        for label in panel.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
