# SPDX-License-Identifier: Apache-2.0
"""Data sets read as one family, on written miniatures of their true layouts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facial_coding_ros.cli import main
from facial_coding_ros.datasets import registry
from facial_coding_ros.datasets.contents import check
from facial_coding_ros.datasets.disfa import ALL_AUS as DISFA_AUS
from facial_coding_ros.datasets.labelled import sequence
from facial_coding_ros.datasets.motions import Motions
from facial_coding_ros.datasets.records import UNKNOWN, DatasetError
from facial_coding_ros.datasets.registry import read_recordings as read
from facial_coding_ros.datasets.registry import recordings
from facial_coding_ros.learning.motions.motion_data import open_data


def picture(path: Path, value: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((24, 32, 3), value, np.uint8))


def text(path: Path, content: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding=encoding)


def disfa(root: Path) -> None:
    for subject in ("SN001", "SN002"):
        for au in DISFA_AUS:
            lines = [f"{frame},{(frame + au) % 6}" for frame in range(1, 7)]
            text(root / "ActionUnit_Labels" / subject / f"{subject}_au{au}.txt", "\n".join(lines) + "\n")
    video = root / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi"
    video.parent.mkdir(parents=True)
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 20, (32, 24))
    for number in range(6):
        writer.write(np.full((24, 32, 3), 20 * number, np.uint8))
    writer.release()


def disfa_plus(root: Path) -> None:
    trial = "Z_SupriseText_TrailNo_2"
    for au in (1, 12):
        text(root / "Labels" / "SN001" / "SN001" / trial / f"AU{au}.txt", "000.jpg 0\n001.jpg 2\n002.jpg 5\n")
    for number in range(3):
        picture(root / "Images" / "SN001" / trial / f"{number:03d}.jpg")


def ck_plus(root: Path) -> None:
    for number in (1, 2, 11):
        picture(root / "cohn-kanade-images" / "S005" / "001" / f"S005_001_{number:08d}.png")
        lines = "".join(f"   {1.5 * i:.7e}   {2.0 * i:.7e}\n" for i in range(68))
        stray = "\x80" if number == 11 else ""
        text(root / "Landmarks/S005/001" / f"S005_001_{number:08d}_landmarks.txt", lines + stray, "latin-1")
    text(root / "FACS/S005/001/S005_001_00000011_facs.txt", "   9.0000000e+00   5.0000000e+00\n 17.0e+00 0.0e+00\n")
    text(root / "Emotion/S005/001/S005_001_00000011_emotion.txt", "   3.0000000e+00\n")
    text(root / "FACS/S010/002/S010_002_00000014_facs.txt", "1.2e+01 2.0e+00\n")


def bp4d(root: Path) -> None:
    text(root / "AUCoding/AU_OCC/F001_T1.csv", "0,1,6,12\n1,0,1,9\n2,1,1,0\n")
    text(root / "AUCoding/AU_INT/AU06/F001_T1_AU06.csv", "1,3\n2,9\n")
    picture(root / "Sequences(2D+3D)/F001/F001/T1/0001.jpg")


def bu3dfe(root: Path) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(0, 40, (83, 3))
    for code in ("NE00", "AN01", "HA04"):
        rows = "".join(f"{100 + i}\t\t{x:.4f} {y:.4f} {z:.4f}\n" for i, (x, y, z) in enumerate(points))
        text(root / "F0001" / f"F0001_{code}WH_F3D.bnd", rows)


def openface(path: Path) -> None:
    names = ["frame", "face_id", "timestamp", "confidence", "success"]
    names += [f"{axis}_{i}" for axis in "xy" for i in range(68)]
    names += [f"{axis}_{i}" for axis in "XYZ" for i in range(68)] + ["AU01_r", "AU12_r", "AU12_c"]
    rows = [", ".join(names)]
    for number in range(3):
        rows.append(", ".join(map(str, [number + 1, 0, number / 30, 0.98, 1, *range(136), *range(204), 0.5, 3.2, 1])))
    text(path, "\n".join(rows) + "\n")


def images(root: Path) -> None:
    for number in (2, 10, 1):
        picture(root / f"{number}.png", 10 * number)
    text(root / "labels.csv", "frame,person_id,au12,au04_c,expression\n0,ann,0,0,neutral\n2,ann,4,9,joy\n")


WRITERS = {
    "disfa": disfa, "disfa_plus": disfa_plus, "ck_plus": ck_plus, "bp4d": bp4d, "bu3dfe": bu3dfe, "images": images,
}  # fmt: skip


@pytest.mark.parametrize("kind", list(WRITERS))
def test_recognised_checked_and_told(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    WRITERS[kind](tmp_path)
    assert registry.recognise(tmp_path, recordings()) == kind
    assert main(["datasets", "check", str(tmp_path)]) == 0
    assert f": {kind}, " in capsys.readouterr().out
    for one in read(tmp_path):
        n = len(one)
        assert n and one.present.shape == one.intensity.shape == (n, len(one.aus))
        assert one.seconds.shape == one.expression.shape == one.neutral.shape == (n,) and one.region.shape == (n, 4)
        assert (np.diff(one.frames) > 0).all() and set(np.unique(one.present)) <= {UNKNOWN, 0, 1}
        assert np.nanmin(one.intensity, initial=0) >= 0 and np.nanmax(one.intensity, initial=0) <= 5


def test_disfa(tmp_path: Path) -> None:
    disfa(tmp_path)
    first, second = read(tmp_path)
    assert first.subject == "SN001" and first.seconds[1] == pytest.approx(0.05)
    column = first.aus.index(4)
    assert first.intensity[:, column].tolist() == [5, 0, 1, 2, 3, 4]
    assert first.present[:, column].tolist() == [1, 0, 0, 1, 1, 1]
    shown = list(first.images([1, 3]))
    assert abs(float(shown[1].mean()) - 40) < 4 and list(second.images([1])) == [None]


def test_disfa_plus(tmp_path: Path) -> None:
    disfa_plus(tmp_path)
    (one,) = read(tmp_path)
    assert one.aus == (1, 12) and one.present[:, 1].tolist() == [0, 1, 1] and one.intensity[:, 0].tolist() == [0, 2, 5]
    assert next(iter(one.images([2]))).shape == (24, 32, 3)
    text(tmp_path / "Labels/SN001/SN001/Z_SupriseText_TrailNo_2/AU12.txt", "000.jpg 0\n001.jpg 7\n002.jpg 5\n")
    with pytest.raises(DatasetError, match=r'AU12\.txt, line 2.*"000.jpg 0" with 0 to 5'):
        list(read(tmp_path))


def test_ck_plus(tmp_path: Path) -> None:
    ck_plus(tmp_path)
    one, other = read(tmp_path)
    assert one.name == "S005_001" and one.frames.tolist() == [1, 11] and one.aus == (9, 12, 17)
    assert one.expression.tolist() == ["neutral", "disgusted"] and one.neutral.tolist() == [1, 0]
    assert one.present.tolist() == [[0, 0, 0], [1, 0, 1]]
    assert one.intensity[1, 0] == 5 and np.isnan(one.intensity[1, 2]), "0: there, but nobody said how strongly"
    assert one.points is not None and one.points.shape == (2, 68, 2) and one.points[0, 2].tolist() == [3, 4]
    assert other.expression.tolist() == ["neutral", ""]


def test_bp4d(tmp_path: Path) -> None:
    bp4d(tmp_path)
    (one,) = read(tmp_path)
    assert one.present.tolist() == [[0, 1, UNKNOWN], [1, 1, 0]]
    assert one.intensity[0, 1] == 3 and np.isnan(one.intensity[1, 1]) and np.isnan(one.intensity[:, 0]).all()


def test_openface_csv(tmp_path: Path) -> None:
    openface(tmp_path / "clip.csv")
    assert registry.recognise(tmp_path / "clip.csv", recordings()) == "openface_csv"
    (one,) = read(tmp_path / "clip.csv")
    assert one.aus == (1, 12) and one.intensity[0].tolist() == pytest.approx([0.5, 3.2])
    assert one.present.tolist() == [[0, 1]] * 3 and one.seconds[2] == pytest.approx(2 / 30)
    assert one.points is not None and one.points.shape == (3, 68, 3) and one.points[0, 1].tolist() == [1, 69, 137]


def test_own_csv(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    header = "recording,stamp_ns,person_id,au12,au4_c,neutral\n"
    text(path, header + "a,2000000000,p,3,9,0\na,1000000000,p,9,1,1\nb,5,q,,0,\n")
    first, second = read(path)
    assert (first.name, first.subject, first.absolute) == ("a", "p", True) and first.seconds.tolist() == [1, 2]
    assert first.aus == (4, 12) and first.present.tolist() == [[1, UNKNOWN], [UNKNOWN, 1]]
    assert first.neutral.tolist() == [1, 0] and second.neutral.tolist() == [UNKNOWN]
    for bad, words in (
        ("frame,au12\n0,7\n", "line 2, column au12: 7; 0 to 5 or 9"),
        ("frame,au12\n0,x\n", "line 2, column au12: 'x' is no number"),
        ("frame,au12_c\n0,2\n", "column au12_c: 2; 0, 1 or 9"),
        ("frame,au12_c\n0,0.5\n", "column au12_c: 0.5; 0, 1 or 9"),
        ("frame,neutral\n0,3\n", "line 2, column neutral: 3; 0, 1 or 9"),
        ("frame,au12\n1.5,1\n", "line 2, column frame: 1.5; a whole number from 0"),
        ("frame,au12\n0,1\n-4,1\n", "line 3, column frame: -4; a whole number"),
        ("frame,au12\nnan,1\n", "column frame: nan; a whole number"),
        ("frame,au12\ninf,1\n", "column frame: inf; a whole number"),
        ("seconds,au12\nnan,1\n", "column seconds: nan; a number is expected"),
        ("seconds,frame,au12\n0.1,1.5,1\n", "column frame: 1.5; a whole number"),
        ("frame,au12\n3,1\n4,1\n3,2\n", "line 4: the moment of line 2 again, of labels"),
        ("frame,person_id,recording,au12\n3,p,a,1\n3,q,a,1\n3,p,b,1\n3,p,a,1\n", "line 5: .* of p in a"),
        ("frame,au12,AU12_r\n0,1,1\n", "line 1: columns au12 and AU12_r are the same"),
        ("frame,Frame,au12\n0,1,1\n", "columns frame and Frame are the same"),
        ("frame,au99\n0,1\n", "line 1, column au99: FACS has no such action unit"),
        ("\nframe,au12\n\n0,1\n \n1,7\n", "line 6, column au12: 7"),
        ("frame,expression\n\n0,hungry\n", "line 3: expression 'hungry'"),
        ("frame,xmin,ymin,xmax,ymax\n0,10,20,110,120\n", "line 2, column xmin: 10; 0 to 1, as a share of the image"),
        ("frame,xmin,ymin,xmax,ymax\n0,.5,.2,.1,.4\n", "line 2: xmin is not below xmax"),
        ("frame,au12\n0,1,2\n", "line 2: 3 cells; the header has 2"),
        ("frame,expression\n0,hungry\n", "expression 'hungry'; one of"),
        ("time,au12\n0,1\n", "its columns are time, au12; frame, seconds or stamp_ns"),
    ):
        text(path, bad)
        with pytest.raises(DatasetError, match=words.replace("(", r"\(")):
            list(read(path))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le"])
def test_not_in_utf8(encoding: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "labels.csv"
    name = "p" if encoding == "utf-16-le" else "J\u00fcrgen"
    text(path, f"frame,person_id,au12\n0,{name},1\n", encoding)
    assert main(["datasets", "check", str(path)]) == 1
    assert f"{path} is not in UTF-8; save it as UTF-8" in capsys.readouterr().err


def test_openface_of_images_has_no_times(tmp_path: Path) -> None:
    """All of them at 0 s: the frames tell them apart."""
    openface(tmp_path / "clip.csv")
    rows = [row.split(", ") for row in (tmp_path / "clip.csv").read_text().splitlines()]
    for row in rows[1:]:
        row[2] = "0"
    text(tmp_path / "clip.csv", "\n".join(", ".join(row) for row in rows))
    (one,) = read(tmp_path / "clip.csv")
    assert one.frames.tolist() == [1, 2, 3]


def test_images_folder(tmp_path: Path) -> None:
    images(tmp_path)
    (one,) = read(tmp_path)
    assert one.expression.tolist() == ["neutral", "happy"]
    assert [int(image[0, 0, 0]) for image in one.images([0, 2])] == [10, 100], "frames count images in natural order"
    text(tmp_path / "labels.csv", "frame,au12\n3,1\n")
    with pytest.raises(DatasetError, match="labels frame 3; the folder has images 0 to 2"):
        list(read(tmp_path))


def test_ict() -> None:
    from facial_coding_ros.models import model_path

    found = check(model_path("ict_mesh.npz"))
    assert found.kind == "ict" and found.people == 10 and found.coded[12] == (210, 10)


def test_a_cut_model_is_named(tmp_path: Path) -> None:
    from facial_coding_ros.models import model_path

    path = tmp_path / "ict_mesh.npz"
    path.write_bytes(model_path("ict_mesh.npz").read_bytes()[:5000])
    with pytest.raises(DatasetError, match=r"ict_mesh\.npz is damaged"):
        check(path)


def test_other_tables_beside_bp4d_are_passed_over(tmp_path: Path) -> None:
    bp4d(tmp_path)
    text(tmp_path / "AUCoding/AU_OCC/00_notes.csv", "subject,remark\n")
    assert check(tmp_path).coded[6] == (2, 2)


@pytest.mark.parametrize("kind", ["disfa", "disfa_plus", "ck_plus", "bp4d", "bu3dfe"])
def test_the_mark_before_utf8_is_passed_over(kind: str, tmp_path: Path) -> None:
    WRITERS[kind](tmp_path)
    before = check(tmp_path)
    for path in tmp_path.rglob("*"):
        if path.suffix in (".txt", ".csv", ".bnd"):
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert check(tmp_path) == before


def spoil_disfa(root: Path, content: str) -> None:
    text(root / "ActionUnit_Labels/SN001/SN001_au1.txt", content)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root: disfa(root) or (root / "ActionUnit_Labels/SN001/SN001_au4.txt").unlink(), "SN001_au4.txt"),
        (lambda root: bp4d(root) or text(root / "AUCoding/AU_OCC/F001_T1.csv", "0,1\n1,5\n"), "line 2"),
        (lambda root: ck_plus(root) or text(root / "Emotion/S005/001/S005_001_00000011_emotion.txt", "12"), "0 to 7"),
        (lambda root: ck_plus(root) or text(root / "Emotion/S005/001/S005_001_00000011_emotion.txt", "nan"), ": 'nan'"),
        (lambda root: ck_plus(root) or text(root / "Emotion/S005/001/S005_001_00000011_emotion.txt", ""), "nothing;"),
        (lambda root: ck_plus(root) or text(root / "FACS/S005/001/S005_001_00000011_facs.txt", "1 2\nnan 0"), "line 2"),
        (lambda root: disfa(root) or spoil_disfa(root, "1,0\n3,0\n2,0\n"), "SN001_au1.txt, line 3: frame 2 after 3"),
        (lambda root: disfa(root) or spoil_disfa(root, "1,0\n1,0\n"), "SN001_au1.txt, line 2: frame 1 after 1"),
        (lambda root: bp4d(root) or text(root / "AUCoding/AU_OCC/F001_T1.csv", ""), "F001_T1.csv, line 1"),
        (lambda root: text(root / "readme.txt", "x"), "layout of no data set known here"),
    ],
)
def test_what_is_wrong_is_named(spoil, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(tmp_path)
    assert main(["datasets", "check", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error


@pytest.fixture
def waves():
    """A data set of somebody's own: one person who smiles and does not, in files NAME.wave."""

    def read_waves(root: Path):
        for file in sorted(root.glob("*.wave")):
            strength = np.array([[float(line)] for line in file.read_text().split()], np.float32)
            yield sequence("waves", file.stem, file.stem, range(len(strength)), np.arange(len(strength)) / 10, [12],
                           (strength >= 2).astype(np.int8), strength)  # fmt: skip

    def motions(root: Path) -> Motions:
        kpm = np.zeros((8, 136), np.float32)
        kpm[:, 48] = 5.0
        return Motions(kpm, np.array(list("aabbccdd")), np.full(8, np.nan, np.float32), "waves")

    registry.register(
        registry.Dataset(
            "waves", "Waves",
            recordings=registry.DatasetReader(read_waves, "NAME.wave", lambda path: any(path.glob("*.wave"))),
            motions=registry.DatasetReader(motions, "folder of waves"),
        )
    )  # fmt: skip
    yield
    registry.unregister("waves")


def test_a_registered_data_set_is_found_by_the_commands(waves, tmp_path, capsys):
    text(tmp_path / "anna.wave", "0\n3\n5\n")
    assert main(["datasets", "check", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "waves, 1 people, 1 recordings, 3 frames" in out
    assert "AU12  coded in       3 frames, there in      2" in out
    assert open_data(f"waves:{tmp_path}").people == 4
    assert open_data(f"Waves:{tmp_path}").source == "waves"
    with pytest.raises(ValueError, match="registered already"):
        registry.register(registry.Dataset("waves", "Other waves"))


def test_every_kind_of_content_has_its_readers():
    assert set(registry.au_images()) == {"bp4d", "disfa"}
    assert set(registry.expression_sets()) == {"bp4d", "bu3dfe"}
    assert set(registry.coded_recordings()) == {"bp4d", "csv", "disfa"}
    assert set(registry.motion_sets()) == {"bp4d", "ck_plus", "disfa", "landmarks", "motions"}
    for dataset in map(registry.find, registry.au_images()):
        assert dataset is not None and dataset.aus and len(dataset.folds) == 3
    assert registry.find("CK+") is registry.find("ck_plus") is not None
    assert registry.find("nobody") is None
