"""Several earthquakes as one set of samples, and models tested on one they have not seen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shakeslide import pipeline
from shakeslide.core.errors import InputError
from shakeslide.evaluation import curves, splits
from shakeslide.evaluation.calibration import correct_prior
from shakeslide.factors.stack import FactorInfo
from shakeslide.learning import plans, training, validation
from shakeslide.maps import spread
from shakeslide.sampling import events, sample_table
from shakeslide.sampling.sample_counts import NOT_COUNTED

from . import small_site as site
from .conftest import open_run


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> pipeline.Run:
    """Another earthquake on ground whose units have the same names, and one of its own."""
    folder = tmp_path_factory.mktemp("other")
    path = site.make(folder / "data")
    lithology = site_layer(folder / "data" / "lithology.gpkg")
    column = next(c for c in lithology.columns if c != "geometry")
    names = lithology[column].astype(str).unique().tolist()
    lithology[column] = lithology[column].astype(str).replace({names[0]: "aaa of another kind"})
    lithology.to_file(folder / "data" / "lithology.gpkg")
    run = open_run(path, folder / "second", "study.seed=11")
    for stage in (pipeline.prepare, pipeline.sample):
        stage(run)
    drawn = sample_table.load(run.out / "samples.parquet")
    elsewhere = drawn.table.assign(x=drawn.table.x + 200_000)
    sample_table.save(replace(drawn, table=elsewhere), run.out / "samples.parquet")
    return run


def site_layer(path: Path) -> pd.DataFrame:
    import geopandas as gpd

    return gpd.read_file(path)


def names_of(samples: sample_table.Samples, code: str, rows: np.ndarray) -> list[str]:
    legend = next(f.legend for f in samples.factors if f.code == code)
    return [legend[int(v)] for v in samples.table[code].to_numpy()[rows]]


def test_classes_are_matched_by_name(finished: pipeline.Run, other: pipeline.Run) -> None:
    own = sample_table.load(finished.out / "samples.parquet")
    theirs = sample_table.load(other.out / "samples.parquet")
    joined = events.load(own, "own", [other.out])
    assert joined.names == ("own", "second")
    for k, part in enumerate((own, theirs)):
        rows = np.flatnonzero(joined.event == k)
        assert len(rows) == len(part.table)
        everyone = np.arange(len(rows))
        assert names_of(joined.samples, "LITH", rows) == names_of(part, "LITH", everyone)
        for code in ("SLO", "DEM", "EI"):
            assert (joined.samples.table[code].to_numpy()[rows] == part.table[code]).all()
        for column in ("x", "y", "landslide_id", "block_id"):
            assert (joined.samples.table[column].to_numpy()[rows] == part.table[column]).all()


def test_frequency_ratios_come_from_the_other_events_alone(
    finished: pipeline.Run, other: pipeline.Run
) -> None:
    own = sample_table.load(finished.out / "samples.parquet")
    theirs = sample_table.load(other.out / "samples.parquet")
    joined = events.load(own, "own", [other.out])
    chosen = list(splits.event(joined.samples.label, joined.event))
    assert [set(joined.event[s.test]) for s in chosen] == [{0}, {1}]
    for split, trained in zip(chosen, (theirs, own), strict=True):
        told = joined.regions(split)["LITH"]
        legend = next(f.legend for f in joined.samples.factors if f.code == "LITH")
        before = next(f.legend for f in trained.factors if f.code == "LITH")
        expected = {before[c]: n for c, n in trained.class_areas["LITH"].items()}
        assert {legend[c]: n for c, n in told.items()} == expected
    tested = joined.tested(chosen[1])
    assert tested.prevalence == theirs.prevalence


def test_groups_are_landslides_of_one_event(finished: pipeline.Run, other: pipeline.Run) -> None:
    own = sample_table.load(finished.out / "samples.parquet")
    theirs = sample_table.load(other.out / "samples.parquet")
    here = replace(theirs, table=theirs.table.assign(x=theirs.table.x - 200_000))
    joined = events.join([own, here], ["own", "same coordinates"])
    groups = validation.groups(joined.samples, "event", finished.plan(own))
    assert not set(groups[joined.event == 0]) & set(groups[joined.event == 1])


def test_a_model_knows_the_share_of_its_own_events_only(
    finished: pipeline.Run, other: pipeline.Run
) -> None:
    own = sample_table.load(finished.out / "samples.parquet")
    theirs = sample_table.load(other.out / "samples.parquet")
    rare = replace(theirs, counts=replace(theirs.counts, clear_cells=500_000))
    joined = events.join([own, rare], ["own", "rare"])
    plan, recipe = finished.plan(own), training.Recipe("lr", "sincos", {})
    split = list(splits.event(joined.samples.label, joined.event))[1]
    fit = validation.fit(recipe, joined.samples, [split], plan, together=joined)[0]
    assert fit.model.about.prevalence == own.prevalence
    assert joined.tested(split).prevalence == rare.prevalence < own.prevalence / 5
    told, p = validation.judge(fit.model, 0, joined.tested(split), split, 0.5)
    corrected = correct_prior(p.astype(float), fit.model.about.sample_share, own.prevalence)
    y = joined.samples.label[split.test]
    weight = curves.class_weights(y, rare.prevalence)
    brier = np.average((corrected - y) ** 2, weights=weight)
    assert told.records[1].brier == pytest.approx(brier, rel=1e-5)


def test_the_protocol_is_evaluated(
    finished: pipeline.Run, other: pipeline.Run, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(finished.out, tmp_path / "run")
    source = next(iter(finished.study.layers.values())).path.parent / "study.toml"
    run = open_run(
        source,
        tmp_path / "run",
        'evaluation.protocols=["pixel", "event"]',
        f'evaluation.events=["{other.out}"]',
    )
    pipeline.evaluate(run)
    text = json.loads((run.out / "evaluation.json").read_text())
    records = [r for r in text["records"] if r["protocol"] == "event"]
    assert {r["fold"] for r in records} == {0, 1}
    sizes = {r["fold"]: (r["n_train"], r["n_test"]) for r in records}
    assert sizes[0] == sizes[1][::-1]
    assert text["events"][1].endswith("second")
    assert {p["protocol"] for p in text["optimism"]} == {"event"}
    # Areas differ in their share of sources: there is no one interval at the area's balance.
    for name, told in (("summary", {"pixel", "event"}), ("summary_area", {"pixel"})):
        assert {r["protocol"] for r in text[name] if r["precision"]["low"] is not None} == told
    assert all(0.4 < r["oa"] <= 1 for r in records)


def test_what_does_not_fit_is_told(
    finished: pipeline.Run, other: pipeline.Run, tmp_path: Path
) -> None:
    own = sample_table.load(finished.out / "samples.parquet")
    with pytest.raises(InputError, match=r"holds no samples\.parquet"):
        events.load(own, "own", [tmp_path])
    changed = (replace(own.factors[0], unit="furlong"), *own.factors[1:])
    with pytest.raises(InputError, match="unit"):
        events.load(replace(own, factors=changed), "own", [other.out])
    more = (replace(own.factors[0], code="NEW"), *own.factors[1:])
    with pytest.raises(InputError, match="has no factor NEW"):
        events.load(replace(own, factors=more), "own", [other.out])
    with pytest.raises(InputError, match="of its source cells are also sampled"):
        events.load(own, "own", [finished.out])
    unnamed = tuple(replace(f, legend={}) for f in own.factors)
    with pytest.raises(InputError, match="cannot be matched"):
        events.load(replace(own, factors=unnamed), "own", [other.out])
    run = open_run(
        next(iter(finished.study.layers.values())).path.parent / "study.toml",
        finished.out,
        'evaluation.protocols=["event"]',
    )
    with pytest.raises(InputError, match="events is empty"):
        pipeline.evaluate(run)
    own_folder = open_run(
        next(iter(finished.study.layers.values())).path.parent / "study.toml",
        finished.out,
        'evaluation.protocols=["event"]',
        f'evaluation.events=["{finished.out}"]',
    )
    with pytest.raises(InputError, match="this run's own folder"):
        pipeline.evaluate(own_folder)


# ------------------------------------------------------------------ on the same ground


@pytest.fixture(scope="module")
def twins() -> events.Events:
    """Two events whose samples are the same to the last number."""
    rng = np.random.default_rng(3)
    count = 240
    label = np.tile([1, 0], count // 2)
    x, y = rng.uniform(0, 6000, (2, count))
    table = pd.DataFrame({"x": x, "y": y, "row": np.arange(count), "col": 0, "label": label})
    table["landslide_id"] = np.where(label == 1, rng.integers(1, 25, count), 0)
    table["block_id"], table["event"] = (x // 1000).astype(int), 0
    table["SLO"] = rng.uniform(0, 40, count).astype(np.float32)
    table["LITH"] = rng.integers(1, 3, count).astype(np.float32)
    squares = np.arange(125.0, 6000, 250)
    areas = pd.DataFrame({"factor": "LITH", "x": squares, "y": squares, "code": 1, "cells": 10})
    areas["event"] = 0
    factors = (
        FactorInfo(code="SLO", name="Slope", unit="deg", kind="continuous", legend={}),
        FactorInfo(
            code="LITH",
            name="Lithology",
            unit="",
            kind="categorical",
            legend={1: "chalk", 2: "marl"},
        ),
    )
    counts = replace(NOT_COUNTED, source_cells=120, clear_cells=9000)
    one = sample_table.Samples(table, factors, areas, counts)
    return events.join([one, one], ["first", "second"])


PLAN = plans.Plan(0.5, 2, 4, 1000.0, 200.0, (0.0, 6000.0), 7)


@pytest.mark.parametrize("protocol", ["pixel", "landslide", "block"])
def test_no_protocol_joins_rows_of_two_events(twins: events.Events, protocol: str) -> None:
    samples, half = twins.samples, len(twins.samples.table) // 2
    groups = validation.groups(samples, protocol, PLAN)
    assert not set(groups[:half]) & set(groups[half:])
    for split in plans.chosen_splits(samples, protocol, PLAN):
        tested = np.isin(np.arange(2 * half), split.test)
        assert (tested[:half] != tested[half:]).any()
        regions = validation.training_areas(samples, split, PLAN)["LITH"]
        assert 0 < regions[1] <= 2 * 240
        if protocol == "block":
            left = [samples.areas["cells"][samples.areas["event"] == k].sum() for k in (0, 1)]
            assert regions[1] < sum(left)


def test_areas_are_those_beside_the_tested_blocks_of_their_own_event(twins: events.Events) -> None:
    samples = twins.samples
    only = np.flatnonzero(samples.event == 0)
    test = only[samples.places[0][only] < 3000]
    split = splits.Split("block", 0, 0, np.setdiff1d(np.arange(len(samples.event)), test), test)
    far = PLAN.buffer + sample_table.AREA_SQUARE / 2
    told = validation.training_areas(samples, split, PLAN)["LITH"][1]
    first = samples.areas[samples.areas["event"] == 0]
    assert told == 240 + first["cells"][first["x"] >= 3000 + far].sum()


def test_what_is_redrawn_or_held_out_is_of_one_event(twins: events.Events) -> None:
    samples, half = twins.samples, len(twins.samples.table) // 2
    rows = np.arange(2 * half)
    groups = samples.landslide_groups(rows)
    assert not set(groups[:half]) & set(groups[half:])
    assert not set(samples.blocks[:half]) & set(samples.blocks[half:])
    (drawn,) = spread.bags(samples, rows, 1, seed=1)
    times = np.bincount(drawn, minlength=2 * half)
    assert (times[:half] != times[half:]).any()
    assert all(np.ptp(times[groups == g]) == 0 for g in np.unique(groups))
