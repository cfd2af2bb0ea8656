"""Figures published by the paper whose experiment is repeated here, in one place.

Li, Y., Cui, P., Ye, C., Marcato Junior, J., Zhang, Z., Guo, J. and Li, J. (2021), Remote Sens.
13(17), 3436: Table 5 (overall accuracy, precision, recall; mean and standard deviation of 20
repeats) and section 4.2 (areas under the ROC curve, which the autoencoder's is not among).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """A published score.

    Attributes
    ----------
    mean : float
        As a share, not in percent.
    sd : float or None
        Standard deviation over repeats, where given.
    """

    mean: float
    sd: float | None = None


SCORES: dict[str, dict[str, Score]] = {
    "lr": {
        "oa": Score(0.8075, 0.0023),
        "precision": Score(0.7910, 0.0034),
        "recall": Score(0.8033, 0.0027),
        "roc_auc": Score(0.88),
    },
    "svm": {
        "oa": Score(0.8222, 0.0015),
        "precision": Score(0.8070, 0.0023),
        "recall": Score(0.8207, 0.0012),
        "roc_auc": Score(0.88),
    },
    "rf": {
        "oa": Score(0.8416, 0.0022),
        "precision": Score(0.8193, 0.0017),
        "recall": Score(0.8440, 0.0015),
        "roc_auc": Score(0.89),
    },
    "sae": {
        "oa": Score(0.9188, 0.0018),
        "precision": Score(0.8756, 0.0021),
        "recall": Score(0.9140, 0.0020),
    },
}
"""Published score by model and measure."""
