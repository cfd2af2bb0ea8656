"""What all stages do alike: find out what is to be made, guard, time, report and record it.

A stage makes *artefacts*: files that are recorded together, with a mark of everything that their
values depend on and, where names or limits are written beside the values, with a label. A stage
says what it makes, what it needs and how; `Stage.__call__` does the rest. Nothing here depends on a
study: any folder with a ledger can have stages of its own.
"""

from __future__ import annotations

import logging
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

from shakeslide.core.errors import InputError
from shakeslide.core.failures import guarded
from shakeslide.core.progress import Reporter
from shakeslide.results.ledger import Ledger

log = logging.getLogger("shakeslide")


class Recorded(Protocol):
    """A folder of results: what stages ask of it themselves."""

    @property
    def out(self) -> Path:
        """The folder."""

    @property
    def ledger(self) -> Ledger:
        """The record of what has been made from what."""

    @property
    def reporter(self) -> Reporter:
        """What the user sees."""


Of = TypeVar("Of", bound=Recorded)


@dataclass(frozen=True)
class Artefact:
    """Files that are recorded together.

    Attributes
    ----------
    item : str
        Its name in the ledger: the kind, and which of them ("samples", "factor-SLO").
    mark : str
        Fingerprint of everything that its values depend on.
    made_by : str
        The command that makes it.
    label : str
        Fingerprint of the names and limits that are written beside its values.
    """

    item: str
    mark: str
    made_by: str
    label: str = ""

    @property
    def name(self) -> str:
        """Which of its kind it is; of the only one the kind itself."""
        return self.item.partition("-")[2] or self.item


Made = dict[Artefact, Iterable[Path]]
"""The files of artefacts."""


def need(run: Recorded, wanted: Iterable[Artefact], labels: bool = False) -> None:
    """Raise `InputError` unless these artefacts are there and made with the study as it is now.

    With `labels` the names that are written beside their values must be those of now too.
    """
    for one in wanted:
        why = run.ledger.why_stale(one.item, one.mark, one.label if labels else None)
        if why is not None:
            raise InputError(
                f"{run.out}: {one.item} {why}; run `shakeslide {one.made_by}` first, or "
                "`shakeslide run`, which redoes what has changed"
            )


class Work(Generic[Of]):
    """What a stage has to do in a run: which artefacts are stale, and how they are recorded.

    Parameters
    ----------
    run : Recorded
        The folder of results.
    name : str
        Shown before what the stage reports, and in the log.
    artefacts : sequence of Artefact
        What the stage makes.
    holds : callable, optional
        Whether the files of an artefact that is recorded as made can be read.

    Attributes
    ----------
    stale : list of Artefact
        To be made: not made yet, of other settings, or damaged.
    renamed : list of Artefact
        Whose values hold, but not what is written beside them.
    parts : list of Path
        Folders where unfinished parts wait, see `Stage.parts`.
    """

    def __init__(
        self,
        run: Of,
        name: str,
        artefacts: Sequence[Artefact],
        holds: Callable[[Artefact], bool] = lambda _: True,
    ) -> None:
        self.run, self.name = run, name
        fresh = run.ledger.is_fresh
        self.stale = [a for a in artefacts if not (fresh(a.item, a.mark) and holds(a))]
        kept = [a for a in artefacts if a not in self.stale]
        self.renamed = [a for a in kept if not fresh(a.item, a.mark, a.label)]
        self.parts: list[Path] = []

    def say(self, text: str) -> None:
        """Report a line."""
        self.run.reporter.say(f"{self.name}: {text}")

    def relabel(self, artefact: Artefact) -> None:
        """Record that what stands beside an artefact's values has been written anew."""
        self.run.ledger.relabel(artefact.item, artefact.label)

    @contextmanager
    def making(self, *artefacts: Artefact, part: Path | None = None) -> Iterator[Made]:
        """Time and record the artefacts that the block makes; it enters the files of each.

        Artefacts that are made together share the time. The folder `part` is deleted at the end.
        Where the block fails nothing is recorded, and the folder stays for the next time.
        """
        made: Made = {}
        what = [artefacts[0].item] if len(artefacts) == 1 else []
        with timed(" ".join([self.name, *what])) as seconds:
            yield made
        for one in artefacts:
            share = seconds[0] / len(artefacts)
            self.run.ledger.record(one.item, one.mark, made[one], share, one.label)
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


class Stage(ABC, Generic[Of]):
    """A step of a run; called with the run, it makes what is not up to date.

    Attributes
    ----------
    name : str
        Shown before what it reports; the command of the same name runs it.
    command : str
        The command, where it has another name.
    result : str
        The file that is shown as its result, by its place in the run's folder; else the folder.
    reads_layers : bool
        Whether it reads the layers of the study, as stages before and after it may.
    """

    name: ClassVar[str]
    command: ClassVar[str] = ""
    result: ClassVar[str] = ""
    reads_layers: ClassVar[bool] = False

    @abstractmethod
    def artefacts(self, run: Of) -> Sequence[Artefact]:
        """Return what it makes, marked by what that depends on now."""

    @abstractmethod
    def make(self, work: Work[Of]) -> None:
        """Make and record the stale artefacts."""

    def require(self, run: Of) -> None:
        """Raise `InputError` where it cannot run at all, even if there is nothing to make."""

    def needs(self, run: Of, stale: Sequence[Artefact]) -> Sequence[Artefact]:
        """Return the artefacts of other stages from which the stale ones are made."""
        return ()

    def holds(self, run: Of, artefact: Artefact) -> bool:
        """Whether the files of an artefact that is recorded as made can be read."""
        return True

    def rename(self, work: Work[Of]) -> None:
        """Write what stands beside the values of the renamed artefacts anew.

        What can only be made again goes from `work.renamed` to `work.stale`.
        """

    def parts(self, run: Of, stale: Sequence[Artefact]) -> Sequence[str]:
        """Return the marks of folders where unfinished parts wait for the next run."""
        return [a.mark for a in stale]

    def summary(self, run: Of) -> str:
        """Return the subject of "... up to date"; nothing is reported where it is empty."""
        return ""

    def __call__(self, run: Of) -> Path:
        """Make what is not up to date, and return the path of the result.

        Raises
        ------
        InputError
            Wrong or stale input, or a fault of the machine.
        """
        with guarded(self.command or self.name):
            run.ledger.ready()
            self.require(run)
            work = Work(run, self.name, self.artefacts(run), lambda a: self.holds(run, a))
            if work.renamed:
                self.rename(work)
            # Also where all is fresh: it clears what a stopped run with other settings left.
            work.parts = run.ledger.shards(self.name, self.parts(run, work.stale))
            if work.stale:
                need(run, self.needs(run, work.stale))
                self.make(work)
                run.ledger.shards(self.name, [])
            elif said := self.summary(run):
                work.say(f"{said} up to date")
        return run.out / self.result


@dataclass(frozen=True)
class Group(Generic[Of]):
    """Stages that one command runs.

    Attributes
    ----------
    name : str
        The command.
    stages : tuple of Stage
        In their order.
    """

    name: str
    stages: tuple[Stage[Of], ...]
    reads_layers: ClassVar[bool] = False

    def __call__(self, run: Of) -> Path:
        """Run the stages, and return the folder of results."""
        for stage in self.stages:
            stage(run)
        return run.out


@contextmanager
def timed(what: str) -> Iterator[list[float]]:
    """Log what begins and how long it took, and give a list that then holds the seconds."""
    start = time.perf_counter()
    log.info("%s: begin", what)
    taken: list[float] = []
    yield taken
    # Not reached after an error: only what was finished is recorded.
    taken.append(time.perf_counter() - start)
    log.info("%s: %.1f s", what, taken[0])
