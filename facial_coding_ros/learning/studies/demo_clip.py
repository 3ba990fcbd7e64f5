# SPDX-License-Identifier: Apache-2.0
"""Makes demo/two_people.mp4 and .csv: two public-domain portraits with known action units and head motion.

    standalone/env python -m facial_coding_ros.learning.studies.demo_clip

Needs the ffmpeg command with libx264 (apt install ffmpeg), because OpenCV's wheels write neither H.264 nor small files.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib.cbook
import matplotlib.pyplot as plt
import mediapipe as mp
import numpy as np
import skimage.data
from scipy.optimize import nnls
from tqdm import tqdm

from ...models import share_folder
from ..synthesis.portrait import AnimatedPortrait, Turn, similarity

SHIPPED = share_folder("demo") / "two_people.mp4"
FPS = 25
SECONDS = 18.0
WIDTH, HEIGHT = 480, 540  # of each person's half
CODES = (1, 2, 4, 5, 6, 7, 9, 10, 12, 15, 17, 18, 25, 26, 27, 45)
STEADY = [33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 1, 127, 356, 234, 454]
ENCODER = ["-c:v", "libx264", "-preset", "slow", "-crf", "21", "-pix_fmt", "yuv420p", "-threads", "1"]

# Grace Hopper's cap and spectacles, in pixels of the portrait.
# fmt: off
CAP = [
    (140, 15), (375, 15), (380, 180), (371, 172), (352, 158), (340, 146), (318, 135), (290, 131), (240, 131),
    (210, 134), (190, 142), (172, 150), (160, 170), (140, 180),
]
SPECTACLES = {  # closed outlines
    "right brow line": [
        (176.8, 180.8), (180.9, 177.7), (197.4, 175.2), (218, 174.6), (232.4, 175.2), (240.7, 177.7), (247.9, 181.8),
        (243.8, 182.2), (236.5, 180.2), (226.2, 179.1), (213.9, 179.1), (202.5, 180.2), (196.4, 182.8),
        (193.3, 190.1), (190.2, 197.9), (187.1, 193.2), (184, 189), (178.8, 185.5),
    ],
    "bridge": [
        (246.8, 181.8), (257.2, 183.1), (268.5, 182.4), (281.9, 180.4), (278.8, 187), (274.7, 191.7), (265.4, 190.5),
        (258.2, 191.7), (254.7, 196.2), (251, 187),
    ],
    "left brow line": [
        (280.8, 180.8), (290.1, 175.2), (302.5, 170.3), (319, 168.2), (335.5, 167.6), (348.2, 168.6), (353.6, 174),
        (358.1, 184.3), (354.4, 185.9), (347.8, 181.8), (343.7, 183.9), (341, 192.1), (339.2, 197.9), (337.5, 190.1),
        (336.1, 181.8), (333, 177.3), (325.1, 174), (312.8, 174), (300.4, 176), (292.2, 178.9), (285, 181.4),
    ],
}
RIMS = {  # widths and lines
    "right rim": (3.4, [
        (189.2, 196.7), (191.2, 204.5), (196.4, 214.8), (203.6, 224.1), (211.8, 230.2), (222.1, 232.3),
        (232.4, 230.9), (240.7, 226.1), (247.9, 218.9), (252.4, 208.6), (255.1, 199.3), (254.7, 192.1), (252, 185.9),
        (248.9, 182.4),
    ]),
    "left rim": (3.4, [
        (339.2, 196.7), (338.5, 206.5), (334.4, 214.8), (327.2, 222), (316.9, 226.7), (304.5, 227.2), (294.2, 224.1),
        (286, 217.9), (280.2, 208.6), (276.1, 200.4), (274.7, 192.1), (277.8, 185.9), (281.9, 181.4),
    ]),
    "right reflection": (6.0, [
        (202.5, 182.4), (205.2, 181.8), (208.3, 182.4),
    ]),
    "left reflection": (7.0, [
        (327.6, 176), (330.5, 179.3), (333.4, 181.8),
    ]),
}
# fmt: on


@dataclass(frozen=True)
class ScriptedAction:
    """Action units that come and go: seconds of the start, onset, apex and offset."""

    start: float
    onset: float
    apex: float
    offset: float
    right: Mapping[int, float]
    left: Mapping[int, float] | None = None

    def strength(self, time: float) -> float:
        """0 before and after, 1 at the apex."""
        after = time - self.start
        rise, fall = after / self.onset, 1 - (after - self.onset - self.apex) / self.offset
        t = float(np.clip(min(rise, fall), 0, 1))
        return t * t * (3 - 2 * t)


def blink(start: float) -> ScriptedAction:
    """Lids down within 0.1 s and up in 0.2 s."""
    return ScriptedAction(start, 0.10, 0.04, 0.20, {45: 1.0})


@dataclass(frozen=True)
class Gesture:
    """A head turn that comes and goes, times as in ScriptedAction."""

    start: float
    onset: float
    apex: float
    offset: float
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    def strength(self, time: float) -> float:
        return ScriptedAction(self.start, self.onset, self.apex, self.offset, {}).strength(time)


@dataclass(frozen=True)
class Performance:
    """What one person does."""

    person: str
    actions: tuple[ScriptedAction, ...]
    gestures: tuple[Gesture, ...]
    seed: int

    def intensities(self, time: float) -> tuple[dict[int, float], dict[int, float]]:
        """Action units of the right and of the left side."""
        sides: tuple[dict[int, float], dict[int, float]] = ({}, {})
        for action in self.actions:
            strength = action.strength(time)
            left = action.right if action.left is None else action.left
            for side, intensities in zip(sides, (action.right, left), strict=True):
                for code, intensity in intensities.items():
                    side[code] = max(side.get(code, 0.0), strength * intensity)
        return sides

    def turn(self, time: float) -> Turn:
        """Slow drift of the head, smaller in the first two seconds, and the gestures."""
        phases = np.random.default_rng(self.seed).uniform(0, 2 * np.pi, (6, 2))
        periods = np.array([[5.1, 2.3], [4.3, 1.9], [6.1, 2.9], [7.3, 3.1], [5.7, 2.7], [8.1, 3.7]])
        waves = (np.sin(2 * np.pi * time / periods + phases) * (0.7, 0.3)).sum(axis=1)
        waves *= 0.3 + 0.7 * np.clip((time - 1.5) / 1.5, 0, 1)
        angles = waves[:3] * (2.2, 1.5, 1.4)
        for gesture in self.gestures:
            angles += gesture.strength(time) * np.array([gesture.yaw, gesture.pitch, gesture.roll])
        yaw, pitch, roll = (float(angle) for angle in angles)
        return Turn(yaw, pitch, roll, right=0.03 * waves[3], down=0.012 * waves[4], scale=1 + 0.015 * waves[5])


def performances(seed: int) -> tuple[Performance, Performance]:
    """The script of the clip."""
    first = Performance(
        "a",
        (
            *(blink(t) for t in (1.3, 4.7, 8.55, 11.0, 13.55, 16.6)),
            ScriptedAction(2.2, 0.6, 1.7, 0.9, {6: 0.6, 12: 0.9, 25: 0.8}),
            ScriptedAction(6.1, 0.4, 1.1, 0.5, {1: 0.9, 2: 0.9}),
            ScriptedAction(8.8, 0.5, 1.1, 0.5, {4: 0.95, 7: 0.5}),
            ScriptedAction(11.4, 0.3, 1.2, 0.6, {1: 0.9, 2: 0.9, 5: 0.8, 25: 0.3, 26: 0.8}),
            ScriptedAction(14.1, 0.5, 1.3, 0.6, {}, {12: 0.9}),
        ),
        (
            Gesture(4.3, 0.9, 0.6, 0.9, yaw=10, roll=2),
            Gesture(7.6, 0.3, 0.05, 0.35, pitch=-6),
            Gesture(9.2, 0.6, 0.7, 0.7, roll=-4),
            Gesture(15.4, 0.8, 0.6, 0.8, yaw=-9),
        ),
        seed,
    )
    second = Performance(
        "b",
        (
            *(blink(t) for t in (1.75, 5.6, 7.25, 10.15, 12.55, 15.9)),
            ScriptedAction(2.7, 0.4, 1.2, 0.5, {1: 0.8, 2: 0.8}),
            ScriptedAction(5.0, 0.5, 1.2, 0.6, {4: 0.7, 9: 0.65, 10: 0.5}),
            ScriptedAction(7.6, 0.6, 1.4, 0.8, {6: 0.7, 12: 0.9}),
            ScriptedAction(10.6, 0.4, 0.9, 0.5, {25: 0.4, 27: 0.6}),
            ScriptedAction(12.8, 0.5, 1.3, 0.6, {1: 0.5, 4: 0.4, 15: 0.9, 17: 0.7}),
            ScriptedAction(15.5, 0.4, 0.8, 0.4, {18: 0.9}),
        ),
        (
            Gesture(3.9, 0.7, 0.5, 0.8, yaw=-9),
            Gesture(9.7, 0.3, 0.05, 0.3, pitch=-6),
            Gesture(10.3, 0.3, 0.05, 0.4, pitch=-5),
            Gesture(12.9, 0.7, 1.0, 0.7, pitch=-4, roll=4),
            Gesture(14.6, 0.8, 0.8, 0.9, yaw=9),
        ),
        seed + 1,
    )
    return first, second


def cut(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """The part of a portrait that fills half of the picture."""
    x0, y0, x1, y1 = box
    return cv2.resize(image[y0:y1, x0:x1], (WIDTH, HEIGHT), interpolation=cv2.INTER_LANCZOS4)


def portraits() -> tuple[AnimatedPortrait, AnimatedPortrait]:
    """The astronaut (NASA) and Grace Hopper (US Navy)."""
    collins = cut(skimage.data.astronaut(), (90, 5, 357, 305))
    box = (64, 10, 464, 460)
    path = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    hopper = cut(np.asarray(plt.imread(str(path))), box)
    scale = WIDTH / (box[2] - box[0])

    def drawn(points: Sequence[tuple[float, float]]) -> np.ndarray:
        return np.round((np.array(points) - box[:2]) * scale * 16).astype(np.int32)

    cap, spectacles = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(cap, [drawn(CAP)], (255,), cv2.LINE_8, 4)
    for outline in SPECTACLES.values():
        cv2.fillPoly(spectacles, [drawn(outline)], (255,), cv2.LINE_8, 4)
    for width, line in RIMS.values():
        cv2.polylines(spectacles, [drawn(line)], False, (255,), round(width * scale), cv2.LINE_8, 4)
    return (
        AnimatedPortrait(collins, shown={6: 0.4, 12: 0.7}),
        AnimatedPortrait(hopper, rigid=cap, glasses=spectacles),
    )


def check(clip: Path, seed: int) -> None:
    """Prints how well the tracker's motion follows the script, per person and action unit."""
    people = list(zip(performances(seed), portraits(), strict=True))
    video, size = cv2.VideoCapture(str(clip)), np.array([2 * WIDTH, HEIGHT, 2 * WIDTH])
    found: list[list[np.ndarray]] = [[], []]
    tracker = mp.solutions.face_mesh.FaceMesh(refine_landmarks=True, max_num_faces=2)
    for index in tqdm(range(int(video.get(cv2.CAP_PROP_FRAME_COUNT))), desc="tracked", unit="frame"):
        faces = tracker.process(cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2RGB)).multi_face_landmarks or []
        meshes = [np.array([[p.x, p.y, p.z] for p in face.landmark]) * size for face in faces]
        meshes.sort(key=lambda mesh: mesh[1, 0])
        if len(meshes) != 2 or not meshes[0][1, 0] < WIDTH < meshes[1][1, 0]:
            raise SystemExit(f"{clip}: frame {index}: {len(meshes)} faces found, expected one in each half")
        for meshes_of_one, mesh in zip(found, meshes, strict=True):
            meshes_of_one.append(mesh)
    tracker.close()
    codes = [code for code in CODES if code != 26]  # 26 is the same motion as 27, smaller
    print("| person | AU | frames | correlation | slope |\n|---|---|---|---|---|")
    for number, (performance, portrait) in enumerate(people):
        measured = np.stack(found[number]) - (number * WIDTH, 0, 0)
        rest = portrait.mesh({})
        units = np.stack([(portrait.mesh({code: 1.0}) - rest)[:468, :2].ravel() for code in codes], axis=1)
        neutral = np.median(measured[:30], axis=0)
        true, weights, errors = [], [], []
        for index, mesh in enumerate(measured):
            right, left = performance.intensities(index / FPS)
            shown = [(right.get(code, 0.0) + left.get(code, 0.0)) / 2 for code in codes]
            shown[codes.index(27)] += 0.45 * right.get(26, 0.0)
            true.append(shown)
            truth = portrait.mesh(right, left, performance.turn(index / FPS))
            errors.append(np.linalg.norm((mesh - truth)[:468, :2], axis=1).mean())
            # Frontal again: the rigid turn of points that action units hardly move, undone.
            turn, scale = similarity(neutral[STEADY], mesh[STEADY])
            frontal = (mesh - mesh[STEADY].mean(axis=0)) @ turn / scale + neutral[STEADY].mean(axis=0)
            weights.append(nnls(units, (frontal - neutral)[:468, :2].ravel())[0])
        eyes = np.linalg.norm(rest[[33, 133]].mean(axis=0) - rest[[263, 362]].mean(axis=0))
        for code, shown, seen in zip(codes, np.transpose(true), np.transpose(weights), strict=True):
            if shown.any():
                slope = shown @ seen / (shown @ shown)
                print(f"| {performance.person} | {code} | {(shown > 0).sum()} ", end="")
                print(f"| {np.corrcoef(shown, seen)[0, 1]:.2f} | {slope:.2f} |")
        mean, worst = np.mean(errors) / eyes, np.percentile(errors, 95) / eyes
        print(f"\n{performance.person}: mesh {mean:.3f} eye distances off the truth, 95th percentile {worst:.3f}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path("two_people.mp4"), help="the clip; the truth is written beside it"
    )
    parser.add_argument("--seed", type=int, default=7, help="of the heads' drift and the camera's noise")
    parser.add_argument("--ffmpeg", default="ffmpeg", help="the command that encodes")
    parser.add_argument(
        "--check",
        type=Path,
        nargs="?",
        const=SHIPPED,
        metavar="CLIP",
        help="make nothing: track a clip, the shipped one unless named, and compare it with the script",
    )
    arguments = parser.parse_args()
    if arguments.check:
        check(arguments.check, arguments.seed)
        return
    arguments.out.parent.mkdir(parents=True, exist_ok=True)

    ffmpeg = shutil.which(arguments.ffmpeg)
    if ffmpeg is None:
        raise SystemExit(f"{arguments.ffmpeg}: no such command; it encodes: apt install ffmpeg, or --ffmpeg PATH")
    people = list(zip(performances(arguments.seed), portraits(), strict=True))
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{2 * WIDTH}x{HEIGHT}", "-r", str(FPS), "-i", "-"]
    target = ["-movflags", "+faststart", "-bitexact", str(arguments.out)]
    command = [ffmpeg, "-y", "-loglevel", "error", *raw, *ENCODER, *target]
    encoder = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert encoder.stdin is not None
    rng = np.random.default_rng(arguments.seed)
    # One sheet of noise, moved about: as lively as fresh noise, and cheaper.
    sheet = rng.normal(0, 1.2, (HEIGHT + 64, 2 * WIDTH + 64, 1)).astype(np.float32)
    with arguments.out.with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        sides = [f"au{code:02d}_{side}" for code in CODES for side in ("right", "left")]
        table.writerow(["frame", "person", "yaw_deg", "pitch_deg", "roll_deg", *sides])
        for index in tqdm(range(round(SECONDS * FPS)), desc="frames", unit="frame"):
            halves = []
            for performance, portrait in people:
                time = index / FPS
                right, left = performance.intensities(time)
                turn = performance.turn(time)
                halves.append(portrait.frame(right, left, turn).image)
                intensities = [f"{side.get(code, 0.0):.3f}" for code in CODES for side in (right, left)]
                angles = [f"{angle:.2f}" for angle in (turn.yaw_deg, turn.pitch_deg, turn.roll_deg)]
                table.writerow([index, performance.person, *angles, *intensities])
            picture = np.hstack(halves)
            y, x = rng.integers(0, 64, 2)
            picture = np.clip(picture + sheet[y : y + HEIGHT, x : x + 2 * WIDTH] + 0.5, 0, 255).astype(np.uint8)
            picture[:, WIDTH - 2 : WIDTH + 2] = 16
            encoder.stdin.write(picture.tobytes())
    encoder.stdin.close()
    if encoder.wait():
        raise SystemExit(f"{arguments.out}: ffmpeg could not write it (its message is above)")
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
