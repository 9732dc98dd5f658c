"""How much of a minibatch is differentiated at a time.

The loss is a mean over examples, so that its gradient is the mean of those of microbatches, each
weighted by its number of examples (gradient accumulation): the same step, but for rounding and,
with dropout, for which random number falls to which example. On a CPU the activations of a
microbatch stay in the cache, and the memory that one leaves behind serves the next. Those of large
minibatches come from memory that the system hands out anew, page by page, in each step.
"""

import math
import sys
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mlp_lab.nn.probes import linear_layers

# As many outputs of the widest layer as 2 MiB hold in single precision, but of so many examples at
# least: each microbatch reads all weights and adds to all gradients, beside its products.
_ACTIVATIONS = 2**19
_FEWEST_EXAMPLES = 2048


def microbatch_size(network: nn.Module, device: torch.device) -> int:
    """The most examples that a step should differentiate at a time.

    All (``sys.maxsize``) on a GPU, which small products don't fill, and with batch normalization,
    where examples depend on each other.
    """
    normalized = any(isinstance(module, nn.BatchNorm1d) for module in network.modules())
    if device.type != "cpu" or normalized:
        return sys.maxsize
    widest = max(layer.out_features for layer in linear_layers(network))
    return max(_FEWEST_EXAMPLES, _ACTIVATIONS // widest)


def microbatches(
    x: Tensor, y: Tensor, size: int, axis: int = 0
) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Even parts of at most ``size`` examples, and the share of all that each has.

    Examples lie along ``axis`` of inputs and targets.
    """
    number = math.ceil(x.shape[axis] / size)
    for part, truth in zip(x.tensor_split(number, axis), y.tensor_split(number, axis), strict=True):
        yield part, truth, part.shape[axis] / x.shape[axis]
