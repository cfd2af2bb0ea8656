"""Maps from before any mapping, against what was mapped later: `python -m benchmarks.blind`.

Kashmir 2005, from the DEM and a grid of PGA alone: nothing is fitted to its landslides. Cells count
where PGA is 0.1 g or more, the slope 5 degrees or more, and no landslide of other years lies.
Prints a Markdown table: AUC, share of the landslides in the highest 5, 10 and 20 % of the cells,
and expected over mapped area.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy.stats import rankdata

from shakeslide.core import documents
from shakeslide.core.engine import Engine
from shakeslide.core.progress import Reporter
from shakeslide.rapid import command, new_earthquake
from shakeslide.rapid.totals import Totals

DATA = Path(__file__).parents[1].parent / "shared" / "data" / "kashmir2005"
LEAST_PGA, LEAST_SLOPE = 0.10, 5.0
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


@dataclass(frozen=True)
class Frame:
    """The cells that count and which of them failed."""

    inside: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    cell_km2: float

    def auc(self, values: NDArray[np.floating]) -> float:
        """Exact, ties counted half."""
        rank, y = rankdata(values[self.inside]), self.failed[self.inside]
        hits = int(y.sum())
        return float((rank[y].sum() - hits * (hits + 1) / 2) / (hits * (y.size - hits)))

    def captured(self, values: NDArray[np.floating]) -> list[float]:
        """Share of the failed cells in the highest 5, 10, 20 %."""
        v, y = values[self.inside], self.failed[self.inside]
        total = np.cumsum(y[np.argsort(-v, kind="stable")]) / y.sum()
        return [float(total[int(len(v) * share) - 1]) for share in (0.05, 0.1, 0.2)]


def band(path: Path) -> NDArray[np.float32]:
    """Read the first band."""
    with rasterio.open(path) as src:
        return src.read(1)


def frame(data: Path, run: Path) -> Frame:
    """Return the cells that count."""
    import geopandas as gpd

    slope, pga = band(run / "factors" / "SLO.tif"), band(run / "factors" / "PGA.tif")
    failed = band(data / "mask_landslides_eq_2005_2006.tif") > 0
    table = gpd.read_file(data / "landslides_all.gpkg")
    others = table[~table.Year_obs.isin([2005, 2006])]
    with rasterio.open(run / "factors" / "SLO.tif") as src:
        at, cell = src.transform, src.res[0] * src.res[1] / 1e6
    shapes = ((g, 1) for g in others.geometry)
    old = rasterize(shapes, out_shape=failed.shape, transform=at).astype(bool)
    known = np.isfinite(band(run / "maps" / "jessee2022_mean.tif"))
    inside = known & (pga >= LEAST_PGA) & (slope >= LEAST_SLOPE) & ~(old & ~failed)
    return Frame(inside, failed, cell)


def rules(run: Path) -> Iterator[tuple[str, NDArray[np.floating]]]:
    """Yield rules that need nothing but slope and shaking."""
    slope = np.radians(band(run / "factors" / "SLO.tif"))
    pga, pgv = band(run / "factors" / "PGA.tif"), band(run / "factors" / "PGV.tif")
    yield "slope", slope
    yield "tan(slope) × PGA", np.tan(slope) * pga
    yield "tan(slope) × PGV from PGA", np.tan(slope) * pgv


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--draws", type=int, default=200)
    asked = parser.parse_args()
    if not asked.data.is_dir():
        raise SystemExit(f"{asked.data}: is not there; give --data")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.toml"
        path.write_text(STUDY)
        run = Path(folder) / "run"
        event = new_earthquake.opened(
            path, run, Engine(), Reporter(quiet=True), data=asked.data,
            overrides=[f"shaking.draws={asked.draws}"],
        )  # fmt: skip
        with event.ledger.locked():
            command.rapid(event)
        cells = frame(asked.data, run)
        mapped = cells.failed[cells.inside].sum() * cells.cell_km2
        found = documents.read(run / "totals.json", Totals)
        print("| rule | AUC | highest 5, 10, 20 % |\n| --- | --- | --- |")
        every = [*rules(run), ("jessee2022, mean", band(run / "maps" / "jessee2022_mean.tif"))]
        for name, values in every:
            shares = ", ".join(f"{100 * s:.0f}" for s in cells.captured(values))
            print(f"| {name} | {cells.auc(values):.3f} | {shares} |")
        area = found.area_km2
        print(
            f"\n{mapped:.2f} km² mapped; jessee2022 expects {area.mean:.1f} km² "
            f"(5 to 95 %: {area.p05:.1f} to {area.p95:.1f})"
        )


if __name__ == "__main__":
    main()
