"""A QGIS project of a run: its maps, factors and landslides in one file, by relative paths."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import defusedxml.ElementTree
import numpy as np
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from shakeslide.core.files import replacing
from shakeslide.factors.stack import FactorInfo
from shakeslide.geo import grid as grids
from shakeslide.report import words
from shakeslide.report.artefacts import Artefacts
from shakeslide.report.cartography import Float, View
from shakeslide.report.study_facts import StudyFacts

NAME = "shakeslide.qgs"
VERSION = "3.22.0"
"""Of QGIS, whose way of writing projects this is; later ones read it too."""
COARSE = 600
"""Most cells along the longer side that a factor's span is taken from."""
PREFIX = "shakeslide_"
"""Of the layers' ids: QGIS gives layers whose id is not longer than 10 characters another one, and
then finds no layer for the tree's entry."""
OUTLINE = "0,180,216,255"
SOURCE = "178,24,43,255"
DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"


@dataclass(frozen=True)
class Shown:
    """A layer of the project.

    Attributes
    ----------
    id, name : str
        Unique in the project (the file has `PREFIX` before it); as listed.
    source : str
        Relative to the project's folder, with "/", as QGIS writes it.
    shown : bool
        Whether it is seen when the project opens.
    pipe : Element or None
        How a raster is drawn; None for polygons.
    colour : str
        Of polygons' outlines: red, green, blue, opacity.
    crs : CRS or None
        Of polygons, which may lie in another system than the rest.
    """

    id: str
    name: str
    source: str
    shown: bool
    pipe: ElementTree.Element | None = None
    colour: str = ""
    crs: CRS | None = None


def write(run: Artefacts, study: StudyFacts) -> Path:
    """Write `shakeslide.qgs` into the run's folder.

    Parameters
    ----------
    run : Artefacts
        The run.
    study : StudyFacts
        With the file of the landslides, where there is one.

    Returns
    -------
    Path
        The project.
    """
    return write_groups(run.out, run.provenance.study_name, run.grid, groups_of(run, study))


def groups_of(run: Artefacts, study: StudyFacts) -> dict[str, list[Shown]]:
    """Return the layers of a run by group; the first group lies on top."""
    return {
        "Landslides": _landslides(run, study),
        "Maps": _maps(run),
        "Factors": _factors(run),
    }


def write_groups(out: Path, name: str, grid: GeoBox, groups: Mapping[str, Sequence[Shown]]) -> Path:
    """Write `shakeslide.qgs` of layers by group into a folder, and return it."""
    path = out / NAME
    text = ElementTree.tostring(project(name, grid, groups), encoding="unicode")
    with replacing(path) as temporary:
        temporary.write_text(DOCTYPE + text + "\n", encoding="utf-8")
    return path


def project(name: str, grid: GeoBox, groups: Mapping[str, Sequence[Shown]]) -> ElementTree.Element:
    """Return a project as XML; the first group lies on top."""
    root = ElementTree.Element("qgis", projectname=name, version=VERSION)
    _child(root, "title", name)
    crs = grids.crs_of(grid)
    _reference_system(_child(root, "projectCrs"), crs)
    tree = _child(root, "layer-tree-group")
    layers = ElementTree.Element("projectlayers")
    for title, members in groups.items():
        if not members:
            continue
        group = _child(tree, "layer-tree-group", name=title, checked="Qt::Checked", expanded="1")
        for layer in members:
            _listed(group, layer)
            layers.append(_layer(layer, crs))
    canvas = _child(root, "mapcanvas", name="theMapCanvas")
    _child(canvas, "units", "meters")
    extent, box = _child(canvas, "extent"), grids.bounds(grid)
    for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box.bbox, strict=True):
        _child(extent, key, repr(float(value)))
    _reference_system(_child(canvas, "destinationsrs"), crs)
    root.append(layers)
    properties = _child(root, "properties")
    _child(_child(properties, "Paths"), "Absolute", "false", type="bool")
    # Without it QGIS takes the project for one without a reference system.
    _child(_child(properties, "SpatialRefSys"), "ProjectionsEnabled", "1", type="int")
    return root


# ------------------------------------------------------------------ layers


def _maps(run: Artefacts) -> list[Shown]:
    layers = []
    for i, files in enumerate(run.maps):
        title = words.model_title(files.model)
        what = files.title[:1].lower() + files.title[1:]
        layers.append(styled(run.out, files.probability, f"{title}: {what}", i == 0))
        layers.append(styled(run.out, files.classes, f"{title}: classes", False))
        for path, told in ((files.mean, "mean"), (files.spread, "standard deviation")):
            if path is not None:
                layers.append(styled(run.out, path, f"{title}: {told} of the ensemble", False))
    if run.dissimilarity is not None:
        name = "Dissimilarity to the training data"
        layers.append(styled(run.out, run.dissimilarity, name, False))
    return layers


def styled(out: Path, path: Path, name: str, shown: bool) -> Shown:
    """Return a map of a folder in the style beside it, grey where there is none."""
    style = path.with_suffix(".qml")
    # Anyone may have changed a style: entities in it are not followed.
    styled = defusedxml.ElementTree.parse(style).getroot() if style.exists() else None
    pipe = None if styled is None else styled.find("pipe")
    if pipe is None:
        pipe = _grey(np.array([[0, 1]], np.float32))
    return Shown(path.stem, name, relative(out, path), shown, pipe)


def _factors(run: Artefacts) -> list[Shown]:
    """Return the factors; elevation lies under all as relief."""
    # QGIS draws what is listed last first, beneath all others.
    ordered = sorted(run.factors, key=lambda f: f.info.code == "DEM")
    return [factor_layer(run.out, f.info, f.path, run.grid) for f in ordered]


def factor_layer(out: Path, info: FactorInfo, path: Path, grid: GeoBox) -> Shown:
    """Return a factor's file as a layer: elevation as relief, all others in grey, not shown."""
    relief, name = info.code == "DEM", f"{info.code}: {info.name}"
    pipe = _hillshade() if relief else _grey(View(grid, COARSE).read(path, average=False))
    return Shown(f"factor_{info.code}", name, relative(out, path), relief, pipe)


def _landslides(run: Artefacts, study: StudyFacts) -> list[Shown]:
    layers = []
    if (path := run.out / "sources.gpkg").exists():
        source = f"{relative(run.out, path)}|layername=source"
        layers.append(
            Shown("sources", "Source areas", source, True, colour=SOURCE, crs=run.grid.crs)
        )
    if (file := study.inventory) is not None:
        source = relative(run.out, file.path)
        source += f"|layername={file.layer}" if file.layer else ""
        source += f"|subset={file.where}" if file.where else ""
        layers.append(
            Shown("inventory", "Mapped landslides", source, True, colour=OUTLINE, crs=file.crs)
        )
    return layers


def relative(out: Path, path: Path) -> str:
    """Return a path as the project of a folder has it."""
    try:
        found = Path(os.path.relpath(path.resolve(), out.resolve())).as_posix()
    except ValueError:  # another drive of Windows
        return path.resolve().as_posix()
    # QGIS knows relative paths by their leading dots.
    return found if found.startswith("../") else f"./{found}"


# ------------------------------------------------------------------ XML


def _child(
    parent: ElementTree.Element, tag: str, text: str | None = None, /, **attributes: str
) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag, attributes)
    element.text = text
    return element


def _reference_system(parent: ElementTree.Element, crs: CRS) -> None:
    system = _child(parent, "spatialrefsys")
    _child(system, "wkt", crs.to_wkt())
    if crs.epsg:
        _child(system, "authid", f"EPSG:{crs.epsg}")


def _listed(group: ElementTree.Element, layer: Shown) -> None:
    _child(
        group,
        "layer-tree-layer",
        id=PREFIX + layer.id,
        name=layer.name,
        source=layer.source,
        providerKey="ogr" if layer.pipe is None else "gdal",
        checked="Qt::Checked" if layer.shown else "Qt::Unchecked",
        expanded="0",
    )


def _layer(layer: Shown, crs: CRS) -> ElementTree.Element:
    kind = {"type": "raster"} if layer.pipe is not None else {"type": "vector"}
    if layer.pipe is None:
        kind["geometry"] = "Polygon"
    element = ElementTree.Element("maplayer", kind)
    _child(element, "id", PREFIX + layer.id)
    _child(element, "datasource", layer.source)
    _child(element, "layername", layer.name)
    if layer.pipe is None:
        if layer.crs is not None:
            _reference_system(_child(element, "srs"), layer.crs)
        _child(element, "provider", "ogr", encoding="UTF-8")
        element.append(_outlines(layer.colour))
        return element
    _reference_system(_child(element, "srs"), crs)
    _child(element, "provider", "gdal")
    element.append(layer.pipe)
    _child(element, "blendMode", "0")
    return element


def _outlines(colour: str) -> ElementTree.Element:
    renderer = ElementTree.Element("renderer-v2", type="singleSymbol")
    symbol = _child(_child(renderer, "symbols"), "symbol", type="fill", name="0", alpha="1")
    fill = _child(symbol, "layer", enabled="1", **{"class": "SimpleFill"})
    settings: Sequence[tuple[str, str]] = (
        # No fill: the maps beneath must be seen.
        ("style", "no"),
        ("outline_color", colour),
        ("outline_style", "solid"),
        ("outline_width", "0.3"),
        ("outline_width_unit", "MM"),
    )
    for key, value in settings:
        _child(fill, "prop", k=key, v=value)
    return renderer


def _pipe(**renderer: str) -> tuple[ElementTree.Element, ElementTree.Element]:
    pipe = ElementTree.Element("pipe")
    drawn = _child(pipe, "rasterrenderer", opacity="1", alphaBand="-1", **renderer)
    _child(drawn, "rasterTransparency")
    return pipe, drawn


def _hillshade() -> ElementTree.Element:
    return _pipe(
        type="hillshade", band="1", azimuth="315", angle="45", zfactor="1", multidirection="0"
    )[0]


def _grey(values: Float) -> ElementTree.Element:
    """Return grey from the lowest to the highest of some values."""
    pipe, drawn = _pipe(type="singlebandgray", grayBand="1", gradient="BlackToWhite")
    known = values[np.isfinite(values)]
    if known.size:
        stretch = _child(drawn, "contrastEnhancement")
        _child(stretch, "minValue", f"{known.min():g}")
        _child(stretch, "maxValue", f"{known.max():g}")
        _child(stretch, "algorithm", "StretchToMinimumMaximum")
    return pipe
