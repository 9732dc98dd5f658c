"""Networks: plain torch modules, usable with nothing else of this package."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, pairwise

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
}
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


class Sine(nn.Module):
    """sin(omega x), pointwise."""

    def __init__(self, omega: float) -> None:
        super().__init__()
        self.omega = omega

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega * x)

    def extra_repr(self) -> str:
        return f"omega={self.omega}"


class Siren(nn.Sequential):
    """Sinusoidal representation network: ``depth`` hidden layers sin(omega (W x + b)), one linear.

    Sitzmann et al. 2020 (arXiv 2006.09661). The first weights are uniform in +-1 / inputs, those of
    later layers, the last one included, in +-sqrt(6 / inputs) / omega. Then the products omega W x
    that reach the later sines are near normal with variance 1, however deep the network, and what
    leaves a sine has about the arcsine distribution (section 3.2 and theorem 1.8). The biases start
    as torch's Linear has them, in +-1/sqrt(inputs), as in the authors' code.

    Inputs should lie in [-1, 1], as coordinates do after ``encodings.Centred``, and as Fourier
    features do.

    Shapes: ``[batch, in_features]`` to ``[batch, out_features]``.

    Args:
        in_features: inputs of the first layer.
        out_features: outputs; no sine follows them.
        width: units of each hidden layer.
        depth: number of hidden layers.
        first_omega: omega of the first layer: the higher, the finer the details that it starts
            with.
        omega: of later layers; it multiplies the gradients of their weights.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        width: int,
        depth: int,
        first_omega: float,
        omega: float,
    ) -> None:
        sizes = [in_features, *[width] * depth, out_features]
        linear = [nn.Linear(*each) for each in pairwise(sizes)]
        for place, layer in enumerate(linear):
            inputs = layer.in_features
            bound = 1 / inputs if place == 0 else math.sqrt(6 / inputs) / omega
            nn.init.uniform_(layer.weight, -bound, bound)
        sines = [Sine(first_omega), *(Sine(omega) for _ in range(depth - 1))]
        super().__init__(*chain(*zip(linear, sines, strict=False)), linear[-1])


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


class Perceptron(nn.Sequential):
    """A linear layer whose weights and biases start as normal random numbers around 0.

    Shapes: ``[batch, in_features]`` to ``[batch, out_features]``. What is made of an output, such
    as its sign, is up to the task.

    Args:
        in_features: inputs.
        out_features: outputs.
        std: standard deviation of the weights and biases at the start.
    """

    def __init__(self, in_features: int, out_features: int, *, std: float = 0.05) -> None:
        layer = nn.Linear(in_features, out_features)
        for parameter in layer.parameters():
            nn.init.normal_(parameter, std=std)
        super().__init__(layer)


def describe(network: nn.Module) -> str:
    """The units of each layer and the number of parameters: ``784-64-10, 50,890 parameters``."""
    linear = [m for m in network.modules() if isinstance(m, nn.Linear)]
    units = "-".join(str(n) for n in [linear[0].in_features, *(m.out_features for m in linear)])
    return f"{units}, {count_parameters(network):,} parameters"


def count_parameters(network: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
