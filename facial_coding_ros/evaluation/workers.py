# SPDX-License-Identifier: Apache-2.0
"""Many jobs at once: on processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from .replay import replay_file
from .replay_folder import Outcome, ReplayJob

_RETRIES = 2


def on_this_machine(jobs: Sequence[ReplayJob], processes: int) -> Iterator[Outcome]:
    """Outcomes as they come. A recording that brings its process down is done again by itself, and given up when it
    does so once more; the others are not harmed."""
    interrupted: list[ReplayJob] = []
    for job, future in _pool(jobs, min(processes, len(jobs))):
        if isinstance(future.exception(), BrokenProcessPool):
            interrupted.append(job)
        else:
            yield _outcome(job, future)
    for job in interrupted:
        for _, future in _pool([job], 1):
            yield _outcome(job, future)


def _pool(jobs: Sequence[ReplayJob], processes: int) -> Iterator[tuple[ReplayJob, Future[Outcome]]]:
    # A forked copy of a process with threads may hang.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        # One that has a core of its own works on one thread, and leaves the others to the others.
        one_thread = 2 * processes > (os.cpu_count() or 1)
        job_of = {pool.submit(replay_file, job, one_thread=one_thread): job for job in jobs}
        try:
            for future in as_completed(job_of):
                yield job_of[future], future
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _outcome(job: ReplayJob, future: Any) -> Outcome:
    error = future.exception()
    if error is None:
        done: Outcome = future.result()
        return done
    what = "its process was ended" if isinstance(error, BrokenProcessPool) else f"{type(error).__name__}: {error}"
    return Outcome(job.name, job.folder, error=f"{job.name}: {what}")


def on_cluster(jobs: Sequence[ReplayJob], scheduler: str) -> Iterator[Outcome]:
    """Outcomes as they come from a Dask cluster whose workers see the same files. The jobs of a lost worker are done
    again by another.

    scheduler: its address or its scheduler file. Raises ModuleNotFoundError without dask.distributed, OSError when
    nobody answers.
    """
    import distributed

    where = {"scheduler_file": scheduler} if scheduler.endswith(".json") else {"address": scheduler}
    with distributed.Client(**where, set_as_default=False) as client:
        job_of = dict(zip(_submitted(client, jobs), jobs, strict=True))
        for future in distributed.as_completed(list(job_of), loop=client.loop):
            yield _outcome(job_of[future], future)


def _submitted(client: Any, jobs: Sequence[ReplayJob]) -> list[Any]:
    # Not `pure`: the same job given twice, with other files behind the same name, is to be done twice.
    return [client.submit(replay_file, job, pure=False, retries=_RETRIES) for job in jobs]
