"""`shakeslide learn`: from the finished runs of past earthquakes to one bundle."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from shakeslide._version import __version__
from shakeslide.core import lock, random_streams
from shakeslide.core.engine import Engine
from shakeslide.core.errors import InputError, counted, did_you_mean
from shakeslide.core.files import folder as made_folder
from shakeslide.core.files import sweep
from shakeslide.core.fingerprints import fingerprint
from shakeslide.core.progress import Reporter, silent
from shakeslide.evaluation import applicability
from shakeslide.evaluation.applicability import Applicability
from shakeslide.learning.bundle import FittedModel
from shakeslide.learning.several import (
    blending,
    bundle_card,
    common_factors,
    event_bundle,
    held_out,
    joined_ground,
    members,
    past_runs,
)
from shakeslide.learning.several.blending import Blend
from shakeslide.learning.several.common_factors import SLOPE, CommonFactors
from shakeslide.learning.several.event_bundle import (
    Contents,
    EventBundle,
    EventRecord,
    MemberName,
    MemberRecord,
)
from shakeslide.learning.several.held_out import Fits, Score
from shakeslide.learning.several.joined_ground import Ground
from shakeslide.learning.several.past_runs import PastRun
from shakeslide.sampling import sample_table

LEAST_IMPORTANCE = 0.02
"""Weight of a factor that the blend hardly uses, against 1 of the most important one: ground that
is unlike in such a factor alone is hardly unlike."""


@dataclass(frozen=True)
class Lesson:
    """What is learnt from what.

    Attributes
    ----------
    runs : list of PastRun
        The earthquakes.
    common : CommonFactors
        Their factors.
    members : tuple of str
        Models that may take part.
    seed : int
        Of all random numbers.
    """

    runs: list[PastRun]
    common: CommonFactors
    members: tuple[str, ...]
    seed: int

    @property
    def mark(self) -> str:
        """Fingerprint of all that the bundle depends on."""
        return fingerprint(
            [[r.name, sample_table.essence(r.samples), r.cell] for r in self.runs],
            [self.common.codes, self.common.shaking, dict(self.common.left_out)],
            [self.members, self.seed, __version__],
        )


def learn(
    runs: Sequence[Path],
    out: Path,
    engine: Engine,
    reporter: Reporter,
    *,
    factors: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    seed: int = 0,
) -> Path:
    """Make one bundle for new earthquakes from the finished runs of past ones.

    Parameters
    ----------
    runs : sequence of Path
        Folders of results, one per earthquake, two at least.
    out : Path
        Folder of the bundle.
    engine, reporter : Engine, Reporter
        Threads that may be used; what the user sees.
    factors : sequence of str, optional
        Factors to take; default: all that the runs share and that travel.
    models : sequence of str, optional
        Members to try beside `few`; default: all.
    seed : int
        Of all random numbers.

    Returns
    -------
    Path
        The bundle's folder.

    Raises
    ------
    InputError
        Runs that cannot be joined, a factor that cannot be taken, or a fault of the machine.
    """
    if (out / "samples.parquet").exists():
        raise InputError(
            f"{out}: is the folder of a run, but the first argument must be a folder for the "
            "bundle: shakeslide learn DIR RUN RUN ..."
        )
    known = past_runs.read(list(runs))
    lesson = Lesson(known, common_factors.choose(known, factors), _members(models), seed)
    refusal = f"{out}: another run of shakeslide is writing there; wait for it"
    made_folder(out / ".work")
    with lock.held(out / ".work" / "lock", refusal):
        if _is_there(out, lesson.mark):
            reporter.say(f"learn: {out} is up to date")
            return out
        for path in (out, out / event_bundle.MEMBERS, *(out / event_bundle.MEMBERS).glob("*")):
            sweep([path])
        if told := past_runs.definitions(known):
            reporter.warn(f"learn: {told}")
        for code, why in lesson.common.left_out.items():
            reporter.say(f"learn: {code} is left out: {why}")
        _make(lesson, out, engine, reporter)
    return out


def _members(asked: Sequence[str] | None) -> tuple[str, ...]:
    for name in asked or ():
        if name not in members.NAMES:
            raise InputError(
                f"--models {name}: is not one of {', '.join(members.NAMES)}."
                f"{did_you_mean(name, members.NAMES)}"
            )
    return tuple(m for m in members.NAMES if asked is None or m in asked or m == members.FEW)


def _is_there(out: Path, mark: str) -> bool:
    """Whether the whole bundle was made from just this."""
    try:
        return event_bundle.load(out).contents.mark == mark
    except InputError:
        return False


def _make(lesson: Lesson, out: Path, engine: Engine, reporter: Reporter) -> None:
    ground = joined_ground.join(lesson.runs, lesson.common, lesson.seed)
    kept = out / ".work" / f"fits-{lesson.mark}"
    for other in set((out / ".work").glob("fits-*")) - {kept}:
        shutil.rmtree(other, ignore_errors=True)
    total = len(held_out.trainings(len(ground.names))) + 1
    with reporter.task("learn", total) as on:
        fits = Fits(ground, lesson.members, lesson.seed, kept, on)
        fits.make(engine)
        parts = held_out.outer(fits)
        scores = held_out.scored(fits, parts)
        blend = blending.fit(parts, lesson.members)
        made = _bundle(lesson, ground, blend, scores, engine)
        on(1)
    event_bundle.save(made, out, bundle_card.card(made.contents, made.factors))
    shutil.rmtree(kept, ignore_errors=True)
    if len(blend.known) < blending.FEWEST:
        reporter.warn(
            f"learn: {counted(len(blend.known), 'earthquake')} with landslide areas: too few to "
            "show how much totals differ; a standard deviation of ln 3 is assumed"
        )


def _bundle(
    lesson: Lesson, ground: Ground, blend: Blend, scores: Sequence[Score], engine: Engine
) -> EventBundle:
    """Fit the members in use on all earthquakes."""
    every = list(range(len(ground.names)))
    used = [k for k, c in enumerate(blend.coefficients) if c > 0]
    about = ", ".join(ground.names)

    def fitted(member: int) -> FittedModel:
        return members.fit(lesson.members[member], ground, every, lesson.seed)

    models: list[FittedModel] = engine.map(fitted, used, silent)
    models = [replace(m, about=replace(m.about, study=about)) for m in models]
    contents = Contents(
        shakeslide=__version__,
        mark=lesson.mark,
        seed=lesson.seed,
        shaking="PGV" if ground.shaking == "PGV" else "PGA",
        resolution=ground.cell,
        members=tuple(
            MemberRecord(_name(lesson.members[k]), blend.coefficients[k], blend.shares[k])
            for k in used
        ),
        intercept=blend.intercept,
        event_sd=blend.sd,
        events=tuple(_event(ground, k, blend) for k in every),
        left_out=lesson.common.left_out,
        scores=tuple(scores),
    )
    return EventBundle(contents, tuple(models), _like(ground, models, contents, lesson.seed))


def _event(ground: Ground, event: int, blend: Blend) -> EventRecord:
    rows = ground.rows_of(event)
    counts, odds = ground.own[event].counts, ground.odds(event)
    return EventRecord(
        name=ground.names[event],
        source_cells=counts.source_cells,
        prevalence=odds / (1 + odds),
        median_slope=_median(ground.column(SLOPE)[rows], ground.weight[rows], ground.strong[rows]),
        level=blend.levels[event],
    )


def _median(
    values: NDArray[np.float64], weight: NDArray[np.float64], where: NDArray[np.bool_]
) -> float:
    """Return the weighted median of some values, of all where there are none."""
    here = where if where.any() else np.ones(values.size, bool)
    order = np.argsort(values[here], kind="stable")
    share = np.cumsum(weight[here][order])
    return float(values[here][order][np.searchsorted(share, share[-1] / 2)])


def _like(
    ground: Ground, models: Sequence[FittedModel], contents: Contents, seed: int
) -> Applicability:
    """Return the training rows with which a new earthquake's ground is compared."""
    rng = random_streams.generator(seed, "rows of likeness")
    each = max(event_bundle.MOST_ROWS // len(ground.names), 2)
    framed = ground.framed
    chosen = []
    for k in range(len(ground.names)):
        rows = ground.rows_of(k)
        # Where an earthquake has no such ground, all of it is its ground.
        some = rows[framed[rows]] if framed[rows].any() else rows
        # As the ground is: clear rows stand for more cells than sources.
        share = ground.weight[some] / ground.weight[some].sum()
        chosen.append(rng.choice(some, min(each, some.size), replace=False, p=share))
    rows = np.concatenate(chosen)
    raw = ground.samples.raw[rows]
    x = event_bundle.features(raw, models[0].encoder, ground.codes.index(ground.shaking))
    return applicability.fit_applicability(
        x,
        _importance(raw, models, contents, rng),
        ground.samples.event[rows],
        max_reference=event_bundle.MOST_ROWS,
        seed=seed,
    )


def _importance(
    raw: NDArray[np.float32],
    models: Sequence[FittedModel],
    contents: Contents,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return how much each factor moves the blend's log-odds, (factors,), 1 at most."""

    def blended(x: NDArray[np.float32]) -> NDArray[np.float64]:
        parts = [
            m.coefficient * members.logits(f, x)
            for m, f in zip(contents.members, models, strict=True)
        ]
        return np.asarray(np.sum(parts, axis=0))

    whole = blended(raw)
    out = np.empty(raw.shape[1])
    for i in range(raw.shape[1]):
        shuffled = raw.copy()
        shuffled[:, i] = rng.permutation(raw[:, i])
        out[i] = float(np.abs(blended(shuffled) - whole).mean())
    most = float(out.max())
    return np.maximum(out / most if most > 0 else out, LEAST_IMPORTANCE)


def _name(member: str) -> MemberName:
    return next(m for m in get_args(MemberName) if m == member)
