# SPDX-License-Identifier: Apache-2.0
"""Persons as a person manager says them, over DDS, with its own quality of service: who is stored and who is not."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from facial_coding_msgs.msg import FaceCode, FaceCodeArray  # noqa: E402
from facial_coding_msgs.srv import ListNeutrals  # noqa: E402
from hri_msgs.msg import IdsList, IdsMatch, NormalizedRegionOfInterest2D  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from std_msgs.msg import Bool, String  # noqa: E402

from facial_coding_ros.nodes.persons import MOST_PERSONS, Persons  # noqa: E402
from facial_coding_ros.types import ImageArray  # noqa: E402

from ..conftest import CLIP  # noqa: E402
from ..ros import Client, forwards_and_back, images_of, node  # noqa: E402
from .test_node import last_ids, see_people  # noqa: E402

LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
VOLATILE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)


class PersonManager:
    """Publishes persons once, as hri_person_manager does; latched=False: as one that keeps nothing for late comers."""

    def __init__(self, client: Client, latched: bool = True) -> None:
        self._client, self._qos = client, LATCHED if latched else VOLATILE
        self._tracked = client.node.create_publisher(IdsList, "/humans/persons/tracked", self._qos)
        self._matches = client.node.create_publisher(IdsMatch, "/humans/candidate_matches", 10)
        self._topics: dict[str, tuple] = {}

    def track(self, **faces: str) -> None:
        """Person -> face; every id that begins with `anonymous` is said to be."""
        for person_id, face_id in faces.items():
            if person_id not in self._topics:
                self._topics[person_id] = (
                    self._client.node.create_publisher(Bool, f"/humans/persons/{person_id}/anonymous", self._qos),
                    self._client.node.create_publisher(String, f"/humans/persons/{person_id}/face_id", self._qos),
                )
            anonymous, face = self._topics[person_id]
            anonymous.publish(Bool(data=person_id.startswith("anonymous")))
            face.publish(String(data=face_id))
        self._tracked.publish(IdsList(ids=list(faces)))

    def match(self, person_id: str, face_id: str, confidence: float) -> None:
        self._matches.publish(
            IdsMatch(
                id1=person_id,
                id1_type=IdsMatch.PERSON,
                id2=face_id,
                id2_type=IdsMatch.FACE,
                confidence=confidence,
            )
        )


@pytest.fixture(scope="module")
def people() -> list[ImageArray]:
    return images_of(CLIP)


@pytest.fixture
def images(people: list[ImageArray]) -> Iterator[ImageArray]:
    return forwards_and_back(people)


def names(codes: list[FaceCodeArray]) -> dict[str, str]:
    return {face.face_id: face.person_id for face in codes[-1].faces} if codes else {}


def ready(codes: list[FaceCodeArray]) -> bool:
    states = [face.neutral_state for face in codes[-1].faces] if codes else []
    return len(states) == 2 and set(states) == {FaceCode.NEUTRAL_READY}


def rows(store: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(store)) as connection:
        return [row[0] for row in connection.execute("SELECT person_id FROM neutral ORDER BY person_id")]


def listed(client: Client) -> dict[str, bool]:
    answer = client.call(ListNeutrals, "/facial_coding/list_neutrals", ListNeutrals.Request())
    return dict(zip(answer.id, answer.stored, strict=True))


def test_persons_named_before_the_node_came_are_heard(client: Client, images: Iterator[ImageArray]) -> None:
    region = NormalizedRegionOfInterest2D()
    with node() as finder:  # only to learn where the faces are
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera, _ = see_people(client, finder, images)
        camera.send_until(lambda: codes and len(codes[-1].faces) == 2, images, finder, "face codes")
        seen = codes[-1].faces[0]
        region.xmin, region.ymin, region.xmax, region.ymax = seen.roi_xmin, seen.roi_ymin, seen.roi_xmax, seen.roi_ymax
        camera.close()
    # All that is latched is said once, before the node is there: persons, and the faces of another node.
    manager = PersonManager(client)
    manager.track(ada="theirs")
    faces = client.node.create_publisher(IdsList, "/humans/faces/tracked", LATCHED)
    faces.publish(IdsList(ids=["theirs"]))
    boxes = client.node.create_publisher(NormalizedRegionOfInterest2D, "/humans/faces/theirs/roi", 10)
    codes.clear()
    with node(mode="addon") as process:
        camera = client.camera()

        def named() -> bool:
            boxes.publish(region)
            return names(codes) == {"theirs": "ada"}

        camera.send_until(named, images, process, "the person, named before the node was there")
        assert "incompatible QoS" not in process.log


def test_a_person_manager_that_keeps_nothing_is_heard_too(client: Client, images: Iterator[ImageArray]) -> None:
    with node() as process:
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera, tracked = see_people(client, process, images)
        first, second = sorted(last_ids(tracked))
        manager = PersonManager(client, latched=False)

        def named() -> bool:
            manager.track(ada=first)
            return names(codes) == {first: "ada", second: ""}

        camera.send_until(named, images, process, "the person of a face")
        assert "incompatible QoS" not in process.log


def test_anonymous_persons_are_held_in_memory_until_they_become_somebody(
    client: Client, people: list[ImageArray], tmp_path: Path
) -> None:
    store = tmp_path / "neutrals.sqlite"
    still = iter([people[0]] * 100_000)
    with node(neutral__store=store, neutral__save_every_s=1.0) as process:
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera, tracked = see_people(client, process, still)
        first, second = sorted(last_ids(tracked))
        manager = PersonManager(client)
        manager.track(anonymous_person_ab12x=first, anonymous_other=second)

        def anonymous() -> bool:
            return names(codes) == {first: "anonymous_person_ab12x", second: "anonymous_other"}

        camera.send_until(lambda: anonymous() and ready(codes), still, process, "two ready anonymous persons")
        seen = len(codes)
        camera.send_until(lambda: len(codes) > seen + 40, still, process, "longer than neutral.save_every_s")
        assert rows(store) == [], "nobody anonymous is stored"
        assert listed(client) == {"anonymous_person_ab12x": False, "anonymous_other": False}

        # A recogniser knows the first face: what was learnt goes over, and stays when the manager follows.
        manager.match("ada", first, 0.9)
        camera.send_until(
            lambda: names(codes).get(first) == "ada" and rows(store) == ["ada"], still, process, "ada in the store"
        )
        at_once = next(c for c in codes if c.faces and c.faces[0].person_id == "ada")
        assert at_once.faces[0].neutral_state == FaceCode.NEUTRAL_READY, "what was learnt went over"
        assert listed(client) == {"ada": True, "anonymous_other": False}, "no leftover of the anonymous person"
        manager.track(ada=first, anonymous_other=second)
        camera.send_until(lambda: names(codes).get(first) == "ada", still, process, "ada still")

        # The manager's own way: the anonymous person is withdrawn, then somebody has the face.
        manager.track(ada=first)
        camera.send_until(lambda: names(codes) == {first: "ada", second: ""}, still, process, "a face without a person")
        before = len(codes)
        manager.track(ada=first, grace=second)
        camera.send_until(
            lambda: names(codes).get(second) == "grace" and rows(store) == ["ada", "grace"],
            still,
            process,
            "grace in the store",
        )
        changed = next(c for c in codes[before:] if len(c.faces) == 2 and c.faces[1].person_id == "grace")
        assert changed.faces[1].neutral_state == FaceCode.NEUTRAL_READY, "what was learnt went over"
        assert listed(client) == {"ada": True, "grace": True}
    assert rows(store) == ["ada", "grace"]


def test_a_second_run_of_unknown_people_leaves_no_rows(
    client: Client, people: list[ImageArray], tmp_path: Path
) -> None:
    store = tmp_path / "neutrals.sqlite"
    still = iter([people[0]] * 100_000)
    for turn in range(2):
        with node(neutral__store=store) as process:
            codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
            camera, tracked = see_people(client, process, still)
            ids = last_ids(tracked)
            manager = PersonManager(client)
            manager.track(**{f"anonymous_person_{turn}{i}": face_id for i, face_id in enumerate(ids)})
            camera.send_until(
                lambda codes=codes: ready(codes) and "" not in names(codes).values(), still, process, "ready neutrals"
            )
            camera.close()
    assert rows(store) == []


Candidates = tuple[list[tuple[str, str]], Callable[[str, float], None]]


@pytest.fixture
def candidates(client: Client) -> Iterator[Candidates]:
    """What is said of the face `fa`, and a person manager that names a person for it with a confidence."""
    said: list[tuple[str, str]] = []
    persons = Persons(client.node, lambda: 0.5, lambda face_id, person_id, _: said.append((face_id, person_id)))

    def match(person_id: str, confidence: float) -> None:
        persons._on_match(
            IdsMatch(
                id1=person_id,
                id1_type=IdsMatch.PERSON,
                id2="fa",
                id2_type=IdsMatch.FACE,
                confidence=confidence,
            )
        )

    yield said, match
    persons.destroy()


def test_of_several_candidates_the_most_confident_is_the_person(candidates: Candidates) -> None:
    said, match = candidates
    match("ada", 0.6)
    match("grace", 0.9)
    match("ada", 0.7)
    match("ada", 0.2)
    assert said == [("fa", "ada"), ("fa", "grace")], "ada's lower confidence takes nothing from grace"
    match("grace", 0.1)
    match("ada", 0.7)
    assert said[2:] == [("fa", ""), ("fa", "ada")]


@pytest.mark.parametrize("confidence", [math.inf, -math.inf, math.nan, 1.5, -0.1])
def test_candidates_with_a_confidence_that_is_none_change_nothing(
    candidates: Candidates, confidence: float, capfd: pytest.CaptureFixture[str]
) -> None:
    said, match = candidates
    match("mallory", confidence)
    match("ada", 0.6)
    match("mallory", confidence)
    assert said == [("fa", "ada")]
    assert "0 to 1 is allowed" in capfd.readouterr().err


def test_ids_that_are_no_names_become_nobody(client: Client, images: Iterator[ImageArray], tmp_path: Path) -> None:
    store = tmp_path / "neutrals.sqlite"
    with node(neutral__store=store) as process:
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera, tracked = see_people(client, process, images)
        first, second = sorted(last_ids(tracked))
        manager = PersonManager(client)
        for person_id in ("../../etc", "=1+1", "", "a/b", "7", "x" * 300, "ada\n"):
            manager.match(person_id, second, 1.0)
        manager.match("ada", first, 1.0)
        camera.send_until(lambda: ready(codes), images, process, "ready neutrals")
        assert names(codes) == {first: "ada", second: ""}
        assert "left out: '../../etc'" in process.log
    assert rows(store) == ["ada"]


def test_thousands_of_persons_are_not_all_listened_to(client: Client, images: Iterator[ImageArray]) -> None:
    with node() as process:
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera, tracked = see_people(client, process, images)
        first, _ = sorted(last_ids(tracked))
        crowd = client.node.create_publisher(IdsList, "/humans/persons/tracked", LATCHED)
        crowd.publish(IdsList(ids=[f"p{i}" for i in range(3000)]))
        words = f"the first {MOST_PERSONS} are listened to"
        camera.send_until(lambda: words in process.log, images, process, "a word")
        face_of = client.node.create_publisher(String, "/humans/persons/p0/face_id", LATCHED)
        face_of.publish(String(data=first))
        camera.send_until(lambda: names(codes).get(first) == "p0", images, process, "the first of them")


def test_another_person_ten_minutes_later_is_somebody_new(client: Client, images: Iterator[ImageArray]) -> None:
    with node(stall_s=0.5) as process:
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera, tracked = see_people(client, process, images)
        before = last_ids(tracked)
        manager = PersonManager(client)
        for number, face_id in enumerate(before):
            manager.match(f"person{number}", face_id, 0.9)
        camera.send_until(lambda: ready(codes) and "" not in names(codes).values(), images, process, "two known people")
        client.wait(lambda: not last_ids(tracked), "an empty `tracked` after the stall", process)
        codes.clear()
        camera.stamp_ns += 600 * 10**9
        camera.send_until(lambda: len(names(codes)) == 2, images, process, "faces after the gap")
        after = [face for message in codes for face in message.faces]
        assert not {face.face_id for face in after} & set(before), "no old face id"
        assert {face.person_id for face in after} == {""}, "nobody's name"
        assert after[0].neutral_state != FaceCode.NEUTRAL_READY, "nobody's neutral"


def test_what_a_persons_own_topic_says_is_changed_by_that_topic_alone(client: Client) -> None:
    said: list[tuple[str, str]] = []
    persons = Persons(client.node, lambda: 0.5, lambda face_id, person_id, _: said.append((face_id, person_id)))

    def match(person_id: str, face_id: str, confidence: float) -> None:
        kinds = {"id1_type": IdsMatch.PERSON, "id2_type": IdsMatch.FACE}
        persons._on_match(IdsMatch(id1=person_id, id2=face_id, confidence=confidence, **kinds))

    try:
        persons._on_own_face("ada", String(data="fa"))
        for person_id, face_id, confidence in (("ada", "fa", 0.6), ("ada", "fa", 0.1), ("grace", "fa", 1.0)):
            match(person_id, face_id, confidence)
        assert said == [("fa", "ada")], "recognisers neither weaken it nor take it away"
        persons._on_own_face("ada", String(data=""))
        match("grace", "fa", 0.7)
        assert said == [("fa", "ada"), ("fa", ""), ("fa", "grace")]
    finally:
        persons.destroy()
