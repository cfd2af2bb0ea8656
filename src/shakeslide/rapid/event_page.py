"""The page of a new earthquake: alert, map, where to look first, totals, what is uncertain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from shakeslide._version import __version__
from shakeslide.core.files import replacing
from shakeslide.hazard import alerts
from shakeslide.hazard.alerts import Alert, Level
from shakeslide.rapid.first_places import FirstSquares
from shakeslide.rapid.settlements import Settlement
from shakeslide.rapid.totals import Totals
from shakeslide.report import words
from shakeslide.report.figures import Drawn

NAME = "report.html"
WITHIN = 2.0
"""Factor within which two totals agree."""
FINE = 45.0
"""Cells in metres up to which slopes are as steep as those of 30 m, to which Marc et al. fitted."""


@dataclass(frozen=True, kw_only=True)
class RoadCut:
    """A road and the probability that a landslide cuts it."""

    name: str
    km: float
    p: float


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the page puts into words.

    Attributes
    ----------
    name, event : str
        Title; magnitude, depth, time.
    scenario : bool
    model, what : str
        Title of the model; what its value is.
    grid : str
    seed : int
    totals : Totals
    first : FirstSquares
    roads : tuple of RoadCut
        The most likely cut first.
    notes : tuple of str
        What was assumed or is missing.
    settlements : tuple of Settlement
        With the largest share of landslide ground first.
    maps : sequence of Drawn
        The mean, then the quantiles.
    star : bool
        Whether the epicentre is marked on them.
    cell : float
        Side of a cell (m).
    elevation, deviations : str
        Files that the elevations, and the standard deviations of the shaking, come from.
    reach_angle : float or None
        Degrees, by which run-out is counted.
    """

    name: str
    event: str
    scenario: bool
    model: str
    what: str
    grid: str
    seed: int
    totals: Totals
    first: FirstSquares
    roads: tuple[RoadCut, ...]
    notes: tuple[str, ...]
    settlements: tuple[Settlement, ...]
    maps: Sequence[Drawn]
    star: bool = False
    cell: float
    elevation: str
    deviations: str
    reach_angle: float | None


def figure(value: float) -> str:
    """Return a number with two significant digits, as uncertain totals deserve."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    digits = 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, digits)
    return f"{rounded:,.{max(digits, 0)}f}"


def most_probable(alert: Alert) -> Level:
    """Return the level of most draws."""
    return max(alert.p, key=lambda level: alert.p[level])


def beside_marc(totals: Totals, cell: float) -> str:
    """Return how far the total from seismology is from the mean, and what that may come from.

    Parameters
    ----------
    totals : Totals
        With `marc2016_km2`.
    cell : float
        Side of a cell (m), of which its slopes are.
    """
    marc, area = totals.marc2016_km2, totals.area_km2
    if marc is None:
        raise ValueError("there is no total from seismology")
    apart = max(marc, area.mean) / min(marc, area.mean) if min(marc, area.mean) > 0 else math.inf
    if apart <= WITHIN:
        return f"The mean above agrees with it within a factor of {WITHIN:g}."
    where = "inside" if area.p05 <= marc <= area.p95 else "outside"
    less = marc < area.mean
    by = f"{figure(apart)} times {'smaller' if less else 'larger'}"
    out = [
        f"It is {by if math.isfinite(apart) else 'far smaller'} than the mean above and {where} "
        "its 90 % interval.",
        f"Of 17 earthquakes it gave 11 within a factor of {WITHIN:g}.",
    ]
    if less:
        out.append(
            "It takes the depth of the hypocentre for that of the slip: shallower slip gives more."
        )
    if less and cell > FINE:
        out.append(
            f"It was fitted to slopes of 30 m cells: those of {cell:g} m are gentler, which "
            "makes it smaller."
        )
    return " ".join(out)


def sentence(note: str) -> str:
    """Return a note of the program's output as a sentence."""
    return note[:1].upper() + note[1:] + ("" if note.endswith(".") else ".")


def write(out: Path, facts: Facts) -> Path:
    """Write `report.html`, one file that loads nothing from elsewhere."""
    path = out / NAME
    templates = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [
                jinja2.PackageLoader("shakeslide.rapid", "templates"),
                jinja2.PackageLoader("shakeslide.report", "templates"),
            ]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "figure": figure,
        "share": words.share,
        "length_of": words.length,
        "sentence": sentence,
        "title_of": words.model_title,
    }
    templates.globals |= {
        "area_limits": alerts.AREA,
        "people_limits": alerts.PEOPLE,
        "most_probable": most_probable,
        "beside_marc": beside_marc,
    }
    values = dict(facts.__dict__)
    small = list(zip(facts.maps[1:], ("10 % quantile", "90 % quantile"), strict=False))
    text = templates.get_template("rapid.html.j2").render(
        **values, small=small, version=__version__
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
