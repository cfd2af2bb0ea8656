"""What `check` says of a layer, and what the factors want of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shakeslide.factors.catalogue import columns_of, layer_of
from shakeslide.study import factor_sets
from shakeslide.study.factor_settings import CategoryFactor, FactorBase, ValueFactor

FAR = 200_000.0
"""Metres from the grid beyond which a layer, or the epicentre, is suspected to be elsewhere."""


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """What `check` says of one layer.

    Attributes
    ----------
    name, file, kind, crs : str
        What the study calls it, its file, raster or geometry, its CRS.
    coverage : float or None
        Share of the grid that has a value (polygons, rasters).
    values : str
        Range of values, classes, or number of features.
    use : str
        What will be done with it.
    notes, warnings : list of str
        What was repaired; what to think about.
    cells : int
        Of the inventory: source cells that will be sampled, if all have values of all factors.
    """

    name: str
    file: str
    kind: str
    crs: str
    coverage: float | None
    values: str
    use: str
    source: str = ""
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    cells: int = 0


@dataclass(frozen=True)
class Uses:
    """What the factors want of a layer.

    Attributes
    ----------
    codes : list of str
        The factors made from it.
    classes : bool
        Whether its values are classes.
    unit : str or None
        Unit that a factor of its values states; None: no factor takes its values.
    columns : tuple of str
        Attributes that the factors read where the layer has them.
    """

    codes: list[str]
    classes: bool
    unit: str | None
    columns: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What will be done with the layer."""
        return f"factors {factor_sets.listed(self.codes)}" if self.codes else "grid"


def uses(factors: Mapping[str, FactorBase]) -> dict[str, Uses]:
    """Return what the factors of a study want of each layer, the DEM first."""
    # The grid needs the DEM where no factor does.
    wanted: dict[str, dict[str, FactorBase]] = {"dem": {}}
    for code, factor in factors.items():
        name = layer_of(factor)
        if name:
            wanted.setdefault(name, {})[code] = factor
    out = {}
    for name, own in wanted.items():
        values = [f.unit for f in own.values() if isinstance(f, ValueFactor)]
        classes = any(isinstance(f, CategoryFactor) for f in own.values())
        columns = tuple(dict.fromkeys(c for f in own.values() for c in columns_of(f)))
        out[name] = Uses(list(own), classes, values[0] if values else None, columns)
    return out


def coverage_warning(share: float) -> list[str]:
    """Return a warning where a layer leaves a part of the grid without values."""
    if share >= 0.999:
        return []
    return [
        f"covers {100 * share:.1f} % of the grid; the rest has no prediction (nodata on the maps)"
    ]


def counted(number: int, kind: str) -> str:
    """Return how many geometries of a kind there are."""
    if kind == "mixed":
        return f"{number:,} geometries of several kinds"
    return f"{number:,} {kind}" + ("" if number == 1 else "s")
