"""F10: from raw factors through the layers of the autoencoder to probabilities, in one tile.

Beside the picture a measurement: how well a layer's features tell the classes apart on rows that
the network was not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from shakeslide import LogisticRegression, StackedAutoencoder
from shakeslide.core.progress import Advance
from shakeslide.evaluation.splits import Split
from shakeslide.learning.bundle import FittedModel
from shakeslide.paper import claims, model_maps, outcomes, parts_of_map, plots, scale, summaries
from shakeslide.paper.bench import Bench
from shakeslide.paper.outcomes import Told
from shakeslide.pipeline.stage import need
from shakeslide.report import cartography, colouring, figures, legends, map_figures, words
from shakeslide.report.artefacts import FactorFile

Features = NDArray[np.float32]

SHOWN = 8
"""Units drawn of each layer."""
PENALTY = 1.0
"""Inverse of the penalty of the logistic regression on features, as of the paper's."""
PROBED = 20_000
"""Training rows of the logistic regression on features."""
TESTED = 100_000
"""Test rows that it is judged on, and that scatter is measured of."""
COMPARED = 2000
"""Test rows between which silhouettes are measured."""
ROWS = 65_536
"""Cells whose features are computed at once."""


def fits(bench: Bench) -> int:
    """Return how many fits F10 takes."""
    # One more for the network that is drawn.
    return len(bench.splits) + 1


def needs(bench: Bench) -> None:
    """Raise `InputError` unless the run has what F10 draws."""
    need(bench.run, bench.run.marks.factors())
    if model_maps.is_stored(bench, "sae"):
        need(bench.run, bench.run.marks.judged_models(["sae"]))


def extraction(bench: Bench, advance: Advance, tile: str | None) -> Told:
    """F10: the features of one tile, and how they tell the classes apart."""
    run = bench.run
    files = model_maps.factor_files(bench)
    place = parts_of_map.chosen_tile(run.grid(), run.tile(), bench.samples, tile)
    view = parts_of_map.view_of(run.grid(), place)
    row, col = bench.samples.cells
    inside = (place.row0 <= row) & (row < place.row1) & (place.col0 <= col) & (col < place.col1)
    split = model_maps.split_testing(bench, np.flatnonzero(inside))
    model = model_maps.fitted_for(bench, "sae", split, advance)
    units = described_units(bench, model, split)
    layers, records = told_apart(bench, advance)
    network = network_of(model)
    depth = len(network.weights_) - 1
    by_layer = {
        m: [values_of(records, m, layer) for layer in range(depth + 1)]
        for m in plots.LAYER_MEASURES
    }
    own = model_maps.is_stored(bench, "sae")
    said = "the network of the run" if own else f"a network trained on fold {split.fold}"
    return Told(
        title="Features of one tile",
        table=units,
        figure=_sheet(bench, files, model, units, view),
        caption=f"Tile {place.index[0]},{place.index[1]} by {said}: (a) raw factors, (b) "
        f"features of {SHOWN} units of each layer, those of the highest Fisher ratio on the "
        "training rows, (c) weights from the highest layer to the two classes, (d) probabilities; "
        "lines: mapped landslides. Compare the paper's Figure 10. F10_layers shows how well the "
        "features separate the classes.",
        reductions=[
            *scale.repeats_told(len(bench.splits)),
            *scale.steps_told(bench.scale),
        ],
        settings={
            "tile": list(place.index),
            "split": {"repeat": split.repeat, "fold": split.fold},
            "models": outcomes.described(
                [run.models.recipe("sae") if own else bench.recipe("sae")]
            ),
            "measured_on": outcomes.described([bench.recipe("sae")]),
            "probe": {"model": "lr", "C": PENALTY, "rows": PROBED, "test_rows": TESTED},
            "silhouette_rows": COMPARED,
        },
        fits=[bench.mark(bench.recipe("sae"), s) for s in bench.splits],
        records=[asdict(r) for r in records],
        claim=claims.depth(bench, by_layer),
        further={"_layers": layers},
        further_figures={
            "_layers": (
                plots.layers(layers),
                "How well the features of the autoencoder separate landslides on test rows, mean ± "
                f"sd of {len(bench.splits)} splits: accuracy of a logistic regression fitted on "
                "the features of the training rows; scatter between the classes divided by that "
                "within them; mean silhouette. Inputs: the encoded factors.",
            )
        },
    )


def network_of(model: FittedModel) -> StackedAutoencoder:
    """Return the autoencoder of a fitted model."""
    network = model.estimator
    if not isinstance(network, StackedAutoencoder):
        raise TypeError(f"{model.name} has no layers of features")
    return network


def features(model: FittedModel, raw: Features, layer: int) -> Features:
    """Return the features of a layer; of layer 0, the encoded factors.

    Parameters
    ----------
    model : FittedModel
        An autoencoder.
    raw : array, (rows, factors) float32
        Raw factors.
    layer : int
        From 0.

    Returns
    -------
    array, (rows, features) float32
    """
    x = model.encoder.transform(raw)
    return x if layer == 0 else network_of(model).transform(x, layer)


# ------------------------------------------------------------------ how they tell classes apart


@dataclass(frozen=True)
class LayerRecord:
    """How well the features of a layer separate the classes on the test rows of a split.

    Attributes
    ----------
    repeat, fold : int
        Which split.
    layer : int
        Which layer; 0: the inputs.
    oa : float
        Held-out accuracy of a logistic regression.
    fisher : float
        Scatter between the classes over that within them.
    silhouette : float
        Mean silhouette.
    """

    repeat: int
    fold: int
    layer: int
    oa: float
    fisher: float
    silhouette: float


def values_of(records: Sequence[LayerRecord], measure: str, layer: int) -> NDArray[np.float64]:
    """Return a measure of a layer on each split, (splits,) float64."""
    return np.array([getattr(r, measure) for r in records if r.layer == layer], np.float64)


def told_apart(bench: Bench, advance: Advance) -> tuple[pd.DataFrame, list[LayerRecord]]:
    """Return how well each layer's features tell the classes apart on test rows.

    Returns
    -------
    DataFrame
        A row per layer (0: the inputs): mean, sd and interval of each measure.
    list of LayerRecord
        One per split and layer.
    """
    models = bench.models(bench.recipe("sae"), bench.splits, advance)
    records = [
        measures(bench, m, s, k)
        for s, m in zip(bench.splits, models, strict=True)
        for k in range(len(network_of(m).weights_))
    ]
    rows = []
    for k in sorted({r.layer for r in records}):
        row: dict[str, float] = {"layer": k, "n": len(bench.splits)}
        for m in plots.LAYER_MEASURES:
            values = values_of(records, m, k)
            row[f"{m}_mean"], row[f"{m}_sd"] = summaries.spread(values)
            row[f"{m}_low"], row[f"{m}_high"] = summaries.interval(values, bench.splits)
        rows.append(row)
    return pd.DataFrame(rows), records


def measures(bench: Bench, model: FittedModel, split: Split, layer: int) -> LayerRecord:
    """Return held-out OA of a logistic regression, Fisher ratio and silhouette of a layer."""
    # 91 sets these random numbers apart from those of splits and models.
    seed = np.random.SeedSequence([bench.plan.seed, split.repeat, split.fold, 91])
    rng = np.random.default_rng(seed)
    y, raw = bench.samples.label, bench.samples.raw
    train = rng.permutation(split.train)[:PROBED]
    test = rng.permutation(split.test)[:TESTED]
    some = test[:COMPARED]
    x, x_test = (features(model, raw[r], layer) for r in (train, test))
    # Standardised, for the penalty of a logistic regression depends on the scale of its inputs.
    centre, spread = x.mean(axis=0), x.std(axis=0)
    # A unit may be the same for all rows.
    spread = np.where(spread > 0, spread, 1).astype(np.float32)
    probe = LogisticRegression(C=PENALTY).fit((x - centre) / spread, y[train])
    called = probe.predict((x_test - centre) / spread)
    return LayerRecord(
        repeat=split.repeat,
        fold=split.fold,
        layer=layer,
        oa=float(np.mean(called == y[test])),
        fisher=fisher_ratio(x_test, y[test]),
        silhouette=silhouette(features(model, raw[some], layer), y[some]),
    )


def fisher_ratio(x: Features, y: NDArray[np.int64]) -> float:
    """Return the scatter between two classes over that inside them, (traces; Fisher 1936).

    Parameters
    ----------
    x : array, (rows, features)
        Features.
    y : array, (rows,)
        Labels, 0 or 1.
    """
    # In double precision, as sums of squares over many rows.
    groups = [x[y == k].astype(np.float64) for k in (0, 1)]
    middle = x.astype(np.float64).mean(axis=0)
    between = sum(len(g) * float(((g.mean(axis=0) - middle) ** 2).sum()) for g in groups)
    inside = sum(float(((g - g.mean(axis=0)) ** 2).sum()) for g in groups)
    return between / inside if inside > 0 else float("nan")


def silhouette(x: Features, y: NDArray[np.int64]) -> float:
    """Return the mean silhouette of two classes (Rousseeuw 1987), by Euclidean distance.

    Parameters
    ----------
    x : array, (rows, features)
        Features; at least two rows of each class.
    y : array, (rows,)
        Labels, 0 or 1.
    """
    distance = cdist(x.astype(np.float64), x.astype(np.float64))
    mean = np.stack([distance[:, y == k].sum(axis=1) for k in (0, 1)], axis=1)
    size = np.array([(y == 0).sum(), (y == 1).sum()])
    at = np.arange(len(y))
    # A row is not compared with itself: its own class has one row less.
    own, other = mean[at, y] / (size[y] - 1), mean[at, 1 - y] / size[1 - y]
    return float(np.mean((other - own) / np.maximum(own, other)))


# ------------------------------------------------------------------ the tile


def described_units(bench: Bench, model: FittedModel, split: Split) -> pd.DataFrame:
    """Return each unit's mean by class and Fisher ratio on training rows, and its weights."""
    network, y = network_of(model), bench.samples.label[split.train]
    weights = network.weights_
    depth = len(weights) - 1
    parts = []
    for layer in range(1, depth + 1):
        x = features(model, bench.samples.raw[split.train], layer).astype(np.float64)
        source, clear = x[y == 1], x[y == 0]
        # Fisher's ratio of a single unit: its means apart, over the variance inside the classes.
        inside = source.var(axis=0) + clear.var(axis=0)
        apart = (source.mean(axis=0) - clear.mean(axis=0)) ** 2
        ratio = np.divide(apart, inside, out=np.zeros_like(apart), where=inside > 0)
        # Only the highest layer leads to the classes.
        top = weights[-1] if layer == depth else np.full((2, x.shape[1]), np.nan)
        rank = np.empty(len(ratio), int)
        # Stable: of equal units the same ones are shown every time.
        rank[np.argsort(-ratio, kind="stable")] = np.arange(len(ratio))
        parts.append(
            pd.DataFrame(
                {
                    "layer": layer,
                    "unit": np.arange(1, x.shape[1] + 1),
                    "mean_source": source.mean(axis=0),
                    "mean_clear": clear.mean(axis=0),
                    "fisher": ratio,
                    "weight_clear": top[0],
                    "weight_source": top[1],
                    "shown": rank < SHOWN,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _images(
    model: FittedModel, block: Features, units: pd.DataFrame
) -> tuple[dict[int, Features], Features]:
    """Return features of the shown units, (units, rows, cols) by layer, and the probability."""
    flat = np.ascontiguousarray(block.reshape(len(block), -1).T)
    whole = np.flatnonzero(np.isfinite(flat).all(axis=1))
    best = units[units["shown"]].sort_values("fisher", ascending=False)
    kept = {
        layer: best.loc[best["layer"] == layer, "unit"].to_numpy() - 1
        for layer in range(1, int(units["layer"].max()) + 1)
    }
    images = {k: np.full((len(u), len(flat)), np.nan, np.float32) for k, u in kept.items()}
    for first in range(0, len(whole), ROWS):
        at = whole[first : first + ROWS]
        for layer, chosen in kept.items():
            images[layer][:, at] = features(model, flat[at], layer)[:, chosen].T
    shape = block.shape[1:]
    return {k: v.reshape(-1, *shape) for k, v in images.items()}, model.predict(flat).reshape(shape)


def _sheet(
    bench: Bench,
    files: Sequence[FactorFile],
    model: FittedModel,
    units: pd.DataFrame,
    view: parts_of_map.PartView,
) -> Figure:
    """Draw the whole way from factors to probabilities."""
    # The model's order of factors need not be that of the stack.
    columns = [bench.run.codes.index(f.code) for f in model.factors]
    block = bench.run.stack()[:, view.rows, view.cols].values.astype(np.float32)[columns]
    images, p = _images(model, block, units)
    landslides = bench.run.mapped()
    rings = cartography.outline_rings(landslides.shapes, view)
    sheet = _Sheet(view, len(files), len(images))
    sheet.raw(files, bench.samples.class_areas)
    for layer, image in images.items():
        shown = units[(units["layer"] == layer) & units["shown"]]
        names = shown.sort_values("fisher", ascending=False)["unit"].to_list()
        sheet.layer(layer, image, names)
    sheet.weights(units[units["layer"] == units["layer"].max()])
    sheet.probabilities(p, rings)
    return sheet.figure


class _Sheet:
    """The sheet of F10: rows of small maps, a weight matrix, two larger maps."""

    WIDTH, GAP, TITLE, HEAD, WEIGHTS = 7.4, 0.07, 0.16, 0.24, 0.7

    def __init__(self, view: parts_of_map.PartView, factors: int, layers: int) -> None:
        self.view = view
        self.side = (self.WIDTH - 0.16 - (SHOWN - 1) * self.GAP) / SHOWN
        self.tall = min(self.side * view.aspect, 1.4 * self.side)
        self.row = self.tall + self.TITLE
        self.large = min(2.25 * view.aspect, 2.7)
        raw_rows = -(-factors // SHOWN)
        height = (raw_rows + layers) * self.row + 4 * self.HEAD + 0.1
        height += self.WEIGHTS + 0.2 + self.large + 0.22
        self.figure, self.sheet = figures.new(self.WIDTH, height)
        self.top = height

    def head(self, text: str) -> None:
        """Begin a part of the sheet."""
        self.top -= self.HEAD
        self.sheet.text(0.08, self.top + 0.05, text, fontsize=9)

    def small(self, rgb: cartography.Picture, column: int, title: str) -> None:
        """Draw a small map in a column of the present row."""
        wide = min(self.side, self.tall / self.view.aspect)
        left = 0.08 + column * (self.side + self.GAP)
        axes = figures.axes_at(self.figure, left, self.top - self.row, wide, self.tall)
        cartography.frame(axes, self.view, rgb)
        # Smaller letters where a title would run into the next map.
        size = min(6.0, 72 * self.side / (legends.LETTER * len(title)))
        self.sheet.text(left, self.top - self.TITLE + 0.03, title, fontsize=size)

    def raw(self, files: Sequence[FactorFile], areas: dict[str, dict[int, int]]) -> None:
        """Draw the factors, each with its range."""
        self.head("(a) Raw factors, with their range in the tile")
        for i, file in enumerate(files):
            if i and i % SHOWN == 0:
                self.top -= self.row
            values = self.view.read(file.path, average=False)
            shown = colouring.show(file, self.view, None, areas.get(file.info.code))
            title = f"{file.info.code}  {_range(file, values)}"
            self.small(shown.rgb, i % SHOWN, title)
        self.top -= self.row

    def layer(self, layer: int, images: Features, names: Sequence[int]) -> None:
        """Draw the features of a layer."""
        if layer == 1:
            self.head("(b) Features: layer–unit, activation from low (dark) to high (bright)")
        colours = mpl.colormaps["cividis"]
        for i, (image, name) in enumerate(zip(images, names, strict=True)):
            known = image[np.isfinite(image)]
            # A few extreme cells would take all of the contrast.
            low, high = np.percentile(known, [2, 98]) if known.size else (0.0, 1.0)
            # A unit that is the same everywhere has no range to scale by.
            norm = Normalize(low, max(high, low + 1e-6), clip=True)
            rgb = colouring.rgb_of(colours, norm(np.nan_to_num(image)))
            title = f"{layer}–{name}:  {low:.2f} to {high:.2f}"
            self.small(colouring.paint(rgb, image, None), i, title)
        self.top -= self.row

    def weights(self, units: pd.DataFrame) -> None:
        """Draw the weights from the highest layer to the classes."""
        self.head("(c) Weights from the units of the highest layer to the classes")
        matrix = units.sort_values("unit")[["weight_source", "weight_clear"]].to_numpy(float).T
        # White, the middle of the colours, must stand for 0.
        most = float(np.abs(matrix).max()) or 1.0
        norm = Normalize(-most, most)
        axes = figures.axes_at(self.figure, 0.72, self.top - 0.36, 5.3, 0.34)
        axes.imshow(matrix, aspect="auto", cmap="PuOr", norm=norm, interpolation="nearest",
                    extent=(0.5, matrix.shape[1] + 0.5, 1.5, -0.5))  # fmt: skip
        axes.set_yticks([0, 1], ["landslide", "clear"], fontsize=7)
        axes.tick_params(labelsize=7, length=2)
        axes.set_xlabel("Unit", fontsize=7, labelpad=1)
        bar = figures.axes_at(self.figure, 6.25, self.top - 0.2, 1.0, 0.09)
        legends.colour_bar(self.figure, bar, norm, mpl.colormaps["PuOr"], 6.5)
        self.top -= self.WEIGHTS

    def probabilities(self, p: Features, rings: Sequence[cartography.Line]) -> None:
        """Draw the probabilities of both classes with the landslides' outlines."""
        self.head("(d) Probabilities, on the balance of the training sample")
        norm = Normalize(0, 1)
        wide = self.large / self.view.aspect
        bottom = self.top - self.large - 0.2
        for i, (values, name) in enumerate(((p, "landslide"), (1 - p, "clear"))):
            left = 0.3 + i * (wide + 0.35)
            rgb = colouring.rgb_of(colouring.PROBABILITY, norm(np.nan_to_num(values)))
            axes = figures.axes_at(self.figure, left, bottom, wide, self.large)
            cartography.frame(axes, self.view, colouring.paint(rgb, values, None))
            cartography.graticule(axes, self.view, (wide, self.large))
            if i == 0:
                cartography.draw_rings(axes, rings, map_figures.OUTLINE, 0.35)
            axes.set_xlabel(name, fontsize=8, labelpad=2)
        x = 0.3 + 2 * (wide + 0.35)
        bar = figures.axes_at(self.figure, x, bottom + self.large - 0.25, 1.5, 0.1)
        legends.colour_bar(self.figure, bar, norm, colouring.PROBABILITY, 7)
        y = bottom + self.large - 0.6
        self.sheet.plot([x, x + 0.14], [y, y], color=map_figures.OUTLINE, linewidth=1.2)
        self.sheet.text(x + 0.2, y, "mapped landslide", fontsize=7.5, va="center")
        model_maps.furniture(self.sheet, self.view, (x + 0.02, bottom + 0.25), wide)


def _range(file: FactorFile, values: Features) -> str:
    """Return a factor's range in the tile, in a few characters."""
    known = values[np.isfinite(values)]
    info = file.info
    if info.kind == "categorical":
        count = len(np.unique(known))
        return "1 class" if count == 1 else f"{count} classes"
    if info.kind != "continuous":
        return "axial" if info.kind == "axial" else "azimuth"
    if not known.size:
        return "no values"
    low, high = (f"{v:.2g}" if abs(v) < 100 else f"{v:.0f}" for v in (known.min(), known.max()))
    unit = words.unit(info.unit).replace("1/(100 m)", "/100 m")
    return f"{low} to {high} {unit}".replace("-", "\u2212")
