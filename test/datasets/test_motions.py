# SPDX-License-Identifier: Apache-2.0
"""Readers of keypoint motions, on small folders of the same form as the releases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.io import savemat

from facial_coding_ros.datasets import bp4d_3d, bp4d_landmarks, ck_plus, disfa_landmarks
from facial_coding_ros.datasets.landmark_files import read_csv, read_points
from facial_coding_ros.datasets.motions import HELD_POINTS, MotionError, Motions, check_kpm, kpm_of
from facial_coding_ros.face_model.ict import IctFaces
from facial_coding_ros.keypoints import DISFA66, INNER49, SPARSE, Registration
from facial_coding_ros.learning.motions.ict_motions import SETTINGS, MeshNoise, synthesise
from facial_coding_ros.learning.motions.motion_data import open_data, split

from ..conftest import REPOSITORY

CLIP = REPOSITORY.parent / "shared" / "data" / "clips" / "smile.mov"
UNITS = ({}, {12: 1.0}, {1: 1.0, 2: 1.0}, {27: 1.0})


@pytest.fixture(scope="module")
def meshes():
    """A face at rest, smiling, with raised brows, with an open mouth: (4, 468, 3), 120 pixels between the eyes."""
    faces = IctFaces.load()
    return np.stack([faces.neutral + faces.au_offsets(units) for units in UNITS]) * 120 + [320, 240, 0]


@pytest.fixture(scope="module")
def expected(meshes):
    points = Registration().register_sparse(SPARSE.from_mesh(meshes)[..., :2])
    return kpm_of(points[1:], points[0])


def pixels(scheme, meshes):
    return scheme.from_mesh(meshes)[..., :2]


def write_points(path, points):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"   {x:.7e}   {y:.7e}\n" for x, y in points))


def test_ck_plus(tmp_path, meshes, expected):
    points = pixels(SPARSE, meshes)
    for subject in ("S005", "S010"):
        for i, face in enumerate(points, start=1):
            write_points(tmp_path / f"Landmarks/{subject}/001/{subject}_001_{i:08d}_landmarks.txt", face)
    # One file of the release holds a stray byte.
    odd = tmp_path / "Landmarks/S010/001/S010_001_00000002_landmarks.txt"
    odd.write_bytes(odd.read_bytes() + b"\x80")
    found = ck_plus.read_motions(tmp_path)
    assert found.people == 2 and len(found) == 6
    np.testing.assert_allclose(found.kpm[:3], expected, atol=0.05)
    peaks = open_data(f"ck+:{tmp_path}").take(np.array([2]))
    np.testing.assert_allclose(peaks.kpm[0], ck_plus.read_motions(tmp_path, peak_only=True).kpm[0], atol=1e-2)
    write_points(odd, points[0][:60])
    with pytest.raises(MotionError, match="60 points; 68 are expected"):
        ck_plus.read_motions(tmp_path)


@pytest.mark.parametrize("name", ["SN{subject:03d}_{zero:04d}_lm.mat", "l{one:05d}_lm.mat"])
def test_disfa(tmp_path, meshes, expected, name):
    points = pixels(DISFA66, meshes)
    for subject in (1, 2, 4):
        folder = tmp_path / f"Landmark_Points/SN{subject:03d}/tmp_frame_lm"
        folder.mkdir(parents=True)
        for i, face in enumerate((3741, 3742, 3743, 3744)):
            savemat(folder / name.format(subject=subject, zero=face - 1, one=face), {"pts": points[i]})
    (tmp_path / "Error_LOG_Sheet.csv").write_text("Subject,start,end\nSN002,3743,3744\n")
    found = disfa_landmarks.read_motions(tmp_path)
    assert found.person.tolist() == ["SN001"] * 3 + ["SN002"]
    # The inner mouth corners, missing in the release, are conversions of the other points, and frontalisation lets
    # every point answer to them: a share of the motion, but no other motion.
    error = np.linalg.norm(found.kpm[:3] - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert error.max() < 0.15
    assert found.time_s[0] == pytest.approx(3741 / 20)
    (tmp_path / "Landmark_Points/SN001/tmp_frame_lm" / name.format(subject=1, zero=3740, one=3741)).unlink()
    with pytest.raises(MotionError, match="frame 3741, the neutral"):
        disfa_landmarks.read_motions(tmp_path)


def test_the_mark_before_utf8_is_passed_over(tmp_path):
    mark = b"\xef\xbb\xbf"
    (tmp_path / "points.txt").write_bytes(mark + b"1 2\n3 4\n")
    assert read_points(tmp_path / "points.txt", 2).tolist() == [[1, 2], [3, 4]]
    (tmp_path / "F001_T1.csv").write_bytes(mark + b"0,1\n5,0\n")
    assert bp4d_3d.neutral_frames(tmp_path / "F001_T1.csv") == {5}
    (tmp_path / "Error_LOG_Sheet.csv").write_bytes(mark + b"SN002,3,4\n")
    assert disfa_landmarks._faulty_frames(tmp_path) == {"SN002": {3, 4}}


def test_disfa_says_what_to_do_with_the_log_sheet(tmp_path):
    (tmp_path / "Error_LOG_Sheet.xls").write_bytes(b"\xd0\xcf")
    with pytest.raises(MotionError, match=r"save it as Error_LOG_Sheet.csv"):
        disfa_landmarks.read_motions(tmp_path)
    with pytest.raises(MotionError, match="expected to be DISFA"):
        disfa_landmarks.read_motions(tmp_path / "elsewhere")


def bp4d_folder(root, meshes):
    """Frames: neutral for one, smile, brows, neutral for three, jaw; frame 2 has no landmarks."""
    order = [0, 1, 2, 0, 0, 0, 3]
    points = [pixels(INNER49, meshes[i : i + 1])[0] + 1 for i in order]
    cells = np.empty((1, len(order)), object)
    for i, face in enumerate(points):
        cells[0, i] = face if i != 1 else np.zeros((0, 0))
    (root / "2DFeatures").mkdir(parents=True)
    savemat(root / "2DFeatures/F001_T1.mat", {"fit": {"pred": cells}})
    occurrence = root / "AUCoding/AU_OCC"
    occurrence.mkdir(parents=True)
    rows = ["0,1,12,27"] + [
        f"{n},{int(i == 2)},{int(i == 1)},{int(i == 3) if n != 1 else 9}" for n, i in enumerate(order, 1)
    ]
    (occurrence / "F001_T1.csv").write_text("\n".join(rows) + "\n")
    return order


def test_bp4d(tmp_path, meshes, expected):
    bp4d_folder(tmp_path, meshes)
    found = bp4d_landmarks.read_motions(tmp_path)
    assert len(found) == 6 and set(found.person) == {"F001"}
    # At rest nothing moves: the neutral is one of the resting frames.
    size = np.linalg.norm(found.kpm, axis=1)
    assert size[[0, 2, 3, 4]].max() < 1e-2 and size[[1, 5]].min() > 30
    brows = np.r_[17:27, 85:95]
    cosine = found.kpm[1, brows] @ expected[1, brows]
    assert cosine / np.linalg.norm(found.kpm[1, brows]) / np.linalg.norm(expected[1, brows]) > 0.95
    (tmp_path / "AUCoding/AU_OCC/F001_T1.csv").unlink()
    with pytest.raises(MotionError, match="no coding of F001"):
        bp4d_landmarks.read_motions(tmp_path)


def test_a_frame_that_nobody_coded_is_no_neutral_of_bp4d(tmp_path, meshes):
    bp4d_folder(tmp_path, meshes)
    table = tmp_path / "AUCoding/AU_OCC/F001_T1.csv"
    rows = ["7,9,9,9" if row.startswith("7,") else row.replace(",0,0,0", ",0,1,0") for row in table.read_text().split()]
    table.write_text("\n".join(rows))
    size = np.linalg.norm(bp4d_landmarks.read_motions(tmp_path).kpm, axis=1)
    assert size[0] < 1e-2 < 30 < size[5], "frame 1 is the neutral, with AU 27 not coded"
    table.write_text("\n".join([rows[0], *(f"{n},9,9,9" for n in range(1, 8))]))
    with pytest.raises(MotionError, match="no coding of F001"):
        bp4d_landmarks.read_motions(tmp_path)


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 cut", b"\x89HDF\r\n\x1a\n" + bytes(200)])
def test_damaged_matlab_files_are_named(tmp_path, meshes, content):
    if content.startswith(b"\x89"):
        pytest.importorskip("h5py", reason="MATLAB 7.3 files need h5py")
    bp4d_folder(tmp_path, meshes)
    (tmp_path / "2DFeatures/F001_T1.mat").write_bytes(content)
    with pytest.raises(MotionError, match=r"F001_T1\.mat cannot be read"):
        bp4d_landmarks.read_motions(tmp_path)


def test_bp4d_as_hdf5(tmp_path, meshes):
    h5py = pytest.importorskip("h5py", reason="MATLAB 7.3 files need h5py")
    bp4d_folder(tmp_path, meshes)
    before = bp4d_landmarks.read_motions(tmp_path)
    cells = [pixels(INNER49, meshes[i : i + 1])[0] + 1 for i in (0, 1, 2, 0, 0, 0, 3)]
    with h5py.File(tmp_path / "2DFeatures/F001_T1.mat", "w") as file:
        refs = file.create_dataset("fit/pred", (7, 1), h5py.ref_dtype)
        for i, cell in enumerate(cells):
            refs[i, 0] = file.create_dataset(f"#refs#/{i}", data=cell.T if i != 1 else np.zeros(2, np.uint64)).ref
    np.testing.assert_allclose(bp4d_landmarks.read_motions(tmp_path).kpm, before.kpm, atol=1e-2)


def write_csv(path, meshes, pattern="{}{}", rows=("a", "a", "b", "b"), extra=""):
    points = pixels(SPARSE, meshes)
    names = [pattern.format(axis, i) for axis in "xy" for i in range(68)]
    lines = ["person," + extra.split("=")[0] + ("," if extra else "") + ",".join(names)]
    for i, person in enumerate(rows):
        mark = f"{int(str(i) in extra.split('=')[1])}," if extra else ""
        lines.append(f"{person},{mark}" + ",".join(f"{v:.4f}" for v in points[i].T.ravel()))
    path.write_text("\n".join(lines) + "\n")


def test_landmark_files(tmp_path, meshes, expected):
    path = tmp_path / "own.csv"
    write_csv(path, meshes, rows=("a",) * 4)
    np.testing.assert_allclose(read_csv(path).kpm, expected, atol=0.1)
    write_csv(path, meshes, "{}_{}", rows=("a",) * 4, extra="neutral=3")
    backwards = read_csv(path)
    assert len(backwards) == 3
    np.testing.assert_allclose(backwards.kpm[0], -expected[2], atol=0.1)
    path.write_text(path.read_text().replace(path.read_text().splitlines()[2].split(",")[5], "wide"))
    with pytest.raises(MotionError, match=r"line 3, column [xy]_[0-9]+: 'wide'; a number is expected"):
        read_csv(path)
    path.write_text("person,a,b\n1,2,3\n")
    with pytest.raises(MotionError, match=r"x0\.\.x67 and y0\.\.y67"):
        read_csv(path)


def openface_lines(meshes):
    """Two faces in a recording of 4 frames, as OpenFace writes them; the first row of each has none."""
    points = pixels(SPARSE, meshes)
    names = [f"{axis}_{i}" for axis in "xy" for i in range(68)]
    lines = [", ".join(["frame", "face_id", "timestamp", "confidence", "success", *names])]
    for face in (0, 1):
        lines.append(", ".join(map(str, [1, face, 0.0, 0.0, 0, *[0.0] * 136])))
        for i, shown in enumerate(points, start=2):
            lines.append(", ".join(map(str, [i, face, i / 30, 0.98, 1, *shown.T.ravel()])))
    return lines


def test_openface_files(tmp_path, meshes, expected):
    path, lines = tmp_path / "of.csv", openface_lines(meshes)
    path.write_text("\n".join(lines) + "\n")
    found = open_data(f"landmarks:{path}")
    assert found.person.tolist() == ["of 0"] * 3 + ["of 1"] * 3
    np.testing.assert_allclose(found.kpm, np.concatenate([expected, expected]), atol=0.1)
    np.testing.assert_allclose(found.time_s, [3 / 30, 4 / 30, 5 / 30] * 2, rtol=1e-6)
    images = [lines[0], *(", ".join([*line.split(", ")[:2], "0", *line.split(", ")[3:]]) for line in lines[1:])]
    path.write_text("\n".join(images))
    assert np.isnan(read_csv(path).time_s).all(), "all images of a folder have the time 0"
    path.write_text("\n".join(lines[:2]))
    with pytest.raises(MotionError, match="no rows with a face"):
        read_csv(path)


def test_odd_rows_of_landmark_files_are_named(tmp_path, meshes):
    path = tmp_path / "own.csv"
    write_csv(path, meshes, extra="neutral=0")
    good = path.read_text()
    lines = good.splitlines()
    resting = lines[1].split(",")
    for row, words in (
        (resting[:-2], "line 4: 136 cells; the header has 138"),
        ([resting[0], "yes", *resting[2:]], "line 4, column neutral: 'yes'; a number is expected"),
        ([resting[0], "9", *resting[2:]], "line 4, column neutral: 9; 0 or 1"),
        ([*resting[:2], "nan", *resting[3:]], "line 4, column x0: 'nan'; a number is expected"),
        ([*resting[:2], *["0"] * 136], "line 4: all points are in one place"),
    ):
        path.write_text("\n".join([*lines[:2], "", ",".join(row), *lines[2:]]))
        with pytest.raises(MotionError, match=words) as raised:
            read_csv(path)
        assert str(path) in str(raised.value)
    path.write_text(good.replace("neutral", "time_s", 1).replace("a,0,", "a,,"))
    with pytest.raises(MotionError, match="line 3, column time_s: ''; a number is expected"):
        read_csv(path)
    path.write_bytes(good.replace("a,1", "J\u00fcrgen,1").encode("latin-1"))
    with pytest.raises(MotionError, match="not in UTF-8"):
        read_csv(path)
    with pytest.raises(MotionError, match="is a folder"):
        open_data(f"landmarks:{tmp_path}")


def test_what_is_no_keypoint_motion_is_refused():
    kpm = synthesise(SETTINGS["talking"], 2, 20, 5, MeshNoise.measured()).motions.kpm
    check_kpm(kpm)
    interleaved = kpm.reshape(-1, 2, 68).transpose(0, 2, 1).reshape(-1, 136)
    with pytest.raises(MotionError, match="x0 y0 x1 y1"):
        check_kpm(interleaved)
    with pytest.raises(MotionError, match="400 units between the eye centres"):
        check_kpm(kpm / 400)
    with pytest.raises(MotionError, match="hold"):
        check_kpm(kpm + np.float32(40))
    with pytest.raises(MotionError, match="the first in row 3"):
        check_kpm(np.where(np.arange(len(kpm))[:, None] == 3, np.nan, kpm))
    with pytest.raises(MotionError, match=r"\(n, 136\) is expected"):
        check_kpm(kpm[:, :98])


def test_synthetic_people_are_repeatable_and_different():
    noise = MeshNoise.measured()
    one, again, other = (synthesise(SETTINGS["posed"], 3, 10, seed, noise) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.motions.kpm, again.motions.kpm)
    assert not set(one.motions.person) & set(other.motions.person)
    held = np.r_[HELD_POINTS, np.array(HELD_POINTS) + 68]
    assert np.abs(one.motions.kpm[:, held]).max() < 1e-2
    quiet = one.right.max(1) + one.left.max(1) < 0.05
    assert np.linalg.norm(one.motions.kpm[~quiet], axis=1).mean() > 100


def test_motions_are_kept_and_split(tmp_path):
    motions = synthesise(SETTINGS["posed"], 8, 5, 1, MeshNoise.none()).motions
    motions.save(tmp_path / "own.npz")
    again = open_data(f"motions:{tmp_path / 'own.npz'}")
    np.testing.assert_array_equal(again.kpm, motions.kpm)
    training, held = split(again)
    assert not set(training.person) & set(held.person) and held.people == 2
    alone = Motions(motions.kpm, np.full(40, "a"), np.arange(40, dtype=np.float32), "one recording")
    training, held = split(alone)
    assert training.time_s.max() < held.time_s.min() and 8 <= len(held) <= 11
    with pytest.raises(MotionError, match="nothing can be held out"):
        split(motions.take(np.arange(5)))
    (tmp_path / "other.npz").write_bytes(b"nothing")
    with pytest.raises(MotionError, match="not a file of keypoint motions"):
        Motions.load(tmp_path / "other.npz")


@pytest.mark.parametrize("how", ["cut", "empty", "array", "flipped", "lengths"])
def test_damaged_motion_files_are_named(tmp_path, how):
    path = tmp_path / "own.npz"
    motions = Motions(np.ones((120, 136), np.float32), np.full(120, "a"), np.zeros(120, np.float32), "own")
    motions.save(path)
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "array":
        with path.open("wb") as file:
            np.save(file, motions.kpm)
    elif how == "flipped":
        at = content.index(b"kpm.npy") + 60
        path.write_bytes(content[:at] + bytes(20) + content[at + 20 :])
    else:
        replace(motions, person=motions.person[:5]).save(path)
    words = r"\(120, 136\), \(5,\), \(120,\)" if how == "lengths" else "not a file of keypoint motions"
    with pytest.raises(MotionError, match=rf"own\.npz.*{words}"):
        open_data(f"motions:{path}")


@pytest.mark.parametrize(
    ("spec", "words"),
    [("video:x", "no kind of data 'video'"), ("ck+:/no/where", "does not exist"), ("bp4d", "no path")],
)
def test_wrong_words_are_explained(spec, words):
    with pytest.raises(MotionError, match=words):
        open_data(spec)


@pytest.mark.skipif(not CLIP.is_file(), reason="the shared clip smile.mov is not there")
def test_a_recording_gives_motions():
    found = open_data(f"recording:{CLIP}")
    assert len(found) > 120 and found.people == 1 and np.all(np.diff(found.time_s) > 0)
    size = np.linalg.norm(found.kpm, axis=1)
    assert np.percentile(size, 20) < 80 < 150 < size.max()
