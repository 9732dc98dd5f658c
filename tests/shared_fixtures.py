"""Fixtures that several test modules use."""

import hashlib
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from cached_hydra import keep_configs
from forked_command import fork_command
from helpers import SCRIPT, Finished, Start, composed
from lightning_fabric.utilities import registry as external_callbacks
from omegaconf import DictConfig

from mlp_lab.config import plugin_modules, registered_activations, registry
from mlp_lab.config.metrics import METRICS
from mlp_lab.config.names import ACTIVATIONS
from mlp_lab.config.plugin_modules import VARIABLE
from mlp_lab.config.schemas import GROUPS
from mlp_lab.figures import rendering
from mlp_lab.images.codecs import encode_png
from mlp_lab.runs.callbacks import log_figure

_REGISTRIES: tuple[dict, ...] = (
    GROUPS, METRICS, registry._CLASSES, registered_activations._ACTIVATIONS,
)  # fmt: skip
_PIXELS = np.zeros((1, 1, 3), np.uint8)
_ONE_PIXEL = encode_png(_PIXELS)

hypothesis.settings.register_profile("mlp_lab", deadline=None, max_examples=30)
hypothesis.settings.load_profile("mlp_lab")


@pytest.fixture(autouse=True, scope="session")
def kept_configs() -> Iterator[pytest.MonkeyPatch]:
    """Let Hydra keep parts of configs in memory; see ``cached_hydra``."""
    with pytest.MonkeyPatch.context() as patch:
        keep_configs(patch)
        yield patch


@pytest.fixture(autouse=True, scope="session")
def kept_entry_points() -> Iterator[None]:
    """Read the metadata of the installed packages once.

    Lightning reads them for each trainer, ``check`` for each config that is not allowed.
    """

    @cache
    def read(path: tuple[str, ...]) -> EntryPoints:
        return entry_points()

    def select(**attributes: str) -> EntryPoints:
        return read(tuple(sys.path)).select(**attributes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(external_callbacks, "entry_points", select)
        patch.setattr(plugin_modules, "entry_points", select)
        yield


def _placeholders(draw: Callable, formats: Sequence[str]) -> dict[str, bytes]:
    return dict.fromkeys(formats, _ONE_PIXEL)


def _draw_without_rendering(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rendering, "_png", lambda figure: _ONE_PIXEL)
    patch.setattr(log_figure, "rgb_pixels", _drawn_frame)


def _drawn_frame(draw: Callable) -> np.ndarray:
    draw()
    return _PIXELS


@pytest.fixture(autouse=True)
def placeholders_of_figures(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Save one pixel instead of each figure and each frame of a run, an evaluation or a sweep.

    Figures would take half of the time of many tests that do not look at them. Tests marked
    ``draws`` draw them, but do not render them; tests marked ``renders`` do both.
    """
    if "draws" in request.keywords:
        _draw_without_rendering(monkeypatch)
    elif "renders" not in request.keywords:
        monkeypatch.setattr(rendering, "render_formats", _placeholders)
        monkeypatch.setattr(log_figure, "rgb_pixels", lambda draw: _PIXELS)


@pytest.fixture(scope="module")
def drawn_figures() -> Iterator[None]:
    """Draw the figures of the runs that a module shares, but save one pixel instead of each."""
    with pytest.MonkeyPatch.context() as patch:
        _draw_without_rendering(patch)
        yield


@pytest.fixture
def compose() -> Callable[..., DictConfig]:
    """``compose("network.width=3", ...)``: return the checked config of the command ``root``."""
    return composed


@pytest.fixture(scope="session")
def tiny_mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ``data.root`` with a small MNIST: 1,600 training, 320 validation, 400 test images.

    Each class is a random pattern with noise; 5 % of the labels are random.
    """
    root = tmp_path_factory.mktemp("data")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    patterns = random.integers(0, 2, (10, 28, 28)) * 128
    sums = []
    for prefix, size in (("train", 1_920), ("t10k", 400)):
        labels = random.permutation(size) % 10
        images = patterns[labels] + random.integers(0, 128, (size, 28, 28))
        labels = np.where(random.random(size) < 0.05, random.integers(0, 10, size), labels)
        contents = {
            "images-idx3": struct.pack(">4i", 0x0803, size, 28, 28) + images.astype("u1").tobytes(),
            "labels-idx1": struct.pack(">2i", 0x0801, size) + labels.astype("u1").tobytes(),
        }
        for name, content in contents.items():
            (raw / f"{prefix}-{name}-ubyte").write_bytes(content)
            sums.append(f"{hashlib.md5(content).hexdigest()}  {prefix}-{name}-ubyte\n")
    (raw / "MD5SUMS").write_text("".join(sums))
    return root


@pytest.fixture
def mnist_config(tiny_mnist: Path, tmp_path: Path) -> Callable[..., DictConfig]:
    """``mnist_config("network.width=3", ...)``: return the config of a run on the small MNIST."""
    common = ["trainer.accelerator=cpu", f"data.root='{tiny_mnist}'", f"logs='{tmp_path}'"]
    return lambda *overrides: composed(*common, *overrides)


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget the classes that a test registers and the modules of its plug-ins."""
    saved = [dict(v) for v in _REGISTRIES]
    names, modules, path = list(ACTIVATIONS), set(sys.modules), list(sys.path)
    monkeypatch.setenv(VARIABLE, "")
    yield
    for values, before in zip(_REGISTRIES, saved, strict=True):
        values.clear()
        values.update(before)
    ACTIVATIONS[:] = names
    sys.path[:] = path
    for module in set(sys.modules) - modules:
        if str(getattr(sys.modules[module], "__file__", "")).startswith(tempfile.gettempdir()):
            del sys.modules[module]


@pytest.fixture(scope="session")
def run_folder(tiny_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run of two epochs of 100 minibatches on the small MNIST.

    Tests that change files must copy the folder first.
    """
    from mlp_lab.runs.train import train

    overrides = [
        "experiment=mnist_hw4",
        "data.batch_size=16",
        "trainer.max_epochs=2",
        "trainer.accelerator=cpu",
        f"data.root='{tiny_mnist}'",
        f"logs='{tmp_path_factory.mktemp('logs')}'",
    ]
    result = train(composed(*overrides), overrides)
    assert result.status == "finished"
    return Path(result.folder)


@pytest.fixture
def start(tiny_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """``start("network.width=3", ...)``: start a training process on the small MNIST.

    On Linux the process is forked from this one, unless ``interpreter=True`` or the command starts
    processes that import the main module again, which is pytest here.
    """
    from mlp_lab.commands.train import train

    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    processes = []

    def run(
        *overrides: str, interpreter: bool = sys.platform != "linux", **options: object
    ) -> subprocess.Popen:
        common = [f"data.root='{tiny_mnist}'", f"logs='{tmp_path}'", "trainer.accelerator=cpu"]
        if overrides[0].startswith("resume="):
            common = []  # the config of the run contains them
        arguments = [str(SCRIPT), *overrides, *common]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        forking = {"hydra/launcher=basic", "hydra/launcher=vectorized"}.intersection(overrides)
        starting = any(o.startswith(("trainer=ddp", "hydra/launcher=")) for o in overrides)
        if interpreter or (starting and not forking):
            process = subprocess.Popen([sys.executable, *arguments], **options)
        else:
            process = fork_command(train, arguments, **options)
        processes.append(process)
        return process

    yield run
    for process in processes:
        if process.poll() is None:  # the test has failed
            process.kill()
            process.communicate()


@pytest.fixture
def command(
    tiny_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Finished]:  # fmt: skip
    """``command("-m", "seed=1,2", ...)``: run scripts/train.py on the small MNIST here."""
    from mlp_lab.commands.train import train

    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)

    def run(*overrides: str) -> Finished:
        common = [f"data.root='{tiny_mnist}'", f"logs='{tmp_path}'", "trainer.accelerator=cpu"]
        if overrides[0].startswith("resume="):
            common = []  # the config of the run contains them
        monkeypatch.setattr(sys, "argv", ["train.py", *overrides, *common])
        capsys.readouterr()
        status: object = 0
        try:
            train()
        except SystemExit as stop:
            status = stop.code
        out, err = capsys.readouterr()
        if isinstance(status, str):  # Python prints this text at exit
            return Finished(1, out, f"{err}{status}\n")
        return Finished(int(status or 0), out, err)

    return run
