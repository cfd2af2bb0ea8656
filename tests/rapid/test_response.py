"""The response table against brute force: every cell predicted anew at every draw."""

from __future__ import annotations

import numpy as np
import pytest

from shakeslide.evaluation.calibration import Isotonic, Platt
from shakeslide.learning.bundle import FittedModel
from shakeslide.learning.several.event_bundle import EventBundle
from shakeslide.models import LogisticRegression, RandomForest
from shakeslide.models.blend import Member, ModelBlend
from shakeslide.models.formulas.few_terms import FewTerms
from shakeslide.models.formulas.jessee import areal_coverage
from shakeslide.rapid import response
from shakeslide.rapid.response import (
    Cells,
    Draws,
    Places,
    ShakingColumns,
    at_draws,
    interpolation_gain,
    response_at_draws,
    response_table,
    summarise,
)

CELLS, DRAWS, NODES = 300, 200, 6


def coverage(raw: np.ndarray) -> np.ndarray:
    """PGV, slope -> share of the area; 0 on level ground, and capped at 211 cm/s."""
    pgv, slope = raw[:, 0].astype(np.float64), raw[:, 1].astype(np.float64)
    ln = np.log(np.minimum(pgv, 211))
    p = areal_coverage(1 / (1 + np.exp(6.7 - 1.65 * ln - 0.06 * slope - 0.01 * ln * slope)))
    return np.where(slope < 2, 0, p).astype(np.float32)


def smooth(raw: np.ndarray) -> np.ndarray:
    """PGV, slope, PGA -> a probability that both measures change."""
    x = 1.2 * np.log(raw[:, 0]) + 0.7 * np.log(raw[:, 2]) + 0.05 * raw[:, 1] - 6
    return (1 / (1 + np.exp(-x))).astype(np.float32)


def steep(raw: np.ndarray) -> np.ndarray:
    """PGV, slope, PGA -> a share that rises within a factor of two of either to its greatest."""
    x = 5 * np.log(raw[:, 0] / 40) + 4 * np.log(raw[:, 2] / 0.4) + 0.1 * (raw[:, 1] - 30)
    return (0.25 / (1 + np.exp(-x))).astype(np.float32)


@pytest.fixture(scope="module")
def cells() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    pgv = np.exp(rng.uniform(np.log(2), np.log(150), CELLS))
    raw = np.stack([pgv, rng.uniform(0, 60, CELLS), pgv / 90], axis=1).astype(np.float32)
    nodes = rng.standard_normal((2, NODES, NODES, DRAWS)).astype(np.float32)
    return {
        "raw": raw,
        "sd": np.stack([np.full(CELLS, 0.6), np.full(CELLS, 0.5)]).astype(np.float32),
        "nodes": nodes,
        "event": rng.normal(0, 0.5, DRAWS).astype(np.float32),
        "at": rng.uniform(0, NODES - 1, (2, CELLS)).astype(np.float32),
    }


def bilinear(field: np.ndarray, row: np.ndarray, col: np.ndarray) -> np.ndarray:
    """(rows, cols, draws) at places -> (cells, draws)."""
    r, c = np.minimum(row.astype(int), NODES - 2), np.minimum(col.astype(int), NODES - 2)
    y, x = (row - r)[:, None], (col - c)[:, None]
    upper = field[r, c] * (1 - x) + field[r, c + 1] * x
    lower = field[r + 1, c] * (1 - x) + field[r + 1, c + 1] * x
    return upper * (1 - y) + lower * y


def brute(model, cells, columns) -> np.ndarray:
    out = np.empty((CELLS, DRAWS))
    for d in range(DRAWS):
        raw = cells["raw"].copy()
        for m, column in enumerate(columns):
            z = bilinear(cells["nodes"][m], *cells["at"])[:, d]
            raw[:, column] *= np.exp(z * cells["sd"][m])
        p = np.clip(model(raw).astype(np.float64), 1e-12, 1 - 1e-7)
        out[:, d] = 1 / (1 + np.exp(-(np.log(p / (1 - p)) + cells["event"][d])))
    return out


@pytest.mark.parametrize(
    ("model", "columns"), [(coverage, (0,)), (smooth, (0, 2)), (steep, (0,)), (steep, (0, 2))]
)
def test_agrees_with_brute_force(model, columns, cells):
    shaking = ShakingColumns(columns=columns, most=(1e4,) * len(columns))
    table = response_table(model, cells["raw"], cells["sd"][: len(columns)], shaking)
    draws = Draws(cells["nodes"][: len(columns)], cells["event"])
    places = Places(*cells["at"], np.ones((len(columns), CELLS), np.float32))
    weights = np.stack([np.ones(CELLS), np.arange(CELLS)]).astype(np.float32)
    found = summarise(Cells(table, draws, places), weights, (0.01, 0.1))
    true = brute(model, cells, columns)
    ordered = np.sort(true, axis=1)
    assert np.abs(found.mean - true.mean(axis=1)).max() < 0.002
    assert np.abs(found.low - ordered[:, 19]).max() < 0.003
    # The formula has a bend at 211 cm/s, which lies between two levels.
    assert np.abs(found.high - ordered[:, 179]).max() < 0.006
    assert np.abs(found.exceeds[1] - (true > 0.1).mean(axis=1)).max() < 0.03
    assert found.totals == pytest.approx(weights @ true, rel=0.005)
    assert np.abs(at_draws(Cells(table, draws, places)) - true).max() < 0.012


def in_steps(raw: np.ndarray) -> np.ndarray:
    """PGV, slope, PGA -> a share that few large steps of either measure raise to 0.3."""
    rng = np.random.default_rng(0)
    at = np.sort(np.exp(rng.uniform(np.log(2), np.log(300), 8)))
    number = np.searchsorted(at, raw[:, 0]) + np.searchsorted(at / 70, raw[:, 2])
    return (0.3 * number / 16).astype(np.float32)


@pytest.fixture(scope="module")
def forest() -> RandomForest:
    rng = np.random.default_rng(1)
    raw = np.stack(
        [np.exp(rng.uniform(0, 6, 600)), rng.uniform(0, 60, 600), np.exp(rng.uniform(-4, 1, 600))],
        axis=1,
    ).astype(np.float32)
    y = (smooth(raw) > rng.random(600)).astype(int)
    return RandomForest(n_estimators=5, max_depth=4, random_state=0, n_jobs=1).fit(raw, y)


@pytest.mark.parametrize("columns", [(0,), (0, 2)])
@pytest.mark.parametrize("trees", [False, True])
def test_models_of_steps_equal_brute_force(columns, trees, forest, cells):
    model = (lambda raw: forest.predict_proba(raw)[:, 1]) if trees else in_steps
    shaking, sd = ShakingColumns(columns=columns, most=(1e4,) * len(columns)), cells["sd"]
    draws = Draws(cells["nodes"][: len(columns)], cells["event"])
    places = Places(*cells["at"], np.ones((len(columns), CELLS), np.float32))
    table = response_at_draws(model, cells["raw"], sd[: len(columns)], shaking, draws, places)
    found = summarise(Cells(table, draws, places), np.ones((1, CELLS), np.float32))
    true = brute(model, cells, columns)
    # A draw may lie on either side of a threshold by the last bit.
    assert np.abs(found.mean - true.mean(axis=1)).max() < 0.0005
    assert np.median(np.abs(at_draws(Cells(table, draws, places)) - true)) < 1e-6
    assert 1 / (1 + np.exp(-table.median)) == pytest.approx(model(cells["raw"]), abs=1e-5)
    levels = response_table(model, cells["raw"], sd[: len(columns)], shaking)
    rough = summarise(Cells(levels, draws, places), np.ones((1, CELLS), np.float32))
    assert np.abs(rough.mean - true.mean(axis=1)).max() > 0.002


def test_cells_are_summarised_alike_however_many_are_in_memory_at_once(cells, monkeypatch):
    shaking = ShakingColumns(columns=(0,), most=(1e4,))
    table = response_table(coverage, cells["raw"], cells["sd"][:1], shaking)
    places = Places(*cells["at"], np.ones((1, CELLS), np.float32))
    asked = Cells(table, Draws(cells["nodes"][:1], cells["event"]), places)
    weights = np.ones((1, CELLS), np.float32)
    whole = summarise(asked, weights, (0.01,))
    monkeypatch.setattr(response, "AT_ONCE", 7 * DRAWS + 1)
    for one, other in zip(whole, summarise(asked, weights, (0.01,)), strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(whole.high, np.sort(at_draws(asked), axis=1)[:, 179])


def test_cells_without_a_value_stay_so_and_add_nothing(cells):
    raw = cells["raw"].copy()
    raw[::2, 1] = np.nan

    def model(rows):
        return np.where(np.isnan(rows[:, 1]), np.nan, coverage(rows)).astype(np.float32)

    table = response_table(model, raw, cells["sd"][:1], ShakingColumns(columns=(0,), most=(1e4,)))
    places = Places(*cells["at"], np.ones((1, CELLS), np.float32))
    draws = Draws(cells["nodes"][:1], cells["event"])
    found = summarise(Cells(table, draws, places), np.ones((1, CELLS), np.float32))
    assert np.isnan(found.mean[::2]).all()
    assert np.isfinite(found.mean[1::2]).all()
    known = at_draws(Cells(table, draws, places))[1::2]
    assert found.totals[0] == pytest.approx(known.sum(axis=0), rel=1e-4)


def test_interpolated_residuals_keep_their_deviation():
    # Correlated nodes, drawn by Cholesky: between them the plain mean would vary less.
    spacing = (2.0, 3.0)

    def correlation(km):
        return np.exp(-3 * np.asarray(km) / 20)

    y, x = (v.ravel() for v in np.meshgrid([0, 2.0], [0, 3.0], indexing="ij"))
    distance = np.hypot(y[:, None] - y, x[:, None] - x)
    root = np.linalg.cholesky(correlation(distance))
    z = root @ np.random.default_rng(0).standard_normal((4, 200_000))
    row, col = np.float32([0.5, 0.25]), np.float32([0.5, 0.9])
    gain = interpolation_gain(row, col, correlation, spacing)
    for r, c, g in zip(row, col, gain, strict=True):
        between = (1 - r) * ((1 - c) * z[0] + c * z[1]) + r * ((1 - c) * z[2] + c * z[3])
        assert (g * between).std() == pytest.approx(1, abs=0.01)
        assert between.std() < 0.95


def fitted(estimator, **other) -> FittedModel:
    return FittedModel("name", estimator, None, (), None, **other)


def blend(*members) -> ModelBlend:
    made = [Member(1 / len(members), model=m, columns=(0,)) for m in members]
    return ModelBlend([str(k) for k in range(len(made))]).joined(made, 1, chosen=False)


def test_models_with_a_part_that_responds_in_steps_are_not_smooth():
    few, trees, line = FewTerms(), RandomForest(), LogisticRegression()
    polyline = Isotonic(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    for steps in (
        fitted(trees),
        fitted(blend(line, trees)),
        fitted(line, calibration=polyline),
        EventBundle(None, (fitted(few), fitted(trees)), None),
    ):
        assert not steps.smooth
    for no_steps in (
        fitted(few),
        fitted(blend(line, line)),
        fitted(line, calibration=Platt(1.0, 0.0)),
        EventBundle(None, (fitted(few), fitted(line)), None),
    ):
        assert no_steps.smooth
