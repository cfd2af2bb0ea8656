"""The factors that several past earthquakes have in common and that travel to a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shakeslide.core.errors import InputError, did_you_mean
from shakeslide.factors import catalogue
from shakeslide.factors.stack import FactorInfo
from shakeslide.io import units
from shakeslide.learning import bundle
from shakeslide.learning.several.past_runs import SHAKING, PastRun

SLOPE = "SLO"
"""Code of the slope at the grid's own scale."""
PREFERRED = ("PGV", "PGA")
"""Measures of shaking: PGV, from a finite rupture, ranks slopes better."""


@dataclass(frozen=True)
class CommonFactors:
    """What a bundle takes, and what it leaves out.

    Attributes
    ----------
    codes : tuple of str
        In the order of the first run.
    shaking : str
        The one measure of shaking among them.
    left_out : mapping of str to str
        Reason by factor.
    """

    codes: tuple[str, ...]
    shaking: str
    left_out: Mapping[str, str]


def choose(runs: Sequence[PastRun], asked: Sequence[str] | None = None) -> CommonFactors:
    """Return the factors that all runs have and that travel.

    Parameters
    ----------
    runs : sequence of PastRun
        Two at least.
    asked : sequence of str, optional
        Codes to take instead of all that travel.

    Raises
    ------
    InputError
        A factor that is asked for cannot be taken, two runs define one differently, or slope or
        shaking is missing.
    """
    every = list(dict.fromkeys(f.code for r in runs for f in r.samples.factors))
    for code in asked or ():
        if code not in every:
            raise InputError(f"--factors {code}: no run has it.{did_you_mean(code, every)}")
    measure = _measure(runs, asked)
    left: dict[str, str] = {}
    for code in every if asked is None else asked:
        if reason := _obstacle(code, runs, measure):
            if asked is not None:
                raise InputError(f"--factors {code}: cannot be taken, because {reason}")
            left[code] = reason
        else:
            _require_alike(code, runs)
    taken = [c for c in (every if asked is None else asked) if c not in left]
    for code in (SLOPE, measure):
        if code not in taken:
            raise InputError(f"learn needs factor {code}: {left.get(code, 'add it to --factors')}")
    return CommonFactors(tuple(c for c in every if c in taken), measure, left)


def infos(code: str, runs: Sequence[PastRun]) -> list[FactorInfo | None]:
    """Return what each run records of a factor, None where it has none."""
    return [next((f for f in r.samples.factors if f.code == code), None) for r in runs]


def _measure(runs: Sequence[PastRun], asked: Sequence[str] | None) -> str:
    """Return the measure of shaking that all runs have."""
    wanted = PREFERRED if asked is None else tuple(m for m in PREFERRED if m in asked)
    if asked is not None and len(wanted) > 1:
        raise InputError("--factors: takes one measure of shaking; name PGA or PGV")
    for code in wanted:
        if all(infos(code, runs)):
            return code
    if asked is not None and not wanted:
        there = " or ".join(m for m in PREFERRED if all(infos(m, runs))) or " or ".join(PREFERRED)
        raise InputError(f"--factors: names no measure of shaking; add {there}")
    lacking = {m: [r.name for r in runs if not any(infos(m, [r]))] for m in PREFERRED}
    told = "; ".join(f"{m} is missing in {', '.join(names)}" for m, names in lacking.items())
    raise InputError(
        f"learn needs the shaking of each earthquake as factor PGA or PGV ({told}); add "
        '[factors.PGV] function = "value", layer = "pgv", unit = "cm/s" to the studies, or '
        '[factors.PGA] with layer = "pga" and unit = "g"'
    )


def _obstacle(code: str, runs: Sequence[PastRun], measure: str) -> str:
    """Return why a factor cannot be taken, "" where it can."""
    known = infos(code, runs)
    if missing := [r.name for r, f in zip(runs, known, strict=True) if f is None]:
        return f"{', '.join(missing)} has none"
    found = [f for f in known if f is not None]
    travel = catalogue.travel_of(found[0].settings, found[0].unit)
    if travel.travels != "yes":
        return f"it cannot be used for other earthquakes: {travel.why}"
    if code in SHAKING and code != measure:
        return f"{measure} is used as the measure of shaking, and only one is used"
    if code not in SHAKING and units.spelled(found[0].unit) in units.SCALES:
        return "for a new earthquake, only PGA and PGV are available as measures of shaking"
    return _without_shared_classes(found) if found[0].kind == "categorical" else ""


def _without_shared_classes(found: Sequence[FactorInfo]) -> str:
    if not all(f.legend for f in found):
        return "its classes have codes without names, which mean nothing elsewhere"
    shared = set.intersection(*(set(f.legend.values()) for f in found))
    return "" if shared else "no class has the same name in all runs"


def _require_alike(code: str, runs: Sequence[PastRun]) -> None:
    """Raise `InputError` where runs define a factor differently."""
    first, *others = [f for f in infos(code, runs) if f is not None]
    for run, other in zip(runs[1:], others, strict=True):
        for key in ("kind", "unit"):
            a, b = getattr(first, key), getattr(other, key)
            if a != b:
                raise InputError(
                    f"{run.folder}: factor {code} has {key} '{b}', but '{a}' in {runs[0].folder}; "
                    "set the same in both and run again, or leave it out with --factors"
                )
        for setting, before, now in bundle.other_settings(first.settings, other.settings):
            raise InputError(
                f"{run.folder}: factor {code} has {setting} = {now}, but {before} in "
                f"{runs[0].folder}; set [factors.{code}] {setting} to one value in both and run "
                f"again, or leave {code} out with --factors"
            )
