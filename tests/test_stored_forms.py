"""Files that version 0.2.0 wrote are read, and new ones have the same keys."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from shakeslide.core.errors import InputError
from shakeslide.factors.stack import FactorInfo
from shakeslide.learning import bundle
from shakeslide.paper import claims, outcomes
from shakeslide.results.ledger import Ledger
from shakeslide.sampling.encoding import Column, Encoder

FACTOR = {
    "code": "LITH",
    "name": "Lithology",
    "unit": "",
    "kind": "categorical",
    "legend": {"1": "granite", "7": "marl"},
    "definition": "the class",
    "source": "a map",
}
ENCODER = {
    "angles": "sincos",
    "identity": False,
    "columns": [
        {"code": "SLO", "kind": "continuous", "low": 0.5, "high": 61.25, "ratios": None},
        {"code": "LITH", "kind": "categorical", "low": 0, "high": 2.5,
         "ratios": {"1": 0.25, "7": 2.5}},
    ],
}  # fmt: skip
MANIFEST = ("format", "shakeslide", "model", "params", "factors", "encoder", "calibration",
            "context", "about")  # fmt: skip
LEAD = {
    "claim": "lead",
    "published": "about 7 points",
    "verdict": "inconclusive",
    "rule": "holds if",
    "finding": "over RF, the best rival",
    "best_rival": "rf",
    "differences": {"rf": {"mean": -0.032, "low": None, "high": None}},
    "bootstrap": {"rf": {"mean": -0.032, "low": -0.0366, "high": -0.0279}},
}
DEPTH = {
    "claim": "depth",
    "published": "more abstract",
    "rule": "holds if",
    "verdict": "holds",
    "finding": "from layer 1 to layer 3",
    "differences": {"first to last": {"mean": 0.02, "low": 0.01, "high": 0.03}},
    "first to last": {"fisher": {"mean": 0.5, "low": 0.25, "high": 0.75}},
}
TESTED = {"experiment": "T5", "protocol": "pixel", "scale": "quick", "reductions": ["2 splits"]}
EXPERIMENT = {
    "id": "T5",
    "title": "Scores of the four models",
    "caption": "T5. Scores.",
    "study": "Kashmir 2005",
    "after": "Li et al. (2021)",
    "protocol": "pixel",
    "scale": "quick",
    "splits": [{"repeat": 0, "fold": 0, "n_train": 2400, "n_test": 9600}],
    "threshold": 0.5,
    "seed": 7,
    "samples": "0123456789ab",
    "factors": ["SLO", "LITH"],
    "block_size": 3000.0,
    "buffer": 250,
    "written": "2026-11-30T12:00:00+00:00",
    "shakeslide": "0.2.0",
    "python": "3.12.3",
    "libraries": {"numpy": "2.3.4"},
    "reductions": ["2 splits"],
    "settings": {"models": {"lr": {"params": {"C": 1.0}}}},
    "fits": ["abc"],
    "seconds": 12,
    "fit_seconds": 30.5,
    "claim": LEAD,
    "records": [{"oa": 0.8}],
}


def test_a_factor() -> None:
    info = FactorInfo.from_dict(FACTOR)
    assert info.legend == {1: "granite", 7: "marl"}
    assert json.dumps(info.to_dict()) == json.dumps(FACTOR)
    early = {k: v for k, v in FACTOR.items() if k not in ("definition", "source")}
    assert FactorInfo.from_dict(early).source == ""


def test_an_encoder() -> None:
    encoder = Encoder.from_dict(ENCODER)
    assert encoder.columns[1] == Column("LITH", "categorical", 0.0, 2.5, {1: 0.25, 7: 2.5})
    assert encoder.to_dict() == ENCODER
    assert list(encoder.to_dict()) == list(ENCODER)


def test_a_manifest() -> None:
    assert tuple(bundle.Manifest.__annotations__) == MANIFEST


def test_a_record_of_the_ledger(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    made = tmp_path / "factors.txt"
    made.write_text("values")
    ledger.record("factors", "mark", [made], 1.25, "labels")
    path = ledger.work / "made" / "factors.json"
    text = json.loads(path.read_text())
    state = text["files"]["factors.txt"]
    assert list(text) == ["fingerprint", "labels", "files", "seconds", "shakeslide"]
    assert [type(part) for part in state] == [int, int, str]
    early = {"fingerprint": "mark", "files": {"factors.txt": state}}
    path.write_text(json.dumps(early))
    assert Ledger(tmp_path).is_fresh("factors", "mark")
    assert Ledger(tmp_path).made("factors").seconds is None


def test_hashes_that_are_remembered(tmp_path: Path) -> None:
    layer = tmp_path / "dem.tif"
    layer.write_bytes(b"values")
    first = Ledger(tmp_path)
    right = first.content(layer)
    path = first.work / "contents.json"
    ((key, (size, time, _)),) = json.loads(path.read_text()).items()
    path.write_text(json.dumps({key: [size, time, "remembered"]}))
    assert Ledger(tmp_path).content(layer) != right
    assert Ledger(tmp_path, verify=True).content(layer) == right


def test_claims(tmp_path: Path) -> None:
    told = [LEAD | TESTED, DEPTH | TESTED]
    (tmp_path / "claims.json").write_text(json.dumps({"claims": told}))
    lead, depth = claims.read(tmp_path)
    assert np.isnan(lead.differences["rf"].ends).all()
    assert lead.bootstrap["rf"].high == -0.0279
    assert depth.first_to_last["fisher"].mean == 0.5
    claims.write(tmp_path, [lead, depth])
    assert json.loads((tmp_path / "claims.json").read_text())["claims"] == told
    assert claims.read(tmp_path / "none") == ()


def test_an_experiment(tmp_path: Path) -> None:
    (tmp_path / "T5.json").write_text(json.dumps(EXPERIMENT))
    record = outcomes.read(tmp_path / "T5.json")
    assert record.splits == (outcomes.SplitSize(0, 0, 2400, 9600),)
    assert record.claim is not None
    assert record.claim.best_rival == "rf"
    (tested,) = outcomes.tested_claims(tmp_path)
    assert json.loads(json.dumps(claims.to_values(tested))) == LEAD | TESTED


@pytest.mark.parametrize(
    "change", [{"claims": [LEAD]}, {"claims": [LEAD | TESTED | {"verdict": "maybe"}]}]
)
def test_damaged_claims_are_named(change: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "claims.json").write_text(json.dumps(change))
    with pytest.raises(InputError, match=r"claims\.json"):
        claims.read(tmp_path)
