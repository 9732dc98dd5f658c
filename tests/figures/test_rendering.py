"""Figures do not depend on the user's settings, and show any text as it is."""

import io
import logging
import os
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from mlp_lab.commands.process import entry_point
from mlp_lab.figures import class_regions
from mlp_lab.figures.confusion import confusion_matrix
from mlp_lab.figures.rendering import displayable, render, rgb_pixels, save_figures

pytestmark = pytest.mark.renders

NAMES = ["Ba$$in", "$0-$50", "_none", "100%", r"a\$b", r"\frac", "東京", "{", "^_"]


def titled(title: str, scale: str = "linear") -> Figure:
    figure = Figure(figsize=(3, 2), layout="constrained")
    panel = figure.subplots()
    panel.plot([1, 1e4])
    panel.set(title=title, yscale=scale)
    return figure


def plain_matplotlib(figure: Figure) -> np.ndarray:
    """Return the pixels of a figure that matplotlib itself saves."""
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=120)
    return np.asarray(Image.open(png).convert("RGB"))


def rendered(*arguments: str) -> np.ndarray:
    content = render(lambda: titled(*arguments))
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


@pytest.mark.parametrize("title", ["$0-$50", "Ba$$in", "$x$", r"\$", "$", "a_b^c"])
def test_text_is_not_mathematics(title: str) -> None:
    with matplotlib.rc_context({"text.parse_math": False}):
        expected = plain_matplotlib(titled(title))
    np.testing.assert_array_equal(rendered(title), expected)


def test_logarithmic_ticks_have_superscripts() -> None:
    expected = plain_matplotlib(titled("loss", "log"))
    np.testing.assert_array_equal(rendered("loss", "log"), expected)


def test_settings_of_the_user_have_no_effect_and_remain() -> None:
    def draw() -> Figure:
        return titled("$0-$50", "log")

    expected = render(draw)
    settings = {"text.usetex": True, "font.family": "serif", "axes.grid": True, "savefig.dpi": 7,
                "axes.facecolor": "black", "savefig.format": "pdf", "backend": "pdf"}  # fmt: skip
    with matplotlib.rc_context(settings):
        assert render(draw) == expected
        assert {name: matplotlib.rcParams[name] for name in settings} == settings | {
            "font.family": ["serif"]
        }


def test_characters_without_a_glyph_are_escaped(caplog: pytest.LogCaptureFixture) -> None:
    assert displayable("a $x$ ± σ → ⁿ") == "a $x$ ± σ → ⁿ"
    assert displayable("a\U000f1234\tb") == "a\\U000f1234\\tb"
    rgb_pixels(lambda: titled("\U000f1234"))  # a missing glyph is a warning, which is an error here
    assert not caplog.records


def test_figures_accept_any_class_name() -> None:
    counts = np.arange(len(NAMES) ** 2).reshape(len(NAMES), -1)
    assert render(lambda: confusion_matrix(counts, NAMES)).startswith(b"\x89PNG")
    points = class_regions.ScatterPoints(
        np.random.default_rng(0).normal(size=(len(NAMES), 2)),
        np.arange(len(NAMES)), NAMES, ("_x", "$y$"), (-1, 1, -1, 1),
    )  # fmt: skip
    wrong = np.zeros(len(NAMES), bool)
    regions = class_regions.NetworkRegions("$", np.zeros((4, 4), int), wrong)
    figure = class_regions.decision_regions(points, [regions])
    [legend] = figure.legends
    shown = [text.get_text().lstrip("\u200b") for text in legend.get_texts()]
    assert shown == [*NAMES, "wrong"]
    rgb_pixels(lambda: figure)


def test_a_failed_figure_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> Figure:
        raise RuntimeError("several\nlines")

    def save(name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)

    with caplog.at_level(logging.WARNING):
        saved = save_figures({"first": fail, "second": lambda: titled("")}, save)
    assert [record.getMessage() for record in caplog.records] == [
        "figure first: not drawn: RuntimeError: several lines"
    ]
    assert list(saved) == ["second"]
    assert [path.name for path in tmp_path.iterdir()] == ["second"]


def test_a_command_ignores_the_backend_of_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = "module://matplotlib_inline.backend_inline"
    monkeypatch.setenv("MPLBACKEND", backend)
    monkeypatch.delenv("MATPLOTLIBRC", raising=False)
    inside = []

    def command() -> None:
        inside.append((os.environ["MPLBACKEND"], os.environ["MATPLOTLIBRC"]))
        raise SystemExit(3)

    with pytest.raises(SystemExit, match="3"):
        entry_point(command)()
    assert inside == [("agg", os.devnull)]
    assert (os.environ["MPLBACKEND"], "MATPLOTLIBRC" in os.environ) == (backend, False)
