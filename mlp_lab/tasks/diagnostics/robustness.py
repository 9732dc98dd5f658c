"""Metrics of a task on corrupted images."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlp_lab.config.metrics import get_metric
from mlp_lab.figures import image_grid
from mlp_lab.images.corruptions import CORRUPTIONS
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.tasks.diagnostics.diagnostic import Diagnostic
from mlp_lab.tasks.diagnostics.split_predictions import SplitPredictions

_SEED = 0  # the same corrupted images for every run


def robustness(predictions: SplitPredictions) -> Diagnostic:
    """Return loss and metrics on a split with shifted, rotated, noisy and blurred images.

    If images are normalized (``data.normalize_width``, ``data.deslant``), the normalized ones are
    changed, and not normalized again.

    Args:
        predictions: those for data whose inputs are images.
    """
    name = (*predictions.task.metrics, "loss")[0]
    text = get_metric(name).text
    clean, original = _corrupted(predictions, lambda images: images)
    rows: list[dict[str, Any]] = [{"corruption": "none", "strength": 0, "unit": "", **clean}]
    images, captions = [], []
    for kind, corruption in CORRUPTIONS.items():
        images.append(original)
        captions.append(f"original\n\n{text(clean[name])}")
        for strength in corruption.strengths:
            seed = epoch_seed(_SEED, 0, f"{kind} {strength}")
            generator = torch.Generator().manual_seed(seed)
            corrupt = partial(corruption.apply, strength=strength, generator=generator)
            metrics, first = _corrupted(predictions, corrupt)
            settings = {"corruption": kind, "strength": strength, "unit": corruption.unit}
            rows.append(settings | metrics)
            images.append(first)
            captions.append(f"{kind}\n{strength} {corruption.unit}\n{text(metrics[name])}")
    title = f"the first image after each change, and the {name} on all images"
    columns = len(captions) // len(CORRUPTIONS)
    draw = partial(image_grid.image_grid, np.stack(images), captions, title, columns)
    return Diagnostic("robustness", rows, {"robustness": draw})


def _corrupted(
    predictions: SplitPredictions, corrupt: Callable[[Tensor], Tensor]
) -> tuple[dict[str, float], np.ndarray]:
    """Return the metrics on corrupted images, and the first of these images, ``[side, side]``."""
    data, firsts = predictions.data, []

    def batches(chunk: Iterable[list[Tensor]]) -> Iterator[list[Tensor]]:
        for x, y in chunk:
            images = data.images(x)
            assert images is not None
            corrupted = corrupt(images)
            firsts.append(corrupted[0])
            yield [data.from_images(corrupted), y]

    metrics = predictions.task.evaluate(map(batches, data.loader(predictions.split)))
    return metrics, firsts[0].numpy()
