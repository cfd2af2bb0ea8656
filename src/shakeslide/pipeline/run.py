"""A study in its folder of results: its inputs, and fingerprints of all that is made from them."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from odc.geo.geobox import GeoBox

from shakeslide._version import __version__
from shakeslide.core.engine import Engine
from shakeslide.core.errors import InputError
from shakeslide.core.fingerprints import fingerprint
from shakeslide.core.progress import Reporter
from shakeslide.factors import stack as stacks
from shakeslide.factors.catalogue import build
from shakeslide.factors.factor import Factor, Sources
from shakeslide.geo import grid as grids
from shakeslide.io import datasets, gdal, raster
from shakeslide.layers.inventory import Inventory as Landslides
from shakeslide.layers.inventory import load as load_landslides
from shakeslide.layers.masks import Masks
from shakeslide.layers.masks import load as load_masks
from shakeslide.layers.readers import raster_info, raster_source
from shakeslide.learning import model_recipes, validation
from shakeslide.learning.training import Recipe
from shakeslide.results.evaluation_document import Evaluation
from shakeslide.results.importance_document import Importance
from shakeslide.results.ledger import Ledger
from shakeslide.sampling import sampling
from shakeslide.study.schema import Settings
from shakeslide.study.settings import Inventory, Layer, Study

log = logging.getLogger("shakeslide")

# Keys that a mark leaves out, because another mark holds them or no value depends on them. Marks
# hold all other keys of a table (`essence`), so that a new one counts unless it is named here.
OF_TRAINING = ("train_share",)
"""[samples]: how the samples are used, not drawn."""
OF_NO_VALUE = ("preset", "network")
"""[study]: what fills other tables, and what may be read."""
WHICH_MAPS = ("models", "spread", "applicability")
"""[map]: which maps are made, not what is on them."""
OF_SOME_MAPS = ("shows", "members", "breaks", "fitted_on")
"""[map]: what the marks of models, their maps, ensembles and classes hold by themselves."""


@dataclass(frozen=True)
class Run:
    """A study in its folder of results.

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
        """Keep what the study reads from the web, unless it says otherwise; trust no open file."""
        gdal.allow_network(self.study.study.network)
        datasets.look_again()

    @cached_property
    def ledger(self) -> Ledger:
        """The record of what has been made from what."""
        return Ledger(self.out, self.reporter.say, self.verify)

    # --------------------------------------------------------------- inputs

    @property
    def inputs(self) -> dict[str, Path]:
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

    @cached_property
    def grid(self) -> GeoBox:
        """The grid of the study."""
        layer = self.study.layers.get("dem")
        if layer is None:
            raise InputError("[layers.dem] is missing: give path = the elevation raster")
        # Before the first is read, so that no change in between goes unnoticed.
        self.ledger.watch(self.inputs.values())
        asked = self.study.grid
        dem = raster_info(layer, "dem").grid
        return grids.choose(dem, asked.crs, asked.resolution, asked.bounds)

    @property
    def tile(self) -> int:
        """Side of a tile in cells."""
        return grids.tile_size(self.grid, self.study.grid.tile)

    @cached_property
    def dem(self) -> raster.RasterSource:
        """Elevation."""
        return raster_source(self.study.layers["dem"])

    @cached_property
    def factors(self) -> list[Factor]:
        """The factors of the study, ready to be computed."""
        # What is made over the whole grid is stored by the content of its layers.
        work, digest = self.ledger.work / "whole", self.ledger.content
        sources = Sources(self.grid, self.study.layers, self.study.event, work, digest)
        active = self.study.active_factors
        if not active:
            raise InputError("[factors] none is in use")
        with ThreadPoolExecutor(self.engine.threads) as pool:
            return list(pool.map(lambda code: build(code, active[code], sources), active))

    @cached_property
    def masks(self) -> Masks | None:
        """Ground where no landslide can be."""
        return load_masks(self.study.masks, self.grid) if self.study.masks else None

    @cached_property
    def mask_mark(self) -> str:
        """Fingerprint of the masks' ground."""
        # What the maps show there is no matter of the ground.
        content, but = self.ledger.content, ("map_value",)
        return fingerprint([m.essence(content, but=but) for m in self.study.masks])

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

    @cached_property
    def landslides(self) -> Landslides:
        """The landslides as sampled, read once; after `sources` where these are extracted."""
        return load_landslides(self.inventory, self.grid, self.masks)

    @property
    def codes(self) -> list[str]:
        """Codes of the factors in use."""
        return list(self.study.active_factors)

    def stack(self) -> Any:
        """Return the lazy stack of the prepared factors."""
        return stacks.stored(self.out / "factors", self.codes, self.tile)

    # ---------------------------------------------------------- fingerprints

    @cached_property
    def factor_marks(self) -> dict[str, str]:
        """Fingerprint of each factor: its settings, the grid, the content of its layers."""
        # With the version, which may compute otherwise.
        where = [grids.describe(self.grid), self.tile, __version__]
        return {f.code: fingerprint(where, self._factor_inputs(f)) for f in self.factors}

    def _factor_inputs(self, factor: Factor) -> list[Any]:
        layers = [self.study.layers[name] for name in sorted(factor.layers)]
        return [factor.essence(), [layer.essence(self.ledger.content) for layer in layers]]

    @cached_property
    def factor_labels(self) -> dict[str, str]:
        """Fingerprint of what each factor's file says of itself: name, source."""
        return {f.code: fingerprint(f.tags()) for f in self.factors}

    @cached_property
    def sources_mark(self) -> str:
        """Fingerprint of the extracted source areas."""
        tables = [self.study.layers["dem"], self.outlines, self.study.sources]
        return fingerprint(
            grids.describe(self.grid), [t.essence(self.ledger.content) for t in tables], __version__
        )

    @cached_property
    def sample_mark(self) -> str:
        """Fingerprint of the samples."""
        content, settings = self.ledger.content, self.study.inventory
        return fingerprint(
            self.factor_marks,
            settings.essence(content),
            self.mask_mark,
            self.study.samples.essence(content, but=OF_TRAINING),
            self.study.study.essence(content, but=OF_NO_VALUE),
            self.sources_mark if settings.positives_from == "extracted" else "",
            __version__,
        )

    @property
    def sample_labels(self) -> str:
        """Fingerprint of what is written beside the samples: factors' names, blocks."""
        return fingerprint(self.factor_labels, self.study.evaluation.block_size)

    @property
    def model_labels(self) -> str:
        """Fingerprint of what is written beside the models: the study's and factors' names."""
        return fingerprint(self.factor_labels, self.study.study.name)

    def train_mark(self, name: str) -> str:
        """Fingerprint of a model that is judged: fitted on training rows."""
        return self._fit_mark(name, self._training)

    def model_mark(self, name: str) -> str:
        """Fingerprint of the model that is mapped."""
        return self._fit_mark(name, "all samples" if self.maps_all else self._training)

    @property
    def _training(self) -> list[Any]:
        """How training rows are chosen among the samples."""
        return [getattr(self.study.samples, key) for key in OF_TRAINING]

    def _fit_mark(self, name: str, rows: Any) -> str:
        recipe = self.recipe(name)
        # Only of packages' models: the marks of ours stay as they are.
        origin = [recipe.origin] if recipe.origin else []
        how = [name, recipe.angles, recipe.params, self._all_models]
        return fingerprint(self.sample_mark, *how, rows, *origin)

    @property
    def maps_all(self) -> bool:
        """Whether the mapped models are fitted on all samples, apart from the judged ones."""
        return self.study.maps_fitted_on == "all"

    @property
    def _all_models(self) -> dict[str, Any]:
        """What [models] says of all models alike: neither which are used nor the table of one."""
        models = self.study.models
        tables = [k for k, v in models if isinstance(v, Settings)]
        return models.essence(self.ledger.content, but=["use", *tables])

    def trial_mark(self, name: str, protocol: str, plan: validation.Plan) -> str:
        """Fingerprint of a model's trials under a protocol."""
        # Only what the protocol depends on: the rest may change without new fits.
        blocks = [plan.block_size, plan.buffer, plan.origin] if protocol == "block" else []
        folds = [plan.folds] if protocol in ("landslide", "block") else []
        others = self.event_marks if protocol == "event" else []
        return fingerprint(self.train_mark(name), protocol, folds, blocks, others)

    @cached_property
    def event_marks(self) -> list[str]:
        """Fingerprints of the other earthquakes' samples."""
        paths = [folder / "samples.parquet" for folder in self.study.evaluation.events]
        # What is missing is refused by name where events are loaded.
        return [sampling.essence(sampling.load(p)) for p in paths if p.is_file()]

    @property
    def evaluation_mark(self) -> str:
        """Fingerprint of the whole evaluation."""
        asked = self.study.evaluation
        names = [self.study.study.name, *(f.name for f in asked.events)]
        return fingerprint(
            {n: self.train_mark(n) for n in self.models},
            asked.essence(self.ledger.content, but=("events",)),
            self.event_marks,
            # The names of earthquakes stand in its tables.
            names if "event" in asked.protocols else [],
            f"schema {Evaluation.schema_number}",
        )

    @property
    def labels(self) -> dict[str, str]:
        """Fingerprints of what is written beside the artefacts' values."""
        return {
            **{f"factor-{code}": text for code, text in self.factor_labels.items()},
            "samples": self.sample_labels,
            **dict.fromkeys(self.wanted_trained, self.model_labels),
            **{f"map-{n}": self.class_labels for n in self.mapped_models},
        }

    @property
    def results(self) -> dict[str, str]:
        """Fingerprints of all artefacts that a report is made from."""
        results = self.wanted_factors | self.wanted_trained
        results |= {"samples": self.sample_mark, "evaluation": self.evaluation_mark}
        results |= {f"map-{n}": self.map_mark(n) for n in self.mapped_models}
        results |= {f"spread-{n}": self.spread_mark(n) for n in self.spread_models}
        if self.study.map.applicability:
            results["applicability"] = self.area_mark
        return results | {"importance": self.importance_mark}

    @property
    def report_mark(self) -> str:
        """Fingerprint of the report: all results, and all that the study says in words."""

        def named(path: Path) -> list[str]:
            return [path.name, self.ledger.content(path) if path.is_file() else ""]

        said = self.study.essence(named, shown=True)
        return fingerprint(self.results, self.labels, said, __version__)

    @property
    def report_labels(self) -> str:
        """Fingerprint of where the report's QGIS project finds the landslides."""
        path = self.study.inventory.path
        # Relative, as the project has it: it holds where both are moved together.
        return "" if path is None else fingerprint(os.path.relpath(path, self.out))

    @property
    def importance_mark(self) -> str:
        """Fingerprint of what is told of the factors."""
        models = {n: self.train_mark(n) for n in self.stored_models}
        return fingerprint(models, f"schema {Importance.schema_number}")

    def plan(self, samples: sampling.Samples) -> validation.Plan:
        """Return how the samples are split."""
        asked = self.study.evaluation
        return validation.Plan(
            train_share=self.study.samples.train_share,
            repeats=asked.repeats,
            folds=asked.folds,
            # "auto" in the study is a length in the samples.
            block_size=float(samples.counts["block_size"]),
            buffer=asked.buffer,
            origin=validation.origin(self.grid),
            seed=self.study.study.seed,
        )

    @cached_property
    def usable(self) -> tuple[list[str], list[str]]:
        """Models in use whose inputs the study has, and what there is to say of them and others."""
        used, remarks = [], []
        for name in self.study.models.use:
            recipe = self.recipe(name)
            if missing := recipe.lacks(self.factors):
                remarks.append(f"{name} is left out, it lacks {'; '.join(missing)}")
                continue
            remarks += recipe.remarks()
            used.append(name)
        if not used:
            raise InputError(
                f"[models] use: none of the models has the inputs that it needs: "
                f"{'. '.join(remarks)}"
            )
        return used, remarks

    @cached_property
    def models(self) -> list[str]:
        """Models in use: those whose inputs the study has. What is left out is said, once."""
        used, remarks = self.usable
        for line in remarks:
            self.reporter.say(f"warning: {line}")
        return used

    @property
    def stored_models(self) -> list[str]:
        """Models in use that are stored; a package's own estimator may be unable to."""
        return [n for n in self.models if self.recipe(n).storable]

    @property
    def wanted_factors(self) -> dict[str, str]:
        """Artefacts of the factors in use and their fingerprints."""
        return {f"factor-{code}": mark for code, mark in self.factor_marks.items()}

    def wanted_models(self, names: Sequence[str]) -> dict[str, str]:
        """Artefacts of the models that are mapped and their fingerprints."""
        return {f"model-{n}": self.model_mark(n) for n in names}

    def wanted_judged(self, names: Sequence[str]) -> dict[str, str]:
        """Artefacts of the models that are judged and their fingerprints."""
        return {self.judged(n): self.train_mark(n) for n in names}

    @property
    def wanted_trained(self) -> dict[str, str]:
        """Artefacts of all trained models and their fingerprints."""
        return self.wanted_judged(self.stored_models) | self.wanted_models(self.stored_models)

    def judged(self, name: str) -> str:
        """Artefact of a model as it is judged: fitted on the training rows of the first split."""
        return f"{'judged' if self.maps_all else 'model'}-{name}"

    def is_final(self, item: str) -> bool:
        """Whether an artefact is a model that is fitted on all samples."""
        return self.maps_all and not item.startswith("judged-")

    def model_folder(self, item: str) -> Path:
        """Folder of a trained model, by its artefact."""
        kind, _, name = item.partition("-")
        folder = self.out / "models" / name
        return folder / "judged" if kind == "judged" else folder

    def map_mark(self, name: str) -> str:
        """Fingerprint of a model's maps, but for the classes' limits."""
        # Their ground is in the mark of the samples, and so in that of the model.
        masks = [m.map_value for m in self.study.masks]
        return fingerprint(
            self.model_mark(name), self.study.map.shows, self._all_maps, masks, self.tile
        )

    @property
    def _all_maps(self) -> dict[str, Any]:
        """What [map] says of all maps alike."""
        return self.study.map.essence(self.ledger.content, but=[*WHICH_MAPS, *OF_SOME_MAPS])

    @property
    def class_labels(self) -> str:
        """Fingerprint of the classes of susceptibility."""
        return fingerprint(self.study.map.breaks)

    def recipe(self, name: str) -> Recipe:
        """Return how a model is trained: the preset's settings and what the study changes."""
        return model_recipes.recipe(name, self.study.models, self.study.event)

    @property
    def spread_models(self) -> list[str]:
        """Models with an ensemble."""
        if self.study.map.members == 0:
            return []
        self.require_maps()
        chosen = self.study.map.spread
        if chosen is None:
            # A formula learns nothing: all members would be the same.
            return [n for n in self.mapped_models if not self.recipe(n).static]
        return [n for n in chosen if n in self.models]

    def member_mark(self, name: str) -> str:
        """Fingerprint of a member of a model's ensemble, whatever their number."""
        # More members are trained beside those that are there.
        return fingerprint(self.model_mark(name), "member")

    def require_maps(self) -> None:
        """Raise `InputError` where [map] asks for models that are not in use, or for no spread."""
        asked, used = self.study.map, self.study.models.use
        for key, names in (("models", asked.models), ("spread", asked.spread)):
            for name in names or []:
                if name not in used:
                    raise InputError(f"[map] {key}: '{name}' is not in [models] use = {used}")
        if asked.members == 1:
            raise InputError("[map] members = 1 has no spread; give 2 at least, 10 are better")

    def spread_mark(self, name: str) -> str:
        """Fingerprint of the maps of a model's ensemble."""
        return fingerprint(self.map_mark(name), self.study.map.members, "spread")

    @property
    def area_mark(self) -> str:
        """Fingerprint of the area of applicability."""
        rows = "all samples" if self.maps_all else self._training
        block = self.study.evaluation.block_size
        return fingerprint(self.sample_mark, rows, block, self._all_maps, self.tile)

    @property
    def mapped_models(self) -> list[str]:
        """Models to map."""
        self.require_maps()
        chosen = self.study.map.models
        mapped = [n for n in self.models if n in chosen] if chosen is not None else self.models
        for name in mapped:
            if name not in self.stored_models:
                raise InputError(
                    f"[map] models: '{name}' can be evaluated but not mapped, as its class has no "
                    f"to_arrays() and from_arrays(); set [map] models = {self.stored_models}"
                )
        return mapped


@contextmanager
def timed(what: str) -> Any:
    """Log what begins and how long it took, and give a list that then holds the seconds."""
    start = time.perf_counter()
    log.info("%s: begin", what)
    taken: list[float] = []
    yield taken
    # Not reached after an error: only what was finished is recorded.
    taken.append(time.perf_counter() - start)
    log.info("%s: %.1f s", what, taken[0])


MADE_BY = {
    "factor": "prepare",
    "samples": "sample",
    "model": "train",
    "judged": "train",
    "evaluation": "evaluate",
    "importance": "explain",
    "map": "map",
    "spread": "map",
    "applicability": "map",
    "sources": "sources",
}
"""The command that makes an artefact."""


def need(run: Run, wanted: Mapping[str, str], labels: Mapping[str, str] | None = None) -> None:
    """Raise `InputError` unless these artefacts are there and made with the study as it is now.

    Those with `labels` must bear the names of now too.
    """
    for item, mark in wanted.items():
        what = run.ledger.why_stale(item, mark, (labels or {}).get(item))
        if what is not None:
            stage = MADE_BY[item.split("-")[0]]
            raise InputError(
                f"{run.out}: {item} {what}; run `shakeslide {stage}` first, or `shakeslide run`, "
                "which redoes what has changed"
            )
