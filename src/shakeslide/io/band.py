"""One band of an open raster: turned north up, its missing cells told, whatever says so.

All that decides which cells are missing, and where north is, stands here, and holds for a raster
that is read on its own grid and for one that is resampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window

from shakeslide.core.compiled import kernel
from shakeslide.core.errors import InputError

EXACT = 1 << 53
"""Whole numbers up to this are exact in float64."""
NARROW = ("uint8", "int8", "uint16", "int16", "float32")
"""Types whose every value is exact in float32."""


@dataclass(frozen=True)
class Band:
    """A band of an open dataset.

    Attributes
    ----------
    dataset : rasterio dataset
        Open.
    number : int
        Of the band, from 1.
    nodata : int or float or None
        Value of missing cells, one that the band's type can hold.
    masked : bool
        Whether a mask of the file's tells missing cells too (internal, `.msk`, of the band).
    alpha : int or None
        Band of transparency: 0 is missing.
    affine : Affine
        Of the cells, north up.
    """

    dataset: Any
    number: int
    nodata: float | None
    masked: bool
    alpha: int | None
    affine: Affine

    @classmethod
    def of(cls, dataset: Any, number: int, nodata: float | None = None) -> Band:
        """Return a band of a dataset; `nodata` stands in for what the file says."""
        if number > dataset.count:
            raise InputError(
                f"{dataset.name}: band = {number}, but its bands are 1 to {dataset.count}"
            )
        alpha = _alpha(dataset)
        if alpha == number:
            raise InputError(
                f"{dataset.name}: band {number} is its transparency (alpha) and has no values; "
                "choose another with band ="
            )
        with np.errstate(over="ignore"):  # beyond the type it is none
            own = dataset.nodatavals[number - 1]
        if nodata is None and own is not None and holds(dataset.dtypes[number - 1], own):
            nodata = own
        flags = set(dataset.mask_flag_enums[number - 1])
        # No flag at all is how GDAL states a mask of this one band.
        masked = bool(flags - {MaskFlags.all_valid, MaskFlags.nodata, MaskFlags.alpha}) or not flags
        only_alpha = MaskFlags.alpha in flags
        return cls(dataset, number, nodata, masked and not only_alpha, alpha, north_up(dataset))

    @property
    def dtype(self) -> str:
        """Type of the file's numbers."""
        return str(self.dataset.dtypes[self.number - 1])

    @property
    def is_plain(self) -> bool:
        """Whether GDAL resamples it right by itself.

        One band whose nodata alone tells missing cells, in a type that it resamples exactly: of
        several bands it mixes the nodata, and a mask it forgets where there is nodata too.
        """
        exact = self.dtype not in ("int64", "uint64")
        return exact and not self.masked and self.dataset.count == 1

    def read(
        self,
        window: Window,
        dtype: Any,
        shape: tuple[int, int] | None = None,
        *,
        infinite: bool = False,
    ) -> NDArray[Any]:
        """Return the values of a window of the cells north up, NaN where they are missing.

        Infinite values, and those that the type cannot hold, are missing; the summary of a layer
        counts them.

        Parameters
        ----------
        window : Window
            Within the raster.
        dtype : type
            float32 or float64.
        shape : (int, int), optional
            Read so many rows and columns, leaving cells out.
        infinite : bool
            Leave infinite values as they are, to be counted.

        Returns
        -------
        array, (rows, cols)
            Of that type; rows and columns of the window, or those of `shape`.
        """
        stored, src = self._stored(window), self.dataset
        raw = src.read(self.number, window=stored, out_shape=shape)
        missing = None
        if self.nodata is not None and not np.isnan(self.nodata):
            # Compared in the file's own type, before rounding makes neighbours of nodata equal to
            # it.
            missing = raw == in_type(raw.dtype, self.nodata)
        if self.masked:
            hidden = src.read_masks(self.number, window=stored, out_shape=shape) == 0
            missing = hidden if missing is None else missing | hidden
        if self.alpha is not None:
            clear = src.read(self.alpha, window=stored, out_shape=shape) == 0
            missing = clear if missing is None else missing | clear
        # Codes are read in float64, and only they must be exact.
        if dtype is not np.float32:
            self._require_exact(raw, missing)
        with np.errstate(over="ignore"):  # beyond float32 is not finite, hence missing
            values = raw.astype(dtype, copy=False)
        if not infinite:
            blank(values, missing)
        elif missing is not None:
            values = np.where(missing, np.asarray(np.nan, values.dtype), values)
        down, left = src.transform.e > 0, src.transform.a < 0
        turned_up: NDArray[Any] = values[:: -1 if down else 1, :: -1 if left else 1]
        return turned_up

    def _stored(self, window: Window) -> Window:
        """Return where a window of the cells north up is stored."""
        src = self.dataset
        row, col = window.row_off, window.col_off
        if src.transform.e > 0:
            row = src.height - row - window.height
        if src.transform.a < 0:
            col = src.width - col - window.width
        return Window(col, row, window.width, window.height)

    def _require_exact(self, raw: NDArray[Any], missing: NDArray[Any] | None) -> None:
        if raw.dtype.kind not in "iu" or raw.dtype.itemsize < 8:
            return
        large = (raw > EXACT) | (raw < -EXACT) if raw.dtype.kind == "i" else raw > EXACT
        if missing is not None:
            large &= ~missing
        if large.any():
            raise InputError(
                f"{self.dataset.name}: holds the code {raw[large][0]}, beyond {EXACT:,}, above "
                "which whole numbers are not exact; renumber its classes"
            )


def _alpha(dataset: Any) -> int | None:
    """Return the band of transparency, where there is one beside others."""
    if dataset.count < 2 or ColorInterp.alpha not in dataset.colorinterp:
        return None
    return int(dataset.colorinterp.index(ColorInterp.alpha)) + 1


def north_up(dataset: Any) -> Affine:
    """Return the transform of a raster's cells once they are turned north up and east right."""
    t = dataset.transform
    a, c = (t.a, t.c) if t.a > 0 else (-t.a, t.c + t.a * dataset.width)
    e, f = (t.e, t.f) if t.e < 0 else (-t.e, t.f + t.e * dataset.height)
    return Affine(a, 0.0, c, 0.0, e, f)


def turned(dataset: Any) -> str:
    """Return how a raster is stored where it is not north up, "" where it is."""
    ways = ["south up"] if dataset.transform.e > 0 else []
    ways += ["east left"] if dataset.transform.a < 0 else []
    return " and ".join(ways)


def holds(dtype: str, value: float) -> bool:
    """Tell whether a type of numbers can hold a value."""
    if dtype.startswith("float"):
        with np.errstate(over="ignore"):
            return bool(not np.isfinite(value) or np.isfinite(np.dtype(dtype).type(value)))
    limits = np.iinfo(dtype)
    return bool(
        np.isfinite(value)
        and value == np.floor(value)
        and float(limits.min) <= value <= float(limits.max)
    )


def in_type(dtype: Any, value: float) -> Any:
    """Return a value that a type can hold in that type; 2**63 - 1 is no float."""
    if dtype.kind == "f":
        return dtype.type(value)
    limits = np.iinfo(dtype)
    return dtype.type(min(max(int(value), int(limits.min)), int(limits.max)))


def span(dtype: str) -> str:
    """Return the range of a type of numbers in words."""
    limits = np.finfo(dtype) if dtype.startswith("float") else np.iinfo(dtype)
    if dtype.startswith("float"):
        return f"{dtype}, {float(limits.min):.6g} to {float(limits.max):.6g}"
    return f"{dtype}, whole numbers from {limits.min} to {limits.max}"


@kernel
def blank(values: Any, missing: Any) -> None:
    """Make NaN, in place, of what is missing and of what is not finite.

    Parameters
    ----------
    values : array, (rows, cols) of a floating type
        Changed in place.
    missing : array, (rows, cols) bool, or None
        Cells that are missing.
    """
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            if not np.isfinite(values[i, j]) or (missing is not None and missing[i, j]):
                values[i, j] = np.nan
