"""Which models of a study are used, stored, judged and mapped, and how each is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shakeslide.core.errors import InputError
from shakeslide.learning import model_recipes
from shakeslide.learning.recipe import Recipe
from shakeslide.pipeline.memory import once
from shakeslide.results import evaluation_document

if TYPE_CHECKING:
    from shakeslide.pipeline.run import Run


@dataclass(frozen=True)
class Selection:
    """The models of a run.

    Attributes
    ----------
    run : Run
        The study in its folder.
    """

    run: Run

    def recipe(self, name: str) -> Recipe:
        """Return how a model is trained: the preset's settings and what the study changes."""
        return model_recipes.recipe(name, self.run.study.models, self.run.study.event)

    @once
    def usable(self) -> tuple[list[str], list[str]]:
        """Return the models whose inputs the study has, and remarks on these and the others.

        Raises
        ------
        InputError
            No model has what it needs.
        """
        used, remarks = [], []
        for name in self.run.study.models.use:
            recipe = self.recipe(name)
            if missing := recipe.lacks(self.run.factors()):
                remarks.append(f"{name} is left out because it lacks {'; '.join(missing)}")
                continue
            remarks += recipe.remarks()
            used.append(name)
        if not used:
            raise InputError(
                f"[models] use: no model has all inputs that it needs: {'. '.join(remarks)}"
            )
        return used, remarks

    def used(self) -> list[str]:
        """Return the models in use: those whose inputs the study has; remarks are shown once."""
        used, remarks = self.usable()
        for line in remarks:
            self.run.reporter.warn(line)
        return used

    @once
    def stored(self) -> list[str]:
        """Return the models in use that are stored; a package's own may be unable to."""
        return [n for n in self.used() if self.recipe(n).storable]

    def mapped(self) -> list[str]:
        """Return the models to map.

        Raises
        ------
        InputError
            [map] asks for models that are not in use, or that cannot be stored.
        """
        self.require_maps()
        asked, stored = self.run.study.map.models, self.stored()
        mapped = [n for n in self.used() if asked is None or n in asked]
        for name in mapped:
            if name not in stored:
                raise InputError(
                    f"[map] models: '{name}' can be evaluated but not mapped, as its class has no "
                    f"to_arrays() and from_arrays(); set [map] models = {stored}"
                )
        return mapped

    def with_spread(self) -> list[str]:
        """Return the models with an ensemble; errors as for `mapped`."""
        if self.run.study.map.members == 0:
            return []
        self.require_maps()
        asked = self.run.study.map.spread
        if asked is None:
            return self._learn()
        if asked == "best":
            return self._best()
        used = self.used()
        return [n for n in asked if n in used]

    def waits_for_scores(self) -> bool:
        """Whether the best of several models is to have an ensemble, and is not known yet."""
        asked = self.run.study.map
        if asked.members == 0 or asked.spread != "best" or len(self._learn()) <= 1:
            return False
        return not (self.run.out / evaluation_document.NAME).is_file()

    def _learn(self) -> list[str]:
        """Return the models that are mapped and learn: all members of a formula are the same."""
        return [n for n in self.mapped() if not self.recipe(n).static]

    def _best(self) -> list[str]:
        """Return the best of the models that are mapped and learn, none before the evaluation."""
        learn = self._learn()
        if len(learn) <= 1:
            return learn
        if self.waits_for_scores():
            return []
        rows = evaluation_document.load(self.run.out).by_rank()
        return [row.model for row in rows if row.model in learn][:1]

    def require_maps(self) -> None:
        """Raise `InputError` where [map] asks for models that are not in use, or for no spread."""
        asked, used = self.run.study.map, self.run.study.models.use
        spread = [] if asked.spread == "best" else asked.spread
        for key, names in (("models", asked.models), ("spread", spread)):
            for name in names or []:
                if name not in used:
                    raise InputError(f"[map] {key}: '{name}' is not in [models] use = {used}")
        if asked.members == 1:
            raise InputError("[map] members = 1 gives no spread; set at least 2, better 10")

    @property
    def maps_all(self) -> bool:
        """Whether the mapped models are fitted on all samples, apart from the judged ones."""
        return self.run.study.map.fitted_on == "all"

    def judged(self, name: str) -> str:
        """Return the artefact of a model that is fitted on the first split's training rows."""
        return f"{'judged' if self.maps_all else 'model'}-{name}"

    def is_final(self, item: str) -> bool:
        """Whether an artefact is a model that is fitted on all samples."""
        return self.maps_all and not item.startswith("judged-")

    def folder(self, item: str) -> Path:
        """Return the folder of a trained model, by its artefact."""
        kind, _, name = item.partition("-")
        folder = self.run.out / "models" / name
        return folder / "judged" if kind == "judged" else folder
