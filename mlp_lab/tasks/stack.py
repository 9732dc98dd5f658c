"""Train several runs as one stacked network."""

import logging
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mlp_lab.data.batches import Chunk, EpochOrder
from mlp_lab.lightning import pl
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.nn.stacking import stack
from mlp_lab.storage.results import Status
from mlp_lab.tasks.autograd_training import AutogradTraining
from mlp_lab.tasks.base import Diverged, Task
from mlp_lab.tasks.closed_form import closed_form_training
from mlp_lab.tasks.stack_member import Member

log = logging.getLogger(__name__)

# The methods of tasks that a stack replaces.
_REPLACED = (
    "training_step",
    "validation_step",
    "differentiate",
    "outputs_of",
    "on_train_start",
    "forward",
)


def replaced_methods(task: type[Task]) -> list[str]:
    """Return the methods that a task defines and that a stack would not call."""
    return [name for name in _REPLACED if getattr(task, name) is not getattr(Task, name)]


class Stack(pl.LightningModule):
    """Train several tasks as one stacked network, with a common step for each minibatch.

    Each member gets the weights, history and checkpoints of a separate training, except for the
    rounding of sums in another order. A member that diverges or stops early is removed at the end
    of the epoch; the training of the others continues.

    Args:
        members: runs to train. Their tasks may differ in the seed, the optimizer, the schedule and
            the numbers in the network and the loss; their trainers may differ in the callbacks and
            the logger. Either all tasks or none of them average their weights.
        fail_fast: whether all members end when one diverges.
    """

    def __init__(self, members: Sequence[Member], fail_fast: bool = False) -> None:
        super().__init__()
        self.automatic_optimization = False
        # Members that train on the same minibatches are neighbours.
        self.members = sorted(members, key=lambda member: _minibatch_key(member.task, whole=False))
        self.tasks = nn.ModuleList(member.task for member in self.members)  # Lightning moves them
        self.fail_fast = fail_fast

    @property
    def run_count(self) -> int:
        """Number of members that still train."""
        return len(self.members)

    def configure_optimizers(self) -> list[Optimizer]:
        return [member.task.configure_optimizers() for member in self.members]

    def on_fit_start(self) -> None:
        for member, optimizer in zip(self.members, self.trainer.optimizers, strict=True):
            member.attach(self.trainer, optimizer)

    def on_train_start(self) -> None:
        for member in self.members:
            member.call_hook("on_train_start")
        self._finish_stopped()
        self._stack_active()

    def on_train_epoch_start(self) -> None:
        for member, generator in zip(self.members, self._generators, strict=True):
            generator.manual_seed(epoch_seed(member.task.seed, self.current_epoch, "network"))
            member.call_hook("on_train_epoch_start")
            member.task.on_train_epoch_start()

    def training_step(self, chunk: Chunk, index: int) -> None:
        first = self.global_step
        rates = [member.task.learning_rates(first, len(chunk)) for member in self.members]
        chunk = chunk.first(len(rates[0]))
        averaging = [member.task for member in self.members if member.task.average is not None]

        def update_averages() -> None:
            for task in averaging:
                task.update_average()

        outputs, targets = self._training.train(
            chunk,
            torch.tensor(rates, dtype=torch.float64),
            self._augmented,
            update_averages if averaging else None,
        )
        self.members[0].task.count_steps(len(chunk))
        self._record_training(outputs, targets, chunk.sizes, first)

    def on_train_batch_end(self, outputs: Any, chunk: Chunk, index: int) -> None:
        self._call_hook("on_train_batch_end", outputs, chunk, index)

    def on_train_epoch_end(self) -> None:
        for member in self._active():
            member.task.on_train_epoch_end()
            member.call_hook("on_train_epoch_end")
        self._finish_stopped()
        if len(self._active()) < len(self.members):
            self._stack_active()

    def on_validation_start(self) -> None:
        self._call_hook("on_validation_start")

    def on_validation_epoch_start(self) -> None:
        for member in self._active():
            member.call_hook("on_validation_epoch_start")
            member.task.on_validation_epoch_start()

    def validation_step(self, chunk: Chunk, index: int) -> None:
        pairs = [(self._evaluated(x.unsqueeze(0)), y) for x, y in chunk]
        targets = [y for _, y in pairs]
        for place, member in enumerate(self.members):
            if member.active:
                member.task.record_validation([output[place] for output, _ in pairs], targets)

    def on_validation_epoch_end(self) -> None:
        for member in self._active():
            try:
                member.task.on_validation_epoch_end()
            except Diverged as error:
                self._fail(member, error)
        self._call_hook("on_validation_epoch_end")

    def on_validation_end(self) -> None:
        self._call_hook("on_validation_end")

    def on_train_end(self) -> None:
        for member in self._active():
            member.finish()

    def _active(self) -> list[Member]:
        return [member for member in self.members if member.active]

    def _finish_stopped(self) -> None:
        """End the members that one of their callbacks has stopped."""
        for member in self._active():
            if member.trainer.should_stop:
                member.finish()

    def _call_hook(self, hook: str, *args: Any) -> None:
        for member in self._active():
            member.call_hook(hook, *args)

    def _fail(self, member: Member, error: Diverged) -> None:
        member.fail(Status.DIVERGED, error)
        if self.fail_fast:
            raise error

    def _stack_active(self) -> None:
        """Stack the networks of the active members."""
        self.members = self._active()
        if not self.members:
            self.trainer.should_stop = True
            return
        tasks = [member.task for member in self.members]
        self._generators = [torch.Generator(self.device) for _ in tasks]
        self._network = stack([task.network for task in tasks], self._generators)
        averaged = tasks[0].average is not None
        networks = [task.evaluated for task in tasks]
        self._evaluated = stack(networks, self._generators) if averaged else self._network
        optimizers = [member.trainer.optimizers[0] for member in self.members]
        closed_form, engine = closed_form_training(tasks, optimizers, lambda: self._network)
        if len(self.members) == len(self.tasks):  # not again when a member has left
            log.info("%s", engine)
        self._training = closed_form or AutogradTraining(tasks, self._network, optimizers)
        loader: Any = self.trainer.train_dataloader
        self._whole = loader.sampler is None
        # One task for each minibatch of a step. Tasks with equal minibatches share one if all such
        # groups have the same size.
        key = partial(_minibatch_key, whole=self._whole)
        groups = [list(group) for _, group in groupby(tasks, key)]
        even = len({len(group) for group in groups}) == 1
        self._minibatch_tasks = [group[0] for group in groups] if even else tasks
        self._augments = any(task.augmentation is not None for task in self._minibatch_tasks)
        if not self._whole:
            seeds = [task.seed for task in self._minibatch_tasks]
            loader.sampler = EpochOrder(loader.sampler.size, seeds, self.device)

    def _augmented(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the training inputs ``[orders, batch, ...]`` with the members' augmentations."""
        if not self._augments:
            return x
        tasks = self._minibatch_tasks
        if self._whole:
            x, y = (t.expand(len(tasks), *t.shape[1:]) for t in (x, y))
        minibatches = zip(tasks, x, y, strict=True)
        return torch.stack([task.augmented(inputs, target) for task, inputs, target in minibatches])

    def _record_training(
        self, outputs: Tensor, targets: Tensor, sizes: Sequence[int], first: int
    ) -> None:
        """Record outputs ``[members, examples, ...]`` and targets ``[orders, examples, ...]``."""
        for place, member in enumerate(self.members):
            if member.active:
                y = targets[place * len(targets) // len(self.members)]
                try:
                    member.task.record_steps(outputs[place], y, sizes, first)
                except Diverged as error:
                    self._fail(member, error)


def _minibatch_key(task: Task, whole: bool) -> tuple[int, str]:
    """Return a key of a task's minibatches; ``whole``: each one consists of all examples."""
    seed = 0 if whole and task.augmentation is None else task.seed
    return seed, repr(task.augmentation)
