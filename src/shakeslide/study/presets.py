"""What a preset sets where the study file sets nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from shakeslide.study.document import TomlValue

Preset = Literal["standard", "recommended", "best", "paper"]
"""Names of the presets."""
WITH_ANGLES = ("lr", "svm", "rf", "tree", "adaboost", "mlp", "hgb", "et", "lgbm")
"""Models that `recommended` gives angles as sine and cosine, so that 359 and 1 degrees are near."""

_RECOMMENDED: Mapping[str, Mapping[str, TomlValue]] = {
    "inventory": {"small": "most_covered"},
    "models": {
        "calibration": "platt",
        "sae": {"settings": "modern"},
        **{name: {"angles": "sincos"} for name in WITH_ANGLES},
    },
    "map": {"shows": "probability", "members": 10, "spread": "best"},
}
PRESETS: Mapping[str, Mapping[str, Mapping[str, TomlValue]]] = {
    "standard": {},
    "recommended": _RECOMMENDED,
    # Beside the blend the forest, with which most maps are made, and the simplest model.
    "best": {
        **_RECOMMENDED,
        "models": {**_RECOMMENDED["models"], "use": ["best", "rf", "lr"]},
    },
    "paper": {"map": {"fitted_on": "training"}},
}
"""Tables of the study file by preset; what the study file states goes before them."""


def completed(document: Mapping[str, TomlValue]) -> dict[str, TomlValue]:
    """Return a study's document with what its preset sets where the study sets nothing.

    Parameters
    ----------
    document : mapping
        As written; values of a wrong type stay for the schema to refuse.
    """
    info = document.get("study")
    asked = info.get("preset") if isinstance(info, Mapping) else None
    known = PRESETS.get(asked, {}) if isinstance(asked, str) else {}
    return _beneath(document, known)


def _beneath(
    given: Mapping[str, TomlValue], preset: Mapping[str, TomlValue]
) -> dict[str, TomlValue]:
    """Return tables with those of a preset beneath them."""
    out = dict(given)
    for key, value in preset.items():
        if key not in out:
            out[key] = value
        elif isinstance(value, Mapping) and isinstance(own := out[key], Mapping):
            out[key] = _beneath(own, value)
    return out
