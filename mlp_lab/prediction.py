"""Predict the classes of pictures that a user brings."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from omegaconf import DictConfig

from mlp_lab.build import build_task
from mlp_lab.checkpoints import load_network
from mlp_lab.console import console, table
from mlp_lab.data.mnist import IdxImages
from mlp_lab.data.pictures import light_on_dark, read_pictures
from mlp_lab.errors import UserError
from mlp_lab.files import csv_text, write_whole
from mlp_lab.runs import Run
from mlp_lab.tasks import Classification

log = logging.getLogger(__name__)

# A picture's file or index, its class, and how sure the network is of it.
Prediction = tuple[str, str, float]

_MOST_SHOWN = 50


def predict(cfg: DictConfig) -> list[Prediction]:
    """Predict as ``cfg`` says (``schemas.Predict``): a table on the terminal, or a CSV file.

    Raises UserError: no run of pictures there, no pictures there, or a file that is none.
    """
    with console(None):
        run = Run.open(cfg.run)
        path = run.checkpoint(cfg.checkpoint)
        kind, names, pictures = read_pictures(cfg.images)
        data, task = build_task(run.config)
        if not isinstance(task, Classification) or not isinstance(data, IdxImages):
            raise UserError(f"{run.folder}: this run didn't learn the classes of pictures")
        load_network(task, path)
        task.eval()
        with torch.inference_mode():
            pixels = 255 * torch.from_numpy(light_on_dark(pictures, cfg.invert))
            outputs = task.network(data.inputs(pixels))
            confidences = task.probabilities(outputs).amax(1).tolist()
        # Of the outputs, since probabilities may round to equal numbers.
        classes = [data.class_names[i] for i in outputs.argmax(1).tolist()]
        predictions = list(zip(names, classes, confidences, strict=True))
        if cfg.output is None:
            log.info("%s", _shown(kind, predictions))
        else:
            write_whole(Path(cfg.output), _csv(kind, predictions).encode())
            log.info("%s: %s predictions", cfg.output, f"{len(predictions):,}")
    return predictions


def _shown(kind: str, predictions: Sequence[Prediction]) -> str:
    rows = [[name, label, f"{100 * p:.2f} %"] for name, label, p in predictions[:_MOST_SHOWN]]
    text = table([kind, "prediction", "confidence"], rows)
    if more := len(predictions) - len(rows):
        text += f"\n  ... and {more:,} more (output=predictions.csv writes all of them)"
    return text


def _csv(kind: str, predictions: Sequence[Prediction]) -> str:
    rows = ((name, label, f"{p:.6f}") for name, label, p in predictions)
    return csv_text([(kind, "prediction", "confidence"), *rows])
