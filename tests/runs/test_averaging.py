"""The moving average of the weights: its formula, its use in evaluations, and resuming."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers import weights
from torch import Tensor

from mlp_lab.errors import UserError
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.runs.build import build_task
from mlp_lab.runs.evaluate import evaluate
from mlp_lab.runs.train import resume, train
from mlp_lab.storage.checkpoints import load_network
from mlp_lab.storage.results import Result
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs

DECAY = 0.9
SPLITS = ("train", "validation")


@pytest.fixture
def averaging_config(mnist_config: Callable) -> Callable[..., Any]:
    """``averaging_config("network.width=3", ...)``: return the config of a short run."""
    common = ["trainer.max_epochs=2", "data.batch_size=50", "seed=3", "callbacks=none"]
    common += [
        "logger=none",
        "network.width=8",
        "network.normalization=batch",
        f"average_decay={DECAY}",
    ]
    return lambda *overrides: mnist_config(*common, *overrides)


def part_of_weights(result: Result, prefix: str, which: str = "last") -> dict[str, Tensor]:
    state = weights(result, which)
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def test_the_average_equals_a_plain_loop(averaging_config: Callable) -> None:
    result = train(averaging_config("trainer.precision=64-true"))
    data, task = build_task(averaging_config())
    data.setup()
    (x, y), (held_x, held_y) = ((x.double(), y) for x, y in map(data.splits.get, SPLITS))
    network = copy.deepcopy(task.network).double()
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    taken: list[dict[str, Tensor]] = []
    losses = []
    for epoch in range(2):
        order = torch.Generator().manual_seed(epoch_seed(3, epoch, "order"))
        network.train()
        for batch in torch.randperm(len(x), generator=order).split(50):
            optimizer.zero_grad()
            F.cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()
            taken.append(copy.deepcopy(network.state_dict()))
        # The closed form: 1 - d of the latest weights, d (1 - d) of those before, and so on.
        parts = [(1 - DECAY) * DECAY**age for age in range(len(taken) - 1)][::-1]
        parts = [1 - sum(parts), *parts]
        averaged = {
            name: sum(part * state[name] for part, state in zip(parts, taken, strict=True))
            for name in taken[0]
        }
        other = copy.deepcopy(network)
        other.load_state_dict(averaged)
        losses.append(F.cross_entropy(other.eval()(held_x), held_y).item())
    actual, raw = part_of_weights(result, "average.module."), part_of_weights(result, "network.")
    for name in (name for name in actual if "num_batches" not in name):
        torch.testing.assert_close(actual[name], averaged[name])
        torch.testing.assert_close(raw[name], taken[-1][name])
    assert not torch.allclose(actual["0.weight"], raw["0.weight"], rtol=1e-3)
    history = [row["loss/validation"] for row in RunFolder(result.folder).history]
    assert history == pytest.approx(losses)


def test_averaging_does_not_change_the_training(averaging_config: Callable) -> None:
    averaged, plain = train(averaging_config()), train(averaging_config("average_decay=0"))
    one, other = part_of_weights(averaged, "network."), part_of_weights(plain, "network.")
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not part_of_weights(plain, "average.")
    rows = [RunFolder(result.folder).history[-1] for result in (averaged, plain)]
    assert rows[0]["loss/train"] == rows[1]["loss/train"]
    assert rows[0]["loss/validation"] != rows[1]["loss/validation"]


def test_evaluation_uses_the_average(averaging_config: Callable, compose: Callable) -> None:
    result = train(averaging_config())
    data, task = build_task(averaging_config())
    load_network(task, RunFolder(result.folder).checkpoints.existing("best"))
    data.setup()
    x, y = data.splits["test"]
    network = copy.deepcopy(task.network)
    network.load_state_dict(part_of_weights(result, "average.module.", "best"))
    output = network.eval()(x)
    expected = F.cross_entropy(output, y).item()
    assert result.evaluations[0].metrics["loss"] == pytest.approx(expected)
    entry = evaluate(compose(f"run='{result.folder}'", root="evaluate"))
    assert entry.metrics["loss"] == pytest.approx(expected)
    torch.testing.assert_close(task.eval()(x), output)
    torch.testing.assert_close(task.outputs(data.loader("test"))[0], output)


def test_a_resumed_run_keeps_its_average(averaging_config: Callable) -> None:
    whole = train(averaging_config("trainer.max_epochs=3"))
    part = resume(train(averaging_config("trainer.max_epochs=1")).folder, {"trainer.max_epochs": 3})
    for prefix in ("network.", "average."):
        one, other = part_of_weights(whole, prefix), part_of_weights(part, prefix)
        assert one
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert whole.best["loss/validation"] == part.best["loss/validation"]


def test_jobs_with_and_without_average_form_two_stacks(
    averaging_config: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job_overrides = [["average_decay=0.5"], ["average_decay=0"], ["average_decay=0.9"], ["seed=1"]]
    short = ["trainer.max_epochs=1", "trainer.limit_train_batches=2"]
    jobs = [
        Job(averaging_config(*overrides, *short), overrides, tmp_path / str(n))
        for n, overrides in enumerate(job_overrides)
    ]
    assert {result.status for result in train_jobs(jobs)} == {"finished"}
    output = capsys.readouterr().out
    assert ": 0, 2, 3\n" in output
    assert "1 trains alone" in output


def test_averaging_in_bfloat16_is_refused(averaging_config: Callable) -> None:
    with pytest.raises(UserError, match=r"^trainer\.precision=bf16-true: too coarse to average"):
        build_task(averaging_config("trainer.precision=bf16-true"))
