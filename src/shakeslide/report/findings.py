"""What follows from the scores: optimism, false alarms, differences, the known truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shakeslide.learning.judgement import Scores
from shakeslide.report import words
from shakeslide.report.artefacts import Artefacts, MapFiles
from shakeslide.results.evaluation_document import STRICTNESS, Offset, Pair, Summary

REFERENCE = "pixel"
"""The protocol whose scores the others show to be optimistic."""

Offsets = Mapping[tuple[str, str], Offset]
"""Offsets by protocol and model."""


def strictest(run: Artefacts, among: Sequence[str] | None = None) -> str:
    """Return the strictest protocol of the evaluation, or of some of its protocols."""
    return max(among or run.protocols, key=lambda p: STRICTNESS.index(p) if p in STRICTNESS else -1)


def ranked(run: Artefacts) -> list[MapFiles]:
    """Return the mapped models, those first that rank best where it is hardest."""
    auc = {row.model: row.auc for row in run.evaluation.of_protocol(strictest(run))}
    return sorted(run.maps, key=lambda files: -auc[files.model])


def _known(run: Artefacts, offsets: Offsets) -> list[str]:
    """Return the protocols of some offsets, in the order of the evaluation."""
    return [p for p in run.protocols if any(p == protocol for protocol, _ in offsets)]


# ------------------------------------------------------------------ optimism


@dataclass(frozen=True)
class Optimism:
    """By how many percentage points random splits overestimate the scores.

    Attributes
    ----------
    protocol : str
        The strictest one.
    protocols : sequence of str
        Those that `pixel` is compared with.
    offsets : mapping of (str, str) to Offset
        Points of accuracy and of AUC by protocol and model.
    """

    protocol: str
    protocols: Sequence[str]
    offsets: Offsets

    def optimistic(self, model: str) -> bool | None:
        """Whether random splits overestimate a model's accuracy; None where that is not known."""
        points = self.offsets[self.protocol, model].oa
        # A sentence must agree with the rounded number that it prints.
        return None if points is None else words.signed(points, 1).startswith("+")


def optimism(run: Artefacts) -> Optimism | None:
    """Return by how much random splits overestimate each model, None where that is not known."""
    offsets = {(offset.protocol, offset.model): offset for offset in run.evaluation.optimism}
    protocols = _known(run, offsets)
    return Optimism(strictest(run, protocols), protocols, offsets) if protocols else None


# ------------------------------------------------------------------ the area's balance


def alarms(run: Artefacts, model: str) -> tuple[Summary, Summary] | None:
    """Return a model's scores at the share of positives in the area, and in the samples.

    They are those of the strictest protocol; None where the precision in the area is not known.
    """
    protocol = strictest(run)
    area = run.evaluation.in_area(protocol).get(model)
    if area is None or area.precision.mean is None:
        return None
    return area, run.evaluation.of(protocol, model)


# ------------------------------------------------------------------ differences between models


@dataclass(frozen=True)
class Lead:
    """Whether a model is significantly better than the others.

    Attributes
    ----------
    judged : bool
        Whether there are enough splits to tell.
    level : sequence of str
        Models that it is not significantly better than, best first.
    others : int
        All other models.
    """

    judged: bool
    level: Sequence[str]
    others: int


def lead(run: Artefacts, protocol: str, model: str, measure: str = "roc_auc") -> Lead:
    """Return whether a model is significantly better than the others under a protocol.

    Parameters
    ----------
    run : Artefacts
        The run.
    protocol, model : str
        Whose paired differences are looked at.
    measure : {"roc_auc", "oa", "brier"}
        In which measure.
    """
    pairs = run.evaluation.pairs_of(protocol)
    told = {p.opponent(model): p.of(measure) for p in pairs if model in (p.model, p.other)}
    others = len(run.models) - 1
    # Without intervals nothing is known, which is not the same as a tie.
    if others and not any(difference.known for difference in told.values()):
        return Lead(False, [], others)
    means = {row.model: row.of(measure).mean or 0.0 for row in run.evaluation.of_protocol(protocol)}
    level = [name for name, difference in told.items() if not difference.resolved]
    return Lead(True, sorted(level, key=lambda name: -means.get(name, 0.0)), others)


@dataclass(frozen=True)
class Differences:
    """Differences between all pairs of models under one protocol.

    Attributes
    ----------
    protocol : str
        The protocol.
    pairs : sequence of Pair
        First minus second.
    judged : int
        Pairs whose AUC has an interval.
    above : sequence of (better, worse, points)
        Pairs whose AUC differs significantly, and by how many percentage points.
    level : sequence of (model, model)
        Judged pairs whose AUC does not differ significantly.
    """

    protocol: str
    pairs: Sequence[Pair]
    judged: int
    above: Sequence[tuple[str, str, float]]
    level: Sequence[tuple[str, str]]


def differences(run: Artefacts) -> list[Differences]:
    """Return the differences between models, protocol by protocol."""
    found = ((p, run.evaluation.pairs_of(p)) for p in run.protocols)
    return [_differences(protocol, pairs) for protocol, pairs in found if pairs]


def _differences(protocol: str, pairs: Sequence[Pair]) -> Differences:
    known = [pair for pair in pairs if pair.roc_auc.known]
    above = [_order(pair) for pair in known if pair.roc_auc.resolved]
    level = [(pair.model, pair.other) for pair in known if not pair.roc_auc.resolved]
    return Differences(protocol, pairs, len(known), above, level)


def _order(pair: Pair) -> tuple[str, str, float]:
    points = 100 * (pair.roc_auc.mean or 0.0)
    names = (pair.model, pair.other) if points > 0 else (pair.other, pair.model)
    return (*names, abs(points))


# ------------------------------------------------------------------ the known truth


@dataclass(frozen=True)
class Truth:
    """How far the models stay below the probabilities that the failures were drawn from.

    Attributes
    ----------
    scores : Scores
        Of the known probabilities.
    gaps : mapping of (str, str) to Offset
        The truth less the model by protocol and model, as shares.
    protocols : sequence of str
        Those for which the gaps are known: of this study's own cells, not other earthquakes'.
    """

    scores: Scores
    gaps: Offsets
    protocols: Sequence[str]


def truth(run: Artefacts) -> Truth | None:
    """Return the gaps to the known truth, None where the study has none."""
    told = run.evaluation.truth
    if told is None:
        return None
    gaps = {(gap.protocol, gap.model): gap for gap in told.gaps}
    return Truth(told.scores, gaps, _known(run, gaps))
