"""The wheel: its console commands run outside of a checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from helpers import CHECKOUT


@pytest.mark.index
@pytest.mark.slow
def test_the_wheel_trains_and_evaluates_in_a_new_environment(
    tmp_path: Path, tiny_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dependencies are those of this environment; .ci/run installs them with the package."""
    monkeypatch.delenv("PYTHONPATH", raising=False)  # it may contain the checkout

    def run(*command: object) -> str:
        done = subprocess.run(
            [str(part) for part in command], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, CHECKOUT)
    [wheel] = tmp_path.glob("*.whl")
    venv.create(tmp_path / "env")
    scripts = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", scripts / "python"]
    run(*pip, "install", "-q", "--no-deps", wheel)
    [packages] = (tmp_path / "env").rglob("site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))

    module = run(scripts / "python", "-c", "import mlp_lab; print(mlp_lab.__file__)")
    assert Path(module).is_relative_to(packages)
    for command in ("train", "evaluate", "predict", "play", "compare", "claims", "backprop"):
        assert "usage: " in run(scripts / f"mlp-{command}", "--help")
    overrides = [f"data.root={tiny_mnist}", "trainer.max_epochs=1", "name=wheel"]
    out = run(scripts / "mlp-train", *overrides)
    assert "finished: 1 epochs" in out
    [folder] = (tmp_path / "logs" / "wheel").iterdir()
    run(scripts / "mlp-evaluate", f"run={folder}", "split=validation")
    assert len(json.loads((folder / "result.json").read_text())["evaluations"]) == 2
