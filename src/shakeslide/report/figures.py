"""Figures as files, and how they look: one style, no global state, the same bytes every time."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray
from PIL import Image

from shakeslide.core.files import Steps, replacing
from shakeslide.io.contents import digest

DPI = 300
"""Resolution of every figure: print quality."""

STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.5,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": "#1b1f24",
    "axes.labelcolor": "#1b1f24",
    "axes.edgecolor": "#5a626b",
    "xtick.color": "#3a4048",
    "ytick.color": "#3a4048",
    # Names of layers and classes are text, never mathematics.
    "text.parse_math": False,
}

COLOURS: Mapping[str, str] = {
    "sae": "#d55e00",
    "rf": "#009e73",
    "svm": "#0072b2",
    "lr": "#cc79a7",
}
"""Colour of a model; from Okabe and Ito (2008), told apart by colour-blind readers."""
GRID = "#e3e6e9"
SPARE = ("#56b4e9", "#e69f00", "#000000", "#7f7f7f")
LINES = ("-", (0, (6, 1.5)), (0, (3, 1.2)), (0, (5, 1.2, 1, 1.2)), (0, (1, 1)))


@dataclass(frozen=True)
class Drawn:
    """A figure on disk, and the smaller picture that the page carries.

    Attributes
    ----------
    path : Path
        The PNG file.
    width, height : int
        Of the page's picture in pixels.
    uri : str
        The page's picture as a data URI.
    alt : str
        What it shows, for those who cannot see it.
    """

    path: Path
    width: int
    height: int
    uri: str
    alt: str


_kept: ContextVar[Steps | None] = ContextVar("kept", default=None)


@contextmanager
def keeping(steps: Steps | None) -> Iterator[None]:
    """Keep each figure as a finished step while the block runs, and do not draw what is kept."""
    token = _kept.set(steps)
    try:
        yield
    finally:
        _kept.reset(token)


@contextmanager
def style() -> Iterator[None]:
    """Draw in the style of the report while the block runs."""
    with mpl.rc_context(cast(Any, dict(STYLE))):
        yield


def new(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of this size in inches and an empty sheet over all of it, in inches."""
    # Not by pyplot, which keeps figures in a list of the whole process.
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    sheet = figure.add_axes((0.0, 0.0, 1.0, 1.0), label="sheet")
    sheet.set_xlim(0, width)
    sheet.set_ylim(0, height)
    sheet.axis("off")
    # Over the maps, for scale bars that lie on them.
    sheet.set_zorder(6)
    sheet.patch.set_alpha(0)
    return figure, sheet


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Return axes at a place in inches."""
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, bottom / h, width / w, height / h))


def panels(
    width: float, height: float, rows: int = 1, columns: int = 1, **how: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure of this size in inches, and panels in it that leave room for their labels."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    found = list(figure.subplots(rows, columns, squeeze=False, **how).flat)
    for axes in found:
        axes.grid(color=GRID, linewidth=0.5)
        axes.set_axisbelow(True)
    return figure, found


def named_rows(
    axes: Axes,
    names: Sequence[str],
    middle: NDArray[np.float64] | None = None,
    tall: float = 0.0,
) -> None:
    """Name the rows 0, 1, 2, ... of a chart, the first on top.

    Rows of different heights have their middles at `middle`, (names,), from 0 to `tall` in all.
    """
    axes.set_yticks(range(len(names)) if middle is None else middle, names)
    axes.set_ylim(*((len(names) - 0.5, -0.5) if middle is None else (tall, 0.0)))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def key_below(figure: Figure, axes: Axes, columns: int = 1) -> None:
    """Draw the key of some axes beneath all of a figure's panels."""
    shown = axes.get_legend_handles_labels()
    figure.legend(*shown, loc="outside lower left", ncols=columns, frameon=False)


def save(
    figure: Figure, path: Path, alt: str = "", *, embed_width: int = 1200, photo: bool = False
) -> Drawn:
    """Write a figure as PNG and return what the page carries of it.

    Parameters
    ----------
    figure : Figure
        Drawn.
    path : Path
        PNG file to make.
    alt : str
        What it shows; "" of one that the page does not carry.
    embed_width : int
        Widest picture in the page, in pixels.
    photo : bool
        A map with shading (lossy in the page) rather than lines and text.
    """
    with ThreadPoolExecutor(1) as pool:
        return begin(pool, lambda: figure, path, alt, embed_width=embed_width, photo=photo).result()


def begin(
    pool: Executor,
    make: Callable[[], Figure],
    path: Path,
    alt: str = "",
    *,
    embed_width: int = 1200,
    photo: bool = False,
) -> Future[Drawn]:
    """Draw a figure now and let a pool of threads compress it; the rest is as for `save`.

    Matplotlib may draw in one thread only, but to compress the pictures takes as long.

    Parameters
    ----------
    pool : Executor
        Compresses and writes.
    make : callable
        Returns the figure; not called where the figure is kept.
    path, alt, embed_width, photo
        As for `save`.
    """
    steps = _kept.get()

    def holds(kept: list[Any]) -> bool:
        return len(kept) == 4 and bool(kept[0] == digest(path))

    if steps is not None and (known := steps.known(path.stem, holds)):
        return pool.submit(_drawn, path, known[0], alt)
    image = _pixels(make())

    def compress() -> Drawn:
        _store(image, path)
        small = image
        if small.width > embed_width:
            height = round(small.height * embed_width / small.width)
            small = small.resize((embed_width, height), Image.Resampling.LANCZOS)
        told: list[Any] = [
            digest(path), small.width, small.height, _uri(small, photo) if alt else ""
        ]  # fmt: skip
        if steps is not None:
            steps.keep(path.stem, told)
        return _drawn(path, told, alt)

    return pool.submit(compress)


def _drawn(path: Path, told: list[Any], alt: str) -> Drawn:
    _, width, height, uri = told
    return Drawn(path, width, height, uri, alt)


def write(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    _store(_pixels(figure), path)


def _pixels(figure: Figure) -> Image.Image:
    canvas: Any = figure.canvas
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _store(image: Image.Image, path: Path) -> None:
    with replacing(path) as temporary:
        # Written by Pillow: Matplotlib would add its version, and draw once more.
        image.save(temporary, format="PNG", dpi=(DPI, DPI), compress_level=3)


def _uri(image: Image.Image, photo: bool) -> str:
    if photo:
        # Half the size of JPEG at the same look.
        return data_uri(image, quality=78)
    # Median cut would lose colours of few pixels, such as the ends of a colour bar.
    palette = image.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    return data_uri(palette, lossless=True, quality=60)


def data_uri(image: Image.Image, **how: Any) -> str:
    """Return a picture as WebP in a data URI."""
    buffer = io.BytesIO()
    # WebP has no grey pictures, nor palettes.
    image.convert("RGB").save(buffer, format="WEBP", method=4, **how)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def colour(model: str, index: int) -> str:
    """Return the colour of a model; `index` is its place among the models."""
    return COLOURS.get(model, SPARE[index % len(SPARE)])


def line(index: int) -> Any:
    """Return the line style of the model at this place."""
    return LINES[index % len(LINES)]


def drawable(text: str) -> bool:
    """Tell whether the figures' font has all characters of a text."""
    return {ord(c) for c in text} <= _characters()


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Return the inches that a line of text takes at a size in points."""
    return sum(_advance(c, bold) for c in text) * size / 72


@lru_cache(maxsize=4096)
def _advance(character: str, bold: bool) -> float:
    """Return a character's width as a share of the text's size."""
    # A box stands for what the font has not.
    if not drawable(character):
        return 0.6
    font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal", size=1)
    return float(text_to_path.get_text_width_height_descent(character, font, ismath=False)[0])


def wrapped(text: str, width: float, size: float, bold: bool = False) -> list[str]:
    """Return the lines of a text that is at most so many inches wide; long words are broken."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if text_width(longer, size, bold) <= width:
            lines[-1] = longer
            continue
        lines += [""] if lines[-1] else []
        # Only a word that is longer than a line is broken.
        for character in word:
            if lines[-1] and text_width(lines[-1] + character, size, bold) > width:
                lines.append("")
            lines[-1] += character
    return lines


def shortened(text: str, width: float, size: float, bold: bool = False) -> str:
    """Return a text that is at most so many inches wide, with an ellipsis for what is cut off.

    A share in brackets at its end is kept: it tells more than the end of a name.
    """
    if text_width(text, size, bold) <= width:
        return text
    tail = text[text.rfind(" (") :] if text.endswith(" %)") else ""
    text = text.removesuffix(tail)
    while text and text_width(text + "…" + tail, size, bold) > width:
        text = text[:-1]
    return text.rstrip() + "…" + tail


def plain(text: str) -> str:
    """Return a text on one line without the characters that the figures' font has not."""
    return " ".join("".join(c if drawable(c) else " " for c in text).split())


@cache
def _characters() -> set[int]:
    return set(font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap())
