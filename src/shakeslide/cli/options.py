"""The options that the commands on a study share, declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from shakeslide.core.errors import InputError


def folder(text: str) -> Path:
    """Return the folder of an option, which no shell expands after a `=`."""
    if not text.strip():
        raise InputError("--out or --data is empty: is the shell's variable set?")
    try:
        return Path(text).expanduser()
    except RuntimeError:  # a folder that begins with ~ and is nobody's home
        return Path(text)


StudyPath = Annotated[Path, typer.Argument(help="Study file (TOML).", metavar="STUDY")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        parser=folder,
        metavar="PATH",
        help="Folder of results [default: the study's folder if it holds results, else "
        "runs/<name of the study's folder or file>].",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        parser=folder,
        metavar="PATH",
        help="Folder for relative paths in the study [default: the study file's folder].",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Set a key for this command: table.key=value. May be repeated."),
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Threads on this machine [default: all].")
]
Scheduler = Annotated[
    str | None, typer.Option("--scheduler", help="Address of a dask scheduler: tcp://host:8786.")
]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify", help="Read all files again, to find damage and changes that kept size and time."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print the log.")]


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """Which study a command works on, and how; the fields are the options of the command line."""

    study: StudyPath
    out: Out = None
    data: Data = None
    set_: Set = None
    workers: Workers = None
    scheduler: Scheduler = None
    verify: Verify = False
    quiet: Quiet = False
    verbose: Verbose = False


def on_study(
    *, without: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the study's path and the shared options, as its first argument.

    Parameters
    ----------
    without : collection of str
        Fields of `StudyOptions` that are no options of this command.
    """
    shared = {
        name: parameter
        for name, parameter in inspect.signature(StudyOptions, eval_str=True).parameters.items()
        if name not in without
    }

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

        def on_command_line(**given: Any) -> None:
            options = StudyOptions(**{name: given.pop(name) for name in shared})
            command(options, **given)

        # typer reads a command's options from its signature: the study, its own, the shared ones.
        every = [shared["study"], *own, *(p for n, p in shared.items() if n != "study")]
        every = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in every]
        on_command_line.__name__, on_command_line.__doc__ = command.__name__, command.__doc__
        on_command_line.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
        on_command_line.__annotations__ = {p.name: p.annotation for p in every}
        return on_command_line

    return decorated
