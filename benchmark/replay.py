# SPDX-License-Identifier: Apache-2.0
"""Replay: times real time of one recording in one process, for 30 fps 640x480 and one face; and several at once.

The recording is the left half of the demo clip, one person, forwards and backwards until it is long enough: as a video,
and as an mcap bag of JPEG and of raw images. `nproc` and what else runs on the machine are part of the result, and so
is what MediaPipe's FaceMesh alone takes for the same images in memory, between the replays.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import mediapipe as mp
import numpy as np

from facial_coding_ros.evaluation.replay import replay_file
from facial_coding_ros.evaluation.replay_folder import ReplayJob
from facial_coding_ros.image.conversion import fill_compressed, fill_image
from facial_coding_ros.image.prefetch import prefetch
from facial_coding_ros.image.sources import open_source
from facial_coding_ros.pipeline import PipelineSettings

from .pipeline import one_face_640x480

FPS = 30
START_NS = 1_700_000_000_000_000_000
_DEFAULTS = PipelineSettings()
SETTINGS = dataclasses.replace(_DEFAULTS, tracking=dataclasses.replace(_DEFAULTS.tracking, id_seed=1))


def walk(seconds: float) -> Iterator[np.ndarray]:
    images = one_face_640x480()
    return islice(cycle(images + images[::-1]), round(seconds * FPS))


def write_video(path: Path, seconds: float) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (640, 480))
    for image in walk(seconds):
        writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def write_bag(path: Path, seconds: float, compressed: bool) -> Path:
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    kind = "sensor_msgs/msg/CompressedImage" if compressed else "sensor_msgs/msg/Image"
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as bag:
        name = "/camera/image/compressed" if compressed else "/camera/image"
        connection = bag.add_connection(name, kind, typestore=store)
        for index, image in enumerate(walk(seconds)):
            stamp_ns = START_NS + round(index / FPS * 1e9)
            time = store.types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 10**9))
            fields: Any = _Fields()
            (fill_compressed if compressed else fill_image)(fields, image)
            fields.data = np.frombuffer(fields.data, np.uint8)
            message = store.types[kind](header=store.types["std_msgs/msg/Header"](time, "camera"), **vars(fields))
            bag.write(connection, stamp_ns, store.serialize_cdr(message, kind))
    return path


class _Fields:
    """Takes what the fill_ functions set."""


def reading_s(path: Path) -> float:
    """Seconds of processor time to read the recording alone."""
    before = os.times()
    with prefetch(open_source(path).frames()) as frames:
        for _ in frames:
            pass
    after = os.times()
    return after.user + after.system - before.user - before.system


def print_facemesh_ms() -> None:
    """Median milliseconds a frame of FaceMesh, for 5 s of the recording."""
    took = []
    with mp.solutions.face_mesh.FaceMesh(refine_landmarks=True, max_num_faces=1) as mesh:
        for image in walk(5.0):
            start = time.perf_counter()
            mesh.process(image)
            took.append(1e3 * (time.perf_counter() - start))
    print(statistics.median(took))


def facemesh_ms() -> float:
    """The same from a process of its own, whose memory is not ours."""
    command = [sys.executable, "-c", "from benchmark.replay import print_facemesh_ms as p; p()"]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def stolen_s() -> float:
    """Seconds of processor time that went to other virtual machines since this one started; 0 where nobody counts."""
    try:
        counts = Path("/proc/stat").read_text().splitlines()[0].split()
    except OSError:
        return 0.0
    return int(counts[8]) / os.sysconf("SC_CLK_TCK") if len(counts) > 8 else 0.0


def measure_one(path: Path, folder: Path, turns: int, formats: tuple[str, ...]) -> dict[str, Any]:
    """A recording replayed so many times in this process; the fastest counts, as other work only ever adds."""
    took, used, pipeline, alone = [], [], [], []
    begin_s, stolen_before_s = time.perf_counter(), stolen_s()
    for _ in range(turns):
        alone.append(facemesh_ms())
        before = os.times()
        outcome = replay_file(ReplayJob(str(path), str(folder / "out"), formats=formats, settings=SETTINGS))
        after = os.times()
        assert not outcome.error and outcome.faces == 1, outcome
        took.append(outcome.took_s)
        metadata = json.loads((folder / "out" / "recording.json").read_text())
        pipeline.append(metadata["timing"]["processing_ms"]["mean"])
        used.append(after.user + after.system - before.user - before.system)
    seconds, frame_ms = outcome.frames / FPS, 1000 / outcome.frames
    return {
        "times_real_time": round(seconds / min(took), 2),
        "turns": [round(seconds / one, 1) for one in took],
        "frame_ms": round(min(took) * frame_ms, 2),
        "pipeline_ms": round(min(pipeline), 2),
        "processor_ms": round(min(used) * frame_ms, 2),
        "reading_ms": round(reading_s(path) * frame_ms, 2),
        "facemesh_ms": [round(ms, 2) for ms in alone],
        "stolen": round((stolen_s() - stolen_before_s) / (time.perf_counter() - begin_s) / (os.cpu_count() or 1), 3),
    }


def measure_several(path: Path, folder: Path, count: int, turns: int) -> dict[str, float]:
    """So many copies of a recording on as many processes, against one on one process and one thread, by turns.

    ratio: recordings in the same time, of the fastest turns; processor: processor time of one recording among several
    over that alone, below which no machine gets.
    """
    took: dict[int, list[float]] = {1: [], count: []}
    used: dict[int, list[float]] = {1: [], count: []}
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_warm, [1.0] * count))
        for _ in range(turns):
            for number in took:
                jobs = [
                    ReplayJob(str(path), str(folder / f"several{index}"), formats=("csv",), settings=SETTINGS)
                    for index in range(number)
                ]
                begin = time.perf_counter()
                used[number].append(sum(pool.map(_replayed_alone, jobs)) / number)
                took[number].append(time.perf_counter() - begin)
    return {
        "at_once": count,
        "ratio": round(count * min(took[1]) / min(took[count]), 2),
        "processor": round(min(used[count]) / min(used[1]), 2),
    }


def _warm(seconds: float) -> None:
    """Keeps a process of the pool busy until the others have started too."""
    time.sleep(seconds)


def _replayed_alone(job: ReplayJob) -> float:
    """Seconds of processor time of a replay on one thread."""
    before = time.process_time()
    outcome = replay_file(job, one_thread=True)
    assert not outcome.error, outcome
    return time.process_time() - before


def measure(seconds: float, turns: int, formats: tuple[str, ...] = ("csv", "parquet")) -> dict[str, Any]:
    """A video and bags one by one, then as many copies of the video at once as there are cores."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recordings = {
            "mp4": write_video(folder / "video.mp4", seconds),
            "mcap, JPEG": write_bag(folder / "jpeg", seconds, compressed=True),
            "mcap, raw": write_bag(folder / "raw", seconds, compressed=False),
        }
        found: dict[str, Any] = {}
        for what, path in recordings.items():
            one = found[what] = measure_one(path, folder, turns, formats)
            speeds = ", ".join(f"{speed:.1f}" for speed in one["turns"])
            print(f"{what:11} {one['times_real_time']:5.1f} times real time (turns: {speeds})")
            between = ", ".join(f"{ms:.1f}" for ms in one["facemesh_ms"])
            print(
                f"{'':11} ms a frame: {one['frame_ms']:.2f}; pipeline {one['pipeline_ms']:.2f}, tracking and coding "
                f"side by side; processor {one['processor_ms']:.2f} with the start, of it reading "
                f"{one['reading_ms']:.2f}; FaceMesh alone, between the turns {between}; other machines took "
                f"{one['stolen']:.0%} of the processors",
                flush=True,
            )
        several = found["several"] = measure_several(recordings["mp4"], folder, os.cpu_count() or 1, turns)
    print(
        f"{several['at_once']} recordings at once: {several['ratio']:.2f} times one on one thread; processor time of "
        f"each {several['processor']:.2f} times that alone"
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the recording; default %(default)s")
    parser.add_argument("--turns", type=int, default=3, help="replays of each; the fastest counts, for other work on "
                        "the machine only ever adds; default %(default)s")  # fmt: skip
    parser.add_argument("--formats", default="csv,parquet", help="as `facial_coding replay` has it")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{arguments.seconds:g} s of 640x480 at {FPS} fps, one face; {os.cpu_count()} processors, load {load:.1f}")
    measure(arguments.seconds, arguments.turns, tuple(arguments.formats.split(",")))
    print(f"largest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
