"""What a report needs of a study that is not among the artefacts of its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from odc.geo.crs import CRS

from shakeslide.checks.rows import LayerRow
from shakeslide.io.records import Shapes
from shakeslide.study.settings import Event


@dataclass(frozen=True, kw_only=True)
class InventoryFile:
    """The file of the landslides, as the QGIS project opens it.

    Attributes
    ----------
    path : Path
        The file.
    layer, where : str or None
        Layer in it, and filter on its attributes.
    crs : CRS or None
        Of its coordinates; None where it is not known.
    """

    path: Path
    layer: str | None = None
    where: str | None = None
    crs: CRS | None = None


@dataclass(frozen=True, kw_only=True)
class StudyFacts:
    """What a report needs of a study beside the artefacts of its run.

    Attributes
    ----------
    layers : sequence of LayerRow
        The rows of the check.
    event : Event
        The earthquake.
    outlines : array of shapely polygons, (n,)
        The landslides as mapped, in the grid's CRS.
    marks : mapping of str to array of shapely geometries, (n,)
        The lines and points that factors are made from, by the factors' codes.
    inventory : InventoryFile or None
        The file of the landslides.
    """

    layers: Sequence[LayerRow] = ()
    event: Event = field(default_factory=Event)
    outlines: Shapes = field(default_factory=lambda: np.empty(0, object))
    marks: Mapping[str, Shapes] = field(default_factory=dict)
    inventory: InventoryFile | None = None
