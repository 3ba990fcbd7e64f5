# SPDX-License-Identifier: Apache-2.0
"""What only time tells: speech, blink or closure, gaze and attention."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from facial_coding_ros.coding.gaze import YAW_GAIN, gazes
from facial_coding_ros.coding.gaze_attention import AttentionSettings, angle_deg
from facial_coding_ros.coding.temporal import TemporalStage
from facial_coding_ros.face_model.ict import IctFaces
from facial_coding_ros.tracking.pose import PoseEstimator
from facial_coding_ros.types import Face, FaceCode, FloatArray, Gaze

from ..events.simulated import START_NS, face_code

EYES_PX = 60.0


@pytest.fixture(scope="module")
def head() -> FloatArray:
    """A frontal mesh (478, 3) in eye distances, irises in the middle of their eyes, lips closed."""
    surface = IctFaces.load().neutral
    irises = np.repeat([surface[[33, 133]].mean(0), surface[[263, 362]].mean(0)], 5, axis=0)
    mesh = np.concatenate([surface, irises]).astype(np.float32)
    mesh[14] = mesh[13] + (0, 0.01, 0)
    return mesh


def seen(mesh: FloatArray, size_px: float = EYES_PX) -> Face:
    pixels = (mesh * size_px + (320, 240, 0)).astype(np.float32)
    pose = PoseEstimator(IctFaces.load()).poses(np.ascontiguousarray(pixels.T)[None])[0]
    return dataclasses.replace(face_code().face, mesh=pixels, pose=pose)


def watched(
    stage: TemporalStage, head: FloatArray, gap: object, seconds: float, fps: float = 30.0, au25: float = 1 / 0.13
) -> list[FaceCode]:
    """gap: between the lips at a time, in eye distances. au25: what of it is seen as AU25."""
    codes, resting = [], seen(head)
    for index in range(round(seconds * fps)):
        mesh, parted = resting.mesh.copy(), float(gap(index / fps))  # type: ignore[operator]
        mesh[14, 1] += EYES_PX * parted
        code = dataclasses.replace(
            face_code({16: 0.5, 25: min(au25 * parted, 1.0)}), face=dataclasses.replace(resting, mesh=mesh)
        )
        codes.append(stage.update([code], START_NS + round(index * 1e9 / fps))[0])
    return codes


@pytest.mark.parametrize("fps", [15.0, 30.0])
def test_syllables_are_speech_and_a_yawn_a_smile_or_chewing_are_not(head: FloatArray, fps: float) -> None:
    def talk(t: float) -> float:
        return 0.1 * math.sin(math.pi * 4.5 * t) ** 2 * (t > 1)

    codes = watched(TemporalStage(), head, talk, 3.0, fps)
    p = np.array([code.talking for code in codes])
    at = np.arange(len(p)) / fps
    assert np.isnan(p[at < 0.6]).all() and np.nanmax(p[at < 1]) < 0.1, "unknown at first, then silent"
    assert p[at > 1.6].min() > 0.8 and at[np.argmax(p > 0.7)] < 1.5
    mouth = codes[-1].aus.confidence[codes[-1].aus.codes.index(16)]
    smile = codes[-1].aus.confidence[codes[-1].aus.codes.index(12)]
    assert mouth < 0.6 * smile, "the mouth's units are trusted less"
    assert codes[-1].expression.unsure > codes[0].expression.unsure

    for other in (
        lambda t: 0.5 * math.sin(math.pi * t / 3) ** 2,
        lambda t: 0.08 * (t > 1),
        lambda t: 0.015 * math.sin(math.pi * 1.4 * t) ** 2,
        lambda t: 0.09 * max(0.0, math.sin(math.pi * 1.4 * t)) ** 4,  # chewing with parted lips
        lambda t: (0.5 + 0.03 * math.sin(2 * math.pi * 4 * t)) * min(t, 1.0),  # a yawn that trembles
    ):
        assert (
            max(
                code.talking for code in watched(TemporalStage(), head, other, 3.0, fps) if code.talking == code.talking
            )
            < 0.5
        )


def test_closed_lips_that_tremble_do_not_talk(head: FloatArray) -> None:
    """As in small faces of strongly compressed pictures; the action units know that the lips are closed."""
    tremble = lambda t: 0.03 * (round(t * 15) % 3 == 0)  # noqa: E731
    codes = watched(TemporalStage(), head, tremble, 3.0, 15.0, au25=0.0)
    assert max(code.talking for code in codes[10:]) == 0.0
    codes = watched(TemporalStage(), head, tremble, 3.0, 15.0, au25=4.0)
    assert max(code.talking for code in codes[10:]) > 0.6


def test_a_voice_is_the_better_witness(head: FloatArray) -> None:
    stage = TemporalStage()
    stage.hear({"abcde": 1.0})
    assert watched(stage, head, lambda t: 0.0, 0.2)[-1].talking == 1.0
    stage.hear({})
    assert watched(stage, head, lambda t: 0.0, 1.5)[-1].talking < 0.1


def test_closed_lids_are_a_blink_at_first_then_a_closure() -> None:
    stage, told = TemporalStage(), []
    for frame in range(40):
        shut = 0.9 if frame >= 10 else 0.0
        code = stage.update([face_code({43: shut, 45: shut})], START_NS + frame * 33_333_333)[0]
        told.append((code.aus[45], code.aus[43], float(code.aus.confidence[code.aus.codes.index(43)])))
    assert told[5][:2] == (0, 0) and told[12][0] == pytest.approx(0.9) and told[12][1] == 0
    assert told[12][2] == pytest.approx(0.45), "it may be a closure: its 0 is half as sure"
    assert told[-1][:2] == (0, pytest.approx(0.9)) and told[-1][2] == pytest.approx(0.9)


def lowered(head: FloatArray, share: float) -> FloatArray:
    """A head whose upper lids have gone down by a share of the eyes' height."""
    mesh = head.copy()
    for upper, lower in ((160, 144), (159, 145), (158, 153), (387, 373), (386, 374), (385, 380)):
        mesh[upper] += share * (mesh[lower] - mesh[upper])
    return mesh


def test_lids_that_close_fast_are_a_blink_that_one_frame_hides(head: FloatArray) -> None:
    """No coder sees it, as in a smile that narrows the eyes; the same by and by is no blink."""

    def aus45(closed: object) -> list[float]:
        stage, told, resting = TemporalStage(), [], seen(head)
        for frame in range(60):
            mesh = lowered(resting.mesh, 0.2 + closed(frame / 30))  # type: ignore[operator]
            code = dataclasses.replace(face_code({12: 0.8}), face=dataclasses.replace(resting, mesh=mesh))
            told.append(stage.update([code], START_NS + frame * 33_333_333)[0].aus[45])
        return told

    blink = aus45(lambda t: 0.5 * max(0.0, 1 - abs(t - 1.0) / 0.12))
    assert max(blink[:25]) == 0 and max(blink[28:33]) > 0.8 and max(blink[36:]) == 0
    assert max(aus45(lambda t: 0.3 * min(t, 1.0))) < 0.3


@pytest.mark.parametrize("eyes_deg", [-20.0, 0.0, 15.0])
def test_gaze_follows_the_irises(head: FloatArray, eyes_deg: float) -> None:
    mesh = head.copy()
    width = np.linalg.norm(head[33] - head[133])
    mesh[468:, 0] += math.sin(math.radians(eyes_deg)) / YAW_GAIN * width
    gaze = gazes([seen(mesh)], [0.0])[0]
    assert gaze.yaw_deg == pytest.approx(eyes_deg, abs=2.5) and gaze.confidence > 0.8
    assert gaze.direction is not None and np.linalg.norm(gaze.direction) == pytest.approx(1, abs=1e-5)
    assert gaze.direction[2] < 0, "towards the camera"
    assert gazes([seen(mesh)], [0.9])[0].confidence == 0, "shut eyes tell nothing"
    small = gazes([seen(mesh, 18.0)], [0.0])[0]
    assert abs(small.yaw_deg) <= abs(gaze.yaw_deg) + 1 and small.confidence < gaze.confidence


def test_attention_is_towards_the_robots_face() -> None:
    pose = dataclasses.replace(face_code().face.pose, position_m=np.array([0, 0, 1.0], np.float32))
    face = dataclasses.replace(face_code().face, pose=pose)
    into_camera = Gaze(0.0, 0.0, 0.9, np.array([0, 0, -1], np.float32))
    assert angle_deg(face, into_camera, (0.0, 0.0, 0.0)) == pytest.approx(0, abs=0.1)
    assert angle_deg(face, into_camera, (0.0, -0.5, 0.0)) == pytest.approx(26.6, abs=0.1), (
        "the face is above the camera"
    )
    assert math.isnan(angle_deg(face, Gaze(), (0.0, 0.0, 0.0)))


def test_a_blink_does_not_end_attention_but_shut_eyes_do(head: FloatArray) -> None:
    stage, seen_attention = TemporalStage(AttentionSettings()), []
    for frame in range(90):
        shut = 0.9 if 30 <= frame < 36 or frame >= 50 else 0.0
        code = dataclasses.replace(face_code({43: shut, 45: shut}), face=seen(head))
        seen_attention.append(stage.update([code], START_NS + frame * 33_333_333)[0].attention)
    assert seen_attention[29] > 0.8 and seen_attention[33] > 0.8 and seen_attention[-1] == 0.0


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="half_angle_deg is 0"):
        AttentionSettings(half_angle_deg=0.0)
