"""Minibatches of examples that are drawn anew for each step, instead of those of a data set."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from mlp_lab.data.batches import Chunk, ChunkLoader, EpochOrder, chunk_length
from mlp_lab.nn.seeds import epoch_seed

# A function from a generator on the CPU to inputs and targets, ``[examples, ...]`` each.
Draw = Callable[[torch.Generator], tuple[Tensor, Tensor]]


class FreshLoader(ChunkLoader):
    """Chunks of minibatches whose examples are drawn from (seed, epoch, minibatch).

    Args:
        draw: function that draws the examples of a minibatch.
        encoding: module from the inputs of a minibatch to those of the network.
        tensors: encoded inputs and targets of other examples of the same distribution.
        batch_size: number of examples in a minibatch.
        sampler: seeds and epoch.
        limit: maximum number of minibatches per epoch; None: no limit.
        passes: number of minibatches per epoch.
    """

    def __init__(
        self,
        draw: Draw,
        encoding: nn.Module,
        tensors: Sequence[Tensor],
        batch_size: int,
        sampler: EpochOrder,
        limit: int | None,
        passes: int,
    ) -> None:
        super().__init__(tensors, batch_size, sampler, limit, passes)
        self._draw, self._encoding = draw, encoding

    @property
    def _batches_per_pass(self) -> int:
        return 1

    @property
    def smallest(self) -> int:
        return self.batch_size // self.shares

    def __iter__(self) -> Iterator[Chunk]:
        length = chunk_length(self.batch_size)
        for start in range(0, self.batches, length):
            numbers = range(start, min(start + length, self.batches))
            drawn = [self._minibatch(number) for number in numbers]
            x, y = (torch.cat(parts) for parts in zip(*drawn, strict=True))
            yield Chunk((x, y), self._rows_of(len(numbers)), self._encoding)

    def _minibatch(self, number: int) -> tuple[Tensor, Tensor]:
        """Draw a minibatch, or one for each of several seeds, one after the other."""
        assert self.sampler is not None
        seeds = self.sampler.seed
        drawn = []
        for seed in [seeds] if isinstance(seeds, int) else seeds:
            purpose = f"minibatch {number}"
            entropy = epoch_seed(seed, self.sampler.epoch, purpose)
            drawn.append(self._draw(torch.Generator().manual_seed(entropy)))
        x, y = (torch.cat(parts) for parts in zip(*drawn, strict=True))
        return x, y

    def _rows_of(self, minibatches: int) -> Sequence[Tensor | slice]:
        """Return the rows of the minibatches of a chunk."""
        assert self.sampler is not None
        size = self.batch_size
        if isinstance(self.sampler.seed, int):
            # Equal shares, so that the mean of their gradients is that of the minibatch.
            used = size // self.shares * self.shares
            starts = range(0, minibatches * size, size)
            return [slice(start + self.rank, start + used, self.shares) for start in starts]
        rows = torch.arange(minibatches * len(self.sampler.seed) * size, device=self.sampler.device)
        return list(rows.view(minibatches, -1, size))
