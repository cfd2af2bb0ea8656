"""QGIS styles (.qml) for the maps, in colours that colour-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from shakeslide.io.raster import replacing

RAMP = ("#fcfdbf", "#feb078", "#f1605d", "#b73779", "#721f81", "#2c115f")
"""Pale to dark, even steps of lightness (matplotlib's magma, reversed)."""
WORDS = ("very low", "low", "moderate", "high", "very high")


def class_names(breaks: Sequence[float]) -> dict[int, str]:
    """Return the name of each class: in words where there are five, always with its limits."""
    limits = [0.0, *breaks, 1.0]
    names = {}
    for i in range(len(limits) - 1):
        span = f"{limits[i]:g} to {limits[i + 1]:g}"
        names[i + 1] = f"{WORDS[i]} ({span})" if len(breaks) == 4 else span
    return names


def class_colours(count: int) -> list[str]:
    """Return `count` colours from pale to dark."""
    if count == 1:
        return [RAMP[2]]
    last = len(RAMP) - 2
    return [_mix(i * last / (count - 1)) for i in range(count)]


def _mix(position: float) -> str:
    i = min(int(position), len(RAMP) - 2)
    t = position - i
    a, b = _rgb(RAMP[i]), _rgb(RAMP[i + 1])
    return "#" + "".join(f"{round(x + (y - x) * t):02x}" for x, y in zip(a, b, strict=True))


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def write_probability(path: Path, greatest: float = 1.0) -> None:
    """Write the style of a probability map, its ramp from 0 to `greatest`."""
    steps = [greatest * i / (len(RAMP) - 1) for i in range(len(RAMP))]
    items = "".join(
        f'<item value="{v:g}" label="{v:.2g}" color="{c}" alpha="255"/>'
        for v, c in zip(steps, RAMP, strict=True)
    )
    _write(
        path,
        '<rasterrenderer type="singlebandpseudocolor" band="1" opacity="0.8" alphaBand="-1" '
        f'classificationMin="0" classificationMax="{greatest:g}" nodataColor="">'
        "<rasterTransparency/><rastershader>"
        '<colorrampshader colorRampType="INTERPOLATED" classificationMode="1" clip="0" '
        f'minimumValue="0" maximumValue="{greatest:g}">{items}</colorrampshader>'
        "</rastershader></rasterrenderer>",
    )


def write_classes(path: Path, breaks: Sequence[float]) -> None:
    """Write the style of a class map."""
    names = class_names(breaks)
    entries = "".join(
        f'<paletteEntry value="{k}" label={quoteattr(names[k])} color="{c}" alpha="255"/>'
        for k, c in zip(names, class_colours(len(names)), strict=True)
    )
    _write(
        path,
        '<rasterrenderer type="paletted" band="1" opacity="0.8" alphaBand="-1" nodataColor="">'
        f"<rasterTransparency/><colorPalette>{entries}</colorPalette></rasterrenderer>",
    )


def _write(path: Path, renderer: str) -> None:
    text = (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        '<qgis version="3.22" styleCategories="AllStyleCategories">'
        f"<pipe>{renderer}<brightnesscontrast/><huesaturation/></pipe>"
        "<blendMode>0</blendMode></qgis>\n"
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
