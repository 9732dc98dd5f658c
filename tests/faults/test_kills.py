"""Runs that are killed and resumed equal runs that are not killed, bit for bit."""

import signal
import subprocess
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from forked_command import fork_command
from helpers import SCRIPT, Finished, forks
from in_process import assert_one_line, contents, run_command
from kills import changes_written_to, cpu_seconds_of_children, killed_before, moments

from mlp_lab.commands.predict import predict
from mlp_lab.commands.train import train
from mlp_lab.data.mnist import MNIST
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.storage.tensorboard import scalar_points
from mlp_lab.sweeps.comparison.equality import check_same

pytestmark = forks

KILLED = (-signal.SIGKILL, -signal.SIGPROF)
SMALL = ["network.width=16", "data.batch_size=16", "trainer.max_epochs=12"]
GAMES = [
    "experiment=td_gammon_quick", "data.size=300", "data.batch_size=20", "data.validation_size=20",
    "data.test_size=20", "data.opponent=random", "data.test_opponents=[random]",
    "trainer.max_epochs=10", "trainer.check_val_every_n_epoch=1", "network.width=5",
]  # fmt: skip
#: Overrides of a run or a sweep, and the number of kills in the long form.
COMMANDS = {
    "run": (SMALL, 14),
    "stack": (
        ["-m", *SMALL, "optimizer.lr=0.05,0.1", "seed=1,2", "hydra.launcher.processes=1"],
        10,
    ),
    "workers": (["-m", *SMALL, "network.depth=1,2", "hydra.launcher.processes=2"], 10),
    "search": (
        [
            "-m", *SMALL, "hydra/sweeper=search", "optimizer.lr=interval(0.01,0.1)",
            "network.depth=choice(1,2)", "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2",
            "hydra.launcher.processes=2",
        ],
        4,
    ),
    "games": (GAMES, 8),
}  # fmt: skip


class Commands:
    """Runs training commands, from start to end or until they are killed.

    Args:
        data: folder of the small MNIST.
        logs: folder to which all runs are written.
    """

    def __init__(self, data: Path, logs: Path) -> None:
        self._data = data
        self._logs = logs

    def run(self, *overrides: str, **options: object) -> tuple[Path | None, Finished]:
        """Return the folder of the new run or sweep, if there is one, and how the process ended."""
        before = set(self._folders())
        arguments = [str(SCRIPT), *overrides]
        if not overrides[0].startswith(("resume=", "config=")):
            arguments += [f"logs='{self._logs}'", "trainer.accelerator=cpu"]
            if overrides[0] != GAMES[0]:
                arguments.append(f"data.root='{self._data}'")
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = fork_command(train, arguments, **pipes, start_new_session=True, **options)
        out, err = process.communicate(timeout=500)
        assert "Traceback" not in out + err, err
        new = [folder for folder in self._folders() if folder not in before]
        return next(iter(new), None), Finished(process.returncode, out, err)

    def resume(self, folder: Path | None, overrides: list[str]) -> Path:
        """Continue a run or a sweep in another process; return the folder of the whole one.

        One that was killed before its first file or checkpoint starts again in another folder.
        """
        if folder is None or not any((folder / f"{n}.yaml").is_file() for n in ("config", "sweep")):
            return self.succeed(*overrides)
        run = RunFolder(folder)
        if (folder / "config.yaml").is_file():
            if run.result.status == "finished":  # only its figures are missing
                return folder
            if run.checkpoints.of_last_whole_epoch is None:
                _, finished = self.run(f"resume={folder}")
                assert_one_line(finished, "to start again: ", f"config={folder}/config.yaml")
                return self.succeed(f"config={folder}/config.yaml")
        self.succeed(f"resume={folder}")
        return folder

    def succeed(self, *overrides: str, **options: object) -> Path:
        """Run a command to its end; return the folder of the new or resumed run or sweep."""
        folder, finished = self.run(*overrides, **options)
        assert finished.returncode == 0, finished.err
        assert "mlp_lab:" not in finished.err
        return folder or Path(overrides[0].removeprefix("resume="))

    def _folders(self) -> list[Path]:
        sweeps = sorted(self._logs.glob("*/sweeps/2*"))
        return sweeps or sorted(self._logs.glob("*/2*"))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("run", 1),
        pytest.param("workers", 1, marks=pytest.mark.slow),
        *(pytest.param(name, n, marks=pytest.mark.faults) for name, (_, n) in COMMANDS.items()),
    ],
)
def test_killed_and_resumed(
    name: str,
    count: int,
    tiny_mnist: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    overrides, _ = COMMANDS[name]
    commands, log = Commands(tiny_mnist, tmp_path), tmp_path_factory.mktemp("changes") / "log"
    if name == "games":
        commands.succeed(*overrides)  # compiles the game
    used, kills = cpu_seconds_of_children(), 0
    whole = commands.succeed(*overrides, preexec_fn=changes_written_to(log, tmp_path))
    seconds = cpu_seconds_of_children() - used
    in_worker = name in ("workers", "search")
    by_process = Counter(line.partition(" ")[0] for line in log.read_text().splitlines())
    changes = min(by_process.values()) if in_worker else max(by_process.values())
    for moment in moments(count, changes, seconds, tmp_path, in_worker=in_worker):
        folder, finished = commands.run(*overrides, preexec_fn=moment)
        # If one worker is killed, another one continues; it may be killed, too.
        one = in_worker and "its process ended with signal 9" in finished.out
        # A process that writes fewer files than the first run ends before it is killed.
        was_killed = finished.returncode in KILLED or one
        assert was_killed or finished.returncode == 0
        kills += was_killed
        again = commands.resume(folder, overrides)
        assert check_same(str(whole), str(again)).startswith("equal: ")
        for run in again.rglob("config.yaml"):
            assert_continuous(run.parent)
    assert kills > 0.75 * count


def assert_continuous(folder: Path) -> None:
    """Assert that the event files have one point per epoch, and that no other files are left."""
    epochs = RunFolder(folder).result.epochs
    curves = scalar_points(folder)
    assert [step for step, _ in curves["loss/validation"]] == list(range(1, epochs + 1))
    assert list((folder / "checkpoints").glob(".*")) == []


def test_killed_while_writing_predictions(
    run_folder: Path, tiny_mnist: Path, tmp_path: Path
) -> None:
    images, output = tiny_mnist / "MNIST" / "raw" / "t10k-images-idx3-ubyte", tmp_path / "x.csv"
    arguments = ["predict.py", f"run='{run_folder}'", f"images='{images}'", f"output='{output}'"]
    before = contents(run_folder)
    for change in (0, 1):  # before the file is opened, and before it is renamed
        moment = killed_before(change, tmp_path)
        process = fork_command(predict, arguments, preexec_fn=moment)
        assert process.wait(100) == -signal.SIGKILL
        assert not output.exists()
    assert run_command("predict", *arguments[1:]).returncode == 0
    assert len(output.read_text().splitlines()) == 401
    assert contents(run_folder) == before


@pytest.mark.parametrize("count", [1, pytest.param(6, marks=pytest.mark.faults)])
def test_killed_while_downloading(
    count: int, mirror: dict[str, bytes], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def download(root: Path) -> None:
        MNIST(
            root=str(root), train_size=None, standardize=True, batch_size=1, seed=0, limits={}
        ).prepare_data()

    def downloaded(root: Path) -> bool:
        return {name: (root / "MNIST" / "raw" / name).read_bytes() for name in mirror} == mirror

    log = tmp_path_factory.mktemp("changes") / "log"
    whole = tmp_path / "whole"
    process = fork_command(
        partial(download, whole), ["download"], preexec_fn=changes_written_to(log, whole)
    )
    assert process.wait(100) == 0
    assert downloaded(whole)
    changes = len(log.read_text().splitlines())
    for number in range(count):
        root = tmp_path / str(number)
        moment = killed_before((2 * number + 1) * changes // (2 * count), root)
        process = fork_command(partial(download, root), ["download"], preexec_fn=moment)
        assert process.wait(100) == -signal.SIGKILL
        download(root)
        assert downloaded(root)
