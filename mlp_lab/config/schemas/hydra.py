"""Schemas of the options in conf/hydra/ that mlp_lab defines."""

from typing import Any

from omegaconf import MISSING

from mlp_lab.config.limits import limited, schema


@schema
class Vectorized:
    """The keys of ``hydra.launcher`` with ``hydra/launcher=vectorized``."""

    _target_: str = "hydra_plugins.mlp_lab.Vectorized"
    processes: int | None = limited(minimum=1, maximum=10_000)


@schema
class Grid:
    """The keys of ``hydra.sweeper`` with ``hydra/sweeper=grid``."""

    _target_: str = "hydra_plugins.mlp_lab.Grid"
    max_batch_size: int | None = limited(minimum=1, maximum=1_000_000_000)
    params: Any = MISSING
    zipped: list[str] = MISSING


@schema
class Search:
    """The keys of ``hydra.sweeper`` with ``hydra/sweeper=search``."""

    _target_: str = "hydra_plugins.mlp_lab.Search"
    n_trials: int = limited(minimum=1, maximum=1_000_000_000)
    n_jobs: int = limited(minimum=1, maximum=1_000_000_000)
    prune_after: int | None = limited(minimum=0, maximum=1_000_000_000)
    seed: int = limited(minimum=0, below=2**32)
    params: Any = MISSING


#: The schemas by the class of the launcher or sweeper.
PLUGINS = {s._target_: s for s in (Vectorized, Grid, Search)}
