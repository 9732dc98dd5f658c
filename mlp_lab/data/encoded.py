"""Encode inputs once, before the training, instead of in each of its steps."""

import torch
from torch import Tensor, nn

from mlp_lab.errors import UserError

Splits = dict[str, tuple[Tensor, Tensor]]

_MAX_BYTES = 8 * 2**30  # of features
_MAX_INPUTS = 2**16  # encoded at a time, to limit the memory for intermediate results


@torch.no_grad()
def encoded(splits: Splits, encoding: nn.Module) -> Splits:
    """Return the splits with encoded inputs, on the same device, and unchanged targets.

    Splits that share their inputs also share the encoded inputs.

    Args:
        splits: inputs ``[..., in_features]`` and targets by split.
        encoding: module from ``[..., in_features]`` to ``[..., out_features]``.

    Raises:
        UserError: the features would take more than 8 GiB.
    """
    if isinstance(encoding, nn.Identity):
        return splits
    shapes = {id(x): x.shape[:-1] for x, _ in splits.values()}
    inputs = {id(x): x.flatten(0, -2) for x, _ in splits.values()}
    examples = sum(map(len, inputs.values()))
    one = next(iter(inputs.values()))[:1]
    encoding.to(one.device)  # the encoding is a submodule of the task, which is moved there as well
    needed = examples * encoding(one)[0].nbytes
    if needed > _MAX_BYTES:
        raise UserError(
            f"encoding: the features of {examples:,} inputs take {needed / 2**30:.1f} GiB; must be"
            f" at most {_MAX_BYTES // 2**30} GiB: use fewer inputs or fewer features"
        )
    features = {
        key: torch.cat([encoding(part) for part in x.split(_MAX_INPUTS)]).view(*shapes[key], -1)
        for key, x in inputs.items()
    }
    return {name: (features[id(x)], y) for name, (x, y) in splits.items()}
