"""Lines for a reader: tests ask which facts they state, not in which words."""

from __future__ import annotations


def lacks(line: str, *facts: str) -> list[str]:
    """Return the facts (numbers, names of files and keys) that a line does not state."""
    return [fact for fact in facts if fact not in line]
