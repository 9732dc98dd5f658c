"""YAML, JSON and CSV files of run and sweep folders: limits, digests, plain values only."""

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from damage import shortened
from helpers import composed, resume_sweep
from in_process import assert_one_line, contents, read_run

from mlp_lab.config.check import check
from mlp_lab.config.schemas.train import Train
from mlp_lab.errors import UserError
from mlp_lab.runs.train import resume, train
from mlp_lab.storage.projector import write_embedding
from mlp_lab.storage.records import read_json, read_yaml, with_digest, yaml_with_digest
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.storage.sweep_folder import SweepFolder
from mlp_lab.sweeps.planning import plan

ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 8)
)
#: Content of a YAML file, and a part of the message.
HOSTILE_YAML = {
    "aliases": (ALIASES, "aliases (*a0) are not allowed"),
    "merged keys": ("a: &a {x: 1}\nb: {<<: *a}\n", "aliases (*a) are not allowed"),
    "recursive": ("a: &a [*a]\n", "aliases (*a) are not allowed"),
    "deep": (f"a: {'[' * 10**5}", "more than 32 levels"),
    "deep block": ("".join(f"{' ' * n}a:\n" for n in range(500)), "more than 32 levels"),
    "large": (f"a: {'x' * 2**20}\n", "must have at most 1,048,576"),
    "interpolation": ("a: ${oc.env:HOME}\n", "${oc.env:HOME}: must be a plain value"),
    "interpolated key": ("${oc.env:HOME}: a\n", "must be a plain value"),
    "nested interpolation": ("a: [{b: 'x${b}'}]\n", "must be a plain value"),
    "python object": ("a: !!python/object/apply:os.system [true]\n", "damaged"),
    "python name": ("a: !!python/name:os.system\n", "damaged"),
    "binary": ("a: !!binary x\n", "damaged"),
    "unhashable key": ("? [1]\n: 2\n", "damaged"),
    "impossible date": ("a: 2026-99-99\n", "damaged"),
    "huge number": (f"a: {'9' * 5000}\n", "damaged"),
    "several documents": ("a: 1\n---\nb: 2\n", "damaged"),
    "not UTF-8": (b"a: \xff\n", "damaged: not a text in UTF-8"),
    "control character": ("a: \0\n", "damaged"),
}
FILES = ("config.yaml", "overrides.yaml")


def write(path: Path, content: str | bytes) -> None:
    path.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.mark.parametrize("kind", HOSTILE_YAML)
def test_hostile_yaml_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    content, message = HOSTILE_YAML[kind]
    path = tmp_path / "config.yaml"
    write(path, content)
    start = time.process_time()
    with pytest.raises(UserError) as caught:
        read_yaml(path)
    assert time.process_time() - start < 0.5
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["config.yaml", "overrides.yaml", "sweep.yaml"])
@pytest.mark.parametrize("kind", ["aliases", "deep", "interpolation"])
def test_each_yaml_file_is_limited(name: str, kind: str, tmp_path: Path) -> None:
    content, message = HOSTILE_YAML[kind]
    write(tmp_path / name, content)
    run = RunFolder(tmp_path)
    read: dict[str, Callable[[], object]] = {
        "config.yaml": lambda: run.config,
        "overrides.yaml": lambda: run.overrides,
        "sweep.yaml": lambda: SweepFolder.open(tmp_path),
    }
    with pytest.raises(UserError) as caught:
        read[name]()
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert message in str(caught.value)


def test_a_deep_json_file_is_refused(tmp_path: Path) -> None:
    for text in ("[" * 10**5, '{"a":' * 10**5, "9" * 5000):
        (tmp_path / "result.json").write_text(text)
        with pytest.raises(UserError, match=r"result\.json: damaged"):
            read_json(tmp_path / "result.json")


@pytest.mark.parametrize("name", shortened(("evaluate", "compare", "predict", "resume"), 2))
@pytest.mark.parametrize("file", FILES)
def test_changed_files_are_refused(name: str, file: str, run_copy: Path) -> None:
    path = run_copy / file
    before = path.read_text()
    changed = before.replace("experiment", "experimen7").replace("lr: 0.03", "lr: 0.02")
    path.write_text(changed)
    finished = read_run(name, run_copy)
    if file == "config.yaml" or name == "compare":
        assert_one_line(finished, str(path), "damaged or edited")
    path.write_text(changed.partition("\n")[2])
    if file == "config.yaml":
        assert RunFolder(run_copy).config.optimizer.lr == 0.02


@pytest.mark.parametrize("file", ["result.json", "history.csv", "environment.json"])
def test_a_changed_number_is_refused(file: str, run_copy: Path) -> None:
    path = run_copy / file
    before = path.read_text()
    place = max(place for place, letter in enumerate(before[:-90]) if letter == "1")
    path.write_text(f"{before[:place]}7{before[place + 1 :]}")
    reader = "evaluate" if file == "environment.json" else "compare"
    assert_one_line(read_run(reader, run_copy), f"{path}: damaged")


def test_a_changed_entry_of_a_list_is_refused(tmp_path: Path) -> None:
    path, entries = tmp_path / "ensemble.json", [{"error": 0.25}, {"error": 0.5}]
    path.write_text(json.dumps([with_digest(entry) for entry in entries]))
    assert read_json(path) == entries
    path.write_text(path.read_text().replace("0.5", "0.4"))
    with pytest.raises(UserError, match=r"ensemble\.json: damaged or edited"):
        read_json(path)
    path.write_text(json.dumps(entries))  # of an earlier version
    assert read_json(path) == entries


def test_files_without_digests_are_read(run_copy: Path) -> None:
    expected = RunFolder(run_copy)
    expected.config, expected.overrides, expected.result  # noqa: B018
    for name in FILES:
        (run_copy / name).write_text((run_copy / name).read_text().partition("\n")[2])
    for name in ("result.json", "environment.json"):
        content = json.loads((run_copy / name).read_text())
        del content["sha256"]
        content.pop("tables", None)
        (run_copy / name).write_text(json.dumps(content))
    run = RunFolder(run_copy)
    assert (run.config, run.overrides) == (expected.config, expected.overrides)
    assert run.result.tables == {}
    assert run.history == expected.history
    assert read_run("evaluate", run_copy).returncode == 0


def test_digests_stay_valid_when_a_run_is_resumed(run_copy: Path) -> None:
    assert RunFolder(run_copy).result.tables.keys() == {"history"}
    resume(str(run_copy), {"trainer.max_epochs": 3})
    assert len(RunFolder(run_copy).history) == 3
    assert read_run("evaluate", run_copy).returncode == 0
    assert read_run("compare", run_copy).returncode == 0


def test_a_row_that_was_not_written_to_its_end_is_ignored(run_copy: Path) -> None:
    (run_copy / "result.json").unlink()
    path, before = run_copy / "history.csv", RunFolder(run_copy).history
    path.write_text(path.read_text()[:-8])
    assert RunFolder(run_copy).history == before[:1]


TARGETS = (
    "os.system", "builtins.eval", "subprocess.Popen", "torch.load", "nowhere.at_all",
    "mlp_lab.data.curve._function", "torch.optim.sgd.SGD", "torch.optim.SGD.__init__",
    "hostile_module.Curve", "", "mlp_lab.data.curve.Curve ", "${oc.env:HOME}", "../os.system",
)  # fmt: skip


@pytest.mark.parametrize("target", shortened(TARGETS, 2))
@pytest.mark.parametrize("group", ["data", "optimizer", "callbacks"])
def test_targets_other_than_those_of_schemas_are_refused(
    group: str, target: str, run_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run_copy.parent / "hostile_module.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(run_copy.parent)
    content = yaml.safe_load((run_copy / "config.yaml").read_text())
    node = content[group] if group != "callbacks" else content[group].setdefault("x", {})
    node["_target_"] = target
    (run_copy / "config.yaml").write_text(yaml.safe_dump(content))
    before, modules = contents(run_copy.parent), set(sys.modules)
    with pytest.raises(UserError) as caught:
        RunFolder.open(str(run_copy)).config  # noqa: B018
    assert str(caught.value).startswith(f"{run_copy / 'config.yaml'}: ")
    assert target in str(caught.value)
    assert contents(run_copy.parent) == before
    assert set(sys.modules) == modules


HOSTILE_OVERRIDES = (
    "hydra.launcher._target_=os.system", "hydra.sweeper._target_=builtins.eval",
    "+hydra.callbacks.x={_target_: pathlib.Path.touch}", "+hydra={callbacks: {}}",
    "+hydra.callbacks={x: {_target_: pathlib.Path.touch}}", "data._target_=os.system",
    "+callbacks.x={_target_: os.system}", "hydra.run.dir=../../x", "hydra.sweep.dir=../x",
    "name=../x", "hydra.output_subdir=../x", "logs=${oc.env:HOME}",
    "+hydra.job_logging.handlers.x={class: logging.FileHandler, filename: harmed}",
    "hydra.searchpath=[pkg://hostile_module]", "hydra.searchpath=[file://logs/x]",
    "+hydra.launcher.setup=['touch harmed']", "hydra.launcher.additional_parameters={x: y}",
    "+hydra.job.env_set={LD_PRELOAD: /x}", "plugins=[hostile_module]",
    "network._target_=hostile_module.Network",
)  # fmt: skip


@pytest.mark.parametrize("override", shortened(HOSTILE_OVERRIDES, 3))
def test_overrides_of_a_sweep_folder_run_no_code(
    override: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hostile_module.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    content = {
        "version": 2, "overrides": ["experiment=curve_fit", "seed=1,2", override],
        "varied": ["seed"], "started": "2026-11-27T10:00:00+01:00", "directory": str(tmp_path),
    }  # fmt: skip
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(content))
    before = contents(tmp_path)
    with pytest.raises(UserError) as caught:
        resume_sweep(str(tmp_path), [])
    assert override.lstrip("+").partition("=")[0].rpartition(".")[2] in str(caught.value)
    assert contents(tmp_path) == before


@pytest.mark.faults
def test_interpolations_are_resolved_before_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAULTS_LOGS", str(tmp_path / "a b=c"))
    overrides = [
        "experiment=curve_fit", "callbacks=none", "logger=none", "trainer.max_epochs=1",
        "trainer.accelerator=cpu", "logs='${oc.env:FAULTS_LOGS}/x'", "network.width=${data.size}",
    ]  # fmt: skip
    run = RunFolder(train(composed(*overrides), overrides).folder)
    assert run.overrides[-2:] == [f"logs='{tmp_path}/a b=c/x'", "network.width=100"]
    assert run.config == check(composed(*run.overrides), Train)
    recorded = plan([*overrides, "seed=1,2"]).recorded
    assert recorded[-3:] == [f"logs='{tmp_path}/a b=c/x'", "network.width=${data.size}", "seed=1,2"]
    monkeypatch.setenv("A", "1")
    with pytest.raises(UserError, match=r"^optimizer\.lr=\$\{oc\.env:A\},2: must be plain values"):
        plan(["experiment=curve_fit", "optimizer.lr=${oc.env:A},2"])


def test_a_digest_line_precedes_the_text(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(yaml_with_digest("a: 1\n"))
    assert read_yaml(path) == {"a": 1}
    path.write_text(path.read_text().replace("# sha256: ", "# sha256: 0"))
    with pytest.raises(UserError, match="damaged or edited"):
        read_yaml(path)


def test_a_list_of_embeddings_from_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "projector_config.pbtxt"
    path.write_text(
        'embeddings { tensor_name: "x" tensor_path: "/etc/passwd" }\n'
        'embeddings { tensor_name: "y" tensor_path: "projector/../../y.tsv" }\n'
        'embeddings { tensor_name: "z" tensor_path: "projector/z/tensors.tsv" }\n'
    )
    columns = {"label": ["a", "b"], "index": [0, 1]}
    write_embedding(tmp_path, "test", np.zeros((2, 3)), columns, None)
    assert re.findall('tensor_name: "(.*)"', path.read_text()) == ["z", "test"]
    path.write_text("embeddings {")
    with pytest.raises(UserError, match=f"^{path}: damaged: "):
        write_embedding(tmp_path, "test", np.zeros((2, 3)), columns, None)
