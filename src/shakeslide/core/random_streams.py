"""Random numbers that depend on a seed and a purpose, and on nothing else."""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, purpose: str, repeat: int = 0) -> np.random.Generator:
    """Random numbers of one repeat for one purpose, whatever else is drawn.

    Parameters
    ----------
    seed : int
        Seed, not negative.
    purpose : str
        Such as the name of a protocol.
    repeat : int
        Number of the repeat, from 0.
    """
    # crc32, because `hash` gives a text another number in each process.
    entropy = [seed, zlib.crc32(purpose.encode()), repeat]
    return np.random.default_rng(np.random.SeedSequence(entropy))
