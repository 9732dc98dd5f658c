"""Base class of the sweepers ``grid`` and ``search``: they launch the jobs of a plan."""

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from mlp_lab.sweeps.job_runner import JobRunner


class PlannedSweeper(Sweeper):
    """A sweeper that gets its jobs from ``runner.plan`` instead of Hydra's arguments.

    Attributes:
        runner: job runner with the plan.
        launcher: launcher of the jobs.
    """

    runner: JobRunner
    launcher: Launcher

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        assert isinstance(task_function, JobRunner)
        self.runner = task_function
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
