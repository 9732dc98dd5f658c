"""Evaluate a run or an ensemble on one split: ``scripts/evaluate.py``, ``mlp-evaluate``."""

from omegaconf import DictConfig

from mlp_lab.commands.application import run_application
from mlp_lab.commands.process import entry_point
from mlp_lab.runs.threads import set_threads


@entry_point
def evaluate() -> None:
    """Run the command line of ``evaluate``."""
    run_application("evaluate", _evaluate)


def _evaluate(cfg: DictConfig) -> object:
    set_threads(cfg.threads)
    from mlp_lab.runs import ensemble, evaluate

    several = ensemble.is_ensemble(cfg.run)
    return ensemble.evaluate(cfg) if several else evaluate.evaluate(cfg)
