# SPDX-License-Identifier: Apache-2.0
"""REP-155's topics under /humans/faces: who is tracked, and what each face does."""

from __future__ import annotations

from typing import Any

from hri_msgs import msg as hri
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from ..coding.expression import ExpressionDwell, ExpressionSettings
from ..coding.output_settings import Outputs
from ..types import FaceCode, Frame
from . import messages

try:
    from rclpy.event_handler import PublisherEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks

try:
    from tf2_ros import TransformBroadcaster
except ImportError:  # not among the wheels on PyPI
    TransformBroadcaster = None

# Absolute: clients such as libhri ignore remappings.
DEFAULT_NAMESPACE = "/humans"
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)

ALL_TOPICS: dict[str, type] = {
    "roi": hri.NormalizedRegionOfInterest2D,
    "cropped": Image,
    "aligned": Image,
    "frontalized": Image,
    "landmarks": hri.FacialLandmarks,
    "facs": hri.FacialActionUnits,
    "expression": hri.Expression,
}
# In add-on mode the other node publishes the rest.
ADDED_TOPICS = ("facs", "expression")


class FaceTopics:
    """The publishers of one face. They live as long as the face: clients miss publishers that come and go.

    They have no event handlers. Those would be waited for by the executor, in a thread of its own, and one that goes
    while it does ends the spinning with an InvalidHandle.
    """

    def __init__(self, node: Node, faces: str, face_id: str, topics: tuple[str, ...]) -> None:
        self._node = node
        self._landmarks: hri.FacialLandmarks | None = None
        silent = PublisherEventCallbacks(use_default_callbacks=False)
        self._publishers: dict[str, Publisher[Any]] = {
            name: node.create_publisher(ALL_TOPICS[name], f"{faces}/{face_id}/{name}", RELIABLE, event_callbacks=silent)
            for name in topics
        }

    def publish(self, frame: Frame, code: FaceCode, label: str) -> None:
        """Builds and sends only what somebody listens to; no expression while the label is empty."""
        header = messages.header_of(frame.stamp_ns, frame.frame_id)
        height, width = frame.image.shape[:2]
        face = code.face
        for name, publisher in self._publishers.items():
            if publisher.get_subscription_count() == 0 or (name == "expression" and not label):
                continue
            if name == "facs" and not code.aus.codes:  # not coded
                continue
            message: Any
            if name == "roi":
                message = messages.roi(header, face)
            elif name == "cropped":
                message = messages.cropped(header, frame.image, face.region)
            elif name == "aligned":
                message = messages.aligned(header, frame.image, face)
            elif name == "frontalized":
                message = messages.frontalized(header, frame.image, face)
            elif name == "landmarks":
                message = self._landmarks = messages.landmarks(header, face, height, width, self._landmarks)
            elif name == "facs":
                message = messages.facs(header, code)
            else:
                message = messages.expression(header, code, label)
            publisher.publish(message)

    def wanted(self) -> Outputs:
        """What its subscribers need of coding."""
        return frozenset(name for name in ADDED_TOPICS if self._publishers[name].get_subscription_count())

    def destroy(self) -> None:
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)


class Humans:
    """Publishes all faces of a frame. Not thread-safe: the node calls it under its lock.

    add_on: another node publishes `tracked`, regions and frames; we only add to its faces.
    """

    def __init__(
        self, node: Node, settings: ExpressionSettings, add_on: bool, namespace: str = DEFAULT_NAMESPACE
    ) -> None:
        self._faces_topic = f"{namespace}/faces"
        self._node = node
        self._add_on = add_on
        self._dwell = ExpressionDwell(settings)
        self._faces: dict[str, FaceTopics] = {}
        self._last_stamp_ns, self._last_frame_id = 0, ""
        self._tracked = None if add_on else node.create_publisher(hri.IdsList, f"{self._faces_topic}/tracked", RELIABLE)
        self._transforms = None if add_on or TransformBroadcaster is None else TransformBroadcaster(node)

    def apply(self, settings: ExpressionSettings) -> None:
        """Takes over settings that may change while running."""
        self._dwell.settings = settings

    def wanted(self) -> Outputs:
        """What subscribers of the faces' topics need of coding; gaze in TF needs the lids."""
        by_faces: Outputs = frozenset[str]().union(*(face.wanted() for face in self._faces.values()))
        listened_to = self._transforms is not None and self._transforms.pub_tf.get_subscription_count()
        return by_faces | {"facs"} if listened_to else by_faces

    def publish(self, frame: Frame, codes: tuple[FaceCode, ...]) -> None:
        """Every frame, also without a face: subscribers that join late learn of all faces from the next `tracked`."""
        self._last_stamp_ns, self._last_frame_id = frame.stamp_ns, frame.frame_id
        ids = [code.face.face_id for code in codes]
        for face_id in ids:
            if face_id not in self._faces:
                topics = ADDED_TOPICS if self._add_on else tuple(ALL_TOPICS)
                self._faces[face_id] = FaceTopics(self._node, self._faces_topic, face_id, topics)
        self._announce(ids)
        for code in codes:
            label = ""
            if code.expression.labels:  # else expressions are not coded now
                label = self._dwell.update(code.face.subject_key, code.expression, frame.stamp_ns)
            self._faces[code.face.face_id].publish(frame, code, label)
        self._send_transforms(frame, codes)
        for face_id in [known for known in self._faces if known not in ids]:
            self._faces.pop(face_id).destroy()

    def _send_transforms(self, frame: Frame, codes: tuple[FaceCode, ...]) -> None:
        """Of all faces whose distance is known, in one message; without any, none."""
        if self._transforms is None:
            return
        header = messages.header_of(frame.stamp_ns, frame.frame_id)
        if found := [one for code in codes for one in messages.transforms(header, code.face, code.gaze)]:
            self._transforms.sendTransform(found)

    def nobody(self) -> None:
        """Says that no face is tracked, with the last image's stamp: there is no time-out on the other side."""
        self._announce([])
        for face_id in list(self._faces):
            self._faces.pop(face_id).destroy()

    def _announce(self, ids: list[str]) -> None:
        if self._tracked is not None:
            self._tracked.publish(messages.tracked(messages.header_of(self._last_stamp_ns, self._last_frame_id), ids))

    def destroy(self, timeout_s: float = 1.0) -> None:
        """The last word is `nobody`, and it has arrived, or time is out."""
        self.nobody()
        if self._tracked is not None:
            self._tracked.wait_for_all_acked(Duration(seconds=timeout_s))
            self._node.destroy_publisher(self._tracked)
            self._tracked = None
        if self._transforms is not None:
            self._node.destroy_publisher(self._transforms.pub_tf)
            self._transforms = None
