# SPDX-License-Identifier: Apache-2.0
"""Pictures coded alone, from Python and by replay, with the neutrals that they may be given."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facial_coding_ros import PipelineSettings, code_image, code_recording
from facial_coding_ros.cli import main
from facial_coding_ros.image.sources import SourceError, open_source
from facial_coding_ros.learning.tracking.scenes import FacePlace, background, paste, portrait
from facial_coding_ros.still_coder import StillCoder
from facial_coding_ros.types import Frame, NeutralState

from .conftest import CLIP


def save(path: Path, image: np.ndarray) -> None:
    Image.fromarray(image).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two portraits, a picture without anybody, and the right person of the demo clip at rest and smiling."""
    folder = tmp_path_factory.mktemp("photographs")
    save(folder / "collins.png", portrait("collins"))
    save(folder / "hopper.jpg", portrait("hopper"))
    save(folder / "nobody.png", background(320, 240))
    frames = {frame.index: frame.image for frame in open_source(CLIP).frames()}
    for name, index in (("guest_rest.png", 60), ("guest_smile.png", 220)):
        save(folder / name, frames[index][:, frames[index].shape[1] // 2 :])
    return folder


@pytest.fixture(scope="module")
def coder(folder: Path) -> Iterator[StillCoder]:
    coder = StillCoder(PipelineSettings())
    yield coder
    coder.close()


def test_each_picture_is_coded_alone_in_any_order(folder: Path) -> None:
    recording = code_recording(folder, stills=True)
    names = recording.source.pictures
    coded = list(recording)
    assert [len(entry.faces) for entry in coded] == [1, 1, 1, 1, 0]
    for entry in (coded[3], coded[0]):
        alone = code_image(folder / names[entry.frame.index])
        assert np.array_equal(alone.faces[0].aus.intensity, entry.faces[0].aus.intensity, equal_nan=True)
        assert np.array_equal(alone.faces[0].latent, entry.faces[0].latent, equal_nan=True)
    assert len({entry.faces[0].face.face_id for entry in coded[:4]}) == 4


def test_table_names_the_pictures(folder: Path) -> None:
    columns = code_recording(folder, stills=True).columns()
    assert columns["picture"].tolist() == ["collins.png", "guest_rest.png", "guest_smile.png", "hopper.jpg"]
    assert columns["au12"][2] > columns["au12"][1]


def test_a_neutral_from_a_picture_and_from_a_table_of_persons(folder: Path, tmp_path: Path) -> None:
    rest, smile = 1, 2
    prior = code_recording(folder, stills=True).columns()
    given = code_recording(folder, stills=True, neutral_from=folder / "guest_rest.png").columns()
    assert given["au12_confidence"][smile] > prior["au12_confidence"][smile]
    units = [name for name in given if name[:2] == "au" and name[2:].isdigit()]
    assert max(float(given[name][rest]) for name in units) < 0.1  # at rest is what it is measured against
    assert given["au12"][smile] > 0.3
    table = tmp_path / "neutrals.csv"
    rows = (f"guest,{folder / 'guest_rest.png'},", f"grace,{folder / 'hopper.jpg'},h*.jpg")
    table.write_text("\n".join(("person,neutral,pictures", *rows)))
    own = code_recording(folder, stills=True, neutral_from=table).columns()
    assert own["person_id"].tolist() == ["", "guest", "guest", "grace"]
    assert np.allclose(own["au12"][smile], given["au12"][smile]) and np.allclose(own["au12"][0], prior["au12"][0])


def test_two_faces_get_no_persons_neutral(coder: StillCoder, folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "neutrals.csv"
    table.write_text(f"person,neutral\nhopper,{folder / 'hopper.jpg'}\n")
    image = background(640, 480).copy()
    paste(image, "hopper", FacePlace(200, 240, 130))
    paste(image, "collins", FacePlace(450, 240, 130))
    own = StillCoder(PipelineSettings(), table)
    try:
        both = own.code(Frame(image, 0), "hopper_and_friend.jpg")
        plain = coder.code(Frame(image, 0))
        (alone,) = own.code(Frame(portrait("hopper"), 0), "hopper-2.jpg")
    finally:
        own.close()
    assert [code.face.person_id for code in both] == ["", ""] and alone.face.person_id == "hopper"
    both, plain = (sorted(codes, key=lambda code: code.face.region.xmin) for codes in (both, plain))
    assert len(both) == 2
    assert all(
        np.array_equal(a.aus.intensity, b.aus.intensity, equal_nan=True) for a, b in zip(both, plain, strict=True)
    )
    assert alone.neutral_state is NeutralState.READY


def test_replay_of_stills(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["replay", str(folder), "--stills", "--neutral-from", str(folder / "guest_rest.png")]
    assert main([*arguments, "--out", str(tmp_path), "--formats", "csv"]) == 0
    with (tmp_path / "frames.csv").open(newline="") as file:
        frames = list(csv.DictReader(file))
    assert [(row["picture"], row["faces"]) for row in frames][-1] == ("nobody.png", "0")
    with (tmp_path / "face_codes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    truth = code_recording(folder, stills=True, neutral_from=folder / "guest_rest.png").columns()
    assert [row["frame"] for row in rows] == ["0", "1", "2", "3"]
    assert np.allclose([float(row["au12"]) for row in rows], truth["au12"], atol=1e-3)


def test_resume_knows_the_content_of_neutrals(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another picture under the same name is another neutral, named by a table too."""
    one = tmp_path / "one"
    one.mkdir()
    shutil.copy(folder / "guest_smile.png", one)
    shutil.copy(folder / "guest_rest.png", tmp_path / "rest.png")
    (tmp_path / "neutrals.csv").write_text("person,neutral\nguest,rest.png\n")
    command = ["replay", str(one), "--stills", "--resume", "--out", str(tmp_path / "out"), "--formats", "csv"]
    command += ["--neutral-from", str(tmp_path / "neutrals.csv")]
    kept = []
    for neutral in ("guest_rest.png", "guest_rest.png", "guest_smile.png"):
        shutil.copy(folder / neutral, tmp_path / "rest.png")
        assert main(command) == 0
        kept.append("it was there already" in capsys.readouterr().out)
    assert kept == [False, True, False]


def test_one_picture(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = tmp_path / "one"
    one.mkdir()
    shutil.copy(folder / "hopper.jpg", one)
    for given in (one, one / "hopper.jpg"):
        assert main(["replay", str(given), "--out", str(tmp_path / "out")]) == 1
        error = capsys.readouterr().err
        assert "holds 1 picture; in a recording a face counts when it was seen in 3 frames" in error
        assert "--stills" in error
        with pytest.raises(SourceError, match="stills=True"):
            code_recording(given)
        assert main(["replay", str(given), "--stills", "--out", str(tmp_path / "out"), "--formats", "csv"]) == 0
        assert "1 frames, 1 face, 1 face codes" in capsys.readouterr().out


def test_unrelated_pictures_without_the_option_get_a_note(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for name in ("collins.png", "hopper.jpg", "nobody.png"):
        shutil.copy(folder / name, mixed)
    assert main(["replay", str(mixed), "--out", str(tmp_path / "out"), "--formats", "csv"]) == 0
    assert "no face in 3 pictures; if they are no recording, add --stills" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("who,neutral\nanna,a.jpg\n", "has no column 'person'; person,neutral"),
        ("person,neutral\n", "has no row"),
        ("person,neutral\nanna,\n", "line 2: a person and a neutral picture are expected"),
        ("person,neutral\nanna,none.jpg\n", r"line 2: .*No such file.*none\.jpg"),
        ("person,neutral\nanna,{folder}/nobody.png\n", "line 2: .*nobody.png shows no faces; one face at rest"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(folder: Path, tmp_path: Path, text: str, words: str) -> None:
    table = tmp_path / "neutrals.csv"
    table.write_text(text.format(folder=folder))
    with pytest.raises(ValueError, match=words):
        StillCoder(PipelineSettings(), table)


def test_stills_of_what_is_none(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no picture and no folder of pictures"):
        code_recording(CLIP, stills=True)
    with pytest.raises(ValueError, match="it is for stills=True"):
        code_recording(folder, neutral_from="a.jpg")
    assert main(["replay", str(folder), "--stills", "--neutral", "0:3", "--out", str(tmp_path)]) == 1
    assert "--neutral names frames of a recording" in capsys.readouterr().err
