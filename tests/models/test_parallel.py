"""The limit on BLAS threads holds while any thread is inside, and is gone afterwards."""

import threading

import pytest
import threadpoolctl
from threadpoolctl import threadpool_info, threadpool_limits

from shakeslide.models.parallel import one_blas_thread, processors

CLEAR = "clear_controlling_thread"  # newer releases let one thread own the limit


def blas_threads():
    return {i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"}


@pytest.fixture
def three_threads():
    """BLAS as it is without anybody's limit, at three threads; nobody owns the limit."""
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with threadpool_limits(3, user_api="blas"):
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(30)
    owner = getattr(getattr(threadpoolctl, "OpenBLASController", None), CLEAR, None)
    if owner is not None:
        owner(force=True)
    yield
    leave.set()
    thread.join()


def test_limit_is_shared_and_restored_whoever_leaves_last(three_threads):
    assert blas_threads() == {3}
    for _ in range(3):
        entered, leave, seen = threading.Event(), threading.Event(), []

        def other(entered=entered, leave=leave, seen=seen):
            with one_blas_thread():
                entered.set()
                leave.wait(30)
                seen.append(blas_threads())

        thread = threading.Thread(target=other)
        with one_blas_thread():
            thread.start()
            entered.wait(30)
            with one_blas_thread():
                pass
        assert blas_threads() == {1}  # the other is still inside
        leave.set()
        thread.join()
        assert seen == [{1}]
        assert blas_threads() == {3}
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {3}


def test_there_is_a_processor():
    assert processors() >= 1
