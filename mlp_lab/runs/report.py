"""Report a run: a table on the terminal, text and HPARAMS in TensorBoard."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlp_lab.config.command_line import command_line, override
from mlp_lab.config.flatten import flatten, is_within
from mlp_lab.config.metrics import by_opponent, get_metric, is_against_opponent, metric_order
from mlp_lab.config.names import SPLITS, TRAIN_METRICS
from mlp_lab.data.datamodule import DataModule
from mlp_lab.formatting import table
from mlp_lab.lightning import pl
from mlp_lab.nn.schedules import Cooldown
from mlp_lab.runs.build import build_schedule
from mlp_lab.runs.logger import TensorBoard
from mlp_lab.storage.results import Result, Status
from mlp_lab.storage.tensorboard import BEST_EPOCH
from mlp_lab.tasks.base import Task

# Keys whose values are shown in HPARAMS, where runs are compared.
_SETTINGS = (
    "seed",
    "encoding",
    "network",
    "augmentation",
    "optimizer",
    "schedule",
    "average_decay",
    "task",
    "data",
    "trainer.max_epochs",
    "trainer.max_steps",
    "trainer.precision",
)
_TIMES = 20  # at which schedules are compared


def outcome(result: Result, data: DataModule, train_metrics: str) -> str:
    """Return the result table of a run, and the commands to resume it and to view its curves."""
    folder, fitted = Path(result.folder), result.seconds[-1]
    lines = [f"{result.status}: {result.epochs} epochs, {result.steps:,} steps, {fitted:.1f} s"]
    if result.reason is not None:
        lines.append(result.reason)
    if result.refit:
        lines.append("a refit: it also trained on the validation data; the last epoch is used")
    if result.best is not None:
        columns = final_metrics(result)
        names = sorted({key.split("/")[0] for key in columns}, key=metric_order)
        test = {name: columns[f"{name}/test"] for name in names if f"{name}/test" in columns}
        names = [name for name in names if not is_against_opponent(name)]
        rows = [
            [
                data.split_label(split),
                *(get_metric(name).text(columns.get(f"{name}/{split}")) for name in names),
            ]
            for split in SPLITS
        ]
        lines += ["", table([f"epoch {result.best['epoch']}", *names], rows)]
        lines += [_train_note(train_metrics), ""]
        if against := opponents_table(test):
            lines += [against, ""]
    if result.status is Status.INTERRUPTED:
        lines.append(f"resume:  {command_line('train', [override('resume', str(folder))])}")
    lines.append(f"view:    {command_line('view', [str(folder.parent)])}")
    return "\n".join(lines)


def _train_note(train_metrics: str) -> str:
    hint = "; train_metrics=after: after it" if train_metrics == "during" else ""
    return f"  train: {TRAIN_METRICS[train_metrics]}{hint}"


def opponents_table(metrics: Mapping[str, float]) -> str | None:
    """Return a table of metrics against opponents, None if there are none."""
    opponents = by_opponent(metrics)
    if not opponents:
        return None
    names = sorted({name for values in opponents.values() for name in values}, key=metric_order)
    rows = [
        [opponent, *(get_metric(name).text(values.get(name)) for name in names)]
        for opponent, values in opponents.items()
    ]
    return table(["against", *names], rows)


def final_metrics(result: Result) -> dict[str, float]:
    """Return the metrics of the chosen epoch, including its test, by ``<metric>/<split>``."""
    best = result.best or {}
    chosen = {key: value for key, value in best.items() if "/" in key}
    for entry in result.evaluations:
        if entry.split == "test" and entry.epoch == best.get("epoch"):
            chosen |= {f"{name}/test": value for name, value in entry.metrics.items()}
    return chosen


def show_config(logger: pl.loggers.Logger | None, cfg: DictConfig) -> None:
    """Write the config to TensorBoard as text, or to another logger as hyperparameters."""
    if isinstance(logger, TensorBoard):
        logger.log_text("config", OmegaConf.to_yaml(cfg))
    elif logger is not None:
        logger.log_hyperparams(flatten(cfg))


def show_outcome(logger: pl.loggers.Logger | None, cfg: DictConfig, result: Result) -> None:
    """Write the run's row of TensorBoard's HPARAMS: settings and metrics of the chosen epoch.

    The metrics are named ``~best/...``; see ``BEST_EPOCH``. Another logger gets the metrics only.
    """
    metrics = {f"{BEST_EPOCH}/{key}": value for key, value in final_metrics(result).items()}
    if isinstance(logger, TensorBoard):
        logger.log_outcome(_settings(cfg), metrics)
    elif logger is not None and metrics:
        # MLflow refuses the character that sorts the names in TensorBoard.
        plain = {key.removeprefix("~"): value for key, value in metrics.items()}
        logger.log_metrics(plain, result.steps)


def changed_schedules(
    before: DictConfig, cfg: DictConfig, task: Task, epochs: int
) -> Iterator[str]:
    """Yield a line for each schedule that differs in epochs that a resumed run has trained already.

    Args:
        before: config of the run so far.
        cfg: config of the resumed run.
        task: task of the resumed run, in training.
        epochs: number of epochs that the run has trained.
    """
    schedules = {"learning rate": (build_schedule(before), build_schedule(cfg))}
    if task.augmentation is not None:
        cooldown = Cooldown(task.augmentation.cooldown)
        schedules["augmentation"] = (cooldown, cooldown)
    old, new = (
        task.training_length(c.trainer.max_epochs, c.trainer.max_steps) for c in (before, cfg)
    )
    times = [epochs * i / _TIMES for i in range(_TIMES)]
    for name, (first, second) in schedules.items():
        if any(first(time, old) != second(time, new) for time in times):
            length = f"{new:g} epochs" if old == new else f"{new:g} epochs instead of {old:g}"
            yield (
                f"the schedule of the {name} has changed and spans {length}; epochs 1 to {epochs}"
                " used the previous one"
            )


def _settings(cfg: DictConfig) -> dict[str, Any]:
    """Return the values of ``_SETTINGS`` by dotted key; the value of an option is its class."""
    values = flatten(cfg)
    values.pop("data.root", None)
    return {key: value for key, value in values.items() if is_within(key, _SETTINGS)}
