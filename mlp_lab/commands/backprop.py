"""Compute the gradients of a worked example: ``scripts/backprop.py``, ``mlp-backprop``."""

from omegaconf import DictConfig

from mlp_lab.commands.application import run_application
from mlp_lab.commands.process import entry_point


@entry_point
def backprop() -> None:
    """Run the ``backprop`` command with the arguments of the command line."""
    run_application("backprop", _backprop)


def _backprop(cfg: DictConfig) -> object:
    # Importing torch takes seconds: errors in the config are reported before.
    from mlp_lab.course.worked_example import run_worked_example

    return run_worked_example(cfg)
