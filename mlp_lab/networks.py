"""Networks: plain torch modules, usable with nothing else of this package."""

from collections.abc import Callable, Sequence

from torch import nn

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


class MLP(nn.Sequential):
    """Multilayer perceptron: ``depth`` hidden layers of ``width`` units and a linear output layer.

    A hidden layer is linear, then normalization, activation and dropout, where there are any.
    Depth 0 is a linear model, depth 1 has one hidden layer, depth 2 two. Weights and biases start
    as torch's Linear has them: uniform in +-1/sqrt(inputs of the layer).

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

    Raises:
        KeyError: for an activation or normalization that doesn't exist.
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
    ) -> None:
        hidden = [width] * depth if widths is None else list(widths)
        layers: list[nn.Module] = []
        for inputs, outputs in zip([in_features, *hidden], hidden, strict=False):
            layers.append(nn.Linear(inputs, outputs))
            if normalization != "none":
                layers.append(NORMALIZATIONS[normalization](outputs))
            layers.append(ACTIVATIONS[activation]())
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
        layers.append(nn.Linear([in_features, *hidden][-1], out_features))
        super().__init__(*layers)


def describe(network: nn.Module) -> str:
    """The units of each layer and the number of parameters: ``784-64-10, 50,890 parameters``."""
    linear = [m for m in network.modules() if isinstance(m, nn.Linear)]
    units = "-".join(str(n) for n in [linear[0].in_features, *(m.out_features for m in linear)])
    return f"{units}, {count_parameters(network):,} parameters"


def count_parameters(network: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
