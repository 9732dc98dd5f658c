"""Two trainings with one config are bit-identical: alone, in a stack, in worker processes."""

import json
from pathlib import Path

import pytest
import torch
from damage import shortened
from helpers import PRESETS, composed, forks, shortened_preset

from mlp_lab.runs.train import train
from mlp_lab.sweeps.comparison.equality import check_same
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs

# In the short form, one preset with autograd and one with closed-form gradients and an encoding.
ORDERED = sorted(PRESETS, key=lambda name: name not in ("minimal_mlp", "image_tancik"))


@pytest.mark.parametrize("name", shortened(ORDERED, 2))
def test_two_runs_of_a_preset_are_equal(name: str, tiny_mnist: Path, tmp_path: Path) -> None:
    overrides = shortened_preset(name, tiny_mnist)
    for logs in "ab":
        cfg = composed(*overrides, f"logs='{tmp_path / logs}'")
        assert train(cfg, overrides).status == "finished"
    [one], [other] = (list((tmp_path / logs / name).iterdir()) for logs in "ab")
    assert check_same(str(one), str(other)).startswith("equal: the runs")


@pytest.mark.parametrize(
    "processes", [pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=forks)]
)
@pytest.mark.parametrize("name", shortened(ORDERED, 1))
def test_two_sweeps_of_a_preset_are_equal(
    name: str, processes: int, tiny_mnist: Path, tmp_path: Path
) -> None:
    for sweep in "ab":
        jobs = []
        for number, setting in enumerate(("seed=1", "seed=2", "seed=3")):
            overrides = [*shortened_preset(name, tiny_mnist), setting]
            folder = tmp_path / sweep / str(number)
            jobs.append(Job(composed(*overrides), overrides, folder))
        results = train_jobs(jobs, processes=processes)
        assert [result.status for result in results] == ["finished"] * 3
    equal = check_same(str(tmp_path / "a"), str(tmp_path / "b"))
    assert equal.startswith("equal: 3 runs")


def test_the_environment_has_what_a_number_depends_on(finished_run: Path) -> None:
    environment = json.loads((finished_run / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__
    assert environment["threads"] == torch.get_num_threads()
    assert environment["instructions"] == torch.backends.cpu.get_cpu_capability()
    for key in ("python", "platform", "machine", "processor", "omp", "git", "git_dirty", "command"):
        assert key in environment
