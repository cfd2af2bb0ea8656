"""The project and the styles as QGIS itself reads them, where its Python is installed."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from odc.geo.crs import CRS
from PIL import Image

from shakeslide import report
from shakeslide.io import style

from .fabricated import GRID, MODELS, STUDY, fabricate, write_uncertainty

PYTHON = "/usr/bin/python3"
"""QGIS's modules belong to the system's Python, never to a virtual environment."""
BREAKS = [0.2, 0.4, 0.6, 0.8]

SCRIPT = """
import json, sys
from qgis.core import (QgsApplication, QgsMapRendererParallelJob, QgsMapSettings, QgsProject,
                       QgsRasterLayer)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor
QgsApplication.setPrefixPath("/usr", True)
app = QgsApplication([], False)
app.initQgis()
project = QgsProject.instance()
told = {"read": project.read(sys.argv[1]), "error": project.error(), "title": project.title(),
        "crs": project.crs().authid(), "layers": {}, "styles": {}}
root = project.layerTreeRoot()
told["groups"] = [group.name() for group in root.findGroups()]
named = lambda identity: identity.replace("shakeslide_", "", 1)
told["shown"] = [named(node.layerId()) for node in root.findLayers() if node.isVisible()]
told["lost"] = [node.layerId() for node in root.findLayers() if node.layer() is None]
for name, layer in project.mapLayers().items():
    about = {"valid": layer.isValid(), "crs": layer.crs().authid(), "name": layer.name(),
             "renderer": layer.renderer().type() if layer.renderer() else None}
    if isinstance(layer, QgsRasterLayer):
        box = layer.extent()
        about["extent"] = [box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()]
    else:
        about["features"] = layer.featureCount()
    told["layers"][named(name)] = about
for path in sys.argv[3:]:
    layer = QgsRasterLayer(path, "map")
    # The style beside the file is taken by itself. (QGIS reads no SLD of rasters.)
    own = layer.renderer()
    about = {"qml": own.type()}
    if own.type() == "singlebandpseudocolor":
        shader = own.shader().rasterShaderFunction()
        about["items"] = [(i.value, i.color.name()) for i in shader.colorRampItemList()]
    elif own.type() == "paletted":
        about["items"] = [(c.value, c.color.name(), c.label) for c in own.classes()]
    told["styles"][path] = about
settings = QgsMapSettings()
settings.setLayers([node.layer() for node in root.findLayers() if node.isVisible()])
settings.setDestinationCrs(project.crs())
settings.setExtent(project.mapLayer("shakeslide_factor_DEM").extent())
settings.setOutputSize(QSize(560, 700))
settings.setBackgroundColor(QColor(255, 255, 255))
job = QgsMapRendererParallelJob(settings)
job.start()
job.waitForFinished()
job.renderedImage().save(sys.argv[2])
told["trouble"] = [error.message for error in job.errors()]
print("TOLD" + json.dumps(told))
"""


def has_qgis() -> bool:
    if not Path(PYTHON).exists():
        return False
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('qgis') is None)"
    return subprocess.run([PYTHON, "-I", "-c", look], check=False).returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_qgis(), reason="QGIS's Python is not on this machine"),
]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], Path]:
    """Return a run, what QGIS says of its project, and the picture it draws of it."""
    folder = tmp_path_factory.mktemp("qgis")
    out = fabricate(folder / "run")
    write_uncertainty(out)
    for model in MODELS:
        style.write_probability(out / "maps" / f"{model}_probability.qml", 0.5)
        style.write_classes(out / "maps" / f"{model}_class.qml", BREAKS)
    shapes = gpd.GeoDataFrame({"year": [2005]}, geometry=STUDY.outlines[:1], crs=GRID.crs)
    # Landslides come in whatever reference system they were mapped in.
    shapes.to_crs("EPSG:4326").to_file(folder / "slides.gpkg", layer="slides")
    path, crs = folder / "slides.gpkg", CRS("EPSG:4326")
    file = report.InventoryFile(path=path, layer="slides", where="year = 2005", crs=crs)
    report.write(out, replace(STUDY, inventory=file))
    maps = sorted(str(p) for p in (out / "maps").glob("*_probability.tif"))
    maps += sorted(str(p) for p in (out / "maps").glob("*_class.tif"))
    picture = folder / "picture.png"
    arguments = [PYTHON, "-I", "-c", SCRIPT, str(out / "shakeslide.qgs"), str(picture), *maps]
    home = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "QT_QPA_PLATFORM": "offscreen"}
    environment = {"PATH": os.environ["PATH"], **home}
    done = subprocess.run(
        arguments, capture_output=True, text=True, timeout=180, env=environment, check=False
    )
    # QGIS of Debian 12 may fall over its own shutdown, after all has been said.
    lines = [line for line in done.stdout.splitlines() if line.startswith("TOLD")]
    assert lines, done.stderr
    return out, json.loads(lines[0].removeprefix("TOLD")), picture


def test_every_layer_opens(seen: tuple[Path, dict[str, Any], Path]) -> None:
    out, told, _ = seen
    assert told["read"] is True
    assert told["error"] == ""
    assert told["crs"] == "EPSG:32643"
    assert told["lost"] == []
    assert told["groups"] == ["Landslides", "Maps", "Factors"]
    files = {p.stem for d in ("maps", "factors") for p in (out / d).glob("*.tif")}
    rasters = {k: v for k, v in told["layers"].items() if "extent" in v}
    assert {k.removeprefix("factor_") for k in rasters} == files
    for name, layer in told["layers"].items():
        assert layer["valid"], name
    for name, layer in rasters.items():
        assert layer["crs"] == "EPSG:32643", name
        assert layer["extent"] == pytest.approx(list(GRID.boundingbox.bbox)), name
    slides = told["layers"]["inventory"]
    assert (slides["crs"], slides["features"]) == ("EPSG:4326", 1)
    assert told["shown"] == ["inventory", f"{MODELS[0]}_probability", "factor_DEM"]


def test_maps_are_drawn_in_their_styles(seen: tuple[Path, dict[str, Any], Path]) -> None:
    _, told, _ = seen
    layers = told["layers"]
    for model in MODELS:
        assert layers[f"{model}_probability"]["renderer"] == "singlebandpseudocolor"
        assert layers[f"{model}_class"]["renderer"] == "paletted"
    assert layers["factor_DEM"]["renderer"] == "hillshade"
    assert layers["factor_TPI"]["renderer"] == "singlebandgray"
    for path, found in told["styles"].items():
        if path.endswith("_probability.tif"):
            assert found["qml"] == "singlebandpseudocolor"
            assert [c for _, c in found["items"]] == list(style.RAMP)
            assert found["items"][-1][0] == pytest.approx(0.5)
        else:
            assert found["qml"] == "paletted"
            names, colours = style.class_names(BREAKS), style.class_colours(5)
            wanted = [[k, c, names[k]] for k, c in zip(names, colours, strict=True)]
            assert found["items"] == wanted


def test_the_drawn_map_shows_the_values(seen: tuple[Path, dict[str, Any], Path]) -> None:
    out, told, picture = seen
    assert told["trouble"] == []
    pixels = np.asarray(Image.open(picture).convert("L"), float)
    with rasterio.open(out / "maps" / f"{MODELS[0]}_probability.tif") as src:
        p = src.read(1)
    # 56 x 70 cells drawn 10 pixels wide: the ramp gets darker as the probability grows.
    middles = pixels.reshape(70, 10, 56, 10)[:, 3:7, :, 3:7].mean(axis=(1, 3))
    known = np.isfinite(p)
    assert np.corrcoef(p[known], middles[known])[0, 1] < -0.5
