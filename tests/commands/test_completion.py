"""Shell completion in a real shell."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.config.option_files import group_options

# Completes the last word of a command line, as bash does when Tab is pressed.
COMPLETE = """
eval "$({command} -sc install=bash)"
COMP_LINE="{command} {word}" COMP_POINT=${{#COMP_LINE}}
COMP_WORDS=($COMP_LINE) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
hydra_bash_completion
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    "command", ["python scripts/train.py", pytest.param("mlp-train", marks=pytest.mark.slow)]
)
def test_bash_completes_options_and_keys(command: str, tmp_path: Path) -> None:
    script = tmp_path / "mlp-train"  # as pip writes it
    text = "from mlp_lab.commands.train import train\ntrain()\n"
    script.write_text(f"#!{sys.executable}\n{text}")
    script.chmod(0o755)
    (tmp_path / "python").symlink_to(sys.executable)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    checkout = CONFIG_FOLDER.parent
    environment = os.environ | {"PATH": path, "PYTHONPATH": os.pathsep.join(sys.path[1:])}
    options = {f"network={name}" for name in group_options([CONFIG_FOLDER])["network"]}
    answers = {"network=": options, "network.dep": {"network.depth="}}
    for word, expected in answers.items():
        shell = COMPLETE.format(command=command, word=word)
        done = subprocess.run(
            ["bash", "-c", shell], cwd=checkout, env=environment, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert set(done.stdout.split()) == expected
