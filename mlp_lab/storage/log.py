"""Log to the ``train.log`` of a run and to the terminal."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def console(*paths: Path, terminal: bool = True) -> Iterator[None]:
    """Write the log messages of this package to files and, with ``terminal``, to standard output.

    An inner context replaces the outer one until it ends. At the end, the settings of ``logging``
    are as they were before.
    """
    logger = logging.getLogger("mlp_lab")
    outer = logger.handlers, logger.level, logger.propagate
    raises, hook = logging.raiseExceptions, threading.excepthook
    handlers: list[logging.Handler] = []
    if terminal:
        handlers.append(logging.StreamHandler(sys.stdout))
    for path in paths:
        handlers.append(logging.FileHandler(path, encoding="utf-8"))
        handlers[-1].setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.raiseExceptions = False  # a closed pipe (| head) is not an error
    # TensorBoard writes in a thread. If the disk is full, the main thread reports the same error.
    threading.excepthook = _ignore_os_errors
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = handlers
    try:
        yield
    finally:
        threading.excepthook = hook
        logging.raiseExceptions = raises
        logger.handlers, logger.level, logger.propagate = outer
        for handler in handlers:
            handler.close()


def _ignore_os_errors(fault: threading.ExceptHookArgs) -> None:
    if not issubclass(fault.exc_type, OSError):
        threading.__excepthook__(fault)
