"""Memory that was released and goes back to the system."""

from __future__ import annotations

import ctypes
import gc
import sys


def give_back() -> None:
    """Give back to the system what was released but is kept by the C library for later use.

    After many small pieces, such as polygons, glibc keeps hundreds of megabytes. Other libraries
    have no such call, and nothing is done there.
    """
    gc.collect()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
