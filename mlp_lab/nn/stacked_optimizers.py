"""Steps of several optimizers at once, for networks that train as one (see ``stacking.py``)."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

Gradients = tuple[Tensor, ...]
Step = Callable[[Gradients], None]


class Steps:
    """One step of several optimizers, each on its network's slice of stacked gradients.

    Gradient descent that remembers nothing is one update of the stacked parameters. What other
    optimizers remember they remember for themselves, so that they step one after the other, by
    torch's fused kernels where there are any: several times as fast as updates of the stacked
    parameters in as many passes through the memory as their formulas have terms.

    Args:
        parameters: of the stack, ``[members * ..., ...]`` each, one member's after the other's.
        optimizers: of the members.
    """

    def __init__(self, parameters: Sequence[Tensor], optimizers: Sequence[Optimizer]) -> None:
        self._parameters = [p.detach().view(len(optimizers), -1) for p in parameters]
        self._groups = [optimizer.param_groups[0] for optimizer in optimizers]
        # Rates in bfloat16 would have two digits.
        self._descent = parameters[0].dtype != torch.bfloat16 and all(
            type(o) is SGD and o.param_groups[0]["momentum"] == 0 for o in optimizers
        )
        self._own = [] if self._descent else [_step_of(optimizer) for optimizer in optimizers]
        decays = [group["weight_decay"] for group in self._groups if self._descent]
        self._decays = self._column(torch.tensor(decays)) if any(decays) else None

    @torch.no_grad()
    def __call__(self, gradients: Sequence[Tensor], rates: Tensor) -> None:
        """Step with the gradients of the parameters and the members' learning rates ``[members]``.

        The rates may lie on another device than the rest.
        """
        for group, rate in zip(self._groups, rates.tolist(), strict=True):
            group["lr"] = rate
        if self._descent:
            self._descend(gradients, self._column(rates))
            return
        # The kernels go through the memory as it lies.
        slices = zip(*(g.contiguous().chunk(len(self._own)) for g in gradients), strict=True)
        for step, own in zip(self._own, slices, strict=True):
            step(own)

    def _descend(self, gradients: Sequence[Tensor], rates: Tensor) -> None:
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            gradient = gradient.reshape(parameter.shape)
            if self._decays is not None:
                gradient = torch.addcmul(gradient, parameter, self._decays)
            parameter.addcmul_(gradient, rates, value=-1)

    def _column(self, values: Tensor) -> Tensor:
        """A value a member, as the parameters can be multiplied by: ``[members, 1]``."""
        return values.to(self._parameters[0]).unsqueeze(1)


def _step_of(optimizer: Optimizer) -> Step:
    """A step of the optimizer, which has one group of parameters, with given gradients."""
    group = optimizer.param_groups[0]
    if group.get("fused") and type(optimizer) in _FUSED:
        return _FUSED[type(optimizer)](optimizer, group)

    def step(gradients: Gradients) -> None:
        for parameter, gradient in zip(group["params"], gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()

    return step


def _sgd(optimizer: Optimizer, group: dict[str, Any]) -> Step:
    # A buffer of zeros gives in the first step what torch gives without one.
    buffers = _states(optimizer, "momentum_buffer") if group["momentum"] else []

    def step(gradients: Gradients) -> None:
        torch._fused_sgd_(
            group["params"],
            gradients,
            buffers,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            dampening=0.0,
            nesterov=group["nesterov"],
            maximize=False,
            is_first_step=False,
        )

    return step


def _adam(optimizer: Optimizer, group: dict[str, Any]) -> Step:
    kernel = torch._fused_adamw_ if isinstance(optimizer, AdamW) else torch._fused_adam_
    counts = _states(optimizer, "step", lambda p: torch.zeros((), device=p.device))
    means, squares = _states(optimizer, "exp_avg"), _states(optimizer, "exp_avg_sq")

    def step(gradients: Gradients) -> None:
        torch._foreach_add_(counts, 1)
        kernel(
            group["params"],
            gradients,
            means,
            squares,
            [],
            counts,
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )

    return step


_FUSED: dict[type[Optimizer], Callable[[Optimizer, dict[str, Any]], Step]] = {
    SGD: _sgd,
    Adam: _adam,
    AdamW: _adam,
}


def _states(
    optimizer: Optimizer, name: str, start: Callable[[Tensor], Tensor] = torch.zeros_like
) -> list[Tensor]:
    """What the optimizer remembers of each parameter under ``name``, made where it isn't yet."""
    states = [optimizer.state[parameter] for parameter in optimizer.param_groups[0]["params"]]
    for state, parameter in zip(states, optimizer.param_groups[0]["params"], strict=True):
        if state.get(name) is None:
            state[name] = start(parameter.detach())
    return [state[name] for state in states]
