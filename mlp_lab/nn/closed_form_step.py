"""Training steps of stacked networks with closed-form gradients."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from mlp_lab.nn.closed_form import ClosedForm
from mlp_lab.nn.gradient_clipping import GradientClipping
from mlp_lab.nn.output_deltas import OutputDelta, targets_like_outputs
from mlp_lab.nn.stacked_optimizers import Steps


class ClosedFormStep:
    """Steps the optimizer of each network of a stack.

    Plain gradient descent is part of the products that give the gradients: the weights are what
    these are added to. Other optimizers get gradients in buffers of their own.

    Args:
        network: stacked networks (``stacking.stack``).
        optimizers: optimizer of each network.
        output_delta: derivative of the loss.
        batch_size: number of examples in a minibatch.
        microbatch_size: largest number of examples that are differentiated at a time.
        clip: clips the gradients before each step; None: no clipping.

    Raises:
        NoClosedFormError: the network has a layer without closed form.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizers: Sequence[Optimizer],
        output_delta: OutputDelta,
        batch_size: int,
        microbatch_size: int,
        clip: GradientClipping | None = None,
    ) -> None:
        self._output_delta = output_delta
        self._microbatch_size = microbatch_size
        self._clip = clip
        groups = [optimizer.param_groups[0] for optimizer in optimizers]
        parameters = list(network.parameters())
        weights = [parameter.detach() for parameter in parameters]
        self._members = len(optimizers)
        self._outputs, self._like = len(weights[-1]) // self._members, weights[-1]
        plain = all(type(optimizer) is SGD for optimizer in optimizers) and not any(
            group["momentum"] or group["weight_decay"] or group["maximize"] for group in groups
        )
        plain &= batch_size <= microbatch_size  # else a part would change the weights of the next
        plain &= clip is None
        self._is_plain = plain
        self._gradients = [] if plain else [torch.zeros_like(weight) for weight in weights]
        self._steps = Steps(parameters, optimizers)
        self._views = [] if plain else self._steps.views(self._gradients)
        self._closed_form = ClosedForm(network, self._members, self._gradients or weights)

    def targets(self, y: Tensor) -> Tensor:
        """Return targets as ``__call__`` needs them, in the shape of the outputs.

        Args:
            y: targets ``[orders, batch, ...]``, where ``orders`` divides the members.
        """
        shared = len(y) in (1, self._members)
        y = y if shared else y.repeat_interleave(self._members // len(y), 0)
        return targets_like_outputs(y, self._outputs, self._like.dtype)

    def rates(self, rates: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:
        """Return what ``__call__`` needs as ``rate`` in each of several steps.

        Args:
            rates: learning rates, float64 ``[members, steps]`` on the CPU.
            sizes: number of examples in the minibatch of each step.
        """
        if not self._is_plain:
            return rates.unbind(1)
        scales = (rates / -torch.tensor(sizes)).to(self._like)
        return scales.view(*scales.shape, 1, 1).unbind(1)

    def __call__(self, x: Tensor, y: Tensor, rate: Tensor) -> Tensor:
        """Step with the mean gradients over a minibatch; return the outputs before the step.

        The outputs are ``[members, outputs, batch]``, in a buffer of the next steps.

        Args:
            x: inputs ``[orders, batch, features]``, where ``orders`` divides the members.
            y: targets from ``targets``, ``[orders or members, outputs, batch]``.
            rate: learning rates of the step, from ``rates``.
        """
        if self._is_plain:
            return self._differentiate(x, y, rate, add=True)
        batch = x.shape[1]
        if batch <= self._microbatch_size:
            outputs = self._differentiate(x, y, 1 / batch, add=False)
        else:
            number = math.ceil(batch / self._microbatch_size)
            parts = zip(x.tensor_split(number, 1), y.tensor_split(number, 2), strict=True)
            several: list[Tensor] = []
            for part, target in parts:
                output = self._differentiate(part, target, 1 / batch, add=bool(several))
                several.append(output.clone())
            outputs = torch.cat(several, 2)
        if self._clip is not None:
            self._clip(self._gradients, self._members)
        self._steps(self._views, rate)
        return outputs

    def _differentiate(self, x: Tensor, y: Tensor, scale: Tensor | float, add: bool) -> Tensor:
        """Compute ``scale`` times the gradients of the summed losses; return the outputs."""
        return self._closed_form.differentiate(x, y, self._output_delta, scale, add)
