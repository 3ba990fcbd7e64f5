# SPDX-License-Identifier: Apache-2.0
"""Services on resting faces: calibrate, reset, forget, list. Refusals say why."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from facial_coding_msgs.srv import CalibrateNeutral, ForgetPerson, ListNeutrals, ResetNeutral
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future

from ..neutral import Calibration, CalibrationState, StoreError
from ..pipeline import Pipeline

INACTIVE = "the node is not active"


@dataclass
class _Waiting:
    """A calibration under way and who waits for it. In image time: the face's own frames move it on."""

    subject_key: str
    outcome: Future[Calibration]


class NeutralServices:
    """`lock` guards the pipeline; `frame_done` is called under it after every frame.

    forget_events: drops what is remembered of a person's events; whether there was something.

    They live as long as the node and refuse while it is not active: an answer that still has to leave when its service
    is destroyed would end the executor.
    """

    def __init__(self, node: Node, lock: threading.Lock, forget_events: Callable[[str], bool]) -> None:
        self._lock, self._forget_events = lock, forget_events
        self._active: Pipeline | None = None
        self._stamp_ns: int | None = None
        self._waiting: list[_Waiting] = []
        # A calibration waits for images: in the node's own group it would keep them out.
        waiting = ReentrantCallbackGroup()
        node.create_service(CalibrateNeutral, "~/calibrate_neutral", self._on_calibrate, callback_group=waiting)
        node.create_service(ResetNeutral, "~/reset_neutral", self._on_reset)
        node.create_service(ForgetPerson, "~/forget_person", self._on_forget)
        node.create_service(ListNeutrals, "~/list_neutrals", self._on_list)

    def activate(self, pipeline: Pipeline) -> None:
        self._active, self._stamp_ns = pipeline, None

    def deactivate(self) -> None:
        """Whoever waits for a calibration is told."""
        self._active = None
        for waiting in list(self._waiting):
            self._end(waiting, Calibration(waiting.subject_key, CalibrationState.REFUSED, INACTIVE, 0.0))

    @property
    def _pipeline(self) -> Pipeline:
        """Raises ValueError while the node is not active."""
        if self._active is None:
            raise ValueError(INACTIVE)
        return self._active

    def joined(self, former: str, person_id: str) -> None:
        """A calibration goes on for the person that a face, or somebody anonymous, turns out to be; under the lock."""
        for waiting in self._waiting:
            if waiting.subject_key == former:
                waiting.subject_key = person_id

    def frame_done(self, stamp_ns: int) -> None:
        """Ends the calibrations that the frame has decided."""
        self._stamp_ns = stamp_ns
        for waiting in list(self._waiting):
            now = self._pipeline.neutral.calibration(waiting.subject_key, stamp_ns)
            if now is None:
                now = Calibration(waiting.subject_key, CalibrationState.REFUSED, "the face is gone", 0.0)
            if now.state is not CalibrationState.RUNNING:
                self._end(waiting, now)

    def input_stalled(self) -> None:
        """Without images there is no image time, so nothing else would end a calibration."""
        self._stamp_ns = None
        for waiting in list(self._waiting):
            self._end(
                waiting, Calibration(waiting.subject_key, CalibrationState.REFUSED, "the camera sends no images", 0.0)
            )

    def _end(self, waiting: _Waiting, outcome: Calibration) -> None:
        self._waiting.remove(waiting)
        waiting.outcome.set_result(outcome)

    def _subject_key(self, face_id: str, person_id: str) -> str:
        """Whom a request means. Raises ValueError with the reason when that is not clear."""
        faces = {face.face_id: face.subject_key for face in self._pipeline.faces}
        if person_id:
            if person_id not in faces.values():
                there = ", ".join(faces.values()) or "nobody"
                raise ValueError(f"person {person_id!r} is not in view; in view: {there}")
            return person_id
        if face_id:
            if face_id not in faces:
                raise ValueError(f"face {face_id!r} is not in view; in view: {', '.join(faces) or 'nobody'}")
            return faces[face_id]
        if len(faces) != 1:
            raise ValueError(f"{len(faces)} faces are in view; name one: {', '.join(faces) or 'nobody is there'}")
        return next(iter(faces.values()))

    async def _on_calibrate(
        self, request: CalibrateNeutral.Request, response: CalibrateNeutral.Response
    ) -> CalibrateNeutral.Response:
        try:
            with self._lock:
                pipeline = self._pipeline
                if self._stamp_ns is None:
                    raise ValueError("the camera sends no images")
                subject_key = self._subject_key(request.face_id, request.person_id)
                if any(waiting.subject_key == subject_key for waiting in self._waiting):
                    raise ValueError(f"a calibration of {subject_key} is under way")
                pipeline.neutral.calibrate(subject_key, request.duration_s, self._stamp_ns)
                waiting = _Waiting(subject_key, Future())
                self._waiting.append(waiting)
        except ValueError as error:
            response.success, response.message = False, str(error)
            return response
        outcome = await waiting.outcome
        assert outcome is not None
        response.success = outcome.state is CalibrationState.SUCCEEDED
        response.message = f"{outcome.subject_key}: {outcome.message}"
        return response

    def _on_reset(self, request: ResetNeutral.Request, response: ResetNeutral.Response) -> ResetNeutral.Response:
        if self._active is None:
            response.success, response.message = False, INACTIVE
            return response
        with self._lock:
            if request.person_id:
                subject_keys = [request.person_id]
            elif request.face_id:
                faces = {face.face_id: face.subject_key for face in self._pipeline.faces}
                subject_keys = [faces.get(request.face_id, request.face_id)]
            else:
                subject_keys = [entry.subject_key for entry in self._pipeline.neutral.listing()]
            done = []
            try:
                for subject_key in subject_keys:
                    done += [subject_key] if self._pipeline.neutral.reset(subject_key) else []
            except StoreError as error:
                response.success, response.message = False, f"reset: {', '.join(done) or 'none'}; {error}"
                return response
        response.success = bool(done) or not (request.person_id or request.face_id)
        response.message = f"reset: {', '.join(done) or 'none'}" + (
            "" if response.success else f"; nothing is known about {subject_keys[0]}"
        )
        return response

    def _on_forget(self, request: ForgetPerson.Request, response: ForgetPerson.Response) -> ForgetPerson.Response:
        try:
            with self._lock:
                response.success = bool(request.person_id) and self._forget(request.person_id)
        except (ValueError, StoreError) as error:
            response.success, response.message = False, str(error)
            return response
        if not request.person_id:
            response.message = "person_id is empty"
        else:
            what = "deleted all" if response.success else "nothing"
            response.message = f"{what} that was kept about {request.person_id}"
        return response

    def _forget(self, person_id: str) -> bool:
        """Neutral, learnt appearance and remembered events; whether there was something. Raises StoreError."""
        known = self._pipeline.forget(person_id)  # first: it may fail, and then nothing is to change
        return self._forget_events(person_id) or known

    def _on_list(self, _request: ListNeutrals.Request, response: ListNeutrals.Response) -> ListNeutrals.Response:
        if self._active is None:
            return response
        with self._lock:
            listing = self._active.neutral.listing(self._stamp_ns)
        response.id = [entry.subject_key for entry in listing]
        response.state = [int(entry.state) for entry in listing]
        response.uncertainty = [entry.uncertainty for entry in listing]
        response.stored = [entry.stored for entry in listing]
        return response
