# SPDX-License-Identifier: Apache-2.0
"""What docs/extending.md says, done: a small one of each kind of extension, through the same doors as our own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from facial_coding_ros.cli import main
from facial_coding_ros.coding.coding_graph import Arrays, Coder
from facial_coding_ros.coding.facs import FacsSettings
from facial_coding_ros.coding.frame_faces import FrameFaces
from facial_coding_ros.coding.protocols import ActionUnitEstimates
from facial_coding_ros.coding.registries import ACTION_UNIT_ESTIMATORS
from facial_coding_ros.coding.settings import CodingSettings
from facial_coding_ros.datasets import registry as datasets
from facial_coding_ros.datasets.labelled import LabelledSequence, sequence
from facial_coding_ros.datasets.registry import Dataset, DatasetReader
from facial_coding_ros.events import Event, EventDetectors, Phase
from facial_coding_ros.image.sources import open_source
from facial_coding_ros.inference import InferenceSettings
from facial_coding_ros.nodes import parameters
from facial_coding_ros.nodes.settings import NodeSettings
from facial_coding_ros.options import option
from facial_coding_ros.pipeline import Pipeline, PipelineSettings
from facial_coding_ros.tracking import TrackingSettings, make_tracker
from facial_coding_ros.tracking.pose import PoseEstimator
from facial_coding_ros.tracking.regions import Detection, Landmarks, Square
from facial_coding_ros.tracking.registries import LANDMARK_SOURCES
from facial_coding_ros.types import ActionUnits, FaceCode, FloatArray, ImageArray

from .conftest import CLIP

LIP_CORNERS = [61, 291]


class LipCornerEstimator:
    """AU12 from how far the lip corners moved apart: a model of one line."""

    codes = (12,)
    needs: frozenset[str] = frozenset()
    coders: Mapping[str, Coder] = {}
    backend = ""

    def __init__(self, settings: CodingSettings, inference: InferenceSettings, background: bool = False) -> None:
        self.configure(settings)

    def inputs(self, faces: FrameFaces) -> dict[str, dict[str, FloatArray]]:
        return {}

    def estimate(self, faces: FrameFaces, outputs: Mapping[str, Arrays]) -> ActionUnitEstimates:
        units = [self._units(0.0, 0.0)] * len(faces)
        for i, motion in zip(faces.known, faces.motions, strict=True):
            right, left = motion.dense[LIP_CORNERS, 0]
            units[i] = self._units(float(np.clip(5 * (left - right), 0, 1)), 1.0)
        return ActionUnitEstimates.of_this_frame(units)

    def _units(self, intensity: float, confidence: float) -> ActionUnits:
        one, unsided = np.array([intensity], np.float32), np.full(1, np.nan, np.float32)
        return ActionUnits(self.codes, one, np.array([confidence], np.float32), unsided, unsided)

    def configure(self, settings: CodingSettings) -> None:
        self.settings = settings.facs

    def close(self) -> None:
        pass


def test_an_action_unit_model() -> None:
    ACTION_UNIT_ESTIMATORS.register("lip_corners")(LipCornerEstimator)
    try:
        settings = PipelineSettings(facs=FacsSettings(source="lip_corners"))
        with closing(Pipeline(settings)) as pipeline:
            assert pipeline.form.aus == (12,)
            frames = islice(open_source(CLIP).frames(), 0, 90, 3)
            codes = [code for frame in frames for code in pipeline.process(frame)]
    finally:
        ACTION_UNIT_ESTIMATORS.unregister("lip_corners")
    strengths = [code.aus[12] for code in codes if code.aus.confidence[0] > 0]
    assert len(strengths) > 20 and max(strengths) > 0.2
    with pytest.raises(ValueError, match="'blendshapes', 'keypoints', 'network'"):
        FacsSettings(source="lip_corners")


class MirroredLandmarks:
    """A backend on top of the shipped one: it looks at the image in a mirror and gives the mesh as seen there."""

    detects_always = False
    turned_views = False
    shape_spread = 1.0
    landmark_network = ""

    def __init__(self, settings: TrackingSettings, inference: InferenceSettings, pose: PoseEstimator) -> None:
        self._networks = LANDMARK_SOURCES.create("onnx", settings, inference, pose)
        self.backend = f"mirrored: {self._networks.backend}"

    def process(
        self, image: ImageArray, squares: Sequence[Square], views: Sequence[Square] = ()
    ) -> tuple[list[Landmarks | None], list[Detection]]:
        return self._networks.process(np.ascontiguousarray(image[:, ::-1]), squares, views)

    def close(self) -> None:
        self._networks.close()


def test_a_landmark_backend() -> None:
    LANDMARK_SOURCES.register("mirrored")(MirroredLandmarks)
    frames = list(islice(open_source(CLIP).frames(), 12))
    seen = {}
    try:
        for backend in ("onnx", "mirrored"):
            tracker = make_tracker(TrackingSettings(landmark_backend=backend))
            with closing(tracker):
                faces = [tracker.track(frame) for frame in frames][-1]
                assert tracker.backend.startswith("mirrored") == (backend == "mirrored")
            seen[backend] = sorted((face.region.xmin + face.region.xmax) / 2 for face in faces)
    finally:
        LANDMARK_SOURCES.unregister("mirrored")
    assert len(seen["onnx"]) == 2
    np.testing.assert_allclose(seen["mirrored"], sorted(1 - x for x in seen["onnx"]), atol=0.02)
    with pytest.raises(ValueError, match="'mediapipe', 'onnx', 'tasks'"):
        TrackingSettings(landmark_backend="mirrored")


class WideMouth:
    """Moments in which AU27 first passes a half."""

    kinds = ("wide_mouth",)

    def __init__(self) -> None:
        self._wide: set[str] = set()

    def update(self, codes: Sequence[FaceCode], stamp_ns: int) -> list[Event]:
        wide = {code.face.face_id: code.face for code in codes if code.aus[27] > 0.5}
        new = [face for face_id, face in wide.items() if face_id not in self._wide]
        self._wide = set(wide)
        return [
            Event("wide_mouth", face.face_id, face.person_id, stamp_ns, f"{face.face_id}-{stamp_ns}",
                  Phase.MOMENT, start_ns=stamp_ns, apex_ns=stamp_ns, end_ns=stamp_ns)
            for face in new
        ]  # fmt: skip


def test_an_event() -> None:
    detectors = EventDetectors([WideMouth()])
    assert detectors.kinds == ("wide_mouth",)
    with closing(Pipeline()) as pipeline:
        frame = next(open_source(CLIP).frames())
        codes: tuple[FaceCode, ...] = ()
        for index in range(20):
            codes = pipeline.process(dataclasses.replace(frame, stamp_ns=index * 33_000_000))
    (code, *_) = codes
    found = []
    for index, strength in enumerate((0.0, 0.4, 0.9, 0.9, 0.1, 0.8)):
        aus = dataclasses.replace(
            code.aus, intensity=np.where(np.array(code.aus.codes) == 27, strength, 0).astype(np.float32)
        )
        found += detectors.update([dataclasses.replace(code, aus=aus)], index)
    assert [event.stamp_ns for event in found] == [2, 5]


def read_words(path: Path) -> Iterator[LabelledSequence]:
    """One line a frame: the word of its expression."""
    words = path.read_text(encoding="utf-8").split()
    yield sequence("words", "one", path.stem, range(len(words)), np.arange(len(words)) / 30, expression=words)


def test_a_dataset_reader(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "labels.words"
    file.write_text("neutral happy happy")
    reader = DatasetReader(read_words, "a file of words, .words", lambda path: path.suffix == ".words")
    datasets.register(Dataset("words", "words", recordings=reader))
    try:
        assert main(["datasets", "check", str(file)]) == 0
    finally:
        datasets.unregister("words")
    printed = capsys.readouterr().out
    assert "words, 1 people, 1 recordings, 3 frames" in printed
    assert "happy            2 frames" in printed


@dataclasses.dataclass(frozen=True)
class PatientTrackingSettings(TrackingSettings):
    patience_s: float = option(2.0, "how long to wait, seconds", low=0.0, high=10.0, live=True)


def test_a_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Declared once, it is checked, a ROS parameter and a line of the YAML file."""
    with pytest.raises(ValueError, match=r"patience_s is 11.*0 to 10"):
        PatientTrackingSettings(patience_s=11)
    node = NodeSettings(pipeline=PipelineSettings(tracking=PatientTrackingSettings()))
    monkeypatch.setattr(parameters, "NodeSettings", lambda: node)
    declared = {name: (default, entry) for name, default, entry in parameters.declared()}
    default, entry = declared["tracking.patience_s"]
    assert default == 2.0 and entry.live
    text = parameters.as_yaml()
    assert "# how long to wait, seconds; 0 to 10 (live)" in text and "patience_s: 2.0" in text
