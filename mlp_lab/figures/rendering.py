"""Render figures in a style of this package, whatever the user's settings of matplotlib are."""

import io
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure

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

# What matplotlib writes at the ticks of logarithmic axes, the only text that is mathematics.
_LOGARITHMIC_TICK = re.compile(r"\$\\mathdefault\{[^$]*\}\$")
_DPI = 120


def render(draw: Draw) -> bytes:
    """Return the figure that ``draw`` returns as the content of a PNG file."""
    with _style():
        return _png(draw())


def rgb_pixels(draw: Draw) -> np.ndarray:
    """Return the pixels of the figure that ``draw`` returns, uint8 ``[height, width, 3]``."""
    with _style():
        canvas = _Canvas(draw())
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save_figures(
    drawings: Mapping[str, Draw], save: Callable[[str, bytes], object]
) -> dict[str, bytes]:
    """Render figures and save them one by one; return the contents of the PNG files by name.

    A figure that can't be rendered or saved is reported in the log and left out.

    Args:
        drawings: functions that draw the figures, by name.
        save: function that writes a file, given the name of a figure and the content.
    """
    saved = {}
    for name, draw in drawings.items():
        with failure_logged(name):
            content = render(draw)
            save(name, content)
            saved[name] = content
    return saved


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
    return "".join(c if _has_glyph(c) else c.encode("unicode_escape").decode() for c in text)


def legend_label(text: str) -> str:
    """Return the label of a line so that its legend shows it.

    Legends leave out labels that start with an underscore. Hence a space of width 0 precedes it.
    """
    return f"\u200b{text}" if text.startswith("_") else text


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.set_dpi(_DPI)
    # print_figure would compute the layout twice.
    _Canvas(figure).print_png(content)
    return content.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    """Apply matplotlib's default style, in which no text is mathematics."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"text.parse_math": False, "font.family": _fonts()})
        yield


class _Renderer(RendererAgg):
    """A renderer that gets all texts of a figure, whichever part of matplotlib writes them."""

    def draw_text(
        self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float,
        ismath: Any = False, mtext: Any = None,
    ) -> None:  # fmt: skip
        text, is_tick = _shown(s)
        super().draw_text(gc, x, y, text, prop, angle, is_tick, mtext)

    def get_text_width_height_descent(
        self, s: str, prop: Any, ismath: Any
    ) -> tuple[float, float, float]:
        text, is_tick = _shown(s)
        return super().get_text_width_height_descent(text, prop, is_tick)


def _shown(text: str) -> tuple[str, bool]:
    """Return a text as it is shown, and whether it is mathematics."""
    is_tick = _LOGARITHMIC_TICK.fullmatch(text) is not None
    return (text if is_tick else displayable(text)), is_tick


class _Canvas(FigureCanvasAgg):
    """A canvas in memory with a renderer of ``_Renderer``; no window, no user's backend."""

    _key: tuple[float, ...] | None = None

    def get_renderer(self) -> RendererAgg:
        width, height = self.figure.bbox.size
        key = width, height, self.figure.dpi
        if key != self._key:
            self._key, self.renderer = key, _Renderer(*key)
        return self.renderer


@cache
def _fonts() -> list[str]:
    """Return the fonts of ``_FONTS`` that are installed; matplotlib contains the first one."""
    installed = set(font_manager.get_font_names())
    return [name for name in _FONTS if name in installed]


@cache
def _has_glyph(character: str) -> bool:
    fonts = (font_manager.get_font(font_manager.findfont(name)) for name in _fonts())
    return any(font.get_char_index(ord(character)) for font in fonts)
