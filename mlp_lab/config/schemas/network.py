"""Schemas of the options in conf/network/."""

from omegaconf import MISSING

from mlp_lab.config.limits import limited, schema
from mlp_lab.config.names import ACTIVATIONS, INITIALIZATIONS, NORMALIZATIONS


@schema
class MLP:
    _target_: str = "mlp_lab.nn.mlp.MLP"
    width: int = limited(minimum=1, maximum=1_000_000)
    depth: int = limited(minimum=0, maximum=1_000)
    widths: list[int] | None = limited(minimum=1, maximum=1_000_000)
    activation: str = limited(one_of=ACTIVATIONS)
    dropout: float = limited(minimum=0, below=1)
    normalization: str = limited(one_of=NORMALIZATIONS)
    residual: bool = MISSING
    initialization: str = limited(one_of=INITIALIZATIONS)
    gain: float = limited(minimum=0, below=float("inf"))


@schema
class Siren:
    _target_: str = "mlp_lab.nn.siren.Siren"
    width: int = limited(minimum=1, maximum=1_000_000)
    depth: int = limited(minimum=1, maximum=1_000)
    first_omega: float = limited(above=0, maximum=10_000)
    omega: float = limited(above=0, maximum=10_000)


@schema
class PerceptronNetwork:
    _target_: str = "mlp_lab.nn.perceptron.Perceptron"
    std: float = limited(minimum=0, below=float("inf"))


@schema
class Convolutional:
    _target_: str = "mlp_lab.nn.convolutional.Convolutional"
    channels: list[int] = limited(minimum=1, maximum=10_000)
    dropout: float = limited(minimum=0, below=1)
