"""What an experiment leaves: values as CSV, every setting as JSON, a figure as PNG and SVG."""

from __future__ import annotations

import json
import platform
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from shakeslide._version import __version__
from shakeslide.core import documents, spreadsheets
from shakeslide.core.documents import JsonValue
from shakeslide.core.errors import InputError, shortened
from shakeslide.core.files import content, replacing
from shakeslide.learning.recipe import Recipe
from shakeslide.paper import claims
from shakeslide.paper.bench import THRESHOLD, Bench
from shakeslide.paper.claims import Claim, TestedClaim
from shakeslide.paper.scale import SCALES
from shakeslide.pipeline.reporting import LIBRARIES
from shakeslide.report import figures
from shakeslide.report.words import CITATION, DOI
from shakeslide.results.evaluation_file import Result

CAPTION_SIZE = 6.5
# A letter is 0.53 of its size wide, on average.
LETTERS_PER_INCH = 72 / (0.53 * CAPTION_SIZE)


@dataclass(frozen=True)
class Told:
    """What came of an experiment.

    Attributes
    ----------
    title : str
        What it is, in a few words.
    table : DataFrame
        Its values.
    figure : Figure
        Drawn in the report's style, without caption.
    caption : str
        What the figure shows.
    reductions : sequence of str
        Where it computes less than the paper did.
    settings : mapping
        All that was set.
    fits : sequence of str
        Fingerprints of the fits it rests on.
    records : sequence of mapping
        One per fit.
    claim : Claim, optional
        The verdict on a claim of the paper, where it tests one.
    further : mapping of str to DataFrame
        Further tables by the suffix of their names.
    further_figures : mapping of str to (Figure, str)
        Further figures and what they show, by the suffix of their names.
    """

    title: str
    table: pd.DataFrame
    figure: Figure
    caption: str
    reductions: Sequence[str] = ()
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    fits: Sequence[str] = ()
    records: Sequence[Mapping[str, JsonValue]] = ()
    claim: Claim | None = None
    further: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    further_figures: Mapping[str, tuple[Figure, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class SplitSize:
    """Numbers of training and test rows of a split."""

    repeat: int
    fold: int
    n_train: int
    n_test: int


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """Under what an experiment was made.

    Attributes
    ----------
    study : str
        Its name.
    after : str
        The paper.
    protocol, scale : str
        How rows were split, and how much was computed.
    splits : tuple of SplitSize
        The splits.
    threshold : float
        Probability from which a cell counts as a landslide.
    seed : int
        Of the study.
    samples : str
        Fingerprint of the samples.
    factors : tuple of str
        Their codes.
    block_size, buffer : float
        Of the protocol `block`, in metres.
    written : str
        Time of writing, ISO 8601, UTC.
    shakeslide, python : str
        Versions.
    libraries : mapping of str to str
        Versions by name.
    """

    study: str
    after: str
    protocol: str
    scale: str
    splits: tuple[SplitSize, ...]
    threshold: float
    seed: int
    samples: str
    factors: tuple[str, ...]
    block_size: float
    buffer: float
    written: str
    shakeslide: str
    python: str
    libraries: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ExperimentRecord(Circumstances):
    """The JSON of an experiment, but for what is kept for readers alone: settings, fits, records.

    Attributes
    ----------
    title : str
        What it is, in a few words.
    reductions : tuple of str
        Where it computes less than the paper did.
    seconds : float
        Time taken, without the fits of earlier runs.
    claim : Claim or None
        The claim that it tests.
    """

    title: str
    reductions: tuple[str, ...]
    seconds: float
    claim: Claim | None


def read(path: Path) -> ExperimentRecord:
    """Read the JSON that `write` left of an experiment.

    Raises
    ------
    InputError
        It is damaged.
    """
    try:
        return documents.from_json(ExperimentRecord, content(path))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: is damaged ({shortened(error)}); delete it and run `shakeslide reproduce`"
        ) from error


def tested_claims(folder: Path) -> list[TestedClaim]:
    """Return the claims that the experiments of a folder test."""
    paths = [folder / f"{experiment}.json" for experiment in claims.TESTED_IN.values()]
    records = {path.stem: read(path) for path in paths if path.is_file()}
    return [
        TestedClaim(
            **vars(record.claim),
            experiment=name,
            protocol=record.protocol,
            scale=record.scale,
            reductions=record.reductions,
        )
        for name, record in records.items()
        if record.claim is not None
    ]


def write(folder: Path, name: str, told: Told, bench: Bench, seconds: float) -> list[Path]:
    """Write an experiment's files; the JSON comes last.

    Parameters
    ----------
    folder : Path
        Where to.
    name : str
        Of the experiment: "T4".
    told : Told
        What came of it.
    bench : Bench
        On what.
    seconds : float
        Taken, without the fits of earlier runs.
    """
    paths = []
    under = _circumstances(bench, told.reductions)
    caption = f"{name}. {told.caption} {under}"
    for suffix, table in {"": told.table, **told.further}.items():
        path = folder / f"{name}{suffix}.csv"
        same = {"protocol": bench.protocol, "scale": bench.scale.name}
        # A table that is copied away still says how it was made.
        stated = table.assign(**same, reduced="; ".join(told.reductions))
        spreadsheets.write(path, stated)
        paths.append(path)
    paths += draw(told.figure, folder / name, caption)
    for suffix, (figure, said) in told.further_figures.items():
        paths += draw(figure, folder / f"{name}{suffix}", f"{name}. {said} {under}")
    # Last, for it is by this file that `paper_page` finds an experiment.
    path = folder / f"{name}.json"
    text: dict[str, JsonValue] = {
        "id": name,
        "title": told.title,
        "caption": caption,
        **documents.to_values(circumstances(bench)),
        "reductions": list(told.reductions),
        "settings": told.settings,
        "fits": list(told.fits),
        "seconds": round(seconds, 3),
        # With the fits of earlier runs, which `seconds` leaves out.
        "fit_seconds": sum(v for r in told.records if isinstance(v := r.get("fit_s"), float)),
        "claim": None if told.claim is None else claims.to_values(told.claim),
        "records": told.records,
    }
    with replacing(path) as temporary:
        temporary.write_text(
            json.dumps(documents.finite(text), indent=1, ensure_ascii=False), encoding="utf-8"
        )
    return [*paths, path]


def circumstances(bench: Bench) -> Circumstances:
    """Return under what an experiment was made: study, protocol, scale, seed, versions."""
    run = bench.run
    return Circumstances(
        study=run.study.study.name,
        after=f"{CITATION} {DOI}",
        protocol=bench.protocol,
        scale=bench.scale.name,
        splits=tuple(SplitSize(s.repeat, s.fold, len(s.train), len(s.test)) for s in bench.splits),
        threshold=THRESHOLD,
        seed=run.study.study.seed,
        samples=run.marks.sample(),
        factors=tuple(bench.codes),
        block_size=bench.plan.block_size,
        buffer=bench.plan.buffer,
        written=datetime.now(UTC).isoformat(timespec="seconds"),
        shakeslide=__version__,
        python=platform.python_version(),
        libraries={name: version(name) for name in LIBRARIES},
    )


def _circumstances(bench: Bench, reductions: Sequence[str]) -> str:
    less = f" Reduced: {'; '.join(reductions)}." if reductions else ""
    scale = "" if bench.scale.name not in SCALES else f"; scale {bench.scale.name}"
    return f"{bench.run.study.study.name}; protocol {bench.protocol}{scale}.{less}"


def draw(figure: Figure, stem: Path, caption: str) -> list[Path]:
    """Write a figure with its caption as PNG (300 dpi) and SVG."""
    with_caption(figure, caption)
    png, svg = stem.with_suffix(".png"), stem.with_suffix(".svg")
    figures.write(figure, png)
    # The same bytes every time: no random ids, no date.
    with replacing(svg) as temporary, mpl.rc_context({"svg.hashsalt": "shakeslide"}):
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    return [png, svg]


def with_caption(figure: Figure, caption: str) -> None:
    """Add room under a figure and write its caption there."""
    width, height = (float(v) for v in figure.get_size_inches())
    # What the font cannot write would be boxes.
    shown = "".join(c if figures.drawable(c) else "?" for c in caption)
    lines = textwrap.wrap(shown, int((width - 0.16) * LETTERS_PER_INCH))
    room = 0.08 + len(lines) * 1.35 * CAPTION_SIZE / 72
    figure.set_size_inches(width, height + room)
    for axes in figure.axes:
        # As placed, before an equal aspect shrank the axes.
        box = axes.get_position(original=True)
        bottom = (box.y0 * height + room) / (height + room)
        tall = box.height * height / (height + room)
        axes.set_position((box.x0, bottom, box.width, tall))
    figure.text(
        0.08 / width,
        (room - 0.02) / (height + room),
        "\n".join(lines),
        fontsize=CAPTION_SIZE,
        va="top",
        color="#4a525b",
        linespacing=1.3,
    )


def described(recipes: Sequence[Recipe]) -> dict[str, JsonValue]:
    """Return all settings of some models, by name."""
    return {
        r.name: {
            "angles": r.angles,
            "calibration": r.calibration,
            "params": r.make(0).get_params(),
        }
        for r in recipes
    }


def records_of(results: Sequence[Result], **said: JsonValue) -> list[dict[str, JsonValue]]:
    """Return the records of results at the balance of the samples, with what tells them apart."""
    return [{**said, **asdict(r.judgement.balanced)} for r in results]
