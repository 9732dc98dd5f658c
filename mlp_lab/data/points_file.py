"""Labelled points from a user's CSV file."""

import csv
import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mlp_lab.config.names import SPLITS
from mlp_lab.data.points import LabelledPoints
from mlp_lab.errors import UserError
from mlp_lab.nn.seeds import epoch_seed

# One of five parts of the examples is for validation, and one for the test.
_PARTS = 5
_MAX_CLASSES = 10  # as many as the figures have colours
_LARGEST = float(np.finfo(np.float32).max)
# Names by separator of the columns; the first of them that fits most lines is used.
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}


class PointsFile(LabelledPoints):
    """Points from a CSV file with three columns: two features and a label, which may be any text.

    The columns are separated by commas, semicolons or tabs, which is detected. The first line may
    contain the names of the columns. One fifth of the examples, selected at random, is for
    validation, and another fifth for the test. The classes are sorted by label.

    Args:
        file: path of the file.
        standardize: whether to scale each feature to a mean of 0 and a standard deviation of 1 over
            the training examples.

    Raises:
        UserError: the file does not exist or has a mistake; the message gives the line.
    """

    def __init__(self, *, file: str, standardize: bool, **common: Any) -> None:
        self.file = file
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

    def warnings(self) -> Sequence[str]:
        return [
            f"{self.file}: no example of the split {split} has the label {', '.join(missing)};"
            " another data.points_seed divides the examples differently"
            for split in SPLITS
            if (missing := self._missing_classes(split))
        ]

    def _missing_classes(self, split: str) -> list[str]:
        numbers = self._points[split][1][: self.train_size if split == "train" else None]
        return [name for i, name in enumerate(self.class_names) if i not in numbers]

    def points(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        return dict(self._points)


def read_points(path: Path) -> tuple[tuple[str, ...], np.ndarray, list[str]]:
    """Return the names of the two features, their values ``[examples, 2]``, and the labels.

    Raises:
        UserError: the file cannot be read or has a mistake; the message gives the line.
    """
    text = _read_text(path)
    separator = max(_SEPARATORS, key=lambda each: _count_examples(text, each))
    names, features, labels = LabelledPoints.feature_names, [], []
    try:
        for place, (line, row) in enumerate(_rows(text, separator)):
            if len(row) != 3:
                raise UserError(
                    f"line {line}: columns: {len(row)}, separated by {_SEPARATORS[separator]}; must"
                    " be 3: two features and a label"
                )
            *cells, label = row
            if place == 0 and all(_number(cell) is None for cell in cells):
                names = _column_names(line, row)
                continue
            if not label:
                raise UserError(f"line {line}: the label is missing")
            features.append([_feature(cell, line) for cell in cells])
            labels.append(label)
        _check_labels(labels)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return names, np.array(features), labels


def _read_text(path: Path) -> str:
    """Return the text of a file; line ends are line feeds."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + error.object[: error.start].count(b"\n")
        raise UserError(f"{path}: line {line}: not a text file in UTF-8") from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error


def _count_examples(text: str, separator: str) -> int:
    """Return how many lines have two numbers and a label.

    Numbers may have a decimal comma here, so that the message is about the comma.
    """
    count = 0
    for line in text.split("\n"):
        with suppress(csv.Error):
            cells = _cells(line, separator)
            numbers = [_number(cell.replace(",", ".")) for cell in cells[:2]]
            count += len(cells) == 3 and None not in numbers
    return count


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line that is not blank.

    Raises:
        UserError: a line has wrong quotes.
    """
    for number, line in enumerate(text.split("\n"), 1):
        try:
            cells = _cells(line, separator)
        except csv.Error as error:
            reason = "a quote is not closed" if "end of data" in str(error) else str(error)
            raise UserError(f"line {number}: {reason}") from error
        if any(cells):
            yield number, cells


def _cells(line: str, separator: str) -> list[str]:
    """Return the cells of a line. Raises csv.Error if the quotes are wrong.

    A quoted cell must end in its line: otherwise, a quote that is not closed would hide the lines
    up to the next quote.
    """
    reader = csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True)
    return [cell.strip() for row in reader for cell in row]


def _column_names(line: int, row: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the two features."""
    if "" in row:
        raise UserError(f"line {line}: the name of a column is missing")
    if len(set(row)) < len(row):
        raise UserError(f"line {line}: the names of the columns must differ: {', '.join(row)}")
    return tuple(row[:2])


def _feature(cell: str, line: int) -> float:
    value = _number(cell)
    if value is not None and abs(value) <= _LARGEST:
        return value
    hint = "" if _number(cell.replace(",", ".")) is None or "," not in cell else " (decimal comma?)"
    raise UserError(f"line {line}: {cell!r} is not a finite number{hint}")


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)  # Python allows 1_000
    except ValueError:
        return None


def _check_labels(labels: Sequence[str]) -> None:
    """Check the number of examples and of classes, and that each class has one label.

    Raises:
        UserError: they are not allowed.
    """
    different = sorted(set(labels))
    if len(labels) < _PARTS:
        raise UserError(f"examples: {len(labels)}; must be at least {_PARTS}")
    numbers: dict[float, str] = {}
    for label in different if _all_finite(different) else ():
        if (other := numbers.setdefault(float(label), label)) != label:
            raise UserError(
                f"the labels {other!r} and {label!r} are the same number; one class must have one"
                " label"
            )
    if len(different) > _MAX_CLASSES:
        raise UserError(f"different labels: {len(different)}; must be at most {_MAX_CLASSES}")
    if len(different) == 1:
        raise UserError(f"all examples have the label {labels[0]!r}; must be two or more")


def _all_finite(labels: Sequence[str]) -> bool:
    numbers = [_number(label) for label in labels]
    return all(number is not None and math.isfinite(number) for number in numbers)


def _sorted_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return each label once, sorted by value if all are finite numbers, else alphabetically."""
    different = sorted(set(labels))
    return tuple(sorted(different, key=float) if _all_finite(different) else different)
