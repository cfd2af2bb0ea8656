"""What the extraction leaves on disk: `sources.gpkg` for any GIS, `sources.json` for the report."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core import documents
from shakeslide.core.documents import Document
from shakeslide.core.files import replacing
from shakeslide.geo import grid as grids
from shakeslide.io.geopackage import undated
from shakeslide.sources import change
from shakeslide.sources.extraction import Account, Extracted
from shakeslide.sources.outlines import Shapes
from shakeslide.sources.separation import WHOLE
from shakeslide.sources.size_frequency import Tail, distribution, fit_tail

NAME = "sources.json"
LAYERS = ("source", "runout", "crown")
"""Layers of `sources.gpkg`: source areas, run-outs and crowns, one landslide a row in each."""
UNCHANGED = "unchanged"
"""Layer with the ground that images have taken out of outlines, where there is any."""


def write(
    extracted: Extracted,
    grid: GeoBox,
    out: Path,
    record: SourcesRecord,
) -> list[Path]:
    """Write `sources.gpkg` and `sources.json`.

    Parameters
    ----------
    extracted : Extracted
        What was found.
    grid : GeoBox
        Whose CRS the polygons are in.
    out : Path
        Folder of the run.
    record : SourcesRecord
        What is told of it (`summary`).

    Returns
    -------
    list of Path
        The two files.
    """
    paths = [out / "sources.gpkg", out / NAME]
    # Undated: the same bytes every time.
    with replacing(paths[0], check=_damage) as temporary, undated():
        # GDAL makes a new file, but opens one that is there, and an empty one is no GeoPackage.
        temporary.unlink()
        _layers(extracted.table, temporary, grid)
    documents.write(paths[1], record)
    return paths


def _layers(table: pd.DataFrame, path: Path, grid: GeoBox) -> None:
    taken_out = table[UNCHANGED].notna().any()
    for name in (*LAYERS, UNCHANGED) if taken_out else LAYERS:
        _layer(table, name, grid).to_file(
            path,
            layer=name,
            driver="GPKG",
            engine="pyogrio",
            geometry_type="Point" if name == "crown" else "MultiPolygon",
            promote_to_multi=name != "crown",
        )


def _damage(path: Path) -> str | None:
    """Return what is wrong with a GeoPackage that was written, None if it is whole."""
    with closing(sqlite3.connect(path)) as database:
        found: str = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
    return None if found == "ok" else found


def _layer(table: pd.DataFrame, name: str, grid: GeoBox) -> gpd.GeoDataFrame:
    rows = table
    if name in ("runout", UNCHANGED):
        rows = table[table[name].notna()]
    if name == "crown":
        geometry: Shapes = shapely.points(rows["crown_x"], rows["crown_y"])
    else:
        geometry = shapely.from_wkb(rows[name].to_numpy())
    columns = rows.drop(columns=["source", "runout", UNCHANGED, "crown_x", "crown_y"])
    columns, crs = columns.reset_index(drop=True), grids.crs_of(grid).to_wkt()
    return gpd.GeoDataFrame(columns, geometry=np.asarray(geometry, object), crs=crs)


@dataclass(frozen=True)
class Frequency:
    """Density of landslides by area, of equal length, and its tail.

    Attributes
    ----------
    tail : Tail or None
        None where there are too few for it.
    area : tuple of float
        Middle of each class (m²).
    density : tuple of float
        Landslides per m² of area class.
    count : tuple of int
        Landslides.
    """

    tail: Tail | None
    area: tuple[float, ...]
    density: tuple[float, ...]
    count: tuple[int, ...]


@dataclass(frozen=True)
class Frequencies:
    """Frequency of the areas of whole landslides and of their sources."""

    landslides: Frequency
    sources: Frequency


@dataclass(frozen=True)
class SourcesRecord(Account, Document):
    """sources.json: what became of the outlines, and what came of them.

    Attributes
    ----------
    area_m2, source_m2, unchanged_m2 : float
        Areas of landslides (source and run-out), of sources, and of ground that images took out.
    volume_m3 : float
        Of all landslides.
    frequency : Frequencies
        Of areas.
    notes : tuple of str
        What reading the inventory has repaired or left out before.
    settings : mapping
        The table [sources].
    """

    schema_number: ClassVar[int] = 1
    made_by: ClassVar[str] = "sources"

    area_m2: float
    source_m2: float
    unchanged_m2: float
    volume_m3: float
    frequency: Frequencies
    notes: tuple[str, ...]
    settings: Mapping[str, Any]

    @property
    def source_share(self) -> float:
        """Share of the outlined area that is source."""
        return self.source_m2 / max(self.area_m2, 1e-9)


def load(out: Path) -> SourcesRecord | None:
    """Read a run's sources.json; None where the run has none.

    Raises
    ------
    InputError
        It is damaged, or of another version of shakeslide.
    """
    path = out / NAME
    return documents.read(path, SourcesRecord) if path.exists() else None


def summary(
    extracted: Extracted, about: Mapping[str, Any], notes: Sequence[str] = ()
) -> SourcesRecord:
    """Return the record of an extraction.

    Parameters
    ----------
    extracted : Extracted
        What was found.
    about : mapping
        The table [sources].
    notes : sequence of str
        What reading the inventory has repaired or left out before.
    """
    table = extracted.table
    account = extracted.account()
    return SourcesRecord(
        **{f.name: getattr(account, f.name) for f in fields(account)},
        area_m2=float(table["area_m2"].sum()),
        source_m2=float(table["source_m2"].sum()),
        unchanged_m2=float(table["unchanged_m2"].sum()),
        volume_m3=float(table["volume_m3"].sum()),
        frequency=Frequencies(
            landslides=frequency(table["area_m2"].to_numpy(np.float64)),
            sources=frequency(table["source_m2"].to_numpy(np.float64)),
        ),
        notes=tuple(notes),
        settings=dict(about),
    )


def frequency(area: NDArray[np.float64]) -> Frequency:
    """Return the frequency of areas, (n,) in m²."""
    held = distribution(area)
    return Frequency(fit_tail(area), held.area, held.density, held.number)


def reasons(extracted: Extracted) -> list[str]:
    """Return for each reason how many outlines were left out."""
    return [f"{n:,} left out: {why}" for why, n in extracted.account().dropped_for.items()]


METHOD_WORDS = {
    "S0": "source as mapped (S0)",
    "S1": "height (S1)",
    "S2": "area (S2)",
    "S3": "scar (S3)",
    "S4": "break of slope (S4)",
    WHOLE: "whole outline",
}
"""Methods in words for the user."""


def lines(extracted: Extracted, notes: Sequence[str] = ()) -> list[str]:
    """Return the result of the extraction in a few lines for the user."""
    told = extracted.account()
    share = 100 * extracted.table["source_m2"].sum() / max(extracted.table["area_m2"].sum(), 1e-9)
    text = [
        f"{told.landslides:,} landslides of {told.outlines:,} outlines "
        f"({told.split:,} divided, {told.dropped:,} left out); "
        f"{share:.0f} % of their area is source",
        "method: " + ", ".join(f"{METHOD_WORDS[name]}: {n:,}" for name, n in told.methods.items()),
    ]
    text += reasons(extracted)
    text += [f"{n:,} outlines divided for {why}" for why, n in told.split_for.items()]
    text += _change_lines(told.change, extracted.table)
    return text + list(notes)


LEFT_AS_DRAWN = {
    change.UNKNOWN: "too few image values in or around them",
    change.FAINT: "no clear difference from the ground around them",
    change.LITTLE: "almost nothing would be left",
    change.OPPOSITE: "changed in the opposite direction",
    change.FEW: f"fewer than {change.LEAST_CELLS} cells",
    change.MAPPED: "mapped sources",
}
"""Why images leave outlines unchanged, in words."""


def _change_lines(told: Mapping[str, int], table: pd.DataFrame) -> list[str]:
    """Return the result of the images from before and after."""
    if not told:
        return []
    refined, opposite = told.get(change.REFINED, 0), told.get(change.OPPOSITE, 0)
    outlined = table["area_m2"].sum() + table["unchanged_m2"].sum()
    share = 100 * table["unchanged_m2"].sum() / max(outlined, 1e-9)
    text = [
        f"{refined:,} outlines refined by before and after, {told.get(change.CONFIRMED, 0):,} "
        f"confirmed; {share:.1f} % of the outlined ground did not change"
    ]
    text += [f"{told[k]:,} not refined: {w}" for k, w in LEFT_AS_DRAWN.items() if k in told]
    if opposite > refined:
        text.append(
            "warning: most outlines that changed did so in the opposite direction; correct "
            "[sources] loss, or check whether before and after are exchanged"
        )
    return text
