"""Base of every model: a binary scikit-learn classifier that is stored as plain arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from shakeslide.core.errors import InputError, did_you_mean
from shakeslide.models.arrayfile import Arrays

__all__ = ["ArrayReader", "Arrays", "Model", "ModelParameter"]

ModelParameter: TypeAlias = (
    "bool | int | float | str | Sequence[ModelParameter] | Mapping[str, ModelParameter] | None"
)
"""Value of a constructor parameter of a model: what TOML and JSON can hold."""


class Model(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Binary classifier that predicts a row's probability from that row alone, bit for bit.

    A subclass implements `_fit`, `_positive_probability`, `_arrays` and `_restore`. Training and
    prediction see float32 rows, so that a stored model and a map predict the same bits whatever
    the type of the numbers they were given.

    Attributes
    ----------
    classes_ : ndarray, shape (2,)
        The two labels, sorted; 0 and 1 (landslide) in the package's own use.
    n_features_in_ : int
        Number of columns seen in `fit`.
    """

    classes_: NDArray[Any]
    n_features_in_: int

    @property
    def smooth(self) -> bool:
        """Whether the probability changes without steps as a number among the features does."""
        return False

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to rows of features and their labels.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Encoded features, finite; taken as float32.
        y : array_like, shape (n_samples,)
            Labels of two classes.

        Returns
        -------
        Self

        Raises
        ------
        ValueError
            As scikit-learn does: shapes, non-finite values, or not exactly two classes.
        """
        rows, labels = self._training_rows(X, y)
        self._fit(rows, labels)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probability of each class.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)

        Returns
        -------
        ndarray of float64, shape (n_samples, 2)
            In the order of `classes_`. A row's values don't depend on the other rows.
        """
        p = self._positive_probability(self._rows(X))
        both = np.empty((p.size, 2))
        # Written in place, without a temporary as long as the rows.
        np.subtract(1.0, p, out=both[:, 0])
        both[:, 1] = p
        return both

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Label of the more probable class, shape (n_samples,)."""
        p = self.predict_proba(X)
        # A tie goes to the first class, as with scikit-learn's argmax.
        labels: NDArray[Any] = self.classes_[(p[:, 1] > p[:, 0]).astype(np.intp)]
        return labels

    def arrays(self) -> Arrays:
        """Return everything that prediction needs, as plain arrays by name.

        Returns
        -------
        dict of str to ndarray
            `classes`, (2,), and arrays of the model's own, any shape.

        Raises
        ------
        InputError
            If the labels are not numbers: only those can be stored.
        """
        check_is_fitted(self)
        if self.classes_.dtype.kind not in "biuf":
            raise InputError(
                f"labels {list(self.classes_)} can't be stored: use numbers, 0 and 1 (landslide)"
            )
        return {"classes": np.asarray(self.classes_), **self._arrays()}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, ModelParameter]
    ) -> Self:
        """Rebuild a fitted model; nothing in the arrays is trusted before it was checked.

        Parameters
        ----------
        arrays : mapping of str to ndarray, any shape
            As `arrays` returned them.
        params : mapping
            As `get_params` returned them (lists where a parameter was a tuple).

        Raises
        ------
        InputError
            Naming the array or parameter that is missing, unknown or impossible.
        """
        try:
            return cls._from_arrays(arrays, params)
        except (TypeError, ValueError, AttributeError, OverflowError, MemoryError) as error:
            # Settings of a wrong type show where they are used
            raise InputError(
                f"stored {cls.__name__}: its settings don't fit together ({error})"
            ) from error

    @classmethod
    def _from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, ModelParameter]
    ) -> Self:
        reader = ArrayReader(cls.__name__, arrays)
        model = cls(**_checked_params(cls, params))
        classes = reader.take("classes", None, (2,))
        # Column 1 is the larger label's: labels the other way round would turn every map round.
        if classes.dtype.kind not in "biuf" or not classes[0] < classes[1]:
            raise reader.error("classes", "must hold two numbers in rising order")
        model.classes_ = classes
        model._restore(reader)
        reader.finish()
        return model

    def _training_rows(
        self, X: ArrayLike, y: ArrayLike
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        rows, target = validate_data(self, X, y, dtype=np.float32, order="C")
        check_classification_targets(target)
        classes, labels = np.unique(target, return_inverse=True)
        if classes.size != 2:
            plural = "class" if classes.size == 1 else "classes"
            # scikit-learn's checks of estimators look for these words.
            raise ValueError(
                "Only binary classification is supported. "
                f"{type(self).__name__} needs two classes in y; got {classes.size} {plural}."
            )
        self.classes_ = classes
        return rows, labels.astype(np.uint8)

    def _rows(self, X: ArrayLike) -> NDArray[np.float32]:
        check_is_fitted(self)
        rows: NDArray[np.float32] = validate_data(self, X, reset=False, dtype=np.float32, order="C")
        return rows

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    @abstractmethod
    def _fit(self, X: NDArray[np.float32], y: NDArray[np.uint8]) -> None:
        """Learn from checked rows (C-contiguous) and labels 0 or 1."""

    @abstractmethod
    def _positive_probability(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probability of `classes_[1]`, row by row independent, shape (n_samples,)."""

    @abstractmethod
    def _arrays(self) -> Arrays:
        """Fitted state without `classes_`."""

    @abstractmethod
    def _restore(self, reader: ArrayReader) -> None:
        """Set the fitted state (`n_features_in_` too) from checked arrays."""


class ArrayReader:
    """Takes arrays out of an untrusted mapping, each with its type, shape and range checked.

    Parameters
    ----------
    owner : str
        Name of the model, for messages.
    arrays : mapping of str to ndarray
    """

    def __init__(self, owner: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._owner = owner
        self._arrays = dict(arrays)

    def holds(self, name: str) -> bool:
        """Tell whether an array that may be left out is there."""
        return name in self._arrays

    def take(
        self,
        name: str,
        dtype: DTypeLike | None,
        shape: Sequence[int | None],
        *,
        low: float | None = None,
        high: float | None = None,
    ) -> NDArray[Any]:
        """Remove and return one array.

        Parameters
        ----------
        name : str
        dtype : dtype or None
            Required type; None takes any.
        shape : sequence of int or None
            Required shape; None stands for any length of at least one.
        low, high : float, optional
            Closed range of the values. Floating-point values must be finite in any case.

        Returns
        -------
        ndarray
            A copy, contiguous in C order, of the shape and type that are required.

        Raises
        ------
        InputError
            The array is missing, or has another type or shape, or impossible values.
        """
        array = self._arrays.pop(name, None)
        if not isinstance(array, np.ndarray):
            raise self.error(name, "is missing")
        if dtype is not None and array.dtype != np.dtype(dtype):
            raise self.error(name, f"has type {array.dtype}, not {np.dtype(dtype)}")
        fits = array.ndim == len(shape) and all(
            got == want if want is not None else got > 0
            for got, want in zip(array.shape, shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("n" if s is None else str(s) for s in shape)
            raise self.error(name, f"has shape {array.shape}, not ({wanted})")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise self.error(name, "has values that are not finite")
        if (low is not None and array.size and array.min() < low) or (
            high is not None and array.size and array.max() > high
        ):
            raise self.error(name, f"has values outside {low} to {high}")
        # A private, aligned, contiguous copy: kernels may rely on it, and nobody else can change it
        return np.array(array, order="C", copy=True)

    def names(self, prefix: str) -> list[str]:
        """Names of the arrays not yet taken that begin with `prefix`, sorted."""
        return sorted(name for name in self._arrays if name.startswith(prefix))

    def part(self, prefix: str) -> ArrayReader:
        """Remove the arrays whose names begin with `prefix`; a reader of them without it."""
        return ArrayReader(f"{self._owner}, {prefix.rstrip('.')}", self.take_part(prefix))

    def take_part(self, prefix: str) -> Arrays:
        """Remove and return the arrays whose names begin with `prefix`, without it in the names.

        They are unchecked: any shape, any type.
        """
        return {name.removeprefix(prefix): self._arrays.pop(name) for name in self.names(prefix)}

    def error(self, name: str, what: str) -> InputError:
        """Return the error for one array, to be raised by the caller."""
        return InputError(f"stored {self._owner}: array '{name}' {what}; train and save it again")

    def finish(self) -> None:
        """Raise `InputError` if an array was not asked for."""
        if self._arrays:
            names = ", ".join(sorted(map(str, self._arrays)))
            raise InputError(f"stored {self._owner}: unknown arrays: {names}")


def _checked_params(
    cls: type[Model], params: Mapping[str, ModelParameter]
) -> dict[str, ModelParameter]:
    known = cls._get_param_names()
    for name in params:
        if name not in known:
            hint = did_you_mean(str(name), known)
            raise InputError(f"stored {cls.__name__}: unknown parameter '{name}'.{hint}")
    # JSON has lists only, where `units` was a tuple.
    return {k: tuple(v) if isinstance(v, list) else v for k, v in params.items()}
