# SPDX-License-Identifier: Apache-2.0
"""Face codes of two processors: made on each, compared here. Called by `check`, beside this file.

rows.py inputs WORK          WORK/stills: frames of the demo clip as pictures
rows.py replay WORK NAME     replays the demo clip and these pictures into WORK/NAME
rows.py compare WORK         WORK/x86_64 and WORK/aarch64, every column; exit code 1 where they are too far apart
"""

from __future__ import annotations

import csv
import json
import platform
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from facial_coding_ros.evaluation.replay import ReplayJob, replay_file
from facial_coding_ros.image.sources import Span, open_source
from facial_coding_ros.inference import InferenceSettings
from facial_coding_ros.models import share_folder
from facial_coding_ros.pipeline import PipelineSettings
from facial_coding_ros.tracking import TrackingSettings
from facial_coding_ros.tracking.conversion.model_cache import tracker_models
from facial_coding_ros.tracking.onnx_networks import OnnxNetworks
from facial_coding_ros.tracking.reference_answers import ReferenceAnswers, check_detector, check_landmarks
from facial_coding_ros.types import UNSURE

CLIP = share_folder("demo") / "two_people.mp4"
FIRST, FRAMES, RATE_HZ = 25, 40, 25
"""Of the clip: from its second second on, when both people are at rest and begin to move."""
REST = 8
"""The first frames, taken as each face's rest: motion is what they do from there on."""
INFERENCE = InferenceSettings(backend="onnxruntime", max_batch=2)
SETTINGS = PipelineSettings(tracking=TrackingSettings(id_seed=1, workers=1, max_faces=2), inference=INFERENCE)

GROUPS: tuple[tuple[str, Callable[[str], bool], float, float], ...] = (
    ("action units, with presence and confidence", lambda name: name.startswith("au"), 0.005, 0.25),
    ("DFECS codes", lambda name: name.startswith("dfecs"), 0.01, 0.4),
    ("latent", lambda name: name.startswith("latent"), 0.02, 0.2),
    ("expression, valence, arousal", lambda name: name.startswith("p_") or name in AFFECT, 0.02, 0.2),
    ("boxes, shares of the image", lambda name: name.startswith("roi_"), 0.001, 0.004),
    ("gaze, degrees", lambda name: name.startswith("gaze_") and name.endswith("_deg"), 0.3, 1.5),
    ("head pose, degrees", lambda name: name.endswith("_deg"), 0.3, 0.6),
    ("visibility, attention, talking, gaze's confidence", lambda name: name in SHARES, 0.005, 0.02),
    ("other numbers", lambda name: True, 0.001, 0.001),
)
"""Columns, and how far two processors may be apart in them, in the mean and at most; words are to be equal.

Gaze is told to 4 to 6 degrees, see docs/events.md.
"""
UNSURE_ROWS = 0.02
"""Share of rows in which an expression may be a label on one processor and `unsure` on the other, where its probability
lies at the threshold."""
SHUT_ROWS = 0.02
"""Share of rows in which lids count as shut, and gaze as unknown, on one processor and as open on the other, where the
action units of the lids lie at the threshold."""
SHARES = ("visibility", "attention", "talking", "gaze_confidence")
AFFECT = ("valence", "arousal", "expression_confidence")


def inputs(work: Path) -> None:
    folder = work / "stills"
    folder.mkdir()
    for frame in islice(open_source(CLIP).frames(), FIRST, FIRST + FRAMES):
        cv2.imwrite(str(folder / f"{frame.index:04}.png"), frame.image[:, :, ::-1])


def replay(work: Path, name: str) -> None:
    out = work / name
    end = (FIRST + FRAMES - 0.5) / RATE_HZ
    jobs = (
        ReplayJob(
            str(CLIP),
            str(out / "clip"),
            span=Span((FIRST - 0.5) / RATE_HZ, end),
            formats=("csv",),
            settings=SETTINGS,
            neutral=(FIRST, FIRST + REST),
        ),
        ReplayJob(
            str(work / "stills"),
            str(out / "stills"),
            fps=RATE_HZ,
            formats=("csv",),
            settings=SETTINGS,
            neutral=(0, REST),
        ),
    )
    models = tracker_models()
    networks, answers = OnnxNetworks(models, INFERENCE), ReferenceAnswers.load()
    agreements = [check_detector(networks, answers), check_landmarks(networks, answers)]
    networks.close()
    told = {
        "machine": platform.machine(),
        "versions": f"Python {platform.python_version()}, ONNX Runtime {onnxruntime.__version__}, "
        f"OpenCV {cv2.__version__}, NumPy {np.__version__}",
        "detector": models.detector.sha256,
        "landmarks": models.landmarks.sha256,
        "agreement": [agreement.text for agreement in agreements],
    }
    for agreement in agreements:
        if not agreement.good:
            sys.exit(f"{platform.machine()}: {agreement.text}")
    for job in jobs:
        outcome = replay_file(job)
        if outcome.error or outcome.problem_count:
            sys.exit(f"{job.input}: {outcome.error or outcome.problems}")
        print(
            f"{platform.machine()}, {Path(job.folder).name}: {outcome.rows} rows in {outcome.took_s:.1f} s", flush=True
        )
    (out / "told.json").write_text(json.dumps(told))


def compare(work: Path) -> None:
    ours, theirs = (json.loads((work / name / "told.json").read_text()) for name in ("x86_64", "aarch64"))
    good = ours["detector"] == theirs["detector"] and ours["landmarks"] == theirs["landmarks"]
    for told in (ours, theirs):
        print(f"{told['machine']}: {told['versions']}\n  {'; '.join(told['agreement'])}")
    print(f"converted networks: {'the same to the last bit' if good else 'DIFFERENT'}")
    for what in ("clip", "stills"):
        good &= _compare(what, *(_read(work / name / what / "face_codes.csv") for name in ("x86_64", "aarch64")))
    print("aarch64 sees what x86-64 sees." if good else "aarch64 does NOT see what x86-64 sees.")
    sys.exit(0 if good else 1)


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _compare(what: str, ours: list[dict[str, str]], theirs: list[dict[str, str]]) -> bool:
    keys = [[(row["frame"], row["face_id"]) for row in rows] for rows in (ours, theirs)]
    if keys[0] != keys[1] or len(ours) < FRAMES:
        print(f"{what}: {len(ours)} and {len(theirs)} rows, of other frames or faces")
        return False
    apart: dict[str, list[float]] = {}
    words: list[str] = []
    unsure: list[str] = []
    shut: list[str] = []
    for one, other in zip(ours, theirs, strict=True):
        only_one_shut = (float(one["gaze_confidence"]) == 0) != (float(other["gaze_confidence"]) == 0)
        if only_one_shut:
            shut.append(f"frame {one['frame']}, lids at the threshold: {one['au45']} and {other['au45']}")
        for name, text in one.items():
            if only_one_shut and name.startswith("gaze_"):
                continue
            try:
                a, b = float(text or "nan"), float(other[name] or "nan")
            except ValueError:
                if text != other[name]:
                    threshold = name == "expression" and UNSURE in (text, other[name])
                    (unsure if threshold else words).append(f"frame {one['frame']}, {name}: {text} and {other[name]}")
                continue
            if np.isnan(a) != np.isnan(b):
                words.append(f"frame {one['frame']}, {name}: {text} and {other[name]}")
            apart.setdefault(_group(name), []).append(0.0 if np.isnan(a) else abs(a - b))
    good = not words and len(unsure) <= UNSURE_ROWS * len(ours) and len(shut) <= SHUT_ROWS * len(ours)
    print(f"{what}: {len(ours)} rows, the same frames and faces")
    for title, _, mean, most in GROUPS:
        values = apart.get(title, [])
        good &= bool(values) and np.mean(values) <= mean and max(values) <= most
        figures = f"mean {np.mean(values):.5f}, largest {max(values):.4f}" if values else "no column"
        print(f"  {title}: {figures}; allowed {mean:g} and {most:g}")
    print(f"  labels and words: {'all equal' if not words + unsure else '; '.join((words + unsure)[:5])}")
    if shut:
        print(f"  lids shut on one of them alone: {'; '.join(shut[:5])}; allowed {SHUT_ROWS:.0%} of the rows")
    return bool(good)


def _group(name: str) -> str:
    return next(title for title, is_of, _, _ in GROUPS if is_of(name))


if __name__ == "__main__":
    {"inputs": inputs, "replay": replay, "compare": compare}[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
