"""TensorBoard, with its files in the run's own folder."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.utils.tensorboard.summary import hparams

from mlp_lab.config.flatten import format_value
from mlp_lab.lightning import pl
from mlp_lab.storage.tensorboard import picture


class TensorBoard(pl.loggers.TensorBoardLogger):
    """Lightning's TensorBoard logger without version folders, hparams.yaml and hp_metric.

    Args:
        folder: where the event files go.
        x_axis: what the curves are drawn over, ``epoch`` or ``step`` (minibatches).
    """

    def __init__(self, folder: str, x_axis: str) -> None:
        super().__init__(folder, name="", version="", default_hp_metric=False)
        self.x_axis = x_axis

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write scalars; without a ``step``, metrics hold ``epoch`` and ``step`` to choose from."""
        if step is None:
            axes = {"epoch", "step"}
            step = int(metrics[self.x_axis])
            metrics = {name: value for name, value in metrics.items() if name not in axes}
        super().log_metrics(metrics, step)

    def log_histogram(self, name: str, values: Tensor, at: Mapping[str, int]) -> None:
        """Show how ``values`` are spread ``at`` an ``epoch`` and ``step``, if all are finite."""
        if values.isfinite().all():
            self.experiment.add_histogram(name, values, at[self.x_axis])

    def log_text(self, name: str, text: str) -> None:
        """Show ``text`` as it stands, in a fixed-width font."""
        self.experiment.add_text(name, "    " + text.replace("\n", "\n    "))

    def log_picture(self, name: str, png: bytes, step: int) -> None:
        """Show a PNG file."""
        self.experiment.file_writer.add_summary(picture(name, png), step)

    def log_outcome(self, settings: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Fill the run's row of the HPARAMS tab: what was set and what came of it.

        Only the row: of all runs that it shows, TensorBoard would take the columns from one that
        says its own. Without any it looks through the rows, and puts first what differs.
        """
        plain = {k: v if type(v) in {int, float} else format_value(v) for k, v in settings.items()}
        _, *row = hparams(plain, {})
        for summary in row:
            self.experiment.file_writer.add_summary(summary)
        for name, value in metrics.items():
            self.experiment.add_scalar(name, value, 0)

    def save(self) -> None:
        """Write out what is pending. The run's config.yaml stands for Lightning's hparams.yaml."""
        self.experiment.flush()

    def finalize(self, status: str) -> None:
        """Stay open after a fit: the test and the outcome are still to come."""
        self.experiment.flush()

    def close(self) -> None:
        """Close the event file, if there is one."""
        if self._experiment is not None:
            self._experiment.close()
