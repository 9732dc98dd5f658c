"""Classification that learns the outputs of a trained network (distillation)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError
from mlp_lab.tasks.classification import Classification, output_per_class


class Distillation(Classification):
    """``Classification`` that learns the classes and the outputs of a teacher.

    For the network's outputs z and the teacher's outputs t, the loss of the training is

        (1 - share) H(y, softmax(z)) + share T^2 H(softmax(t / T), softmax(z / T))

    with the cross-entropy H and the classes y (Hinton et al. 2015, arXiv 1503.02531, section 2).
    The factor T^2 keeps the gradients of both terms comparable. The teacher sees the same augmented
    inputs as the network (Beyer et al. 2022, arXiv 2106.05237, section 3.1), in evaluation mode.
    Validation and evaluation use neither the teacher nor the temperature.

    Args:
        teacher: function that returns the trained network, from encoded inputs ``[batch, ...]`` to
            outputs ``[batch, outputs]``. It is called when a training starts.
        share: weight of the teacher's term, in [0, 1].
        temperature: temperature T, above 0: larger values weight improbable classes more.
        task: arguments of ``Classification``.

    Raises:
        UserError: the outputs or the loss are not those of the cross-entropy of softmax outputs.
    """

    unstackable_reason = "its task needs a teacher's outputs"

    def __init__(
        self,
        *,
        teacher: Callable[[], nn.Module],
        share: float,
        temperature: float,
        output: str,
        loss: str,
        **task: Any,
    ) -> None:
        if (output, loss) != ("softmax", "cross_entropy"):
            raise UserError(
                "task: distillation needs task.output=softmax and task.loss=cross_entropy"
            )
        super().__init__(output=output, loss=loss, **task)
        self._load_teacher = teacher
        self.share = share
        self.temperature = temperature

    def begin(self, data: DataModule) -> None:
        super().begin(data)
        self._load_teacher()  # an unsuitable teacher is an error before there is a run folder

    def on_train_start(self) -> None:
        super().on_train_start()
        # Not a submodule, since checkpoints do not contain the teacher.
        teacher = self._load_teacher().to(next(self.network.parameters()))
        self._teacher = teacher.eval().requires_grad_(False).forward

    def differentiate(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            outputs = output_per_class(self._teacher(x)).float()
        return super().differentiate(x, torch.cat([y.unsqueeze(1), outputs], 1))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss for classes ``[batch]``, or with a teacher's outputs.

        Args:
            output: the network's outputs, ``[batch, outputs]``.
            target: classes, int64 ``[batch]``, or the class and the teacher's outputs of each
                example, float32 ``[batch, 1 + classes]``.
        """
        if target.ndim == 1:
            return super().loss(output, target)
        classes, teacher = target[:, 0].long(), target[:, 1:]
        soft = output_per_class(output) / self.temperature
        truth = (teacher / self.temperature).softmax(1)
        distance = nn.functional.cross_entropy(soft, truth) * self.temperature**2
        return torch.lerp(super().loss(output, classes), distance, self.share)
