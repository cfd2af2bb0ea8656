"""A finished run made by hand: the files that a report is written from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from shakeslide.checks import LayerRow
from shakeslide.core import documents
from shakeslide.evaluation.collinearity import correlations
from shakeslide.evaluation.scores import MEASURES
from shakeslide.factors.stack import FactorInfo
from shakeslide.geo import grid as grids
from shakeslide.io.geotiff import BandToWrite, write_geotiff
from shakeslide.layers.positives import Positive
from shakeslide.learning import bundle, explanation
from shakeslide.learning.bundle import TrainedOn
from shakeslide.learning.explanation import Dependence, Gain, Loss, ModelImportance
from shakeslide.report import StudyFacts
from shakeslide.results import evaluation_document, importance_document, provenance_document
from shakeslide.results.evaluation_document import Evaluation
from shakeslide.results.importance_document import Importance
from shakeslide.results.provenance_document import Provenance
from shakeslide.sampling import sample_table
from shakeslide.sampling.sample_counts import SampleCounts
from shakeslide.sources.source_files import Frequencies, Frequency, SourcesRecord
from shakeslide.study.settings import Event

CELL = 30.0
GRID = GeoBox((70, 56), Affine(CELL, 0, 340_000, 0, -CELL, 3_840_000), CRS("EPSG:32643"))
EVIL = "<script>alert('x')</script>"
"""Text that must never become markup, nor mathematics ($), nor an error for want of a glyph."""
CLASS_NAMES = {1: f"{EVIL} & gneiss", 2: "片麻岩", 3: r"schist $\bad{$"}
LIMITS = {1: "low (0 to 0.5)", 2: "high (0.5 to 1)"}

FACTORS = {
    "DEM": FactorInfo(
        code="DEM",
        name="Elevation",
        unit="m",
        kind="continuous",
        legend={},
        definition="elevation",
        source=f"dem.tif {EVIL}",
    ),
    "SLOA": FactorInfo(
        code="SLOA",
        name="Slope aspect",
        unit="deg",
        kind="circular",
        legend={},
        definition="downslope direction",
    ),
    "FD": FactorInfo(
        code="FD",
        name=f"Fault direction {EVIL}",
        unit="deg",
        kind="axial",
        legend={},
        definition="azimuth mod 180",
    ),
    "TPI": FactorInfo(
        code="TPI",
        name="Topographic position index",
        unit="m",
        kind="continuous",
        legend={},
        definition="z - mean",
    ),
    "LITH": FactorInfo(
        code="LITH",
        name="Lithology",
        unit="class",
        kind="categorical",
        legend=CLASS_NAMES,
        definition="class",
    ),
}
MODELS = ("lr", "rf", "sae")
SCORES = {"lr": 0.78123, "rf": 0.85678, "sae": 0.83451}
OPTIMISM = {
    "lr": {"oa": -0.31, "roc_auc": 0.04},
    "rf": {"oa": 7.42, "roc_auc": 5.13},
    "sae": {"oa": 4.26, "roc_auc": 3.31},
}
"""Points by which random cells flatter."""
GAPS = {"lr": 0.071, "rf": 0.052, "sae": -0.013}
"""AUC below the known truth."""
DROPS = {"lr": 0.01, "rf": 0.086, "sae": 0.05}
"""AUC lost with the first group of factors shuffled."""
THRESHOLD = 0.75
"""Of the map of applicability."""


def write_raster(
    path: Path,
    values: np.ndarray,
    grid: GeoBox = GRID,
    tags: dict[str, str] | None = None,
    cloud_optimised: Any = None,
) -> None:
    """Write an array through the project's own writer, in tiles."""
    dtype = "uint8" if values.dtype == np.uint8 else "float32"
    nodata = 0 if dtype == "uint8" else np.nan
    write_geotiff(
        path,
        grid,
        grids.tiles(grid, 64),
        lambda t: values[t.row0 : t.row1, t.col0 : t.col1],
        BandToWrite(dtype=dtype, nodata=nodata, tags=tags or {}),
        cloud_optimised=cloud_optimised,
    )


def factor_values() -> dict[str, np.ndarray]:
    """Return the factors' values: a hill, with a corner that has none."""
    row, col = np.mgrid[: GRID.shape[0], : GRID.shape[1]].astype(float)
    z = 1500 + 400 * np.exp(-((row - 30) ** 2 + (col - 25) ** 2) / 300)
    south, east = np.gradient(z, CELL)
    aspect = np.degrees(np.arctan2(-east, south)) % 360
    aspect[60:, :] = -1
    values = {
        "DEM": z,
        "SLOA": aspect,
        "FD": np.where(col < 20, 35.0, 150.0),
        "TPI": 40 * np.sin(row / 5) * np.cos(col / 4),
        "LITH": 1.0 + (row // 25),
    }
    for array in values.values():
        array[:8, :9] = np.nan
    return {k: v.astype(np.float32) for k, v in values.items()}


def _record(protocol: str, model: str, repeat: int) -> dict[str, Any]:
    oa = SCORES[model] + 0.002 * repeat - (0.08 if protocol == "block" else 0)
    measures = {
        "oa": oa,
        "precision": oa - 0.01,
        "recall": oa + 0.015,
        "f1": oa + 0.0025,
        "mcc": 2 * oa - 1,
        "roc_auc": oa + 0.07,
        "pr_auc": oa + 0.06,
        "brier": 0.16 - 0.01 * repeat,
        "log_loss": 0.4,
        "ece": 0.02,
        "fit_s": 0.5,
    }
    number = {"repeat": 0, "fold": repeat} if protocol == "block" else {"repeat": repeat, "fold": 0}
    where = {"protocol": protocol, "model": model, **number}
    return {**where, "prevalence": 0.5, "n_train": 40, "n_test": 160, **measures}


def _differences(protocol: str, model: str, other: str) -> dict[str, Any]:
    """Return differences of which those of `pixel` are resolved."""
    told = {}
    for measure, scale in (("oa", 1.0), ("roc_auc", 0.5), ("brier", -0.1)):
        mean = scale * (SCORES[model] - SCORES[other])
        half = 0.5 * abs(mean) if protocol == "pixel" else 3 * abs(mean)
        told[measure] = {"mean": mean, "low": mean - half, "high": mean + half, "p_value": 0.0321}
    return told


def evaluation(repeats: int, protocols: tuple[str, ...] = ("pixel", "block")) -> Evaluation:
    """Return an evaluation with plausible figures."""
    return documents.from_json(Evaluation, json.dumps(evaluation_values(repeats, protocols)))


def evaluation_values(repeats: int, protocols: tuple[str, ...]) -> dict[str, Any]:
    """Return what evaluation.json holds, but for its schema."""
    fpr = np.linspace(0, 1, 21)
    pairs = [(p, m) for p in protocols for m in MODELS]
    records = [_record(p, m, r) for p, m in pairs for r in range(repeats)]
    summary = []
    for p, m in pairs:
        part = pd.DataFrame([r for r in records if (r["protocol"], r["model"]) == (p, m)])
        row: dict[str, Any] = {"protocol": p, "model": m, "n": repeats, "prevalence": 0.5}
        for key in list(records[0])[7:]:
            sd = float(part[key].std(ddof=1)) if repeats > 1 else None
            mean = float(part[key].mean())
            row[key] = {"mean": mean, "sd": sd, "low": mean - 0.0123, "high": mean + 0.0234}
        summary.append(row)
    # Each fit has a second record, at the area's prevalence, which the tables leave alone.
    records = [r | more for r in records for more in ({}, {"prevalence": 0.03, "oa": 0.1})]
    area = [
        row
        | {"prevalence": 0.03, "precision": {"mean": 0.084, "sd": 0.01, "low": 0.07, "high": 0.1}}
        for row in summary
    ]
    counts = {"tp": 70.0, "fp": 12.0, "fn": 10.0, "tn": 68.0}
    return {
        "records": records,
        "summary": summary,
        "confusion": [{"protocol": p, "model": m, **counts} for p, m in pairs],
        "roc": [
            {"protocol": p, "model": m, "fpr": fpr.tolist(), "tpr": (fpr**0.3).tolist()}
            for p, m in pairs
        ],
        "rates": [
            {
                "protocol": p,
                "model": m,
                "area": [0.0, 0.1, 0.5, 1.0],
                "prediction": [0.0, 0.4 + 0.05 * k, 0.9, 1.0],
                "success": [0.0, 0.6 + 0.05 * k, 0.95, 1.0],
            }
            for p in protocols
            for k, m in enumerate(MODELS)
        ],
        "reliability": [
            {"protocol": p, "model": m, "predicted": [0.2, 0.5, 0.8], "observed": [0.1, 0.5, 0.9]}
            for p, m in pairs
        ],
        "captured": [
            {"protocol": p, "model": m, "shares": {"0.05": SCORES[m] - 0.5, "0.1": SCORES[m] - 0.3}}
            for p, m in pairs
        ],
        "summary_area": area,
        "pairs": [
            {"protocol": p, "model": a, "other": b} | _differences(p, a, b)
            for p in protocols
            for a, b in combinations(MODELS, 2)
        ],
        "optimism": [
            {"protocol": p, "model": m, **OPTIMISM[m]}
            for p in protocols
            if p != "pixel" and "pixel" in protocols
            for m in MODELS
        ],
        "truth": {
            "scores": dict.fromkeys(MEASURES, 0.9) | {"roc_auc": 0.95},
            "gaps": [
                {"protocol": p, "model": m, "oa": 0.9 - SCORES[m], "roc_auc": GAPS[m]}
                for p, m in pairs
            ],
        },
        "calibration": "none",
        "threshold": 0.5,
        "prevalence": {"sample": 0.5, "area": 0.03},
        "block_size": 870.0,
        "buffer": 300.0,
        "replicates": 500,
    }


PROVENANCE_VALUES: Mapping[str, Any] = {
    "written": "2026-01-02T03:04:05+00:00",
    "shakeslide": "0.1.0",
    "python": "3.11.0",
    "platform": "Linux",
    "libraries": {"numpy": "2.0.0"},
    "seed": 7,
    "study": {},
    "settings": {
        "study": {"name": f"Hill {EVIL}", "description": f"A hill. {EVIL}", "seed": 7},
        "samples": {"train_share": 0.2},
        "evaluation": {"repeats": 3, "threshold": 0.5},
        "factors": {"DEM": {"use": True, "function": "elevation"}},
        "models": {"use": list(MODELS)},
    },
    "models": {m: {"angles": "raw", "params": {"C": 1.0}} for m in MODELS},
    "grid": {"crs": "EPSG:32643", "rows": 70, "cols": 56, "transform": [], "tile": 512},
    "inputs": {"dem": {"file": f"dem {EVIL}.tif", "content": "abc"}},
    "hash": "blake2b",
    "seconds": {"factor-DEM": 0.4, "model-rf": 130.0, "map-rf": None},
    "command": ["shakeslide", "run", f"{EVIL}.toml"],
}
PROVENANCE = documents.from_json(Provenance, json.dumps(PROVENANCE_VALUES).encode())


def layer_row(name: str, **more: Any) -> LayerRow:
    """Return a row of the check of layers."""
    row: dict[str, Any] = {
        "name": name,
        "file": f"{name}.tif",
        "kind": "raster float32, 70 x 56",
        "crs": "EPSG:32643",
        "coverage": 0.98,
        "values": "1 to 2",
        "use": "factors DEM",
        "source": "",
        "notes": [],
        "warnings": [],
    }
    return LayerRow(**{**row, **more})


STUDY = StudyFacts(
    layers=[
        layer_row("dem", warnings=["covers 98 % of the grid"], source=f"made by hand {EVIL}"),
        layer_row(f"lithology {EVIL}", notes=["1 invalid geometry repaired"], coverage=None),
    ],
    event=Event(
        epicentre=(73.3, -34.6), magnitude=7.25, time=datetime(2005, 10, 8, 3, 50, 40, tzinfo=UTC)
    ),
    outlines=np.array([shapely.Point(340_900, 3_839_000).buffer(150)], dtype=object),
    marks={"FD": np.array([shapely.LineString([(339_000, 3_838_500), (342_000, 3_839_500)])])},
)
"""What the report of the finished run has of its study."""


def fabricate(out: Path, repeats: int = 3, positives: Positive = Positive.SOURCES) -> Path:
    """Write the artefacts of a finished run."""
    values = factor_values()
    for code, array in values.items():
        f = FACTORS[code]
        tags = {k: str(getattr(f, k)) for k in ("code", "name", "unit", "kind", "definition")}
        tags |= {"source": f.source, "citation": "Someone (1990)"}
        tags |= {f"class_{k}": v for k, v in f.legend.items()}
        write_raster(out / "factors" / f"{code}.tif", array, tags=tags)
    known = np.isfinite(values["DEM"])
    p = (values["DEM"] - 1500) / 410
    classes = np.where(p < 0.5, 1, 2).astype(np.uint8)
    classes[~known] = 0
    for model in MODELS:
        write_raster(
            out / "maps" / f"{model}_probability.tif",
            p,
            tags={"shows": "susceptibility"},
            cloud_optimised="average",
        )
        tags = {f"class_{k}": v for k, v in LIMITS.items()}
        write_raster(
            out / "maps" / f"{model}_class.tif", classes, tags=tags, cloud_optimised="mode"
        )
    samples = replace(_samples(values, known), positives=positives)
    sample_table.save(samples, out / "samples.parquet")
    evaluation_document.save(out, evaluation(repeats))
    importance_document.save(out, importance(samples))
    provenance_document.save(out, PROVENANCE)
    return out


def importance(samples: sample_table.Samples) -> Importance:
    """Return an importance with plausible figures, and the samples' own collinearity."""
    codes = list(FACTORS)
    groups = [["DEM", "TPI"], ["SLOA"], ["FD"], ["LITH"]]
    curves = {
        "DEM": np.linspace(1500, 1900, 9),
        "SLOA": np.array([-1.0, 20.0, 90.0, 200.0, 350.0]),
        "FD": np.array([35.0, 150.0]),
        "TPI": np.linspace(-30, 30, 7),
        "LITH": np.array([1.0, 2.0, 3.0]),
    }
    models = [
        ModelImportance(
            m,
            SCORES[m] + 0.07,
            tuple(
                Loss(tuple(g), DROPS[m] * (1 - i) / (1 + i), 0.0024) for i, g in enumerate(groups)
            ),
            tuple(
                Dependence(
                    c, tuple(v.tolist()), tuple(np.linspace(0.2, SCORES[m], len(v)).tolist())
                )
                for c, v in curves.items()
            ),
        )
        for m in MODELS
    ]
    kinds = {code: f.kind for code, f in FACTORS.items()}
    gain = tuple(Gain(c, 0.3 / (1 + i)) for i, c in enumerate(codes))
    told = explanation.stored(correlations(samples.raw, codes, kinds))
    return Importance(gain, told, tuple(models))


def write_uncertainty(out: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write the maps of an ensemble of the forest, and of applicability; return their values."""
    dem = factor_values()["DEM"]
    row, col = np.mgrid[: GRID.shape[0], : GRID.shape[1]]
    mean = np.where(np.isfinite(dem), (dem - 1500) / 410, np.nan).astype(np.float32)
    sd = np.where(np.isfinite(dem), 0.01 + 0.001 * col, np.nan).astype(np.float32)
    index = np.where(np.isfinite(dem), row / 70, np.nan).astype(np.float32)
    write_raster(out / "maps" / "rf_mean.tif", mean, cloud_optimised="average")
    write_raster(out / "maps" / "rf_sd.tif", sd, cloud_optimised="average")
    tags = {"threshold": str(THRESHOLD)}
    write_raster(out / "maps" / "applicability.tif", index, tags=tags, cloud_optimised="average")
    return mean, sd, index


def sources_record(**told: Any) -> SourcesRecord:
    """Return the record of an extraction; what is not told is nothing."""
    none = Frequency(None, (), (), ())
    empty: dict[str, Any] = dict.fromkeys((f.name for f in fields(SourcesRecord)), 0)
    empty |= {k: {} for k in ("split_for", "dropped_for", "flags", "methods", "change", "settings")}
    empty |= {"left_out": (), "notes": (), "frequency": Frequencies(none, none)}
    return SourcesRecord(**{**empty, **told})


def write_manifest(out: Path, model: str, about: TrainedOn) -> None:
    """Write as much of a model's manifest as says what it was trained on."""
    folder = out / "models" / model
    folder.mkdir(parents=True)
    told = {"format": bundle.FORMAT, "about": documents.to_values(about)}
    write_json(folder / bundle.MANIFEST, told)


def write_json(path: Path, value: Any) -> None:
    """Write JSON."""
    path.write_text(json.dumps(value), encoding="utf-8")


def _samples(values: dict[str, np.ndarray], known: np.ndarray) -> sample_table.Samples:
    rng = np.random.default_rng(5)
    cells = rng.choice(np.flatnonzero(known), 200, replace=False)
    row, col = np.unravel_index(np.sort(cells), known.shape)
    z = values["DEM"][row, col]
    table = pd.DataFrame(
        {
            "x": 340_000 + (col + 0.5) * CELL,
            "y": 3_840_000 - (row + 0.5) * CELL,
            "row": row.astype(np.int32),
            "col": col.astype(np.int32),
            "label": (z > np.median(z)).astype(np.int8),
            "landslide_id": np.where(z > np.median(z), 1 + col % 7, 0).astype(np.int32),
            "block_id": np.int64(0),
            "event": np.int64(0),
        }
    )
    for code, array in values.items():
        table[code] = array[row, col]
    counts = SampleCounts(
        cells=known.size,
        valid_cells=int(known.sum()),
        mapped_cells=int(known.sum()),
        source_cells=100,
        source_cells_without_values=3,
        clear_cells=3700,
        excluded_cells=48,
        landslides=11,
        landslides_without_cell=4,
    )
    codes, cells = np.unique(values["LITH"][known].astype(int), return_counts=True)
    areas = pd.DataFrame({"factor": "LITH", "x": 0.0, "y": 0.0, "code": codes, "cells": cells})
    areas["event"] = 0
    return sample_table.Samples(table, tuple(FACTORS.values()), areas, counts)
