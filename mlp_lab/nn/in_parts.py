"""Apply a network to many points in parts, with a bounded amount of memory."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mlp_lab.nn.probes import linear_layers

# Points at a time. On a CPU, the activations of a part stay in the cache: 2 MiB for 256 units. A
# GPU needs large products.
_CPU_POINTS, _GPU_POINTS = 2**11, 2**17
# Activations that are kept for the gradients: 1 GiB in single precision.
_MAX_ACTIVATIONS = 2**28


class InParts(nn.Module):
    """Apply ``network`` to a part of the points at a time.

    The activations that the gradients need are kept if they fit into 1 GiB. Otherwise, those of
    each part are computed a second time (gradient checkpointing; Chen et al. 2016,
    arXiv 1604.06174), which takes a third more time.

    Shapes: ``[..., points, in_features]`` to ``[..., points, out_features]``.

    Args:
        network: module without batch normalization from ``[..., in_features]`` to
            ``[..., out_features]``.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        parts = x.split(_CPU_POINTS if x.device.type == "cpu" else _GPU_POINTS, -2)
        width = sum(layer.out_features for layer in linear_layers(self.network))
        if torch.is_grad_enabled() and x[..., 0].numel() * width > _MAX_ACTIVATIONS:
            outputs = [checkpoint(self.network, part, use_reentrant=False) for part in parts]
        else:
            outputs = [self.network(part) for part in parts]
        return torch.cat(outputs, -2)
