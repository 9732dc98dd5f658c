"""The choice between closed-form gradients and autograd."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn
from torch.optim import Optimizer

from mlp_lab.data.attached import training_loader
from mlp_lab.errors import UserError
from mlp_lab.nn.closed_form import NoClosedFormError
from mlp_lab.nn.closed_form_step import ClosedFormStep
from mlp_lab.nn.microbatches import microbatch_size

if TYPE_CHECKING:  # it imports this module
    from mlp_lab.tasks.chunked_training import ChunkedTraining

log = logging.getLogger(__name__)


def closed_form_step(
    tasks: "Sequence[ChunkedTraining]", network: nn.Module, optimizers: Sequence[Optimizer]
) -> ClosedFormStep | None:
    """Return the training step with closed-form gradients; None: autograd computes them.

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
        return _step(tasks, network, optimizers)
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
    step = ClosedFormStep(network, optimizers, delta, batch_size, size)
    log.info("gradients: in closed form")
    return step
