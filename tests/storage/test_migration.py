"""A run folder that version 0 wrote (with targets such as ``mlp_lab.tasks.Classification``) is read
as one of today."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import assert_equal_weights, composed, weights

from mlp_lab.config.compose import compose as compose_config
from mlp_lab.config.schemas import GROUPS
from mlp_lab.data.csv_file import CSVFile
from mlp_lab.errors import UserError
from mlp_lab.nn.seeds import epoch_seed
from mlp_lab.runs.callbacks.epoch_checkpoint import EpochCheckpoint
from mlp_lab.runs.evaluate import evaluate
from mlp_lab.runs.train import resume, train
from mlp_lab.storage.migration import (
    CONFIG_VERSION,
    TARGETS_OF_VERSION_0,
    migrate,
    migrate_checkpoint,
    migrate_overrides,
    migrate_sweep,
)
from mlp_lab.storage.records import read_json
from mlp_lab.storage.results import Status
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison.answer import compare
from mlp_lab.sweeps.comparison.differences import flat_config
from mlp_lab.sweeps.planning import plan

VERSION_0 = Path(__file__).parent / "run_of_version_0"

# The targets of all schemas of version 0.
TARGETS = (Path(__file__).parent / "targets_of_version_0.txt").read_text().split()

# Keys that version 0 did not have.
NEW_KEYS = {"gradients": "autograd", "train_metrics": "during", "figures": {"format": "png"}}
_CALLBACKS = {old: new for old, new in TARGETS_OF_VERSION_0.items() if "callbacks" in old}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(VERSION_0, tmp_path / "run")


def test_every_target_of_version_0_has_a_current_schema() -> None:
    today = {schema._target_ for schemas in GROUPS.values() for schema in schemas}
    assert {TARGETS_OF_VERSION_0.get(target, target) for target in TARGETS} <= today
    assert set(TARGETS_OF_VERSION_0) <= set(TARGETS)


@pytest.mark.parametrize("group", ["task", "network", "logger", "callbacks.mine"])
def test_targets_of_options_and_callbacks_are_renamed(group: str) -> None:
    node = {"_target_": "mlp_lab.callbacks.Weights", "key": 1}
    renamed = node | {"_target_": TARGETS_OF_VERSION_0["mlp_lab.callbacks.Weights"]}
    parent, _, name = group.partition(".")
    old, new = ({parent: {name: n} if name else n} for n in (node, renamed))
    assert migrate(old) == new | NEW_KEYS
    assert migrate(old | {"version": CONFIG_VERSION}) == old | NEW_KEYS


def test_keys_of_callbacks_are_renamed() -> None:
    old = {"callbacks": {"pictures": {"every": 2}, "features": {}, "variants": {}, "mine": {}}}
    new = {"image_progress": {"every": 2}, "encoding_features": {}, "augmented_examples": {}}
    assert migrate(old) == {"callbacks": new | {"mine": {}}} | NEW_KEYS
    assert migrate(old | {"version": CONFIG_VERSION}) == old | NEW_KEYS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("optimizer=adam_fast,adam_slow", "optimizer=adam_lr_0_03,adam_lr_0_0003"),
        ("optimizer=choice(adam_fast, sgd)", "optimizer=choice(adam_lr_0_03, sgd)"),
        ("optimizer='adam_fast'", "optimizer='adam_lr_0_03'"),
        ("optimizer=adam_faster", "optimizer=adam_faster"),
        ("sweep=ladder", "sweep=three_seeds_tested"),
        ("callbacks=pictures", "callbacks=image_progress"),
        ("callbacks=[default,pictures],[variants]",
         "callbacks=[default,image_progress],[augmented_examples]"),
        ("+callbacks@callbacks=variants", "+callbacks@callbacks=augmented_examples"),
        ("callbacks.pictures.every=2", "callbacks.image_progress.every=2"),
        ("~callbacks.features", "~callbacks.encoding_features"),
        ("callbacks.variants", "callbacks.augmented_examples"),  # a key
        ("callbacks.pictures_of_mine.every=2", "callbacks.pictures_of_mine.every=2"),
        ("sweep.zip=[callbacks.pictures.every,seed]",
         "sweep.zip=[callbacks.image_progress.every,seed]"),
        ("+callbacks.pruning={_target_:mlp_lab.callbacks.pruning.Pruning,trial:0}",
         "+callbacks.pruning={_target_:mlp_lab.sweeps.pruning.Pruning,trial:0}"),
        ("name=pictures", "name=pictures"),
        ("data.file=ladder/adam_fast.csv", "data.path=ladder/adam_fast.csv"),
    ],
)  # fmt: skip
def test_names_in_overrides_are_renamed(old: str, new: str) -> None:
    assert migrate_overrides([old, "seed=0,1"], 0) == [new, "seed=0,1"]
    assert migrate_overrides([new], 0) == [new]


PERCEPTRON = "mlp_lab.tasks.perceptron_rules.PerceptronRule"


@pytest.mark.parametrize(
    ("version", "target", "rule", "expected"),
    [
        (0, "mlp_lab.tasks.Perceptron", "lecture", "sign"),
        (1, PERCEPTRON, "lecture", "sign"),
        (1, PERCEPTRON, "rosenblatt", "rosenblatt"),
        (2, PERCEPTRON, "lecture", "lecture"),
        (1, "mine.Rule", "lecture", "lecture"),
    ],
)
def test_the_rule_lecture_of_earlier_versions_is_sign(
    version: int, target: str, rule: str, expected: str
) -> None:
    cfg = migrate({"version": version, "task": {"_target_": target, "rule": rule}})
    assert cfg["task"]["rule"] == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["task.rule=lecture,rosenblatt"], ["task.rule=sign,rosenblatt"]),
        (["++task.rule=lecture"], ["++task.rule=sign"]),
        (["experiment=perceptron"], ["experiment=perceptron_sign"]),
        (["experiment=perceptron,perceptron_rosenblatt"],
         ["experiment=perceptron_sign,perceptron_rosenblatt"]),
        (["task=perceptron"], ["task=perceptron_sign"]),
        (["network=perceptron", "name=perceptron"], ["network=perceptron", "name=perceptron"]),
        (["sweep=train_sizes", "seed=0"],
         ["sweep=train_sizes", "seed=0", "experiment=perceptron_sign,points_mlp"]),
        (["sweep=perceptron_limits", "experiment=perceptron"],
         ["sweep=perceptron_limits", "experiment=perceptron_sign"]),
    ],
)  # fmt: skip
def test_overrides_of_the_rule_lecture_are_converted_once(old: list[str], new: list[str]) -> None:
    assert migrate_overrides(old, 1) == new
    assert migrate_overrides(new, 1) == new
    assert migrate_overrides(old, 2) == old


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_csv_file_of_an_earlier_version_has_its_splits(version: int, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("".join(f"{i},{i**2},{'ab'[i % 2]}\n" for i in range(23)))
    target = "mlp_lab.data.PointsFile" if version == 0 else "mlp_lab.data.points_file.PointsFile"
    node = {"_target_": target, "file": str(path), "standardize": False, "batch_size": 10}
    node |= {"train_size": None, "points_seed": 5}
    node |= {"drop_last": False} if version == 2 else {}
    migrated = migrate({"version": version, "data": node})["data"]
    checked = composed("data=csv", f"data.path='{path}'").data
    assert migrated.keys() == checked.keys()
    assert migrated.pop("_target_") == checked._target_
    data = CSVFile(seed=0, limits={}, **migrated)
    order = np.random.default_rng(epoch_seed(5, 0, "splits of points")).permutation(23)
    rows = {"train": order[8:], "validation": order[:4], "test": order[4:8]}
    for split, (x, _) in data.read(torch.device("cpu")).items():
        assert x[:, 0].tolist() == rows[split].tolist()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["data=csv", "data.file=x.csv"], ["data=csv", "data.path=x.csv", "data.stratify=false"]),
        (["data=csv", "data.points_seed=0,1"],
         ["data=csv", "data.split_seed=0,1", "data.stratify=false"]),
        (["data.file"], ["data.path"]),
        (["data=points", "data.points_seed=0"], ["data=points", "data.points_seed=0"]),
    ],
)  # fmt: skip
def test_overrides_of_csv_files_are_converted_once(old: list[str], new: list[str]) -> None:
    for version in (0, 1, 2):
        assert migrate_overrides(old, version) == new
        assert migrate_overrides(new, version) == new
    assert migrate_overrides(old, 3) == old


def test_varied_keys_of_csv_files_are_converted() -> None:
    content = {"version": 2, "varied": ["data.points_seed", "seed"]}
    for data, key in (("csv", "data.split_seed"), ("points", "data.points_seed")):
        sweep = migrate_sweep(content | {"overrides": [f"data={data}", "data.points_seed=0,1"]})
        assert sweep["varied"] == [key, "seed"]
        assert f"{key}=0,1" in sweep["overrides"]


@pytest.mark.parametrize("preset", ["perceptron_limits", "train_sizes"])
def test_a_converted_sweep_has_the_jobs_of_version_1(preset: str) -> None:
    def jobs(overrides: list[str]) -> list[tuple[str, ...]]:
        return [step for axis in plan(overrides).axes for step in axis]

    converted = jobs(migrate_overrides([f"sweep={preset}"], 1))
    expected = [tuple(o.replace("=perceptron_sign", "=perceptron") for o in s) for s in converted]
    assert expected == jobs([f"sweep={preset}"])
    assert ("experiment=perceptron_sign",) in converted


def test_a_run_with_the_rule_lecture_of_version_1_is_resumed(
    tmp_path: Path, compose: Callable
) -> None:
    common = ["callbacks=none", "logger=none", "data.size=40", f"logs='{tmp_path}'"]
    overrides = ["experiment=perceptron_sign", *common, "task.rule=sign", "trainer.max_epochs=2"]
    folder = Path(train(compose(*overrides), overrides).folder)
    config = (folder / "config.yaml").read_text()
    assert "rule: sign" in config
    version_1 = config.replace(f"version: {CONFIG_VERSION}", "version: 1").partition("\n")[2]
    (folder / "config.yaml").write_text(version_1.replace("rule: sign", "rule: lecture"))
    (folder / "overrides.yaml").write_text("- experiment=perceptron\n- task.rule=lecture\n")
    for _ in range(2):  # the first time converts the files
        assert RunFolder(folder).config.task.rule == "sign"
        assert RunFolder(folder).overrides == ["experiment=perceptron_sign", "task.rule=sign"]
        RunFolder(folder).write_config(RunFolder(folder).config)
    resumed = resume(str(folder), {"trainer.max_epochs": 4})
    expected = train(compose(*overrides[:-1], "trainer.max_epochs=4"))
    assert_equal_weights(resumed, expected)


def test_overrides_of_a_run_have_the_current_names(folder: Path) -> None:
    (folder / "overrides.yaml").write_text("- optimizer=adam_fast\n- callbacks.pictures.every=2\n")
    expected = ["optimizer=adam_lr_0_03", "callbacks.image_progress.every=2"]
    assert RunFolder(folder).overrides == expected


def test_callback_states_are_renamed_to_the_current_classes() -> None:
    names = {old.rpartition(".")[2]: new.rpartition(".")[2] for old, new in _CALLBACKS.items()}
    names["Keeper"] = EpochCheckpoint.__qualname__
    states = {"Keeper": 0, "EarlyStopping{'monitor': 'loss/validation'}": 1}
    states |= {name: place for place, name in enumerate(names, 2) if name != "Keeper"}
    actual = migrate_checkpoint({"callbacks": states, "global_step": 3})
    assert actual["global_step"] == 3
    assert actual["callbacks"] == {names.get(name, name): states[name] for name in states}


@pytest.mark.parametrize("version", [CONFIG_VERSION + 1, "x", None])
def test_other_versions_are_refused(version: object, folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_text(f"version: {version}\n{path.read_text()}")
    for read in (lambda run: run.config, flat_config):
        with pytest.raises(UserError, match=f"^{path}: version={version}: not a version"):
            read(RunFolder(folder))


def test_a_run_of_version_0_has_the_current_config_and_result(folder: Path) -> None:
    run = RunFolder.open(str(folder))
    overrides = [override for override in run.overrides if override != "callbacks=none"]
    assert run.config == compose_config([*overrides, "callbacks=none", "gradients=autograd"])
    assert (run.result.status, run.result.epochs, run.result.parameters) == (Status.FINISHED, 2, 17)
    assert run.result.best == run.history[-1]
    run.write_result(run.result)
    written, before = (read_json(path / "result.json") for path in (folder, VERSION_0))
    assert written == before | {"tables": {}}


def test_a_run_of_version_0_is_evaluated(folder: Path) -> None:
    before = RunFolder(folder).result.evaluations
    entry = evaluate(compose_config([f"run='{folder}'"], "evaluate"))
    assert entry.epoch == 2
    assert entry.metrics == pytest.approx(before[0].metrics)
    assert RunFolder(folder).result.evaluations == [*before, entry]


def test_a_run_of_version_0_is_resumed(folder: Path, tmp_path: Path, compose: Callable) -> None:
    resumed = resume(str(folder), {"trainer.max_epochs": 3})
    assert (resumed.status, resumed.epochs, len(resumed.evaluations)) == (Status.FINISHED, 3, 2)
    assert (folder / "config.yaml").read_text().splitlines()[1] == f"version: {CONFIG_VERSION}"
    overrides = [o for o in RunFolder(folder).overrides if not o.startswith(("logs=", "trainer"))]
    logs = f"logs='{tmp_path / 'logs'}'"
    short = train(compose(*overrides, "trainer.max_epochs=2", logs))
    expected = resume(short.folder, {"trainer.max_epochs": 3})
    one, other = (weights(result) for result in (resumed, expected))
    for name in other:
        torch.testing.assert_close(one[name], other[name], msg=name)


def test_a_run_of_version_0_is_compared_with_a_current_run(
    folder: Path, tmp_path: Path, compose: Callable
) -> None:
    overrides = [o for o in RunFolder(folder).overrides if not o.startswith("logs=")]
    overrides += ["network.width=5", f"logs='{tmp_path}'"]
    train(compose(*overrides), overrides)
    text = compare([str(tmp_path)], output=str(tmp_path / "comparison")).text
    # They differ in their width alone, not in the names of their classes.
    assert text.split()[:3] == ["run", "width", "parameters"]
