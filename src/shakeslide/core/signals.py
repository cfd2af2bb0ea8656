"""Ctrl-C and other requests to stop: they end the work within seconds, and say how to go on."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 3.0
"""Seconds that a library has to give way, after which the process ends without it."""
SHOW_CURSOR = "\x1b[?25h"
"""A bar of progress hides the terminal's cursor."""


class Stopped(BaseException):
    """Someone asks the process to stop; no `except Exception` is to hold it up."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number

    def __str__(self) -> str:
        return (
            f"stopped ({self.args[0]}): what is finished is kept; run the same command again to go "
            "on from here"
        )


def _raise(number: int, _: FrameType | None) -> None:
    raise Stopped(number)


@contextmanager
def heeded() -> Iterator[None]:
    """Raise `Stopped` in the main thread when the process is asked to stop.

    Compiled code can keep the main thread from seeing it, and something may swallow it. A thread
    beside therefore waits for `PATIENCE` seconds, or for a second request, and ends the process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # What is ignored stays so: nohup has the process go on when its terminal closes.
    numbers = [n for n in NUMBERS if signal.getsignal(n) is not signal.SIG_IGN]
    out, into = os.pipe()
    # `set_wakeup_fd` demands it.
    os.set_blocking(into, False)
    before = {number: signal.signal(number, _raise) for number in numbers}
    wakened = signal.set_wakeup_fd(into)
    watcher = threading.Thread(target=_watch, args=(out, set(numbers)), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakened)
        os.close(into)


def _watch(out: int, numbers: set[int]) -> None:
    """End the process some time after it was asked to stop, or when it is asked again."""
    with os.fdopen(out, "rb", buffering=0) as asked:
        number = _next(asked, numbers)
        if number is None:
            return
        late = threading.Timer(PATIENCE, _end_late, [number])
        late.daemon = True
        late.start()
        if _next(asked, numbers) is not None:
            _end_late(number)
        late.cancel()


def _next(asked: io.FileIO, numbers: set[int]) -> int | None:
    """Wait for one of these signals; None when no more are waited for."""
    while data := asked.read(1):
        if data[0] in numbers:
            return data[0]
    return None


def _end_late(number: int) -> None:
    stopped = Stopped(number)
    if sys.stderr.isatty():
        print(end=SHOW_CURSOR, file=sys.stderr)
    print(stopped, file=sys.stderr)
    end(stopped.code)


def end(code: int) -> None:
    """End the process at once, its threads too, and leave no temporary files."""
    from shakeslide.core import files

    files.give_up()
    # `os._exit` writes out nothing that still waits.
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
