"""Finished runs of past earthquakes, read for learning from them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from shakeslide.core.errors import InputError
from shakeslide.io import units
from shakeslide.layers.positives import Positive
from shakeslide.sampling import events, sample_table
from shakeslide.sampling.sample_table import Samples

SHAKING = {"PGA": "g", "PGV": "cm/s"}
"""Factors that are shaking, and the units in which `rapid` draws them."""
ALIKE = 0.05
"""Share by which cell sizes may differ."""


@dataclass(frozen=True)
class PastRun:
    """The samples of one past earthquake.

    Attributes
    ----------
    name : str
        Of the folder.
    folder : Path
        Of the run.
    samples : Samples
        With shaking in the units of `SHAKING`.
    cell : float
        Side of the cells in metres.
    """

    name: str
    folder: Path
    samples: Samples
    cell: float


def read(folders: Sequence[Path]) -> list[PastRun]:
    """Read the samples of several runs.

    Raises
    ------
    InputError
        Fewer than two runs, one without samples or of an older version, two of one earthquake,
        runs on cells of different size, or points alone.
    """
    if len(folders) < 2:
        raise InputError(
            f"learn takes at least two runs, one per earthquake; {len(folders)} is given"
        )
    runs: list[PastRun] = []
    for folder in folders:
        run = _read(folder, _name(folder, folders))
        for before in runs:
            _require_other_ground(before, run)
        runs.append(run)
    _require_one_resolution(runs)
    _require_areas(runs)
    return runs


def definitions(runs: Sequence[PastRun]) -> str:
    """Return a remark where a landslide cell is not the same thing in all runs, else ""."""
    named: dict[Positive, list[str]] = {}
    for run in runs:
        named.setdefault(run.samples.positives, []).append(run.name)
    if len(named) == 1:
        return ""
    return "landslide cells are not alike: " + "; ".join(
        f"{positive.what} in {', '.join(names)}" for positive, names in named.items()
    )


def _name(folder: Path, folders: Sequence[Path]) -> str:
    """Return the name of a folder, with those of folders above as far as others share it."""
    whole = folder.resolve()
    others = {o.resolve() for o in folders} - {whole}
    for length in range(1, len(whole.parts)):
        name = "/".join(whole.parts[-length:])
        if not any("/".join(o.parts[-length:]) == name for o in others):
            return name
    return str(whole)


def _read(folder: Path, name: str) -> PastRun:
    path = folder / "samples.parquet"
    if not path.is_file():
        raise InputError(
            f"{folder}: has no samples.parquet, so it is no finished run; run `shakeslide run` "
            "on its study first"
        )
    samples = sample_table.load(path)
    if not all(f.settings for f in samples.factors):
        raise InputError(
            f"{path}: does not record the settings of its factors, because an older version of "
            "shakeslide wrote it; run `shakeslide run` on its study again"
        )
    if np.unique(samples.label).size < 2:
        raise InputError(f"{path}: has cells of one class only, so nothing can be learnt from it")
    return PastRun(name, folder, _converted(samples, path), _cell(samples, path))


def _converted(samples: Samples, path: Path) -> Samples:
    """Return the samples with shaking in the units in which it is drawn for a new earthquake."""
    table, factors = samples.table, []
    for factor in samples.factors:
        wanted = SHAKING.get(factor.code)
        if wanted is not None and factor.unit != wanted:
            gain = units.conversion(factor.unit, wanted)
            if gain is None:
                raise InputError(
                    f"{path}: factor {factor.code} is in '{factor.unit}', which is not a unit of "
                    f"{factor.code}; set [factors.{factor.code}] unit in its study"
                )
            table = table.assign(
                **{factor.code: table[factor.code].to_numpy(np.float32) * np.float32(gain)}
            )
            factors.append(replace(factor, unit=wanted))
        else:
            factors.append(factor)
    return replace(samples, table=table, factors=tuple(factors))


def _cell(samples: Samples, path: Path) -> float:
    """Return the side of the cells in metres, from places and numbers of columns and rows."""
    # Columns run along x, rows along y.
    for values, count in zip(samples.places, samples.cells[::-1], strict=True):
        first, last = int(np.argmin(count)), int(np.argmax(count))
        if count[last] > count[first]:
            return float(abs((values[last] - values[first]) / (count[last] - count[first])))
    raise InputError(f"{path}: has a single cell, from which nothing can be learnt")


def _require_other_ground(one: PastRun, other: PastRun) -> None:
    """Raise `InputError` if runs share source cells: one would be trained on and tested on."""
    if shared := events.shared_sources(one.samples, other.samples):
        raise InputError(
            f"{other.folder} and {one.folder}: share {shared:,} source cells, so they are of one "
            "earthquake or of the same ground; give each earthquake once, and one of those that "
            "overlap"
        )


def _require_areas(runs: Sequence[PastRun]) -> None:
    if all(run.samples.positives is Positive.POINTS for run in runs):
        raise InputError(
            f"{runs[0].folder}: has landslides as points, and so have all other runs: points "
            "have no area, so no total follows from them; add a run whose landslides are polygons"
        )


def _require_one_resolution(runs: Sequence[PastRun]) -> None:
    first = runs[0]
    for run in runs[1:]:
        if abs(run.cell / first.cell - 1) > ALIKE:
            raise InputError(
                f"{run.folder}: has cells of {run.cell:.4g} m, but {first.folder} has cells of "
                f"{first.cell:.4g} m, and slopes depend on the cell size; set the same [grid] "
                "resolution in both studies and run them again"
            )
