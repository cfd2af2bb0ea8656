"""The QGIS project: well-formed, of files that are there, by relative paths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely
from defusedxml.ElementTree import parse

from shakeslide.io import style
from shakeslide.report import InventoryFile, StudyFacts, artefacts, project

from .fabricated import EVIL, FACTORS, GRID, MODELS, STUDY, fabricate


@pytest.fixture(scope="module")
def root(run_folder: Path) -> Any:
    return parse(run_folder / "shakeslide.qgs").getroot()


def named(identity: str) -> str:
    # QGIS takes ids of more than 10 characters only.
    assert len(identity) > 10
    return identity.removeprefix(project.PREFIX)


def layers(root: Any) -> dict[str, Any]:
    found = {named(layer.findtext("id")): layer for layer in root.find("projectlayers")}
    assert len(found) == len(root.find("projectlayers"))
    return found


def test_every_file_of_the_run_is_a_layer(run_folder: Path, root: Any) -> None:
    files = {p.name for d in ("maps", "factors") for p in (run_folder / d).glob("*.tif")}
    sources = [layer.findtext("datasource") for layer in layers(root).values()]
    assert {Path(s).name for s in sources} == files
    assert len(sources) == len(files)
    for source in sources:
        assert source.startswith("./")
        assert (run_folder / source).is_file()
    assert root.findtext("properties/Paths/Absolute") == "false"


def test_the_tree_lists_the_layers(root: Any) -> None:
    groups = root.find("layer-tree-group").findall("layer-tree-group")
    assert [g.get("name") for g in groups] == ["Maps", "Factors"]
    listed = [e for g in groups for e in g]
    assert [named(e.get("id")) for e in listed] == list(layers(root))
    for entry in listed:
        layer = layers(root)[named(entry.get("id"))]
        assert entry.get("source") == layer.findtext("datasource")
        assert entry.get("name") == layer.findtext("layername")
    # One map over the relief; the rest waits to be switched on.
    shown = [named(e.get("id")) for e in listed if e.get("checked") == "Qt::Checked"]
    assert shown == [f"{MODELS[0]}_probability", "factor_DEM"]
    assert named(listed[-1].get("id")) == "factor_DEM"
    assert len(groups[1]) == len(FACTORS)


def test_place_and_names(root: Any) -> None:
    assert root.tag == "qgis"
    assert EVIL in root.findtext("title")
    assert root.findtext("projectCrs/spatialrefsys/authid") == "EPSG:32643"
    extent = [float(e.text) for e in root.find("mapcanvas/extent")]
    assert extent == list(GRID.boundingbox.bbox)


def test_maps_wear_the_styles_beside_them(tmp_path: Path) -> None:
    out = fabricate(tmp_path / "run", repeats=1)
    style.write_probability(out / "maps" / "rf_probability.qml", 0.25)
    style.write_classes(out / "maps" / "rf_class.qml", [0.5])
    project.write(artefacts.load(out), STUDY)
    found = layers(parse(out / "shakeslide.qgs").getroot())
    ramp = found["rf_probability"].find("pipe/rasterrenderer/rastershader/colorrampshader")
    assert ramp.get("maximumValue") == "0.25"
    assert len(ramp.findall("item")) == len(style.RAMP)
    assert len(list(found["rf_class"].iter("paletteEntry"))) == 2
    kinds = {k: v.find("pipe/rasterrenderer").get("type") for k, v in found.items()}
    assert kinds["lr_probability"] == kinds["factor_TPI"] == "singlebandgray"
    assert kinds["factor_DEM"] == "hillshade"
    stretch = found["factor_LITH"].find("pipe/rasterrenderer/contrastEnhancement")
    assert (stretch.findtext("minValue"), stretch.findtext("maxValue")) == ("1", "3")


def test_maps_are_called_what_they_show(run_folder: Path, tmp_path: Path) -> None:
    run = replace(artefacts.load(run_folder), out=tmp_path)
    first, *others = run.maps
    maps = [replace(first, shows="formula", says="Probability of failure"), *others]
    project.write(replace(run, maps=maps), STUDY)
    found = layers(parse(tmp_path / "shakeslide.qgs").getroot())
    names = [found[f"{f.model}_probability"].findtext("layername") for f in maps]
    assert names[0].endswith(": probability of failure")
    assert all(name.endswith(": susceptibility") for name in names[1:])


def test_landslides_lie_on_top(run_folder: Path, tmp_path: Path) -> None:
    run = replace(artefacts.load(run_folder), out=tmp_path / "run")
    run.out.mkdir()
    frame = gpd.GeoDataFrame(geometry=[shapely.Point(0, 0).buffer(1)], crs="EPSG:32643")
    frame.to_file(run.out / "sources.gpkg", layer="source")
    path = tmp_path / "data" / "all & more.gpkg"
    file = InventoryFile(path=path, layer="a", where="year < 2006")
    project.write(run, StudyFacts(inventory=file))
    root = parse(run.out / "shakeslide.qgs").getroot()
    assert root.find("layer-tree-group")[0].get("name") == "Landslides"
    found = layers(root)
    wanted = "../data/all & more.gpkg|layername=a|subset=year < 2006"
    assert found["inventory"].findtext("datasource") == wanted
    assert found["sources"].findtext("datasource") == "./sources.gpkg|layername=source"
    for name in ("inventory", "sources"):
        assert found[name].get("type") == "vector"
        assert found[name].findtext("provider") == "ogr"
        assert found[name].find("renderer-v2") is not None
