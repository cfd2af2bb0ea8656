"""All functions that make factors, each declared in the module of its family."""

from __future__ import annotations

from collections.abc import Mapping

from shakeslide.core import extensions
from shakeslide.core.errors import InputError
from shakeslide.factors import (
    aftershocks,
    class_shares,
    epicentre,
    layer_values,
    point_density,
    proximity,
    rupture_side,
    terrain_scales,
    topography,
    water,
)
from shakeslide.factors.factor import (
    UNDECLARED,
    Factor,
    FactorFunction,
    Options,
    Sources,
    Travel,
)
from shakeslide.study.factor_sets import EPICENTRE
from shakeslide.study.factor_settings import (
    GROUP,
    DensityFactor,
    FactorBase,
    LayerFactor,
    OwnFactor,
)

FUNCTIONS: Mapping[str, FactorFunction] = {
    **layer_values.FUNCTIONS,
    **epicentre.FUNCTIONS,
    **proximity.FUNCTIONS,
    **point_density.FUNCTIONS,
    **topography.FUNCTIONS,
    **terrain_scales.FUNCTIONS,
    **water.FUNCTIONS,
    **rupture_side.FUNCTIONS,
    **class_shares.FUNCTIONS,
}
"""Function by name, as in a factor's table of the study."""


def function_of(settings: FactorBase) -> FactorFunction:
    """Return the function that a factor's settings name, built in or brought by a package.

    Raises
    ------
    InputError
        A package's entry point that is no `FactorFunction`.
    """
    name = str(getattr(settings, "function"))  # noqa: B009 - each settings class has one
    if not isinstance(settings, OwnFactor):
        return FUNCTIONS[name]
    found = extensions.load(GROUP, name)
    if not isinstance(found, FactorFunction):
        raise InputError(
            f"'{name}' of the package {extensions.package(GROUP, name)} is not a FactorFunction "
            "(shakeslide.factors.factor)"
        )
    return found


def travel_of(settings: Options, unit: str) -> Travel:
    """Return whether a factor may be learnt from at other earthquakes.

    Parameters
    ----------
    settings : mapping
        `Factor.options`, as a file of factors or of samples records them.
    unit : str
        Of the factor.
    """
    function = FUNCTIONS.get(str(settings.get("function")))
    if function is None:
        name = str(settings.get("function"))
        if name not in extensions.names(GROUP):
            return UNDECLARED
        loaded = extensions.load(GROUP, name)
        travel = getattr(loaded, "travel", UNDECLARED)
    else:
        travel = function.travel
    return travel(settings, unit) if callable(travel) else travel


def layer_of(settings: FactorBase) -> str:
    """Return the name of the layer that a factor is made from, "" if it needs none."""
    inputs = function_of(settings).inputs
    if "layer" in inputs and isinstance(settings, LayerFactor):
        return "" if settings.layer == EPICENTRE else settings.layer
    return "dem" if "dem" in inputs else ""


def columns_of(settings: FactorBase) -> tuple[str, ...]:
    """Return the attributes that a factor reads of its layer besides those that the study names."""
    return aftershocks.COLUMNS if isinstance(settings, DensityFactor) else ()


def build(code: str, settings: FactorBase, sources: Sources) -> Factor:
    """Return a factor of the study from its settings.

    Raises
    ------
    InputError
        A layer that is missing or cannot serve.
    """
    function, layer, about = function_of(settings), layer_of(settings), {}
    function_name = str(getattr(settings, "function"))  # noqa: B009 - each settings class has one
    if isinstance(settings, OwnFactor):
        about = {"package": extensions.package(GROUP, settings.function)}
        settings = settings.options
    made = function.make(settings, code, sources)
    return Factor(
        code=code,
        name=settings.name or code,
        unit=function.unit if made.unit is None else made.unit,
        kind=function.kind,
        definition=function.definition if made.definition is None else made.definition,
        citation=function.citation if made.citation is None else made.citation,
        source=made.source,
        compute=made.compute,
        halo=made.halo,
        legend=made.legend,
        # `use` states whether a factor takes part, and changes no value of it.
        settings={k: v for k, v in settings.essence(sources.content).items() if k != "use"}
        | about
        | dict(made.settings),
        layer=layer,
        layers=tuple(sorted({layer, "dem" if "dem" in function.inputs else ""} - {""})),
        notes=made.notes,
        warnings=made.warnings,
        whole=made.whole,
        options={
            k: v
            for k, v in settings.essence(lambda path: path.name).items()
            if k != "use" and v is not None
        }
        | {"function": function_name},
    )
