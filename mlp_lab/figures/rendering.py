"""Render figures in a style of this package, whatever the user's settings of matplotlib are."""

import io
import logging
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import Formatter
from PIL import Image

from mlp_lab.figures.style import SETTINGS

log = logging.getLogger(__name__)

# A function that draws a figure. Figures are drawn by ``render`` only, since matplotlib reads its
# settings when parts of a figure are created as well as when it is rendered.
Draw = Callable[[], Figure]

# Fonts for characters that the first one lacks, such as Chinese ones; those that are installed.
_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP",
    "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback",
    "IPAexGothic", "IPAGothic", "TakaoGothic", "NanumGothic", "UnDotum",
    "Microsoft YaHei", "SimHei", "Yu Gothic", "MS Gothic", "Malgun Gothic",
    "PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Heiti TC", "Arial Unicode MS",
)  # fmt: skip

# What matplotlib writes at the ticks of logarithmic axes: $\mathdefault{2\times10^{-3}}$.
_LOGARITHMIC_TICK = re.compile(r"\$\\mathdefault\{([^$]*)\}\$")
_POWER = re.compile(r"\^\{([^}]*)\}")
_SUPERSCRIPTS = str.maketrans("-−0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

_DPI = 200
_SCREEN_DPI = 100  # of animations and in TensorBoard, so that figures fit in a window
_LETTERS = 12  # of a title in an inch
_SHORTEST = 20  # letters in a line of a title
_LONGEST = 40  # letters in a line of a label
_LINE = 0.17  # height of a line of a title in inches
_UPPER = 0.9  # legends that end above this fraction of the height are beside the title


def render(draw: Draw) -> bytes:
    """Return the figure that ``draw`` returns as the content of a PNG file."""
    return render_formats(draw, ["png"])["png"]


def render_formats(draw: Draw, formats: Sequence[str]) -> dict[str, bytes]:
    """Return the figure that ``draw`` returns as the content of a file of each format.

    Args:
        draw: function that draws the figure.
        formats: names of ``config.names.FIGURE_FORMATS``.
    """
    with _style():
        figure = _prepared(draw(), _DPI)
        return {name: _png(figure) if name == "png" else _vectors(figure, name) for name in formats}


def rgb_pixels(draw: Draw) -> np.ndarray:
    """Return the pixels of an animation's frame, uint8 ``[height, width, 3]``."""
    with _style():
        canvas = FigureCanvasAgg(_prepared(draw(), _SCREEN_DPI))
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save_figures(
    drawings: Mapping[str, Draw],
    save: Callable[[str, bytes], object],
    file_format: str = "png",
    title: str = "",
) -> dict[str, bytes]:
    """Render figures and save them one by one; return PNG files by name, with half the resolution.

    TensorBoard shows the latter. A figure that can't be rendered or saved is reported in the log
    and left out.

    Args:
        drawings: functions that draw the figures, by name.
        save: function that writes a file, given its name and the content.
        file_format: format of the files.
        title: what the figures are about, the first line of their titles.
    """
    saved = {}
    for name, draw in drawings.items():
        with failure_logged(name):
            contents = render_formats(titled(draw, title), list({"png", file_format}))
            save(f"{name}.{file_format}", contents[file_format])
            saved[name] = _for_screens(contents["png"])
    return saved


def titled(draw: Draw, title: str) -> Draw:
    """Return a function that draws the same figure with a further title above that of the figure.

    Args:
        draw: function that draws a figure.
        title: one line, which is wrapped to the width of the figure; empty: no further title.
    """

    def draw_with_title() -> Figure:
        figure = draw()
        width = _width_of_title(figure)
        before = figure.get_suptitle()
        texts = (
            textwrap.fill(line, max(_SHORTEST, int(_LETTERS * width)))
            for line in (title, *before.split("\n"))
        )
        text = "\n".join(filter(None, texts))
        figure.suptitle(text, x=width / 2 / figure.get_figwidth())
        more = text.count("\n") - before.count("\n")
        figure.set_figheight(figure.get_figheight() + _LINE * more)
        return figure

    return draw_with_title


def _width_of_title(figure: Figure) -> float:
    """Return the width of a figure in inches without legends beside the panels.

    They start at the upper edge of the figure: the title is to the left of them.
    """
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [legend.get_window_extent(renderer) for legend in figure.legends]
    edges = [box.x0 for box in boxes if box.y1 > _UPPER * figure.bbox.height]
    return float(min(edges, default=figure.bbox.width)) / figure.dpi


@contextmanager
def failure_logged(name: str) -> Iterator[None]:
    """Log an error in the context as one line: a missing figure must not end a run.

    Args:
        name: name of the figure.
    """
    try:
        yield
    except Exception as error:
        reason = " ".join([f"{type(error).__name__}:", *str(error).split()])
        log.warning("figure %s: not drawn: %s", name, reason)


def displayable(text: str) -> str:
    """Return a text in which characters that no installed font has are escaped: ``\\u6771``."""
    return "".join(
        c if c == "\n" or _has_glyph(c) else c.encode("unicode_escape").decode() for c in text
    )


def legend_label(text: str) -> str:
    """Return the label of a line so that its legend shows it beside the panels.

    Legends leave out labels that start with an underscore. Hence a space of width 0 precedes it.
    Long labels are wrapped.
    """
    lines = textwrap.fill(text, _LONGEST) if len(text) > _LONGEST else text
    return f"\u200b{lines}" if text.startswith("_") else lines


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.set_dpi(_DPI)  # printing a PDF file has set another resolution
    # print_figure would compute the layout twice.
    FigureCanvasAgg(figure).print_png(content)
    return content.getvalue()


def _for_screens(png: bytes) -> bytes:
    """Return the content of a PNG file with the resolution of screens."""
    content = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.reduce(_DPI // _SCREEN_DPI).save(content, "PNG")
    return content.getvalue()


def _vectors(figure: Figure, file_format: str) -> bytes:
    """Return a figure as the content of a PDF or SVG file, without the date: as in a PNG file."""
    content = io.BytesIO()
    if file_format == "pdf":
        FigureCanvasPdf(figure).print_pdf(content, metadata={"CreationDate": None})
    else:
        FigureCanvasSVG(figure).print_svg(content, metadata={"Date": None})
    return content.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    """Apply the style of this package on top of matplotlib's default."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**SETTINGS, "font.family": _fonts()})
        yield


def _prepared(figure: Figure, dpi: int) -> Figure:
    """Set the resolution of a figure, and make all of its texts displayable in any format."""
    figure.set_dpi(dpi)
    for text in figure.findobj(Text):
        text.set_text(displayable(text.get_text()))
        text.set_parse_math(False)
    for panel in figure.axes:
        for axis in (panel.xaxis, panel.yaxis):
            _format_ticks(axis)
    return figure


def _format_ticks(axis: Axis) -> None:
    """Make the tick labels of an axis displayable."""
    major, minor = axis.get_major_formatter(), axis.get_minor_formatter()
    if not isinstance(major, _DisplayableTicks):  # axes that share a scale share the formatters
        axis.set_major_formatter(_DisplayableTicks(major))
        axis.set_minor_formatter(_DisplayableTicks(minor))


class _DisplayableTicks(Formatter):
    """The labels of another formatter, displayable, and with powers as plain text.

    Args:
        formatter: the other formatter.
    """

    def __init__(self, formatter: Formatter) -> None:
        self.formatter = formatter

    def __call__(self, x: float, pos: int | None = None) -> str:
        return _plain_tick(self.formatter(x, pos))

    def format_ticks(self, values: list[float]) -> list[str]:
        return list(map(_plain_tick, self.formatter.format_ticks(values)))

    def get_offset(self) -> str:
        return _plain_tick(self.formatter.get_offset())

    def set_locs(self, locs: list[float]) -> None:
        self.formatter.set_locs(locs)


def _plain_tick(text: str) -> str:
    """Return a tick label as it is shown: ``10⁻³`` instead of a formula."""
    if formula := _LOGARITHMIC_TICK.fullmatch(text):
        text = formula[1].replace(r"\times", "×")
        text = _POWER.sub(lambda power: power[1].translate(_SUPERSCRIPTS), text)
    return displayable(text)


@cache
def _fonts() -> list[str]:
    """Return the fonts of ``_FONTS`` that are installed; matplotlib contains the first one."""
    installed = set(font_manager.get_font_names())
    return [name for name in _FONTS if name in installed]


@cache
def _has_glyph(character: str) -> bool:
    fonts = (font_manager.get_font(font_manager.findfont(name)) for name in _fonts())
    return any(font.get_char_index(ord(character)) for font in fonts)
