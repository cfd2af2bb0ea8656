"""What the scores come to: flattery of random cells, the area's balance, differences, the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shakeslide.report import words
from shakeslide.report.artefacts import Artefacts, MapFiles
from shakeslide.report.score_tables import SIDE_BY_SIDE, Cell, fits, interval
from shakeslide.results.evaluation_document import Offset, Pair, Spread

AREA_MEASURES = ("oa", "precision", "f1", "mcc", "pr_auc")
"""Measures that the share of sources changes; recall and ROC-AUC it leaves as they are."""
DIFFERED = ("oa", "roc_auc", "brier")
"""Measures in which models are compared in pairs."""
MOST_NAMED = 4
"""Models that are named where one is not told apart from them; more are counted."""
LEVEL = 0.95
"""Of the intervals of differences."""
REFERENCE = "pixel"

CALIBRATIONS: Mapping[str, str] = {
    "none": (
        "The probabilities are as the models gave them: nothing was done to bring them onto the "
        "line."
    ),
    "platt": (
        "The probabilities were calibrated by Platt's way: a logistic curve, fitted on cells held "
        "back from the training, stretches and shifts their log-odds. It keeps the ranking of "
        "the cells."
    ),
    "isotonic": (
        "The probabilities were calibrated by isotonic regression: a rising staircase, fitted on "
        "cells held back from the training, gives each level of probability the share of "
        "positives found at it. Cells on one step of it can no longer be ranked among themselves."
    ),
}


def strictest(run: Artefacts, among: Sequence[str] | None = None) -> str:
    """Return the protocol of the evaluation, or of some of its protocols, that flatters least."""
    # In the order of `words.PROTOCOLS`, from the kindest on.
    order = list(words.PROTOCOLS)
    return max(among or run.protocols, key=lambda p: order.index(p) if p in order else -1)


def ranked(run: Artefacts) -> list[MapFiles]:
    """Return the mapped models, those first that rank best where it is hardest."""
    auc = {row.model: row.auc for row in run.evaluation.of_protocol(strictest(run))}
    return sorted(run.maps, key=lambda files: -auc[files.model])


def calibration(run: Artefacts) -> str:
    """Return what was done to the probabilities."""
    return CALIBRATIONS[run.evaluation.calibration]


# ------------------------------------------------------------------ optimism


@dataclass(frozen=True)
class Optimism:
    """What random cells add to the scores, in points.

    Attributes
    ----------
    sentences : sequence of str
        One per model, against the strictest protocol.
    protocols : sequence of str
        Those that `pixel` is compared with.
    rows : sequence of (model, cells)
        Points of accuracy and of AUC, protocol by protocol.
    """

    sentences: Sequence[str]
    protocols: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]


def optimism(run: Artefacts) -> Optimism | None:
    """Return by how much random cells flatter each model, None where that is not known."""
    told = {(r.protocol, r.model): r for r in run.evaluation.optimism}
    protocols = [p for p in run.protocols if any(p == key[0] for key in told)]
    if not protocols:
        return None
    rows = [
        (m, [words.signed(told[p, m].of(k), 1) for p in protocols for k in SIDE_BY_SIDE])
        for m in run.models
    ]
    hardest = strictest(run)
    sentences = [_flattery(run, m, told[hardest, m]) for m in run.models if (hardest, m) in told]
    return Optimism(sentences, protocols, rows)


def _flattery(run: Artefacts, model: str, above: Offset) -> str:
    """Return in a sentence how much of a model's accuracy on random cells is lost elsewhere."""
    protocol, auc = above.protocol, words.signed(above.roc_auc, 1)
    seen, unseen = (_accuracy(run, p, model) for p in (REFERENCE, protocol))
    name, points = words.model_title(model), above.oa
    text = f"{name}: on cells of landslides it has partly seen it is right for {seen}; "
    text += f"{_ground(run, protocol)} for {unseen}: "
    if points is None:
        return text + "the difference is not known."
    # What is printed must be what the sentence says.
    if float(f"{points:.1f}") > 0:
        text += (
            f"{points:.1f} points of the first figure are memory of the neighbourhood"
            f" ({auc} points of AUC)."
        )
    else:
        text += (
            "nothing of the first figure is memory of the neighbourhood"
            f" ({words.signed(points, 1)} points; {auc} of AUC)."
        )
    return text


def _ground(run: Artefacts, protocol: str) -> str:
    if protocol == "block":
        size = run.evaluation.block_size
        return f"on blocks {'of ' + words.length(size) + ' ' if size else ''}held out whole"
    if protocol == "event":
        return "on earthquakes it has not seen at all"
    return "on landslides it has not seen at all" if protocol == "landslide" else "held out"


def _accuracy(run: Artefacts, protocol: str, model: str) -> str:
    return words.score("oa", run.evaluation.of(protocol, model).oa.mean, digits=1)


# ------------------------------------------------------------------ the area's balance


@dataclass(frozen=True)
class AreaTable:
    """Scores at the balance of the samples and at the area's, under one protocol.

    Attributes
    ----------
    protocol : str
        Its name.
    sample, area : float
        Share of sources at which each of the two scores is.
    measures : sequence of str
        Heads of columns.
    rows : sequence of (model, pairs)
        A score at the balance of the samples, and the one at the area's with its interval.
    """

    protocol: str
    sample: float
    area: float
    measures: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[str, Cell]]]]


def area_tables(run: Artefacts) -> list[AreaTable]:
    """Return the scores at the area's share of sources beside the balanced ones."""
    tables = []
    for protocol in run.protocols:
        area = run.evaluation.in_area(protocol)
        rows = [r for r in run.evaluation.of_protocol(protocol) if r.model in area]
        if not rows:
            continue
        cells = [
            (
                r.model,
                [
                    (_printed(r.of(m), m)[0], _printed(area[r.model].of(m), m))
                    for m in AREA_MEASURES
                ],
            )
            for r in rows
        ]
        first = area[rows[0].model]
        tables.append(
            AreaTable(
                protocol,
                rows[0].prevalence,
                first.prevalence,
                [words.heading(m) for m in AREA_MEASURES],
                cells,
            )
        )
    return tables


def _printed(spread: Spread, measure: str) -> Cell:
    """Return a score and its 95 % interval; small ones with the digits that they need."""
    small = measure == "precision" and spread.mean is not None and spread.mean < 0.1
    return interval(spread, measure, digits=2 if small else 1)


def alarms(run: Artefacts) -> str:
    """Return in a sentence how many of the cells called landslides are, in the area."""
    protocol = strictest(run)
    rows = run.evaluation.in_area(protocol)
    known = {name: mean for name, r in rows.items() if (mean := r.precision.mean) is not None}
    if not known:
        return ""
    best = run.evaluation.best(protocol, "roc_auc").model
    row = rows[best if best in known else next(iter(known))]
    # The same model, so that the two shares differ by the balance alone.
    balanced = run.evaluation.of(protocol, row.model)
    hundred = 100 * known[row.model]
    text = (
        f"In the area, where {words.share(row.prevalence)} of the usable cells are "
        f"{run.positives.cells}, {hundred:.{0 if hundred >= 10 else 1}f} of 100 cells that "
        f"{words.model_title(row.model).lower()} calls landslide are {run.positives.cells}"
    )
    if balanced.precision.mean is None:
        return text + "."
    many = f"{100 * balanced.precision.mean:.0f}"
    share = words.share(balanced.prevalence)
    return text + f"; in the samples, where {share} of the cells are, it is {many}."


# ------------------------------------------------------------------ differences between models


@dataclass(frozen=True)
class Difference:
    """How far a model lies above another in one measure.

    Attributes
    ----------
    value, interval, p : str
        As printed: points for accuracy and AUC.
    resolved : bool
        The interval leaves zero out.
    """

    value: str
    interval: str
    p: str
    resolved: bool


@dataclass(frozen=True)
class Differences:
    """Differences between all pairs of models under one protocol."""

    protocol: str
    splits: str
    sentences: Sequence[str]
    measures: Sequence[str]
    rows: Sequence[tuple[str, str, Sequence[Difference]]]


def differences(run: Artefacts) -> list[Differences]:
    """Return the differences between models, protocol by protocol."""
    tables = []
    for protocol in run.protocols:
        pairs = run.evaluation.pairs_of(protocol)
        if not pairs:
            continue
        rows = [(r.model, r.other, [_printed_difference(r, m) for m in DIFFERED]) for r in pairs]
        heads = ["Accuracy (points)", "AUC (points)", words.MEASURES["brier"]]
        tables.append(Differences(protocol, fits(run, protocol), _verdict(pairs), heads, rows))
    return tables


def _printed_difference(pair: Pair, measure: str) -> Difference:
    told = pair.of(measure)
    scale, digits = (1.0, 4) if measure == "brier" else (100.0, 1)
    value, low, high = (
        "–" if number is None else words.signed(scale * number, digits)
        for number in (told.mean, told.low, told.high)
    )
    interval = "" if "–" in (low, high) else f"{low} to {high}"
    return Difference(value, interval, _p_value(told.p_value), told.resolved)


def unresolved(
    run: Artefacts, protocol: str, model: str, measure: str = "roc_auc"
) -> list[str] | None:
    """Return the models that one is not told apart from, best first.

    Parameters
    ----------
    protocol, model : str
        Whose paired differences are looked at.
    measure : {"roc_auc", "oa", "brier"}
        In which measure.

    Returns
    -------
    list of str or None
        None where there are others but no interval, as from fewer than five splits.
    """
    others = {
        pair.opponent(model): pair.of(measure)
        for pair in run.evaluation.pairs_of(protocol)
        if model in (pair.model, pair.other)
    }
    # Without intervals nothing is known, which is not the same as a tie.
    if len(run.models) > 1 and not any(told.known for told in others.values()):
        return None
    rows = run.evaluation.of_protocol(protocol)
    means = {row.model: row.of(measure).mean or 0.0 for row in rows}
    level = [m for m, told in others.items() if not told.resolved]
    return sorted(level, key=lambda m: -means.get(m, 0.0))


def level_with(run: Artefacts, protocol: str, model: str, measure: str = "roc_auc") -> str:
    """Return from which models one is not told apart: "not resolved from SAE, LR"; "" if from all.

    Parameters as for `unresolved`.
    """
    level = unresolved(run, protocol, model, measure)
    if level is None:
        known = run.evaluation.pairs_of(protocol)
        return "not judged against the others: too few splits" if known else ""
    if len(level) > MOST_NAMED:
        return f"not resolved from {len(level)} of {len(run.models) - 1} others"
    return f"not resolved from {', '.join(m.upper() for m in level)}" if level else ""


def _p_value(value: float | None) -> str:
    if value is None:
        return ""
    return "p < 0.001" if value < 0.001 else f"p = {value:.{2 if value >= 0.1 else 3}f}"


def _verdict(pairs: Sequence[Pair]) -> list[str]:
    """Return which models can be told apart by their AUC."""
    known = [pair for pair in pairs if pair.roc_auc.known]
    if not known:
        return ["From so few splits no difference can be judged: five are needed at least."]
    above, level = [], []
    for pair in known:
        names, lead = (pair.model.upper(), pair.other.upper()), pair.roc_auc.mean or 0.0
        if pair.roc_auc.resolved:
            better, worse = names if lead > 0 else names[::-1]
            above.append(f"{better} above {worse} by {abs(100 * lead):.1f}")
        else:
            level.append(" and ".join(names))
    if not above:
        return [
            f"In AUC none of {len(known)} differences is resolved: on these data the models cannot "
            "be told apart."
        ]
    text = [
        f"In AUC {len(above)} of {len(known)} differences are resolved: "
        f"{words.joined(above)} points."
    ]
    if level:
        text.append(f"Not to be told apart on these data: {words.joined(level, '; ')}.")
    return text


def by_chance(run: Artefacts) -> str:
    """Return a warning of how many differences chance alone would let stand out."""
    count = max((len(d.rows) for d in differences(run)), default=0)
    # Of equal models, an interval leaves 0 out as often as its level allows.
    expected = (1 - LEVEL) * count
    return (
        f"Each interval is judged by itself: among {count} pairs of equal models, chance would "
        f"show {expected:.1g} as resolved."
    )


# ------------------------------------------------------------------ the known truth


@dataclass(frozen=True)
class Truth:
    """How far the models stay below the probabilities that the failures were drawn from."""

    sentence: str
    scores: Sequence[str]
    protocols: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]


def truth(run: Artefacts) -> Truth | None:
    """Return the gaps to the known truth, None where the study has none."""
    told = run.evaluation.truth
    if told is None:
        return None
    gaps = {(gap.protocol, gap.model): gap for gap in told.gaps}
    protocols = [p for p in run.protocols if any(p == key[0] for key in gaps)]
    rows = []
    for model in run.models:
        cells = [
            # A gap is truth less model; printed is the model less the truth.
            "–" if (gap := gaps[p, model].of(m)) is None else words.signed(-100 * gap, 1)
            for p in protocols
            for m in SIDE_BY_SIDE
        ]
        rows.append((model, cells))
    best = [words.score(m, told.scores.of(m), digits=1) for m in SIDE_BY_SIDE]
    sentence = (
        f"Here the probability that each cell fails is known, for the failures were drawn from it. "
        f"Whoever knew it would be right for {best[0]} of the cells, with an AUC of {best[1]}: no "
        "model can do better but by luck."
    )
    if not protocols:
        return Truth(sentence, best, protocols, rows)
    # It is known of this study's own cells, not of other earthquakes'.
    hardest = strictest(run, protocols)
    top = run.evaluation.best(hardest, "roc_auc").model
    gap = gaps[hardest, top].roc_auc
    if gap is not None:
        name = words.model_title(top)
        low = f"{100 * abs(gap):.1f} points of AUC {'below' if gap >= 0 else 'above'}"
        place = words.PROTOCOLS.get(hardest, hardest)
        sentence += f" {name} stays {low} that ceiling ({place})."
    return Truth(sentence, best, protocols, rows)
