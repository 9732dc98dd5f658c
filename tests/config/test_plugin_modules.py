"""How plug-ins are named and imported; tests/faults has how they are not."""

import os
import sys
from pathlib import Path

import pytest
from plugin_sources import SMALL, plain_config

from mlp_lab.config.check import check
from mlp_lab.config.command_line import command_line
from mlp_lab.config.plugin_modules import (
    VARIABLE,
    import_installed,
    import_plugins,
    named_plugins,
    plugins_overrides,
    split_plugins,
)
from mlp_lab.config.schemas.train import Train
from mlp_lab.errors import UserError

pytestmark = pytest.mark.usefixtures("plugins")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a new folder the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_plugins_are_separated_from_other_overrides() -> None:
    overrides = ["seed=1", "plugins=[a,b.c]", "+x=plugins", "plugins=d"]
    assert split_plugins(overrides) == (["a", "b.c", "d"], ["seed=1", "+x=plugins"])
    assert split_plugins(["plugins=[]", "plugins=null"]) == ([], [])


@pytest.mark.parametrize("text", ["plugins=a,b", "+plugins=[a]", "plugins=[a/b]", "plugins={a: b}"])
def test_other_values_are_refused(text: str) -> None:
    with pytest.raises(UserError) as caught:
        split_plugins([text])
    assert str(caught.value) == f"{text}: must be a list of modules, such as plugins=[my_module]"


def test_modules_in_the_current_folder_are_imported(folder: Path) -> None:
    (folder / "first_plugin.py").write_text(SMALL)
    (folder / "second_plugin.py").write_text("")
    os.environ[VARIABLE] = "second_plugin"
    import_plugins(["first_plugin"])
    assert {"first_plugin", "second_plugin"} < set(sys.modules)
    # For processes that this one starts, and for the commands that it prints.
    assert named_plugins() == ["second_plugin", "first_plugin"]
    assert plugins_overrides() == ["plugins=[second_plugin,first_plugin]"]
    plugins = "'plugins=[second_plugin,first_plugin]'"
    assert command_line("train", ["resume=x"]) == f"python scripts/train.py resume=x {plugins}"
    recorded = command_line("train", ["seed=1", "plugins=[a]"])
    assert recorded == "python scripts/train.py seed=1 'plugins=[a]'"


def test_installed_packages_precede_the_current_folder(folder: Path) -> None:
    (folder / "colorsys.py").write_text("raise AssertionError")
    sys.modules.pop("colorsys", None)
    import_plugins(["colorsys"])
    assert not Path(str(sys.modules["colorsys"].__file__)).is_relative_to(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import nowhere_at_all", "broken.py, line 1: No module named 'nowhere_at_all'$"),
        ("\n1 / 0", "broken.py, line 2: ZeroDivisionError: division by zero$"),
        ("x = (", "broken.py, line 1: SyntaxError: "),
        (
            "import mlp_lab\n@mlp_lab.register('net')\nclass A: ...",
            r"^register\('net'\): must be one of task, ",
        ),
        (None, "plug-in broken: no module broken in the current folder, in PYTHONPATH or"),
    ],
)
def test_plugins_that_cannot_be_imported(content: str | None, message: str, folder: Path) -> None:
    if content is not None:
        (folder / "broken.py").write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        import_plugins(["broken"])
    assert len(str(caught.value).splitlines()) == 1
    assert named_plugins() == []


def install(folder: Path, module: str, content: str) -> None:
    """Install a package with a plug-in in ``folder``, and let Python find it."""
    (folder / f"{module}.py").write_text(content)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[mlp_lab.plugins]\nx = {module}\n")
    sys.path.append(str(folder))


def test_installed_plugins_are_imported_when_a_config_needs_them(folder: Path) -> None:
    install(folder, "installed_plugin", SMALL)
    check(plain_config(), Train)
    assert "installed_plugin" not in sys.modules
    cfg = check(plain_config(network={"_target_": "installed_plugin.Small", "size": 2}), Train)
    assert cfg.network.size == 2
    with pytest.raises(UserError, match=r"^network\.size=0: must be a whole number at least 1$"):
        check(plain_config(network={"_target_": "installed_plugin.Small", "size": 0}), Train)
    assert not import_installed()


def test_installed_plugins_that_fail_do_not_hide_other_errors(folder: Path) -> None:
    install(folder, "failing_plugin", "1 / 0")
    check(plain_config(), Train)
    with pytest.raises(UserError, match=r"^seed=-1: .*; plug-in failing_plugin: .*, line 1"):
        check(plain_config(seed=-1), Train)


def test_the_message_for_another_class_names_the_plugin() -> None:
    with pytest.raises(UserError) as caught:
        check(plain_config(network={"_target_": "my_module.Maxout"}), Train)
    assert str(caught.value).startswith(
        "network._target_=my_module.Maxout: needs its plug-in: add plugins=[my_module] if you trust"
        " that code; without a plug-in, must be one of mlp_lab.nn.mlp.MLP, "
    )


def test_the_message_for_a_misspelt_class_names_the_closest_one(folder: Path) -> None:
    (folder / "small_plugin.py").write_text(SMALL)
    import_plugins(["small_plugin"])
    with pytest.raises(UserError) as caught:
        check(plain_config(network={"_target_": "small_plugin.Smal"}), Train)
    assert str(caught.value).startswith(
        "network._target_=small_plugin.Smal: small_plugin registers no such class;"
        " did you mean small_plugin.Small?"
    )


def test_a_config_cannot_name_plugins() -> None:
    with pytest.raises(UserError, match=r"^plugins: can't be in a file"):
        check(plain_config(plugins=["small_plugin"]), Train)
