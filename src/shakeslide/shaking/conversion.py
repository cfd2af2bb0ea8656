"""Intensity and ground motion turned into each other (Worden et al. 2012, BSSA 102:204)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def intensity_of_pga(pga: Array) -> Array:
    """Return MMI, 1 to 10, of PGA in g; any shape, and the same shape back."""
    raise NotImplementedError


def intensity_of_pgv(pgv: Array) -> Array:
    """Return MMI, 1 to 10, of PGV in cm/s; any shape, and the same shape back."""
    raise NotImplementedError


def pgv_of_intensity(mmi: Array) -> Array:
    """Return PGV in cm/s of MMI; any shape, and the same shape back."""
    raise NotImplementedError


def pga_of_intensity(mmi: Array) -> Array:
    """Return PGA in g of MMI; any shape, and the same shape back."""
    raise NotImplementedError


def pgv_of_pga(pga: Array) -> Array:
    """Return PGV in cm/s of PGA in g by way of intensity; any shape, and the same shape back."""
    raise NotImplementedError
