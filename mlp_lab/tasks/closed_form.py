"""Training with closed-form gradients, and the choice between them and autograd."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mlp_lab.data.attached import training_loader
from mlp_lab.data.batches import Buffers, Chunk
from mlp_lab.errors import UserError
from mlp_lab.nn.closed_form import NoClosedFormError
from mlp_lab.nn.closed_form_step import ClosedFormStep
from mlp_lab.nn.microbatches import microbatch_size

if TYPE_CHECKING:  # it imports this module
    from mlp_lab.tasks.chunked_training import ChunkedTraining

log = logging.getLogger(__name__)


class ClosedFormTraining:
    """Trains a stack of networks with chunks of minibatches.

    Args:
        step: training step.
        optimizers: optimizer of each network.
    """

    def __init__(self, step: ClosedFormStep, optimizers: Sequence[Optimizer]) -> None:
        self._step = step
        self._optimizers = optimizers
        self._buffers: Buffers = {}

    @torch.inference_mode()
    def train(
        self,
        chunk: Chunk,
        rates: Tensor,
        augmented: Callable[[Tensor], Tensor],
        after_step: Callable[[], None] | None,
    ) -> tuple[Tensor, Tensor]:
        """Step with each minibatch; return outputs and targets of all, in their order.

        The outputs are ``[members, examples, outputs]``, the targets ``[orders, examples, ...]``.

        Args:
            chunk: minibatches.
            rates: learning rates, float64 ``[members, minibatches]``.
            augmented: function from inputs ``[orders, batch, ...]`` to augmented ones.
            after_step: function that is called after each step.
        """
        y = chunk.targets()
        targets = self._step.targets(y).split(chunk.sizes, 2)
        columns = self._step.rates(rates, chunk.sizes)
        outputs = []
        for x, target, rate in zip(chunk.inputs(self._buffers), targets, columns, strict=True):
            outputs.append(self._step(augmented(x), target, rate).clone())
            if after_step is not None:
                after_step()
        for optimizer, last in zip(self._optimizers, rates[:, -1].tolist(), strict=True):
            optimizer.param_groups[0]["lr"] = last
        return torch.cat(outputs, 2).mT, y


def closed_form_training(
    tasks: "Sequence[ChunkedTraining]", network: nn.Module, optimizers: Sequence[Optimizer]
) -> ClosedFormTraining | None:
    """Return the training with closed-form gradients; None: autograd computes them.

    Args:
        tasks: tasks that train as one stack, whose losses differ in numbers only.
        network: their stacked network.
        optimizers: optimizer of each task.

    Raises:
        UserError: ``gradients=closed_form`` for a network, loss or trainer without them.
    """
    task = tasks[0]
    if task.gradients == "autograd":
        return None
    try:
        return ClosedFormTraining(_step(tasks, network, optimizers), optimizers)
    except NoClosedFormError as error:
        if task.gradients == "closed_form":
            raise UserError(f"gradients=closed_form: {error}; must be auto or autograd") from error
        log.info("gradients: by autograd (%s)", error)
        return None


def _step(
    tasks: "Sequence[ChunkedTraining]", network: nn.Module, optimizers: Sequence[Optimizer]
) -> ClosedFormStep:
    task = tasks[0]
    delta = task.output_delta(tasks)
    if delta is None:
        raise NoClosedFormError(f"the loss of {type(task).__name__} has no closed form")
    if task.trainer.precision not in ("32-true", "64-true"):
        raise NoClosedFormError(f"trainer.precision={task.trainer.precision} has none")
    if task.trainer.world_size > 1:
        raise NoClosedFormError("several processes train one network")
    batch_size = training_loader(task.trainer).batch_size
    size = microbatch_size(task.network, task.device)
    step = ClosedFormStep(network, optimizers, delta, batch_size, size, task.clipping)
    log.info("gradients: in closed form")
    return step
