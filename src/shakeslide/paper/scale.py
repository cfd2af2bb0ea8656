"""How much is computed: as in the paper, or enough for a first look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shakeslide.core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much the experiments compute.

    Attributes
    ----------
    name : str
        "quick" or "paper".
    repeats : int
        Splits of T1, T4, T5, F9, F10 and F12; of protocols with folds at most as many as these.
    sweep_repeats : int
        Splits of F6 and F7, whose number the paper does not give.
    steps, pretrain_steps : int
        Of the autoencoder: of fine-tuning, and of pre-training per layer.
    curve_steps, looks : int
        Steps of F7, and how often accuracy is measured on the way.
    units, depths : tuple of int
        Hidden units per layer and numbers of hidden layers tried in F6.
    counts : tuple of int or None
        Numbers of factors tried in F12; None: every number.
    """

    name: str
    repeats: int
    sweep_repeats: int
    steps: int
    pretrain_steps: int
    curve_steps: int
    looks: int
    units: tuple[int, ...]
    depths: tuple[int, ...]
    counts: tuple[int, ...] | None

    def counts_of(self, factors: int) -> list[int]:
        """Return the numbers of factors to try where there are so many; all of them included."""
        asked = range(1, factors + 1) if self.counts is None else self.counts
        return sorted({k for k in asked if k < factors} | {factors})


# F7 goes on beyond the 30,000 iterations that the paper names.
PAPER = Scale(
    name="paper",
    repeats=20,
    sweep_repeats=5,
    steps=20_000,
    pretrain_steps=2_000,
    curve_steps=40_000,
    looks=80,
    units=tuple(range(2, 131, 2)),
    depths=(1, 2, 3, 4, 5, 6),
    counts=None,
)
# With the paper's 110 units and 7 factors among what is tried, of which it makes claims.
QUICK = Scale(
    name="quick",
    repeats=2,
    sweep_repeats=2,
    steps=8_000,
    pretrain_steps=1_000,
    curve_steps=12_000,
    looks=20,
    units=(10, 30, 60, 110, 150),
    depths=(1, 2, 3, 4, 5, 6),
    counts=(1, 2, 3, 5, 7, 9, 11),
)
SCALES: Mapping[str, Scale] = {"quick": QUICK, "paper": PAPER}


def scale_of(name: str) -> Scale:
    """Return a scale by its name.

    Raises
    ------
    InputError
        There is no such scale.
    """
    if name not in SCALES:
        raise InputError(f"--scale {name}: one of {', '.join(SCALES)}")
    return SCALES[name]


def repeats_told(splits: int) -> list[str]:
    """Return how the number of splits falls short of the paper's 20 repeats, if it does."""
    return [f"{splits} splits (paper: {PAPER.repeats})"] if splits < PAPER.repeats else []


def sweep_told(splits: int) -> list[str]:
    """Return how the number of splits of F6 and F7 falls short of the paper scale's."""
    least = PAPER.sweep_repeats
    return [f"{splits} splits (paper scale: {least})"] if splits < least else []


def steps_told(scale: Scale) -> list[str]:
    """Return how the autoencoder's training falls short of the paper's, if it does."""
    if scale.steps >= PAPER.steps and scale.pretrain_steps >= PAPER.pretrain_steps:
        return []
    return [
        f"{scale.steps:,} steps of fine-tuning and {scale.pretrain_steps:,} of pre-training per "
        f"layer (paper scale: {PAPER.steps:,} and {PAPER.pretrain_steps:,})"
    ]
