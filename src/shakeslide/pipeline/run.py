"""A study in its folder of results: what the stages read, once per run."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odc.geo.geobox import GeoBox

from shakeslide.core.allocator import give_back
from shakeslide.core.engine import Engine
from shakeslide.core.errors import InputError
from shakeslide.core.progress import Reporter
from shakeslide.factors import stack as stacks
from shakeslide.factors.catalogue import build
from shakeslide.factors.factor import Factor, Sources
from shakeslide.geo import grid as grids
from shakeslide.io import datasets, gdal, raster, vector
from shakeslide.layers.inventory import Inventory as Landslides
from shakeslide.layers.inventory import load as load_landslides
from shakeslide.layers.masks import Masks
from shakeslide.layers.masks import load as load_masks
from shakeslide.layers.readers import raster_info, raster_source
from shakeslide.learning import plans
from shakeslide.pipeline.marks import Marks
from shakeslide.pipeline.memory import forget, is_known, once
from shakeslide.pipeline.selection import Selection
from shakeslide.results.ledger import Ledger
from shakeslide.sampling import sample_table
from shakeslide.study.layer_settings import Layer
from shakeslide.study.settings import Inventory, Study

if TYPE_CHECKING:
    import xarray as xr

LARGE = 2_000_000
"""Vertices of a layer from which on it is read again rather than kept: it takes 200 MB or more."""


@dataclass(frozen=True)
class Run:
    """A study in its folder of results.

    Attributes raise nothing. Methods read what the study names, once, and raise `InputError` where
    that cannot serve.

    Attributes
    ----------
    study : Study
        All settings.
    document : mapping
        The study as written, for the record.
    out : Path
        Folder of results.
    engine : Engine
        Where tiles are computed.
    reporter : Reporter
        What the user sees.
    verify : bool
        Read inputs and results again to see whether they still hold what is recorded.
    """

    study: Study
    document: Mapping[str, Any]
    out: Path
    engine: Engine
    reporter: Reporter
    verify: bool = False

    def __post_init__(self) -> None:
        """Keep GDAL off the web unless the study allows it, and have every file opened anew."""
        gdal.allow_network(self.study.study.network)
        datasets.look_again()

    @cached_property
    def ledger(self) -> Ledger:
        """The record of what has been made from what."""
        return Ledger(self.out, self.reporter.say, self.verify)

    @cached_property
    def models(self) -> Selection:
        """Which models are used, and how each is trained."""
        return Selection(self)

    @cached_property
    def marks(self) -> Marks:
        """What each artefact depends on."""
        return Marks(self)

    # --------------------------------------------------------------- files

    @property
    def files(self) -> dict[str, Path]:
        """Files with data that the study names, by the names of their tables."""
        study, settings = self.study, self.study.inventory
        tables: dict[str, Layer | Inventory | None] = {
            **{f"layers.{name}": layer for name, layer in study.layers.items()},
            **{f"masks.{i}": mask for i, mask in enumerate(study.masks, start=1)},
            "inventory": settings,
            "inventory.sources": settings.sources,
            "inventory.extent": settings.extent,
            **{f"inventory.ambiguous.{i}": a for i, a in enumerate(settings.ambiguous, start=1)},
            "sources.before": study.sources.before,
            "sources.after": study.sources.after,
            "evaluation.truth": study.evaluation.truth,
        }
        return {n: t.path for n, t in tables.items() if t is not None and t.path is not None}

    @once
    def grid(self) -> GeoBox:
        """Return the grid of the study."""
        layer = self.study.layers.get("dem")
        if layer is None:
            raise InputError("[layers.dem] is missing: give path = the elevation raster")
        # Before the first is read, so that no change in between goes unnoticed.
        self.ledger.watch(self.files.values())
        asked = self.study.grid
        dem = raster_info(layer, "dem").grid
        return grids.choose(dem, asked.crs, asked.resolution, asked.bounds)

    def tile(self) -> int:
        """Return the side of a tile in cells."""
        return grids.tile_size(self.grid(), self.study.grid.tile)

    @once
    def dem(self) -> raster.RasterSource:
        """Return the elevation."""
        return raster_source(self.study.layers["dem"])

    @once
    def factors(self) -> list[Factor]:
        """Return the factors of the study, ready to be computed."""
        # What is made over the whole grid is stored by the content of its layers.
        work, digest = self.ledger.work / "whole", self.ledger.content
        sources = Sources(self.grid(), self.study.layers, self.study.event, work, digest)
        active = self.study.active_factors
        if not active:
            raise InputError("[factors]: no factor is in use; remove use = false from at least one")
        with ThreadPoolExecutor(self.engine.threads) as pool:
            return list(pool.map(lambda code: build(code, active[code], sources), active))

    @once
    def masks(self) -> Masks | None:
        """Return the ground where no landslide can be."""
        return load_masks(self.study.masks, self.grid()) if self.study.masks else None

    @property
    def inventory(self) -> Inventory:
        """The inventory as sampled: with the extracted source areas where the study says so."""
        asked = self.study.inventory
        if asked.positives_from == "mapped":
            return asked
        made = Layer(path=self.out / "sources.gpkg", layer="source")
        return asked.model_copy(update={"sources": made, "source_where": None})

    @property
    def outlines(self) -> Inventory:
        """The inventory as `sources` reads it: every outline, and source areas where they count."""
        # What tells nothing of outlines is set alike, so that the mark does not depend on it.
        update: dict[str, Any] = {"small": "leave", "positives_from": "mapped", "buffer": 0.0}
        update |= {"ambiguous": [], "extent": None}
        if not self.study.sources.mapped:
            update |= {"sources": None, "source_where": None}
        return self.study.inventory.model_copy(update=update)

    @once
    def mapped(self) -> Landslides:
        """Return the landslides as the study gives them."""
        return load_landslides(self.study.inventory, self.grid(), self.masks())

    @once
    def landslides(self) -> Landslides:
        """Return the landslides as sampled; after `sources` where these are extracted."""
        if self.inventory == self.study.inventory:
            return self.mapped()
        return load_landslides(self.inventory, self.grid(), self.masks())

    def make_room(self, *, keep_landslides: bool = False) -> None:
        """Let go of layers that take much memory, before long work that does not need them.

        Who asks for them again reads them again.
        """
        vector.forget(LARGE)
        if not keep_landslides and is_known(Run.mapped, self) and self.mapped().vertices >= LARGE:
            forget(Run.mapped, self)
            forget(Run.landslides, self)
        give_back()

    @property
    def codes(self) -> list[str]:
        """Codes of the factors in use."""
        return list(self.study.active_factors)

    def stack(self) -> xr.DataArray:
        """Return the lazy stack of the prepared factors, (factor, y, x)."""
        return stacks.stored(self.out / "factors", self.codes, self.tile())

    def plan(self, samples: sample_table.Samples) -> plans.Plan:
        """Return how the samples are split."""
        asked = self.study.evaluation
        return plans.Plan(
            train_share=self.study.samples.train_share,
            repeats=asked.repeats,
            folds=asked.folds,
            # "auto" in the study is a length in the samples.
            block_size=samples.counts.block_size,
            buffer=asked.buffer,
            origin=plans.origin(self.grid()),
            seed=self.study.study.seed,
        )
