"""The gallery: that its entries cover all kinds of figures, and the page."""

import ast
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlp_lab.benchmark.gallery import Exhibit, exhibits, make
from mlp_lab.commands import gallery as command
from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.errors import UserError


def names_of_figures() -> set[str]:
    """Return the names that callbacks and special comparisons give to ``log_figure`` or return."""
    package = CONFIG_FOLDER.parent / "mlp_lab"
    names = set()
    for path in (package / "runs" / "callbacks").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                words = [ast.unparse(word) for word in node.args]
                if "log_figure" in [ast.unparse(node.func), *words[:1]]:
                    names |= {ast.literal_eval(w) for w in words[1:4] if w.startswith("'")}
    return names


def test_each_figure_of_callbacks_is_shown() -> None:
    shown = {name for exhibit in exhibits() for name in exhibit.figures}
    assert len(names_of_figures()) >= 9
    assert names_of_figures() <= shown
    assert {"seed_bands", "error_curves", "confusion_matrix", "kernels", "network"} <= shown


def test_entries() -> None:
    scripts = CONFIG_FOLDER.parent / "scripts"
    for exhibit in exhibits():
        assert (scripts / f"{exhibit.command.partition(' ')[0]}.py").is_file()
        assert len(set(exhibit.figures)) == len(exhibit.figures) > 0


def test_entries_are_chosen_by_name() -> None:
    assert [exhibit.name for exhibit in exhibits(["evaluation", "digits"])] == [
        "digits",  # before those that use its run
        "evaluation",
    ]
    with pytest.raises(
        UserError, match=r"digit: no such exhibit; did you mean digits\? \(exhibits"
    ):
        exhibits(["points", "digit"])


def test_the_page_shows_figures_and_failures(tmp_path: Path) -> None:
    tmp_path = tmp_path / "my gallery"
    every = [
        Exhibit("a", "train data.set=<xor>", ["curve", "absent"]),
        Exhibit("b", "evaluate run={a} split=validation", ["matrix"]),
        Exhibit("c", "evaluate run={none}", ["matrix"]),
    ]
    got: list[Sequence[str]] = []

    def train(arguments: Sequence[str], folder: Path) -> None:
        got.append(arguments)
        for name in ("curve.png", "curve.gif", "1/curve.png"):
            path = folder / "run" / "figures" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        (folder / "run" / "config.yaml").write_bytes(b"")

    def evaluate(arguments: Sequence[str], folder: Path) -> None:
        got.append(arguments)
        (tmp_path / "a" / "run" / "figures" / "validation_matrix.png").write_bytes(b"")

    failures = make(every, tmp_path, {"train": train, "evaluate": evaluate})
    assert failures == ["a: has not drawn absent", "c: run: none has no run"]
    assert got == [["data.set=<xor>"], [f"run='{tmp_path / 'a' / 'run'}'", "split=validation"]]
    text = (tmp_path / "index.html").read_text()
    assert "python scripts/train.py &#x27;data.set=&lt;xor&gt;&#x27;" in text
    for path in ("curve.png", "curve.gif", "validation_matrix.png"):
        assert f'<img src="a/run/figures/{path}"' in text
    assert "1/curve.png" not in text
    assert all(failure in text for failure in failures)
    # A figure of an earlier gallery does not count.
    for path in (tmp_path / "a").rglob("*.png"):
        os.utime(path, (0, 0))
    programs = {"train": lambda *_: None, "evaluate": lambda *_: None}
    assert "b: has not drawn matrix" in make(every, tmp_path, programs)


@pytest.mark.slow
def test_all_figures_are_drawn(tmp_path: Path) -> None:
    def train(arguments: Sequence[str], folder: Path) -> None:
        """Train for three epochs, except parity, whose figures need runs without errors."""
        if "experiment=parity" not in arguments:
            others = [word for word in arguments if not word.startswith("trainer.max_epochs=")]
            arguments = [*others, "trainer.max_epochs=3"]
        command._train(arguments, folder)

    programs = {
        "train": train,
        "evaluate": command._evaluate,
        "claims": command._claims,
        "backprop": command._backprop,
    }
    assert make(exhibits(), tmp_path, programs) == []


def test_a_missing_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run: digits has no run"):
        Exhibit("x", "evaluate run={digits}", []).arguments(tmp_path)
