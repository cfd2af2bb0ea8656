"""Units of ground motion, as files and studies spell them."""

from __future__ import annotations

SPELLINGS = {
    "pctg": "%g",
    "pct g": "%g",
    "percent g": "%g",
    "% g": "%g",
    "cms": "cm/s",
    "cm s-1": "cm/s",
    "intensity": "MMI",
    "mmi": "MMI",
    "ms": "m/s",
    "m/s2": "m/s²",
    "m/s^2": "m/s²",
    "m/s**2": "m/s²",
    "cm/s2": "cm/s²",
    "cm/s^2": "cm/s²",
    "cm/s**2": "cm/s²",
    "gal": "cm/s²",
    "dd": "deg",
}
"""One spelling for each unit."""

SCALES = {
    "g": ("acceleration", 1.0),
    "%g": ("acceleration", 0.01),
    "m/s²": ("acceleration", 1 / 9.80665),
    "cm/s²": ("acceleration", 1 / 980.665),
    "cm/s": ("velocity", 1.0),
    "m/s": ("velocity", 100.0),
    "MMI": ("intensity", 1.0),
}
"""What a unit measures, and its size in g or in cm/s."""


def spelled(unit: str) -> str:
    """Return a unit in the one spelling used here; unknown ones as they are."""
    plain = " ".join(unit.split())
    return SPELLINGS.get(plain.lower(), plain)


def conversion(given: str, wanted: str) -> float | None:
    """Return what turns values in `given` into `wanted` by multiplication, None if nothing does.

    Parameters
    ----------
    given, wanted : str
        Units, in any spelling; equal ones convert by 1.
    """
    source, target = spelled(given), spelled(wanted)
    if source == target:
        return 1.0
    if source not in SCALES or target not in SCALES or SCALES[source][0] != SCALES[target][0]:
        return None
    return SCALES[source][1] / SCALES[target][1]
