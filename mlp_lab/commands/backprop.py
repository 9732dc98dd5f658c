"""Work out an example of back-propagation: ``scripts/backprop.py``, ``mlp-backprop``."""

from omegaconf import DictConfig

from mlp_lab.commands.application import run_application


def backprop() -> None:
    """Work out the example that the command line describes."""
    run_application("backprop", _backprop)


def _backprop(cfg: DictConfig) -> object:
    from mlp_lab.course.worked_example import run_worked_example

    return run_worked_example(cfg)
