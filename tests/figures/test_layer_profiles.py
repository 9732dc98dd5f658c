"""Curves of gradient norms and sparsity by layer."""

import numpy as np
import pytest
from helpers import layer_rows

from mlp_lab.figures import layer_profiles


def test_columns_by_epoch() -> None:
    actual = layer_profiles.values_by_epoch(layer_rows({0: [1, 2], 3: [4, 5]}), "gradient norm")
    assert {epoch: values.tolist() for epoch, values in actual.items()} == {0: [1, 2], 3: [4, 5]}
    assert np.isnan(layer_profiles.values_by_epoch(layer_rows({0: [1.0]}), "sparsity")[0]).all()


@pytest.mark.parametrize(
    "panels", [1, 7, *(pytest.param(number, marks=pytest.mark.slow) for number in (2, 3, 4))]
)
def test_every_value_is_drawn_inside_the_figure(panels: int) -> None:
    curves = {depth: 10.0 ** -np.arange(depth + 1) for depth in (1, 2, 12)}
    names = ["activation=sigmoid initialization=uniform " * (1 + i % 2) + str(i) for i in range(7)]
    figure = layer_profiles.quantity_by_layer(
        dict.fromkeys(names[:panels], curves), "gradient norm", "hidden layers", "before training"
    )
    for panel in figure.axes[:panels]:
        assert [line.get_ydata().tolist() for line in panel.lines] == [
            curve.tolist() for curve in curves.values()
        ]
        assert panel.lines[2].get_xdata().tolist() == list(range(1, 14))
        assert panel.get_yscale() == "log"
    figure.draw_without_rendering()  # which lays out
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -0.01


def test_zeros_are_omitted_on_a_logarithmic_axis() -> None:
    [panel] = layer_profiles.quantity_by_layer(
        {"": {0: np.zeros(3)}}, "gradient norm", "epoch"
    ).axes
    assert panel.get_yscale() == "linear"
    [panel] = layer_profiles.quantity_by_layer(
        {"": {0: np.array([0, 1, 2.0])}}, "gradient norm", "epoch"
    ).axes
    assert panel.get_yscale() == "log"
    np.testing.assert_array_equal(panel.lines[0].get_ydata(), [np.nan, 1, 2])


def test_sparsity_is_drawn_in_percent() -> None:
    panel = layer_profiles.quantity_by_layer(
        {"": {0: np.array([0.5, np.nan])}}, "sparsity", "epoch"
    ).axes[0]
    assert panel.get_ylim() == (0, 1)
    assert panel.yaxis.get_major_formatter()(0.25) == "25%"


def test_errors_are_drawn_beside_the_expected_images() -> None:
    [panel] = layer_profiles.errors_by_layer({"a": ([1.0, 2.0, 4.0], 0.25)}).axes
    measured, expected = panel.lines
    np.testing.assert_allclose(measured.get_ydata(), [1, 2, 4])
    np.testing.assert_allclose(expected.get_ydata(), [0.25, 1, 4])
