"""The plan of a sweep."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from mlp_lab.sweeps.overrides import Axis

if TYPE_CHECKING:  # Optuna is imported when a search starts, not with every sweep
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class SearchSpace:
    """The searched keys, and the overrides that are not searched.

    Attributes:
        fixed: overrides that all jobs share.
        seeds: overrides of each job of a trial: one list per seed.
        distributions: distributions of the searched keys.
    """

    fixed: list[str]
    seeds: list[list[str]]
    distributions: dict[str, "BaseDistribution"]


@dataclass(frozen=True)
class Plan:
    """The jobs of a sweep.

    Attributes:
        cfg: checked config of the first job.
        name: name of the sweep, of which its folder is part.
        varied: keys that differ between jobs, as their overrides name them.
        overrides: overrides in the form that Hydra needs.
        recorded: overrides as they are recorded: as typed, but without ``${oc.env:...}``.
        axes: axes of the grid; a search has both ends of each interval.
        space: search space; None unless the sweeper is a search.
    """

    cfg: DictConfig
    name: str
    varied: list[str]
    overrides: list[str]
    recorded: list[str]
    axes: list[Axis]
    space: SearchSpace | None
