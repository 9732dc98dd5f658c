"""Titles of figures: experiments and data."""

from typing import Any

import pytest

from mlp_lab.config.titles import title_of

POINTS = {"name": "points_mlp", "data": "Points", "data.set": "moons", "data.size": 20}
IMAGE = {"name": "image_hw", "data": "Image", "data.image": "/home/me/a.png"}


@pytest.mark.parametrize(
    ("configs", "title"),
    [
        ([{"name": "mnist_hw4", "data": "MNIST", "data.root": "/a"}], "mnist_hw4, MNIST"),
        ([POINTS], "points_mlp, Points (set=moons)"),
        ([IMAGE], "image_hw, Image (image=a.png)"),
        ([POINTS, POINTS | {"seed": 1}], "points_mlp, 2 runs, Points (set=moons)"),
        ([POINTS, POINTS | {"data.set": "xor"}], "points_mlp, 2 runs, Points"),
        ([POINTS, IMAGE], "points_mlp, image_hw, 2 runs"),
        ([{"name": "nerf", "data": "Views", "data.scene": "toys", "data.path": "/a/b.ply"}],
         "nerf, Views (path=b.ply)"),
        ([{"name": "ct", "data": "CT", "data.image": None, "data.phantom": 3}],
         "ct, CT (phantom=3)"),
        ([{"name": f"e{i}", "data": "Ct"} for i in range(4)], "4 experiments, 4 runs, Ct"),
    ],
)  # fmt: skip
def test_titles(configs: list[dict[str, Any]], title: str) -> None:
    assert title_of(configs) == title
