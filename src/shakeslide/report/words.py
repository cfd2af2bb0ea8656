"""Numbers and names as they are printed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from shakeslide.study.settings import Event

NBSP = "\u00a0"
"""Keeps a number and its unit on one line."""
CITATION = (
    "Li, Y., Cui, P., Ye, C., Marcato Junior, J., Zhang, Z., Guo, J. and Li, J. (2021): Accurate "
    "Prediction of Earthquake-Induced Landslides Based on Deep Learning Considering Landslide "
    "Source Area. Remote Sensing 13(17), 3436."
)
DOI = "https://doi.org/10.3390/rs13173436"
"""Of the paper whose method this is."""
PERCENT = ("oa", "precision", "recall")
"""Measures printed in percent, as the paper does."""

MEASURES: Mapping[str, str] = {
    "oa": "Overall accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "mcc": "MCC",
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "ece": "Calibration error",
}

MODELS: Mapping[str, str] = {
    "sae": "Stacked sparse autoencoder",
    "lr": "Logistic regression",
    "svm": "Support vector machine",
    "rf": "Random forest",
    "fr": "Frequency ratio",
    "tree": "Decision tree",
    "adaboost": "AdaBoost",
    "mlp": "Neural network",
    "hgb": "Gradient boosting",
    "et": "Extremely randomised trees",
    "lgbm": "LightGBM",
    "best": "Blend of models",
    "learnt": "Learnt from past earthquakes",
    "few": "Slope, shaking and their product",
    "newmark": "Newmark displacement",
    "ahp": "Analytic hierarchy process",
    "jessee2018": "Nowicki Jessee et al. 2018",
    "jessee2022": "Allstadt et al. 2022",
    "kritikos2015": "Kritikos et al. 2015",
    "slope_pga": "Slope times PGA",
    "slope_pgv": "Slope times PGV",
}

PROPER = ("AdaBoost", "Allstadt", "Kritikos", "LightGBM", "Newmark", "Nowicki")
"""First words of models' names that keep their capital within a sentence."""

PROTOCOLS: Mapping[str, str] = {
    "pixel": "cells drawn at random",
    "landslide": "whole landslides held out",
    "block": "spatial blocks held out",
    "event": "whole events held out",
}
"""What is held out under each protocol."""

UNITS: Mapping[str, str] = {"deg": "°", "1/100 m": "1/(100 m)", "class": ""}


def model_title(name: str) -> str:
    """Return a model's name in words."""
    return MODELS.get(name, name)


def protocol_title(name: str) -> str:
    """Return a protocol's name with its meaning."""
    return f"{name}: {PROTOCOLS[name]}" if name in PROTOCOLS else name


def within_sentence(model: str) -> str:
    """Return a model's name within a sentence."""
    title = model_title(model)
    return title if title.startswith(PROPER) else title[:1].lower() + title[1:]


def sentence(text: str) -> str:
    """Return a text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def unit(text: str) -> str:
    """Return a unit as printed."""
    return UNITS.get(text, text)


def score(measure: str, mean: float | None, sd: float | None = None, digits: int = 2) -> str:
    """Return a score with its spread: percent for rates, three decimals for the rest.

    Parameters
    ----------
    measure : str
        "oa", "roc_auc", ...
    mean, sd : float or None
        As shares; None where not defined or, for `sd`, with one repeat only.
    digits : int
        Decimals of a percentage.
    """
    value, spread = score_parts(measure, mean, sd, digits)
    percent = f"{NBSP}%" if measure in PERCENT and value != "–" else ""
    return value + (f"{NBSP}±{NBSP}{spread}" if spread else "") + percent


def score_parts(
    measure: str, mean: float | None, sd: float | None = None, digits: int = 2
) -> tuple[str, str]:
    """Return a score and its spread apart, without the sign of percent; "" where none is known."""
    if mean is None or not math.isfinite(mean):
        return "–", ""
    scale, decimals = (100.0, digits) if measure in PERCENT else (1.0, 3)
    known = sd is not None and math.isfinite(sd)
    return f"{scale * mean:.{decimals}f}", f"{scale * float(sd or 0):.{decimals}f}" if known else ""


def heading(measure: str) -> str:
    """Return a measure's name with its unit, as the head of a column."""
    return MEASURES[measure] + (" (%)" if measure in PERCENT else "")


def count(value: float) -> str:
    """Return a count with thousands set apart."""
    return f"{value:,.0f}"


def area(square_metres: float) -> str:
    """Return an area in km² with three figures."""
    km2 = square_metres / 1e6
    # `g` would print large areas as powers of ten.
    return f"{km2:,.0f}{NBSP}km²" if km2 >= 100 else f"{km2:.3g}{NBSP}km²"


def cell_size(size: tuple[float, float]) -> str:
    """Return width and height of a cell, one number where it is square."""
    dx, dy = size
    side = f"{dx:.4g}" if abs(dx - dy) < 1e-6 * dx else f"{dx:.4g} × {dy:.4g}"
    return f"{side}{NBSP}m"


def length(metres: float) -> str:
    """Return a length in m or km."""
    return f"{metres:g}{NBSP}m" if metres < 1000 else f"{metres / 1000:g}{NBSP}km"


def seconds(value: float) -> str:
    """Return a duration."""
    if value < 1:
        return f"{1000 * value:.0f} ms"
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.1f} min"


def share(value: float) -> str:
    """Return a share in percent with three figures."""
    return f"{100 * value:.3g}{NBSP}%"


def whole_percent(value: float) -> str:
    """Return a share in whole percent."""
    return f"{100 * value:.0f}{NBSP}%"


def part_of(part: float, whole: float) -> str:
    """Return what share of a whole a part is, in percent with two figures."""
    return f"{100 * part / whole:.2g}{NBSP}%"


def of_hundred(value: float) -> str:
    """Return how many of a hundred, with a decimal where they are few."""
    return f"{value:.{0 if value >= 10 else 1}f}"


def earthquake(event: Event) -> str:
    """Return an earthquake in one line, "" where nothing is known of it."""
    parts = []
    if event.magnitude is not None:
        parts.append(f"M {event.magnitude:g}")
    if event.time is not None:
        parts.append(event.time.isoformat(" ").replace("+00:00", " UTC"))
    if event.epicentre is not None:
        x, y = event.epicentre
        if event.crs == "EPSG:4326":
            ew, ns = "E" if x >= 0 else "W", "N" if y >= 0 else "S"
            parts.append(f"epicentre {abs(y):.3f}° {ns}, {abs(x):.3f}° {ew}")
        else:
            parts.append(f"epicentre {x:g}, {y:g} ({event.crs})")
    return " · ".join(parts)


def signed(value: float | None, digits: int) -> str:
    """Return a number with its sign, a dash where there is none; what rounds to zero has no sign.

    Parameters
    ----------
    value : float or None
        The number.
    digits : int
        Its decimals.
    """
    if value is None or not math.isfinite(value):
        return "–"
    # Rounded first: what is printed as 0 must have no sign.
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return ("+" if value > 0 else "\u2212") + text


def joined(items: Sequence[str], comma: str = ", ") -> str:
    """Return 'a', 'a and b', 'a, b and c'; items that hold an 'and' need another `comma`."""
    if len(items) == 1 or comma != ", ":
        return comma.join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]


def flat(values: Mapping[str, JsonValue], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested settings as (dotted key, value) pairs in their order."""
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            rows += flat(value, f"{name}.")
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            rows += flat({str(i): item for i, item in enumerate(value)}, f"{name}.")
        else:
            rows.append((name, plain(value)))
    return rows


def plain(value: JsonValue) -> str:
    """Return a setting's value in one line."""
    if value is None:
        return "–"
    # Before numbers, which True and False are to Python.
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(plain(v) for v in value) or "–"
    if isinstance(value, dict):
        return "–"
    return str(value)
