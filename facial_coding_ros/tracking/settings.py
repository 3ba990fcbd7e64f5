# SPDX-License-Identifier: Apache-2.0
"""Settings and counters of the tracking stage."""

from __future__ import annotations

from dataclasses import dataclass

from ..options import Settings, option
from .registries import LANDMARK_SOURCES


@dataclass(frozen=True)
class TrackingSettings(Settings):
    """How faces are found and followed."""

    landmark_backend: str = option(
        "onnx",
        "what finds faces and landmarks: onnx: MediaPipe's networks in ONNX Runtime or TensorRT, as inference.backend "
        "says; mediapipe: its own graphs, to compare with, whose detector sees next to nothing on ARM processors; "
        "tasks: its FaceLandmarker with a task file, which also gives blendshapes",
        choices=LANDMARK_SOURCES.names,
    )
    networks: str = option(
        "",
        "folder of `facial_coding convert-tracker`, for a machine without MediaPipe; empty: the networks are made from "
        "MediaPipe's wheel at the first start",
    )
    task_file: str = option("", "path of face_landmarker.task, for the landmark backend 'tasks'")
    max_faces: int = option(
        8, "faces followed at once; of more, the nearest and longest followed stay", low=1, high=64, live=True
    )
    detection_rate_hz: float = option(
        2.0, "how often new faces are looked for, in image time", low=0.1, high=120.0, live=True
    )
    detection_score: float = option(0.5, "least score of a detected face", low=0.1, high=0.99)
    announce_score: float = option(
        0.5, "least mean score of a face's landmarks before it is announced", low=0.01, high=0.99, live=True
    )
    keep_score: float = option(
        0.05, "least score of landmarks with which a face is still followed", low=0.001, high=0.99, live=True
    )
    min_face_px: float = option(
        16.0, "faces narrower than this are ignored, in pixels", low=8.0, high=2000.0, live=True
    )
    tiles: bool = option(
        False, "also look for faces in overlapping parts of the image, which finds them at half the size", live=True
    )
    image_rotation: int = option(
        0,
        "by how many degrees, clockwise, heads are turned in the image because of how the camera is mounted: 0, 90, "
        "180 or 270; others are found too, but later",
        low=0,
        high=270,
        live=True,
    )
    confirm_hits: int = option(
        3, "frames in which a face must be seen before it is announced", low=1, high=100, live=True
    )
    max_lost_s: float = option(
        1.5,
        "how long an unseen face keeps its id, in seconds of image time, be it out of sight or the camera without "
        "images; for the latter at least 1",
        low=0.0,
        high=60.0,
        live=True,
    )
    smoothing: bool = option(True, "smooth landmarks over time", live=True)
    smoothing_min_cutoff_hz: float = option(
        1.5, "cut-off of the smoothing for landmarks at rest", low=0.05, high=60.0, live=True
    )
    smoothing_beta: float = option(
        60.0, "how fast the cut-off rises with speed: Hz per face width a second", low=0.0, high=1000.0, live=True
    )
    workers: int = option(
        0,
        "threads that compute landmarks side by side on processors, about 4 MiB each; 0: one per core, at most 4",
        low=0,
        high=16,
    )
    id_seed: int = option(
        0, "start of the sequence of face ids; 0: another one at each start, so that ids differ over restarts", low=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.image_rotation % 90:
            raise ValueError(f"image_rotation is {self.image_rotation}; allowed: 0, 90, 180, 270")


@dataclass(frozen=True)
class TrackingStatistics:
    """Counters since the start, for diagnostics.

    faces_left_out: faces beyond max_faces in the latest detection; faces_left_out_total: their sum over detections.
    turned_deg: by how much most faces of the last minute were turned, clockwise: 0, 90, 180 or 270; None where
    there were few faces.
    live_tracks: tracks at this moment, announced or not, seen or not.
    """

    frames: int = 0
    detections_run: int = 0
    landmarks_run: int = 0
    faces_left_out: int = 0
    faces_left_out_total: int = 0
    tracks_started: int = 0
    tracks_announced: int = 0
    tracks_lost: int = 0
    tracks_recovered: int = 0
    resets: int = 0
    turned_deg: int | None = None
    live_tracks: int = 0
