"""Threads of models: parts of the work run in parallel, with one thread per matrix product.

Products of a few hundred rows lose more by meeting of threads than they gain, many times over
when another process keeps a core busy.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import scipy.linalg.cython_blas  # noqa: F401  what compiled np.dot calls: loaded, it is limited too
from threadpoolctl import ThreadpoolController

from shakeslide.core.engine import processors

__all__ = ["one_blas_thread", "processors"]

_lock = threading.Lock()
_inside = 0
_holder: _Holder | None = None


# Once: threadpoolctl searches all loaded libraries for those of BLAS.
@cache
def _controller() -> Any:
    return ThreadpoolController()


def _unlimited() -> bool:
    libraries = _controller().lib_controllers
    return any(library.user_api == "blas" and library.num_threads != 1 for library in libraries)


class _Holder(threading.Thread):
    """A thread that holds the limit: threadpoolctl lets only the one that set it lift it again."""

    def __init__(self) -> None:
        # A daemon: an interpreter that ends doesn't wait for it.
        super().__init__(daemon=True, name="one BLAS thread")
        self.set, self.over = threading.Event(), threading.Event()

    def run(self) -> None:
        """Hold the limit until it is over."""
        try:
            with _controller().limit(limits=1, user_api="blas"):
                self.set.set()
                self.over.wait()
        finally:
            # Even if the limit failed, or the caller would wait for ever.
            self.set.set()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread until the last thread inside has left, then restore its limit.

    Where the limit holds already, inside itself or under the caller's own, entering costs next to
    nothing; else about as much as starting a thread.
    """
    global _inside, _holder
    with _lock:
        if _inside == 0 and _unlimited():
            _holder = _Holder()
            _holder.start()
            _holder.set.wait()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _holder is not None:
                _holder.over.set()
                _holder.join()
                _holder = None
