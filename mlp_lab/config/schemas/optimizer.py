"""Schemas of the options in conf/optimizer/."""

from omegaconf import MISSING

from mlp_lab.config.limits import limited, schema


@schema
class Optimizer:
    """Keys that all optimizers share."""

    _target_: str = MISSING
    lr: float = limited(above=0, below=float("inf"))
    weight_decay: float = limited(minimum=0, below=float("inf"))


@schema
class SGD(Optimizer):
    _target_: str = "torch.optim.SGD"
    momentum: float = limited(minimum=0, below=1)
    nesterov: bool = MISSING
    fused: bool = MISSING


@schema
class Adam(Optimizer):
    _target_: str = "torch.optim.Adam"
    betas: list[float] = limited(minimum=0, below=1, length=2)
    eps: float = limited(minimum=0, below=float("inf"))
    fused: bool = MISSING


@schema
class AdamW(Adam):
    _target_: str = "torch.optim.AdamW"


@schema
class NAdam(Optimizer):
    _target_: str = "torch.optim.NAdam"
    betas: list[float] = limited(minimum=0, below=1, length=2)
    eps: float = limited(minimum=0, below=float("inf"))


@schema
class RMSprop(Optimizer):
    _target_: str = "torch.optim.RMSprop"
    alpha: float = limited(minimum=0, below=1)
    momentum: float = limited(minimum=0, below=1)
    eps: float = limited(minimum=0, below=float("inf"))


@schema
class Adagrad(Optimizer):
    _target_: str = "torch.optim.Adagrad"
    eps: float = limited(minimum=0, below=float("inf"))
    fused: bool = MISSING
