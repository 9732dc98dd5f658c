"""The command line of a run that is resumed, and reserved keys of Hydra."""

from collections.abc import Callable
from pathlib import Path

import pytest
from forked_command import fork_two_processes
from helpers import SCRIPT, assert_equal_weights, composed, forks
from hydra.core.override_parser.overrides_parser import OverridesParser

from mlp_lab.commands.train import train as train_command
from mlp_lab.config.compose import refuse_reserved
from mlp_lab.runs.train import train
from mlp_lab.storage.run_folder import RunFolder


def test_a_resumed_run_takes_keys_of_its_config(command: Callable, tmp_path: Path) -> None:
    common = ["experiment=points_mlp", "data.size=60", "callbacks=none", "logger=none"]
    folder = train(composed(*common, "trainer.max_epochs=1", f"logs={tmp_path}")).folder
    status, out, err = command(f"resume={folder}", "schedule.warmup=1", "trainer.max_epochs=2")
    assert (status, err) == (0, "")
    assert "finished: 2 epochs, 12 steps" in out
    assert RunFolder(folder).config.schedule.warmup == 1
    for overrides, message in [
        (["+x=1"], "+x=1: must be key=value when a run is resumed"),
        (["trainer.max_epochs=5,6"], "trainer.max_epochs=5,6: must be key=value when a run is re"),
        (["trainer.max_epochs=0"], "trainer.max_epochs=0: must be a whole number at least 1"),
        (["hydra.run.dir=x"], "hydra.run.dir: can't be set: a sweep lies in <logs>/<name>/swe"),
        ([], f"{folder}: trained max_epochs=2 already; set a larger trainer.max_epochs"),
    ]:
        status, out, err = command(f"resume={folder}", *overrides)
        assert (status, out) == (1, "")
        assert err.startswith(f"mlp_lab: {message}")
        assert len(err.splitlines()) == 1
    for missing in ("nowhere", "x" * 300):
        for flags in ([], ["-m"]):
            status, out, err = command(*flags, f"resume={missing}")
            assert (status, out) == (1, "")
            assert err.startswith(f"mlp_lab: {missing}")
            assert len(err.splitlines()) == 1
    status, _, err = command(f"resume={folder}/checkpoints/last.ckpt")
    assert (status, err) == (
        1,
        f"mlp_lab: {folder}/checkpoints/last.ckpt: must be the run folder: {folder}"
        " checkpoint=last\n",
    )


def test_values_that_lightning_passes_to_its_processes_are_accepted() -> None:
    overrides = ['hydra.run.dir="."', "hydra.output_subdir=null"]
    refuse_reserved(OverridesParser.create().parse_overrides(overrides))


@pytest.mark.parametrize(
    "override",
    ["hydra.run.dir=x", "hydra.sweep.dir=x", "hydra.mode=MULTIRUN", "hydra.job.chdir=true"],
)
def test_keys_that_move_outputs_are_refused(
    override: str, command: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    message = f"mlp_lab: {override.partition('=')[0]}: can't be set: a sweep lies in"
    for flags in ([], ["-m", "seed=1,2"]):
        status, out, err = command(*flags, override)
        assert (status, out, len(err.splitlines())) == (1, "", 1)
        assert err.startswith(message)
    assert list(tmp_path.iterdir()) == []


@forks
@pytest.mark.slow
def test_a_distributed_run_is_resumed_within_an_epoch(tmp_path: Path) -> None:
    def run(*overrides: str) -> None:
        fork_two_processes(train_command, [str(SCRIPT), *overrides])

    common = ["experiment=points_mlp", "data.size=60", "trainer=ddp", "trainer.max_epochs=2"]
    common += ["callbacks=none", "logger=none", "schedule=constant"]
    for name, steps in (("whole", 12), ("parts", 9)):
        run(*common, f"trainer.max_steps={steps}", f"logs={tmp_path / name}")
    [whole], [parts] = (
        list((tmp_path / name / "points_mlp").iterdir()) for name in ("whole", "parts")
    )
    run(f"resume={parts}", "trainer.max_steps=12")
    assert_equal_weights(whole, parts)
    assert RunFolder(parts).config.trainer.max_steps == 12
