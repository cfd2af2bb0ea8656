"""Draws extracted sources over the hillshade: `python docs/sources_figure.py RUN DEM`.

Four windows around the largest sources that lie at least 3 km apart.
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
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from shakeslide.report import figures

HALF = 750.0
"""Half the side of a window in metres."""
APART = 3000.0
SOURCE, RUNOUT = "#d55e00", "#56b4e9"


def hillshade(z: np.ndarray, cell: float) -> np.ndarray:
    """Light from the north-west, 45 degrees high, softened so that colours show."""
    down, right = np.gradient(z, cell)
    light = (1 - right * -0.5 + down * 0.5) / np.sqrt(1 + right**2 + down**2)
    return 0.45 + 0.55 * np.clip(light / np.sqrt(1.5), 0, 1)


def windows(source: gpd.GeoDataFrame, count: int = 4) -> list[tuple[float, float]]:
    """Return the middles of the largest sources that are apart."""
    spots: list[tuple[float, float]] = []
    for shape in source.sort_values("area_m2", ascending=False).geometry:
        x, y = shape.centroid.x, shape.centroid.y
        if all(np.hypot(x - a, y - b) > APART for a, b in spots):
            spots.append((x, y))
        if len(spots) == count:
            break
    return spots


def draw(axes: Axes, layers: dict[str, gpd.GeoDataFrame], x: float, y: float) -> None:
    """Draw sources, run-outs and crowns of one window."""
    seen = {
        name: layer.cx[x - HALF : x + HALF, y - HALF : y + HALF] for name, layer in layers.items()
    }
    seen["runout"].plot(ax=axes, facecolor=RUNOUT, edgecolor="#0072b2", alpha=0.55, linewidth=0.6)
    seen["source"].plot(ax=axes, facecolor=SOURCE, edgecolor="#8c2d04", alpha=0.6, linewidth=0.6)
    seen["crown"].plot(
        ax=axes,
        color="white",
        edgecolor="black",
        marker="^",
        markersize=16,
        linewidth=0.6,
        zorder=4,
    )
    axes.set(xlim=(x - HALF, x + HALF), ylim=(y - HALF, y + HALF), xticks=[], yticks=[])
    axes.set(xlabel="", ylabel="", aspect="equal")
    left, low = x - HALF + 60, y - HALF + 60
    axes.plot([left, left + 300], [low, low], color="black", linewidth=3, zorder=5)
    box = {"facecolor": "white", "alpha": 0.8, "pad": 1, "linewidth": 0}
    axes.text(left, low + 30, "300 m", fontsize=7.5, bbox=box, zorder=5)


def main(run: Path, dem: Path) -> None:
    """Draw and save `docs/images/kashmir_sources.png`."""
    layers = {
        n: gpd.read_file(run / "sources.gpkg", layer=n) for n in ("source", "runout", "crown")
    }
    with rasterio.open(dem) as src:
        z, box, cell = src.read(1).astype(float), src.bounds, src.res[0]
    shade = hillshade(z, cell)
    x = np.linspace(box.left + cell / 2, box.right - cell / 2, z.shape[1])
    y = np.linspace(box.top - cell / 2, box.bottom + cell / 2, z.shape[0])
    with figures.style(), mpl.rc_context({"axes.spines.top": True, "axes.spines.right": True}):
        figure, _ = figures.new(7.2, 7.65)
        for k, (east, north) in enumerate(windows(layers["source"])):
            axes = figures.axes_at(
                figure, 0.05 + 3.6 * (k % 2), 0.42 + 3.6 * (1 - k // 2), 3.5, 3.5
            )
            extent = (box.left, box.right, box.bottom, box.top)
            axes.imshow(shade, extent=extent, cmap="gray", vmin=0.2, vmax=1.1)
            axes.contour(
                x, y, z, np.arange(0, 9000, 50), colors="black", linewidths=0.25, alpha=0.6
            )
            draw(axes, layers, east, north)
        legend(figure)
        figures.write(figure, Path(__file__).parent / "images" / "kashmir_sources.png")


def legend(figure: Figure) -> None:
    """Draw the legend below the windows."""
    marks = [
        Patch(facecolor=SOURCE, alpha=0.6, edgecolor="#8c2d04", label="source"),
        Patch(facecolor=RUNOUT, alpha=0.55, edgecolor="#0072b2", label="run-out"),
        Line2D(
            [], [], marker="^", color="white", markeredgecolor="black", linestyle="", label="crown"
        ),
        Line2D([], [], color="black", linewidth=0.4, label="contours every 50 m; north is up"),
    ]
    figure.legend(handles=marks, loc="lower center", ncols=4, frameon=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
