"""How a model is trained, before anything is: its estimator's class is loaded when it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from shakeslide.core import extensions
from shakeslide.core.extras import how_to_install, installed
from shakeslide.io import units
from shakeslide.models.registry import GROUP, entry

if TYPE_CHECKING:
    from shakeslide.models.base import Model, ModelParameter
    from shakeslide.models.formulas.raw import Described, RawModel
    from shakeslide.models.kernel_machines.svm import SupportVectorMachine
    from shakeslide.models.own import OwnModel
    from shakeslide.sampling.encoding import Angles, Scaling

Method = Literal["none", "platt", "isotonic"]
"""How probabilities are calibrated."""
ContextKind = Literal["factors", "place"]
HeldOut = Literal["pixel", "landslide", "block"]
"""What is held out of training rows; a model for new ground needs weights from blocks."""

EXCLUSION = (0.0, 11.0, 50.0, 100.0)
"""Distances in cells up to which training rows are left out, one for each time that a row enters:
from its own landslide's other cells to whole blocks."""
LEAST = {"platt": 100, "isotonic": 1000}
"""Source cells among the training rows that a calibration needs."""


@dataclass(frozen=True)
class Recipe:
    """A model to be trained.

    Attributes
    ----------
    name : str
        Of the model.
    angles : {"raw", "sincos"}
        How angles are given to it.
    params : mapping
        Its parameters.
    scaling : {"percentile", "normal"}
        How numbers and classes are given to it.
    calibration : {"none", "platt", "isotonic"}
        How its probabilities are calibrated, on rows of the training side that it was not fitted
        on.
    context : tuple of {"factors", "place"}
        What of the training rows around a cell the model is given beside its factors.
    exclusion : tuple of float
        Distances in cells up to which a training row's neighbours are left out of its own context:
        it enters once for each.
    members : tuple of Recipe
        Of a blend: how its members are trained.
    held_out : {"pixel", "landslide", "block"}
        Of a blend: what is held out of its training rows to choose weights.
    """

    name: str
    angles: Angles
    params: Mapping[str, ModelParameter]
    calibration: Method = "none"
    scaling: Scaling = "percentile"
    context: tuple[ContextKind, ...] = ()
    exclusion: tuple[float, ...] = EXCLUSION
    members: tuple[Recipe, ...] = ()
    held_out: HeldOut = "block"

    @property
    def present(self) -> tuple[Recipe, ...]:
        """Members whose libraries are installed; all where none is."""
        return tuple(m for m in self.members if not m.missing) or self.members

    def make(self, seed: int) -> Model:
        """Return the unfitted estimator."""
        params = dict(self.params)
        if self.members:
            params["members"] = tuple(m.name for m in self.present)
            params["settings"] = {m.name: dict(m.params) for m in self.present}
        made = entry(self.name).make(**params)
        # Models without chance have no seed.
        return made.set_params(random_state=seed) if "random_state" in made.get_params() else made

    def lacks(self, factors: Sequence[Described]) -> list[str]:
        """Name what a model needs and these factors, its settings or the machine don't give."""
        if missing := self.missing:
            return [missing]
        made = self._raw()
        return [] if made is None else made.lacks(factors, units.conversion)

    @property
    def missing(self) -> str:
        """The optional library that fits it and is not installed, with what installs it."""
        if self.members:
            return next((m.missing for m in self.present if m.missing), "")
        package = entry(self.name).package
        return "" if not package or installed(package) else how_to_install(package, package)

    def remarks(self) -> list[str]:
        """Return what the user should know of the settings, a line each."""
        made = self._raw()
        absent = [m for m in self.members if m not in self.present]
        out = [f"{self.name} does without {m.name}, which needs {m.missing}" for m in absent]
        return out if made is None else [*out, *made.remarks()]

    @property
    def calibrates(self) -> bool:
        """Whether a fit is calibrated; a blend is, whatever its calibration, where rows allow."""
        return self.calibration != "none" or bool(self.members)

    def _raw(self) -> RawModel | None:
        """Return the unfitted estimator if it takes raw factors: only then its class is loaded."""
        return cast("RawModel", self.make(0)) if entry(self.name).raw else None

    def has_exact_kernel(self, rows: int, features: int) -> bool:
        """Whether it is a support vector machine that takes each pair of so many rows."""
        if self.name != "svm":
            return False
        return cast("SupportVectorMachine", self.make(0)).is_exact(rows, features)

    @property
    def storable(self) -> bool:
        """Whether the fitted model can be stored, hence mapped."""
        return not entry(self.name).own or cast("OwnModel", self.make(0)).storable

    @property
    def origin(self) -> str:
        """Name and version of the package that brings the estimator; empty for ours."""
        own = entry(self.name).own
        return extensions.package(GROUP, own) if own else ""

    @property
    def static(self) -> bool:
        """Whether nothing is learnt from the labels, a calibration included."""
        return entry(self.name).static and self.calibration == "none"
