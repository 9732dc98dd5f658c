"""Predict with a trained network: ``scripts/predict.py``, ``mlp-predict``."""

from omegaconf import DictConfig

from mlp_lab.commands.application import run_application
from mlp_lab.commands.process import entry_point
from mlp_lab.runs.threads import set_threads


@entry_point
def predict() -> None:
    """Run the ``predict`` command with the arguments of the command line."""
    run_application("predict", _predict)


def _predict(cfg: DictConfig) -> object:
    set_threads(cfg.threads)
    # Importing torch takes seconds: errors in the config are reported before. torch then reads the
    # number of threads that set_threads has set.
    from mlp_lab.runs.predict import predict

    return predict(cfg)
