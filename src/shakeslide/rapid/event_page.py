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
from shakeslide.rapid.first_places import FirstSquares
from shakeslide.rapid.settlements import Settlement
from shakeslide.rapid.totals import Totals
from shakeslide.report import words
from shakeslide.report.figures import Drawn

NAME = "report.html"


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


def figure(value: float) -> str:
    """Return a number with two significant digits, as uncertain totals deserve."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    digits = 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, digits)
    return f"{rounded:,.{max(digits, 0)}f}"


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
    templates.globals |= {"area_limits": alerts.AREA, "people_limits": alerts.PEOPLE}
    values = dict(facts.__dict__)
    small = list(zip(facts.maps[1:], ("10 % quantile", "90 % quantile"), strict=False))
    text = templates.get_template("rapid.html.j2").render(
        **values, small=small, version=__version__
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
