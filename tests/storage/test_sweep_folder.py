"""The folder of a sweep: its name, its file sweep.yaml, its jobs."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from mlp_lab.errors import UserError
from mlp_lab.storage.migration import CONFIG_VERSION
from mlp_lab.storage.results import Result, Status
from mlp_lab.storage.run_folder import RunFolder, new_folder
from mlp_lab.storage.sweep_folder import SweepFolder


def test_every_sweep_gets_a_different_folder(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        folders = list(pool.map(new_folder, [tmp_path / "sweeps"] * 64))
    assert len(set(folders)) == 64
    assert set(folders) == set((tmp_path / "sweeps").iterdir())


def test_a_sweep_file_is_read_as_written(tmp_path: Path) -> None:
    overrides = ["name='ü ${x}'", "seed=0,1", "a: b", "#"]
    sweep = SweepFolder.create(str(tmp_path), "fit", overrides, ["seed"])
    assert sweep.folder.parent == tmp_path / "fit" / "sweeps"
    assert SweepFolder.open(sweep.folder) == sweep
    assert (sweep.overrides, sweep.varied, sweep.directory) == (overrides, ["seed"], os.getcwd())


# A file of version 0, which has no key ``version``.
VERSION_0 = """\
words:
- optimizer=adam_fast,adam_slow
- callbacks=[default,pictures]
- callbacks.pictures.every=1,2
varied:
- optimizer
- callbacks.pictures.every
started: '2026-11-27T10:00:00+01:00'
directory: /home/me
"""
DAMAGED = [
    f"{VERSION_0}jobs: 3\n",
    VERSION_0.replace("directory: /home/me\n", ""),
    VERSION_0.replace("/home/me", "3"),
    VERSION_0.replace("- optimizer\n", "- 1\n"),
]


def test_a_file_of_version_0_is_read(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(VERSION_0)
    assert SweepFolder.open(tmp_path) == SweepFolder(
        tmp_path,
        [
            "optimizer=adam_lr_0_03,adam_lr_0_0003",
            "callbacks=[default,image_progress]",
            "callbacks.image_progress.every=1,2",
        ],
        ["optimizer", "callbacks.image_progress.every"],
        "2026-11-27T10:00:00+01:00",
        "/home/me",
    )


def test_a_file_of_version_1_has_the_perceptron_rule_sign(tmp_path: Path) -> None:
    current = VERSION_0.replace("words:", "overrides:").replace(
        "optimizer=adam_fast,adam_slow", "task.rule=lecture,rosenblatt"
    )
    (tmp_path / "sweep.yaml").write_text(f"version: 1\n{current}")
    assert SweepFolder.open(tmp_path).overrides[0] == "task.rule=sign,rosenblatt"


def test_names_in_a_current_file_are_kept(tmp_path: Path) -> None:
    text = VERSION_0.replace("words:", "overrides:")
    (tmp_path / "sweep.yaml").write_text(f"version: {CONFIG_VERSION}\n{text}")
    assert SweepFolder.open(tmp_path).overrides[0] == "optimizer=adam_fast,adam_slow"


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(f"version: {CONFIG_VERSION + 1}\njobs: 3\n")
    with pytest.raises(UserError, match=f"^{path}: version={CONFIG_VERSION + 1}: not a version"):
        SweepFolder.open(tmp_path)


@pytest.mark.parametrize("text", ["overrides: [", "- 1", "words: []", "\0", *DAMAGED])
def test_a_damaged_sweep_file_is_reported(text: str, tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(text)
    with pytest.raises(UserError, match=r"sweep\.yaml: damaged: "):
        SweepFolder.open(tmp_path)


def test_a_folder_without_a_sweep_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not the folder of a sweep: it has no sweep\.yaml"):
        SweepFolder.open(tmp_path)


@pytest.mark.parametrize(
    ("varied", "overrides", "name"),
    [
        (["a.lr", "seed"], ["a.lr=0.1", "network.width=8", "seed=2"], "7_lr=0.1,seed=2"),
        ([], ["seed=2"], "7"),
        (["network.widths"], ["network.widths=[3, 4]"], "7_widths=-3,-4-"),
        (["+a.b"], ["+a.b=../x"], "7_b=..-x"),
        (["name"], ["name=" + "n" * 200], "7_name=" + "n" * 95),
        (["a.lr", "seed"], ["a.lr=2.296714929e-06", "seed=123456"], "7_lr=2.297e-06,seed=123456"),
        (["a", "b.lr"], ["a=" + "n" * 90, "b.lr=0.0123456"], "7_a=" + "n" * 90),
        (["a", "b", "c"], ["a=" + "n" * 95, "b=123", "c=1"], "7_a=" + "n" * 95),
    ],
)  # fmt: skip
def test_job_names_contain_the_varied_keys(
    varied: list[str], overrides: list[str], name: str, tmp_path: Path
) -> None:
    sweep = SweepFolder(tmp_path, [], varied, "", "")
    assert sweep.job_folder(7, overrides) == tmp_path / name


@pytest.mark.parametrize("letter", ["a", "ü", "字", "🙂"])
def test_long_labels_fit_into_the_name_of_a_folder(letter: str, tmp_path: Path) -> None:
    sweep = SweepFolder(tmp_path, [], ["data.image"], "", "")
    folder = sweep.job_folder(12345, [f"data.image='{500 * letter}.png'"])
    folder.mkdir()  # file systems limit names to 255 bytes
    assert folder.name.startswith("12345_image=")


def test_a_job_keeps_the_folder_that_has_the_old_name_of_an_option(tmp_path: Path) -> None:
    sweep = SweepFolder(tmp_path, [], ["optimizer", "seed"], "", "")
    for name in ("0_optimizer=adam_fast,seed=1", "1_optimizer=adam,seed=1", "10_optimizer=x"):
        (tmp_path / name).mkdir()
        overrides = name.partition("_")[2].split(",")
        (tmp_path / name / "overrides.yaml").write_text(yaml.safe_dump(overrides))
    new, old = ["optimizer=adam_lr_0_03", "seed=1", "threads=2"], "0_optimizer=adam_fast,seed=1"
    assert sweep.job_folder(0, new) == tmp_path / old
    # The same number with other values: a search that repeats a trial.
    assert sweep.job_folder(1, new) == tmp_path / "1_optimizer=adam_lr_0_03,seed=1"
    assert sweep.job_folder(2, new) == tmp_path / "2_optimizer=adam_lr_0_03,seed=1"


def test_failures_are_started_jobs_that_did_not_finish(tmp_path: Path) -> None:
    sweep = SweepFolder(tmp_path, [], [], "", "")
    results = {"0_a": ("finished", None), "10_c": ("diverged", "nan"), "2_b": ("interrupted", None)}
    for name, (status, reason) in results.items():
        (tmp_path / name).mkdir()
        RunFolder(tmp_path / name).write_result(Result(name, Status(status), reason))
    for other in ("3_killed", "figures", ".submitit"):
        (tmp_path / other).mkdir()
    expected = {"2_b": "interrupted", "3_killed": "ended before its result", "10_c": "nan"}
    assert list(sweep.failures().items()) == list(expected.items())


def test_a_sweep_folder_is_locked_by_one_process(tmp_path: Path) -> None:
    sweep = SweepFolder(tmp_path, [], [], "", "")
    sweep.stop()
    with sweep.locked():
        assert not sweep.stopped  # written by an earlier call
        with pytest.raises(UserError, match="another process runs this sweep"), sweep.locked():
            pass
