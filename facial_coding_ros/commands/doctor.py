# SPDX-License-Identifier: Apache-2.0
"""Looks whether this machine can do the work, and says one line for each thing looked at:

processor and versions; detector and landmarks on stored pictures against MediaPipe's answers on x86-64; face codes of
these pictures against stored ones, and the time they take; shared memory and the DDS profile; what computes the models.

Exit code: 0 all is well or only slower than it could be; 1 something must be put right.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from ..errors import UserError
from ..nodes import parameters
from ..pipeline import PipelineSettings
from ..self_check import Finding, Level
from ..self_check.codes import check_codes
from ..self_check.machine import check_dds, check_gpu, check_shared_memory, describe_machine
from ..self_check.sight import COMPARABLE, check_sight
from ..tracking import make_tracker


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--params-file", metavar="YAML", help="parameters, as the node takes them")


def run(arguments: argparse.Namespace) -> int:
    try:
        values = parameters.read_yaml(Path(arguments.params_file)) if arguments.params_file else {}
        settings = parameters.build(values).pipeline
    except (OSError, ValueError) as error:
        raise UserError(str(error)) from None
    worst = Level.OK
    for finding in _findings(settings):
        print(finding, flush=True)
        worst = Level.ERROR if finding.level is Level.ERROR else worst
    return 1 if worst is Level.ERROR else 0


def _findings(settings: PipelineSettings) -> Iterator[Finding]:
    yield describe_machine()
    yield from _tried("tracker", lambda: _sight(settings))
    yield from _tried("codes", lambda: check_codes(settings))
    yield check_shared_memory()
    yield check_dds()
    yield check_gpu(settings.inference)


def _sight(settings: PipelineSettings) -> list[Finding]:
    start = time.perf_counter()
    with closing(make_tracker(settings.tracking, settings.inference)) as tracker:
        started_s = time.perf_counter() - start
        findings = [Finding("tracker", Level.OK, f"{tracker.backend}; ready in {started_s:.1f} s")]
        if settings.tracking.landmark_backend in COMPARABLE:
            findings += check_sight(tracker.source)
    return findings


def _tried(what: str, check: Callable[[], list[Finding]]) -> list[Finding]:
    """What a check found, or why it could not be done."""
    try:
        return check()
    except (OSError, ValueError, ImportError) as error:
        return [Finding(what, Level.ERROR, str(error))]
