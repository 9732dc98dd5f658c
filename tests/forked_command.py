"""A command in a process that is forked from the tests' process.

A new interpreter would import torch and Lightning again, which takes most of the time of a test.
"""

import os
import resource
import signal
import socket
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from lightning_utilities.core.rank_zero import rank_zero_only


def fork_command(
    main: Callable[[], None],
    arguments: list[str],
    preexec_fn: Callable[[], None] | None = None,
    **options: object,
) -> subprocess.Popen:
    """Start a command in a forked process.

    Args:
        main: function that runs the command.
        arguments: the command line: script and arguments.
        preexec_fn: called in the process before ``main``.
        options: further options of ``Popen``, such as ``stdout``.
    """

    def run() -> NoReturn:
        if preexec_fn is not None:
            preexec_fn()
        _run(main, arguments)

    # Popen calls preexec_fn in the forked process, where standard input and output are those of the
    # options. As it never returns, no other program is started.
    # Signals that Python ignores, such as that of a full disk, stay ignored.
    with warnings.catch_warnings():
        # Python 3.12 warns if other threads run. They do not hold locks that the command needs.
        warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)
        return subprocess.Popen(arguments, preexec_fn=run, restore_signals=False, **options)


def fork_two_processes(main: Callable[[], None], arguments: list[str]) -> str:
    """Run a command in two forked processes, as torchrun would; return what the first one prints.

    Fails if one of them fails.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    common = {"TORCHELASTIC_RUN_ID": "none", "MASTER_ADDR": "localhost", "MASTER_PORT": port,
              "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}  # fmt: skip
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    processes = []
    for rank in (0, 1):
        join = partial(_join, rank, common | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        processes.append(fork_command(main, arguments, join, **pipes))
    try:
        outputs = [process.communicate(timeout=200)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], outputs
    return outputs[0]


def _join(rank: int, variables: dict[str, str]) -> None:
    os.environ.update(variables)
    rank_zero_only.rank = rank  # read from the environment when Lightning is imported


def _run(main: Callable[[], None], arguments: list[str]) -> NoReturn:
    """Run a command as a new interpreter would, then end the process."""
    # Popen waits until its pipe is closed. The command needs no other files of the tests, either.
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    sys.argv = arguments
    status = 1
    try:
        main()
        status = 0
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        else:
            status = stop.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
