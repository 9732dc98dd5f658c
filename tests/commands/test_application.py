import re
from pathlib import Path

import pytest
from scripts_without_torch import COMMANDS, run_script

from mlp_lab.config.compose import CONFIG_FOLDER


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_usage_and_description(command, tmp_path):
    done = run_script(command, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    usage, empty, description, *_, last = done.stdout.splitlines()
    assert usage.startswith(f"usage: python scripts/{command}.py ")
    assert empty == ""
    assert description.endswith(".")
    assert last.strip()


@pytest.mark.parametrize("topic", ["network", "optimizer=adam", "launcher", "keys"])
def test_the_help_of_a_topic_does_not_import_torch(topic, tmp_path):
    done = run_script("train", "--help", topic, cwd=tmp_path)
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
        ("benchmark", ["--load", "--rounds", "3"], "--rounds: --load measures once"),
        ("view", ["logs", "--port=-1"], "argument --port: must be a whole number from 0 to 65535"),
        ("benchmark", ["--cost", "--images"], "argument --images: not allowed with argument --c"),
    ],
)
def test_errors_are_reported_in_one_line(command, arguments, message, tmp_path):
    done = run_script(command, *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"mlp_lab: {message}")
    assert len(done.stderr.splitlines()) == 1


def test_each_command_is_installed_as_a_console_script() -> None:
    text = Path(CONFIG_FOLDER.parent / "pyproject.toml").read_text()
    for command in COMMANDS:
        assert f'mlp-{command} = "mlp_lab.commands.{command}:{command}"' in text
