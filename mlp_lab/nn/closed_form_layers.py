"""Layers of ``closed_form.py``: their outputs and their deltas, in buffers.

A layer computes its outputs g from the outputs f of the layer below, and the delta of f (dE/df)
from the delta D of g. Equation numbers are those of ``closed_form.py``.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from mlp_lab.nn.activation_derivatives import DERIVATIVES
from mlp_lab.nn.activations import ACTIVATIONS
from mlp_lab.nn.siren import Sine
from mlp_lab.nn.stacking import (
    StackedActivations,
    StackedBatchNorm,
    StackedDropout,
    StackedLayerNorm,
)


class NoClosedFormError(Exception):
    """There is no closed form; the message is the reason."""


class Layer(Protocol):
    """A layer, bound to buffers ``[members, features, batch]``.

    Attributes:
        output: what ``forward`` computes.
        delta: D, which must be set before ``backward``, and which this may overwrite.
    """

    output: Tensor
    delta: Tensor

    def forward(self) -> None:
        """Compute the outputs."""
        ...

    def backward(self, add: bool) -> None:
        """Compute the delta of the layer below.

        Args:
            add: whether the layer's gradients are added to their targets, or replace them.
        """
        ...


class LinearLayer:
    """f = W x + b for all members, equations (1) to (3).

    Args:
        parameters: weight ``[members * outputs, inputs]`` and bias ``[members * outputs]``.
        targets: what the gradients of both are added to.
        delta: buffer for the delta of f, ``[members, outputs, batch]``.
        x: inputs ``[members, inputs, batch]``; None for a first layer (see ``read``).
        below: buffer for the delta of x; None for a first layer.
        orders: number of minibatches that a first layer gets; 0 for another layer.
    """

    def __init__(
        self,
        parameters: tuple[Tensor, Tensor],
        targets: tuple[Tensor, Tensor],
        delta: Tensor,
        x: Tensor | None,
        below: Tensor | None,
        orders: int,
    ) -> None:
        weight, bias = parameters
        units, inputs = weight.shape
        members, _, batch = delta.shape
        self.delta = delta
        self.output = torch.empty_like(delta)
        # A first layer has one product for each minibatch. One product needs no batched function.
        parts = orders or members
        self._parts = () if parts == 1 else (parts,)
        shape = (*self._parts, units // parts)
        self._weight, self._bias = weight.view(*shape, inputs), bias.view(*shape, 1)
        self._weight_target, self._bias_target = targets[0].view(*shape, inputs), targets[1]
        self._f, self._delta = self.output.view(*shape, batch), self.delta.view(*shape, batch)
        self._delta_of_units = self.delta.view(units, batch)
        self._ones = weight.new_ones(batch)
        self._affine: Callable = torch.addmm if parts == 1 else torch.baddbmm
        self._product: Callable = torch.mm if parts == 1 else torch.bmm
        self._weight_transposed = self._weight.mT
        self._below = None if below is None else below.view(*self._parts, inputs, batch)
        if x is not None:
            self.read(x)

    def read(self, x: Tensor) -> None:
        """Set the inputs: ``[members, inputs, batch]`` or, in a first layer, ``[orders, ...]``."""
        self._x = x if self._parts else x[0]
        self._x_transposed = self._x.mT

    def forward(self) -> None:
        self._product(self._weight, self._x, out=self._f).add_(self._bias)

    def backward(self, add: bool) -> None:
        if self._below is not None:
            self._product(self._weight_transposed, self._delta, out=self._below)
        target = self._weight_target
        self._affine(target, self._delta, self._x_transposed, beta=int(add), out=target)
        self._bias_target.addmv_(self._delta_of_units, self._ones, beta=int(add))


class ActivationLayer:
    """g = a(f), pointwise, with the derivatives of ``activation_derivatives``.

    Args:
        module: the activation, or one for each member.
        f: arguments ``[members, features, batch]``.
        below: buffer for the delta of f; it is also that of g.
        in_place: whether g may overwrite f if a'(f) can be computed from g.
    """

    def __init__(self, module: nn.Module, f: Tensor, below: Tensor, in_place: bool) -> None:
        modules = list(module.activations) if isinstance(module, StackedActivations) else [module]
        for each in modules:
            if type(each) not in _SLOPES and not isinstance(each, Sine):
                raise NoClosedFormError(f"{type(each).__name__} has no closed-form derivative")
        in_place = in_place and all(type(each) in _IN_PLACE for each in modules)
        self.output = f if in_place else torch.empty_like(f)
        self.delta = below
        tensors = f, self.output, below
        parts = [tensors] if len(modules) == 1 else zip(*tensors, strict=True)
        self._parts = list(zip(modules, parts, strict=True))
        self._in_place = in_place

    def forward(self) -> None:
        for module, (f, g, _) in self._parts:
            if self._in_place:
                _IN_PLACE[type(module)][0](f)
            else:
                g.copy_(module(f))

    def backward(self, add: bool) -> None:
        for module, (f, g, delta) in self._parts:
            if type(module) in _IN_PLACE:
                _IN_PLACE[type(module)][1](g, delta)
            else:
                delta.mul_(_slope(module, f, g))


class DropoutLayer:
    """Inverted dropout: g = m f with m = 0 or 1 / (1 - p) (Srivastava et al. 2014, section 10)."""

    def __init__(self, module: StackedDropout, f: Tensor, below: Tensor) -> None:
        self._f = f
        self.output = torch.empty_like(f)
        self.delta = below
        masks = f.new_empty(f.mT.shape)  # in torch's order of random numbers
        self._mask = masks.mT
        self._draws = list(zip(masks, module.kept, module.generators, strict=True))

    def forward(self) -> None:
        for mask, probability, generator in self._draws:
            mask.bernoulli_(probability, generator=generator).div_(probability)
        torch.mul(self._f, self._mask, out=self.output)

    def backward(self, add: bool) -> None:
        self.delta.mul_(self._mask)


class BatchNormLayer:
    """g = w n + b with n = (f - mean) / sqrt(variance + eps) over the minibatch.

    With the mean over the minibatch written <.>,

        D_f = w / sqrt(variance + eps) (D - <D> - n <D n>)

    (Ioffe and Szegedy 2015, algorithm 1 and section 3).
    """

    axis = 2

    def __init__(
        self,
        module: StackedBatchNorm | StackedLayerNorm,
        targets: tuple[Tensor, Tensor],
        f: Tensor,
        below: Tensor,
    ) -> None:
        self._module: Any = module
        shape = (len(f), -1, 1)
        self._weight = module.weight.detach().view(shape)
        self._bias = module.bias.detach().view(shape)
        self._targets = targets
        self._f = f
        self._normal, self._product = torch.empty_like(f), torch.empty_like(f)
        self.output = torch.empty_like(f)
        self.delta = below

    def forward(self) -> None:
        f = self._f
        variance, mean = torch.var_mean(f, self.axis, correction=0, keepdim=True)
        self._record(mean, variance, f.shape[2])
        self._scale = variance.add_(self._module.eps).rsqrt_()
        torch.sub(f, mean, out=self._normal).mul_(self._scale)
        torch.addcmul(self._bias, self._normal, self._weight, out=self.output)

    def _record(self, mean: Tensor, variance: Tensor, batch: int) -> None:
        module = self._module
        module.num_batches_tracked += 1
        unbiased = variance * (batch / (batch - 1))
        module.running_mean.lerp_(mean.flatten(), module.momentum)
        module.running_var.lerp_(unbiased.flatten(), module.momentum)

    def backward(self, add: bool) -> None:
        delta, normal = self.delta, self._normal
        product = torch.mul(delta, normal, out=self._product)
        gradients = [product.sum(2).flatten(), delta.sum(2).flatten()]
        if self.axis == 1:  # the weight differs along the axis of the means
            delta.mul_(self._weight)
            torch.mul(delta, normal, out=product)
        mean, mean_product = delta.mean(self.axis, True), product.mean(self.axis, True)
        delta.sub_(mean).sub_(torch.mul(normal, mean_product, out=product)).mul_(self._scale)
        if self.axis == 2:
            delta.mul_(self._weight)
        # Last, since the weight can be one of the targets.
        for target, gradient in zip(self._targets, gradients, strict=True):
            target.copy_(target + gradient if add else gradient)


class LayerNormLayer(BatchNormLayer):
    """As ``BatchNormLayer``, with means over the features of each example (Ba et al. 2016)."""

    axis = 1

    def _record(self, mean: Tensor, variance: Tensor, batch: int) -> None:
        return


class ResidualLayer:
    """g = f + F(f), where F are the layers of the block: D_f = D + the delta that F gives.

    Args:
        layers: the layers of the block; the last one is linear.
        f: inputs of the block.
        below: buffer for the delta of f.
    """

    def __init__(self, layers: Sequence[Layer], f: Tensor, below: Tensor) -> None:
        self._layers = layers
        self._f, self._below = f, below
        self.output, self.delta = layers[-1].output, layers[-1].delta

    def forward(self) -> None:
        for layer in self._layers:
            layer.forward()
        self.output.add_(self._f)

    def backward(self, add: bool) -> None:
        for layer in reversed(self._layers):
            layer.backward(add)
        self._below.add_(self.delta)


def _slope(module: nn.Module, f: Tensor, g: Tensor) -> Tensor | float:
    """Return a'(f)."""
    if isinstance(module, Sine):
        return module.omega * torch.cos(module.omega * f)
    return _SLOPES[type(module)](f, g)


# Autograd's functions, which read and write the delta once. torch has no public names for them.
_aten = torch.ops.aten


def _times_relu_slope(g: Tensor, delta: Tensor) -> None:
    _aten.threshold_backward.grad_input(delta, g, 0, grad_input=delta)


def _times_sigmoid_slope(g: Tensor, delta: Tensor) -> None:
    _aten.sigmoid_backward.grad_input(delta, g, grad_input=delta)


def _times_tanh_slope(g: Tensor, delta: Tensor) -> None:
    _aten.tanh_backward.grad_input(delta, g, grad_input=delta)


# The activation g = a(f) in place, and delta a'(f) in place, where g gives a'(f).
_IN_PLACE: dict[
    type[nn.Module], tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], None]]
] = {
    nn.ReLU: (torch.relu_, _times_relu_slope),
    nn.Sigmoid: (torch.sigmoid_, _times_sigmoid_slope),
    nn.Tanh: (torch.tanh_, _times_tanh_slope),
}
_SLOPES: dict[type[nn.Module], Callable[[Any, Any], Any]] = {
    type(ACTIVATIONS[name]()): value.slope for name, value in DERIVATIVES.items()
}
