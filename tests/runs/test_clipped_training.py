"""Training with clipped gradients, compared with a plain loop and with torch's functions."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from helpers import weights
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.runs.build import build_task
from mlp_lab.runs.train import train

FUNCTIONS = {"norm": clip_grad_norm_, "value": clip_grad_value_}
COMMON = ["trainer.max_epochs=2", "data.batch_size=30", "network.width=8", "callbacks=none"]
COMMON += ["logger=none", "trainer.precision=64-true"]


def plain_loop(cfg, value: float, algorithm: str) -> dict[str, torch.Tensor]:
    """Return the weights after training with momentum and clipping."""
    data, task = build_task(cfg)
    data.setup()
    x, y = data.splits["train"]
    network = copy.deepcopy(task.network).double()
    optimizer = torch.optim.SGD(network.parameters(), cfg.optimizer.lr, momentum=0.9)
    clipped = 0
    for epoch in range(2):
        order = torch.Generator().manual_seed(epoch_seed(cfg.seed, epoch, "order"))
        for batch in torch.randperm(len(x), generator=order).split(30):
            loss = F.cross_entropy(network(x[batch].double()), y[batch])
            optimizer.zero_grad()
            loss.backward()
            before = torch.cat([p.grad.flatten() for p in network.parameters()])
            FUNCTIONS[algorithm](network.parameters(), value)
            after = torch.cat([p.grad.flatten() for p in network.parameters()])
            clipped += not torch.equal(before, after)
            optimizer.step()
    assert clipped > 0
    return network.state_dict()


@pytest.mark.parametrize("algorithm", FUNCTIONS)
@pytest.mark.parametrize("engine", ["autograd", "closed_form", "microbatches"])
def test_clipping_equals_a_plain_loop(
    algorithm: str, engine: str, mnist_config: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = {"norm": 0.5, "value": 0.01}[algorithm]
    gradients = "closed_form" if engine == "closed_form" else "autograd"
    cfg = mnist_config(
        *COMMON, "optimizer=momentum", "schedule=constant", f"gradients={gradients}",
        f"trainer.gradient_clip_val={value}", f"trainer.gradient_clip_algorithm={algorithm}",
    )  # fmt: skip
    if engine == "microbatches":
        monkeypatch.setattr("mlp_lab.tasks.chunked_training.microbatch_size", lambda *_: 14)
    expected = plain_loop(cfg, value, algorithm)
    actual = weights(train(cfg))
    for name, tensor in expected.items():
        torch.testing.assert_close(actual[f"network.{name}"], tensor, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("gradients", ["autograd", "closed_form"])
def test_plain_gradient_descent_is_clipped(gradients: str, mnist_config: Callable) -> None:
    """A step of at most lr times the norm: without momentum, where steps need no gradients."""
    common = [*COMMON, "optimizer=sgd", "schedule=constant", f"gradients={gradients}"]
    cfg = mnist_config(*common, "trainer.gradient_clip_val=1e-3", "trainer.max_epochs=1")
    data, task = build_task(cfg)
    data.setup()
    steps = math.ceil(len(data.splits["train"][0]) / 30)
    start = {f"network.{k}": v.double() for k, v in task.network.state_dict().items()}
    end = weights(train(cfg))
    distance = math.sqrt(sum(float((end[name] - start[name]).square().sum()) for name in start))
    assert 0 < distance <= steps * cfg.optimizer.lr * 1e-3 * 1.000001


def test_a_limit_of_0_or_null_clips_nothing(compose: Callable) -> None:
    for value in (0, 0.0, None):
        text = "null" if value is None else value
        _, task = build_task(compose("experiment=points_mlp", f"trainer.gradient_clip_val={text}"))
        assert task.clipping is None
