"""What a run tells of itself: a table on the terminal, text and HPARAMS in TensorBoard."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlp_lab.config.flatten import flatten, is_within
from mlp_lab.config.metrics import get_metric, metric_order
from mlp_lab.config.names import SPLITS
from mlp_lab.formatting import table
from mlp_lab.runs.logger import TensorBoard
from mlp_lab.storage.results import Result, Status

# What makes a difference between runs.
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


def outcome(result: Result) -> str:
    """Return the result table of a run, and the commands to resume and to look at it."""
    folder, fitted = Path(result.folder), result.seconds[-1]
    lines = [f"{result.status}: {result.epochs} epochs, {result.steps:,} steps, {fitted:.1f} s"]
    if result.reason is not None:
        lines.append(result.reason)
    if result.refit:
        lines.append("a refit: it trained on the validation data as well; the last epoch counts")
    if result.best is not None:
        columns = final_metrics(result)
        names = sorted({key.split("/")[0] for key in columns}, key=metric_order)
        rows = [
            [split, *(get_metric(name).text(columns.get(f"{name}/{split}")) for name in names)]
            for split in SPLITS
        ]
        lines += ["", table([f"epoch {result.best['epoch']}", *names], rows), ""]
    if result.status is Status.INTERRUPTED:
        lines.append(f"go on:  python scripts/train.py resume={folder}")
    lines.append(f"look:   tensorboard --logdir {folder.parent}")
    return "\n".join(lines)


def final_metrics(result: Result) -> dict[str, float]:
    """Return the metrics of the chosen epoch as ``<metric>/<split>``, those of its test too."""
    best = result.best or {}
    chosen = {key: value for key, value in best.items() if "/" in key}
    for entry in result.evaluations:
        if entry.split == "test" and entry.epoch == best.get("epoch"):
            chosen |= {f"{name}/test": value for name, value in entry.metrics.items()}
    return chosen


def show_config(logger: Any, cfg: DictConfig) -> None:
    """The config as text in TensorBoard."""
    if isinstance(logger, TensorBoard):
        logger.log_text("config", OmegaConf.to_yaml(cfg))


def show_outcome(logger: Any, cfg: DictConfig, result: Result) -> None:
    """The run's row in TensorBoard's HPARAMS: its settings and the chosen epoch's metrics.

    These are called ``best/...``: TensorBoard orders the columns by their names, and shows five.
    """
    if isinstance(logger, TensorBoard):
        metrics = {f"best/{key}": value for key, value in final_metrics(result).items()}
        logger.log_outcome(_settings(cfg), metrics)


def _settings(cfg: DictConfig) -> dict[str, Any]:
    """The keys that make a difference between runs, dotted, each choice by its class's name."""
    values = flatten(cfg)
    values.pop("data.root", None)
    return {key: value for key, value in values.items() if is_within(key, _SETTINGS)}
