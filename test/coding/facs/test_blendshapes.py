# SPDX-License-Identifier: Apache-2.0
"""MediaPipe's blendshapes as a source of action units."""

from __future__ import annotations

import numpy as np
import pytest

from facial_coding_ros.coding.facs import BlendshapeFacs
from facial_coding_ros.coding.facs.blendshapes import BLENDSHAPES
from facial_coding_ros.types import Face, HeadPose, Region, Visibility


def a_face(shapes, yaw_deg=0.0):
    values = None if shapes is None else np.array([shapes.get(name, 0.0) for name in BLENDSHAPES], np.float32)
    mesh = np.zeros((478, 3), np.float32)
    mesh[[362, 263], 0] = 100
    pose = HeadPose(yaw_deg, 0.0, 0.0, np.eye(3, dtype=np.float32))
    return Face("a", mesh, Region(0, 0, 1, 1), pose, Visibility(1, 1, 1, 1), blendshapes=values)


def coded(shapes, **view):
    return BlendshapeFacs().estimate([a_face(shapes, **view)])[0]


def test_sides_are_the_persons_own():
    units = coded({"mouthSmileLeft": 0.8, "mouthSmileRight": 0.1})
    at = units.codes.index(12)
    assert units.left[at] == pytest.approx(0.8) and units.right[at] == pytest.approx(0.1)
    assert units[12] == pytest.approx(0.8)


def test_the_jaw_gives_25_26_and_27():
    open_mouth = coded({"jawOpen": 0.8})
    assert open_mouth[25] > 0.9 and open_mouth[26] == 1.0 and open_mouth[27] == pytest.approx(0.6)
    chewing = coded({"jawOpen": 0.4, "mouthClose": 0.4})
    assert chewing[25] == 0.0 and chewing[26] == pytest.approx(0.8)


def test_confidence_needs_no_neutral_but_a_good_view():
    at = BlendshapeFacs().codes.index(12)
    assert coded({}).confidence[at] > 0.5 > coded({}, yaw_deg=45.0).confidence[at]
    assert coded({}).confidence[BlendshapeFacs().codes.index(23)] == 0.0


def test_without_blendshapes_nothing_is_said():
    assert not coded(None).confidence.any()


def test_another_number_of_blendshapes_is_refused():
    face = a_face({})
    object.__setattr__(face, "blendshapes", np.zeros(51, np.float32))
    with pytest.raises(ValueError, match=r"\(51,\); \(52,\) is expected"):
        BlendshapeFacs().estimate([face])
