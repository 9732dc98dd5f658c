"""How much of a minibatch is differentiated at a time.

The loss is a mean over examples, so that its gradient is the mean of those of parts of a
minibatch, each weighted by its number of examples (gradient accumulation over microbatches): the
same step, but for rounding. Activations of a microbatch fit a processor's cache, and the memory
that one leaves behind serves the next; those of 65,536 examples are written to memory that the
system has to hand out anew in each step, which takes as long as half of their arithmetic.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

# The most numbers that leave the widest layer at a time: 2 MiB in single precision.
_NUMBERS = 2**19
# Each microbatch goes through all weights and their gradients, which has to be little beside it.
_EXAMPLES = 2048


def microbatch_size(network: nn.Module, device: torch.device) -> int | None:
    """The examples that one step should differentiate at a time; None: all of them.

    That is where the memory isn't the bottleneck, as on a GPU, and where examples depend on each
    other, as in batch normalization.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    normalized = any(isinstance(layer, _BatchNorm) for layer in network.modules())
    if device.type != "cpu" or normalized or not layers:
        return None
    return max(_EXAMPLES, _NUMBERS // max(layer.out_features for layer in layers))


def microbatches(
    x: Tensor, y: Tensor, size: int, axis: int = 0
) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Parts of ``size`` examples or, the last one, fewer, and the share of all that each has.

    Examples lie along ``axis`` of inputs and targets.
    """
    for part, truth in zip(x.split(size, axis), y.split(size, axis), strict=True):
        yield part, truth, part.shape[axis] / x.shape[axis]
