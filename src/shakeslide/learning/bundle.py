"""A trained model as a folder of plain files: manifest, weights, model card. Nothing executable.

`FittedModel` joins an encoder and an estimator, so that raw factors go in and probabilities come
out, the same bits for a sample and for its cell on the map.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shakeslide._version import __version__
from shakeslide.core import documents
from shakeslide.core.documents import JsonValue
from shakeslide.core.errors import InputError, shortened
from shakeslide.core.files import content, replacing
from shakeslide.evaluation import calibration
from shakeslide.evaluation.calibration import Calibration, Isotonic
from shakeslide.factors.factor import Options
from shakeslide.factors.stack import FactorInfo, FactorRecord
from shakeslide.layers.positives import Positive
from shakeslide.learning import context
from shakeslide.learning.context import Context, ContextRecord
from shakeslide.learning.recipe import Method
from shakeslide.models import chunks, storage
from shakeslide.models.base import Model, ModelParameter
from shakeslide.models.blend import ModelBlend
from shakeslide.models.formulas.raw import Formula, RawModel
from shakeslide.sampling.encoding import Angles, Encoder, EncoderRecord
from shakeslide.sampling.sample_table import Samples
from shakeslide.study.factor_settings import FACTOR_FUNCTIONS

FORMAT = 1
"""Version of the folder's layout."""
MANIFEST = "manifest.json"

LARGEST_MANIFEST = 2**26
"""Bytes of the largest manifest that is read."""
OUTSIDE = 0.1
"""Share of cells outside a factor's training range that is worth a warning."""


@dataclass(frozen=True)
class TrainedOn:
    """What a model was trained on.

    Attributes
    ----------
    seed : int
        Of the fit.
    rows : int
        Training rows.
    sample_share, prevalence : float
        Share of positives among the training rows, and among the usable cells of the area. A model
        that learns nothing has one share, that of the area: nothing is corrected for a balance.
    static : bool
        Whether nothing was learnt from the labels, a calibration included.
    angles : {"raw", "sincos"}
        How angles are given to the model.
    calibration : {"none", "platt", "isotonic"}
        How its probabilities are calibrated.
    study : str
        Name of the study.
    fit_s : float or None
        Time of the fit in s.
    data : str
        Fingerprint of the samples.
    positives : Positive or None
        What a positive cell is.
    fitted_on : {"all", "training"} or None
        Samples of the study: all, or the training rows of its first split.
    """

    seed: int
    rows: int
    sample_share: Annotated[float, Field(ge=0, le=1)]
    prevalence: Annotated[float, Field(ge=0, le=1)]
    static: bool = False
    angles: Angles = "raw"
    calibration: Method = "none"
    study: str = ""
    fit_s: float | None = None
    data: str = ""
    positives: Positive | None = None
    fitted_on: Literal["all", "training"] | None = None


class Manifest(TypedDict):
    """A model's folder as its `manifest.json` describes it; the weights lie beside it."""

    format: int
    shakeslide: NotRequired[str]
    model: str
    params: dict[str, ModelParameter]
    factors: list[FactorRecord]
    encoder: EncoderRecord
    calibration: NotRequired[dict[str, list[float]] | None]
    context: NotRequired[ContextRecord]
    about: dict[str, JsonValue]


@dataclass(frozen=True)
class FittedModel:
    """An encoder and an estimator fitted on the same training rows.

    Attributes
    ----------
    name : str
        Of the model: "sae", "rf", ...
    estimator : Model
        Fitted.
    encoder : Encoder
        Fitted.
    factors : tuple of FactorInfo
        What the columns of raw factors are.
    about : TrainedOn
        What it was trained on.
    calibration : Calibration, optional
        Turns the estimator's probabilities into calibrated ones.
    context : Context, optional
        What the estimator is given beside the encoded factors.
    """

    name: str
    estimator: Model
    encoder: Encoder
    factors: tuple[FactorInfo, ...]
    about: TrainedOn
    calibration: Calibration | None = None
    context: Context | None = None

    @property
    def smooth(self) -> bool:
        """Whether the probability changes without steps as a number among the factors does."""
        # Isotonic calibration may rise as steeply as a step; votes count what is near.
        steep = isinstance(self.calibration, Isotonic) or self.context is not None
        return self.estimator.smooth and not steep

    @property
    def of_places(self) -> int:
        """Number of inputs of a row that follow from its place."""
        return 0 if self.context is None else self.context.width_of_places

    def rows_of(
        self, samples: Samples, rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Return what `predict` takes of some samples.

        Parameters
        ----------
        samples : Samples
            With the model's factors.
        rows : array, (n,) int64, optional
            Their numbers; default: all.

        Returns
        -------
        array, (n, factors + of_places) float32
        """
        raw = samples.raw if rows is None else samples.raw[rows]
        if self.context is None or not self.of_places:
            return raw
        x, y = samples.places
        at = slice(None) if rows is None else rows
        around = self.context.of_places(x[at], y[at], samples.event[at])
        return np.concatenate([raw, around], axis=1)

    def at_places(
        self, raw: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return what `predict` takes of cells of the study's own earthquake.

        Parameters
        ----------
        raw : array, (n, factors) float32
            Raw factors.
        x, y : array, (n,) float64
            The cells' centres.

        Returns
        -------
        array, (n, factors + of_places) float32
        """
        if self.context is None or not self.of_places:
            return raw
        own = np.zeros(len(raw), np.int64)
        return np.concatenate([raw, self.context.of_places(x, y, own)], axis=1)

    def remembering(self, rows: int) -> FittedModel:
        """Return a model that predicts the same, and rows of which a few factors change faster.

        `rows` is how many are predicted again and again, see `Encoder.remembering`.
        """
        return replace(self, encoder=self.encoder.remembering(rows, chunks.CHUNK_ROWS))

    def predict(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of a landslide source.

        Parameters
        ----------
        raw : array, (rows, factors) float32
            Raw factors; a row with a NaN gets NaN. Of a model that looks around the place of a
            cell: as `rows_of` or `at_places` returns them.

        Returns
        -------
        array, (rows,) float32

        Raises
        ------
        InputError
            The model looks around the place of a cell, and the rows have factors alone.
        """
        if self.of_places and raw.shape[1] == len(self.factors):
            raise InputError(
                f'model {self.name} has context = ["place"]: it needs the places of the cells too '
                "(FittedModel.rows_of, FittedModel.at_places)"
            )
        plain = isinstance(self.estimator, Formula)
        rows = chunks.FORMULA_ROWS if plain else chunks.CHUNK_ROWS
        return chunks.predict_whole_rows(self._probability, raw, rows)

    def _probability(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        raw, around = np.split(rows, [len(self.factors)], axis=1)
        features = self.encoder.transform(raw)
        if self.context is not None:
            features = np.concatenate([features, self.context.of_factors(raw), around], axis=1)
        p = self.estimator.predict_proba(features)[:, 1]
        if self.calibration is not None:
            p = self.calibration.apply(np.asarray(p, np.float64))
        return np.asarray(p, np.float32)


def save(model: FittedModel, folder: Path) -> None:
    """Write a model's folder; the manifest comes last, so that a broken write is no model."""
    described, arrays = storage.dump(model.estimator)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / MANIFEST
    manifest.unlink(missing_ok=True)
    storage.write(folder / "weights.safetensors", arrays)
    text: Manifest = {
        "format": FORMAT,
        "shakeslide": __version__,
        "model": model.name,
        "params": described["params"],
        "factors": [f.to_dict() for f in model.factors],
        "encoder": model.encoder.to_dict(),
        "calibration": None
        if model.calibration is None
        else {k: v.tolist() for k, v in model.calibration.to_arrays().items()},
        "about": documents.to_values(model.about),
    }
    (folder / context.FILE).unlink(missing_ok=True)
    if model.context is not None:
        storage.write(folder / context.FILE, model.context.arrays())
        text["context"] = model.context.to_dict()
    with replacing(folder / "card.md") as temporary:
        temporary.write_text(card(model), encoding="utf-8")
    with replacing(manifest) as temporary:
        temporary.write_text(json.dumps(text, indent=1, ensure_ascii=False), encoding="utf-8")


def load(folder: Path) -> FittedModel:
    """Read a model's folder; whatever is in it, nothing of it is executed.

    A manifest can name an estimator that an installed package brings: that package's own code
    then rebuilds it from the arrays.

    Raises
    ------
    InputError
        Missing, damaged or foreign files.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder}: contains no model (no manifest.json); run `shakeslide train`")
    with _damage_named(path):
        manifest = _manifest(path)
        name, params = str(manifest["model"]), manifest["params"]
        factors = tuple(_factor(f) for f in manifest["factors"])
        encoder = Encoder.from_dict(manifest["encoder"])
        about = _about(manifest)
        given = manifest.get("calibration")
        calibrated = None if given is None else calibration.from_arrays(dict(given))
        known = _context(manifest, folder)
    if [(f.code, f.kind) for f in factors] != [(c.code, c.kind) for c in encoder.columns]:
        raise InputError(f"{path}: is inconsistent: its factors are not those of its encoder")
    arrays = storage.read(folder / "weights.safetensors")
    estimator = storage.restore(name, params, arrays)
    if encoder.identity != isinstance(estimator, RawModel):
        raise InputError(
            f"{path}: is inconsistent: {name} takes {'encoded' if encoder.identity else 'raw'} "
            "factors, which the encoder does not give"
        )
    around = 0 if known is None else known.width
    if estimator.n_features_in_ != len(encoder.features) + around:
        raise InputError(
            f"{path}: is inconsistent: the weights take {estimator.n_features_in_} features, the "
            f"encoder gives {len(encoder.features)}" + (f", the context {around}" if around else "")
        )
    if known is not None and not known.fits(factors):
        raise InputError(f"{path}: is inconsistent: its factors are not those of its context")
    return FittedModel(
        name, estimator, encoder, factors, about, calibration=calibrated, context=known
    )


def _context(manifest: Manifest, folder: Path) -> Context | None:
    """Read the context of a model that has one."""
    if "context" not in manifest:
        return None
    return context.restored(manifest["context"], storage.read(folder / context.FILE))


def trained_on(folder: Path) -> TrainedOn | None:
    """Read what a model was trained on from its folder, without its weights.

    Returns
    -------
    TrainedOn or None
        None where the folder holds no model.

    Raises
    ------
    InputError
        The manifest is damaged or of another version.
    """
    path = folder / MANIFEST
    if not path.exists():
        return None
    with _damage_named(path):
        return _about(_manifest(path))


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Turn errors of reading a manifest into one line that names it."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        why = shortened(repr(error), 200)
        raise InputError(f"{path}: is damaged or no manifest of shakeslide: {why}") from error
    except RecursionError as error:
        raise InputError(f"{path}: is damaged: it is nested too deeply") from error


def _manifest(path: Path) -> Manifest:
    """Read a manifest of this version; only its keys are checked here."""
    # Before it is read: parsing takes many times its size in memory.
    if path.stat().st_size > LARGEST_MANIFEST:
        raise InputError(
            f"{path}: is larger than {LARGEST_MANIFEST / 1e6:g} MB, so it is not a manifest of "
            "shakeslide; run `shakeslide train`"
        )
    manifest: Manifest = json.loads(content(path))
    # First, for another format has other keys.
    if manifest["format"] != FORMAT:
        raise InputError(
            f"{path}: format {manifest['format']} was written by another version of "
            f"shakeslide ({manifest.get('shakeslide')}); this one reads format {FORMAT}"
        )
    if unknown := set(manifest) - set(Manifest.__annotations__):
        raise ValueError(f"unknown keys {sorted(unknown)}")
    return manifest


def _about(manifest: Manifest) -> TrainedOn:
    return documents.from_json(TrainedOn, json.dumps(manifest["about"]).encode())


def _factor(values: FactorRecord) -> FactorInfo:
    factor = FactorInfo.from_dict(values)
    texts = {k: v for k, v in factor.__dict__.items() if k not in ("legend", "settings")}
    if wrong := [k for k, v in texts.items() if not isinstance(v, str)]:
        raise TypeError(f"{wrong[0]} of a factor is not a text")
    return factor


def require_factors(model: FittedModel, available: Sequence[FactorInfo]) -> None:
    """Raise `InputError` unless a stack's factors are those that the model was trained on.

    They must be there, in the same units, of the same kind, with the same settings (windows,
    scales), and number their classes alike.
    """
    here = {f.code: f for f in available}
    missing = [f.code for f in model.factors if f.code not in here]
    if missing:
        raise InputError(
            f"model {model.name} was trained on factors that are missing here: {', '.join(missing)}"
        )
    for factor in model.factors:
        found = here[factor.code]
        if found.kind != factor.kind:
            raise InputError(
                f"model {model.name}: factor {factor.code} was {factor.kind} in training, but is "
                f"{found.kind} here"
            )
        # A class that is known on one side only contradicts nothing.
        for code in sorted(set(factor.legend) & set(found.legend)):
            if factor.legend[code] != found.legend[code]:
                raise InputError(
                    f"model {model.name}: class {code} of factor {factor.code} was "
                    f"'{factor.legend[code]}' in training, but is '{found.legend[code]}' here"
                )
        if found.unit != factor.unit:
            raise InputError(
                f"model {model.name}: factor {factor.code} was in '{factor.unit}' in training, but "
                f"is in '{found.unit}' here"
            )
        if differ := other_settings(factor.settings, found.settings):
            key, before, now = differ[0]
            raise InputError(
                f"model {model.name}: factor {factor.code} had {key} = {before} in training, but "
                f"has {now} here; set [factors.{factor.code}] {key} as in training"
            )


OF_DATA = ("layer", "overlap", "name", "start", "end", "margin", "unit", "package")
"""Settings of factors that name the data of one study: another one has others. Units are compared
by themselves."""


def other_settings(one: Options, other: Options) -> list[tuple[str, str, str]]:
    """Return the settings in which two factors differ: the key and both values, as TOML has them.

    What an older version recorded without settings is not compared.
    """
    if not (one and other):
        return []
    a, b = _with_defaults(one), _with_defaults(other)
    keys = sorted({*a, *b} - {*OF_DATA})
    values = [(k, _as_toml(a.get(k)), _as_toml(b.get(k))) for k in keys]
    return [row for row in values if row[1] != row[2]]


def _with_defaults(settings: Options) -> dict[str, JsonValue]:
    """Return settings with the defaults of keys that a version before them did not record."""
    known = FACTOR_FUNCTIONS.get(str(settings.get("function")))
    usual = {} if known is None else {k: f.default for k, f in known.model_fields.items()}
    # `use` is no property of the factor.
    return {k: v for k, v in {**usual, **settings}.items() if v is not None and k != "use"}


def _as_toml(value: JsonValue) -> str:
    # What is not set: the key is absent, and its default depends on the grid or the data.
    return "no value" if value is None else shortened(json.dumps(value, ensure_ascii=False))


def out_of_range(model: FittedModel, raw: NDArray[np.float32]) -> dict[str, float]:
    """Return the share of cells that lie outside what the model saw in training, by factor.

    Of a factor of numbers: outside the 0.5 and 99.5 percentiles of the training rows, so that 1 %
    of like ground lies outside too. Of a factor of classes: of a class that the training area does
    not have. Angles and published formulas have no range.

    Parameters
    ----------
    model : FittedModel
        Trained.
    raw : array, (rows, factors) float32
        Raw factors; rows with a NaN don't count.
    """
    if model.about.static:
        return {}
    whole = raw[np.isfinite(raw).all(axis=1)]
    out = {}
    for i, column in enumerate(model.encoder.columns):
        values = whole[:, i].astype(np.float64)
        if column.kind in ("circular", "axial") or values.size == 0:
            continue
        if column.ratios is not None:
            # The classes with a ratio are those of the training area.
            outside = ~np.isin(values, np.array(sorted(column.ratios), np.float64))
        else:
            outside = (values < column.low) | (values > column.high)
        out[column.code] = float(outside.mean())
    return out


def range_warnings(model: FittedModel, raw: NDArray[np.float32]) -> list[str]:
    """Return a line per factor of which more than `OUTSIDE` of the cells are out of range.

    Parameters
    ----------
    model : FittedModel
        It keeps the ranges of its training rows.
    raw : array, (cells, factors) float32
        Raw factors, in the model's order.
    """
    return [
        f"{100 * share:.0f} % of the cells have {code} outside the training range"
        for code, share in out_of_range(model, raw).items()
        if share > OUTSIDE
    ]


FITTED_ON: Mapping[str, str] = {
    "all": "- Fitted on all samples, so no sample is left to test it. The scores in "
    "evaluation.json are those of models that were fitted on training rows alone.",
    "training": "- Fitted on the training rows of the first random split of cells (protocol "
    "pixel). evaluation.json contains its scores on the test rows.",
}
"""Whose scores stand beside a model, by `TrainedOn.fitted_on`."""


def literal(text: object) -> str:
    """Return a text on one line that Markdown shows as it is, HTML and links in it too."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", " ".join(str(text).split()))


def _members(model: Model) -> list[str]:
    """Return what the card says of a blend's members."""
    if not isinstance(model, ModelBlend):
        return []
    shares = ", ".join(f"{name} {share:.2f}" for name, share in model.weights.items() if share)
    how = (
        "chosen on parts of the training rows that the members were not fitted on"
        if model.chosen_
        else "equal: the training rows are too few to choose them, "
        "or no member is better than chance"
    )
    return [f"- Members and their weights: {shares} ({how})."]


def card(model: FittedModel) -> str:
    """Return the model card: what it is, what it was trained on, how good, what it is not for."""
    about = model.about
    positives = about.positives
    finds = "landslide cell" if positives is None else positives.plain_cell
    trained = (
        [
            "- A published formula, which was not trained on the study's landslides.",
            "- The output is that of the formula.",
        ]
        if about.static
        else [
            f"- Training rows: {about.rows} "
            f"({about.sample_share:.3g} of them positive; the share of positives among "
            f"the usable cells of the area is {about.prevalence:.3g})",
            *([f"- Positives: {positives.what}."] if positives else []),
            *([FITTED_ON[about.fitted_on]] if about.fitted_on else []),
            *_members(model.estimator),
            f"- Seed: {about.seed}",
            "- The output is a susceptibility at the share of positives in the training sample, "
            "not the share of the area that fails.",
        ]
    )
    lines = [
        f"# {model.name}",
        "",
        f"Probability that a cell is a {finds}, by shakeslide {__version__}.",
        "",
        f"- Study: {literal(about.study)}",
        *trained,
        "- Valid for the factors below, in these units, within the ranges of the training area.",
        "",
        "| code | factor | unit | kind |",
        "| --- | --- | --- | --- |",
        *(
            f"| {f.code} | {literal(f.name)} | {literal(f.unit)} | {f.kind} |"
            for f in model.factors
        ),
    ]
    return "\n".join(lines) + "\n"
