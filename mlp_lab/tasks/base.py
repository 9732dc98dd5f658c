"""The base class of all tasks: what other modules ask of a task, and metrics by epoch."""

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mlp_lab.data.attached import data_of
from mlp_lab.data.batches import Chunk
from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError
from mlp_lab.lightning import pl
from mlp_lab.nn.closed_form_layers import NoClosedFormError
from mlp_lab.tasks.chunked_training import ChunkedTraining
from mlp_lab.tasks.closed_form import check_closed_form, refusal
from mlp_lab.tasks.metric_sums import MetricSums

if TYPE_CHECKING:  # only annotations need them; split_predictions imports this module
    from mlp_lab.tasks.diagnostics.diagnostic import Diagnostic
    from mlp_lab.tasks.diagnostics.split_predictions import SplitPredictions


class Diverged(UserError):
    """The loss is no longer finite."""


class Task(ChunkedTraining):
    """A network with a loss and metrics.

    The task logs each metric's mean over the examples of an epoch as ``<metric>/<split>``; for the
    metrics in ``maxima``, it logs the largest value.

    A subclass defines ``metrics``, ``loss`` and ``measure``, and ``target_kind`` if the targets are
    not numbers. It can override the other attributes and ``derived``, ``begin``,
    ``load_teacher``, ``check_trainer``, ``predictions``, ``probabilities``,
    ``negative_log_likelihood``, ``evaluate_split``, ``diagnostics``, ``outputs_of`` and
    ``output_delta``. The rest of the package calls these methods, and never depends on the class.

    Args:
        train_metrics: when the metrics of the training data are computed: ``during`` the epoch,
            from the outputs for the minibatches, or ``after`` it, as those of the validation data.
        training: arguments of ``ChunkedTraining``.
    """

    #: The ``target_kind`` of suitable data, such as ``classes`` or ``numbers``.
    target_kind: str = "numbers"
    #: Names of the metrics that ``measure`` and ``derived`` return; ``loss`` is not listed.
    metrics: tuple[str, ...] = ()
    #: The metrics, never negative, of which the maximum over the examples counts, not the mean.
    maxima: tuple[str, ...] = ()
    #: Attributes that are numbers in the loss; tasks that differ only in them can train stacked.
    loss_numbers: tuple[str, ...] = ()
    #: Whether the constructor gets the trained networks of ``task.teacher``.
    takes_teacher = False

    def __init__(self, train_metrics: str = "during", **training: Any) -> None:
        super().__init__(**training)
        self.train_metrics = train_metrics
        #: The latest epoch's means, by ``<metric>/<split>``.
        self.means: dict[str, float] = {}
        self._sums: dict[str, MetricSums] = {}

    @abstractmethod
    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the loss, the mean over a batch: a scalar tensor with shape ``[]``.

        Args:
            output: the network's outputs, ``[batch, outputs]``.
            target: the data module's targets, ``[batch, ...]``: for classes int64 ``[batch]``, for
                numbers float32 ``[batch, outputs]`` or, for a single output, ``[batch]``.
        """

    @abstractmethod
    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the metrics of each example of a batch.

        The keys are the names in ``metrics``, without those that ``derived`` returns. Each value is
        a float tensor ``[batch]``. The mean over the examples of a split, or the largest value for
        the names in ``maxima``, is the metric of the split.

        Args:
            output: the network's outputs, ``[batch, outputs]``, as for ``loss``.
            target: the data module's targets, ``[batch, ...]``, as for ``loss``.
        """

    def derived(self, means: Mapping[str, float]) -> dict[str, float]:
        """Return the metrics of a whole split that are functions of other metrics of the split.

        Args:
            means: ``loss`` and the metrics that ``measure`` returns, each a number for the split.
        """
        return {}

    def begin(self, data: DataModule) -> None:
        """Prepare a new run; called once, after ``data.prepare_data`` and before training."""

    def load_teacher(self) -> str | None:
        """Load the networks that the task learns from; called before a new or a resumed training.

        Returns:
            A digest of these networks; None: there are none.
        """
        return None

    def check_trainer(self, trainer: pl.Trainer) -> None:
        """Raise UserError if a trainer is unsuitable for the task; called before training."""
        if self.gradients == "closed_form":
            try:
                check_closed_form(trainer)
            except NoClosedFormError as error:
                raise refusal(error) from error

    def predictions(self, output: Tensor) -> Tensor:
        """Return the predicted targets, given the network's outputs ``[batch, outputs]``.

        For classes, these are their numbers, int64 ``[batch]``; for numbers, values of the shape
        and type of the outputs.
        """
        return output

    def probabilities(self, output: Tensor) -> Tensor | None:
        """Return the probabilities of the classes ``[batch, classes]``, given the outputs.

        Return None if the task predicts no probabilities.
        """
        return None

    @classmethod
    def predicts_probabilities(cls) -> bool:
        """Return whether the class overrides ``probabilities``."""
        return cls.probabilities is not Task.probabilities

    def negative_log_likelihood(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean negative log-likelihood of the targets of a batch, a scalar tensor.

        Only tasks that predict probabilities have this.
        """
        raise NotImplementedError

    def evaluate_split(self, data: DataModule, split: str) -> dict[str, float]:
        """Return all metrics of a split, which become an entry of a run's evaluations.

        The keys are ``loss``, the names in ``metrics`` and, in a subclass, further metrics that
        need the whole split.
        """
        return self.evaluate(data.loader(split))

    def diagnostics(self, predictions: "SplitPredictions") -> "list[Diagnostic]":
        """Return tables and figures that an evaluation adds, given the predictions for a split."""
        return []

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self.means = {}
        self._sums["train"] = self._new_sums()

    def record_training(
        self, losses: list[Tensor], outputs: list[Tensor], targets: list[Tensor]
    ) -> None:
        """Add minibatches to the epoch's means. Raises Diverged if the mean loss is not finite."""
        sums = self._sums["train"]
        sums.add(losses, outputs, targets)
        if not sums.finite:
            raise Diverged(
                f"diverged: the training loss is not finite in epoch {self.current_epoch + 1},"
                f" by step {self.global_step}; a smaller optimizer.lr may help"
            )

    def on_train_epoch_end(self) -> None:
        if self.train_metrics == "after":
            self._sums["train"] = self._sums_of(data_of(self.trainer).loader("train"))
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

    def evaluate(self, loader: Iterable[Iterable[list[Tensor]]]) -> dict[str, float]:
        """Return the loss and the metrics over all examples of ``loader``, by name.

        The keys are ``loss`` and the names in ``metrics``.
        """
        return self._means(self._sums_of(loader))

    @torch.inference_mode()
    def outputs(self, loader: Iterable[Chunk]) -> tuple[Tensor, Tensor]:
        """Return the network's outputs and the targets, ``[examples, ...]`` each.

        The task is put into evaluation mode.
        """
        self.eval()
        pairs = [(self.outputs_of(self.evaluated, x), y) for chunk in loader for x, y in chunk]
        outputs, targets = zip(*pairs, strict=True)
        return torch.cat(outputs), torch.cat(targets)

    def record_validation(self, outputs: list[Tensor], targets: list[Tensor]) -> None:
        """Add the outputs for batches of validation data to the epoch's means."""
        self._record(self._sums["validation"], outputs, targets)

    @torch.inference_mode()
    def _sums_of(self, loader: Iterable[Iterable[list[Tensor]]]) -> MetricSums:
        """Return the sums over all examples of ``loader``, in evaluation mode."""
        training = self.training
        self.eval()
        sums = self._new_sums()
        for chunk in loader:
            self._evaluate(chunk, sums)
        self.train(training)
        return sums

    def _evaluate(self, chunk: Iterable[list[Tensor]], sums: MetricSums) -> None:
        pairs = ((self.outputs_of(self.evaluated, x), y) for x, y in chunk)
        outputs, targets = zip(*pairs, strict=True)
        self._record(sums, list(outputs), list(targets))

    def _record(self, sums: MetricSums, outputs: list[Tensor], targets: list[Tensor]) -> None:
        # One of several processes may get no example of a small batch; its mean would be nan.
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
        # Callbacks such as early stopping read these. self.log would set them as well, but takes
        # half a millisecond per metric.
        metrics = {name: torch.tensor(value) for name, value in latest.items()}
        self.trainer.callback_metrics.update(metrics)

    def _new_sums(self) -> MetricSums:
        return MetricSums(self.measure, self.maxima)

    def _means(self, sums: MetricSums) -> dict[str, float]:
        means = sums.means()
        return means | self.derived(means)
