"""Fixtures for tests with damaged and hostile files and wrong command lines."""

import gzip
import hashlib
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from helpers import composed

from mlp_lab.data.mnist import MNIST
from mlp_lab.runs.train import train

OVERRIDES = ["experiment=curve_fit", "callbacks=none", "trainer.accelerator=cpu"]
# What the tests of a module count, in the summary of ``pytest -m faults``.
_KINDS = {
    "test_command_lines": "wrong command lines",
    "test_valid_configs": "random valid configs",
    "test_damaged_checkpoints": "damaged and hostile checkpoints",
    "test_damaged_runs": "damaged files of runs, sweeps, searches and data",
    "test_images": "damaged and hostile images and archives",
    "test_kills": "kills",
    "test_determinism": "presets that are repeated",
}


@pytest.fixture(autouse=True)
def _count(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """Record how many cases a test has: its parameter ``cases`` or ``count``, or 1."""
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    kind = _KINDS.get(request.module.__name__, "other hostile files, and other faults")
    cases = parameters.get("cases", parameters.get("count", 1))
    record_property("faults", (kind, cases))


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run of two epochs on a curve, which tests must copy."""
    logs = tmp_path_factory.mktemp("logs")
    overrides = [*OVERRIDES, "trainer.max_epochs=2", f"logs='{logs}'"]
    return Path(train(composed(*overrides), overrides).folder)


@pytest.fixture
def run_copy(finished_run: Path, tmp_path: Path) -> Path:
    """Return a copy of ``finished_run`` that a test may change."""
    return shutil.copytree(finished_run, tmp_path / "run")


class Mirror(http.server.SimpleHTTPRequestHandler):
    """A mirror of MNIST, which logs nothing."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(
    tiny_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, bytes]]:
    """Let ``MNIST`` download the small MNIST from a server in this process; yield its files."""
    raw, packed = tiny_mnist / "MNIST" / "raw", tmp_path / "mirror"
    packed.mkdir()
    files = {name: (raw / name).read_bytes() for name in MNIST.md5}
    resources = []
    for name, content in files.items():
        (packed / f"{name}.gz").write_bytes(gzip.compress(content))
        md5 = hashlib.md5((packed / f"{name}.gz").read_bytes()).hexdigest()
        resources.append((f"{name}.gz", md5))
    digests = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    handler = partial(Mirror, directory=packed)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setattr(MNIST, "md5", digests)
        monkeypatch.setattr(MNIST.dataset, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        monkeypatch.setattr(MNIST.dataset, "resources", resources)
        yield files
        server.shutdown()
