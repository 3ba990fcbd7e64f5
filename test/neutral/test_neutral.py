# SPDX-License-Identifier: Apache-2.0
"""The neutral of each face and person: learning, calibration by hand, files."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import nnls

from facial_coding_ros.keypoints import Registration, motion
from facial_coding_ros.neutral import (
    CalibrationState,
    NeutralKeeper,
    NeutralSettings,
    fit_neutral,
    read_neutral,
    write_neutral,
)
from facial_coding_ros.neutral.bins import Bin
from facial_coding_ros.neutral.estimator import pose_regression
from facial_coding_ros.neutral.nonnegative import nonnegative
from facial_coding_ros.neutral.prior import FacePrior
from facial_coding_ros.neutral.usual_pose import UsualPose
from facial_coding_ros.neutral.vectors import DENSE_SIZE, from_vector, to_vector
from facial_coding_ros.types import Face, HeadPose, NeutralState, Region, Registered, Visibility

from ..conftest import REPOSITORY

SMILE = {"smile": 1.0}
CLIP = REPOSITORY.parent / "shared/data/clips/smile.mov"


def a_face(face_id: str = "f", person_id: str = "", yaw: float = 0.0, pitch: float = 0.0, visible: float = 1.0) -> Face:
    return Face(
        face_id=face_id,
        mesh=np.zeros((478, 3), np.float32),
        region=Region(0.2, 0.2, 0.8, 0.8),
        pose=HeadPose(yaw, pitch, 0.0, np.eye(3, dtype=np.float32)),
        visibility=Visibility(visible, visible, visible, visible),
        person_id=person_id,
    )


class Actor:
    """A person as the tracker shows them: the prior's faces and expressions, with jitter.

    own: share of an expression that is the person's own, which the prior's shapes do not describe.
    """

    def __init__(self, number: int, own: float = 0.0) -> None:
        prior = FacePrior.load()
        self._rng = np.random.default_rng(number)
        chance = self._rng.normal(size=len(prior.spread)) * np.sqrt(prior.spread / 1.3)
        self._person = prior.mean + chance.astype(np.float32) @ prior.faces
        self._shapes = prior.expressions @ prior.faces
        if own:
            other = self._rng.normal(size=(len(self._shapes), len(prior.faces))) @ prior.faces
            other *= np.linalg.norm(self._shapes, axis=1, keepdims=True) / np.linalg.norm(other, axis=1, keepdims=True)
            self._shapes = self._shapes + own * other
        # Known by what they do: the smile widens the mouth most, the jaw lowers the chin most.
        points = self._shapes[:, :DENSE_SIZE].reshape(-1, 468, 3)
        self._smile = self._shapes[np.argmax(points[:, 291, 0] - points[:, 61, 0])]
        self._jaw = self._shapes[np.argmax(points[:, 152, 1])]
        self._blink = self._shapes[np.argmax(points[:, 159, 1] - points[:, 145, 1])]
        self._brow = self._shapes[np.argmin(points[:, 105, 1] + points[:, 334, 1])]
        self._frown = self._shapes[np.argmax(points[:, 105, 1] + points[:, 334, 1])]
        self.neutral = self.show()

    def show(
        self, smile: float = 0, jaw: float = 0, blink: float = 0, brow: float = 0, frown: float = 0, noise: float = 0
    ) -> Registered:
        vector = self._person + smile * self._smile + jaw * self._jaw + blink * self._blink
        vector = vector + brow * self._brow + frown * self._frown
        return from_vector((vector + noise * self._rng.normal(size=vector.shape)).astype(np.float32))


def dense_size(a: Registered, b: Registered) -> float:
    return float(np.sqrt((motion(a, b).dense ** 2).sum(1).mean()))


def run(keeper: NeutralKeeper, actor: Actor, script, seconds: float, start: float = 0.0, fps: int = 15, face=None):
    """Plays script(t) -> expressions; returns the last Neutral and the time."""
    face = face or a_face()
    for i in range(int(seconds * fps)):
        t = start + i / fps
        neutral = keeper.update(face.subject_key, actor.show(**script(t), noise=0.006), face, int(t * 1e9))
    return neutral, start + seconds


def test_nonnegative_agrees_with_scipy():
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = rng.normal(size=(40, 15)), rng.normal(size=40)
        ours = nonnegative((a.T @ a).astype(np.float32), (a.T @ b).astype(np.float32), rng.random(15) < 0.3)
        np.testing.assert_allclose(ours, nnls(a, b)[0], atol=1e-3)


def test_pose_regression_gives_the_intercept_of_a_ridge_regression():
    """The weighted sum of clusters of a head that turns is what least squares with a ridge on slopes has."""
    rng = np.random.default_rng(0)
    turned, weights = rng.normal(0, 0.1, (12, 2)).astype(np.float32), rng.uniform(0.5, 3, 12).astype(np.float32)
    clusters = rng.normal(size=5) + turned @ rng.normal(0, 8, (2, 5)) + 0.1 * rng.normal(size=(12, 5))
    ours = pose_regression(weights, turned)
    design = np.column_stack([np.ones(12), turned])
    penalty = np.diag([0, 1 / 60, 1 / 60])
    theirs = np.linalg.solve(design.T @ (weights[:, None] * design) + penalty, design.T @ (weights[:, None] * clusters))
    np.testing.assert_allclose(ours @ clusters / ours.sum(), theirs[0], atol=1e-4)
    np.testing.assert_array_equal(pose_regression(weights, np.zeros((12, 2), np.float32)), weights)


def test_of_neighbouring_frames_the_calm_ones_count_but_not_the_lucky_ones():
    """A mouth that opens and closes gives its closed moment; a smile that is held gives the mean of its frames."""
    prior, actor = FacePrior.load(), Actor(18)
    neutral = to_vector(actor.neutral)

    def seen(script: list[dict[str, float]]) -> np.ndarray:
        frames = Bin()
        for shown in script:
            frames.add(to_vector(actor.show(**shown, noise=0.002)), 1.0, 0.07, (0.0, 0.0))
        return frames.calm_mean(neutral, prior.expression_axes)[0] - neutral

    def size(vector: np.ndarray) -> float:
        return float(np.linalg.norm(vector))

    open_jaw, smile = to_vector(actor.show(jaw=0.6)) - neutral, to_vector(actor.show(smile=0.3)) - neutral
    assert size(seen([{"jaw": 0.6}, {"jaw": 0.3}, {}, {"jaw": 0.4}])) < 0.1 * size(open_jaw)
    held = seen([{"smile": 0.3}] * 4)
    assert float(held @ smile) / size(smile) ** 2 == pytest.approx(1.0, abs=0.02)


def test_a_bin_that_takes_long_stays_small():
    frames = Bin()
    for _ in range(10_000):
        frames.add(np.zeros(4, np.float32), 0.01, 0.04, (0.0, 0.0))
    assert frames.seconds == pytest.approx(4.0)
    assert len(frames._sums) < 100


def test_vectors_go_both_ways():
    registered = Actor(0).neutral
    again = from_vector(to_vector(registered))
    np.testing.assert_allclose(again.dense, registered.dense, atol=1e-6)
    np.testing.assert_allclose(again.sparse, registered.sparse, atol=1e-3)


def test_still_face_is_learnt_and_ready_within_two_seconds():
    keeper, actor = NeutralKeeper(), Actor(1)
    first = keeper.update("f", actor.show(), a_face(), 0)
    assert first.state is NeutralState.LEARNING
    neutral, _ = run(keeper, actor, lambda t: {}, 2.0)
    assert neutral.state is NeutralState.READY
    assert neutral.uncertainty < first.uncertainty
    smile = dense_size(actor.show(**SMILE), actor.neutral)
    assert dense_size(neutral.registered, actor.neutral) < 0.25 * smile
    neutral, _ = run(keeper, actor, lambda t: {}, 8.0, start=2.0)
    assert dense_size(neutral.registered, actor.neutral) < 0.1 * smile


@pytest.mark.parametrize("number", range(3))
def test_a_held_smile_does_not_become_the_neutral(number):
    """20 of the first 30 seconds, from the start: the smile is seen at 70 % or more afterwards."""
    keeper, actor = NeutralKeeper(), Actor(number)
    neutral, _ = run(keeper, actor, lambda t: SMILE if t < 20 else {}, 30.0)
    true = motion(actor.show(**SMILE), actor.neutral).dense
    seen = motion(actor.show(**SMILE), neutral.registered).dense
    assert (seen * true).sum() / (true**2).sum() > 0.7


def swallowed(neutral, actor: Actor) -> float:
    """How much of a full smile is in the neutral."""
    true = motion(actor.show(**SMILE), actor.neutral).dense
    return float((motion(neutral.registered, actor.neutral).dense * true).sum() / (true**2).sum())


@pytest.mark.slow
@pytest.mark.parametrize(("rest_s", "smile", "held_s"), [(30.0, 0.3, 900.0), (5.0, 0.3, 900.0), (10.0, 0.5, 300.0)])
def test_a_slight_smile_held_for_minutes_does_not_become_the_neutral(rest_s, smile, held_s):
    keeper, actor = NeutralKeeper(), Actor(0)
    _, t = run(keeper, actor, lambda t: {"jaw": 0.5} if int(t) % 4 == 0 else {}, rest_s)
    neutral, _ = run(keeper, actor, lambda t: {"smile": smile}, held_s, start=t)
    assert swallowed(neutral, actor) < 0.05


def test_a_smile_that_grows_slowly_does_not_become_the_neutral():
    keeper, actor = NeutralKeeper(), Actor(0)
    _, t = run(keeper, actor, lambda t: {}, 10.0)
    neutral, _ = run(keeper, actor, lambda t: {"smile": 0.6 * (t - 10) / 300}, 300.0, start=t)
    assert swallowed(neutral, actor) < 0.15


def test_more_looks_than_are_kept_do_not_push_out_the_resting_one():
    """After 10 s of rest, ever new expressions; the neutral stays where it was."""
    keeper, actor, rng = NeutralKeeper(), Actor(2), np.random.default_rng(0)
    _, t = run(keeper, actor, lambda t: {}, 10.0)
    weights = rng.uniform(0.3, 1.0, (200, 3))
    neutral, _ = run(
        keeper, actor, lambda t: dict(zip(("smile", "jaw", "brow"), weights[int(t) % 200], strict=True)), 150.0, start=t
    )
    smile = dense_size(actor.show(**SMILE), actor.neutral)
    assert dense_size(neutral.registered, actor.neutral) < 0.1 * smile


@pytest.mark.parametrize("number", range(3))
def test_who_rests_between_expressions_of_their_own_kind_has_the_neutral_of_the_rests(number):
    keeper, actor = NeutralKeeper(), Actor(number, own=0.4)
    shown = ({}, SMILE, {"jaw": 0.6, "smile": 0.4}, {}, {"brow": 0.8}, {"jaw": 0.8})
    neutral, _ = run(keeper, actor, lambda t: shown[int(t) % len(shown)], 60.0)
    smile = dense_size(actor.show(**SMILE), actor.neutral)
    assert dense_size(neutral.registered, actor.neutral) < 0.02 * smile


def test_talking_does_not_become_the_neutral():
    keeper, actor = NeutralKeeper(), Actor(4)

    def talk(t: float) -> dict[str, float]:
        return {"jaw": 0.2 * (1 + math.sin(9 * t)), "brow": 0.2 * (1 + math.sin(2 * t))}

    neutral, _ = run(keeper, actor, talk, 20.0)
    mean = fit_neutral([actor.show(**talk(t)) for t in np.arange(0, 20, 0.1)])
    assert dense_size(neutral.registered, actor.neutral) < 0.6 * dense_size(mean, actor.neutral)


def test_a_turned_head_counts_little():
    keeper, actor = NeutralKeeper(), Actor(5)
    before, t = run(keeper, actor, lambda t: {}, 5.0)
    away = replace(a_face(), pose=HeadPose(35.0, 0.0, 0.0, np.eye(3, dtype=np.float32)))
    after, _ = run(keeper, actor, lambda t: {"jaw": 1.0}, 2.0, start=t, face=away)
    assert dense_size(after.registered, before.registered) < 0.01


def test_the_usual_pose_is_where_a_head_mostly_points():
    """A camera that hangs high is learnt in seconds, a glance to the side of 3 s hardly moves it."""
    usual = UsualPose()
    for i in range(15 * 10):
        usual.weight(0.0, -15.0 if i else 0.0, 1 / 15)
    learnt = usual.weight(0.0, -15.0, 1 / 15)
    assert learnt > 0.6
    for _ in range(15 * 3):
        turned = usual.weight(35.0, 0.0, 1 / 15)
    assert turned < 0.1
    assert usual.weight(0.0, -15.0, 1 / 15) > 0.6 * learnt


def test_a_usual_pose_near_straight_ahead_is_taken_for_it():
    """Five degrees off may be the tracker's error; fifteen are a camera that hangs high."""
    offsets = []
    for pitch in (-5.0, -15.0):
        usual = UsualPose()
        for _ in range(15 * 10):
            usual.weight(0.0, pitch, 1 / 15)
        offsets.append(math.degrees(math.asin(usual.head_turn[1])))
    assert offsets == pytest.approx([-5.0, 0.0], abs=0.5)


def test_same_images_give_the_same_neutral():
    results = [run(NeutralKeeper(), Actor(6), lambda t: SMILE if t > 2 else {}, 5.0)[0] for _ in range(2)]
    np.testing.assert_array_equal(results[0].registered.dense, results[1].registered.dense)


def test_time_is_the_images_own():
    """Ten frames a second for three seconds say the same as thirty."""
    ends = [run(NeutralKeeper(), Actor(7), lambda t: {}, 3.0, fps=fps)[0] for fps in (10, 30)]
    assert dense_size(ends[0].registered, ends[1].registered) < 0.01
    assert ends[0].uncertainty == pytest.approx(ends[1].uncertainty, rel=0.2)


def test_stale_when_not_seen_for_long():
    keeper = NeutralKeeper(NeutralSettings(stale_after_s=60.0))
    run(keeper, Actor(8), lambda t: {}, 3.0)
    assert keeper.neutral("f", int(30e9)).state is NeutralState.READY
    assert keeper.neutral("f", int(100e9)).state is NeutralState.STALE
    assert keeper.neutral("g", 0).state is NeutralState.NONE


def test_subjects_are_bounded_and_the_longest_unseen_goes():
    keeper, shown = NeutralKeeper(NeutralSettings(max_subjects=3)), Actor(9).show()
    for i, name in enumerate(("a", "b", "c", "a", "d")):
        keeper.update(name, shown, a_face(name), i * 10**8)
    assert [row.subject_key for row in keeper.listing()] == ["a", "c", "d"]


def test_calibration_takes_the_coming_seconds():
    keeper, actor = NeutralKeeper(), Actor(11)
    _, t = run(keeper, actor, lambda t: SMILE, 2.0)
    keeper.calibrate("f", 1.0, int(t * 1e9))
    assert keeper.calibration("f").state is CalibrationState.RUNNING
    neutral, t = run(keeper, actor, lambda t: {"brow": 0.4}, 1.2, start=t)
    assert keeper.calibration("f").state is CalibrationState.SUCCEEDED
    assert neutral.state is NeutralState.READY
    assert dense_size(neutral.registered, actor.show(brow=0.4)) < 0.01
    # And a smile afterwards does not wash it out.
    neutral, _ = run(keeper, actor, lambda t: SMILE, 10.0, start=t)
    assert dense_size(neutral.registered, actor.show(brow=0.4)) < 0.02


@pytest.mark.parametrize(
    ("face", "script", "reason"),
    [
        (a_face(yaw=25.0), lambda t: {}, "turned by 25 degrees"),
        (a_face(), lambda t: {"jaw": min(t, 1.0)}, "moved"),
        (a_face(visible=0.3), lambda t: {}, "30% visible"),
    ],
    ids=["turned", "moved", "hidden"],
)
def test_calibration_is_refused_with_a_reason(face, script, reason):
    keeper, actor = NeutralKeeper(), Actor(12)
    keeper.calibrate("f", 1.0, 0)
    run(keeper, actor, script, 1.5, face=face)
    outcome = keeper.calibration("f")
    assert outcome.state is CalibrationState.REFUSED
    assert reason in outcome.message


def test_calibration_is_refused_when_time_goes_back():
    keeper, actor = NeutralKeeper(), Actor(11)
    _, t = run(keeper, actor, lambda t: {}, 2.0)
    keeper.calibrate("f", 1.0, int(t * 1e9))
    keeper.update("f", actor.show(), a_face(), int(t * 1e9) - 3_600_000_000_000)
    ended = keeper.calibration("f")
    assert ended.state is CalibrationState.REFUSED and "the stamps of the images went back" in ended.message


def test_calibration_survives_a_blink():
    keeper, actor = NeutralKeeper(), Actor(13)
    keeper.calibrate("f", 2.0, 0)
    neutral, _ = run(keeper, actor, lambda t: {"blink": 1.0} if 1.0 < t < 1.15 else {}, 2.2)
    assert keeper.calibration("f").state is CalibrationState.SUCCEEDED
    assert dense_size(neutral.registered, actor.neutral) < 0.01


def test_calibration_of_a_lost_face_is_refused():
    keeper = NeutralKeeper()
    keeper.calibrate("f", 2.0, 0)
    run(keeper, Actor(14), lambda t: {}, 0.5)
    assert "not seen" in keeper.calibration("f", int(5e9)).message
    assert keeper.calibration("g") is None
    with pytest.raises(ValueError, match="duration_s"):
        keeper.calibrate("f", 100.0, 0)


def test_adopted_face_keeps_its_neutral_and_reset_forgets_it():
    keeper, actor = NeutralKeeper(), Actor(15)
    face, _ = run(keeper, actor, lambda t: {}, 3.0)
    keeper.adopt("f", "anna")
    assert [row.subject_key for row in keeper.listing()] == ["anna"]
    np.testing.assert_array_equal(keeper.neutral("anna", int(3e9)).registered.dense, face.registered.dense)
    assert keeper.reset("anna")
    assert not keeper.reset("anna")
    assert keeper.listing() == ()


def test_neutral_from_frames_and_file(tmp_path):
    actor = Actor(16)
    fitted = fit_neutral([actor.show() for _ in range(9)])
    write_neutral(tmp_path / "n.npz", fitted)
    again = read_neutral(tmp_path / "n.npz")
    np.testing.assert_array_equal(again.dense, fitted.dense)
    keeper = NeutralKeeper()
    keeper.set_neutral("f", again)
    neutral = keeper.update("f", actor.show(**SMILE), a_face(), 10**9)
    assert neutral.state is NeutralState.READY
    assert dense_size(neutral.registered, fitted) < 0.005
    with pytest.raises(ValueError, match="no face"):
        fit_neutral([])


@pytest.mark.parametrize("how", ["cut", "other", "shape", "text", "flipped", "array"])
def test_wrong_files_are_refused(tmp_path, how):
    path, actor = tmp_path / "n.npz", Actor(17)
    write_neutral(path, actor.neutral)
    if how == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "other":
        np.savez(path, form=np.array("another 7"), sparse=actor.neutral.sparse, dense=actor.neutral.dense)
    elif how == "shape":
        write_neutral(path, Registered(actor.neutral.sparse[:60], actor.neutral.dense))
    elif how == "flipped":
        content = path.read_bytes()
        method = content.index(b"PK\x01\x02") + 10  # of compression, of the first array: none becomes an unknown one
        path.write_bytes(content[:method] + b"\x63" + content[method + 1 :])
    elif how == "array":
        with path.open("wb") as file:
            np.save(file, actor.neutral.sparse)
    else:
        path.write_text("no neutral")
    with pytest.raises(ValueError, match=r"n\.npz"):
        read_neutral(path)
    with pytest.raises(FileNotFoundError):
        read_neutral(tmp_path / "none.npz")


def test_smile_clip_is_ready_early_and_its_neutral_survives_the_smile():
    if not CLIP.is_file():
        pytest.skip(f"{CLIP} is not there")
    cv2, mp = pytest.importorskip("cv2"), pytest.importorskip("mediapipe")
    video, keeper, registration = cv2.VideoCapture(str(CLIP)), NeutralKeeper(), Registration()
    ready_s, sizes, neutrals = math.nan, {}, {}
    with mp.solutions.face_mesh.FaceMesh(refine_landmarks=True) as mesher:
        for index in range(164):
            image = cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2RGB)
            found = mesher.process(image).multi_face_landmarks
            if not found:
                continue
            scale = [image.shape[1], image.shape[0], image.shape[1]]
            mesh = np.array([[p.x, p.y, p.z] for p in found[0].landmark], np.float32) * scale
            registered = registration.register(mesh[None])[0]
            neutral = keeper.update("f", registered, a_face(), int(index / 14.25 * 1e9))
            if neutral.state is NeutralState.READY and math.isnan(ready_s):
                ready_s = index / 14.25
            sizes[index], neutrals[index] = dense_size(registered, neutral.registered), neutral.registered
    assert ready_s <= 2.0
    # Smiles at about 42-58 and 105-132, neutral between and after.
    smile = sizes[50]
    assert sizes[35] < 0.35 * smile
    assert sizes[120] > 0.8 * smile
    assert sizes[160] < 0.25 * smile
    assert dense_size(neutrals[58], neutrals[40]) < 0.15 * smile
    assert dense_size(neutrals[132], neutrals[104]) < 0.15 * smile


def test_a_changed_memory_is_that_of_known_faces_too():
    """memory_s may change while the node runs."""
    keeper, resting = NeutralKeeper(NeutralSettings(memory_s=300.0)), from_vector(FacePrior.load().mean)
    keeper.update("f", resting, a_face(), 0)
    keeper.configure(NeutralSettings(memory_s=10.0))
    keeper.update("f", resting, a_face(), 40_000_000)
    keeper.update("g", resting, a_face("g"), 40_000_000)
    assert [keeper._entries[key].estimator.memory_s for key in ("f", "g")] == [10.0, 10.0]
