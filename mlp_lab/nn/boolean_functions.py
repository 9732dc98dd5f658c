"""Boolean functions of n bits, and networks that compute them exactly without training."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from mlp_lab.nn.mlp import MLP

# Functions from rows of bits, [rows, bits], to Boolean values, [rows].
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "parity": lambda rows: rows.sum(1) % 2 == 1,
    "and": lambda rows: rows.min(1) == 1,
    "or": lambda rows: rows.max(1) == 1,
    "majority": lambda rows: 2 * rows.sum(1) > rows.shape[1],
}


def input_rows(bits: int) -> np.ndarray:
    """Return the inputs of all rows of a truth table, 0 and 1 in ``[2^bits, bits]``.

    The rows are the binary numbers 0, 1, ..., 2^bits - 1.
    """
    return np.arange(2**bits)[:, None] >> np.arange(bits)[::-1] & 1


def truth_table(function: str, bits: int) -> np.ndarray:
    """Return the values of a function for ``input_rows(bits)``, 0 and 1 in ``[2^bits]``.

    Args:
        function: key of ``FUNCTIONS``, or the values as one digit per row: ``0110`` is XOR.
        bits: number of bits.

    Raises:
        ValueError: ``function`` has another form.
    """
    if function in FUNCTIONS:
        return FUNCTIONS[function](input_rows(bits)).astype(int)
    if len(function) != 2**bits or set(function) - {"0", "1"}:
        names = ", ".join(FUNCTIONS)
        raise ValueError(
            f"function={function}: must be one of {names}, or {2**bits} digits 0 and 1, the"
            f" values for the rows of {bits} bits"
        )
    return np.array([int(digit) for digit in function])


@torch.no_grad()
def truth_table_network(table: np.ndarray) -> MLP:
    """Return the network that computes a truth table with one hidden unit for each true row.

    The unit of the true row r is relu(sum of x_i where r_i = 1 - sum of x_i where r_i = 0
    - (ones in r) + 1). It is 1 for the input r and 0 for all other inputs, which differ from r in
    at least one bit. The output is the sum of the hidden units: exactly 0 or 1, without rounding.
    The network of a function that is never true has no hidden layer.

    Args:
        table: values for ``input_rows(bits)``, 0 and 1 in ``[2^bits]``.
    """
    bits = len(table).bit_length() - 1
    true_rows = torch.from_numpy(input_rows(bits)[table == 1])
    network = MLP(bits, 1, widths=[len(true_rows)] if len(true_rows) else [])
    *hidden, output = (layer for layer in network if isinstance(layer, nn.Linear))
    for layer in hidden:
        layer.weight.copy_(2 * true_rows - 1)
        layer.bias.copy_(1 - true_rows.sum(1))
    output.weight.fill_(1.0 if hidden else 0.0)
    output.bias.zero_()
    return network
