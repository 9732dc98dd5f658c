"""The hash grid, compared with a loop over vertices, and as the first layer in training."""

import math
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import assert_equal_weights, weights
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig
from PIL import Image as Pillow
from torch import Tensor

from mlp_lab.data.image import axis, grid
from mlp_lab.errors import UserError
from mlp_lab.nn.encodings import Identity
from mlp_lab.nn.hash_grid import HashGrid
from mlp_lab.nn.probes import count_parameters
from mlp_lab.runs.build import build_task
from mlp_lab.runs.evaluate import evaluate
from mlp_lab.runs.predict import predict
from mlp_lab.runs.train import Training, fit_alone, resume, train
from mlp_lab.storage.checkpoints import load_network
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.groups import Job, training_groups

dimensions = st.sampled_from([1, 2, 3])
PRIMES = (1, 2654435761, 805459861)


def hash_grid(
    d: int,
    levels: int = 3,
    features: int = 2,
    table: int = 50,
    coarsest: int = 2,
    finest: int = 9,
    interpolation: str = "linear",
) -> HashGrid:
    made = HashGrid(
        d,
        levels=levels,
        features_per_level=features,
        table_size=table,
        coarsest=coarsest,
        finest=finest,
        interpolation=interpolation,
    ).double()
    torch.nn.init.normal_(made.table)
    return made


def points(count: int, d: int, seed: int) -> Tensor:
    return torch.rand(count, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear(distance: float) -> float:
    return max(0.0, 1 - abs(distance))


def cubic(distance: float) -> float:
    """Keys 1981, equation 4 with the coefficients of equation 15, as polynomials."""
    s = abs(distance)
    if s <= 1:
        return 3 / 2 * s**3 - 5 / 2 * s**2 + 1
    return -1 / 2 * s**3 + 5 / 2 * s**2 - 4 * s + 2 if s < 2 else 0.0


KERNELS = {"linear": linear, "cubic": cubic}
interpolations = st.sampled_from(list(KERNELS))


def looked_up(
    x: list[float],
    cells: list[int],
    features: int,
    size: int,
    table: np.ndarray,
    interpolation: str,
) -> list:
    """Return the features of one point by section 3 of the paper, with a loop over vertices."""
    values, start, d = [], 0, len(x)
    for n in cells:
        rows = min((n + 1) ** d, size)
        total = np.zeros(features)
        for offsets in product((-1, 0, 1, 2), repeat=d):
            weight, vertex = 1.0, []
            for place, offset in zip(x, offsets, strict=True):
                cell = min(math.floor(place * n), n - 1) + offset
                weight *= KERNELS[interpolation](place * n - cell)
                vertex.append(min(max(cell, 0), n))  # the border is repeated
            if rows == (n + 1) ** d:
                row = sum(v * (n + 1) ** i for i, v in enumerate(vertex))
            else:
                row = 0
                for v, prime in zip(vertex, PRIMES, strict=False):
                    row ^= v * prime
                row %= size
            total += weight * table[start + row]
        values += total.tolist()
        start += rows
    return values


@given(
    dimensions, st.integers(2, 5), st.integers(1, 3), st.integers(4, 900), interpolations,
    st.integers(0, 99),
)  # fmt: skip
def test_lookup_and_interpolation(
    d: int, levels: int, features: int, table: int, interpolation: str, seed: int
) -> None:
    made = hash_grid(d, levels, features, table, 2, 17, interpolation)
    x = points(4, d, seed)
    x[0], x[1] = 0, 1
    growth = math.exp((math.log(17) - math.log(2)) / (levels - 1))
    cells = [math.floor(2 * growth**level + 1e-9) for level in range(levels)]
    assert cells[-1] == 17
    rows = made.table.detach().numpy()
    expected = [looked_up(p, cells, features, table, rows, interpolation) for p in x.tolist()]
    np.testing.assert_allclose(made(x).detach(), expected, atol=1e-12)
    assert made.out_features == levels * features
    assert len(rows) == sum(min((n + 1) ** d, table) for n in cells)


@pytest.mark.parametrize("interpolation", KERNELS)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_gradients_equal_finite_differences(d: int, interpolation: str) -> None:
    made = hash_grid(d, table=20, interpolation=interpolation)
    x = points(5, d, 0).requires_grad_()

    def output(x: Tensor, table: Tensor) -> Tensor:
        return torch.func.functional_call(made, {"table": table}, x)

    assert torch.autograd.gradcheck(output, (x, made.table))


@given(dimensions, st.integers(1, 6), st.integers(0, 99))
def test_linear_functions_are_interpolated_exactly(d: int, cells: int, seed: int) -> None:
    made = hash_grid(d, 1, 1, (cells + 1) ** d, cells, cells)
    slope = points(1, d, seed + 1)[0]
    vertices = torch.tensor(list(product(range(cells + 1), repeat=d)), dtype=torch.float64)
    # Rows count along the first axis first.
    made.table.data = (vertices.flip(1) / cells @ slope + 0.5).unsqueeze(1)
    x = points(20, d, seed)
    torch.testing.assert_close(made(x)[:, 0].detach(), x @ slope + 0.5)


@given(st.integers(2, 3), st.integers(1, 8), st.integers(0, 99))
def test_one_level_is_a_value_per_pixel(d: int, size: int, seed: int) -> None:
    """The option ``pixel_grid``: pixels are vertices, with one row of the table each."""
    encoding = hash_grid(d, levels=1, features=1, table=10**4, coarsest=size, finest=size)
    pixels = torch.cartesian_prod(*[torch.arange(size).double() / size] * d)
    strides = torch.tensor([(size + 1) ** axis for axis in range(d)])
    rows = ((pixels * size).round().long() * strides).sum(1)
    values = torch.randn(len(encoding.table), 1, generator=torch.Generator().manual_seed(seed))
    encoding.table.data = values.double()
    torch.testing.assert_close(encoding(pixels), values[rows].double())


@given(st.integers(2, 9), st.integers(0, 99))
def test_cubic_features_are_those_of_pillow(cells: int, seed: int) -> None:
    """A picture of the vertices, enlarged around each of them by bicubic interpolation."""
    made = hash_grid(2, 1, 1, (cells + 1) ** 2, cells, cells, "cubic").float()
    picture = made.table.detach().view(cells + 1, cells + 1).numpy()
    enlarged = Pillow.fromarray(np.pad(picture, 2, "edge")).resize(
        (4 * (cells + 5),) * 2, Pillow.Resampling.BICUBIC
    )
    # Pixel i of the enlarged picture has the centre (i + 1/2) / 4, vertex n the centre n + 5/2.
    along = np.arange(10, 4 * cells + 10)
    x = torch.from_numpy((along + 0.5) / 4 - 2.5).float() / cells
    actual = made(grid(x, x)).detach().view(len(x), len(x))
    np.testing.assert_allclose(actual, np.asarray(enlarged)[np.ix_(along, along)], atol=1e-5)


def test_points_outside_are_clamped_to_the_border() -> None:
    made = hash_grid(2)
    outside = torch.tensor([[-3.0, 0.4], [0.2, 7.0], [1.0, 1.5]], dtype=torch.float64)
    assert torch.equal(made(outside), made(outside.clamp(0, 1)))
    x = points(12, 2, 0)
    torch.testing.assert_close(made(x.view(3, 4, 2)).flatten(0, 1), made(x))


def test_initial_features_are_near_zero() -> None:
    common = {"features_per_level": 2, "table_size": 2**14, "coarsest": 16, "finest": 512}
    made = HashGrid(2, levels=16, **common)
    assert 0.99e-4 < made.table.abs().max() <= 1e-4
    assert made(torch.rand(9, 2)).shape == (9, 32)


# --- in trainings -------------------------------------------------------------------------------

USUAL = ["experiment=image_hw", "encoding=hash_grid", "encoding.finest=16", "encoding.levels=3",
         "encoding.coarsest=4", "encoding.table_size=200", "data.image=text", "data.size=16",
         "data.passes=100", "network.width=16", "network.depth=1", "optimizer.lr=3e-2",
         "schedule=constant", "trainer.max_epochs=2", "trainer.accelerator=cpu",
         "logger=none"]  # fmt: skip


@pytest.fixture
def picture(compose: Callable, tmp_path: Path) -> Callable[..., DictConfig]:
    return lambda *overrides: compose(*USUAL, "callbacks=none", f"logs='{tmp_path}'", *overrides)


def test_a_hash_grid_is_trained_saved_and_evaluated(
    picture: Callable[..., DictConfig], compose: Callable
) -> None:
    training = Training.new(picture("callbacks=image_progress"))
    task = training.task
    assert isinstance(task.encoding, Identity)
    assert count_parameters(task.network) == 2 * (25 + 81 + 200) + (6 + 1) * 16 + 17 * 3
    before = [p.detach().clone() for p in task.network.parameters()]
    result = fit_alone(training, test=True)
    assert result.best is not None
    assert result.best["psnr/validation"] > 20
    assert all(
        not torch.equal(*pair) for pair in zip(before, task.network.parameters(), strict=True)
    )
    assert evaluate(compose(f"run='{result.folder}'", root="evaluate")) == result.evaluations[0]
    path = predict(compose(f"run='{result.folder}'", root="predict"))
    run = RunFolder(result.folder)
    load_network(task, run.checkpoints.existing("best"))
    with torch.no_grad():
        values = task.predictions(task(grid(axis(16), axis(16)))).view(16, 16, 3)
    shown = np.asarray(Pillow.open(path)) / 255
    assert np.abs(shown - values.numpy()).max() < 0.51 / 255


def test_a_resumed_hash_grid_equals_an_uninterrupted_one(
    picture: Callable[..., DictConfig],
) -> None:
    short, long = train(picture()), train(picture("trainer.max_epochs=3"))
    resume(short.folder, {"trainer.max_epochs": 3})
    assert {name for name in weights(long) if "table" in name} == {"network.encoding.table"}
    assert_equal_weights(short, long)


def test_hash_grids_train_alone_and_give_the_reason(
    picture: Callable[..., DictConfig], tmp_path: Path
) -> None:
    jobs = [Job(picture(f"seed={i}"), [], tmp_path / str(i)) for i in range(2)]
    groups = training_groups(jobs)
    assert [len(group.jobs) for group in groups] == [1, 1]
    assert {group.reason_alone for group in groups} == {"HashGrid has no stacked form"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["experiment=parity", "encoding=hash_grid"],
            "encoding.in_features=4: must be at most 3 for a hash grid",
        ),
        ([*USUAL, "encoding.coarsest=17"], "encoding.finest=16: must be at least coarsest=17"),
        (
            [*USUAL, "trainer.precision=bf16-true"],
            "trainer.precision=bf16-true: too coarse to encode; must be bf16-mixed",
        ),
    ],
)
def test_unsuitable_hash_grids_are_refused(
    overrides: list[str], message: str, compose: Callable
) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        build_task(compose(*overrides))
