"""A sweep as Hydra runs it: the launcher and the sweeper that come with it."""

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
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from mlp_lab.sweeps.job_runner import Task
from mlp_lab.sweeps.overrides import axes, by_key
from mlp_lab.sweeps.search import Search


class Vectorized(Launcher):
    """``hydra/launcher=vectorized``: hands over all jobs of a batch at once.

    Args:
        processes: see ``Task.train``.
    """

    def __init__(self, processes: int | None = None) -> None:
        self.processes = processes

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        assert isinstance(task_function, Task)
        self.task = task_function
        self.loader = hydra_context.config_loader
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Train the jobs, numbered from ``initial_job_idx``; return what came of each."""
        jobs = []
        for number, words in enumerate(job_overrides, initial_job_idx):
            cfg = self.loader.load_sweep_config(self.config, list(words))
            overrides = list(cfg.hydra.overrides.task)
            with open_dict(cfg):
                del cfg["hydra"]
            jobs.append((number, cfg, overrides))
        values = self.task.train(jobs, self.processes) if jobs else []
        results = []
        for (_, cfg, overrides), value in zip(jobs, values, strict=True):
            result = JobReturn(overrides=overrides, cfg=cfg, status=JobStatus.COMPLETED)
            result.return_value = value
            results.append(result)
        return results


class Grid(Sweeper):
    """``hydra/sweeper=grid``: all combinations of values, or of rows of zipped values.

    Args:
        max_batch_size: most jobs that are handed to the launcher at a time; None: all.
        params: keys and values to sweep, beside those of the command line.
        zipped: keys whose values go in step: the first with the first, and so on.
    """

    def __init__(
        self,
        max_batch_size: int | None = None,
        params: Mapping[str, object] | None = None,
        zipped: Sequence[str] = (),
    ) -> None:
        self.max_batch_size = max_batch_size
        self.params = params or {}
        self.zipped = zipped

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        assert isinstance(task_function, Task)
        self.task = task_function
        self.loader = hydra_context.config_loader
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[object]:
        """Launch the jobs of the overrides ``arguments``, numbered from 0; return their values."""
        overrides = by_key(self.params, arguments, OverridesParser.create(self.loader))
        rows = itertools.product(*axes(overrides, self.zipped))
        jobs = [[word for step in row for word in step] for row in rows]
        assert self.launcher is not None
        self.task.jobs = len(jobs)
        size = self.max_batch_size or len(jobs)
        values = []
        for first in range(0, len(jobs), size):
            done = self.launcher.launch(jobs[first : first + size], initial_job_idx=first)
            values += [job.return_value for job in done]  # which raises what kept one from training
        return values


def register() -> None:
    """Make the launcher and the sweeper known to Hydra, which takes plugins from one package."""
    plugins = Plugins.instance()  # which loads that package, if any plugin is installed
    sys.modules.setdefault("hydra_plugins", ModuleType("hydra_plugins"))
    sys.modules["hydra_plugins.mlp_lab"] = sys.modules[__name__]
    own = (Vectorized, Grid, Search) if find_spec("optuna") else (Vectorized, Grid)
    for plugin in own:
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
