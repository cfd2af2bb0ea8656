"""Rasters of before and after the earthquake: which ground of an outline was never bared.

A landslide takes the vegetation off, from its scar and under its debris alike. The change of an
index therefore does not tell the one from the other, but it tells both from ground that was drawn
into the outline and never moved: islands, margins, an outline shifted off its landslide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import scipy
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.sources.landslide import Cells

Read = Callable[[GeoBox], NDArray[np.float32]]
"""Returns a raster's values on a block of the grid, NaN where there are none."""

REFINED, CONFIRMED = "refined", "confirmed"
"""Verdicts: ground was taken out of the outline; all of it has changed."""
UNKNOWN, FAINT, LITTLE, OPPOSITE = "unknown", "faint", "too_little_left", "opposite"
"""Why an outline stays as drawn: too few values; it does not stand out from the ground around it;
hardly anything would be left, so that rasters and outline do not fit; most of it has changed the
other way."""
FEW, MAPPED = "few_cells", "mapped"
"""The same: too few cells; its source was mapped."""

LEAST_CELLS = 8
"""Cells that an outline must have: of fewer, nearly all are its margin."""
LEAST_AROUND = 20
"""Cells with values around an outline, from which the usual change can be told."""
LEAST_KNOWN = 0.5
"""Share of an outline's cells that must have values."""
LEAST_BARED = 4
"""Cells that must stand out."""
LEAST_LEFT = 0.1
"""Share of an outline that must be left."""
MOST_CONTRAST = 99.0
"""Greater contrasts are told as this: around some outlines no value changes at all."""
TO_DEVIATION = 1.4826
"""Standard deviation over median absolute deviation of a normal distribution."""


@dataclass(frozen=True)
class Rule:
    """When ground counts as never bared.

    Parameters
    ----------
    ring : tuple of float
        Least and greatest distance (m) from an outline of the ground that it is compared with.
    share : float
        Share of the landslide's own loss below which a cell has not changed.
    contrast : float
        Robust standard deviations of the ground around by which cells stand out.
    """

    ring: tuple[float, float] = (50.0, 250.0)
    share: float = 0.5
    contrast: float = 3.0

    def margin(self, cell: tuple[float, float]) -> int:
        """Return how many cells around an outline its ring reaches."""
        return int(np.ceil(self.ring[1] / min(cell)))


@dataclass(frozen=True)
class Images:
    """Rasters of before and after.

    Parameters
    ----------
    before, after : callable
        They read a block of the grid.
    loss : bool
        Whether values fall where ground is bared, as those of NDVI do.
    rule : Rule
        When ground counts as never bared.
    """

    before: Read
    after: Read
    loss: bool = True
    rule: Rule = field(default_factory=Rule)

    def read(self, block: GeoBox) -> Cover:
        """Return what covered and covers a block of the grid."""
        before, after = (r(block).astype(np.float64) for r in (self.before, self.after))
        # Turned round where values rise: small is always bare.
        return Cover(before - after, after) if self.loss else Cover(after - before, -after)


@dataclass(frozen=True)
class Cover:
    """What covers the ground of a window.

    Attributes
    ----------
    loss : array, (rows, cols) float64
        What was lost, great where ground was bared; NaN where unknown.
    after : array, (rows, cols) float64
        What is there after, small where ground is bare.
    """

    loss: NDArray[np.float64]
    after: NDArray[np.float64]

    def part(self, window: tuple[slice, slice]) -> Cover:
        """Return the cover of a part of the window."""
        return Cover(self.loss[window], self.after[window])


@dataclass(frozen=True)
class Trimmed:
    """An outline's cells after a look at the cover.

    Attributes
    ----------
    kept : array, (rows, cols) bool
        Those that were bared, or of which it cannot be told; one at least.
    verdict : str
        What was found.
    contrast : float
        How far what stands out does so, in robust standard deviations; NaN where nothing does.
    """

    kept: Cells
    verdict: str
    contrast: float = np.nan


def trim(
    inside: Cells, cover: Cover, others: Cells, cell: tuple[float, float], rule: Rule
) -> Trimmed:
    """Take the ground out of an outline that is as undisturbed as the ground around it.

    The usual loss u and its spread s are the median and the scaled median absolute deviation over
    the ring; the landslide's own, b, is the median of the outline's cells beyond u + contrast s. A
    cell is taken out where it and most of the eight around it (a single one may be noise) have

    - lost less than u + share (b - u), and
    - after the earthquake a cover nearer to that of the ring than to that of the landslide: rock
      that was bare before has nothing to lose, and may have failed.

    Standardised losses of vegetation: Scheip & Wegmann (2021, Natural Hazards and Earth System
    Sciences 21, 1495-1511).

    Parameters
    ----------
    inside : array, (rows, cols) bool
        The outline's cells, one at least, in a window that holds the ring.
    cover : Cover
        Of the window.
    others : array, (rows, cols) bool
        Cells of any outline: they are no undisturbed ground.
    cell : tuple of float
        Sides of a cell (dx, dy) in metres.
    rule : Rule
        When ground counts as never bared.
    """
    count = np.count_nonzero(inside)
    if count < LEAST_CELLS:
        return Trimmed(inside, FEW)
    known = np.isfinite(cover.loss)
    around = _ring(inside, cell, rule) & known & ~others
    own = cover.loss[inside & known]
    if own.size < LEAST_KNOWN * count or np.count_nonzero(around) < LEAST_AROUND:
        return Trimmed(inside, UNKNOWN)
    usual = float(np.median(cover.loss[around]))
    spread = TO_DEVIATION * float(np.median(np.abs(cover.loss[around] - usual)))
    # Comparisons with NaN are False, and are meant to be.
    with np.errstate(invalid="ignore"):
        bared = inside & (cover.loss > usual + rule.contrast * spread)
    if np.count_nonzero(bared) < LEAST_BARED:
        opposite = np.mean(own < usual - rule.contrast * spread) > 0.5
        return Trimmed(inside, OPPOSITE if opposite else FAINT)
    own_loss = float(np.median(cover.loss[bared]))
    height = own_loss - usual
    # Compared as a product, because the spread may be 0.
    contrast = height / spread if MOST_CONTRAST * spread > height else MOST_CONTRAST
    level = (np.median(cover.after[bared]) + np.median(cover.after[around])) / 2
    with np.errstate(invalid="ignore"):
        unchanged = (cover.loss < usual + rule.share * height) & (cover.after > level)
    kept = inside & ~(unchanged & _most_around(unchanged, known))
    left = np.count_nonzero(kept) / count
    if left < LEAST_LEFT:
        return Trimmed(inside, LITTLE, contrast)
    return Trimmed(kept, REFINED if left < 1 else CONFIRMED, contrast)


def _ring(inside: Cells, cell: tuple[float, float], rule: Rule) -> Cells:
    # Rows come first: (dy, dx).
    away = scipy.ndimage.distance_transform_edt(~inside, sampling=(cell[1], cell[0]))
    ring: Cells = (away > rule.ring[0]) & (away <= rule.ring[1])
    return ring


def _most_around(unchanged: Cells, known: Cells) -> Cells:
    """Tell where more than half of the neighbours of which it is known are unchanged."""
    eight = np.ones((3, 3), np.int8)
    eight[1, 1] = 0
    count, of = (
        scipy.ndimage.convolve(c.astype(np.int8), eight, mode="constant")
        for c in (unchanged, known)
    )
    most: Cells = 2 * count > of
    return most
