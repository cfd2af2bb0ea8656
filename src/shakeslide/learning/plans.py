"""How samples are split into those that a model is fitted on and those that it is tested on."""

from __future__ import annotations

from dataclasses import dataclass

from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.evaluation import splits
from shakeslide.evaluation.splits import Split
from shakeslide.geo import grid as grids
from shakeslide.sampling.sample_table import Samples

KEYS = {
    "pixel": "[samples] train_share",
    "landslide": "[evaluation] folds",
    "block": "[evaluation] folds, block_size and buffer",
}
"""Settings that a protocol's splits depend on."""


@dataclass(frozen=True)
class Plan:
    """How samples are split.

    Attributes
    ----------
    train_share, repeats
        Of `pixel`.
    folds : int
        Of `landslide` and `block`.
    block_size, buffer : float
        Of `block`, in metres.
    origin : (float, float)
        North-west corner from which blocks are laid.
    seed : int
        Of the study.
    """

    train_share: float
    repeats: int
    folds: int
    block_size: float
    buffer: float
    origin: tuple[float, float]
    seed: int


def origin(grid: GeoBox) -> tuple[float, float]:
    """Return the corner from which blocks are laid."""
    box = grids.bounds(grid)
    return float(box.left), float(box.top)


def chosen_splits(samples: Samples, protocol: str, plan: Plan) -> list[Split]:
    """Return the splits of a protocol, in a fixed order.

    Raises
    ------
    InputError
        The samples cannot be split so.
    """
    try:
        return _splits(samples, protocol, plan)
    except InputError as error:
        raise InputError(f"{error} (see {KEYS[protocol]} in the study file)") from error


def _splits(samples: Samples, protocol: str, plan: Plan) -> list[Split]:
    y = samples.label
    x, north = samples.places
    if protocol == "pixel":
        return list(splits.pixel(y, plan.train_share, plan.repeats, plan.seed))
    if protocol == "landslide":
        return list(
            splits.landslide(
                y,
                samples.landslide,
                x,
                north,
                repeats=1,
                seed=plan.seed,
                folds=plan.folds,
                event=samples.event,
            )
        )
    if protocol != "block":
        raise ValueError(f"protocol {protocol!r} has no splits here")
    return list(
        splits.block(
            y,
            x,
            north,
            plan.block_size,
            buffer=plan.buffer,
            folds=plan.folds,
            repeats=1,
            seed=plan.seed,
            origin=plan.origin,
            event=samples.event,
        )
    )
