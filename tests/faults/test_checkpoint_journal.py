"""Checkpoints of several runs are replaced together, also if the process is killed meanwhile."""

import os
import signal
import zipfile
from pathlib import Path

import pytest
from helpers import forks
from kills import killed_before

from mlp_lab.errors import UserError
from mlp_lab.storage import checkpoint_journal
from mlp_lab.storage.checkpoint_journal import complete, replace_together
from mlp_lab.storage.files import write_whole

NAMES = [f"{run}/checkpoints/{which}.ckpt" for run in "abc" for which in ("best", "last")]


def write(folder: Path, content: bytes) -> None:
    replace_together({folder / name: content for name in NAMES})


def contents(folder: Path) -> set[bytes]:
    return {(folder / name).read_bytes() for name in NAMES}


@forks
def test_a_killed_replacement_is_completed_or_has_not_begun(tmp_path: Path) -> None:
    outcomes = []
    for change in range(100):
        write(tmp_path, b"old")
        child = os.fork()
        if not child:
            killed_before(change, tmp_path)()
            write(tmp_path, b"new")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        complete(tmp_path / "a" / "checkpoints")
        assert not list(tmp_path.rglob(".journal"))
        [content] = contents(tmp_path)
        outcomes.append(content)
        if status == 0:
            break
        assert status == signal.SIGKILL
    assert outcomes == sorted(outcomes, reverse=True)  # b"old", ..., b"new", ...
    assert outcomes.count(b"old") == 3  # before the journal has its name
    assert outcomes.count(b"new") > 2 * len(NAMES)


def test_later_checkpoints_are_kept(tmp_path: Path) -> None:
    write(tmp_path, b"old")
    journal = tmp_path / "a" / "checkpoints" / ".journal"
    with zipfile.ZipFile(journal, "w") as archive:
        for name in NAMES:
            archive.writestr(name, b"new")
    later = tmp_path / NAMES[3]
    later.write_bytes(b"later")
    os.utime(later, ns=(0, journal.stat().st_mtime_ns + 1))
    for name in NAMES:
        if name != NAMES[3]:
            os.utime(tmp_path / name, ns=(0, 0))
    complete(journal.parent)
    assert contents(tmp_path) == {b"new", b"later"}
    assert later.read_bytes() == b"later"


def test_after_an_error_the_others_are_replaced_from_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def on_a_full_disk(path: Path, content: bytes) -> None:
        if len(written) == 3:
            raise OSError("No space left on device")
        written.append(path)
        write_whole(path, content)

    write(tmp_path, b"old")
    for name in NAMES:
        os.utime(tmp_path / name, ns=(0, 0))
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint_journal, "write_whole", on_a_full_disk)
        with pytest.raises(OSError, match="No space left"):
            write(tmp_path, b"new")
    assert contents(tmp_path) == {b"old", b"new"}
    complete(tmp_path / "a" / "checkpoints")
    assert contents(tmp_path) == {b"new"}
    assert not list(tmp_path.rglob(".journal"))


@pytest.mark.parametrize(
    "name", ["../x/checkpoints/last.ckpt", "/x", "..", "../checkpoints/last.ckpt", "a/config.yaml"]
)
def test_a_journal_writes_only_checkpoints(name: str, tmp_path: Path) -> None:
    write(tmp_path, b"old")
    journal = tmp_path / "a" / "checkpoints" / ".journal"
    with zipfile.ZipFile(journal, "w") as archive:
        archive.writestr(name, b"new")
    with pytest.raises(UserError, match=r"\.journal: damaged: it contains "):
        complete(journal.parent)
    journal.write_bytes(b"x")
    with pytest.raises(UserError, match=r"\.journal: damaged: "):
        complete(journal.parent)
    assert contents(tmp_path) == {b"old"}
