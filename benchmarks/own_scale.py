"""The level of `jessee2022` over the whole map, or by squares: `python -m benchmarks.own_scale`.

The model was made with slopes in cells of about 250 m. At the median shaking its pattern follows
the slopes of the DEM; its level is that of slopes at 250 m over the whole map (as `rapid` has it),
or in each square of 250 m. Prints the AUC of either on the landslides of Kashmir 2005 (PGA of 0.1 g
and slope of 5 degrees or more), and how far squares depart from their own level.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from scipy.stats import rankdata

from shakeslide import pipeline
from shakeslide.core.engine import Engine
from shakeslide.core.progress import Reporter
from shakeslide.geo import grid as grids
from shakeslide.rapid import computing, new_earthquake
from shakeslide.rapid.model_choice import COARSE
from shakeslide.rapid.new_earthquake import NewEarthquake

Array = NDArray[np.floating]

DATA = Path(__file__).parents[1].parent / "shared" / "data" / "kashmir2005"
STUDY = """
[study]
name = "Kashmir 2005"
[event]
epicentre = [73.588, 34.539]
magnitude = 7.6
[layers.dem]
path = "dem_aw3d30_28p55m.tif"
[layers.pga]
path = "pga_g_0p01deg.tif"
"""


def band(path: Path) -> Array:
    """Read the first band."""
    with rasterio.open(path) as src:
        return src.read(1)


def auc(values: Array, failed: NDArray[np.bool_]) -> float:
    """Exact, ties counted half; (n,) each."""
    hits = int(failed.sum())
    rank = rankdata(values)[failed].sum()
    return float((rank - hits * (hits + 1) / 2) / (hits * (failed.size - hits)))


def at_the_median(event: NewEarthquake) -> tuple[Array, Array, Array]:
    """Return the map of the DEM's slopes, the same by squares, and the level of each square."""
    predict = computing.Probability(computing.fitted_model(event))
    factors = {c: band(event.out / "factors" / f"{c}.tif") for c in event.model.every_code}
    shape = factors["SLO"].shape

    def predicted(slope: str) -> Array:
        codes = [slope if c == "SLO" else c for c in event.model.codes]
        rows = predict(np.stack([factors[c].ravel() for c in codes], axis=1))
        return np.nan_to_num(rows.reshape(shape))

    fine, own = predicted("SLO"), predicted("SLO250")
    side = round(COARSE / grids.cell_size(event.grid)[0])
    margin = [(0, -n % side) for n in shape]

    def sums(values: Array) -> Array:
        rows, cols = (n // side for n in np.pad(values, margin).shape)
        return np.pad(values, margin).reshape(rows, side, cols, side).sum(axis=(1, 3))

    here, wanted = sums(fine), sums(own)
    gain = np.divide(wanted, here, out=np.zeros_like(here), where=here > 0)
    squares = fine * np.kron(gain, np.ones((side, side)))[: shape[0], : shape[1]]
    known = (here > 0) & (wanted > 0)
    return fine, squares, (here * wanted.sum() / here.sum())[known] / wanted[known]


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA)
    data = parser.parse_args().data
    if not data.is_dir():
        raise SystemExit(f"{data}: is not there; give --data")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.toml"
        path.write_text(STUDY)
        event = new_earthquake.opened(
            path, Path(folder) / "run", Engine(), Reporter(quiet=True), data=data
        )
        with event.ledger.locked():
            pipeline.prepare(event.run)
        fine, squares, levels = at_the_median(event)
        pga, slope = (band(event.out / "factors" / f"{c}.tif") for c in ("PGA", "SLO"))
    failed = band(data / "mask_landslides_eq_2005_2006.tif") > 0
    inside = (pga >= 0.1) & (slope >= 5)
    for name, values in (("whole map", fine), ("squares", squares)):
        print(f"level by {name}: AUC {auc(values[inside], failed[inside]):.3f}")
    low, high = np.quantile(levels, [0.05, 0.95])
    print(f"90 % of the squares have {low:.1f} to {high:.1f} times their own level")


if __name__ == "__main__":
    main()
