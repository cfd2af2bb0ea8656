"""The tables of an evaluation: one record per fit, and what they come to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from shakeslide.evaluation.scores import MEASURES
from shakeslide.io import raster


def write(out: Path, results: Sequence[Mapping[str, Any]], threshold: float) -> list[Path]:
    """Write `evaluation.json` and `evaluation.csv`.

    Parameters
    ----------
    out : Path
        Folder of the run.
    results : sequence of mappings
        One per fit: `record` (protocol, model, repeat, fold, scores), `confusion`, `roc`.
    threshold : float
        Probability from which a cell counted as predicted landslide.
    """
    records = [r["record"] for r in results]
    table = pd.DataFrame(records)
    text = {
        "records": records,
        "summary": summary(table),
        "confusion": _confusion(results),
        "roc": _mean_roc(results),
        "threshold": threshold,
    }
    paths = [out / "evaluation.json", out / "evaluation.csv"]
    with raster.replacing(paths[0]) as temporary:
        temporary.write_text(json.dumps(finite(text), indent=1), encoding="utf-8")
    with raster.replacing(paths[1]) as temporary:
        table.to_csv(temporary, index=False)
    return paths


def finite(value: Any) -> Any:
    """Turn NaN into null: NaN is no JSON."""
    if isinstance(value, Mapping):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def summary(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean and standard deviation over repeats and folds, by protocol and model."""
    rows: list[dict[str, Any]] = []
    for (protocol, model), part in table.groupby(["protocol", "model"], sort=False):
        row: dict[str, Any] = {"protocol": protocol, "model": model, "n": len(part)}
        for m in [*MEASURES, "fit_s"]:
            values = part[m].to_numpy(float)
            row[m] = {
                "mean": float(values.mean()),
                "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
            }
        rows.append(row)
    return rows


def _confusion(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Confusion matrix of each model's first split."""
    first = [r for r in results if r["record"]["repeat"] == 0 and r["record"]["fold"] == 0]
    return [
        {"protocol": r["record"]["protocol"], "model": r["record"]["model"], **r["confusion"]}
        for r in first
    ]


def _mean_roc(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mean ROC curve of each model over its splits, on a grid of false-positive rates."""
    keys = list(dict.fromkeys((r["record"]["protocol"], r["record"]["model"]) for r in results))
    out = []
    for protocol, model in keys:
        same = [
            r
            for r in results
            if (r["record"]["protocol"], r["record"]["model"]) == (protocol, model)
        ]
        tpr = np.mean([r["roc"][0] for r in same], axis=0)
        out.append(
            {"protocol": protocol, "model": model, "fpr": same[0]["roc"][1], "tpr": tpr.tolist()}
        )
    return out
