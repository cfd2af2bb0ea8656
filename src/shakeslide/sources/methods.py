"""Ways to tell a landslide's source from its run-out, on one interface.

A method is a frozen dataclass with a `code` and `separate`, which returns the source cells of a
landslide, or None where it does not apply. `METHODS` lists them by the name that a study uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from shakeslide.sources.landslide import Cells, Landslide


class Method(Protocol):
    """What separates a source area from a run-out."""

    code: ClassVar[str]

    def separate(self, landslide: Landslide) -> Cells | None:
        """Return the source cells, (rows, cols) bool; None where the method does not apply."""


@dataclass(frozen=True)
class Mapped:
    """S0: the source area that was mapped."""

    code: ClassVar[str] = "S0"

    def separate(self, landslide: Landslide) -> Cells | None:
        """Return the mapped cells, (rows, cols) bool; None where none was mapped."""
        if landslide.mapped is None:
            return None
        source = landslide.mapped & landslide.inside
        return source if source.any() else None


@dataclass(frozen=True)
class ElevationFraction:
    """S1: the upper part of the landslide's height, z ≥ z_max − f Δz.

    Parameters
    ----------
    fraction : float
        f; 1/4, 1/3 and 1/2 are in use.
    """

    fraction: float = 1 / 3
    code: ClassVar[str] = "S1"

    def separate(self, landslide: Landslide) -> Cells | None:
        """Return the cells above that height, (rows, cols) bool; None on flat ground."""
        if landslide.drop <= 0:
            return None
        top = float(landslide.z.ravel()[landslide.crown])
        # Cells outside may have no elevation.
        with np.errstate(invalid="ignore"):
            return landslide.inside & (landslide.z >= top - self.fraction * landslide.drop)


@dataclass(frozen=True)
class AreaQuantile:
    """S2: the highest cells, up to a share of the landslide's area.

    Parameters
    ----------
    share : float
        Of the area.
    """

    share: float = 0.4
    code: ClassVar[str] = "S2"

    def separate(self, landslide: Landslide) -> Cells | None:
        """Return the highest cells, (rows, cols) bool; of equal ones the first in reading order."""
        return landslide.highest(max(1, round(self.share * landslide.count)))


@dataclass(frozen=True)
class Scar:
    """S3: a scar of the landslide's own width, below its crown.

    A landslide of area A whose longest way down is L, drawn as an ellipse, is W = 4 A / (π L)
    wide. A scar is about as long as wide: its cells lie within k W of the crown, along the fall
    line. The crown is the whole upper rim of the landslide: the cells that no other leads to.

    Parameters
    ----------
    lengths : float
        k.
    """

    lengths: float = 1.5
    code: ClassVar[str] = "S3"

    def separate(self, landslide: Landslide) -> Cells | None:
        """Return the cells near the crown, (rows, cols) bool.

        None on flat ground, which has no fall line.
        """
        if landslide.drop <= 0:
            return None
        with np.errstate(invalid="ignore"):
            return landslide.inside & (landslide.travelled <= self.lengths * landslide.width)


@dataclass(frozen=True)
class SlopeBreak:
    """S4: what lies above the break of slope along the longest fall line.

    Two straight segments that meet are fitted to elevation over distance by least squares; the
    source is what lies above the elevation where they meet.

    Parameters
    ----------
    fewest : int
        Cells of the fall line from which a break can be told.
    """

    fewest: int = 6
    code: ClassVar[str] = "S4"

    def separate(self, landslide: Landslide) -> Cells | None:
        """Return the cells above the break, (rows, cols) bool.

        None where the slope does not lessen downwards.
        """
        if landslide.drop <= 0:
            return None
        path = landslide.fall_line
        if len(path) < self.fewest:
            return None
        distance = landslide.travelled.ravel()[path]
        height = _slope_break(distance, landslide.z.ravel()[path].astype(np.float64))
        if height is None:
            return None
        with np.errstate(invalid="ignore"):
            return landslide.inside & (landslide.z >= height)


def _slope_break(
    distance: np.ndarray[tuple[int], np.dtype[np.float64]],
    height: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> float | None:
    """Return the elevation of the break of the best two-segment line that flattens downwards."""
    best, where = np.inf, None
    # Two cells at least on either side of a break.
    for at in distance[2:-2]:
        beyond = np.maximum(distance - at, 0.0)
        design = np.column_stack([np.ones_like(distance), distance, beyond])
        fit, *_ = np.linalg.lstsq(design, height, rcond=None)
        error = float(np.sum((design @ fit - height) ** 2))
        # Heights fall along the way, so a gradient that rises flattens the slope.
        if fit[2] > 0 and error < best:
            best, where = error, float(fit[0] + fit[1] * at)
    return where


METHODS: Mapping[str, type[Method]] = {
    "mapped": Mapped,
    "elevation_fraction": ElevationFraction,
    "area_quantile": AreaQuantile,
    "scar": Scar,
    "slope_break": SlopeBreak,
}
"""The methods by the name that a study uses."""
