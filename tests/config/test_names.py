from itertools import product

import pytest

from mlp_lab.config import names
from mlp_lab.course import lecture_networks
from mlp_lab.data import curve, image, points
from mlp_lab.data.scenes import analytic_scene
from mlp_lab.data.solids import analytic
from mlp_lab.games.backgammon.opponents import factory
from mlp_lab.nn import (
    activation_derivatives,
    activations,
    hash_grid,
    mlp,
    output_deltas,
    scalar_backpropagation,
)
from mlp_lab.tasks import perceptron_rules, regression, view_synthesis


@pytest.mark.parametrize(
    ("shared", "table"),
    [
        (names.ACTIVATIONS, activations.ACTIVATIONS),
        (names.ACTIVATIONS, activation_derivatives.DERIVATIVES),
        (names.NORMALIZATIONS, ("none", *mlp.NORMALIZATIONS)),
        (names.INITIALIZATIONS, ("uniform", *mlp.INITIALIZATIONS)),
        (names.GRID_INTERPOLATIONS, hash_grid.INTERPOLATIONS),
        (names.POINT_SETS, points.SETS),
        (names.CURVE_FUNCTIONS, curve.FUNCTIONS),
        (names.IMAGE_PROTOCOLS, image.PROTOCOLS),
        (names.SOLIDS, analytic.SOLIDS),
        (names.SCENES, analytic_scene.SCENES),
        (names.DENSITIES, view_synthesis.DENSITIES),
        (
            product(names.CLASSIFICATION_LOSSES, names.CLASSIFICATION_OUTPUTS),
            [(loss, output) for output, loss in output_deltas.OUTPUT_DELTAS],
        ),
        (names.BACKGAMMON_OPPONENTS, factory.OPPONENTS),
        (names.REGRESSION_OUTPUTS, regression._OUTPUTS),
        (names.REGRESSION_LOSSES, regression._LOSSES),
        (names.PERCEPTRON_RULES, perceptron_rules._LOSSES),
        (names.BACKPROP_EXAMPLES, lecture_networks.EXAMPLES),
        (names.BACKPROP_ACTIVATIONS, scalar_backpropagation.SCALAR_ACTIVATIONS),
    ],
)
def test_tables_have_the_names_of_the_config(shared, table):
    assert list(shared) == list(table)
