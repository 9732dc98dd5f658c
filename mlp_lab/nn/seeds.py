"""Where every random number comes from: a run is a function of its config."""

import zlib

import numpy as np


def epoch_seed(seed: int, epoch: int, purpose: str) -> int:
    """A seed below 2**64 for one purpose in one epoch, unrelated to those of all others.

    Drawing anew in each epoch makes a resumed run equal to one that was never interrupted.
    """
    entropy = [seed, epoch, zlib.crc32(purpose.encode())]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])
