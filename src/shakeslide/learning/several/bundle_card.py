"""The card of a bundle for new earthquakes: what it was learnt from, and how well it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shakeslide.factors.stack import FactorInfo
from shakeslide.hazard.strong_shaking import STRONG
from shakeslide.learning.bundle import literal
from shakeslide.learning.several.event_bundle import Contents
from shakeslide.learning.several.held_out import Score
from shakeslide.learning.several.joined_ground import STEEP


def card(contents: Contents, factors: Sequence[FactorInfo]) -> str:
    """Return the card as Markdown."""
    return "\n".join(_lines(contents, factors)) + "\n"


def _lines(contents: Contents, factors: Sequence[FactorInfo]) -> Iterator[str]:
    names = [literal(e.name) for e in contents.events]
    used = ", ".join(f"{m.name} {100 * m.share:.0f} %" for m in contents.members)
    yield "# Models of past earthquakes for a new one"
    yield ""
    yield f"Probability that a cell is a landslide source, by shakeslide {contents.shakeslide}."
    yield ""
    yield f"- Learnt from {len(names)} earthquakes: {', '.join(names)}."
    if pointed := [literal(e.name) for e in contents.events if e.level is None]:
        yield (
            f"- Landslides of {', '.join(pointed)} are points: they show which ground fails, but "
            "not its area, so the total is learnt from the other earthquakes."
        )
    yield f"- Cells of {contents.resolution:.4g} m; shaking is {contents.shaking}."
    yield f"- Blend: {used}."
    yield (
        f"- The total of a new earthquake is uncertain by a factor of "
        f"{2.718281828**contents.event_sd:.1f} (one standard deviation of the event term)."
    )
    yield ""
    yield "| code | factor | unit | kind |"
    yield "| --- | --- | --- | --- |"
    for f in factors:
        yield f"| {f.code} | {literal(f.name)} | {literal(f.unit)} | {f.kind} |"
    if contents.left_out:
        yield ""
        yield "Left out:"
        yield ""
        for code, why in contents.left_out.items():
            yield f"- {code}: {literal(why)}."
    for framed, words in (
        (
            True,
            f"ground of {STEEP:g}° and more with a PGA of {STRONG['PGA']:g} g and more (where PGA "
            f"is not known, a PGV of {STRONG['PGV']:g} cm/s and more)",
        ),
        (False, "all ground"),
    ):
        yield ""
        yield f"## Each earthquake held out: {words}"
        yield ""
        yield (
            "| earthquake | model | AUC | PR-AUC | sources in the worst 5, 10, 20 % | "
            "ln(expected / mapped area) |"
        )
        yield "| --- | --- | --- | --- | --- | --- |"
        for s in contents.scores:
            if s.framed == framed:
                yield _row(s)


def _row(s: Score) -> str:
    worst = ", ".join(
        "–" if v is None else f"{100 * v:.0f}" for v in (s.worst5, s.worst10, s.worst20)
    )
    cells = [literal(s.event), s.model, _number(s.auc), _number(s.pr_auc), f"{worst} %"]
    return f"| {' | '.join([*cells, _number(s.ln_ratio, '+.2f')])} |"


def _number(value: float | None, form: str = ".3f") -> str:
    return "–" if value is None else format(value, form)
