"""Several past earthquakes become one bundle for a new one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit

from shakeslide.core.engine import Engine
from shakeslide.core.errors import InputError
from shakeslide.core.progress import Reporter
from shakeslide.evaluation import curves
from shakeslide.evaluation.ranking import rank
from shakeslide.factors import catalogue
from shakeslide.layers.positives import Positive
from shakeslide.learning.several import (
    blending,
    common_factors,
    event_bundle,
    held_out,
    joined_ground,
    lessons,
    members,
    past_runs,
)
from shakeslide.learning.several.blending import HeldOut
from shakeslide.sampling import sample_table
from shakeslide.sampling.sample_table import Samples

from . import past_quakes

LEVELS = (-7.0, -6.2, -7.6, -6.6)
MODELS = ("monotone",)


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Few trees."""
    quick = {"monotone": {**members.SETTINGS["monotone"], "max_iter": 12, "min_samples_leaf": 20}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "SETTINGS", quick)
        yield


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four finished runs; not to be changed."""
    folder = tmp_path_factory.mktemp("runs")
    return [
        past_quakes.save(past_quakes.samples(k + 1, level=level), folder / f"quake{k}")
        for k, level in enumerate(LEVELS)
    ]


def learn(runs: list[Path], out: Path, **options: Any) -> Path:
    return lessons.learn(
        runs, out, Engine(1, None), Reporter(quiet=True), **{"models": MODELS, **options}
    )


@pytest.fixture(scope="module")
def learnt(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of all four; not to be changed."""
    return learn(runs, tmp_path_factory.mktemp("learnt") / "bundle")


@pytest.fixture
def copied(learnt: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(learnt, tmp_path / "bundle")
    return tmp_path / "bundle"


def ground_of(runs: list[Path], factors: list[str] | None = None) -> joined_ground.Ground:
    known = past_runs.read(runs)
    return joined_ground.join(known, common_factors.choose(known, factors), 0)


# ------------------------------------------------------------------ factors


@pytest.mark.parametrize(
    ("settings", "unit", "travels"),
    [
        ({"function": "slope"}, "deg", "yes"),
        ({"function": "elevation"}, "m", "relative"),
        ({"function": "aspect"}, "deg", "relative"),
        ({"function": "northness"}, "1", "yes"),
        ({"function": "bearing"}, "deg", "no"),
        ({"function": "line_direction", "layer": "faults"}, "deg", "no"),
        ({"function": "density", "layer": "aftershocks"}, "1/km²", "no"),
        ({"function": "value", "layer": "intensity"}, "MMI", "no"),
        ({"function": "value", "layer": "pgv"}, "cm/s", "yes"),
        ({"function": "distance", "layer": "epicentre"}, "m", "no"),
        ({"function": "distance", "layer": "rivers"}, "m", "relative"),
        ({"function": "distance", "layer": "rupture"}, "m", "yes"),
        ({"function": "of a package that is not installed"}, "m", "no"),
    ],
)
def test_a_factor_declares_whether_it_travels(settings: dict[str, str], unit: str, travels: str):
    told = catalogue.travel_of(settings, unit)
    assert told.travels == travels
    assert bool(told.why) == (travels != "yes")


def test_every_function_of_ours_declares_whether_it_travels():
    for name, function in catalogue.FUNCTIONS.items():
        assert function.travel is not catalogue.UNDECLARED, name


def test_shaking_is_available_with_the_first_shakemap():
    assert catalogue.travel_of({"function": "value"}, "%g").available == "shaking"
    assert catalogue.travel_of({"function": "slope"}, "deg").available == "before"


def joined(tmp_path: Path, *parts: Samples) -> list[past_runs.PastRun]:
    return past_runs.read([past_quakes.save(p, tmp_path / f"run{k}") for k, p in enumerate(parts)])


def test_what_does_not_travel_is_left_out_or_refused_by_name(tmp_path: Path):
    parts = [
        past_quakes.with_factor(past_quakes.samples(k), "TPI", settings={"function": "elevation"})
        for k in (1, 2)
    ]
    runs = joined(tmp_path, *parts)
    common = common_factors.choose(runs)
    assert common.codes == ("SLO", "PGA", "LITH")
    assert "relief" in common.left_out["TPI"]
    with pytest.raises(InputError, match="--factors TPI"):
        common_factors.choose(runs, ["SLO", "PGA", "TPI"])


def test_a_factor_that_one_run_lacks_is_left_out(tmp_path: Path):
    runs = joined(
        tmp_path, past_quakes.samples(1), past_quakes.without(past_quakes.samples(2), "LITH")
    )
    assert "run1" in common_factors.choose(runs).left_out["LITH"]


def test_classes_without_a_common_name_are_left_out(tmp_path: Path):
    other = past_quakes.with_factor(past_quakes.samples(2), "LITH", legend={1: "a", 2: "b", 3: "c"})
    runs = joined(tmp_path, past_quakes.samples(1), other)
    assert "LITH" in common_factors.choose(runs).left_out


def test_shaking_in_another_unit_is_converted(tmp_path: Path):
    one, two = past_quakes.samples(1), past_quakes.samples(2)
    percent = past_quakes.with_factor(two, "PGA", unit="%g")
    percent = replace(percent, table=percent.table.assign(PGA=100 * percent.table.PGA))
    runs = joined(tmp_path, one, percent)
    np.testing.assert_allclose(runs[1].samples.table.PGA, two.table.PGA, rtol=1e-6)
    assert common_factors.choose(runs).shaking == "PGA"


# ------------------------------------------------------------------ refusals

Change = Callable[[Samples], Samples]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda s: past_quakes.with_factor(s, "TPI", unit="SD"), ["TPI", "'SD'", "'m'"]),
        (
            lambda s: past_quakes.with_factor(
                s, "TPI", settings={**past_quakes.FACTORS[2].settings, "outer": 300.0}
            ),
            ["TPI", "outer", "300", "150"],
        ),
        (lambda s: past_quakes.with_factor(s, "PGA", unit="cm"), ["PGA", "'cm'"]),
        (lambda s: past_quakes.with_factor(s, "SLO", settings={}), ["run1", "shakeslide run"]),
        (lambda s: past_quakes.without(s, "PGA"), ["PGA", "run1"]),
        (lambda s: past_quakes.without(s, "SLO"), ["SLO", "run1"]),
        (lambda _: past_quakes.samples(1), ["run0", "run1", "one earthquake"]),
        (lambda _: past_quakes.samples(2, cell=40.0), ["run1", "40", "30", "[grid] resolution"]),
        (lambda s: replace(s, table=s.table[s.table.label == 1]), ["run1", "one class"]),
    ],
)
def test_runs_that_cannot_be_joined_are_refused(tmp_path: Path, change: Change, names: list[str]):
    with pytest.raises(InputError) as told:
        common_factors.choose(
            joined(tmp_path, past_quakes.samples(1), change(past_quakes.samples(2)))
        )
    for name in names:
        assert name in str(told.value)


def test_places_that_coincide_in_two_projections_are_no_shared_ground(tmp_path: Path):
    one, two = past_quakes.samples(1), past_quakes.samples(2)
    there = replace(two, table=two.table.assign(x=two.table.x - 1e6))
    assert set(zip(one.table.x, one.table.y, strict=True)) & set(
        zip(there.table.x, there.table.y, strict=True)
    )
    assert len(joined(tmp_path, one, there)) == 2
    # The same ground in another run, whose shaking was read from another file.
    again = replace(one, table=one.table.assign(PGA=one.table.PGA * 1.1))
    with pytest.raises(InputError, match="source cells"):
        joined(tmp_path / "again", one, again)


def test_one_run_and_a_folder_without_samples_are_refused(runs: list[Path], tmp_path: Path):
    with pytest.raises(InputError, match="two runs"):
        past_runs.read(runs[:1])
    with pytest.raises(InputError, match=r"samples\.parquet"):
        past_runs.read([runs[0], tmp_path])


@pytest.mark.parametrize(
    "options", [{"models": ["hgbb"]}, {"factors": ["SLO", "PGAA"]}, {"factors": ["SLO"]}]
)
def test_unknown_names_are_refused(runs: list[Path], tmp_path: Path, options: dict[str, Any]):
    with pytest.raises(InputError):
        learn(runs[:2], tmp_path / "out", **options)
    assert not (tmp_path / "out" / event_bundle.FILE).exists()


def test_shaking_that_is_not_asked_for_is_to_be_added_to_the_factors(runs: list[Path]):
    with pytest.raises(InputError, match=r"--factors.*add PGA$"):
        common_factors.choose(past_runs.read(runs[:2]), ["SLO", "TPI"])


def test_a_run_in_the_place_of_the_bundle_is_refused(runs: list[Path]):
    with pytest.raises(InputError, match="learn DIR RUN"):
        learn(runs[1:], runs[0])
    assert not (runs[0] / event_bundle.FILE).exists()


def test_cells_that_differ_by_less_than_a_twentieth_are_alike(tmp_path: Path):
    runs = joined(tmp_path, past_quakes.samples(1), past_quakes.samples(2, cell=31.0))
    assert [round(r.cell, 3) for r in runs] == [30.0, 31.0]


# ------------------------------------------------------------------ rows


def test_weighted_rows_sum_to_the_ground(runs: list[Path]):
    ground = ground_of(runs)
    for k, own in enumerate(ground.own):
        rows = ground.rows_of(k)
        y, w = ground.samples.label[rows], ground.weight[rows]
        assert w[y == 1].sum() == pytest.approx(own.counts.source_cells)
        assert w[y == 0].sum() == pytest.approx(own.counts.clear_cells)


def test_each_earthquake_gives_equally_many_rows(runs: list[Path]):
    ground = ground_of(runs)
    rows = members.training_rows(ground, [0, 2, 3], 5)
    event = ground.samples.event[rows]
    assert np.unique(event).tolist() == [0, 2, 3]
    assert np.unique(np.bincount(event)[[0, 2, 3]]).size == 1


def test_levels_of_earthquakes_are_what_slope_and_shaking_leave_unexplained(runs: list[Path]):
    ground = ground_of(runs)
    found = members.event_levels(ground, range(4), 0)
    expected = np.array(LEVELS) - np.mean(LEVELS)
    assert np.abs(found - found.mean() - expected).max() < 0.5


# ------------------------------------------------------------------ held out


def planted(ground: joined_ground.Ground, event: int) -> joined_ground.Ground:
    """Return ground where a factor of one earthquake gives its labels away."""
    samples = ground.samples
    here = samples.event == event
    flipped = np.where(here, 1 - samples.label, samples.label).astype(np.int8)
    table = samples.table.assign(
        TPI=np.where(here, 1000.0 * flipped, samples.table.TPI).astype(np.float32), label=flipped
    )
    return replace(ground, samples=replace(samples, table=table))


def test_nothing_of_a_held_out_earthquake_enters_its_score(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    honest = ground_of(runs)
    told = []
    for name, ground in (("honest", honest), ("planted", planted(honest, 1))):
        fits = held_out.Fits(ground, ("few", "monotone"), 0, tmp_path / name)
        within = held_out.inner(fits, 1)
        model = members.fit("monotone", ground, [0, 2, 3], 0)
        probe = honest.samples.raw[honest.rows_of(0)]
        told.append(([p.logits for p in within], model.predict(probe)))
    for one, other in zip(*(logits for logits, _ in told), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(told[0][1], told[1][1])
    # What blends are fitted on is the others alone.
    seen: list[list[HeldOut]] = []
    monkeypatch.setattr(
        blending,
        "fit",
        lambda parts, *_: seen.append(list(parts)) or blending.stacked(parts, [0], 2),
    )
    fits = held_out.Fits(honest, ("few", "monotone"), 0, tmp_path / "honest")
    held_out.scored(fits, held_out.outer(fits))
    weights = [honest.weight[honest.rows_of(k)] for k in range(4)]
    for event, parts in enumerate(seen):
        assert len(parts) == 3
        assert not any(np.array_equal(p.weight, weights[event]) for p in parts)


def test_work_that_was_stopped_goes_on(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fitted: list[tuple[int, ...]] = []
    original = members.fit

    def counted(name: str, ground: Any, trained: Any, seed: int, *rest: Any) -> Any:
        if len(fitted) == 3:
            raise KeyboardInterrupt
        fitted.append(tuple(trained))
        return original(name, ground, trained, seed, *rest)

    monkeypatch.setattr(members, "fit", counted)
    with pytest.raises(KeyboardInterrupt):
        learn(runs[:3], tmp_path / "out", models=())
    first = list(fitted)
    monkeypatch.setattr(
        members, "fit", lambda n, g, t, s, *r: fitted.append(tuple(t)) or original(n, g, t, s, *r)
    )
    learn(runs[:3], tmp_path / "out", models=())
    again = fitted[len(first) :]
    assert not set(first) & set(again)
    assert (0, 1, 2) in again
    fitted.clear()
    learn(runs[:3], tmp_path / "out", models=())
    assert fitted == []


@pytest.mark.parametrize("count", [2, 3])
def test_each_fit_is_made_and_told_once(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
):
    fitted: list[tuple[int, ...]] = []
    told: list[float] = []
    original = members.fit
    monkeypatch.setattr(
        members, "fit", lambda n, g, t, s, *r: fitted.append(tuple(t)) or original(n, g, t, s, *r)
    )
    fits = held_out.Fits(ground_of(runs[:count]), ("few",), 0, tmp_path, told.append)
    needed = len(held_out.trainings(count))
    fits.make(Engine(2, None))
    held_out.scored(fits, held_out.outer(fits))
    assert len(fitted) == len(set(fitted)) == sum(told) == needed
    # What is there counts at once.
    told.clear()
    fits.make(Engine(1, None))
    assert (len(fitted), sum(told)) == (needed, needed)


@pytest.mark.parametrize(("events", "fits"), [(2, 2), (3, 6), (8, 36), (9, 36)])
def test_how_many_fits_hold_out_each_of_some_earthquakes(events: int, fits: int):
    assert len(held_out.trainings(events)) == fits


def test_models_are_fitted_by_as_many_workers_as_asked_and_are_the_same(
    runs: list[Path], learnt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    at_once: list[int] = []
    original = Engine.map

    def seen(engine: Engine, function: Any, items: Any, advance: Any) -> Any:
        at_once.append(engine.threads)
        return original(engine, function, items, advance)

    monkeypatch.setattr(Engine, "map", seen)
    out = lessons.learn(runs, tmp_path / "two", Engine(2), Reporter(quiet=True), models=MODELS)
    assert at_once == [2, 2]
    files = [f.relative_to(learnt) for f in learnt.rglob("*.*") if ".work" not in f.parts]
    assert len(files) > 4
    for file in files:
        assert (out / file).read_bytes() == (learnt / file).read_bytes(), file


def test_runs_of_one_name_are_told_apart_by_the_folders_above(tmp_path: Path):
    parts = [past_quakes.samples(k) for k in (1, 2, 3)]
    folders = [tmp_path / name for name in ("a/out/run", "b/out/run", "b/run")]
    for part_of_it, folder in zip(parts, folders, strict=True):
        past_quakes.save(part_of_it, folder)
    names = [r.name for r in past_runs.read(folders)]
    assert names == ["a/out/run", "b/out/run", "b/run"]


def test_a_bundle_is_another_one_where_factors_are_set_otherwise():
    one = past_quakes.samples(1)
    factor = replace(one.factors[0], settings={**one.factors[0].settings, "scale": 90.0})
    assert sample_table.essence(one) == sample_table.essence(past_quakes.samples(1))
    assert sample_table.essence(one) != sample_table.essence(
        replace(one, factors=(factor, *one.factors[1:]))
    )


def test_fits_on_more_than_a_hundred_earthquakes_are_kept(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(members, "fit", lambda *_: None)
    monkeypatch.setattr(members, "training_rows", lambda *_: None)
    monkeypatch.setattr(members, "logits", lambda _, raw: np.zeros(len(raw)))
    many = replace(ground_of(runs[:2]), names=tuple(f"quake{k}" for k in range(150)))
    fits = held_out.Fits(many, ("few",), 0, tmp_path)
    assert fits.held_out(range(1, 150), 0).logits.shape == (1, many.rows_of(0).size)


@pytest.mark.parametrize(("count", "chosen"), [(3, False), (4, True)])
def test_the_blend_that_is_scored_is_chosen_as_the_one_that_is_kept(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, chosen: bool
):
    # Whatever is eligible is used.
    monkeypatch.setattr(blending, "BELOW_RULE", 1.0)
    monkeypatch.setattr(blending, "GAIN", -1.0)
    names = ("few", "monotone")
    fits = held_out.Fits(ground_of(runs[:count]), names, 0, tmp_path)
    parts = held_out.outer(fits)
    auc = {(s.event, s.model): s.auc for s in held_out.scored(fits, parts)}
    assert any(c > 0 for c in blending.fit(parts, names).coefficients[1:]) == chosen
    assert any(auc[r.name, "blend"] != auc[r.name, "few"] for r in runs[:count]) == chosen


# ------------------------------------------------------------------ blend


def part(seed: int, level: float = -4.0, good: float = 1.0) -> HeldOut:
    """An earthquake with a member that knows the truth and one that is `good` or bad."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1.5, 4000)
    label = (rng.random(4000) < expit(z + level)).astype(np.int64)
    other = good * z + rng.normal(0, 1, 4000)
    return HeldOut(
        logits=np.stack([0.5 * z + rng.normal(0, 0.5, 4000), other]),
        label=label,
        weight=np.full(4000, 2.0),
        rule=expit(0.4 * z + rng.normal(0, 0.5, 4000)),
        framed=np.ones(4000, bool),
    )


def test_the_blend_expects_the_mapped_area_of_each_earthquake():
    parts = [part(k, level) for k, level in enumerate((-4.0, -3.0, -5.0))]
    blend = blending.stacked(parts, [0, 1], 2)
    for p, level in zip(parts, blend.levels, strict=True):
        z = np.array(blend.coefficients) @ p.logits + level
        assert (p.weight * expit(z)).sum() == pytest.approx((p.weight * p.label).sum(), rel=1e-6)
    assert sum(blend.shares) == pytest.approx(1)
    assert np.std(blend.levels) == pytest.approx(np.std([-4.0, -3.0, -5.0]), abs=0.4)


def test_an_earthquake_without_areas_orders_the_ground_and_sets_no_level():
    parts = [part(k, level) for k, level in enumerate((-4.0, -3.0, -5.0))]
    pointed = [*parts[:2], replace(parts[2], has_area=False)]
    whole, found = (blending.stacked(p, [0, 1], 2) for p in (parts, pointed))
    assert found.coefficients == whole.coefficients
    assert found.levels == (*whole.levels[:2], None)
    assert found.intercept == pytest.approx(np.mean(whole.levels[:2]))
    assert found.sd == pytest.approx(np.log(3))


def test_a_member_that_falls_below_slope_times_shaking_once_is_not_used():
    names = ("few", "rf")
    assert blending.fit([part(k) for k in range(4)], names).coefficients[1] > 0
    spoilt = [*(part(k) for k in range(3)), part(3, good=-0.5)]
    assert blending.fit(spoilt, names).coefficients[1] == 0


def with_sources(whole: HeldOut, count: int) -> HeldOut:
    """Return an earthquake with some of its sources and all of its clear ground."""
    clear = np.flatnonzero(whole.label == 0)
    some = np.concatenate([np.flatnonzero(whole.label == 1)[:count], clear])
    return HeldOut(
        whole.logits[:, some], whole.label[some], whole.weight[some], whole.rule[some],
        whole.framed[some],
    )  # fmt: skip


def test_chance_on_an_earthquake_of_few_landslides_leaves_a_member_in():
    few = with_sources(part(7), 12)
    assert few.error(1) > 3 * part(7).error(1)
    worse = replace(few, rule=few.rule + 0.25 * few.label * few.error(1))
    assert worse.auc(worse.rule) > few.auc(few.rule)
    assert blending.fit([*(part(k) for k in range(3)), few], ("few", "rf")).coefficients[1] > 0


def test_an_earthquake_of_a_single_source_row_shuts_no_member_out():
    one = with_sources(part(7), 1)
    # The rule knows that source by chance, the member does not.
    lucky = replace(one, rule=one.label.astype(float), logits=one.logits * (1 - 2 * one.label))
    parts = [*(part(k) for k in range(8)), lucky]
    assert blending.fit(parts, ("few", "rf")).coefficients[1] > 0


def test_the_error_of_a_difference_is_that_of_repeated_draws():
    parts = [part(k) for k in range(60)]
    apart = [p.auc(expit(p.logits[1])) - p.auc(p.rule) for p in parts]
    assert np.mean([p.error(1) for p in parts]) == pytest.approx(np.std(apart, ddof=1), rel=0.3)


def test_members_are_chosen_by_four_earthquakes_or_more():
    assert blending.fit([part(k) for k in range(3)], ("few", "rf")).coefficients[1] == 0


def test_few_levels_state_a_wider_event_term():
    spread = (-1.0, 1.0)
    assert blending.Blend((1.0,), spread).sd == pytest.approx(np.log(3))
    three = blending.Blend((1.0,), (-1.0, 0.0, 1.0)).sd
    many = blending.Blend((1.0,), tuple(np.tile([-1.0, 0.0, 1.0], 20))).sd
    assert three > 1.7 * np.std([-1, 0, 1], ddof=1)
    assert many == pytest.approx(np.std(np.tile([-1, 0, 1], 20), ddof=1), rel=0.03)
    assert blending.Blend((1.0,), (0.0, 0.0, 0.0)).sd == blending.LEAST_SD


# ------------------------------------------------------------------ points


def pointed(run: int, folder: Path) -> Path:
    points = replace(past_quakes.samples(run), positives=Positive.POINTS)
    return past_quakes.save(points, folder / f"points{run}")


def test_points_teach_the_order_of_the_ground_and_not_its_total(runs: list[Path], tmp_path: Path):
    out = learn([*runs[:2], pointed(9, tmp_path)], tmp_path / "bundle", models=["few"])
    contents = event_bundle.load(out).contents
    *areas, points = [e.level for e in contents.events]
    assert points is None
    assert contents.intercept == pytest.approx(np.mean(areas))
    blends = {s.event: s for s in contents.scores if s.model == "blend" and not s.framed}
    assert blends["points9"].ln_ratio is None
    assert blends["points9"].auc is not None
    assert blends["quake0"].ln_ratio is not None
    assert "points9 are points" in (out / "card.md").read_text()


def test_points_alone_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"points8.*polygons"):
        past_runs.read([pointed(8, tmp_path), pointed(9, tmp_path)])


def test_landslide_cells_that_are_not_alike_are_reported(runs: list[Path], tmp_path: Path):
    assert past_runs.definitions(past_runs.read(runs)) == ""
    told = past_runs.definitions(past_runs.read([*runs[:2], pointed(9, tmp_path)]))
    assert "points in points9" in told
    assert "quake0, quake1" in told


# ------------------------------------------------------------------ bundle


def test_the_bundle_states_what_it_was_learnt_from(runs: list[Path], learnt: Path):
    made = event_bundle.load(learnt)
    contents = made.contents
    assert [e.name for e in contents.events] == [r.name for r in runs]
    assert contents.resolution == pytest.approx(30.0)
    assert contents.shaking == "PGA"
    assert [f.code for f in made.factors] == ["SLO", "PGA", "TPI", "LITH"]
    assert made.factors[2].settings["outer"] == 150.0
    scored = {(s.event, s.model) for s in contents.scores}
    assert ("quake2", "slope x PGA") in scored
    assert ("quake2", "blend") in scored
    card = (learnt / "card.md").read_text()
    assert all(r.name in card for r in runs)
    assert "PGA of 0.1 g" in card
    assert "PGV of 8 cm/s" in card
    assert not list(learnt.glob(".work/fits-*"))


def test_scores_are_those_of_the_weighted_rows(runs: list[Path], learnt: Path):
    ground = ground_of(runs)
    rows = ground.rows_of(1)
    y, w, rule = ground.samples.label[rows], ground.weight[rows], ground.rule[rows]
    told = next(
        s
        for s in event_bundle.load(learnt).contents.scores
        if (s.event, s.model, s.framed) == ("quake1", "slope x PGA", False)
    )
    assert told.auc == pytest.approx(curves.roc_auc_of(rank(y, rule, w)))
    order = np.argsort(-rule)
    area = np.cumsum(w[order]) / w.sum()
    found = np.cumsum((w * y)[order]) / (w * y).sum()
    assert told.worst10 == pytest.approx(np.interp(0.1, area, found), abs=0.01)
    assert told.ln_ratio is None


def test_it_predicts_what_its_members_add_up_to(runs: list[Path], learnt: Path):
    made = event_bundle.load(learnt)
    raw = ground_of(runs).samples.raw[:300].copy()
    raw[3, 0] = np.nan
    z = made.contents.intercept + sum(
        m.coefficient * logit(np.clip(f.predict(raw).astype(float), 1e-5, 1 - 1e-5))
        for m, f in zip(made.contents.members, made.models, strict=True)
    )
    told = made.predict(raw)
    assert np.isnan(told[3])
    np.testing.assert_allclose(np.delete(told, 3), np.delete(expit(z), 3), rtol=1e-5)


def test_expected_areas_are_right_on_average(runs: list[Path], learnt: Path):
    ground, made = ground_of(runs), event_bundle.load(learnt)
    ratios = []
    for k in range(4):
        rows = ground.rows_of(k)
        p = made.predict(ground.samples.raw[rows])
        mapped = ground.weight[rows][ground.samples.label[rows] == 1].sum()
        ratios.append(np.log((ground.weight[rows] * p).sum() / mapped))
    assert abs(np.mean(ratios)) < 0.3


def test_classes_are_matched_by_name(runs: list[Path], learnt: Path):
    made = event_bundle.load(learnt)
    raw = ground_of(runs).samples.raw[:200]
    own = list(made.factors)
    lith = own[3]
    # Numbered the other way round, and one class that no past earthquake has.
    legend = {10 - code: name for code, name in lith.legend.items()} | {42: "peat"}
    here, unseen = made.for_classes([*own[:3], replace(lith, legend=legend)])
    assert unseen == {"LITH": ["peat"]}
    turned = raw.copy()
    turned[:, 3] = 10 - turned[:, 3]
    np.testing.assert_array_equal(here.predict(turned), made.predict(raw))
    turned[:, 3] = 42
    assert np.isfinite(here.predict(turned)).all()
    with pytest.raises(InputError, match="LITH"):
        made.for_classes([*own[:3], replace(lith, legend={})])


def test_ground_unlike_that_of_past_earthquakes_is_found(runs: list[Path], learnt: Path):
    made = event_bundle.load(learnt)
    raw = ground_of(runs).samples.raw
    assert not made.likeness(raw).outside
    flat = raw.copy()
    flat[:, 0] *= 0.2
    assert made.likeness(flat).outside
    strange = raw.copy()
    strange[:, 1] *= 30
    assert made.likeness(strange).unlike > 0.5


def in_json(key: str, value: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / event_bundle.FILE
        contents = json.loads(path.read_text())
        contents[key] = value
        path.write_text(json.dumps(contents))

    return change


def of_member(key: str, value: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / event_bundle.FILE
        contents = json.loads(path.read_text())
        contents["members"][0][key] = value
        path.write_text(json.dumps(contents))

    return change


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / "bundle.json").write_text("{"),
        lambda f: (f / "bundle.json").write_text("[]"),
        in_json("schema", 99),
        in_json("intercept", float("nan")),
        in_json("intercept", 1e300),
        in_json("event_sd", -1.0),
        in_json("event_sd", 50.0),
        in_json("resolution", 0.0),
        in_json("shaking", "PGV"),
        in_json("members", []),
        in_json("events", []),
        of_member("coefficient", -2.0),
        of_member("coefficient", float("inf")),
        of_member("coefficient", 1e300),
        of_member("share", 2.0),
        of_member("name", "../few"),
        lambda f: (f / "rows.safetensors").write_bytes(b"no rows"),
        lambda f: (f / "rows.safetensors").unlink(),
        lambda f: shutil.rmtree(f / "members"),
    ],
)
def test_a_damaged_bundle_is_refused(copied: Path, damage: Callable[[Path], Any]):
    damage(copied)
    with pytest.raises(InputError):
        event_bundle.load(copied)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"event_sd": 50.0}, "deviation"),
        ({"event_sd": float("nan")}, "deviation"),
        ({"intercept": -61.0}, "mean"),
        ({"members": (event_bundle.MemberRecord("few", 1e3, 1.0),)}, "few"),
    ],
)
def test_no_bundle_is_written_that_would_not_be_read(copied: Path, change: Any, word: str):
    made = event_bundle.load(copied)
    before = (copied / event_bundle.FILE).read_bytes()
    beyond = replace(made, contents=replace(made.contents, **change))
    with pytest.raises(InputError, match=word):
        event_bundle.save(beyond, copied, "")
    assert (copied / event_bundle.FILE).read_bytes() == before


def test_a_file_that_is_too_large_is_not_read(copied: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(event_bundle, "LARGEST", 100)
    with pytest.raises(InputError, match=r"bundle\.json"):
        event_bundle.load(copied)
