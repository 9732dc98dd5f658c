"""What several figures do to their axes."""

from collections.abc import Sequence

from matplotlib.axes import Axes


def tilt_long_names(panel: Axes, names: Sequence[str], room: int = 3) -> None:
    """Turn the names below the horizontal axis where one is longer than ``room``, in letters."""
    if max(map(len, names)) > room:
        panel.tick_params("x", which="major", rotation=45)
        for label in panel.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
