"""Estimators that installed packages bring, by entry point of the group "shakeslide.models"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from shakeslide.core import extensions
from shakeslide.core.errors import InputError
from shakeslide.models.base import ArrayReader, Arrays, Model, ModelParameter
from shakeslide.models.chunks import predict_in_chunks
from shakeslide.models.registry import GROUP

_PREFIX = "own."


class OwnModel(Model):
    """A package's own scikit-learn classifier on the package's protocols.

    The entry point names a class whose parameters are the keys of `[models.<name>]`. To be stored
    and mapped, the class has `to_arrays(self) -> dict of str to ndarray` and a class method
    `from_arrays(cls, arrays, params)` that returns a fitted estimator and trusts nothing in the
    arrays.

    Parameters
    ----------
    name : str
        Of the entry point.
    settings : mapping
        Parameters of the class.
    random_state : int or None
        Given to the class if it has a parameter of that name.
    """

    def __init__(
        self,
        name: str = "",
        settings: Mapping[str, ModelParameter] | None = None,
        random_state: int | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.random_state = random_state

    @property
    def storable(self) -> bool:
        """Whether the class can be stored, hence mapped."""
        cls = extensions.load(GROUP, self.name)
        return all(callable(getattr(cls, m, None)) for m in ("to_arrays", "from_arrays"))

    def _fit(self, X: NDArray[np.float32], y: NDArray[np.uint8]) -> None:
        estimator = self.made()
        self._called("fit", lambda: estimator.fit(X, y))
        self.estimator_ = estimator

    def made(self) -> Any:
        """Return the unfitted estimator.

        Raises
        ------
        InputError
            The class is no classifier with `predict_proba`, or refuses the settings.
        """
        cls = extensions.load(GROUP, self.name)
        estimator = self._called("its settings", lambda: cls(**dict(self.settings or {})))
        if not (
            hasattr(estimator, "get_params")
            and is_classifier(estimator)
            and hasattr(estimator, "predict_proba")
        ):
            raise InputError(
                f"[models] '{self.name}' of the package {extensions.package(GROUP, self.name)} is "
                "not a scikit-learn classifier with predict_proba"
            )
        if "random_state" in estimator.get_params() and self.random_state is not None:
            estimator.set_params(random_state=self.random_state)
        return estimator

    def _called(self, what: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            # The package's own code runs here: whatever it raises is said of the package.
            text = " ".join(str(error).split())
            raise InputError(
                f"[models.{self.name}] of the package {extensions.package(GROUP, self.name)}, "
                f"{what}: {type(error).__name__}: {text}"
            ) from error

    def _positive_probability(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        def positive(rows: NDArray[np.float32]) -> NDArray[np.float64]:
            p = np.asarray(self.estimator_.predict_proba(rows), np.float64)
            if p.shape != (len(rows), 2):
                raise ValueError(f"predict_proba gave shape {p.shape}, not ({len(rows)}, 2)")
            return p[:, 1]

        # In chunks: whatever products the estimator uses, no row changes another's bits.
        p: NDArray[np.float64] = self._called(
            "predict_proba", lambda: predict_in_chunks(positive, X)
        )
        return p

    def _arrays(self) -> Arrays:
        if not self.storable:
            raise InputError(
                f"[models] '{self.name}' can be evaluated but not stored, so not mapped: its class "
                "needs to_arrays() and from_arrays(arrays, params)"
            )
        own = self._called("to_arrays", self.estimator_.to_arrays)
        # The prefix keeps the package's names apart from ours.
        parts = {f"{_PREFIX}{k}": np.asarray(v) for k, v in dict(own).items()}
        for key, value in parts.items():
            if value.dtype.kind not in "biuf":
                raise InputError(
                    f"[models] '{self.name}': to_arrays gave {key.removeprefix(_PREFIX)} of type "
                    f"{value.dtype}; only numbers can be stored"
                )
        return {"features": np.array([self.n_features_in_], np.int64), **parts}

    def _restore(self, reader: ArrayReader) -> None:
        width = reader.take("features", np.int64, (1,), low=1, high=2**20)
        self.n_features_in_ = int(width[0])
        arrays = reader.take_part(_PREFIX)
        cls = extensions.load(GROUP, self.name)
        if not self.storable:
            raise InputError(f"stored {self.name}: its class no longer has from_arrays")
        self.estimator_ = self._called(
            "from_arrays", lambda: cls.from_arrays(arrays, dict(self.settings or {}))
        )
