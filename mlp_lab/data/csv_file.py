"""Examples from a user's CSV file: numbers as features, and a class or a number as target."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlp_lab.data.csv_reader import MISSING, Table, read_csv
from mlp_lab.data.labels import classes_of
from mlp_lab.data.split_examples import Examples, SplitExamples
from mlp_lab.errors import UserError


class CSVFile(SplitExamples):
    """Examples from a CSV file, one per line; ``csv_reader.read_csv`` describes the format.

    Args:
        path: path of the file.
        target: name or number of the column of the target; None: the last.
        features: names or numbers of the columns of the features; None: all others.
        kind: ``classification``: the target is a label, which may be any text; ``regression``: it
            is a number.
        header: whether the first line has the names of the columns; None: this is detected.
        options: arguments of ``SplitExamples``.

    Raises:
        UserError: the file does not exist or has a mistake; the message gives the line.
    """

    def __init__(
        self,
        *,
        path: str,
        target: str | None,
        features: Sequence[str] | None,
        kind: str,
        header: bool | None,
        **options: Any,
    ) -> None:
        table = read_csv(Path(path), header, target)
        target_column = _target_column(table, target)
        columns = _feature_columns(table, features, target_column)
        self.feature_names = tuple(table.names[column] for column in columns)
        self.target_name = table.names[target_column]
        examples = _examples(table, columns, target_column, kind)
        super().__init__(path=path, examples=examples, **options)

    def warnings(self) -> Sequence[str]:
        inputs, _ = self._examples["train"]
        constant = [
            f"{self.path}: all training examples have the same value of {name}, which therefore"
            " does not help to predict the target"
            for name, column in zip(self.feature_names, inputs.T, strict=True)
            if np.ptp(column) == 0
        ]
        missing = [
            f"{self.path}: {name!r} is a class of {self.target_name}, not a missing value"
            for name in self.class_names
            if name.lower() in MISSING
        ]
        return [*constant, *missing, *super().warnings()]


def _target_column(table: Table, target: str | None) -> int:
    return len(table.names) - 1 if target is None else table.position(target, "data.target")


def _feature_columns(table: Table, features: Sequence[str] | None, target: int) -> list[int]:
    """Return the positions of the features. Raises UserError if the target is one of them."""
    if features is None:
        return [column for column in range(len(table.names)) if column != target]
    columns = [table.position(feature, "data.features") for feature in features]
    if target in columns or len(set(columns)) < len(columns):
        raise UserError(
            f"data.features=[{','.join(features)}]: must be different columns without the target"
            f" {table.names[target]}"
        )
    return columns


def _examples(table: Table, columns: Sequence[int], target: int, kind: str) -> Examples:
    inputs, texts = table.numbers(columns), table.texts(target)
    class_names: tuple[str, ...] = ()
    targets = np.empty((0, 1))
    if kind == "regression":
        targets = table.numbers([target])
    elif texts:
        try:
            class_names, targets = classes_of(texts)
        except UserError as error:
            raise UserError(f"{table.path}: {error}") from error
    content = inputs.tobytes() + "\0".join(texts).encode()
    return Examples(inputs, targets, class_names, hashlib.sha256(content).hexdigest())
