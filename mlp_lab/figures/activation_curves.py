"""Curves of activation functions and their derivatives."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from mlp_lab.figures.axes import name_shared_axes, panel_grid, whole_numbers
from mlp_lab.figures.style import BLUE, VERMILLION

_COLUMNS = 5


def activation_curves(x: np.ndarray, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Plot activation functions and their derivatives, one panel per function.

    Args:
        x: arguments in ascending order, ``[points]``.
        curves: function values f(x) and derivatives f'(x), ``[points]`` each, by activation name.
    """
    size, margin = (2.5, 2.5), (0.0, 0.4)
    figure, panels = panel_grid(len(curves), _COLUMNS, size, margin, sharex=True, sharey=True)
    for panel, (name, (f, derivative)) in zip(panels, curves.items(), strict=True):
        panel.axhline(0, color="grey", lw=0.6)
        panel.axvline(0, color="grey", lw=0.6)
        handles = [
            *panel.plot(x, f, color=BLUE, label="f(x)"),
            *panel.plot(x, derivative, color=VERMILLION, ls="--", label="f'(x)"),
        ]
        panel.set(title=name, ylim=(-2.1, 3.1))
        whole_numbers(panel, "x")
    name_shared_axes(panels, _COLUMNS, "x", "")
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    figure.suptitle("activations and their derivatives")
    return figure
