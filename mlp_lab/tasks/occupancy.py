"""Occupancy: whether each point of space is inside a solid."""

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor

from mlp_lab.data.datamodule import DataModule
from mlp_lab.data.shape import near_surface
from mlp_lab.nn.output_deltas import OutputDelta, sigmoid_cross_entropy
from mlp_lab.tasks.base import Task
from mlp_lab.tasks.chunked_training import ChunkedTraining


class Occupancy(Task):
    """Learn the occupancy of space (Tancik et al. 2020, section 6.2; Mescheder et al. 2019).

    The network has one output z for each point. The probability that the point is inside is
    sigmoid(z); the loss is the binary cross-entropy.

    Metrics are ``error``, the fraction of the points on the wrong side of the surface,
    ``intersection``, the fraction that is inside both solids, and ``iou``, the intersection over
    the union of the solids. An evaluation also has ``iou_near_surface``, of points near the
    surface.

    Shapes: outputs and targets ``[batch, 1]``.
    """

    target_kind = "occupancies"
    metrics = ("error", "intersection", "iou")

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(output, target)

    def output_delta(self, tasks: Sequence[ChunkedTraining]) -> OutputDelta:
        return sigmoid_cross_entropy

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        predicted, inside = output[:, 0] > 0, target[:, 0] > 0.5
        wrong, both = predicted != inside, predicted & inside
        return {"error": wrong.float(), "intersection": both.float()}

    def derived(self, means: Mapping[str, float]) -> dict[str, float]:
        # A point of the union is inside both solids or on the wrong side.
        union = means["intersection"] + means["error"]
        return {"iou": means["intersection"] / union if union else 1.0}

    def predictions(self, output: Tensor) -> Tensor:
        """Return the probabilities that points are inside, ``[batch, 1]``."""
        return output.sigmoid()

    def evaluate_split(self, data: DataModule, split: str) -> dict[str, float]:
        surface = self.evaluate(data.loader(near_surface(split)))
        return super().evaluate_split(data, split) | {"iou_near_surface": surface["iou"]}
