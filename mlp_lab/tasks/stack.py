"""Several runs in one training: their networks stacked, everything else a run of its own."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mlp_lab.data.batches import Chunk, EpochOrder
from mlp_lab.lightning import callbacks_of, pl
from mlp_lab.nn.microbatches import microbatch_size, microbatches
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.nn.stacked_optimizers import Gradients, Steps
from mlp_lab.nn.stacking import stack
from mlp_lab.storage.results import Status
from mlp_lab.tasks.base import Diverged, Task


@dataclass
class Member:
    """One run of a stack.

    Attributes:
        task: its network becomes a view of the stack's.
        trainer: doesn't fit itself; its callbacks, logger and checkpoints are shown all that they
            would see of a training of its own.
        checkpoint: what the run goes on from, if it does.
        conclude: called once, when the run has ended, be it before the others: with how and why.
        present: whether it still trains.
    """

    task: Task
    trainer: pl.Trainer
    checkpoint: Path | None
    conclude: Callable[[Status, str | None], None]
    present: bool = True

    def join(self, group: pl.Trainer, optimizer: Optimizer) -> None:
        """Take part in what ``group`` fits: its time and state are the member's."""
        self.trainer.fit_loop = group.fit_loop
        self.trainer.state = group.state
        self.trainer.datamodule = group.datamodule  # type: ignore[attr-defined]
        self.trainer.strategy.connect(self.task)
        self.trainer.strategy.optimizers = [optimizer]
        self.task.trainer = self.trainer
        self.show("setup", "fit")
        if self.checkpoint is not None:
            self._restore(self.checkpoint)
        self.show("on_fit_start")

    def _restore(self, path: Path) -> None:
        """Load the states of the task, the optimizer, the callbacks and the loop.

        Lightning's trainer offers this only as part of a fit, which members don't run.
        """
        strategy = self.trainer.strategy
        checkpoint = strategy.load_checkpoint(path)
        strategy.load_model_state_dict(checkpoint)
        strategy.load_optimizer_state_dict(checkpoint)
        for callback in callbacks_of(self.trainer):
            if state := checkpoint["callbacks"].get(callback.state_key):
                callback.load_state_dict(deepcopy(state))
        self.trainer.fit_loop.load_state_dict(checkpoint["loops"]["fit_loop"])

    def show(self, hook: str, *args: Any) -> None:
        """Call a hook of all callbacks, with the member's own trainer and task."""
        for callback in callbacks_of(self.trainer):
            getattr(callback, hook)(self.trainer, self.task, *args)

    def finish(self) -> None:
        """End as a run that has trained enough."""
        self.present = False
        self.show("on_train_end")
        self.conclude(Status.FINISHED, None)

    def fail(self, status: Status, error: BaseException) -> None:
        """End as a run that ``error`` ended."""
        self.present = False
        self.show("on_exception", error)
        self.conclude(status, str(error))


class Stack(pl.LightningModule):
    """Tasks that differ in numbers only, trained in lockstep as one stacked network.

    Each member ends with the weights, history and checkpoints that a training of its own would
    give, but for the rounding of sums in another order. One that diverges or stops early leaves at
    the end of the epoch, and the others go on without it.

    Args:
        members: their tasks agree in all but the seed, the optimizer, the schedule and the numbers
            in the network and the loss, and either all or none of them averages its weights; their
            trainers agree in all but the callbacks and the logger.
        fail_fast: end all when one diverges.
    """

    def __init__(self, members: Sequence[Member], fail_fast: bool = False) -> None:
        super().__init__()
        self.automatic_optimization = False
        # Those that see the same minibatches stand side by side.
        self.members = sorted(members, key=lambda member: _sees(member.task, whole=False))
        self.tasks = nn.ModuleList(member.task for member in self.members)  # found by Lightning
        self.fail_fast = fail_fast

    def configure_optimizers(self) -> list[Optimizer]:
        return [member.task.configure_optimizers() for member in self.members]

    def on_fit_start(self) -> None:
        for member, optimizer in zip(self.members, self.trainer.optimizers, strict=True):
            member.join(self.trainer, optimizer)

    def on_train_start(self) -> None:
        for member in self.members:
            member.show("on_train_start")
        self._let_go()
        self._restack()

    def on_train_epoch_start(self) -> None:
        for member, generator in zip(self.members, self._generators, strict=True):
            generator.manual_seed(epoch_seed(member.task.seed, self.current_epoch, "network"))
            member.show("on_train_epoch_start")
            member.task.on_train_epoch_start()

    def training_step(self, chunk: Chunk, index: int) -> None:
        # What is looked up or made here isn't for each minibatch, which may take microseconds.
        augmented, differentiate, step = self._augmented, self._differentiate, self._steps
        count, first = len(self.members), self.global_step
        averaging = [member.task for member in self.members if member.task.average is not None]
        own = [member.task.learning_rates(first, len(chunk)) for member in self.members]
        rates = torch.tensor(own, dtype=torch.float64).T
        outputs, targets = [], []
        for (x, y), rate in zip(chunk, rates, strict=False):
            if self._whole:
                x, y = (tensor.expand(len(self._seers), *tensor.shape) for tensor in (x, y))
            y = y.unsqueeze(1).expand(-1, count // len(y), *y.shape[1:]).flatten(0, 1)
            gradients, output = differentiate(augmented(x), y)
            step(gradients, rate)
            for task in averaging:
                task.update_average()
            outputs.append(output)
            targets.append(y)
        self.members[0].task.count_steps(len(outputs))
        self._record_training(outputs, targets, first)

    def on_train_batch_end(self, outputs: Any, chunk: Chunk, index: int) -> None:
        self._show("on_train_batch_end", outputs, chunk, index)

    def on_train_epoch_end(self) -> None:
        for member in self._present():
            member.task.on_train_epoch_end()
            member.show("on_train_epoch_end")
        self._let_go()
        if len(self._present()) < len(self.members):
            self._restack()

    def on_validation_start(self) -> None:
        self._show("on_validation_start")

    def on_validation_epoch_start(self) -> None:
        for member in self._present():
            member.show("on_validation_epoch_start")
            member.task.on_validation_epoch_start()

    def validation_step(self, chunk: Chunk, index: int) -> None:
        pairs = [(self._evaluated(x.unsqueeze(0)), y) for x, y in chunk]
        targets = [y for _, y in pairs]
        for place, member in enumerate(self.members):
            if member.present:
                member.task.record_validation([output[place] for output, _ in pairs], targets)

    def on_validation_epoch_end(self) -> None:
        for member in self._present():
            try:
                member.task.on_validation_epoch_end()
            except Diverged as error:
                self._fail(member, error)
        self._show("on_validation_epoch_end")

    def on_validation_end(self) -> None:
        self._show("on_validation_end")

    def on_train_end(self) -> None:
        for member in self._present():
            member.finish()

    def _present(self) -> list[Member]:
        return [member for member in self.members if member.present]

    def _let_go(self) -> None:
        """End those that a callback of their own wants to end."""
        for member in self._present():
            if member.trainer.should_stop:
                member.finish()

    def _show(self, hook: str, *args: Any) -> None:
        for member in self._present():
            member.show(hook, *args)

    def _fail(self, member: Member, error: Diverged) -> None:
        member.fail(Status.DIVERGED, error)
        if self.fail_fast:
            raise error

    def _restack(self) -> None:
        """Stack the networks of those that haven't ended."""
        self.members = self._present()
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
        self._stacked = list(self._network.parameters())
        # That of a member, whose dropout then draws as in a training of its own.
        self._microbatch_size = microbatch_size(tasks[0].network, self.device)
        numbers = ([getattr(task, name) for name in task.loss_numbers] for task in tasks)
        self._one_loss = len(set(map(tuple, numbers))) == 1
        self._steps = Steps(self._stacked, optimizers)
        loader: Any = self.trainer.train_dataloader
        self._whole = loader.sampler is None
        # One minibatch for all who see the same, where each is seen by equally many.
        sees = partial(_sees, whole=self._whole)
        seen = [list(same) for _, same in groupby(tasks, sees)]
        even = len({len(same) for same in seen}) == 1
        self._seers = [same[0] for same in seen] if even else tasks
        self._augments = any(task.augmentation is not None for task in self._seers)
        if not self._whole:
            seeds = [task.seed for task in self._seers]
            loader.sampler = EpochOrder(loader.sampler.size, seeds, self.device)

    def _differentiate(self, x: Tensor, y: Tensor) -> tuple[Gradients, Tensor]:
        """The gradients of all parameters, and the outputs, ``[members, batch, ...]``."""
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
        # The mean of the members' losses, times their number, is the sum; each of them moves the
        # weights of its own member alone.
        weight = torch.full_like(loss, share * len(self.members))
        return torch.autograd.grad(loss, self._stacked, weight), output.detach()

    def _loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The mean of the members' losses; ``[members, batch, ...]`` both."""
        if self._one_loss:  # then it is the mean over the examples of all members
            return self.members[0].task.loss(output.flatten(0, 1), target.flatten(0, 1))
        each = zip(self.members, output, target, strict=True)
        return torch.stack([member.task.loss(own, truth) for member, own, truth in each]).mean()

    def _augmented(self, x: Tensor) -> Tensor:
        """Training inputs ``[orders, batch, ...]`` as the members are to see them."""
        if not self._augments:
            return x
        pairs = zip(self._seers, x, strict=True)
        return torch.stack([task.augmented(own) for task, own in pairs])

    def _record_training(self, outputs: list[Tensor], targets: list[Tensor], first: int) -> None:
        every = any(member.task.log_every_n_steps for member in self.members)
        if not every:  # then a chunk is as good as its minibatches, and takes less time
            outputs, targets = [torch.cat(outputs, 1)], [torch.cat(targets, 1)]
        for place, member in enumerate(self.members):
            if not member.present:
                continue
            own = [output[place] for output in outputs]
            truth = [target[place] for target in targets]
            losses = [member.task.loss(o, t) for o, t in zip(own, truth, strict=True)]
            if every:
                member.task.log_steps(losses, first)
            try:
                member.task.record_training(losses, own, truth)
            except Diverged as error:
                self._fail(member, error)


def _sees(task: Task, whole: bool) -> tuple[int, str]:
    """What decides which minibatches a task sees; ``whole``: they are all examples, in no order."""
    seed = 0 if whole and task.augmentation is None else task.seed
    return seed, repr(task.augmentation)
