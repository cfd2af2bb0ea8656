"""The encoder of raw factors as a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from shakeslide.api.run_data import chosen, info_of
from shakeslide.core.errors import InputError
from shakeslide.sampling import encoding
from shakeslide.sampling.encoding import Angles


class FactorEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Encodes raw factors as features in [0, 1]; it is fitted on the training rows only.

    Classes become frequency ratios (eq. 17 of the paper). Angles are kept or become sine and
    cosine. All values are scaled so that the 0.5 and 99.5 percentiles of the training rows become
    0 and 1. The stages of a run use the same encoder: the same rows give identical features.

    Parameters
    ----------
    factors : Dataset, optional
        The factors from `open_factors`. They state the kind of each column and the number of cells
        of each class in the area, which frequency ratios need. Factors that are not columns of
        the training rows are ignored. Without `factors`, all columns are continuous factors.
    angles : {"raw", "sincos"}
        How aspect and other angles are encoded.

    Attributes
    ----------
    encoder_ : shakeslide.sampling.encoding.Encoder
        The fitted encoder; its `columns` hold limits and frequency ratios.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Names of the columns, if `fit` was given a DataFrame.

    Notes
    -----
    Frequency ratios compare the landslides of the training rows with the cells of each class in
    the whole mapped extent. The stage `evaluate` of a study does not count cells in test blocks.
    In both cases the landslides of test rows are not used.

    Examples
    --------
    >>> F = ss.open_factors("demo/run")
    >>> X, y, groups = ss.samples("demo/run")
    >>> encoder = ss.FactorEncoder(F, angles="sincos").fit(X, y)
    >>> features = encoder.transform(X)
    >>> features.shape, float(features.min()), float(features.max())
    ((800, 18), 0.0, 1.0)
    >>> [str(name) for name in encoder.get_feature_names_out()][:3]
    ['EI', 'ED sin', 'ED cos']
    """

    encoder_: encoding.Encoder
    n_features_in_: int

    def __init__(self, factors: xr.Dataset | None = None, *, angles: Angles = "raw") -> None:
        self.factors = factors
        self.angles = angles

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Fit limits and frequency ratios.

        Parameters
        ----------
        X : DataFrame or array_like, shape (n_samples, n_factors)
            Raw factors, finite. The columns of a DataFrame are found by their names; an array must
            have all factors in their order.
        y : array_like, shape (n_samples,)
            Labels with two values; the greater one means landslide. Needed only if a factor has
            classes.

        Returns
        -------
        Self

        Raises
        ------
        InputError
            A column is not one of the factors, or a factor has an unknown kind.
        ValueError
            Wrong shapes, values that are not finite, or wrong labels, as in scikit-learn.
        """
        if self.angles not in ("raw", "sincos"):
            raise InputError(f"FactorEncoder: angles = {self.angles!r}: give 'raw' or 'sincos'")
        raw = self._raw(X, reset=True)
        factors = self._factors()
        classes = {code for code, kind in factors if kind == "categorical"}
        areas = {code: self._class_cells(code) for code in classes}
        label = _landslides(y, len(raw), required=bool(classes))
        self.encoder_ = encoding.fit(raw, label, factors, areas, self.angles)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Encode rows.

        Parameters
        ----------
        X : DataFrame or array_like, shape (n_samples, n_factors)
            Raw factors, finite, with the same columns as in `fit`.

        Returns
        -------
        ndarray of float32, shape (n_samples, n_features)
            The features; a DataFrame after ``set_output(transform="pandas")``.
        """
        check_is_fitted(self)
        return self.encoder_.transform(self._raw(X, reset=False))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Return the names of the features, shape (n_features,): codes, "SLOA sin", "SLOA cos".

        Parameters
        ----------
        input_features : array_like of str, optional
            Names of the columns; if given, the same as in `fit`.
        """
        check_is_fitted(self)
        columns = self.encoder_.columns
        seen = [c.code for c in columns]
        given = seen if input_features is None else [str(n) for n in np.asarray(input_features)]
        if len(given) != len(seen):
            raise ValueError("input_features should have length equal to number of features")
        if hasattr(self, "feature_names_in_") and given != seen:
            raise ValueError("input_features is not equal to feature_names_in_")
        named = tuple(replace(c, code=name) for c, name in zip(columns, given, strict=True))
        return np.array(replace(self.encoder_, columns=named).features, dtype=object)

    def _raw(self, X: ArrayLike, reset: bool) -> NDArray[np.float32]:
        raw: NDArray[np.float32] = validate_data(self, X, dtype=np.float32, reset=reset)
        return raw

    def _factors(self) -> list[tuple[str, str]]:
        """Code and kind of each column."""
        names = getattr(self, "feature_names_in_", None)
        if self.factors is None:
            codes = [f"x{i}" for i in range(self.n_features_in_)] if names is None else names
            return [(str(code), "continuous") for code in codes]
        codes = list(map(str, self.factors.data_vars if names is None else names))
        if len(codes) != self.n_features_in_:
            raise ValueError(
                f"X has {self.n_features_in_} features, but there are {len(codes)} factors; "
                "give a DataFrame with their codes as columns"
            )
        kinds = [(str(v.name), info_of(v).kind) for v in chosen(self.factors, codes)]
        for code, kind in kinds:
            if kind not in encoding.KINDS:
                raise InputError(f"factor {code}: kind '{kind}' is not one of {encoding.KINDS}")
        return kinds

    def _class_cells(self, code: str) -> Mapping[int, float]:
        """Cells per class: of the mapped extent where they are known, else of all valid cells."""
        assert self.factors is not None  # without factors no column has classes
        a = self.factors[code].attrs
        if "class_cells" in a:
            return dict(zip(map(int, a["class_values"]), map(float, a["class_cells"]), strict=True))
        values = self.factors[code].to_numpy()
        found, counts = np.unique(values[np.isfinite(values)].astype(np.int64), return_counts=True)
        return dict(zip(found.tolist(), counts.astype(float).tolist(), strict=True))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        # Frequency ratios need labels; without classes they are left alone.
        tags.target_tags.required = self.factors is not None
        return tags


def _landslides(y: ArrayLike | None, rows: int, *, required: bool) -> NDArray[np.int8]:
    """Return 1 for the greater of two labels; zeros where no labels are needed."""
    if not required:
        return np.zeros(rows, np.int8)
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None: classes need labels")
    label = np.asarray(y)
    known = np.unique(label)
    if label.shape != (rows,) or known.size != 2:
        raise ValueError(f"y must hold {rows} labels of two classes, landslides and clear cells")
    landslides: NDArray[np.int8] = (label == known[1]).astype(np.int8)
    return landslides
