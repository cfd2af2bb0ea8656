"""Rasters that are computed tile by tile: where finished tiles wait, and what computes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.engine import Engine
from shakeslide.core.files import is_shard, save_shard
from shakeslide.core.progress import Advance, silent
from shakeslide.geo.grid import Tile


@dataclass(frozen=True)
class Shards:
    """Files in which tiles wait, from which a run that was stopped goes on: one a tile."""

    folder: Path

    def path(self, tile: Tile) -> Path:
        """Return the file of a tile."""
        return self.folder / f"{tile.name}.npy"

    def has(self, tile: Tile) -> bool:
        """Return whether a whole file waits for a tile."""
        return is_shard(self.path(tile))

    def save(self, tile: Tile, values: NDArray[np.float32]) -> None:
        """Leave the values of a tile, (rows, cols) or (bands, rows, cols) float32."""
        save_shard(values, self.path(tile))

    def load(self, tile: Tile) -> NDArray[np.float32]:
        """Return the values of a tile, (rows, cols) or (bands, rows, cols) float32."""
        # Mapped, because the file of a factor takes a single layer of each tile.
        return np.asarray(np.load(self.path(tile), mmap_mode="r"))


@dataclass(frozen=True, kw_only=True)
class TileJob:
    """How rasters are made.

    Attributes
    ----------
    grid : GeoBox
        Their grid.
    folder : Path
        Where the rasters go.
    shards : Shards
        Where their tiles wait, in a folder that belongs to exactly these rasters.
    engine : Engine
        Runs the tiles.
    advance : callable
        Called with 1 per tile computed and per file written.
    """

    grid: GeoBox
    folder: Path
    shards: Shards
    engine: Engine
    advance: Advance = silent
