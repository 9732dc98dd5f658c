"""Labelled points from a user's CSV file."""

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlp_lab.data.points import LabelledPoints
from mlp_lab.errors import UserError
from mlp_lab.nn.seeds import epoch_seed

# One of five parts of the examples is for validation, and one for the test.
_PARTS = 5
_MAX_CLASSES = 10  # as many as the figures have colours
_LARGEST = float(np.finfo(np.float32).max)


class PointsFile(LabelledPoints):
    """Points from a CSV file with three columns: two features and a label, which may be any text.

    The first line may contain the names of the columns. One fifth of the examples, selected at
    random, is for validation, and another fifth for the test. The classes are sorted by label.

    Args:
        file: path of the file.
        standardize: whether to scale each feature to a mean of 0 and a standard deviation of 1 over
            the training examples.

    Raises:
        UserError: the file does not exist or has a mistake; the message gives the line.
    """

    def __init__(self, *, file: str, standardize: bool, **common: Any) -> None:
        self.feature_names, features, labels = read_points(Path(file))
        self.class_names = _sorted_labels(labels)
        content = features.tobytes() + "\0".join(labels).encode()
        self._digest = hashlib.sha256(content).hexdigest()
        part = len(labels) // _PARTS
        super().__init__(available=len(labels) - 2 * part, **common)
        generator = np.random.default_rng(epoch_seed(self.points_seed, 0, "splits of points"))
        order = generator.permutation(len(labels))
        rows = {
            "train": order[2 * part :],
            "validation": order[:part],
            "test": order[part : 2 * part],
        }
        if standardize:
            training = features[rows["train"]]
            std = training.std(0)
            self.mean, self.std = training.mean(0), np.where(std > 0, std, 1)
        x = (features - self.mean) / self.std
        y = np.array([self.class_names.index(label) for label in labels])
        self._points = {split: (x[which], y[which]) for split, which in rows.items()}

    @property
    def content_digest(self) -> str:
        return self._digest

    def points(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        return dict(self._points)


def read_points(path: Path) -> tuple[tuple[str, ...], np.ndarray, list[str]]:
    """Return the names of the two features, their values ``[examples, 2]``, and the labels.

    Raises:
        UserError: the file cannot be read; the message gives the line.
    """
    names, features, labels = LabelledPoints.feature_names, [], []
    for place, (line, row) in enumerate(_rows(path)):
        where = f"{path}: line {line}"
        if len(row) != 3:
            raise UserError(f"{where}: columns: {len(row)}; must be 3: two features and a label")
        *cells, label = row
        if place == 0 and all(_number(cell) is None for cell in cells):
            names = tuple(cells)
            continue
        if not label:
            raise UserError(f"{where}: the label is missing")
        features.append([_feature(cell, where) for cell in cells])
        labels.append(label)
    if len(labels) < _PARTS:
        raise UserError(f"{path}: examples: {len(labels)}; must be at least {_PARTS}")
    if len(set(labels)) > _MAX_CLASSES:
        count = len(set(labels))
        raise UserError(f"{path}: different labels: {count}; must be at most {_MAX_CLASSES}")
    if len(set(labels)) == 1:
        raise UserError(f"{path}: all examples have the label {labels[0]!r}; must be two or more")
    return names, np.array(features), labels


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line that is not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file in UTF-8") from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    reader = csv.reader(io.StringIO(text))
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num}: {error}") from error


def _feature(cell: str, where: str) -> float:
    value = _number(cell)
    if value is None or not abs(value) <= _LARGEST:
        raise UserError(f"{where}: {cell!r} is not a finite number")
    return value


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _sorted_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return each label once, sorted by value if all are numbers, else alphabetically."""
    numbers = {label: _number(label) for label in labels}
    if None in numbers.values():
        return tuple(sorted(numbers))
    return tuple(sorted(numbers, key=float))
