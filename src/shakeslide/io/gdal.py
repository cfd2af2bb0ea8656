"""How GDAL is used: its options, its messages on one line, and no way to the web.

A file from somebody else may name an address, and GDAL would fetch it: a `.vrt`, a description of
a web service under any suffix, a catalogue of images. So whatever is read is read with GDAL's web
requests sent to a proxy that is not there, and its network file systems closed, until the study
says `network = true`. Both copies of GDAL are told, that of the rasters and that of the vectors.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pyogrio

NOWHERE = "http://0.0.0.0:0"
"""A proxy that no request gets beyond: curl gives up at once."""
OFFLINE = {
    "GDAL_HTTP_PROXY": NOWHERE,
    "GDAL_HTTPS_PROXY": NOWHERE,
    "GDAL_HTTP_MAX_RETRY": "0",
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "/none",
}
"""What keeps GDAL from the web, whichever driver or file system asks."""
BYPASSES = ("no_proxy", "NO_PROXY")
"""Variables of the environment: hosts that curl asks without a proxy, and so past `NOWHERE`."""
GDAL_OPTIONS = {
    "GDAL_CACHEMAX": 256_000_000,
    "GDAL_NUM_THREADS": "1",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "CPL_VSIL_GZIP_WRITE_PROPERTIES": "NO",
    **OFFLINE,
}
"""A bounded block cache, no .aux.xml files beside the user's data, no code of a file's run."""


_bypasses: dict[str, str] = {}


def allow_network(allowed: bool) -> None:
    """Let files name addresses that GDAL fetches, or not (the default), from now on.

    While they may not, the environment of this process lists no hosts to be asked without a proxy:
    GDAL has no option for that. It does again when they may.
    """
    if allowed:
        os.environ.update(_bypasses)
        _bypasses.clear()
    else:
        _bypasses.update({k: os.environ.pop(k) for k in BYPASSES if k in os.environ})
    for key, value in OFFLINE.items():
        if allowed:
            GDAL_OPTIONS.pop(key, None)
        else:
            GDAL_OPTIONS[key] = value


def is_offline() -> bool:
    """Tell whether GDAL is kept from the web."""
    return "GDAL_HTTP_PROXY" in GDAL_OPTIONS


class _Readers:
    """Those who read vectors right now, and whether they are kept from the web."""

    lock = threading.Lock()
    count = 0
    offline = False


@contextmanager
def vectors() -> Iterator[None]:
    """Keep the vectors' GDAL from the web while the block runs, if it shall be.

    Its options are those of the whole process: the last reader to leave takes them back.
    """
    with _Readers.lock:
        if _Readers.count == 0 and is_offline():
            pyogrio.set_gdal_config_options(OFFLINE)
            _Readers.offline = True
        _Readers.count += 1
    try:
        yield
    finally:
        with _Readers.lock:
            _Readers.count -= 1
            if _Readers.count == 0 and _Readers.offline:
                pyogrio.set_gdal_config_options(dict.fromkeys(OFFLINE))
                _Readers.offline = False


REFERS_TO_WEB = (
    "refers to the web; download what it names and give that, or set network = true in [study]"
)
"""What to do about a file whose error `is_web`."""


def is_web(error: BaseException) -> bool:
    """Tell whether an error of GDAL's is that it was kept from the web."""
    return "0.0.0.0" in str(error)


def one_line(error: BaseException) -> str:
    """Return an exception's message on one line."""
    return " ".join(str(error).split())
