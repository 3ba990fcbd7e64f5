# SPDX-License-Identifier: Apache-2.0
"""Covered faces: what is painted before the public-domain portraits is told, and what hides nothing is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import cv2
import numpy as np
import pytest

from facial_coding_ros import PipelineSettings
from facial_coding_ros.action_units import ACTION_UNITS
from facial_coding_ros.coding.expression.witness_fusion import told_of
from facial_coding_ros.learning.synthesis.coverings import COVERINGS, HARMLESS, Covered, cover
from facial_coding_ros.learning.tracking.scenes import portrait
from facial_coding_ros.pipeline import Pipeline
from facial_coding_ros.still_coder import still_settings
from facial_coding_ros.tracking.conversion.model_cache import tracker_models
from facial_coding_ros.tracking.visibility import NOT_VISIBLE_BELOW, visibility, visibility_codes
from facial_coding_ros.tracking.visibility_head import REGIONS, VisibilityHead
from facial_coding_ros.types import FaceCode, Frame, ImageArray, Visibility

Coder = Callable[[ImageArray], FaceCode | None]
SEEDS = range(4)
PEOPLE = ("collins", "hopper")


@pytest.fixture(scope="module")
def code() -> Iterator[Coder]:
    with closing(Pipeline(still_settings(PipelineSettings()))) as pipeline:

        def code(image: ImageArray) -> FaceCode | None:
            pipeline.reset()
            codes = pipeline.process(Frame(np.ascontiguousarray(image), 0))
            return codes[0] if len(codes) == 1 else None

        yield code


@pytest.fixture(scope="module")
def bare(code: Coder) -> dict[str, FaceCode]:
    codes = {person: code(portrait(person)) for person in PEOPLE}
    return {person: found for person, found in codes.items() if found is not None}


def covered(bare: dict[str, FaceCode], kind: str) -> Iterator[tuple[str, Covered]]:
    for person in PEOPLE:
        for seed in SEEDS:
            yield person, cover(portrait(person), bare[person].face.mesh, kind, np.random.default_rng(seed))


def test_nothing_is_called_hidden_on_bare_faces(bare: dict[str, FaceCode]) -> None:
    assert [visibility_codes(one.face.visibility) for one in bare.values()] == [(), ()]
    assert all(one.face.visibility.face > 0.9 for one in bare.values())


@pytest.mark.parametrize(("kind", "part", "number"), [("mask", "lower_face", 72), ("sunglasses", "eyes", 71)])
def test_what_is_hidden_is_told_and_nothing_is_said_of_it(
    code: Coder, bare: dict[str, FaceCode], kind: str, part: str, number: int
) -> None:
    told = 0
    for _, picture in covered(bare, kind):
        found = code(picture.image)
        assert found is not None, "a covered face is still found"
        codes = visibility_codes(found.face.visibility)
        told += number in codes
        if number not in codes:
            continue
        regions = np.array([unit.region for unit in ACTION_UNITS])
        assert not found.aus.confidence[regions == part].any(), "no action units of a part that is not seen"
        other = "brows" if part == "lower_face" else "lower_face"
        assert found.aus.confidence[regions == other].min() > 0, "the others are told"
        if kind == "mask":
            assert found.expression.label in ("unsure", "neutral")
    assert told >= 2 * len(SEEDS) - 1


def test_things_of_any_pattern_are_noticed(code: Coder, bare: dict[str, FaceCode]) -> None:
    hidden = noticed = 0
    for kind in ("scarf", "cup", "hand"):
        for _, picture in covered(bare, kind):
            if min(picture.hidden["right mouth"], picture.hidden["left mouth"]) < 0.9:
                continue
            found = code(picture.image)
            if found is None:  # at first sight a face of which little is left is not found
                continue
            hidden += 1
            noticed += {72, 73} & set(visibility_codes(found.face.visibility)) != set()
    assert hidden >= 12 and noticed >= 0.9 * hidden


def test_what_hides_nothing_is_not_called_hidden(code: Coder, bare: dict[str, FaceCode]) -> None:
    seen = claimed = 0
    for kind in HARMLESS:
        for _, picture in covered(bare, kind):
            found = code(picture.image)
            if found is None or max(picture.hidden.values()) > 0.1:
                continue
            seen += 1
            claimed += visibility_codes(found.face.visibility) != ()
    assert seen > 50 and claimed <= 0.05 * seen


def test_the_painter_knows_what_it_hides(bare: dict[str, FaceCode]) -> None:
    """A painted mask hides mouth but not eyes; the picture changes where it lies, and the same seed paints the same."""
    for person, picture in covered(bare, "mask"):
        assert picture.hidden["right mouth"] == picture.hidden["left mouth"] == 1
        assert picture.hidden["right eye"] == picture.hidden["left eye"] == 0
        mouth, eye = bare[person].face.mesh[13, :2].round().astype(int), bare[person].face.mesh[159, :2].astype(int)
        changed = np.abs(picture.image.astype(int) - portrait(person)).sum(2)
        assert changed[mouth[1], mouth[0]] > 0 and changed[eye[1], eye[0]] == 0
    kinds = {kind: next(p for _, p in covered(bare, kind)) for kind in (*COVERINGS, *HARMLESS)}
    again = {kind: next(p for _, p in covered(bare, kind)) for kind in kinds}
    assert all(np.array_equal(kinds[kind].image, again[kind].image) for kind in kinds)
    grey = cv2.cvtColor(cv2.cvtColor(portrait("collins"), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    painted = cover(grey, bare["collins"].face.mesh, "scarf", np.random.default_rng(0)).image
    assert np.ptp(painted, axis=2).max() == 0, "a grey picture stays grey"


def test_a_head_of_another_landmark_network_is_not_used() -> None:
    network = str(tracker_models("").landmarks.card["source_sha256"])
    assert VisibilityHead.load_for("") is None and VisibilityHead.load_for("another") is None
    head = VisibilityHead.load_for(network)
    assert head is not None and head.outer_bias.shape == (len(REGIONS),)


def test_two_layers_as_written(bare: dict[str, FaceCode]) -> None:
    """Against the sums one by one; parts are the means of their two sides."""
    head = VisibilityHead.load()
    features = np.stack([np.asarray(one.face.features) for one in bare.values()])
    for row, parts in zip(features, head.parts(features), strict=True):
        inner = [
            max(float(row[head.chosen].astype(float) @ w) + b, 0.0)
            for w, b in zip(head.weight.T, head.bias, strict=True)
        ]
        logits = np.array(inner) @ head.outer_weight + head.outer_bias
        shares = dict(zip(REGIONS, 1 / (1 + np.exp(-logits)), strict=True))
        expected = [(shares[f"right {part}"] + shares[f"left {part}"]) / 2 for part in ("brow", "eye", "mouth")]
        np.testing.assert_allclose(parts, expected, atol=1e-3)


def test_a_mask_that_comes_and_goes_keeps_the_id_and_silences_its_part(bare: dict[str, FaceCode]) -> None:
    """Followed as in a video: 30 frames bare, 15 masked, 15 bare; the brows are told throughout."""
    image = portrait("hopper")
    masked = cover(image, bare["hopper"].face.mesh, "mask", np.random.default_rng(1)).image
    regions = np.array([unit.region for unit in ACTION_UNITS])
    seen: list[FaceCode] = []
    with closing(Pipeline()) as pipeline:
        for index in range(60):
            shown = masked if 30 <= index < 45 else image
            seen += pipeline.process(Frame(np.ascontiguousarray(shown), index * 33_333_333, index))
    assert len({one.face.face_id for one in seen}) == 1 and len(seen) >= 57
    hidden = [72 in visibility_codes(one.face.visibility) for one in seen]
    first = len(seen) - 30  # the first masked frame
    assert hidden == [first <= number < first + 15 for number in range(len(seen))]
    for one, covered_now in zip(seen[first - 5 :], hidden[first - 5 :], strict=True):
        assert one.aus.confidence[regions == "lower_face"].any() != covered_now
        assert one.aus.confidence[regions == "brows"].min() > 0


def test_without_features_contrast_decides(bare: dict[str, FaceCode]) -> None:
    """As with MediaPipe's own graphs: a plain block hides, and no head is asked."""
    from facial_coding_ros.tracking.regions import Landmarks

    face, image = bare["hopper"].face, portrait("hopper").copy()
    landmarks, columns = [Landmarks(face.mesh, 1.0)], face.mesh.T[None]
    (open_face,) = visibility(image, landmarks, columns, [face.pose], VisibilityHead.load())
    low, high = face.mesh[:, :2].min(0).astype(int), face.mesh[:, :2].max(0).astype(int)
    image[(low[1] + high[1]) // 2 + 10 : high[1] + 10, low[0] : high[0]] = 90
    (hidden,) = visibility(image, landmarks, columns, [face.pose], VisibilityHead.load())
    assert visibility_codes(open_face) == () and 72 in visibility_codes(hidden)


def test_what_is_outside_of_the_image_is_not_seen(code: Coder) -> None:
    image = portrait("hopper")
    whole = code(image)
    assert whole is not None
    mouth = int(whole.face.mesh[13, 1])
    cut = code(image[: mouth - 12])
    if cut is not None:
        assert cut.face.visibility.lower_face < NOT_VISIBLE_BELOW


def test_expressions_of_hidden_parts_go_to_unsure() -> None:
    from facial_coding_ros.coding.expression.labels import ExpressionSettings

    probability = np.zeros((3, 8), np.float32)
    probability[:, 1] = 0.9
    seen = [Visibility(1, 1, 1, 1), Visibility(0.67, 1, 1, 0.05), Visibility(0.5, 0.5, 0.5, 0.5)]
    told = told_of(probability, seen, ExpressionSettings(), np.zeros((3, 2), np.float32))
    assert [one.label for one in told] == ["happy", "unsure", "happy"]
