"""A new earthquake's study, completed: shaking as layers, and the factors of its model."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from shakeslide.core.documents import JsonValue
from shakeslide.core.errors import InputError, shortened
from shakeslide.factors.factor import Options
from shakeslide.geo import grid as grids
from shakeslide.io import units
from shakeslide.io.geotiff import BandToWrite, write_geotiff
from shakeslide.learning.bundle import OF_DATA
from shakeslide.rapid.model_choice import COARSE
from shakeslide.shaking.ground_motion import GroundMotion
from shakeslide.study import factor_sets
from shakeslide.study.document import TomlValue
from shakeslide.study.factor_settings import PAPER_FACTORS

LITHOLOGY, LAND_COVER = "lithology", "landcover"
MEASURES = {"PGA": "g", "PGV": "cm/s"}
"""Factors that are shaking, and their units."""


def write_shaking(motion: GroundMotion, folder: Path) -> dict[str, Path]:
    """Write the medians at the nodes as rasters and return their files by measure."""
    paths = {}
    for name, measure in (("PGA", motion.pga), ("PGV", motion.pgv)):
        paths[name] = folder / f"{name}.tif"
        values = measure.median.astype(np.float32)
        write_geotiff(
            paths[name],
            motion.grid,
            grids.tiles(motion.grid, 512),
            lambda t, v=values: v[t.row0 : t.row1, t.col0 : t.col1],  # type: ignore[misc]
            BandToWrite(description=f"median {name} ({MEASURES[name]})"),
        )
    return paths


def completed(
    document: Mapping[str, TomlValue],
    shaking: Mapping[str, Path],
    wanted: Collection[str],
    learnt: Mapping[str, Options] | None = None,
) -> dict[str, Any]:
    """Return a study's document with the layers and factors of a new earthquake.

    What the study states itself stays as it is.

    Parameters
    ----------
    document : mapping
        The study as written.
    shaking : mapping of str to Path
        Rasters of the medians at nodes, by measure.
    wanted : collection of str
        Codes of the factors that the model takes.
    learnt : mapping of str to mapping, optional
        Settings of factors as the model learnt from them: they hold where the study states none.
    """
    whole = copy.deepcopy(dict(document))
    layers, factors = whole.setdefault("layers", {}), whole.setdefault("factors", {})
    if not (isinstance(layers, dict) and isinstance(factors, dict)):
        # No tables, which the validation of the study says.
        return whole
    for code, unit in MEASURES.items():
        if code.lower() not in layers:
            if code not in shaking:
                continue
            layers[code.lower()] = {"path": str(shaking[code].resolve()), "crs": "EPSG:4326"}
        factors.setdefault(code, {"function": "value", "layer": code.lower()})
        _set_unit(factors[code], code, unit)
    factors.setdefault("CTI", {"function": "wetness", "cell": COARSE})
    factors.setdefault("SLO250", {"function": "slope", "scale": COARSE, "name": "Slope, 250 m"})
    if LAND_COVER in layers:
        factors.setdefault("LC", {"function": "category", "layer": LAND_COVER})
    for code, settings in (learnt or {}).items():
        given = factors.get(code, {})
        # Shaking is read from what was written above.
        if code not in MEASURES and isinstance(given, dict):
            factors[code] = {**_settable(code, settings, given), **given}
    for key in factor_sets.KEYS:
        # The model names its factors one by one.
        factors.pop(key, None)
    every = {*PAPER_FACTORS, *factors}
    if missing := set(wanted) - every:
        raise InputError(
            f"the model takes factors that the study does not have: {', '.join(sorted(missing))}; "
            "add them to [factors]"
        )
    for code in every - set(wanted):
        # The other factors need layers that a new earthquake does not have.
        given = factors.get(code, {})
        if isinstance(given, dict):
            factors[code] = {**given, "use": False}
    return whole


def _settable(code: str, settings: Options, given: Mapping[str, object]) -> dict[str, JsonValue]:
    """Return the settings of training that a study can take over.

    Where the study computes the factor by another function, none of them fits.
    """
    usual = PAPER_FACTORS.get(code, {}).get("function")
    if given.get("function", settings.get("function", usual)) != settings.get("function", usual):
        return {}
    kept = {k: v for k, v in settings.items() if k not in OF_DATA or k in ("layer", "unit")}
    return {k: v for k, v in kept.items() if v != ""}


def _set_unit(given: object, code: str, unit: str) -> None:
    """Let a factor of shaking be in the unit in which it is drawn, capped and compared.

    Raises
    ------
    InputError
        The study states another one.
    """
    if not isinstance(given, dict):
        return
    stated = given.setdefault("unit", unit) or unit
    if isinstance(stated, str) and units.spelled(stated) != unit:
        raise InputError(
            f"[factors.{code}] unit = '{shortened(stated)}': rapid takes {code} in {unit}; delete "
            "the key, layers in another unit are converted"
        )
    given["unit"] = unit if isinstance(stated, str) else stated
