"""What lies around a cell: votes of training rows, of which none votes for itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

import shakeslide as ss
from shakeslide import pipeline
from shakeslide.core.errors import InputError
from shakeslide.evaluation import splits
from shakeslide.evaluation.scores import scores
from shakeslide.factors.stack import FactorInfo
from shakeslide.geo.grid import Tile
from shakeslide.learning import bundle, context, model_recipes, training, vote_spaces
from shakeslide.learning.recipe import EXCLUSION
from shakeslide.learning.votes import REACH, Apart, Electorate
from shakeslide.maps import prediction
from shakeslide.models import read, write
from shakeslide.rapid import model_choice
from shakeslide.sampling import sample_table
from shakeslide.sampling.sample_counts import NOT_COUNTED
from shakeslide.sampling.sample_table import Samples
from shakeslide.study.model_settings import Models
from shakeslide.study.settings import Event

from . import small_site as site
from .test_path import copied

FACTORS = tuple(
    FactorInfo(code=code, name=code, unit="", kind=kind, legend={})
    for code, kind in (
        ("DEM", "continuous"), ("SLO", "continuous"), ("SLOA", "circular"), ("LITH", "categorical")
    )
)  # fmt: skip
CELL = 25.0


def samples(n: int = 120, events: int = 1, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    row, col = np.divmod(rng.permutation(20 * 30)[:n], 30)
    slope = rng.uniform(0, 50, n).astype(np.float32)
    label = (slope + rng.normal(0, 10, n) > 25).astype(np.int64)
    table = pd.DataFrame({
        "x": 700_000 + CELL * (col + 0.5), "y": 4_000_000 - CELL * (row + 0.5), "row": row,
        "col": col, "label": label, "landslide_id": np.where(label, 1 + np.arange(n) // 5, 0),
        "block_id": np.arange(n) // 20, "event": np.arange(n) % events,
        "DEM": rng.normal(900, 200, n).astype(np.float32), "SLO": slope,
        "SLOA": rng.uniform(0, 360, n).astype(np.float32),
        "LITH": rng.integers(1, 4, n).astype(np.float32),
    })  # fmt: skip
    areas = pd.DataFrame([
        {"factor": "LITH", "x": 0.0, "y": 0.0, "code": c, "cells": 100, "event": 0}
        for c in (1, 2, 3)
    ])  # fmt: skip
    return Samples(table, FACTORS, areas, replace(NOT_COUNTED, source_cells=100, clear_cells=900))


def flipped(given: Samples, rows: Any) -> Samples:
    table = given.table.copy()
    table.loc[rows, "label"] = 1 - table.loc[rows, "label"]
    return replace(given, table=table)


TRAIN, TEST = np.arange(80), np.arange(80, 120)


KINDS: tuple[context.ContextKind, ...] = ("factors", "place")


def fitted(given: Samples, kind: context.ContextKind, rows: Any = TRAIN) -> context.Context:
    return context.fit([kind], given, rows, 5)


def inputs(known: context.Context, given: Samples, rows: Any = slice(None)) -> np.ndarray:
    """Both kinds of inputs of rows that are no training rows."""
    x, y = (place[rows] for place in given.places)
    of_places = known.of_places(x, y, given.event[rows])
    return np.concatenate([known.of_factors(given.raw[rows]), of_places], axis=1)


@pytest.mark.parametrize(("count", "numbers"), [(1, 3), (70, 2), (70, 11), (40, 0)])
def test_votes_are_the_sums_over_all_rows(count: int, numbers: int) -> None:
    rng = np.random.default_rng(count)
    rows, asked = (rng.normal(size=(n, numbers)).astype(np.float32) for n in (count, 9))
    label, weight = rng.integers(0, 2, count), rng.integers(1, 4, count).astype(np.float32)
    place, spots = rng.integers(0, 4, (count, 3)) * 1.0, rng.integers(0, 4, (9, 3)) * 1.0
    widths = (0.2, 0.5, 0.9)
    told = Electorate(rows, label, weight, place).tally(asked, widths, Apart(spots, 1.5))
    gap = ((asked[:, None].astype(float) - rows) ** 2).sum(-1)
    between = spots[:, None] - place
    near = (np.hypot(between[..., 0], between[..., 1]) <= 1.5) & (between[..., 2] == 0)
    gap[near] = np.inf
    for kind in (0, 1):
        for b, width in enumerate(widths):
            votes = np.maximum(1 - gap / (REACH * width) ** 2, 0) ** 8 * weight * (label == kind)
            np.testing.assert_allclose(told.sums[:, b, kind], votes.sum(1), rtol=1e-4, atol=1e-6)
        least = np.where(label == kind, gap, np.inf).min(axis=1)
        expected = np.minimum(np.sqrt(least), REACH * widths[-1])
        np.testing.assert_allclose(told.nearest[:, kind], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_no_label_of_a_test_row_enters(kind: context.ContextKind) -> None:
    given = samples()
    other = flipped(given, TEST)
    a, b = fitted(given, kind), fitted(other, kind)
    np.testing.assert_array_equal(inputs(a, given), inputs(b, given))
    learnt = [context.training_inputs(k, s, TRAIN, (0.0, 5.0)) for k, s in ((a, given), (b, other))]
    np.testing.assert_array_equal(*learnt)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", [0, 13, 79])
def test_no_row_votes_for_itself(kind: context.ContextKind, row: int) -> None:
    given = samples()
    # Drawn several times, as rows of an ensemble's members are.
    rows = np.append(TRAIN, [row, row])
    other = flipped(given, [row])
    learnt = [
        context.training_inputs(fitted(s, kind, rows), s, rows, (0.0,)) for s in (given, other)
    ]
    same = rows == row
    np.testing.assert_array_equal(learnt[0][same], learnt[1][same])
    # It does vote for others.
    assert (learnt[0][~same] != learnt[1][~same]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_near_in_place_do_not_vote(kind: context.ContextKind) -> None:
    given, radius = samples(), 6.0
    place = given.table[["col", "row"]].to_numpy(float)[TRAIN]
    between = place[:, None] - place
    near = np.hypot(between[..., 0], between[..., 1]) <= radius
    other = flipped(given, TRAIN[near[7]])
    learnt = [
        context.training_inputs(fitted(s, kind), s, TRAIN, (0.0, radius)).reshape(2, len(TRAIN), -1)
        for s in (given, other)
    ]
    np.testing.assert_array_equal(learnt[0][1, 7], learnt[1][1, 7])
    assert (learnt[0][0, 7] != learnt[1][0, 7]).any()


def test_places_of_two_earthquakes_are_never_near() -> None:
    one, two = samples(), samples(events=2)
    learnt = [context.training_inputs(fitted(s, "factors"), s, TRAIN, (1e5,)) for s in (one, two)]
    # Of one, no row is left to vote: all inputs are those of nothing.
    assert np.unique(learnt[0], axis=0).shape[0] == 1
    assert np.unique(learnt[1], axis=0).shape[0] > 1
    # On the ground, none of another earthquake votes at any distance.
    other = flipped(two, TRAIN[two.event[TRAIN] == 1])
    around = [inputs(fitted(s, "place"), two)[two.event == 0] for s in (two, other)]
    np.testing.assert_array_equal(*around)


def test_votes_on_the_ground_are_those_of_the_cells_around() -> None:
    given = samples()
    told = inputs(fitted(given, "place"), given)
    place = given.table[["col", "row"]].to_numpy(float)
    gap = ((place[:, None] - place[TRAIN]) ** 2).sum(-1)
    gap[gap == 0] = np.inf  # its own cell
    y = given.label[TRAIN]
    widths = [*context.CELLS, None, None, *context.WIDE_CELLS]
    for b, width in ((b, w) for b, w in enumerate(widths) if w):
        votes = np.maximum(1 - gap / (REACH * width) ** 2, 0) ** 8
        sums = [votes[:, y == kind].sum(1) + vote_spaces.PRIOR for kind in (0, 1)]
        np.testing.assert_allclose(told[:, b], np.log(sums[1] / sums[0]), rtol=1e-4, atol=1e-5)
    for kind in (0, 1):
        least = np.sqrt(gap[:, y == kind].min(axis=1)) + vote_spaces.OFFSET
        np.testing.assert_allclose(told[:, len(context.CELLS) + kind], np.log(least), rtol=1e-5)


def test_far_from_all_training_rows_votes_on_the_ground_fade_to_nothing() -> None:
    known = fitted(samples(), "place")
    x = 700_000 + CELL * np.arange(0, 400, 0.5)
    told = known.of_places(x, np.full(len(x), 4_000_000.0), np.zeros(len(x), np.int64))
    nothing = known.of_places(np.zeros(1), np.zeros(1), np.zeros(1, np.int64))
    np.testing.assert_array_equal(told[-1:], nothing)
    assert (nothing[0, : len(context.CELLS)] == 0).all()
    # Without a step, beside single cells that the narrow kernels see.
    wide = told[x > 700_000 + CELL * 60, len(context.CELLS) - 1 :]
    assert np.abs(np.diff(wide, axis=0)).max() < 0.1
    # Nor is anything known of the ground of another earthquake.
    other = known.of_places(x[:9], np.full(9, 4_000_000.0), np.ones(9, np.int64))
    np.testing.assert_array_equal(other, np.repeat(nothing, 9, axis=0))


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_of_a_row_do_not_depend_on_its_company(kind: context.ContextKind) -> None:
    given = samples()
    known = fitted(given, kind)
    whole = inputs(known, given)
    assert whole.shape == (120, known.width)
    assert np.isfinite(whole).all()
    np.testing.assert_array_equal(inputs(known, given, slice(31, 34)), whole[31:34])
    np.testing.assert_array_equal(inputs(known, given, slice(None, None, -1)), whole[::-1])


def recipe(name: str = "lr", **settings: Any) -> training.Recipe:
    models = Models.model_validate({name: {"context": ["place", "factors"], **settings}})
    return model_recipes.recipe(name, models, Event())


def test_the_study_asks_for_it_by_model() -> None:
    assert recipe().context == ("factors", "place")
    assert recipe(context=["place"]).context == ("place",)
    assert recipe().exclusion == EXCLUSION
    assert recipe(exclusion=[3, 0, 3]).exclusion == (0.0, 3.0)
    plain = model_recipes.recipe("lr", Models(), Event())
    assert plain.context == ()
    assert model_recipes.recipe("lr", Models.model_validate({"lr": {"context": []}}), Event()) == (
        plain
    )
    asked = Models.model_validate({"lr": {"context": ["factors"]}})
    assert model_recipes.unlike_the_paper(["rf", "lr"], asked, Event()) == ["lr"]


@pytest.mark.parametrize("calibration", ["none", "platt"])
@pytest.mark.parametrize("name", ["lr", "hgb"])
def test_models_learn_with_it(name: str, calibration: str, monkeypatch: Any) -> None:
    monkeypatch.setitem(training.LEAST, "platt", 5)
    given, asked = samples(), replace(recipe(name), calibration=calibration)
    (fit,) = training.fit(asked, given, [TRAIN], [3])
    rows = fit.model.rows_of(given)
    p = fit.model.predict(rows)
    assert fit.model.about.rows == len(TRAIN)
    assert np.unique(p).size > 5
    # Neither a test row's label nor its company.
    (other,) = training.fit(asked, flipped(given, TEST), [TRAIN], [3])
    np.testing.assert_array_equal(other.model.predict(rows), p)
    some = fit.model.rows_of(given, np.arange(50, 60))
    np.testing.assert_array_equal(fit.model.predict(some), p[50:60])


@pytest.fixture(scope="module")
def model() -> bundle.FittedModel:
    return training.fit(recipe(), samples(), [TRAIN], [3])[0].model


def test_a_stored_model_gives_the_same_bits(model: bundle.FittedModel, tmp_path: Path) -> None:
    bundle.save(model, tmp_path / "lr")
    again = bundle.load(tmp_path / "lr")
    rows = model.rows_of(samples())
    np.testing.assert_array_equal(again.rows_of(samples()), rows)
    np.testing.assert_array_equal(again.predict(rows), model.predict(rows))
    bundle.save(again, tmp_path / "twice")
    for file in (tmp_path / "lr").iterdir():
        assert file.read_bytes() == (tmp_path / "twice" / file.name).read_bytes(), file.name
    # A folder that is written anew keeps nothing of the context before.
    bundle.save(training.fit(replace(recipe(), context=()), samples(), [TRAIN], [3])[0].model,
                tmp_path / "lr")  # fmt: skip
    assert not (tmp_path / "lr" / context.FILE).exists()
    bundle.load(tmp_path / "lr")


def test_a_model_of_places_is_not_used_without_them(model: bundle.FittedModel) -> None:
    with pytest.raises(InputError, match="places"):
        model.predict(samples().raw)
    (plain,) = training.fit(recipe(context=["factors"]), samples(), [TRAIN], [3])
    assert plain.model.predict(samples().raw).shape == (120,)


def test_a_cell_of_a_map_has_the_bits_of_its_sample(model: bundle.FittedModel) -> None:
    given = samples()
    grid = GeoBox((20, 30), Affine(CELL, 0, 700_000, 0, -CELL, 4_000_000), "EPSG:32643")
    block = np.full((len(FACTORS), 20, 30), np.nan, np.float32)
    row, col = given.table["row"].to_numpy(), given.table["col"].to_numpy()
    block[:, row, col] = given.raw.T
    expected = model.predict(model.rows_of(given))
    whole = prediction.predict_tile(model, Tile((0, 0), 0, 20, 0, 30), grid, block, range(4))
    np.testing.assert_array_equal(whole[row, col], expected)
    part = Tile((1, 1), 7, 20, 11, 30)
    told = prediction.predict_tile(model, part, grid, block[:, 7:, 11:], range(4))
    np.testing.assert_array_equal(told, whole[7:, 11:])
    assert np.isnan(whole).any()


EDITS = [
    (lambda c: c["factors"]["spaces"].pop(), "the weights take"),
    (lambda c: c["factors"]["spaces"][0].update(bandwidths=[0.3, 0.1]), "do not rise"),
    (lambda c: c["factors"]["spaces"][0].update(bandwidths=[]), "do not rise"),
    (lambda c: c["factors"]["spaces"][0].update(bandwidths=[float("nan")]), "do not rise"),
    (lambda c: c["factors"]["spaces"][0].update(most=-3), "most"),
    (lambda c: c["factors"]["spaces"][0].update(nearest=1), "nearest"),
    (lambda c: c["factors"]["spaces"][0].update(path="/etc"), "other keys"),
    (lambda c: c["factors"]["kinds"].pop(), "inconsistent|shape"),
    (lambda c: c["factors"]["kinds"].reverse(), "factors"),
    (lambda c: c["factors"]["encoder"]["columns"][0].update(code="ED"), "factors"),
    (lambda c: c["factors"].pop("encoder"), "damaged"),
    (lambda c: c.update(elsewhere={}), "unknown keys"),
    (lambda c: c["place"]["spaces"][0].update(bandwidths=[2, 1]), "do not rise"),
    (lambda c: c["place"]["spaces"][0].update(bandwidths=[1e9]), "do not rise"),
    (lambda c: c["place"]["spaces"].pop(), "the weights take"),
    (lambda c: c["place"].update(path="/etc"), "other keys"),
    (lambda c: c.pop("place"), "unknown arrays"),
    (lambda c: c.pop("factors"), "unknown arrays"),
]


@pytest.mark.parametrize(("edit", "said"), EDITS)
def test_lying_manifests_are_refused(model, tmp_path, edit, said) -> None:
    bundle.save(model, tmp_path)
    path = tmp_path / "manifest.json"
    manifest = json.loads(path.read_text())
    edit(manifest["context"])
    path.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=said):
        bundle.load(tmp_path)


@pytest.mark.parametrize(
    ("array", "edit", "said"),
    [
        ("factors.rows", lambda a: a[:, :-1].copy(), "shape"),
        ("factors.rows", lambda a: a * np.nan, "not finite"),
        ("factors.rows", lambda a: a.astype(np.float64), "type"),
        ("factors.label", lambda a: a + 1, "outside"),
        ("factors.label", lambda a: a[:-1], "shape"),
        ("factors.weight", lambda a: -a, "outside"),
        ("factors.axes", lambda a: a[:, :-1].copy(), "shape"),
        ("factors.axes", lambda a: a[1:].copy(), "shape"),
        ("factors.axes", lambda a: a * np.inf, "not finite"),
        ("place.place", lambda a: a[:, :2].copy(), "shape"),
        ("place.place", lambda a: a * np.nan, "not finite"),
        ("place.frame", lambda a: a * 0, "frame"),
        ("place.event", lambda a: np.append(a, a), "shape"),
        ("place.label", lambda a: a - 1, "outside"),
    ],
)
def test_tampered_arrays_are_refused(model, tmp_path, array, edit, said) -> None:
    bundle.save(model, tmp_path)
    path = tmp_path / context.FILE
    arrays = read(path)
    with np.errstate(invalid="ignore"):
        write(path, {**arrays, array: edit(arrays[array])})
    with pytest.raises(InputError, match=said):
        bundle.load(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=context.FILE):
        bundle.load(tmp_path)


@pytest.fixture(scope="module")
def walked(finished: pipeline.Run, tmp_path_factory: pytest.TempPathFactory) -> pipeline.Run:
    """The small site with a model that is given both, judged, explained and mapped."""
    run = copied(
        finished,
        tmp_path_factory.mktemp("context") / "run",
        'models.use=["lr"]',
        'models.lr.context=["place", "factors"]',
        'map.spread=["lr"]',
        "map.members=2",
        "map.applicability=false",
    )
    for stage in (pipeline.train, pipeline.evaluate, pipeline.explain):
        stage(run)
    pipeline.map_(run)
    return run


def test_a_samples_probability_is_its_map_value(walked: pipeline.Run) -> None:
    given = sample_table.load(walked.out / "samples.parquet")
    fit = bundle.load(walked.out / "models" / "lr")
    assert fit.of_places
    with rasterio.open(walked.out / "maps" / "lr_probability.tif") as src:
        mapped = src.read(1)
    p = fit.predict(fit.rows_of(given))
    assert (p == mapped[given.table.row, given.table.col]).all()
    row, col = int(given.table.row[0]), int(given.table.col[0])
    told = pipeline.explain_place(walked, "lr", *site.point(col + 0.5, row + 0.5))
    assert told.probability == pytest.approx(float(p[0]))
    assert len(told.parts) == len(given.factors)


def test_members_are_given_it_too(walked: pipeline.Run) -> None:
    with rasterio.open(walked.out / "maps" / "lr_sd.tif") as src:
        assert np.nanmax(src.read(1)) > 0
    members = list((walked.out / "models" / "lr" / "members").glob("*/manifest.json"))
    assert [bundle.load(path.parent).of_places for path in members] == [7 + 2] * 2


def test_other_ground_has_no_such_places(walked: pipeline.Run) -> None:
    fit = ss.load_model(walked.out, "lr")
    with pytest.raises(InputError, match="place"):
        ss.predict_map(fit, ss.open_factors(walked.out))
    with pytest.raises(InputError, match="place"):
        model_choice.chosen(str(walked.out / "models" / "lr"), [])


def clustered(seed: int = 4) -> Samples:
    """Ground whose factors say nothing: landslides of many cells lie anywhere."""
    rng = np.random.default_rng(seed)
    given = samples(480, seed=seed)
    col, row = (given.table[k].to_numpy() for k in ("col", "row"))
    slid = rng.random((10, 15)) < 0.5
    label = slid[row // 2, col // 2].astype(np.int64)
    table = given.table.assign(
        label=label,
        landslide_id=np.where(label, 1 + row // 2 * 15 + col // 2, 0),
        SLO=rng.normal(size=480).astype(np.float32),
    )
    return replace(given, table=table)


def test_votes_on_the_ground_find_landslides_again_but_no_others() -> None:
    given = clustered()
    y, (x, north) = given.label, given.places
    protocols = {
        "pixel": splits.pixel(y, 0.5, 2, 1),
        # No landslide lies in two blocks.
        "block": splits.block(
            y, x, north, 10 * CELL, folds=3, repeats=2, seed=1, origin=(700_000, 4_000_000)
        ),
    }
    asked = recipe(context=["place"], exclusion=[0])
    auc = {}
    for name, drawn in protocols.items():
        told = []
        for split in drawn:
            (fit,) = training.fit(asked, given, [split.train], [1])
            p = fit.model.predict(fit.model.rows_of(given, split.test))
            told.append(scores(y[split.test], p)["roc_auc"])
        auc[name] = np.nanmean(told)
    assert auc["pixel"] > 0.8
    assert auc["block"] < 0.6
