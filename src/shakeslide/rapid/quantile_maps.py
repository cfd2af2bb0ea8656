"""Maps of a model over all draws, written from the tiles that wait."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shakeslide.geo.grid import Tile
from shakeslide.io import style
from shakeslide.io.geotiff import BandToWrite, write_geotiff
from shakeslide.io.map_tags import MapTags
from shakeslide.io.tile_jobs import TileJob

MEANINGS = {
    "mean": "mean over all draws of shaking and event term",
    "p10": "10 % quantile over the draws",
    "p90": "90 % quantile over the draws",
    "median_shaking": "at the median shaking",
}


def bands_of(exceeds: Sequence[float], median: bool) -> dict[str, int]:
    """Return the maps to write and their place among the bands of a tile."""
    out = {"mean": 0, "p10": 1, "p90": 2}
    if median:
        out["median_shaking"] = 3
    # As the study writes them: rounded ones could be one file.
    return out | {f"exceeds_{level!r}": 4 + i for i, level in enumerate(exceeds)}


def write(
    name: str, tiles: Sequence[Tile], job: TileJob, bands: dict[str, int], what: str, about: str
) -> list[Path]:
    """Write `<model>_<map>.tif` and a style for QGIS each.

    Parameters
    ----------
    name : str
        Of the model.
    tiles : sequence of Tile
        All of the grid.
    job : TileJob
        Where the tiles wait; it advances by 1 per map.
    bands : dict of str to int
        As `bands_of` returns them.
    what : str
        What the model's value is, for instance "share of the area that landslides cover".
    about : str
        The earthquake and its ShakeMap, for the tags.
    """
    paths = []
    high = 1e-6
    for tile in tiles:
        high = max(high, float(np.nanmax(job.shards.load(tile)[2], initial=0.0)))
    for band, place in bands.items():
        path = job.folder / f"{name}_{band}.tif"
        share = band.startswith("exceeds_")
        meaning = (
            f"share of the draws in which the {what} exceeds {band.removeprefix('exceeds_')}"
            if share
            else f"{what}, {MEANINGS[band]}"
        )

        def load(tile: Tile, place: int = place) -> NDArray[np.float32]:
            return np.asarray(job.shards.load(tile)[place])

        write_geotiff(
            path,
            job.grid,
            tiles,
            load,
            BandToWrite(
                tags=MapTags(model=name, unit="1", meaning=meaning, earthquake=about).written(),
                description=f"{name}: {meaning}",
            ),
            cloud_optimised="average",
        )
        style.write_probability(path.with_suffix(".qml"), 1.0 if share else high, meaning)
        paths += [path, path.with_suffix(".qml"), path.with_suffix(".sld")]
        job.advance(1)
    return paths
