"""What follows from the scores: optimism, the area's balance, differences, the known truth."""

from __future__ import annotations

from collections.abc import Sequence
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
"""Models that are named where none differs significantly; more are counted."""
LEVEL = 0.95
"""Of the intervals of differences."""
REFERENCE = "pixel"


def strictest(run: Artefacts, among: Sequence[str] | None = None) -> str:
    """Return the strictest protocol of the evaluation, or of some of its protocols."""
    # In the order of `words.PROTOCOLS`, the strictest last.
    order = list(words.PROTOCOLS)
    return max(among or run.protocols, key=lambda p: order.index(p) if p in order else -1)


def ranked(run: Artefacts) -> list[MapFiles]:
    """Return the mapped models, those first that rank best where it is hardest."""
    auc = {row.model: row.auc for row in run.evaluation.of_protocol(strictest(run))}
    return sorted(run.maps, key=lambda files: -auc[files.model])


def calibration(run: Artefacts) -> str:
    """Return how the probabilities were calibrated."""
    return run.evaluation.calibration


# ------------------------------------------------------------------ optimism


@dataclass(frozen=True)
class Overestimate:
    """By how much random splits overestimate one model.

    Attributes
    ----------
    model, protocol : str
        The model, and the strictest protocol, with which `pixel` is compared.
    random, held_out : str
        Accuracy under `pixel` and under that protocol, as printed.
    points, auc : str
        Difference in percentage points of accuracy and of AUC, as printed with its sign.
    optimistic : bool or None
        Whether random splits overestimate the accuracy; None where that is not known.
    """

    model: str
    protocol: str
    random: str
    held_out: str
    points: str
    auc: str
    optimistic: bool | None


@dataclass(frozen=True)
class Optimism:
    """By how many percentage points random splits overestimate the scores.

    Attributes
    ----------
    models : sequence of Overestimate
        Each model against the strictest protocol.
    protocols : sequence of str
        Those that `pixel` is compared with.
    rows : sequence of (model, cells)
        Points of accuracy and of AUC, protocol by protocol.
    """

    models: Sequence[Overestimate]
    protocols: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]


def optimism(run: Artefacts) -> Optimism | None:
    """Return by how much random splits overestimate each model, None where that is not known."""
    told = {(r.protocol, r.model): r for r in run.evaluation.optimism}
    protocols = [p for p in run.protocols if any(p == key[0] for key in told)]
    if not protocols:
        return None
    rows = [
        (m, [words.signed(told[p, m].of(k), 1) for p in protocols for k in SIDE_BY_SIDE])
        for m in run.models
    ]
    hardest = strictest(run)
    models = [_overestimate(run, m, told[hardest, m]) for m in run.models if (hardest, m) in told]
    return Optimism(models, protocols, rows)


def _overestimate(run: Artefacts, model: str, above: Offset) -> Overestimate:
    random, held_out = (_accuracy(run, p, model) for p in (REFERENCE, above.protocol))
    points, auc = (words.signed(above.of(k), 1) for k in SIDE_BY_SIDE)
    # The sentence must agree with the rounded number that it prints.
    optimistic = None if above.oa is None else points.startswith("+")
    return Overestimate(model, above.protocol, random, held_out, points, auc, optimistic)


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


@dataclass(frozen=True)
class Alarms:
    """How many of 100 cells that the best model classifies as landslide are positives.

    Attributes
    ----------
    model : str
        The model.
    area, sample : str
        Of 100 cells, at the area's share of positives and at that of the samples, as printed;
        `sample` is "" where it is not known.
    area_share, sample_share : float
        Those shares.
    """

    model: str
    area: str
    sample: str
    area_share: float
    sample_share: float


def alarms(run: Artefacts) -> Alarms | None:
    """Return the best model's precision at the area's share of positives, None if not known."""
    protocol = strictest(run)
    rows = run.evaluation.in_area(protocol)
    known = {name: mean for name, r in rows.items() if (mean := r.precision.mean) is not None}
    if not known:
        return None
    best = run.evaluation.best(protocol, "roc_auc").model
    row = rows[best if best in known else next(iter(known))]
    # The same model, so that the two shares differ by the balance alone.
    balanced = run.evaluation.of(protocol, row.model)
    hundred, mean = 100 * known[row.model], balanced.precision.mean
    return Alarms(
        row.model,
        f"{hundred:.{0 if hundred >= 10 else 1}f}",
        "" if mean is None else f"{100 * mean:.0f}",
        row.prevalence,
        balanced.prevalence,
    )


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
    """Differences between all pairs of models under one protocol.

    Attributes
    ----------
    protocol, splits : str
        The protocol, and how often each model was fitted: "3 repeats".
    judged : int
        Pairs whose AUC has an interval.
    above : sequence of (better, worse, points)
        Pairs whose AUC differs significantly, and by how many percentage points.
    level : sequence of (model, model)
        Judged pairs whose AUC does not differ significantly.
    measures : sequence of str
        Heads of columns.
    rows : sequence of (model, model, cells)
        First minus second, measure by measure.
    """

    protocol: str
    splits: str
    judged: int
    above: Sequence[tuple[str, str, float]]
    level: Sequence[tuple[str, str]]
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
        judged, above, level = _verdict(pairs)
        splits = fits(run, protocol)
        tables.append(Differences(protocol, splits, judged, above, level, heads, rows))
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
    """Return the models that do not differ significantly from one, best first.

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
    """Return than which models one is "not significantly better"; "" if it is better than all.

    Parameters as for `unresolved`.
    """
    level = unresolved(run, protocol, model, measure)
    if level is None:
        known = run.evaluation.pairs_of(protocol)
        return "too few splits to compare models" if known else ""
    if len(level) > MOST_NAMED:
        return f"not significantly better than {len(level)} of {len(run.models) - 1} others"
    names = ", ".join(m.upper() for m in level)
    return f"not significantly better than {names}" if level else ""


def _p_value(value: float | None) -> str:
    if value is None:
        return ""
    return "p < 0.001" if value < 0.001 else f"p = {value:.{2 if value >= 0.1 else 3}f}"


def _verdict(
    pairs: Sequence[Pair],
) -> tuple[int, list[tuple[str, str, float]], list[tuple[str, str]]]:
    """Return the number of judged pairs, those whose AUC differs significantly, and the others."""
    known = [pair for pair in pairs if pair.roc_auc.known]
    above, level = [], []
    for pair in known:
        names, lead = (pair.model, pair.other), pair.roc_auc.mean or 0.0
        if pair.roc_auc.resolved:
            better, worse = names if lead > 0 else names[::-1]
            above.append((better, worse, abs(100 * lead)))
        else:
            level.append(names)
    return len(known), above, level


@dataclass(frozen=True)
class ByChance:
    """How many of the pairs of equally good models would appear significant by chance."""

    pairs: int
    expected: float


def by_chance(run: Artefacts) -> ByChance:
    """Return how many differences would appear significant by chance, as no test is corrected."""
    count = max((len(d.rows) for d in differences(run)), default=0)
    # Of equal models, an interval excludes 0 as often as its level allows.
    return ByChance(count, (1 - LEVEL) * count)


# ------------------------------------------------------------------ the known truth


@dataclass(frozen=True)
class Truth:
    """How far the models stay below the probabilities that the failures were drawn from.

    Attributes
    ----------
    scores : sequence of str
        Accuracy and AUC of the known probabilities, as printed.
    protocols : sequence of str
        Those for which the gaps are known.
    rows : sequence of (model, cells)
        Points above (+) or below (−) the known probabilities, protocol by protocol.
    model, protocol : str
        The best model under the strictest of these protocols; "" where no gap is known.
    gap : float
        Its points of AUC below the known probabilities.
    """

    scores: Sequence[str]
    protocols: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    model: str = ""
    protocol: str = ""
    gap: float = 0.0


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
    scores = [words.score(m, told.scores.of(m), digits=1) for m in SIDE_BY_SIDE]
    if not protocols:
        return Truth(scores, protocols, rows)
    # It is known of this study's own cells, not of other earthquakes'.
    hardest = strictest(run, protocols)
    best = run.evaluation.best(hardest, "roc_auc").model
    gap = gaps[hardest, best].roc_auc
    if gap is None:
        return Truth(scores, protocols, rows)
    return Truth(scores, protocols, rows, best, hardest, 100 * gap)
