"""Small finished runs of past earthquakes: their samples, made without any map."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from shakeslide.factors.stack import FactorInfo
from shakeslide.layers.positives import Positive
from shakeslide.sampling import sample_table
from shakeslide.sampling.sample_counts import NOT_COUNTED
from shakeslide.sampling.sample_table import Samples

CELLS = 12_000
CLASSES = {1: "granite", 2: "shale", 3: "lava"}


def info(code: str, unit: str, kind: str = "continuous", **settings: Any) -> FactorInfo:
    legend = CLASSES if kind == "categorical" else {}
    return FactorInfo(code=code, name=code, unit=unit, kind=kind, legend=legend, settings=settings)


FACTORS = (
    info("SLO", "deg", function="slope"),
    info("PGA", "g", function="value", layer="pga"),
    info("TPI", "m", function="tpi", inner=62.5, outer=150.0, divide_by_sd=False),
    info("LITH", "class", "categorical", function="category", layer="lithology"),
)


def samples(
    seed: int, *, most: int = 250, cell: float = 30.0, level: float = -7.0, toe: float = 0.0
) -> Samples:
    """Return the samples of an earthquake on ground of its own.

    `level` sets how much slides, `toe` how much position on the slope matters.
    """
    rng = np.random.default_rng(seed)
    slope = np.clip(rng.gamma(6, 4.5, CELLS), 0, 70)
    pga = 0.3 * np.exp(rng.normal(0, 0.5, CELLS))
    tpi, lith = rng.normal(0, 20, CELLS), rng.integers(1, 4, CELLS)
    z = level + 7 * np.sin(np.radians(slope)) + 1.5 * np.log(pga / 0.1) + toe * tpi / 20
    slides = rng.random(CELLS) < 1 / (1 + np.exp(-z - np.array([0, 0.5, -0.5])[lith - 1]))
    sources = np.flatnonzero(slides)[:most]
    rows = np.concatenate([sources, np.flatnonzero(~slides)[: sources.size]])
    at = np.arange(rows.size)
    label = slides[rows].astype(np.int8)
    columns = {
        "x": seed * 1e6 + (at % 100 + 0.5) * cell, "y": -(at // 100 + 0.5) * cell,
        "row": at // 100, "col": at % 100, "label": label,
        "landslide_id": np.where(label == 1, at + 1, 0), "block_id": 0, "event": 0,
        "SLO": slope[rows], "PGA": pga[rows], "TPI": tpi[rows], "LITH": lith[rows],
    }  # fmt: skip
    table = pd.DataFrame(columns).astype({f.code: np.float32 for f in FACTORS})
    areas = pd.DataFrame(
        {
            "factor": "LITH", "x": 0.0, "y": 0.0, "code": [*CLASSES],
            "cells": [int((lith == k).sum()) for k in CLASSES], "event": 0,
        }
    )  # fmt: skip
    found = int(slides.sum())
    counts = replace(NOT_COUNTED, source_cells=found, clear_cells=CELLS - found, landslides=found)
    return Samples(table, FACTORS, areas, counts, Positive.OUTLINES)


def save(samples: Samples, folder: Path) -> Path:
    """Write samples as those of a finished run and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    sample_table.save(samples, folder / "samples.parquet")
    return folder


def with_factor(samples: Samples, code: str, **changes: Any) -> Samples:
    """Return samples whose record of a factor is another one."""
    factors = tuple(replace(f, **changes) if f.code == code else f for f in samples.factors)
    return replace(samples, factors=factors)


def without(samples: Samples, code: str) -> Samples:
    """Return samples without a factor."""
    return replace(
        samples,
        table=samples.table.drop(columns=code),
        factors=tuple(f for f in samples.factors if f.code != code),
        areas=samples.areas[samples.areas.factor != code],
    )
