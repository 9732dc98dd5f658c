"""Rays of posed images as data."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from mlp_lab.data.ray_samples import RaySamples
from mlp_lab.data.views import Views
from mlp_lab.errors import UserError
from mlp_lab.nn.encodings import Basic

COMMON: dict[str, Any] = {"limits": {"train": None, "validation": None}}


def data(seed: int = 0, **keys: Any) -> Views:
    keys = {"path": None, "scene": "toys", "distance": 4.0, "size": 6, "views": 2,
            "held_out_views": 1, "near": 2.0, "far": 6.0, "samples": 5, "batch_size": 40,
            "passes": 3} | keys  # fmt: skip
    return Views(seed=seed, **keys, **COMMON)


def minibatches(made: Views, epoch: int = 0) -> list[list[Tensor]]:
    loader = made._training_loader(made.splits["train"], None)
    assert loader.sampler is not None
    loader.sampler.set_epoch(epoch)
    return [minibatch for chunk in loader for minibatch in chunk]


def test_points_are_on_the_rays_in_units_of_the_cube() -> None:
    rays = data().posed_images("train").rays_and_colours()[0]
    points, distances = RaySamples(2.0, 6.0, 5).points(rays, torch.Generator().manual_seed(0))
    assert (points.shape, distances.shape) == ((72, 5, 3), (72, 6))
    along = 2 * math.pi * (points - 0.5) - rays[:, None, :3]  # from the camera, in the scene
    torch.testing.assert_close(along.norm(dim=2), distances[:, :-1])
    direction = rays[:, None, 3:].expand_as(along)
    torch.testing.assert_close(along / distances[:, :-1, None], direction, atol=1e-5, rtol=0)
    assert bool(((points > 0) & (points < 1)).all())


def test_training_minibatches_are_fresh_rays_with_their_colours() -> None:
    made = data()
    made.encoding = Basic(3)
    made.setup()
    rays, colours = made.splits["train"]
    assert (rays.shape, colours.shape) == ((72, 6), (72, 3))
    batches = minibatches(made)
    assert [tuple(x.shape) for x, _ in batches] == [(40, 5, 6)] * 3
    low, width = torch.linspace(2, 5.2, 5), 0.8
    for x, y in batches:
        assert y.shape == (40, 3 + 5 + 1)
        distances = y[:, 3:]
        assert bool(((distances[:, :5] >= low) & (distances[:, :5] <= low + width)).all())
        assert bool((distances[:, 5] == 6).all())
        for features, target in zip(x, y, strict=True):
            # The ray of the colour whose features are those of the input.
            points = rays[:, None, :3] + target[3:8, None] * rays[:, None, 3:]
            expected = made.encoding(points / (2 * math.pi) + 0.5)
            errors = (expected - features).abs().amax((1, 2))
            assert float(errors.min()) < 1e-4
            assert torch.equal(colours[errors.argmin()], target[:3])


def test_minibatches_depend_on_seed_and_epoch_only() -> None:
    def first(seed: int, epoch: int) -> Tensor:
        made = data(seed=seed)
        made.setup()
        return minibatches(made, epoch)[0][1]

    assert torch.equal(first(1, 2), first(1, 2))
    assert not torch.equal(first(1, 2), first(1, 3))
    assert not torch.equal(first(1, 2), first(2, 2))


def test_evaluation_has_all_pixels_in_order_and_the_middles_of_intervals() -> None:
    made = data(size=100, samples=8)
    made.encoding = Basic(3)
    made.setup()
    batches = [batch for chunk in made.loader("validation") for batch in chunk]
    sizes = [len(x) for x, _ in batches]
    assert sizes == [2_048] * 4 + [10_000 - 4 * 2_048]
    rays, colours = made.splits["validation"]
    points, distances = made.samples.points(rays)
    assert torch.equal(torch.cat([y for _, y in batches]), torch.cat([colours, distances], 1))
    torch.testing.assert_close(torch.cat([x for x, _ in batches]), made.encoding(points))
    expected = torch.linspace(2, 6, 9)[:-1] + 0.25
    torch.testing.assert_close(distances[0, :-1], expected)


def test_processes_share_rays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlp_lab.data.views._MAX_POINTS", 50)
    made = data()
    made.setup()

    def targets(rank: int, shares: int) -> Tensor:
        loader = made.loader("test").share(rank, shares)
        return torch.cat([y for chunk in loader for _, y in chunk])

    parts = torch.cat([targets(rank, 3) for rank in range(3)])
    assert torch.equal(parts.sort(0).values, targets(0, 1).sort(0).values)


def test_near_must_be_below_far() -> None:
    with pytest.raises(UserError, match=r"data\.near=6: must be below data\.far=6"):
        data(near=6.0)
