"""The READMEs: the paths and options in them exist, and the package's examples run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
READMES = [
    path
    for pattern in ("*.md", ".github/*.md", "logs/*.md", "conf/**/*.md", "mlp_lab/**/*.md")
    for path in sorted(CHECKOUT.glob(pattern))
]
# A history names removed files and presets.
CURRENT = [path for path in READMES if path.name != "CHANGELOG.md"]
PATH = re.compile(r"(?<![\w/])(?:mlp_lab|conf|scripts|tests|\.ci|\.github)/[\w./-]*\w")
GROUPS = sorted(
    path.relative_to(CHECKOUT / "conf").as_posix()
    for path in (CHECKOUT / "conf").rglob("*")
    if path.is_dir() and any(path.glob("*.yaml"))
)
OPTION = re.compile(rf"(?<![\w./-])({'|'.join(GROUPS)})=([a-z]\w*(?:,[a-z]\w*)*)")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# Run the commands of the examples, one after the other, since each start takes seconds.
RUN_EXAMPLES = """
import shlex, sys
from mlp_lab.commands.train import train

for command in sys.argv[1:]:
    print(command, flush=True)
    sys.argv = shlex.split(command)[1:]
    train()
"""


def blocks(readme: Path, *languages: str) -> list[str]:
    """Return the code blocks of the languages."""
    return [text for language, text in BLOCK.findall(readme.read_text()) if language in languages]


def added_files() -> dict[str, str]:
    """Return the blocks of the package's README that a comment with a path opens, by path.

    The blocks of one file are joined.
    """
    files: dict[str, str] = {}
    for block in blocks(CHECKOUT / "mlp_lab" / "README.md", "python", "yaml"):
        path, _, text = block.removeprefix("# ").partition("\n")
        files[path] = files.get(path, "") + text
    return files


def test_each_subpackage_has_a_readme_whose_modules_exist() -> None:
    for folder in (path.parent for path in (CHECKOUT / "mlp_lab").glob("*/__init__.py")):
        for name in re.findall(r"`([\w/]+\.py)`", (folder / "README.md").read_text()):
            below = any(folder.rglob(name))
            assert below or (CHECKOUT / name).exists(), f"{folder.name}: {name}"


@pytest.mark.parametrize("readme", CURRENT, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_paths_and_options_exist(readme: Path) -> None:
    text = readme.read_text()
    examples = set(added_files())
    for path in PATH.findall(text):
        assert path in examples or (CHECKOUT / path).exists(), path
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert (readme.parent / link).exists(), link
    for group, options in OPTION.findall(text):
        for option in options.split(","):
            file = f"conf/{group}/{option}.yaml"
            # Hydra's launcher that runs jobs one after the other has no file here.
            known = (
                file in examples
                or f"my_{file}" in examples
                or (CHECKOUT / file).exists()
                or option == "basic"
            )
            assert known, f"{group}={option}"


@pytest.mark.parametrize("group", [group for group in GROUPS if "/" not in group])
def test_each_option_is_in_the_table_of_its_group(group: str) -> None:
    if group == "experiment":  # the preset experiments have a table in the README of the project
        text = (CHECKOUT / "README.md").read_text()
    else:
        lines = (CHECKOUT / "conf" / "README.md").read_text().splitlines()
        [text] = [line for line in lines if line.startswith(f"| `{group}`")]
    options = [path.stem for path in (CHECKOUT / "conf" / group).glob("*.yaml")]
    assert [option for option in options if f"`{option}`" not in text] == []


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_links_to_sections_exist(readme: Path) -> None:
    for link, anchor in re.findall(r"\]\(([^)#]*)#([^)]+)\)", readme.read_text()):
        target = readme.parent / link if link else readme
        titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
        assert anchor in [re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles]


def test_each_formula_of_the_course_names_tests_that_exist() -> None:
    text = (CHECKOUT / "conf" / "experiment" / "README.md").read_text()
    table = text.partition("## Formulas of the course")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!\*\*|formula).* \| (.*) \| (.*) \|$", table, re.MULTILINE)
    assert len(rows) > 30
    for _, checks in rows:
        named = re.findall(r"`([\w/]+\.py)`: ([\w, ]+)", checks)
        assert named, checks
        for file, names in named:
            tests = (CHECKOUT / "tests" / file).read_text()
            for name in names.split(", "):
                assert f"def test_{name}(" in tests, name


def test_readme_of_the_project_is_short() -> None:
    assert len((CHECKOUT / "README.md").read_text().splitlines()) <= 200
    for path in (CHECKOUT / ".github" / "images").iterdir():
        assert path.stat().st_size < 150_000


@pytest.mark.slow
def test_examples_work(tmp_path: Path) -> None:
    for folder in ("mlp_lab", "conf"):
        shutil.copytree(CHECKOUT / folder, tmp_path / folder)
    files = added_files()
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() + "\n\n" if path.exists() else ""
        path.write_text(before + text)
    text = "".join(files.values())
    commands = re.findall(r"^# (python scripts/train\.py .+)$", text, re.MULTILINE)
    assert len(commands) == sum(name.startswith(("conf/", "my_conf/")) for name in files)
    # The figures of the other callbacks take longer than the training.
    commands = [c if "callbacks=" in c else f"{c} callbacks=none" for c in commands]
    done = subprocess.run(
        [sys.executable, "-c", RUN_EXAMPLES, *commands],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = [*tmp_path.glob("logs/*/2*/result.json"), *tmp_path.glob("logs/*/*/2*/summary.md")]
    assert len(results) == len(commands)
