"""What each artefact of a run depends on, as fingerprints.

A mark covers all that an artefact's values depend on, a label the names and limits that are written
beside them. What other artefacts hold counts by their marks.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shakeslide._version import __version__
from shakeslide.core.fingerprints import fingerprint
from shakeslide.factors.factor import Factor
from shakeslide.geo import grid as grids
from shakeslide.learning import plans
from shakeslide.pipeline.memory import once
from shakeslide.pipeline.stage import Artefact
from shakeslide.results.evaluation_document import Evaluation
from shakeslide.sampling import sample_table
from shakeslide.study.schema import Settings

if TYPE_CHECKING:
    from shakeslide.pipeline.run import Run

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
class Marks:
    """The artefacts of a run, with marks and labels.

    Methods that return a text give a mark or a label, those that return artefacts give both. All
    of them may read layers, and raise `InputError` as these do.

    Attributes
    ----------
    run : Run
        The study in its folder.
    """

    run: Run

    # ------------------------------------------------------------ from layers to samples

    @once
    def factor_marks(self) -> dict[str, str]:
        """Return each factor's mark by its code: settings, grid, the content of its layers."""
        # With the version, which may compute otherwise.
        where = [grids.describe(self.run.grid()), self.run.tile(), __version__]
        return {f.code: fingerprint(where, self._factor(f)) for f in self.run.factors()}

    def _factor(self, factor: Factor) -> list[Any]:
        layers = [self.run.study.layers[name] for name in sorted(factor.layers)]
        return [factor.essence(), [layer.essence(self.run.ledger.content) for layer in layers]]

    @once
    def factor_labels(self) -> dict[str, str]:
        """Return the label of each factor by its code: name and source that its file states."""
        return {f.code: fingerprint(f.tags()) for f in self.run.factors()}

    def factors(self) -> list[Artefact]:
        """Return the factors in use."""
        labels = self.factor_labels()
        return [
            Artefact(f"factor-{code}", mark, "prepare", labels[code])
            for code, mark in self.factor_marks().items()
        ]

    @once
    def masks(self) -> str:
        """Return the mark of the masks' ground."""
        # What the maps show there is no matter of the ground.
        content, but = self.run.ledger.content, ("map_value",)
        return fingerprint([m.essence(content, but=but) for m in self.run.study.masks])

    @once
    def sources(self) -> Artefact:
        """Return the extracted source areas."""
        study, content = self.run.study, self.run.ledger.content
        tables = [study.layers["dem"], self.run.outlines, study.sources]
        where = grids.describe(self.run.grid())
        mark = fingerprint(where, [t.essence(content) for t in tables], __version__)
        return Artefact("sources", mark, "sources")

    @once
    def sample(self) -> str:
        """Return the mark of the samples."""
        study, content = self.run.study, self.run.ledger.content
        extracted = study.inventory.positives_from == "extracted"
        parts = [
            self.factor_marks(),
            study.inventory.essence(content),
            self.masks(),
            study.samples.essence(content, but=OF_TRAINING),
            study.study.essence(content, but=OF_NO_VALUE),
            self.sources().mark if extracted else "",
            __version__,
        ]
        return fingerprint(*parts)

    def samples(self) -> Artefact:
        """Return the samples; factors' names and the blocks are written beside them."""
        label = fingerprint(self.factor_labels(), self.run.study.evaluation.block_size)
        return Artefact("samples", self.sample(), "sample", label)

    # ------------------------------------------------------------ models and their validation

    def judged_fit(self, name: str) -> str:
        """Return the mark of a model that is judged: fitted on training rows."""
        return self._fit(name, self._training())

    def mapped_fit(self, name: str) -> str:
        """Return the mark of the model that is mapped."""
        return self._fit(name, self._mapped_rows())

    def _training(self) -> list[Any]:
        """Return how training rows are chosen among the samples."""
        return [getattr(self.run.study.samples, key) for key in OF_TRAINING]

    def _mapped_rows(self) -> str | list[Any]:
        """Return which rows the mapped models are fitted on."""
        return "all samples" if self.run.models.maps_all else self._training()

    def _fit(self, name: str, rows: str | list[Any]) -> str:
        recipe = self.run.models.recipe(name)
        # Only where there is something to add: the other marks stay as they are.
        origin = [recipe.origin] if recipe.origin else []
        if recipe.scaling != "percentile":
            origin.append(recipe.scaling)
        if recipe.context:
            origin += [*recipe.context, *map(str, recipe.exclusion)]
        origin += [fingerprint(m.name, m.angles, m.params, m.scaling) for m in recipe.present]
        how = [name, recipe.angles, recipe.params, self._all_models()]
        return fingerprint(self.sample(), *how, rows, *origin)

    def _all_models(self) -> object:
        """Return what [models] says of all alike: neither which are used nor the table of one."""
        models = self.run.study.models
        tables = [k for k, v in models if isinstance(v, Settings)]
        return models.essence(self.run.ledger.content, but=["use", *tables])

    def _model_label(self) -> str:
        """Return the label of all stored models: the study's and factors' names."""
        return fingerprint(self.factor_labels(), self.run.study.study.name)

    def mapped_models(self, names: Sequence[str]) -> list[Artefact]:
        """Return the models that are mapped."""
        label = self._model_label()
        return [Artefact(f"model-{n}", self.mapped_fit(n), "train", label) for n in names]

    def judged_models(self, names: Sequence[str]) -> list[Artefact]:
        """Return the models that are judged."""
        label, item = self._model_label(), self.run.models.judged
        return [Artefact(item(n), self.judged_fit(n), "train", label) for n in names]

    def models(self) -> list[Artefact]:
        """Return all models that are stored: one of each kind where the judged are mapped."""
        stored = self.run.models.stored()
        both = [*self.judged_models(stored), *self.mapped_models(stored)]
        return list(dict.fromkeys(both))

    def members(self, name: str) -> list[Artefact]:
        """Return the members of a model's ensemble."""
        # Without their number: more members are trained beside those that are there.
        mark, label = fingerprint(self.mapped_fit(name), "member"), self._model_label()
        # In a folder of their own: in the list of what was made the ensemble is one thing.
        return [
            Artefact(f"member-{name}/members/{k:02d}", mark, "map", label)
            for k in range(self.run.study.map.members)
        ]

    def trial(self, name: str, protocol: str, plan: plans.Plan) -> str:
        """Return the mark of a model's trials under a protocol."""
        # Only what the protocol depends on: the rest may change without new fits.
        blocks = [plan.block_size, plan.buffer, plan.origin] if protocol == "block" else []
        folds = [plan.folds] if protocol in ("landslide", "block") else []
        others = self.events() if protocol == "event" else []
        return fingerprint(self.judged_fit(name), protocol, folds, blocks, others)

    @once
    def events(self) -> list[str]:
        """Return the marks of the other earthquakes' samples."""
        paths = [folder / "samples.parquet" for folder in self.run.study.evaluation.events]
        # What is missing is refused by name where events are loaded.
        return [sample_table.essence(sample_table.load(p)) for p in paths if p.is_file()]

    def evaluation(self) -> Artefact:
        """Return the whole evaluation."""
        study = self.run.study
        asked = study.evaluation
        names = [study.study.name, *(f.name for f in asked.events)]
        mark = fingerprint(
            {n: self.judged_fit(n) for n in self.run.models.used()},
            asked.essence(self.run.ledger.content, but=("events",)),
            self.events(),
            # The names of earthquakes stand in its tables.
            names if "event" in asked.protocols else [],
            f"schema {Evaluation.schema_number}",
        )
        return Artefact("evaluation", mark, "evaluate")

    def importance(self) -> Artefact:
        """Return what is computed of the factors."""
        models = {n: self.judged_fit(n) for n in self.run.models.stored()}
        # Here, because it loads the libraries that explain models.
        from shakeslide.results.importance_document import Importance

        mark = fingerprint(models, f"schema {Importance.schema_number}")
        return Artefact("importance", mark, "explain")

    # ------------------------------------------------------------ maps

    def maps(self, names: Sequence[str]) -> list[Artefact]:
        """Return models' maps; their label covers the limits of the classes."""
        label = fingerprint(self.run.study.map.breaks)
        return [Artefact(f"map-{n}", self._map(n), "map", label) for n in names]

    def _map(self, name: str) -> str:
        study = self.run.study
        # Their ground is in the mark of the samples, and so in that of the model.
        masks = [m.map_value for m in study.masks]
        how = [study.map.shows, self._all_maps(), masks, self.run.tile()]
        return fingerprint(self.mapped_fit(name), *how)

    def _all_maps(self) -> object:
        """Return what [map] says of all maps alike."""
        content = self.run.ledger.content
        return self.run.study.map.essence(content, but=[*WHICH_MAPS, *OF_SOME_MAPS])

    def spreads(self, names: Sequence[str]) -> list[Artefact]:
        """Return the maps of models' ensembles."""
        members = self.run.study.map.members
        marks = [fingerprint(self._map(n), members, "spread") for n in names]
        return [Artefact(f"spread-{n}", m, "map") for n, m in zip(names, marks, strict=True)]

    def applicability(self) -> list[Artefact]:
        """Return the area of applicability, where the study asks for it."""
        if not self.run.study.map.applicability:
            return []
        block = self.run.study.evaluation.block_size
        how = [self._mapped_rows(), block, self._all_maps(), self.run.tile()]
        return [Artefact("applicability", fingerprint(self.sample(), *how), "map")]

    # ------------------------------------------------------------ the report

    def results(self) -> list[Artefact]:
        """Return all artefacts that a report is made from."""
        models = self.run.models
        made = [*self.factors(), self.samples(), *self.models(), self.evaluation()]
        maps = [*self.maps(models.mapped()), *self.spreads(models.with_spread())]
        return [*made, *maps, *self.applicability(), self.importance()]

    def report(self) -> Artefact:
        """Return the report: its mark covers all results, and all that the study says in words.

        The label covers where its QGIS project finds the landslides.
        """
        content = self.run.ledger.content

        def named(path: Path) -> list[str]:
            return [path.name, content(path) if path.is_file() else ""]

        results = self.results()
        marks, labels = {a.item: a.mark for a in results}, {a.item: a.label for a in results}
        said = self.run.study.essence(named, shown=True)
        mark = fingerprint(
            marks, {i: label for i, label in labels.items() if label}, said, __version__
        )
        path = self.run.study.inventory.path
        # Relative, as the project has it: it holds where both are moved together.
        label = "" if path is None else fingerprint(os.path.relpath(path, self.run.out))
        return Artefact("report", mark, "report", label)
