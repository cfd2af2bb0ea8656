"""Models that map an earthquake of which nothing is mapped: published formulas, and bundles."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from shakeslide.core.errors import InputError
from shakeslide.factors.factor import Options
from shakeslide.learning import bundle
from shakeslide.learning.several import event_bundle
from shakeslide.learning.several.past_runs import ALIKE
from shakeslide.models.formulas.jessee import Jessee2018
from shakeslide.models.formulas.raw import Formula
from shakeslide.models.registry import MODELS

DEFAULT = "jessee2022"
"""Model of `rapid` where none is asked for."""
SHIPPED = Path(__file__).parent / "bundles"
"""Bundles of models that come with the package, by name."""
MeasureName = Literal["PGV", "PGA"]
MEASURES: tuple[MeasureName, ...] = ("PGV", "PGA")
"""Measures of shaking that vary; PGV first, which formulas take above all."""
COARSE = 250.0
"""Cells in metres of the slopes and wetness that the global models were made with."""
FORMULA_SD = math.log(3)
"""Standard deviation of the event term on the logit, for published formulas: observed
totals depart from theirs by a factor of three either way."""


@dataclass(frozen=True, kw_only=True)
class RapidModel:
    """A model that needs no landslides of this earthquake.

    Attributes
    ----------
    name : str
        Of the formula, or of the bundle's model.
    codes : tuple of str
        Factors that it takes.
    settings : mapping
        What its table of the study must say where classes are unknown.
    class_sd : float
        Standard deviation of what unknown classes add up to in the formula, before its logit.
    event_sd : float
        Standard deviation of the event term on the logit.
    notes : tuple of str
        What is missing, and what that costs.
    varies : tuple of str
        Measures of shaking that vary from draw to draw, "PGV" and "PGA"; the others stay at their
        medians.
    folder : Path, optional
        Of a bundle.
    own_scale : mapping of str to (str, float)
        Of factors that the model took from coarser cells: the code of the same factor at its own
        scale, and that scale in metres. They set the level of the map, not its pattern.
    factors : mapping of str to mapping
        Settings of factors as the model learnt from them, by code.
    resolution : float or None
        Side in metres of the cells that it learnt from; None: any.
    """

    name: str
    codes: tuple[str, ...]
    settings: Mapping[str, str]
    class_sd: float
    event_sd: float
    varies: tuple[MeasureName, ...]
    notes: tuple[str, ...] = ()
    folder: Path | None = None
    own_scale: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    factors: Mapping[str, Options] = field(default_factory=dict)
    resolution: float | None = None

    @property
    def of_past_events(self) -> bool:
        """Whether it is a bundle that `learn` made of several past earthquakes."""
        return self.resolution is not None

    @property
    def every_code(self) -> tuple[str, ...]:
        """Codes of all factors that are needed; PGA bounds the ground that the USGS counts."""
        needed = (*self.codes, *(code for code, _ in self.own_scale.values()), "PGA")
        return tuple(dict.fromkeys(needed))


def chosen(name: str, layers: Collection[str]) -> RapidModel:
    """Return a model by the name of a formula, or by the folder of a bundle.

    Parameters
    ----------
    name : str
        Name or path.
    layers : collection of str
        Names of the study's layers.

    Raises
    ------
    InputError
        A name that is no formula's and no folder's, a model that must learn from landslides, one
        whose values only order places.
    """
    if name in MODELS:
        if not MODELS[name].static:
            raise InputError(
                f"--model {name} learns from mapped landslides, but this earthquake has none: "
                f"choose {_formulas()}, or the folder of a model that `shakeslide train` made"
            )
        return _formula(name, layers)
    for folder in (Path(name), SHIPPED / name):
        if (folder / event_bundle.FILE).is_file():
            return _learnt(folder)
    if (Path(name) / bundle.MANIFEST).is_file():
        fitted = bundle.load(Path(name))
        _require_sums(name, fitted.estimator)
        if fitted.of_places:
            raise InputError(
                f'--model {name} has context = ["place"]: it uses mapped landslides around a '
                'cell, but this earthquake has none; train one without, or with "factors"'
            )
        codes = tuple(f.code for f in fitted.factors)
        return RapidModel(
            name=fitted.name,
            codes=codes,
            settings={},
            varies=_varying(codes),
            class_sd=0.0,
            event_sd=FORMULA_SD,
            notes=(
                f"{fitted.name} learnt from one earthquake ({fitted.about.study}): on another one "
                "it can rank slopes worse than a published formula",
            ),
            folder=Path(name),
            factors={f.code: f.settings for f in fitted.factors},
        )
    raise InputError(
        f"--model {name}: is neither a published formula ({_formulas()}), nor a bundle that is "
        f"shipped ({_shipped()}), nor the folder of a model"
    )


def _learnt(folder: Path) -> RapidModel:
    """Return the models of several past earthquakes."""
    made = event_bundle.load(folder)
    contents = made.contents
    names = [e.name for e in contents.events]
    several = ", ".join(names[:8]) + (f" and {len(names) - 8} others" if len(names) > 8 else "")
    return RapidModel(
        name=made.name,
        codes=tuple(f.code for f in made.factors),
        settings={},
        varies=(contents.shaking,),
        class_sd=0.0,
        event_sd=contents.event_sd,
        notes=(f"the model was learnt from {len(names)} past earthquakes: {several}",),
        folder=folder,
        factors={f.code: f.settings for f in made.factors},
        resolution=contents.resolution,
    )


def require_resolution(model: RapidModel, cell: float, where: str) -> None:
    """Raise `InputError` where a model learnt from cells of another size.

    Parameters
    ----------
    model : RapidModel
        As chosen.
    cell : float
        Side of the cells to be mapped, in metres.
    where : str
        What states it, for the message.
    """
    wanted = model.resolution
    if wanted is not None and abs(cell / wanted - 1) > ALIKE:
        raise InputError(
            f"{where}: cells of {cell:.4g} m, but the models in {model.folder} learnt from cells "
            f"of {wanted:.4g} m, and slopes depend on the cell size; use "
            f"{wanted:.4g}, or another model"
        )


def _shipped() -> str:
    return ", ".join(sorted(path.name for path in SHIPPED.iterdir() if path.is_dir()))


def _formulas() -> str:
    """Return the names of the formulas whose values can be summed up."""
    return ", ".join(n for n, m in MODELS.items() if m.static and not _only_ranks(m.make()))


def _only_ranks(made: object) -> bool:
    return isinstance(made, Formula) and made.ranks


def _require_sums(name: str, made: object) -> None:
    """Raise `InputError` where sums of a model's values are no areas."""
    if _only_ranks(made):
        raise InputError(
            f"--model {name} only ranks places: no area, people or alert can be computed from its "
            f"values; choose {_formulas()}"
        )


def _formula(name: str, layers: Collection[str]) -> RapidModel:
    settings, notes = {}, []
    made = MODELS[name].make()
    _require_sums(name, made)
    if isinstance(made, Jessee2018):
        settings = {"output": "coverage"}
        for key, layer, words in (
            ("lithology", "lithology", "lithology"),
            ("land_cover", "landcover", "land cover"),
        ):
            if layer not in layers:
                settings[key] = ""
                notes.append(
                    f"no {words} is given: the model uses the mean coefficient of all classes, and "
                    f"the intervals are wider; add [layers.{layer}] to study.toml"
                )
        made = MODELS[name].make(**settings)
    if not isinstance(made, Formula):
        raise InputError(f"--model {name} cannot be used without landslides")
    codes = tuple(str(getattr(made, q.setting)) for q in made.quantities())
    spread = made.class_spread if isinstance(made, Jessee2018) else 0.0
    return RapidModel(
        name=name, codes=codes, settings=settings, class_sd=spread, event_sd=FORMULA_SD,
        notes=tuple(notes),
        # Its PGA only leaves out ground below 0.02 g.
        varies=("PGV",) if isinstance(made, Jessee2018) else _varying(codes),
        own_scale={"SLO": ("SLO250", COARSE)} if isinstance(made, Jessee2018) else {},
    )  # fmt: skip


def _varying(codes: Collection[str]) -> tuple[MeasureName, ...]:
    """Return the measures of shaking among factors."""
    taken = tuple(m for m in MEASURES if m in codes)
    if not taken:
        raise InputError(
            "the model takes neither PGA nor PGV, so it does not depend on the shaking"
        )
    return taken
