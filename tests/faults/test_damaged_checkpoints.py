"""Damaged and hostile checkpoints are refused in one line; no code of them is run."""

import pickle
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from damage import shortened
from hostile_checkpoints import HOSTILE
from in_process import assert_one_line, contents, read_run

from mlp_lab.errors import UserError
from mlp_lab.storage.checkpoints import read_checkpoint

MESSAGES = ("damaged", "contains more than tensors and plain values; it was not loaded", "not a")


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_checkpoint(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    assert any(part in message for part in MESSAGES)
    return message


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_checkpoints_are_not_loaded(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    path = folder / "best.ckpt"
    HOSTILE[kind](path, f"touch {tmp_path / 'harmed'}")
    before = path.read_bytes()
    message = refused(path)
    if not kind.startswith(("legacy", "plain", "tar", "Torch", "name", "compr", "overl")):
        assert "damaged" in message or MESSAGES[1] in message
    assert contents(tmp_path) == {"run/checkpoints/best.ckpt": before}


def test_the_payloads_are_real(tmp_path: Path) -> None:
    """Test that an unpickler without restrictions runs the code of a hostile file."""
    HOSTILE["plain pickle 4"](tmp_path / "x", f"touch {tmp_path / 'harmed'}")
    pickle.loads((tmp_path / "x").read_bytes())
    assert (tmp_path / "harmed").exists()


@pytest.mark.parametrize("name", ["evaluate", "predict", "resume"])
@pytest.mark.parametrize("fault", shortened(("nan", "os.system", "empty", "flipped", "legacy"), 2))
def test_commands_refuse_checkpoints(name: str, fault: str, run_copy: Path) -> None:
    path = run_copy / "checkpoints" / ("last.ckpt" if name == "resume" else "best.ckpt")
    if fault == "empty":
        path.write_bytes(b"")
    elif fault == "nan":
        content = torch.load(path, weights_only=True)
        next(iter(content["state_dict"].values())).flatten()[0] = torch.nan
        torch.save(content, path)
    elif fault == "flipped":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    else:
        HOSTILE[fault](path, f"touch {run_copy.parent / 'harmed'}")
    before = contents(run_copy.parent)
    finished = read_run(name, run_copy)
    kind = MESSAGES[1] if fault == "os.system" else "damaged"
    assert_one_line(finished, f"mlp_lab: {path}: ", kind)
    assert finished.out == ""
    assert contents(run_copy.parent) == before


@pytest.mark.parametrize(
    "missing", shortened(("callbacks", "state_dict", "loops", "optimizer_states"), 1)
)
def test_incomplete_checkpoints_are_refused(missing: str, run_copy: Path) -> None:
    path = run_copy / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    del content[missing]
    torch.save(content, path)
    assert_one_line(read_run("resume", run_copy), str(path))


@pytest.mark.parametrize("count", [10, pytest.param(400, marks=pytest.mark.faults)])
def test_flipped_bytes_are_noticed_or_harmless(count: int, run_copy: Path) -> None:
    path = run_copy / "checkpoints" / "best.ckpt"
    whole, expected = path.read_bytes(), read_checkpoint(path)
    refusals = 0
    for place in range(0, len(whole), len(whole) // count):
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        path.write_bytes(content)
        actual = None
        with suppress(UserError):
            actual = read_checkpoint(path)
        refusals += actual is None
        assert actual is None or str(actual) == str(expected)
    assert refusals > count // 3
