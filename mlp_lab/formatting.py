"""What a run says on the terminal and in its train.log, and how it shows numbers."""

import logging
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent


@contextmanager
def console(path: Path | None, *, terminal: bool = True) -> Iterator[None]:
    """Send what this package logs to the file ``path`` and, with ``terminal``, standard output.

    Inside another, it takes its place until it ends. Then all is as it was before.
    """
    logger = logging.getLogger("mlp_lab")
    own, whole = (logger.handlers, logger.level, logger.propagate), logging.raiseExceptions
    hook = threading.excepthook
    handlers: list[logging.Handler] = []
    if terminal:
        handlers.append(logging.StreamHandler(sys.stdout))
    if path is not None:
        handlers.append(logging.FileHandler(path))
        handlers[-1].setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.raiseExceptions = False  # a reader that goes away (| head) is no fault
    # TensorBoard writes in a thread; when the disk is full, the main thread meets the same error.
    threading.excepthook = _all_but_files
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = handlers
    try:
        yield
    finally:
        threading.excepthook = hook
        logging.raiseExceptions = whole
        logger.handlers, logger.level, logger.propagate = own
        for handler in handlers:
            handler.close()


def _all_but_files(fault: threading.ExceptHookArgs) -> None:
    if not issubclass(fault.exc_type, OSError):
        threading.__excepthook__(fault)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in plain text: the first column aligned left, the others right."""
    return indent(_table(header, rows, "plain"), "  ")


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown: the first column aligned left, the others right."""
    return _table(header, rows, "pipe")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], style: str) -> str:
    # Importing it takes tens of milliseconds, and most commands print no table.
    from tabulate import tabulate

    sides = ("left", *["right"] * (len(header) - 1))
    return tabulate(rows, header, style, disable_numparse=True, colalign=sides)


def metric(name: str, value: float | None) -> str:
    """A metric's value as people read it: errors in per cent, ``-`` where there is none."""
    if value is None:
        return "-"
    if name.partition("/")[0] in ("error", "ece"):
        return percent(value)
    shown = value == 0 or 0.001 <= abs(value) < 1000
    return f"{value:.4f}" if shown else f"{value:.4g}"


def percent(part: float) -> str:
    """A part of 1 in per cent."""
    return f"{100 * part:.2f} %"
