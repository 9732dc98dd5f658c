"""Multilayer perceptrons."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from mlp_lab.nn.activations import make_activation

NORMALIZATIONS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}
# Initializations of the weights, in addition to that of torch's Linear (``uniform``).
INITIALIZATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "xavier": nn.init.xavier_uniform_,
    "he": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    "normal": nn.init.normal_,
}


class MLP(nn.Sequential):
    """Multilayer perceptron: ``depth`` hidden layers of ``width`` units and a linear output layer.

    A hidden layer consists of a linear layer, normalization (optional), activation and dropout
    (optional). A network of depth 0 is linear, depth 1 has one hidden layer, depth 2 has two.

    With ``residual``, consecutive hidden layers of equal width are residual blocks with full
    pre-activation (He et al. 2016, "Identity mappings in deep residual networks", figure 4e): x is
    the output of a linear layer, F is normalization, activation, dropout and the next linear layer,
    and the output of that layer is x + F(x). The parameters and their initial values are the same
    as without ``residual``.

    The initial weights of all layers, including the last, are ``gain`` times a random number:

    - ``uniform``: uniform in +-1/sqrt(inputs), variance 1 / (3 inputs), as in torch's Linear;
    - ``xavier``: uniform in +-sqrt(6 / (inputs + outputs)), variance 2 / (inputs + outputs)
      (Glorot and Bengio 2010, equation 16);
    - ``he``: normal with variance 2 / inputs (He et al. 2015, section 2.2);
    - ``normal``: normal with variance 1 for layers of all sizes.

    The initial biases are 0. Those of ``uniform`` are uniform in +-1/sqrt(inputs), as in torch's
    Linear, independent of the gain.

    Shapes: ``[batch, in_features]`` to ``[batch, out_features]``.

    Args:
        in_features: number of inputs.
        out_features: number of outputs; no activation follows them.
        width: number of units of each hidden layer.
        depth: number of hidden layers.
        widths: number of units of each hidden layer; replaces ``width`` and ``depth``.
        activation: key of ``activations.ACTIVATIONS``, or an activation of a plug-in.
        dropout: probability that a hidden unit is dropped in training
            (Srivastava et al. 2014, section 4).
        normalization: ``none`` or a key of ``NORMALIZATIONS``: batch (Ioffe and Szegedy 2015,
            algorithm 1) or layer (Ba et al. 2016, equation 4).
        residual: whether consecutive hidden layers of equal width are residual blocks.
        initialization: ``uniform`` or a key of ``INITIALIZATIONS``.
        gain: factor of the initial weights.

    Raises:
        KeyError: the activation, normalization or initialization does not exist.
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
        for index, (inputs, outputs) in enumerate(pairwise(units[1:]), 1):
            block: list[nn.Module] = []
            if normalization != "none":
                block.append(NORMALIZATIONS[normalization](inputs))
            block.append(make_activation(activation))
            if dropout > 0:
                block.append(nn.Dropout(dropout))
            block.append(nn.Linear(inputs, outputs))
            is_residual = residual and inputs == outputs and index < len(hidden)
            layers += [Residual(*block)] if is_residual else block
        super().__init__(*layers)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                _initialize(layer, initialization, gain)


class Residual(nn.Sequential):
    """Residual block: x + F(x), where F is the sequence of layers."""

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
    """Return the single linear layer that is equal to a network without nonlinearities.

    Two layers are W2 (W1 x + b1) + b2 = (W2 W1) x + (W2 b1 + b2), and so on for each further layer.
    Identity layers and inactive dropout layers (probability 0 or evaluation mode) are ignored.

    Raises:
        ValueError: the network contains another layer. The message gives its name.
    """
    linear: list[nn.Linear] = []
    for name, layer in network.named_children():
        if isinstance(layer, nn.Linear):
            linear.append(layer)
        elif not (isinstance(layer, nn.Identity) or _is_inactive_dropout(layer)):
            raise ValueError(f"layer {name}, {layer}: only linear layers can be collapsed")
    like = linear[0].weight
    weight, bias = torch.eye(like.shape[1]).to(like), like.new_zeros(like.shape[1])
    for layer in linear:
        weight, bias = layer.weight @ weight, layer(bias)
    single = nn.utils.skip_init(nn.Linear, *weight.T.shape, device=like.device, dtype=like.dtype)
    single.weight.copy_(weight)
    single.bias.copy_(bias)
    return single


def _is_inactive_dropout(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Dropout) and (layer.p == 0 or not layer.training)
