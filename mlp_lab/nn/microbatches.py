"""Split minibatches into microbatches, whose gradients are computed one after the other.

The loss is a mean over examples. Its gradient is therefore the mean of the gradients of
microbatches, weighted by their numbers of examples (gradient accumulation). The step is the same
except for rounding and, with dropout, for the assignment of random numbers to examples. On a CPU,
the activations of a microbatch stay in the cache, and the next microbatch reuses their memory. For
the activations of a large minibatch, the system allocates new memory pages in each step.
"""

import math
import sys
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mlp_lab.nn.probes import has_batch_normalization, linear_layers

# Number of outputs of the widest layer: 2 MiB in single precision. A microbatch has at least
# _FEWEST_EXAMPLES, since each one also reads all weights and adds to all gradients.
_ACTIVATIONS = 2**19
_FEWEST_EXAMPLES = 2048


def microbatch_size(network: nn.Module, device: torch.device) -> int:
    """Return the maximum number of examples in a microbatch.

    It is unlimited (``sys.maxsize``) on a GPU, which small products do not use fully, and with
    batch normalization, where the outputs for an example depend on all others.
    """
    if device.type != "cpu" or has_batch_normalization(network):
        return sys.maxsize
    widest = max(layer.out_features for layer in linear_layers(network))
    return max(_FEWEST_EXAMPLES, _ACTIVATIONS // widest)


def microbatches(
    x: Tensor, y: Tensor, size: int, axis: int = 0
) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Yield inputs, targets and the fraction of all examples for each microbatch.

    Args:
        x: inputs, with the examples along ``axis``.
        y: targets, with the examples along ``axis``.
        size: maximum number of examples in a microbatch; all have nearly equal sizes.
        axis: axis of the examples.
    """
    number = math.ceil(x.shape[axis] / size)
    for part, truth in zip(x.tensor_split(number, axis), y.tensor_split(number, axis), strict=True):
        yield part, truth, part.shape[axis] / x.shape[axis]
