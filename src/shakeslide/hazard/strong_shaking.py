"""From which shaking on ground counts as strongly shaken: one bound for all that is counted."""

from __future__ import annotations

from collections.abc import Mapping

STRONG: Mapping[str, float] = {"PGA": 0.1, "PGV": 8.0}
"""PGA in g from which on the USGS counts landslides, and the PGV in cm/s that stands for it where
PGA is not known."""
