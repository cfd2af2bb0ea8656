"""Libraries that only some commands need: installed as extras of the package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
        raise InputError(
            f"{what} needs {error.name}, which is not installed: pip install 'shakeslide[{name}]'"
        ) from error
