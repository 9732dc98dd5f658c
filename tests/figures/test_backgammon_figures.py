"""Backgammon boards, weights on boards, and curves of the playing strength."""

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.patches import Circle
from matplotlib.text import Text

from mlp_lab.figures.backgammon_board import backgammon_boards, place
from mlp_lab.figures.rendering import render
from mlp_lab.figures.strength_curves import strength_curves
from mlp_lab.figures.unit_boards import unit_boards

ROW = np.zeros(25, int)
ROW[[5, 7, 12, 23]] = 5, 3, 5, 2
START = np.stack([ROW, ROW])


def checkers(board: np.ndarray) -> dict[str, list[tuple[float, float]]]:
    """Return the centres of the drawn checkers by their colour."""
    panel = backgammon_boards({"": board}).axes[0]
    centres: dict[str, list[tuple[float, float]]] = {}
    for patch in panel.patches:
        if isinstance(patch, Circle):
            centres.setdefault(str(patch.get_facecolor()), []).append(patch.center)
    return centres


def test_checkers_of_the_initial_position() -> None:
    light, dark = checkers(START).values()
    assert len(light) == len(dark) == 15
    # The same position from the other side of the table: the board is symmetric.
    assert sorted(light) == sorted((x, 11.6 - y) for x, y in dark)
    # The light checkers on point 6 are at the bottom, on the right of the bar.
    assert light[:5] == [(7.5, row + 0.5) for row in range(5)]
    assert place(23) == (12.5, 11.6, -1)


def test_bar_tray_and_high_stacks() -> None:
    board = np.zeros((2, 25), int)
    board[0, [0, 24]] = 8, 2
    board[1, 24] = 1
    light, dark = checkers(board).values()
    assert len(light) == 5 + 2
    assert all(x == 6.5 and y > 5.8 for x, y in light[5:]), "they enter at the top"
    assert [y < 5.8 for _, y in dark] == [True]
    panel = backgammon_boards({"caption": board}).axes[0]
    texts = [text.get_text() for text in panel.texts]
    assert texts[:24] == [str(point + 1) for point in range(24)]
    assert sorted(texts[24:]) == ["14", "5", "8"]
    assert panel.get_xlabel() == "caption"


@pytest.mark.parametrize("units", [1, 4, 5])
def test_weights_are_drawn_on_their_points(units: int) -> None:
    random = np.random.default_rng(0)
    weights = random.normal(size=(units, 198))
    weights[0, 98] = 9  # the first checker on the opponent's point 1, which is point 24
    figure = unit_boards(weights, [f"unit {i}" for i in range(units)])
    panels = [panel for panel in figure.axes if panel.get_title()]
    assert [panel.get_title() for panel in panels] == [f"unit {i}" for i in range(units)]
    for unit, panel in enumerate(panels):
        cells, frames = (c for c in panel.collections if isinstance(c, PolyCollection))
        drawn = cells.get_array()
        assert len(drawn) == len(cells.get_paths()) == 196
        np.testing.assert_array_equal(drawn[:96], weights[unit, :96])
        np.testing.assert_array_equal(drawn[188:192], weights[unit, 98:102])
        np.testing.assert_array_equal(drawn[192:], weights[unit, [96, 194, 97, 195]])
        assert len(frames.get_paths()) == 10
        assert cells.get_clim() == (-9, 9)
    box = panels[0].collections[1].get_paths()[0].get_extents()
    x, base, _ = place(23)
    assert (box.x0, box.y1) == (x, base), "the right half of the point, at its base"


def test_zero_weights_are_drawn() -> None:
    assert unit_boards(np.zeros((1, 198)), ["unit"]).axes


def test_strength_curves_show_means_bands_and_references() -> None:
    curve = np.array([[200, 100, 0], [0.3, 0.1, -1], [0.1, 0.2, np.nan]])
    networks = {"40 units": curve, "_once": curve[:, :1]}
    figure = strength_curves(networks, "pubeval")
    [panel] = figure.axes
    lines = {line.get_label(): line for line in panel.lines}
    np.testing.assert_array_equal(lines["40 units"].get_xydata(), [[0, -1], [100, 0.1], [200, 0.3]])
    band = panel.collections[0].get_paths()[0].vertices
    assert {(100, 0.3), (200, 0.2)} <= {tuple(v) for v in band.round(6).tolist()}
    legend = [text.get_text().strip("\u200b") for text in figure.legends[0].get_texts()]
    assert legend == ["40 units", "_once"]
    assert panel.get_ylabel().startswith("points per game against pubeval")


@pytest.mark.renders
def test_figures_are_rendered_without_clipped_texts() -> None:
    random = np.random.default_rng(0)
    weights = random.normal(size=(2, 198))
    drawings = (
        lambda: backgammon_boards({"position 4HPwATDgc/ABMA": START}),
        lambda: unit_boards(weights, ["a", "b"]),
    )
    for draw in drawings:
        figure = draw()
        assert render(lambda figure=figure: figure).startswith(b"\x89PNG")
        figure.draw_without_rendering()
        width, height = figure.bbox.size
        for text in figure.findobj(Text):
            if text.get_text() and text.get_visible():
                box = text.get_window_extent()
                assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -1, text
