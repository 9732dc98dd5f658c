"""Hydra's plugins: the launcher ``vectorized`` and the sweeper ``grid``."""

import itertools
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from types import ModuleType

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from mlp_lab.config.cached_composer import CachedComposer
from mlp_lab.config.command_line import extension_overrides
from mlp_lab.sweeps.job_runner import JobRunner
from mlp_lab.sweeps.overrides import text_of
from mlp_lab.sweeps.search import Search
from mlp_lab.sweeps.sweeper import PlannedSweeper


class Vectorized(Launcher):
    """``hydra/launcher=vectorized``: trains all jobs of a batch together.

    Args:
        processes: maximum number of processes; see ``JobRunner.train``.
    """

    def __init__(self, processes: int | None = None) -> None:
        self.processes = processes

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        assert isinstance(task_function, JobRunner)
        self.runner = task_function
        loader = hydra_context.config_loader
        self._parser = OverridesParser.create(loader)
        self._extensions = extension_overrides(config.hydra)
        self._compose = CachedComposer(
            lambda overrides: loader.load_sweep_config(config, list(overrides)), loader
        )

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Train jobs, numbered from ``initial_job_idx``; return the value of each."""
        jobs = []
        for number, sweep_overrides in enumerate(job_overrides, initial_job_idx):
            cfg = self._compose(sweep_overrides)
            with open_dict(cfg):
                del cfg["hydra"]
            parsed = self._parser.parse_overrides(list(sweep_overrides))
            texts = [text_of(o) for o in parsed if not o.is_hydra_override()]
            overrides = [*texts, *self._extensions]
            jobs.append((number, cfg, overrides))
        values = self.runner.train(jobs, self.processes) if jobs else []
        results = []
        for (_, cfg, overrides), value in zip(jobs, values, strict=True):
            result = JobReturn(overrides=overrides, cfg=cfg, status=JobStatus.COMPLETED)
            result.return_value = value
            results.append(result)
        return results


class Grid(PlannedSweeper):
    """``hydra/sweeper=grid``: all combinations of values, or of rows of zipped values.

    Args:
        max_batch_size: maximum number of jobs that the launcher gets at a time; None: all.
        params: keys and values to sweep, in addition to the command line; part of the plan.
        zipped: keys whose values are combined row by row; part of the plan.
    """

    def __init__(
        self,
        max_batch_size: int | None = None,
        params: Mapping[str, object] | None = None,
        zipped: Sequence[str] = (),
    ) -> None:
        self.max_batch_size = max_batch_size

    def sweep(self, arguments: list[str]) -> list[object]:
        """Launch the jobs of the plan, numbered from 0; return their values."""
        assert self.runner.plan is not None
        rows = itertools.product(*self.runner.plan.axes)
        jobs = [[override for step in row for override in step] for row in rows]
        self.runner.jobs = len(jobs)
        size = self.max_batch_size or len(jobs)
        values = []
        for first in range(0, len(jobs), size):
            returns = self.launcher.launch(jobs[first : first + size], initial_job_idx=first)
            values += [job.return_value for job in returns]  # raises the error of a job
        return values


def register() -> None:
    """Register the plugins with Hydra, which expects them in the package ``hydra_plugins``."""
    plugins = Plugins.instance()  # imports that package, if a plugin is installed
    sys.modules.setdefault("hydra_plugins", ModuleType("hydra_plugins"))
    sys.modules["hydra_plugins.mlp_lab"] = sys.modules[__name__]
    classes = (Vectorized, Grid, Search) if find_spec("optuna") else (Vectorized, Grid)
    for plugin in classes:
        plugin.__module__ = "hydra_plugins.mlp_lab"
        plugins.register(plugin)
    _remove_schema("hydra/launcher", "ray")


def _remove_schema(group: str, name: str) -> None:
    """Remove a config that a plugin has stored under the same name as one of ours.

    Hydra would check ours against it. ``ConfigStore`` has no method that removes a config.
    """
    configs = ConfigStore.instance().repo
    for part in group.split("/"):
        configs = configs[part]
    configs.pop(f"{name}.yaml", None)
