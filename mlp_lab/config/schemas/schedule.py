"""Schemas of the options in conf/schedule/."""

from mlp_lab.config.limits import limited, schema


@schema
class Constant:
    _target_: str = "mlp_lab.nn.schedules.Constant"


@schema
class InverseTime:
    _target_: str = "mlp_lab.nn.schedules.InverseTime"


@schema
class Step:
    _target_: str = "mlp_lab.nn.schedules.Step"
    step_size: int = limited(minimum=1, maximum=1_000_000_000)
    gamma: float = limited(above=0, maximum=1)


@schema
class MultiStep:
    _target_: str = "mlp_lab.nn.schedules.MultiStep"
    milestones: list[int] = limited(minimum=1, maximum=1_000_000_000)
    gamma: float = limited(above=0, maximum=1)


@schema
class Exponential:
    _target_: str = "mlp_lab.nn.schedules.Exponential"
    end: float = limited(above=0, maximum=1)


@schema
class Cosine:
    _target_: str = "mlp_lab.nn.schedules.Cosine"
    warmup: float = limited(minimum=0, below=float("inf"))


@schema
class Cooldown:
    _target_: str = "mlp_lab.nn.schedules.Cooldown"
    part: float = limited(minimum=0, maximum=1)


@schema
class OneCycle:
    _target_: str = "mlp_lab.nn.schedules.OneCycle"
    pct_start: float = limited(minimum=0, maximum=1)
    div_factor: float = limited(minimum=1, below=float("inf"))
    final_div_factor: float = limited(minimum=1, below=float("inf"))
