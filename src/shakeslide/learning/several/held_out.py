"""Earthquakes held out one by one: members fitted without them, and how well these rank them.

Whatever enters a score of an earthquake is fitted on the others alone: members and their encoders,
and, for the blend, its weights, slope and level, which come from earthquakes that are held out in
turn among the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from shakeslide.core.engine import Engine
from shakeslide.core.files import is_shard, save_shard
from shakeslide.core.fingerprints import fingerprint
from shakeslide.core.progress import Advance, silent
from shakeslide.evaluation import curves
from shakeslide.evaluation.ranking import rank
from shakeslide.learning.several import blending, members
from shakeslide.learning.several.blending import Blend, HeldOut
from shakeslide.learning.several.common_factors import SLOPE
from shakeslide.learning.several.joined_ground import Ground

Array = NDArray[np.float64]

PAIRS = 8
"""Earthquakes up to which two are held out at a time, all pairs of them."""
GROUPS = 4
"""Groups in which the others are held out, where there are more."""
WORST = (0.05, 0.1, 0.2)
"""Shares of the ground, most susceptible first, whose sources are counted."""
BLEND = "blend"


@dataclass(frozen=True)
class Score:
    """How a model does on an earthquake that it has not seen.

    Attributes
    ----------
    event, model : str
        The model is a member, "blend", or a rule: "slope", "slope x PGV".
    framed : bool
        On steep ground that was shaken strongly; else on all ground.
    auc, pr_auc : float or None
        Areas under the ROC and the precision-recall curve; None where one class is missing.
    worst5, worst10, worst20 : float or None
        Share of the source cells in the most susceptible 5, 10 and 20 % of the ground.
    ln_ratio : float or None
        ln(expected area / mapped area), None of a rule, and where an area is not known.
    """

    event: str
    model: str
    framed: bool
    auc: float | None
    pr_auc: float | None
    worst5: float | None
    worst10: float | None
    worst20: float | None
    ln_ratio: float | None


@dataclass(frozen=True)
class Fits:
    """Log-odds by members that were fitted on some of the earthquakes.

    Attributes
    ----------
    ground : Ground
        All rows.
    names : tuple of str
        Members.
    seed : int
        Of the bundle.
    folder : Path
        Where finished fits wait, from which work that was stopped goes on.
    advance : callable
        Called with 1 per fit of all members.
    """

    ground: Ground
    names: tuple[str, ...]
    seed: int
    folder: Path
    advance: Advance = silent

    def held_out(self, trained: Sequence[int], event: int) -> HeldOut:
        """Return an earthquake as members predict it that were fitted on some others."""
        return part_of(self.ground, event, self._logits(tuple(sorted(trained)), event))

    def _logits(self, trained: tuple[int, ...], event: int) -> Array:
        path = self._file(trained, event)
        if not is_shard(path):
            self._fit(trained)
        return np.asarray(np.load(path))

    def make(self, engine: Engine) -> None:
        """Make all fits that are needed and do not wait yet, several at a time."""
        needed = trainings(len(self.ground.names))
        todo = [t for t in needed if not all(is_shard(self._file(t, k)) for k in self._asked(t))]
        self.advance(len(needed) - len(todo))
        # Each counts itself.
        engine.map(self._fit, todo, silent)

    def _asked(self, trained: tuple[int, ...]) -> list[int]:
        """Return the earthquakes that models fitted on some are asked for."""
        every = range(len(self.ground.names))
        # Of two earthquakes each is asked for as its own models see it, too: see `inner`.
        return list(every) if len(every) == 2 else [k for k in every if k not in trained]

    def _file(self, trained: tuple[int, ...], event: int) -> Path:
        # The numbers of a hundred earthquakes make too long a name.
        return self.folder / f"{fingerprint(trained)}_{event}.npy"

    def _fit(self, trained: tuple[int, ...]) -> None:
        """Fit all members and keep what they predict of all other earthquakes."""
        rows = members.training_rows(self.ground, trained, self.seed)
        fitted = [members.fit(m, self.ground, trained, self.seed, rows) for m in self.names]
        for k in self._asked(trained):
            raw = self.ground.samples.raw[self.ground.rows_of(k)]
            values = np.stack([members.logits(m, raw) for m in fitted])
            save_shard(values, self._file(trained, k))
        self.advance(1)


def part_of(ground: Ground, event: int, logits: Array) -> HeldOut:
    """Return an earthquake with log-odds of its rows, (members, rows)."""
    rows = ground.rows_of(event)
    return HeldOut(
        logits=logits,
        label=ground.samples.label[rows],
        weight=ground.weight[rows],
        rule=ground.rule[rows],
        framed=ground.framed[rows],
        has_area=ground.has_area(event),
    )


def trainings(events: int) -> list[tuple[int, ...]]:
    """Return the earthquakes that members are fitted on to hold out each of so many, and in turn
    the others."""
    every = range(events)
    wanted = [tuple(k for k in every if k != event) for event in every]
    for event in every:
        wanted += [trained for trained, _ in _within(events, event)]
    return list(dict.fromkeys(wanted))


def _within(events: int, event: int) -> list[tuple[tuple[int, ...], list[int]]]:
    """Return which earthquakes beside one are fitted on, and which are held out from them."""
    others = [k for k in range(events) if k != event]
    if len(others) == 1:
        return [(tuple(others), others)]
    if events <= PAIRS:
        groups = [[k] for k in others]
    else:
        groups = [others[i::GROUPS] for i in range(GROUPS)]
    return [(tuple(k for k in others if k not in group), group) for group in groups]


def inner(fits: Fits, event: int) -> list[HeldOut]:
    """Return the earthquakes beside one, each held out in turn among these.

    Of two earthquakes the other one has nothing to be held out from: it is as its own models see
    it.
    """
    return [
        fits.held_out(trained, held)
        for trained, group in _within(len(fits.ground.names), event)
        for held in group
    ]


def outer(fits: Fits) -> list[HeldOut]:
    """Return all earthquakes, each as models fitted on all others predict it."""
    every = range(len(fits.ground.names))
    return [fits.held_out([k for k in every if k != event], event) for event in every]


def scored(fits: Fits, parts: Sequence[HeldOut]) -> list[Score]:
    """Return the scores of members, blend and rules on every earthquake.

    Parameters
    ----------
    fits : Fits
        Of the members.
    parts : sequence of HeldOut
        All earthquakes, see `outer`.
    """
    out = []
    for event, part in enumerate(parts):
        within = inner(fits, event)
        blends = {
            name: blending.stacked(within, [k], len(fits.names))
            for k, name in enumerate(fits.names)
        }
        # One earthquake is missing here: else, of four, another kind of blend would be scored.
        blends[BLEND] = blending.fit(within, fits.names, blending.ENOUGH - 1)
        name = fits.ground.names[event]
        for framed in (True, False):
            out += _of_event(name, part, blends, _rules(fits.ground, event), framed)
    return out


def _rules(ground: Ground, event: int) -> dict[str, Array]:
    rows = ground.rows_of(event)
    return {
        "slope": np.clip(ground.column(SLOPE)[rows] / 90.0, 0.0, 1.0),
        f"slope x {ground.shaking}": ground.rule[rows],
    }


def _of_event(
    name: str,
    part: HeldOut,
    blends: Mapping[str, Blend],
    rules: Mapping[str, Array],
    framed: bool,
) -> list[Score]:
    here = part.framed if framed else np.ones(part.label.size, bool)
    values = {n: expit(b.logit(part.logits)) for n, b in blends.items()}
    out = []
    for model, p in {**values, **rules}.items():
        ratio = None
        mapped = float(part.weight[here & (part.label == 1)].sum())
        totals = model in blends and part.has_area and bool(blends[model].known)
        if totals and mapped > 0:
            ratio = float(np.log(np.sum(part.weight[here] * p[here]) / mapped))
        out.append(Score(name, model, framed, **_ranks(part, p, here), ln_ratio=ratio))
    return out


class _Ranks(TypedDict):
    """Scores that ranks alone give; None where one of both classes has no row."""

    auc: float | None
    pr_auc: float | None
    worst5: float | None
    worst10: float | None
    worst20: float | None


def _ranks(part: HeldOut, p: Array, here: NDArray[np.bool_]) -> _Ranks:
    label, weight = part.label[here], part.weight[here]
    if np.unique(label).size < 2:
        return _Ranks(auc=None, pr_auc=None, worst5=None, worst10=None, worst20=None)
    ranking = rank(label, p[here], weight)
    worst = [float(v) for v in curves.captured(label, p[here], WORST, weight)]
    return _Ranks(
        auc=float(curves.roc_auc_of(ranking)),
        pr_auc=float(curves.average_precision_of(ranking)),
        worst5=worst[0],
        worst10=worst[1],
        worst20=worst[2],
    )
