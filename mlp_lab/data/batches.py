"""Minibatches of tensors in memory, passed to Lightning in chunks.

Lightning's loop takes about half a millisecond per step, more than the computation of a small
network. A step of the loop is therefore a chunk of minibatches. A minibatch is gathered by one
indexing operation, without a Python loop over examples.
"""

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from mlp_lab.nn.encodings import FourierFeatures
from mlp_lab.nn.seeds import epoch_seed


def chunk_length(batch_size: int) -> int:
    """Return the number of minibatches in one step of Lightning's loop.

    It is large enough to make the cost of the loop negligible, and small enough for the progress
    bar to move. The weights do not depend on it.
    """
    return max(50, 5_000 // batch_size)


class EpochOrder:
    """A new permutation of ``size`` examples for each epoch, determined by (seed, epoch).

    Lightning calls ``set_epoch`` on a loader's attribute ``sampler``.

    Args:
        size: number of examples.
        seed: a seed, or several seeds, which give as many permutations at a time.
        device: device of the permutations.
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
        """Return the order of the examples in the ``nth`` pass of the current epoch.

        Its shape is ``[size]`` or, for several seeds, ``[seeds, size]``; it is int64.
        """
        if isinstance(self.seed, int):
            return self._permutation(self.seed, nth).to(self.device)
        return torch.stack([self._permutation(seed, nth) for seed in self.seed]).to(self.device)

    def _permutation(self, seed: int, nth: int) -> Tensor:
        purpose = f"order {nth}" if nth else "order"
        generator = torch.Generator().manual_seed(epoch_seed(seed, self.epoch, purpose))
        return torch.randperm(self.size, generator=generator)


_ENCODED_INPUTS = 2**9  # at a time: they take 1 MiB for 512 features


class Buffers:
    """Memory for the inputs of minibatches, which are valid until the next minibatch.

    For new tensors of a large minibatch, the system allocates new memory pages in each step, which
    takes longer than to encode the inputs.
    """

    def __init__(self) -> None:
        # Rows with and without the axis ``orders``, by the shape of the row numbers.
        self._rows: dict[torch.Size, tuple[Tensor, Tensor]] = {}
        self._features: dict[torch.Size, Tensor] = {}

    def gathered(self, inputs: Tensor, rows: Tensor) -> Tensor:
        """Return rows ``[orders, batch, ...]`` of ``inputs``.

        Args:
            inputs: tensor ``[examples, ...]``.
            rows: row numbers, ``[batch]`` for one order, or ``[orders, batch]``.
        """
        if rows.shape not in self._rows:
            shape = torch.atleast_2d(rows).shape
            buffer = inputs.new_empty(*shape, *inputs.shape[1:])
            self._rows[rows.shape] = buffer, buffer.flatten(0, 1)
        buffer, examples = self._rows[rows.shape]
        torch.index_select(inputs, 0, rows.flatten(), out=examples)
        return buffer

    def encoded(self, encoding: nn.Module, x: Tensor) -> Tensor:
        """Return encoded inputs ``[..., out_features]`` for inputs ``[..., in_features]``.

        On a CPU, Fourier features are computed in parts that stay in the cache.
        """
        if x.device.type != "cpu" or type(encoding).forward is not FourierFeatures.forward:
            encoded: Tensor = encoding(x)
            return encoded
        if x.shape not in self._features:
            width = cast(FourierFeatures, encoding).out_features
            self._features[x.shape] = x.new_empty(*x.shape[:-1], width)
        features = self._features[x.shape]
        parts = (t.flatten(0, -2).split(_ENCODED_INPUTS) for t in (x, features))
        for part, out in zip(*parts, strict=True):
            encoding(part, out)
        return features


class Chunk:
    """Consecutive minibatches; the iteration gathers each one when it is needed.

    A minibatch is then still in the processor's cache when it is used.

    Args:
        tensors: tensors ``[examples, ...]``, such as inputs and targets.
        rows: row numbers or a slice of rows for each minibatch.
        encoding: module from the inputs of a minibatch to those of the network; None: the
            identity.
    """

    def __init__(
        self,
        tensors: Sequence[Tensor],
        rows: Sequence[Tensor | slice],
        encoding: nn.Module | None = None,
    ) -> None:
        self.tensors = tensors
        self.rows = rows
        self._encoding = encoding

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[list[Tensor]]:
        for rows in self.rows:
            x, *others = (_gather(tensor, rows) for tensor in self.tensors)
            yield [x if self._encoding is None else self._encoding(x), *others]

    @property
    def sizes(self) -> list[int]:
        """The number of examples in each minibatch."""
        if isinstance(self.rows[0], slice):
            return [len(self.tensors[0][rows]) for rows in self.rows]
        return [rows.shape[-1] for rows in self.rows if isinstance(rows, Tensor)]

    def first(self, count: int) -> "Chunk":
        """Return the first ``count`` minibatches, or all if there are fewer."""
        return Chunk(self.tensors, self.rows[:count], self._encoding)

    def inputs(self, buffers: Buffers) -> Iterator[Tensor]:
        """Yield the inputs of each minibatch, ``[orders, batch, ...]``.

        ``orders`` is 1 unless the row numbers have this axis. Each minibatch overwrites the one
        before.
        """
        inputs = self.tensors[0]
        for rows in self.rows:
            if isinstance(rows, slice):
                x = inputs[rows].unsqueeze(0)
            else:
                x = buffers.gathered(inputs, rows)
            yield x if self._encoding is None else buffers.encoded(self._encoding, x)

    def labels(self) -> Iterator[Tensor]:
        """Yield the targets of each minibatch, ``[batch, ...]``, for a single order."""
        for rows in self.rows:
            yield _gather(self.tensors[1], rows)

    def targets(self) -> Tensor:
        """Return the targets of all minibatches, concatenated: ``[orders, examples, ...]``."""
        targets = self.tensors[1]
        if isinstance(self.rows[0], slice):
            return torch.cat([targets[rows] for rows in self.rows]).unsqueeze(0)
        return _gather(targets, torch.cat([torch.atleast_2d(rows) for rows in self.rows], 1))


def _gather(tensor: Tensor, rows: Tensor | slice) -> Tensor:
    if isinstance(rows, slice):
        return tensor[rows]
    # Up to five times faster than tensor[rows].
    return tensor.index_select(0, rows.flatten()).view(*rows.shape, *tensor.shape[1:])


class ChunkLoader:
    """Chunks of minibatches of ``tensors``, which agree in their first dimension.

    Args:
        tensors: inputs ``[examples, ...]``, targets ``[examples, ...]``.
        batch_size: number of examples in a minibatch; the last one of a pass has the rest.
        sampler: order of the examples; None: their stored order.
        limit: maximum number of minibatches per epoch; None: no limit.
        passes: number of passes over the examples per epoch; with a sampler, each has a new order.
        drop_last: whether to omit the last minibatch of a pass if it is smaller than the others.
    """

    def __init__(
        self,
        tensors: Sequence[Tensor],
        batch_size: int,
        sampler: EpochOrder | None = None,
        limit: int | None = None,
        passes: int = 1,
        drop_last: bool = False,
    ) -> None:
        self.tensors = tensors
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = None  # Lightning expects this of a loader with a sampler
        self.limit = limit
        self.passes = passes
        self.drop_last = drop_last
        self.rank, self.shares = 0, 1

    def share(self, rank: int, shares: int) -> "ChunkLoader":
        """Restrict each minibatch to the share ``rank`` of ``shares``; return the loader itself."""
        self.rank, self.shares = rank, shares
        return self

    @property
    def batches(self) -> int:
        """The number of minibatches per epoch."""
        batches = self.passes * self._batches_per_pass
        return batches if self.limit is None else min(self.limit, batches)

    @property
    def _batches_per_pass(self) -> int:
        whole, rest = divmod(len(self.tensors[0]), self.batch_size)
        if self.drop_last and whole:  # else the only minibatch is smaller
            return whole
        # In training, each process needs an example; in evaluation, sums may be over none.
        return whole + (rest >= self.shares if self.sampler else rest > 0)

    @property
    def smallest(self) -> int:
        """The number of examples in this process's share of the smallest training minibatch."""
        whole, rest = divmod(len(self.tensors[0]), self.batch_size)
        ends_with_rest = whole < min(self.batches, self._batches_per_pass)
        return (rest if ends_with_rest else self.batch_size) // self.shares

    def __len__(self) -> int:
        return -(-self.batches // chunk_length(self.batch_size))

    def __iter__(self) -> Iterator[Chunk]:
        rows, length = self._rows(), chunk_length(self.batch_size)
        for start in range(0, self.batches, length):
            yield Chunk(self.tensors, rows[start : start + length])

    def _rows(self) -> Sequence[Tensor | slice]:
        """Return the rows of each minibatch of an epoch."""
        size, step = len(self.tensors[0]), self.batch_size
        if self.sampler is None:
            ends = [(start, min(start + step, size)) for start in range(0, size, step)]
            shares = [slice(start + self.rank, end, self.shares) for start, end in ends]
            return (self.passes * shares)[: self.batches]
        minibatches = [
            rows
            for nth in range(self.passes)
            for rows in self.sampler.permutation(nth).split(step, -1)[: self._batches_per_pass]
        ][: self.batches]
        if self.shares == 1:
            return minibatches
        # Equal shares, so that the mean of their gradients is that of the minibatch.
        return [
            rows[: len(rows) // self.shares * self.shares][self.rank :: self.shares]
            for rows in minibatches
        ]
