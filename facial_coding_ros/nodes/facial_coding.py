# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node `facial_coding`: images in, REP-155 topics and face codes out.

Callbacks only hand over the newest image; a worker runs the pipeline. One lock guards pipeline and publishers.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from facial_coding_msgs.msg import FaceCodeArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.timer import Timer

from ..coding.output_settings import NOTHING, OUTPUTS, Outputs
from ..neutral import StoreError
from ..pipeline import Pipeline
from ..self_check import Level
from ..self_check.machine import check_shared_memory
from ..self_check.sight import COMPARABLE, check_sight
from ..types import NeutralState
from ..worker import LatestWorker
from . import diagnostics, messages, parameters
from .add_on import TrackedElsewhere
from .demand import Demand
from .descriptors import descriptor
from .event_topics import EventTopics
from .humans import RELIABLE, Humans
from .image_stream import ImageStream, WaitingImage
from .neutral_services import NeutralServices
from .persons import Persons
from .process import check_hri_msgs, run_node
from .publishers import problem_of_tracked
from .settings import NodeSettings
from .visualization import Visualization


class FacialCodingNode(LifecycleNode):
    """Topics, services and parameters stand in README.md and config/facial_coding.yaml."""

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__(parameters.NODE_NAME, **node_arguments)
        check_hri_msgs()
        for name, default, option in parameters.declared():
            self.declare_parameter(name, default, descriptor(name, default, option))
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)  # a paused bag stops ROS time
        self._lock = threading.Lock()
        self._settings = NodeSettings()
        self._pipeline: Pipeline | None = None
        self._worker: LatestWorker[tuple[WaitingImage, ...]] | None = None
        self._elsewhere: TrackedElsewhere | None = None
        self._humans: Humans | None = None
        self._visualization: Visualization | None = None
        self._persons: Persons | None = None
        self._demand: Demand | None = None
        self._events = EventTopics(self, self._lock)
        self._neutral_services = NeutralServices(self, self._lock, self._events.forget)
        self._own_publishers: list[Publisher[Any]] = []
        self._watch_timers: list[Timer] = []
        self._refusal: tuple[Publisher[Any], Timer] | None = None
        self._stream: ImageStream | None = None
        self._stalled = False
        self._processed = self._faces = 0
        self._neutral_states: dict[str, int] = {}

    # -- lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            self._end_refusal()
            self._settings = parameters.build(self._parameter_values())
            self._pipeline = Pipeline(self._settings.pipeline, background=True)
            self._check_sight(self._pipeline)
            self._codes = self._own_publisher(FaceCodeArray, "~/face_codes")
            self._events.configure(self._settings.pipeline.events)
            self._diagnostics = self._own_publisher(DiagnosticArray, "/diagnostics")
        except Exception as error:  # noqa: BLE001  rclpy would say nothing
            reason = f"not configured: {_said(error)}"
            self.get_logger().error(reason)
            self._release()
            self._say_refusal(reason)
            return TransitionCallbackReturn.FAILURE
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            self._begin()
        except Exception as error:  # noqa: BLE001  rclpy would say nothing
            self.get_logger().error(f"not activated: {_said(error)}")
            self._stop()
            return TransitionCallbackReturn.FAILURE
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        self._release()
        self._end_refusal()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """A transition failed half-way: what it had begun ends, and the node can be configured again."""
        self._stop()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def _check_sight(self, pipeline: Pipeline) -> None:
        """Raises ValueError when the tracker does not see what is on the stored pictures."""
        if self._settings.pipeline.tracking.landmark_backend not in COMPARABLE:
            return
        findings = check_sight(pipeline.tracker.source, detector=self._settings.ros.mode != "addon")
        if wrong := [f"{one.what}: {one.text}" for one in findings if one.level is Level.ERROR]:
            raise ValueError(f"this machine does not see as it should: {'; '.join(wrong)}")

    def _say_refusal(self, reason: str) -> None:
        """In diagnostics, each second, as an ERROR, until the node is configured again or ends."""
        publisher = self.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)

        def say() -> None:
            publisher.publish(diagnostics.refusal(self.get_name(), self.get_clock().now().to_msg(), reason))

        say()
        self._refusal = (publisher, self.create_timer(1.0, say, clock=self._steady))

    def _end_refusal(self) -> None:
        if self._refusal is not None:
            publisher, timer = self._refusal
            self.destroy_timer(timer)
            self.destroy_publisher(publisher)
            self._refusal = None

    def _own_publisher(self, kind: type, topic: str) -> Publisher[Any]:
        self._own_publishers.append(self.create_publisher(kind, topic, RELIABLE))
        return self._own_publishers[-1]

    def _begin(self) -> None:
        assert self._pipeline is not None
        add_on = self._settings.ros.mode == "addon"
        namespace = self._settings.ros.humans_namespace
        self._humans = Humans(self, self._settings.pipeline.expression, add_on, namespace)
        self._visualization = Visualization(self)
        self._elsewhere = TrackedElsewhere(self, namespace) if add_on else None
        self._persons = Persons(self, self._match_confidence, self._on_joined, namespace)
        self._neutral_services.activate(self._pipeline)
        self._events.activate(self._pipeline, self._settings.ros, self._match_confidence)
        self._stalled = False
        topics = (self._codes_wanted, self._humans.wanted, self._visualization.wanted, self._events.wanted)
        self._demand = Demand(self, topics, self._settings.pipeline.outputs.wanted)
        self._worker = LatestWorker(self._work, "facial_coding")
        if (memory := check_shared_memory()).level is not Level.OK:
            self.get_logger().warning(f"shared memory: {memory.text}")
        self._stream = ImageStream(self, self._settings.ros, self._settings.pipeline.image, self._worker.offer)
        self.get_logger().info(f"active; images from {self._stream.topic}")
        self._watch_timers = [
            self.create_timer(0.1, self._check_input, clock=self._steady),
            self.create_timer(1.0, self._each_second, clock=self._steady),
        ]

    def _stop(self) -> None:
        """Ends the work, all of it or what had begun; the last thing said is that nobody is tracked."""
        for timer in self._watch_timers:
            self.destroy_timer(timer)
        self._watch_timers = []
        if self._stream is not None:
            self._stream.destroy()
        if self._worker is not None:
            self._worker.stop()
            self._worker = None
        self._neutral_services.deactivate()
        self._events.deactivate()
        if self._persons is not None:
            self._persons.destroy()
            self._persons = None
        if self._elsewhere is not None:
            self._elsewhere.destroy()
            self._elsewhere = None
        if self._visualization is not None:
            self._visualization.destroy()
            self._visualization = None
        if self._humans is not None:
            self._humans.destroy()
            self._humans = None
            self._publish_diagnostics(active=False)

    def _release(self) -> None:
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None
        self._events.release()
        for publisher in self._own_publishers:
            self.destroy_publisher(publisher)
        self._own_publishers = []

    def _codes_wanted(self) -> Outputs:
        return OUTPUTS if self._codes.get_subscription_count() else NOTHING

    # -- parameters

    def _parameter_values(self) -> dict[str, Any]:
        return {name: self.get_parameter(name).value for name, _, _ in parameters.declared()}

    def _on_set_parameters(self, changes: list[Parameter[Any]]) -> SetParametersResult:
        ours = {name for name, _, _ in parameters.declared()}
        before = self._parameter_values()
        # A whole file may be loaded while the node runs: what it leaves as it is needs no new configuration.
        values = {
            change.name: change.value
            for change in changes
            if change.name in ours and _typed(change.value) != _typed(before[change.name])
        }
        if self._pipeline is not None and (fixed := parameters.fixed_while_running(values)):
            reason = f"parameter {fixed[0]} takes effect when the node is configured: clean up first, then configure"
            return SetParametersResult(successful=False, reason=reason)
        try:
            settings = parameters.build(before | values)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if self._pipeline is not None:
            with self._lock:
                self._settings = settings
                self._pipeline.apply(settings.pipeline)
                if self._stream is not None:
                    self._stream.apply(settings.ros, settings.pipeline.image)
                if self._humans is not None:
                    self._humans.apply(settings.pipeline.expression)
        return SetParametersResult(successful=True)

    def _match_confidence(self) -> float:
        return self._settings.ros.match_confidence

    def _on_joined(self, face_id: str, person_id: str, anonymous: bool) -> None:
        with self._lock:
            if self._pipeline is not None:
                for former in self._pipeline.join(face_id, person_id, anonymous):
                    self._neutral_services.joined(former, person_id or face_id)

    # -- work, in the worker's thread

    def _work(self, images: tuple[WaitingImage, ...]) -> None:
        for image in images:
            self._work_on(image)

    def _work_on(self, image: WaitingImage) -> None:
        assert self._stream is not None
        frame = self._stream.frame(image.message)
        if frame is None:
            return
        regions = self._elsewhere.regions(frame.stamp_ns) if self._elsewhere is not None else None
        with self._lock:
            assert self._pipeline is not None and self._humans is not None
            assert self._demand is not None
            wanted = self._demand.outputs()
            codes = self._pipeline.process(frame, regions, wanted)
            with self._pipeline.times.measure("publishing"):
                self._stalled = False
                self._humans.publish(frame, codes)
                if self._visualization is not None:
                    self._visualization.publish(frame, codes)
                if self._demand.complete and self._codes.get_subscription_count():
                    latency_s = time.perf_counter() - image.arrival_s
                    self._codes.publish(messages.face_codes(frame, codes, latency_s))
                self._events.publish(frame, codes, self._demand.complete)
            self._neutral_services.frame_done(frame.stamp_ns)
        self._processed += 1
        if frame.camera is not None and any(code.face.pose.position_m is None for code in codes):
            self._stream.say_once(
                "camera_info puts a face where no head can be: it is of another camera or image; such distances are "
                "unknown"
            )
        self._faces = len(codes)
        states = [code.neutral_state.name.lower() for code in codes]
        self._neutral_states = {state.name.lower(): states.count(state.name.lower()) for state in NeutralState}

    # -- watching, in the executor's thread

    def _check_input(self) -> None:
        assert self._humans is not None and self._worker is not None and self._stream is not None
        if self._worker.failure is not None:
            raise RuntimeError("the pipeline failed") from self._worker.failure
        self._events.look_for_users()
        if self._has_stalled(self._stream):
            with self._lock:
                if self._has_stalled(self._stream):  # still, after an image that was worked on meanwhile
                    self._humans.nobody()
                    if self._visualization is not None:
                        self._visualization.nobody()
                    self._events.nobody()
                    self._neutral_services.input_stalled()
                    self._stalled, self._faces = True, 0
        self._stream.warn_of_silence()

    def _has_stalled(self, stream: ImageStream) -> bool:
        return not self._stalled and stream.age_s() > self._settings.ros.stall_s

    def _each_second(self) -> None:
        assert self._humans is not None and self._stream is not None
        if self._stalled:  # for clients that come while the camera is away
            with self._lock:
                self._humans.nobody()
        self._warn_of_other_trackers()
        self._say_of_turned_camera(self._stream)
        self._stream.improve()
        with self._lock:
            if self._pipeline is not None:
                self._pipeline.neutral.check_store()
        self._publish_diagnostics(active=True)

    def _say_of_turned_camera(self, stream: ImageStream) -> None:
        assert self._pipeline is not None
        turned = self._pipeline.tracker.statistics.turned_deg
        if turned is not None and turned != self._settings.pipeline.tracking.image_rotation:
            stream.say_once(
                f"for a minute most faces stood turned by {turned} degrees, clockwise in the image; if the camera is "
                f"mounted like that, set tracking.image_rotation to {turned}: faces are then found sooner"
            )

    def _warn_of_other_trackers(self) -> None:
        tracked = f"{self._settings.ros.humans_namespace}/faces/tracked"
        if problem := problem_of_tracked(self, tracked, self._settings.ros.mode == "addon"):
            self.get_logger().warning(f"{tracked}: {problem}", throttle_duration_sec=10.0)

    def _publish_diagnostics(self, active: bool) -> None:
        if self._pipeline is None or self._stream is None:
            return
        health = diagnostics.Health(
            active=active,
            input=self._stream.health(),
            stalled=self._stalled,
            processed=self._processed,
            skipped=self._worker.skipped if self._worker is not None else 0,
            faces=self._faces,
            faces_left_out=self._pipeline.tracker.statistics.faces_left_out,
            stage_s=self._pipeline.times.take(),
            neutrals=self._neutral_states,
            backend=self._pipeline.backend,
            coded=self._demand.words if self._demand is not None else "",
            notices=self._pipeline.neutral.notices,
        )
        stamp = self.get_clock().now().to_msg()  # diagnostics speak of the node, not of an image
        self._diagnostics.publish(diagnostics.message(self.get_name(), stamp, health))


def _typed(value: Any) -> tuple[type, Any]:
    return type(value), value


def _said(error: Exception) -> str:
    """What is meant for the user as it is, anything else with its kind."""
    meant = isinstance(error, (ValueError, ImportError, OSError, StoreError))
    return str(error) if meant else f"{type(error).__name__}: {error}"


def main(arguments: Sequence[str] | None = None) -> int:
    return run_node(FacialCodingNode, arguments, lifecycle=True)


if __name__ == "__main__":
    sys.exit(main())
