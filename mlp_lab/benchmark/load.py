"""Memory, open files and time of sweeps with many jobs and of a run with many epochs."""

import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from mlp_lab.config.command_line import interpreter_command
from mlp_lab.errors import UserError
from mlp_lab.formatting import markdown

_POINTS = ("experiment=points_mlp", "callbacks=default", "network.width=8", "network.depth=1")
#: Commands by title, with the number of runs or epochs. Jobs with other points train one by one.
COMMANDS = {
    "1,000 jobs of stacks": (
        ["-m", *_POINTS, "data.points_seed=0", "trainer.max_epochs=20", "seed=range(1000)"],
        1_000,
    ),
    "200 jobs one by one": (["-m", *_POINTS, "trainer.max_epochs=20", "seed=range(200)"], 200),
    "2,000 epochs of a run": ([*_POINTS, "trainer.max_epochs=2000"], 2_000),
}
_PARTS = 5  # of a command, whose values are compared
_INTERVAL = 1.0  # seconds between samples


@dataclass(frozen=True)
class Sample:
    """State of a command at a time.

    Attributes:
        seconds: time since its start.
        done: finished jobs, or epochs of a single run.
        memory: resident memory of the largest of its processes in bytes.
        files: open files of the process that has most of them.
    """

    seconds: float
    done: int
    memory: int
    files: int


def measure() -> Iterator[str]:
    """Yield a Markdown table for each command: its values in equal parts of the jobs or epochs.

    Raises UserError if a command fails.
    """
    for title, (overrides, total) in COMMANDS.items():
        with tempfile.TemporaryDirectory() as logs:
            samples = list(_samples([*overrides, f"logs={logs}"], Path(logs)))
        unit = title.split()[1]
        header = [title, f"ms per {unit.removesuffix('s')}", "MiB per process", "open files"]
        yield markdown(header, _rows(samples, total))


def _samples(overrides: Sequence[str], logs: Path) -> Iterator[Sample]:
    """Run ``train.py`` and yield a sample at each interval until it ends."""
    command = interpreter_command("train", overrides)
    start = time.perf_counter()
    errors = logs / "errors.txt"
    with (
        errors.open("w") as stderr,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr) as process,
    ):
        while process.poll() is None:
            time.sleep(_INTERVAL)
            if sizes := list(_sizes(psutil.Process(process.pid))):
                memory, files = map(max, zip(*sizes, strict=True))
                yield Sample(time.perf_counter() - start, _done(logs), memory, files)
    if process.returncode:
        [*_, reason] = ["", *errors.read_text().splitlines()]
        status = f"ended with status {process.returncode}"
        raise UserError(f"train.py {' '.join(overrides)}: {status} {reason}".rstrip())


def _sizes(parent: psutil.Process) -> Iterator[tuple[int, int]]:
    """Yield memory in bytes and number of open files of a process and its children."""
    for process in [parent, *parent.children(recursive=True)]:
        try:
            yield process.memory_info().rss, process.num_fds()
        except psutil.NoSuchProcess:  # it has ended meanwhile
            continue


def _done(logs: Path) -> int:
    """Return the number of finished runs; the number of epochs if there is only one run."""
    histories = list(logs.rglob("history.csv"))
    if len(histories) == 1:
        return len(histories[0].read_bytes().splitlines()) - 1
    return sum((history.parent / "result.json").is_file() for history in histories)


def _rows(samples: Sequence[Sample], total: int) -> Iterable[list[str]]:
    """Yield a row for each part."""
    for part in range(_PARTS):
        first, last = (total * n // _PARTS for n in (part, part + 1))
        name = f"{first + 1:,} to {last:,}"
        within = [s for s in samples if first < s.done <= last]
        before = [s for s in samples if s.done <= first]
        if not within or not before:  # several jobs can end between two samples
            yield [name, "-", "-", "-"]
            continue
        # Not the last sample: a command draws figures and writes tables after its last job.
        after = next(s for s in within if s.done == within[-1].done)
        span = (after.seconds - before[-1].seconds) / (after.done - before[-1].done)
        yield [
            name,
            f"{1e3 * span:.0f}",
            f"{max(s.memory for s in within) / 2**20:.0f}",
            str(max(s.files for s in within)),
        ]
