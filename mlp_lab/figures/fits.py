"""A function of one number, and what was made of it."""

import numpy as np
from matplotlib.figure import Figure

_MOST_POINTS = 1_000  # that are drawn as points; more would hide the curve


def curve_fit(
    points: tuple[np.ndarray, np.ndarray], curve: tuple[np.ndarray, np.ndarray], fit: np.ndarray
) -> Figure:
    """A curve, the points that were learnt from, a fit, and below the error of the fit.

    The largest error stands in the legend, and where it occurs is marked.

    Args:
        points: x and y of the training points, ``[points]`` each.
        curve: x, ascending, and y of the curve, ``[grid]`` each.
        fit: values of the fit at the curve's x, ``[grid]``.
    """
    (x, y), error = curve, fit - curve[1]
    worst = int(np.abs(error).argmax())
    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot(x, y, color="black", lw=1, label="curve")
    if len(points[0]) <= _MOST_POINTS:
        style = {"ls": "none", "marker": "o", "ms": 4, "mfc": "none", "mec": "tab:blue"}
        above.plot(*points, label=f"{len(points[0])} training points", **style)
    above.plot(x, fit, color="tab:orange", label="fit")
    below.plot(x, error, color="tab:orange", lw=1)
    below.plot(
        x[worst], error[worst], "o", color="tab:red", ms=6,
        label=f"largest error: {abs(error[worst]):.3g} at x = {x[worst]:.3g}",
    )  # fmt: skip
    below.axhline(0, color="black", lw=0.8)
    above.set(ylabel="y")
    below.set(xlabel="x", ylabel="fit - curve")
    for panel in (above, below):
        panel.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=4, fontsize=9)
    return figure
