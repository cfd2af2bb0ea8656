"""Answers that are found once: what a method has returned is kept with its object."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Of = TypeVar("Of")
Answer = TypeVar("Answer")


def once(method: Callable[[Of], Answer]) -> Callable[[Of], Answer]:
    """Make a method without arguments, or a function of one object, compute its answer once.

    Where it raises nothing is kept: the next call tries again. The answer goes with the object: a
    copy made by `dataclasses.replace` has none.
    """
    key = _key(method)

    @wraps(method)
    def answer(of: Of) -> Answer:
        known = vars(of)
        if key not in known:
            known[key] = method(of)
        found: Answer = known[key]
        return found

    return answer


def is_known(method: Callable[[Of], Answer], of: Of) -> bool:
    """Whether a method that computes `once` has given this object's answer."""
    return _key(method) in vars(of)


def forget(method: Callable[[Of], Any], of: Of) -> None:
    """Let go of this object's answer of a method that computes `once`; it may be asked again."""
    vars(of).pop(_key(method), None)


def _key(method: Callable[[Of], Answer]) -> str:
    # A space: no attribute that is set elsewhere has this name.
    return f"once {method.__name__}"
