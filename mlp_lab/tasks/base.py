"""What all tasks share: optimization a chunk of minibatches at a time, and metrics by epoch."""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mlp_lab.data.attached import train_loader_of
from mlp_lab.data.batches import Chunk
from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError
from mlp_lab.images.augmentations import Augmentation
from mlp_lab.lightning import pl
from mlp_lab.nn.microbatches import microbatch_size, microbatches
from mlp_lab.nn.schedules import Cooldown, Schedule
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.tasks.metric_sums import Sums


class Diverged(UserError):
    """The loss is not finite any more."""


class Task(pl.LightningModule):
    """A network, what it minimizes, and how.

    A step of Lightning's loop is a chunk of minibatches (see ``data/batches.py``). The optimizer
    steps once for each minibatch; ``global_step`` and the schedule count minibatches. A metric is
    summed over the examples of an epoch and logged as their mean, ``<metric>/<split>``; one of
    ``maxima`` as their largest value.

    Calling it gives the network's outputs for inputs as they are. Loaders hand out what is encoded
    already, once for all epochs.

    With an average of the weights, this is what is validated, evaluated and called; the weights
    themselves go on training. It is exponential, with one update a step,

        average <- average_decay average + (1 - average_decay) weights

    (Polyak averaging with a forgetting factor; Kingma and Ba 2015, section 7.2), and begins with
    the weights after the first step. Means and variances of batch normalization are averaged alike.
    Checkpoints hold both, so that a run goes on with the same average.

    Args:
        network: maps encoded inputs ``[batch, ...]`` to outputs ``[batch, ...]``.
        optimizer: makes the optimizer of given parameters.
        schedule: factor of the learning rate by time.
        seed: of all that is random while the network trains.
        augmentation: makes training inputs ``[batch, ...]`` into others, in each epoch with the
            strength that its schedule has for the epoch's start; None: they are as they are.
        log_every_n_steps: log the loss of every n-th minibatch; 0: means of epochs only.
        encoding: makes inputs into what the network sees; None: they are as they are. It isn't
            trained.
        average_decay: of the weights' average, a step; 0: the weights themselves.
    """

    #: Names of what ``measure`` and ``derived`` return, beside ``loss``.
    metrics: tuple[str, ...] = ()
    #: Those of them, never negative, that tell of the worst example instead of the average one.
    maxima: tuple[str, ...] = ()
    #: Names of the numbers in the loss; tasks that train as one may differ in them.
    loss_numbers: tuple[str, ...] = ()

    def __init__(
        self,
        network: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedule: Schedule,
        seed: int,
        augmentation: Augmentation | None = None,
        log_every_n_steps: int = 0,
        encoding: nn.Module | None = None,
        average_decay: float = 0.0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.encoding = encoding or nn.Identity()
        self.network = network
        self.average = _average_of(network, average_decay) if average_decay > 0 else None
        self.make_optimizer = optimizer
        self.schedule = schedule
        self.augmentation = augmentation
        self.seed = seed
        self.log_every_n_steps = log_every_n_steps
        #: The latest epoch's means, by ``<metric>/<split>``.
        self.means: dict[str, float] = {}
        self._sums: dict[str, Sums] = {}

    @abstractmethod
    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """What is minimized: the mean over a batch, a scalar."""

    @abstractmethod
    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The metrics of each example of a batch: ``[batch]`` each."""

    def derived(self, means: Mapping[str, float]) -> dict[str, float]:
        """Metrics of a whole split that follow from the means of others over it."""
        return {}

    def begin(self, data: DataModule) -> None:
        """Get ready to train on data that have been fetched; called once, for a new run."""

    @property
    def evaluated(self) -> nn.Module:
        """The network that is validated and evaluated: with averaged weights, where there are."""
        return self.network if self.average is None else self.average.module

    def forward(self, x: Tensor) -> Tensor:
        return self.evaluated(self.encoding(x))

    def update_average(self) -> None:
        """Take the weights that a step has left into their average, if there is one."""
        if self.average is not None:
            self.average.update_parameters(self.network)

    def configure_optimizers(self) -> Optimizer:
        optimizer = self.make_optimizer(self.network.parameters())
        self._base_learning_rate = float(optimizer.defaults["lr"])
        return optimizer

    def on_train_start(self) -> None:
        self._microbatch_size = microbatch_size(self.network, self.device)

    def on_train_epoch_start(self) -> None:
        seed = partial(epoch_seed, self.seed, self.current_epoch)
        torch.manual_seed(seed("network"))
        self._noise = torch.Generator(self.device).manual_seed(seed("augmentation"))
        if self.augmentation is not None:
            cooldown = Cooldown(self.augmentation.cooldown)
            self._strength = cooldown(self.current_epoch, self._epochs)
        self.means = {}
        self._sums["train"] = self._new_sums()

    def training_step(self, chunk: Chunk, index: int) -> None:
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, Optimizer)
        # What is looked up here isn't looked up for each minibatch, which may take microseconds.
        augmented, differentiate, first = self.augmented, self.differentiate, self.global_step
        losses, outputs, targets = [], [], []
        for (x, y), rate in zip(chunk, self.learning_rates(first, len(chunk)), strict=False):
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            loss, output = differentiate(augmented(x), y)
            optimizer.step()
            self.update_average()
            losses.append(loss.detach())
            outputs.append(output.detach())
            targets.append(y)
        self.count_steps(len(losses))
        self.log_steps(losses, first)
        self.record_training(losses, outputs, targets)

    def differentiate(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The loss and the outputs for a minibatch; its parameters' gradients are left in them."""
        if len(x) <= self._microbatch_size:
            return self._differentiate_microbatch(x, y, 1.0)
        loss, outputs = torch.zeros((), device=x.device), []
        for part, truth, share in microbatches(x, y, self._microbatch_size):
            own, output = self._differentiate_microbatch(part, truth, share)
            loss += share * own.detach()
            outputs.append(output.detach())
        return loss, torch.cat(outputs)

    def _differentiate_microbatch(
        self, x: Tensor, y: Tensor, share: float
    ) -> tuple[Tensor, Tensor]:
        """Loss and outputs of a microbatch; ``share`` of its gradients is added to those so far."""
        output = self.network(x)
        loss = self.loss(output, y)
        weight = torch.full_like(loss, share)
        # Only several processes need Lightning's help: their gradients have to be averaged.
        if self.trainer.world_size == 1:
            loss.backward(weight)
        else:
            self.manual_backward(loss, weight)
        return loss, output

    def augmented(self, x: Tensor) -> Tensor:
        """The inputs of the epoch's next training minibatch, as the network is to see them."""
        if self.augmentation is None:
            return x
        return self.augmentation(x, self._noise, self._strength)

    def record_training(
        self, losses: list[Tensor], outputs: list[Tensor], targets: list[Tensor]
    ) -> None:
        """Take minibatches into the epoch's means. Raises Diverged if these aren't finite."""
        sums = self._sums["train"]
        sums.add(losses, outputs, targets)
        if not sums.finite:
            raise Diverged(
                f"diverged: the training loss is not finite in epoch {self.current_epoch + 1},"
                f" by step {self.global_step}; a smaller optimizer.lr may help"
            )

    def on_train_epoch_end(self) -> None:
        self._log_means("train")

    def on_validation_epoch_start(self) -> None:
        self._sums["validation"] = self._new_sums()

    def validation_step(self, chunk: Chunk, index: int) -> None:
        self._evaluate(chunk, self._sums["validation"])

    def on_validation_epoch_end(self) -> None:
        self._log_means("validation")
        if not math.isfinite(self.means["loss/validation"]):
            epoch = self.current_epoch + 1
            raise Diverged(f"diverged: the validation loss is not finite in epoch {epoch}")

    @torch.inference_mode()
    def evaluate(self, loader: Iterable[Iterable[list[Tensor]]]) -> dict[str, float]:
        """The loss and the metrics, means over all examples that ``loader`` hands out."""
        self.eval()
        sums = self._new_sums()
        for chunk in loader:
            self._evaluate(chunk, sums)
        return self._means(sums)

    @torch.inference_mode()
    def outputs(self, loader: Iterable[Chunk]) -> tuple[Tensor, Tensor]:
        """The network's outputs and the targets, ``[examples, ...]`` both, as ``loader`` has them.

        No dropout, and normalization by what was learnt, as in ``evaluate``.
        """
        self.eval()
        pairs = [(self.evaluated(x), y) for chunk in loader for x, y in chunk]
        outputs, targets = zip(*pairs, strict=True)
        return torch.cat(outputs), torch.cat(targets)

    def learning_rate(self) -> float:
        """The learning rate of the last step."""
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, Optimizer)
        return float(optimizer.param_groups[0]["lr"])

    def learning_rates(self, first: int, count: int) -> list[float]:
        """Learning rates of up to ``count`` steps from ``first`` on, as many as may be made."""
        base, per_epoch, epochs = self._base_learning_rate, self._steps_per_epoch, self._epochs
        most = self.trainer.max_steps
        last = first + count if most < 0 else min(first + count, most)
        return [base * self.schedule(step / per_epoch, epochs) for step in range(first, last)]

    @property
    def _steps_per_epoch(self) -> int:
        return train_loader_of(self.trainer).batches

    @property
    def _epochs(self) -> float:
        """The length of the whole training in epochs."""
        epochs, steps = float(self.trainer.max_epochs or math.inf), self.trainer.max_steps
        return epochs if steps < 0 else min(epochs, steps / self._steps_per_epoch)

    def count_steps(self, steps: int) -> None:
        """Add ``steps`` to Lightning's ``global_step``, which it has no public way to change."""
        progress = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        for tracker in (progress.total, progress.current):
            tracker.ready += steps
            tracker.completed += steps

    def log_steps(self, losses: list[Tensor], first: int) -> None:
        """Log the losses of the steps after ``first`` that ``log_every_n_steps`` asks for."""
        every = self.log_every_n_steps
        if every == 0 or self.logger is None:
            return
        for step, loss in enumerate(losses, first + 1):
            if step % every == 0:
                self.logger.log_metrics({"loss/minibatch": float(loss)}, step)

    def record_validation(self, outputs: list[Tensor], targets: list[Tensor]) -> None:
        """Take the outputs for batches of validation data into the epoch's means."""
        self._record(self._sums["validation"], outputs, targets)

    def _evaluate(self, chunk: Iterable[list[Tensor]], sums: Sums) -> None:
        outputs, targets = zip(*((self.evaluated(x), y) for x, y in chunk), strict=True)
        self._record(sums, list(outputs), list(targets))

    def _record(self, sums: Sums, outputs: list[Tensor], targets: list[Tensor]) -> None:
        # The mean over no examples, a small batch's share, would be nan.
        losses = [
            self.loss(output, y) if len(y) else output.new_zeros(())
            for output, y in zip(outputs, targets, strict=True)
        ]
        sums.add(losses, outputs, targets)

    def _log_means(self, split: str) -> None:
        sums = self._sums[split]
        if self.trainer.world_size > 1:
            sums.gather(self.trainer.strategy, self.device)
        means = self._means(sums)
        latest = {f"{name}/{split}": mean for name, mean in means.items()}
        self.means |= latest
        # Where callbacks such as early stopping look. self.log would put it there, too, but takes
        # half a millisecond for each.
        metrics = {name: torch.tensor(value) for name, value in latest.items()}
        self.trainer.callback_metrics.update(metrics)

    def _new_sums(self) -> Sums:
        return Sums(self.measure, self.maxima)

    def _means(self, sums: Sums) -> dict[str, float]:
        means = sums.means()
        return means | self.derived(means)


def _average_of(network: nn.Module, decay: float) -> AveragedModel:
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
    return average.requires_grad_(False)
