"""Scripts that run in processes which cannot import torch.

The processes are forked from one that has imported the commands, which takes most of the time of a
script that ends early.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from tempfile import TemporaryDirectory

SCRIPTS = Path(__file__).parents[1] / "scripts"
COMMANDS = sorted(path.stem for path in SCRIPTS.glob("*.py"))

_context = multiprocessing.get_context("spawn" if os.name == "nt" else "forkserver")
_context.set_forkserver_preload([f"mlp_lab.commands.{name}" for name in COMMANDS])


def run_script(name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run ``scripts/<name>.py`` in the folder ``cwd``; return its exit status and its output."""
    with TemporaryDirectory() as folder:
        streams = [os.path.join(folder, stream) for stream in ("out", "err")]
        process = _context.Process(target=_run, args=(name, arguments, cwd, streams))
        process.start()
        process.join(timeout=60)
        assert process.exitcode is not None, "still running"
        out, err = (Path(stream).read_text() for stream in streams)
    return subprocess.CompletedProcess(arguments, process.exitcode, out, err)


class _NoTorch(MetaPathFinder):
    """Raises an error that nothing expects when torch is imported."""

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == "torch":
            raise RuntimeError("torch was imported")


def _run(name: str, arguments: tuple[str, ...], cwd: Path, streams: list[str]) -> None:
    for number, stream in enumerate(streams, 1):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(cwd)
    os.environ.pop("HYDRA_FULL_ERROR", None)
    assert "torch" not in sys.modules
    sys.meta_path.insert(0, _NoTorch())
    script = str(SCRIPTS / f"{name}.py")
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")
