"""Landslides from failed cells: sources, run-outs down the terrain, outlines that merge."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from shakeslide.core.compiled import kernel
from shakeslide.synthetic.drainage import DC, DISTANCE, DR
from shakeslide.synthetic.noise import Floats, mix

Ints = NDArray[np.int32]

SPREAD = 4.0
"""Exponent of the slope in the sharing of a run-out among lower neighbours (Holmgren 1994)."""
THINNEST = 0.02
"""Share of a landslide's flow below which a branch of its run-out ends."""
FASTEST = 25.0
"""Greatest velocity head of a run-out (m), about 22 m/s."""


@dataclass(frozen=True)
class Landslides:
    """Landslides on the grid: 0 is stable ground, other values are ids.

    Attributes
    ----------
    source, whole : array (rows, cols), int32
        Id of the landslide whose source, or whose source or run-out, covers a cell.
    count : int
        Ids run from 1 to `count`.
    """

    source: Ints
    whole: Ints
    count: int


class RunOut(NamedTuple):
    """How landslides run out: cell size (m), probability that two merge, and seed."""

    cell: float
    amalgamation: float
    seed: int


class Ids(NamedTuple):
    """What chance goes by, and an id that each id belongs to: arrays (ids + 1,), int32."""

    names: Ints
    parent: Ints


class _Starts(NamedTuple):
    """Source cells of each landslide one after another, where each begins, and its friction."""

    cells: Any
    starts: Any
    friction: Any


@kernel
def _root(parent: Ints, i: int) -> int:
    while parent[i] != i:
        # Halves the path, which later searches then take.
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def _run_out(z: Floats, owner: Ints, slides: _Starts, how: RunOut, ids: Ids) -> None:
    """Let every landslide run down by the energy line; `owner` gains the run-outs, in place.

    `ids.parent` receives the parent of each id: ids that merged lead to the same root. Chance goes
    by the names of the ids.
    """
    cells, starts, friction = slides
    cell, amalgamation, seed = how
    names, parent = ids
    rows, cols = z.shape
    count = starts.size - 1
    stamp = np.zeros(z.shape, np.int32)
    head = np.empty(z.shape, np.float32)
    flow = np.empty(z.shape, np.float32)
    w = np.empty(8)
    for k in range(count):
        me = k + 1
        # An element put in and taken out gives the compiler the list's type.
        heap = [(np.float32(0.0), np.int64(0))]
        heap.pop()
        for i in cells[starts[k] : starts[k + 1]]:
            r, c = divmod(i, cols)
            stamp[r, c] = me
            head[r, c] = 0.0
            flow[r, c] = 1.0
            # Negated: a heap gives the smallest first, and the highest is wanted.
            heapq.heappush(heap, (-z[r, c], np.int64(i)))
        # The flow that a landslide begins with is 1 for each cell of its source.
        least = THINNEST * (starts[k + 1] - starts[k])
        while heap:
            _, i = heapq.heappop(heap)
            r, c = divmod(i, cols)
            if flow[r, c] < least:
                continue
            total = 0.0
            for n in range(8):
                w[n] = 0.0
                rr = r + DR[n]
                cc = c + DC[n]
                if 0 <= rr < rows and 0 <= cc < cols:
                    slope = (z[r, c] - z[rr, cc]) / (cell * DISTANCE[n])
                    if slope > 0.0:
                        w[n] = slope**SPREAD
                        total += w[n]
            for n in range(8):
                if w[n] <= 0.06 * total:
                    continue
                rr = r + DR[n]
                cc = c + DC[n]
                fall = z[r, c] - z[rr, cc]
                # The energy line falls by the tangent of the angle of reach.
                energy = head[r, c] + fall - friction[k] * cell * DISTANCE[n]
                if energy <= 0.0:
                    continue
                if stamp[rr, cc] != me:
                    other = owner[rr, cc]
                    if other != 0 and _root(parent, other) != _root(parent, me):
                        theirs = np.uint64(names[other]) * np.uint64(7919)
                        chance = mix(np.uint64(seed) + theirs + mix(np.uint64(names[me])))
                        if np.float64(chance >> np.uint64(40)) / 16777216.0 >= amalgamation:
                            continue
                        parent[_root(parent, me)] = _root(parent, other)
                    if other == 0:
                        owner[rr, cc] = me
                    stamp[rr, cc] = me
                    head[rr, cc] = 0.0
                    flow[rr, cc] = 0.0
                    heapq.heappush(heap, (-z[rr, cc], np.int64(rr * cols + cc)))
                flow[rr, cc] += flow[r, c] * w[n] / total
                head[rr, cc] = min(max(head[rr, cc], np.float32(energy)), np.float32(FASTEST))
    for i in range(parent.size):
        parent[i] = _root(parent, i)


def run_out(z: Floats, sources: Ints, owner: Ints, friction: Floats, how: RunOut, ids: Ids) -> None:
    """Let landslides run out, one after another.

    Parameters
    ----------
    z : array (rows, cols)
        Elevation (m).
    sources : array (rows, cols), int32
        Ids from 1 on of the landslides that run out, on their sources; 0 elsewhere.
    owner : array (rows, cols), int32
        Ids of all landslides on what they cover; gains the run-outs, in place.
    friction : array (n,)
        Tangent of the angle of reach of the ids 1 to n.
    how : RunOut
        See `make_landslides`.
    ids : Ids
        Of every id in `owner`. An id is its own parent if it is the first of its landslide;
        `parent` receives the mergers, in place: afterwards ids of one landslide have the same
        parent.
    """
    flat = np.flatnonzero(sources)
    labels = sources.ravel()[flat]
    order = np.argsort(labels, kind="stable")
    cells = flat[order].astype(np.int32)
    sizes = np.bincount(labels, minlength=friction.size + 1)[1:]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    _run_out(z, owner, _Starts(cells, starts, friction), how, ids)


def mobility(areas: NDArray[np.floating[Any]], rng: np.random.Generator) -> Floats:
    """Tangent of the angle of reach (H/L), (n,), of landslides with source areas (m2), (n,).

    Volume by area (Larsen et al. 2010: 0.146 A^1.332). H/L falls with volume as in Corominas
    (1988), steeper and with a log-normal spread of 0.12: small slides stop on the slope.
    """
    log_volume = np.log10(0.146) + 1.332 * np.log10(areas)
    log_reach = -0.1 * log_volume + 0.13 + 0.12 * rng.standard_normal(areas.size)
    return np.asarray(np.clip(10.0**log_reach, 0.2, 1.0), np.float32)


def make_landslides(
    failed: NDArray[np.bool_], z: Floats, cell: float, seed: int, *, amalgamation: float
) -> Landslides:
    """Group failed cells into landslides and let them run out.

    Parameters
    ----------
    failed : array (rows, cols), bool
        Cells that fail: each group of cells that share sides is one source.
    z : array (rows, cols)
        Elevation (m).
    cell : float
        Cell size (m).
    seed : int
    amalgamation : float
        Probability that a run-out that reaches another landslide merges with it into one outline;
        otherwise it ends there.
    """
    labels = np.empty(failed.shape, np.int32)
    count = int(label(failed, output=labels))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    friction = mobility(sizes * cell**2, np.random.default_rng([seed, 60]))
    whole = labels.copy()
    names = np.arange(count + 1).astype(np.int32)
    parent = names.copy()
    run_out(z, labels, whole, friction, RunOut(cell, amalgamation, seed), Ids(names, parent))
    roots, new = np.unique(parent[1:], return_inverse=True)
    rename = np.concatenate([[0], new + 1]).astype(np.int32)
    return Landslides(rename[labels], rename[whole], roots.size)
