"""Shaded views of meshes."""

import math

import numpy as np
import pytest
import trimesh

from mlp_lab.figures.surface_views import VIEWS, shaded, surface_views


def test_a_ball_is_a_disc_that_is_darker_at_its_edge() -> None:
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.5)
    image = shaded(ball.vertices, ball.faces, 20, 30, 200)
    y, x = (np.indices((200, 200)) + 0.5 - 100) / 100
    distance = np.hypot(x, y)
    assert (image[distance > 0.51] == 1).all()
    inside = distance < 0.48
    expected = 0.25 + 0.7 * np.sqrt(1 - (distance / 0.5).clip(0, 1) ** 2)
    assert np.abs(image - expected)[inside].mean() < 0.02


def test_nearer_surfaces_hide_others() -> None:
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.2)
    wall = trimesh.creation.box((0.02, 1.2, 1.2))
    wall.apply_translation([0.5, 0, 0])
    both = trimesh.util.concatenate([ball, wall])
    in_front = shaded(both.vertices, both.faces, 0, 0, 100)
    behind = shaded(both.vertices, both.faces, 180, 0, 100)
    assert np.ptp(in_front[30:70, 30:70]) < 1e-6  # the wall
    assert np.ptp(behind[30:70, 30:70]) > 0.3  # the ball before it


def test_the_view_has_z_upwards_and_the_viewer_at_the_azimuth() -> None:
    # A small ball at +y and +z, seen from +x: y is to the right.
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.1)
    ball.apply_translation([0, 0.5, 0.3])
    rows, columns = np.nonzero(shaded(ball.vertices, ball.faces, 0, 0, 100) < 1)
    assert columns.mean() == pytest.approx(50 + 25, abs=1)
    assert rows.mean() == pytest.approx(50 - 15, abs=1)
    above = shaded(ball.vertices, ball.faces, 0, 90, 100) < 1
    assert np.nonzero(above)[1].mean() == pytest.approx(75, abs=1)
    assert np.nonzero(above)[0].mean() == pytest.approx(50, abs=1)


def test_an_empty_mesh_is_an_empty_row() -> None:
    ball = trimesh.creation.icosphere(subdivisions=1)
    empty = np.zeros((0, 3)), np.zeros((0, 3), int)
    figure = surface_views({"truth": (ball.vertices, ball.faces), "network": empty})
    images = [panel.images[0].get_array() for panel in figure.axes]
    assert len(images) == 2 * len(VIEWS)
    assert all((image == 1).all() for image in images[3:])
    fraction = np.mean(images[0] < 1)
    assert fraction == pytest.approx(math.pi / 4, abs=0.15)  # the first mesh fills its views
