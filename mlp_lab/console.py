"""What a run says on the terminal, and in its train.log."""

import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def console(path: Path | None, *, silent: bool = False) -> Iterator[None]:
    """Send what this package logs to standard output and to the file ``path``."""
    logger = logging.getLogger("mlp_lab")
    handlers: list[logging.Handler] = []
    if not silent:
        handlers.append(logging.StreamHandler(sys.stdout))
        if path is not None:
            handlers.append(logging.FileHandler(path))
            handlers[-1].setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.raiseExceptions = False  # a reader that goes away (| head) is no fault
    # TensorBoard writes in a thread; when the disk is full, the main thread meets the same error.
    threading.excepthook = _all_but_files
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        threading.excepthook = threading.__excepthook__
        for handler in handlers:
            logger.removeHandler(handler)
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
