"""Figures do not depend on the user's settings, and show any text as it is."""

import io
import logging
import os
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from mlp_lab.commands.process import entry_point
from mlp_lab.config.names import FIGURE_FORMATS
from mlp_lab.figures import class_regions
from mlp_lab.figures.confusion import confusion_matrix
from mlp_lab.figures.rendering import (
    displayable,
    legend_label,
    render,
    render_formats,
    rgb_pixels,
    save_figures,
)
from mlp_lab.figures.rendering import titled as with_title
from mlp_lab.figures.style import SETTINGS
from mlp_lab.storage.files import figure_writer

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
    figure.savefig(png, format="png", dpi=200)
    return np.asarray(Image.open(png).convert("RGB"))


def rendered(*arguments: str) -> np.ndarray:
    content = render(lambda: titled(*arguments))
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


@pytest.mark.parametrize("title", ["$0-$50", "Ba$$in", "$x$", r"\$", "$", "a_b^c"])
def test_text_is_not_mathematics(title: str) -> None:
    with matplotlib.rc_context(SETTINGS):
        expected = plain_matplotlib(titled(title))
    np.testing.assert_array_equal(rendered(title), expected)


def test_logarithmic_ticks_have_superscripts() -> None:
    drawn = []

    def draw() -> Figure:
        drawn.append(titled("loss", "log"))
        drawn[0].axes[0].set(ylim=(2e-3, 2e4))
        return drawn[0]

    render(draw)
    [panel] = drawn[0].axes
    labels = {label.get_text() for label in panel.get_yticklabels()}
    assert {"10⁻²", "10⁰", "10⁴"} <= labels


@pytest.mark.parametrize("file_format", ["pdf", "svg"])
def test_other_formats_have_the_same_texts_each_time(file_format: str, tmp_path: Path) -> None:
    contents = [render_formats(lambda: titled("$0", "log"), [file_format, "png"]) for _ in "ab"]
    assert contents[0] == contents[1]
    content = contents[0][file_format]
    if file_format == "pdf":
        assert content.startswith(b"%PDF")
        return
    # Each text precedes its outlines as a comment.
    texts = set(re.findall(r"<!-- (.*) -->", content.decode()))
    assert {"$0", "10²"} <= texts


def test_a_figure_replaces_that_in_another_format(tmp_path: Path) -> None:
    (tmp_path / "one.gif").write_bytes(b"animation")
    for file_format in FIGURE_FORMATS:
        write = figure_writer(tmp_path)
        contents = save_figures({"one": lambda: titled("a")}, write, file_format)
        assert {path.name for path in tmp_path.iterdir()} == {"one.gif", f"one.{file_format}"}
        with Image.open(io.BytesIO(contents["one"])) as shown:
            assert shown.format == "PNG", "TensorBoard shows no other format"
            assert shown.size == tuple(100 * inches for inches in titled("a").get_size_inches())


def test_a_title_is_above_that_of_the_figure_and_beside_legends() -> None:
    def draw() -> Figure:
        figure = titled("")
        figure.axes[0].lines[0].set_label("a line")
        figure.legend(loc="outside right upper")
        figure.suptitle("the loss")
        return figure

    with matplotlib.rc_context(SETTINGS):
        figure = with_title(draw, "an experiment with a title of many letters")()
    lines = figure.get_suptitle().splitlines()
    assert " ".join(lines) == "an experiment with a title of many letters the loss"
    assert len(lines) > 2
    figure.draw_without_rendering()
    [legend] = figure.legends
    [title] = figure.texts
    assert not title.get_window_extent().overlaps(legend.get_window_extent())
    assert not title.get_window_extent().overlaps(figure.axes[0].bbox)


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


def test_long_labels_leave_room_for_the_panels_and_the_title() -> None:
    def draw() -> Figure:
        figure = titled("")
        figure.set_size_inches(6, 4)
        [panel] = figure.axes
        panel.plot([0, 1], label=legend_label(120 * "c"))
        figure.legend(loc="outside right upper")
        return figure

    figure = with_title(draw, "a title of several words")()
    figure.draw_without_rendering()
    assert figure.axes[0].get_position().width > 0.2
    assert figure.get_suptitle().startswith("a title of several")


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
    assert [path.name for path in tmp_path.iterdir()] == ["second.png"]


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
