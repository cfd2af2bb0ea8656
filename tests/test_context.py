"""What lies around a cell: votes of training rows, of which none votes for itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from shakeslide.core.errors import InputError
from shakeslide.factors.stack import FactorInfo
from shakeslide.learning import bundle, model_recipes, training
from shakeslide.models import read, write
from shakeslide.sampling import context
from shakeslide.sampling.sampling import Samples
from shakeslide.sampling.votes import REACH, Apart, Electorate
from shakeslide.study.model_settings import Models
from shakeslide.study.settings import Event

FACTORS = tuple(
    FactorInfo(code=code, name=code, unit="", kind=kind, legend={})
    for code, kind in (
        ("DEM", "continuous"), ("SLO", "continuous"), ("SLOA", "circular"), ("LITH", "categorical")
    )
)  # fmt: skip
CELL = 25.0


def samples(n: int = 120, events: int = 1, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    row, col = rng.permutation(20 * 30)[:n] // 30, rng.permutation(20 * 30)[:n] % 30
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
    return Samples(table, FACTORS, areas, {"source_cells": 100, "clear_cells": 900})


def flipped(given: Samples, rows: Any) -> Samples:
    table = given.table.copy()
    table.loc[rows, "label"] = 1 - table.loc[rows, "label"]
    return replace(given, table=table)


TRAIN, TEST = np.arange(80), np.arange(80, 120)


def fitted(given: Samples, rows: Any = TRAIN) -> context.Context:
    return context.fit(["factors"], given, rows, 5)


@pytest.mark.parametrize("classes", [0, 2])
@pytest.mark.parametrize(("count", "numbers"), [(1, 3), (70, 2), (70, 11), (40, 0)])
def test_votes_are_the_sums_over_all_rows(count: int, numbers: int, classes: int) -> None:
    rng = np.random.default_rng(count)
    rows, asked = (rng.normal(size=(n, numbers)).astype(np.float32) for n in (count, 9))
    codes, theirs = (rng.integers(0, 2, (n, classes)).astype(np.float32) for n in (count, 9))
    label, weight = rng.integers(0, 2, count), rng.integers(1, 4, count).astype(np.float32)
    place, spots = rng.integers(0, 4, (count, 3)) * 1.0, rng.integers(0, 4, (9, 3)) * 1.0
    widths = (0.2, 0.5, 0.9)
    told = Electorate(rows, codes, label, weight, place).tally(
        asked, theirs, widths, Apart(spots, 1.5)
    )
    gap = ((asked[:, None].astype(float) - rows) ** 2).sum(-1)
    gap += (theirs[:, None] != codes).sum(-1)
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


def test_no_label_of_a_test_row_enters() -> None:
    given = samples()
    other = flipped(given, TEST)
    a, b = fitted(given), fitted(other)
    np.testing.assert_array_equal(a.inputs(given.raw), b.inputs(given.raw))
    learnt = [context.training_inputs(k, s, TRAIN, (0.0, 5.0)) for k, s in ((a, given), (b, other))]
    np.testing.assert_array_equal(*learnt)


@pytest.mark.parametrize("row", [0, 13, 79])
def test_no_row_votes_for_itself(row: int) -> None:
    given = samples()
    # Drawn several times, as rows of an ensemble's members are.
    rows = np.append(TRAIN, [row, row])
    other = flipped(given, [row])
    learnt = [context.training_inputs(fitted(s, rows), s, rows, (0.0,)) for s in (given, other)]
    same = rows == row
    np.testing.assert_array_equal(learnt[0][same], learnt[1][same])
    # It does vote for others.
    assert (learnt[0][~same] != learnt[1][~same]).any()


def test_rows_that_are_near_in_place_do_not_vote() -> None:
    given, radius = samples(), 6.0
    place = context.cells(given)
    between = place[TRAIN, None, :2] - place[None, TRAIN, :2]
    near = np.hypot(between[..., 0], between[..., 1]) <= radius
    other = flipped(given, TRAIN[near[7]])
    learnt = [
        context.training_inputs(fitted(s), s, TRAIN, (0.0, radius)).reshape(2, len(TRAIN), -1)
        for s in (given, other)
    ]
    np.testing.assert_array_equal(learnt[0][1, 7], learnt[1][1, 7])
    assert (learnt[0][0, 7] != learnt[1][0, 7]).any()


def test_places_of_two_earthquakes_are_never_near() -> None:
    one, two = samples(), samples(events=2)
    learnt = [context.training_inputs(fitted(s), s, TRAIN, (1e5,)) for s in (one, two)]
    # Of one, no row is left to vote: all inputs are those of nothing.
    assert np.unique(learnt[0], axis=0).shape[0] == 1
    assert np.unique(learnt[1], axis=0).shape[0] > 1


def test_inputs_of_a_row_do_not_depend_on_its_company() -> None:
    given = samples()
    known = fitted(given)
    whole = known.inputs(given.raw)
    assert whole.shape == (120, known.width)
    assert np.isfinite(whole).all()
    np.testing.assert_array_equal(known.inputs(given.raw[31:34]), whole[31:34])
    np.testing.assert_array_equal(known.inputs(given.raw[::-1]), whole[::-1])


def recipe(name: str = "lr", **settings: Any) -> training.Recipe:
    models = Models.model_validate({name: {"context": ["factors"], **settings}})
    return model_recipes.recipe(name, models, Event())


def test_the_study_asks_for_it_by_model() -> None:
    assert recipe().context == ("factors",)
    assert recipe().exclusion == context.EXCLUSION
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
    p = fit.model.predict(given.raw)
    assert fit.model.about.rows == len(TRAIN)
    assert np.unique(p).size > 5
    # Neither a test row's label nor its company.
    (other,) = training.fit(asked, flipped(given, TEST), [TRAIN], [3])
    np.testing.assert_array_equal(other.model.predict(given.raw), p)
    np.testing.assert_array_equal(fit.model.predict(given.raw[50:60]), p[50:60])


@pytest.fixture(scope="module")
def model() -> bundle.FittedModel:
    return training.fit(recipe(), samples(), [TRAIN], [3])[0].model


def test_a_stored_model_gives_the_same_bits(model: bundle.FittedModel, tmp_path: Path) -> None:
    bundle.save(model, tmp_path / "lr")
    again = bundle.load(tmp_path / "lr")
    raw = samples().raw
    np.testing.assert_array_equal(again.predict(raw), model.predict(raw))
    bundle.save(again, tmp_path / "twice")
    for file in (tmp_path / "lr").iterdir():
        assert file.read_bytes() == (tmp_path / "twice" / file.name).read_bytes(), file.name
    # A folder that is written anew keeps nothing of the context before.
    bundle.save(training.fit(replace(recipe(), context=()), samples(), [TRAIN], [3])[0].model,
                tmp_path / "lr")  # fmt: skip
    assert not (tmp_path / "lr" / context.FILE).exists()
    bundle.load(tmp_path / "lr")


EDITS = [
    (lambda c: c["factors"]["spaces"].pop(), "the weights take"),
    (lambda c: c["factors"]["spaces"][0].update(columns=[99]), "columns"),
    (lambda c: c["factors"]["spaces"][0].update(columns=[-1]), "columns"),
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
        ("rows", lambda a: a[:, :-1].copy(), "shape"),
        ("rows", lambda a: a * np.nan, "not finite"),
        ("rows", lambda a: a.astype(np.float64), "type"),
        ("label", lambda a: a + 1, "outside"),
        ("label", lambda a: a[:-1], "shape"),
        ("weight", lambda a: -a, "outside"),
        ("classes", lambda a: a * np.inf, "not finite"),
    ],
)
def test_tampered_arrays_are_refused(model, tmp_path, array, edit, said) -> None:
    bundle.save(model, tmp_path)
    path = tmp_path / context.FILE
    arrays = read(path)
    with np.errstate(invalid="ignore"):
        write(path, {**arrays, f"factors.{array}": edit(arrays[f"factors.{array}"])})
    with pytest.raises(InputError, match=said):
        bundle.load(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=context.FILE):
        bundle.load(tmp_path)
