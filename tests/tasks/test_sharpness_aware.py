"""Sharpness-aware minimization, compared with a plain loop."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from helpers import assert_equal_weights, weights

from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.runs.build import build_task
from mlp_lab.runs.train import train

SHORT = ["trainer.max_epochs=2", "data.batch_size=30", "data.train_size=100", "callbacks=none",
         "logger=none", "network.width=12", "optimizer=momentum"]  # fmt: skip


@pytest.mark.parametrize("normalization", ["none", "batch"])
def test_training_equals_a_plain_loop(normalization: str, mnist_config: Callable) -> None:
    overrides = ["task=sharpness_aware", "task.rho=0.3", f"network.normalization={normalization}"]
    cfg = mnist_config(*SHORT, *overrides, "seed=3")
    result = train(cfg)
    data, task = build_task(cfg)
    data.setup()
    x, y = data.splits["train"]
    network = task.network
    optimizer = task.make_optimizer(network.parameters())
    for epoch in range(2):
        order = torch.Generator().manual_seed(epoch_seed(3, epoch, "order"))
        for batch in torch.randperm(len(x), generator=order).split(30):
            before = [p.detach().clone() for p in network.parameters()]
            loss = F.cross_entropy(network(x[batch]), y[batch])
            statistics = {name: b.clone() for name, b in network.named_buffers()}
            gradients = torch.autograd.grad(loss, list(network.parameters()))
            norm = torch.cat([g.flatten() for g in gradients]).norm()
            with torch.no_grad():
                for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                    parameter += 0.3 * gradient / norm
            optimizer.zero_grad()
            F.cross_entropy(network(x[batch]), y[batch]).backward()
            with torch.no_grad():
                for parameter, value in zip(network.parameters(), before, strict=True):
                    parameter.copy_(value)
                for name, buffer in network.named_buffers():
                    buffer.copy_(statistics[name])
            optimizer.step()
    state = weights(result)
    for name, value in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(state[f"network.{name}"], value, rtol=1e-4, atol=1e-6)


def test_a_distance_of_0_is_plain_training(mnist_config: Callable) -> None:
    plain = train(mnist_config(*SHORT, "gradients=autograd"))
    assert_equal_weights(plain, train(mnist_config(*SHORT, "task=sharpness_aware", "task.rho=0")))


def test_a_gradient_of_0_leaves_the_weights_unchanged(mnist_config: Callable) -> None:
    _, task = build_task(mnist_config(*SHORT, "task=sharpness_aware", "task.rho=1e6"))
    task.trainer = type("Trainer", (), {"world_size": 1})()
    task._microbatch_size = 100
    with torch.no_grad():
        task.network[-1].bias[3] = 1e4  # the probability of class 3 is 1 after rounding
    before = {name: value.clone() for name, value in task.network.state_dict().items()}
    task.differentiate(torch.rand(10, 784), torch.full((10,), 3))
    assert all(p.grad.abs().max() == 0 for p in task.network.parameters())
    for name, value in task.network.state_dict().items():
        assert torch.equal(value, before[name])
