"""The blend of models: its weights, what it looks at, how it is stored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shakeslide.core.errors import InputError
from shakeslide.learning import bundle, model_recipes, stacking, training
from shakeslide.learning import recipe as recipes
from shakeslide.learning.recipe import Recipe
from shakeslide.models import ModelBlend
from shakeslide.study.model_settings import Models
from shakeslide.study.settings import Event

from .test_context import flipped, samples

SAE = {"settings": "modern", "units": [4], "steps": 30, "members": 1}
TRAIN, TEST = np.arange(400), np.arange(400, 500)


def recipe(*members: str, **tables: object) -> Recipe:
    models = Models.model_validate({"best": {"members": list(members)}, "sae": SAE, **tables})
    return model_recipes.recipe("best", models, Event())


def fitted(how: Recipe, given: Any, rows: Any = TRAIN) -> bundle.FittedModel:
    (done,) = training.fit(how, given, [rows], [7])
    return done.model


def test_the_better_member_weighs_more_and_few_groups_even_it_out() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 2, 5000)
    y = (rng.random(5000) < 1 / (1 + np.exp(-truth))).astype(np.int64)
    noisy = truth + rng.normal(0, 3, 5000)
    many, few = (stacking.best_weights(y, np.stack([truth, noisy / 4]), g) for g in (10**6, 1))
    assert many[0] > 0.9
    assert abs(few[0] - 0.5) < 0.1 < many[0] - few[0]
    assert many.sum() == few.sum() == pytest.approx(1)


def test_members_no_better_than_chance_have_no_weight() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 2000)
    good = np.clip(0.5 + 0.3 * (y - 0.5) + rng.normal(0, 0.2, 2000), 0.01, 0.99)
    found = stacking.weigh(y, [good.astype(np.float32), (1 - good).astype(np.float32)], 500)
    assert found.weight == (1.0, 0.0)
    assert found.chosen
    none = stacking.weigh(y, [(1 - good).astype(np.float32)] * 2, 500)
    assert (none.weight, none.chosen, none.calibration) == ((0.5, 0.5), False, None)


@pytest.mark.parametrize("held_out", ["pixel", "landslide", "block"])
def test_parts_share_no_rows_and_lie_within_the_training_rows(held_out: Any) -> None:
    given = samples(500)
    cut = stacking.parts(given, TRAIN, 3, held_out)
    assert len(cut.splits) == stacking.FOLDS
    tested = np.concatenate([s.test for s in cut.splits])
    assert sorted(tested) == sorted(set(tested)) and tested.max() < TRAIN.size  # noqa: PT018
    for s in cut.splits:
        assert not set(s.train) & set(s.test)
    if held_out == "landslide":
        number, y = given.landslide[TRAIN], given.label[TRAIN]
        for s in cut.splits:
            there, here = (set(number[part][y[part] == 1]) for part in (s.train, s.test))
            assert not there & here


def test_few_source_cells_give_equal_weights_without_calibration() -> None:
    model = fitted(recipe("lr", "tree"), samples(500), np.arange(60))
    assert isinstance(model.estimator, ModelBlend)
    assert model.estimator.weights == {"lr": 0.5, "tree": 0.5}
    assert not model.estimator.chosen_
    assert model.calibration is None


def test_no_row_beyond_the_training_rows_is_looked_at() -> None:
    given, how = samples(500), recipe("lr", "sae", "tree")
    model, other = fitted(how, given), fitted(how, flipped(given, TEST))
    p = model.predict(given.raw[TEST])
    assert p.tobytes() == other.predict(given.raw[TEST]).tobytes()
    assert p.tobytes() != fitted(how, flipped(given, TRAIN[:50])).predict(given.raw[TEST]).tobytes()


def test_a_stored_blend_predicts_the_same_bits(tmp_path: Any) -> None:
    given = samples(500)
    model = fitted(recipe("lr", "sae", "rf", rf={"n_estimators": 5}), given)
    assert isinstance(model.estimator, ModelBlend)
    assert sum(model.estimator.weights.values()) == pytest.approx(1)
    # Networks take normal scores, the others percentiles: both encodings are stored.
    assert {e.scaling for e in (model.encoder, *model.encoder.further)} <= {"percentile", "normal"}
    bundle.save(model, tmp_path / "best")
    again = bundle.load(tmp_path / "best")
    assert again.predict(given.raw).tobytes() == model.predict(given.raw).tobytes()
    assert again.encoder == model.encoder
    text = (tmp_path / "best" / "card.md").read_text(encoding="utf-8")
    for name, share in model.estimator.weights.items():
        assert (f"{name} {share:.2f}" in text) == (share > 0)


@pytest.mark.parametrize("what", ["weight", "columns.lr", "slope", "lr.coef"])
def test_a_damaged_blend_is_refused(what: str) -> None:
    model = fitted(recipe("lr", "tree"), samples(500), np.arange(60)).estimator
    arrays = model.arrays()
    key = next(k for k in arrays if k.startswith(what))
    damaged = {**arrays, key: arrays[key][:-1]}
    if what == "weight":
        damaged = {**arrays, key: arrays[key] * 0.5}
    if what == "slope":
        damaged = {**arrays, key: -arrays[key]}
    with pytest.raises((InputError, ValueError), match=what.split(".")[0]):
        ModelBlend.from_arrays(damaged, model.get_params())


def test_members_take_no_votes_of_neighbours() -> None:
    with pytest.raises(InputError, match=r"\[models.lr\] context"):
        recipe("lr", "tree", lr={"context": ["place"]})


def test_a_member_whose_library_is_missing_is_left_out_with_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    how = recipe("lr", "lgbm")
    monkeypatch.setattr(recipes, "installed", lambda package: False)
    assert [m.name for m in how.present] == ["lr"]
    assert "lightgbm" in " ".join(how.remarks())
    assert replace(how, members=how.members[1:]).missing
