"""Several networks of one shape as a single one, with a leading member axis.

In small networks, overhead takes more time than arithmetic. Stacked, the first layers of all
members are one large matrix product if they get the same minibatch, the other layers are one
batched product each, and the overhead of a step occurs once. ``torch.func.vmap`` of the same step
takes 2.4 to 3 times as long (784-30-10 units, minibatches of 10, 8 members, one thread).

A stacked tensor contains the tensors of all members, concatenated along the first axis, like the
units of one wide layer. The parameters and buffers of the members become views of the stacked
tensors, so that each member remains an ordinary network with its current weights.
"""

from collections.abc import Hashable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlp_lab.nn.activations import ACTIVATIONS, is_registered
from mlp_lab.nn.mlp import Residual
from mlp_lab.nn.siren import Sine


class UnstackableError(Exception):
    """A network cannot be stacked; the message is the reason."""


def shape(network: nn.Module) -> Hashable:
    """Return a value that is equal for networks that can be stacked with each other.

    Activations, and numbers such as the probability of dropout, may differ.

    Raises:
        UnstackableError: the network cannot be stacked.
    """
    shapes = _shape(network)
    every = list(network.named_parameters(remove_duplicate=False))
    if len(every) > len(list(network.parameters())):
        raise UnstackableError("layers share parameters")
    layers = [m for m in network.modules() if type(m) in _LAYERS or is_registered(m)]
    if layers and not isinstance(layers[0], nn.Linear):
        raise UnstackableError(f"its first layer is {type(layers[0]).__name__}")
    return shapes


def _shape(network: nn.Module) -> Hashable:
    kind = type(network)
    if kind in _POINTWISE:
        return "activation"
    if is_registered(network):
        if network.state_dict():
            raise UnstackableError(f"{kind.__name__} has parameters or buffers")
        return "activation"
    if kind in _LAYERS:
        for name in ("weight", "bias"):
            if getattr(network, name, network) is None:
                raise UnstackableError(f"{kind.__name__} without {name} has no stacked form")
        settings = tuple(getattr(network, name) for name in _LAYERS[kind].agree)
        return kind, settings, tuple(p.shape for p in network.parameters())
    if kind.forward not in (nn.Sequential.forward, Residual.forward):
        raise UnstackableError(f"{kind.__name__} has no stacked form")
    return kind is Residual, *(_shape(child) for child in network.children())


def stack(networks: Sequence[nn.Module], generators: Sequence[torch.Generator]) -> nn.Module:
    """Return several networks as a single one.

    It maps inputs ``[orders, batch, ...]`` to outputs ``[members, batch, ...]``. ``orders``, the
    number of different minibatches, divides ``members``: the first ``members / orders`` members get
    the first minibatch, and so on.

    Args:
        networks: members with equal ``shape``, on one device and of one dtype. Their parameters and
            buffers become views of the stacked ones.
        generators: generator of the random numbers (dropout) of each member.
    """
    first = networks[0]
    if type(first) in _LAYERS:
        return _LAYERS[type(first)](networks, generators)
    if any(map(is_registered, networks)):  # perhaps not pointwise, or with other settings
        return StackedActivations(networks)
    if type(first) in _POINTWISE:
        return first if len(set(map(repr, networks))) == 1 else StackedActivations(networks)
    places = zip(*(network.children() for network in networks), strict=True)
    sequence = Residual if type(first) is Residual else nn.Sequential
    return sequence(*(stack(layers, generators) for layers in places))


class _Stacked(nn.Module):
    """The layers at one position of all members."""

    #: Attributes that must be equal in all layers, like the shapes of their parameters.
    agree: tuple[str, ...] = ()
    #: ``[members * features, ...]``, as the parameters and buffers below.
    weight: Tensor
    bias: Tensor

    def __init__(self, layers: Sequence[nn.Module], generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.members = len(layers)
        for name, _ in layers[0].named_parameters():
            setattr(self, name, nn.Parameter(_joint(layers, name)))
        for name, _ in layers[0].named_buffers():
            self.register_buffer(name, _joint(layers, name))
        for name in self.agree:
            setattr(self, name, getattr(layers[0], name))


class StackedLinear(_Stacked):
    def forward(self, x: Tensor) -> Tensor:
        orders, batch, inputs = x.shape
        if orders == 1 and batch < _FEW:
            y = F.linear(x[0], self.weight, self.bias)
            return y.view(batch, self.members, -1).transpose(0, 1)
        # In this order of the factors, the gradient of the weights has their memory layout, and
        # nothing is copied between two layers.
        weight, bias = self.weight.view(orders, -1, inputs), self.bias.view(orders, -1, 1)
        y = torch.baddbmm(bias, weight, x.transpose(1, 2))
        return y.view(self.members, -1, batch).transpose(1, 2)


class StackedBatchNorm(_Stacked):
    agree = ("momentum", "eps")
    momentum: float
    eps: float
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, x: Tensor) -> Tensor:
        members, batch, features = x.shape
        if self.training:
            self.num_batches_tracked += 1
        y = F.batch_norm(
            x.transpose(1, 2).reshape(1, members * features, batch),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum,
            self.eps,
        )
        return y.view(members, features, batch).transpose(1, 2)


class StackedLayerNorm(_Stacked):
    agree = ("normalized_shape", "eps")
    normalized_shape: tuple[int, ...]
    eps: float

    def forward(self, x: Tensor) -> Tensor:
        normal = F.layer_norm(x, self.normalized_shape, eps=self.eps)
        weight, bias = (p.view(self.members, 1, -1) for p in (self.weight, self.bias))
        return torch.addcmul(bias, normal, weight)


class StackedDropout(_Stacked):
    def __init__(self, layers: Sequence[nn.Dropout], generators: Sequence[torch.Generator]) -> None:
        super().__init__(layers, generators)
        self.kept = [1 - layer.p for layer in layers]
        self.generators = generators

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        noise = torch.empty(x.shape, dtype=x.dtype, device=x.device)
        for mask, kept, generator in zip(noise, self.kept, self.generators, strict=True):
            # torch's dropout draws the same numbers.
            mask.bernoulli_(kept, generator=generator).div_(kept)
        return x * noise


class StackedActivations(nn.Module):
    """A different activation for each member."""

    def __init__(self, activations: Sequence[nn.Module]) -> None:
        super().__init__()
        self.activations = nn.ModuleList(activations)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([f(inputs) for f, inputs in zip(self.activations, x, strict=True)])


# For minibatches with fewer examples, a product with one row per example is faster.
_FEW = 64
_POINTWISE = {Sine, *(type(make()) for make in ACTIVATIONS.values())}
_LAYERS: dict[type[nn.Module], type[_Stacked]] = {
    nn.Linear: StackedLinear,
    nn.BatchNorm1d: StackedBatchNorm,
    nn.LayerNorm: StackedLayerNorm,
    nn.Dropout: StackedDropout,
}


def _joint(layers: Sequence[nn.Module], name: str) -> Tensor:
    """Return the tensors ``name`` of all layers as one tensor; they become views of it."""
    tensors = [getattr(layer, name) for layer in layers]
    if len(tensors) == 1:
        return torch.atleast_1d(tensors[0].detach())
    joint = torch.stack([tensor.detach() for tensor in tensors])
    for tensor, view in zip(tensors, joint.unbind(), strict=True):
        tensor.data = view
    return joint.flatten(0, 1) if joint.ndim > 1 else joint
