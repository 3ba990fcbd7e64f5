# SPDX-License-Identifier: Apache-2.0
"""Newest item only."""

from __future__ import annotations

import threading

from facial_coding_ros.worker import LatestWorker


def test_only_the_newest_waits() -> None:
    begun, go_on = threading.Semaphore(0), threading.Semaphore(0)
    done: list[int] = []

    def work(item: int) -> None:
        begun.release()
        assert go_on.acquire(timeout=10)
        done.append(item)

    worker = LatestWorker(work)
    worker.offer(1)
    assert begun.acquire(timeout=10)
    for item in (2, 3, 4):
        worker.offer(item)
    go_on.release(2)
    assert begun.acquire(timeout=10)
    worker.stop()
    assert done == [1, 4]
    assert worker.skipped == 2
    assert worker.failure is None


def test_failure_is_kept_for_the_owner() -> None:
    failed = threading.Event()

    def work(_item: int) -> None:
        failed.set()
        raise ZeroDivisionError

    worker = LatestWorker(work)
    worker.offer(1)
    assert failed.wait(10)
    worker.stop()
    assert isinstance(worker.failure, ZeroDivisionError)
