"""Documents of results: what is written is read, and nothing else is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from shakeslide.core import documents
from shakeslide.core.documents import Document
from shakeslide.core.errors import InputError
from shakeslide.evaluation.collinearity import correlations
from shakeslide.evaluation.scores import MEASURES
from shakeslide.learning import explanation
from shakeslide.learning.explanation import Dependence, Gain, Loss, ModelImportance
from shakeslide.learning.judgement import Record, Scores
from shakeslide.results import evaluation_document, importance_document
from shakeslide.results.evaluation_document import Summary
from shakeslide.results.importance_document import Importance

from .report.fabricated import PROVENANCE, evaluation, sources_record


@dataclass(frozen=True)
class Leaf:
    name: str
    value: float | None


@dataclass(frozen=True)
class Tree(Document):
    schema_number: ClassVar[int] = 3
    made_by: ClassVar[str] = "grow"

    leaves: tuple[Leaf, ...]
    counts: dict[str, int]


TREE = Tree((Leaf("é", 0.1), Leaf("b", None)), {"a": 1})


def importance() -> Importance:
    x = np.random.default_rng(0).normal(size=(30, 2))
    together = explanation.stored(correlations(x, ["A", "B"], {}))
    curve = Dependence("A", (0.0, 1.0), (0.1, None))
    model = ModelImportance("lr", 0.8, (Loss(("A", "B"), 0.1, None),), (curve,))
    return Importance((Gain("A", 0.2), Gain("B", None)), together, (model,))


@pytest.mark.parametrize(
    "make", [lambda: TREE, lambda: evaluation(2), importance, lambda: PROVENANCE, sources_record]
)
def test_what_is_written_is_read(tmp_path: Path, make: Callable[[], Document]) -> None:
    document, path = make(), tmp_path / "a.json"
    documents.write(path, document)
    assert documents.read(path, type(document)) == document
    held = json.loads(path.read_text(encoding="utf-8"))
    assert held["schema"] == document.schema_number
    assert list(held)[1:] == [f.name for f in fields(document)]


def test_what_is_not_a_number_is_read_as_unknown(tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    documents.write(path, replace(TREE, leaves=(Leaf("x", float("nan")),)))
    assert documents.read(path, Tree).leaves == (Leaf("x", None),)


def changed(path: Path, **changes: Any) -> None:
    """Write a tree with other values; None leaves a key out."""
    documents.write(path, TREE)
    held = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({k: v for k, v in held.items() if v is not None}))


@pytest.mark.parametrize("schema", [2, 4, "3", None, [3]])
def test_another_schema_is_refused(tmp_path: Path, schema: Any) -> None:
    path = tmp_path / "tree.json"
    changed(path, schema=schema)
    with pytest.raises(InputError, match=r"tree\.json.*schema 3.*shakeslide grow") as told:
        documents.read(path, Tree)
    assert ("schema 2" in str(told.value)) == (schema == 2)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"counts": None}, "counts"),
        ({"leaves": [{"name": "a", "value": "1.5"}]}, "leaves.0.value"),
        ({"leaves": [{"name": 1, "value": 1.5}]}, "leaves.0.name"),
        ({"counts": {"a": 1.5}}, "counts.a"),
        ({"leaves": 7}, "leaves"),
    ],
)
def test_a_damaged_value_is_named(tmp_path: Path, changes: dict[str, Any], where: str) -> None:
    path = tmp_path / "tree.json"
    changed(path, **changes)
    with pytest.raises(InputError, match=rf"tree\.json: .*{re.escape(where)}.*shakeslide grow"):
        documents.read(path, Tree)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"7", b"\xff\xfe\x00", b"[" * 100_000, b'{"schema": 3}']
)
def test_a_damaged_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "tree.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"tree\.json: .*shakeslide grow"):
        documents.read(path, Tree)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tree\.json.*shakeslide grow"):
        documents.read(tmp_path / "tree.json", Tree)


def test_a_run_without_importance_has_none(tmp_path: Path) -> None:
    assert importance_document.load(tmp_path) is None


@pytest.mark.parametrize("kind", [Scores, Record, Summary])
def test_every_measure_has_its_field(kind: type) -> None:
    names = [f.name for f in fields(kind)]
    first = names.index(MEASURES[0])
    assert names[first : first + len(MEASURES)] == list(MEASURES)


def test_an_evaluation_is_looked_up_by_protocol_and_model(tmp_path: Path) -> None:
    evaluation_document.save(tmp_path, evaluation(2))
    told = evaluation_document.load(tmp_path)
    assert told.models == ["lr", "rf", "sae"]
    assert told.protocols == ["pixel", "block"]
    row = told.of("block", "rf")
    assert (row.protocol, row.model) == ("block", "rf")
    assert row.of("oa") is row.oa
    assert told.best("block", "roc_auc").model == "rf"
    assert set(told.in_area("block")) == set(told.models)
    assert told.in_area("event") == {}
    assert {pair.protocol for pair in told.pairs_of("pixel")} == {"pixel"}
    assert told.captured_by("event", "rf") == {}
    assert list(told.captured_by("block", "rf")) == ["0.05", "0.1"]
    assert {r.protocol for r in told.records_of("block")} == {"block"}
