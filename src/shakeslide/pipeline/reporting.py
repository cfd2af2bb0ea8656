"""What is kept of a run for its readers: provenance and report."""

from __future__ import annotations

import json
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from shakeslide._version import __version__
from shakeslide.checks import LayerRow
from shakeslide.core.errors import InputError
from shakeslide.core.extras import extra
from shakeslide.core.failures import guarded
from shakeslide.core.files import Steps
from shakeslide.core.fingerprints import fingerprint
from shakeslide.geo import grid as grids
from shakeslide.io import vector
from shakeslide.io.records import Shapes
from shakeslide.layers import inventory
from shakeslide.layers.readers import vector_source
from shakeslide.pipeline.inputs import check
from shakeslide.pipeline.run import Run, need, timed
from shakeslide.results import provenance_document
from shakeslide.results.provenance_document import (
    GridRecord,
    InputRecord,
    ModelSettings,
    Provenance,
)
from shakeslide.study.factor_settings import DensityFactor, LineDirectionFactor

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
    stages = run.ledger.all_made()
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
        models={name: _model(run, name) for name in run.models},
        grid=GridRecord(
            crs=grids.crs_name(run.grid.crs),
            rows=int(run.grid.shape[0]),
            cols=int(run.grid.shape[1]),
            transform=tuple(float(v) for v in tuple(run.grid.affine)[:6]),
            tile=run.tile,
        ),
        inputs={name.removeprefix("layers."): _input(run, p) for name, p in run.inputs.items()},
        hash="blake2b, 96 bits, without times of writing",
        # The record is written before the report, whose time is not known yet.
        seconds={k: v.seconds for k, v in stages.items() if k != "report"},
        command=(Path(sys.argv[0]).name, *sys.argv[1:]),
    )


def _model(run: Run, name: str) -> ModelSettings:
    recipe = run.recipe(name)
    return ModelSettings(recipe.angles, _plain(recipe.make(0).get_params()))


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as JSON has them, dates and the like as text."""
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return plain


def _input(run: Run, path: Path) -> InputRecord:
    """Return the hash of an input, and of each file behind it where there are several."""
    parts = run.ledger.parts(path)
    return InputRecord(path.name, run.ledger.content(path), parts if len(parts) > 1 else None)


@guarded("report")
def report(run: Run, rows: Sequence[LayerRow] | None = None) -> Path:
    """Write `figures/*.png`, `report.html`, `summary.pdf` and the QGIS project of the run.

    `rows` are those of `check`, where the layers were checked before.
    """
    with extra("report", "report"):
        from shakeslide import report as reports

    ledger, mark, labels = run.ledger, run.report_mark, run.report_labels
    need(run, run.results, run.labels)
    # Also where it is fresh: it clears what a stopped run with other settings left.
    (work,) = ledger.shards("report", [fingerprint(mark, labels)])
    if ledger.is_fresh("report", mark):
        run.reporter.say("report: report.html is up to date")
        if not ledger.is_fresh("report", mark, labels):
            reports.write_project(run.out, report_inputs(run, rows))
            ledger.relabel("report", labels)
        return run.out / "report.html"
    _remove_stale(run)
    # Before the report, which prints it.
    provenance(run)
    with timed("report") as taken, run.reporter.task("report", 1) as on:
        page = reports.write(run.out, report_inputs(run, rows), on, Steps(work))
    ledger.record("report", mark, reports.files(run.out), taken[0], labels)
    shutil.rmtree(work, ignore_errors=True)
    return page


def _remove_stale(run: Run) -> None:
    """Remove maps that earlier settings asked for and these do not: the report would show them."""
    maps = run.out / "maps"
    stale = [maps / f"{n}_{w}" for n in set(run.models) - set(run.spread_models) for w in SPREAD]
    if not run.study.map.applicability:
        stale.append(maps / "applicability")
    for path in stale:
        for suffix in (".tif", ".qml", ".sld"):
            path.with_suffix(suffix).unlink(missing_ok=True)


def _outlines(run: Run) -> Shapes:
    """Return the outlines of the landslides as mapped."""
    if run.inventory == run.study.inventory:
        return run.landslides.shapes
    return inventory.load(run.study.inventory, run.grid, run.masks).shapes


def report_inputs(run: Run, rows: Sequence[LayerRow] | None = None) -> dict[str, Any]:
    """Return what the report needs beside the artefacts.

    Layers as checked, the event, the landslides' outlines, and the lines and points that factors
    are made from, to be drawn over their maps.
    """
    return {
        "layers": [row.to_dict() for row in (check(run) if rows is None else rows)],
        "event": run.study.event.model_dump(mode="json"),
        "inventory": {
            "path": str(run.study.inventory.path),
            "layer": run.study.inventory.layer,
            "where": run.study.inventory.where,
            "crs": vector.crs_of(inventory.layer_of(run.study.inventory)),
        },
        "outlines": _outlines(run),
        "marks": {
            code: vector.read(
                vector_source(run.study.layers[f.layer], f.layer), grids.crs_of(run.grid)
            ).geometry
            for code, f in run.study.active_factors.items()
            if isinstance(f, LineDirectionFactor | DensityFactor)
        },
    }
