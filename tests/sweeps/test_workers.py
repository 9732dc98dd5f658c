"""Work that is spread over forked processes, held against the same work in this one."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from helpers import forks, soon
from hypothesis import given
from hypothesis import strategies as st

from mlp_lab.sweeps.workers import Tell, spread

pytestmark = forks


class Heard:
    """What the first process hears of works."""

    def __init__(self) -> None:
        self.messages: list[list[Any]] = []
        self.values: dict[Any, Any] = {}

    def source(self) -> Tell:
        told: list[Any] = []
        self.messages.append(told)

        def hear(message: Any) -> None:
            told.append(message)
            self.react(message)

        return hear

    def react(self, message: Any) -> None:
        """What hearing a message leads to."""


def spread_out(
    works: list, processes: int, do: Callable[[Any, Tell], Any], heard: Heard | None = None
) -> Heard:
    heard = heard or Heard()
    spread(
        works,
        processes,
        lambda tell: lambda work: do(work, tell),
        heard.source,
        heard.values.__setitem__,
    )
    return heard


def square(work: int, tell: Tell) -> tuple[int, int]:
    tell(f"at {work}")
    return work * work, os.getpid()


@given(st.lists(st.integers(), unique=True, max_size=6), st.integers(1, 4))
def test_each_work_is_done_once_in_few_processes(works: list[int], processes: int) -> None:
    heard = spread_out(works, processes, square)
    assert {work: value for work, (value, _) in heard.values.items()} == {w: w * w for w in works}
    pids = {pid for _, pid in heard.values.values()}
    assert os.getpid() not in pids
    assert len(pids) <= len(heard.messages) <= min(processes, len(works))
    told = sorted(message for told in heard.messages for message in told if message is not None)
    assert told == sorted(f"at {work}" for work in works)
    assert sum(told.count(None) for told in heard.messages) == len(works)


def test_a_process_keeps_what_it_has_made() -> None:
    heard = Heard()

    def begin(tell: Tell) -> Callable[[int], int]:
        done: list[int] = []

        def do(work: int) -> int:
            done.append(work)
            return len(done)

        return do

    spread([5, 6, 7], 1, begin, heard.source, heard.values.__setitem__)
    assert heard.values == {5: 1, 6: 2, 7: 3}


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "signal 9 (Killed)"),
        (lambda: os._exit(3), "exit status 3"),
    ],
)
def test_a_process_that_dies_loses_its_own_work_alone(end: Callable, how: str) -> None:
    def do(work: int, tell: Tell) -> int:
        if work == 1:
            end()
        return work

    heard = spread_out([0, 1, 2, 3], 2, do)
    assert heard.values == {0: 0, 1: f"its process ended with {how}", 2: 2, 3: 3}


def test_a_fault_is_raised_when_the_others_have_been_interrupted(
    capfd: pytest.CaptureFixture,
) -> None:
    def do(work: int, tell: Tell) -> str:
        if not work:
            return f"{1 / work}"
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            tell("interrupted")
        return "ended"

    heard = Heard()
    with pytest.raises(ZeroDivisionError) as caught:
        spread_out([1, 0, 2], 2, do, heard)
    assert "in do" in "".join(caught.value.__notes__)
    assert heard.values == {1: "ended"}
    assert ["interrupted", None] in heard.messages
    assert capfd.readouterr().err == ""


def test_a_fault_of_what_hears_interrupts_all() -> None:
    class Deaf(Heard):
        def react(self, message: Any) -> None:
            if message == "begun":
                raise OSError("nobody reads this")

    def do(work: int, tell: Tell) -> str:
        tell("begun")
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            tell("interrupted")
        return "ended"

    heard = Deaf()
    with pytest.raises(OSError, match="nobody reads this"):
        spread_out([1, 2, 3], 2, do, heard)
    assert ["begun", "interrupted", None] in heard.messages
    assert set(heard.values.items()) <= {(1, "ended"), (2, "ended")}


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_reaches_each_once(name: str) -> None:
    """Two signals to this process, and two of a terminal's to the others."""

    class Interrupting(Heard):
        def react(self, message: Any) -> None:
            if self.messages in ([["begun"]] * 2, [["begun", "interrupted"], ["begun"]]):
                os.kill(os.getpid(), getattr(signal, name))

    def do(work: int, tell: Tell) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            tell("begun")
            time.sleep(60)
        except KeyboardInterrupt:
            tell("interrupted")
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.2)
        return "ended"

    heard, before = Interrupting(), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        spread_out([1, 2, 3, 4], 2, do, heard)
    assert heard.values == {1: "ended", 2: "ended"}
    assert heard.messages == [["begun", "interrupted", None]] * 2
    assert signal.getsignal(signal.SIGTERM) is before


def test_works_die_with_the_first_process(tmp_path: Any) -> None:
    def do(work: int, tell: Tell) -> None:
        (tmp_path / f"{work}.part").write_text(str(os.getpid()))
        (tmp_path / f"{work}.part").rename(tmp_path / str(work))
        time.sleep(60)

    first = os.fork()
    if not first:
        try:
            spread([0, 1], 2, lambda tell: lambda work: do(work, tell), lambda: print, print)
        finally:
            os._exit(1)
    files = [tmp_path / "0", tmp_path / "1"]
    soon(lambda: all(file.exists() for file in files), seconds=10)
    workers = [int(file.read_text()) for file in files]
    assert all(map(alive, workers))
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    soon(lambda: not any(map(alive, workers)), seconds=10)  # long before they would end alone


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
