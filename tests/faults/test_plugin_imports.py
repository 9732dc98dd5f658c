"""No file causes the import of a plug-in, or runs code through Hydra."""

import sys
from pathlib import Path

import pytest
import yaml
from damage import shortened
from helpers import composed
from in_process import assert_one_line, contents, read_run, run_command
from plugin_sources import SMALL

from mlp_lab.config import registry
from mlp_lab.config.names import ACTIVATIONS
from mlp_lab.config.plugin_modules import VARIABLE, import_plugins
from mlp_lab.config.schemas import GROUPS
from mlp_lab.errors import UserError
from mlp_lab.runs.train import train
from mlp_lab.storage.run_folder import RunFolder

pytestmark = pytest.mark.usefixtures("plugins")
READERS = ("evaluate", "predict", "resume")
HARMFUL = "import pathlib\npathlib.Path('harmed').touch()\n"


@pytest.fixture
def run_of_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a run whose network and activation are those of a plug-in that is not imported."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small_plugin.py").write_text(SMALL)
    (tmp_path / "conf" / "network").mkdir(parents=True)
    (tmp_path / "conf" / "network" / "small.yaml").write_text(
        "_target_: small_plugin.Small\nsize: 4    # hidden units\n"
    )
    arguments = [
        "--config-dir=conf", "experiment=logistic_regression", "network=small",
        "trainer.max_epochs=1", "callbacks=none", "trainer.accelerator=cpu",
        f"logs='{tmp_path}/logs'",
    ]  # fmt: skip
    done = run_command("train", *arguments, "plugins=[small_plugin]")
    assert done.returncode == 0, done.err
    [path] = tmp_path.glob("logs/*/2*")
    forget("small_plugin")
    return path


def forget(module: str) -> None:
    """Make this process one that has not imported a plug-in."""
    del sys.modules[module]
    for target in [t for t in registry._CLASSES if t.startswith(module)]:
        del registry._CLASSES[target]
        for group, schemas in GROUPS.items():
            GROUPS[group] = tuple(s for s in schemas if s._target_ != target)


@pytest.mark.parametrize("name", READERS)
def test_a_run_names_the_plugin_that_it_needs(name: str, run_of_plugin: Path) -> None:
    before = contents(run_of_plugin)
    assert_one_line(
        read_run(name, run_of_plugin),
        f"{run_of_plugin / 'config.yaml'}: network._target_=small_plugin.Small",
        "needs its plug-in: add plugins=[small_plugin] if you trust that code",
    )
    assert "small_plugin" not in sys.modules
    assert contents(run_of_plugin) == before


def test_a_run_is_evaluated_and_resumed_with_its_plugin(
    run_of_plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = "plugins=[small_plugin]"
    assert RunFolder(run_of_plugin).overrides[-1] == plugins
    done = run_command("evaluate", f"run='{run_of_plugin}'", "split=validation", plugins)
    assert done.returncode == 0, done.err
    more = "trainer.max_epochs=2"
    assert run_command("train", f"resume='{run_of_plugin}'", more, plugins).returncode == 0
    assert len(RunFolder(run_of_plugin).history) == 2
    forget("small_plugin")
    monkeypatch.setenv(VARIABLE, "small_plugin")
    assert run_command("evaluate", f"run='{run_of_plugin}'").returncode == 0


def test_an_activation_of_a_plugin_is_found_by_the_overrides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (
        "import mlp_lab\n@mlp_lab.register('activation')\ndef steep(x):\n    return (5 * x).tanh()"
    )
    (tmp_path / "steep_plugin.py").write_text(text)
    import_plugins(["steep_plugin"])
    overrides = [
        "experiment=curve_fit", "network.activation=steep", "trainer.max_epochs=1",
        "callbacks=none", "trainer.accelerator=cpu", f"logs='{tmp_path}/logs'",
    ]  # fmt: skip
    folder = train(composed(*overrides), [*overrides, "plugins=[steep_plugin]"]).folder
    RunFolder(folder).config  # noqa: B018
    monkeypatch.setenv(VARIABLE, "")
    ACTIVATIONS.remove("steep")
    message = r"activation=steep: must be one of .* \(the run used plugins=\[steep_plugin\]\)$"
    with pytest.raises(UserError, match=message):
        RunFolder(folder).config  # noqa: B018


@pytest.mark.parametrize("reader", shortened(READERS, 1))
@pytest.mark.parametrize("place", ["config", "top", "overrides"])
def test_files_of_a_run_import_nothing(
    place: str, reader: str, run_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hostile_module.py").write_text(HARMFUL)
    path = run_copy / ("overrides.yaml" if place == "overrides" else "config.yaml")
    content = yaml.safe_load(path.read_text())
    if place == "config":
        content["network"] = {"_target_": "hostile_module.Network"}
    elif place == "top":
        content["plugins"] = ["hostile_module"]
    else:
        content.append("plugins=[hostile_module]")
    path.write_text(yaml.safe_dump(content))
    done = read_run(reader, run_copy)
    if place != "overrides":
        assert_one_line(done, "plugins")
    assert "hostile_module" not in sys.modules
    assert not (tmp_path / "harmed").exists()


HOSTILE_FILES = {
    "plugins": ("plugins: [hostile_module]\n", "plugins: can't be in a file"),
    "target": ("network: {_target_: hostile_module.Network}\n", "network._target_=hostile_module"),
    "callbacks": (
        "hydra: {callbacks: {x: {_target_: hostile_module.Callback}}}\n",
        "hydra.callbacks: may run code, and is in a file",
    ),
    "logging": (
        "hydra: {job_logging: {handlers: {x: {(): hostile_module.Handler}}}}\n",
        "hydra.job_logging: may run code, and is in a file",
    ),
    "environment": (
        "hydra: {job: {env_set: {LD_PRELOAD: /x}}}\n",
        "hydra.job.env_set: may run code, and is in a file",
    ),
    "launcher": ("hydra: {launcher: {_target_: hostile_module.Launcher}}\n", "launcher"),
}


@pytest.mark.parametrize(
    ("kind", "flags"),
    [(kind, []) for kind in HOSTILE_FILES if kind != "launcher"]  # a single run has no launcher
    + [(kind, ["-m", "seed=1,2"]) for kind in ("callbacks", "launcher")],
)
def test_presets_of_other_people_import_nothing(
    kind: str, flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hostile_module.py").write_text(HARMFUL)
    (tmp_path / "theirs" / "experiment").mkdir(parents=True)
    text, message = HOSTILE_FILES[kind]
    header = "# @package _global_\ndefaults: [curve_fit, _self_]\nname: hostile\n"
    (tmp_path / "theirs" / "experiment" / "hostile.yaml").write_text(header + text)
    arguments = ["--config-dir", "theirs", "experiment=hostile", *flags]
    assert_one_line(run_command("train", *arguments), message)
    assert "hostile_module" not in sys.modules
    assert {path.name for path in tmp_path.iterdir()} == {"hostile_module.py", "theirs"}


def test_a_sweep_must_be_given_its_plugins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small_plugin.py").write_text(SMALL)
    (tmp_path / "conf" / "network").mkdir(parents=True)
    text = "_target_: small_plugin.Small\nsize: 4    # hidden units\n"
    (tmp_path / "conf" / "network" / "small.yaml").write_text(text)
    plugins = "plugins=[small_plugin]"
    arguments = [
        "-m", "experiment=logistic_regression", "network=small", "seed=1,2", plugins,
        "trainer.max_epochs=1", "callbacks=none", "trainer.accelerator=cpu", "logger=none",
        "--config-dir", "conf",
    ]  # fmt: skip
    done = run_command("train", *arguments)
    assert done.returncode == 0, done.err
    assert "plugins=[small_plugin]" in done.out.partition("run it again: ")[2]
    assert "hydra.searchpath=" in done.out.partition("run it again: ")[2]
    [sweep] = tmp_path.glob("logs/*/sweeps/*")
    forget("small_plugin")
    refused = run_command("train", f"resume='{sweep}'")
    assert_one_line(refused, f"plugins: the sweep needs plug-ins: add {plugins} if you trust")
    assert "small_plugin" not in sys.modules
    done = run_command("train", f"resume='{sweep}'", plugins)
    assert done.returncode == 0, done.err
