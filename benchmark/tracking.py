# SPDX-License-Identifier: Apache-2.0
"""What tracking costs beside MediaPipe's own FaceMesh: same frames, interleaved, ratios of medians.

standalone/env python -m benchmark.tracking speed [--rounds 60]
standalone/env python -m benchmark.tracking memory [--frames 20000]
standalone/env python -m benchmark.tracking scenes
standalone/env python -m benchmark.tracking crops --pictures STILLS
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from facial_coding_ros.learning.expression.stills import Still, read_stills
from facial_coding_ros.learning.tracking.scenes import (
    FacePlace,
    background,
    crossing,
    judge,
    meeting,
    paste,
    shoot,
)
from facial_coding_ros.tracking import TrackingSettings, make_tracker
from facial_coding_ros.types import Frame

RATE_HZ = 30
SCENES: tuple[tuple[int, int, int, tuple[tuple[float, float, float], ...]], ...] = (
    (640, 480, 1, ((320, 240, 90),)),
    (640, 480, 2, ((180, 240, 90), (460, 240, 90))),
    (640, 480, 4, ((130, 150, 90), (330, 150, 90), (520, 150, 90), (330, 360, 90))),
    (1280, 720, 1, ((640, 360, 170),)),
    (1280, 720, 2, ((420, 360, 170), (860, 360, 170))),
    (1280, 720, 4, ((200, 360, 170), (500, 360, 170), (790, 360, 170), (1080, 360, 170))),
    (
        1280,
        720,
        8,
        tuple((x, y, s) for y, s in ((200, 60), (500, 100)) for x in (200.0, 500.0, 790.0, 1080.0)),
    ),
)


def frames_of(
    width: int, height: int, places: Sequence[tuple[float, float, float]], count: int = 30
) -> list[np.ndarray]:
    """Images in which everybody sways a little."""
    images = []
    for index in range(count):
        sway = 0.05 * np.sin(2 * np.pi * index / count)
        image = background(width, height).copy()
        for number, (x, y, size) in enumerate(places):
            paste(image, ("collins", "hopper")[number % 2], FacePlace(x + sway * size, y, size))
        images.append(image)
    return images


def speed(rounds: int) -> list[dict[str, float]]:
    """Milliseconds a frame of FaceMesh (refined, tracking, as many faces as there are) and of ours, and their ratio.

    cpu_ratio: of processor time, which other programs on the machine disturb less.
    """
    from mediapipe.python.solutions.face_mesh import FaceMesh

    rows = []
    for width, height, faces, places in SCENES:
        images = frames_of(width, height, places)
        tracker = make_tracker(TrackingSettings(id_seed=1))
        clock = iter(range(10**9))
        with FaceMesh(max_num_faces=faces, refine_landmarks=True) as reference:

            def ours(image: np.ndarray, tracker=tracker, clock=clock) -> int:  # type: ignore[no-untyped-def]
                return len(tracker.track(Frame(image, round(next(clock) * 1e9 / RATE_HZ))))

            def theirs(image: np.ndarray, reference: FaceMesh = reference) -> int:
                return len(reference.process(image).multi_face_landmarks or ())

            for image in images:
                ours(image), theirs(image)
            times: dict[str, list[float]] = {"ours": [], "theirs": []}
            cpu: dict[str, list[float]] = {"ours": [], "theirs": []}
            seen: dict[str, list[int]] = {"ours": [], "theirs": []}
            for index in range(rounds):
                # blocks of ten frames hold the detector's share of one, and let neither warm the other's caches
                for name, run in (("ours", ours), ("theirs", theirs)):
                    begin, cpu_begin = time.perf_counter(), time.process_time()
                    for k in range(10):
                        seen[name].append(run(images[(10 * index + k) % len(images)]))
                    times[name].append((time.perf_counter() - begin) / 10 * 1e3)
                    cpu[name].append((time.process_time() - cpu_begin) / 10 * 1e3)
        tracker.close()
        ours_ms, theirs_ms = (float(np.median(times[name])) for name in ("ours", "theirs"))
        ratio = float(np.median(np.array(times["ours"]) / np.array(times["theirs"])))
        rows.append(
            {
                "width": width,
                "height": height,
                "faces": faces,
                "ours_ms": round(ours_ms, 2),
                "facemesh_ms": round(theirs_ms, 2),
                "ratio": round(ratio, 2),
                "cpu_ratio": round(float(np.median(np.array(cpu["ours"]) / np.array(cpu["theirs"]))), 2),
                "ours_sees": float(np.median(seen["ours"])),
                "facemesh_sees": float(np.median(seen["theirs"])),
            }
        )
        print(rows[-1], flush=True)
    return rows


def scenes() -> list[dict[str, float]]:
    """Id switches and false faces when two people cross or meet, and in which of five places small faces are found."""
    rows: list[dict[str, float]] = []
    tracker = make_tracker(TrackingSettings(id_seed=1))
    dropped = np.random.default_rng(3).random(1000) < 0.2
    jobs = [
        (f"crossing in {seconds:g} s, {size:g} px, the one in front {ratio:g} times as large", fps,
         shoot(seconds + 1, fps, crossing(seconds, size=size, ratio=ratio)))
        for fps in (15, 30)
        for seconds in (1.5, 3.0)
        for size in (60, 90, 140)
        for ratio in (1.0, 1.25)
    ]  # fmt: skip
    for fps in (15, 30):
        jobs.append(("crossing, one higher by half a face", fps, shoot(3, fps, crossing(2, dy=45))))
        jobs.append(
            ("crossing, a fifth of the frames lost", fps, shoot(3, fps, crossing(2), keep=lambda i: not dropped[i]))
        )
        jobs.append(("meeting and parting", fps, shoot(4, fps, meeting())))
    for name, fps, shots in jobs:
        tracker.reset()
        score = judge(shots, tracker.track, skip_s=0.4)
        row: dict[str, float] = {"fps": fps, "switches": score.switches, "shared_ids": score.shared}
        row |= {
            "false_faces": score.false_faces,
            "duplicates": score.duplicates,
            **{k: round(v, 2) for k, v in score.seen.items()},
        }
        rows.append({"scene": name, **row})  # type: ignore[dict-item]
        print(rows[-1], flush=True)
    tracker.configure(TrackingSettings(confirm_hits=1))
    for width, height, sizes in ((640, 480, (26, 30, 35, 40, 50)), (1280, 720, (40, 51, 60, 80))):
        for size in sizes:
            for person in ("collins", "hopper"):
                found = 0
                for x, y in ((0.5, 0.5), (0.15, 0.25), (0.85, 0.25), (0.15, 0.75), (0.85, 0.75)):
                    tracker.reset()
                    image = background(width, height).copy()
                    paste(image, person, FacePlace(x * width, y * height, size))
                    centres = [face.mesh[:, :2].mean(axis=0) for face in tracker.track(Frame(image, 0))]
                    found += any(np.hypot(*(c - (x * width, y * height))) < 0.2 * size for c in centres)
                rows.append({"scene": person, "width": width, "height": height, "size": size, "found_of_5": found})  # type: ignore[dict-item]
                print(rows[-1], flush=True)
    tracker.close()
    return rows


def crops(folder: Path, most: int = 500) -> list[dict[str, float]]:
    """In how many pictures that a face fills one is found at once, a picture of each person, at 350 px.

    folder: labels.csv (image, expression, person) beside pictures or a zip file of them.
    """
    first: dict[str, Still] = {}
    for still in read_stills(folder):
        first.setdefault(still.person, still)
    tracker = make_tracker(TrackingSettings(id_seed=1, confirm_hits=1))
    found = 0
    stills = list(first.values())[:most]
    for still in stills:
        image = still.image()
        scale = 350 / max(image.shape[:2])
        larger = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        tracker.reset()
        found += bool(tracker.track(Frame(np.ascontiguousarray(larger, np.uint8), 0)))
    tracker.close()
    rows: list[dict[str, float]] = [{"pictures": len(stills), "found": found}]
    print(rows[-1], flush=True)
    return rows


def resident_mib() -> float:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def memory(frames: int) -> list[dict[str, float]]:
    """Resident memory while people come and go, every twentieth of the way."""
    tracker = make_tracker(TrackingSettings(id_seed=1))
    places = ((180.0, 240.0, 90.0), (460.0, 240.0, 90.0))
    scenes = [frames_of(640, 480, some, 6) for some in ((), places[:1], places, places[1:])]
    rows = []
    for index in range(frames):
        images = scenes[(index // 150) % len(scenes)]
        tracker.track(Frame(images[index % len(images)], round(index * 1e9 / RATE_HZ), index))
        if index % max(frames // 20, 1) == 0 or index == frames - 1:
            gc.collect()
            rows.append({"frame": index, "mib": round(resident_mib(), 1), "tracks": tracker.statistics.tracks_started})
            print(rows[-1], flush=True)
    tracker.close()
    return rows


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmark.tracking", description=__doc__)
    parser.add_argument("what", choices=("speed", "memory", "scenes", "crops"))
    parser.add_argument("--pictures", type=Path, help="folder of labelled pictures, for crops")
    parser.add_argument("--rounds", type=int, default=60, help="blocks of ten frames for each scene")
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    arguments = parser.parse_args(words)
    jobs: dict[str, Callable[[], list[dict[str, float]]]] = {
        "speed": lambda: speed(arguments.rounds),
        "scenes": scenes,
        "memory": lambda: memory(arguments.frames),
        "crops": lambda: crops(arguments.pictures),
    }
    if arguments.what == "crops" and arguments.pictures is None:
        parser.error("crops needs --pictures FOLDER")
    rows = jobs[arguments.what]()
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        machine = f"{os.cpu_count()}-core {platform.machine()}"
        result = {"command": "python -m benchmark.tracking " + " ".join(words or sys.argv[1:]), "machine": machine}
        arguments.out.write_text(json.dumps({**result, "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
