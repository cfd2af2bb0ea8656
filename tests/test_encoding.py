"""The encoder: frequency ratios, circles, scaling, and that only training rows count."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shakeslide.core.errors import InputError
from shakeslide.sampling import encoding

FACTORS = [("SLO", "continuous"), ("SLOA", "circular"), ("FD", "axial"), ("LITH", "categorical")]
AREAS = {"LITH": {1: 700, 2: 200, 3: 100}}


def rows(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    raw = np.column_stack(
        [
            rng.normal(30, 8, n),
            rng.uniform(0, 360, n),
            rng.uniform(0, 180, n),
            rng.choice([1, 2], n),
        ]
    ).astype(np.float32)
    return raw, rng.integers(0, 2, n)


def test_frequency_ratios_by_hand() -> None:
    codes = np.array([1, 1, 1, 1, 1, 1, 2, 2, 2, 2])
    ratios = encoding.frequency_ratios(codes, AREAS["LITH"])
    assert ratios == {1: 0.6 / 0.7, 2: 0.4 / 0.2, 3: 0.0}


def test_frequency_ratios_exceed_two_where_a_rare_class_slides() -> None:
    ratios = encoding.frequency_ratios(np.array([3] * 9 + [1]), AREAS["LITH"])
    assert ratios[3] == pytest.approx(9.0)


def test_a_class_never_seen_counts_one_and_a_safe_class_zero() -> None:
    ratios = encoding._ratios(np.array([1, 3, 99], np.float32), {1: 2.5, 3: 0.0})
    assert ratios.tolist() == [2.5, 0.0, 1.0]


def test_features_lie_in_the_unit_interval_also_beyond_the_training_range() -> None:
    raw, label = rows()
    for angles in ("raw", "sincos"):
        encoder = encoding.fit(raw, label, FACTORS, AREAS, angles)
        wild = raw.copy()
        wild[:, 0] *= 100
        features = encoder.transform(wild)
        assert features.min() >= 0
        assert features.max() <= 1
        assert features.shape[1] == len(encoder.features)
        assert features.flags.c_contiguous


def test_the_percentiles_become_zero_and_one() -> None:
    raw = np.linspace(0, 1000, 1001, dtype=np.float32)[:, None]
    encoder = encoding.fit(raw, np.zeros(1001), [("DEM", "continuous")], {})
    out = encoder.transform(np.array([[0], [5], [500], [995], [1000]], np.float32))
    np.testing.assert_allclose(out[:, 0], [0, 0, 0.5, 1, 1], atol=1e-6)


def test_angles_wrap_and_lines_have_no_sense() -> None:
    raw, label = rows()
    encoder = encoding.fit(raw, label, FACTORS, AREAS, "sincos")
    a = np.array([[30, 0, 10, 1], [30, 359.999, 10, 1]], np.float32)
    np.testing.assert_allclose(*encoder.transform(a), atol=1e-4)
    b = np.array([[30, 90, 0, 1], [30, 90, 179.999, 1]], np.float32)
    np.testing.assert_allclose(*encoder.transform(b), atol=1e-4)
    assert encoder.features[1:5] == ["SLOA sin", "SLOA cos", "FD sin", "FD cos"]


def test_flat_ground_faces_nowhere() -> None:
    raw, label = rows()
    encoder = encoding.fit(raw, label, FACTORS, AREAS, "sincos")
    flat = encoder.transform(np.array([[30, -1, 10, 1]], np.float32))
    np.testing.assert_allclose(flat[0, 1:3], 0.5)


def test_nothing_but_the_training_rows_is_used() -> None:
    raw, label = rows()
    train = np.arange(100)
    first = encoding.fit(raw[train], label[train], FACTORS, AREAS)
    changed, flipped = raw.copy(), label.copy()
    changed[100:] += 17
    flipped[100:] = 1 - flipped[100:]
    second = encoding.fit(changed[train], flipped[train], FACTORS, AREAS)
    assert first == second


def test_json_keeps_every_bit() -> None:
    raw, label = rows()
    encoder = encoding.fit(raw, label, FACTORS, AREAS, "sincos")
    again = encoding.Encoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    assert again == encoder


@pytest.mark.parametrize(
    "change",
    [
        {"angles": "odd"},
        {"columns": [{"code": "A"}]},
        {"columns": [{"code": "A", "kind": "x", "low": float("nan"), "high": 1, "ratios": None}]},
        {"columns": 3},
    ],
)
def test_a_damaged_encoder_is_refused(change: dict[str, object]) -> None:
    raw, label = rows()
    text = encoding.fit(raw, label, FACTORS, AREAS).to_dict() | change
    with pytest.raises(InputError, match="damaged"):
        encoding.Encoder.from_dict(text)


@given(st.integers(0, 10_000), st.integers(1, 399))
def test_a_row_is_encoded_alike_in_any_company(seed: int, count: int) -> None:
    raw, label = rows()
    encoder = encoding.fit(raw, label, FACTORS, AREAS, "sincos")
    chosen = np.random.default_rng(seed).choice(400, count, replace=False)
    assert (encoder.transform(raw)[chosen] == encoder.transform(raw[chosen])).all()


def normal(raw: np.ndarray, label: np.ndarray) -> encoding.Encoder:
    return encoding.fit(raw, label, FACTORS, AREAS, "sincos", scaling="normal")


def test_normal_scores_are_those_of_a_normal_distribution() -> None:
    raw, label = rows(4000)
    features = normal(raw, label).transform(raw)
    # Whatever the distribution: squares keep the order.
    squared = raw.copy()
    squared[:, 0] = np.sign(raw[:, 0]) * raw[:, 0] ** 2
    np.testing.assert_allclose(normal(squared, label).transform(squared)[:, 0], features[:, 0],
                               atol=0.05)  # fmt: skip
    order = np.argsort(raw[:, 0])
    assert (np.diff(features[order, 0]) >= 0).all()
    assert np.quantile(features[:, 0], [0.1587, 0.5, 0.8413]) == pytest.approx([-1, 0, 1], abs=0.02)
    wild = np.array([[-1e6, 0, 0, 1], [1e6, 0, 0, 1]], np.float32)
    assert normal(raw, label).transform(wild)[:, 0].tolist() == [-3.0, 3.0]


def test_a_value_that_holds_for_many_rows_has_the_score_of_their_middle() -> None:
    values = np.concatenate([np.zeros(500), np.linspace(1, 2, 500)])
    quantiles, scores = encoding.normal_scores(values)
    assert quantiles[0] == 0.0
    assert scores[0] == pytest.approx(-0.7, abs=0.06)  # ranks 0 to nearly a half
    assert (np.diff(quantiles) > 0).all()
    assert (np.diff(scores) > 0).all()
    (one,), (score,) = encoding.normal_scores(np.full(9, 7.0))
    assert (one, score) == (7.0, pytest.approx(0.0, abs=1e-12))


def test_classes_become_logarithms_of_ratios_drawn_towards_none() -> None:
    codes = np.array([1] * 6 + [2] * 4)
    logs = encoding.log_ratios(encoding.frequency_ratios(codes, AREAS["LITH"]), len(codes))
    # 10 cells more, dealt by the areas .7, .2 and .1.
    expected = {1: (6 + 7) / 20 / 0.7, 2: (4 + 2) / 20 / 0.2, 3: (0 + 1) / 20 / 0.1}
    assert logs == pytest.approx({k: np.log(v) for k, v in expected.items()})
    raw, label = rows()
    features = normal(raw, label).transform(raw)[:, -1]
    assert (features.mean(), features.std()) == (pytest.approx(0, abs=1e-5), pytest.approx(1))


def test_a_class_with_hardly_a_landslide_lies_not_far_beyond_all_numbers() -> None:
    label = np.arange(40_000) % 2
    # 10 clear cells of class 2 among the rows, though it holds half of the ground.
    codes = np.where((label == 0) & (np.arange(40_000) < 20), 2, 1).astype(np.float32)[:, None]
    areas = {"LITH": {1: 5000, 2: 5000}}
    encoder = encoding.fit(codes, label, [("LITH", "categorical")], areas, scaling="normal")
    features = encoder.transform(np.array([[1], [2], [9]], np.float32))[:, 0]
    (column,) = encoder.columns
    assert column.ratios is not None
    assert (column.ratios[2] - column.low) / (column.high - column.low) < -20
    assert features[0] == pytest.approx(0.02, abs=0.01)
    # Class 9 is not known: its ratio is 1, far below that of class 1 too.
    assert features[1:].tolist() == [-encoding.FARTHEST_CLASS] * 2


def test_angles_of_normal_scores_are_not_shifted() -> None:
    raw, label = rows()
    turned = normal(raw, label).transform(np.array([[30, 90, 90, 1]], np.float32))
    np.testing.assert_allclose(turned[0, 1:5], [1, 0, 0, -1], atol=1e-6)


def test_normal_scores_are_stored_to_the_last_bit() -> None:
    raw, label = rows()
    encoder = normal(raw, label)
    text = json.dumps(encoder.to_dict())
    again = encoding.Encoder.from_dict(json.loads(text))
    assert again == encoder
    np.testing.assert_array_equal(again.transform(raw), encoder.transform(raw))
    np.testing.assert_array_equal(again.transform(raw[7:20]), encoder.transform(raw)[7:20])


@pytest.mark.parametrize(
    "change",
    [
        {"quantiles": [1.0, 2.0]},
        {"quantiles": [2.0, 1.0], "scores": [0.0, 1.0]},
        {"quantiles": [1.0, 2.0], "scores": [1.0, float("nan")]},
        {"quantiles": "many", "scores": "few"},
    ],
)
def test_damaged_normal_scores_are_refused(change: dict[str, object]) -> None:
    raw, label = rows()
    text = json.loads(json.dumps(normal(raw, label).to_dict()))
    text["columns"][0] = {**text["columns"][0], **change}
    with pytest.raises(InputError, match="damaged"):
        encoding.Encoder.from_dict(text)
    with pytest.raises(InputError, match="damaged"):
        encoding.Encoder.from_dict({**text, "scaling": "odd", "columns": []})


def test_a_constant_factor_does_no_harm() -> None:
    encoder = encoding.fit(np.ones((5, 1), np.float32), np.zeros(5), [("EI", "continuous")], {})
    assert encoder.transform(np.ones((2, 1), np.float32)).tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize("scaling", ["percentile", "normal"])
def test_an_encoder_that_remembers_gives_the_same_features(
    scaling: encoding.Scaling, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = (
        encoding.Column("A", "circular"),
        encoding.Column("N", "continuous", 0.0, 2.0),
        encoding.Column("C", "categorical", 0.5, 2.0, ratios={1: 0.5, 2: 2.0}),
    )
    other = encoding.Encoder(columns, "raw")
    plain = encoding.Encoder(columns, "sincos", scaling=scaling, further=(other,))
    rng = np.random.default_rng(1)
    raw = np.stack(
        [rng.uniform(0, 360, 20), rng.uniform(-1, 3, 20), rng.integers(1, 4, 20)], axis=1
    ).astype(np.float32)
    quick, encoded = plain.remembering(20, 8), []
    scale = encoding._scale
    monkeypatch.setattr(encoding, "_scale", lambda *args: encoded.append(1) or scale(*args))
    for column in (None, 0, 1, 2, 1):
        changed = raw.copy()
        if column is not None:
            changed[:, column] = changed[::-1, column]
        for first in (0, 8, 16):
            rows = changed[first : first + 8]
            wanted, before = plain.transform(rows), len(encoded)
            assert np.array_equal(quick.transform(rows), wanted)
            # What was not changed is known from the first time.
            most = {None: 6, 0: 2, 1: 2, 2: 2}[column]
            assert len(encoded) - before <= most
