"""What a run says on the terminal and in its train.log, and how it shows numbers."""

import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


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


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in plain text: the first column flush left, the others flush right."""
    cells = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        first, *others = (
            c.ljust(w) if i == 0 else c.rjust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(["", first, *others]).rstrip()

    return "\n".join(map(line, cells))


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


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
