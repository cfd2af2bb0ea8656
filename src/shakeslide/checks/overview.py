"""A look at every layer before any long work: what it is, what it covers, what will be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from odc.geo.geobox import GeoBox

from shakeslide.checks import symptoms
from shakeslide.checks.event import event_rows
from shakeslide.checks.few import Least
from shakeslide.checks.landslides import Mapped, inventory_row, mask_row, part_row, parts
from shakeslide.checks.rasters import READING, Reading, raster_row, require_values
from shakeslide.checks.rehearsal import Asked
from shakeslide.checks.rows import LayerRow, uses
from shakeslide.checks.vectors import vector_row
from shakeslide.core.errors import InputError
from shakeslide.factors.factor import Factor
from shakeslide.geo import grid as grids
from shakeslide.io import containers
from shakeslide.layers.masks import name_of
from shakeslide.layers.readers import is_vector, raster_info
from shakeslide.study.factor_settings import FactorBase
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Evaluation, Event, Mask

PREVIEW = 1_000_000
"""Cells looked at in a raster: coverage and range are estimated on a coarser grid above this."""
LARGE = 5_000_000_000
"""Cells from which on a grid may be a slip of its resolution."""


def landslide_rows(
    mapped: Mapped,
    grid: GeoBox,
    event: Event,
    *,
    least: Sequence[Least] = (),
    asked: Asked | None = None,
    reading: Reading = READING,
) -> list[LayerRow]:
    """Look at the masks, at the further layers of the inventory and at the landslides.

    Parameters
    ----------
    mapped : Mapped
        The landslides and the masks.
    grid : GeoBox
        The grid.
    event : Event
        The earthquake.
    least : sequence of Least
        What needs how many landslides.
    asked : Asked, optional
        What the study asks for of its samples.
    reading : Reading
        How rasters are looked at.

    Returns
    -------
    list of LayerRow
        The last one is that of the landslides.

    Raises
    ------
    InputError
        On the first layer that cannot serve.
    """
    check_masks(mapped.masks, grid, reading)
    rows = [mask_row(m, name_of(m, i), _coarse(grid)) for i, m in enumerate(mapped.masks)]
    # What is wrong with the inventory is told before what is wrong with its further layers.
    last = inventory_row(mapped, grid, event, least, asked)
    return [*rows, *(part_row(*part, grid) for part in parts(mapped.settings)), last]


def factor_rows(
    layers: Mapping[str, Layer],
    factors: Mapping[str, FactorBase],
    grid: GeoBox,
    event: Event,
    reading: Reading = READING,
) -> list[LayerRow]:
    """Look at what factors are made from: the grid, their layers, the epicentre.

    Parameters
    ----------
    layers : mapping
        Layers of the study by name.
    factors : mapping
        Settings of the factors in use, by code.
    grid : GeoBox
        The grid.
    event : Event
        The earthquake.
    reading : Reading
        How rasters are looked at.

    Raises
    ------
    InputError
        On the first layer that cannot serve.
    """
    coarse = _coarse(grid)
    rows = []
    for name, use in uses(factors).items():
        if name not in layers:
            raise InputError(
                f"[layers.{name}] is missing, which {', '.join(use.codes)} need; add it, or leave "
                "the factors out with `use = false` in their tables"
            )
        if is_vector(layers[name]):
            rows.append(vector_row(name, layers[name], use, coarse))
        else:
            rows.append(
                raster_row(name, layers[name], use, coarse, grid, event=event, reading=reading)
            )
    about = [_size_warning(grid, len(factors)), *grids.remarks(grid)]
    # The DEM's row comes first, and from the DEM comes the grid.
    rows[0] = replace(rows[0], warnings=[*rows[0].warnings, *(text for text in about if text)])
    return [*rows, *event_rows(event, grid, factors)]


def _coarse(grid: GeoBox) -> GeoBox:
    return grid.zoom_out(max(1.0, (grid.shape[0] * grid.shape[1] / PREVIEW) ** 0.5))


def check_masks(masks: Sequence[Mask], grid: GeoBox, reading: Reading = READING) -> None:
    """Look at all values of masks that are rasters of which all but 0 is masked.

    Raises
    ------
    InputError
        A number that stands for "no data", which would be masked.
    """
    for i, mask in enumerate(masks):
        # Where classes are named, a number for "no data" is none of them.
        if mask.classes is None and not is_vector(mask):
            require_values(mask, name_of(mask, i), grid, reading)


def check_dem(layers: Mapping[str, Layer]) -> None:
    """Raise where the elevation model has no CRS, by the name of its file.

    Raises
    ------
    InputError
        No CRS, neither in the file nor in the study.
    """
    layer = layers.get("dem")
    if layer is not None and raster_info(layer, "dem").crs is None:
        raise InputError(
            f'{layer.path}: the DEM has no CRS; give it with crs = "EPSG:..." in [layers.dem]'
        )


def check_evaluation(asked: Evaluation, grid: GeoBox, reading: Reading = READING) -> None:
    """Look at what the evaluation needs besides the samples, which are drawn much later.

    Raises
    ------
    InputError
        Results of other earthquakes, or the true probability, that are not there; values that
        are no probabilities.
    """
    if "event" in asked.protocols:
        if not asked.events:
            raise InputError(
                '[evaluation] protocols names "event", but events is empty: give the folders of '
                "results of other earthquakes' runs"
            )
        for folder in asked.events:
            if not (folder / "samples.parquet").is_file():
                what = "holds no samples.parquet" if folder.is_dir() else "no such folder"
                raise InputError(
                    f"{folder} (evaluation.events): {what}; give the --out of a run after "
                    "`shakeslide sample`"
                )
    if asked.truth is not None:
        if not containers.exists(asked.truth.path):
            raise InputError(
                f"{asked.truth.path} (evaluation.truth): no such file; correct its path, or "
                "leave [evaluation.truth] out"
            )
        # All of it, for what is no probability would be found only after the training.
        where, seen = require_values(asked.truth, "evaluation.truth", grid, reading)
        if wrong := symptoms.not_probabilities(seen):
            raise InputError(f"{where}: {wrong}")


def _size_warning(grid: GeoBox, factors: int) -> str:
    cells = grid.shape[0] * grid.shape[1]
    if cells <= LARGE:
        return ""
    return (
        f"the grid has {cells:,} cells: its {factors} factors alone take "
        # Four bytes for a cell of each, in GB.
        f"{4e-9 * cells * factors:,.0f} GB before packing; is [grid] resolution right (metres)?"
    )


def models_row(used: Sequence[str], remarks: Sequence[str]) -> LayerRow:
    """Return what there is to say of the models: which run, which cannot and why."""
    text = ", ".join(used)
    return LayerRow(
        name="models",
        file="",
        kind="",
        crs="",
        coverage=None,
        values="",
        use=f"runs {text}",
        warnings=list(remarks),
    )


def with_factors(rows: Sequence[LayerRow], factors: Sequence[Factor]) -> list[LayerRow]:
    """Return the rows with what the factors found in their layers."""
    out = []
    for row in rows:
        own = [f for f in factors if f.layer == row.name]
        # Factors of one layer find the same in it: told once.
        notes = dict.fromkeys([*row.notes, *(n for f in own for n in f.notes)])
        warnings = dict.fromkeys([*row.warnings, *(w for f in own for w in f.warnings)])
        out.append(replace(row, notes=list(notes), warnings=list(warnings)))
    return out
