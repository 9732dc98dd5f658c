"""Predict with a run: classes, targets of a table, or the image, solid or scene of a network."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from mlp_lab.config.flatten import flatten, format_value
from mlp_lab.data.datamodule import DataModule
from mlp_lab.data.scenes.camera import camera_on_sphere
from mlp_lab.data.section import Section
from mlp_lab.data.solids.triangles import encode_ply
from mlp_lab.data.views import views_of
from mlp_lab.errors import UserError
from mlp_lab.images.codecs import encode_png, to_uint8
from mlp_lab.images.digit_files import fit_square, light_on_dark, read_digits
from mlp_lab.images.mnist_preprocessing import preprocess
from mlp_lab.runs.build import build_task, target_of
from mlp_lab.runs.data_paths import difference, moved_paths, with_moved_data
from mlp_lab.runs.predict_table import predict_table
from mlp_lab.runs.prediction_rows import show_predictions
from mlp_lab.runs.render import render, surface, view
from mlp_lab.storage.checkpoints import load_network
from mlp_lab.storage.files import write_whole
from mlp_lab.storage.log import console
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.tasks.base import Task

log = logging.getLogger(__name__)

_MAX_PIXELS = 100_000_000
_SECTION = ("axis", "position")  # keys of a section
# Keys that say what is predicted; each kind of run has some of them.
_KEYS = ("images", "table", "size", "region", *_SECTION, "azimuth", "elevation", "mesh")
_ELEVATION = 30.0  # degrees


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


Predictions = list[Prediction] | list[dict[str, Any]] | Path


def predict(cfg: DictConfig) -> Predictions:
    """Predict as ``cfg`` (``schemas.predict.Predict``) specifies.

    If the run has learned one image, or a solid or a volume, of which a section is an image, render
    a part of it at any resolution to a PNG file. With ``cfg.mesh``, write the surface of a solid to
    a PLY file. If it has learned a scene, render a view of it to a PNG file. Return the file's
    path.

    If the run has learned classes of images, predict the classes of a user's images, print them or
    write them to a CSV file, and return them. If its inputs are points or rows of a table, do the
    same for the rows of a CSV file; see ``predict_table``.

    Raises:
        UserError: there is no such run, image or file, or the run cannot predict it.
    """
    with console():
        run = RunFolder.open(cfg.run)
        data, task = _load(cfg, run)
        learned = _learned(run, data, task)
        others = [key for key in _KEYS if key not in learned.keys]
        _refuse(cfg, others, f"{run.folder} has learned {learned.what}")
        return learned.predict(cfg, run, data, task)


def _load(cfg: DictConfig, run: RunFolder) -> tuple[DataModule, Task]:
    """Return the data of a run, which are not read if possible, and its task with its weights."""
    path, paths = run.checkpoints.existing(cfg.checkpoint), moved_paths(cfg)
    needs_files = target_of(run.config.data).defined_by_files
    config = with_moved_data(run.config, paths) if paths or needs_files else run.config
    data, task = build_task(config)
    load_network(task, path)
    if needs_files and (other := difference(run, config, data)):
        raise other
    return data, task


def _refuse(cfg: DictConfig, keys: Sequence[str], reason: str) -> None:
    """Raise UserError if one of the keys has a value."""
    for key in keys:
        if cfg[key] is not None:
            value = format_value(flatten(cfg)[key])
            raise UserError(f"{key}={value}: must be null: {reason}")


def _output(cfg: DictConfig, run: RunFolder, suffix: str) -> Path:
    """Return the path of the file to write. Raises UserError if it has another suffix."""
    path = Path(cfg.output or run.folder / "figures" / f"prediction{suffix}")
    if path.suffix.lower() != suffix:
        raise UserError(f"output={path}: must end in {suffix}")
    return path


def _render_solid(cfg: DictConfig, run: RunFolder, data: DataModule, task: Task) -> Path:
    """Write the surface of the solid that the run has learned, or an image of a section."""
    if cfg.mesh is None:
        return _render(cfg, run, data, task)
    _refuse(cfg, ("size", "region", *_SECTION), "the mesh is the whole surface")
    mesh = surface(task, cfg.mesh)
    if not len(mesh.faces):
        raise UserError(f"{run.folder}: the network has a probability below 1/2 everywhere")
    output = _output(cfg, run, ".ply")
    write_whole(output, encode_ply(mesh))
    log.info("%s: %s triangles", output, f"{len(mesh.faces):,}")
    return output


def _render_view(cfg: DictConfig, run: RunFolder, data: DataModule, task: Task) -> Path:
    """Render the scene that the run has learned, from a camera that looks at the origin.

    The camera is at the middle of the distances at which rays are sampled, and has the angle of
    view of the training images.
    """
    views = views_of(data)
    default_size, angle = views.image_format()
    width, height = _image_size(cfg, default_size, data.out_features)
    samples = views.samples
    elevation = _ELEVATION if cfg.elevation is None else cfg.elevation
    distance = (samples.near + samples.far) / 2
    camera = camera_on_sphere(cfg.azimuth or 0.0, elevation, distance, angle)
    return _write_image(cfg, run, view(task, camera, samples, width, height).colours)


def _image_size(cfg: DictConfig, default: tuple[int, int], values: int) -> tuple[int, int]:
    """Return width and height of the image to render in pixels.

    Args:
        cfg: config of ``predict``.
        default: width and height without the key ``size``.
        values: number of values that the network predicts for each pixel.
    """
    width, height = cfg.size or default
    if width * height > _MAX_PIXELS:
        needed = 4 * values * width * height / 2**30
        raise UserError(
            f"size=[{width},{height}]: takes {needed:.1f} GiB; must be at most {_MAX_PIXELS:,}"
            " pixels: render larger images region by region"
        )
    return width, height


def _render(cfg: DictConfig, run: RunFolder, data: DataModule, task: Task) -> Path:
    """Render the image that the run has learned."""
    assert data.target_size is not None
    width, height = _image_size(cfg, data.target_size, data.out_features)
    left, top, right, bottom = cfg.region or (0.0, 0.0, 1.0, 1.0)
    if not (left < right and top < bottom):
        raise UserError(
            f"region={list(cfg.region)}: must be left, top, right and bottom, in this order"
        )
    section = data.section and _section(cfg, data.section)
    image = render(task, width, height, (left, top, right, bottom), section)
    return _write_image(cfg, run, image)


def _write_image(cfg: DictConfig, run: RunFolder, image: Tensor) -> Path:
    """Write an image ``[height, width, channels]`` to a PNG file; return the path."""
    output = _output(cfg, run, ".png")
    write_whole(output, encode_png(to_uint8(image.numpy())))
    height, width, _ = image.shape
    log.info("%s: %d x %d pixels", output, width, height)
    return output


def _section(cfg: DictConfig, section: Section) -> Section:
    """Return a section with the axis and the position of ``cfg``, if there are any."""
    position = section.position if cfg.position is None else cfg.position
    return Section(cfg.axis or section.axis, position)


def _classify(cfg: DictConfig, run: RunFolder, data: DataModule, task: Task) -> list[Prediction]:
    """Predict the classes of the images ``cfg.images``."""
    assert data.image_side is not None
    if cfg.images is None:
        raise UserError("images: a value is needed: the images to classify")
    kind, names, images = read_digits(cfg.images, data.image_side)
    with_mnist = cfg.preprocessing == "mnist" or (
        cfg.preprocessing == "auto" and data.mnist_preprocessing and kind == "file"
    )
    prepare = preprocess if with_mnist else _fit_unchanged
    invert = cfg.invert if data.light_on_dark or cfg.invert != "auto" else "no"
    digits, remarks = zip(*(prepare(x, data.image_side, invert) for x in images), strict=True)
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
    _show(kind, predictions, cfg.output)
    return predictions


def _predict_rows(
    cfg: DictConfig, run: RunFolder, data: DataModule, task: Task
) -> list[dict[str, Any]]:
    """Predict the targets of the rows of ``cfg.table``."""
    if cfg.table is None:
        raise UserError("table: a value is needed: a CSV file with a column per feature")
    return predict_table(cfg.table, cfg.output, data, task)


def _fit_unchanged(grey: np.ndarray, side: int, invert: str) -> tuple[np.ndarray, str]:
    """Return an image as light on dark, float32 ``[side, side]`` in [0, 1], and a remark."""
    [image] = light_on_dark(fit_square(grey, side)[None], invert)
    return image, "" if np.ptp(grey) else "all pixels are equal"


def _show(kind: str, predictions: Sequence[Prediction], output: str | None) -> None:
    """Print the predictions, or write them to a CSV file."""
    shown = [
        [name, label or remark, "" if p is None else f"{100 * p:.2f} %"]
        for name, label, p, remark in predictions
    ]
    exact = (
        (name, label, None if p is None else f"{p:.6f}", remark)
        for name, label, p, remark in predictions
    )
    header = (kind, "prediction", "confidence")
    show_predictions(header, shown, [(*header, "remark"), *exact], output)


class _Learned(NamedTuple):
    """What a run has learned.

    Attributes:
        what: text after "has learned".
        keys: the keys of ``_KEYS`` that it allows.
        predict: function that predicts with it.
    """

    what: str
    keys: tuple[str, ...]
    predict: Callable[[DictConfig, RunFolder, DataModule, Task], Predictions]


_IMAGE = ("size", "region")
_SCENE = _Learned("a scene", ("size", "azimuth", "elevation"), _render_view)
_SOLID = _Learned("a solid", (*_IMAGE, *_SECTION, "mesh"), _render_solid)
_VOLUME = _Learned("a volume", (*_IMAGE, *_SECTION), _render)
_ONE_IMAGE = _Learned("one image", _IMAGE, _render)
_CLASSES = _Learned("classes of images", ("images",), _classify)
_ROWS = _Learned("from a table", ("table",), _predict_rows)


def _learned(run: RunFolder, data: DataModule, task: Task) -> _Learned:
    """Return what a run has learned. Raises UserError if it cannot predict."""
    if data.target_kind == "views":
        return _SCENE
    if data.section is not None:
        return _SOLID if data.has_surface else _VOLUME
    if data.target_size is not None:
        return _ONE_IMAGE
    if data.image_side is not None and task.predicts_probabilities():
        return _CLASSES
    if data.feature_names:
        return _ROWS
    raise UserError(
        f"{run.folder}: needs a run that learned an image, a solid, a volume, a scene, from a"
        " table, or probabilities of classes of images"
    )
