"""Extensions by installed packages: objects named by entry points, never by a path in a study."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from shakeslide.core.errors import InputError, did_you_mean


def names(group: str) -> list[str]:
    """Return the names of a group's entry points, sorted."""
    return sorted({e.name for e in entry_points(group=group)})


def load(group: str, name: str) -> Any:
    """Load what an entry point names.

    Raises
    ------
    InputError
        No installed package brings it, or the package cannot be loaded.
    """
    entry = _entry(group, name)
    try:
        return entry.load()
    except Exception as error:
        # The package's own code runs here: whatever it raises is said of the package.
        raise InputError(
            f"{name} of the package {package(group, name)} cannot be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error


def package(group: str, name: str) -> str:
    """Return name and version of the package that brings an entry point."""
    dist = _entry(group, name).dist
    return "" if dist is None else f"{dist.name} {dist.version}"


def _entry(group: str, name: str) -> EntryPoint:
    found = [e for e in entry_points(group=group) if e.name == name]
    if not found:
        raise InputError(
            f"no installed package brings '{name}' ({group}).{did_you_mean(name, names(group))}"
        )
    return found[0]
