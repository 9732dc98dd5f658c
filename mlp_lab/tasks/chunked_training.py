"""Optimization in chunks of minibatches, with schedule, augmentation and averaged weights."""

import logging
import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mlp_lab.data.attached import training_loader
from mlp_lab.data.batches import Buffers, Chunk
from mlp_lab.images.augmentations import InputAugmentation
from mlp_lab.lightning import pl
from mlp_lab.nn.closed_form_network import ClosedFormNetwork
from mlp_lab.nn.gradient_clipping import GradientClipping
from mlp_lab.nn.microbatches import microbatch_size, microbatches
from mlp_lab.nn.output_deltas import OutputDelta
from mlp_lab.nn.outputs_in_parts import outputs_in_parts
from mlp_lab.nn.schedules import Cooldown, Schedule
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.nn.stacking import stack
from mlp_lab.tasks.closed_form import (
    ClosedFormTraining,
    closed_form_network,
    closed_form_training,
    output_delta,
    refusal,
)

log = logging.getLogger(__name__)

#: Name of the curve of the losses of single minibatches.
MINIBATCH_LOSS = "loss/minibatch"


class ChunkedTraining(pl.LightningModule):
    """Train a network with manual optimization.

    A step of Lightning's loop is a chunk of minibatches (see ``data/batches.py``). The optimizer
    steps once for each minibatch; ``global_step`` and the schedule count minibatches.

    ``module(x)`` returns the network's outputs for inputs that are not encoded. Loaders return
    inputs that are already encoded, once for all epochs.

    With averaged weights, training changes the weights; validation, evaluation and ``forward`` use
    their average. The average is exponential, with one update per step,

        average <- average_decay average + (1 - average_decay) weights

    (Polyak averaging with a forgetting factor; Kingma and Ba 2015, section 7.2), and begins with
    the weights after the first step. It includes the means and variances of batch normalization.
    Checkpoints contain the weights and the average.

    Args:
        network: module from encoded inputs ``[batch, ...]`` to outputs ``[batch, ...]``.
        optimizer: function from parameters to their optimizer.
        schedule: factor of the learning rate by time.
        seed: seed of all random numbers during training.
        augmentation: function from training inputs ``[batch, ...]`` to changed inputs of the same
            shape; its strength is that of its schedule at the start of each epoch; None: none.
        log_every_n_steps: log the loss of every n-th minibatch; 0: only the means of epochs.
        encoding: module from inputs to encoded inputs, which is not trained; None: the identity.
        average_decay: factor of the average of the weights per step; 0: no average.
        gradients: ``closed_form`` (see ``nn/closed_form.py``), ``autograd``, or ``auto``: closed
            form where there is one. Without ``output_delta``, autograd differentiates the loss, and
            the closed form begins at the network's outputs.
        clipping: clips the gradients before each step; None: no clipping.
    """

    #: Number of runs that train together; a ``Stack`` has several.
    run_count = 1
    #: Why runs of this task can't train as one stacked network; empty if they can.
    unstackable_reason = ""
    #: Whether an example is many points, to which the network is applied in parts.
    in_parts = False

    def __init__(
        self,
        network: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedule: Schedule,
        seed: int,
        augmentation: InputAugmentation | None = None,
        log_every_n_steps: int = 0,
        encoding: nn.Module | None = None,
        average_decay: float = 0.0,
        gradients: str = "auto",
        clipping: GradientClipping | None = None,
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
        self.gradients = gradients
        self.clipping = clipping
        self._closed_form: ClosedFormTraining | None = None
        self._closed_form_network: ClosedFormNetwork | None = None

    @abstractmethod
    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar tensor."""

    def output_delta(self, tasks: "Sequence[ChunkedTraining]") -> OutputDelta | None:
        """Return the derivative of the loss with regard to the outputs; None: no closed form.

        Args:
            tasks: tasks of this class that train as one stack; they may differ in the numbers of
                their losses.
        """
        return None

    @abstractmethod
    def record_training(
        self, losses: list[Tensor], outputs: list[Tensor], targets: list[Tensor]
    ) -> None:
        """Record the losses and outputs of a chunk of training minibatches."""

    @property
    def evaluated(self) -> nn.Module:
        """The network that is validated and evaluated: with the averaged weights, if any."""
        return self.network if self.average is None else self.average.module

    def forward(self, x: Tensor) -> Tensor:
        return self.outputs_of(self.evaluated, self.encoding(x))

    def outputs_of(self, network: nn.Module, x: Tensor) -> Tensor:
        """Return the outputs of a network for encoded inputs ``[batch, ...]``."""
        return outputs_in_parts(network, x) if self.in_parts else network(x)

    def update_average(self) -> None:
        """Add the weights after a step to their average, if there is one."""
        if self.average is not None:
            self.average.update_parameters(self.network)

    def configure_optimizers(self) -> Optimizer:
        optimizer = self.make_optimizer(self.network.parameters())
        self._base_learning_rate = float(optimizer.defaults["lr"])
        return optimizer

    def on_train_start(self) -> None:
        self._microbatch_size = microbatch_size(self.network, self.device)
        self._minibatch_buffers = Buffers()
        log.info("%s", self._set_gradients())

    def _set_gradients(self) -> str:
        """Decide how gradients are computed; return a line for the log."""
        if output_delta([self]) is not None:
            optimizer = self.optimizers(use_pl_optimizer=False)
            assert isinstance(optimizer, Optimizer)
            # Dropout draws from the generator that autograd would use.
            stacked = partial(stack, [self.network], [torch.default_generator])
            self._closed_form, line = closed_form_training([self], [optimizer], stacked)
            return line
        for name in ("differentiate", "outputs_of"):
            if getattr(type(self), name) is not getattr(ChunkedTraining, name):
                method = f"{type(self).__name__}.{name}"
                if self.gradients == "closed_form":
                    raise refusal(f"{method} is used")
                return f"gradients: by {method}"
        self._closed_form_network, line = closed_form_network(self)
        return line

    def on_train_end(self) -> None:
        # Their buffers can take more than 1 GiB.
        self._closed_form = self._closed_form_network = None
        self._minibatch_buffers = Buffers()

    def on_train_epoch_start(self) -> None:
        seed = partial(epoch_seed, self.seed, self.current_epoch)
        if self.device.type == "cpu":
            torch.default_generator.manual_seed(seed("network"))
        else:  # takes 0.3 ms, since it records the stack for GPUs that are not yet in use
            torch.manual_seed(seed("network"))
        self._noise = torch.Generator(self.device).manual_seed(seed("augmentation"))
        if self.augmentation is not None:
            cooldown = Cooldown(self.augmentation.cooldown)
            self._strength = cooldown(self.current_epoch, self._epochs)

    def training_step(self, chunk: Chunk, index: int) -> None:
        if self._closed_form is not None:
            self._train_in_closed_form(chunk, self._closed_form)
            return
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, Optimizer)
        # Attributes are looked up here, since a minibatch may take only microseconds.
        augmented, differentiate, first = self.augmented, self.differentiate, self.global_step
        clip = self.clipping
        rates = self.learning_rates(first, len(chunk))
        chunk = chunk.first(len(rates))
        inputs = chunk.inputs(self._minibatch_buffers)
        losses, outputs, targets = [], [], []
        for [x], y, rate in zip(inputs, chunk.labels(), rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            loss, output = differentiate(augmented(x, y), y)
            if clip is not None:
                clip([p.grad for p in self.network.parameters() if p.grad is not None])
            optimizer.step()
            self.update_average()
            losses.append(loss.detach())
            outputs.append(output.detach())
            targets.append(y)
        self.count_steps(len(losses))
        self.log_steps(losses, first)
        self.record_training(losses, outputs, targets)

    def _train_in_closed_form(self, chunk: Chunk, training: ClosedFormTraining) -> None:
        first = self.global_step
        rates = torch.tensor([self.learning_rates(first, len(chunk))], dtype=torch.float64)
        chunk = chunk.first(rates.shape[1])
        update_average = None if self.average is None else self.update_average
        augmented = self._augmented_single
        [outputs], [targets] = training.train(chunk, rates, augmented, update_average)
        self.count_steps(len(chunk))
        self.record_steps(outputs, targets, chunk.sizes, first)

    def _augmented_single(self, x: Tensor, y: Tensor) -> Tensor:
        return x if self.augmentation is None else self.augmented(x[0], y[0]).unsqueeze(0)

    def record_steps(
        self, outputs: Tensor, targets: Tensor, sizes: Sequence[int], first: int
    ) -> None:
        """Record consecutive minibatches, and log the losses of those that are logged.

        The loss is a mean over examples, so that one loss of all minibatches takes less time.

        Args:
            outputs: outputs ``[examples, outputs]`` of all minibatches.
            targets: their targets ``[examples, ...]``.
            sizes: numbers of examples in the minibatches.
            first: number of steps before the first one.
        """
        if self.log_every_n_steps and self.logger is not None:
            pairs = zip(outputs.split(sizes), targets.split(sizes), strict=True)
            self.log_steps([self.loss(output, y) for output, y in pairs], first)
        self.record_training([self.loss(outputs, targets)], [outputs], [targets])

    def differentiate(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the gradients for a minibatch; return its loss and outputs.

        The gradients are stored in the attribute ``grad`` of the parameters. The next minibatch
        overwrites ``x``.
        """
        if len(x) <= self._microbatch_size:
            return self._differentiate_microbatch(x, y, 1.0)
        loss, outputs = torch.zeros((), device=x.device), []
        for part, truth, share in microbatches(x, y, self._microbatch_size):
            part_loss, output = self._differentiate_microbatch(part, truth, share)
            loss += share * part_loss.detach()
            outputs.append(output.detach())
        return loss, torch.cat(outputs)

    def _differentiate_microbatch(
        self, x: Tensor, y: Tensor, share: float
    ) -> tuple[Tensor, Tensor]:
        """Add ``share`` times the gradients for a microbatch; return its loss and outputs."""
        network = self._closed_form_network
        output = self.outputs_of(self.network, x) if network is None else network(x)
        loss = self.loss(output, y)
        weight = torch.full_like(loss, share)
        # Only the gradients of several processes have to be averaged by Lightning.
        if self.trainer.world_size == 1:
            loss.backward(weight)
        else:
            self.manual_backward(loss, weight)
        return loss, output

    def augmented(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the inputs ``x`` of the epoch's next training minibatch, augmented."""
        if self.augmentation is None:
            return x
        with torch.autocast(self.device.type, enabled=False):  # which would round displacements
            return self.augmentation.augment(x, y, self._noise, self._strength)

    def learning_rate(self) -> float:
        """Return the learning rate of the last step."""
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, Optimizer)
        return float(optimizer.param_groups[0]["lr"])

    def learning_rates(self, first: int, count: int) -> list[float]:
        """Return the learning rates of ``count`` steps from ``first``, fewer at ``max_steps``."""
        base, per_epoch, epochs = self._base_learning_rate, self._steps_per_epoch, self._epochs
        most = self.trainer.max_steps
        last = first + count if most < 0 else min(first + count, most)
        return [base * self.schedule(step / per_epoch, epochs) for step in range(first, last)]

    @property
    def _steps_per_epoch(self) -> int:
        return training_loader(self.trainer).batches

    @property
    def _epochs(self) -> float:
        """The length of the whole training in epochs."""
        steps = self.trainer.max_steps
        return self.training_length(self.trainer.max_epochs, None if steps < 0 else steps)

    def training_length(self, max_epochs: int | None, max_steps: int | None) -> float:
        """Return the length in epochs of a training with these limits; None: no limit."""
        epochs = float(max_epochs or math.inf)
        return epochs if max_steps is None else min(epochs, max_steps / self._steps_per_epoch)

    def count_steps(self, steps: int) -> None:
        """Add ``steps`` to Lightning's number of steps, which does not count minibatches."""
        # Lightning's ``global_step`` is read from here, and has no setter.
        progress = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        for tracker in (progress.total, progress.current):
            tracker.ready += steps
            tracker.completed += steps

    def log_steps(self, losses: list[Tensor], first: int) -> None:
        """Log the loss of each ``log_every_n_steps``-th step, counted from the start of the run."""
        every = self.log_every_n_steps
        if every == 0 or self.logger is None:
            return
        for step, loss in enumerate(losses, first + 1):
            if step % every == 0:
                self.logger.log_metrics({MINIBATCH_LOSS: float(loss)}, step)


def _average_of(network: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of the network that averages its parameters and buffers exponentially."""
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
    return average.requires_grad_(False)
