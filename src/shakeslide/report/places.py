"""Places: the squares of ground in which a map expects the most landslide area."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core import spreadsheets
from shakeslide.core.files import replacing
from shakeslide.evaluation.calibration import correct_prior
from shakeslide.geo import grid as grids
from shakeslide.io import raster
from shakeslide.learning import bundle
from shakeslide.report import cartography, findings, words
from shakeslide.report.artefacts import Artefacts, MapFiles
from shakeslide.report.cartography import View

TABLE, OUTLINES = "places.csv", "places.geojson"
MOST = 10
"""Places in the tables."""
MOST_SQUARES = 2000
"""Squares that a map is cut into at most, edges aside; at least there are a sixth as many."""
LEAST_CELLS = 10
"""Cells along a square at least: with fewer, squares of one size differ in their cells."""
HECTARE = 1e4
FAR = 1.5
"""Times that expected and mapped area may differ before a reader is warned."""

Shares = tuple[float, float]
"""Share of positives in the training sample, and in the area."""


@dataclass(frozen=True)
class Sums:
    """Sums over squares, which lie on round coordinates of the map's CRS.

    Attributes
    ----------
    side : float
        Of the squares, in metres.
    left, top : float
        Corner of the first square, in the map's CRS.
    expected, ground : array, (rows, cols) float64
        Expected landslide area, and area with a value, of each square in square metres.
    """

    side: float
    left: float
    top: float
    expected: NDArray[np.float64]
    ground: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Square:
    """A square of ground in which a map expects landslides.

    Attributes
    ----------
    label : str
        A, B, C, ... from the most expected landslide area down.
    longitude, latitude : float
        Of its centre, WGS 84, in degrees.
    x, y : float
        Of its centre, in the map's CRS.
    expected, ground : float
        Expected landslide area, and area with a value, in square metres.
    outline : sequence of (longitude, latitude)
        Its corners, counter-clockwise, the first again at the end.
    """

    label: str
    longitude: float
    latitude: float
    x: float
    y: float
    expected: float
    ground: float
    outline: Sequence[tuple[float, float]]

    @property
    def share(self) -> float:
        """Share of its ground that is expected to be landslide."""
        return self.expected / self.ground

    @property
    def centre(self) -> str:
        """Latitude and longitude as printed."""
        north, east = "N" if self.latitude >= 0 else "S", "E" if self.longitude >= 0 else "W"
        degrees = f"°{words.NBSP}"
        return f"{abs(self.latitude):.3f}{degrees}{north}, {abs(self.longitude):.3f}{degrees}{east}"


@dataclass(frozen=True, kw_only=True)
class Place(Square):
    """A square whose mapped landslides are known.

    Attributes
    ----------
    mapped : float
        Mapped landslide area (of cells with all factors) in square metres.
    """

    mapped: float


@dataclass(frozen=True, kw_only=True)
class Together:
    """What some places hold together, in square metres; as in `Place`."""

    expected: float
    mapped: float
    ground: float

    @property
    def is_far(self) -> bool:
        """Whether far more or less is expected than was mapped."""
        return self.expected > FAR * self.mapped or self.mapped > FAR * self.expected


@dataclass(frozen=True)
class Places:
    """The first places of a map.

    Attributes
    ----------
    model : str
        Whose map it is.
    side : float
        Of the squares, in metres.
    ranked : sequence of Place
        From the most expected landslide area down; equal ones from north to south, then from
        west to east.
    squares : int
        Squares of the map that have ground.
    expected, mapped, ground : float
        Of the whole map, in square metres.
    calibrated : bool
        Whether the model's probabilities were calibrated.
    """

    model: str
    side: float
    ranked: Sequence[Place]
    squares: int
    expected: float
    mapped: float
    ground: float
    calibrated: bool

    def first(self, count: int) -> Together:
        """Return what the first places hold together."""
        chosen = self.ranked[:count]
        return Together(
            expected=sum(place.expected for place in chosen),
            mapped=sum(place.mapped for place in chosen),
            ground=sum(place.ground for place in chosen),
        )


def hectares(square_metres: float) -> str:
    """Return an area in hectares as printed, without its unit: three figures, two decimals."""
    value = square_metres / HECTARE
    return f"{value:,.{0 if value >= 99.5 else 1 if value >= 9.95 else 2}f}"


def best_map(run: Artefacts) -> MapFiles:
    """Return the map of the model that ranks best where the evaluation is hardest."""
    return findings.ranked(run)[0]


def find(run: Artefacts) -> Places | None:
    """Return the squares in which the best map expects the most landslide area.

    Returns
    -------
    Places or None
        None where nothing has been mapped or no landslide is expected anywhere.
    """
    if not run.maps:
        return None
    # One side for all maps of a study: it depends on the grid alone.
    files, side = best_map(run), side_of(grids.shape_of(run.grid), grids.cell_size(run.grid))
    # Areas add up only from probabilities at the area's own share of sources.
    shares = _shares(run, files.model) if files.balanced else None
    # Time and size: a map that is made anew in this process is summed anew.
    stat = files.probability.stat()
    sums = _kept(files.probability, (stat.st_mtime_ns, stat.st_size), side, shares)
    ranked = _placed(run, sums)
    if not ranked:
        return None
    return Places(
        model=files.model,
        side=side,
        ranked=ranked,
        squares=int((sums.ground > 0).sum()),
        expected=float(sums.expected.sum()),
        mapped=run.samples.counts.source_cells * math.prod(grids.cell_size(run.grid)),
        ground=float(sums.ground.sum()),
        calibrated=run.evaluation.calibrated,
    )


def side_of(shape: tuple[int, int], cell: tuple[float, float]) -> float:
    """Return the side of a map's squares: the least of 1, 2, 5 times a power of ten that does.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the map.
    cell : (float, float)
        Width and height of its cells in metres.
    """
    area = shape[0] * shape[1] * cell[0] * cell[1]
    # Few enough to list, and of enough cells to compare.
    least = max(LEAST_CELLS * max(cell), math.sqrt(area / MOST_SQUARES))
    power = 10.0 ** math.floor(math.log10(least))
    # Rounding must not skip a side that is just long enough.
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= least * (1 - 1e-9))


def _shares(run: Artefacts, model: str) -> Shares:
    """Return what a model's manifest says of its sample, without which the run's samples do."""
    about = bundle.trained_on(run.out / "models" / model)
    if about is not None:
        return about.sample_share, about.prevalence
    return float(run.samples.label.mean()), run.samples.prevalence


@lru_cache(maxsize=1)
def _kept(path: Path, _stamp: tuple[int, int], side: float, shares: Shares | None) -> Sums:
    """Return the sums of a map; page, sheet and files of a report ask for the same ones."""
    return sums(path, side, shares)


def sums(path: Path, side: float, shares: Shares | None = None) -> Sums:
    """Sum a map over squares, block by block of the file.

    Parameters
    ----------
    path : Path
        Map of probabilities, north up, in metres.
    side : float
        Of the squares in metres. A cell belongs to the square that its centre lies in.
    shares : (float, float), optional
        Of a map on the balance of a sample: share of positives in the sample and in the area, to
        which it is corrected first (`correct_prior`).

    Returns
    -------
    Sums
        Cells without a value count neither as ground nor as landslide.
    """
    with raster.result(path) as src:
        a = src.transform
        x = a.c + (np.arange(src.width) + 0.5) * a.a
        y = a.f + (np.arange(src.height) + 0.5) * a.e
        # Squares count from the origin of the CRS: another extent of a study has the same ones.
        east, north = (np.floor(v / side).astype(np.int64) for v in (x, y))
        row, col = north[0] - north, east - east[0]
        expected = np.zeros((row[-1] + 1, col[-1] + 1))
        ground = np.zeros_like(expected)
        for _, window in src.block_windows(1):
            rows, cols = window.toslices()
            p = src.read(1, window=window)
            # Before summing: the correction is not linear.
            if shares is not None:
                p = correct_prior(p, *shares)
            known = np.isfinite(p)
            _add(expected, np.where(known, p, 0), row[rows], col[cols])
            _add(ground, known, row[rows], col[cols])
    cell = abs(a.a * a.e)
    left, top = float(east[0] * side), float((north[0] + 1) * side)
    return Sums(side, left, top, expected * cell, ground * cell)


def _add(
    total: NDArray[np.float64],
    values: NDArray[Any],
    row: NDArray[np.int64],
    col: NDArray[np.int64],
) -> None:
    """Add the cells of a block to the squares that its rows and columns lie in."""
    # Squares are runs of rows and of columns, which `reduceat` sums.
    rows, first_row = np.unique(row, return_index=True)
    cols, first_col = np.unique(col, return_index=True)
    lines = np.add.reduceat(values, first_row, axis=0, dtype=np.float64)
    total[np.ix_(rows, cols)] += np.add.reduceat(lines, first_col, axis=1)


def ranking(expected: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return row and column of squares by expected landslide area, (rows, cols), the most first.

    Equal ones are in reading order; squares without any are left out.
    """
    flat = expected.ravel()
    # Stable, so that equal squares stay in reading order.
    order = np.argsort(-flat, kind="stable")
    rows, cols = np.unravel_index(order[flat[order] > 0], expected.shape)
    return list(zip(rows.tolist(), cols.tolist(), strict=True))


def squares(sums: Sums, grid: GeoBox) -> list[Square]:
    """Return the first `MOST` squares of a map, with their letters and coordinates.

    Parameters
    ----------
    sums : Sums
        Of the map.
    grid : GeoBox
        Of the map.
    """
    view, half = View(grid, 1), sums.side / 2
    # The centre, then the corners counter-clockwise, as GeoJSON wants outlines (RFC 7946, 3.1.6).
    corners = np.array([(0, 0), (-half, -half), (half, -half), (half, half), (-half, half)])
    found = []
    for i, (row, col) in enumerate(ranking(sums.expected)[:MOST]):
        x, y = sums.left + (col + 0.5) * sums.side, sums.top - (row + 0.5) * sums.side
        lon, lat = cartography.geographic(view, x + corners[:, 0], y + corners[:, 1])
        points = [(float(a), float(b)) for a, b in zip(lon, lat, strict=True)]
        found.append(
            Square(
                label=chr(65 + i),
                longitude=points[0][0],
                latitude=points[0][1],
                x=x,
                y=y,
                expected=float(sums.expected[row, col]),
                ground=float(sums.ground[row, col]),
                outline=[*points[1:], points[1]],
            )
        )
    return found


def _placed(run: Artefacts, sums: Sums) -> list[Place]:
    """Return the first squares with what was mapped in each."""
    mapped = _mapped(run, sums)
    return [
        Place(**_fields(square), mapped=float(mapped[row, col]))
        for square, (row, col) in zip(squares(sums, run.grid), ranking(sums.expected), strict=False)
    ]


def _fields(square: Square) -> dict[str, Any]:
    return {f.name: getattr(square, f.name) for f in fields(Square)}


def _mapped(run: Artefacts, sums: Sums) -> NDArray[np.float64]:
    """Return the mapped landslide area of each square; of drawn cells each stands for several."""
    x, y = (at[run.sources] for at in run.samples.places)
    # As in `sums`: squares are counted from the origin of the CRS.
    rows = round(sums.top / sums.side) - 1 - np.floor(y / sums.side)
    cols = np.floor(x / sums.side) - round(sums.left / sums.side)
    cells = np.zeros_like(sums.ground)
    # Several cells lie in one square, which plain indexing would count once.
    np.add.at(cells, (rows.astype(int), cols.astype(int)), 1)
    # Where cells were drawn, each stands for its share of those left out.
    each = run.samples.counts.source_cells / len(x)
    return cells * each * math.prod(grids.cell_size(run.grid))


# ------------------------------------------------------------------ files


def write(run: Artefacts) -> Places | None:
    """Write `places.csv` and `places.geojson` into the run's folder, or remove what is stale."""
    found, table, outlines = find(run), run.out / TABLE, run.out / OUTLINES
    if found is None:
        # Files of an earlier map would be taken for this one's.
        table.unlink(missing_ok=True)
        outlines.unlink(missing_ok=True)
        return None
    rows = [_row(p, found, grids.crs_name(run.grid.crs)) for p in found.ranked]
    # Lines end as RFC 4180 has it.
    spreadsheets.write(table, pd.DataFrame(rows), line_end="\r\n")
    features = [
        {
            "type": "Feature",
            "properties": row,
            "geometry": {
                "type": "Polygon",
                # Six decimals of a degree are a tenth of a metre.
                "coordinates": [[[round(v, 6) for v in point] for point in place.outline]],
            },
        }
        for row, place in zip(rows, found.ranked, strict=True)
    ]
    with replacing(outlines) as temporary:
        text = json.dumps({"type": "FeatureCollection", "features": features}, indent=1)
        temporary.write_text(text, encoding="utf-8")
    return found


def _row(place: Place, found: Places, crs: str) -> dict[str, str | float]:
    return {
        "label": place.label,
        "longitude": round(place.longitude, 6),
        "latitude": round(place.latitude, 6),
        "expected_ha": round(place.expected / HECTARE, 3),
        "mapped_ha": round(place.mapped / HECTARE, 3),
        "ground_ha": round(place.ground / HECTARE, 3),
        "share_of_ground": round(place.share, 5),
        "share_of_all_expected": round(place.expected / found.expected, 5),
        "side_m": found.side,
        "x": round(place.x, 2),
        "y": round(place.y, 2),
        "crs": crs,
        "model": found.model,
    }
