"""Schema of the keys in conf/evaluate.yaml."""

from dataclasses import field
from typing import Any

from omegaconf import MISSING

from mlp_lab.config.limits import limited, schema
from mlp_lab.config.names import CHECKPOINTS, ENSEMBLE_AVERAGES, FIGURE_FORMATS, SPLITS
from mlp_lab.config.schemas.data import DataPathOverrides


@schema
class EvaluationFigures:
    """Settings of the figures of an evaluation."""

    format: str | None = limited(one_of=FIGURE_FORMATS)


@schema
class Evaluate:
    """Evaluate a run or an ensemble of runs on one split."""

    run: Any = field(
        default=MISSING,
        metadata={"description": "a run folder, a sweep folder, or a list of these"},
    )
    split: str = limited(one_of=SPLITS)
    checkpoint: str = limited(one_of=CHECKPOINTS)
    temperature: bool = MISSING
    robustness: bool = MISSING
    embeddings: int = limited(minimum=0, maximum=10_000)
    average: str = limited(one_of=ENSEMBLE_AVERAGES)
    opponents: list[str] | None = MISSING
    data: DataPathOverrides = field(default_factory=DataPathOverrides)
    figures: EvaluationFigures = field(default_factory=EvaluationFigures)
    threads: int | None = limited(minimum=1, maximum=10_000)
