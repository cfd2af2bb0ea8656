"""What a run left in its folder, read for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from shakeslide.core.errors import InputError
from shakeslide.factors import stack as stacks
from shakeslide.io import map_tags, raster
from shakeslide.io.map_tags import FORMULA
from shakeslide.layers.positives import Positive
from shakeslide.learning import bundle
from shakeslide.report import uncertainty
from shakeslide.report.uncertainty import Applicability, Spread
from shakeslide.results import evaluation_document, importance_document, provenance_document
from shakeslide.results.evaluation_document import Evaluation
from shakeslide.results.importance_document import Importance
from shakeslide.results.provenance_document import Provenance
from shakeslide.sampling import sample_table
from shakeslide.sources import source_files
from shakeslide.sources.source_files import SourcesRecord

MOST_PICTURED, FEW_PICTURED = 40, 24
"""Factors up to which the page pictures each; how many it pictures of more."""


@dataclass(frozen=True)
class FactorFile:
    """A prepared factor: what its file says of itself."""

    info: stacks.FactorInfo
    path: Path
    citation: str

    @property
    def class_names(self) -> list[str]:
        """What the codes of its classes stand for, where that is more than the codes."""
        legend = self.info.legend if self.info.kind == "categorical" else {}
        names = [f"{code} {name}" for code, name in sorted(legend.items())]
        return [text for text in names if len(set(text.split(" ", 1))) > 1]


@dataclass(frozen=True)
class MapFiles:
    """The maps of one model; of its ensemble's mean and standard deviation where there is one.

    Attributes
    ----------
    model : str
        Its name.
    probability, classes : Path
        Its maps.
    shows : str
        "susceptibility", "probability" or "formula": whose scale the values have.
    class_names : mapping
        By code.
    mean, spread : Path or None
        Of its ensemble.
    says : str
        What the map shows in a few words, as it is written in it.
    meaning : str
        The same in full, of a published formula.
    """

    model: str
    probability: Path
    classes: Path
    shows: str
    class_names: Mapping[int, str]
    mean: Path | None = None
    spread: Path | None = None
    says: str = ""
    meaning: str = ""

    @property
    def balanced(self) -> bool:
        """Whether values stand on the balance of the sample, so that they only rank the ground."""
        return self.shows not in ("probability", FORMULA)

    @property
    def formula(self) -> bool:
        """Whether the values are a published formula's own: nothing was learnt from landslides."""
        return self.shows == FORMULA

    @property
    def title(self) -> str:
        """What the map shows, for legends."""
        return self.says or ("Susceptibility" if self.balanced else "Probability")

    @property
    def title_of_classes(self) -> str:
        """What its classes are of."""
        return f"Class of {'value' if self.formula else 'susceptibility'}"


@dataclass(frozen=True)
class Artefacts:
    """A finished run.

    Attributes
    ----------
    out : Path
        Its folder.
    grid : GeoBox
        Its grid.
    samples : Samples
        The drawn cells.
    evaluation : Evaluation
        evaluation.json.
    provenance : Provenance
        provenance.json.
    factors : sequence of FactorFile
        In the samples' order.
    maps : sequence of MapFiles
        In the evaluation's order of models.
    importance : Importance or None
        importance.json; None where the run did not ask.
    dissimilarity : Path or None
        Map of how unlike the training data each cell is, where the run made one.
    extraction : SourcesRecord or None
        sources.json, where the positives are source areas extracted from outlines.
    trained : mapping of str to int
        Rows that each mapped model was trained on; without those that learn nothing.
    fitted_on_all : bool
        Whether the mapped models were fitted on all samples, apart from those that were scored.
    """

    out: Path
    grid: GeoBox
    samples: sample_table.Samples
    evaluation: Evaluation
    provenance: Provenance
    factors: Sequence[FactorFile]
    maps: Sequence[MapFiles]
    importance: Importance | None = None
    dissimilarity: Path | None = None
    extraction: SourcesRecord | None = None
    trained: Mapping[str, int] = field(default_factory=dict)
    fitted_on_all: bool = False

    @property
    def positives(self) -> Positive:
        """What a positive cell is, with the words for it."""
        return self.samples.positives

    @property
    def landslides_sampled(self) -> int:
        """Mapped landslides that a sampled cell lies in."""
        ids = self.samples.landslide[self.sources]
        # Source areas outside all outlines have numbers beyond.
        return len(np.unique(ids[(ids > 0) & (ids <= self.samples.counts.landslides)]))

    @property
    def models(self) -> list[str]:
        """Names of the evaluated models, in the study's order."""
        return self.evaluation.models

    @property
    def protocols(self) -> list[str]:
        """Protocols of the evaluation."""
        return self.evaluation.protocols

    def factor(self, code: str) -> FactorFile | None:
        """Return a factor by its code, None if the study does without."""
        return next((f for f in self.factors if f.info.code == code), None)

    @cached_property
    def pictured(self) -> Sequence[FactorFile]:
        """Factors that the page pictures: of many, those of the highest information gain."""
        if len(self.factors) <= MOST_PICTURED:
            return self.factors
        gains = self.importance.information_gain if self.importance else ()
        ranked = [gain.code for gain in gains if gain.bits is not None]
        ranked += [f.info.code for f in self.factors if f.info.code not in ranked]
        chosen = set(ranked[:FEW_PICTURED])
        return [f for f in self.factors if f.info.code in chosen]

    @property
    def elevation(self) -> Path | None:
        """File of the elevations, None if the study does without."""
        dem = self.factor("DEM")
        return dem.path if dem else None

    @cached_property
    def applicability(self) -> Applicability | None:
        """How much of the area lies outside the training conditions, None if not known."""
        path = self.dissimilarity
        return None if path is None else uncertainty.applicability(path)

    @cached_property
    def spreads(self) -> list[Spread]:
        """The spread of each model that has an ensemble."""
        threshold = self.evaluation.threshold
        return [
            # The threshold is one of probabilities at the balance of the samples.
            uncertainty.spread(f.model, f.spread, f.mean if f.balanced else None, threshold)
            for f in self.maps
            if f.spread is not None
        ]

    @cached_property
    def means(self) -> dict[str, float]:
        """Mean of each map that shows the probability at the area's share of sources."""
        return {
            f.model: uncertainty.mean_of(f.probability)
            for f in self.maps
            if f.shows == "probability"
        }

    @property
    def sources(self) -> NDArray[np.bool_]:
        """Which samples are source cells, (samples,) bool."""
        return np.asarray(self.samples.label == 1)


def load(out: Path) -> Artefacts:
    """Read a run's folder.

    Parameters
    ----------
    out : Path
        The folder.

    Raises
    ------
    InputError
        An artefact is missing or damaged.
    """
    samples = sample_table.load(out / "samples.parquet")
    evaluation = evaluation_document.load(out)
    factors = [factor_file(out / "factors" / f"{f.code}.tif") for f in samples.factors]
    if not factors:
        raise InputError(f"{out}: the samples have no factors; run `shakeslide sample` again")
    extracted = samples.positives is Positive.EXTRACTED
    mapped = [m for name in evaluation.models if (m := _maps(out / "maps", name))]
    folders = {m.model: out / "models" / m.model for m in mapped}
    about = {m: told for m, f in folders.items() if (told := bundle.trained_on(f)) is not None}
    return Artefacts(
        out=out,
        grid=stacks.stored_grid(factors[0].path),
        samples=samples,
        evaluation=evaluation,
        provenance=provenance_document.load(out),
        factors=factors,
        maps=mapped,
        importance=importance_document.load(out),
        dissimilarity=_existing(out / "maps" / "applicability.tif"),
        extraction=source_files.load(out) if extracted else None,
        trained={m: told.rows for m, told in about.items() if told.rows and not told.static},
        fitted_on_all=any(told.fitted_on == "all" for told in about.values()),
    )


def factor_file(path: Path) -> FactorFile:
    """Return a prepared factor; `InputError` where its file is missing or damaged."""
    return FactorFile(stacks.file_info(path), path, raster.info(path).tags.get("citation", ""))


def _maps(folder: Path, model: str) -> MapFiles | None:
    probability, classes = folder / f"{model}_probability.tif", folder / f"{model}_class.tif"
    if not (probability.exists() and classes.exists()):
        return None
    tagged = map_tags.class_names(raster.info(classes).tags)
    # Only numbers that a cell can have are classes.
    names = {k: v for k, v in sorted(tagged.items()) if 0 < k < 256 and v}
    told = map_tags.read(probability)
    return MapFiles(
        model=model,
        probability=probability,
        classes=classes,
        shows=told.shows,
        class_names=names,
        mean=_existing(folder / f"{model}_mean.tif"),
        spread=_existing(folder / f"{model}_sd.tif"),
        says=told.title if told.formula else "",
        meaning=told.meaning if told.formula else "",
    )


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None


@dataclass(frozen=True)
class ClassShare:
    """What one class of a map holds.

    Attributes
    ----------
    code, name : int, str
        Of the class.
    area : float
        Share of the mapped cells.
    sources : float
        Share of the sampled source cells.
    """

    code: int
    name: str
    area: float
    sources: float

    @property
    def density(self) -> float:
        """Source cells per area, relative to the whole map (1 = average)."""
        return self.sources / self.area if self.area > 0 else float("nan")


def class_shares(run: Artefacts, files: MapFiles) -> list[ClassShare]:
    """Count a class map's cells and the source cells in each class, block by block."""
    rows, cols = (at[run.sources] for at in run.samples.cells)
    # By rows, the sources of a strip are a slice of them.
    order = np.argsort(rows, kind="stable")
    rows, cols = rows[order], cols[order]
    # Classes are bytes; 0 is no class, so that shares leave it out.
    cells, hits = np.zeros(256, np.int64), np.zeros(256, np.int64)
    with raster.result(files.classes) as src:
        # Strips of whole blocks: each is read and unpacked once.
        step = src.block_shapes[0][0]
        for top in range(0, src.height, step):
            bottom = min(top + step, src.height)
            strip = src.read(1, window=((top, bottom), (0, src.width)))
            cells += np.bincount(strip.ravel(), minlength=256)
            inside = slice(*np.searchsorted(rows, [top, bottom]))
            hits += np.bincount(strip[rows[inside] - top, cols[inside]], minlength=256)
    return [
        ClassShare(k, name, _ratio(cells[k], cells[1:].sum()), _ratio(hits[k], hits[1:].sum()))
        for k, name in files.class_names.items()
    ]


def _ratio(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else 0.0
