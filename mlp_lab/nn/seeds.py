"""Seeds of random number generators, derived from the seed of the run."""

import zlib

import numpy as np


def epoch_seed(seed: int, epoch: int, purpose: str) -> int:
    """Return a seed below 2**64 for one purpose in one epoch.

    Seeds of other epochs and purposes are independent. A resumed run is equal to an uninterrupted
    one because the generators start with a new seed in each epoch.

    Args:
        seed: seed of the run.
        epoch: number of the epoch.
        purpose: use of the random numbers, such as ``noise``.
    """
    entropy = [seed, epoch, zlib.crc32(purpose.encode())]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])
