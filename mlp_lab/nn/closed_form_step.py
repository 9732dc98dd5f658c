"""A training step of stacked networks with closed-form gradients."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from mlp_lab.nn.closed_form import ClosedForm
from mlp_lab.nn.microbatches import microbatches
from mlp_lab.nn.output_deltas import OutputDelta
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
    ) -> None:
        self._output_delta = output_delta
        self._microbatch_size = microbatch_size
        self._groups = [optimizer.param_groups[0] for optimizer in optimizers]
        parameters = list(network.parameters())
        self._outputs = len(parameters[-1]) // len(optimizers)
        plain = all(type(optimizer) is SGD for optimizer in optimizers) and not any(
            group["momentum"] or group["weight_decay"] for group in self._groups
        )
        plain &= batch_size <= microbatch_size  # else a part would change the weights of the next
        weights = [parameter.detach() for parameter in parameters]
        self._gradients = None if plain else [torch.zeros_like(weight) for weight in weights]
        self._steps = Steps(parameters, optimizers)
        self._closed_form = ClosedForm(network, len(optimizers), self._gradients or weights)

    @torch.no_grad()
    def __call__(self, x: Tensor, y: Tensor, rates: Tensor) -> Tensor:
        """Step with the mean gradients over a minibatch; return the outputs before the step.

        Args:
            x: inputs ``[orders, batch, features]``, where ``orders`` divides the members.
            y: targets ``[members, batch, ...]``.
            rates: learning rate of each member, ``[members]``.
        """
        members, batch = y.shape[:2]
        if self._gradients is None:
            for group, rate in zip(self._groups, rates.tolist(), strict=True):
                group["lr"] = rate
            return self._add(x, y, -rates.to(x).view(members, 1, 1) / batch, 1.0)
        outputs: list[Tensor] = []
        for part, target, share in microbatches(x, y, self._microbatch_size, axis=1):
            scale = x.new_tensor(share / target.shape[1])
            outputs.append(self._add(part, target, scale, 1.0 if outputs else 0.0))
        self._steps(self._gradients, rates)
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, 1)

    def _add(self, x: Tensor, y: Tensor, scale: Tensor, beta: float) -> Tensor:
        """Add ``scale`` times the gradients of the summed losses; return the outputs."""
        members, batch = y.shape[:2]
        outputs = x.new_empty(members, self._outputs, batch)
        self._closed_form.forward(x, outputs)
        self._closed_form.backward(self._output_delta(outputs, y).mul_(scale), beta)
        return outputs.mT
