"""Printed commands can be pasted into a shell and have the effect that they describe."""

import shlex
import string
import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from mlp_lab.config.command_line import (
    command_line,
    example,
    override,
    recorded_overrides,
    search_path,
    shell_quoted,
)

# All characters that a path may have, and more often those that shells, Hydra and OmegaConf treat
# in a special way.
SPECIAL = "'\"\\$`!=,:;()[]{}<>~#&|*? %@^-+./\t"
TEXT = st.text(
    st.one_of(
        st.sampled_from(SPECIAL + string.ascii_letters + string.digits),
        st.characters(exclude_categories=("Cc", "Cs")),
    ),
    min_size=1,
)
PATHS = TEXT | st.sampled_from(
    ["my logs (1)", "my=logs", "null", "true", "1e3", "0x10", "a,b", "${x}", "\\${x}", "'", "\\'",
     "\\", "a\\", "''", "'${'", "range(3)", "[a]", "{a:1}", "~", " a ", "東京", "${", "\\\\${a}"]
)  # fmt: skip


def parsed(command: str) -> dict[str, object]:
    """Return the values that a pasted command sets, by key."""
    cfg = OmegaConf.create({})
    words = shlex.split(command)
    start = next(place for place, word in enumerate(words) if "=" in word)
    for each in OverridesParser.create().parse_overrides(words[start:]):
        assert not each.is_sweep_override()
        OmegaConf.update(cfg, each.key_or_group, each.value())
    return OmegaConf.to_container(cfg, resolve=True)


@given(st.lists(PATHS, min_size=1, max_size=3))
def test_commands_set_the_values(values: list[str]) -> None:
    overrides = [override(f"key{number}", value) for number, value in enumerate(values)]
    expected = {f"key{number}": value for number, value in enumerate(values)}
    assert parsed(command_line("train", overrides)) == expected


@given(PATHS)
def test_a_shell_reads_a_quoted_word(text: str) -> None:
    assert shlex.split(f"command {shell_quoted(text)} end") == ["command", text, "end"]


@given(st.lists(st.builds("file:///{}".format, PATHS), min_size=1, max_size=3))
def test_folders_of_configs_are_recorded(folders: list[str]) -> None:
    command = command_line("train", [search_path(folders)])
    assert parsed(command) == {"hydra": {"searchpath": folders}}


@pytest.mark.parametrize("text", ["logs", "a/b.c", "a=b"])
def test_simple_words_have_no_quotes(text: str) -> None:
    assert shell_quoted(text) == text


def test_quotes_are_readable() -> None:
    assert shell_quoted(override("resume", "logs/0_lr=0.1")) == "\"resume='logs/0_lr=0.1'\""
    assert shell_quoted(override("logs", "my logs")) == "\"logs='my logs'\""
    assert shell_quoted("seed=1,2 x") == "'seed=1,2 x'"


def hydra_node(task: list[str], *sources: tuple[str, str]) -> DictConfig:
    keys = ("path", "schema", "provider")
    listed = [dict(zip(keys, (path, "file", by), strict=True)) for path, by in sources]
    return OmegaConf.create({"overrides": {"task": task}, "runtime": {"config_sources": listed}})


def test_a_run_records_the_folders_of_the_command_line() -> None:
    folders = [("/conf", "main"), ("/mine", "command-line")]
    folders += [("/yours", "hydra.searchpath in command-line")]
    assert recorded_overrides(hydra_node(["seed=1"], *folders)) == [
        "seed=1", "hydra.searchpath=['file:///mine','file:///yours']",
    ]  # fmt: skip
    assert recorded_overrides(hydra_node(["seed=1"], ("/conf", "main"))) == ["seed=1"]


def test_the_entry_point_is_that_of_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scripts = tmp_path / "a b" / "scripts"
    scripts.mkdir(parents=True)
    for name in ("train", "compare"):
        (scripts / f"{name}.py").touch()

    def command(*argv: str) -> str:
        monkeypatch.setattr(sys, "argv", list(argv))
        return command_line("train", ["seed=1"])

    monkeypatch.chdir(tmp_path / "a b")
    assert command("scripts/compare.py") == "python scripts/train.py seed=1"
    assert command(str(scripts / "compare.py")) == "python scripts/train.py seed=1"
    monkeypatch.chdir(scripts)
    assert command("train.py") == "python train.py seed=1"
    monkeypatch.chdir("/")
    relative = (scripts / "train.py").relative_to("/")
    assert command(str(scripts / "train.py")) == f"python '{relative}' seed=1"
    assert command("/venv/bin/mlp-compare") == "mlp-train seed=1"
    assert example("compare", "logs") == "mlp-compare logs"
    assert command("notebook.py") == "python scripts/train.py seed=1"
    assert example("compare", "logs") == "python scripts/compare.py logs"
