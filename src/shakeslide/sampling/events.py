"""Samples of several earthquakes as one set, for training on some and testing on another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shakeslide.core import sample_columns as columns
from shakeslide.core.errors import InputError
from shakeslide.evaluation import splits
from shakeslide.factors.stack import FactorInfo
from shakeslide.sampling import sample_table
from shakeslide.sampling.sample_table import Samples


@dataclass(frozen=True)
class Events:
    """Samples of several earthquakes.

    Attributes
    ----------
    names : tuple of str
        The events: the study's own, then the others.
    samples : Samples
        All rows; classes have one code per name over all events. The column `event` is the place
        of a row's event in `names`.
    own : tuple of Samples
        The rows' samples by event, with the counts of its area.
    """

    names: tuple[str, ...]
    samples: Samples
    own: tuple[Samples, ...]

    @property
    def event(self) -> NDArray[np.int64]:
        """Event of each row of the samples, (samples,) int64: its place in `names`."""
        return self.samples.event

    def regions(self, split: splits.Split) -> dict[str, dict[int, int]]:
        """Return the class areas of the events that a split trains on."""
        trained = np.unique(self.event[split.train])
        return self.samples.class_areas_of(np.isin(self.samples.areas[columns.EVENT], trained))

    def tested(self, split: splits.Split) -> Samples:
        """Return all samples, with the counts of the area of the event that is tested."""
        event = int(self.event[split.test[0]])
        return replace(self.samples, counts=self.own[event].counts)

    def prevalence(self, split: splits.Split) -> float:
        """Return the share of sources in the areas of the events that a split trains on."""
        trained = [self.own[k].counts for k in np.unique(self.event[split.train])]
        positive = sum(c.source_cells for c in trained)
        return float(positive / (positive + sum(c.clear_cells for c in trained)))


def load(own: Samples, name: str, folders: Sequence[Path]) -> Events:
    """Join a study's samples with those of other finished runs.

    Parameters
    ----------
    own : Samples
        The study's own.
    name : str
        What it is called.
    folders : sequence of Path
        Folders of results of the other runs.

    Raises
    ------
    InputError
        A folder without samples, or whose factors are not the study's.
    """
    parts, names = [own], [name]
    for folder in folders:
        path = folder / "samples.parquet"
        if not path.is_file():
            raise InputError(
                f"{folder} (evaluation.events): holds no samples.parquet; run `shakeslide run` "
                "there first"
            )
        other = sample_table.load(path)
        _require_same_factors(own, other, folder)
        for earlier in parts:
            _require_other_ground(earlier, other, folder)
        parts.append(other)
        names.append(folder.name if folder.name not in names else f"{folder.name} {len(names)}")
    return join(parts, names)


def _require_same_factors(own: Samples, other: Samples, folder: Path) -> None:
    theirs = {f.code: f for f in other.factors}
    for f in own.factors:
        if f.code not in theirs:
            raise InputError(
                f"{folder} (evaluation.events): has no factor {f.code}; give both studies the same "
                "factors, or leave it out with `use = false`"
            )
        for what in ("unit", "kind"):
            a, b = getattr(f, what), getattr(theirs[f.code], what)
            if a != b:
                raise InputError(
                    f"{folder} (evaluation.events): factor {f.code} has {what} '{b}', but '{a}' "
                    "in this study"
                )
        if bool(f.legend) != bool(theirs[f.code].legend):
            raise InputError(
                f"{folder} (evaluation.events): the classes of {f.code} have names in one study "
                "and only codes in the other: they cannot be matched"
            )


def _require_other_ground(one: Samples, other: Samples, folder: Path) -> None:
    """Raise `InputError` if samples share source cells: they would be trained on and tested."""
    if shared := shared_sources(one, other):
        raise InputError(
            f"{folder} (evaluation.events): {shared:,} of its source cells are also sampled by "
            "this study or by another event: both are of the same earthquake"
        )


def shared_sources(one: Samples, other: Samples) -> int:
    """Return how many source cells two samples share.

    Coordinates of several projections coincide by chance. The ground then differs: cells are shared
    where most of them have the same values of a factor of numbers, or where there is none to tell.
    """
    numbers = [{f.code for f in s.factors if f.kind != "categorical"} for s in (one, other)]
    codes, place = sorted(numbers[0] & numbers[1]), [columns.X, columns.Y]
    tables = [s.table.loc[s.label == 1, [*place, *codes]] for s in (one, other)]
    both = tables[0].merge(tables[1], on=place, suffixes=("", " there"))
    alike = [(both[c] == both[f"{c} there"]).mean() > 0.5 for c in codes]
    return len(both) if any(alike) or not codes else 0


def join(parts: Sequence[Samples], names: Sequence[str]) -> Events:
    """Join samples whose factors are the same; classes are matched by name.

    Parameters
    ----------
    parts : sequence of Samples
        One per event, two at least; the first gives the order of the factors.
    names : sequence of str
        Of the events.
    """
    factors = tuple(_joined(f, parts) for f in parts[0].factors)
    recoded = [_recoded(p, factors) for p in parts]
    tables = [p.table.assign(**{columns.EVENT: np.int64(k)}) for k, p in enumerate(recoded)]
    areas = [p.areas.assign(**{columns.EVENT: np.int64(k)}) for k, p in enumerate(recoded)]
    counts = replace(
        parts[0].counts,
        source_cells=sum(p.counts.source_cells for p in parts),
        clear_cells=sum(p.counts.clear_cells for p in parts),
    )
    whole = replace(
        parts[0],
        table=pd.concat(tables, ignore_index=True),
        factors=factors,
        areas=pd.concat(areas, ignore_index=True),
        counts=counts,
    )
    return Events(tuple(names), whole, tuple(recoded))


def _joined(factor: FactorInfo, parts: Sequence[Samples]) -> FactorInfo:
    """Return a factor with the classes of all events."""
    legends = [f.legend for p in parts for f in p.factors if f.code == factor.code]
    # Sorted, so that codes do not depend on which study comes first.
    known = sorted({name for legend in legends for name in legend.values()})
    return replace(factor, legend=dict(enumerate(known, start=1)))


def _recoded(part: Samples, factors: Sequence[FactorInfo]) -> Samples:
    """Return samples with the codes of the joined legends and the order of its factors."""
    table, areas = part.table.copy(), part.areas.copy()
    legends: dict[str, Mapping[int, str]] = {f.code: f.legend for f in part.factors}
    for factor in factors:
        if factor.kind != "categorical" or not factor.legend:
            continue
        number = {name: code for code, name in factor.legend.items()}
        new = {code: number[name] for code, name in legends[factor.code].items()}
        table[factor.code] = table[factor.code].map(new).astype(np.float32)
        here = areas[columns.FACTOR] == factor.code
        areas[columns.CODE] = (
            areas[columns.CODE].mask(here, areas[columns.CODE].map(new)).astype(np.int64)
        )
    fixed = [c for c in table.columns if c not in legends]
    kept = table[fixed + [f.code for f in factors]]
    return replace(part, table=kept, factors=tuple(factors), areas=areas)
