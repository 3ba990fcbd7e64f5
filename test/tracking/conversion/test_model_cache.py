# SPDX-License-Identifier: Apache-2.0
"""Networks made from MediaPipe's wheel: once, checked, kept, or taken from a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from facial_coding_ros.inference import InferenceSettings, ModelError, ModelFile, open_session
from facial_coding_ros.tracking.conversion import convert, model_cache
from facial_coding_ros.tracking.conversion.model_cache import made_models, tracker_models, write_files
from facial_coding_ros.tracking.landmark_network import converter

pytest.importorskip("onnx", reason="onnx converts the networks")
pytest.importorskip("mediapipe", reason="its wheel holds the networks")
ONNX_RUNTIME = InferenceSettings(backend="onnxruntime")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    made_models(folder)
    return folder


@pytest.mark.slow
def test_converted_once_and_again_when_damaged_or_made_otherwise(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = made_models(folder).detector.path
    made = path.stat().st_mtime_ns
    assert made_models(folder).detector.path.stat().st_mtime_ns == made
    path.write_bytes(path.read_bytes()[:-100])
    assert made_models(folder).detector.path == path and "damaged" in caplog.text
    open_session(path, ONNX_RUNTIME).close()
    card = path.with_suffix(".yaml")
    said = yaml.safe_load(card.read_text())
    card.write_text(yaml.safe_dump({**said, "converter_sha256": "another"}))
    made_models(folder)
    assert yaml.safe_load(card.read_text()) == said


def test_cards_say_whose_they_are_and_what_they_were_compared_with(folder: Path) -> None:
    for name in ("face_detector", "face_landmarks"):
        card = yaml.safe_load((folder / f"{name}.yaml").read_text())
        assert card["licence"].startswith("Apache-2.0") and "MediaPipe Authors" in card["copyright"] and card["changes"]
        assert card["compared_with"].startswith("MediaPipe 0.10.21 on x86_64: ")
    assert "Apache License" in (folder / "LICENSE.mediapipe").read_text()


def test_stored_pictures_are_what_engines_are_compared_on(folder: Path) -> None:
    models = made_models(folder)
    for model, name, output in ((models.detector, "views", "logits"), (models.landmarks, "faces", "presence")):
        seen = model.check_inputs({name: (192, 192, 3)}, 4)
        assert 50 < seen[name].mean() < 200 and seen[name].max() > 200
        assert open_session(model, ONNX_RUNTIME).run(seen)[output].max() > 2


def test_without_the_wheel_what_was_made_serves_on(folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    assert made_models(folder).detector.name == "face_detector"
    assert tracker_models(folder).landmarks.name == "face_landmarks"
    with pytest.raises(ModelError, match=r"which is not installed, and .*convert-tracker --out FOLDER") as caught:
        made_models(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_given_folder_that_lacks_something_is_refused(folder: Path, tmp_path: Path) -> None:
    write_files(tmp_path, {path.name: path.read_bytes() for path in folder.iterdir()})
    assert tracker_models(tmp_path).landmarks.sha256 == made_models(folder).landmarks.sha256
    (tmp_path / "face_landmarks.yaml").unlink()
    with pytest.raises(ModelError, match=r"tracking\.networks names .*face_landmarks\.yaml.*convert-tracker"):
        tracker_models(tmp_path)
    card = yaml.safe_load((folder / "face_landmarks.yaml").read_text())
    card["inputs"] = {"faces": "(n, 3, 192, 192) float32, RGB 0..255"}
    (tmp_path / "face_landmarks.yaml").write_text(yaml.safe_dump(card))
    with pytest.raises(
        ModelError, match=r"face_landmarks\.onnx was converted by another version of this package\. Make"
    ):
        tracker_models(tmp_path)


@pytest.mark.parametrize("what", ["lips backwards", "boxes too wide"])
def test_a_network_that_answers_otherwise_is_refused(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = converter.convert_landmark_network

    def lips_backwards(source: bytes, maps: list[Any], iris_depth: list[Any]) -> bytes:
        return right(source, [maps[0][::-1], *maps[1:]], iris_depth)

    if what == "lips backwards":
        monkeypatch.setattr(converter, "convert_landmark_network", lips_backwards)
        message = r"face landmarks .* is not right: points differ by \d.* 0\.3 and 0\.05 allowed"
    else:
        monkeypatch.setattr("facial_coding_ros.tracking.detector.boxes.STEP", 4.1)
        message = r"face detector .* is not right: boxes differ by \d.* 1% and 0\.02 allowed"
    with pytest.raises(ModelError, match=message):
        convert.converted_files()


@pytest.mark.slow
def test_where_they_cannot_be_kept_they_work_all_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("a file where the folder should be")
    models = made_models(tmp_path / "file" / "models")
    open_session(models.landmarks, ONNX_RUNTIME).close()
    assert "cannot be kept" in caplog.text and "converted again at the next start" in caplog.text


@pytest.mark.slow
def test_a_full_disk_and_two_nodes_at_once(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk. Each node has its networks; only two of them can keep them."""
    script = (
        "import logging, resource, signal, sys\n"
        "from pathlib import Path\n"
        "from facial_coding_ros.inference import InferenceSettings, open_session\n"
        "from facial_coding_ros.tracking.conversion.model_cache import made_models\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "if sys.argv[2] == 'full':\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "open_session(made_models(Path(sys.argv[1])).landmarks, InferenceSettings(backend='onnxruntime'))\n"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), disk], stderr=subprocess.PIPE, text=True)
        for disk in ("full", "free", "free")
    ]
    full, *free = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0, 0], (full, free)
    assert "cannot be kept ([Errno 27] File too large)" in full
    assert not any("cannot be kept" in said for said in free)
    assert not list(tmp_path.glob("*.part"))
    assert ModelFile.read(tmp_path / "face_landmarks.onnx").name == "face_landmarks"


def test_without_onnx_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModelError, match=r"with the packages onnx and mediapipe, .*convert-tracker") as caught:
        convert.converted_files()
    assert "\n" not in str(caught.value)


def test_a_conversion_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line of the process that converts is the error here; a crash without words is told too."""
    monkeypatch.setattr(model_cache, "wheel_folder", lambda: tmp_path)
    monkeypatch.setattr(model_cache.sys, "executable", "/bin/false")
    with pytest.raises(ModelError, match="The conversion of MediaPipe's networks ended with 1"):
        made_models(tmp_path / "models")
