"""The keys of conf/train.yaml."""

from dataclasses import field
from typing import Any

from omegaconf import MISSING

from mlp_lab.config.limits import limited, schema
from mlp_lab.config.names import MODES


@schema
class Select:
    """Which epoch is kept: the best value of a metric on the validation data."""

    metric: str = MISSING
    mode: str = limited(one_of=MODES)


@schema
class Sweep:
    """How the jobs of a sweep hang together."""

    fail_fast: bool = MISSING
    test: str = limited(one_of=("chosen", "each", "last"))
    zip: list[str] = MISSING


@schema
class Train:
    task: Any = MISSING
    data: Any = MISSING
    encoding: Any = MISSING
    network: Any = MISSING
    augmentation: Any = MISSING
    optimizer: Any = MISSING
    schedule: Any = MISSING
    trainer: Any = MISSING
    callbacks: Any = MISSING
    logger: Any = MISSING
    select: Select = field(default_factory=Select)
    sweep: Sweep = field(default_factory=Sweep)
    average_decay: float = limited(minimum=0, below=1)
    name: str = limited(pattern=r"\w[\w.-]*")
    seed: int = limited(minimum=0, below=2**32)
    threads: int | None = limited(minimum=1)
    logs: str = MISSING
    resume: str | None = MISSING
