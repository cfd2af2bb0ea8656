"""Presets: what they set, and that a study's own settings go before them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from shakeslide import pipeline
from shakeslide.core.errors import InputError
from shakeslide.learning import model_recipes, plans, training
from shakeslide.paper.bench import MODELS
from shakeslide.results import evaluation_document
from shakeslide.results.evaluation_document import Evaluation
from shakeslide.sampling import sample_table
from shakeslide.study import settings
from shakeslide.study.document import parse
from shakeslide.study.model_settings import Models, ModelSettings
from shakeslide.study.presets import PRESETS, WITH_ANGLES
from shakeslide.study.settings import Study

from .conftest import open_run


def study(preset: str, text: str = "") -> Study:
    document = {"study": {"preset": preset}, "layers": {"dem": {"path": "dem.tif"}}}
    return settings.validate({**document, **parse(text, "study")}, Path("/"), "study")


def test_without_a_preset_nothing_is_set_beyond_the_defaults() -> None:
    document = {"layers": {"dem": {"path": "dem.tif"}}}
    bare = settings.validate(document, Path("/"), "study")
    assert bare == study("standard")
    assert (bare.models.calibration, bare.map.fitted_on, bare.map.members) == ("none", "all", 0)


def test_recommended_maps_calibrated_probabilities_with_an_ensemble_of_the_best_model() -> None:
    found = study("recommended")
    assert (found.models.calibration, found.map.shows) == ("platt", "probability")
    assert (found.map.members, found.map.spread) == (10, "best")
    assert (found.map.fitted_on, found.inventory.small) == ("all", "most_covered")
    for name in ("lr", "svm", "rf", "sae"):
        recipe = model_recipes.recipe(name, found.models, found.event)
        assert (recipe.angles, recipe.calibration) == ("sincos", "platt"), name


def test_recommended_gives_each_model_with_a_choice_angles_as_sine_and_cosine() -> None:
    fields = Models.model_fields.items()
    chosen = {n for n, f in fields if isinstance(f.default, ModelSettings)}
    # `sae` has its modern settings; `fr` counts landslides by classes of direction.
    assert chosen - {"sae", "fr"} == set(WITH_ANGLES)


def test_best_is_recommended_with_the_blend_first() -> None:
    found, other = study("best"), study("recommended")
    assert found.models.use[0] == "best"
    assert found.map == other.map
    assert found.models.model_copy(update={"use": other.models.use}) == other.models
    recipe = model_recipes.recipe("best", found.models, found.event)
    assert [m.calibration for m in recipe.members] == ["none"] * len(recipe.members)
    assert recipe.calibration == "platt"


def test_what_the_study_states_goes_before_the_preset() -> None:
    own = study(
        "recommended",
        """
        [models]
        calibration = "isotonic"
        [models.rf]
        n_estimators = 7
        [map]
        spread = ["lr"]
    """,
    )
    assert own.models.calibration == "isotonic"
    assert (own.models.rf.n_estimators, own.models.rf.angles) == (7, "sincos")
    assert (own.map.spread, own.map.members) == (["lr"], 10)


def test_the_papers_preset_maps_the_models_of_the_training_rows() -> None:
    assert study("paper").map.fitted_on == "training"
    assert study("paper", '[map]\nfitted_on = "all"').map.fitted_on == "all"


def test_models_with_other_settings_than_the_papers_are_named() -> None:
    def named(found: Study) -> list[str]:
        return model_recipes.unlike_the_paper(MODELS, found.models, found.event)

    assert named(study("standard")) == named(study("paper")) == []
    assert named(study("recommended")) == ["lr", "svm", "rf", "sae"]
    assert named(study("paper", "models.rf.max_depth = 3")) == ["rf"]


@pytest.mark.parametrize("text", ["map = 3", 'models = "rf"', "models.rf = 1"])
def test_a_table_that_is_none_is_refused_as_without_a_preset(text: str) -> None:
    with pytest.raises(InputError, match="table of keys"):
        study("recommended", text)


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError) as error:
        study("fast")
    assert all(name in str(error.value) for name in PRESETS)


def test_spread_best_is_of_the_best_model_by_the_strictest_protocol(
    site_study: Path, finished: pipeline.Run, tmp_path: Path
) -> None:
    evaluation = evaluation_document.load(finished.out)
    rows = {row.model: row.roc_auc.mean for row in strictest(evaluation)}
    assert len(set(rows.values())) > 1
    wanted = max(rows, key=lambda name: rows[name] or 0.0)
    how = ("map.members=2", "map.spread=best")
    run = open_run(site_study, finished.out, *how)
    assert run.models.with_spread() == [wanted]
    other = min(rows, key=lambda name: rows[name] or 0.0)
    run = open_run(site_study, finished.out, *how, f'map.models=["{other}"]')
    assert run.models.with_spread() == [other]
    # Nothing is known before the evaluation, but of a single model.
    unknown = open_run(site_study, tmp_path, *how)
    assert unknown.models.with_spread() == []
    assert unknown.models.waits_for_scores()
    single = open_run(site_study, tmp_path, *how, f'map.models=["{other}"]')
    assert single.models.with_spread() == [other]
    assert not single.models.waits_for_scores()


def strictest(evaluation: Evaluation) -> list[evaluation_document.Summary]:
    last = [p for p in ("pixel", "landslide", "block") if evaluation.of_protocol(p)][-1]
    return evaluation.of_protocol(last)


def test_a_split_that_is_too_small_for_a_calibration_is_refused_before_the_first_fit(
    finished: pipeline.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = sample_table.load(finished.out / "samples.parquet")
    sizes = {
        protocol: min(
            int(samples.label[s.train].sum())
            for s in plans.chosen_splits(samples, protocol, finished.plan(samples))
        )
        for protocol in ("pixel", "block")
    }
    assert sizes["block"] != sizes["pixel"]
    smaller = min(sizes, key=lambda name: sizes[name])
    monkeypatch.setitem(training.LEAST, "platt", sizes[smaller] + 1)
    monkeypatch.setattr(training, "fit", lambda *_, **__: pytest.fail("fitted"))
    out = shutil.copytree(finished.out, tmp_path / "run")
    source = next(iter(finished.study.layers.values())).path.parent
    run = open_run(
        source / "study.toml", out, "models.calibration=platt", 'models.use=["lr"]',
        'evaluation.protocols=["pixel", "block"]',
    )  # fmt: skip
    with pytest.raises(InputError, match=f"{sizes[smaller]:,}"):
        pipeline.train(run)
