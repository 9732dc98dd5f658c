"""A sweep as Hydra runs it: the task of a job, the launcher and the sweeper that come with it.

Torch is loaded where a job is trained, not here.
"""

import itertools
import math
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from types import ModuleType

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from mlp_lab.config import check, schemas
from mlp_lab.errors import UserError
from mlp_lab.runs import SIGN
from mlp_lab.sweeps.folder import Sweep
from mlp_lab.sweeps.search import Search
from mlp_lab.threads import set_threads

# A job's number, its config and its own overrides.
NumberedJob = tuple[int, DictConfig, list[str]]


class Task:
    """What a launcher calls for each job, in this process, in another or on another machine.

    The launcher pickles it with the sweep that it holds, so that no process needs the command
    line of the first. Only the first says which jobs fail: what others write to standard error
    can end in a file on another machine.

    Args:
        sweep: whose jobs these are.

    Attributes:
        told: names of the folders of failed jobs that the user has been told of.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.told: set[str] = set()
        self._process = os.getpid()

    def __call__(self, cfg: DictConfig) -> float:
        """Train the job that Hydra's own config describes; see ``train``."""
        job = HydraConfig.get()
        return self.train([(job.job.num, cfg, list(job.overrides.task))])[0]

    def train(self, jobs: Sequence[NumberedJob]) -> list[float]:
        """Train jobs together; return the best validation value of each.

        The value is that of ``select.metric``; infinitely bad for a job that diverged in its first
        epoch, nan for one that left none otherwise. A job that fails doesn't stop the others,
        except with ``sweep.fail_fast``. Raises UserError for a wrong config before any job begins,
        and KeyboardInterrupt if a job is interrupted.
        """
        os.chdir(self.sweep.directory)
        configs = [check(cfg, schemas.Train) for _, cfg, _ in jobs]
        if self.sweep.stopped:
            return [math.nan] * len(jobs)
        set_threads(configs[0].threads)
        from mlp_lab.sweeps.jobs import Job, train_jobs

        fail_fast = configs[0].sweep.fail_fast
        results = train_jobs(
            [
                Job(cfg, overrides, self.sweep.job_folder(number, overrides))
                for cfg, (number, _, overrides) in zip(configs, jobs, strict=True)
            ],
            fail_fast,
        )
        failures = {
            os.path.basename(result.folder): result.reason or result.status
            for result in results
            if result.status not in ("finished", "interrupted")
        }
        if os.getpid() == self._process:
            self.tell(failures)
        if failures and fail_fast:
            self.sweep.stop()
        elif any(result.status == "interrupted" for result in results):
            raise KeyboardInterrupt
        keys = [f"{cfg.select.metric}/validation" for cfg in configs]
        rows = [result.best or {} for result in results]
        # A run that diverged is infinitely bad, one that failed says nothing of its config.
        worst = [
            SIGN[cfg.select.mode] * math.inf if result.status == "diverged" else math.nan
            for cfg, result in zip(configs, results, strict=True)
        ]
        return [row.get(key, bad) for row, key, bad in zip(rows, keys, worst, strict=True)]

    def tell(self, failures: dict[str, str]) -> None:
        """One line on standard error for each failure that the user doesn't know yet."""
        for name, reason in failures.items():
            if name not in self.told:
                print(f"mlp_lab: {name}: {' '.join(reason.split())}", file=sys.stderr, flush=True)
        self.told |= failures.keys()


class Vectorized(Launcher):
    """``hydra/launcher=vectorized``: hands over all jobs of a batch at once, in this process."""

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
        values = self.task.train(jobs) if jobs else []
        return [
            JobReturn(overrides=overrides, cfg=cfg, status=JobStatus.COMPLETED, _return_value=value)
            for (_, cfg, overrides), value in zip(jobs, values, strict=True)
        ]


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
        self.loader = hydra_context.config_loader
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[object]:
        """Launch the jobs of the overrides ``arguments``, numbered from 0; return their values."""
        words = [f"{key}={value}" for key, value in self.params.items()]
        overrides = OverridesParser.create(self.loader).parse_overrides([*words, *arguments])
        rows = itertools.product(*axes(overrides, self.zipped))
        jobs = [[word for step in row for word in step] for row in rows]
        assert self.launcher is not None
        size = self.max_batch_size or len(jobs)
        values = []
        for first in range(0, len(jobs), size):
            done = self.launcher.launch(jobs[first : first + size], initial_job_idx=first)
            values += [job.return_value for job in done]  # which raises what kept one from training
        return values


def axes(overrides: Sequence[Override], zipped: Sequence[str]) -> list[list[tuple[str, ...]]]:
    """The axes of a grid, each a list of steps, and a step the words that it sets.

    Keys in ``zipped`` share an axis, the first; an override without a sweep is an axis of a single
    step. Of overrides of the same key, the last counts. Raises UserError if values can't be listed
    or zipped.
    """
    last = {override.get_key_element(): override for override in overrides}
    words = {key: _words(override) for key, override in last.items()}
    swept = [key for key, override in last.items() if override.is_sweep_override()]
    zipped = list(dict.fromkeys(zipped))
    for key in zipped:
        if key not in swept:
            raise UserError(
                f"sweep.zip: {key} isn't swept (swept: {', '.join(swept) or 'nothing'})"
            )
    if len({len(words[key]) for key in zipped}) > 1:
        counts = ", ".join(f"{key} has {len(words[key])}" for key in zipped)
        raise UserError(f"sweep.zip: each key needs as many values as the others: {counts}")
    together = list(zip(*(words.pop(key) for key in zipped), strict=True))
    single: list[list[tuple[str, ...]]] = [
        [(word,) for word in of_key] for of_key in words.values()
    ]
    return [together, *single] if zipped else single


def _words(override: Override) -> list[str]:
    """The words of all values of one override."""
    word = override.input_line or ""
    if not override.is_sweep_override():
        return [word]
    if not override.is_discrete_sweep():
        raise UserError(f"{word}: a grid needs values that can be listed")
    sweep = override.value()
    if isinstance(sweep, ChoiceSweep | RangeSweep) and sweep.shuffle:
        raise UserError(f"{word}: shuffle: jobs are numbered in the same order each time")
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


def register() -> None:
    """Make the launcher and the sweeper known to Hydra, which takes plugins from one package."""
    plugins = Plugins.instance()  # which loads that package, if any plugin is installed
    sys.modules.setdefault("hydra_plugins", ModuleType("hydra_plugins"))
    sys.modules["hydra_plugins.mlp_lab"] = sys.modules[__name__]
    own = (Vectorized, Grid, Search) if find_spec("optuna") else (Vectorized, Grid)
    for plugin in own:
        plugin.__module__ = "hydra_plugins.mlp_lab"
        plugins.register(plugin)
    # Ray's plugin brings a config of the same name as ours, which Hydra would check ours against.
    ConfigStore.instance().repo["hydra"]["launcher"].pop("ray.yaml", None)
