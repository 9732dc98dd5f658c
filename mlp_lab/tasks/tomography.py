"""Tomography: the density at each point is learned from integrals of the density along rays."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from mlp_lab.data.ct import ct_of
from mlp_lab.errors import UserError
from mlp_lab.images.similarity import psnr
from mlp_lab.lightning import pl
from mlp_lab.nn.operators.radon import line_integrals
from mlp_lab.tasks.chunked_training import ChunkedTraining
from mlp_lab.tasks.diagnostics.tomography import compare_reconstructions
from mlp_lab.tasks.regression import Regression

if TYPE_CHECKING:
    from mlp_lab.tasks.diagnostics.diagnostic import Diagnostic
    from mlp_lab.tasks.diagnostics.split_predictions import SplitPredictions


class Tomography(Regression):
    """Learn a density from its projections (Tancik et al. 2020, section 6.2).

    The network's outputs are densities at all pixels of an image. The loss and the metrics of
    ``Regression`` compare their line integrals with the measured ones. An evaluation also has
    ``psnr`` and ``ssim``, which compare the densities with those of the object; they are not known
    in training and select no epoch.

    Shapes: outputs ``[objects, size^2, 1]``, targets ``[objects, projections, 1 + size]``, see
    ``data.ct.CT``.

    Args:
        output: function from the network's outputs to densities, ``identity`` or ``sigmoid``.
        loss: ``half_squared_error`` or ``squared_error``.
        task: arguments of ``Task``.
    """

    target_kind = "projections"
    unstackable_reason = "an example is a whole image"

    def __init__(self, *, output: str, loss: str, **task: Any) -> None:
        super().__init__(output=output, loss=loss, peak=None, output_bias=None, **task)

    def check_trainer(self, trainer: pl.Trainer) -> None:
        if trainer.world_size > 1:
            raise UserError("trainer.devices: must be 1 for projections of one object")

    def output_delta(self, tasks: Sequence[ChunkedTraining]) -> None:
        return None

    def record_training(
        self, losses: list[Tensor], outputs: list[Tensor], targets: list[Tensor]
    ) -> None:
        # One at a time, since the points on the rays of many steps would take gigabytes.
        for loss, output, target in zip(losses, outputs, targets, strict=True):
            super().record_training([loss], [output], [target])

    def image_metrics(self, values: Tensor, truth: Tensor) -> dict[str, float]:
        error = float((values - truth).square().mean())
        return super().image_metrics(values, truth) | {"psnr": psnr(error)}

    def diagnostics(self, predictions: "SplitPredictions") -> "list[Diagnostic]":
        data = ct_of(predictions.data)
        image = predictions.predictions.float().view(data.size, data.size)
        return [compare_reconstructions(data, image.cpu().numpy())]

    def _error(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the errors of all line integrals, ``[objects, projections * size]``."""
        angles, measured = target[..., 0], target[..., 1:]
        size = measured.shape[-1]
        densities = self.predictions(output).to(target.dtype).view(-1, size, size)
        return (line_integrals(densities, angles) - measured).flatten(1)
