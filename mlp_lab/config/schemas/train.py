"""Schemas of the keys in conf/train.yaml."""

from dataclasses import field
from typing import Any

from omegaconf import MISSING

from mlp_lab.config.limits import limited, schema
from mlp_lab.config.names import (
    FIGURE_FORMATS,
    GRADIENTS,
    MODES,
    SWEEP_TESTS,
    TRAIN_METRICS,
)


@schema
class SelectSettings:
    """Settings of the selection of the best epoch, by a metric on validation data."""

    metric: str = MISSING
    mode: str = limited(one_of=MODES)


@schema
class SweepSettings:
    """Settings of all jobs of a sweep."""

    fail_fast: bool = MISSING
    test: str = limited(one_of=SWEEP_TESTS)
    zip: list[str] = MISSING


@schema
class FigureSettings:
    """Settings of figures."""

    format: str = limited(one_of=FIGURE_FORMATS)


@schema
class Train:
    """Train one experiment, or a sweep of experiments with -m."""

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
    select: SelectSettings = field(default_factory=SelectSettings)
    sweep: SweepSettings = field(default_factory=SweepSettings)
    figures: FigureSettings = field(default_factory=FigureSettings)
    gradients: str = limited(one_of=GRADIENTS)
    average_decay: float = limited(minimum=0, below=1)
    train_metrics: str = limited(one_of=tuple(TRAIN_METRICS))
    name: str = limited(pattern=r"\w[\w.-]*")
    seed: int = limited(minimum=0, below=2**32)
    threads: int | None = limited(minimum=1, maximum=10_000)
    logs: str = MISSING
    resume: str | None = MISSING
    config: str | None = None  # runs of earlier versions have no such key
