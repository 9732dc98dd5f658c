"""Predict with a run: the classes of pictures that a user brings, or a picture that it knows."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from omegaconf import DictConfig

from mlp_lab.data.image import Image
from mlp_lab.data.mnist import IdxImages
from mlp_lab.errors import UserError
from mlp_lab.formatting import console, table
from mlp_lab.images.codecs import encode_png, to_uint8
from mlp_lab.images.digit_files import light_on_dark, read_digits
from mlp_lab.runs.build import build_task
from mlp_lab.runs.render import render
from mlp_lab.storage.checkpoints import load_network
from mlp_lab.storage.files import csv_text, write_whole
from mlp_lab.storage.run_folder import Run
from mlp_lab.tasks.classification import Classification
from mlp_lab.tasks.regression import Regression

log = logging.getLogger(__name__)

# A picture's file or index, its class, and how sure the network is of it.
Prediction = tuple[str, str, float]

_MOST_SHOWN = 50
_MOST_PIXELS = 100_000_000


def predict(cfg: DictConfig) -> list[Prediction] | Path:
    """Predict as ``cfg`` says (``schemas.Predict``).

    Of a run that knows classes: those of pictures, in a table on the terminal or a CSV file. Of a
    run that knows a picture: a part of it in any resolution, in a PNG file, whose path is returned.
    Raises UserError: no such run there, no pictures there, a file that is none, or what doesn't go
    with the run.
    """
    with console(None):
        run = Run.open(cfg.run)
        path = run.checkpoint(cfg.checkpoint)
        data, task = build_task(run.config)
        load_network(task, path)
        if isinstance(task, Regression) and isinstance(data, Image):
            return _draw(cfg, run, data, task)
        if isinstance(task, Classification) and isinstance(data, IdxImages):
            return _classify(cfg, run, data, task)
        raise UserError(f"{run.folder}: this run didn't learn a picture or the classes of pictures")


def _draw(cfg: DictConfig, run: Run, data: Image, task: Regression) -> Path:
    if cfg.images is not None:
        raise UserError(f"images={cfg.images}: {run.folder} knows one picture only; must be null")
    width, height = cfg.size or (data.size, data.size)
    if width * height > _MOST_PIXELS:
        needed = 4 * data.out_features * width * height / 2**30
        raise UserError(
            f"size=[{width},{height}]: takes {needed:.1f} GiB;"
            f" must be at most {_MOST_PIXELS:,} pixels: draw region by region"
        )
    left, top, right, bottom = cfg.region or (0.0, 0.0, 1.0, 1.0)
    if not (left < right and top < bottom):
        raise UserError(
            f"region={list(cfg.region)}: must be left, top, right and bottom, in this order"
        )
    picture = render(task, width, height, (left, top, right, bottom))
    output = Path(cfg.output or run.folder / "figures" / "prediction.png")
    write_whole(output, encode_png(to_uint8(picture.numpy())))
    log.info("%s: %d x %d pixels", output, width, height)
    return output


def _classify(cfg: DictConfig, run: Run, data: IdxImages, task: Classification) -> list[Prediction]:
    for key in ("size", "region"):
        if cfg[key] is not None:
            raise UserError(f"{key}: {run.folder} knows classes and no picture; must be null")
    if cfg.images is None:
        raise UserError("images: a value is needed: pictures whose classes to predict")
    kind, names, pictures = read_digits(cfg.images)
    task.eval()
    with torch.inference_mode():
        pixels = 255 * torch.from_numpy(light_on_dark(pictures, cfg.invert))
        outputs = task(data.inputs(pixels))
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
