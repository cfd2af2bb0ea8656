"""The sheet of the families of factors at three scales, which docs/build.py makes."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from shakeslide.factors import catalogue
from shakeslide.factors.factor import Factor, Sources, TileInputs
from shakeslide.geo.grid import Tile
from shakeslide.io import raster
from shakeslide.study.factor_sets import FAMILIES, Family
from shakeslide.study.factor_settings import FACTOR_FUNCTIONS
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Event

SHOWN = {"scale": (30.0, 120.0, 480.0), "min_area": (0.05, 0.2, 1.0)}
"""Scales of the columns, in metres and km²."""
SIDE = 180
"""Rows and columns of the part that is shown."""


def draw(dem: Path, target: Path) -> None:
    """Draw all families that need the elevation model alone, on the middle of it."""
    families = [f for f in FAMILIES.values() if f.scale and not f.layer]
    rows = -(-len(families) // 2)
    figure, axes = plt.subplots(rows, 6, figsize=(9.6, 1.72 * rows))
    for axis in axes.ravel():
        axis.axis("off")
    with TemporaryDirectory() as work:
        for k, family in enumerate(families):
            row, left = k % rows, 3 * (k // rows)
            _row(axes[row, left : left + 3], family, dem, Path(work))
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.985, wspace=0.04, hspace=0.17)
    figure.savefig(target, dpi=80)
    plt.close(figure)


def _row(axes: np.ndarray, family: Family, dem: Path, work: Path) -> None:
    for axis, scale in zip(axes, SHOWN[family.scale], strict=True):
        grid = raster.info(dem).grid
        sources = Sources(grid, {"dem": Layer(path=dem)}, Event(), work)
        table = family.factor(scale)
        settings = FACTOR_FUNCTIONS[str(table["function"])].model_validate(table)
        factor = catalogue.build(family.code(scale), settings, sources)
        _panel(axis, factor, _values(factor, sources, dem))


def _values(factor: Factor, sources: Sources, dem: Path) -> np.ndarray:
    for whole in factor.whole:
        if not whole.path.exists():
            whole.path.parent.mkdir(parents=True, exist_ok=True)
            whole.make([whole])
    rows, cols = (int(n) // 2 - SIDE // 2 for n in sources.grid.shape)
    tile = Tile((0, 0), rows, rows + SIDE, cols, cols + SIDE)
    inputs = TileInputs(sources.grid, tile, raster.RasterSource(dem), factor.halo)
    return np.asarray(factor.compute(inputs))


def _panel(axis: Axes, factor: Factor, values: np.ndarray) -> None:
    low, high = np.nanpercentile(values, (2, 98))
    colours = "twilight" if factor.kind == "circular" else "viridis"
    if low < 0 < high:
        colours, high = "RdBu_r", max(-low, high)
        low = -high
    axis.imshow(values, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    axis.set_title(factor.code, fontsize=8, pad=2)
