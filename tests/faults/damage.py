"""Random damage of files."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest


def damaged(content: bytes, generator: np.random.Generator, most: int = 3) -> bytes:
    """Return content with up to ``most`` flipped bits, truncated, or with other bytes."""
    kind = generator.integers(10)
    if kind < 3:
        return content[: generator.integers(len(content))]
    changed = bytearray(content)
    start = int(generator.integers(len(content)))
    if kind == 3:  # a block of zeros, as after a crash of the machine
        changed[start : start + 64] = bytes(len(changed[start : start + 64]))
        return bytes(changed)
    for place in generator.integers(len(content), size=generator.integers(1, most + 1)):
        changed[place] ^= 1 << int(generator.integers(8))
    return bytes(changed)


def damages(content: bytes, cases: int, seed: int) -> Iterator[bytes]:
    """Yield damaged versions of a file's content that differ from it."""
    generator = np.random.default_rng(seed)
    while cases:
        changed = damaged(content, generator)
        if changed != content:
            cases -= 1
            yield changed


def shortened(values: Iterable[Any], count: int) -> list[Any]:
    """Return the parameters of a test, of which the short form has the first ``count`` only."""
    marked = [pytest.param(value, marks=pytest.mark.faults) for value in values]
    return [*list(values)[:count], *marked[count:]]
