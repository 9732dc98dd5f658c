"""Schema of the keys in conf/play.yaml."""

from omegaconf import MISSING

from mlp_lab.config.limits import limited, schema
from mlp_lab.config.names import CHECKPOINTS, PLAY_OPPONENTS, PLAY_SIDES


@schema
class Play:
    """Play backgammon against the network of a run, or show its estimates for a position."""

    run: str = MISSING
    checkpoint: str = limited(one_of=CHECKPOINTS)
    opponent: str | None = limited(one_of=PLAY_OPPONENTS)
    side: str | None = limited(one_of=PLAY_SIDES)
    seed: int | None = limited(minimum=0, below=2**32)
    game: str | None = MISSING
    position: str | None = MISSING
    dice: str | None = MISSING
    threads: int | None = limited(minimum=1, maximum=10_000)
