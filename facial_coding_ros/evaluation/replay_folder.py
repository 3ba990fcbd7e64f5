# SPDX-License-Identifier: Apache-2.0
"""The folder of a replay: its files, who may write into it, and whether it holds the result of a job already."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..events.kinds import STANDARD
from ..image.bags import is_bag_file
from ..image.sources import DEFAULT_FPS, IMAGE_SUFFIXES, WHOLE, Span
from ..models import share_folder
from ..pipeline import PipelineSettings
from ..still_coder import neutral_files

FORMATS = ("csv", "parquet", "bag")
CODES, EVENTS, FRAMES, RECORDING = "face_codes.csv", "events.csv", "frames.csv", "recording.json"
PARQUET, BAG, OVERLAY = "face_codes.parquet", "bag", "overlay.webm"
OUTPUTS = (CODES, EVENTS, FRAMES, PARQUET, BAG, OVERLAY)
WORK = ".work-"  # beginning of the folders in which files lie until all are whole


@dataclass(frozen=True)
class ReplayJob:
    """A recording, what part of it, with what settings, into which folder. Can be sent to another process or machine.

    formats: of FORMATS; CSV is always written. neutral: frames (start, end) in which every face is at rest.
    neutral_from: file of a neutral for every face; of stills also a picture or a table of persons. stills: the images
    are pictures that have nothing to do with each other.
    """

    input: str
    folder: str
    topic: str = ""
    fps: float = DEFAULT_FPS
    span: Span = WHOLE
    formats: tuple[str, ...] = ("csv", "parquet")
    overlay: bool = False
    settings: PipelineSettings = field(default_factory=PipelineSettings)
    neutral: tuple[int, int] | None = None
    neutral_from: str = ""
    stills: bool = False

    @property
    def name(self) -> str:
        return self.input + (f" {self.topic}" if self.topic else "")


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    frames: used. faces: different ones. rows: of the table. seconds: length of the recording by its stamps, without the
    jumps from one time to another. took_s: seconds that the replay took. problems: the first of what was left out;
    problem_count: how much was. error: why there is no result; empty when there is. kept: the result was there already.
    notes: what else is to be known of the recording.
    """

    name: str
    folder: str
    frames: int = 0
    faces: int = 0
    rows: int = 0
    seconds: float = 0.0
    took_s: float = 0.0
    problems: tuple[str, ...] = ()
    problem_count: int = 0
    error: str = ""
    kept: bool = False
    notes: tuple[str, ...] = ()


@contextlib.contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Keeps other replays out of the folder, until the block or the process ends. Raises ValueError when one is in."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another replay writes into {folder}; wait for it or choose another --out") from None
        except OSError:
            pass  # file systems over a network may not lock folders
        yield
    finally:
        os.close(handle)


def finished(job: ReplayJob) -> Outcome | None:
    """The outcome of this very job where its folder holds it: same input, settings, models and code."""
    try:
        metadata = json.loads((Path(job.folder) / RECORDING).read_text(encoding="utf-8"))
        there = all((Path(job.folder) / name).exists() for name in metadata["files"])
        if not there or metadata["fingerprint"] != _fingerprint(job):
            return None
        problems = metadata["problems"]
        counts = {name: metadata[name] for name in ("frames", "faces", "rows", "seconds")}
        left_out = {"problems": tuple(problems["first"]), "problem_count": problems["count"]}
        return Outcome(job.name, job.folder, **counts, **left_out, kept=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_recording(
    path: Path, job: ReplayJob, outcome: Outcome, stamps: tuple[int, int], timing: dict[str, Any], backend: str
) -> None:
    end_s = None if math.isinf(job.span.end_s) else job.span.end_s
    metadata = {
        "fingerprint": _fingerprint(job),
        "input": str(Path(job.input).absolute()),
        "topic": job.topic,
        "files": sorted(file.name for file in path.parent.iterdir()),
        "range_s": [job.span.begin_s, end_s],
        "frames": outcome.frames,
        "faces": outcome.faces,
        "rows": outcome.rows,
        "seconds": outcome.seconds,
        "first_stamp_ns": stamps[0],
        "last_stamp_ns": stamps[1],
        "problems": {"count": outcome.problem_count, "first": list(outcome.problems)},
        "notes": list(outcome.notes),
        "settings": dataclasses.asdict(job.settings),
        "stills": job.stills,
        "neutral": {"frames": job.neutral, "file": job.neutral_from or None},
        "models": model_cards(),
        "backend": backend,
        "timing": timing,
    }
    path.write_text(json.dumps(metadata, indent=1) + "\n", encoding="utf-8")


def model_cards() -> dict[str, Any]:
    """The cards of the model files that come with the package, by name."""
    cards = {}
    for path in sorted(share_folder("models").glob("*.yaml")):
        card = yaml.safe_load(path.read_text(encoding="utf-8"))
        wanted = ("what", "trained_on", "licence", "metrics", "sha256")
        cards[path.stem] = {name: card[name] for name in wanted if name in card} if isinstance(card, dict) else {}
    return cards


def _fingerprint(job: ReplayJob) -> str:
    """Of all that decides the result: the job, the input's files, the code and the models."""
    fields = dataclasses.asdict(job)
    del fields["folder"]
    path = Path(job.input)
    read = IMAGE_SUFFIXES | {".yaml"}  # the results may lie in the same folder
    files = [f for f in path.iterdir() if f.suffix.lower() in read or is_bag_file(f)] if path.is_dir() else [path]
    files.sort()
    fields["files"] = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode())
    for file in neutral_files(Path(job.neutral_from)) if job.neutral_from else ():
        digest.update(file.read_bytes() if file.is_file() else b"missing")
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(file.read_bytes())
    kinds_file = Path(job.settings.events.kinds_file).expanduser()
    for file in (share_folder("config") / STANDARD, *((kinds_file,) if job.settings.events.kinds_file else ())):
        digest.update(file.read_bytes())
    for file in sorted(share_folder("models").iterdir()):
        digest.update(f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}".encode())
    return digest.hexdigest()


def move_into(folder: Path, work: Path) -> None:
    """What a replay left here before goes, else it would pass for a part of this one. recording.json comes last:
    without it, nothing counts as finished."""
    for name in (*_left_by_replay(folder), RECORDING):
        _remove(folder / name)
    for file in sorted(work.iterdir(), key=lambda f: f.name == RECORDING):
        _remove(folder / file.name)
        file.replace(folder / file.name)


def _left_by_replay(folder: Path) -> set[str]:
    """Only what recording.json names: a folder `bag` may well be a recording of the user's."""
    try:
        return {*json.loads((folder / RECORDING).read_text(encoding="utf-8"))["files"]} & {*OUTPUTS}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
