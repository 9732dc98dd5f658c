"""Decision regions of classifiers in the plane."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mlp_lab.figures.axes import name_shared_axes, panel_grid
from mlp_lab.figures.rendering import legend_label
from mlp_lab.figures.style import AREA_COLOURS, MARKERS

_COLOURS = [to_rgb(colour) for colour in AREA_COLOURS]
_COLUMNS = 3
_WHITE = 0.75  # fraction of white in the colour of a region


@dataclass(frozen=True)
class ScatterPoints:
    """The points and axes that all panels of a figure share.

    Attributes:
        coordinates: coordinates of the points, ``[points, 2]``.
        classes: class of each point, ``[points]``.
        class_names: names of the classes.
        feature_names: labels of the two axes.
        extent: left, right, lower and upper limit of the axes.
    """

    coordinates: np.ndarray
    classes: np.ndarray
    class_names: Sequence[str]
    feature_names: Sequence[str]
    extent: tuple[float, float, float, float]


@dataclass(frozen=True)
class NetworkRegions:
    """The predictions of a network for a grid and for the points.

    Attributes:
        title: title of the panel.
        classes: predicted classes on an evenly spaced grid over the axes, ``[rows, columns]``,
            the lowest row first.
        wrong: whether the prediction for each point is wrong, bool ``[points]``.
    """

    title: str
    classes: np.ndarray
    wrong: np.ndarray


def decision_regions(points: ScatterPoints, panels: Sequence[NetworkRegions]) -> Figure:
    """Plot the decision regions of several networks, three in a row.

    Each panel shows all points; circles mark the misclassified ones.
    """
    columns = min(_COLUMNS, len(panels))
    figure, axes = panel_grid(
        len(panels), columns, (2.7, 3.1), (1.2, 0.4), sharex=True, sharey=True
    )
    for panel, regions in zip(axes, panels, strict=True):
        _draw(panel, points, regions)
    name_shared_axes(axes, columns, *points.feature_names)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right upper", title="training points")
    figure.suptitle("predicted classes in the plane")
    return figure


def _draw(panel: Axes, points: ScatterPoints, regions: NetworkRegions) -> None:
    colours = np.array([_COLOURS[i % len(_COLOURS)] for i in range(len(points.class_names))])
    light = _WHITE + (1 - _WHITE) * colours
    panel.imshow(light[regions.classes], extent=points.extent, origin="lower", aspect="auto")
    present = np.unique(regions.classes)
    for number in present[1:]:  # their boundaries include that of the first class
        inside = (regions.classes == number).astype(float)
        panel.contour(inside, [0.5], extent=points.extent, colors="black", linewidths=0.8)
    for number, name in enumerate(points.class_names):
        members = points.coordinates[points.classes == number]
        panel.scatter(
            members[:, 0], members[:, 1],
            s=14, marker=MARKERS[number % len(MARKERS)], label=legend_label(name), zorder=3,
            color=colours[number], edgecolors="white", linewidths=0.3,
        )  # fmt: skip
    wrong = points.coordinates[regions.wrong]
    panel.scatter(
        wrong[:, 0], wrong[:, 1],
        s=40, label="wrong", zorder=4, facecolors="none", edgecolors="black", linewidths=1,
    )  # fmt: skip
    panel.set_title(regions.title)
    panel.set_box_aspect(1)
