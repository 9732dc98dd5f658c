"""Predict with a run: ``scripts/predict.py``, ``mlp-predict``."""

from omegaconf import DictConfig

from mlp_lab.commands.application import run_application
from mlp_lab.commands.process import entry_point
from mlp_lab.runs.threads import set_threads


@entry_point
def predict() -> None:
    """Run the command line of ``predict``."""
    run_application("predict", _predict)


def _predict(cfg: DictConfig) -> object:
    set_threads(cfg.threads)
    from mlp_lab.runs.predict import predict

    return predict(cfg)
