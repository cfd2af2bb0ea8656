"""Styles of the maps: well-formed, and both kinds say the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from defusedxml.ElementTree import parse

from shakeslide.io import style

SLD = "{http://www.opengis.net/sld}"
BREAKS = [0.1, 0.3, 0.5, 0.7]


def entries(path: Path) -> list[tuple[float, str, str]]:
    """Value, label and colour of each entry of an SLD."""
    root = parse(path).getroot()
    assert root.tag == f"{SLD}StyledLayerDescriptor"
    assert root.get("version") == "1.0.0"
    # The order that the schema of SLD 1.0 asks for.
    (symbolizer,) = root.iter(f"{SLD}RasterSymbolizer")
    assert [part.tag for part in symbolizer] == [f"{SLD}Opacity", f"{SLD}ColorMap"]
    return [
        (float(e.get("quantity", "")), e.get("label", ""), e.get("color", ""))
        for e in root.iter(f"{SLD}ColorMapEntry")
    ]


@pytest.mark.parametrize("greatest", [1.0, 0.0321])
def test_both_ramps_are_one(tmp_path: Path, greatest: float) -> None:
    path = tmp_path / "rf_probability.qml"
    style.write_probability(path, greatest)
    qml = [
        (float(e.get("value", "")), e.get("label", ""), e.get("color", ""))
        for e in parse(path).getroot().iter("item")
    ]
    told = entries(path.with_suffix(".sld"))
    assert told == qml
    assert [colour for _, _, colour in told] == list(style.RAMP)
    assert told[0][0] == 0
    assert told[-1][0] == pytest.approx(greatest)
    root = parse(path.with_suffix(".sld")).getroot()
    assert [e.get("type") for e in root.iter(f"{SLD}ColorMap")] == ["ramp"]
    assert [e.text for e in root.iter(f"{SLD}Name")] == ["rf_probability"] * 2


def test_styles_say_what_the_map_shows(tmp_path: Path) -> None:
    style.write_probability(tmp_path / "a.qml", 0.335, "Share < a half")
    (legend,) = parse(tmp_path / "a.qml").getroot().iter("rampLegendSettings")
    assert legend.get("maximumLabel") == "0.34 (Share < a half)"
    assert [e.text for e in parse(tmp_path / "a.sld").getroot().iter(f"{SLD}Title")] == [
        "Share < a half"
    ]


@pytest.mark.parametrize("breaks", [BREAKS, [0.5], []])
def test_both_palettes_are_one(tmp_path: Path, breaks: list[float]) -> None:
    path = tmp_path / "rf_class.qml"
    style.write_classes(path, breaks)
    qml = [
        (float(e.get("value", "")), e.get("label", ""), e.get("color", ""))
        for e in parse(path).getroot().iter("paletteEntry")
    ]
    told = entries(path.with_suffix(".sld"))
    assert told == qml
    assert {int(k): name for k, name, _ in told} == style.class_names(breaks)
    root = parse(path.with_suffix(".sld")).getroot()
    assert [e.get("type") for e in root.iter(f"{SLD}ColorMap")] == ["values"]


def test_what_lies_under_shows_through_alike(tmp_path: Path) -> None:
    style.write_probability(tmp_path / "a.qml")
    style.write_classes(tmp_path / "b.qml", BREAKS)
    for name in "ab":
        qml = parse(tmp_path / f"{name}.qml").getroot()
        sld = parse(tmp_path / f"{name}.sld").getroot()
        (renderer,), (opacity,) = qml.iter("rasterrenderer"), sld.iter(f"{SLD}Opacity")
        assert float(renderer.get("opacity", "")) == float(opacity.text or "") == style.OPACITY
