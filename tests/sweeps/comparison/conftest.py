"""Fixtures for tests of comparisons."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mlp_lab.storage.results import Evaluation, Result, Status
from mlp_lab.storage.run_folder import RunFolder

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
def make_run(tmp_path: Path, compose: Callable) -> Callable[..., Path]:
    """``make_run(losses, "optimizer.lr=1", ...)``: a run folder with these losses."""

    def make(
        losses: list[float],
        *overrides: str,
        status: str = "finished",
        reason: str | None = None,
        tested: Sequence[int] = (),
        parameters: int = 0,
    ) -> Path:
        run = RunFolder.create(str(tmp_path), "made_up")
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
            Evaluation("test", "best", epoch, {"loss": 0.5, "error": 0.25}) for epoch in tested
        ]
        if status != "unfinished":
            result = Result(str(run.folder), Status(status), reason, parameters=parameters)
            run.write_result(replace(result, evaluations=tests))
        return run.folder

    return make
