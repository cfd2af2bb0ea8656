"""Synthetic earthquakes with known truth: terrain, shaking, ground, failures, files."""

from shakeslide.synthetic.benchmark import BENCHMARK
from shakeslide.synthetic.earthquake import Scenario, SyntheticEarthquake, make
from shakeslide.synthetic.large import create, write_large
from shakeslide.synthetic.optimum import (
    KnownFromFactors,
    Optimum,
    bayes_given_factors,
    bayes_optimum,
    rule_scores,
)
from shakeslide.synthetic.study_files import study_text, write, written

__all__ = [
    "BENCHMARK",
    "KnownFromFactors",
    "Optimum",
    "Scenario",
    "SyntheticEarthquake",
    "bayes_given_factors",
    "bayes_optimum",
    "create",
    "make",
    "rule_scores",
    "study_text",
    "write",
    "write_large",
    "written",
]
