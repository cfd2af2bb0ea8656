"""What is kept of a run for its readers: provenance and report."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from shakeslide._version import __version__
from shakeslide.core.errors import InputError
from shakeslide.core.extras import extra
from shakeslide.core.failures import guarded
from shakeslide.core.files import Steps
from shakeslide.core.fingerprints import fingerprint
from shakeslide.geo import grid as grids
from shakeslide.io import vector
from shakeslide.layers import inventory
from shakeslide.layers.readers import vector_source
from shakeslide.pipeline.checking import check
from shakeslide.pipeline.run import Run
from shakeslide.pipeline.stage import Artefact, Stage, Work, need
from shakeslide.results import provenance_document
from shakeslide.results.provenance_document import (
    GridRecord,
    InputRecord,
    ModelSettings,
    Provenance,
)
from shakeslide.study.factor_settings import DensityFactor, LineDirectionFactor
from shakeslide.study.settings import Inventory

if TYPE_CHECKING:
    from shakeslide.report import InventoryFile, StudyFacts

LIBRARIES = ("numpy", "scipy", "numba", "scikit-learn", "rasterio", "geopandas", "odc-geo", "dask")
CIRCUMSTANCES = ("written", "command", "python", "platform", "libraries")
"""What differs from one run to the next though its results are the same."""
SPREAD = ("mean", "sd")
"""Maps of an ensemble."""


@guarded("provenance")
def provenance(run: Run) -> Path:
    """Write `provenance.json`: study, versions, seeds, hashes of the inputs, timings.

    What is there stays where nothing but the circumstances differ: it says how results were made.
    """
    made = _provenance(run)
    # A record that cannot be read is written anew.
    with suppress(InputError):
        known = provenance_document.load(run.out)
        if replace(known, **{key: getattr(made, key) for key in CIRCUMSTANCES}) == made:
            return run.out / provenance_document.NAME
    return provenance_document.save(run.out, made)


def _provenance(run: Run) -> Provenance:
    stages, grid = run.ledger.all_made(), run.grid()
    settings = run.study.essence(lambda path: path.name, shown=True)
    return Provenance(
        written=datetime.now(UTC).isoformat(timespec="seconds"),
        shakeslide=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        libraries={name: version(name) for name in LIBRARIES},
        seed=run.study.study.seed,
        study=_plain(run.document),
        settings=_plain({k: v for k, v in settings.items() if k not in ("layers", "inventory")}),
        models={name: _model(run, name) for name in run.models.used()},
        grid=GridRecord(
            crs=grids.crs_name(grid.crs),
            rows=int(grid.shape[0]),
            cols=int(grid.shape[1]),
            transform=tuple(float(v) for v in tuple(grid.affine)[:6]),
            tile=run.tile(),
        ),
        inputs={name.removeprefix("layers."): _input(run, p) for name, p in run.files.items()},
        hash="blake2b, 96 bits, without times of writing",
        # The record is written before the report, whose time is not known yet.
        seconds={k: v.seconds for k, v in stages.items() if k != "report"},
        command=(Path(sys.argv[0]).name, *sys.argv[1:]),
    )


def _model(run: Run, name: str) -> ModelSettings:
    recipe = run.models.recipe(name)
    return ModelSettings(recipe.angles, _plain(recipe.make(0).get_params()))


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as JSON has them, dates and the like as text."""
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return plain


def _input(run: Run, path: Path) -> InputRecord:
    """Return the hash of an input, and of each file behind it where there are several."""
    parts = run.ledger.parts(path)
    return InputRecord(path.name, run.ledger.content(path), parts if len(parts) > 1 else None)


class Report(Stage[Run]):
    """Figures, `report.html`, `summary.pdf` and the QGIS project of the run."""

    name = "report"
    result = "report.html"

    def artefacts(self, run: Run) -> list[Artefact]:
        """Return the report."""
        return [run.marks.report()]

    def require(self, run: Run) -> None:
        """Require the libraries that draw, and all results: also a fresh report is of these."""
        _reports()
        need(run, run.marks.results(), labels=True)

    def parts(self, run: Run, stale: Sequence[Artefact]) -> list[str]:
        """Return one mark: what is drawn shows names too."""
        return [fingerprint(a.mark, a.label) for a in stale]

    def summary(self, run: Run) -> str:
        """Return its file."""
        return "report.html is"

    def rename(self, work: Work[Run]) -> None:
        """Write the QGIS project anew, which finds the landslides by their place."""
        _reports().write_project(work.run.out, study_facts(work.run))
        work.relabel(*work.renamed)

    def make(self, work: Work[Run]) -> None:
        """Write all of it."""
        run, reports = work.run, _reports()
        _remove_stale(run)
        # Before the report, which prints it.
        provenance(run)
        with work.making(*work.stale) as made, run.reporter.task("report", 1) as on:
            reports.write(run.out, study_facts(run), on, Steps(work.parts[0]))
            made[work.stale[0]] = reports.files(run.out)


report = Report()
"""Write figures, `report.html`, `summary.pdf` and the QGIS project, if not up to date."""


def _reports() -> ModuleType:
    with extra("report", "report"):
        from shakeslide import report as reports
    return reports


def _remove_stale(run: Run) -> None:
    """Remove maps that earlier settings asked for and these do not: the report would show them."""
    maps = run.out / "maps"
    stale = [
        maps / f"{n}_{w}"
        for n in set(run.models.used()) - set(run.models.with_spread())
        for w in SPREAD
    ]
    if not run.study.map.applicability:
        stale.append(maps / "applicability")
    for path in stale:
        for suffix in (".tif", ".qml", ".sld"):
            path.with_suffix(suffix).unlink(missing_ok=True)


def _inventory_file(settings: Inventory) -> InventoryFile | None:
    from shakeslide.report import InventoryFile

    if settings.path is None:
        return None
    return InventoryFile(
        path=settings.path,
        layer=settings.layer,
        where=settings.where,
        crs=vector.crs_of(inventory.layer_of(settings)),
    )


def study_facts(run: Run) -> StudyFacts:
    """Return what the report needs beside the artefacts."""
    from shakeslide.report import StudyFacts

    study, layers = run.study, run.study.layers
    marked = {
        code: vector_source(layers[f.layer], f.layer)
        for code, f in study.active_factors.items()
        if isinstance(f, LineDirectionFactor | DensityFactor)
    }
    return StudyFacts(
        layers=check(run),
        event=study.event,
        inventory=_inventory_file(study.inventory),
        outlines=run.mapped().shapes,
        marks={
            code: vector.read(source, grids.crs_of(run.grid())).geometry
            for code, source in marked.items()
        },
    )
