"""Fixtures for tests of comparisons."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mlp_lab.storage.run_folder import Run

COLUMNS = [
    "epoch",
    "step",
    "lr",
    "error/train",
    "error/validation",
    "loss/train",
    "loss/validation",
]


@pytest.fixture
def made_up(tmp_path: Path, compose: Callable) -> Callable[..., Path]:
    """``made_up(losses, "optimizer.lr=1", ...)``: a run's folder with these validation losses."""

    def make(
        losses: list[float],
        *overrides: str,
        status: str = "finished",
        reason: str | None = None,
        tested: Sequence[int] = (),
        parameters: int = 0,
    ) -> Path:
        run = Run.create(str(tmp_path), "made_up")
        run.write_start(compose(*overrides), overrides)
        rows = [
            {"epoch": i, "step": 10 * i, "lr": 0.1, "seconds": 2.0}
            | {
                "loss/train": v / 2,
                "loss/validation": v,
                "error/train": v / 20,
                "error/validation": v / 10,
            }
            for i, v in enumerate(losses, 1)
        ]
        if status != "failed":
            run.write_history([*COLUMNS, "seconds"], rows)
        tests = [
            {"split": "test", "checkpoint": "best", "epoch": epoch, "loss": 0.5, "error": 0.25}
            for epoch in tested
        ]
        if status != "unfinished":
            told = {"status": status, "reason": reason, "parameters": parameters}
            run.write_result(told | {"seconds": [], "evaluations": tests})
        return run.folder

    return make
