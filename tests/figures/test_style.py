"""The common style: lines that are distinct without colour, axes and bands of metrics."""

import ast
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.figures.axes import (
    band,
    metric_axis,
    name_shared_axes,
    panel_grid,
    spans_decades,
    whole_numbers,
)
from mlp_lab.figures.style import AREA_COLOURS, COLOURS, line_style


def test_neighbouring_lines_differ_in_colour_dashes_and_marker() -> None:
    styles = [line_style(place) for place in range(28)]
    for first, second in pairwise(styles):
        assert all(first[key] != second[key] for key in ("color", "ls", "marker"))
    assert len({(style["color"], style["ls"]) for style in styles}) == len(styles)


@pytest.mark.parametrize("points", [1, 2, 8, 9, 100, 101])
def test_a_line_has_some_markers(points: int) -> None:
    panel = Figure().subplots()
    for place in range(10):
        start, step = line_style(place, points)["markevery"]
        assert 1 <= len(range(start, points, step)) <= 8
        panel.plot(np.arange(points), **line_style(place, points))
    panel.figure.draw_without_rendering()


def dichromatic(colour: str) -> np.ndarray:
    """Return a colour as people without red cones see it (Viénot, Brettel and Mollon 1999)."""
    linear = np.array(to_rgb(colour)) ** 2.2
    red_green = 0.11238 * linear[0] + 0.88762 * linear[1]
    blue = 0.00401 * linear[0] - 0.00401 * linear[1] + linear[2]
    return np.array([red_green, red_green, blue]).clip(0, 1) ** (1 / 2.2)


def test_colours_remain_distinct_without_red_cones() -> None:
    """Those of matplotlib do not: blue and purple have a distance of 0.04."""
    for colours, least in ((COLOURS, 0.14), (AREA_COLOURS, 0.12)):
        shown = [dichromatic(colour) for colour in colours]
        for i, colour in enumerate(shown):
            assert all(np.linalg.norm(colour - other) > least for other in shown[:i])


@pytest.mark.parametrize(
    ("metric", "means", "spreads", "low", "high"),
    [
        ("error", [0.1, 0.95], [0.2, 0.1], [0, 0.85], [0.3, 1]),
        ("loss", [0.1, 2.0], [0.2, 0.1], [0, 1.9], [0.3, 2.1]),
        ("loss", [-1.0, 2.0], [0.2, 3.0], [-1.2, -1], [-0.8, 5]),  # a log-likelihood
        ("psnr", [1.0], [2.0], [-1], [3]),
    ],
)
def test_bands_end_where_the_values_of_a_metric_end(
    metric: str, means: list[float], spreads: list[float], low: list[float], high: list[float]
) -> None:
    actual = band(np.array(means), np.array(spreads), metric)
    np.testing.assert_allclose(actual, [low, high])


@pytest.mark.parametrize(
    ("values", "scale", "bottom"),
    [([0.5, 1.0], "linear", 0), ([0.001, 1.0], "log", 0.0008), ([0.0, 100.0], "linear", 0)],
)
def test_axes_of_metrics(values: list[float], scale: str, bottom: float) -> None:
    panel = Figure().subplots()
    panel.plot(values)
    metric_axis(panel.yaxis, values, "loss")
    assert panel.get_yscale() == scale
    assert spans_decades(values) == (scale == "log")
    assert panel.get_ylim()[0] == pytest.approx(bottom)


def test_axes_show_negative_values() -> None:
    panel = Figure().subplots()
    panel.set_ylim(-1, 1)
    metric_axis(panel.yaxis, [-0.5, 1.0], "loss")
    assert panel.get_ylim() == (-1, 1)


@pytest.mark.parametrize(
    ("number", "lowest"), [(1, {0}), (2, {0, 1}), (3, {0, 1, 2}), (5, {2, 3, 4}), (6, {3, 4, 5})]
)
def test_shared_axes_are_named_below_and_at_the_left(number: int, lowest: set[int]) -> None:
    columns = min(number, 3)
    figure, panels = panel_grid(number, columns, (2, 2), sharex=True, sharey=True)
    name_shared_axes(panels, columns, "x", "y")
    figure.draw_without_rendering()
    assert {i for i, panel in enumerate(panels) if panel.get_xlabel() == "x"} == lowest
    with_ticks = [any(t.label1.get_visible() for t in p.xaxis.get_major_ticks()) for p in panels]
    assert {i for i, visible in enumerate(with_ticks) if visible} == lowest
    assert {i for i, panel in enumerate(panels) if panel.get_ylabel() == "y"} == {0, 3} & {
        *range(number)
    }


@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 12, 60, 100])
def test_ticks_of_epochs_are_whole_numbers(epochs: int) -> None:
    panel = Figure().subplots()
    panel.plot(range(1, epochs + 1), range(epochs))
    whole_numbers(panel, "epoch")
    assert all(tick == int(tick) for tick in panel.get_xticks())


def functions_of_figures() -> list[tuple[str, str]]:
    """Return name and source of each public function that returns a figure."""
    package = CONFIG_FOLDER.parent / "mlp_lab"
    folders = package / "figures", package / "sweeps" / "comparison" / "figures"
    found = []
    for path in (path for folder in folders for path in folder.glob("*.py")):
        source = path.read_text()
        found += [
            (node.name, ast.get_source_segment(source, node) or "")
            for node in ast.parse(source).body
            if isinstance(node, ast.FunctionDef)
            and not node.name.startswith("_")
            and node.returns is not None
            and ast.unparse(node.returns) == "Figure"
        ]
    return found


def test_each_figure_has_a_title() -> None:
    functions = functions_of_figures()
    assert len(functions) > 30
    titled = {name for name, source in functions if ".suptitle(" in source}
    others = {name: source for name, source in functions if name not in titled}
    # One of them passes its title to another.
    assert [name for name, source in others.items() if "image_grid(" not in source] == []
