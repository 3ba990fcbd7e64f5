# SPDX-License-Identifier: Apache-2.0
"""Faces of a stream of images: found, followed, told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ..types import Face, Frame, Region
from .beside import BesideSearch
from .frame_observations import FrameObservations
from .interface import LandmarkSource, Sighting
from .mounting import MountingWatch
from .pose import PoseEstimator
from .regions import Square, mesh_regions, region_square
from .same_face import DOUBTFUL, followed_square
from .search import FaceSearch
from .settings import TrackingSettings, TrackingStatistics
from .shape import ShapeReader
from .smoothing import OneEuroFilter, smoothed
from .tracks import BLIND_FRAMES, FaceIds, Observation, Track, assign, returned
from .visibility import visibility
from .visibility_head import VisibilityHead

CLOSER = 1.5
"""Beyond max_faces a new face takes the place of a followed one only when it is that much larger."""


LONGEST_INTERVAL_S = 1.0
"""A face of the last image is looked for in the next one after up to this time, also where `max_lost_s` is less."""
DOUBT_NS = 3_000_000_000
"""So long after its first sight a doubtful face makes the detector hurry."""
MOST_PERSONS = 256
"""Faces whose person is remembered, in sight or not; of those that are not followed the one told first goes first."""


class FaceTracker:
    """The tracker; see docs/tracking.md. One thread at a time."""

    def __init__(
        self,
        settings: TrackingSettings,
        source: LandmarkSource,
        pose: PoseEstimator,
        shape: ShapeReader,
        visibility_head: VisibilityHead | None = None,
    ):
        self.settings = settings
        self._visibility_head = visibility_head
        self._source = source
        self._pose = pose
        self._shape = shape
        self._ids = FaceIds(settings.id_seed)
        self._tracks: list[Track] = []
        self._persons: dict[str, str] = {}
        self._stamp_ns: int | None = None
        self._search = FaceSearch()
        self._beside = BesideSearch(source)
        self._mounting = MountingWatch()
        self._counts: Counter[str] = Counter()

    @property
    def backend(self) -> str:
        """What computes landmarks, in words."""
        return self._source.backend

    @property
    def source(self) -> LandmarkSource:
        """What finds faces and landmarks."""
        return self._source

    @property
    def statistics(self) -> TrackingStatistics:
        return TrackingStatistics(**self._counts, live_tracks=len(self._tracks), turned_deg=self._mounting.turned_deg)

    def configure(self, settings: TrackingSettings) -> None:
        """Applies the settings that may change while running; tracks stay."""
        self.settings = settings
        for track in self._tracks:
            track.smoother.min_cutoff_hz = settings.smoothing_min_cutoff_hz
            track.smoother.beta = settings.smoothing_beta

    def set_person(self, face_id: str, person_id: str) -> None:
        """Says whose face it is; a later word replaces an earlier one, an empty one takes it back."""
        if person_id:
            self._persons[face_id] = person_id
            if len(self._persons) > MOST_PERSONS:  # of faces that never came, as those of another camera
                followed = {track.face_id for track in self._tracks}
                del self._persons[next(one for one in self._persons if one not in followed)]
        else:
            self.clear_person(face_id)

    def clear_person(self, face_id: str) -> None:
        """Takes back whose face it is."""
        self._persons.pop(face_id, None)

    def reset(self) -> None:
        """Forgets all tracks, as for a camera that starts anew; their ids are not used again."""
        self._tracks = []
        self._persons = {}
        self._stamp_ns = None
        self._search = FaceSearch()
        self._beside.give_up()
        self._mounting = MountingWatch()
        self._count(resets=1)

    def close(self) -> None:
        """Ends the backend; the tracker is of no use afterwards."""
        self._beside.give_up()
        self._source.close()

    def track(self, frame: Frame) -> tuple[Face, ...]:
        """The announced faces in sight, sorted by face_id. A stamp before the last one starts anew."""
        return self.faces(frame, self.follow(frame))

    def follow(self, frame: Frame) -> tuple[Sighting, ...]:
        """The first half of `track`: all that the next frame needs. `faces` may run beside the next one's `follow`."""
        before_ns = self._stamp_ns
        stamp = self._begin(frame)
        step_ns = stamp - before_ns if before_ns is not None else 0
        followed = [track for track in self._tracks if track.misses <= BLIND_FRAMES]
        squares = [track.region(stamp) for track in followed]
        begun = self._beside.under_way(step_ns)
        views = [] if begun else self._where_to_detect(frame)
        # Where somebody is followed, whose code would come later, new faces are looked for beside.
        later = bool(views and squares) and self._beside.can_begin(step_ns)
        found, detections = self._source.process(frame.image, squares, [] if later else views)
        self._count(landmarks_run=len(followed))
        in_frame = self._observations(frame)
        for track, landmarks in zip(followed, found, strict=True):
            in_frame.add(landmarks, track.face_id)
        if views:
            self._search.done(stamp)
            self._count(detections_run=len(views))
        if begun:
            detections = self._beside.take()
        if begun or (views and not later):
            in_frame.add_detected(detections)
            self._count(landmarks_run=in_frame.landmarks_run)
            self._keep_within_budget(in_frame.seen)
        seen = in_frame.seen
        pairs = assign(self._tracks, seen, stamp)
        matched = set(pairs.values())
        visible: list[tuple[Track, Observation]] = []
        absorbed: set[str] = set()
        for index, track in enumerate(self._tracks):
            if index in pairs:
                self._count(tracks_recovered=int(track.announced and track.misses > BLIND_FRAMES))
                if track.announced and track.misses > BLIND_FRAMES:
                    absorbed.update(seen[pairs[index]].sources)
                track.update(seen[pairs[index]], stamp)
                if track.taken_over:
                    track.step_back()
                    matched.discard(pairs[index])
                else:
                    visible.append((track, seen[pairs[index]]))
            else:
                track.misses += 1
        for index, observation in enumerate(seen):
            if index not in matched:
                track = self._start(stamp)
                track.update(observation, stamp)
                visible.append((track, observation))
        self._tracks = [track for track in self._tracks if track.face_id not in absorbed]
        visible = [(self._announce(track, stamp), observation) for track, observation in visible]
        visible = self._end_beyond_budget(visible)
        self._forget(stamp)
        if later:
            self._beside.begin(frame.image, views)
        elif squares:
            self._beside.go_on(frame.image)
        else:
            self._beside.give_up()
        return self._sightings(visible)

    def track_regions(self, frame: Frame, regions: Mapping[str, Region]) -> tuple[Face, ...]:
        """Landmarks on faces that another node found: its ids, its boxes. Sorted by face_id.

        A face whose landmarks are not found in this frame is left out; a face that is no longer named is forgotten. Of
        more than max_faces the largest stay.
        """
        persons = dict(self._persons)
        stamp = self._begin(frame)
        self._persons = persons  # the other node's ids outlast a stamp that jumps back, and a gap
        height, width = frame.image.shape[:2]
        regions = self._largest(regions)
        known = {track.face_id: track for track in self._tracks}
        self._tracks = []
        squares = []
        for face_id in sorted(regions):
            track = known.get(face_id) or self._start(stamp, face_id)
            if face_id in known:
                self._tracks.append(track)
            square = region_square(regions[face_id], width, height)
            squares.append(followed_square(track, square, stamp))
        found, _ = self._source.process(frame.image, squares)
        self._count(landmarks_run=len(squares))
        visible: list[tuple[Track, Observation]] = []
        for track, landmarks in zip(self._tracks, found, strict=True):
            in_frame = self._observations(frame)
            if in_frame.add(landmarks, track.face_id):
                track.update(in_frame.seen[0], stamp)
                track.announced = True
                visible.append((track, in_frame.seen[0]))
            else:
                track.misses += 1
        return self.faces(frame, self._sightings(visible))

    def _largest(self, regions: Mapping[str, Region]) -> Mapping[str, Region]:
        """The max_faces widest of them; the others are counted."""
        if not self._count_left_out(len(regions)):
            return regions
        nearest = sorted(regions.items(), key=lambda item: item[1].xmin - item[1].xmax)[: self.settings.max_faces]
        return dict(nearest)

    def _begin(self, frame: Frame) -> int:
        image, stamp = frame.image, frame.stamp_ns
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise ValueError(f"image is {image.dtype} of shape {image.shape}; uint8 (height, width, 3) is expected")
        if self._stamp_ns is not None and stamp < self._stamp_ns:
            self.reset()
        self._stamp_ns = stamp
        self._count(frames=1)
        self._end_unseen(stamp)
        return stamp

    def _where_to_detect(self, frame: Frame) -> list[Square]:
        """In which squares of the image; in none on most frames."""
        height, width = frame.image.shape[:2]
        if self._source.detects_always:
            return [Square.around(width, height)]
        doubtful = [track for track in self._tracks if track.presence < DOUBTFUL]
        young = any(frame.stamp_ns - track.first_ns < DOUBT_NS for track in doubtful)
        hurry = not self._tracks or young or any(track.misses for track in self._tracks)
        if not self._search.due(frame.stamp_ns, self.settings.detection_rate_hz, hurry):
            return []
        return self._search.views(
            width,
            height,
            self.settings.tiles,
            alone=all(track.presence < DOUBTFUL for track in self._tracks),
            rotation_deg=self.settings.image_rotation,
            turned=self._source.turned_views,
        )

    def _end_unseen(self, stamp: int) -> None:
        """After a gap without images nobody is taken for who was there before, wherever the face stands."""
        longest_s = max(self.settings.max_lost_s, LONGEST_INTERVAL_S)
        for track in [track for track in self._tracks if (stamp - track.seen_ns) / 1e9 > longest_s]:
            self._end(track)

    def _end(self, track: Track) -> None:
        self._tracks.remove(track)
        self._persons.pop(track.face_id, None)
        self._count(tracks_lost=int(track.announced))

    def _observations(self, frame: Frame) -> FrameObservations:
        """Nothing yet, of a frame."""
        return FrameObservations(frame.image, self.settings, self._source, self._shape)

    def _keep_within_budget(self, seen: list[Observation]) -> None:
        """Of too many faces the nearest stay; one that is followed counts as nearer than it is.

        Whose place another face takes is followed until that one is announced (`_end_beyond_budget`).
        """
        announced = {track.face_id for track in self._tracks if track.announced}
        seen.sort(key=lambda one: -one.size * (CLOSER if announced.intersection(one.sources) else 1.0))
        self._count_left_out(len(seen))
        beyond = seen[self.settings.max_faces :]
        seen[self.settings.max_faces :] = [one for one in beyond if announced.intersection(one.sources)]

    def _end_beyond_budget(self, visible: list[tuple[Track, Observation]]) -> list[tuple[Track, Observation]]:
        """Ends the announced faces beyond the max_faces nearest ones, with their ids; the others are returned."""
        announced = sorted((pair for pair in visible if pair[0].announced), key=lambda pair: -pair[1].size)
        ended = [track for track, _ in announced[self.settings.max_faces :]]
        for track in ended:
            self._end(track)
        return [pair for pair in visible if pair[0] not in ended]

    def _count_left_out(self, faces: int) -> int:
        """How many of so many faces max_faces leaves out, for the statistics too."""
        left_out = max(faces - self.settings.max_faces, 0)
        self._count(faces_left_out_total=left_out)
        self._counts["faces_left_out"] = left_out
        return left_out

    def _start(self, stamp: int, face_id: str = "") -> Track:
        smoother = OneEuroFilter(self.settings.smoothing_min_cutoff_hz, self.settings.smoothing_beta)
        track = Track(face_id or self._ids.new(), stamp, smoother)
        self._tracks.append(track)
        self._count(tracks_started=1)
        return track

    def _announce(self, track: Track, stamp: int) -> Track:
        """Announces a new track once it is surely a face, or hands it to the track out of sight whose face it is."""
        sure = track.hits >= self.settings.confirm_hits and track.presence >= self.settings.announce_score
        if track.announced or not sure:
            return track
        decided, earlier = returned(track, self._tracks, stamp)
        if earlier is not None:
            earlier.take_over(track)
            self._tracks.remove(track)
            self._count(tracks_recovered=1)
            return earlier
        if decided:
            track.announced = True
            self._count(tracks_announced=1)
        return track

    def _forget(self, stamp: int) -> None:
        kept = []
        for track in self._tracks:
            unseen = (stamp - track.seen_ns) / 1e9
            if track.announced and unseen > self.settings.max_lost_s and track.misses > BLIND_FRAMES:
                self._count(tracks_lost=1)
                self._persons.pop(track.face_id, None)
            elif track.announced or track.misses <= BLIND_FRAMES:
                kept.append(track)
        self._tracks = kept

    def _sightings(self, visible: Sequence[tuple[Track, Observation]]) -> tuple[Sighting, ...]:
        """Those of them that are announced, sorted by face_id."""
        for track, seen in visible:
            if track.announced:
                self._mounting.add(seen.landmarks.square.angle, track.seen_ns)
        known = sorted((pair for pair in visible if pair[0].announced), key=lambda pair: pair[0].face_id)
        return tuple(
            Sighting(track.face_id, self._persons.get(track.face_id, ""), seen.landmarks, track.smoother)
            for track, seen in known
        )

    def faces(self, frame: Frame, sightings: Sequence[Sighting]) -> tuple[Face, ...]:
        """The second half of `track`, for what `follow` saw in the frame; frame after frame."""
        if not sightings:
            return ()
        landmarks = [one.landmarks for one in sightings]
        columns = raw = np.array([one.mesh.T for one in landmarks])
        if self.settings.smoothing:
            sizes = [one.size for one in landmarks]
            columns = smoothed([one.smoother for one in sightings], raw, frame.stamp_ns, sizes)
        poses = self._pose.poses(columns, frame.camera)
        height, width = frame.image.shape[:2]
        return tuple(
            Face(
                one.face_id,
                mesh,
                region,
                pose,
                seen,
                person_id=one.person_id,
                blendshapes=one.landmarks.blendshapes,
                features=one.landmarks.features,
            )
            for one, mesh, region, pose, seen in zip(
                sightings,
                columns.transpose(0, 2, 1),
                mesh_regions(columns, width, height),
                poses,
                visibility(frame.image, landmarks, raw, poses, self._visibility_head),
                strict=True,
            )
        )

    def _count(self, **more: int) -> None:
        for name, number in more.items():
            self._counts[name] += number
