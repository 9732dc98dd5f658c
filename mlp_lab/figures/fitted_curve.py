"""A function of one variable and a network's prediction of it."""

import numpy as np
from matplotlib.figure import Figure

from mlp_lab.figures.style import BLUE, VERMILLION

_MAX_POINTS = 1_000  # more points would hide the curve and are not drawn


def fitted_curve(
    points: tuple[np.ndarray, np.ndarray],
    curve: tuple[np.ndarray, np.ndarray],
    prediction: np.ndarray,
) -> Figure:
    """Plot a function, the training points and the prediction; below them, the prediction error.

    The largest absolute error is marked, and its value and position are in the legend.

    Args:
        points: x and y of the training points, ``[points]`` each.
        curve: x in ascending order and y of the function, ``[grid]`` each.
        prediction: predicted y at the x of ``curve``, ``[grid]``.
    """
    (x, y), error = curve, prediction - curve[1]
    worst = int(np.abs(error).argmax())
    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot(x, y, color="black", lw=1, label="target")
    if len(points[0]) <= _MAX_POINTS:
        style = {"ls": "none", "marker": "o", "ms": 4, "mfc": "none", "mec": BLUE}
        above.plot(*points, label=f"{len(points[0])} training points", **style)
    above.plot(x, prediction, color=VERMILLION, ls="--", label="prediction")
    below.plot(x, error, color=VERMILLION, lw=1)
    below.plot(
        x[worst], error[worst], "D", color="black", ms=5,
        label=f"largest error: {abs(error[worst]):.3g} at x = {x[worst]:.3g}",
    )  # fmt: skip
    below.axhline(0, color="black", lw=0.8)
    above.set(ylabel="y")
    below.set(xlabel="x", ylabel="prediction - target")
    for panel in (above, below):
        panel.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4)
    figure.suptitle("a curve and its prediction after the last epoch")
    return figure
