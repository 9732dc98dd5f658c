"""Training on mixed examples, compared with a plain loop."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import composed, history, make_task, weights
from hypothesis import given
from hypothesis import strategies as st

from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.runs.build import build_task
from mlp_lab.runs.train import train
from mlp_lab.tasks.mixup import Mixup

SHORT = ["trainer.max_epochs=2", "data.batch_size=30", "data.train_size=100", "callbacks=none",
         "logger=none", "network.width=12", "optimizer.lr=0.2"]  # fmt: skip


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
@given(share=st.floats(0.5, 1), seed=st.integers(0, 100))
def test_the_loss_of_cross_entropy_is_that_of_mixed_targets(
    output: str, share: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    pairs = torch.randint(4, (6, 2), generator=generator)
    task = make_task(Mixup, alpha=1.0, output=output, loss="cross_entropy")
    task._share = share
    one, other = F.one_hot(pairs, 4).double().unbind(1)
    truth = share * one + (1 - share) * other
    if output == "softmax":
        expected = F.cross_entropy(z, truth)
    else:
        expected = F.binary_cross_entropy_with_logits(z, truth, reduction="sum") / len(z)
    torch.testing.assert_close(task.loss(z, pairs), expected)


def test_training_equals_a_plain_loop(mnist_config: Callable) -> None:
    cfg = mnist_config(*SHORT, "task=mixup", "task.alpha=0.5", "seed=3")
    result = train(cfg)
    data, task = build_task(cfg)
    data.setup()
    x, y = data.splits["train"]
    network = task.network
    optimizer = torch.optim.SGD(network.parameters(), 0.2)
    for epoch in range(2):
        order = torch.Generator().manual_seed(epoch_seed(3, epoch, "order"))
        random = np.random.default_rng(epoch_seed(3, epoch, "mixup"))
        wrong = 0
        for batch in torch.randperm(len(x), generator=order).split(30):
            share = random.beta(0.5, 0.5)
            other = batch[random.permutation(len(batch))]
            share = max(share, 1 - share)
            output = network(share * x[batch] + (1 - share) * x[other])
            loss = share * F.cross_entropy(output, y[batch])
            loss = loss + (1 - share) * F.cross_entropy(output, y[other])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            wrong += int((output.argmax(1) != y[batch]).sum())
    state = weights(result)
    for name, weight in network.state_dict().items():
        torch.testing.assert_close(state[f"network.{name}"], weight, rtol=1e-4, atol=1e-6)
    assert history(result)[-1]["error/train"] == pytest.approx(wrong / len(x))


def test_validation_and_evaluation_do_not_mix(mnist_config: Callable) -> None:
    cfg = mnist_config(*SHORT, "task=mixup")
    result = train(cfg)
    data, task = build_task(cfg)
    data.setup()
    task.load_state_dict(weights(result))
    x, y = data.splits["validation"]
    with torch.no_grad():
        expected = F.cross_entropy(task(x), y)
    assert history(result)[-1]["loss/validation"] == pytest.approx(float(expected), rel=1e-5)


def test_microbatches_with_a_single_output_for_two_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = composed("experiment=points_mlp", "data.set=xor", "data.size=300", "data.batch_size=100",
                   "network.depth=1", "task=mixup", "trainer.max_epochs=2", "callbacks=none",
                   "logger=none", "trainer.accelerator=cpu", f"logs='{tmp_path}'")  # fmt: skip
    whole = weights(train(cfg))
    monkeypatch.setattr("mlp_lab.tasks.chunked_training.microbatch_size", lambda *_: 30)
    parts = weights(train(cfg))
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-4, atol=1e-6)
