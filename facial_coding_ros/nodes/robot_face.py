# SPDX-License-Identifier: Apache-2.0
"""Position of the robot's face in the camera's optical frame, by TF."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node


class RobotFace:
    """Where the robot's face is in the camera's frame, by TF; None where tf2_ros or the frame is missing."""

    def __init__(self, node: Node, frame: str) -> None:
        self._frame = frame
        self._buffer: Any = None
        if not frame:
            return
        try:
            from tf2_ros import Buffer, TransformListener
        except ImportError:
            node.get_logger().warning(
                f"robot_face_frame is {frame!r}, but tf2_ros is not installed: attention.target_x_m, _y_m and "
                "_z_m count"
            )
            return
        self._buffer = Buffer()
        self._listener: Any = TransformListener(self._buffer, node)

    def destroy(self) -> None:
        """Ends the listening to TF."""
        if self._buffer is not None:
            self._listener.unregister()
            self._buffer = None

    def position_m(self, camera_frame: str) -> tuple[float, float, float] | None:
        """x, y, z in the camera's optical frame, as TF knows it now."""
        if self._buffer is None or not camera_frame:
            return None
        from rclpy.time import Time
        from tf2_ros import TransformException

        try:
            found = self._buffer.lookup_transform(camera_frame, self._frame, Time())
        except TransformException:
            return None
        at = found.transform.translation
        return float(at.x), float(at.y), float(at.z)
