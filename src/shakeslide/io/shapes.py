"""Geometries made fit for use: of one kind, valid, finite, in the grid's CRS."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from odc.geo.crs import CRS

from shakeslide.core.errors import InputError, counted
from shakeslide.io.points import Points
from shakeslide.io.records import Shapes

KINDS = {0: "point", 4: "point", 1: "line", 5: "line", 2: "line", 3: "polygon", 6: "polygon"}
"""Kind of geometry by shapely's type number."""
COLLECTION = 7
BEYOND = 1e8
"""Metres from the origin of a CRS beyond which there is no Earth."""
BLOCK = 500_000
"""Coordinates that are brought into another CRS at once."""


def flat(geometry: Shapes | Points) -> Shapes | Points:
    """Return geometries, (n,), without heights, (n,)."""
    if isinstance(geometry, Points) or not (shapely.get_coordinate_dimension(geometry) > 2).any():
        return geometry
    out: Shapes = shapely.force_2d(geometry)
    return out


def kind_of(geometry: Shapes | Points) -> str:
    """Return "point", "line" or "polygon" for geometries, (n,); "mixed" where there are several."""
    if isinstance(geometry, Points):
        return "point"
    kinds = {KINDS.get(int(n), "mixed") for n in np.unique(shapely.get_type_id(geometry))}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def present(geometry: Shapes | Points, where: str, notes: list[str]) -> NDArray[np.bool_]:
    """Return which features have a geometry.

    Parameters
    ----------
    geometry : array of geometries, (n,), or Points
        Missing and empty ones among them.
    where : str
        File and layer, for messages.
    notes : list of str
        Gets a line if features are left out.

    Returns
    -------
    array, (n,) bool
        True where a feature has a geometry that is not empty.

    Raises
    ------
    InputError
        None has one, or some have endless coordinates.
    """
    kept = ~_missing(geometry)
    if not kept.all():
        notes.append(f"{counted(int((~kept).sum()), 'feature')} without geometry left out")
    if not kept.any():
        raise InputError(f"{where}: none of its features has a geometry")
    endless = ~np.isfinite(_bounds(geometry if kept.all() else geometry[kept])).all(axis=1)
    if endless.any():
        raise InputError(
            f"{where}: {int(endless.sum())} of its {int(kept.sum())} features have coordinates "
            "that are not finite numbers; repair or remove them"
        )
    return kept


def _missing(geometry: Shapes | Points) -> NDArray[np.bool_]:
    if isinstance(geometry, Points):
        return geometry.missing
    return np.asarray(shapely.is_missing(geometry) | shapely.is_empty(geometry))


def _bounds(geometry: Shapes | Points) -> NDArray[np.float64]:
    """Return the least and greatest coordinates of each geometry, those of a point once."""
    return geometry.xy if isinstance(geometry, Points) else np.asarray(shapely.bounds(geometry))


def of_kinds(
    geometry: Shapes | Points, kinds: Sequence[str], where: str, notes: list[str]
) -> tuple[Shapes | Points, NDArray[np.bool_]]:
    """Return geometries of the kinds that are needed, and which features have one.

    Of a collection the parts of the first kind that it holds are taken. Features of other kinds
    are left out where they are few, as strays of digitising or clipping are.

    Parameters
    ----------
    geometry : array of geometries, (n,), or Points
        None missing or empty.
    kinds : sequence of str
        "point", "line", "polygon", the preferred one first.
    where : str
        File and layer, for messages.
    notes : list of str
        Gets a line for what is left out.

    Returns
    -------
    geometry : array of geometries, (n,), or Points
        All of them, collections reduced to the parts that are needed.
    wanted : array, (n,) bool
        Which are of these kinds.

    Raises
    ------
    InputError
        Most features are of other kinds.
    """
    if isinstance(geometry, Points):
        if "point" in kinds:
            return geometry, np.ones(len(geometry), bool)
        geometry = geometry[:1].shapes  # all are alike: the error below needs one
    out = geometry.copy()
    mixed = np.nonzero(shapely.get_type_id(out) == COLLECTION)[0]
    lost = 0
    for i in mixed:
        out[i], rest = _parts_of(out[i], kinds)
        lost += rest > 0 and not shapely.is_empty(out[i])
    types = shapely.get_type_id(out)
    wanted = np.isin(types, [n for n, kind in KINDS.items() if kind in kinds])
    others = int((~wanted).sum())
    if others * 2 > len(out) or not wanted.any():
        raise InputError(
            f"{where}: {_found(geometry)}, but {' or '.join(kinds)} geometries are needed here; "
            + ("choose them with where = or layer =" if wanted.any() else "choose another file")
        )
    if lost:
        notes.append(f"only the {kinds[0]}s of {counted(lost, 'geometry collection')} are used")
    if others:
        numbers = np.unique(shapely.get_type_id(geometry[~wanted]))
        held = ", ".join(sorted({KINDS.get(int(n), "collection") for n in numbers}))
        notes.append(
            f"left out {others:,} of {counted(len(out), 'feature')} that have no "
            f"{' or '.join(kinds)} geometry ({held})"
        )
    return out, wanted


def _found(geometry: Shapes) -> str:
    """Return what kinds of geometries there are and how many."""
    kinds = np.array([KINDS.get(int(n), "collection") for n in shapely.get_type_id(geometry)])
    names, counts = np.unique(kinds, return_counts=True)
    if len(names) == 1:
        return f"holds {names[0]} geometries"
    told = [counted(int(n), str(name)) for name, n in zip(names, counts, strict=True)]
    return f"holds {', '.join(told[:-1])} and {told[-1]}"


def _parts_of(collection: shapely.Geometry, kinds: Sequence[str]) -> tuple[shapely.Geometry, int]:
    """Return the parts of a collection of the first kind that it holds, and how many others."""
    parts = simple_parts(np.array([collection], object))
    named = np.array([KINDS.get(int(n), "other") for n in shapely.get_type_id(parts)])
    for kind in kinds:
        own = parts[named == kind]
        if len(own):
            make = {
                "point": shapely.multipoints,
                "line": shapely.multilinestrings,
                "polygon": shapely.multipolygons,
            }[kind]
            # A LinearRing cannot be a part of a MultiLineString.
            rings = [shapely.LineString(p) if p.geom_type == "LinearRing" else p for p in own]
            return make(np.array(rings, object)), len(parts) - len(own)
    return collection, len(parts)


def simple_parts(geometry: Shapes) -> Shapes:
    """Return the m simple parts, (m,), of geometries, (n,): points, lines and polygons.

    Those in collections are among them, empty ones are not.
    """
    parts = shapely.get_parts(geometry)
    # Collections may hold collections.
    while (shapely.get_type_id(parts) > 3).any():
        parts = shapely.get_parts(parts)
    out: Shapes = parts[~shapely.is_empty(parts)]
    return out


def mended(
    geometry: Shapes | Points, where: str, notes: list[str]
) -> tuple[Shapes | Points, NDArray[np.bool_]]:
    """Return valid geometries, and which of them hold anything.

    Parameters
    ----------
    geometry : array of geometries, (n,), or Points
        Of one kind.
    where : str
        File and layer, for messages.
    notes : list of str
        Gets a line for repairs and one for what is left out.

    Returns
    -------
    geometry : array of geometries, (n,), or Points
        All of them, invalid ones repaired.
    kept : array, (n,) bool
        Which are not empty.

    Raises
    ------
    InputError
        None holds anything.
    """
    if isinstance(geometry, Points):  # a point is always valid
        return geometry, np.ones(len(geometry), bool)
    out = geometry.copy()
    areal = np.nonzero(shapely.get_dimensions(out) > 0)[0]
    with ThreadPoolExecutor() as pool:  # the slowest part of reading
        # GEOS runs outside Python's lock, so that threads help.
        sound = pool.map(shapely.is_valid, np.array_split(out[areal], 16))
        broken = areal[~np.concatenate(list(sound))]
    kept = np.ones(len(out), bool)
    if len(broken):
        repaired = made_valid(out[broken])
        out[broken] = [_same_kind(r, o) for r, o in zip(repaired, out[broken], strict=True)]
        notes.append(f"{counted(len(broken), 'invalid geometry', 'invalid geometries')} repaired")
        kept = ~shapely.is_empty(out)
        if not kept.all():
            notes.append(f"left out {int((~kept).sum()):,} of these, which had no length or area")
        if not kept.any():
            raise InputError(
                f"{where}: none of its features has a geometry with length or area; repair the "
                "file or choose another"
            )
    return out, kept


def made_valid(geometry: Shapes) -> Shapes:
    """Return invalid geometries, (n,), as valid ones that cover the same ground, (n,).

    Parts that overlap are joined and holes are cut out of the shell. GEOS's default would make
    a hole where two parts overlap, and ground of the piece of a hole that lies outside.
    """
    out: Shapes = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    return out


def _same_kind(repaired: shapely.Geometry, original: shapely.Geometry) -> shapely.Geometry:
    """Keep of a repaired geometry the parts of its original dimension (spikes become lines)."""
    dimension = shapely.get_dimensions(original)
    parts = shapely.get_parts(repaired)
    parts = parts[shapely.get_dimensions(parts) == dimension]
    return shapely.unary_union(parts) if len(parts) else shapely.Point()


def swapped(geometry: Shapes | Points) -> Shapes | Points:
    """Return geometries, (n,), with x and y exchanged, (n,)."""
    if isinstance(geometry, Points):
        return Points(geometry.xy[:, ::-1])
    out: Shapes = shapely.set_coordinates(
        geometry.copy(), np.ascontiguousarray(shapely.get_coordinates(geometry)[:, ::-1])
    )
    return out


def projected(geometry: Shapes | Points, own: CRS, crs: CRS) -> Shapes | Points:
    """Return geometries, (n,), in another CRS, (n,).

    Coordinates beyond the ground that it can show become infinite.
    """
    if own == crs:
        return geometry
    # `always_xy`: x first as in the files, whatever order the CRS states.
    change = pyproj.Transformer.from_crs(own.to_wkt(), crs.to_wkt(), always_xy=True)
    xy = geometry.xy if isinstance(geometry, Points) else shapely.get_coordinates(geometry)
    moved = np.empty_like(xy)
    # In blocks, for PROJ works on copies.
    for first in range(0, len(xy), BLOCK):
        some = slice(first, first + BLOCK)
        moved[some] = np.column_stack(change.transform(*xy[some].T))
    if isinstance(geometry, Points):
        return Points(moved)
    out: Shapes = shapely.set_coordinates(geometry.copy(), moved)
    return out


def beyond(geometry: Shapes | Points) -> NDArray[np.bool_]:
    """Return which geometries, (n,) in metres, lie nowhere on the Earth, (n,) bool."""
    return np.asarray(~(np.abs(_bounds(geometry)) < BEYOND).all(axis=1))  # NaN and infinity too
