"""Runs independent tile tasks: on this machine's threads, or on a dask cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from dask.base import compute
from dask.callbacks import Callback
from dask.delayed import Delayed, delayed
from threadpoolctl import threadpool_limits

from shakeslide.core.errors import InputError
from shakeslide.core.extras import extra
from shakeslide.core.progress import Advance, silent


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def tasks_of(function: Callable[..., Any]) -> Callable[..., Delayed]:
    """Return a function that makes a task, a call of `function`, from its arguments.

    What `function` holds is neither hashed nor searched for other tasks nor printed as a name of
    its tasks, as dask would do for each of them: it may hold all landslides, or a forest.
    """
    call = delayed(function, pure=False, traverse=False)
    kind = getattr(function, "__name__", type(function).__name__)

    def task(*items: Any) -> Delayed:
        made: Delayed = call(*items, dask_key_name=f"{kind}-{uuid4().hex}")
        return made

    return task


@dataclass(frozen=True)
class Engine:
    """Where tile tasks run.

    Parameters
    ----------
    workers : int, optional
        Threads on this machine; all of its processors by default.
    scheduler : str, optional
        Address of a dask.distributed scheduler ("tcp://host:8786"); then `workers` is ignored.
    """

    workers: int | None = None
    scheduler: str | None = None

    @property
    def threads(self) -> int:
        """Threads used on this machine."""
        return self.workers or processors()

    def run(self, tasks: Sequence[Delayed], advance: Advance = silent) -> list[Any]:
        """Run all tasks and return their results in order, calling `advance(1)` after each.

        Inner libraries get one thread per worker: results must not depend on their number.
        """
        if not tasks:
            return []
        if self.scheduler:
            return _run_distributed(self.scheduler, tasks, advance)
        wanted = {task.key for task in tasks}

        def after(key: Any, *_: Any) -> None:
            if key in wanted:
                advance(1)

        # A pool of our own: leaving it waits for tasks that still run after one has failed, so
        # that none writes a file after the error was shown.
        with (
            threadpool_limits(1),
            ThreadPoolExecutor(self.threads) as pool,
            Callback(posttask=after),
        ):
            # Unoptimised: the tasks share nothing that dask could join.
            return list(compute(*tasks, scheduler="threads", pool=pool, optimize_graph=False))

    def map(
        self, function: Callable[..., Any], items: Sequence[Any], advance: Advance
    ) -> list[Any]:
        """Run `function(item)` for every item and return the results in order."""
        call = tasks_of(function)
        return self.run([call(item) for item in items], advance)


def _run_distributed(address: str, tasks: Sequence[Delayed], advance: Advance) -> list[Any]:
    with extra("cluster", "--scheduler"):
        from distributed import Client, as_completed

    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        raise InputError(
            f"--scheduler {address}: no dask scheduler answers there ({error}); start one with "
            "`dask scheduler` and workers with `dask worker`"
        ) from error
    with client:
        futures = client.compute(list(tasks))
        # As they end, to tell progress and the first error at once.
        for future in as_completed(futures):
            future.result()
            advance(1)
        return list(client.gather(futures))
