"""Predict with a run: the classes of a user's images, or the image that a network represents."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from omegaconf import DictConfig

from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError
from mlp_lab.formatting import table
from mlp_lab.images.codecs import encode_png, to_uint8
from mlp_lab.images.digit_files import fit_square, light_on_dark, read_digits
from mlp_lab.images.mnist_preprocessing import preprocess
from mlp_lab.runs.build import build_task
from mlp_lab.runs.render import render
from mlp_lab.storage.checkpoints import load_network
from mlp_lab.storage.files import csv_text, write_whole
from mlp_lab.storage.log import console
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.tasks.base import Task

log = logging.getLogger(__name__)

_MAX_ROWS = 50  # in the table on the terminal
_MAX_PIXELS = 100_000_000


class Prediction(NamedTuple):
    """The prediction for an image.

    Attributes:
        image: the image's file or index.
        label: the predicted class; None if there is a remark.
        confidence: the probability of the class; None if there is a remark.
        remark: why the image has no class, or an empty string.
    """

    image: str
    label: str | None
    confidence: float | None
    remark: str = ""


def predict(cfg: DictConfig) -> list[Prediction] | Path:
    """Predict as ``cfg`` (``schemas.predict.Predict``) specifies.

    If the run has learned one image, render a part of it at any resolution to a PNG file, and
    return the file's path. If it has learned classes of images, predict the classes of a user's
    images, print them or write them to a CSV file, and return them.

    Raises:
        UserError: there is no such run or image, or the run cannot predict it.
    """
    with console():
        run = RunFolder.open(cfg.run)
        path = run.checkpoint(cfg.checkpoint)
        data, task = build_task(run.config)
        load_network(task, path)
        if data.target_size is not None:
            return _render(cfg, run, data, task)
        if data.image_side is not None and task.predicts_probabilities():
            return _classify(cfg, run, data, task)
        raise UserError(f"{run.folder}: needs a run that learned an image, or classes of images")


def _render(cfg: DictConfig, run: RunFolder, data: DataModule, task: Task) -> Path:
    """Render the image that the run has learned."""
    if cfg.images is not None:
        raise UserError(f"images={cfg.images}: must be null: {run.folder} has learned one image")
    assert data.target_size is not None
    width, height = cfg.size or data.target_size
    if width * height > _MAX_PIXELS:
        needed = 4 * data.out_features * width * height / 2**30
        raise UserError(
            f"size=[{width},{height}]: takes {needed:.1f} GiB; must be at most {_MAX_PIXELS:,}"
            " pixels: render larger images region by region"
        )
    left, top, right, bottom = cfg.region or (0.0, 0.0, 1.0, 1.0)
    if not (left < right and top < bottom):
        raise UserError(
            f"region={list(cfg.region)}: must be left, top, right and bottom, in this order"
        )
    image = render(task, width, height, (left, top, right, bottom))
    output = Path(cfg.output or run.folder / "figures" / "prediction.png")
    write_whole(output, encode_png(to_uint8(image.numpy())))
    log.info("%s: %d x %d pixels", output, width, height)
    return output


def _classify(cfg: DictConfig, run: RunFolder, data: DataModule, task: Task) -> list[Prediction]:
    """Predict the classes of the images ``cfg.images``."""
    for key in ("size", "region"):
        if cfg[key] is not None:
            raise UserError(f"{key}: must be null: {run.folder} has learned classes of images")
    assert data.image_side is not None
    if cfg.images is None:
        raise UserError("images: a value is needed: the images to classify")
    kind, names, images = read_digits(cfg.images, data.image_side)
    with_mnist = cfg.preprocessing == "mnist" or (
        cfg.preprocessing == "auto" and data.mnist_preprocessing and kind == "file"
    )
    prepare = preprocess if with_mnist else _fit_unchanged
    digits, remarks = zip(*(prepare(x, data.image_side, cfg.invert) for x in images), strict=True)
    task.eval()
    with torch.inference_mode():
        outputs = task(data.inputs(255 * torch.from_numpy(np.stack(digits))))
        probabilities = task.probabilities(outputs)
        assert probabilities is not None
    classes = [data.class_names[number] for number in task.predictions(outputs).tolist()]
    confidences = probabilities.amax(1).tolist()
    predictions = [
        Prediction(name, None, None, remark) if remark else Prediction(name, label, p)
        for name, label, p, remark in zip(names, classes, confidences, remarks, strict=True)
    ]
    if cfg.output is None:
        log.info("%s", _text(kind, predictions))
    else:
        write_whole(Path(cfg.output), _csv(kind, predictions).encode())
        log.info("%s: %s predictions", cfg.output, f"{len(predictions):,}")
    return predictions


def _fit_unchanged(grey: np.ndarray, side: int, invert: str) -> tuple[np.ndarray, str]:
    """Return an image as light on dark, float32 ``[side, side]`` in [0, 1], and a remark."""
    [image] = light_on_dark(fit_square(grey, side)[None], invert)
    return image, "" if np.ptp(grey) else "all pixels are equal"


def _text(kind: str, predictions: Sequence[Prediction]) -> str:
    """Return the predictions as a table for the terminal."""
    rows = [
        [name, label or remark, "" if p is None else f"{100 * p:.2f} %"]
        for name, label, p, remark in predictions[:_MAX_ROWS]
    ]
    text = table([kind, "prediction", "confidence"], rows)
    if more := len(predictions) - len(rows):
        text += f"\n  ... and {more:,} more (output=predictions.csv writes all of them)"
    return text


def _csv(kind: str, predictions: Sequence[Prediction]) -> str:
    """Return the predictions as CSV."""
    rows = (
        (name, label, None if p is None else f"{p:.6f}", remark)
        for name, label, p, remark in predictions
    )
    return csv_text([(kind, "prediction", "confidence", "remark"), *rows])
