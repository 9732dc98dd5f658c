"""The perceptron rules, compared with plain loops, and which points they can fit."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import make_task, weights
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from mlp_lab.nn.perceptron import Perceptron as Network
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.runs.build import build_task
from mlp_lab.runs.evaluate import measure
from mlp_lab.runs.train import train
from mlp_lab.storage.results import Result
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs
from mlp_lab.tasks.perceptron_rules import PerceptronRule

Configure = Callable[..., DictConfig]


@pytest.fixture
def configure(compose: Callable, tmp_path: Path) -> Configure:
    """``configure("experiment=perceptron", ...)``: a config without figures."""

    def make(*overrides: str) -> DictConfig:
        common = ["trainer.accelerator=cpu", "callbacks=none", "logger=none", f"logs='{tmp_path}'"]
        return compose(*common, *overrides)

    return make


# --- every weight after every batch ------------------------------------------------------------


@contextmanager
def recorded() -> Iterator[list[np.ndarray]]:
    """Record the weights and the bias of a linear layer after each step in two lists."""
    steps: list[np.ndarray] = []

    def note(optimizer: Optimizer, *_: Any) -> None:
        weight, bias = optimizer.param_groups[0]["params"]
        steps.append(torch.cat([weight.detach()[0], bias.detach()]).clone().numpy())

    hook = register_optimizer_step_post_hook(note)
    try:
        yield steps
    finally:
        hook.remove()


Start = tuple[np.ndarray, np.ndarray, np.ndarray, list[list[np.ndarray]]]


def start(cfg: DictConfig) -> Start:
    """Return inputs with a constant 1, classes, initial weights, and rows by batch and epoch."""
    data, task = build_task(cfg)
    data.setup()
    x, y = (tensor.double().numpy() for tensor in data.splits["train"])
    weight, bias = (p.detach().double().numpy() for p in task.network.parameters())
    epochs = []
    for epoch in range(cfg.trainer.max_epochs):
        order = torch.Generator().manual_seed(epoch_seed(cfg.seed, epoch, "order"))
        rows = torch.randperm(len(x), generator=order).numpy()
        ends = range(0, len(x), cfg.data.batch_size)
        epochs.append([rows[end : end + cfg.data.batch_size] for end in ends])
    return np.column_stack([x, np.ones(len(x))]), y, np.append(weight[0], bias), epochs


def by_the_lecture(
    cfg: DictConfig, prediction: Callable[[float], float] = lambda f: f
) -> list[np.ndarray]:
    """Train as on the slide: w_i <- w_i - eta (1/|B|) sum (f(x_n) - y_n) x_ni, eta = 0.1/t."""
    x, y, w, epochs = start(cfg)
    y = 2 * y - 1
    steps = []
    for t, batches in enumerate(epochs, 1):
        eta = 0.1 / t
        for batch in batches:
            step = np.zeros(3)
            for n in batch:
                f = prediction(sum(w[i] * x[n, i] for i in range(3)))
                for i in range(3):
                    step[i] += (f - y[n]) * x[n, i]
            w = w - eta * step / len(batch)
            steps.append(w)
    return steps


def by_signs(cfg: DictConfig) -> list[np.ndarray]:
    return by_the_lecture(cfg, np.sign)


def by_rosenblatt(cfg: DictConfig) -> list[np.ndarray]:
    x, y, w, epochs = start(cfg)
    y = 2 * y - 1
    steps = []
    for batches in epochs:
        for batch in batches:
            mistakes = [n for n in batch if y[n] * (w @ x[n]) <= 0]
            w = w + 0.1 * sum((y[n] * x[n] for n in mistakes), np.zeros(3)) / len(batch)
            steps.append(w)
    return steps


def by_logistic_regression(cfg: DictConfig) -> list[np.ndarray]:
    x, y, w, epochs = start(cfg)
    steps, velocity = [], np.zeros(3)
    total = sum(map(len, epochs))
    for batch in (batch for batches in epochs for batch in batches):
        eta = 0.05 * (1 + math.cos(math.pi * len(steps) / total)) / 2
        p = 1 / (1 + np.exp(-x[batch] @ w))
        velocity = 0.9 * velocity + (p - y[batch]) @ x[batch] / len(batch)
        w = w - eta * velocity
        steps.append(w)
    return steps


@pytest.mark.parametrize(
    "batch_size", [1, 30, *(pytest.param(size, marks=pytest.mark.slow) for size in (7, 100, 1000))]
)
@pytest.mark.parametrize(
    ("name", "loop"),
    [
        ("perceptron", by_the_lecture),
        ("perceptron_sign", by_signs),
        ("perceptron_rosenblatt", by_rosenblatt),
        ("logistic_regression", by_logistic_regression),
    ],
)
def test_weights_after_every_batch_equal_a_plain_loop(
    name: str, loop: Callable, batch_size: int, configure: Configure
) -> None:
    overrides = [
        f"experiment={name}", f"data.batch_size={batch_size}", "data.set=overlapping",
        "data.size=100", "trainer.max_epochs=4", "trainer.precision=64-true", "seed=3",
    ]  # fmt: skip
    cfg = configure(*overrides)
    with recorded() as steps:
        train(configure(*overrides, "gradients=autograd"))
    expected = loop(cfg)
    assert len(steps) == len(expected) == 4 * math.ceil(100 / batch_size)
    np.testing.assert_allclose(steps, expected, rtol=1e-12, atol=1e-15)
    assert len({tuple(w) for w in steps}) > 3  # there was something to learn
    last = weights(train(configure(*overrides, "gradients=closed_form"))).values()
    flat = np.concatenate([tensor.flatten() for tensor in last])
    np.testing.assert_allclose(flat, expected[-1], rtol=1e-10, atol=1e-13)


# --- the rules ----------------------------------------------------------------------------------


def perceptron_task(rule: str) -> PerceptronRule:
    return make_task(PerceptronRule, rule=rule)


def gradient(rule: str, z: torch.Tensor, target: torch.Tensor) -> np.ndarray:
    z = z.clone().requires_grad_()
    perceptron_task(rule).loss(z, target).backward()
    return z.grad.numpy()


# Outputs on the boundary, too.
outputs = st.lists(st.sampled_from([-1.5, -0.1, 0.0, 0.3, 2.0]), min_size=3, max_size=3)


@given(st.lists(outputs, min_size=1, max_size=5), st.data())
def test_gradients_of_one_class_against_all_others(rows: list[list[float]], data: Any) -> None:
    classes = st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows))
    z, target = torch.tensor(rows), torch.tensor(data.draw(classes))
    y = 2 * np.eye(3)[target] - 1
    f = z.numpy()
    np.testing.assert_allclose(gradient("lecture", z, target), (f - y) / len(rows), rtol=1e-6)
    signs = np.sign(f)
    np.testing.assert_allclose(gradient("sign", z, target), (signs - y) / len(rows), rtol=1e-6)
    mistakes = y * z.numpy() <= 0
    np.testing.assert_allclose(
        gradient("rosenblatt", z, target), np.where(mistakes, -y, 0) / len(rows), rtol=1e-6
    )


def test_the_lectures_loss_is_half_its_error() -> None:
    z, target = torch.tensor([[-2.0], [-1.0], [0.5], [3.0]]), torch.tensor([0, 1, 0, 1])
    errors = [(-2 - -1) ** 2, (-1 - 1) ** 2, (0.5 - -1) ** 2, (3 - 1) ** 2]
    assert perceptron_task("lecture").loss(z, target).item() == np.mean(errors) / 2


def test_an_output_with_the_wrong_sign_is_an_error() -> None:
    z, target = torch.tensor([[-2.0], [-1.0], [0.5], [3.0]]), torch.tensor([0, 1, 0, 1])
    assert perceptron_task("lecture").measure(z, target)["error"].tolist() == [0, 1, 1, 0]


def test_the_largest_output_is_the_predicted_class() -> None:
    z, target = torch.tensor([[-3.0, -2.0, -5.0], [1.0, 2.0, 3.0]]), torch.tensor([1, 1])
    assert perceptron_task("lecture").measure(z, target)["error"].tolist() == [0, 1]


def test_initial_weights_and_biases_are_normally_distributed() -> None:
    torch.manual_seed(0)
    network = Network(100, 2_000, std=0.05)
    for parameter in network.parameters():
        values = parameter.detach().flatten() / 0.05
        of_mean = 4 / math.sqrt(len(values))  # four standard errors
        assert abs(values.mean()) < of_mean
        for bound, part in ((1, 0.6827), (2, 0.9545)):  # of a normal distribution
            assert (values.abs() < bound).float().mean() == pytest.approx(part, abs=of_mean)


# --- what can be fitted -------------------------------------------------------------------------


def error_at_the_end(result: Result) -> float:
    """Return the training error of the last network."""
    entry, _, _ = measure(RunFolder(result.folder), "train", "last")
    return entry.metrics["error"]


RULES = ["perceptron", "perceptron_sign", "perceptron_rosenblatt"]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("seed", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in (1, 2))])
def test_a_perceptron_fits_linearly_separable_points(
    name: str, seed: int, configure: Configure
) -> None:
    # The lecture's steps of 0.1/t need the preset's points and epochs to come close to their limit.
    short = [] if name == "perceptron" else ["data.size=60", "trainer.max_epochs=30"]
    overrides = ["data.set=separable", f"seed={seed}", *short]
    result = train(configure(f"experiment={name}", *overrides))
    assert error_at_the_end(result) == 0
    assert result.last is not None
    assert result.last["error/train"] == 0  # as in the sweep's table


def least_squares(cfg: DictConfig) -> np.ndarray:
    """Return the weights and the bias that minimize the sum of (f(x) - y)^2, in closed form."""
    x, y, _, _ = start(cfg)
    return np.linalg.lstsq(x, 2 * y - 1, rcond=None)[0]


@pytest.mark.parametrize(
    ("data", "gradients"), [("separable", "autograd"), ("outliers", "closed_form")]
)
def test_small_steps_of_the_lectures_rule_converge_to_least_squares(
    data: str, gradients: str, configure: Configure
) -> None:
    cfg = configure(
        "experiment=perceptron", f"data.set={data}", "data.size=60", "data.batch_size=60",
        "schedule=constant", "optimizer.lr=0.3", "trainer.max_epochs=150",
        "trainer.check_val_every_n_epoch=150", "trainer.precision=64-true",
        f"gradients={gradients}",
    )  # fmt: skip
    weight, bias = weights(train(cfg)).values()
    np.testing.assert_allclose([*weight[0], *bias], least_squares(cfg), rtol=1e-6, atol=1e-8)


def test_least_squares_does_not_always_separate(configure: Configure) -> None:
    overrides = ["data.set=outliers", "trainer.max_epochs=15"]
    cfg = configure("experiment=perceptron", *overrides)
    x, y, _, _ = start(cfg)
    expected = ((x @ least_squares(cfg)) * (2 * y - 1) <= 0).mean()
    assert expected > 0.05
    assert error_at_the_end(train(cfg)) == pytest.approx(expected, abs=0.03)
    for name in ("perceptron_sign", "perceptron_rosenblatt"):
        assert error_at_the_end(train(configure(f"experiment={name}", *overrides))) == 0


@pytest.mark.parametrize("name", [*RULES, "logistic_regression"])
@pytest.mark.parametrize("data", ["xor", "spirals"])
def test_a_perceptron_does_not_fit_other_points(name: str, data: str, configure: Configure) -> None:
    overrides = [f"data.set={data}", "data.size=60", "trainer.max_epochs=20"]
    result = train(configure(f"experiment={name}", *overrides))
    assert min(row["error/train"] for row in RunFolder(result.folder).history) > 0.1
    assert error_at_the_end(result) > 0.2


@pytest.mark.parametrize(
    ("data", "epochs"), [("separable", 10), ("xor", 10), ("spirals", 150)]
)  # fmt: skip
def test_a_multilayer_perceptron_fits_all_sets(
    data: str, epochs: int, configure: Configure
) -> None:
    overrides = [f"data.set={data}", f"trainer.max_epochs={epochs}"]
    result = train(configure("experiment=points_mlp", *overrides))
    assert error_at_the_end(result) == 0
    assert result.last is not None
    assert result.last["error/train"] == 0


def jobs(configure: Configure, folder: Path, *job_overrides: Sequence[str]) -> list[Job]:
    return [
        Job(configure(*overrides), overrides, folder / str(i))
        for i, overrides in enumerate(job_overrides)
    ]


def test_only_a_convex_loss_has_one_minimum(configure: Configure, tmp_path: Path) -> None:
    common = ["data.set=xor", "data.points_seed=0", "trainer.max_epochs=50"]
    losses = {}
    for name in ("logistic_regression", "minimal_mlp"):
        job_overrides = [[f"experiment={name}", *common, f"seed={seed}"] for seed in range(4)]
        results = train_jobs(jobs(configure, tmp_path / name, *job_overrides))
        losses[name] = [result.last["loss/train"] for result in results if result.last]
    assert np.ptp(losses["logistic_regression"]) < 1e-3
    assert np.ptp(losses["minimal_mlp"]) > 0.4


@pytest.mark.parametrize("fixed", [False, True])
def test_only_jobs_with_the_same_points_train_as_a_stack(
    fixed: bool, configure: Configure, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["experiment=perceptron", "data.set=overlapping", "trainer.max_epochs=3"]
    common += ["data.points_seed=5"] if fixed else []
    job_overrides = [[*common, f"seed={seed}"] for seed in (0, 1)]
    together = train_jobs(jobs(configure, tmp_path / "sweep", *job_overrides))
    assert ("2 jobs train as one network" in capsys.readouterr().out) == fixed
    for result, overrides in zip(together, job_overrides, strict=True):
        alone = train(configure(*overrides))
        assert result.last is not None
        assert alone.last is not None
        assert result.last["loss/train"] == pytest.approx(alone.last["loss/train"], rel=1e-4)
