"""Where tile tasks run."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dask.delayed import Delayed, delayed

from shakeslide.core.engine import Engine
from shakeslide.core.progress import silent


def test_results_come_in_order() -> None:
    assert Engine(workers=3).map(lambda i: i * i, range(20), silent) == [i * i for i in range(20)]


def test_what_a_function_holds_is_never_printed() -> None:
    class Heavy:
        def __repr__(self) -> str:
            raise AssertionError("printed")

        def __call__(self, i: int) -> int:
            return i

    assert Engine(workers=1).map(Heavy(), [3, 4], silent) == [3, 4]


def test_tasks_that_run_when_one_fails_have_ended_when_the_error_comes(tmp_path: Path) -> None:
    def task(i: int) -> None:
        if i == 0:
            time.sleep(0.05)  # until the other one runs
            raise RuntimeError("the first")
        (tmp_path / "begun").touch()
        time.sleep(0.5)
        (tmp_path / "begun").unlink()

    with pytest.raises(RuntimeError, match="the first"):
        Engine(workers=2).map(task, [0, 1], silent)
    assert not list(tmp_path.iterdir())


@dataclass(frozen=True)
class _Holding:
    held: Any

    def __call__(self, i: int) -> bool:
        return isinstance(self.held, Delayed)


def test_what_a_function_holds_is_not_searched_for_tasks() -> None:
    # Found, it would be computed, and all that the function holds be copied for it.
    assert Engine(workers=1).map(_Holding(delayed(1)), [0], silent) == [True]
