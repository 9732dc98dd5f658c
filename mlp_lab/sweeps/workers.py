"""Work for several processes, which are forked from this one: what is loaded here, each has.

To fork takes milliseconds; to load torch and Lightning once more takes seconds of a core.
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
from typing import Any, Generic, TypeVar

Work = TypeVar("Work")
Value = TypeVar("Value")
Tell = Callable[[Any], None]  # passes a message on
Begin = Callable[[Tell], Callable[[Work], Value]]
Done = Callable[[Work, Value | str], None]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def spread(
    works: Sequence[Work],
    processes: int,
    begin: Begin[Work, Value],
    source: Callable[[], Tell],
    done: Done[Work, Value],
) -> None:
    """Do all works, in their order, in at most so many processes at a time.

    Ctrl-C and SIGTERM reach each of them as one KeyboardInterrupt, and so does what one of them
    raises; when all have ended, it is raised here. If this process dies, so do they.

    Args:
        begin: called in each process, with what passes messages on; returns what does a work.
        source: called here for each process; returns what hears its messages, and None at the end
            of each work.
        done: called here after each work, with its value or, if its process died, how that ended.
    """
    waiting = deque(works)
    crew: dict[Connection, _Worker[Work, Value]] = {}
    fault: BaseException | None = None
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while waiting or crew:
            try:
                while waiting and len(crew) < processes:
                    with _undisturbed():
                        worker = _Worker(begin, source())
                        crew[worker.line] = worker
                        worker.take(waiting)
                for line in wait(list(crew)):
                    worker = crew[line]  # type: ignore[index]
                    if not worker.listen(done, waiting):
                        del crew[worker.line]
            except BaseException as error:
                fault = fault or error
                waiting.clear()
                for worker in crew.values():
                    worker.interrupt()
    finally:
        signal.signal(signal.SIGTERM, before)
        for worker in crew.values():
            worker.process.kill()
    if fault is not None:
        raise fault


class _Worker(Generic[Work, Value]):
    """One process, which does a work at a time.

    Args:
        begin, hear: see ``spread``.

    Attributes:
        line: through which it gets works and tells what comes of them.
    """

    def __init__(self, begin: Begin[Work, Value], hear: Tell) -> None:
        context = multiprocessing.get_context("fork")
        self.line, far_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(far_end, begin), daemon=True)
        self.process.start()
        far_end.close()  # so that the line ends when the process does
        self._hear = hear
        self._work: Work | None = None
        self._interrupted = False

    def take(self, waiting: deque[Work]) -> None:
        """Give it the next work, or tell it that there is none."""
        self._work = waiting.popleft() if waiting else None
        with suppress(BrokenPipeError):  # of one that died, which listening will show
            self.line.send(self._work)

    def listen(self, done: Done[Work, Value], waiting: deque[Work]) -> bool:
        """Hear what it has to say; return whether there is more to come. Raises its faults."""
        try:
            ended, said = self.line.recv()
        except (EOFError, OSError):
            self.process.join()
            if self._work is not None and not self._interrupted:
                self._hear(None)
                done(self._work, _how_ended(self.process.exitcode or 0))
            return False
        if isinstance(said, BaseException):
            raise said
        if ended:
            assert self._work is not None
            self._hear(None)
            done(self._work, said)
            self.take(waiting)
        else:
            self._hear(said)
        return True

    def interrupt(self) -> None:
        self._interrupted = True
        self.process.terminate()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep signals waiting, in this process and in one that is forked meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(line: Connection, begin: Begin[Work, Value]) -> None:
    """What a process does, until it gets no further work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all its processes
    signal.signal(signal.SIGTERM, _first_alone())  # the first process sends this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(KeyboardInterrupt):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        try:
            do = begin(lambda message: line.send((False, message)))
            while (work := line.recv()) is not None:
                line.send((True, do(work)))
        except Exception as fault:
            fault.add_note(traceback.format_exc())  # which no other process can tell
            line.send((True, fault))


def _first_alone() -> Callable[..., None]:
    """Interrupts once: another would come while what the first one left is written down."""
    interrupted = False

    def handle(*_: object) -> None:
        nonlocal interrupted
        if not interrupted:
            interrupted = True
            raise KeyboardInterrupt

    return handle


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _how_ended(code: int) -> str:
    how = f"exit status {code}" if code >= 0 else f"signal {-code} ({signal.strsignal(-code)})"
    return f"its process ended with {how}"
