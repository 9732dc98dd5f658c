"""The errors of a classifier by class, and images of the misclassified examples."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from mlp_lab.config.metrics import percent
from mlp_lab.figures import confusion, image_grid
from mlp_lab.figures.rendering import Draw
from mlp_lab.tasks.diagnostics.diagnostic import Diagnostic
from mlp_lab.tasks.diagnostics.split_predictions import SplitPredictions

_PAGE_SIZE = 100  # errors, ten in a row
_SHORT_NAME = 3  # letters: two names of this length fit below an image side by side


def class_errors(predictions: SplitPredictions) -> Diagnostic:
    """Return the error of each class, a confusion matrix and, for images, pages of all errors.

    Args:
        predictions: those of a task whose targets are classes.
    """
    names = predictions.data.class_names
    targets, predicted = predictions.targets.numpy(), predictions.predictions.numpy()
    counts = confusion_counts(targets, predicted, len(names))
    rows = []
    for name, row, correct in zip(names, counts, counts.diagonal(), strict=True):
        total, wrong = int(row.sum()), int(row.sum() - correct)
        error = wrong / total if total else None
        rows.append({"class": name, "examples": total, "wrong": wrong, "error": error})
    figures: dict[str, Draw] = {
        "confusion_matrix": partial(confusion.confusion_matrix, counts, names),
        "class_errors": partial(confusion.class_errors, counts, names),
    }
    return Diagnostic("classes", rows, figures | dict(_error_pages(predictions)))


def confusion_counts(targets: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Return the number of examples by ``[true class, predicted class]``.

    Args:
        targets: numbers of the true classes, ``[examples]``.
        predictions: numbers of the predicted classes, ``[examples]``.
        classes: number of classes.
    """
    pairs = targets * classes + predictions
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def _error_pages(predictions: SplitPredictions) -> Iterator[tuple[str, Draw]]:
    """Yield name and function of each page of errors, sorted by confidence; none without images."""
    targets, predicted = predictions.targets.numpy(), predictions.predictions.numpy()
    errors = np.flatnonzero(predicted != targets)
    confidences = None
    if predictions.confidences is not None:
        confidences = predictions.confidences.numpy()
        errors = errors[np.argsort(-confidences[errors], kind="stable")]
    images = predictions.images(errors)
    if images is None:
        return
    names = predictions.data.class_names
    arrow = " → " if max(map(len, names)) <= _SHORT_NAME else " →\n"
    captions = [f"{names[targets[i]]}{arrow}{names[predicted[i]]}" for i in errors]
    legend = "truth → prediction"
    if confidences is not None:
        captions = [
            f"{c}\n{percent(confidences[i])}" for c, i in zip(captions, errors, strict=True)
        ]
        legend += ", confidence; highest confidence first"
    for page, first in enumerate(range(0, max(len(errors), 1), _PAGE_SIZE), 1):
        here = slice(first, first + _PAGE_SIZE)
        last = min(first + _PAGE_SIZE, len(errors))
        shown = f"errors {first + 1:,} to {last:,} of {len(errors):,}: {legend}"
        title = shown if len(errors) else "no errors"
        draw = partial(image_grid.image_grid, images[here], captions[here], title)
        yield f"errors_{page:02d}", draw
