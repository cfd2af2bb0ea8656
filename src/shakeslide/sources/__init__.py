"""Source areas extracted from whole outlines and an elevation model.

S0 mapped · S1 elevation fraction · S2 area quantile · S3 scar · S4 slope break · S5 amalgamations
divided first. By default S5, then S3; where that cannot tell, S2; sources have four cells at
least, or all that the landslide has.
"""

from shakeslide.sources.amalgamation import Rules
from shakeslide.sources.extraction import Extracted, extract
from shakeslide.sources.landslide import Landslide
from shakeslide.sources.methods import (
    METHODS,
    AreaQuantile,
    ElevationFraction,
    Mapped,
    Method,
    Scar,
    SlopeBreak,
)
from shakeslide.sources.separation import Recipe, Separated, separate
from shakeslide.sources.size_frequency import Tail, distribution, fit_tail
from shakeslide.sources.volume import Scaling

__all__ = [
    "METHODS",
    "AreaQuantile",
    "ElevationFraction",
    "Extracted",
    "Landslide",
    "Mapped",
    "Method",
    "Recipe",
    "Rules",
    "Scaling",
    "Scar",
    "Separated",
    "SlopeBreak",
    "Tail",
    "distribution",
    "extract",
    "fit_tail",
    "separate",
]
