"""The search for settings: never on test rows, resumable, in the study file's words."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shakeslide import pipeline
from shakeslide.cli.app import main
from shakeslide.core.errors import InputError
from shakeslide.learning import training, tuning, validation
from shakeslide.models.registry import MODELS
from shakeslide.sampling import sample_table
from shakeslide.study import model_settings

from .test_uncertainty import copied


@pytest.mark.parametrize("protocol", ["pixel", "landslide", "block"])
def test_test_rows_are_never_looked_at(
    finished: pipeline.Run, protocol: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    samples = sample_table.load(finished.out / "samples.parquet")
    plan = finished.plan(samples)
    split, fitted, judged = tuning.validation(samples, protocol, plan)
    assert not set(fitted) & set(judged)
    assert set(fitted) | set(judged) == set(split.train)
    assert not (set(fitted) | set(judged)) & set(split.test)
    if protocol != "pixel":
        groups = validation.groups(samples, protocol, plan)
        assert not set(groups[fitted]) & set(groups[judged])
    seen: set[int] = set()
    real = training.fit
    monkeypatch.setattr(
        training, "fit", lambda r, s, rows, *a: seen.update(rows[0]) or real(r, s, rows, *a)
    )
    recipe = training.Recipe("lr", "raw", {})
    told = tuning.tune(recipe, samples, protocol, plan, count=2, journal=tmp_path / "journal")
    assert seen == set(fitted)
    assert [t.number for t in told.trials] == [0, 1]


def test_it_finds_better_settings_and_goes_on(finished: pipeline.Run, tmp_path: Path) -> None:
    samples = sample_table.load(finished.out / "samples.parquet")
    plan = finished.plan(samples)
    # Grown to the last leaf it is always sure, and often wrong.
    recipe = training.Recipe("tree", "sincos", {"max_depth": None})
    journal = tmp_path / "tree.journal"
    first = tuning.tune(recipe, samples, "landslide", plan, count=4, journal=journal)
    more = tuning.tune(recipe, samples, "landslide", plan, count=12, journal=journal)
    assert more.trials[:4] == first.trials
    assert len(more.trials) == 12
    drawn = {
        tuple(t.settings.get(k) for k in ("max_depth", "min_samples_leaf")) for t in more.trials
    }
    assert len(drawn) > 8  # going on does not draw the same again
    assert more.best.log_loss < more.start.log_loss - 0.01
    again = tuning.tune(recipe, samples, "landslide", plan, count=12, journal=journal)
    assert again == more
    at_once = tuning.tune(
        recipe, samples, "landslide", plan, count=12, journal=tmp_path / "other.journal"
    )
    assert at_once == more
    journal.write_bytes(journal.read_bytes()[:-30])
    assert tuning.tune(recipe, samples, "landslide", plan, count=4, journal=journal) == first


def test_a_search_that_was_stopped_fits_no_trial_twice(
    finished: pipeline.Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    samples = sample_table.load(finished.out / "samples.parquet")
    plan, journal = finished.plan(samples), tmp_path / "sae.journal"
    recipe = training.Recipe("sae", "raw", {"steps": 2, "pretrain_steps": 2})
    real, fits = training.fit, []

    def fit(*args: object) -> object:
        fits.append(args)
        if len(fits) == 3:
            raise KeyboardInterrupt
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "fit", fit)
    with pytest.raises(KeyboardInterrupt):
        tuning.tune(recipe, samples, "pixel", plan, count=4, journal=journal)
    told = tuning.tune(recipe, samples, "pixel", plan, count=4, journal=journal)
    assert len(fits) == 5  # the third was broken off
    assert told == tuning.tune(
        recipe, samples, "pixel", plan, count=4, journal=tmp_path / "at_once.journal"
    )


def test_spaces_are_settings_of_the_models() -> None:
    import optuna

    for name, space in tuning.SPACES.items():
        trial = optuna.trial.FixedTrial(_middle(space))
        params = space(trial)
        estimator = MODELS[name].make(**params)
        assert set(params) <= set(estimator.get_params())
        settings = {k: list(v) if isinstance(v, tuple) else v for k, v in params.items()}
        model_settings.Models.model_validate({"use": [name], name: settings})


def _middle(space: object) -> dict[str, object]:
    """Settings that lie in a space."""
    import optuna

    search = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    trial = search.ask()
    space(trial)  # type: ignore[operator]
    return dict(trial.params)


def test_the_command_writes_what_the_study_takes(
    finished: pipeline.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied(finished, tmp_path / "run")
    path = next(iter(finished.study.layers.values())).path.parent / "study.toml"
    arguments = ["tune", str(path), "--out", str(run.out), "--model", "rf", "--trials", "5"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    table = pd.read_csv(run.out / "tune" / "rf_block.csv")
    assert len(table) == 5
    assert f"log loss {table.log_loss.min():.4f}" in said
    text = (run.out / "tune" / "rf_block.toml").read_text()
    if not np.isclose(table.log_loss.min(), table.log_loss[0]):
        settings = tomllib.loads(text)["models"]["rf"]
        assert set(settings) == {"n_estimators", "max_depth", "min_samples_leaf"}
    assert (run.out / "tune" / "rf_block.png").stat().st_size > 10_000


def test_wrong_wishes_are_told(finished: pipeline.Run, tmp_path: Path) -> None:
    for arguments, message in (
        (("hgb", "block", 3), "--model hgb: the study uses"),
        (("rf", "event", 3), "--protocol event"),
    ):
        with pytest.raises(InputError, match=message):
            pipeline.tune(finished, *arguments)
