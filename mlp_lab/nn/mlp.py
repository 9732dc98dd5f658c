"""Multilayer perceptrons."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from mlp_lab.nn.activations import ACTIVATIONS

NORMALIZATIONS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}
# What weights are drawn from, where that isn't what torch's Linear has drawn already.
INITIALIZATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "xavier": nn.init.xavier_uniform_,
    "he": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    "normal": nn.init.normal_,
}


class MLP(nn.Sequential):
    """Multilayer perceptron: ``depth`` hidden layers of ``width`` units and a linear output layer.

    A hidden layer is linear, then normalization, activation and dropout, where there are any.
    Depth 0 is a linear model, depth 1 has one hidden layer, depth 2 two.

    With ``residual``, the sum x of a hidden layer goes, beside its way through normalization,
    activation, dropout and the next linear layer F, straight into that layer's own sum, x + F(x),
    where both are equally wide: full pre-activation (He et al. 2016, "Identity mappings in deep
    residual networks", figure 4e). The parameters are the same, and so are their first values.

    The weights of all layers, the last one included, start with ``gain`` times a random number:

    - ``uniform``: uniform in +-1/sqrt(inputs), variance 1 / (3 inputs), as torch's Linear has it;
    - ``xavier``: uniform in +-sqrt(6 / (inputs + outputs)), variance 2 / (inputs + outputs)
      (Glorot and Bengio 2010, equation 16);
    - ``he``: normal with variance 2 / inputs (He et al. 2015, section 2.2);
    - ``normal``: normal with variance 1, whatever the layer's size.

    The biases start with 0; those of ``uniform`` as torch has them, in +-1/sqrt(inputs) whatever
    the gain.

    Shapes: ``[batch, in_features]`` to ``[batch, out_features]``.

    Args:
        in_features: inputs of the first layer.
        out_features: outputs; no activation follows them.
        width: units of each hidden layer.
        depth: number of hidden layers.
        widths: units of each hidden layer one by one, in place of ``width`` and ``depth``.
        activation: a key of ``ACTIVATIONS``.
        dropout: probability that a hidden unit is dropped in training
            (Srivastava et al. 2014, section 4).
        normalization: ``none`` or a key of ``NORMALIZATIONS``: batch (Ioffe and Szegedy 2015,
            algorithm 1) or layer (Ba et al. 2016, equation 4).
        residual: link hidden layers to the next one, where that is of equal width.
        initialization: ``uniform`` or a key of ``INITIALIZATIONS``.
        gain: multiplies the standard deviation of the first weights.

    Raises:
        KeyError: for an activation, normalization or initialization that doesn't exist.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        width: int = 64,
        depth: int = 1,
        widths: Sequence[int] | None = None,
        activation: str = "relu",
        dropout: float = 0.0,
        normalization: str = "none",
        residual: bool = False,
        initialization: str = "uniform",
        gain: float = 1.0,
    ) -> None:
        hidden = [width] * depth if widths is None else list(widths)
        units = [in_features, *hidden, out_features]
        layers: list[nn.Module] = [nn.Linear(units[0], units[1])]
        for place, (inputs, outputs) in enumerate(pairwise(units[1:]), 1):
            block: list[nn.Module] = []
            if normalization != "none":
                block.append(NORMALIZATIONS[normalization](inputs))
            block.append(ACTIVATIONS[activation]())
            if dropout > 0:
                block.append(nn.Dropout(dropout))
            block.append(nn.Linear(inputs, outputs))
            linked = residual and inputs == outputs and place < len(hidden)
            layers += [Residual(*block)] if linked else block
        super().__init__(*layers)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                _initialize(layer, initialization, gain)


class Residual(nn.Sequential):
    """x + F(x), where F are the layers: it learns what is to be added to its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


@torch.no_grad()
def _initialize(layer: nn.Linear, initialization: str, gain: float) -> None:
    if initialization != "uniform":
        INITIALIZATIONS[initialization](layer.weight)
        layer.bias.zero_()
    layer.weight.mul_(gain)


@torch.no_grad()
def collapse(network: nn.Sequential) -> nn.Linear:
    """The single linear layer that a network without any nonlinearity is equal to.

    W2 (W1 x + b1) + b2 = (W2 W1) x + (W2 b1 + b2), and so on for each further layer. An identity
    changes nothing, nor does dropout of probability 0 or in evaluation.

    Raises:
        ValueError: for a layer of any other kind, by its name.
    """
    linear: list[nn.Linear] = []
    for name, layer in network.named_children():
        if isinstance(layer, nn.Linear):
            linear.append(layer)
        elif not (isinstance(layer, nn.Identity) or _idle_dropout(layer)):
            raise ValueError(f"layer {name}, {layer}: only linear layers can be collapsed")
    like = linear[0].weight
    weight, bias = torch.eye(like.shape[1]).to(like), like.new_zeros(like.shape[1])
    for layer in linear:
        weight, bias = layer.weight @ weight, layer(bias)
    single = nn.utils.skip_init(nn.Linear, *weight.T.shape, device=like.device, dtype=like.dtype)
    single.weight.copy_(weight)
    single.bias.copy_(bias)
    return single


def _idle_dropout(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Dropout) and (layer.p == 0 or not layer.training)
