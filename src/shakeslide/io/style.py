"""Styles for the maps, in colours that colour-blind readers can tell apart.

Each is written for QGIS (`.qml`, which it finds by the map's name) and, beside it, as SLD 1.0
(`.sld`), which GeoServer and other software read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from shakeslide.core.files import replacing

RAMP = ("#fcfdbf", "#feb078", "#f1605d", "#b73779", "#721f81", "#2c115f")
"""Pale to dark, even steps of lightness (matplotlib's magma, reversed)."""
OPACITY = 0.8
"""So that what lies under a map shows through."""
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


def write_probability(path: Path, greatest: float = 1.0, title: str = "") -> None:
    """Write the styles of a probability map, their ramp from 0 to `greatest`.

    Parameters
    ----------
    path : Path
        The QGIS style to make; the SLD gets the same name with `.sld`.
    greatest : float
        Value of the darkest colour.
    title : str
        What the map shows, for legends.
    """
    steps = [greatest * i / (len(RAMP) - 1) for i in range(len(RAMP))]
    items = "".join(
        f'<item value="{v:g}" label="{v:.2g}" color="{c}" alpha="255"/>'
        for v, c in zip(steps, RAMP, strict=True)
    )
    highest = f"{greatest:.2g} ({title})" if title else ""
    _write(
        path,
        '<rasterrenderer type="singlebandpseudocolor" band="1" '
        f'opacity="{OPACITY:g}" alphaBand="-1" '
        f'classificationMin="0" classificationMax="{greatest:g}" nodataColor="">'
        "<rasterTransparency/><rastershader>"
        '<colorrampshader colorRampType="INTERPOLATED" classificationMode="1" clip="0" '
        f'minimumValue="0" maximumValue="{greatest:g}">{items}'
        f'<rampLegendSettings useContinuousLegend="1" maximumLabel={quoteattr(highest)}/>'
        "</colorrampshader>"
        "</rastershader></rasterrenderer>",
    )
    entries = [(v, f"{v:.2g}", c) for v, c in zip(steps, RAMP, strict=True)]
    _write_sld(path.with_suffix(".sld"), "ramp", entries, title)


def write_classes(path: Path, breaks: Sequence[float]) -> None:
    """Write the styles of a class map.

    Parameters
    ----------
    path : Path
        The QGIS style to make; the SLD gets the same name with `.sld`.
    breaks : sequence of float
        Limits between the classes.
    """
    names = class_names(breaks)
    entries = "".join(
        f'<paletteEntry value="{k}" label={quoteattr(names[k])} color="{c}" alpha="255"/>'
        for k, c in zip(names, class_colours(len(names)), strict=True)
    )
    _write(
        path,
        f'<rasterrenderer type="paletted" band="1" opacity="{OPACITY:g}" alphaBand="-1" '
        'nodataColor="">'
        f"<rasterTransparency/><colorPalette>{entries}</colorPalette></rasterrenderer>",
    )
    colours = class_colours(len(names))
    _write_sld(
        path.with_suffix(".sld"),
        "values",
        [(k, names[k], c) for k, c in zip(names, colours, strict=True)],
    )


def _write_sld(
    path: Path, kind: str, entries: Sequence[tuple[float, str, str]], title: str = ""
) -> None:
    """Write a colour map as SLD 1.0; `kind` is GeoServer's: between entries "ramp", or "values"."""
    titled = f"<sld:Title>{escape(title)}</sld:Title>" if title else ""
    items = "".join(
        f'<sld:ColorMapEntry color="{colour}" opacity="1" quantity="{value:g}" '
        f"label={quoteattr(label)}/>"
        for value, label, colour in entries
    )
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<sld:StyledLayerDescriptor version="1.0.0" xmlns:sld="http://www.opengis.net/sld">'
        f"<sld:NamedLayer><sld:Name>{escape(path.stem)}</sld:Name>"
        f"<sld:UserStyle><sld:Name>{escape(path.stem)}</sld:Name>{titled}"
        "<sld:FeatureTypeStyle><sld:Rule><sld:RasterSymbolizer>"
        f'<sld:Opacity>{OPACITY:g}</sld:Opacity><sld:ColorMap type="{kind}">{items}</sld:ColorMap>'
        "</sld:RasterSymbolizer></sld:Rule></sld:FeatureTypeStyle>"
        "</sld:UserStyle></sld:NamedLayer></sld:StyledLayerDescriptor>\n"
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _write(path: Path, renderer: str) -> None:
    text = (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        '<qgis version="3.22" styleCategories="AllStyleCategories">'
        f"<pipe>{renderer}<brightnesscontrast/><huesaturation/></pipe>"
        "<blendMode>0</blendMode></qgis>\n"
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
