"""Make a command independent of settings that its process inherits from other programs."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from io import TextIOWrapper

from mlp_lab.config.plugin_modules import VARIABLE
from mlp_lab.runs.cluster import without_cluster_variables
from mlp_lab.runs.environment import environment_variables

# Figures need neither a window nor the user's style. A notebook sets a backend that only it has,
# and matplotlib can't be imported with an unknown one.
_ENVIRONMENT = {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}
_INTERRUPTED = 130  # the exit status of a command that Ctrl-C ended


def entry_point(command: Callable[[], None]) -> Callable[[], None]:
    """Return a command that runs in an environment as mlp_lab needs it, and restores it.

    The command can write any text to any stream: to closed ones, to those that only accept ASCII,
    and to a pipe whose reader ends early (``| head``), which ends the command silently.
    """

    @wraps(command)
    def run() -> None:
        _open_streams()
        # The command adds plug-ins to the variable, for the processes that it starts.
        environment = _ENVIRONMENT | {VARIABLE: os.environ.get(VARIABLE, "")}
        with (
            _sigterm_as_interrupt(),
            environment_variables(environment),
            without_cluster_variables(),
        ):
            try:
                command()
            except BrokenPipeError:
                sys.exit(1)
            finally:
                _flush()

    return run


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C: a run writes its checkpoint. The exit status is 143, not 130."""
    received = False

    def handle(*_: object) -> None:
        nonlocal received
        if not received:  # a second one would disturb the end of the run
            received = True
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    except SystemExit as stop:
        if received and stop.code == _INTERRUPTED:
            sys.exit(128 + signal.SIGTERM)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _open_streams() -> None:
    """Open streams that are closed, and escape characters that a stream can't encode."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed: a file would get its number, and the output of this process
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, TextIOWrapper) and name != "stdin":
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    """Flush standard output; discard it if its reader has ended, or Python would print an error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
