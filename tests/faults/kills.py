"""End a process with SIGKILL at an exact change of its files, or after some CPU time.

Python reports to audit hooks when a file is about to be opened, renamed, created or removed. A hook
can kill the process at any of these moments, also within functions that write files atomically.
"""

import os
import random
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PreExec = Callable[[], None]  # called in a forked process before the command

# Audit events that change the names in a folder; the first argument is a path.
_EVENTS = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def changes_written_to(log: Path, folder: Path) -> PreExec:
    """Return a function after which each change of a file in ``folder`` is a line of ``log``."""

    def install() -> None:
        sys.addaudithook(_on_change(folder, _appender(log)))

    return install


def killed_before(
    change: int, folder: Path, *, in_worker: bool = False, group: bool = False
) -> PreExec:
    """Return a function after which a process is killed before its n-th change of a file.

    Args:
        change: number of the change, from 0.
        folder: only changes in and below this folder count.
        in_worker: count the changes of each process that the first one starts, and kill that one.
        group: kill all processes of the group.
    """

    def install() -> None:
        first, counts = os.getpid(), dict[int, int]()

        def kill(_: str) -> None:
            here = os.getpid()
            counts[here] = counts.get(here, -1) + 1
            if counts[here] == change and (here != first) == in_worker:
                (os.killpg if group else os.kill)(os.getpgid(0) if group else here, signal.SIGKILL)

        sys.addaudithook(_on_change(folder, kill))

    return install


def killed_after(seconds: float) -> PreExec:
    """Return a function after which a process dies when it has used some seconds of CPU time.

    The signal has its default action: the process ends at once, as with SIGKILL.
    """

    def install() -> None:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds)

    return install


def cpu_seconds_of_children() -> float:
    """Return the CPU time of all processes that this one has started and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def moments(
    count: int, changes: int, seconds: float, folder: Path, *, in_worker: bool = False
) -> Iterator[PreExec]:
    """Yield ``count`` moments to kill a process: at changes of files and, every third, in between.

    Args:
        count: number of moments.
        changes: number of changes of files by a process that is not killed.
        seconds: its CPU time.
        folder: see ``killed_before``.
        in_worker: see ``killed_before``. Then all moments are changes of files, and every second
            one kills all processes.
    """
    rng = random.Random(0)
    for number in range(count):
        change = int((number + 0.5) / count * changes)
        if in_worker:
            yield killed_before(change, folder, in_worker=True, group=number % 2 == 1)
        elif number % 3 == 2:
            # On a busy machine, the same work takes more or less CPU time.
            yield killed_after(rng.uniform(0.1, 0.8) * seconds)
        else:
            yield killed_before(change, folder)


def _on_change(folder: Path, call: Callable[[str], None]) -> Callable[[str, tuple[Any, ...]], None]:
    """Return an audit hook that calls ``call`` before a file in ``folder`` is changed."""
    inside = f"{folder}{os.sep}"

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and len(arguments) > 2 and arguments[2] & _WRITES
        if not (writes or event in _EVENTS):
            return
        path = arguments[0]
        if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(inside):
            call(f"{event} {os.fspath(path)}")

    return hook


def _appender(log: Path) -> Callable[[str], None]:
    def append(line: str) -> None:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{os.getpid()} {line}\n".encode())
        os.close(descriptor)

    return append
