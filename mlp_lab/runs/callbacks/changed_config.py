"""Write the changed config of a resumed run."""

import logging

from omegaconf import DictConfig

from mlp_lab.lightning import pl
from mlp_lab.runs import report
from mlp_lab.runs.callbacks.access import task_of
from mlp_lab.storage.run_folder import RunFolder

log = logging.getLogger(__name__)


class ChangedConfig(pl.callbacks.Callback):
    """Writes the changed config of a resumed run, and logs changed schedules.

    It does so when the training starts: a run that cannot start keeps its config.

    Args:
        run: run folder.
        cfg: changed config.
        epochs: number of epochs that the run has trained.
    """

    def __init__(self, run: RunFolder, cfg: DictConfig, epochs: int) -> None:
        self._run, self._cfg, self._epochs = run, cfg, epochs

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        before = self._run.config
        self._run.write_config(self._cfg)
        for line in report.changed_schedules(before, self._cfg, task_of(task), self._epochs):
            log.info("%s", line)
