"""Ground motion from a ShakeMap: `grid.xml` with `uncertainty.xml`, or `shake_result.hdf`."""

from __future__ import annotations

from pathlib import Path

from shakeslide.io import shakemap
from shakeslide.shaking.ground_motion import GroundMotion


def read(path: Path, uncertainty: Path | None = None) -> GroundMotion:
    """Return the ground motion of a ShakeMap.

    Parameters
    ----------
    path : Path
        grid.xml or shake_result.hdf.
    uncertainty : Path, optional
        uncertainty.xml; default: the file of that name beside `path`, if there is one.

    Raises
    ------
    InputError
        A file that is missing, damaged, in an unknown unit, or with values that cannot be true
        (PGA above 4 g).
    """
    raise NotImplementedError(shakemap.read(path))
