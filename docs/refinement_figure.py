"""Draws what images do to sources: `python docs/refinement_figure.py FOLDER WITHOUT WITH`.

FOLDER holds the synthetic earthquake with its `images` (`python -m benchmarks.sources_downstream
--drawn "one cell too wide"`), WITHOUT and WITH are runs of `shakeslide sources` on the outlines
there, without and with the images. It draws the first refined landslides of medium size that
overlap no other, 3 km apart.
"""

from __future__ import annotations

import sys
from pathlib import Path

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import rasterio
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from rasterio.windows import from_bounds
from sources_figure import RUNOUT, SOURCE, hillshade

from shakeslide.report import figures

HALF = 300.0
"""Half the side of a window in metres."""
APART = 3000.0
CELLS = (80, 160)
"""Sizes of the landslides that are drawn."""
TITLES = ("Loss of the index", "Sources without images", "Sources with images")
SIDE, GAP, LEFT, LOW = 2.25, 0.1, 0.1, 0.7


def places(source: gpd.GeoDataFrame, count: int) -> list[tuple[float, float]]:
    """Return the middles of landslides that lie apart."""
    clear = (source["change"] == "refined") & ~source["flags"].str.contains("overlaps")
    medium = source["cells"].between(*CELLS) & (source["split"] == "")
    spots: list[tuple[float, float]] = []
    west, south, east, north = source.total_bounds
    for shape in source[clear & medium].geometry:
        x, y = shape.centroid.x, shape.centroid.y
        inner = min(x - west, y - south, east - x, north - y) > APART
        if inner and all(np.hypot(x - a, y - b) > APART for a, b in spots):
            spots.append((x, y))
        if len(spots) == count:
            break
    return spots


def window(path: Path, x: float, y: float) -> np.ndarray:
    """Return a raster around a place."""
    with rasterio.open(path) as src:
        box = from_bounds(x - HALF, y - HALF, x + HALF, y + HALF, src.transform)
        return src.read(1, window=box.round_offsets().round_lengths()).astype(float)


def around(layer: gpd.GeoDataFrame, x: float, y: float) -> gpd.GeoDataFrame:
    """Return the features around a place."""
    return layer.cx[x - HALF : x + HALF, y - HALF : y + HALF]


def outlined(axes: Axes, layer: gpd.GeoDataFrame, **look: object) -> None:
    """Draw outlines where there are any."""
    if len(layer):
        layer.boundary.plot(ax=axes, **look)


def draw(
    axes: list[Axes], folder: Path, runs: list[dict[str, gpd.GeoDataFrame]], x: float, y: float
) -> AxesImage:
    """Draw the three windows of a place; return the picture of the loss."""
    extent = (x - HALF, x + HALF, y - HALF, y + HALF)
    before, after = (window(folder / "images" / f"{n}.tif", x, y) for n in ("before", "after"))
    loss = axes[0].imshow(before - after, extent=extent, cmap="cividis", vmin=0, vmax=0.6)
    for panel, run in zip(axes[1:], runs, strict=True):
        shade = hillshade(window(folder / "dem.tif", x, y), 25.0)
        panel.imshow(shade, extent=extent, cmap="gray", vmin=0.2, vmax=1.1)
        for name, colour in (("source", SOURCE), ("runout", RUNOUT)):
            around(run[name], x, y).plot(ax=panel, color=colour, alpha=0.65, linewidth=0)
    known = around(gpd.read_file(folder / "sources.gpkg", bbox=box(x, y)), x, y)
    drawn = around(gpd.read_file(folder / "images" / "outlines.gpkg", bbox=box(x, y)), x, y)
    for panel in axes:
        outlined(panel, drawn, color="white", linewidth=1.6)
        outlined(panel, drawn, color="black", linewidth=0.8, linestyle=(0, (3, 2)))
    for panel in axes[1:]:
        outlined(panel, known, color="black", linewidth=1.5)
    for panel in axes:
        panel.set(xlim=extent[:2], ylim=extent[2:], xticks=[], yticks=[], aspect="equal")
        panel.set(xlabel="", ylabel="")
    return loss


def box(x: float, y: float) -> tuple[float, float, float, float]:
    """Return the bounds of a window."""
    return x - HALF, y - HALF, x + HALF, y + HALF


def legend(figure: Figure, loss: AxesImage) -> None:
    """Draw the scale of the loss and the legend below the windows."""
    bar = figures.axes_at(figure, LEFT + 0.15, 0.48, SIDE - 0.3, 0.1)
    figure.colorbar(loss, cax=bar, orientation="horizontal", ticks=[0, 0.2, 0.4, 0.6])
    bar.tick_params(labelsize=7.5)
    bar.set_xlabel("index before − after", fontsize=8, labelpad=1)
    marks = [
        Patch(facecolor=SOURCE, alpha=0.65, label="source as told"),
        Patch(facecolor=RUNOUT, alpha=0.65, label="run-out as told"),
        Line2D([], [], color="black", linewidth=1.5, label="known source"),
        Line2D(
            [], [], color="black", linewidth=0.8, linestyle=(0, (3, 2)), label="outline as drawn"
        ),
    ]
    figure.legend(
        handles=marks,
        loc="center",
        bbox_to_anchor=(0.67, 0.065),
        ncols=2,
        frameon=False,
        fontsize=8,
    )


def main(folder: Path, without: Path, with_images: Path) -> None:
    """Draw and save `docs/images/sources_refined.png`."""
    runs = [
        {n: gpd.read_file(run / "sources.gpkg", layer=n) for n in ("source", "runout")}
        for run in (without, with_images)
    ]
    spots = places(runs[1]["source"], 2)
    width, height = 2 * LEFT + 3 * SIDE + 2 * GAP, LOW + 2 * SIDE + GAP + 0.3
    with figures.style(), mpl.rc_context({"axes.spines.top": True, "axes.spines.right": True}):
        figure, sheet = figures.new(width, height)
        for row, (x, y) in enumerate(spots):
            bottom = LOW + (1 - row) * (SIDE + GAP)
            axes = [
                figures.axes_at(figure, LEFT + k * (SIDE + GAP), bottom, SIDE, SIDE)
                for k in range(3)
            ]
            loss = draw(axes, folder, runs, x, y)
            left, low = x - HALF + 25, y - HALF + 25
            axes[1].plot([left, left + 100], [low, low], color="black", linewidth=3)
            back = {"facecolor": "white", "alpha": 0.8, "pad": 1, "linewidth": 0}
            axes[1].text(left, low + 15, "100 m", fontsize=7.5, bbox=back)
        for k, title in enumerate(TITLES):
            middle = LEFT + k * (SIDE + GAP) + SIDE / 2
            sheet.text(middle, height - 0.22, title, ha="center", fontsize=9)
        legend(figure, loss)
        path = Path(__file__).parent / "images" / "sources_refined.png"
        image = figures.write(figure, path)
        image.resize((1360, round(1360 * image.height / image.width))).save(path, optimize=True)


if __name__ == "__main__":
    main(*(Path(a) for a in sys.argv[1:4]))
