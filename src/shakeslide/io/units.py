"""Units of ground motion and of heights, as files and studies spell them."""

from __future__ import annotations

import re

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


# ------------------------------------------------------------------ heights

FOOT, SURVEY_FOOT = 0.3048, 1200 / 3937
LENGTHS = {
    "metre": 1.0, "metres": 1.0, "meter": 1.0, "meters": 1.0, "m": 1.0,
    "kilometre": 1e3, "kilometres": 1e3, "kilometer": 1e3, "kilometers": 1e3, "km": 1e3,
    "decimetre": 0.1, "decimetres": 0.1, "decimeter": 0.1, "decimeters": 0.1, "dm": 0.1,
    "centimetre": 0.01, "centimetres": 0.01, "centimeter": 0.01, "centimeters": 0.01, "cm": 0.01,
    "millimetre": 1e-3, "millimetres": 1e-3, "millimeter": 1e-3, "millimeters": 1e-3, "mm": 1e-3,
    "foot": FOOT, "feet": FOOT, "ft": FOOT,
    "ftus": SURVEY_FOOT, "usft": SURVEY_FOOT, "sft": SURVEY_FOOT,
    "yard": 0.9144, "yards": 0.9144, "yd": 0.9144,
    "fathom": 1.8288, "fathoms": 1.8288,
}  # fmt: skip
"""Metres in a unit of length."""


def metres(unit: str) -> float | None:
    """Return the metres in a unit of length; None for what is none, or unknown.

    "US survey foot", "us-ft", "foot_us" and "ftUS" are the survey foot; what else there is in a
    text, such as "feet above sea level", does not matter.
    """
    # A quotient is no length.
    if "/" in unit:
        return None
    words = re.findall(r"[a-z]+", unit.lower().replace(".", ""))
    found = next((LENGTHS[w] for w in words if w in LENGTHS), None)
    if found == FOOT and {"us", "survey"} & {*words}:
        return SURVEY_FOOT
    return found
