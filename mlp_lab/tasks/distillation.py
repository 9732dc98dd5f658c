"""Classification that learns the outputs of trained networks (distillation)."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlp_lab.errors import UserError
from mlp_lab.nn.probes import weights_digest
from mlp_lab.tasks.classification import Classification, output_per_class


class Distillation(Classification):
    """``Classification`` that learns the classes and the outputs of a teacher.

    The teacher is one or several trained networks. For the network's outputs z and the teacher's
    outputs t, which are the mean over its networks, the loss of the training is

        (1 - share) H(y, softmax(z)) + share T^2 KL(softmax(t / T) || softmax(z / T))

    with the cross-entropy H, the Kullback-Leibler divergence KL and the classes y (Hinton et al.
    2015, arXiv 1503.02531, section 2; KL is their cross-entropy minus a constant). The factor T^2
    keeps the gradients of both terms comparable. The teacher sees the same augmented inputs as the
    network (Beyer et al. 2022, arXiv 2106.05237, section 3.1), in evaluation mode. Validation and
    evaluation use neither the teacher nor the temperature.

    Args:
        teacher: function that returns the trained networks, from encoded inputs ``[batch, ...]`` to
            outputs ``[batch, outputs]``. It is called once, before a training.
        share: weight of the teacher's term, in [0, 1].
        temperature: temperature T, above 0: larger values weight improbable classes more.
        task: arguments of ``Classification``.

    Raises:
        UserError: the outputs or the loss are not those of the cross-entropy of softmax outputs.
    """

    unstackable_reason = "its task needs a teacher's outputs"
    takes_teacher = True

    def __init__(
        self,
        *,
        teacher: Callable[[], Sequence[nn.Module]],
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

    def load_teacher(self) -> str:
        # In a list, they are not submodules: checkpoints do not contain them.
        self._teacher = [each.eval().requires_grad_(False) for each in self._load_teacher()]
        return weights_digest(self._teacher)

    def on_train_start(self) -> None:
        super().on_train_start()
        for network in self._teacher:
            network.to(next(self.network.parameters()))

    def _differentiate_microbatch(
        self, x: Tensor, y: Tensor, share: float
    ) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            outputs = torch.stack([output_per_class(network(x)) for network in self._teacher])
        exact = torch.promote_types(outputs.dtype, torch.float32)  # bfloat16 would round classes
        target = torch.cat([y.unsqueeze(1), outputs.mean(0, dtype=exact)], 1)
        return super()._differentiate_microbatch(x, target, share)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss for classes ``[batch]``, or with a teacher's outputs.

        Args:
            output: the network's outputs, ``[batch, outputs]``.
            target: classes, int64 ``[batch]``, or the class and the teacher's outputs of each
                example, ``[batch, 1 + classes]``.
        """
        if target.ndim == 1:
            return super().loss(output, target)
        classes, teacher = target[:, 0].long(), target[:, 1:]
        outputs = output_per_class(output).to(teacher.dtype)
        ours, theirs = ((each / self.temperature).log_softmax(1) for each in (outputs, teacher))
        divergence = F.kl_div(ours, theirs, reduction="batchmean", log_target=True)
        soft = self.temperature**2 * divergence
        return torch.lerp(super().loss(output, classes).to(soft.dtype), soft, self.share)
