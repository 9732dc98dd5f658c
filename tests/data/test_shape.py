"""Points of space as data."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from mlp_lab.data.section import Section
from mlp_lab.data.shape import Shape, near_surface
from mlp_lab.data.solids.analytic import TorusKnot
from mlp_lab.errors import UserError
from mlp_lab.nn.encodings import Basic

COMMON: dict[str, Any] = {"limits": {"train": None, "validation": None}}


def data(path: str | None = None, solid: str = "torus_knot", seed: int = 0, **keys: int) -> Shape:
    common = {"batch_size": 40, "passes": 3, "evaluation_size": 2_000} | keys
    return Shape(path=path, solid=solid, seed=seed, **common, **COMMON)


def test_targets_are_the_occupancies_of_points_in_the_box() -> None:
    low, high = TorusKnot().bounds
    for x, y in data().read(torch.device("cpu")).values():
        assert torch.equal(y[:, 0] == 1, TorusKnot().contains(x))
        assert 0 < float(y.mean()) < 1
    splits = data(evaluation_size=20_000).read(torch.device("cpu"))
    x, _ = splits["test"]
    assert bool(((x >= low) & (x <= high)).all())
    torch.testing.assert_close(x.mean(0), torch.full((3,), 0.5), atol=0.01, rtol=0)
    assert not torch.equal(x, splits["validation"][0])


def test_points_near_the_surface_have_normally_distributed_distances() -> None:
    x, _ = data(evaluation_size=20_000).read(torch.device("cpu"))[near_surface("test")]
    # The level of the knot is the distance across the axis, somewhat larger than the distance.
    assert float(TorusKnot().level(x).std()) == pytest.approx(0.01, rel=0.15)


def test_evaluation_points_do_not_depend_on_the_seed_of_the_run() -> None:
    one, other = (data(seed=seed).read(torch.device("cpu")) for seed in (1, 2))
    assert all(torch.equal(one[name][0], other[name][0]) for name in one)


def test_training_points_are_encoded_and_some_are_outside_the_box() -> None:
    made = data(batch_size=4_000)
    made.encoding = Basic(3)
    made.setup()
    loader = made._training_loader(made.splits["train"], None)
    [chunk] = loader
    batches = list(chunk)
    assert [x.shape for x, _ in batches] == [(4_000, 6)] * 3
    low, high = TorusKnot().bounds
    for features, y in batches:
        x = torch.atan2(features[:, :3], features[:, 3:]) / (2 * torch.pi) % 1
        certain = TorusKnot().level(x).abs() > 1e-4
        assert torch.equal((y[:, 0] == 1)[certain], TorusKnot().contains(x)[certain])
        outside = ((x < low - 1e-5) | (x > high + 1e-5)).any(1).float().mean()
        fraction = 0.25 * (1 - float((high - low).prod()))
        assert float(outside) == pytest.approx(fraction, abs=0.02)


def test_the_image_is_a_section_of_the_solid() -> None:
    image = data(solid="gyroid").target_image
    assert image.shape == (128, 128, 1)
    points = np.array([[0.3, 0.6, 0.5], [0.6, 0.3, 0.5]], np.float32)
    inside = data(solid="gyroid").solid.contains(torch.from_numpy(points)).tolist()
    assert inside[0] != inside[1]  # so that exchanged axes are noticed
    assert [bool(image[round(128 * y), round(128 * x), 0]) for x, y, _ in points] == inside


def test_sections_are_perpendicular_to_their_axis() -> None:
    places = torch.tensor([[0.1, 0.2]])
    expected = {"x": [0.7, 0.1, 0.2], "y": [0.1, 0.7, 0.2], "z": [0.1, 0.2, 0.7]}
    for axis, point in expected.items():
        torch.testing.assert_close(Section(axis, 0.7).points(places), torch.tensor([point]))


def test_meshes_are_data_with_a_digest(tmp_path: Path) -> None:
    path = tmp_path / "sphere.ply"
    trimesh.creation.icosphere(subdivisions=3).export(path)
    made = data(path=str(path))
    made.prepare_data()
    assert made.content_digest is not None
    x, y = made.read(torch.device("cpu"))["test"]
    distance = (x - 0.5).norm(dim=1)
    assert bool((distance[y[:, 0] == 1] <= 0.45).all())
    assert bool((distance[y[:, 0] == 0] >= 0.44).all())
    with pytest.raises(UserError, match="no such file"):
        data(path=str(tmp_path / "none.ply")).prepare_data()
