"""Synthetic earthquakes with known truth: terrain, shaking, ground, failures, files."""

from shakeslide.synthetic.files import study_text, write
from shakeslide.synthetic.scenario import Scenario, SyntheticEarthquake, make

__all__ = ["Scenario", "SyntheticEarthquake", "make", "study_text", "write"]
