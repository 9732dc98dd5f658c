"""Run items in several processes that are forked from this one.

A forked process has all modules that this one has imported. Forking takes milliseconds; importing
torch and Lightning again takes seconds.

joblib and ``concurrent.futures`` are not used, since a worker of theirs can receive an interrupt
twice or not at all, and the second one would end a job that is writing its checkpoint. Here, each
worker receives exactly one, from the first process.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar, cast

Item = TypeVar("Item")
Value = TypeVar("Value")
Send = Callable[[Any], None]  # sends a message to the first process
OnMessage = Callable[[Any], None]
Begin = Callable[[Send], Callable[[Item], Value]]
OnDone = Callable[[Item, Value], None]
OnDeath = Callable[[Item, str], bool]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_in_processes(
    items: Sequence[Item],
    processes: int,
    begin: Begin[Item, Value],
    listener: Callable[[], OnMessage],
    on_done: OnDone[Item, Value],
    on_death: OnDeath[Item],
) -> None:
    """Process the items in their order, in at most ``processes`` processes at a time.

    Ctrl-C, SIGTERM and an exception in one process interrupt all others once. The exception is
    raised here when all processes have ended. If this process dies, the others end, too.

    Args:
        items: arguments of the function that ``begin`` returns.
        processes: maximum number of processes.
        begin: called in each process with a function that sends messages; returns the function
            that processes an item.
        listener: called for each process; returns the function that receives its messages, and
            None at the end of each item.
        on_done: called after each item with its value.
        on_death: called with an item whose process died, and the reason; returns whether to process
            the item again, in another process.
    """
    waiting = deque(items)
    workers: dict[Connection, _Worker[Item, Value]] = {}
    fault: BaseException | None = None
    with _killed_at_end(workers), _sigterm_as_interrupt():
        while waiting or workers:
            try:
                while waiting and len(workers) < processes:
                    with _signals_blocked():
                        worker = _Worker(begin, listener())
                        workers[worker.connection] = worker
                        worker.send_next(waiting)
                _receive_messages(workers, on_done, on_death, waiting)
            except BaseException as error:
                fault = fault or error
                waiting.clear()
                for worker in workers.values():
                    worker.interrupt()
    if fault is not None:
        raise fault


class _Worker(Generic[Item, Value]):
    """One process, which processes one item at a time.

    Args:
        begin: see ``run_in_processes``.
        on_message: receives the messages of the process.

    Attributes:
        connection: this process's end of the connection, for items, messages and values.
    """

    def __init__(self, begin: Begin[Item, Value], on_message: OnMessage) -> None:
        context = multiprocessing.get_context("fork")
        self.connection, far_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(far_end, begin), daemon=True)
        self.process.start()
        far_end.close()  # so that the connection closes when the process ends
        self._on_message = on_message
        self._item: Item | None = None
        self._interrupted = False

    def send_next(self, waiting: deque[Item]) -> None:
        """Send the next item, or None if there is none."""
        self._item = waiting.popleft() if waiting else None
        with suppress(BrokenPipeError):  # the process died; ``receive`` handles this
            self.connection.send(self._item)

    def receive(
        self, on_done: OnDone[Item, Value], on_death: OnDeath[Item], waiting: deque[Item]
    ) -> bool:
        """Handle one message; return whether the process continues. Raises its exceptions."""
        try:
            is_value, message = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            if self._item is not None and not self._interrupted:
                self._on_message(None)
                if on_death(self._item, _exit_reason(self.process.exitcode or 0)):
                    waiting.appendleft(self._item)
            return False
        if isinstance(message, BaseException):
            raise message
        if is_value:
            assert self._item is not None
            self._on_message(None)
            on_done(self._item, message)
            self.send_next(waiting)
        else:
            self._on_message(message)
        return True

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the process."""
        self._interrupted = True
        self.process.terminate()


def _receive_messages(
    workers: dict[Connection, _Worker[Item, Value]],
    on_done: OnDone[Item, Value],
    on_death: OnDeath[Item],
    waiting: deque[Item],
) -> None:
    """Wait for messages, handle one of each worker, and remove the workers that have ended."""
    for connection in wait(list(workers)):
        worker = workers[cast(Connection, connection)]
        if not worker.receive(on_done, on_death, waiting):
            del workers[worker.connection]


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt for SIGTERM, unless the command or a launcher handles it."""
    before = signal.getsignal(signal.SIGTERM)
    if before == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _killed_at_end(workers: dict[Connection, _Worker[Item, Value]]) -> Iterator[None]:
    """Kill the workers that still run when the context ends."""
    try:
        yield
    finally:
        for worker in workers.values():
            worker.process.kill()


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Block signals, in this process and in one that is forked in the meantime."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, begin: Begin[Item, Value]) -> None:
    """Process items in a forked process until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all its processes
    signal.signal(signal.SIGTERM, _interrupt_once())  # sent by the first process
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    with suppress(KeyboardInterrupt):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        try:
            process = begin(lambda message: connection.send((False, message)))
            while (item := connection.recv()) is not None:
                connection.send((True, process(item)))
        except Exception as fault:
            fault.add_note(traceback.format_exc())  # the traceback itself can't be sent
            connection.send((True, fault))


def _interrupt_once() -> Callable[..., None]:
    """Return a signal handler that raises KeyboardInterrupt for the first signal only.

    A second one would disturb the clean-up after the first.
    """
    interrupted = False

    def handle(*_: object) -> None:
        nonlocal interrupted
        if not interrupted:
            interrupted = True
            raise KeyboardInterrupt

    return handle


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _exit_reason(code: int) -> str:
    reason = f"exit status {code}" if code >= 0 else f"signal {-code} ({signal.strsignal(-code)})"
    return f"its process ended with {reason}"
