"""Training with closed-form gradients, and the choice between them and autograd."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mlp_lab.data.attached import training_loader
from mlp_lab.data.batches import Buffers, Chunk
from mlp_lab.errors import UserError
from mlp_lab.lightning import pl
from mlp_lab.nn.closed_form import check_stackable
from mlp_lab.nn.closed_form_layers import NoClosedFormError
from mlp_lab.nn.closed_form_network import ClosedFormNetwork
from mlp_lab.nn.closed_form_step import ClosedFormStep
from mlp_lab.nn.microbatches import microbatch_size
from mlp_lab.nn.output_deltas import OutputDelta

if TYPE_CHECKING:  # it imports this module
    from mlp_lab.tasks.chunked_training import ChunkedTraining

_T = TypeVar("_T")


class ClosedFormTraining:
    """Trains a stack of networks with chunks of minibatches.

    Args:
        step: training step.
        optimizers: optimizer of each network.
    """

    def __init__(self, step: ClosedFormStep, optimizers: Sequence[Optimizer]) -> None:
        self._step = step
        self._optimizers = optimizers
        self._buffers = Buffers()

    @torch.inference_mode()
    def train(
        self,
        chunk: Chunk,
        rates: Tensor,
        augmented: Callable[[Tensor, Tensor], Tensor],
        after_step: Callable[[], None] | None,
    ) -> tuple[Tensor, Tensor]:
        """Step with each minibatch; return outputs and targets of all, in their order.

        The outputs are ``[members, examples, outputs]``, the targets ``[orders, examples, ...]``.

        Args:
            chunk: minibatches.
            rates: learning rates, float64 ``[members, minibatches]``.
            augmented: function from inputs ``[orders, batch, ...]`` and targets of a minibatch to
                augmented inputs.
            after_step: function that is called after each step.
        """
        y = chunk.targets()
        targets = self._step.targets(y).split(chunk.sizes, 2)
        columns = self._step.rates(rates, chunk.sizes)
        outputs = []
        labels = y.split(chunk.sizes, 1)
        minibatches = zip(chunk.inputs(self._buffers), labels, targets, columns, strict=True)
        for x, label, target, rate in minibatches:
            outputs.append(self._step(augmented(x, label), target, rate).clone())
            if after_step is not None:
                after_step()
        for optimizer, last in zip(self._optimizers, rates[:, -1].tolist(), strict=True):
            optimizer.param_groups[0]["lr"] = last
        return torch.cat(outputs, 2).mT, y


def closed_form_training(
    tasks: "Sequence[ChunkedTraining]",
    optimizers: Sequence[Optimizer],
    stacked: Callable[[], nn.Module],
) -> tuple[ClosedFormTraining | None, str]:
    """Return the training with closed-form gradients, None for autograd, and a line for the log.

    Args:
        tasks: tasks that train as one stack, whose losses differ in numbers only.
        optimizers: optimizer of each task.
        stacked: function that returns their stacked network.

    Raises:
        UserError: ``gradients=closed_form`` for a network, loss or trainer without them.
    """
    task = tasks[0]
    return _in_closed_form(task, lambda: _training(tasks, optimizers, stacked), "in closed form")


def closed_form_network(task: "ChunkedTraining") -> tuple[ClosedFormNetwork | None, str]:
    """Return a task's network with closed-form gradients, for a loss that autograd differentiates.

    Returns:
        The network, None if autograd differentiates it as well; and a line for the log.

    Raises:
        UserError: ``gradients=closed_form`` for a network or trainer without them.
    """
    description = "of the loss by autograd, of the network in closed form"
    return _in_closed_form(task, lambda: ClosedFormNetwork(task.network), description)


def output_delta(tasks: "Sequence[ChunkedTraining]") -> OutputDelta | None:
    """Return the derivative of the loss of tasks that train as one stack; None: no closed form."""
    return tasks[0].output_delta(tasks) if _is_of_loss(type(tasks[0])) else None


def _in_closed_form(
    task: "ChunkedTraining", make: Callable[[], _T], description: str
) -> tuple[_T | None, str]:
    """Return the result of ``make``, None if there is no closed form; and a line for the log."""
    if task.gradients == "autograd":
        return None, "gradients: by autograd"
    try:
        check_closed_form(task.trainer)
        return make(), f"gradients: {description}"
    except NoClosedFormError as error:
        if task.gradients == "closed_form":
            raise refusal(error) from error
        return None, f"gradients: by autograd ({error})"


def refusal(reason: object) -> UserError:
    """Return the error for ``gradients=closed_form`` where there is none."""
    return UserError(f"gradients=closed_form: {reason}; must be auto or autograd")


def check_closed_form(trainer: pl.Trainer) -> None:
    """Raise NoClosedFormError if a trainer has no closed-form gradients."""
    if trainer.precision not in ("32-true", "64-true"):
        raise NoClosedFormError(f"none with trainer.precision={trainer.precision}")
    if trainer.world_size > 1:
        raise NoClosedFormError("several processes train one network")
    device = trainer.strategy.root_device.type
    if device != "cpu":
        raise NoClosedFormError(f"none with trainer.accelerator={device}")


def _training(
    tasks: "Sequence[ChunkedTraining]",
    optimizers: Sequence[Optimizer],
    stacked: Callable[[], nn.Module],
) -> ClosedFormTraining:
    task, delta = tasks[0], output_delta(tasks)
    if delta is None:
        raise NoClosedFormError(f"the loss of {type(task).__name__} has no closed form")
    check_stackable(task.network)
    batch_size = training_loader(task.trainer).batch_size
    size = microbatch_size(task.network, task.device)
    step = ClosedFormStep(stacked(), optimizers, delta, batch_size, size, task.clipping)
    return ClosedFormTraining(step, optimizers)


def _is_of_loss(task: type) -> bool:
    """Return whether ``output_delta`` is for ``loss``, which a subclass may have overridden."""
    return all(
        issubclass(_definer(task, "output_delta"), _definer(task, name))
        for name in ("loss", "differentiate", "outputs_of")
    )


def _definer(task: type, method: str) -> type:
    """Return the class from which ``task`` has a method."""
    return next(base for base in task.__mro__ if method in vars(base))
