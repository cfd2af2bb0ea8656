"""A factor and a model for shakeslide: how far slopes face away, and a linear discriminant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from shakeslide.core.errors import InputError
from shakeslide.factors import terrain
from shakeslide.factors.epicentre import project_point
from shakeslide.factors.factor import FactorFunction, Made, Sources, TileInputs
from shakeslide.geo import projection
from shakeslide.study.factor_settings import FactorBase


class FacingSettings(FactorBase):
    """How far slopes face away from the epicentre."""

    function: str = "facing"
    by_slope: bool = False
    """Multiply by the sine of the slope."""


@dataclass(frozen=True)
class Facing:
    """Cosine of the angle between the slope's aspect and the way from the epicentre."""

    east: float
    north: float
    turn: projection.Directions
    by_slope: bool

    def __call__(self, inputs: TileInputs) -> NDArray[np.float32]:
        """Compute a tile: (rows, cols), NaN where there is no elevation."""
        found = inputs.derivatives
        # Aspects are from true north, so the azimuths must be too, not from the grid's north.
        bearings = terrain.azimuths(inputs.x - self.east, inputs.y - self.north)
        away = terrain.turned(bearings, inputs.tile, self.turn)
        facing = np.cos(np.radians(found.aspect_deg - away))
        facing[found.aspect_deg < 0] = 0.0  # level ground faces nowhere
        if self.by_slope:
            facing *= np.sin(np.radians(found.slope_deg))
        return facing.astype(np.float32)


def make(settings: FacingSettings, code: str, sources: Sources) -> Made:
    """Make the factor of a study."""
    sources.layer("dem", code)
    epicentre = sources.event.epicentre
    if epicentre is None:
        raise InputError(f"[event] epicentre is missing, which factor {code} needs")
    east, north = project_point(epicentre, sources.event.crs, sources.grid)
    # Slope and aspect need one cell around the tile. What `settings` holds counts in the
    # fingerprint, so that another epicentre makes the factor anew.
    return Made(
        Facing(east, north, projection.bearings(sources.grid, east, north), settings.by_slope),
        halo=(1, 1),
        source="[event] epicentre of the study",
        settings={"epicentre": [east, north]},
    )


facing = FactorFunction(
    kind="continuous",
    unit="1",
    inputs=("dem", "event"),
    definition="cosine of the angle between slope aspect and azimuth from the epicentre",
    citation="",
    make=make,
    settings=FacingSettings,
)


class Discriminant(ClassifierMixin, BaseEstimator):
    """Linear discriminant with a covariance that is drawn to its diagonal."""

    def __init__(self, shrinkage: float = 0.1) -> None:
        self.shrinkage = shrinkage

    def fit(self, X: NDArray[np.float32], y: NDArray[Any]) -> Self:
        """Fit to rows of features in [0, 1] and their labels, 0 or 1."""
        self.classes_ = np.unique(y)
        clear, source = (X[y == c].astype(np.float64) for c in self.classes_)
        within = np.cov(np.vstack([clear - clear.mean(axis=0), source - source.mean(axis=0)]).T)
        within = (1 - self.shrinkage) * within + self.shrinkage * np.diag(np.diag(within))
        middle = (clear.mean(axis=0) + source.mean(axis=0)) / 2
        apart = source.mean(axis=0) - clear.mean(axis=0)
        self.weights_ = np.linalg.lstsq(within, apart, rcond=1e-9)[0]
        self.bias_ = np.log(len(source) / len(clear)) - middle @ self.weights_
        return self

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probability of each class, (rows, 2)."""
        p = 1 / (1 + np.exp(-(X @ self.weights_ + self.bias_)))
        return np.column_stack([1 - p, p])

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return all that prediction needs."""
        return {"weights": self.weights_, "bias": np.array([self.bias_])}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], params: dict[str, Any]) -> Self:
        """Make a fitted model of stored arrays, which may be damaged."""
        made = cls(**params)
        made.classes_ = np.array([0, 1])
        made.weights_, made.bias_ = arrays["weights"], float(arrays["bias"][0])
        if made.weights_.ndim != 1 or not np.isfinite([*made.weights_, made.bias_]).all():
            raise ValueError("weights are damaged")
        return made
