"""Small ShakeMaps as files, of any fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

ROWS, COLS = 4, 5
LON, LAT, STEP = 85.0, 28.0, 0.05
PGA = np.linspace(10.0, 60.0, ROWS * COLS).reshape(ROWS, COLS)
"""In percent of g."""
PGV = np.linspace(8.0, 70.0, ROWS * COLS).reshape(ROWS, COLS)
GRID = {"PGA": (PGA, "%g"), "PGV": (PGV, "cm/s"), "MMI": (np.full((ROWS, COLS), 7.2), "intensity")}
PARTS = {
    "STDPGA": 0.4, "STDPGV": 0.45,
    "GMPE_INTER_STDPGA": 0.27, "GMPE_INTRA_STDPGA": 0.49,
    "GMPE_INTER_STDPGV": 0.24, "GMPE_INTRA_STDPGV": 0.51,
}  # fmt: skip
EVENT = {"magnitude": "6.9", "depth": "18.0", "lat": "28.1", "lon": "85.1",
         "event_timestamp": "1989-10-18T00:04:15", "event_description": "Somewhere"}  # fmt: skip
PRODUCT = {"shakemap_id": "us1", "shakemap_version": "3", "shakemap_event_type": "ACTUAL"}


def text(
    fields: Mapping[str, tuple[np.ndarray, str]],
    lon: float = LON,
    order: Sequence[int] | None = None,
    event: Mapping[str, str] = EVENT,
    product: Mapping[str, str] = PRODUCT,
) -> str:
    """Return a grid.xml of fields, each (rows, cols) with its unit; nodes in any order."""
    rows, cols = next(iter(fields.values()))[0].shape
    x, y = lon + STEP * np.arange(cols), LAT - STEP * np.arange(rows)
    columns = [(a + 180) % 360 - 180 if i == 0 else a for i, a in enumerate(np.meshgrid(x, y))]
    table = np.column_stack([c.ravel() for c in (*columns, *(v for v, _ in fields.values()))])
    table = table if order is None else table[list(order)]
    named = [("LON", "dd"), ("LAT", "dd"), *((name, unit) for name, (_, unit) in fields.items())]
    attributes = [" ".join(f'{k}="{v}"' for k, v in d.items()) for d in (product, event)]
    return "\n".join([
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<shakemap_grid xmlns="http://earthquake.usgs.gov/eqcenter/shakemap" '
        f"{attributes[0]}>", f"<event {attributes[1]}/>",
        f'<grid_specification nlon="{cols}" nlat="{rows}"/>',
        *(f'<grid_field index="{k}" name="{n}" units="{u}"/>' for k, (n, u) in enumerate(named, 1)),
        "<grid_data>", *(" ".join(f"{v:.9g}" for v in row) for row in table.tolist()),
        "</grid_data></shakemap_grid>",
    ])  # fmt: skip


def write(
    folder: Path, changed: Mapping[str, tuple[np.ndarray, str] | None], **how: object
) -> Path:
    """Write grid.xml: `GRID` with fields changed, or left out where they are None."""
    fields = {k: v for k, v in {**GRID, **changed}.items() if v is not None}
    path = folder / "grid.xml"
    path.write_text(text(fields, **how), encoding="utf-8")  # type: ignore[arg-type]
    return path


def write_parts(folder: Path, parts: Mapping[str, float] = PARTS, **how: object) -> Path:
    """Write uncertainty.xml of constant fields."""
    fields = {k: (np.full((ROWS, COLS), v), "") for k, v in parts.items()}
    path = folder / "uncertainty.xml"
    path.write_text(text(fields, **how), encoding="utf-8")  # type: ignore[arg-type]
    return path
