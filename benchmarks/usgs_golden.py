"""jessee2022 against the USGS ground-failure code on the 1989 Loma Prieta earthquake.

`python -m benchmarks.usgs_golden [FOLDER]`: the folder holds the ShakeMap, the static layers and
the two rasters that the USGS code makes of them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from shakeslide.hazard import aggregates, alerts
from shakeslide.io.units import conversion
from shakeslide.models.formulas.jessee import LAND_COVER, LITHOLOGY, MODEL_DEVIATION, Jessee2022
from shakeslide.shaking import shakemap_motion

Array = NDArray[np.float64]
DATA = Path(__file__).parents[2] / "shared" / "data" / "shakemap_loma_prieta"
NO_CLASS = "none"
EARTH = 6371.0072
"""Radius (km) of a sphere with the Earth's surface."""


@dataclass(frozen=True)
class Factor:
    """What a model is told of a column."""

    code: str
    unit: str
    kind: str = "continuous"
    legend: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Golden:
    """Ours and the USGS's, (rows, cols) each, with what aggregates need."""

    coverage: Array
    deviation: Array
    usgs_coverage: Array
    usgs_deviation: Array
    pga: Array
    area: Array


class OfTheUSGS(Jessee2022):
    """The model on rasters in which ground without a class counts 0."""

    def class_properties(self, setting: str, name: str) -> tuple[float, ...] | None:
        return (0.0,) if name == NO_CLASS else super().class_properties(setting, name)


def sampled(values: Array, affine: Affine, lon: Array, lat: Array, order: int) -> Array:
    """Return a raster at places: between the centres of its cells (1), or of the cell (0).

    Cells without a value have no weight.
    """
    col, row = ~affine * (lon, lat)
    at, known = [row - 0.5, col - 0.5], np.isfinite(values)
    total = map_coordinates(np.where(known, values, 0.0), at, order=order, mode="nearest")
    weight = map_coordinates(known.astype(np.float64), at, order=order, mode="nearest")
    return np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)


def layer(path: Path, lon: Array, lat: Array, order: int) -> Array:
    """Return a file's raster at places."""
    with rasterio.open(path) as file:
        values = file.read(1).astype(np.float64)
        if file.nodata is not None:
            values[values == file.nodata] = np.nan
        return sampled(values, file.transform, lon, lat, order)


def classes(coefficients: Array, table: dict[str, float]) -> tuple[Array, dict[int, str]]:
    """Return codes and legend of classes that a raster gives by their coefficients."""
    known = {NO_CLASS: 0.0, **table}
    apart = np.abs(coefficients[..., None] - np.array(list(known.values())))
    return apart.argmin(axis=-1).astype(np.float64), dict(enumerate(known))


def computed(folder: Path) -> Golden:
    """Run the model on the static layers and read what the USGS code made of them."""
    with rasterio.open(folder / "jessee_2018_usgs_target.tif") as file:
        target, affine = file.read(1).astype(np.float64), file.transform
    with rasterio.open(folder / "jessee_2018_std_usgs_target.tif") as file:
        target_deviation = file.read(1).astype(np.float64)
    rows, cols = target.shape
    lon, lat = affine * np.meshgrid(np.arange(cols) + 0.5, np.arange(rows) + 0.5)
    motion = shakemap_motion.read(folder / "grid.xml")
    nodes = motion.grid.affine
    pga, pgv, sd = (
        sampled(values, nodes, lon, lat, 1)
        for values in (motion.pga.median, motion.pgv.median, motion.pgv.total)
    )
    slope = np.degrees(np.arctan(layer(folder / "global_grad.tif", lon, lat, 1)))
    cti = layer(folder / "global_cti_fil.tif", lon, lat, 1)
    rock, rocks = classes(layer(folder / "GLIM_replace.tif", lon, lat, 0), LITHOLOGY)
    cover, covers = classes(
        layer(folder / "globcover_replace.tif", lon, lat, 0),
        {str(k): v for k, v in LAND_COVER.items()},
    )
    model_sd = np.nan_to_num(
        layer(folder / "jessee_standard_deviation.tif", lon, lat, 1), nan=MODEL_DEVIATION
    )
    columns = (pgv, slope, cti, pga, rock, cover)
    X = np.stack([c.ravel() for c in columns], axis=1).astype(np.float32)
    model = OfTheUSGS(output="coverage").describe(
        [
            Factor("PGV", "cm/s"), Factor("SLO", "deg"), Factor("CTI", "1"), Factor("PGA", "g"),
            Factor("LITH", "class", "categorical", rocks),
            Factor("LC", "class", "categorical", covers),
        ],
        conversion,
        {},
    )  # fmt: skip
    known = np.isfinite(X).all(axis=1)
    model.fit(X[known][:2], [0, 1])
    coverage, deviation = np.full((2, rows * cols), np.nan)
    coverage[known] = model.predict_proba(X[known])[:, 1]
    deviation[known] = model.deviation(X[known], sd.ravel()[known], model_sd.ravel()[known])
    coverage, deviation = coverage.reshape(rows, cols), deviation.reshape(rows, cols)
    step = np.radians(abs(affine.e))
    strip = 2 * np.sin(step / 2) * np.cos(np.radians(lat)) * EARTH**2
    return Golden(coverage, deviation, target, target_deviation, pga, strip * np.radians(affine.a))


def differences(golden: Golden) -> dict[str, float]:
    """Return means and quantiles of the differences where both have values."""
    both = np.isfinite(golden.coverage) & np.isfinite(golden.usgs_coverage)
    apart = np.abs(golden.coverage - golden.usgs_coverage)[both]
    sd = np.isfinite(golden.deviation) & np.isfinite(golden.usgs_deviation)
    sd_apart = np.abs(golden.deviation - golden.usgs_deviation)[sd]
    return {
        "cells": float(both.sum()),
        "only_one": float(
            (np.isfinite(golden.coverage) != np.isfinite(golden.usgs_coverage)).sum()
        ),
        "mean": float(golden.coverage[both].mean()),
        "usgs_mean": float(golden.usgs_coverage[both].mean()),
        "median_apart": float(np.median(apart)),
        "apart_99": float(np.quantile(apart, 0.99)),
        "largest_apart": float(apart.max()),
        "deviation_median_apart": float(np.median(sd_apart)),
        "deviation_apart_99": float(np.quantile(sd_apart, 0.99)),
    }


def main() -> None:
    """Print differences, aggregates and alert levels of both maps."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    if not folder.is_dir():
        sys.exit(f"{folder} is not there: name the folder of the ShakeMap and the static layers")
    golden = computed(folder)
    for name, value in differences(golden).items():
        print(f"{name:24} {value:.6g}")
    for who, p, sd in (
        ("ours", golden.coverage, golden.deviation),
        ("USGS", golden.usgs_coverage, golden.usgs_deviation),
    ):
        total = aggregates.aggregate(p, sd, golden.area, golden.pga)
        beta = alerts.Beta(total.mean, total.sd, total.most)
        alert = alerts.from_beta(beta, alerts.AREA)
        low, high = beta.interval(0.6827)
        shares = ", ".join(f"{level} {p:.2f}" for level, p in alert.p.items())
        print(
            f"{who}: {total.mean:.2f} km², σ {total.sd:.2f}, 68 % {low:.2f} to {high:.2f}, "
            f"{alert.level} ({shares})"
        )


if __name__ == "__main__":
    main()
