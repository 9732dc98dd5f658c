"""Fixtures for tests of sweeps."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from launch_helpers import TrainingStub, summary_of
from stacked_jobs import MakeJobs

from mlp_lab.sweeps import jobs
from mlp_lab.sweeps.comparison import answer
from mlp_lab.sweeps.comparison.answer import Summary
from mlp_lab.sweeps.groups import Job


@pytest.fixture
def make_jobs(compose: Callable, tiny_mnist: Path, tmp_path: Path) -> MakeJobs:
    """``make_jobs("together", ["seed=1"], ["seed=2"], common=[...])``: jobs in a folder."""
    defaults = ["trainer.accelerator=cpu", "trainer.max_epochs=3", "data.batch_size=32"]
    defaults += ["data.train_size=480"]
    defaults += [f"data.root='{tiny_mnist}'", "callbacks=none"]

    def make(name: str, *job_overrides: Sequence[str], common: Sequence[str] = ()) -> list[Job]:
        return [
            Job(compose(*defaults, *common, *overrides), overrides, tmp_path / name / str(number))
            for number, overrides in enumerate(job_overrides)
        ]

    return make


@pytest.fixture
def training_stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TrainingStub:
    stand_in = TrainingStub()

    def conclude(folder: str, *_: str, **__: str) -> Summary:
        return summary_of(folder, f"the answer of {folder}")

    monkeypatch.setattr(jobs, "train_jobs", stand_in)
    monkeypatch.setattr(answer, "conclude", conclude)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # as the command has it
    monkeypatch.setenv("GOMP_SPINCOUNT", "10000")  # known to monkeypatch, so that it is put back
    monkeypatch.chdir(tmp_path)
    return stand_in
