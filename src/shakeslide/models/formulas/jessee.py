"""The global model of Nowicki Jessee et al. (2018) and its revision by Allstadt et al. (2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from shakeslide.core.compiled import kernel
from shakeslide.core.errors import InputError
from shakeslide.models.formulas.raw import Formula, Quantity

LITHOLOGY = {
    "mt": -1.87, "nd": -0.66, "pa": -0.78, "pb": -1.88, "vi": -1.61, "py": -1.05, "sc": -0.95,
    "sm": -1.36, "ss": -1.92, "su": -3.22, "va": -1.54, "vb": -1.50, "pi": -0.81,
}  # fmt: skip
"""Coefficients of the lithologies of GLiM."""
LAND_COVER = {
    14: 0.91, 20: 0.88, 30: 0.78, 40: 0.68, 50: 0.30, 60: 1.77, 70: 1.71, 90: -1.26, 100: 1.50,
    110: 0.68, 120: 1.13, 130: 0.79, 140: 1.03, 150: 0.54, 160: 2.34, 180: 1.19, 190: 0.30,
    200: -0.06, 220: -0.18, 230: -1.08,
}  # fmt: skip
"""Coefficients of the land covers of GlobCover."""
OUTPUTS = ("probability", "coverage")


MODEL_DEVIATION = 0.03
"""Standard deviation of X that the USGS takes where it has no raster of it."""


class Jessee2018(Formula):
    """Probability of landslides after Nowicki Jessee et al. (2018), JGR Earth Surf. 123:1835.

    X = −6.30 + 1.65 ln PGV + 0.06 slope + 0.03 CTI + 0.01 ln PGV · slope + lithology + land cover,
    P = 1/(1 + exp(−X)), with PGV in cm/s and slope in degrees; the share of the area that
    landslides cover is exp(−7.592 + 5.237 P − 3.042 P² + 4.035 P³).

    Parameters
    ----------
    output : {"probability", "coverage"}
        P, or the share of the area.
    lithology_classes : mapping
        Classes of the study's lithology to GLiM's two letters; classes that are named like
        GLiM's need none.
    land_cover_classes : mapping
        Classes of the study's land cover to GlobCover's codes; likewise.
    pgv, slope, cti, lithology, land_cover : str
        Codes of the factors. An empty code for lithology or land cover: the class is unknown
        everywhere, and the mean coefficient of all classes counts.
    """

    published: ClassVar[str] = "Nowicki Jessee et al. (2018)"
    # `min` with it changes nothing.
    limits: ClassVar[tuple[float, float]] = (float("inf"), float("inf"))
    """Largest PGV (cm/s) and wetness that count."""

    def __init__(
        self,
        output: str = "probability",
        lithology_classes: Mapping[str, str] | None = None,
        land_cover_classes: Mapping[str, int] | None = None,
        pgv: str = "PGV",
        slope: str = "SLO",
        cti: str = "CTI",
        lithology: str = "LITH",
        land_cover: str = "LC",
    ) -> None:
        self.output = output
        self.lithology_classes = lithology_classes
        self.land_cover_classes = land_cover_classes
        self.pgv = pgv
        self.slope = slope
        self.cti = cti
        self.lithology = lithology
        self.land_cover = land_cover

    name: ClassVar[str] = "jessee2018"

    def class_remedy(self, setting: str) -> str:
        """Return where classes are mapped."""
        return f"[models.{self.name}] {setting}_classes"

    def quantities(self) -> tuple[Quantity, ...]:
        """PGV, slope, wetness, classes of lithology and land cover."""
        if self.output not in OUTPUTS:
            raise InputError(f"output {self.output!r} must be one of {', '.join(OUTPUTS)}")
        return (
            Quantity("pgv", "peak ground velocity", "cm/s"),
            Quantity("slope", "slope", "deg"),
            Quantity("cti", "topographic wetness", "1"),
            *self._further(),
            *([Quantity("lithology", "lithology", "class")] if self.lithology else []),
            *([Quantity("land_cover", "land cover", "class")] if self.land_cover else []),
        )

    def _further(self) -> tuple[Quantity, ...]:
        return ()

    @property
    def class_spread(self) -> float:
        """Standard deviation of X where classes are unknown, 0 where both are given."""
        tables = [t for code, t in self._tables() if not code]
        return float(np.sqrt(sum(np.var(list(t.values())) for t in tables)))

    def sensitivity(self, output: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the derivative of the output by X, at outputs; any shape."""
        if self.output == "probability":
            return output * (1.0 - output)
        # The share rises with P everywhere.
        grid = np.linspace(0.0, 1.0, 10_001)
        p = np.interp(output, areal_coverage(grid), grid)
        return np.asarray(output * p * (1.0 - p) * _share_slope(p))

    def _tables(self) -> tuple[tuple[str, Mapping[Any, float]], ...]:
        return (self.lithology, self._lithology()), (self.land_cover, LAND_COVER)

    def _class_terms(
        self, properties: Sequence[NDArray[np.float64]], rows: int
    ) -> NDArray[np.float64]:
        """Return the sum of the coefficients of each row's classes, (rows,)."""
        total, given = np.zeros(rows), iter(properties)
        for code, table in self._tables():
            total += next(given)[:, 0] if code else float(np.mean(list(table.values())))
        return total

    @property
    def meaning(self) -> str:
        """What its output is."""
        what = "probability of landslides"
        if self.output == "coverage":
            what = "share of the area that landslides cover, 0 to 1"
        return f"{what} after {self.published}; not trained on the study's landslides"

    @property
    def title(self) -> str:
        """The same in a few words, for legends."""
        return (
            "Probability of landslides"
            if self.output == "probability"
            else "Share of the area that landslides cover"
        )

    def class_properties(self, setting: str, name: str) -> tuple[float, ...] | None:
        """Return the coefficient of a class.

        Raises
        ------
        InputError
            The settings name a class that the formula has no coefficient for.
        """
        given: str | int | None
        if setting == "lithology":
            given = (self.lithology_classes or {}).get(name)
            table: Mapping[str, float] = self._lithology()
        else:
            given = (self.land_cover_classes or {}).get(name)
            table = {str(k): v for k, v in LAND_COVER.items()}
        if given is not None and str(given) not in table:
            raise InputError(
                f"{self.class_remedy(setting)}: '{name}' = {given!r}, but the formula has "
                f"no such class; it has {', '.join(table)}"
            )
        found = table.get(name if given is None else str(given))
        return None if found is None else (found,)

    def _lithology(self) -> Mapping[str, float]:
        return LITHOLOGY

    def _evaluate(
        self, values: Sequence[NDArray[np.float64]], properties: Sequence[NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        return self._shown(self._logistic(values, properties))

    def deviation(
        self,
        X: NDArray[np.float32],
        ln_pgv: NDArray[np.float64],
        model: NDArray[np.float64] | float = MODEL_DEVIATION,
    ) -> NDArray[np.float64]:
        """Return the standard deviation of the output, as the USGS carries that of PGV through.

        σ_X² = (1.65 + 0.01 slope)² σ²(ln PGV) + σ²(model), and from X to the output by the first
        derivative: neither PGV above its limit nor the output's own curvature is regarded.

        Parameters
        ----------
        X : array, (n, n_features)
            As `predict_proba` takes it.
        ln_pgv : array, (n,)
            Standard deviation of ln PGV.
        model : array, (n,), or float
            Standard deviation of X itself.

        Returns
        -------
        array, (n,) float64
            NaN where a class is not known. Like the USGS's map it does not regard what the
            revision of 2022 leaves out: gentle and quiet ground, where the output is 0.
        """
        values, properties, known = self._taken(X)
        p = self._logistic(values, properties)
        sd = p * (1.0 - p) * np.hypot((1.65 + 0.01 * values[1]) * ln_pgv, model)
        if self.output == "coverage":
            sd = sd * areal_coverage(p) * _share_slope(p)
        return np.where(known, sd, np.nan)

    def _logistic(
        self, values: Sequence[NDArray[np.float64]], properties: Sequence[NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """Return P before anything is made of it; see `_evaluate`."""
        p: NDArray[np.float64] = _probability(
            values[0],
            values[1],
            values[2],
            self._class_terms(properties, values[0].size),
            *self.limits,
        )
        return p

    def _shown(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.output == "probability":
            return p
        share: NDArray[np.float64] = areal_coverage(p)
        return share


class Jessee2022(Jessee2018):
    """The model of 2018 as revised by Allstadt et al. (2022), Earthq. Spectra 38:5.

    Unconsolidated sediments count −1.36; PGV counts up to 211 cm/s and CTI up to 19; it is 0 where
    the slope is below 2 degrees or PGA below 0.02 g.

    Parameters
    ----------
    output, lithology_classes, land_cover_classes
        As of `Jessee2018`.
    pgv, slope, cti, pga, lithology, land_cover : str
        Codes of the factors.
    """

    published: ClassVar[str] = "Allstadt et al. (2022)"
    limits: ClassVar[tuple[float, float]] = (211.0, 19.0)

    def __init__(
        self,
        output: str = "probability",
        lithology_classes: Mapping[str, str] | None = None,
        land_cover_classes: Mapping[str, int] | None = None,
        pgv: str = "PGV",
        slope: str = "SLO",
        cti: str = "CTI",
        pga: str = "PGA",
        lithology: str = "LITH",
        land_cover: str = "LC",
    ) -> None:
        super().__init__(
            output,
            lithology_classes,
            land_cover_classes,
            pgv=pgv,
            slope=slope,
            cti=cti,
            lithology=lithology,
            land_cover=land_cover,
        )
        self.pga = pga

    name = "jessee2022"

    def _further(self) -> tuple[Quantity, ...]:
        return (Quantity("pga", "peak ground acceleration", "g"),)

    def _lithology(self) -> Mapping[str, float]:
        return {**LITHOLOGY, "su": -1.36}

    def _evaluate(
        self, values: Sequence[NDArray[np.float64]], properties: Sequence[NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        _, slope, _, pga = values
        p = self._shown(self._logistic(values, properties))
        # The share too: `areal_coverage` alone leaves exp(−7.592) where P is 0.
        return np.where((slope < 2.0) | (pga < 0.02), 0.0, p)


@kernel
def _probability(
    pgv: NDArray[np.float64],
    slope: NDArray[np.float64],
    cti: NDArray[np.float64],
    classes: NDArray[np.float64],
    most_pgv: float,
    most_cti: float,
) -> NDArray[np.float64]:
    out = np.zeros(pgv.size)
    for i in range(pgv.size):
        # The limit of the formula: ln PGV falls without bound, and P to 0.
        if pgv[i] <= 0.0:
            continue
        shaking = np.log(min(pgv[i], most_pgv))
        x = -6.30 + 1.65 * shaking + 0.06 * slope[i] + 0.03 * min(cti[i], most_cti)
        x += 0.01 * shaking * slope[i] + classes[i]
        out[i] = 1.0 / (1.0 + np.exp(-x))
    return out


def _share_slope(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much the logarithm of `areal_coverage` grows with `p`; any shape."""
    return 5.237 - 6.084 * p + 12.105 * p**2


@kernel
def areal_coverage(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the area, (n,), that landslides cover at probability `p`, (n,)."""
    out = np.empty(p.size)
    for i in range(p.size):
        q = p[i]
        out[i] = np.exp(-7.592 + 5.237 * q - 3.042 * q * q + 4.035 * q * q * q)
    return out
