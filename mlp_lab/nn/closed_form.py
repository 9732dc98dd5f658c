"""Back-propagation in matrix form for a stack of networks, in preallocated buffers.

Layer l of a network turns the outputs g_(l-1) of the layer below into

    f_l = W_l g_(l-1) + b_l,    g_l = a(f_l),                                           (1)

where g_0 are the inputs x and the last f are the network's outputs. With the deltas
D_l = dE/df_l of the error E,

    D_(l-1) = (W_l^T D_l) * a'(f_(l-1)),                                                (2)
    dE/dW_l = D_l g_(l-1)^T,    dE/db_l = the sum of D_l over the examples              (3)

(Rumelhart, Hinton and Williams 1986; Bishop 2006, equations 5.53 and 5.56), from the last D on,
which is the derivative of the loss (``output_deltas.py``). ``closed_form_layers.py`` has these
equations, and those of normalization, dropout and residual blocks.

All of it is linear in D. Multiplied by -lr / batch at the output, the products (3) are what plain
gradient descent adds to the weights, so that they can be added there at once.

The tensors of a layer are ``[members, features, batch]``: a column is an example, as on the slides,
and the products of all members are one batched product. A single network is a stack of one. For
each size of a minibatch, the layers are bound to buffers once; the products of a step write into
these, by one torch function for each operation of the formulas.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mlp_lab.nn.closed_form_layers import (
    ActivationLayer,
    BatchNormLayer,
    DropoutLayer,
    Layer,
    LayerNormLayer,
    LinearLayer,
    NoClosedFormError,
    ResidualLayer,
)
from mlp_lab.nn.mlp import Residual
from mlp_lab.nn.output_deltas import OutputDelta
from mlp_lab.nn.stacking import (
    StackedBatchNorm,
    StackedDropout,
    StackedLayerNorm,
    StackedLinear,
    UnstackableError,
    shape,
)


def check_stackable(network: nn.Module) -> None:
    """Raise NoClosedFormError if a network can't be stacked, which closed forms require."""
    try:
        shape(network)
    except UnstackableError as error:
        raise NoClosedFormError(f"network: {error}") from error


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
        self._targets = dict(zip(map(id, network.parameters()), targets, strict=True))
        self._bound: dict[tuple[int, int, int], BoundLayers] = {}
        self._deltas: dict[tuple[int, int], Tensor] = {}
        self.bound(1, 1)  # raises at once what it can't bind

    def bound(self, orders: int, batch: int, slot: int = 0) -> "BoundLayers":
        """Return the layers with buffers for minibatches of one size.

        Args:
            orders: number of different minibatches, which divides the members.
            batch: number of examples in each of them.
            slot: index of a set of output buffers; all sets share the buffers of deltas.
        """
        key = orders, batch, slot
        if key not in self._bound:
            modules = list(self._network.children())
            if not modules or not isinstance(modules[0], StackedLinear):
                raise NoClosedFormError("the first layer must be linear")
            first = self._linear(modules[0], None, None, batch, orders)
            layers = [first, *self._bind(modules[1:], first.output, first.delta)]
            self._bound[key] = BoundLayers(first, layers)
        return self._bound[key]

    def differentiate(
        self, x: Tensor, y: Tensor, output_delta: OutputDelta, scale: Tensor | float, add: bool
    ) -> Tensor:
        """Compute the gradients of the summed losses of a minibatch.

        Args:
            x: inputs ``[orders, batch, features]``.
            y: targets from ``targets_like_outputs``.
            output_delta: derivative of the loss of an example.
            scale: factor of the gradients, a number or ``[members, 1, 1]``.
            add: whether the gradients are added to the targets, or replace them.

        Returns:
            The outputs ``[members, outputs, batch]``, in a buffer.
        """
        layers = self.bound(*x.shape[:2])
        outputs = layers.forward(x)
        torch.mul(output_delta(outputs, y), scale, out=layers.delta)
        layers.backward(add)
        return outputs

    def _bind(
        self, modules: Sequence[nn.Module], x: Tensor, below: Tensor, keep: bool = False
    ) -> list[Layer]:
        """Return layers on top of each other.

        Args:
            modules: stacked layers.
            x: outputs of the layer below.
            below: buffer of its delta.
            keep: whether the first layer must not change ``x``, which is needed again.
        """
        layers: list[Layer] = []
        for module in modules:
            # An activation needs its output for its slope.
            in_place = not isinstance(layers[-1], ActivationLayer) if layers else not keep
            layer = self._layer(module, x, below, in_place)
            if layer is not None:
                layers.append(layer)
                x, below = layer.output, layer.delta
        return layers

    def _layer(self, module: nn.Module, x: Tensor, below: Tensor, in_place: bool) -> Layer | None:
        if isinstance(module, StackedLinear):
            return self._linear(module, x, below, x.shape[2], 0)
        if isinstance(module, Residual):
            return ResidualLayer(self._bind(list(module.children()), x, below, keep=True), x, below)
        if isinstance(module, StackedDropout):
            return DropoutLayer(module, x, below)
        if isinstance(module, StackedBatchNorm | StackedLayerNorm):
            targets = (self._targets[id(module.weight)], self._targets[id(module.bias)])
            kind = BatchNormLayer if isinstance(module, StackedBatchNorm) else LayerNormLayer
            return kind(module, targets, x, below)
        return None if type(module) is nn.Identity else ActivationLayer(module, x, below, in_place)

    def _linear(
        self,
        module: StackedLinear,
        x: Tensor | None,
        below: Tensor | None,
        batch: int,
        orders: int,
    ) -> LinearLayer:
        weight, bias = module.weight, module.bias
        targets = self._targets[id(weight)], self._targets[id(bias)]
        parameters = weight.detach(), bias.detach()
        key = id(module), batch
        if key not in self._deltas:
            shape = self._members, len(bias) // self._members, batch
            self._deltas[key] = torch.empty(shape, dtype=bias.dtype)
        return LinearLayer(parameters, targets, self._deltas[key], x, below, orders)


class BoundLayers:
    """The layers of a network, bound to the buffers of one size of a minibatch.

    Attributes:
        x: the inputs of the latest ``forward``; None before.
        delta: buffer for dE/df of the outputs, ``[members, outputs, batch]``.
    """

    def __init__(self, first: LinearLayer, layers: Sequence[Layer]) -> None:
        self._first = first
        self._layers = layers
        self._reversed = layers[::-1]
        self.x: Tensor | None = None
        self._outputs = layers[-1].output
        self.delta = layers[-1].delta

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs ``[members, outputs, batch]``, in a buffer.

        Args:
            x: inputs ``[orders, batch, features]``.
        """
        if x is not self.x:
            self.x = x
            self._first.read(x.mT)
        for layer in self._layers:
            layer.forward()
        return self._outputs

    def backward(self, add: bool) -> None:
        """Compute the gradients for the latest minibatch, given ``delta``, which is overwritten.

        Args:
            add: whether the gradients are added to their targets, or replace them.
        """
        for layer in self._reversed:
            layer.backward(add)
