"""Curves of activation functions and their derivatives."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

_COLUMNS = 5


def activation_curves(x: np.ndarray, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Plot activation functions and their derivatives, one panel per function.

    Args:
        x: arguments in ascending order, ``[points]``.
        curves: function values f(x) and derivatives f'(x), ``[points]`` each, by activation name.
    """
    rows = -(-len(curves) // _COLUMNS)
    figure = Figure(figsize=(2.5 * _COLUMNS, 2.5 * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False)
    for panel in panels.ravel()[len(curves) :]:
        panel.set_axis_off()
    for panel, (name, (f, derivative)) in zip(panels.ravel(), curves.items(), strict=False):
        panel.axhline(0, color="grey", lw=0.6)
        panel.axvline(0, color="grey", lw=0.6)
        handles = [
            *panel.plot(x, f, color="tab:blue", label="f(x)"),
            *panel.plot(x, derivative, color="tab:orange", label="f'(x)"),
        ]
        panel.set(title=name, ylim=(-2.1, 3.1))
        panel.grid(alpha=0.3)
    for panel in panels[-1]:
        panel.set_xlabel("x")
    figure.legend(handles=handles, loc="outside upper right", ncols=2, frameon=False)
    return figure
