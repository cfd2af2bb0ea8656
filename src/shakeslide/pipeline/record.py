"""What is kept of a run for its readers: provenance and report."""

from __future__ import annotations

import json
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from shakeslide import grid as grids
from shakeslide import (
    inventory,
)
from shakeslide._version import __version__
from shakeslide.factor_settings import DensityFactor, LineDirectionFactor
from shakeslide.factors.layers import vector_source
from shakeslide.io import vector
from shakeslide.io.failures import guarded
from shakeslide.io.files import replacing
from shakeslide.pipeline.inputs import check
from shakeslide.pipeline.run import Run, need, timed

LIBRARIES = ("numpy", "scipy", "numba", "scikit-learn", "rasterio", "geopandas", "odc-geo", "dask")
SPREAD = ("mean", "sd")
"""Maps of an ensemble."""


@guarded("provenance")
def provenance(run: Run) -> Path:
    """Write `provenance.json`: study, versions, seeds, hashes of the inputs, timings."""
    made = run.ledger.all_made()
    inputs = {
        name: {"file": layer.path.name, "content": run.ledger.content(layer.path)}
        for name, layer in run.study.layers.items()
    }
    if run.study.inventory.path is not None:
        path = run.study.inventory.path
        inputs["inventory"] = {"file": path.name, "content": run.ledger.content(path)}
    text = {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "shakeslide": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "seed": run.study.study.seed,
        "study": run.document,
        "settings": run.study.model_dump(mode="json", exclude={"layers", "inventory"}),
        "models": {
            n: {"angles": (r := run.recipe(n)).angles, "params": r.make(0).get_params()}
            for n in run.models
        },
        "grid": grids.describe(run.grid) | {"tile": run.tile},
        "inputs": inputs,
        "hash": "blake2b, 96 bits",
        "seconds": {k: v.get("seconds") for k, v in made.items()},
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }
    path = run.out / "provenance.json"
    with replacing(path) as temporary:
        temporary.write_text(
            json.dumps(text, indent=1, ensure_ascii=False, default=str), encoding="utf-8"
        )
    return path


@guarded("report")
def report(run: Run) -> Path:
    """Write `figures/*.png`, `report.html`, `summary.pdf` and the QGIS project of the run."""
    from shakeslide import report as reports

    wanted = {"samples": run.sample_mark, "evaluation": run.evaluation_mark}
    wanted |= {f"map-{n}": run.map_mark(n) for n in run.mapped_models}
    wanted |= {f"spread-{n}": run.spread_mark(n) for n in run.spread_models}
    if run.study.map.applicability:
        wanted["applicability"] = run.area_mark
    need(run, wanted | {"importance": run.importance_mark})
    _remove_stale(run)
    provenance(run)
    with timed("report"), run.reporter.task("report", 1) as on:
        return reports.write(run.out, report_inputs(run), on)


def _remove_stale(run: Run) -> None:
    """Remove maps that earlier settings asked for and these do not: the report would show them."""
    maps = run.out / "maps"
    stale = [maps / f"{n}_{w}" for n in set(run.models) - set(run.spread_models) for w in SPREAD]
    if not run.study.map.applicability:
        stale.append(maps / "applicability")
    for path in stale:
        for suffix in (".tif", ".qml", ".sld"):
            path.with_suffix(suffix).unlink(missing_ok=True)


def report_inputs(run: Run) -> dict[str, Any]:
    """Return what the report needs beside the artefacts.

    Layers as checked, the event, the landslides' outlines, and the lines and points that factors
    are made from, to be drawn over their maps.
    """
    return {
        "layers": [row.to_dict() for row in check(run)],
        "event": run.study.event.model_dump(mode="json"),
        "inventory": {
            "path": str(run.study.inventory.path),
            "layer": run.study.inventory.layer,
            "where": run.study.inventory.where,
            "crs": vector.crs_of(inventory.layer_of(run.study.inventory)),
        },
        "outlines": inventory.load(run.study.inventory, run.grid, run.masks).shapes,
        "marks": {
            code: vector.read(
                vector_source(run.study.layers[f.layer], f.layer), grids.crs_of(run.grid)
            ).geometry
            for code, f in run.study.active_factors.items()
            if isinstance(f, LineDirectionFactor | DensityFactor)
        },
    }
