"""The process that evaluates positions with the package gnubg-nn, and the messages to it."""

import atexit
import contextlib
import os
import subprocess
import sys
from functools import lru_cache
from threading import Lock

import numpy as np

from mlp_lab.errors import UserError
from mlp_lab.games.backgammon.opponents import gnubg_worker

PACKAGE = "gnubg-nn"
_SECONDS_TO_END = 5


def evaluate(kind: bytes, boards: np.ndarray) -> np.ndarray:
    """Return the package's evaluations of boards, float32 ``[boards, outputs]``.

    The first call starts the process, which ends with this process.

    Args:
        kind: ``PROBABILITIES`` or ``PUBEVAL`` of `gnubg_worker`.
        boards: int8 ``[boards, 2, 25]``, with row 1 on roll.

    Raises:
        UserError: the package is not installed, or its process has ended.
    """
    return _shared_process(os.getpid()).evaluate(kind, boards)


@lru_cache(maxsize=1)
def _shared_process(pid: int) -> "GnubgProcess":
    """Return the process that evaluates positions for the process ``pid``.

    A forked process starts another one: two processes must not mix their messages.
    """
    return GnubgProcess()


class GnubgProcess:
    """Process that runs `gnubg_worker`.

    Raises:
        UserError: the package is not installed.
    """

    def __init__(self) -> None:
        # -P: the modules beside the program are not importable as top-level modules.
        self._process = subprocess.Popen(
            [sys.executable, "-P", gnubg_worker.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._lock = Lock()  # from a request to its answer
        atexit.register(self.close)
        line = self._answers.readline().decode().strip()
        if line != gnubg_worker.READY:
            self.close()
            reason = line or f"its process ended with status {self._process.returncode}"
            raise UserError(
                f"pubeval and gnubg need the package {PACKAGE} ({reason}):"
                " pip install 'mlp-lab[opponents]'; the opponent random needs none"
            )

    def evaluate(self, kind: bytes, boards: np.ndarray) -> np.ndarray:
        """Return the package's evaluations of boards, float32 ``[boards, outputs]``.

        Raises:
            UserError: the process has ended.
        """
        outputs = gnubg_worker.OUTPUTS[kind]
        count = len(boards).to_bytes(gnubg_worker.COUNT_BYTES, sys.byteorder)
        size = np.dtype(np.float32).itemsize * len(boards) * outputs
        try:
            with self._lock:
                self._requests.write(kind + count + boards.astype(np.int8).tobytes())
                self._requests.flush()
                answer = self._answers.read(size)
            if len(answer) < size:
                raise BrokenPipeError
        except BrokenPipeError:
            self._discard()
            status = self._process.returncode
            raise UserError(f"the process of {PACKAGE} ended with status {status}") from None
        except BaseException:  # after Ctrl+C, the answer to this request would be the next one
            self._discard()
            raise
        return np.frombuffer(answer, np.float32).reshape(len(boards), outputs)

    def _discard(self) -> None:
        """End the process at once. The next evaluation starts another one."""
        _shared_process.cache_clear()
        self._process.kill()
        self.close()

    def close(self) -> None:
        """End the process and wait for its end."""
        atexit.unregister(self.close)
        with contextlib.suppress(BrokenPipeError):  # rest of a request to a process that has ended
            self._requests.close()
        try:
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()
