"""How a classifier takes pictures that are worse than those it has learnt from."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlp_lab.data.mnist import IdxImages
from mlp_lab.figures import image_grid
from mlp_lab.formatting import percent
from mlp_lab.images.corruptions import CORRUPTIONS
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.runs.diagnostics.diagnostic import Finding, Seen

_SEED = 0  # the same spoilt pictures for every run


def look_at_robustness(seen: Seen) -> Finding:
    """Loss and error on a split whose pictures are shifted, rotated, noisy or blurred."""
    assert isinstance(seen.data, IdxImages)
    clean, original = _spoilt(seen, seen.data, lambda images: images)
    rows: list[dict[str, Any]] = [{"corruption": "none", "strength": 0, "unit": "", **clean}]
    shown, captions = [], []
    for name, corruption in CORRUPTIONS.items():
        shown.append(original)
        captions.append(f"as it is\n\n{percent(clean['error'])}")
        for strength in corruption.strengths:
            seed = epoch_seed(_SEED, 0, f"{name} {strength}")
            generator = torch.Generator().manual_seed(seed)
            spoil = partial(corruption.apply, strength=strength, generator=generator)
            metrics, first = _spoilt(seen, seen.data, spoil)
            at = {"corruption": name, "strength": strength, "unit": corruption.unit}
            rows.append(at | metrics)
            shown.append(first)
            told = f"{strength} {corruption.unit}\n{percent(metrics['error'])}"
            captions.append(f"{name}\n{told}")
    title = f"{seen.split}: the first picture, and the error on all"
    columns = len(captions) // len(CORRUPTIONS)
    sheet = partial(image_grid.image_grid, np.stack(shown), captions, title, columns)
    return Finding("robustness", rows, {"robustness": sheet})


def _spoilt(
    seen: Seen, data: IdxImages, spoil: Callable[[Tensor], Tensor]
) -> tuple[dict[str, float], np.ndarray]:
    """The metrics on spoilt pictures, and the first of these, ``[side, side]``."""
    firsts: list[Tensor] = []

    def batches(chunk: Iterable[list[Tensor]]) -> Iterator[list[Tensor]]:
        for x, y in chunk:
            images = spoil(data.pictures(x))
            firsts.append(images[0])
            yield [data.inputs(255 * images), y]

    metrics = seen.task.evaluate(map(batches, data.loader(seen.split)))
    return metrics, firsts[0].numpy()
