"""The command line before Hydra gets it, and the streams of a command."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig
from scripts_without_torch import SCRIPTS

from mlp_lab.commands.application import parse_arguments, run_application
from mlp_lab.commands.process import entry_point
from mlp_lab.commands.train import train
from mlp_lab.config.compose import CONFIG_FOLDER


@pytest.mark.parametrize(
    ("words", "ordered"),
    [
        (["a=1", "-m", "b=2"], ["-m", "a=1", "b=2"]),
        (
            ["a=1", "--config-dir", "mine", "b=2", "-m"],
            ["--config-dir", "mine", "-m", "a=1", "b=2"],
        ),
        (["-m", "a=1", "a=1"], ["-m", "a=1", "a=1"]),
    ],
)
def test_flags_may_stand_between_overrides(
    words: list[str], ordered: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    monkeypatch.setattr(sys, "argv", ["train.py", *words])
    args = parse_arguments()
    assert args.multirun
    assert args.overrides == [word for word in words if "=" in word]
    assert sys.argv == ["train.py", *ordered]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--epochs", "3"], "mlp_lab: --epochs: no such flag; settings are key=value (see --help);"
         " did you mean trainer.max_epochs?"),
        (["seed=1", "--lr=3"], "mlp_lab: --lr: no such flag; settings are key=value (see --help);"
         " did you mean optimizer.lr?"),
        (["--cfg", "all of it"], "mlp_lab: argument --cfg/-c: invalid choice: 'all of it'"),
        (["sweep=learning_rates"], "mlp_lab: sweep=learning_rates: needs -m"),
    ],
)  # fmt: skip
def test_wrong_flags_are_one_line(
    words: list[str], message: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["train.py", *words])
    with pytest.raises(SystemExit) as stopped:
        train()
    assert str(stopped.value.code).startswith(message)
    assert "\n" not in str(stopped.value.code)
    assert capsys.readouterr() == ("", "")


def printing(text: str) -> Callable[[], None]:
    return entry_point(lambda: print(text))


def test_a_command_writes_any_text_to_an_ascii_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(content, encoding="ascii"))
    printing("± 東京")()
    assert content.getvalue() == b"\\xb1 \\u6771\\u4eac\n"


def test_a_command_writes_to_closed_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    printing("±")()
    assert sys.stdin.read() == ""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.close()


def test_a_reader_that_ends_early_is_no_error() -> None:
    started = []
    for name in ("train", "compare"):  # with a config and without one
        reader, writer = os.pipe()
        os.close(reader)
        command = [sys.executable, str(SCRIPTS / f"{name}.py"), "--help"]
        started.append(subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE))
        os.close(writer)
    for process in started:
        _, err = process.communicate(timeout=100)
        assert (process.returncode, err) == (0, b"")


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def job(cfg: DictConfig) -> None:
        raise ModuleNotFoundError("No module named 'numba'", name="numba")

    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(SystemExit) as stopped:
        run_application("train", job)
    message = "mlp_lab: numba is not installed: pip install 'mlp-lab[backgammon]'"
    assert stopped.value.code == message


def test_an_option_with_the_name_of_one_of_mlp_lab_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hydra would ignore it."""
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "mlp.yaml").write_text("{}")
    monkeypatch.setattr(sys, "argv", ["train.py", "--config-dir", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"network/mlp\.yaml: mlp_lab has network/mlp\.yaml"):
        parse_arguments()
    monkeypatch.setattr(sys, "argv", ["train.py", "--config-dir", str(CONFIG_FOLDER)])
    parse_arguments()
