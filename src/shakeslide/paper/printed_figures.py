"""Figures that the paper prints, beside which the experiments are shown.

Li et al. (2021), Remote Sens. 13, 3436: Tables 2 and 4, sections 4.1, 4.2 and 5.3. Table 5 and the
areas under the ROC curve are in `paper.published`.
"""

from __future__ import annotations

from collections.abc import Mapping

from shakeslide.paper.published import Score

LEARNING_RATES: Mapping[float, Mapping[str, Score]] = {
    1e-4: {
        "oa": Score(0.8035, 0.0040),
        "precision": Score(0.7985, 0.0045),
        "recall": Score(0.8124, 0.0065),
    },
    1e-3: {
        "oa": Score(0.8303, 0.0005),
        "precision": Score(0.8191, 0.0007),
        "recall": Score(0.8483, 0.00001),
    },
    0.01: {
        "oa": Score(0.8384, 0.0010),
        "precision": Score(0.8245, 0.0013),
        "recall": Score(0.8602, 0.0011),
    },
    0.1: {
        "oa": Score(0.8549, 0.0016),
        "precision": Score(0.8414, 0.0088),
        "recall": Score(0.8753, 0.0125),
    },
    0.8: {
        "oa": Score(0.8672, 0.0023),
        "precision": Score(0.8537, 0.0096),
        "recall": Score(0.8868, 0.0190),
    },
}
"""Table 4: scores by learning rate."""

SAMPLES: Mapping[str, tuple[int, int, int]] = {
    "source": (819_389, 163_877, 655_512),
    "clear": (819_389, 163_877, 655_512),
    "total": (1_638_778, 327_754, 1_311_024),
}
"""Table 2: cells in all, for training, for testing; the total for testing as it adds up (the table
prints 1,211,024, and the text 8,193,389 source cells)."""

BEST_UNITS, BEST_DEPTH = 110, 3
"""Figure 6; the conclusions say 120 units."""
ITERATIONS = (20_000, 30_000)
"""Steps named by the conclusions, and by section 4.1."""
FLAT_FROM = 7
"""Factors beyond which the accuracies of shallow models remain or fall, section 5.3."""
