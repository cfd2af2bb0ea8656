"""The model card: what the model finds, and what it was trained on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from shakeslide import pipeline
from shakeslide.layers.positives import Positive
from shakeslide.learning import bundle
from shakeslide.sampling import sample_table


def test_the_card_of_a_run_says_what_was_learnt(finished: pipeline.Run) -> None:
    text = (finished.out / "models" / "rf" / "card.md").read_text(encoding="utf-8")
    assert f"a cell is a {Positive.OUTLINES.plain_cell}, by shakeslide" in text
    assert f"- Positives: {Positive.OUTLINES.what}" in text
    assert "source" not in text
    manifest = json.loads((finished.out / "models" / "rf" / "manifest.json").read_text("utf-8"))
    assert manifest["about"]["positives"] == "outlines"
    assert sample_table.load(finished.out / "samples.parquet").positives is Positive.OUTLINES


@pytest.mark.parametrize("positives", Positive)
def test_each_kind_of_positive_has_its_words(finished: pipeline.Run, positives: Positive) -> None:
    model = bundle.load(finished.out / "models" / "rf")
    text = bundle.card(replace(model, about=replace(model.about, positives=positives)))
    assert f"a cell is a {positives.plain_cell}, by" in text
    assert f"- Positives: {positives.what}." in text


def test_a_card_without_known_positives_names_none(finished: pipeline.Run) -> None:
    model = bundle.load(finished.out / "models" / "rf")
    text = bundle.card(replace(model, about=replace(model.about, positives=None)))
    assert "Positives" not in text


def test_a_name_is_text_whatever_is_in_it(finished: pipeline.Run) -> None:
    model = bundle.load(finished.out / "models" / "rf")
    name = "<script>a</script> [b](c)\n# d | `e`"
    text = bundle.card(replace(model, about=replace(model.about, study=name)))
    (line,) = [line for line in text.splitlines() if line.startswith("- Study: ")]
    escaped = r"\<script\>a\</script\> \[b\](c) # d \| \`e\`"
    assert line.removeprefix("- Study: ") == escaped
