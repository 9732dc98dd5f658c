"""Curves of a run by epoch."""

import numpy as np
import pytest

from mlp_lab.figures.training_curves import loss_curves


@pytest.mark.parametrize("epochs", [1, 4])
@pytest.mark.parametrize(
    "metrics", [["loss"], ["loss", "error"], ["loss", "points", "wins", "gammons", "plies"]]
)
def test_loss_curves_have_one_legend_outside_of_the_panels(metrics: list[str], epochs: int) -> None:
    keys = [f"{name}/{split}" for name in metrics for split in ("train", "validation")]
    values = np.random.default_rng(0).uniform(size=(epochs, len(keys)))
    history = [{"epoch": e, **dict(zip(keys, row, strict=True))} for e, row in enumerate(values, 1)]
    figure = loss_curves(history, 1, "after")
    panels = [panel for panel in figure.axes if panel.axison]
    drawn = [line.get_ydata() for panel in panels for line in panel.lines[:2]]
    np.testing.assert_array_equal(drawn, values.T)
    [legend] = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["train (after the epoch)", "validation", "best epoch: 1"]
    figure.draw_without_rendering()  # which lays out
    assert not any(legend.get_window_extent().overlaps(panel.bbox) for panel in panels)
