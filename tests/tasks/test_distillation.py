"""Training with the outputs of a teacher, compared with the formula and with a plain loop."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import assert_equal_weights, composed, contents, history, make_task, weights
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mlp_lab.errors import UserError
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.runs.build import build_task
from mlp_lab.runs.evaluate import measure
from mlp_lab.runs.train import resume, train
from mlp_lab.storage.results import Evaluation, Result
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.storage.sweep_folder import SweepFolder
from mlp_lab.tasks.distillation import Distillation

SHORT = ["trainer.max_epochs=2", "data.batch_size=30", "data.train_size=100", "callbacks=none",
         "logger=none", "network.width=12", "optimizer.lr=0.2"]  # fmt: skip


@pytest.fixture
def teacher(mnist_config: Callable) -> Result:
    return train(mnist_config(*SHORT, "network.width=20", "seed=7"))


@pytest.fixture
def teachers(mnist_config: Callable, teacher: Result, tmp_path: Path) -> tuple[list[Result], Path]:
    """Return two trained networks, and the folder of a sweep with copies of them and a failure."""
    runs = [teacher, train(mnist_config(*SHORT, "network.width=15", "seed=8"))]
    sweep = SweepFolder.create(str(tmp_path), "teachers", [], [])
    for number, run in enumerate(runs):
        shutil.copytree(run.folder, sweep.folder / str(number))
    (sweep.folder / "2").mkdir()
    return runs, sweep.folder


def overrides(teacher: Result, *more: str) -> list[str]:
    return [*SHORT, "task=distillation", f"task.teacher='{teacher.folder}'", *more]


@pytest.mark.parametrize("outputs", [1, 2, 4])
@given(
    share=st.floats(0, 1),
    temperature=st.floats(0.5, 20),
    smoothing=st.floats(0, 1),
    seed=st.integers(0, 100),
)
def test_the_loss_equals_its_formula(
    outputs: int, share: float, temperature: float, smoothing: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    classes = max(outputs, 2)
    z = torch.randn(6, outputs, generator=generator, dtype=torch.float64)
    t = torch.randn(6, classes, generator=generator, dtype=torch.float64)
    y = torch.randint(classes, (6,), generator=generator)
    task = make_task(Distillation, teacher=None, share=share, temperature=temperature,
                     output="softmax", loss="cross_entropy", label_smoothing=smoothing)  # fmt: skip
    full = z if outputs > 1 else torch.cat([torch.zeros_like(z), z], 1)

    def cross_entropy(truth: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        return -(truth * (outputs - outputs.logsumexp(1, keepdim=True))).sum(1).mean()

    hard = (1 - smoothing) * F.one_hot(y, classes) + smoothing / classes
    powers = (t / temperature).exp()
    soft = powers / powers.sum(1, keepdim=True)
    expected = (1 - share) * cross_entropy(hard, full)
    divergence = cross_entropy(soft, full / temperature) - cross_entropy(soft, t / temperature)
    expected = expected + share * temperature**2 * divergence
    torch.testing.assert_close(task.loss(z, torch.cat([y.unsqueeze(1), t], 1)), expected)


@pytest.mark.parametrize("of_a_sweep", [False, True])
def test_training_equals_a_plain_loop(
    mnist_config: Callable, teachers: tuple[list[Result], Path], of_a_sweep: bool
) -> None:
    runs, folder = teachers if of_a_sweep else (teachers[0][:1], teachers[0][0].folder)
    more = ["task=distillation", f"task.teacher='{folder}'", "task.share=0.7", "seed=3"]
    cfg = mnist_config(*SHORT, *more, "task.temperature=3")
    result = train(cfg)
    data, task = build_task(cfg)
    data.prepare_data()
    data.setup()
    x, y = data.splits["train"]
    trained = [measured(run)[1] for run in runs]
    network = task.network
    optimizer = torch.optim.SGD(network.parameters(), 0.2)
    for epoch in range(2):
        order = torch.Generator().manual_seed(epoch_seed(3, epoch, "order"))
        for batch in torch.randperm(len(x), generator=order).split(30):
            output = network(x[batch])
            with torch.no_grad():
                outputs = [network_of_teacher(x[batch]) for network_of_teacher in trained]
                truth = (sum(outputs) / len(outputs) / 3).softmax(1)
            loss = 0.3 * F.cross_entropy(output, y[batch])
            loss = loss + 0.7 * 9 * F.cross_entropy(output / 3, truth)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    state = weights(result)
    assert {f"network.{name}" for name in network.state_dict()} == set(state)  # no teacher
    for name, weight in network.state_dict().items():
        torch.testing.assert_close(state[f"network.{name}"], weight, rtol=1e-4, atol=1e-6)


def measured(run: Result) -> tuple[Evaluation, nn.Module]:
    """Return the evaluation of a run on validation data, and its network."""
    evaluation, _, task = measure(RunFolder(run.folder), "validation", "best", {})
    return evaluation, task.evaluated


def test_validation_uses_the_classes_only_and_needs_no_teacher(
    mnist_config: Callable, teacher: Result
) -> None:
    result = train(mnist_config(*overrides(teacher, "seed=3")))
    shutil.rmtree(teacher.folder)
    evaluation, network = measured(result)
    data, _ = build_task(mnist_config(*SHORT))
    data.setup()
    x, y = data.splits["validation"]
    with torch.no_grad():
        expected = float(F.cross_entropy(network(x), y))
    assert evaluation.metrics["loss"] == pytest.approx(expected, rel=1e-5)
    assert result.best is not None
    assert result.best["loss/validation"] == pytest.approx(expected, rel=1e-5)


def test_a_share_of_0_is_plain_training(mnist_config: Callable, teacher: Result) -> None:
    plain = train(mnist_config(*SHORT, "gradients=autograd"))
    other = train(mnist_config(*overrides(teacher, "task.share=0", "gradients=autograd")))
    assert_equal_weights(plain, other)


def test_the_teacher_sees_the_augmented_inputs_of_each_microbatch(mnist_config: Callable) -> None:
    cfg = mnist_config(*SHORT, "task=distillation", "task.teacher=nowhere", "task.share=1")
    _, task = build_task(cfg)
    seen = []

    class Teacher(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x.clone())
            return torch.zeros(len(x), 10)

    task._load_teacher = lambda: [Teacher()]
    task.load_teacher()
    task._microbatch_size = 2
    task.trainer = type("Trainer", (), {"world_size": 1})()
    x = torch.rand(5, 784)
    task.differentiate(x, torch.arange(5))
    assert max(map(len, seen)) == 2
    torch.testing.assert_close(torch.cat(seen), x)


@pytest.mark.parametrize("precision", ["bf16-true", "bf16-mixed", "64-true"])
def test_a_convolutional_teacher_by_precision(mnist_config: Callable, precision: str) -> None:
    common = [*SHORT[2:5], "augmentation=affine", "data.batch_size=50", "trainer.max_epochs=1"]
    teacher = train(mnist_config(*common, "network=convolutional", "data.drop_last=true"))
    run = [f"task.teacher='{teacher.folder}'", f"trainer.precision={precision}"]
    result = train(mnist_config(*common, "task=distillation", *run))
    assert np.isfinite(history(result)[-1]["loss/train"])


def test_a_resumed_run_equals_an_uninterrupted_one(
    mnist_config: Callable, teacher: Result, tmp_path: Path
) -> None:
    whole = train(mnist_config(*overrides(teacher)))
    short = train(mnist_config(*overrides(teacher, "trainer.max_epochs=1")))
    moved = tmp_path / "moved"
    shutil.move(teacher.folder, moved)
    before = contents(short.folder)
    with pytest.raises(UserError, match="no such folder"):
        resume(short.folder, {"trainer.max_epochs": 2})
    assert contents(short.folder) == before
    changes = {"trainer.max_epochs": 2, "task.teacher": str(moved)}
    assert_equal_weights(whole, resume(short.folder, changes))


def test_a_changed_teacher_does_not_continue_a_training(
    mnist_config: Callable, teachers: tuple[list[Result], Path]
) -> None:
    [first, second], sweep = teachers
    shutil.rmtree(sweep / "1")
    one = train(mnist_config(*SHORT, "task=distillation", f"task.teacher='{sweep}'"))
    shutil.copytree(second.folder, sweep / "1")  # a further job of the sweep has finished
    before = contents(one.folder)
    for teacher in (sweep, second.folder):
        with pytest.raises(UserError, match=r"teacher=.*: has changed since the training of .* be"):
            resume(one.folder, {"trainer.max_epochs": 3, "task.teacher": str(teacher)})
    assert contents(one.folder) == before
    assert resume(one.folder, {"trainer.max_epochs": 3, "task.teacher": first.folder}).epochs == 3
    environment = Path(one.folder) / "environment.json"
    recorded = json.loads(environment.read_text())
    assert len(recorded.pop("teacher_sha256")) == len(recorded.pop("sha256")) == 64
    environment.write_text(json.dumps(recorded))  # as by an earlier version
    changes = {"trainer.max_epochs": 4, "task.teacher": second.folder}
    assert resume(one.folder, changes).epochs == 4


def test_a_teacher_with_other_random_frequencies_is_refused(tmp_path: Path) -> None:
    common = ["experiment=points_mlp", "encoding=gaussian", "data.points_seed=0",
              "trainer.max_epochs=1", "callbacks=none", f"logs='{tmp_path}'"]  # fmt: skip
    teacher = train(composed(*common, "seed=1"))
    distilled = [*common, "task=distillation", f"task.teacher='{teacher.folder}'"]
    assert train(composed(*distilled, "seed=1")).epochs == 1
    with pytest.raises(UserError, match="has another random encoding, that of seed=1"):
        train(composed(*distilled, "seed=2"))


def test_a_teacher_without_softmax_is_refused(mnist_config: Callable) -> None:
    teacher = train(mnist_config(*SHORT, "task.output=sigmoid"))
    with pytest.raises(UserError, match=r"with task\.output=sigmoid; must be softmax"):
        train(mnist_config(*overrides(teacher)))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["data.fold=1"], "was trained with data.fold=null; must be 1"),
        (["data.standardize=false"], "was trained with data.standardize=true; must be"),
        (["task.loss=squared_error"], "distillation needs task.output=softmax and"),
        (["task.output=sigmoid"], "distillation needs task.output=softmax and"),
    ],
)
def test_unsuitable_teachers_and_losses_are_refused(
    mnist_config: Callable, teacher: Result, tmp_path: Path, more: list[str], message: str
) -> None:
    cfg = mnist_config(*overrides(teacher, *more, f"logs='{tmp_path / 'other'}'"))
    with pytest.raises(UserError, match=message):
        train(cfg)
    assert not (tmp_path / "other").exists()


def test_the_path_of_the_teacher_is_made_absolute(
    mnist_config: Callable, teacher: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(teacher.folder)
    monkeypatch.chdir(folder.parent)
    result = train(mnist_config(*SHORT, "task=distillation", f"task.teacher={folder.name}"))
    assert RunFolder(result.folder).config.task.teacher == str(folder)


def test_a_refit_learns_from_the_last_epoch_of_a_refit(mnist_config: Callable) -> None:
    common = [*SHORT[:2], *SHORT[3:], "data.refit=true"]
    teacher = train(mnist_config(*common, "seed=7"))
    result = train(mnist_config(*common, "task=distillation", f"task.teacher='{teacher.folder}'"))
    assert result.epochs == 2


def test_a_missing_teacher_is_refused(mnist_config: Callable, tmp_path: Path) -> None:
    cfg = mnist_config(*SHORT, "task=distillation", f"task.teacher='{tmp_path / 'nowhere'}'")
    with pytest.raises(UserError, match="nowhere: no such"):
        train(cfg)
