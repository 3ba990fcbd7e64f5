# SPDX-License-Identifier: Apache-2.0
"""The topic `~/events`, gaze and engagement topics, and the history from which summaries are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from facial_coding_msgs.msg import FaceEvent
from rclpy.node import Node
from rclpy.publisher import Publisher

from ..coding.output_settings import NOTHING, OUTPUTS, Outputs
from ..events import Event, EventDetectors, History, standard_detectors
from ..events.settings import EventSettings
from ..pipeline import Pipeline
from ..types import FaceCode, Frame
from . import messages
from .gaze_topics import GazeTopics
from .humans import RELIABLE
from .robot_face import RobotFace
from .settings import RosSettings
from .summaries import SummaryService
from .voices import Voices


class EventTopics:
    """Finds and publishes events; the node calls it under its lock. Its service lives as long as the node."""

    def __init__(self, node: Node, lock: Any) -> None:
        self._node, self._lock = node, lock
        self._summaries = SummaryService(node, lock)
        self._settings = EventSettings()
        self._publisher: Publisher[Any] | None = None
        self._detectors = EventDetectors([])
        self._history = History()
        self._paused = self._heard = False
        self._pipeline: Pipeline | None = None
        self._gaze: GazeTopics | None = None
        self._voices: Voices | None = None
        self._robot_face: RobotFace | None = None
        self._header: Any = None  # of the last image whose faces were coded

    def configure(self, settings: EventSettings) -> None:
        """Reads the kinds and makes the publisher. Raises ValueError or OSError when a kind cannot be used."""
        self._settings = settings
        standard_detectors(settings)
        self._publisher = self._node.create_publisher(FaceEvent, "~/events", RELIABLE)

    def activate(self, pipeline: Pipeline, settings: RosSettings, match_confidence: Callable[[], float]) -> None:
        """Begins without a memory. match_confidence: the parameter, which may change while the node runs."""
        self._pipeline = pipeline
        self._detectors = standard_detectors(self._settings)
        self._history, self._paused = History(self._settings.history_s), False
        self._summaries.activate(self._history)
        self._gaze = GazeTopics(self._node, settings.engagement, settings.humans_namespace)
        self._voices = Voices(self._node, self._hear, match_confidence, settings.humans_namespace)
        self._robot_face = RobotFace(self._node, settings.robot_face_frame)

    def _hear(self, talking: dict[str, float]) -> None:
        with self._lock:
            if self._pipeline is not None:
                self._pipeline.temporal.hear(talking)

    def look_for_users(self) -> None:
        """Call often, in the executor's thread: whom the graph knows is asked there only."""
        if self._publisher is None or self._pipeline is None or self._gaze is None:
            return
        if self._voices is not None:
            self._voices.drop_unpublished()
        persons = [face.person_id for face in self._pipeline.faces if face.person_id]
        heard = self._publisher.get_subscription_count() or self._summaries.clients() or self._gaze.heard(persons)
        self._heard = bool(heard)

    def wanted(self) -> Outputs:
        """All while somebody hears of events, of gaze or engagement, or may ask for a summary."""
        return OUTPUTS if self._heard else NOTHING

    def publish(self, frame: Frame, codes: Sequence[FaceCode], complete: bool = True) -> list[Event]:
        """Says what the frame's faces show that was not known before.

        complete: whether all is coded; else nothing is told and remembered of the frame, and detectors begin anew.
        """
        assert self._publisher is not None
        self._summaries.saw(frame.stamp_ns, complete)
        if not complete:
            if not self._paused:
                self._pause()
            return []
        self._paused = False
        events = self._detectors.update(codes, frame.stamp_ns)
        self._history.update(codes, events, frame.stamp_ns)
        header = self._header = messages.header_of(frame.stamp_ns, frame.frame_id)
        for event in events:
            self._publisher.publish(messages.event(header, event))
        if self._gaze is not None:
            self._gaze.publish(frame, codes, events)
        if self._robot_face is not None and self._pipeline is not None:
            self._pipeline.temporal.place_robot_face(self._robot_face.position_m(frame.frame_id))
        return events

    def _pause(self) -> None:
        """What is going on counts as ended: nothing is known of it from now on."""
        self._paused = True
        self._detectors = standard_detectors(self._settings)
        self._history.end_open_events()
        if self._gaze is not None:
            self._gaze.forget_contacts()

    def nobody(self) -> None:
        """Call when images have ceased. Events that are going on end at the next image."""
        if self._gaze is not None and self._header is not None:
            self._gaze.nobody(self._header)

    def forget(self, person_id: str) -> bool:
        """Drops what is remembered of a person; whether there was something."""
        return self._history.forget(person_id)

    def deactivate(self) -> None:
        """Ends what `activate` began; a second time does nothing."""
        self._summaries.deactivate()
        if self._voices is not None:
            self._voices.destroy()
            self._hear({})
        if self._gaze is not None:
            self._gaze.destroy()
        if self._robot_face is not None:
            self._robot_face.destroy()
        self._heard = False
        self._pipeline = self._voices = self._gaze = self._robot_face = None

    def release(self) -> None:
        """Undoes `configure`, all of it or what had been done."""
        if self._publisher is not None:
            self._node.destroy_publisher(self._publisher)
            self._publisher = None
