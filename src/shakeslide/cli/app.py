"""The command line: loads the study, calls one function, prints where the result is.

The one place where errors are shown: `InputError`, and what goes wrong outside of the program, as
one line and exit code 2, anything else as a bug with exit code 1 and its traceback in run.log.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shakeslide._version import __version__
from shakeslide.cli.options import (
    Out,
    Quiet,
    Scheduler,
    Set,
    StudyOptions,
    Verbose,
    Verify,
    Workers,
    folder,
    on_study,
)
from shakeslide.core import failures, signals
from shakeslide.core.errors import InputError, shortened
from shakeslide.core.extras import extra
from shakeslide.pipeline import names

if TYPE_CHECKING:
    from shakeslide.pipeline import Run
    from shakeslide.pipeline.checking import LayerRow
    from shakeslide.study.settings import Study

app = typer.Typer(
    name="shakeslide",
    help="Map earthquake-induced landslides from GIS layers and a landslide inventory.",
    add_completion=False,
    # `main` shows errors, in one line each.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# Threads of scikit-learn's boosting otherwise spin while they wait: on a machine that is busy with
# other work they then take many times as long. Read when the library is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Arrow's own pool keeps what it frees: hundreds of megabytes after a table of millions of rows.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
WIDE = 120
"""Columns of a terminal from which on `check` shows a table."""
LIBRARIES = ("rasterio", "pyogrio", "py.warnings")
"""Loggers whose messages go to run.log instead of the terminal."""
ENGINE = ("workers", "scheduler", "verify")
"""Options of the commands that compute or read every cell."""
log = logging.getLogger("shakeslide")
# Used as a library, it does not print to stderr what nobody asked for.
log.addHandler(logging.NullHandler())


def _open(options: StudyOptions, only_look: bool = False) -> Run:
    # Imported by the commands: --help and --version need no numerical libraries.
    from shakeslide.core.engine import Engine
    from shakeslide.core.progress import Reporter
    from shakeslide.pipeline import Run
    from shakeslide.study import settings as study

    loaded, document = study.load(options.study, options.data, options.set_ or [])
    folder = options.out or study.default_folder(options.study)
    engine = Engine(options.workers, options.scheduler)
    run = Run(loaded, document, folder, engine, Reporter(options.quiet), options.verify)
    # A look makes no folder, and so has no place for a log.
    if only_look and not (folder.exists() and os.access(folder, os.W_OK)):
        _log_to(Path(os.devnull), options.verbose)
    else:
        run.ledger.ready()
        _log_to(folder / "run.log", options.verbose)
    log.info("shakeslide %s: %s", __version__, " ".join(sys.argv[1:]))
    return run


class _LogFile(logging.FileHandler):
    """A log that follows no links, and whose full disk is no reason to end or to print."""

    def _open(self) -> TextIO:  # type: ignore[override]
        path = self.baseFilename
        # A link could lead to a file of value; a pipe would wait for its reader.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            handle = os.open(path, flags, 0o666)
        except OSError as error:
            # A link, a folder, and a pipe that nobody reads.
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise InputError(
                    f"{path}: is not a regular file, but the log is written there; move it away"
                ) from error
            raise
        return os.fdopen(handle, "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:
        """Do nothing."""


def _log_to(path: Path, verbose: bool) -> None:
    file = _LogFile(path, encoding="utf-8")
    handlers: list[logging.Handler] = [file]
    if verbose:
        handlers.append(logging.StreamHandler(sys.stderr))
    logging.captureWarnings(True)
    for logger in (log, *map(logging.getLogger, LIBRARIES)):
        # A second command in one process writes to its own log only.
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(logging.INFO if logger is log else logging.WARNING)
        # Else handlers of the root logger would show the messages again.
        logger.propagate = False
        for handler in handlers:
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
            logger.addHandler(handler)
    # GDAL, of which each library brings its own, writes there what it else writes to stderr.
    os.environ.update(CPL_LOG=str(path), CPL_LOG_APPEND="ON")
    if isinstance(sys.stderr, _OwnStderr) and file.stream is not None:
        os.dup2(file.stream.fileno(), STDERR)


STDERR = 2
"""The file to which libraries of C write what they do not raise."""


class _OwnStderr(io.TextIOWrapper):
    """Python's own stderr, so that what libraries of C write there can go to the log."""

    def __init__(self) -> None:
        file = os.fdopen(os.dup(STDERR), "wb")
        # As Python does it: a character that the terminal lacks is no error.
        super().__init__(file, sys.stderr.encoding, "backslashreplace", line_buffering=True)


def _tell(quiet: bool, text: object) -> None:
    """Print the path of a result, or its summary, unless only errors are wanted."""
    if not quiet:
        print(text)


def _stage(name: str) -> Callable[..., None]:
    @on_study()
    def command(options: StudyOptions) -> None:
        run = _open(options)
        from shakeslide import pipeline

        with run.ledger.locked():
            result = pipeline.stage_of(name)(run)
            # The report writes it itself, before its page shows it.
            if name in names.STAGES and name != "report":
                pipeline.provenance(run)
        _tell(options.quiet, result)

    return command


@on_study()
def _run(options: StudyOptions) -> None:
    run = _open(options)
    from shakeslide import pipeline
    from shakeslide.rapid import exposure

    with run.ledger.locked():
        if _is_unmapped(run.study):
            run.reporter.say(
                "no [inventory] is given and the models need none: run makes factors, maps and "
                "report as `shakeslide rapid` does, without sample, train, evaluate and explain"
            )
            result = _mapped_before_any_landslide(options, run)
        else:
            if exposure.files(run.study.exposure):
                run.reporter.warn("[exposure]: run does not use it, only `shakeslide rapid` does")
            result = pipeline.run_all(run)
    _tell(options.quiet, result)


def _is_unmapped(study: Study) -> bool:
    """Return whether a study has no landslides and asks for published formulas alone."""
    from shakeslide.models.registry import MODELS

    return study.inventory.path is None and all(MODELS[name].static for name in study.models.use)


def _mapped_before_any_landslide(options: StudyOptions, run: Run) -> Path:
    from shakeslide.rapid import command, new_earthquake

    event = new_earthquake.opened(
        options.study, run.out, run.engine, run.reporter, data=options.data,
        overrides=options.set_ or [], verify=options.verify,
    )  # fmt: skip
    return command.rapid(event)


@app.command()
@on_study(without=ENGINE)
def check(options: StudyOptions) -> None:
    """Check every layer, list what will be used for what, and find errors before any long work."""
    run = _open(options, only_look=True)
    from shakeslide import pipeline
    from shakeslide.pipeline.room import report_room

    with pipeline.only_looking(run) as looking:
        rows = pipeline.check(looking)
        if not options.quiet:
            _show_check(looking, rows)
            report_room(run)


def _show_check(run: Run, rows: Sequence[LayerRow]) -> None:
    from shakeslide.pipeline.checking import grid_line

    # Rich would colour the numbers in names and paths.
    console = Console(highlight=False)
    console.print(grid_line(run))
    _show_rows(console, rows)
    for r in rows:
        for text in r.notes:
            # Names with square brackets are no markup.
            console.print(f"{r.name}: {text}", markup=False)
        for text in r.warnings:
            console.print(f"warning: {r.name}: {text}", markup=False)


def _show_rows(console: Console, rows: Sequence[LayerRow]) -> None:
    """Print layers as a table, or in blocks where the table would fold the files' names."""
    cells = [
        (
            r.name, r.file, r.kind, r.crs,
            "" if r.coverage is None else f"{100 * r.coverage:.1f} %", r.values, r.use,
        )
        for r in rows
    ]  # fmt: skip
    headings = ("layer", "file", "kind", "CRS", "coverage", "values", "used for")
    if console.width < WIDE:
        for name, *rest in cells:
            console.print(name, markup=False, style="bold")
            for heading, text in zip(headings[1:], rest, strict=True):
                if text:
                    console.print(f"  {heading:<9} {text}", markup=False, soft_wrap=True)
        return
    table = Table(show_lines=False, pad_edge=False)
    for heading in headings:
        kept = heading in ("layer", "file", "CRS", "coverage")
        table.add_column(heading, overflow="fold", no_wrap=kept)
    for row in cells:
        table.add_row(*(Text(text) for text in row))
    console.print(table)


@app.command()
@on_study(without=ENGINE)
def explain(
    options: StudyOptions,
    at: Annotated[
        tuple[float, float] | None,
        typer.Option(
            "--at",
            help="Explains the probability at one place: X Y in the grid's CRS, or longitude and "
            "latitude in degrees.",
        ),
    ] = None,
    model: Annotated[str, typer.Option("--model", help="Model to explain, with --at.")] = "rf",
) -> None:
    """Rank the factors by importance (importance.json), or explain the probability at one place.

    The answer to --at is printed even with -q.
    """
    run = _open(options, only_look=at is not None)
    from shakeslide import pipeline
    from shakeslide.learning import explanation

    if at is None:
        with run.ledger.locked():
            path = pipeline.explain(run)
        _tell(options.quiet, path)
        return
    for line in explanation.lines(pipeline.explain_place(run, model, *at)):
        print(line)


@app.command()
@on_study(without=ENGINE)
def tune(
    options: StudyOptions,
    model: Annotated[str, typer.Option("--model", help="Model to tune.")] = "sae",
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol", help="How validation rows are held out: pixel, landslide or block."
        ),
    ] = "block",
    trials: Annotated[
        int,
        typer.Option("--trials", min=2, help="Number of settings to try, earlier trials included."),
    ] = 30,
) -> None:
    """Search for better settings of a model within its training rows: tune/<model>_*.toml."""
    run = _open(options)
    from shakeslide import pipeline

    with extra("tune", "tune"):
        from shakeslide.learning import tuning

    with run.ledger.locked():
        told = pipeline.tune(run, model, protocol, trials)
    if options.quiet:
        return
    for name, row in (("settings of the study", told.start), ("the best of", told.best)):
        which = name if row is told.start else f"{name} {len(told.trials)}"
        print(f"log loss {row.log_loss:.4f}, ROC-AUC {row.roc_auc:.4f}: {which}")
    if told.best is told.start:
        print("no trial was better than the settings of the study")
    else:
        print(f"In the study file:\n{tuning.as_toml(told)}")
    print(run.out / "tune")


@app.command()
@on_study(without=("scheduler", "verify"))
def reproduce(
    options: StudyOptions,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", help="Tables and figures of the paper, for example T4,F9 [default: all]."
        ),
    ] = None,
    scale: Annotated[
        str, typer.Option("--scale", help="quick (minutes) or paper (20 repeats, 20,000 steps).")
    ] = "quick",
    protocol: Annotated[
        str, typer.Option("--protocol", help="pixel (the paper's), landslide or block.")
    ] = "pixel",
    tile: Annotated[
        str | None,
        typer.Option(
            "--tile", help="Tile of F10 as row,col [default: the one with the most source cells]."
        ),
    ] = None,
    area: Annotated[
        Path | None,
        typer.Option(
            "--area", help="Polygon of F11 [default: the 3 km square with the most source cells]."
        ),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option("--repeats", min=1, help="Number of splits [default: that of the scale]."),
    ] = None,
) -> None:
    """Repeat the paper's tables and figures, and test its claims: reproduce/<T4|F9|...>.csv."""
    run = _open(options)
    with extra("report", "reproduce"):
        from shakeslide import paper as experiments

    with run.ledger.locked():
        _tell(
            options.quiet,
            experiments.run(
                run, only or [], scale, protocol, tile=tile, area=area, repeats=repeats
            ),
        )


@app.command()
def rapid(
    source: Annotated[
        Path,
        typer.Argument(
            help="ShakeMap (grid.xml or shake_result.hdf), or a study file (TOML).",
            metavar="SHAKEMAP|STUDY",
        ),
    ],
    dem: Annotated[
        Path | None, typer.Argument(help="Elevation, where a ShakeMap is given.", metavar="DEM")
    ] = None,
    out: Out = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="Published formula, or folder of a trained model [default: jessee2022].",
        ),
    ] = None,
    resolution: Annotated[
        float | None,
        typer.Option("--resolution", min=1, help="Side of the cells in metres [default: DEM's]."),
    ] = None,
    set_: Set = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    verify: Verify = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Map a new earthquake of which no landslide is mapped, from a ShakeMap and a DEM."""
    from shakeslide.core.engine import Engine
    from shakeslide.core.progress import Reporter
    from shakeslide.rapid import command, new_earthquake, study_file
    from shakeslide.results.ledger import Ledger
    from shakeslide.study import settings

    new = None
    if source.suffix.lower() != ".toml":
        if dem is None:
            raise InputError(f"{source}: give the DEM too: shakeslide rapid {source} dem.tif")
        new = study_file.NewStudy.read(source, dem, model, resolution)
        folder = out or Path("runs") / new.name
        study = folder / "study.toml"
    else:
        if dem is not None:
            raise InputError(
                f"{dem}: the study file already names the DEM; leave this argument out"
            )
        if resolution is not None:
            raise InputError(
                f"--resolution is only for a ShakeMap; change [grid] resolution in {source} instead"
            )
        # Before any folder is made for what is no study.
        settings.read(source, None, set_ or [])
        folder, study = out or settings.default_folder(source), source
    reporter = Reporter(quiet)
    # From here on files are written: another run may be reading them.
    with Ledger(folder, reporter.say).locked():
        _log_to(folder / "run.log", verbose)
        if new is not None:
            for text in new.write(study):
                reporter.say(f"rapid: {text}")
        event = new_earthquake.opened(
            study, folder, Engine(workers, scheduler), reporter, model=model,
            overrides=set_ or [], verify=verify,
        )  # fmt: skip
        result = command.rapid(event)
    _tell(quiet, result)


@app.command()
def learn(
    out: Annotated[
        Path, typer.Argument(help="Folder of the bundle to make.", metavar="DIR", parser=folder)
    ],
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of results of at least two past earthquakes.",
            metavar="RUN...",
            parser=folder,
        ),
    ],
    factors: Annotated[
        str | None,
        typer.Option(
            "--factors",
            help="Factors to take, for example SLO,PGA,RER [default: all that apply elsewhere].",
        ),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            "--models",
            help="Models to try beside few: monotone,rf,hgb,sae [default: all].",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Random seed.")] = 0,
    workers: Workers = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make models for new earthquakes from finished runs of past ones, for `rapid --model DIR`."""
    from shakeslide.core.engine import Engine
    from shakeslide.core.progress import Reporter
    from shakeslide.learning.several import lessons

    _log_to(Path(os.devnull), verbose)
    made = lessons.learn(
        runs, out, Engine(workers, None), Reporter(quiet), factors=_listed(factors),
        models=_listed(models), seed=seed,
    )  # fmt: skip
    _tell(quiet, made)


def _listed(text: str | None) -> list[str] | None:
    """Return the names of an option, divided by commas."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


@app.command()
def audit(
    oa: Annotated[float, typer.Option("--oa", help="Overall accuracy, as a share.")],
    precision: Annotated[float, typer.Option("--precision", help="Precision, as a share.")],
    recall: Annotated[float, typer.Option("--recall", help="Recall, as a share.")],
    prevalence: Annotated[
        float | None, typer.Option("--prevalence", help="Share of positives in the test set.")
    ] = None,
    # By default half of the last digit of figures such as 91.88 %.
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="Rounding error allowed in each figure.")
    ] = 0.00005,
) -> None:
    """Check whether published accuracy, precision and recall are consistent."""
    from shakeslide.evaluation.audit import consistency

    print(consistency(oa, precision, recall, prevalence, tolerance).statement)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder to create.", metavar="DIR")],
) -> None:
    """Write a commented study file to start from."""
    from shakeslide.cli import template

    path = folder / "study.toml"
    if path.exists():
        raise InputError(f"{path}: already exists; choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A link that leads nowhere is there too: what it names is not written.
        with path.open("x", encoding="utf-8") as file:
            file.write(template.text())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error}") from error
    print(path)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder of data and results.")] = Path("demo"),
    size: Annotated[
        int, typer.Option("--size", min=64, max=40_000, help="Cells along each side of the map.")
    ] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Random seed of the earthquake.")] = 1,
    only_data: Annotated[
        bool, typer.Option("--only-data", help="Write the layers and the study file only.")
    ] = False,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Make a synthetic earthquake and run every stage on it, from layers to report."""
    from shakeslide.cli import demo as demonstration

    try:
        (out / "run").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written to: {error}") from error
    _log_to(out / "run" / "run.log", verbose=False)
    for line in demonstration.run(out, size, seed, workers, quiet, only_data):
        _tell(quiet, line)


def _version(value: bool) -> None:
    if value:
        print(f"shakeslide {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


for _name, _makes in {**names.BESIDE, **names.STAGES}.items():
    # `explain` has options of its own.
    if _name != "explain":
        app.command(name=_name, help=_makes)(_stage(_name))
app.command(name="run", help="Run all stages and repeat only those whose input changed.")(_run)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 done, 2 wrong input or a fault of the machine, 1 a bug, 128 + n stopped by signal n.
    """
    try:
        with signals.heeded(), _libraries_silent():
            # Else errors would be shown in Click's way and end the process.
            return int(app(arguments, standalone_mode=False) or 0)
    except signals.Stopped as stopped:
        return _fail(str(stopped), stopped.code)
    except InputError as error:
        return _fail(f"error: {_one_line(str(error))}{_encoding_hint(str(error))}", 2)
    except Exception as error:
        # Wrong options: the class of typer's errors depends on its version, their methods do not.
        if hasattr(error, "exit_code") and hasattr(error, "format_message"):
            return _fail(f"error: {_one_line(error.format_message())}", 2)
        log.error("%s", traceback.format_exc())
        command = next(iter(sys.argv[1:] if arguments is None else arguments), "shakeslide")
        if failure := failures.of_stage(error, command):
            return _fail(f"error: {_one_line(str(failure))}", 2)
        return _fail_by_bug(error)


def _encoding_hint(text: str) -> str:
    """Return what helps where a locale's encoding is the reason that a file is not found."""
    encoding = sys.getfilesystemencoding()
    # GDAL takes names as UTF-8, whatever the locale.
    if encoding == "utf-8" or text.isascii():
        return ""
    return (
        f" (the encoding of this locale is {encoding}, with which names that are not ASCII are not "
        "found: set the environment variable PYTHONUTF8=1)"
    )


@contextmanager
def _libraries_silent() -> Iterator[None]:
    """Send to the log what rasterio cannot pass on: GDAL's messages may not be UTF-8."""
    before = sys.unraisablehook

    def noted(told: Any) -> None:
        if str(told.object).startswith("rasterio."):
            log.warning("%s: %s", told.object, told.exc_value)
        else:
            before(told)

    sys.unraisablehook = noted
    try:
        yield
    finally:
        sys.unraisablehook = before


def _fail_by_bug(error: Exception) -> int:
    files = [h.baseFilename for h in log.handlers if isinstance(h, logging.FileHandler)]
    where = next((f for f in files if f != os.devnull), None)
    hint = f"; the details are in {where}" if where else ""
    # Without a log the traceback would be lost.
    if where is None:
        traceback.print_exc()
    return _fail(f"bug: {type(error).__name__}: {_one_line(str(error))}{hint}; please report it", 1)


LONGEST = 2000
"""Characters of an error that are shown."""
LONGEST_WORD = 400
"""Characters without a space, as of a path, that are shown."""


def _one_line(text: str) -> str:
    """Return a text on one line, without control characters, its middle left out if it is long."""
    # Names of files may hold codes that a terminal obeys.
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    text = re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: shortened(word[0]), text)
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} ... {text[-half:]}"


def _fail(text: str, code: int) -> int:
    print(text, file=sys.stderr)
    return code


def console_main() -> None:
    """Entry point of the installed command."""
    sys.stderr = _OwnStderr()
    code = main()
    if code > 128:
        # At once: threads may be at work for minutes.
        signals.end(code)
    sys.exit(code)
