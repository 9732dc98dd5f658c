"""Play backgammon against a trained network: ``scripts/play.py``, ``mlp-play``."""

from omegaconf import DictConfig

from mlp_lab.commands.application import run_application
from mlp_lab.commands.process import entry_point
from mlp_lab.runs.threads import set_threads


@entry_point
def play() -> None:
    """Run the ``play`` command with the arguments of the command line."""
    run_application("play", _play)


def _play(cfg: DictConfig) -> object:
    set_threads(cfg.threads)
    # Importing torch takes seconds: errors in the config are reported before. torch then reads the
    # number of threads that set_threads has set.
    from mlp_lab.runs.play import play

    return play(cfg)
