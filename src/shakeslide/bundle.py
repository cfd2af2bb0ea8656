"""A trained model as a folder of plain files: manifest, weights, model card. Nothing executable.

`FittedModel` joins an encoder and an estimator, so that raw factors go in and probabilities come
out, the same bits for a sample and for its cell on the map.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shakeslide._version import __version__
from shakeslide.encoding import Encoder
from shakeslide.errors import InputError
from shakeslide.evaluation import calibration
from shakeslide.evaluation.calibration import Calibration
from shakeslide.factors.stack import FactorInfo
from shakeslide.io import raster
from shakeslide.models import chunks, storage
from shakeslide.models.base import Model

FORMAT = 1
"""Version of the folder's layout."""


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
    about : mapping
        Seeds, prevalence, scores and the like, for the manifest.
    calibration : Calibration, optional
        Turns the estimator's probabilities into calibrated ones.
    """

    name: str
    estimator: Model
    encoder: Encoder
    factors: tuple[FactorInfo, ...]
    about: Mapping[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None

    def predict(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of a landslide source.

        Parameters
        ----------
        raw : array, (rows, factors) float32
            Raw factors; a row with a NaN gets NaN.

        Returns
        -------
        array, (rows,) float32
        """
        whole = np.isfinite(raw).all(axis=1)
        out = np.full(len(raw), np.nan, np.float32)
        if whole.any():
            out[whole] = chunks.predict_in_chunks(self._probability, raw[whole])
        return out

    def _probability(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        p = self.estimator.predict_proba(self.encoder.transform(raw))[:, 1]
        if self.calibration is not None:
            p = self.calibration.apply(np.asarray(p, np.float64))
        return np.asarray(p, np.float32)


def save(model: FittedModel, folder: Path) -> None:
    """Write a model's folder; the manifest comes last, so that a broken write is no model."""
    described, arrays = storage.dump(model.estimator)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.json"
    manifest.unlink(missing_ok=True)
    storage.write(folder / "weights.safetensors", arrays)
    text = {
        "format": FORMAT,
        "shakeslide": __version__,
        "model": model.name,
        "params": described["params"],
        "factors": [f.to_dict() for f in model.factors],
        "encoder": model.encoder.to_dict(),
        "calibration": None
        if model.calibration is None
        else {k: v.tolist() for k, v in model.calibration.to_arrays().items()},
        "about": dict(model.about),
    }
    with raster.replacing(folder / "card.md") as temporary:
        temporary.write_text(card(model), encoding="utf-8")
    with raster.replacing(manifest) as temporary:
        temporary.write_text(json.dumps(text, indent=1, ensure_ascii=False), encoding="utf-8")


def load(folder: Path) -> FittedModel:
    """Read a model's folder; whatever is in it, nothing of it is executed.

    Raises
    ------
    InputError
        Missing, damaged or foreign files.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise InputError(f"{folder}: holds no model (no manifest.json); run `shakeslide train`")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise InputError(
                f"{path}: format {manifest['format']} was written by another version of "
                f"shakeslide ({manifest.get('shakeslide')}); this one reads format {FORMAT}"
            )
        name, params = str(manifest["model"]), manifest["params"]
        factors = tuple(FactorInfo.from_dict(f) for f in manifest["factors"])
        encoder = Encoder.from_dict(manifest["encoder"])
        about = dict(manifest["about"])
        given = manifest.get("calibration")
        calibrated = None if given is None else calibration.from_arrays(dict(given))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is damaged or no manifest of shakeslide: {error!r}") from error
    if [f.code for f in factors] != [c.code for c in encoder.columns]:
        raise InputError(f"{path}: is inconsistent: its factors are not those of its encoder")
    arrays = storage.read(folder / "weights.safetensors")
    estimator = storage.restore(name, params, arrays)
    if estimator.n_features_in_ != len(encoder.features):
        raise InputError(
            f"{path}: is inconsistent: the weights take {estimator.n_features_in_} features, the "
            f"encoder gives {len(encoder.features)}"
        )
    return FittedModel(name, estimator, encoder, factors, about, calibrated)


def require_factors(model: FittedModel, available: Sequence[FactorInfo]) -> None:
    """Raise `InputError` unless the stack has the model's factors in the same units."""
    here = {f.code: f for f in available}
    missing = [f.code for f in model.factors if f.code not in here]
    if missing:
        raise InputError(
            f"model {model.name} was trained on factors that are missing here: {', '.join(missing)}"
        )
    for factor in model.factors:
        unit = here[factor.code].unit
        if unit != factor.unit:
            raise InputError(
                f"model {model.name}: factor {factor.code} was in '{factor.unit}' in training, but "
                f"is in '{unit}' here"
            )


def card(model: FittedModel) -> str:
    """Return the model card: what it is, what it was trained on, how good, what it is not for."""
    about = model.about
    trained = (
        [
            "- A published formula: nothing in it was learnt from the study's landslides.",
            "- The output is the formula's own.",
        ]
        if about.get("static")
        else [
            f"- Training rows: {about.get('rows', '')} "
            f"({about.get('sample_share', 0):.3g} of them in sources; the area's own share is "
            f"{about.get('prevalence', 0):.3g})",
            f"- Seed: {about.get('seed', '')}",
            "- The output follows the balance of the training sample: a susceptibility, not the "
            "share of the area that fails.",
        ]
    )
    lines = [
        f"# {model.name}",
        "",
        f"Probability that a cell is a landslide source, by shakeslide {__version__}.",
        "",
        f"- Study: {about.get('study', '')}",
        *trained,
        "- Valid for the factors below, in these units, within the ranges of the training area.",
        "",
        "| code | factor | unit | kind |",
        "| --- | --- | --- | --- |",
        *(f"| {f.code} | {f.name} | {f.unit} | {f.kind} |" for f in model.factors),
    ]
    return "\n".join(lines) + "\n"
