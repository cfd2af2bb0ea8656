"""How GDAL is used: its options, its messages on one line, and no way to the web.

A file from somebody else may name an address, and GDAL would fetch it: a `.vrt`, a description of
a web service under any suffix, a catalogue of images. So whatever is read is read with GDAL's web
requests sent to a proxy that is not there, and its network file systems closed, until the study
says `network = true`. Both copies of GDAL are told, that of the rasters and that of the vectors.
A source of rasters takes along what its study says, wherever it is read.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pyogrio

NOWHERE = "http://0.0.0.0:0"
"""A proxy that no request gets beyond: curl gives up at once."""
OFFLINE = {
    "GDAL_HTTP_PROXY": NOWHERE,
    "GDAL_HTTPS_PROXY": NOWHERE,
    "GDAL_HTTP_MAX_RETRY": "0",
    # The only name that the network file systems may open, which nothing has.
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "/none",
}
"""What keeps GDAL from the web, whichever driver or file system asks."""
BYPASSES = ("no_proxy", "NO_PROXY")
"""Variables of the environment: hosts that curl asks without a proxy, and so past `NOWHERE`."""
_OPTIONS = {
    "GDAL_CACHEMAX": 256_000_000,
    # Tiles are read side by side already.
    "GDAL_NUM_THREADS": "1",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    # GDAL would write a `.properties` file beside the user's archive.
    "CPL_VSIL_GZIP_WRITE_PROPERTIES": "NO",
}
"""A bounded block cache, no .aux.xml files beside the user's data, no code of a file's run."""


def options() -> dict[str, Any]:
    """Return the options under which this thread reads and writes rasters now."""
    return {**_OPTIONS, **(OFFLINE if is_offline() else {})}


# ------------------------------------------------------------------ the web, or not


class _Web:
    """Who may reach the web: the process, unless a thread reads for a study that says otherwise."""

    lock = threading.Lock()
    allowed = False
    """What the process's study says."""
    closed = False
    """Whether the process's study has been heard and keeps off."""
    readers = 0
    """Threads that are reading for a study that keeps off."""
    bypasses: ClassVar[dict[str, str]] = {}
    """Hosts that were taken out of the environment meanwhile."""


_here = threading.local()


def allow_network(allowed: bool) -> None:
    """Let files name addresses that GDAL fetches, or not (the default), from now on.

    While they may not, the environment of this process lists no hosts to be asked without a proxy:
    GDAL has no option for that. It does again when they may.
    """
    with _Web.lock:
        _Web.allowed, _Web.closed = allowed, not allowed
        _settle_bypasses()


@contextmanager
def reading_for(network: bool) -> Iterator[None]:
    """Let this thread reach the web or keep off while the block runs, whatever the process does.

    A source takes along what its study says, to processes of a cluster that have heard of none and
    may read for several studies.
    """
    before = getattr(_here, "allowed", None)
    _here.allowed = network
    _count_reader(0 if network else 1)
    try:
        yield
    finally:
        _here.allowed = before
        _count_reader(0 if network else -1)


def _count_reader(change: int) -> None:
    with _Web.lock:
        _Web.readers += change
        _settle_bypasses()


def _settle_bypasses() -> None:
    """Take hosts without a proxy out of the environment while anybody keeps off the web."""
    if _Web.closed or _Web.readers:
        _Web.bypasses.update({k: os.environ.pop(k) for k in BYPASSES if k in os.environ})
    else:
        os.environ.update(_Web.bypasses)
        _Web.bypasses.clear()


def is_offline() -> bool:
    """Tell whether GDAL is kept from the web where this thread reads."""
    here: bool | None = getattr(_here, "allowed", None)
    return not (_Web.allowed if here is None else here)


class _Readers:
    """Those who read vectors right now, and whether they are kept from the web."""

    lock = threading.Lock()
    count = 0
    offline = False


@contextmanager
def vectors() -> Iterator[None]:
    """Keep the vectors' GDAL from the web while the block runs, if it shall be.

    Its options are those of the whole process: where one reader keeps off, all do meanwhile, and
    the last reader to leave takes them back.
    """
    with _Readers.lock:
        if is_offline() and not _Readers.offline:
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
    "refers to the web; download the data and give that file, or set network = true in [study]"
)
"""What to do about a file whose error `is_web`."""


def is_web(error: BaseException) -> bool:
    """Tell whether an error of GDAL's is that it was kept from the web."""
    # The address of `NOWHERE`, which curl names in its message.
    return "0.0.0.0" in str(error)


def one_line(error: BaseException) -> str:
    """Return an exception's message on one line."""
    return " ".join(str(error).split())
