"""Back-propagation in matrix form for a stack of networks, in preallocated buffers.

Layer l of a network turns the outputs g_(l-1) of the layer below into

    f_l = W_l g_(l-1) + b_l,    g_l = a(f_l),                                           (1)

where g_0 are the inputs x and the last f are the network's outputs. With the deltas
D_l = dE/df_l of the error E,

    D_(l-1) = (W_l^T D_l) * a'(f_(l-1)),                                                (2)
    dE/dW_l = D_l g_(l-1)^T,    dE/db_l = the sum of D_l over the examples              (3)

(Rumelhart, Hinton and Williams 1986; Bishop 2006, equations 5.53 and 5.56), from the last D on,
which is the derivative of the loss (``nn/output_deltas.py``).

All of it is linear in D. Multiplied by -lr / batch at the output, the products (3) are what plain
gradient descent adds to the weights, so that they can be added there at once.

The tensors of a layer are ``[members, features, batch]``: a column is an example, as on the slides,
and the products of all members are one batched product. Buffers are allocated once for each batch
size; a step allocates nothing. A single network is a stack of one.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from mlp_lab.nn.activation_derivatives import DERIVATIVES
from mlp_lab.nn.activations import ACTIVATIONS
from mlp_lab.nn.mlp import Residual
from mlp_lab.nn.siren import Sine
from mlp_lab.nn.stacking import (
    StackedActivations,
    StackedBatchNorm,
    StackedDropout,
    StackedLayerNorm,
    StackedLinear,
)


class NoClosedFormError(Exception):
    """A network with a layer whose derivative is not in this module."""


class Layer(Protocol):
    """A layer of the stack with its buffers for one batch size."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs for ``x``, both ``[members, features, batch]``."""
        ...

    def backward(self, delta: Tensor, beta: float) -> Tensor:
        """Return the delta of the inputs, from that of the outputs.

        The targets of the layer's parameters become beta times what they were plus the gradients.
        """
        ...


class ClosedForm:
    """Computes the gradients of a stacked network by equations (1) to (3).

    Args:
        network: a network from ``stacking.stack``.
        members: number of networks in the stack.
        targets: what the gradients are added to, in the order of ``network.parameters()``: buffers
            of the same shapes, or the parameters themselves.

    Raises:
        NoClosedFormError: for a network with any other layer.
    """

    def __init__(self, network: nn.Module, members: int, targets: Sequence[Tensor]) -> None:
        self._network = network
        self._members = members
        parameters = list(network.parameters())
        self._targets = dict(zip(map(id, parameters), targets, strict=True))
        self._layers: dict[tuple[int, int], list[Layer]] = {}
        self._bound(1, 1)  # raises at once what it can't bind

    def forward(self, x: Tensor, out: Tensor) -> None:
        """Compute the outputs.

        Args:
            x: inputs ``[orders, batch, features]``, where ``orders`` divides the members.
            out: becomes the outputs, ``[members, outputs, batch]``.
        """
        self._current = self._bound(*x.shape[:2])
        g = x.mT
        for layer in self._current[:-1]:
            g = layer.forward(g)
        last = self._current[-1]
        assert isinstance(last, LinearLayer)
        last.forward(g, out)

    def backward(self, delta: Tensor, beta: float = 1.0) -> None:
        """Add the gradients to the targets, which are multiplied by ``beta`` before.

        Args:
            delta: dE/df of the outputs, ``[members, outputs, batch]``, of the minibatch that
                ``forward`` was given last. It may be overwritten.
            beta: 0 overwrites the targets.
        """
        for layer in reversed(self._current):
            delta = layer.backward(delta, beta)

    def _bound(self, orders: int, batch: int) -> list[Layer]:
        """Return the layers with buffers for the given numbers of minibatches and examples."""
        if (orders, batch) not in self._layers:
            self._layers[orders, batch] = self._bind(list(self._network.children()), orders, batch)
        return self._layers[orders, batch]

    def _bind(self, modules: Sequence[nn.Module], orders: int, batch: int) -> list[Layer]:
        layers: list[Layer] = []
        for place, module in enumerate(modules):
            first = orders > 0 and place == 0
            in_place = orders > 0 or place > 0  # the input of a residual block is needed again
            if isinstance(module, StackedLinear):
                layers.append(self._linear(module, orders if first else 0, batch))
            elif isinstance(module, Residual):
                layers.append(ResidualLayer(self._bind(list(module.children()), 0, batch)))
            elif isinstance(module, StackedDropout):
                layers.append(DropoutLayer(module))
            elif isinstance(module, StackedBatchNorm | StackedLayerNorm):
                targets = (self._targets[id(module.weight)], self._targets[id(module.bias)])
                kind = BatchNormLayer if isinstance(module, StackedBatchNorm) else LayerNormLayer
                layers.append(kind(module, self._members, *targets))
            elif type(module) is not nn.Identity:
                layers.append(ActivationLayer(module, in_place))
        return layers

    def _linear(self, module: StackedLinear, orders: int, batch: int) -> "LinearLayer":
        return LinearLayer(
            module.weight.detach(),
            module.bias.detach(),
            self._targets[id(module.weight)],
            self._targets[id(module.bias)],
            self._members,
            batch,
            orders,
        )


class LinearLayer:
    """f = W x + b for all members, equations (1) to (3).

    Args:
        weight: ``[members * outputs, inputs]``.
        bias: ``[members * outputs]``.
        weight_target: see ``ClosedForm``.
        bias_target: see ``ClosedForm``.
        members: number of members.
        batch: examples in a minibatch.
        orders: number of minibatches that a first layer sees; 0 for a later layer.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        weight_target: Tensor,
        bias_target: Tensor,
        members: int,
        batch: int,
        orders: int,
    ) -> None:
        parts = orders or members
        outputs, inputs = len(weight) // members, weight.shape[1]
        shape = (len(weight), batch) if parts == 1 else (parts, len(weight) // parts, batch)
        self._shape = shape
        self._weight = weight.view(*shape[:-1], inputs)
        self._bias = bias.view(*shape[:-1], 1)
        self._weight_target = weight_target.view(*shape[:-1], inputs)
        self._bias_target = bias_target
        self._f = weight.new_empty(members, outputs, batch)
        self._ones = weight.new_ones(batch)
        self._below = None if orders else weight.new_empty(members, inputs, batch)
        self._affine: Callable = torch.addmm if parts == 1 else torch.baddbmm
        self._product: Callable = torch.mm if parts == 1 else torch.bmm

    def forward(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        f = self._f if out is None else out
        self._x = x[0] if len(self._shape) == 2 else x
        self._affine(self._bias, self._weight, self._x, out=f.view(self._shape))
        return f

    def backward(self, delta: Tensor, beta: float) -> Tensor:
        parts = delta.view(self._shape)
        below = self._below
        if below is not None:
            out = below[0] if len(self._shape) == 2 else below
            self._product(self._weight.mT, parts, out=out)
        target = self._weight_target
        self._affine(target, parts, self._x.mT, beta=beta, out=target)
        self._bias_target.addmv_(delta.view(-1, delta.shape[-1]), self._ones, beta=beta)
        return delta if below is None else below


class ActivationLayer:
    """g = a(f), pointwise, with the derivatives of ``activation_derivatives``.

    Args:
        module: the activation, or one for each member.
        in_place: store g in the buffer of f, where a' can be computed from g alone.
    """

    def __init__(self, module: nn.Module, in_place: bool) -> None:
        modules = list(module.activations) if isinstance(module, StackedActivations) else [module]
        for each in modules:
            if type(each) not in _SLOPES and not isinstance(each, Sine):
                raise NoClosedFormError(f"{type(each).__name__} has no closed-form derivative")
        self._modules = modules
        self._in_place = in_place and all(type(each) in _IN_PLACE for each in modules)
        self._g: Tensor | None = None

    def forward(self, f: Tensor) -> Tensor:
        self._f = f
        if self._in_place:
            self._g = f
        elif self._g is None:
            self._g = torch.empty_like(f)
        g = self._g
        assert g is not None
        for module, sums, out in self._parts(f, g):
            value = _IN_PLACE.get(type(module))
            if self._in_place and value is not None:
                value(sums)
            else:
                out.copy_(module(sums))
        return g

    def backward(self, delta: Tensor, beta: float) -> Tensor:
        for module, part, f, g in self._parts(delta, self._f, self._g):
            part.mul_(_slope(module, f, g))
        return delta

    def _parts(self, *tensors: Tensor | None) -> Iterable[tuple]:
        """Return each activation with its part of tensors ``[members, features, batch]``."""
        if len(self._modules) == 1:
            return [(self._modules[0], *tensors)]
        return zip(self._modules, *tensors, strict=True)


class DropoutLayer:
    """Inverted dropout: g = m f with m = 0 or 1 / (1 - p) (Srivastava et al. 2014, section 10)."""

    def __init__(self, module: StackedDropout) -> None:
        self._module = module
        self._mask = torch.empty(0)

    def forward(self, f: Tensor) -> Tensor:
        if self._mask.shape != f.mT.shape:  # drawn in the order of examples, as torch's dropout
            self._mask, self._g = f.new_empty(f.mT.shape), torch.empty_like(f)
        kept, generators = self._module.kept, self._module.generators
        for mask, probability, generator in zip(self._mask, kept, generators, strict=True):
            mask.bernoulli_(probability, generator=generator).div_(probability)
        return torch.mul(f, self._mask.mT, out=self._g)

    def backward(self, delta: Tensor, beta: float) -> Tensor:
        return delta.mul_(self._mask.mT)


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
        members: int,
        weight: Tensor,
        bias: Tensor,
    ) -> None:
        self._module: Any = module
        shape = (members, -1, 1)
        self._weight = module.weight.detach().view(shape)
        self._bias = module.bias.detach().view(shape)
        self._targets = weight, bias
        self._normal = torch.empty(0)

    def forward(self, f: Tensor) -> Tensor:
        if self._normal.shape != f.shape:
            self._normal, self._g = torch.empty_like(f), torch.empty_like(f)
        variance, mean = torch.var_mean(f, self.axis, correction=0, keepdim=True)
        self._record(mean, variance, f.shape[2])
        self._scale = variance.add_(self._module.eps).rsqrt_()
        torch.sub(f, mean, out=self._normal).mul_(self._scale)
        return torch.addcmul(self._bias, self._normal, self._weight, out=self._g)

    def _record(self, mean: Tensor, variance: Tensor, batch: int) -> None:
        module = self._module
        module.num_batches_tracked += 1
        unbiased = variance * (batch / (batch - 1))
        module.running_mean.lerp_(mean.flatten(), module.momentum)
        module.running_var.lerp_(unbiased.flatten(), module.momentum)

    def backward(self, delta: Tensor, beta: float) -> Tensor:
        product = torch.mul(delta, self._normal, out=self._g)
        for target, gradient in zip(self._targets, (product, delta), strict=True):
            total = gradient.sum(2).flatten()
            target.copy_(total if beta == 0 else target.mul_(beta).add_(total))
        if self.axis == 1:  # the weight differs along the axis of the means
            delta = delta.mul_(self._weight)
            product = torch.mul(delta, self._normal, out=self._g)
        mean, mean_product = delta.mean(self.axis, True), product.mean(self.axis, True)
        delta.sub_(mean).sub_(torch.mul(self._normal, mean_product, out=self._g))
        delta.mul_(self._scale)
        return delta if self.axis == 1 else delta.mul_(self._weight)


class LayerNormLayer(BatchNormLayer):
    """As ``BatchNormLayer``, with means over the features of each example (Ba et al. 2016)."""

    axis = 1

    def _record(self, mean: Tensor, variance: Tensor, batch: int) -> None:
        return


class ResidualLayer:
    """g = f + F(f), where F are the layers of the block: D_f = D + the delta that F gives."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers

    def forward(self, f: Tensor) -> Tensor:
        g = f
        for layer in self._layers:
            g = layer.forward(g)
        return g.add_(f)

    def backward(self, delta: Tensor, beta: float) -> Tensor:
        below = delta
        for layer in reversed(self._layers):
            below = layer.backward(below, beta)
        return below.add_(delta)


def _slope(module: nn.Module, f: Tensor, g: Tensor) -> Tensor:
    """Return a'(f)."""
    if isinstance(module, Sine):
        return module.omega * torch.cos(module.omega * f)
    return _SLOPES[type(module)](f, g)


# The activation g = a(f) in place, where the sign or the value of g gives a'(f).
_IN_PLACE: dict[type[nn.Module], Callable[[Tensor], Tensor]] = {
    nn.ReLU: torch.relu_,
    nn.Sigmoid: torch.sigmoid_,
    nn.Tanh: torch.tanh_,
}
_SLOPES = {type(ACTIVATIONS[name]()): value.slope for name, value in DERIVATIVES.items()}
