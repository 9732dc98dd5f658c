"""Evaluate a run on a whole split: its metrics and, of a classifier, what lies behind them."""

import logging
from collections.abc import Sequence
from typing import Any

import torch
from omegaconf import DictConfig

from mlp_lab.data.datamodule import DataModule
from mlp_lab.data.image import Image
from mlp_lab.formatting import console, markdown, metric, table
from mlp_lab.images.similarity import SMALLEST, ssim
from mlp_lab.runs.build import build_task
from mlp_lab.runs.diagnostics.diagnostic import Finding, Seen
from mlp_lab.runs.diagnostics.embeddings import embed
from mlp_lab.runs.diagnostics.selection import looks
from mlp_lab.storage.checkpoints import load_network, trained_epochs
from mlp_lab.storage.run_folder import Run, metrics_of
from mlp_lab.storage.tensorboard import write_event_file
from mlp_lab.tasks.base import Task
from mlp_lab.tasks.classification import Classifier
from mlp_lab.tasks.regression import Regression

log = logging.getLogger(__name__)


def evaluate(cfg: DictConfig) -> dict[str, Any]:
    """Evaluate as ``cfg`` says (``schemas.Evaluate``); return the entry for the run's record.

    The run is known by its folder alone. Figures, tables and the entry go into it.
    Raises UserError: no run there, no such checkpoint, or one that is damaged, or what doesn't go
    with the run; the split isn't touched then.
    """
    with console(None):
        run = Run.open(str(cfg.run))
        data, task, epoch = _ready(run, cfg.checkpoint)
        chosen = looks(
            data,
            task,
            temperature=cfg.temperature,
            robustness=cfg.robustness,
            embeddings=cfg.embeddings > 0,
        )
        entry = assess(data, task, cfg.split, cfg.checkpoint, epoch)
        log.info("%s: %s checkpoint", run.folder, cfg.checkpoint)
        metrics = metrics_of(entry)
        values = [metric(name, value) for name, value in metrics.items()]
        log.info("\n%s\n", table([f"epoch {entry['epoch']}", *metrics], [[cfg.split, *values]]))
        name = cfg.split if cfg.checkpoint == "best" else f"{cfg.split}_{cfg.checkpoint}"
        findings: list[Finding] = []
        if isinstance(task, Classifier):
            seen = Seen.of(data, task, cfg.split)
            findings = [look(seen) for look in chosen]
        entry |= {finding.name: finding.rows for finding in findings}
        run.add_evaluation(entry)
        if findings:
            _tell(run, name, findings)
        if cfg.embeddings > 0:
            count = embed(seen, cfg.embeddings, run.folder, name)
            log.info("TensorBoard's projector: %s examples of %s", f"{count:,}", name)
    return entry


def measure(run: Run, split: str, which: str) -> tuple[dict[str, Any], DataModule, Task]:
    """The metrics of a checkpoint (``best``, ``last``) on a whole split.

    Returns the entry, which is added to the run's record, and what it was made with.
    """
    data, task, epoch = _ready(run, which)
    entry = assess(data, task, split, which, epoch)
    run.add_evaluation(entry)
    return entry, data, task


def assess(data: DataModule, task: Task, split: str, which: str, epoch: int) -> dict[str, Any]:
    """The entry of a checkpoint, which ``task`` has and was made after ``epoch``, on a split."""
    metrics = task.evaluate(data.loader(split))
    if isinstance(data, Image) and isinstance(task, Regression):
        metrics |= _structure(data, task, split)
    return {"split": split, "checkpoint": which, "epoch": epoch, **metrics}


def _structure(data: Image, task: Regression, split: str) -> dict[str, float]:
    """The structural similarity of a split's pixels as a picture of their own, if large enough."""
    truth = torch.from_numpy(data.pixels[data.parts[split]])
    if min(truth.shape[:2]) < SMALLEST:
        return {}
    outputs, _ = task.outputs(data.loader(split))
    return {"ssim": ssim(task.values(outputs).float().cpu().view_as(truth), truth)}


def _ready(run: Run, which: str) -> tuple[DataModule, Task, int]:
    """The data of a run, its task with the weights of a checkpoint, and the checkpoint's epoch."""
    path = run.checkpoint(which)  # nothing is fetched for a run that has none
    data, task = build_task(run.config)
    content = load_network(task, path)  # with the encoding by which the data are encoded
    data.prepare_data()
    data.setup()
    return data, task, trained_epochs(content)


def _tell(run: Run, name: str, findings: Sequence[Finding]) -> None:
    """Print and write down findings: ``<name>_*.csv``, ``figures/<name>_*.png``, TensorBoard."""
    run.remove_figures(f"{name}_errors_*")
    texts, pictures = [], {}
    for finding in findings:
        columns = list(finding.rows[0])
        cells = [[_cell(column, row[column]) for column in columns] for row in finding.rows]
        log.info("%s\n", table(columns, cells))
        texts.append(markdown(columns, cells))
        run.write_table(f"{name}_{finding.name}", columns, finding.rows)
        for figure, draw in finding.figures.items():
            pictures[figure] = run.save_figure(f"{name}_{figure}", draw())
    write_event_file(run.folder, "\n\n".join(texts), pictures, name)
    log.info("figures: %s", run.folder / "figures" / f"{name}_*.png")


def _cell(column: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) or column == "strength":
        return f"{value:,g}"
    return metric(column, value)
