"""What a positive cell is, from the table [inventory] and the geometry of its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shakeslide.layers.positives import WORDS, Positive, positive_of
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Inventory

MAPPED = Layer(path=Path("s.gpkg"))


@pytest.mark.parametrize(
    ("asked", "kind", "wanted"),
    [
        ({}, "polygon", Positive.OUTLINES),
        ({"sources": MAPPED}, "polygon", Positive.SOURCES),
        ({"sources": MAPPED}, "point", Positive.SOURCES),
        ({"source_where": "part = 1"}, "polygon", Positive.SOURCES),
        ({"positives_from": "extracted"}, "polygon", Positive.EXTRACTED),
        ({"positives_from": "extracted", "sources": MAPPED}, "polygon", Positive.EXTRACTED),
        ({}, "point", Positive.POINTS),
    ],
)
def test_it_follows_from_settings_and_geometry(
    asked: dict[str, Any], kind: str, wanted: Positive
) -> None:
    assert positive_of(Inventory(path=Path("l.gpkg"), **asked), kind) is wanted


def test_each_has_words_of_its_own() -> None:
    assert set(WORDS) == set(Positive)
    for words in ("what", "definition", "limits"):
        assert len({getattr(p, words) for p in Positive}) == len(Positive)
    assert {p for p in Positive if "source" in p.cell} == {Positive.SOURCES, Positive.EXTRACTED}
