"""How GDAL is used: its options, and its messages on one line."""

from __future__ import annotations

GDAL_OPTIONS = {"GDAL_CACHEMAX": 256_000_000, "GDAL_NUM_THREADS": "1", "GDAL_PAM_ENABLED": "NO"}
"""A bounded block cache, and no .aux.xml files beside the user's data."""


def one_line(error: BaseException) -> str:
    """Return an exception's message on one line."""
    return " ".join(str(error).split())
