"""From what a source gives to medians and deviations of PGA and PGV: checks and documented repairs.

Whatever is assumed or repaired is a note; what cannot be true is an `InputError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.errors import InputError, counted
from shakeslide.shaking import bssa14, conversion
from shakeslide.shaking.bssa14 import Name
from shakeslide.shaking.ground_motion import Measure

Array = NDArray[np.float64]

BY = "Boore et al. (2014, BSSA14)"
UNITS: dict[Name, str] = {"PGA": "g", "PGV": "cm/s"}
LARGEST: dict[Name, float] = {"PGA": 4.0, "PGV": 500.0}
"""No earthquake moves the ground more: medians above it are errors of the file."""
SMALLEST: dict[Name, float] = {"PGA": 1e-4, "PGV": 1e-2}
"""What a median of 0 is raised to: files print few decimals, and 0 has no logarithm."""
LARGEST_DEVIATION = 3.0
"""Standard deviations of ln Y above it are in another unit."""
SMALLEST_DEVIATION = 0.01
"""What σ is raised to: where it is 0, at a station, departures could not be counted in σ."""
CORRELATION = 0.733
"""Of ln PGA and ln PGV about their medians (Bradley 2012, Earthq. Spectra 28:809)."""
STRONG_MMI, FEWEST_STRONG, TOO_FAR = 6.0, 10, 2.5
"""Where intensity and motion are compared, at how many nodes at least, and the median difference
from which on they cannot belong together: percent for g, or m/s for cm/s, make three or more."""


@dataclass(frozen=True, eq=False)
class Given:
    """What a source gives of one measure; arrays are (rows, cols), None where it gives nothing.

    Attributes
    ----------
    median : array or None
        In g or cm/s.
    total, between, within : array or None
        Standard deviations of its natural logarithm: in all, between earthquakes, within one.
    """

    median: Array | None = None
    total: Array | None = None
    between: Array | None = None
    within: Array | None = None


def completed(
    given: Mapping[Name, Given], mmi: Array | None, magnitude: float | None, where: str
) -> tuple[dict[Name, Measure], Array, list[str]]:
    """Return both measures, the intensity and what was assumed.

    Parameters
    ----------
    given : mapping
        "PGA" and "PGV" to what the source gives of them.
    mmi : array, (rows, cols), or None
        Modified Mercalli intensity.
    magnitude : float or None
    where : str
        The source, for messages.

    Returns
    -------
    measures : dict of "PGA" and "PGV" to Measure, arrays (rows, cols)
    mmi : array, (rows, cols)
    notes : list of str

    Raises
    ------
    InputError
        Values that cannot be true, or neither PGA nor PGV nor intensity.
    """
    notes: list[str] = []
    stated = {
        name: _checked(name, g.median, where, notes)
        for name, g in given.items()
        if g.median is not None
    }
    if mmi is not None:
        _check_intensity(mmi, where)
        for name, median in stated.items():
            _check_unit(name, median, mmi, where)
    elif len(stated) == len(UNITS):
        _check_together(stated, where)
    medians = _medians(stated, mmi, where, notes)
    spreads = {name: _spread(name, given[name], magnitude, where) for name in medians}
    _fill_from_the_other(spreads, stated, notes)
    measures: dict[Name, Measure] = {
        name: _measure(name, medians[name], spreads[name], notes) for name in medians
    }
    if mmi is None:
        mmi = conversion.intensity_of_pgv(measures["PGV"].median)
        notes.append("no intensity is given: it is computed from PGV (Worden et al. 2012)")
    return measures, mmi, notes


def origin_of_deviations(given: Mapping[Name, Given], file: str) -> str:
    """Return where the standard deviations come from: a file, BSSA14, or both.

    Parameters
    ----------
    given : mapping
        "PGA" and "PGV" to what the source gives of them.
    file : str
        Name of what was read.
    """
    stated = [
        name
        for name, g in given.items()
        if g.total is not None or (g.between is not None and g.within is not None)
    ]
    if len(stated) == len(UNITS):
        return file
    if not stated:
        return BY
    return f"{file} ({stated[0]}); of the other measure scaled as in {BY}"


def _checked(name: Name, median: Array, where: str, notes: list[str]) -> Array:
    """Return the medians, 0 raised to the smallest; refuse what cannot be true."""
    known = np.isfinite(median)
    if not known.any():
        raise InputError(f"{where}: {name} has no value at any node; download the file again")
    low, high = float(median[known].min()), float(median[known].max())
    if low < 0:
        raise InputError(f"{where}: {name} is negative ({low:g} {UNITS[name]}) at some nodes")
    if high > LARGEST[name]:
        raise InputError(
            f"{where}: {name} reaches {high:.4g} {UNITS[name]}, more than any earthquake's "
            f"({LARGEST[name]:g} {UNITS[name]}): is its unit right?"
        )
    if high == 0:
        raise InputError(f"{where}: {name} is 0 at all nodes")
    if not known.all():
        notes.append(f"{counted(int((~known).sum()), 'node')} without {name} are left out")
    small = known & (median < SMALLEST[name])
    if small.any():
        notes.append(
            f"{name} at {counted(int(small.sum()), 'node')} is raised to {SMALLEST[name]:g} "
            f"{UNITS[name]}, because 0 has no logarithm"
        )
    return np.where(small, SMALLEST[name], np.where(known, median, np.nan))


def _check_intensity(mmi: Array, where: str) -> None:
    known = mmi[np.isfinite(mmi)]
    if known.size and (known.min() < 0 or known.max() > 12):
        raise InputError(
            f"{where}: MMI runs from {known.min():g} to {known.max():g}; intensities are 1 to 12"
        )


def _check_unit(name: Name, median: Array, mmi: Array, where: str) -> None:
    """Refuse a motion that cannot belong to the file's own intensity."""
    strong = np.isfinite(median) & (mmi >= STRONG_MMI)
    if strong.sum() < FEWEST_STRONG:
        return
    relation = conversion.PGA if name == "PGA" else conversion.PGV
    scale = conversion.G if name == "PGA" else 1.0
    apart = float(np.median(relation.mmi(median[strong] * scale) - mmi[strong]))
    if abs(apart) > TOO_FAR:
        raise InputError(
            f"{where}: where MMI is {STRONG_MMI:g} or more, {name} has a median of "
            f"{np.median(median[strong]):.3g} {UNITS[name]}, which is far too "
            f"{'large' if apart > 0 else 'small'} for it: is its unit right?"
        )


def _check_together(stated: Mapping[Name, Array], where: str) -> None:
    """Refuse PGA and PGV that cannot be of one earthquake, where no intensity is given."""
    by_pga = conversion.PGA.mmi(stated["PGA"] * conversion.G)
    by_pgv = conversion.PGV.mmi(stated["PGV"])
    # By the larger of both: the other may be small only because of its unit.
    strong = np.isfinite(by_pga + by_pgv) & (np.maximum(by_pga, by_pgv) >= STRONG_MMI)
    if strong.sum() < FEWEST_STRONG:
        return
    apart = float(np.median((by_pga - by_pgv)[strong]))
    if abs(apart) > TOO_FAR:
        g, v = (float(np.median(stated[name][strong])) for name in ("PGA", "PGV"))
        raise InputError(
            f"{where}: at its strongest nodes PGA has a median of {g:.3g} g and PGV one of "
            f"{v:.3g} cm/s, which is far too {'small' if apart > 0 else 'large'} for it: are both "
            "units right?"
        )


def _medians(
    stated: Mapping[Name, Array], mmi: Array | None, where: str, notes: list[str]
) -> dict[Name, Array]:
    """Return both medians, a missing one by way of intensity."""
    if "PGA" in stated and "PGV" in stated:
        return dict(stated)
    relations = "the relations of Worden et al. (2012)"
    if "PGA" in stated:
        notes.append(f"no PGV is given: it is computed from PGA by {relations}")
        return {"PGA": stated["PGA"], "PGV": conversion.pgv_of_pga(stated["PGA"])}
    if "PGV" in stated:
        notes.append(f"no PGA is given: it is computed from PGV by {relations}")
        return {"PGA": conversion.pga_of_pgv(stated["PGV"]), "PGV": stated["PGV"]}
    if mmi is None or not np.isfinite(mmi).any():
        raise InputError(
            f"{where}: holds neither PGA nor PGV nor intensity; take the grid of a ShakeMap"
        )
    notes.append(f"neither PGA nor PGV is given: both are computed from intensity by {relations}")
    return {"PGA": conversion.pga_of_intensity(mmi), "PGV": conversion.pgv_of_intensity(mmi)}


@dataclass(eq=False)
class _Spread:
    """Standard deviations of a measure as far as the source gives them.

    Attributes
    ----------
    total, between, within : array, (rows, cols), or None
    tau, phi : float
        Those of BSSA14.
    summed : bool
        Whether the total is made of its parts.
    """

    total: Array | None
    between: Array | None
    within: Array | None
    tau: float
    phi: float
    summed: bool = False

    @property
    def usual(self) -> float:
        """The total of BSSA14."""
        return float(np.hypot(self.tau, self.phi))


def _spread(name: Name, given: Given, magnitude: float | None, where: str) -> _Spread:
    total, between, within = (
        _deviation(d, name, where) for d in (given.total, given.between, given.within)
    )
    summed = total is None and between is not None and within is not None
    if total is None and between is not None and within is not None:
        # Without a total no station was used.
        total = np.hypot(between, within)
    return _Spread(total, between, within, *bssa14.deviations(name, magnitude), summed)


def _fill_from_the_other(
    spreads: Mapping[Name, _Spread], stated: Mapping[Name, Array], notes: list[str]
) -> None:
    """Give a measure without σ that of the other one, which the same stations have narrowed."""
    pairs: tuple[tuple[Name, Name], ...] = (("PGA", "PGV"), ("PGV", "PGA"))
    for name, other in pairs:
        own, its = spreads[name], spreads[other]
        if own.total is not None or its.total is None:
            continue
        narrowed = (its.total / its.usual) ** 2
        if name not in stated:
            # What the other measure does not explain remains where the median was made from it.
            narrowed = CORRELATION**2 * narrowed + 1.0 - CORRELATION**2
        own.total = own.usual * np.sqrt(narrowed)
        notes.append(
            f"no uncertainty of {name} is given: that of {other} is used, scaled as in {BY}"
        )
        return


def _measure(name: Name, median: Array, spread: _Spread, notes: list[str]) -> Measure:
    """Return a measure with all of its deviations."""
    total, between, within = spread.total, spread.between, spread.within
    if total is None:
        notes.append(f"no uncertainty of {name} is given: σ is {spread.usual:.3f}, as in {BY}")
        total = np.full(median.shape, spread.usual)
    elif between is None or within is None:
        notes.append(
            f"the uncertainty of {name} is not given by its parts between and within earthquakes: "
            f"they are taken as {spread.tau:g} : {spread.phi:g}, as in {BY}"
        )
    elif spread.summed:
        notes.append(
            f"no whole uncertainty of {name} is given: it is that of its parts, as without stations"
        )
    small = np.isfinite(median) & (total < SMALLEST_DEVIATION)
    if small.any():
        notes.append(
            f"the uncertainty of {name} at {counted(int(small.sum()), 'node')} is raised to "
            f"{SMALLEST_DEVIATION:g}"
        )
    # NaN stays NaN.
    total = np.maximum(total, SMALLEST_DEVIATION)
    if between is None or within is None:
        between, within = (total * (part / spread.usual) for part in (spread.tau, spread.phi))
    lacking = np.isfinite(median) & ~np.isfinite(total)
    if lacking.any():
        notes.append(
            f"no uncertainty of {name} is given at {counted(int(lacking.sum()), 'node')}: σ is "
            f"{spread.usual:.3f} there, as in {BY}"
        )
        total = np.where(lacking, spread.usual, total)
    # Nothing can be scaled where both parts are 0 or unknown.
    split = np.isfinite(between) & np.isfinite(within) & (np.hypot(between, within) > 0)
    between = np.where(split, between, spread.tau)
    within = np.where(split, within, spread.phi)
    return Measure(median, total, between, within)


def _deviation(values: Array | None, name: Name, where: str) -> Array | None:
    """Return standard deviations, None where there is none; refuse what cannot be one."""
    if values is None or not np.isfinite(values).any():
        return None
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low < 0 or high > LARGEST_DEVIATION:
        raise InputError(
            f"{where}: standard deviations of {name} run from {low:g} to {high:g}; they must be of "
            f"the natural logarithm, 0 to {LARGEST_DEVIATION:g}"
        )
    return values
