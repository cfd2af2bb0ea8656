"""The stage that shows a new earthquake: page, one-page PDF, figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from odc.geo.geobox import GeoBox

from shakeslide.core import documents, spreadsheets
from shakeslide.core.extras import extra
from shakeslide.core.fingerprints import fingerprint
from shakeslide.factors import stack as stacks
from shakeslide.geo import grid as grids
from shakeslide.pipeline.stage import Artefact, Stage, Work
from shakeslide.rapid import coverage, settlements, totals
from shakeslide.rapid.computing import ROADS, fitted_model, what_of
from shakeslide.rapid.new_earthquake import NewEarthquake
from shakeslide.rapid.totals import Totals
from shakeslide.shaking.ground_motion import GroundMotion

if TYPE_CHECKING:
    from shakeslide.rapid.event_figures import MapFile
    from shakeslide.rapid.event_page import RoadCut

MOST_ROADS = 15
"""Roads, and places, that the page lists."""


class RapidReport(Stage[NewEarthquake]):
    """`report.html`, `summary.pdf`, figures and a QGIS project."""

    name = "rapid-report"
    command = "rapid"
    result = "report.html"

    def artefacts(self, run: NewEarthquake) -> Sequence[Artefact]:
        """Return the page with all that belongs to it."""
        notes = [*run.motion.notes, *run.model.notes]
        shown = [run.study.study.name, run.motion.deviations, run.study.layers["dem"].path.name]
        mark = fingerprint(run.mark, shown, notes)
        return [Artefact("rapid-report", mark, "rapid")]

    def needs(self, run: NewEarthquake, stale: Sequence[Artefact]) -> Sequence[Artefact]:
        """Return maps and totals."""
        return [Artefact("rapid", run.mark, "rapid")]

    def summary(self, run: NewEarthquake) -> str:
        """Return what is up to date."""
        return "report.html is"

    def make(self, work: Work[NewEarthquake]) -> None:
        """Draw and write."""
        with extra("report", "rapid"):
            from shakeslide.rapid import event_figures, event_page, sheet
            from shakeslide.rapid.first_places import first
            from shakeslide.report.cartography import View

        event, (artefact,) = work.run, work.stale
        name, what = event.model.name, what_of(fitted_model(event))
        titles = {"mean": f"{what}: mean", "p10": "10 % quantile", "p90": "90 % quantile"}
        maps = [
            event_figures.MapFile(
                path=event.out / "maps" / f"{name}_{band}.tif", name=band, title=title
            )
            for band, title in titles.items()
        ]
        with work.making(artefact) as made, event.reporter.task("report", 2) as on:
            squares = first(maps[0].path, event.grid)
            dem = event.out / "factors" / "DEM.tif"
            view = View(event.grid, event_figures.MOST)
            villages = settlements.read(event.out, MOST_ROADS)
            star = coverage.epicentre(event.motion, event.grid)
            shown = event_figures.shown_maps(
                view, maps, dem if dem.exists() else None, squares, star, villages
            )
            drawn = event_figures.draw(event.out, maps, shown)
            on(1)
            facts = event_page.Facts(
                name=event.study.study.name,
                event=_event_line(event.motion),
                scenario=event.scenario,
                model=name,
                what=what,
                grid=_grid_line(event.grid),
                seed=event.study.study.seed,
                totals=documents.read(event.out / totals.FILE, Totals),
                first=squares,
                roads=_most_cut(event.out),
                settlements=villages,
                notes=(*event.motion.notes, *event.model.notes),
                maps=drawn,
                star=star is not None,
                cell=grids.cell_size(event.grid)[0],
                elevation=event.study.layers["dem"].path.name,
                deviations=event.motion.deviations,
                reach_angle=event.study.exposure.reach_angle,
            )
            files = [
                _project(event, maps),
                event_page.write(event.out, facts),
                sheet.write(event.out, facts, shown[0]),
            ]
            on(1)
            made[artefact] = [*files, *(d.path for d in drawn)]


def _project(event: NewEarthquake, maps: Sequence[MapFile]) -> Path:
    """Write a QGIS project of maps and factors."""
    from shakeslide.report import project

    folder = event.out / "factors"
    factors = [
        project.factor_layer(event.out, stacks.file_info(path), path, event.grid)
        for path in sorted(folder.glob("*.tif"), key=lambda p: p.stem == "DEM")
    ]
    shown = [
        project.styled(event.out, m.path, f"{event.model.name}: {m.title}", i == 0)
        for i, m in enumerate(maps)
    ]
    return project.write_groups(
        event.out, event.study.study.name, event.grid, {"Maps": shown, "Factors": factors}
    )


def _most_cut(out: Path) -> tuple[RoadCut, ...]:
    """Return the roads that are most likely cut."""
    from shakeslide.rapid import event_page

    path = out / ROADS
    if not path.exists():
        return ()
    table = spreadsheets.read(path, "road").head(MOST_ROADS)
    return tuple(
        event_page.RoadCut(
            name=str(r.road),
            km=float(r.km),  # type: ignore[arg-type]
            p=float(r.probability_of_a_cut),  # type: ignore[arg-type]
        )
        for r in table.itertuples()
    )


def _event_line(motion: GroundMotion) -> str:
    parts = [
        f"magnitude {motion.magnitude:g}" if motion.magnitude is not None else "",
        f"depth {motion.depth:g} km" if motion.depth is not None else "",
        motion.time.replace("T", " ").removesuffix("Z") + " UTC" if motion.time else "",
        f"ShakeMap version {motion.version}" if motion.version else "",
    ]
    text = ", ".join(p for p in parts if p)
    return text[:1].upper() + text[1:]


def _grid_line(grid: GeoBox) -> str:
    rows, cols = grids.shape_of(grid)
    return (
        f"{rows:,} × {cols:,} cells of {grids.cell_size(grid)[0]:g} m, {grids.crs_name(grid.crs)}"
    )
