"""Truth tables of Boolean functions."""

from typing import Any

import torch
from torch import Tensor

from mlp_lab.config.names import SPLITS
from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError
from mlp_lab.nn.boolean_functions import input_rows, truth_table


class Boolean(DataModule):
    """All rows of a Boolean function's truth table.

    Each of the three splits has all rows: the question is not how a network generalizes, but which
    functions it can compute.

    Inputs are float32 ``[2^bits, bits]``, with -1 for the bit 0 and 1 for the bit 1. Targets are
    the values of the function, int64 ``[2^bits]``.

    Args:
        bits: number of inputs of the function.
        function: name or truth table of the function; see ``nn.boolean_functions.truth_table``.

    Raises:
        UserError: ``function`` is neither.
    """

    out_features = 1
    class_names = ("0", "1")
    held_out = False

    def __init__(self, *, bits: int, function: str, **common: Any) -> None:
        super().__init__(**common)
        self.in_features = bits
        try:
            self.table = truth_table(function, bits)
        except ValueError as error:
            raise UserError(f"data.{error}") from error

    def read(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        rows = torch.from_numpy(input_rows(self.in_features)).to(device)
        split = (2 * rows - 1).float(), torch.from_numpy(self.table).to(device)
        return dict.fromkeys(SPLITS, split)
