"""Boolean functions of n bits, and networks that compute them without having learnt anything."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from mlp_lab.nn.mlp import MLP

# From rows of bits, ``[rows, bits]``, to the function's values, ``[rows]``.
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "parity": lambda rows: rows.sum(1) % 2 == 1,
    "and": lambda rows: rows.min(1) == 1,
    "or": lambda rows: rows.max(1) == 1,
    "majority": lambda rows: 2 * rows.sum(1) > rows.shape[1],
}


def rows_of(bits: int) -> np.ndarray:
    """All rows of a truth table, in counting order: 0 and 1 in ``[2^bits, bits]``."""
    return np.arange(2**bits)[:, None] >> np.arange(bits)[::-1] & 1


def truth_table(function: str, bits: int) -> np.ndarray:
    """The values of a function for ``rows_of(bits)``: 0 and 1 in ``[2^bits]``.

    ``function`` is a key of ``FUNCTIONS`` or the values themselves, a digit a row: ``0110`` is
    the exclusive or. Raises ValueError for anything else.
    """
    if function in FUNCTIONS:
        return FUNCTIONS[function](rows_of(bits)).astype(int)
    if len(function) != 2**bits or set(function) - {"0", "1"}:
        named = ", ".join(FUNCTIONS)
        raise ValueError(
            f"function={function}: must be one of {named}, or {2**bits} digits 0 and 1, the"
            f" values for the rows of {bits} bits"
        )
    return np.array([int(digit) for digit in function])


@torch.no_grad()
def by_hand(table: np.ndarray) -> MLP:
    """The network that computes a truth table with a hidden unit for each true row.

    The unit of the true row r is relu(sum of x_i where r_i = 1 - sum of x_i where r_i = 0
    - (ones in r) + 1): 1 for the inputs r, and 0 for all others, which differ from r in a bit at
    least. The output is their sum: 0 or 1 without any rounding. A function that is never true
    needs no hidden layer.

    Args:
        table: 0 and 1 in ``[2^bits]``, the values for ``rows_of(bits)``.
    """
    bits = len(table).bit_length() - 1
    true = torch.from_numpy(rows_of(bits)[table == 1])
    network = MLP(bits, 1, widths=[len(true)] if len(true) else [])
    *hidden, output = (layer for layer in network if isinstance(layer, nn.Linear))
    for layer in hidden:
        layer.weight.copy_(2 * true - 1)
        layer.bias.copy_(1 - true.sum(1))
    output.weight.fill_(1.0 if hidden else 0.0)
    output.bias.zero_()
    return network
