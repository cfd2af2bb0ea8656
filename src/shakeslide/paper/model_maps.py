"""F5, F8 and F11: the factors, the four models' maps, and two models over one area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from shakeslide import load_model
from shakeslide.core.errors import InputError
from shakeslide.core.progress import Advance
from shakeslide.evaluation.splits import Split
from shakeslide.io import raster
from shakeslide.layers.inventory import CLEAR, SOURCE
from shakeslide.learning.bundle import FittedModel
from shakeslide.maps import prediction
from shakeslide.paper import outcomes, parts_of_map, scale
from shakeslide.paper.bench import MODELS, THRESHOLD, Bench
from shakeslide.paper.outcomes import Told
from shakeslide.pipeline.models import judged_model
from shakeslide.pipeline.stage import need
from shakeslide.report import (
    artefacts,
    cartography,
    colouring,
    factor_maps,
    figures,
    legends,
    map_figures,
    words,
)
from shakeslide.report.cartography import View
from shakeslide.report.legends import Box

MOST = 1200
"""Most cells along the longer side of a map in a figure."""
PREDICTED = "#d55e00"
GROUND = "#f2f2f2"
AREA_MODELS = ("sae", "fr")


def factor_files(bench: Bench) -> list[artefacts.FactorFile]:
    """Return the prepared factors."""
    folder = bench.run.out / "factors"
    return [artefacts.factor_file(folder / f"{c}.tif") for c in bench.codes]


def relief_path(bench: Bench) -> Path | None:
    """Return the elevation among the factors, None without."""
    return bench.run.out / "factors" / "DEM.tif" if "DEM" in bench.codes else None


def needs_factors(bench: Bench) -> None:
    """Raise `InputError` unless the run has its factors."""
    need(bench.run, bench.run.marks.factors())


def needs_maps(bench: Bench) -> None:
    """Raise `InputError` unless the run has maps of the paper's models, those it maps."""
    run, names = bench.run, mapped(bench)
    if not names:
        raise InputError(
            f"{run.out}: F8 needs a map of one of {', '.join(MODELS)}; name them in [models] use"
        )
    need(run, run.marks.maps(names))


def needs_models(bench: Bench) -> None:
    """Raise `InputError` unless the run has its factors and the models that F11 takes from it."""
    needs_factors(bench)
    stored = [m for m in AREA_MODELS if is_stored(bench, m)]
    need(bench.run, bench.run.marks.judged_models(stored))


def panel(bench: Bench, advance: Advance) -> Told:
    """F5: all factors on one sheet."""
    view = View(bench.run.grid(), MOST)
    shade = cartography.relief(view, relief_path(bench))
    areas = bench.samples.class_areas
    shown, rows = [], []
    files = factor_files(bench)
    for file in files:
        shown.append(colouring.show(file, view, shade, areas.get(file.info.code)))
        values = view.read(file.path, average=False)
        rows.append(_described(file, values[np.isfinite(values)], values.size))
        advance(1)
    every = "" if view.step == 1 else f" of every {view.step}th cell"
    return Told(
        title="Factors",
        table=pd.DataFrame(rows),
        figure=factor_maps.panel(shown, view),
        caption=f"The factors ({view.grid.shape[0]:,} x {view.grid.shape[1]:,} cells); the table "
        f"holds quantiles{every}. Compare the paper's Figure 5.",
        settings={"step": view.step},
    )


LEVELS = {"min": 0, "p5": 0.05, "median": 0.5, "p95": 0.95, "max": 1}
"""Quantiles by which a factor is described."""


def _described(
    file: artefacts.FactorFile, known: NDArray[np.float32], size: int
) -> dict[str, str | float]:
    """Return a row of the table of factors: what a factor is, and its quantiles."""
    info, categorical = file.info, file.info.kind == "categorical"
    # Codes of classes have no order that quantiles could tell.
    if categorical or not known.size:
        ends = [float("nan")] * len(LEVELS)
    else:
        ends = np.quantile(known, list(LEVELS.values())).tolist()
    return {
        "code": info.code,
        "name": info.name,
        "unit": info.unit,
        "kind": info.kind,
        "valid": known.size / size,
        **dict(zip(LEVELS, ends, strict=True)),
        "classes": len(np.unique(known)) if categorical else 0,
    }


# ------------------------------------------------------------------ four maps


def mapped(bench: Bench) -> list[str]:
    """Return which of the paper's models the study maps."""
    return [m for m in MODELS if m in bench.run.models.mapped()]


def predicted(bench: Bench, advance: Advance) -> Told:
    """F8: where the models call cells landslides, on the maps of the run."""
    run = bench.run
    names = mapped(bench)
    rows, limits = [], {}
    for name in names:
        model = load_model(run, name)
        limits[name] = shown_threshold(model, run.study.map.shows)
        rows.append({"model": name, **_called(bench, model, limits[name])})
        advance(1)
    missing = [m.upper() for m in MODELS if m not in names]
    none = f" The study has no map of {words.joined(missing)}." if missing else ""
    return Told(
        title="Maps of four models",
        table=pd.DataFrame(rows),
        figure=_four(bench, names, limits),
        caption=f"Cells with a probability of at least {THRESHOLD:g} at the share of sources in "
        f"the training sample (orange), by the models of the run, for any protocol.{none} "
        "Compare the paper's Figure 8.",
        settings={"threshold": THRESHOLD, "shows": run.study.map.shows}
        | {"models": outcomes.described([run.models.recipe(m) for m in names])},
        fits=[run.marks.mapped_fit(m) for m in names],
    )


def shown_threshold(model: FittedModel, shows: str) -> float:
    """Return what a map shows where the model's own probability is the threshold."""
    return float(prediction.shown(model, np.array([THRESHOLD], np.float32), shows)[0])


def _called(bench: Bench, model: FittedModel, limit: float) -> dict[str, float]:
    """Count a map's cells above the limit block by block, and the sampled cells called."""
    path = bench.run.out / "maps" / f"{model.name}_probability.tif"
    cells = called = 0
    # A map may be larger than memory.
    with raster.result(path) as src:
        for _, window in src.block_windows(1):
            values = src.read(1, window=window)
            known = np.isfinite(values)
            cells += int(known.sum())
            called += int((values[known] >= limit).sum())
    p, y = model.predict(model.rows_of(bench.samples)), bench.samples.label
    return {
        "cells": cells,
        "called_cells": called,
        "called_share": called / cells if cells else float("nan"),
        "sampled_sources_called": float((p[y == 1] >= THRESHOLD).mean()),
        "sampled_clear_called": float((p[y == 0] >= THRESHOLD).mean()),
        "map_threshold": limit,
    }


def _four(bench: Bench, names: Sequence[str], limits: dict[str, float]) -> Figure:
    view = View(bench.run.grid(), MOST)
    shade = cartography.relief(view, relief_path(bench))
    columns = min(2, len(names))
    rows = -(-len(names) // columns)
    wide = 3.3
    tall = min(wide * view.aspect, 1.5 * wide)
    wide = tall / view.aspect
    step, below = tall + 0.46, 0.34
    figure, sheet = figures.new(columns * (wide + 0.3) + 0.06, rows * step + below)
    for i, name in enumerate(names):
        left = 0.26 + (i % columns) * (wide + 0.3)
        bottom = below + (rows - 1 - i // columns) * step
        p = view.read(bench.run.out / "maps" / f"{name}_probability.tif", average=False)
        rgb = np.full((*p.shape, 3), to_rgb(GROUND), np.float32)
        rgb[p >= limits[name]] = to_rgb(PREDICTED)
        axes = figures.axes_at(figure, left, bottom, wide, tall)
        cartography.frame(axes, view, colouring.paint(rgb, p, shade, colouring.MAP_SHADE))
        cartography.graticule(axes, view, (wide, tall))
        title = f"({'abcd'[i]}) {words.model_title(name)}"
        sheet.text(left, bottom + tall + 0.23, title, fontsize=9)
    furniture(sheet, view, (0.34, 0.1), wide)
    x = 0.34 + 0.55 * wide
    for colour, name in ((PREDICTED, "landslide predicted"), (GROUND, "not predicted")):
        legends.swatch(sheet, x, 0.14, 0.2, 0.12, colour)
        sheet.text(x + 0.27, 0.14, name, fontsize=8, va="center")
        x += 1.6
    return figure


def furniture(sheet: Axes, view: View, place: tuple[float, float], wide: float) -> None:
    """Draw scale bar and north arrow beneath a map that is `wide` inches wide."""
    left, right, _, _ = view.extent
    cartography.scale_bar(sheet, *place, 0.3 * wide, (right - left) / wide, 7.5)
    cartography.north_arrow(sheet, place[0] + 0.42 * wide, place[1] - 0.07, view, 0.28)


# ------------------------------------------------------------------ one area


def area(bench: Bench, advance: Advance, path: Path | None) -> Told:
    """F11: autoencoder and frequency ratio over the inventory of one area."""
    run = bench.run
    chosen = parts_of_map.chosen_area(run.grid(), bench.samples, path)
    view = parts_of_map.view_of(run.grid(), chosen.tile, MOST)
    inside = chosen.inside(run.grid(), view.rows, view.cols)
    rows_in = _sampled_inside(bench, chosen)
    split = split_testing(bench, rows_in)
    fitted = {m: fitted_for(bench, m, split, advance) for m in AREA_MODELS}
    landslides = run.mapped()
    # On the cells that the view shows, as the factors.
    labels = landslides.label(chosen.tile).standing[view.first[0] :: view.step]
    labels = labels[:, view.first[1] :: view.step]
    block = run.stack()[:, view.rows, view.cols].values.astype(np.float32)
    told, rows = {}, {}
    for name, model in fitted.items():
        columns = tuple(bench.run.codes.index(f.code) for f in model.factors)
        p = prediction.predict_block(model, block, columns)
        # The area need not fill its rectangle of cells.
        p[~inside] = np.nan
        told[name] = p
        rows[name] = _hits(p, labels)
    trained = int(np.isin(rows_in, split.train).sum())
    seen = f"{trained:,} of the {len(rows_in):,} sampled cells here were training cells"
    rings = cartography.outline_rings(landslides.shapes, view)
    return Told(
        title="Two models over one area",
        table=pd.DataFrame([{"model": m, **asdict(hits)} for m, hits in rows.items()]).assign(
            sampled_cells=len(rows_in), trained_on=trained
        ),
        figure=_pair(view, told, rings, rows, bench),
        caption=f"Autoencoder and frequency ratio in {chosen.said}; lines: mapped landslides. "
        f"{seen[0].upper()}{seen[1:]}. Hits: share of source cells with a probability of "
        f"at least {THRESHOLD:g}; false alarms: share of clear cells. Compare the paper's Figure "
        "11.",
        reductions=[] if is_stored(bench, "sae") else scale.steps_told(bench.scale),
        settings={
            "area": {"west_south_east_north": list(_bounds(chosen)), "what": chosen.said},
            "split": {"repeat": split.repeat, "fold": split.fold},
            "models": {
                m: {"angles": f.about.angles, "params": f.estimator.get_params()}
                for m, f in fitted.items()
            },
        },
        fits=[run.marks.judged_fit(m) if is_stored(bench, m) else bench.mark(bench.recipe(m), split)
              for m in AREA_MODELS],
    )  # fmt: skip


def _bounds(chosen: parts_of_map.Area) -> tuple[float, ...]:
    return tuple(float(v) for v in chosen.shape.bounds)


def _sampled_inside(bench: Bench, chosen: parts_of_map.Area) -> NDArray[np.int64]:
    """Return the samples whose cells lie in the area."""
    (row, col), t = bench.samples.cells, chosen.tile
    mask = chosen.inside(bench.run.grid(), slice(t.row0, t.row1), slice(t.col0, t.col1))
    row, col = row - t.row0, col - t.col0
    # `mask` ends at the rectangle; samples lie all over the grid.
    near = (row >= 0) & (row < mask.shape[0]) & (col >= 0) & (col < mask.shape[1])
    at = np.flatnonzero(near)
    return np.asarray(at[mask[row[at], col[at]]], np.int64)


def split_testing(bench: Bench, rows: NDArray[np.int64]) -> Split:
    """Return the split that tests most of some rows, (n,) by number; the first under `pixel`."""
    if bench.protocol == "pixel":
        return bench.splits[0]
    return max(bench.splits, key=lambda s: int(np.isin(rows, s.test).sum()))


def is_stored(bench: Bench, name: str) -> bool:
    """Tell whether the run's own model serves: trained on the first split of `pixel`."""
    if bench.protocol != "pixel" or name not in bench.run.models.used():
        return False
    return not bench.run.models.recipe(name).context


def fitted_for(bench: Bench, name: str, split: Split, advance: Advance) -> FittedModel:
    """Return the run's own model, or under other protocols one that a split trained."""
    if not is_stored(bench, name):
        return bench.models(bench.recipe(name), [split], advance)[0]
    advance(1)
    return judged_model(bench.run, name)


@dataclass(frozen=True, kw_only=True)
class Hits:
    """Counts of cells in an area, and their shares: a row of F11's table."""

    cells: int
    source_cells: int
    clear_cells: int
    hits: int
    false_alarms: int
    hit_rate: float
    false_alarm_rate: float
    precision: float


def _hits(p: NDArray[np.float32], standing: NDArray[np.uint8]) -> Hits:
    """Count what is predicted right and wrong among source and clear cells."""
    known = np.isfinite(p)
    called = p >= THRESHOLD
    # Run-outs and ground of unclear standing are neither hits nor false alarms.
    source, clear = known & (standing == SOURCE), known & (standing == CLEAR)
    hits, alarms = int((called & source).sum()), int((called & clear).sum())

    def ratio(part: int, whole: int) -> float:
        return part / whole if whole else float("nan")

    return Hits(
        cells=int(known.sum()),
        source_cells=int(source.sum()),
        clear_cells=int(clear.sum()),
        hits=hits,
        false_alarms=alarms,
        hit_rate=ratio(hits, int(source.sum())),
        false_alarm_rate=ratio(alarms, int(clear.sum())),
        precision=ratio(hits, hits + alarms),
    )


def _pair(
    view: parts_of_map.PartView,
    told: dict[str, NDArray[np.float32]],
    rings: Sequence[cartography.Line],
    rows: Mapping[str, Hits],
    bench: Bench,
) -> Figure:
    shade = cartography.relief(view, relief_path(bench))
    tall = min(3.25 * view.aspect, 4.6)
    wide = tall / view.aspect
    below = 0.62
    figure, sheet = figures.new(max(2 * wide + 0.7, 1.6 * wide + 2.0, 5.0), tall + below + 0.66)
    norm = Normalize(0, 1)
    for i, (name, p) in enumerate(told.items()):
        left = 0.28 + i * (wide + 0.34)
        rgb = colouring.rgb_of(colouring.PROBABILITY, norm(np.nan_to_num(p)))
        axes = figures.axes_at(figure, left, below, wide, tall)
        cartography.frame(axes, view, colouring.paint(rgb, p, shade, colouring.MAP_SHADE))
        cartography.draw_rings(axes, rings, map_figures.OUTLINE, 0.7)
        cartography.graticule(axes, view, (wide, tall))
        rates = [words.share(v) for v in (rows[name].hit_rate, rows[name].false_alarm_rate)]
        sheet.text(left, below + tall + 0.4, f"({'ab'[i]}) {words.model_title(name)}", fontsize=9)
        said = f"hits {rates[0]}, false alarms {rates[1]}"
        sheet.text(left, below + tall + 0.25, said, fontsize=7.5, color=legends.SOFT)
    furniture(sheet, view, (0.36, 0.3), wide)
    x = 0.28 + wide + 0.34
    bar = Box(x, 0.0, wide, 0.5)
    axes = figures.axes_at(figure, bar.left, bar.top - 0.14, 0.52 * bar.width, 0.1)
    legends.colour_bar(figure, axes, norm, colouring.PROBABILITY, 7.5)
    sheet.text(x, 0.1, "Susceptibility (balanced sample)", fontsize=7.5, va="center")
    at = x + 0.6 * wide
    sheet.plot([at, at + 0.14], [0.41, 0.41], color=map_figures.OUTLINE, linewidth=1.3)
    sheet.text(at + 0.2, 0.41, "mapped landslide", fontsize=7.5, va="center")
    return figure
