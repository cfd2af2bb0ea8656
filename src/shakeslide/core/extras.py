"""Libraries that only some commands need: installed as extras of the package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from shakeslide.core.errors import InputError


@contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """Raise `InputError` with what to install where an import of the block finds no library.

    Parameters
    ----------
    name : str
        The extra that installs it, a key of `optional-dependencies` in pyproject.toml.
    what : str
        What needs it, in a few words.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        # A module of ours that is missing is a bug.
        if error.name is None or error.name.startswith("shakeslide"):
            raise
        raise InputError(f"{what} needs {how_to_install(error.name, name)}") from error


def installed(package: str) -> bool:
    """Tell whether a library is there, without importing it."""
    return find_spec(package) is not None


def how_to_install(package: str, name: str) -> str:
    """Return that a library is not installed, and what installs it.

    Parameters
    ----------
    package : str
        Name of the library.
    name : str
        The extra that installs it.
    """
    return f"{package}, which is not installed: pip install 'shakeslide[{name}]'"
