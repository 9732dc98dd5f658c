"""Which classes a classifier takes for which, and each example that it takes for another."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from mlp_lab.figures import confusion, image_grid
from mlp_lab.formatting import percent
from mlp_lab.runs.diagnostics.diagnostic import Finding, Seen

_A_PAGE = 100  # errors, ten in a row
_SHORT = 3  # letters of a class's name, so that two fit below a picture side by side


def look_at_classes(seen: Seen) -> Finding:
    """The error of each class; a confusion matrix and, of pictures, all errors on pages."""
    names = seen.data.class_names
    counts = confusion_counts(seen.targets.numpy(), seen.predictions.numpy(), len(names))
    rows = []
    for name, row, right in zip(names, counts, counts.diagonal(), strict=True):
        total, wrong = int(row.sum()), int(row.sum() - right)
        error = wrong / total if total else None
        rows.append({"class": name, "examples": total, "wrong": wrong, "error": error})
    drawn: dict[str, Callable[[], Figure]] = {
        "confusion_matrix": partial(confusion.confusion_matrix, counts, names),
        "class_errors": partial(confusion.class_errors, counts, names),
    }
    return Finding("classes", rows, drawn | dict(_pages(seen)))


def confusion_counts(targets: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """How many examples of each class were taken for which: ``[true class, predicted class]``.

    ``targets`` and ``predictions`` are the numbers of classes, ``[examples]`` both.
    """
    pairs = targets * classes + predictions
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def _pages(seen: Seen) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """Pages of all errors, those first that the network was surest of; none without pictures."""
    targets, predictions = seen.targets.numpy(), seen.predictions.numpy()
    sure = None if seen.confidences is None else seen.confidences.numpy()
    errors = np.flatnonzero(predictions != targets)
    if sure is not None:
        errors = errors[np.argsort(-sure[errors], kind="stable")]
    images = seen.pictures(errors)
    if images is None:
        return
    names = seen.data.class_names
    arrow = " → " if max(map(len, names)) <= _SHORT else " →\n"
    captions = [f"{names[targets[i]]}{arrow}{names[predictions[i]]}" for i in errors]
    told = "truth → prediction"
    if sure is not None:
        captions = [f"{c}\n{percent(sure[i])}" for c, i in zip(captions, errors, strict=True)]
        told += ", confidence; the surest first"
    for page, first in enumerate(range(0, max(len(errors), 1), _A_PAGE), 1):
        here = slice(first, first + _A_PAGE)
        last = min(first + _A_PAGE, len(errors))
        title = f"{seen.split}: errors {first + 1:,} to {last:,} of {len(errors):,}: {told}"
        yield (
            f"errors_{page:02d}",
            partial(image_grid.image_grid, images[here], captions[here], title),
        )
