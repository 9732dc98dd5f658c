"""The TensorBoard logger, with its files in the run folder."""

import warnings
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor, nn
from torch.utils.tensorboard.summary import hparams

from mlp_lab.config.flatten import format_value
from mlp_lab.lightning import pl
from mlp_lab.storage.files import errors_named
from mlp_lab.storage.tensorboard import drop_later_events, move_before_now, picture
from mlp_lab.tasks.chunked_training import MINIBATCH_LOSS

# Start of the tags of what ``log_outcome`` writes at step 0; earlier versions wrote ``best/``.
_OUTCOME = ("_hparams_/", "~best/", "best/")


class TensorBoard(pl.loggers.TensorBoardLogger):
    """Lightning's TensorBoard logger without version folders, hparams.yaml and hp_metric.

    Args:
        folder: folder of the event files.
        x_axis: horizontal axis of the curves, ``epoch`` or ``step`` (minibatches).
    """

    def __init__(self, folder: str, x_axis: str) -> None:
        super().__init__(folder, name="", version="", default_hp_metric=False)
        self.x_axis = x_axis

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write scalars; without a ``step``, its value is the metric ``epoch`` or ``step``."""
        if step is None:
            axes = {"epoch", "step"}
            step = int(metrics[self.x_axis])
            metrics = {name: value for name, value in metrics.items() if name not in axes}
        with errors_named(Path(self.log_dir)):
            super().log_metrics(metrics, step)

    def keep_order(self) -> None:
        """Let TensorBoard read the event files of a resumed run before its new one."""
        move_before_now(Path(self.log_dir))

    def drop_later(self, epochs: int, steps: int) -> None:
        """Remove what a killed run logged after its checkpoint, since it is logged again.

        Args:
            epochs: epochs of the checkpoint.
            steps: minibatches of the checkpoint.
        """
        last = {"epoch": epochs, "step": steps}[self.x_axis]

        def last_step(value: Summary.Value) -> int:
            if value.tag.startswith(_OUTCOME):
                return -1
            if value.HasField("image"):
                return epochs
            return steps if value.tag == MINIBATCH_LOSS else last

        drop_later_events(Path(self.log_dir), last_step)

    def log_histogram(self, name: str, values: Tensor, at: Mapping[str, int]) -> None:
        """Write a histogram of ``values`` if all are finite.

        Args:
            name: name of the histogram.
            values: tensor of any shape.
            at: ``epoch`` and ``step`` of the values.
        """
        if values.isfinite().all():
            self.experiment.add_histogram(name, values, at[self.x_axis])

    def log_graph_of(self, network: nn.Module, x: Tensor) -> None:
        """Write the graph of a network in evaluation mode.

        Args:
            network: network, which is not changed.
            x: an input, ``[1, ...]``.
        """
        with warnings.catch_warnings():
            # TensorBoard's graph is a trace; torch has no other function that writes one.
            warnings.filterwarnings("ignore", "`torch.jit.trace", DeprecationWarning)
            self.experiment.add_graph(deepcopy(network).eval(), x)

    def log_text(self, name: str, text: str) -> None:
        """Write ``text``, which TensorBoard shows in a fixed-width font."""
        self.experiment.add_text(name, "    " + text.replace("\n", "\n    "))

    def log_picture(self, name: str, png: bytes, step: int) -> None:
        """Write the content of a PNG file as an image."""
        self.experiment.file_writer.add_summary(picture(name, png), step)

    def log_outcome(self, settings: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Write the run's row of the HPARAMS tab: its settings, and its metrics ``~best/...``.

        The columns are not written. If one run defined them, TensorBoard would use them for all
        runs. Otherwise it derives them from the rows, and puts first the settings that differ.
        """
        plain = {k: v if type(v) in {int, float} else format_value(v) for k, v in settings.items()}
        _, *row = hparams(plain, {})
        with errors_named(Path(self.log_dir)):
            for summary in row:
                self.experiment.file_writer.add_summary(summary)
            for name, value in metrics.items():
                self.experiment.add_scalar(name, value, 0)
            self.experiment.flush()

    def save(self) -> None:
        """Flush the event file. The run's config.yaml replaces Lightning's hparams.yaml."""
        with errors_named(Path(self.log_dir)):
            self.experiment.flush()

    def finalize(self, status: str) -> None:
        """Flush the event file. It stays open, since test metrics and results follow the fit."""
        self.save()

    def close(self) -> None:
        """Close the event file, if there is one.

        The private attribute shows whether there is; ``experiment`` would create the file.
        """
        if self._experiment is not None:
            with errors_named(Path(self.log_dir)):  # another thread writes the file
                self._experiment.close()
