"""One hidden layer computes every Boolean function; some need exponentially many units."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import torch
from torch import nn

from mlp_lab.course.claims.claim import Claim
from mlp_lab.figures import unit_counts
from mlp_lab.nn.boolean_functions import by_hand, rows_of, truth_table

_SOURCE = "lecture, layers and nodes"
_MOST_BITS = 10


def claims() -> Iterator[Claim]:
    yield from map(_all_functions, (1, 2, 3))
    yield _parity()


def is_exact(network: nn.Module, table: np.ndarray) -> bool:
    """Whether a network's outputs for all rows are the truth table, to the last digit."""
    bits = len(table).bit_length() - 1
    with torch.no_grad():
        outputs = network(torch.from_numpy(rows_of(bits)).float())
    return bool(np.array_equal(outputs[:, 0].numpy(), table))


def _hidden_units(network: nn.Sequential) -> int:
    *hidden, _ = (layer.out_features for layer in network if isinstance(layer, nn.Linear))
    return sum(hidden)


def _all_functions(bits: int) -> Claim:
    tables = [np.array(values) for values in product((0, 1), repeat=2**bits)]
    exact = sum(is_exact(by_hand(table), table) for table in tables)
    return Claim(
        f"one hidden ReLU layer, a unit for each true row, computes any function of {bits} bit(s)",
        _SOURCE,
        f"all {2**2**bits} functions exact",
        f"{exact} of {len(tables)} exact",
        exact == 2**2**bits,
    )


def _parity() -> Claim:
    bits = range(2, _MOST_BITS + 1)
    units, exact = [], True
    for n in bits:
        table = truth_table("parity", n)
        network = by_hand(table)
        exact = exact and is_exact(network, table)
        units.append(_hidden_units(network))
    closed_form = [2 ** (n - 1) for n in bits]
    return Claim(
        "the parity of n bits takes 2^(n - 1) hidden units by hand: exponentially many",
        _SOURCE,
        f"{', '.join(map(str, closed_form))} for n = {bits[0]} ... {bits[-1]}, all exact",
        f"{', '.join(map(str, units))}, {'all exact' if exact else 'not exact'}",
        exact and units == closed_form,
        {"parity_by_hand": unit_counts.units_by_hand(list(bits), units)},
    )
