# SPDX-License-Identifier: Apache-2.0
"""Faces drawn by the viewer over the camera's own image: foxglove_msgs/ImageAnnotations, where that package is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from std_msgs.msg import Header

from ..drawing.overlay import NEUTRAL_COLOURS
from ..face_codes.rep155_landmarks import landmarks_70
from ..types import FaceCode, Frame
from .markers import lines_of

try:
    from foxglove_msgs import msg as foxglove
except ImportError:  # `apt install ros-$ROS_DISTRO-foxglove-msgs` brings it
    foxglove = None

AVAILABLE = foxglove is not None
_FONT_SHARE = 0.028
"""Of the image's height."""
_LANDMARKS = (0.35, 1.0, 0.67)


def image_annotations(header: Header, frame: Frame, codes: Sequence[FaceCode]) -> Any:
    """ImageAnnotations: box, landmarks and a few words for each face; empty where nobody is. Only where AVAILABLE."""
    height, width = frame.image.shape[:2]
    message = foxglove.ImageAnnotations()
    size = max(height * _FONT_SHARE, 9.0)
    for code in codes:
        red, green, blue = (share / 255 for share in NEUTRAL_COLOURS[code.neutral_state])
        colour = foxglove.Color(r=red, g=green, b=blue, a=1.0)
        box = code.face.region
        corners = [(box.xmin, box.ymin), (box.xmax, box.ymin), (box.xmax, box.ymax), (box.xmin, box.ymax)]
        message.points.append(
            foxglove.PointsAnnotation(
                timestamp=header.stamp, type=foxglove.PointsAnnotation.LINE_LOOP, outline_color=colour, thickness=2.0,
                points=[foxglove.Point2(x=x * width, y=y * height) for x, y in corners],
            )
        )  # fmt: skip
        tint = foxglove.Color(r=_LANDMARKS[0], g=_LANDMARKS[1], b=_LANDMARKS[2], a=1.0)
        message.points.append(
            foxglove.PointsAnnotation(
                timestamp=header.stamp, type=foxglove.PointsAnnotation.POINTS, outline_color=tint, fill_color=tint,
                points=[foxglove.Point2(x=float(x), y=float(y)) for x, y in landmarks_70(code.face)], thickness=2.0,
            )
        )  # fmt: skip
        for line, text in enumerate(lines_of(code)):
            message.texts.append(
                foxglove.TextAnnotation(
                    timestamp=header.stamp, text=text, font_size=size, text_color=colour,
                    position=foxglove.Point2(x=box.xmin * width, y=box.ymax * height + size * 1.3 * (line + 1)),
                    background_color=foxglove.Color(r=0.0, g=0.0, b=0.0, a=0.6),
                )
            )  # fmt: skip
    return message
