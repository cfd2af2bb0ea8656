"""The stage that computes a new earthquake: maps, totals, exposure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.io import DatasetReader

from shakeslide.checks import rasters
from shakeslide.core import documents, spreadsheets
from shakeslide.core.errors import InputError, counted
from shakeslide.core.progress import Advance
from shakeslide.factors import stack as stacks
from shakeslide.factors.stack import FactorInfo
from shakeslide.geo import grid as grids
from shakeslide.geo.grid import Tile
from shakeslide.hazard import seismic_total
from shakeslide.io import raster
from shakeslide.io.tile_jobs import Shards, TileJob
from shakeslide.learning import bundle, training
from shakeslide.learning.bundle import FittedModel
from shakeslide.learning.several import event_bundle
from shakeslide.learning.several.event_bundle import EventBundle
from shakeslide.maps import prediction
from shakeslide.models.formulas.jessee import Jessee2018
from shakeslide.models.formulas.raw import RawModel
from shakeslide.pipeline.memory import once
from shakeslide.pipeline.stage import Artefact, Stage, Work
from shakeslide.rapid import (
    coverage,
    draws,
    info,
    model_choice,
    quantile_maps,
    run_out,
    settlements,
    tiles,
    totals,
    versions,
)
from shakeslide.rapid.exposure import AT_HOME, Exposed, RoadCells, Weighed
from shakeslide.rapid.model_choice import RapidModel
from shakeslide.rapid.new_earthquake import NewEarthquake
from shakeslide.rapid.response import ShakingColumns
from shakeslide.rapid.totals import Sums, Totals
from shakeslide.shaking.completion import LARGEST, UNITS
from shakeslide.study.rapid_settings import Exposure

ROADS = "roads.csv"
COARSEST = 1.25
"""Cell over the scale of a model's slopes above which totals are too small."""
RATIO = 0.98
"""Mean uncertainty ratio above which a ShakeMap is hardly constrained (USGS ground failure)."""


class RapidMaps(Stage[NewEarthquake]):
    """`maps/<model>_mean.tif` and its quantiles, `totals.json`, `info.json`; roads and places."""

    name = "rapid"
    result = totals.FILE

    def artefacts(self, run: NewEarthquake) -> Sequence[Artefact]:
        """Return maps and totals, made together."""
        return [Artefact("rapid", run.mark, "rapid")]

    def summary(self, run: NewEarthquake) -> str:
        """Return what is up to date."""
        return f"maps and {totals.FILE} are"

    def make(self, work: Work[NewEarthquake]) -> None:
        """Compute all draws on every tile."""
        event, (artefact,) = work.run, work.stale
        kept = versions.kept(event.ledger, event.version, event.model.name)
        asked, grid, tile = event.study.shaking, event.grid, event.tile
        fitted = fitted_model(event)
        for text in unlike_ground(event):
            event.reporter.warn(text)
        bands = quantile_maps.bands_of(asked.exceeds or (), asked.median)
        total = asked.draws + len(grids.tiles(grid, tile)) + len(bands)
        with (
            work.making(artefact, part=work.parts[0]) as made,
            event.reporter.task("rapid", total) as on,
        ):
            job = TileJob(
                grid=grid, folder=event.out / "maps", shards=Shards(work.parts[0]),
                engine=event.run.engine, advance=on,
            )  # fmt: skip
            things = _exposed(event, fitted)
            what = _work(event, fitted, things, on)
            cut = tiles.compute(what, _stack(event, _stacked(event.model)), job)
            files = quantile_maps.write(
                event.model.name, cut, job, bands, what_of(fitted), event.about
            )
            files += _write_rest(event, fitted, things, job, cut, what.nodes.cut)
            # Before this run is recorded: a kill in between makes it anew, and leaves nothing.
            if told := versions.cleared(event.ledger, files, kept):
                event.reporter.say(f"rapid: {told}")
            made[artefact] = files


def _exposed(event: NewEarthquake, fitted: FittedModel | EventBundle) -> Exposed:
    """Return what is exposed, with run-out on the cells that endanger it."""
    angle = event.study.exposure.reach_angle
    if angle is None or not event.exposed.weights:
        return event.exposed
    codes = event.model.codes
    source = run_out.traced(
        Probability(fitted),
        _stack(event, [*codes, "DEM"]),
        len(codes),
        event.grid,
        event.run.engine,
        angle,
    )
    return run_out.moved_uphill(event.exposed, source, event.grid)


def _write_rest(
    event: NewEarthquake,
    fitted: FittedModel | EventBundle,
    things: Exposed,
    job: TileJob,
    cut: list[Tile],
    limited: tiles.Limited,
) -> list[Path]:
    """Write what is made beside the maps, and return the files."""
    roads = things.roads
    cuts = None if roads is None else tiles.cuts(job, cut, len(roads.names))
    known, land = _counted(event, job, cut)
    sums = dict(zip(["area", *things.weights], tiles.summed(job, cut), strict=True))
    files = [] if roads is None or cuts is None else [_write_roads(event.out, roads, cuts)]
    warnings = _warnings(event, known, land, limited)
    if things.places is not None:
        mean = event.out / "maps" / f"{event.model.name}_mean.tif"
        places, notes = settlements.ranked(things.places, mean)
        files.append(settlements.write(event.out, places))
        for text in notes:
            event.reporter.warn(text)
        warnings += [by_file_name(text, event.study.exposure) for text in notes]
    found = _totals(event, sums, cuts, known, warnings)
    before = versions.last(event.out, event.version, event.model.name)
    if before is not None:
        files += versions.write_change(before, event.model.name, cut, job)
    highest = max(float(np.nanmax(job.shards.load(t)[0], initial=0.0)) for t in cut)
    files.append(info.write(event.out, event.motion, found, event.grid, highest, what_of(fitted)))
    path = event.out / totals.FILE
    documents.write(path, found)
    return [*files, path]


def _stack(event: NewEarthquake, codes: Sequence[str]) -> xr.DataArray:
    return stacks.stored(event.out / "factors", list(codes), event.tile)


def _stacked(model: RapidModel) -> list[str]:
    """Return the factors that draws need: the model's in its order, then PGA and elevation."""
    return [*model.codes, *(c for c in ("PGA", "DEM") if c not in model.codes)]


def what_of(model: FittedModel | EventBundle) -> str:
    """Return what the model's value is."""
    estimator = None if isinstance(model, EventBundle) else model.estimator
    if isinstance(estimator, RawModel) and estimator.title:
        return estimator.title[0].lower() + estimator.title[1:]
    return "probability of a landslide source cell"


def _infos(event: NewEarthquake) -> list[FactorInfo]:
    return [stacks.file_info(event.out / "factors" / f"{c}.tif") for c in event.model.codes]


@once
def _learnt(event: NewEarthquake) -> tuple[EventBundle, list[str]]:
    """Return the bundle of past earthquakes, and a remark on each factor with unknown classes."""
    if event.model.folder is None:
        raise ValueError(f"{event.model.name} is no bundle")
    learnt, unseen = event_bundle.load(event.model.folder).for_classes(_infos(event))
    return learnt, [
        f"{code}: no past earthquake has {', '.join(names[:8])}"
        f"{' and others' * (len(names) > 8)}; such ground counts as average"
        for code, names in unseen.items()
    ]


@once
def fitted_model(event: NewEarthquake) -> FittedModel | EventBundle:
    """Return the model, told what the factors' files are."""
    if event.model.of_past_events:
        return _learnt(event)[0]
    infos = _infos(event)
    if event.model.folder is not None:
        fitted = bundle.load(event.model.folder)
        bundle.require_factors(fitted, infos)
        return fitted
    recipe = event.run.models.recipe(event.model.name)
    present = {i.code: _classes(event, i.code) for i in infos if i.kind == "categorical"}
    return training.fitted_formula(recipe, infos, present, event.study.study.name)


def _classes(event: NewEarthquake, code: str) -> set[int]:
    """Return the classes of a factor that occur."""
    call = delayed(_known, pure=False, traverse=False)
    blocks = stacks.blocks(_stack(event, [code]))
    return set().union(*event.run.engine.run([call(block) for _, block in blocks]))


def _known(block: NDArray[np.float32]) -> set[int]:
    return set(np.unique(block[np.isfinite(block)]).astype(np.int64).tolist())


def _work(
    event: NewEarthquake, fitted: FittedModel | EventBundle, things: Exposed, on: Advance
) -> tiles.Work:
    asked = event.study.shaking
    measures, codes = event.model.varies, _stacked(event.model)
    term = event_term(event, fitted)
    nodes = draws.drawn(
        event.motion,
        event.grid,
        measures,
        count=asked.draws,
        seed=event.study.study.seed,
        between=asked.between,
        event=term,
        advance=on,
    )
    return tiles.Work(
        predict=Probability(fitted),
        columns=tuple(range(len(event.model.codes))),
        shaking=ShakingColumns(
            columns=tuple(codes.index(m) for m in measures),
            most=tuple(LARGEST[m] for m in measures),
        ),
        pga=codes.index("PGA"),
        elevation=codes.index("DEM"),
        nodes=nodes,
        grid=event.grid,
        weights=_Weights(event.grid, tuple(things.weights.values())),
        offset=term.offset,
        exceeds=tuple(asked.exceeds or ()),
        roads=things.roads,
        smooth=fitted.smooth,
    )


@dataclass(frozen=True)
class Probability:
    """Probability of a source cell on the ground, of a model or a formula.

    A trained model's own values are at the share of sources in its training sample; they are
    corrected to the share in its training area, else sums over the ground would mean nothing.
    """

    model: FittedModel | EventBundle

    def __call__(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of rows, (rows,), of raw factors (rows, factors) float32."""
        if isinstance(self.model, EventBundle):
            return self.model.predict(raw)
        shows = "formula" if prediction.is_formula(self.model) else "probability"
        return prediction.shown(self.model, self.model.predict(raw), shows)


def event_term(event: NewEarthquake, fitted: FittedModel | EventBundle) -> draws.EventTerm:
    """Return what the earthquake adds to the logit of all cells.

    Its offset sets the map's total to that of the model's own scale; classes that are unknown widen
    it. The draws of the event's own part are shifted so that they leave the expected total as it
    is: of small values they are factors, whose mean would else be exp(sd² / 2).
    """
    model, stated = event.model, event.study.shaking.event_sd
    sd = model.event_sd if stated is None else stated
    if isinstance(fitted, EventBundle):
        # Its level is the mean of past earthquakes' levels on the log-odds, from which theirs
        # depart to both sides: nothing is shifted.
        return draws.EventTerm(sd=sd)
    if not isinstance(fitted.estimator, Jessee2018):
        return draws.EventTerm(mean=-(sd**2) / 2, sd=sd)
    codes = list(model.every_code)
    own = [model.own_scale[c][0] if c in model.own_scale else c for c in model.codes]
    told = tiles.whole_map(
        Probability(fitted),
        tuple(range(len(model.codes))),
        tuple(codes.index(c) for c in own),
        fitted.estimator.sensitivity,
        _stack(event, codes),
        event.run.engine,
    )
    # The spread of classes is one of X, from which the share of the area is made.
    spread = model.class_sd * told.sensitivity
    offset = told.offset
    return draws.EventTerm(offset=offset, mean=offset - sd**2 / 2, sd=float(np.hypot(sd, spread)))


@dataclass(frozen=True)
class _Weights:
    """Area in km², then what lies there; see `tiles.Weights`."""

    grid: GeoBox
    things: tuple[Weighed, ...]

    def __call__(self, tile: Tile) -> NDArray[np.float32]:
        dx, dy = grids.cell_size(self.grid)
        area = np.full(tile.shape, dx * dy / 1e6, np.float32)
        return np.stack([area, *(t.on(tile, self.grid.shape[1]) for t in self.things)])


def _totals(
    event: NewEarthquake,
    sums: Mapping[str, NDArray[np.float64]],
    cuts: tiles.Cuts | None,
    known: int,
    warnings: list[str],
) -> Totals:
    by = {
        name: Sums(draws=row[2:], median=float(row[0]), counted=float(row[1]))
        for name, row in sums.items()
    }
    at_home = by.pop(AT_HOME, by.get("people"))
    area = totals.quantiles(by["area"].draws)
    exposed = {n: totals.quantiles(s.draws) for n, s in by.items() if n != "area"}
    if cuts is not None:
        exposed["road_cuts"] = totals.quantiles(cuts.number)
    dx, dy = grids.cell_size(event.grid)
    mapped = known * dx * dy / 1e6
    if known == 0:
        raise InputError(
            "no cell has values of all factors: do the DEM and the ShakeMap cover the grid?"
        )
    return Totals(
        model=event.model.name,
        shakemap=event.version,
        area_km2=area,
        landslides=totals.scaled(area, 1 / totals.MEAN_AREA),
        hazard_alert=totals.hazard_alert(by["area"]),
        population_alert=totals.population_alert(by["people"]) if "people" in by else None,
        usgs=totals.usgs(by["area"], at_home),
        marc2016_km2=_marc(event),
        exposure=totals.Exposure(**exposed),
        mapped_km2=mapped,
        draws=event.study.shaking.draws,
        warnings=tuple(warnings),
    )


def _marc(event: NewEarthquake) -> float | None:
    """Return the total area from seismology; None without magnitude, depth or slopes."""
    magnitude, depth = event.motion.magnitude, event.motion.depth
    if magnitude is None or depth is None or "SLO" not in event.model.codes:
        return None
    with raster.result(event.out / "factors" / "SLO.tif") as slopes:
        mode, steep = seismic_total.modal_slope(_Rows(slopes), grids.cell_size(event.grid)[0])
    # Without the style of faulting: the value for reverse and strike-slip.
    return float(
        seismic_total.seismic_total(magnitude, "reverse", max(depth, 1.0), mode, steep).area
    )


@dataclass(frozen=True)
class _Rows:
    """Rows of a raster that is larger than memory, read where they are asked for."""

    source: DatasetReader

    def __len__(self) -> int:
        return int(self.source.height)

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        window = ((rows.start, min(rows.stop, len(self))), (0, self.source.width))
        return np.asarray(self.source.read(1, window=window), np.float32)


def shortfalls(event: NewEarthquake) -> list[str]:
    """Return what is to be known of a DEM that covers a part of the ShakeMap's shaken area."""
    # Rasters of one's own need not reach beyond the grid.
    if event.study.shaking.shakemap is None:
        return []
    return coverage.shortfalls(event.motion, event.grid)


def _counted(event: NewEarthquake, job: TileJob, cut: list[Tile]) -> tuple[int, int]:
    """Return how many cells have a prediction, and how many are no sea."""
    known = sum(int(np.isfinite(job.shards.load(t)[0]).sum()) for t in cut)
    call = delayed(_land, pure=False, traverse=False)
    blocks = stacks.blocks(_stack(event, ["DEM"]))
    return known, sum(event.run.engine.run([call(block) for _, block in blocks]))


def _land(block: NDArray[np.float32]) -> int:
    return block.size - int(tiles.sea(block).sum())


@once
def unlike_ground(event: NewEarthquake) -> list[str]:
    """Return what is to be known of ground that is unlike that of the past earthquakes learnt from.

    The factors must be there.
    """
    if not event.model.of_past_events:
        return []
    model, unknown = _learnt(event)
    cells = prediction.some_cells(model, _stack(event, event.model.codes))
    like = model.likeness(cells)
    if not like.outside:
        return unknown
    low, high = like.slopes
    return [
        *unknown,
        f"the ground is unlike that of the past earthquakes: {100 * like.unlike:.0f} % of the "
        "steep ground that was shaken strongly is like none of theirs, and the median slope is "
        f"{like.median_slope:.0f}° (theirs {low:.0f} to {high:.0f}°). Rather use "
        f"`--model {model_choice.DEFAULT}`",
    ]


def by_file_name(text: str, exposure: Exposure) -> str:
    """Return a note on a layer without the layer's folder, which concerns no reader of a page."""
    for layer in (exposure.people, exposure.buildings, exposure.roads, exposure.places):
        if layer is not None:
            text = text.replace(str(layer.path), layer.path.name)
    return text


def _warnings(event: NewEarthquake, known: int, land: int, limited: tiles.Limited) -> list[str]:
    motion = event.motion
    exposed = [by_file_name(text, event.study.exposure) for text in event.exposed.notes]
    out = [*shortfalls(event), *unlike_ground(event), *exposed]
    if motion.uncertainty_ratio is not None and motion.uncertainty_ratio > RATIO:
        out.append(
            f"WARNING: the ShakeMap's mean uncertainty ratio is {motion.uncertainty_ratio:.2f}: it "
            "uses neither a finite rupture nor stations yet. Expect large changes in later versions"
        )
    if (motion.magnitude or 0) >= 7 and motion.finite_rupture is False:
        out.append(
            "WARNING: the magnitude is 7 or more and the ShakeMap uses no finite rupture. Expect "
            "large changes in later versions"
        )
    if limited.nodes:
        limits = " and ".join(f"{m} of {LARGEST[m]:g} {UNITS[m]}" for m in event.model.varies)
        out.append(
            f"random shaking reached the largest that is physical ({limits}) at "
            f"{counted(limited.nodes, 'node')} of the ShakeMap and was cut to it there "
            f"({100 * limited.share:.2g} % of all values)"
        )
    cell = max(grids.cell_size(event.grid))
    for _, scale in event.model.own_scale.values():
        if cell > COARSEST * scale:
            out.append(
                f"cells of {cell:g} m are coarser than the {scale:g} m for which the model was "
                "made: slopes are too gentle and totals too small; give a finer resolution"
            )
    if slopes := rasters.slopes_remark(event.study.layers["dem"], event.grid):
        out.append(f"{event.study.layers['dem'].path.name}: {slopes}")
    if known < 0.5 * land:
        out.append(f"only {100 * known / land:.0f} % of the land on the grid has a prediction")
    return out


def _write_roads(out: Path, roads: RoadCells, cuts: tiles.Cuts) -> Path:
    """Write `roads.csv`: how likely each road is cut, the most likely first."""
    p = cuts.probability
    km = shapely.length(roads.lines) / 1000.0
    order = np.argsort(-p, kind="stable")
    table = pd.DataFrame(
        {
            "road": [roads.names[i] for i in order],
            "km": km[order].round(3),
            "probability_of_a_cut": p[order].round(4),
        }
    )
    path = out / ROADS
    spreadsheets.write(path, table)
    return path
