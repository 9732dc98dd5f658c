"""A figure belongs on disk and in TensorBoard."""

from matplotlib.figure import Figure

from mlp_lab.backend import pl
from mlp_lab.logger import TensorBoard
from mlp_lab.runs import Run


def show(trainer: pl.Trainer, name: str, figure: Figure) -> None:
    """Save ``figure`` as ``figures/<name>.png`` of the run, and show it in TensorBoard."""
    Run(trainer.default_root_dir).save_figure(name, figure)
    if isinstance(trainer.logger, TensorBoard):
        trainer.logger.experiment.add_figure(name, figure, trainer.current_epoch, close=False)
