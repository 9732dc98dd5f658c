"""Volumes on cubic grids."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_lab.images.resampling import to_cube


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
@settings(max_examples=20)
def test_voxels_are_means(count: int, size: int, seed: int) -> None:
    volume = np.random.default_rng(seed).random((count,) * 3)
    # On a grid of count * size points, each voxel of both is a whole block.
    fine = volume
    for axis in range(3):
        fine = fine.repeat(size, axis)
    expected = fine.reshape(size, count, size, count, size, count).mean((1, 3, 5))
    np.testing.assert_allclose(to_cube(volume, (1, 1, 1), size), expected, rtol=1e-5)


def test_a_box_is_in_the_middle_of_its_cube() -> None:
    cube = to_cube(np.ones((4, 2, 1)), (1.0, 1.0, 2.0), 4)
    assert cube[:, 1:3, 1:3].min() == pytest.approx(1)
    assert cube.sum() == pytest.approx(16)


def test_the_sizes_of_voxels_count() -> None:
    cube = to_cube(np.ones((2, 2, 2)), (1.0, 2.0, 2.0), 8)
    assert cube.dtype == np.float32
    assert cube[2:6].min() == pytest.approx(1)
    assert cube[:2].max() == cube[6:].max() == 0
