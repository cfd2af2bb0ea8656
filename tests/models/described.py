"""Ten raw factors with units and classes, for the models that take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from shakeslide.models import MODELS, Model, RawModel


@dataclass(frozen=True)
class Factor:
    code: str
    unit: str = ""
    kind: str = "continuous"
    legend: Mapping[int, str] = field(default_factory=dict)


FACTORS = [
    Factor("SLO", "deg"),
    Factor("PGA", "g"),
    Factor("PGV", "cm/s"),
    Factor("CTI", "1"),
    Factor("ARIAS", "m/s"),
    Factor("LITH", kind="categorical", legend={1: "va", 2: "su", 3: "mt"}),
    Factor("LC", kind="categorical", legend={1: "40", 2: "120", 3: "190"}),
    Factor("EI", "MMI"),
    Factor("DFA", "m"),
    Factor("TPI", "m"),
]
LOW = np.array([0, 0, 0, 2, 0, 1, 1, 4, 0, -20])
HIGH = np.array([60, 1.2, 150, 20, 8, 4, 4, 10, 60_000, 20])
STRENGTH = {
    "va": {"c": 20.0, "phi": 35.0, "gamma": 24.0},
    "su": {"c": 8.0, "phi": 30.0, "gamma": 18.0},
    "mt": {"c": 30.0, "phi": 38.0, "gamma": 26.0},
}
SETTINGS = {
    "newmark": {"strength": STRENGTH},
    "ahp": {"comparisons": {"SLO/PGA": 2.0, "SLO/LITH": 4.0, "PGA/LITH": 3.0}},
}
PRESENT = {"LITH": [1, 2, 3], "LC": [1, 2, 3]}


def conversion(given: str, wanted: str) -> float | None:
    return {("cm/s", "cm/s"): 1.0, ("m/s", "cm/s"): 100.0, ("%g", "g"): 0.01}.get(
        (given, wanted), 1.0 if given == wanted else None
    )


def rows(unit: np.ndarray) -> np.ndarray:
    """Rows in [0, 1), (n, 7), as quantities of `FACTORS`; the last three are made of others."""
    wide = np.concatenate([unit, unit[:, 1:4]], axis=1)
    out = LOW + np.minimum(wide, 0.999) * (HIGH - LOW)
    out[:, 5:7] = np.floor(out[:, 5:7])
    return out.astype(np.float32)


def make(name: str, **params: object) -> Model:
    """Return an unfitted model; one of raw factors is told what they are."""
    made = MODELS[name].make(**{**SETTINGS.get(name, {}), **params})
    return made.describe(FACTORS, conversion, PRESENT) if isinstance(made, RawModel) else made
