"""Images of a user in a folder for each class."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from mlp_lab.data.labels import classes_of
from mlp_lab.data.split_examples import Examples
from mlp_lab.data.split_images import SplitImages
from mlp_lab.errors import UserError
from mlp_lab.images.digit_files import files_in_folder, fit_square, read_grey

_MAX_PIXELS = 2**29  # of all images: 2 GiB of floats


class ImageFolder(SplitImages):
    """Grey images of classes: ``<path>/<class>/<image>``.

    The longer side of an image is scaled to ``side`` pixels, and the shorter one is padded with the
    median of the border. Colours become grey.

    Args:
        path: folder with a folder of images for each class.
        side: height and width of the images in pixels.
        options: arguments of ``SplitExamples``.

    Raises:
        UserError: there are no such folders or images, or an image cannot be read.
    """

    def __init__(self, *, path: str, side: int, **options: Any) -> None:
        examples = _read_examples(Path(path), side)
        super().__init__(path=path, examples=examples, side=side, **options)


def _read_examples(folder: Path, side: int) -> Examples:
    files = _labelled_files(folder)
    if (pixels := len(files) * side**2) > _MAX_PIXELS:
        raise UserError(
            f"data.side={side}: {len(files):,} images of {side} x {side} have {pixels:,} pixels;"
            f" must be at most {_MAX_PIXELS:,}"
        )
    labels = [label for label, _ in files]
    try:
        names, targets = classes_of(labels)
    except UserError as error:
        raise UserError(f"{folder}: {error}") from error
    inputs = np.empty((len(files), side**2), np.float32)
    for row, (_, file) in zip(inputs, files, strict=True):
        row[:] = fit_square(read_grey(file), side).ravel()
    digest = hashlib.sha256(inputs.tobytes())
    digest.update("\0".join(labels).encode())
    return Examples(inputs, targets, names, digest.hexdigest())


def _labelled_files(folder: Path) -> list[tuple[str, Path]]:
    """Return the class and the path of each image, sorted."""
    if not folder.is_dir():
        raise UserError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    classes = [p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
    if not classes:
        raise UserError(f"{folder}: must contain a folder of images for each class")
    return [(each.name, file) for each in sorted(classes) for file in files_in_folder(each)]
