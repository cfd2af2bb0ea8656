"""The report of a run: figures as PNG and one self-contained page, from its artefacts only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shakeslide.report import artefacts, drawing, page

__all__ = ["write"]


def write(
    out: Path, inputs: Mapping[str, Any], advance: Callable[[float], None] = lambda _: None
) -> Path:
    """Write `out/figures/*.png` and `out/report.html`.

    Parameters
    ----------
    out : Path
        Folder of a finished run.
    inputs : mapping
        What is not among the artefacts: `layers`, the rows of the check as mappings; `event`,
        its settings; `outlines` (optional), the landslides as shapely polygons in the grid's CRS.
    advance : callable
        Called with shares of the work that add up to 1.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        An artefact is missing or damaged.
    """
    run = artefacts.load(out)
    pictures = drawing.draw(run, inputs, lambda part: advance(0.95 * part))
    path = page.write(run, inputs, pictures)
    advance(0.05)
    return path
