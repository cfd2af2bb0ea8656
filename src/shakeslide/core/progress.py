"""Progress on the terminal, or none in quiet mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Advance = Callable[[float], None]
"""Called with the number of units done since the last call."""


def silent(_: float) -> None:
    """Advance nothing."""


Result = TypeVar("Result")


class Keep(Protocol):
    """Runs the steps of a long work, or returns what they gave when the work was begun before."""

    def __call__(self, step: str, make: Callable[[], Result], /) -> Result:
        """Return what `make` returns: plain values, lists and mappings of them."""


def anew(_: str, make: Callable[[], Result], /) -> Result:
    """Run a step and keep nothing."""
    return make()


class Reporter:
    """Says what is being done and how far it is.

    Parameters
    ----------
    quiet : bool
        Show nothing but errors.
    console : rich.console.Console, optional
        Where to write; standard error by default, so that standard output stays for results.
    """

    def __init__(self, quiet: bool = False, console: Console | None = None) -> None:
        self.quiet = quiet
        self.console = console or Console(stderr=True, highlight=False)
        self._warned: set[str] = set()

    def say(self, text: str) -> None:
        """Print one line, unless quiet."""
        if not self.quiet:
            self.console.print(text, markup=False)

    def warn(self, text: str) -> None:
        """Print a warning, once however often stages come to it."""
        if text not in self._warned:
            self._warned.add(text)
            self.say(f"warning: {text}")

    @contextmanager
    def task(self, label: str, total: float) -> Iterator[Advance]:
        """Show a bar named `label` for `total` units while the block runs."""
        if self.quiet:
            yield silent
            return
        columns = (
            TextColumn("{task.description:<26}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console) as bars:
            task = bars.add_task(label, total=total)
            yield lambda n: bars.advance(task, n)
            # Shares that do not quite add up, or what was found done, end the bar all the same.
            bars.update(task, completed=total)
