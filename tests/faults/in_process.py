"""Functions that run commands in this process, and check how they refuse a file."""

import io
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path

import pytest
from helpers import Finished, composed

from mlp_lab.config.error_messages import explain
from mlp_lab.config.schemas.train import Train
from mlp_lab.errors import UserError
from mlp_lab.runs.evaluate import evaluate
from mlp_lab.runs.predict import predict
from mlp_lab.runs.train import resume
from mlp_lab.sweeps.comparison.answer import compare


def run_command(name: str, *arguments: str) -> Finished:
    """Run ``scripts/<name>.py`` here; return its exit status and its output."""
    out, err, status = io.StringIO(), io.StringIO(), None
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.delenv("HYDRA_FULL_ERROR", raising=False)
        patch.setattr(sys, "argv", [f"{name}.py", *arguments])
        before = os.getcwd()
        try:
            getattr(import_module(f"mlp_lab.commands.{name}"), name)()
        except SystemExit as stop:
            status = stop.code
        finally:
            os.chdir(before)
    if isinstance(status, str):  # Python prints this text at exit
        return Finished(1, out.getvalue(), f"{err.getvalue()}{status}\n")
    return Finished(int(status or 0), out.getvalue(), err.getvalue())


def read_run(name: str, folder: Path) -> Finished:
    """Do what a command that reads a run folder does after its config is composed.

    Composing the config with Hydra would take ten times as long as the rest.
    """
    actions: Mapping[str, Callable[[], object]] = {
        "evaluate": lambda: evaluate(composed(f"run='{folder}'", root="evaluate")),
        "predict": lambda: predict(composed(f"run='{folder}'", "images=x.png", root="predict")),
        "resume": lambda: resume(str(folder), {"trainer.max_epochs": 3}),
        "compare": lambda: print(compare([str(folder)], "loss", None, None)),
    }
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            actions[name]()
        except (UserError, OSError) as error:
            return Finished(
                1, out.getvalue(), f"{err.getvalue()}mlp_lab: {explain(error, Train)}\n"
            )
    return Finished(0, out.getvalue(), err.getvalue())


def assert_one_line(finished: Finished, *parts: str) -> None:
    """Assert that a command was refused in one line that has all ``parts``."""
    assert finished.returncode == 1, finished
    assert len(finished.err.splitlines()) == 1, finished.err
    assert finished.err.startswith("mlp_lab: "), finished.err
    for part in parts:
        assert part in finished.err, finished.err


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of all files in and below a folder, without locks."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".training", ".lock")
    }
