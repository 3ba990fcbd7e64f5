# SPDX-License-Identifier: Apache-2.0
"""What a running node says, as sights: its face codes and events with the images they belong to."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Generator
from typing import Any

import rclpy
from facial_coding_msgs.msg import FaceCodeArray, FaceEvent
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy

from ..dds_profile import prepare_dds
from ..errors import UserError
from ..events import Event
from ..face_codes.fields import event_of
from ..image.conversion import ImageError, to_rgb
from ..nodes.annotator import Matcher
from ..nodes.messages import face_code_of, landmarks_of, stamp_ns_of
from .sights import SeenFace, Sight

_PATIENCE_S = 10.0
_WAITING = 30
"""Sights at most that wait to be shown; older ones are left out."""


def sight_of(number: int, image: Any, message: FaceCodeArray, events: tuple[Event, ...] = ()) -> Sight:
    """An image message and its face codes. Raises ImageError."""
    picture = to_rgb(image)
    height, width = picture.shape[:2]
    faces = tuple(SeenFace(face_code_of(face), landmarks_of(face, height, width)) for face in message.faces)
    return Sight(number, stamp_ns_of(message.header), picture, faces, events)


def sights_of_node(node: str, image: str, compressed: bool, seconds: float | None) -> Generator[Sight, None, None]:
    """Sights until Ctrl-C, or for some seconds. Raises UserError when the node or its images do not come."""
    codes_topic, events_topic = f"{node.rstrip('/')}/face_codes", f"{node.rstrip('/')}/events"
    prepare_dds()
    context = rclpy.Context()
    rclpy.init(context=context)
    remap = ["--ros-args", "-r", f"image:={image}"]
    listener = rclpy.create_node(f"facial_coding_view_{os.getpid()}", context=context, cli_args=remap)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(listener)
    pairs: deque[tuple[int, Any, FaceCodeArray]] = deque(maxlen=_WAITING)
    events: deque[Event] = deque(maxlen=100)
    codes = 0

    def on_codes(_message: FaceCodeArray) -> None:
        nonlocal codes
        codes += 1

    reliable = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
    listener.create_subscription(FaceCodeArray, codes_topic, on_codes, reliable)
    listener.create_subscription(FaceEvent, events_topic, lambda message: events.append(event_of(message)), reliable)
    matcher = Matcher(listener, compressed, codes_topic, lambda *pair: pairs.append(pair))
    begin = last = time.monotonic()
    try:
        while seconds is None or time.monotonic() - begin < seconds:
            executor.spin_once(timeout_sec=0.1)
            now = time.monotonic()
            if not pairs:
                if now - last > _PATIENCE_S:
                    raise UserError(_why_nothing(listener, codes_topic, image, compressed, codes, matcher.images))
                continue
            last = now
            number, picture, message = pairs.popleft()
            due = tuple(events)
            events.clear()
            try:
                yield sight_of(number, picture, message, due)
            except ImageError as error:
                raise UserError(f"{image}: {error}") from None
    finally:
        executor.shutdown()
        listener.destroy_node()
        rclpy.shutdown(context=context)


def _why_nothing(node: Any, codes_topic: str, image: str, compressed: bool, codes: int, images: int) -> str:
    for_s = f"for {_PATIENCE_S:.0f} s"
    topic = image + ("/compressed" if compressed else "")
    if not node.get_publishers_info_by_topic(codes_topic):
        return (
            f"nobody publishes {codes_topic} ({for_s}): is the node running, in the same ROS_DOMAIN_ID? Start it, or "
            "name it with --node"
        )
    if not codes:
        return f"no face codes on {codes_topic} {for_s}: the node gets no images; see /diagnostics"
    if not images:
        return f"no image on {topic} {for_s}: name the topic with --image, and --compressed where it is"
    return f"no image on {topic} has the stamp of a face code of {codes_topic}: it is not the camera that the node sees"
