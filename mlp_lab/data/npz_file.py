"""Examples from two arrays of a user's npz file: inputs, and classes or values."""

from pathlib import Path
from typing import Any

import numpy as np

from mlp_lab.data.fetch import checksum
from mlp_lab.data.labels import classes_of
from mlp_lab.data.split_examples import Examples
from mlp_lab.data.split_images import SplitImages
from mlp_lab.errors import UserError
from mlp_lab.images.npz_files import open_npz

_LARGEST = float(np.finfo(np.float32).max)


class NpzFile(SplitImages):
    """Examples from an npz file, as ``numpy.savez(path, x=..., y=...)`` writes it.

    Inputs ``[examples, features]`` are features. Inputs ``[examples, side, side]`` are grey images:
    bytes, or floats in [0, 1]. Targets are labels ``[examples]`` (integers or texts), or for
    ``regression`` values ``[examples]`` or ``[examples, outputs]``.

    Args:
        path: path of the file.
        inputs: name of the array of inputs.
        targets: name of the array of targets.
        kind: ``classification`` or ``regression``.
        options: arguments of ``SplitExamples``.

    Raises:
        UserError: the file is damaged, or its arrays have other shapes or types.
    """

    def __init__(self, *, path: str, inputs: str, targets: str, kind: str, **options: Any) -> None:
        x, y = _read_arrays(Path(path), inputs, targets)
        self.target_name = targets
        digest = checksum(Path(path), "sha256")
        assert digest is not None
        try:
            side, features = _features(x, inputs)
            names, numbers = _targets(y, targets, kind, len(x))
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        if side is None:
            self.feature_names = tuple(f"{inputs}{i}" for i in range(1, features.shape[1] + 1))
        examples = Examples(features, numbers, names, digest)
        super().__init__(path=path, side=side, examples=examples, **options)


def _read_arrays(path: Path, *names: str) -> list[np.ndarray]:
    if not path.is_file():
        raise UserError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
    with open_npz(path) as archive:
        for name in names:
            if name not in archive.files:
                found = ", ".join(archive.files) or "none"
                raise UserError(f"{path}: has no array {name}; its arrays: {found}")
        return [archive[name] for name in names]


def _features(x: np.ndarray, name: str) -> tuple[int | None, np.ndarray]:
    """Return the side of images, None for features, and the inputs ``[examples, features]``."""
    if not (np.issubdtype(x.dtype, np.number) or x.dtype == bool) or np.iscomplexobj(x):
        raise UserError(f"{name}: contains {x.dtype}; must be numbers")
    is_images = x.ndim == 3 and x.shape[1] == x.shape[2]
    if not (x.ndim == 2 or is_images) or 0 in x.shape:
        raise UserError(
            f"{name}: has the shape {list(x.shape)}; must be [examples, features] or"
            " [examples, side, side]"
        )
    _check_finite(x, name)
    if not is_images:
        return None, x.astype(float)
    if x.dtype == np.uint8:
        x = x / np.float32(255)
    elif not (x.min() >= 0 and x.max() <= 1):
        raise UserError(f"{name}: images must be bytes, or floats in [0, 1]")
    return x.shape[1], x.reshape(len(x), -1).astype(np.float32)


def _targets(y: np.ndarray, name: str, kind: str, count: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names of the classes, none for values, and the targets."""
    if y.ndim not in (1, 2) or len(y) != count or 0 in y.shape:
        raise UserError(
            f"{name}: has the shape {list(y.shape)}; must be one target for each of the"
            f" {count:,} inputs"
        )
    if kind == "regression":
        if not np.issubdtype(y.dtype, np.floating) and not np.issubdtype(y.dtype, np.integer):
            raise UserError(f"{name}: contains {y.dtype}; must be numbers")
        _check_finite(y, name)
        return (), y.reshape(count, -1).astype(float)
    if y.size != count or y.dtype.kind not in "iubU":
        raise UserError(
            f"{name}: contains {y.dtype} {list(y.shape)}; labels must be integers or texts"
        )
    return classes_of(y.ravel().astype(str).tolist())


def _check_finite(array: np.ndarray, name: str) -> None:
    """Raise UserError if a value is not finite in single precision."""
    # As float64: the limit in half precision would be infinite.
    finite = (np.abs(array.reshape(len(array), -1), dtype=float) <= _LARGEST).all(1)
    if not finite.all():
        first = int(np.argmin(finite))
        raise UserError(f"{name}: example {first} has values that are missing or not finite")
