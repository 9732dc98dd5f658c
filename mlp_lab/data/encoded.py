"""Inputs that are encoded once, before the training, and not in each of its steps."""

import torch
from torch import Tensor, nn

from mlp_lab.errors import UserError

Splits = dict[str, tuple[Tensor, Tensor]]

_MOST = 8 * 2**30  # bytes of features
_AT_ONCE = 2**16  # inputs, so that what is computed on the way takes little memory


@torch.no_grad()
def encoded(splits: Splits, encoding: nn.Module) -> Splits:
    """The inputs of each split as ``encoding`` gives them, where they lie; the targets as they are.

    Splits that share their inputs share what becomes of them.
    Raises UserError if that would take more than 8 GiB.
    """
    if isinstance(encoding, nn.Identity):
        return splits
    inputs = {id(x): x for x, _ in splits.values()}
    examples = sum(map(len, inputs.values()))
    one = next(iter(inputs.values()))[:1]
    encoding.to(one.device)  # where the task is about to go as well
    needed = examples * encoding(one)[0].nbytes
    if needed > _MOST:
        raise UserError(
            f"encoding: the features of {examples:,} inputs take {needed / 2**30:.1f} GiB, and at"
            f" most {_MOST // 2**30} are given to them; encode fewer inputs, or by fewer features"
        )
    features = {
        key: torch.cat([encoding(part) for part in x.split(_AT_ONCE)]) for key, x in inputs.items()
    }
    return {name: (features[id(x)], y) for name, (x, y) in splits.items()}
