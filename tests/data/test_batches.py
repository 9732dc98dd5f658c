from unittest.mock import patch

import torch
from hypothesis import given
from hypothesis import strategies as st

from mlp_lab.data import batches
from mlp_lab.data.batches import ChunkLoader, EpochOrder
from mlp_lab.nn.encodings import Basic
from mlp_lab.nn.seeds import epoch_seed

sizes = st.integers(1, 300)
batch_sizes = st.integers(1, 40)
seeds = st.integers(0, 2**32 - 1)
epochs = st.integers(0, 1_000)
limits = st.none() | st.integers(1, 30)
shares = st.integers(1, 4)


def minibatches(loader: ChunkLoader) -> list[list[torch.Tensor]]:
    """Return all minibatches of an epoch."""
    return [batch for chunk in loader for batch in chunk]


def order(size: int, seed: int, epoch: int) -> EpochOrder:
    sampler = EpochOrder(size, seed)
    sampler.set_epoch(epoch)
    return sampler


@given(sizes, batch_sizes, seeds, epochs)
def test_each_example_once_an_epoch(size, batch_size, seed, epoch):
    x = torch.arange(size)
    loader = ChunkLoader((x, 10 * x), batch_size, order(size, seed, epoch))
    actual = minibatches(loader)
    assert sorted(torch.cat([x for x, _ in actual]).tolist()) == list(range(size))
    assert all(torch.equal(y, 10 * x) for x, y in actual)


@given(sizes, batch_sizes, limits, st.booleans(), st.integers(1, 60))
def test_chunks_contain_the_minibatches_in_order(size, batch_size, limit, shuffled, chunk):
    x = torch.arange(size)
    sampler = order(size, 3, 5) if shuffled else None
    rows = sampler.permutation() if sampler else x
    expected = rows.split(batch_size)[:limit]
    with patch.object(batches, "chunk_length", lambda _: chunk):
        loader = ChunkLoader((x,), batch_size, sampler, limit)
        chunks = list(loader)
        actual = minibatches(loader)
        assert len(loader) == len(chunks)
    assert loader.batches == len(expected) == len(actual)
    assert all(torch.equal(a, b) for [a], b in zip(actual, expected, strict=True))
    assert [len(c) for c in chunks[:-1]] == [chunk] * (len(chunks) - 1)
    assert 0 < len(chunks[-1]) <= chunk


@given(sizes, batch_sizes, limits, shares, st.integers(1, 4), st.booleans())
def test_passes_of_an_epoch_are_consecutive(size, batch_size, limit, shares, passes, shuffled):
    batch_size = max(batch_size, shares)
    x = torch.arange(size)
    orders = [None] * passes
    if shuffled:  # the first is that of an epoch of one pass
        orders = [order(size, 3, 5).permutation(nth) for nth in range(passes)]
        assert torch.equal(orders[0], order(size, 3, 5).permutation())
        assert passes == 1 or size < 20 or len({tuple(o.tolist()) for o in orders}) == passes
    sampler = order(size, 3, 5) if shuffled else None
    actual = ChunkLoader((x,), batch_size, sampler, limit, passes).share(0, shares)
    singly = []
    for permutation in orders:
        one = ChunkLoader((x,), batch_size, sampler).share(0, shares)
        with patch.object(EpochOrder, "permutation", lambda self, nth=0, p=permutation: p):
            singly += [batch.tolist() for [batch] in minibatches(one)]
    assert [batch.tolist() for [batch] in minibatches(actual)] == singly[:limit]
    assert actual.batches == len(singly[:limit])


@given(seeds, epochs)
def test_order_is_a_function_of_seed_and_epoch(seed, epoch):
    def permutation(seed, epoch):
        return order(100, seed, epoch).permutation().tolist()

    first = permutation(seed, epoch)
    torch.manual_seed(epoch)  # other random numbers have no influence
    assert permutation(seed, epoch) == first
    assert permutation(seed, epoch + 1) != first
    assert permutation(seed + 1, epoch) != first


def test_seeds_of_epochs_and_purposes_differ():
    everything = [(s, e, p) for s in range(20) for e in range(20) for p in ("order", "network")]
    drawn = {epoch_seed(*which) for which in everything}
    assert len(drawn) == len(everything)
    assert all(0 <= seed < 2**64 for seed in drawn)
    assert epoch_seed(3, 5, "order") == epoch_seed(3, 5, "order")


@given(sizes, batch_sizes, shares, seeds, limits)
def test_shares_of_a_training_minibatch(size, batch_size, shares, seed, limit):
    batch_size = max(batch_size, shares)
    x = torch.arange(size)
    whole = minibatches(ChunkLoader((x,), batch_size, order(size, seed, 0), limit))
    loaders = [
        ChunkLoader((x,), batch_size, order(size, seed, 0), limit).share(rank, shares)
        for rank in range(shares)
    ]
    ranks = [[b.tolist() for [b] in minibatches(loader)] for loader in loaders]
    # All processes drop a last minibatch with fewer examples than processes.
    expected = [b.tolist() for [b] in whole if len(b) >= shares]
    assert [loader.batches for loader in loaders] == [len(expected)] * shares
    assert [len(rank) for rank in ranks] == [len(expected)] * shares
    for minibatch, *parts in zip(expected, *ranks, strict=True):
        assert {len(part) for part in parts} == {len(minibatch) // shares}
        together = sorted(row for part in parts for row in part)
        used = len(minibatch) - len(minibatch) % shares
        assert together == sorted(minibatch[:used])  # disjoint: no row occurs twice


@given(sizes, batch_sizes, shares, limits, st.integers(1, 3), st.booleans())
def test_the_smallest_minibatch_and_drop_last(size, batch_size, shares, limit, passes, drop_last):
    batch_size, size = max(batch_size, shares), max(size, shares)
    x = torch.arange(size)

    def loader(drop_last: bool) -> ChunkLoader:
        sampler = order(size, 0, 0)
        return ChunkLoader((x,), batch_size, sampler, limit, passes, drop_last).share(0, shares)

    actual = [b.tolist() for [b] in minibatches(loader(drop_last))]
    assert len(actual) == loader(drop_last).batches
    assert loader(drop_last).smallest == min(map(len, actual))
    if drop_last and size >= batch_size:
        assert {len(b) for b in actual} == {batch_size // shares}
    if limit is None and not (drop_last and size % batch_size):
        assert actual == [b.tolist() for [b] in minibatches(loader(False))]


@given(sizes, batch_sizes, shares, limits)
def test_shares_of_an_evaluation_cover_all_examples(size, batch_size, shares, limit):
    x = torch.arange(size)
    ranks = [
        [b for [b] in minibatches(ChunkLoader((x,), batch_size, limit=limit).share(r, shares))]
        for r in range(shares)
    ]
    assert len({len(rank) for rank in ranks}) == 1
    actual = torch.cat([batch for rank in ranks for batch in rank])
    expected = size if limit is None else min(size, limit * batch_size)
    assert sorted(actual.tolist()) == list(range(expected))


@given(sizes, batch_sizes, st.sampled_from([None, 3, [3, 4]]))
def test_buffers_have_the_gathered_minibatches(size, batch_size, seed):
    x = torch.rand(size, 2)
    sampler = None if seed is None else EpochOrder(size, seed)
    buffers = batches.Buffers()
    for chunk in ChunkLoader((x, 10 * x), batch_size, sampler):
        targets = chunk.targets().split(chunk.sizes, 1)
        for (a, b), inputs, y in zip(chunk, chunk.inputs(buffers), targets, strict=True):
            assert torch.equal(inputs, a.view(inputs.shape))
            assert torch.equal(y, b.view(y.shape))
            assert len(y) == (1 if seed in (None, 3) else 2)


@given(shape=st.sampled_from([(1, 1), (1, 7), (2, 5), (1, 3, 4)]), part=st.integers(1, 9))
def test_fourier_features_are_computed_in_parts_in_a_buffer(shape, part):
    buffers, encoding = batches.Buffers(), Basic(3, unit_norm=True)
    with patch.object(batches, "_ENCODED_INPUTS", part):
        first, second = torch.rand(2, *shape, 3)
        features = buffers.encoded(encoding, first)
        torch.testing.assert_close(features, encoding(first))
        assert buffers.encoded(encoding, second).data_ptr() == features.data_ptr()
    torch.testing.assert_close(features, encoding(second))
