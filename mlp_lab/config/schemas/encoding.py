"""Schemas of the options in conf/encoding/."""

from omegaconf import MISSING

from mlp_lab.config.limits import limited, schema
from mlp_lab.config.names import GRID_INTERPOLATIONS


@schema
class Identity:
    _target_: str = "mlp_lab.nn.encodings.Identity"


@schema
class Centred:
    _target_: str = "mlp_lab.nn.encodings.Centred"


@schema
class Basic:
    _target_: str = "mlp_lab.nn.encodings.Basic"
    unit_norm: bool = MISSING


@schema
class Positional:
    _target_: str = "mlp_lab.nn.encodings.Positional"
    frequencies: int = limited(minimum=1, maximum=1_000_000)
    scale: float = limited(minimum=0, maximum=20)
    spacing: str = limited(one_of=("log", "octaves"))
    unit_norm: bool = MISSING


@schema
class Gaussian:
    _target_: str = "mlp_lab.nn.encodings.Gaussian"
    frequencies: int = limited(minimum=1, maximum=1_000_000)
    sigma: float = limited(minimum=0, maximum=1_000_000)
    unit_norm: bool = MISSING


@schema
class HashGrid:
    _target_: str = "mlp_lab.nn.hash_grid.HashGrid"
    levels: int = limited(minimum=1, maximum=32)
    features_per_level: int = limited(minimum=1, maximum=64)
    table_size: int = limited(minimum=1, maximum=2**26)
    coarsest: int = limited(minimum=1, maximum=65_536)
    finest: int = limited(minimum=1, maximum=65_536)
    interpolation: str = limited(one_of=GRID_INTERPOLATIONS)
