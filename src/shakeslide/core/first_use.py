"""Names of a package that are imported on first use: numerical libraries take seconds to import."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def names(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Return a package's `__getattr__`, which imports a name from where it is made.

    Parameters
    ----------
    package : str
        `__name__` of the package.
    homes : mapping of str to sequence of str
        The names that each module makes; modules are named within the package.
    """

    def getattribute(name: str) -> Any:
        for module, made in homes.items():
            if name in made:
                value = getattr(import_module(f"{package}.{module}"), name)
                setattr(sys.modules[package], name, value)
                return value
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return getattribute
