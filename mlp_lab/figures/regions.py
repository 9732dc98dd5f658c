"""The plane, divided into the regions of points that a network takes for one class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

_COLOURS = [to_rgb(f"tab:{name}") for name in ("blue", "orange", "green", "red", "purple")]
_COLOURS += [to_rgb(f"tab:{name}") for name in ("brown", "pink", "grey", "olive", "cyan")]
_MARKERS = "os^Dv"
_LIGHT = 0.75  # of a region: how much of its colour gives way to white


@dataclass(frozen=True)
class Points:
    """What all panels of a figure show.

    Attributes:
        places: ``[points, 2]``.
        classes: of the points, ``[points]``.
        class_names: the names of the classes, by number.
        feature_names: of the two axes.
        extent: left, right, lower and upper end of the rectangle that is shown.
    """

    places: np.ndarray
    classes: np.ndarray
    class_names: Sequence[str]
    feature_names: Sequence[str]
    extent: tuple[float, float, float, float]


@dataclass(frozen=True)
class Regions:
    """What a network makes of the rectangle and the points in it.

    Attributes:
        title: which network it is.
        classes: what it takes evenly spaced places for, ``[rows, columns]``, the lowest row first.
        wrong: which of the points it takes for another class, bool ``[points]``.
    """

    title: str
    classes: np.ndarray
    wrong: np.ndarray


def decision_regions(points: Points, panels: Sequence[Regions]) -> Figure:
    """The regions of several networks side by side, the points, and rings around the errors."""
    figure = Figure(figsize=(2.7 * len(panels) + 1.2, 3.4), layout="constrained")
    axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for panel, regions in zip(axes, panels, strict=True):
        _draw(panel, points, regions)
    axes[0].set_ylabel(points.feature_names[1])
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right upper", fontsize=8)
    return figure


def pixels(figure: Figure) -> np.ndarray:
    """The figure as a picture: uint8 ``[height, width, 3]``."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw(panel: Axes, points: Points, regions: Regions) -> None:
    colours = np.array([_COLOURS[i % len(_COLOURS)] for i in range(len(points.class_names))])
    light = _LIGHT + (1 - _LIGHT) * colours
    panel.imshow(light[regions.classes], extent=points.extent, origin="lower", aspect="auto")
    present = np.unique(regions.classes)
    for number in present[1:]:  # the boundary of the first is that of the others
        inside = (regions.classes == number).astype(float)
        panel.contour(inside, [0.5], extent=points.extent, colors="black", linewidths=0.8)
    for number, name in enumerate(points.class_names):
        own = points.places[points.classes == number]
        panel.scatter(
            own[:, 0], own[:, 1],
            s=14, marker=_MARKERS[number % len(_MARKERS)], label=name, zorder=3,
            color=colours[number], edgecolors="white", linewidths=0.3,
        )  # fmt: skip
    wrong = points.places[regions.wrong]
    panel.scatter(
        wrong[:, 0], wrong[:, 1],
        s=40, label="wrong", zorder=4, facecolors="none", edgecolors="black", linewidths=1,
    )  # fmt: skip
    panel.set(title=regions.title, xlabel=points.feature_names[0])
    panel.title.set_fontsize(9)
    panel.set_box_aspect(1)
