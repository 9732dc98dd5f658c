"""Training of stacked networks with gradients by autograd."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mlp_lab.data.batches import Buffers, Chunk
from mlp_lab.nn.microbatches import microbatch_size, microbatches
from mlp_lab.nn.stacked_optimizers import Gradients, Steps
from mlp_lab.tasks.base import Task


class AutogradTraining:
    """Trains a stack of networks with chunks of minibatches, as ``ClosedFormTraining`` does.

    Args:
        tasks: tasks that train as one stack, whose losses differ in numbers only.
        network: their stacked network.
        optimizers: optimizer of each task.
    """

    def __init__(
        self, tasks: Sequence[Task], network: nn.Module, optimizers: Sequence[Optimizer]
    ) -> None:
        self._tasks = tasks
        self._network = network
        self._parameters = list(network.parameters())
        self._clip = tasks[0].clipping
        self._steps = Steps(self._parameters, optimizers)
        # The size for one member, so that its dropout draws the same numbers as in training alone.
        self._microbatch_size = microbatch_size(tasks[0].network, tasks[0].device)
        numbers = ([getattr(task, name) for name in task.loss_numbers] for task in tasks)
        self._buffers = Buffers()
        self._one_loss = len(set(map(tuple, numbers))) == 1

    def train(
        self,
        chunk: Chunk,
        rates: Tensor,
        augmented: Callable[[Tensor, Tensor], Tensor],
        after_step: Callable[[], None] | None,
    ) -> tuple[Tensor, Tensor]:
        """Step with each minibatch; see ``ClosedFormTraining.train``."""
        y = chunk.targets()
        targets = y.repeat_interleave(len(self._tasks) // len(y), 0).split(chunk.sizes, 1)
        outputs = []
        labels = y.split(chunk.sizes, 1)
        minibatches = zip(chunk.inputs(self._buffers), labels, targets, rates.T, strict=True)
        for x, label, target, rate in minibatches:
            gradients, output = self._differentiate(augmented(x, label), target)
            if self._clip is not None:
                self._clip(gradients, len(self._tasks))
            self._steps(self._steps.views(gradients), rate)
            outputs.append(output)
            if after_step is not None:
                after_step()
        return torch.cat(outputs, 1), y

    def _differentiate(self, x: Tensor, y: Tensor) -> tuple[Gradients, Tensor]:
        """Return the gradients of all parameters, and the outputs ``[members, batch, ...]``."""
        if y.shape[1] <= self._microbatch_size:
            return self._differentiate_microbatch(x, y, 1.0)
        parts = microbatches(x, y, self._microbatch_size, axis=1)
        gradients, output = self._differentiate_microbatch(*next(parts))
        outputs = [output]
        for part in parts:
            more, output = self._differentiate_microbatch(*part)
            for gradient, addend in zip(gradients, more, strict=True):
                gradient.add_(addend)
            outputs.append(output)
        return gradients, torch.cat(outputs, 1)

    def _differentiate_microbatch(
        self, x: Tensor, y: Tensor, share: float
    ) -> tuple[Gradients, Tensor]:
        output = self._network(x)
        loss = self._loss(output, y)
        # The mean of the members' losses, times their number, is the sum. A member's parameters
        # only affect its own loss.
        weight = torch.full_like(loss, share * len(self._tasks))
        return torch.autograd.grad(loss, self._parameters, weight), output.detach()

    def _loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean of the members' losses for tensors ``[members, batch, ...]``."""
        if self._one_loss:  # the mean over the examples of all members
            return self._tasks[0].loss(output.flatten(0, 1), target.flatten(0, 1))
        each = zip(self._tasks, output, target, strict=True)
        return torch.stack([task.loss(out, truth) for task, out, truth in each]).mean()
