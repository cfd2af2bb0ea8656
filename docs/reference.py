"""The pages of the API's reference, from the code: one section per module, every public name."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

PAGES = {
    "public": ("Public names", [""]),
    "study": (
        "Studies and runs",
        [
            "study.settings",
            "cli.template",
            "pipeline",
            "pipeline.stage",
            "core.engine",
            "core.progress",
            "core.errors",
        ],
    ),
    "data": (
        "Grid and data",
        [
            "geo.grid",
            "geo.projection",
            "layers.inventory",
            "layers.masks",
            "layers.polygons",
            "io.raster",
            "io.summary",
            "io.vector",
            "io.records",
            "io.shapes",
            "io.tables",
            "io.dates",
            "io.shakemap",
            "io.quakeml",
            "io.units",
        ],
    ),
    "factors": (
        "Factors",
        [
            "factors.terrain",
            "factors.windows",
            "factors.density",
            "factors.nearest",
            "factors.hydrology",
            "factors.aftershocks",
            "factors.factor",
            "factors.catalogue",
            "factors.stack",
            "study.factor_settings",
        ],
    ),
    "samples": (
        "Samples and encoding",
        ["sampling.sample_table", "sampling.sampling", "sampling.encoding"],
    ),
    "models": (
        "Models",
        [
            "models",
            "models.base",
            "models.storage",
            "models.parallel",
            "learning.bundle",
            "learning.recipe",
            "learning.training",
            "learning.tuning",
            "core.extensions",
            "study.model_settings",
        ],
    ),
    "evaluation": (
        "Evaluation",
        [
            "evaluation",
            "evaluation.splits",
            "evaluation.scores",
            "learning.explanation",
            "maps.spread",
            "learning.plans",
            "learning.validation",
            "sampling.events",
        ],
    ),
    "shaking": (
        "Ground motion and totals",
        [
            "shaking.ground_motion",
            "shaking.shakemap_motion",
            "shaking.conversion",
            "shaking.fields",
            "rapid.new_earthquake",
            "rapid.command",
            "rapid.totals",
            "hazard.aggregates",
            "hazard.alerts",
            "hazard.seismic_total",
        ],
    ),
    "sources": ("Source areas", ["sources"]),
    "synthetic": ("Synthetic earthquakes", ["synthetic"]),
    "report": (
        "Report and experiments",
        ["report", "paper", "maps.prediction", "checks.symptoms", "checks"],
    ),
}
"""Pages with their titles and modules."""
SETTINGS = (
    "study.settings",
    "study.layer_settings",
    "study.rapid_settings",
    "study.factor_settings",
    "study.model_settings",
)
"""Modules whose settings classes have a page of their own."""


def modules() -> list[str]:
    """Return the modules in the reference."""
    return [_full(name) for _, names in PAGES.values() for name in names]


def _full(name: str) -> str:
    return f"shakeslide.{name}" if name else "shakeslide"


def public_names(module: ModuleType) -> list[str]:
    """Return what a module offers: its `__all__`, else the functions and classes made in it."""
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if not name.startswith("__")]
    made = (
        (name, value)
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    )
    return [name for name, value in made if inspect.isclass(value) or callable(value)]


def home(module: ModuleType, name: str) -> str:
    """Return the module in which a constant is written, for its text."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.ImportFrom)
            and node.module
            and name in [a.asname or a.name for a in node.names]
        ):
            return home(importlib.import_module(node.module), name)
    return module.__name__


def entry(module: ModuleType, name: str) -> list[str]:
    """Return the directive of a name, [] where it stands on another page."""
    value: Any = getattr(module, name)
    if inspect.isclass(value):
        if module.__name__.removeprefix("shakeslide.") in SETTINGS and name != "Study":
            return []
        return [f".. autoclass:: {module.__name__}.{name}", "   :members:", ""]
    if inspect.isroutine(value) or hasattr(value, "py_func"):
        return [f".. autofunction:: {module.__name__}.{name}", ""]
    return [f".. autodata:: {home(module, name)}.{name}", "   :no-value:", ""]


def section(module: ModuleType, known: set[int]) -> list[str]:
    """Return the section of a module, without what an earlier one has."""
    told = inspect.getdoc(module) or ""
    lines = [f"## `{module.__name__}`", "", told.split("\n\n")[0], ""]
    if module.__name__.removeprefix("shakeslide.") in SETTINGS:
        lines += ["Its settings are on the page of [the study file](../study.md).", ""]
    body: list[str] = []
    for name in public_names(module):
        value = getattr(module, name)
        if id(value) in known:
            continue
        known.add(id(value))
        body += entry(module, name)
    return [*lines, "```{eval-rst}", *body[:-1], "```", ""] if body else lines


def pages() -> dict[str, str]:
    """Return the pages by their names."""
    known: set[int] = set()
    out = {}
    for page, (title, names) in PAGES.items():
        lines = [f"# {title}", ""]
        for name in names:
            lines += section(importlib.import_module(_full(name)), known)
        out[page] = "\n".join(lines)
    listed = "\n".join(PAGES)
    out["index"] = (
        "# Python API\n\n[Using shakeslide from Python](../python.md) shows the names that "
        "most notebooks need, on one page, and [the gallery](../gallery/index.rst) has examples. "
        "The pages below are the reference: the names of `import shakeslide`, then the modules "
        f"behind them.\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    )
    return out
