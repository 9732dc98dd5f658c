"""Items run in forked processes, compared with the same items in this process."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import forks, wait_until
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_lab.sweeps.workers import Send, run_in_processes

pytestmark = forks


class Received:
    """Messages that the first process receives."""

    def __init__(self) -> None:
        self.messages: list[list[Any]] = []
        self.values: dict[Any, Any] = {}

    def listener(self) -> Send:
        messages: list[Any] = []
        self.messages.append(messages)

        def on_message(message: Any) -> None:
            messages.append(message)
            self.react(message)

        return on_message

    def react(self, message: Any) -> None:
        """React to a message."""

    def on_death(self, item: Any, reason: str) -> bool:
        self.values[item] = reason
        return False


def run(
    items: list, processes: int, do: Callable[[Any, Send], Any], received: Received | None = None
) -> Received:
    received = received or Received()
    run_in_processes(
        items,
        processes,
        lambda send: lambda item: do(item, send),
        received.listener,
        received.values.__setitem__,
        received.on_death,
    )
    return received


def square(item: int, send: Send) -> tuple[int, int]:
    send(f"at {item}")
    return item * item, os.getpid()


@given(st.lists(st.integers(), unique=True, max_size=6), st.integers(1, 4))
@settings(max_examples=10)
def test_each_item_runs_once_in_few_processes(items: list[int], processes: int) -> None:
    received = run(items, processes, square)
    assert {item: value for item, (value, _) in received.values.items()} == {
        w: w * w for w in items
    }
    pids = {pid for _, pid in received.values.values()}
    assert os.getpid() not in pids
    assert len(pids) <= len(received.messages) <= min(processes, len(items))
    sent = sorted(m for messages in received.messages for m in messages if m is not None)
    assert sent == sorted(f"at {item}" for item in items)
    assert sum(messages.count(None) for messages in received.messages) == len(items)


def test_a_worker_keeps_its_state() -> None:
    received = Received()

    def begin(send: Send) -> Callable[[int], int]:
        done: list[int] = []

        def do(item: int) -> int:
            done.append(item)
            return len(done)

        return do

    run_in_processes(
        [5, 6, 7], 1, begin, received.listener, received.values.__setitem__, received.on_death
    )
    assert received.values == {5: 1, 6: 2, 7: 3}


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "signal 9 (Killed)"),
        (lambda: os._exit(3), "exit status 3"),
    ],
)
def test_a_killed_worker_loses_only_its_item(end: Callable, how: str) -> None:
    def do(item: int, send: Send) -> int:
        if item == 1:
            end()
        return item

    received = run([0, 1, 2, 3], 2, do)
    assert received.values == {0: 0, 1: f"its process ended with {how}", 2: 2, 3: 3}


def test_an_item_whose_process_died_is_processed_again_on_request(tmp_path: Path) -> None:
    def do(item: int, send: Send) -> int:
        if item == 1 and not (tmp_path / "again").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    class Repeating(Received):
        def on_death(self, item: Any, reason: str) -> bool:
            (tmp_path / "again").touch()
            return True

    assert run([0, 1, 2], 2, do, Repeating()).values == {0: 0, 1: 1, 2: 2}


def test_an_error_in_a_worker_is_raised_after_the_others_are_interrupted(
    capfd: pytest.CaptureFixture,
) -> None:
    def do(item: int, send: Send) -> str:
        if not item:
            return f"{1 / item}"
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            send("interrupted")
        return "ended"

    received = Received()
    with pytest.raises(ZeroDivisionError) as caught:
        run([1, 0, 2], 2, do, received)
    assert "in do" in "".join(caught.value.__notes__)
    assert received.values == {1: "ended"}
    assert ["interrupted", None] in received.messages
    assert capfd.readouterr().err == ""


def test_an_error_of_the_listener_interrupts_all_workers() -> None:
    class Deaf(Received):
        def react(self, message: Any) -> None:
            if message == "begun":
                raise OSError("nobody reads this")

    def do(item: int, send: Send) -> str:
        send("begun")
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            send("interrupted")
        return "ended"

    received = Deaf()
    with pytest.raises(OSError, match="nobody reads this"):
        run([1, 2, 3], 2, do, received)
    assert ["begun", "interrupted", None] in received.messages
    assert set(received.values.items()) <= {(1, "ended"), (2, "ended")}


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_reaches_each_worker_once(name: str) -> None:
    """Two signals are sent to this process and two by a terminal to all processes."""

    class Interrupting(Received):
        def react(self, message: Any) -> None:
            if self.messages in ([["begun"]] * 2, [["begun", "interrupted"], ["begun"]]):
                os.kill(os.getpid(), getattr(signal, name))

    def do(item: int, send: Send) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            send("begun")
            time.sleep(60)
        except KeyboardInterrupt:
            send("interrupted")
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.2)
        return "ended"

    received, before = Interrupting(), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        run([1, 2, 3, 4], 2, do, received)
    assert received.values == {1: "ended", 2: "ended"}
    assert received.messages == [["begun", "interrupted", None]] * 2
    assert signal.getsignal(signal.SIGTERM) is before


def test_workers_end_with_the_first_process(tmp_path: Any) -> None:
    def do(item: int, send: Send) -> None:
        (tmp_path / f"{item}.part").write_text(str(os.getpid()))
        (tmp_path / f"{item}.part").rename(tmp_path / str(item))
        time.sleep(60)

    first = os.fork()
    if not first:
        try:
            run_in_processes(
                [0, 1], 2, lambda send: lambda item: do(item, send), lambda: print, print, print
            )
        finally:
            os._exit(1)
    files = [tmp_path / "0", tmp_path / "1"]
    wait_until(lambda: all(file.exists() for file in files), seconds=10)
    workers = [int(file.read_text()) for file in files]
    assert all(map(alive, workers))
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    wait_until(lambda: not any(map(alive, workers)), seconds=10)  # long before they would end alone


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
