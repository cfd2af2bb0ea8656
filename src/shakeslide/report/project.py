"""A QGIS project of a run: its maps, factors and landslides in one file, by relative paths."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import defusedxml.ElementTree
import numpy as np
from markupsafe import Markup
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from shakeslide.core.files import replacing
from shakeslide.factors.stack import FactorInfo
from shakeslide.geo import grid as grids
from shakeslide.report import page, words
from shakeslide.report.artefacts import Artefacts
from shakeslide.report.cartography import Float, View
from shakeslide.report.study_facts import StudyFacts

NAME = "shakeslide.qgs"
COARSE = 600
"""Most cells along the longer side that a factor's span is taken from."""
PREFIX = "shakeslide_"
"""Of the layers' ids: QGIS gives layers whose id is not longer than 10 characters another one, and
then finds no layer for the tree's entry."""
OUTLINE = "0,180,216,255"
SOURCE = "178,24,43,255"


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
    pipe : Markup or None
        How a raster is drawn, as XML; None for polygons.
    colour : str
        Of polygons' outlines: red, green, blue, opacity.
    crs : CRS or None
        Of polygons, which may lie in another system than the rest.
    """

    id: str
    name: str
    source: str
    shown: bool
    pipe: Markup | None = None
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
    template = page.environment().get_template("project.qgs.j2")
    box = [repr(float(value)) for value in grids.bounds(grid).bbox]
    with replacing(out / NAME) as temporary:
        text = template.render(
            name=name, prefix=PREFIX, crs=grids.crs_of(grid), box=box, groups=groups
        )
        temporary.write_text(text, encoding="utf-8")
    return out / NAME


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
    found = None if styled is None else styled.find("pipe")
    pipe = (
        _grey(np.array([[0, 1]], np.float32))
        if found is None
        else Markup(ElementTree.tostring(found, encoding="unicode"))
    )
    return Shown(path.stem, name, relative(out, path), shown, pipe)


def _factors(run: Artefacts) -> list[Shown]:
    """Return the factors; elevation lies under all as relief."""
    # QGIS draws what is listed last first, beneath all others.
    ordered = sorted(run.factors, key=lambda f: f.info.code == "DEM")
    return [factor_layer(run.out, f.info, f.path, run.grid) for f in ordered]


def factor_layer(out: Path, info: FactorInfo, path: Path, grid: GeoBox) -> Shown:
    """Return a factor's file as a layer: elevation as relief, all others in grey, not shown."""
    relief, name = info.code == "DEM", f"{info.code}: {info.name}"
    pipe = HILLSHADE if relief else _grey(View(grid, COARSE).read(path, average=False))
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


# ------------------------------------------------------------------ how rasters are drawn

HILLSHADE = Markup(
    '<pipe><rasterrenderer opacity="1" alphaBand="-1" type="hillshade" band="1" azimuth="315" '
    'angle="45" zfactor="1" multidirection="0"><rasterTransparency/></rasterrenderer></pipe>'
)
GREY = Markup(
    '<pipe><rasterrenderer opacity="1" alphaBand="-1" type="singlebandgray" grayBand="1" '
    'gradient="BlackToWhite"><rasterTransparency/>{}</rasterrenderer></pipe>'
)
STRETCH = Markup(
    "<contrastEnhancement><minValue>{:g}</minValue><maxValue>{:g}</maxValue>"
    "<algorithm>StretchToMinimumMaximum</algorithm></contrastEnhancement>"
)


def _grey(values: Float) -> Markup:
    """Return grey from the lowest to the highest of some values, (rows, cols)."""
    known = values[np.isfinite(values)]
    return GREY.format(STRETCH.format(known.min(), known.max()) if known.size else "")
