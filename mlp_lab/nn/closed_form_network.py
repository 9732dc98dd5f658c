"""A network with closed-form gradients as one operation of autograd.

For a loss without a closed form, autograd computes the deltas of the network's outputs, and
``closed_form.py`` the gradients from these. An example of such a loss can be many points, as those
of a ray or of a whole volume. The network is therefore applied to parts of them, whose activations
stay in the processor's cache.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mlp_lab.nn.closed_form import BoundLayers, ClosedForm, check_stackable
from mlp_lab.nn.closed_form_layers import NoClosedFormError
from mlp_lab.nn.outputs_in_parts import CPU_POINTS, MAX_ACTIVATIONS
from mlp_lab.nn.probes import linear_layers
from mlp_lab.nn.stacking import StackedBatchNorm, StackedDropout, stack


class ClosedFormNetwork:
    """Computes the outputs of a network, with closed-form gradients of its parameters.

    Outputs of linear layers are kept in buffers for the gradients, up to 1 GiB in single precision.
    Those of further parts are computed a second time. Activations other than ReLU, sigmoid and
    tanh, and normalization, need further buffers.

    Args:
        network: network on the CPU.

    Raises:
        NoClosedFormError: there is no closed form, or the network has dropout or batch
            normalization, with which the outputs depend on the parts.
    """

    def __init__(self, network: nn.Module) -> None:
        check_stackable(network)
        stacked = stack([network], [torch.default_generator])
        if any(isinstance(layer, StackedDropout | StackedBatchNorm) for layer in stacked.modules()):
            raise NoClosedFormError("network: dropout and batch normalization differ by part")
        self._parameters = list(network.parameters())
        self._gradients = [torch.zeros_like(p, requires_grad=False) for p in self._parameters]
        self._closed_form = ClosedForm(stacked, 1, self._gradients)
        self._outputs = linear_layers(network)[-1].out_features
        width = sum(layer.out_features for layer in linear_layers(network))
        self._last_slot = max(1, MAX_ACTIVATIONS // (width * CPU_POINTS)) - 1

    def __call__(self, x: Tensor) -> Tensor:
        """Return the outputs ``[..., out_features]`` for inputs ``[..., in_features]``.

        The inputs get no gradients.
        """
        outputs: Tensor = _Outputs.apply(self, x.flatten(0, -2), *self._parameters)
        return outputs.view(*x.shape[:-1], self._outputs)

    def outputs(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the outputs ``[points, out_features]`` for parts ``[1, points, in_features]``."""
        layers = [self._layers(index, part) for index, part in enumerate(parts)]
        pairs = zip(layers, parts, strict=True)
        return torch.cat([each.forward(part)[0].T.clone() for each, part in pairs])

    def gradients(self, parts: Sequence[Tensor], deltas: Tensor) -> list[Tensor]:
        """Return the gradients of all parameters, in new tensors.

        Args:
            parts: inputs ``[1, points, in_features]``.
            deltas: derivatives of the loss with regard to the outputs, ``[points, out_features]``.
        """
        numbered = list(enumerate(zip(parts, deltas.split(CPU_POINTS), strict=True)))
        # In reverse, since the activations of the last part are still in their buffers.
        for index, (part, delta) in reversed(numbered):
            layers = self._layers(index, part)
            if layers.x is not part:  # another part has used the buffers since
                layers.forward(part)
            layers.delta.copy_(delta.T)
            layers.backward(add=index < len(parts) - 1)
        return [gradient.clone() for gradient in self._gradients]

    def _layers(self, index: int, part: Tensor) -> BoundLayers:
        """Return the layers with the buffers of a part; parts that do not fit share the last."""
        return self._closed_form.bound(1, part.shape[1], min(index, self._last_slot))


class _Outputs(torch.autograd.Function):
    """Outputs of a ``ClosedFormNetwork`` for inputs ``[points, in_features]``."""

    @staticmethod
    def forward(ctx: Any, network: ClosedFormNetwork, x: Tensor, *parameters: Tensor) -> Tensor:
        ctx.network, ctx.parts = network, x.unsqueeze(0).split(CPU_POINTS, 1)
        return network.outputs(ctx.parts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, deltas: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *ctx.network.gradients(ctx.parts, deltas)
