"""Evaluate a run or an ensemble on one split: ``scripts/evaluate.py``, ``mlp-evaluate``."""

from omegaconf import DictConfig

from mlp_lab.commands.application import run_application
from mlp_lab.commands.process import entry_point
from mlp_lab.runs.threads import set_threads


@entry_point
def evaluate() -> None:
    """Run the ``evaluate`` command with the arguments of the command line."""
    run_application("evaluate", _evaluate)


def _evaluate(cfg: DictConfig) -> object:
    set_threads(cfg.threads)
    # Importing torch takes seconds: errors in the config are reported before. torch then reads the
    # number of threads that set_threads has set.
    from mlp_lab.runs import ensemble, evaluate

    several = ensemble.is_ensemble(cfg.run)
    return ensemble.evaluate(cfg) if several else evaluate.evaluate(cfg)
