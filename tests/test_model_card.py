"""The model card: what the model finds, and what it was trained on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shakeslide import checks, pipeline
from shakeslide.learning import bundle


def test_the_card_of_a_run_says_what_was_learnt(finished: pipeline.Run) -> None:
    text = (finished.out / "models" / "rf" / "card.md").read_text(encoding="utf-8")
    assert "Probability that a cell is landslide, by shakeslide" in text
    assert "- Positives: whole outlines" in text
    assert "source" not in text


@pytest.mark.parametrize(
    ("positives", "wanted"),
    [
        ("sources", "a landslide source, by|source areas as mapped"),
        ("extracted", "a landslide source, by|extracted from mapped outlines"),
        ("points", "is landslide, by|the cells of mapped points"),
        (None, "a landslide source, by|Training rows"),
    ],
)
def test_each_way_of_learning_has_its_words(
    finished: pipeline.Run, positives: str | None, wanted: str
) -> None:
    model = bundle.load(finished.out / "models" / "rf")
    text = bundle.card(replace(model, about={**model.about, "positives": positives}))
    assert all(part in text for part in wanted.split("|"))
    assert ("Positives" in text) == (positives is not None)


def test_no_way_of_learning_is_without_words() -> None:
    assert set(bundle.FINDS) == set(checks.POSITIVES)


def test_a_name_is_text_whatever_is_in_it(finished: pipeline.Run) -> None:
    model = bundle.load(finished.out / "models" / "rf")
    name = "<script>a</script> [b](c)\n# d | `e`"
    text = bundle.card(replace(model, about={**model.about, "study": name}))
    (line,) = [line for line in text.splitlines() if line.startswith("- Study: ")]
    assert line == r"- Study: \<script\>a\</script\> \[b\](c) # d \| \`e\`"
