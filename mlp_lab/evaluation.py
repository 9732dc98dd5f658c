"""Evaluate a run on a whole split: its metrics, the error of each class, its worst mistakes."""

import logging
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig

from mlp_lab import figures
from mlp_lab.build import build_task
from mlp_lab.checkpoints import load_network, trained_epochs
from mlp_lab.console import console, metric, percent, table
from mlp_lab.data import DataModule, Image
from mlp_lab.data.mnist import IdxImages
from mlp_lab.runs import Run, metrics_of
from mlp_lab.similarity import SMALLEST, ssim
from mlp_lab.tasks import Classification, Regression, Task

log = logging.getLogger(__name__)

_MOST_SHOWN = 40


def evaluate(cfg: DictConfig) -> dict[str, Any]:
    """Evaluate as ``cfg`` says (``schemas.Evaluate``); return the entry for the run's record.

    The run is known by its folder alone. Figures and the entry go into it.
    Raises UserError: no run there, no such checkpoint, or one that is damaged.
    """
    with console(None):
        run = Run.open(str(cfg.run))
        entry, data, task = measure(run, cfg.split, cfg.checkpoint)
        metrics = metrics_of(entry)
        log.info("%s: %s checkpoint", run.folder, cfg.checkpoint)
        values = [metric(name, value) for name, value in metrics.items()]
        header = [f"epoch {entry['epoch']}", *metrics]
        log.info("\n%s\n", table(header, [[cfg.split, *values]]))
        if isinstance(task, Classification) and isinstance(data, IdxImages):
            name = cfg.split if cfg.checkpoint == "best" else f"{cfg.split}_{cfg.checkpoint}"
            loader = data.loader(cfg.split)
            outputs, targets = task.outputs(loader)
            confidences = task.probabilities(outputs).amax(1).numpy()
            # Of the outputs, since probabilities may round to equal numbers.
            predictions = outputs.argmax(1).numpy()
            images = data.pictures(loader.tensors[0])
            _show(run, name, images, targets.numpy(), predictions, confidences, data.class_names)
    return entry


def measure(run: Run, split: str, which: str) -> tuple[dict[str, Any], DataModule, Task]:
    """The metrics of a checkpoint (``best``, ``last``) on a whole split.

    Returns the entry, which is added to the run's record, and what it was made with.
    """
    path = run.checkpoint(which)  # nothing is fetched for a run that has none
    data, task = build_task(run.config)
    load_network(task, path)  # with the encoding by which the data are encoded
    data.prepare_data()
    data.setup()
    entry = assess(run, data, task, split, which)
    run.add_evaluation(entry)
    return entry, data, task


def assess(run: Run, data: DataModule, task: Task, split: str, which: str) -> dict[str, Any]:
    """The entry of a checkpoint on a whole split of ``data``, whose weights ``task`` gets."""
    epoch = trained_epochs(load_network(task, run.checkpoint(which)))
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


def confusion_counts(targets: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """How many examples of each class were taken for which: ``[true class, predicted class]``.

    ``targets`` and ``predictions`` are the numbers of classes, ``[examples]`` both.
    """
    pairs = targets * classes + predictions
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def _show(
    run: Run,
    name: str,
    images: np.ndarray,
    targets: np.ndarray,
    predictions: np.ndarray,
    confidences: np.ndarray,
    class_names: tuple[str, ...],
) -> None:
    """Print each class's error; draw the errors as ``figures/<name>_*.png``.

    ``images`` are ``[examples, height, width]`` in [0, 1]; the other arrays ``[examples]``.
    """
    counts = confusion_counts(targets, predictions, len(class_names))
    log.info("%s\n", _class_table(counts, class_names))
    wrong = np.flatnonzero(predictions != targets)
    worst = wrong[np.argsort(-confidences[wrong], kind="stable")][:_MOST_SHOWN]
    captions = [
        f"true: {class_names[targets[i]]}\npredicted: {class_names[predictions[i]]}\n"
        f"{percent(confidences[i])}"
        for i in worst
    ]
    run.save_figure(f"{name}_confusion_matrix", figures.confusion_matrix(counts, class_names))
    run.save_figure(f"{name}_class_errors", figures.class_errors(counts, class_names))
    run.save_figure(f"{name}_most_confident_errors", figures.examples(images[worst], captions))
    log.info("figures: %s", run.folder / "figures" / f"{name}_*.png")


def _class_table(counts: np.ndarray, class_names: tuple[str, ...]) -> str:
    rows = []
    for name, row, right in zip(class_names, counts, counts.diagonal(), strict=True):
        total, wrong = int(row.sum()), int(row.sum() - right)
        rows.append([name, f"{total:,}", f"{wrong:,}", percent(wrong / total) if total else "-"])
    return table(["class", "examples", "wrong", "error"], rows)
