"""Ensembles: decisions by average or vote, suitable members, and the record."""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import classification_task
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from mlp_lab.config.names import ENSEMBLE_AVERAGES
from mlp_lab.errors import UserError
from mlp_lab.runs import ensemble
from mlp_lab.runs.build import build_task
from mlp_lab.storage.checkpoints import load_network
from mlp_lab.storage.records import read_json
from mlp_lab.storage.results import EnsembleEvaluation, Status
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.storage.sweep_folder import SweepFolder

Evaluate = Callable[..., EnsembleEvaluation]


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max())
    return e / e.sum()


def decided(outputs: np.ndarray, average: str, output: str) -> list[int]:
    """Return the class of each example, computed one by one."""
    classes = []
    for opinions in outputs.transpose(1, 0, 2):
        if opinions.shape[1] == 1:  # logit of the second class; that of the first is 0
            opinions = np.hstack([np.zeros_like(opinions), opinions])
            probabilities = [softmax(z) for z in opinions]
        else:
            probabilities = [softmax(z) if output == "softmax" else 1 / (1 + np.exp(-z))
                             for z in opinions]  # fmt: skip
        mean = sum(probabilities) / len(probabilities)
        if average == "logits":
            classes.append(int(sum(opinions).argmax()))
        elif average == "probabilities":
            classes.append(int(mean.argmax()))
        else:
            votes = Counter(int(z.argmax()) for z in opinions)
            most = [k for k in votes if votes[k] == max(votes.values())]
            classes.append(max(most, key=lambda k: mean[k]))
    return classes


@pytest.mark.parametrize("average", ENSEMBLE_AVERAGES)
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_decisions_equal_a_loop(
    average: str, output: str, members: int, outputs: int, seed: int
) -> None:
    random = np.random.default_rng(seed).normal(scale=3, size=(members, 20, outputs))
    actual = ensemble.predict_classes(
        classification_task(output), torch.from_numpy(random), average
    )
    assert actual.tolist() == decided(random, average, output)


def decisions(logits: torch.Tensor) -> dict[str, int]:
    """Return the class that each kind of average predicts for one example."""
    task = classification_task()
    return {a: ensemble.predict_classes(task, logits, a).item() for a in ENSEMBLE_AVERAGES}


def test_the_averages_differ() -> None:
    # Two members slightly prefer the first class, one strongly prefers the second.
    logits = torch.tensor([[[0.1, 0.0, -9.0]], [[0.1, 0.0, -9.0]], [[-2.0, 3.0, -9.0]]])
    actual = {
        a: ensemble.predict_classes(classification_task(), logits, a).item()
        for a in ENSEMBLE_AVERAGES
    }
    assert actual == {"probabilities": 1, "logits": 1, "votes": 0}
    # A very low logit of one member decides the mean of logits, not the mean of probabilities.
    logits = torch.tensor([[[4.0, 0.0]], [[4.0, 0.0]], [[-60.0, 0.0]]])
    actual = {
        a: ensemble.predict_classes(classification_task(), logits, a).item()
        for a in ENSEMBLE_AVERAGES
    }
    assert actual == {"probabilities": 0, "logits": 1, "votes": 0}


def test_ties_are_resolved_by_mean_probability() -> None:
    logits = torch.tensor([[[0.0, 1.0, -9.0]], [[5.0, 0.0, -9.0]]])
    assert ensemble.predict_classes(classification_task(), logits, "votes").tolist() == [0]
    assert ensemble.predict_classes(classification_task(), logits.flip(2), "votes").tolist() == [2]


@pytest.fixture
def folders(run_folder: Path, tmp_path: Path, tiny_mnist: Path) -> list[Path]:
    """Return three runs with many errors, each on other images."""
    copies = []
    for seed in range(3):
        folder = shutil.copytree(run_folder, tmp_path / "logs" / f"run_{seed}")
        path = folder / "checkpoints" / "best.ckpt"
        content = torch.load(path, weights_only=True)
        weight = content["state_dict"]["network.2.weight"]
        weight += 0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))
        torch.save(content, path)
        copies.append(folder)
    return copies


@pytest.fixture
def evaluated(compose: Callable[..., DictConfig]) -> Evaluate:
    """``evaluated(folders, ...)``: evaluate an ensemble and return the evaluation."""

    def run(folders: list[Path], *rest: str) -> EnsembleEvaluation:
        named = ",".join(f"'{folder}'" for folder in folders)
        return ensemble.evaluate(compose(f"run=[{named}]", *rest, root="evaluate"))

    return run


@pytest.mark.parametrize("average", ENSEMBLE_AVERAGES)
def test_an_ensemble_of_runs(
    average: str, folders: list[Path], evaluated: Evaluate, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = evaluated(folders, f"average={average}", "split=validation")
    outputs, errors = [], []
    for folder in folders:
        data, member = build_task(RunFolder.open(str(folder)).config)
        load_network(member, folder / "checkpoints" / "best.ckpt")
        data.setup()
        x, y = data.splits["validation"]
        with torch.no_grad():
            outputs.append(member.network(x).double().numpy())
        errors.append(float(np.mean(outputs[-1].argmax(1) != y.numpy())))
    classes = decided(np.stack(outputs), average, "softmax")
    assert entry.error == pytest.approx(np.mean(np.array(classes) != y.numpy()))
    assert entry.error < min(errors), "nothing gained"
    members = {f"run_{i}": pytest.approx(error) for i, error in enumerate(errors)}
    assert entry.members == members
    assert (entry.split, entry.checkpoint, entry.average) == ("validation", "best", average)
    output = capsys.readouterr().out
    for error in (*errors, np.mean(errors), entry.error):
        assert f"{100 * error:.2f} %" in output


def test_every_evaluation_is_recorded(folders: list[Path], evaluated: Evaluate) -> None:
    before = [len(RunFolder(folder).result.evaluations) for folder in folders]
    entries = [evaluated(folders), evaluated(folders[:2], "average=votes", "checkpoint=last")]
    record = read_json(folders[0].parent / "ensemble.json")
    assert record == [entry.to_json() for entry in entries]
    after = [RunFolder(folder).result.evaluations for folder in folders]
    assert [len(records) - n for records, n in zip(after, before, strict=True)] == [2, 2, 1]
    assert [records[-1].metrics["error"] for records in after[:2]] == list(
        entries[1].members.values()
    )


def test_a_sweep_folder_stands_for_its_finished_jobs(
    folders: list[Path], compose: Callable, evaluated: Evaluate
) -> None:
    sweep = SweepFolder.create(str(folders[0].parent), "mnist_hw4", [], ["seed"])
    for number, folder in enumerate(folders):
        shutil.move(folder, sweep.folder / f"{number}_seed={number}")
    run = RunFolder(sweep.folder / "1_seed=1")
    run.write_result(replace(run.result, status=Status.DIVERGED))
    cfg = compose(f"run='{sweep.folder}'", root="evaluate")
    assert ensemble.is_ensemble(cfg.run)
    entry = ensemble.evaluate(cfg)
    assert list(entry.members) == ["0_seed=0", "2_seed=2"]
    assert read_json(sweep.folder / "ensemble.json") == [entry.to_json()]
    again = evaluated([sweep.folder, sweep.folder / "1_seed=1", sweep.folder / "2_seed=2"])
    assert list(again.members) == ["0_seed=0", "2_seed=2", "1_seed=1"], "each once"


def change(folder: Path, **keys: object) -> None:
    cfg = OmegaConf.load(folder / "config.yaml")
    for key, value in keys.items():
        OmegaConf.update(cfg, key.replace("__", "."), value)
    OmegaConf.save(cfg, folder / "config.yaml")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"data___target_": "mlp_lab.data.mnist.FashionMNIST"},
            "data=FashionMNIST differs from",
        ),
        ({"task__output": "sigmoid"}, "task.output=sigmoid differs from task.output=softmax"),
        ({"data__train_size": 100}, "data.train_size=100 differs from data.train_size=null"),
        (
            {
                "task": {
                    "_target_": "mlp_lab.tasks.perceptron_rules.PerceptronRule",
                    "rule": "lecture",
                }
            },
            "needs a run that learns probabilities",
        ),
    ],
)
def test_unsuitable_members_are_refused_before_evaluation(
    keys: dict, message: str, folders: list[Path], evaluated: Evaluate
) -> None:
    change(folders[1], **keys)
    if "task" in keys:
        cfg = OmegaConf.load(folders[1] / "config.yaml")
        cfg.task = keys["task"]
        OmegaConf.save(cfg, folders[1] / "config.yaml")
    with pytest.raises(UserError) as caught:
        evaluated(folders, "split=train")
    assert str(caught.value).startswith(f"{folders[1]}: {message}")
    assert "\n" not in str(caught.value)
    assert RunFolder(folders[0]).result == RunFolder(folders[2]).result
    assert not (folders[0].parent / "ensemble.json").exists()


@pytest.mark.parametrize("text", ["[{", "{}", ""])
def test_a_damaged_record_is_kept(text: str, folders: list[Path], evaluated: Evaluate) -> None:
    record = folders[0].parent / "ensemble.json"
    record.write_text(text)
    before = [RunFolder(folder).result for folder in folders]
    with pytest.raises(UserError, match=f"{record}: damaged"):
        evaluated(folders)
    assert record.read_text() == text
    assert [RunFolder(folder).result for folder in folders] == before


def test_members_may_differ_in_preprocessing(folders: list[Path], evaluated: Evaluate) -> None:
    change(folders[1], data__batch_size=7, data__standardize=False, data__train_size=100)
    change(folders[2], data__normalize_width=12, data__deslant=True, data__fold=3)
    assert len(evaluated(folders).members) == 3


def test_each_member_predicts_from_its_normalization(
    folders: list[Path], evaluated: Evaluate
) -> None:
    alone = [evaluated([folder]).error for folder in folders[:2]]
    change(folders[0], data__normalize_width=12)
    error = evaluated(folders[:1]).error
    assert error != alone[0]
    together = evaluated(folders[:2])
    assert list(together.members.values()) == [error, alone[1]]
    own, shared = together.common_errors[0]
    assert own == pytest.approx(400 * error)
    assert together.common_errors[1] == [shared, pytest.approx(400 * alone[1])]


@given(st.integers(1, 5), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_the_overlap_of_errors_equals_a_loop(members: int, examples: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    wrong = random.random((members, examples)) < 0.4
    together = random.random(examples) < 0.3
    errors = [set(np.nonzero(row)[0]) for row in wrong]
    assert ensemble.common_errors(torch.from_numpy(wrong)) == [
        [len(one & other) for other in errors] for one in errors
    ]
    counted = [[0, 0] for _ in range(members + 1)]
    for column, ensemble_is_wrong in zip(wrong.T, together, strict=True):
        counted[sum(column)][0] += 1
        counted[sum(column)][1] += bool(ensemble_is_wrong)
    actual = ensemble.errors_by_members(torch.from_numpy(wrong), torch.from_numpy(together))
    assert actual == counted


def test_an_ensemble_without_members_is_refused(folders: list[Path], evaluated: Evaluate) -> None:
    with pytest.raises(UserError, match=r"run=\[\]: must have at least one run"):
        evaluated([])
    sweep = SweepFolder.create(str(folders[0].parent), "mnist_hw4", [], ["seed"])
    with pytest.raises(UserError, match="none of its jobs has finished"):
        evaluated([sweep.folder])
