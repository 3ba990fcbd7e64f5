# SPDX-License-Identifier: Apache-2.0
"""What the pipeline needs of a tracker, and a tracker of what computes its landmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..types import Face, Frame, ImageArray, Region
from .regions import Detection, Landmarks, Square
from .settings import TrackingSettings, TrackingStatistics
from .smoothing import OneEuroFilter


@dataclass(frozen=True)
class Sighting:
    """An announced face in one frame, not yet smoothed. smoother: that of its track."""

    face_id: str
    person_id: str
    landmarks: Landmarks
    smoother: OneEuroFilter


class LandmarkSource(Protocol):
    """A backend: finds landmarks, keeps no identities.

    detects_always: detections cost it nothing. turned_views: views may be turned. backend: what computes landmarks,
    in words. shape_spread: see ShapeReader. landmark_network: sha256 of the network's file where landmarks come with
    its features, else empty.
    """

    detects_always: bool
    turned_views: bool
    shape_spread: float
    landmark_network: str

    @property
    def backend(self) -> str: ...

    def process(
        self, image: ImageArray, squares: Sequence[Square], views: Sequence[Square] = ()
    ) -> tuple[list[Landmarks | None], list[Detection]]:
        """Landmarks in each square, and the faces in each view, side by side."""

    def close(self) -> None: ...


@runtime_checkable
class SearchesBeside(Protocol):
    """What a backend adds that can look for new faces while the next image is worked on."""

    def begin_search(self, image: ImageArray, views: Sequence[Square]) -> Future[list[Detection]]:
        """The faces in each view, in a thread of its own; the image may change as soon as this returns."""


class Tracker(Protocol):
    """What the pipeline needs of a tracker; one thread at a time."""

    @property
    def statistics(self) -> TrackingStatistics: ...

    @property
    def backend(self) -> str:
        """What computes landmarks, in words."""

    @property
    def source(self) -> LandmarkSource:
        """What finds faces and landmarks; to be looked at between frames, from the tracker's thread."""

    def track(self, frame: Frame) -> tuple[Face, ...]:
        """The announced faces in sight, sorted by face_id; empty when there are none."""

    def follow(self, frame: Frame) -> tuple[Sighting, ...]:
        """The first half of `track`: all that the next frame needs. `faces` may run beside the next one's `follow`."""

    def faces(self, frame: Frame, sightings: Sequence[Sighting]) -> tuple[Face, ...]:
        """The second half of `track`, for what `follow` saw in the frame; frame after frame."""

    def track_regions(self, frame: Frame, regions: Mapping[str, Region]) -> tuple[Face, ...]:
        """Landmarks on the faces of another node: face_id -> its box."""

    def set_person(self, face_id: str, person_id: str) -> None:
        """Says whose face it is; a later word replaces an earlier one."""

    def clear_person(self, face_id: str) -> None:
        """Takes back whose face it is."""

    def configure(self, settings: TrackingSettings) -> None:
        """Applies the settings that may change while running."""

    def reset(self) -> None:
        """Forgets all tracks: a looping bag, a camera that restarts."""

    def close(self) -> None:
        """Frees the networks."""
