"""Claims on Boolean functions.

One hidden layer is sufficient, but it may need exponentially many units.
"""

from collections.abc import Iterator
from functools import partial
from itertools import product

import numpy as np
import torch
from torch import nn

from mlp_lab.course.claims.claim import Claim
from mlp_lab.figures import unit_counts
from mlp_lab.nn.boolean_functions import input_rows, truth_table, truth_table_network
from mlp_lab.nn.probes import linear_layers

_SOURCE = "lecture, layers and nodes"
_MAX_BITS = 10


def claims() -> Iterator[Claim]:
    """Yield the claims on all functions of 1, 2 and 3 bits and on the parity function."""
    yield from map(_all_functions, (1, 2, 3))
    yield _parity()


def is_exact(network: nn.Module, table: np.ndarray) -> bool:
    """Return whether the outputs of a network are exactly the values of a truth table.

    Args:
        network: network with one output.
        table: values for all rows of bits, 0 and 1 in ``[2^bits]``.
    """
    bits = len(table).bit_length() - 1
    with torch.no_grad():
        outputs = network(torch.from_numpy(input_rows(bits)).float())
    return bool(np.array_equal(outputs[:, 0].numpy(), table))


def _hidden_units(network: nn.Sequential) -> int:
    *hidden, _ = (layer.out_features for layer in linear_layers(network))
    return sum(hidden)


def _all_functions(bits: int) -> Claim:
    tables = [np.array(values) for values in product((0, 1), repeat=2**bits)]
    exact = sum(is_exact(truth_table_network(table), table) for table in tables)
    return Claim(
        text=(
            "one hidden ReLU layer with one unit per true row computes any function of"
            f" {bits} bit{'s' if bits > 1 else ''}"
        ),
        source=_SOURCE,
        expected=f"all {2**2**bits} functions are exact",
        measured=f"{exact} of {len(tables)} are exact",
        holds=exact == 2**2**bits,
    )


def _parity() -> Claim:
    bits = range(2, _MAX_BITS + 1)
    units, exact = [], True
    for n in bits:
        table = truth_table("parity", n)
        network = truth_table_network(table)
        exact = exact and is_exact(network, table)
        units.append(_hidden_units(network))
    closed_form = [2 ** (n - 1) for n in bits]
    return Claim(
        text="with one unit per true row, the parity of n bits needs 2^(n - 1) hidden units",
        source=_SOURCE,
        expected=f"{', '.join(map(str, closed_form))} for n = {bits[0]} ... {bits[-1]}, all exact",
        measured=f"{', '.join(map(str, units))}, {'all exact' if exact else 'not exact'}",
        holds=exact and units == closed_form,
        figures={"parity_units": partial(unit_counts.parity_units, list(bits), units)},
    )
