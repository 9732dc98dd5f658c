"""Configs as dotted keys, compared with OmegaConf, and the format of values."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from mlp_lab.config.flatten import flatten, format_value, is_within, override_keys


@pytest.mark.parametrize("overrides", [[], ["optimizer=adam", "callbacks=early_stopping"]])
def test_every_flat_key_has_its_selected_value(overrides: list[str], compose: Callable) -> None:
    cfg = compose(*overrides)
    values = flatten(cfg)
    for key, value in values.items():
        node = OmegaConf.select(cfg, key)
        if "_target_" in (node if OmegaConf.is_dict(node) else {}):
            assert value == node["_target_"].split(".")[-1]
        else:
            assert value == node
    nodes, leaves = [cfg], 0
    while nodes:
        for value in nodes.pop().values():
            if OmegaConf.is_dict(value):
                nodes.append(value)
            else:
                leaves += 1
    assert len(values) == leaves


@pytest.mark.parametrize(
    ("key", "parents", "expected"),
    [
        ("optimizer.lr", ["optimizer"], True),
        ("optimizer", ["optimizer"], True),
        ("optimizers.lr", ["optimizer"], False),
        ("optimizer", ["optimizer.lr"], False),
        ("a.b.c", ["x", "a.b"], True),
        ("a", [], False),
    ],
)
def test_is_within(key: str, parents: list[str], expected: bool) -> None:
    assert is_within(key, parents) is expected


def test_override_keys() -> None:
    overrides = ["optimizer.lr=0.1", "+a=b=c", "++trainer.max_epochs=3", "~callbacks.progress"]
    keys = ["optimizer.lr", "a", "trainer.max_epochs", "callbacks.progress"]
    assert override_keys(overrides) == keys


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)


@given(scalars | st.lists(scalars))
def test_formatted_values_are_parsed_as_the_same_values(value: object) -> None:
    assert OmegaConf.create(f"x: {format_value(value)}").x == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), ([512, 128], "[512,128]"), (1e-5, "1e-05"),
        (0.0, "0"), (10, "10"), ("relu", "relu"), ([0.9, 0.999], "[0.9,0.999]"),
    ],
)  # fmt: skip
def test_format_value(value: object, text: str) -> None:
    assert format_value(value) == text
