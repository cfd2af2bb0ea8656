"""Ground motion from rasters of your own, instead of a ShakeMap."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from shakeslide.core.errors import InputError
from shakeslide.geo import grid as grids
from shakeslide.io import units
from shakeslide.layers import readers
from shakeslide.shaking.bssa14 import Name
from shakeslide.shaking.completion import UNITS, Given, completed, origin_of_deviations
from shakeslide.shaking.ground_motion import GroundMotion
from shakeslide.study.layer_settings import Layer
from shakeslide.study.rapid_settings import Shaking
from shakeslide.study.settings import Event

SPACING = 0.01
"""Distance of nodes in degrees on small grids."""
MOST_ALONG = 400
"""Nodes along a side at most."""
MARGIN = 2


def read(
    layers: Mapping[str, Layer], shaking: Shaking, event: Event, title: str, grid: GeoBox
) -> GroundMotion:
    """Return the ground motion of the layers `pga` and `pgv` of a study.

    Parameters
    ----------
    layers : mapping of str to Layer
        With "pga" or "pgv", or both.
    shaking, event : Shaking, Event
        The tables [shaking] and [event].
    title : str
        Name of the study.
    grid : GeoBox
        Around which the nodes lie.

    Raises
    ------
    InputError
        Neither layer is there, or values that cannot be true.
    """
    nodes = _nodes(grid)
    given: dict[Name, Given] = {}
    found = []
    for name in UNITS:
        layer = layers.get(name.lower())
        if layer is None:
            given[name] = Given()
            continue
        found.append(str(layer.path))
        values = readers.raster_source(layer, name=name.lower()).read(nodes).astype(np.float64)
        stated = readers.raster_info(layer, name.lower()).unit
        given[name] = Given(
            median=values * _gain(stated, name, str(layer.path)),
            total=_sd(shaking.sd, values),
        )
    if not found:
        raise InputError(
            "[shaking] shakemap is missing: give the path of grid.xml or shake_result.hdf, or "
            "rasters of your own as [layers.pga] and [layers.pgv]"
        )
    measures, mmi, notes = completed(given, None, event.magnitude, ", ".join(found))
    return GroundMotion(
        source=", ".join(found),
        id="",
        version="",
        title=title,
        scenario=bool(shaking.scenario),
        magnitude=event.magnitude,
        depth=None,
        epicentre=event.epicentre if event.crs == "EPSG:4326" else None,
        time="" if event.time is None else event.time.isoformat(timespec="seconds"),
        grid=nodes,
        pga=measures["PGA"],
        pgv=measures["PGV"],
        mmi=mmi,
        vs30=None,
        uncertainty_ratio=None,
        finite_rupture=None,
        notes=tuple(notes),
        deviations=origin_of_deviations(given, "[shaking] sd"),
    )


def _gain(stated: str, name: Name, where: str) -> float:
    """Return what turns a raster's unit into g or cm/s; a raster without unit is in these."""
    if not stated:
        return 1.0
    gain = units.conversion(stated, UNITS[name])
    if gain is None:
        raise InputError(
            f"{where}: is in '{stated}', which is not a unit of {name} ({UNITS[name]})"
        )
    return gain


def _sd(stated: float | None, like: NDArray[np.float64]) -> NDArray[np.float64] | None:
    return None if stated is None else np.full(like.shape, stated)


def _nodes(grid: GeoBox) -> GeoBox:
    """Return a grid of longitude and latitude around a grid, a node at the centre of each cell."""
    box = grids.bounds(grid)
    x = np.linspace(box.left, box.right, 21)
    y = np.linspace(box.bottom, box.top, 21)
    xx, yy = (v.ravel() for v in np.meshgrid(x, y))
    turn = Transformer.from_crs(grids.crs_of(grid).proj, "EPSG:4326", always_xy=True)
    lon, lat = (np.asarray(v) for v in turn.transform(xx, yy))
    # Beyond 180 degrees where the grid crosses that meridian.
    if np.ptp(lon) > 180:
        lon = np.where(lon < 0, lon + 360, lon)
    widest = max(float(np.ptp(lon)), float(np.ptp(lat)))
    step = max(SPACING, widest / MOST_ALONG)
    west = np.floor(lon.min() / step - MARGIN) * step
    north = np.ceil(lat.max() / step + MARGIN) * step
    cols = int(np.ceil((lon.max() - west) / step)) + MARGIN
    rows = int(np.ceil((north - lat.min()) / step)) + MARGIN
    return GeoBox((rows, cols), Affine(step, 0, west, 0, -step, north), CRS("EPSG:4326"))
