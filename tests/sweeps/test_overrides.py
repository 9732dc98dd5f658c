"""The jobs of a grid: products of axes, and zipped keys."""

from collections.abc import Sequence
from itertools import product

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from mlp_lab.errors import UserError
from mlp_lab.sweeps.overrides import grid_axes, last_by_key


def grid(*texts: str, zipped: Sequence[str] = ()) -> list[set[str]]:
    overrides = last_by_key({}, texts, OverridesParser.create())
    rows = product(*grid_axes(overrides, zipped))
    return [{text for step in row for text in step} for row in rows]


@given(st.lists(st.integers(1, 4), max_size=3), st.integers(2, 4), st.integers(0, 3))
def test_zipped_keys_form_one_axis_of_the_product(
    lengths: list[int], rows: int, zipped: int
) -> None:
    values = {f"k{i}": [str(v) for v in range(n)] for i, n in enumerate(lengths)}
    values |= {f"z{i}": [str(v) for v in range(rows)] for i in range(zipped)}
    overrides = [f"{key}={','.join(of_key)}" for key, of_key in values.items()]
    # All combinations in which the zipped keys have the same index.
    expected = [
        {f"{key}={v}" for key, v in zip(values, combination, strict=True)}
        for combination in product(*values.values())
        if len({v for key, v in zip(values, combination, strict=True) if key[0] == "z"}) <= 1
    ]
    actual = grid(*overrides, zipped=[key for key in values if key[0] == "z"])
    assert sorted(map(sorted, actual)) == sorted(map(sorted, expected))


def test_jobs_are_ordered_as_the_overrides() -> None:
    overrides = ["a=1,2", "b=x,y"]
    assert grid(*overrides) == [{"a=1", "b=x"}, {"a=1", "b=y"}, {"a=2", "b=x"}, {"a=2", "b=y"}]


def test_the_last_override_of_a_key_counts() -> None:
    assert grid("a=1,2", "a=3", "b=range(2)") == [{"a=3", "b=0"}, {"a=3", "b=1"}]


def test_an_underscore_leaves_a_zipped_key_out() -> None:
    overrides = ["a=1,2,_", "b=x,_,_", "c=_"]
    assert grid(*overrides, zipped=["a", "b"]) == [
        {"a=1", "b=x", "c=_"},
        {"a=2", "c=_"},
        {"c=_"},
    ]


@pytest.mark.parametrize(
    ("overrides", "zipped", "message"),
    [
        (["a=1,2", "b=1,2,3"], ["a", "b"], "sweep.zip: all keys need the same number .* b has 3"),
        (["a=1,2", "b=1"], ["a", "b"], "sweep.zip: b isn't swept .swept: a."),
        (["a=1"], ["c"], "sweep.zip: c isn't swept .swept: nothing."),
        (["a=shuffle(1,2)"], [], "a=shuffle.1,2.: can.t use shuffle: jobs are numbered"),
        (["a=interval(0,1)"], [], "a=interval.0,1.: needs values that can be listed"),
    ],
)
def test_invalid_grids_are_refused(overrides: list[str], zipped: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        grid(*overrides, zipped=zipped)
