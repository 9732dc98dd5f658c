"""Reconstruction: the density of an object is learned from measurements of it."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from mlp_lab.data.datamodule import DataModule
from mlp_lab.data.measured_object import MeasuredObject, measured_object
from mlp_lab.errors import UserError
from mlp_lab.lightning import pl
from mlp_lab.tasks.chunked_training import ChunkedTraining
from mlp_lab.tasks.diagnostics.reconstructions import compare_reconstructions, similarity
from mlp_lab.tasks.regression import Regression

if TYPE_CHECKING:
    from mlp_lab.tasks.diagnostics.diagnostic import Diagnostic
    from mlp_lab.tasks.diagnostics.split_predictions import SplitPredictions


class Reconstruction(Regression):
    """Learn a density from measurements (Tancik et al. 2020, section 6.2).

    The network's outputs are densities at all points of a grid. The loss and the metrics of
    ``Regression`` compare their measurements with those of the object. An evaluation also has
    ``psnr`` and, in two dimensions, ``ssim``, which compare the densities with those of the object;
    they are not known in training and select no epoch. The PSNR of the classical reconstruction is
    ``psnr_filtered_back_projection`` or ``psnr_zero_filled``.

    A subclass defines ``target_kind`` and ``measure_densities``.

    Shapes: outputs ``[objects, points, 1]``, targets as ``data.measured_object.MeasuredObject``
    describes.

    Args:
        output: function from the network's outputs to densities, ``identity`` or ``sigmoid``.
        loss: ``half_squared_error`` or ``squared_error``.
        task: arguments of ``Task``.
    """

    unstackable_reason = "an example is a whole object"
    in_parts = True

    def __init__(self, *, output: str, loss: str, **task: Any) -> None:
        super().__init__(output=output, loss=loss, peak=None, output_bias=None, **task)

    @abstractmethod
    def measure_densities(self, densities: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return measurements of densities ``[objects, points]``, and those of ``target``.

        Both have the same shape, with the objects first.
        """

    def check_trainer(self, trainer: pl.Trainer) -> None:
        super().check_trainer(trainer)
        if trainer.world_size > 1:
            raise UserError(f"trainer.devices: must be 1 for {self.target_kind} of one object")

    def output_delta(self, tasks: Sequence[ChunkedTraining]) -> None:
        return None

    def record_training(
        self, losses: list[Tensor], outputs: list[Tensor], targets: list[Tensor]
    ) -> None:
        # One at a time, since the measurements of many steps would take gigabytes.
        for loss, output, target in zip(losses, outputs, targets, strict=True):
            super().record_training([loss], [output], [target])

    def density(self, data: DataModule) -> np.ndarray:
        """Return the density that the network represents, of the shape of the object's."""
        outputs, _ = self.outputs(data.loader("train"))
        return _as_density(_measured(data), self.predictions(outputs))

    def evaluate_split(self, data: DataModule, split: str) -> dict[str, float]:
        metrics, measured = self.evaluate(data.loader(split)), _measured(data)
        metrics |= similarity(self.density(data), measured.density)
        try:
            measured.check_packages()
        except UserError:  # a package of the classical reconstruction is not installed
            return metrics
        classical = similarity(measured.reconstruction, measured.density)["psnr"]
        name = measured.classical.replace(" ", "_").replace("-", "_")
        return metrics | {f"psnr_{name}": classical}

    def diagnostics(self, predictions: "SplitPredictions") -> "list[Diagnostic]":
        data = _measured(predictions.data)
        return [compare_reconstructions(data, _as_density(data, predictions.predictions))]

    def _error(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the errors of all measurements, ``[objects, measurements]``."""
        densities = self.predictions(output).squeeze(2).to(target.dtype)
        predicted, measured = self.measure_densities(densities, target)
        return (predicted - measured).flatten(1)


def _measured(data: DataModule) -> MeasuredObject:
    measured = measured_object(data)
    assert measured is not None, "the target_kind of task and data is the same"
    return measured


def _as_density(data: MeasuredObject, values: Tensor) -> np.ndarray:
    return values.float().cpu().view(data.density.shape).numpy()
