"""Points in the plane: the distributions of the sets."""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlp_lab.data.points import CENTRE, DISTANCE, MARGIN, NORMAL, OFFSET, SETS, SPREAD, Points
from mlp_lab.errors import UserError
from mlp_lab.runs.build import build_task

COMMON: dict[str, Any] = {"batch_size": 10, "seed": 0, "limits": {}, "train_size": None}
every_set = pytest.mark.parametrize("name", SETS)
seeds = st.integers(0, 2**32 - 1)


def points(name: str, **options: Any) -> Points:
    given_anyway = {"size": 200, "noise": 0.1, "points_seed": 0}
    return Points(set=name, **COMMON | given_anyway | options)


def training(name: str, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    return points(name, **options).points()["train"]


@given(seeds, st.integers(2, 300), st.floats(0, 10))
def test_separable_points_are_linearly_separable(seed: int, size: int, noise: float) -> None:
    data = points("separable", size=size, noise=noise, points_seed=seed)
    data.setup()
    for x, y in data.splits.values():
        distance = x.double().numpy() @ NORMAL - OFFSET
        assert ((2 * y.numpy() - 1) * distance).min() > MARGIN - 1e-5


@every_set
@given(seed=seeds, size=st.integers(2, 50), more=st.integers(0, 50))
def test_a_larger_size_adds_points(name: str, seed: int, size: int, more: int) -> None:
    x, y = training(name, size=size, points_seed=seed)
    x_more, y_more = training(name, size=size + more, points_seed=seed)
    assert np.array_equal(x, x_more[:size])
    assert np.array_equal(y, y_more[:size])


@every_set
def test_splits_have_one_distribution_and_no_common_points(name: str) -> None:
    splits = points(name, size=2_000).points()
    assert list(splits) == ["train", "validation", "test"]
    everything = np.concatenate([x for x, _ in splits.values()])
    assert len(np.unique(everything, axis=0)) == 6_000
    for x, y in splits.values():
        assert y.sum() == 1_000
        for label in (0, 1):
            in_split, whole = x[y == label], everything[np.tile(y, 3) == label]
            # Ten standard errors of the mean.
            far = 10 * whole.std(0) / math.sqrt(1_000)
            assert (abs(in_split.mean(0) - whole.mean(0)) < far).all()
    # Nor do they follow each other.
    first, second = splits["train"][0], splits["validation"][0]
    assert abs(np.corrcoef((first - second).T.ravel(), (first + second).T.ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("name", sorted(set(SETS) - {"separable", "outliers"}))
def test_noise_is_normal_with_the_given_standard_deviation(name: str) -> None:
    noisy, _ = training(name, size=5_000, noise=0.3)
    exact, _ = training(name, size=5_000, noise=0)
    noise = noisy - exact
    np.testing.assert_allclose(noise.mean(0), 0, atol=4 * 0.3 / math.sqrt(5_000))
    np.testing.assert_allclose(noise.std(0), 0.3, rtol=4 / math.sqrt(10_000))
    assert (abs(noise) < 0.3).mean() == pytest.approx(0.6827, abs=0.02)


@given(seed=seeds, size=st.integers(10, 50))
def test_every_fifth_point_of_class_1_is_an_outlier(seed: int, size: int) -> None:
    x, y = training("outliers", size=size, points_seed=seed)
    near, _ = training("separable", size=size, points_seed=seed)
    moved = np.abs(x - near).max(1) > 0
    assert np.flatnonzero(moved).tolist() == np.flatnonzero(y)[::5].tolist()
    np.testing.assert_allclose((x - near)[moved] @ NORMAL, DISTANCE, rtol=1e-5)


def test_xor_without_noise_equals_its_truth_table() -> None:
    x, y = training("xor", noise=0)
    rows = {(*map(int, place), int(label)) for place, label in zip(x, y, strict=True)}
    assert rows == {(-1, -1, 0), (-1, 1, 1), (1, -1, 1), (1, 1, 0)}


def test_spirals_turn_one_and_a_half_times() -> None:
    x, y = training("spirals", size=1_000, noise=0)
    radius = np.hypot(*x.T)
    assert radius.min() < 0.3
    assert radius.max() == pytest.approx(2, abs=0.01)
    angle = 3 * math.pi * (radius - 0.2) / 1.8 + math.pi * y
    np.testing.assert_allclose(np.cos(angle), x[:, 0] / radius, atol=1e-9)
    np.testing.assert_allclose(np.sin(angle), x[:, 1] / radius, atol=1e-9)


def test_rings_are_circles() -> None:
    x, y = training("rings", noise=0)
    np.testing.assert_allclose(np.hypot(*x.T), np.where(y == 1, 1.6, 0.8))


def test_moons_are_half_circles() -> None:
    x, y = training("moons", noise=0)
    for label, middle, side in ((0, (-0.5, -0.25), 1), (1, (0.5, 0.25), -1)):
        from_middle = x[y == label] - middle
        np.testing.assert_allclose(np.hypot(*from_middle.T), 1)
        assert (side * from_middle[:, 1] >= -1e-12).all()
        # The end of each lies inside the other.
        assert np.hypot(*(x[y == label] + middle).T).min() < 0.6


def test_overlapping_points_have_the_bayes_error_of_two_gaussians() -> None:
    x, y = training("overlapping", size=100_000, noise=0.4)
    bayes = NormalDist().cdf(-np.linalg.norm(CENTRE) / math.hypot(SPREAD, 0.4))
    error = ((x.sum(1) > 0) != y).mean()
    assert error == pytest.approx(bayes, abs=4 * math.sqrt(bayes / 100_000))
    assert bayes > 0.05


def test_train_size_takes_the_first() -> None:
    whole, part = points("moons"), points("moons", train_size=30)
    for data in (whole, part):
        data.setup()
    for one, other in zip(whole.splits["train"], part.splits["train"], strict=True):
        assert torch.equal(one[:30], other)
    assert torch.equal(whole.splits["test"][0], part.splits["test"][0])
    with pytest.raises(UserError, match=r"data\.train_size=201: must be at most 200"):
        points("moons", train_size=201)


def test_points_depend_on_the_seed_unless_data_seed_is_set(compose: Callable) -> None:
    def drawn(*overrides: str) -> torch.Tensor:
        data, _ = build_task(compose("data=points", *overrides))
        data.setup()
        return data.splits["train"][0]

    assert not torch.equal(drawn("seed=1"), drawn("seed=2"))
    assert torch.equal(drawn("seed=1"), drawn("seed=2", "data.points_seed=1"))
