"""Apply a network to many points in parts, with a bounded amount of memory."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mlp_lab.nn.probes import linear_layers

# Points at a time. On a CPU, the activations of a part stay in the cache: 2 MiB for 256 units. A
# GPU needs large products.
CPU_POINTS, _GPU_POINTS = 2**11, 2**17
# Maximum number of outputs of linear layers kept for the gradients: 1 GiB in single precision.
MAX_ACTIVATIONS = 2**28


def outputs_in_parts(network: nn.Module, x: Tensor) -> Tensor:
    """Return the outputs of a network for points, ``[..., out_features]``.

    The activations that the gradients need are kept if they fit into 1 GiB. Otherwise, those of
    each part are computed a second time (gradient checkpointing; Chen et al. 2016,
    arXiv 1604.06174), which takes a third more time.

    Args:
        network: module without batch normalization from ``[..., in_features]`` to
            ``[..., out_features]``.
        x: inputs, ``[..., in_features]``.
    """
    points = x.flatten(0, -2)
    parts = points.split(CPU_POINTS if x.device.type == "cpu" else _GPU_POINTS)
    width = sum(layer.out_features for layer in linear_layers(network))
    if torch.is_grad_enabled() and len(points) * width > MAX_ACTIVATIONS:
        outputs = [checkpoint(network, part, use_reentrant=False) for part in parts]
    else:
        outputs = [network(part) for part in parts]
    joint = torch.cat(outputs)
    return joint.view(*x.shape[:-1], joint.shape[-1])
