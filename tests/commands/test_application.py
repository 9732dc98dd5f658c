import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlp_lab.config.compose import CONFIG_FOLDER

SCRIPTS = CONFIG_FOLDER.parent / "scripts"
COMMANDS = sorted(path.stem for path in SCRIPTS.glob("*.py"))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a script on a machine without torch."""
    (tmp_path / "torch.py").write_text("raise RuntimeError('torch was imported')")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)

    def run(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        script = [sys.executable, str(SCRIPTS / f"{command}.py"), *arguments]
        return subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_usage_and_description(run, command):
    done = run(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    usage, empty, description, *_, last = done.stdout.splitlines()
    assert usage.startswith(f"usage: python scripts/{command}.py ")
    assert empty == ""
    assert description.endswith(".")
    assert last.strip()


@pytest.mark.parametrize("topic", ["network", "optimizer=adam", "launcher", "keys"])
def test_the_help_of_a_topic_does_not_import_torch(run, topic):
    done = run("train", "--help", topic)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^  [\w.]+=\S+ ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("train", ["network.widht=3"], "network.widht: no such key; did you mean network.width?"),
        ("train", ["--help", "netwrok"], "netwrok: no such group or key; did you mean network?"),
        ("train", ["optimizer=adam_fast"], "optimizer=adam_fast: renamed to optimizer=adam_lr_0_"),
        ("evaluate", ["run=x", "spilt=test"], "spilt: no such key; did you mean split?"),
        ("predict", ["run=x", "image=y"], "image: no such key; did you mean images?"),
        ("backprop", ["example=lecture"], "example=lecture: must be one of lecture_2_2_1, "),
        ("compare", ["logs", "--metirc", "error"], "unrecognized arguments: --metirc error"),
        ("train", ["optimizer.lr=0.1,1"], "optimizer.lr=0.1,1: several values need -m (a swe"),
        (
            "train",
            ["network.widths=8,4"],
            "network.widths=8,4: several values need -m (a sw",
        ),
        ("train", ["logs/x"], "logs/x: must be key=value; did you mean resume=logs/x?"),
        ("train", ["epochs=3"], "epochs: no such key; did you mean trainer.max_epochs?"),
        ("train", ["--network.width=9"], "--network.width: no such flag; settings are key=value ("),
        ("evaluate", ["logs/x"], "logs/x: must be key=value; did you mean run=logs/x?"),
        ("compare", [], "the following arguments are required: folders"),
        ("claims", ["actvations"], "actvations: no such topic; did you mean activations? (topics"),
        ("claims", ["--outptu", "x"], "unrecognized arguments: --outptu"),
        ("benchmark", ["--rounds", "0"], "argument --rounds: must be a whole number at least 1"),
        ("benchmark", ["--cost", "--images"], "argument --images: not allowed with argument --c"),
    ],
)
def test_errors_are_reported_in_one_line(run, command, arguments, message):
    done = run(command, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"mlp_lab: {message}")
    assert len(done.stderr.splitlines()) == 1


def test_each_command_is_installed_as_a_console_script() -> None:
    text = Path(CONFIG_FOLDER.parent / "pyproject.toml").read_text()
    for command in COMMANDS:
        assert f'mlp-{command} = "mlp_lab.commands.{command}:{command}"' in text
