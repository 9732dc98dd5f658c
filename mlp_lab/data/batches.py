"""Minibatches of tensors in memory, handed to Lightning a chunk at a time.

Lightning's loop costs about half a millisecond a step, more than the mathematics of a small
network. Its step is therefore a chunk of minibatches here. A minibatch is one gather of rows;
no loop over examples happens in Python.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from mlp_lab.nn.seeds import epoch_seed

# Minibatches in one step of Lightning's loop: enough to make its cost vanish, few enough for the
# progress bar to move. The result doesn't depend on it.
CHUNK = 50


class EpochOrder:
    """A fresh permutation of ``size`` examples for each epoch, a function of (seed, epoch).

    Lightning calls ``set_epoch`` on what it finds under a loader's name ``sampler``.

    Args:
        size: number of examples.
        seed: one, or several for as many orders at a time.
        device: where the permutations shall lie.
    """

    def __init__(
        self, size: int, seed: int | Sequence[int], device: torch.device | None = None
    ) -> None:
        self.size = size
        self.seed = seed
        self.device = device
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def permutation(self, nth: int = 0) -> Tensor:
        """The order of the examples in the ``nth`` pass of the current epoch.

        int64 ``[size]`` or, of several seeds, ``[seeds, size]``.
        """
        if isinstance(self.seed, int):
            return self._permutation(self.seed, nth).to(self.device)
        return torch.stack([self._permutation(seed, nth) for seed in self.seed]).to(self.device)

    def _permutation(self, seed: int, nth: int) -> Tensor:
        purpose = f"order {nth}" if nth else "order"
        generator = torch.Generator().manual_seed(epoch_seed(seed, self.epoch, purpose))
        return torch.randperm(self.size, generator=generator)


class Chunk:
    """Consecutive minibatches; each is gathered when the iteration comes to it.

    Gathered one by one, a minibatch still lies in the processor's cache when it is used.
    """

    def __init__(self, tensors: Sequence[Tensor], rows: Sequence[Tensor | slice]) -> None:
        self.tensors = tensors
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[list[Tensor]]:
        for rows in self.rows:
            yield [_gather(tensor, rows) for tensor in self.tensors]


def _gather(tensor: Tensor, rows: Tensor | slice) -> Tensor:
    if isinstance(rows, slice):
        return tensor[rows]
    # Up to five times as fast as tensor[rows].
    return tensor.index_select(0, rows.flatten()).view(*rows.shape, *tensor.shape[1:])


class ChunkLoader:
    """Chunks of minibatches of ``tensors``, which agree in their first dimension.

    Args:
        tensors: inputs ``[examples, ...]``, targets ``[examples, ...]`` ...
        batch_size: examples in a minibatch; the last one of a pass holds what is left.
        sampler: the order of the examples; None keeps them as they lie.
        limit: at most so many minibatches an epoch.
        passes: over the examples in an epoch, each in an order of its own if there is a sampler.
    """

    def __init__(
        self,
        tensors: Sequence[Tensor],
        batch_size: int,
        sampler: EpochOrder | None = None,
        limit: int | None = None,
        passes: int = 1,
    ) -> None:
        self.tensors = tensors
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = None  # Lightning asks what has a sampler for this as well
        self.limit = limit
        self.passes = passes
        self.rank, self.shares = 0, 1

    def share(self, rank: int, shares: int) -> "ChunkLoader":
        """Hand out only the share ``rank`` of ``shares`` of each minibatch; returns itself."""
        self.rank, self.shares = rank, shares
        return self

    @property
    def batches(self) -> int:
        """Minibatches in an epoch."""
        batches = self.passes * self._batches_of_a_pass
        return batches if self.limit is None else min(self.limit, batches)

    @property
    def _batches_of_a_pass(self) -> int:
        whole, rest = divmod(len(self.tensors[0]), self.batch_size)
        # In training each share needs an example; in evaluation, which sums, none does.
        return whole + (rest >= self.shares if self.sampler else rest > 0)

    def __len__(self) -> int:
        return -(-self.batches // CHUNK)

    def __iter__(self) -> Iterator[Chunk]:
        rows = self._rows()
        for start in range(0, self.batches, CHUNK):
            yield Chunk(self.tensors, rows[start : start + CHUNK])

    def _rows(self) -> Sequence[Tensor | slice]:
        """The rows of each minibatch of an epoch."""
        size, step = len(self.tensors[0]), self.batch_size
        if self.sampler is None:
            ends = [(start, min(start + step, size)) for start in range(0, size, step)]
            shares = [slice(start + self.rank, end, self.shares) for start, end in ends]
            return (self.passes * shares)[: self.batches]
        minibatches = [
            rows
            for nth in range(self.passes)
            for rows in self.sampler.permutation(nth).split(step, -1)[: self._batches_of_a_pass]
        ][: self.batches]
        if self.shares == 1:
            return minibatches
        # Equal shares: else the mean of their gradients would not be that of the minibatch.
        return [
            rows[: len(rows) // self.shares * self.shares][self.rank :: self.shares]
            for rows in minibatches
        ]
