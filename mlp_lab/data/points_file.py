"""Labelled points that a user brings in a CSV file."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlp_lab.data.points import LabelledPoints
from mlp_lab.errors import UserError
from mlp_lab.nn.seeds import epoch_seed

# One of so many parts of the examples validates, and one tests.
_PARTS = 5
_MOST = 10  # classes, which are as many as colours that can be told apart
_LARGEST = float(np.finfo(np.float32).max)


class PointsFile(LabelledPoints):
    """Points from a CSV file with three columns: two features and a label, which may be any text.

    The first line may name the columns. A fifth of the examples validates and a fifth tests; which
    these are is drawn from ``points_seed``. Classes stand in the order of their labels.

    Args:
        file: its path.
        standardize: give each feature a mean of 0 and a standard deviation of 1 over the training
            examples.

    Raises:
        UserError: the file isn't there, or isn't as it should be; says in which line.
    """

    def __init__(self, *, file: str, standardize: bool, **common: Any) -> None:
        self.feature_names, features, labels = read_points(Path(file))
        self.class_names = _in_order(labels)
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
        self._points = {name: (x[own], y[own]) for name, own in rows.items()}

    def points(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        return dict(self._points)


def read_points(path: Path) -> tuple[tuple[str, ...], np.ndarray, list[str]]:
    """The names of the two features, their values ``[examples, 2]``, and the labels.

    Raises UserError, which names the file and the line, for what can't be read.
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
    if len(set(labels)) > _MOST:
        raise UserError(f"{path}: different labels: {len(set(labels))}; must be at most {_MOST}")
    if len(set(labels)) == 1:
        raise UserError(f"{path}: all examples have the label {labels[0]!r}; must be two or more")
    return names, np.array(features), labels


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The number and the cells of each line that isn't blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text in UTF-8") from error
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


def _in_order(labels: Sequence[str]) -> tuple[str, ...]:
    """Each label once: numbers by their size, others as words."""
    numbers = {label: _number(label) for label in labels}
    if None in numbers.values():
        return tuple(sorted(numbers))
    return tuple(sorted(numbers, key=float))
