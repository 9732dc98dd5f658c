"""Predict the targets of the rows of a user's CSV file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mlp_lab.data.csv_reader import Table, read_csv
from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError
from mlp_lab.runs.prediction_rows import show_predictions
from mlp_lab.tasks.base import Task


def predict_table(
    path: str, output: str | None, data: DataModule, task: Task
) -> list[dict[str, Any]]:
    """Return the predictions for the rows of a CSV file; print them or write them to a file.

    A row has the number of its ``line``, the prediction under the name of the target (a class, or
    a number in the units of the training data) and, for probabilities, the ``confidence``. A target
    with one of these names is called ``predicted_line`` or ``predicted_confidence``.

    Args:
        path: CSV file with the columns ``data.feature_names``, in any order and among others; or
            with as many columns, in their order, if none of them has the name of a feature.
        output: CSV file to write; None: print a table.
        data: data module of the run.
        task: task with the weights of a checkpoint.

    Raises:
        UserError: the file lacks a column, or has a mistake; the message gives the line.
    """
    table = read_csv(Path(path), least=1)
    inputs = data.from_features(table.numbers(_feature_columns(table, data.feature_names)))
    task.eval()
    with torch.inference_mode():
        like = next(task.network.parameters())
        outputs = task(torch.as_tensor(inputs).to(like))
        predictions = task.predictions(outputs)
        probabilities = task.probabilities(outputs)
    columns = {"line": table.lines, **_target_columns(data, predictions)}
    if probabilities is not None:
        columns["confidence"] = probabilities.amax(1).tolist()
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    exact = [list(columns), *(list(row.values()) for row in rows)]
    show_predictions(list(columns), [_shown(row) for row in rows], exact, output)
    return rows


def _target_columns(data: DataModule, predictions: Tensor) -> dict[str, Sequence[Any]]:
    """Return the predicted classes, or one or more numbers, by the name of the column."""
    name = data.target_name
    if name in ("line", "confidence"):
        name = f"predicted_{name}"
    if data.class_names:
        return {name: [data.class_names[number] for number in predictions.tolist()]}
    values = data.values(predictions.double().numpy()).T
    names = [name, *(f"{name}_{i}" for i in range(2, len(values) + 1))]
    return {each: row.tolist() for each, row in zip(names, values, strict=True)}


def _feature_columns(table: Table, names: Sequence[str]) -> list[int]:
    """Return the positions of the features: by name, or all columns if none has such a name."""
    if set(names) <= set(table.names):
        return [table.names.index(name) for name in names]
    if len(table.names) == len(names) and set(names).isdisjoint(table.names):
        return list(range(len(names)))
    raise UserError(
        f"{table.path}: has the columns {', '.join(table.names)}; must have {', '.join(names)}"
    )


def _shown(row: Mapping[str, Any]) -> list[str]:
    """Return the cells of a row for the terminal."""
    return [
        f"{100 * value:.2f} %" if key == "confidence"
        else f"{value:.6g}" if isinstance(value, float) else str(value)
        for key, value in row.items()
    ]  # fmt: skip
