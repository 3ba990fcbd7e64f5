# SPDX-License-Identifier: Apache-2.0
"""BP4D and DISFA folders with action units, prepared faces, alignments."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from facial_coding_ros.au_networks.alignment import ALIGNMENTS, transform
from facial_coding_ros.au_networks.specs import BP4D_AUS, DISFA_AUS, NetworkSpec
from facial_coding_ros.cli import main
from facial_coding_ros.datasets import bp4d, disfa
from facial_coding_ros.datasets.records import DatasetError
from facial_coding_ros.learning.au_networks.folds import split
from facial_coding_ros.learning.au_networks.prepared import CARD, PreparedFaces, TrackerLandmarker, prepare
from facial_coding_ros.learning.au_networks.samples import FaceSamples, jittered, mirrored
from facial_coding_ros.learning.studies.drawn_faces import prepared_faces


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """A public-domain portrait, the head and shoulders."""
    return np.ascontiguousarray(skimage.data.astronaut()[:300, 80:380])


def write_bp4d(root: Path, portrait: np.ndarray, header: str = "0,1,2,4,5,6,7,10,12,14,15,17,23,24") -> Path:
    """Two subjects: four labelled frames each, of which one has no image, one is not coded at all."""
    for subject, width in (("F001", 4), ("M007", 3)):
        folder = root / "Sequences(2D+3D)" / subject / subject / "T1"
        folder.mkdir(parents=True)
        for frame in (10, 11, 12):
            cv2.imwrite(str(folder / f"{frame:0{width}d}.jpg"), portrait[:, :, ::-1])
        labels = root / "AUCoding" / "AU_OCC"
        labels.mkdir(parents=True, exist_ok=True)
        columns = header.count(",")
        rows = [[10] + [1, 0, 9] * columns, [11] + [0] * 99, [12] + [9] * 99, [13] + [1] * 99]
        lines = [header, *(",".join(str(v) for v in row[: columns + 1]) for row in rows)]
        (labels / f"{subject}_T1.csv").write_text("\n".join(lines) + "\n")
    return root


def write_disfa(root: Path, portrait: np.ndarray) -> Path:
    folder = root / "ActionUnit_Labels" / "SN001"
    folder.mkdir(parents=True)
    for au in (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26):
        (folder / f"SN001_au{au}.txt").write_text("".join(f"{f},{(f + au) % 6}\n" for f in range(1, 7)))
    (root / "Videos_LeftCamera").mkdir()
    path = str(root / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi")
    video = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 20, (300, 300))
    for level in range(5):  # one frame fewer than there are labels
        video.write(np.full((300, 300, 3), 40 * level, np.uint8))
    video.release()
    return root


def test_bp4d_is_read_as_released(tmp_path, portrait):
    sequences = list(bp4d.read_sequences(write_bp4d(tmp_path, portrait), BP4D_AUS))
    assert [s.name for s in sequences] == ["F001_T1", "M007_T1"]
    first = sequences[0]
    assert first.frames.tolist() == [10, 11, 12, 13]
    # The file's columns are 1 2 4 5 6 7 10 ..: values 1 0 9 1 0 9 1 ..., of which AU5's is not asked for.
    assert first.present[0].tolist() == [1, 0, -1, 0, -1, 1, 0, -1, 1, 0, -1, 1]
    assert (first.present[2] == -1).all()
    for sequence in sequences:  # names padded to four and to three digits
        images = list(sequence.images([10, 11, 13]))
        assert images[0].shape == portrait.shape and images[2] is None
        assert np.abs(images[0].astype(int) - portrait).mean() < 4  # RGB, as JPEG keeps it


def test_bp4d_with_other_columns_is_refused(tmp_path, portrait):
    write_bp4d(tmp_path, portrait, header="0,1,2,4")
    with pytest.raises(DatasetError, match=r"F001_T1\.csv.*\[6, 7, 10"):
        list(bp4d.read_sequences(tmp_path, BP4D_AUS))


def test_bp4d_with_other_values_is_refused(tmp_path, portrait):
    write_bp4d(tmp_path, portrait)
    path = tmp_path / "AUCoding" / "AU_OCC" / "M007_T1.csv"
    path.write_text(path.read_text().replace("11,0,", "11,3,"))
    with pytest.raises(DatasetError, match=r"M007_T1\.csv, line 3"):
        list(bp4d.read_sequences(tmp_path, BP4D_AUS))


def test_disfa_is_read_as_released(tmp_path, portrait):
    (sequence,) = disfa.read_sequences(write_disfa(tmp_path, portrait), DISFA_AUS)
    assert sequence.frames.tolist() == [1, 2, 3, 4, 5, 6]
    # AU1 has (frame + 1) % 6 = 2 3 4 5 0 1: present from 2 on.
    assert sequence.present[:, 0].tolist() == [1, 1, 1, 1, 0, 0]
    images = list(sequence.images([1, 3, 5, 6]))
    assert [round(float(i.mean()) / 40) for i in images[:3]] == [0, 2, 4]  # labels count from 1
    assert images[3] is None


def test_disfa_with_another_form_is_refused(tmp_path, portrait):
    root = write_disfa(tmp_path, portrait)
    path = root / "ActionUnit_Labels" / "SN001" / "SN001_au12.txt"
    path.write_text("1,0\n2,7\n")
    with pytest.raises(DatasetError, match=r"SN001_au12\.txt, line 2: '2,7'"):
        list(disfa.read_sequences(root, DISFA_AUS))
    path.write_text("1,0\n2,1\n")
    with pytest.raises(DatasetError, match="other frames"):
        list(disfa.read_sequences(root, DISFA_AUS))
    path.unlink()
    with pytest.raises(DatasetError, match=r"No .*au12\.txt"):
        list(disfa.read_sequences(root, DISFA_AUS))


def test_folds_are_the_published_people():
    assert [len(fold) for fold in bp4d.FOLDS] == [14, 14, 13] and [len(fold) for fold in disfa.FOLDS] == [9, 9, 9]
    everyone = [subject for fold in bp4d.FOLDS for subject in fold]
    assert sorted(everyone) == [f"F{i:03d}" for i in range(1, 24)] + [f"M{i:03d}" for i in range(1, 19)]
    assert len({subject for fold in disfa.FOLDS for subject in fold}) == 27


def test_prepare_counts_what_is_missing(tmp_path, portrait, capsys):
    """The real tracker, through the command: labelled frames without image are counted and reported."""
    write_bp4d(tmp_path / "data", portrait)
    assert main(["prepare", "au", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "faces")]) == 0
    said = capsys.readouterr().out
    assert "4 faces of 2 people" in said and "2 labelled frames without image" in said
    assert "without_image_by_sequence: {F001_T1: 1, M007_T1: 1}" in (tmp_path / "faces" / CARD).read_text()
    faces = PreparedFaces.load(tmp_path / "faces")
    assert faces.dataset == "bp4d" and faces.labels.shape == (4, 12) and faces.frames.tolist() == [10, 11, 10, 11]
    eyes = faces.landmarks[0, 36:48].reshape(2, 6, 2).mean(1)
    picture = faces.image(0)
    assert 30 < eyes[1, 0] - eyes[0, 0] < 100 and picture.shape[0] > 150
    with pytest.raises(DatasetError, match="three folds"):
        split(faces, 1)


def test_prepare_without_any_image_says_so(tmp_path, portrait):
    write_bp4d(tmp_path, portrait)
    sequences = list(bp4d.read_sequences(tmp_path, BP4D_AUS))
    for path in tmp_path.rglob("*.jpg"):
        path.unlink()

    class Nobody:
        def __call__(self, image, stamp_ns):
            return None

        def reset(self):
            pass

    with pytest.raises(DatasetError, match="6 labelled frames have no image"):
        prepare(sequences, tmp_path / "faces", Nobody())


def test_a_cut_off_preparation_is_refused(tmp_path):
    faces = prepared_faces(tmp_path / "faces", 3, 1, (1, 12))
    (faces.root / "index.npz").write_bytes((faces.root / "index.npz").read_bytes()[:200])
    with pytest.raises(DatasetError, match=r"index\.npz cannot be used"):
        PreparedFaces.load(faces.root)


@pytest.fixture(scope="module")
def tracked(portrait):
    """The portrait turned by 20 degrees, with the tracker's landmarks."""
    turn = cv2.getRotationMatrix2D((150, 110), 20, 1.0)
    image = cv2.warpAffine(portrait, turn, (300, 300))
    landmarker = TrackerLandmarker()
    points = None
    for frame in range(3):
        points = landmarker(image, frame * 40_000_000)
    landmarker.close()
    assert points is not None
    return image, points


def test_three_alignments_of_the_trackers_landmarks_side_by_side(tracked, tmp_path):
    image, points = tracked
    crops = {}
    for name, alignment in ALIGNMENTS.items():
        crop, moved = alignment.test_crop(image, points)
        assert crop.shape == (alignment.crop, alignment.crop, 3)
        right, left = moved[36:42].mean(0), moved[42:48].mean(0)
        assert abs(right[1] - left[1]) < 0.5, "the eyes are level"
        assert (moved[17:] > 0).all() and (moved[17:] < alignment.crop).all()
        # The picture went where the landmarks went: the pupils' neighbourhood is that of the plain image.
        matrix = alignment.matrix(points)
        matrix[:, 2] -= (alignment.size - alignment.crop) // 2
        np.testing.assert_allclose(moved, transform(matrix, points), atol=1e-3)
        back = cv2.warpAffine(crop, matrix, (300, 300), flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR)
        x, y = points[30].astype(int)
        near = np.s_[y - 25 : y + 25, x - 25 : x + 25]
        assert np.abs(back[near].astype(int) - image[near]).mean() < 8
        crops[name] = (cv2.resize(crop, (224, 224)), (left[0] - right[0]) / alignment.crop)
    # Eyes apart, in shares of the crop: in ME-GraphAU's one published BP4D crop 0.395 x 256 / 224; JAA-Net keeps most.
    assert crops["me_graphau"][1] == pytest.approx(0.451, abs=0.04)
    assert crops["me_graphau"][1] > crops["eac_net"][1] > crops["jaa_net"][1]
    sheet = np.hstack([crop for crop, _ in crops.values()])
    assert cv2.imwrite(str(tmp_path / "alignments.png"), sheet[:, :, ::-1]) and sheet.shape == (224, 672, 3)


def test_jaa_box_by_hand():
    points = np.full((68, 2), 50.0)
    points[36:42], points[42:48] = (30, 40), (70, 40)
    points[30], points[48], points[54] = (50, 60), (40, 90), (60, 90)
    # Box 40 wide (eyes) and 50 high (eyes to mouth): side 2.9 * 50 = 145 around (50, 65), to 200 pixels.
    moved = transform(ALIGNMENTS["jaa_net"].matrix(points), [[50, 65], [50 - 72.5, 65 - 72.5], [50 + 72.5, 65 + 72.5]])
    np.testing.assert_allclose(moved, [[99.5, 99.5], [0, 0], [199, 199]], atol=1e-3)


@pytest.mark.parametrize("damage", ["nan", "coincide", "count"])
def test_landmarks_that_give_no_alignment(damage):
    points = np.random.default_rng(0).uniform(0, 100, (68, 2))
    if damage == "nan":
        points[3] = np.nan
    elif damage == "coincide":
        points[36:48] = 5.0
    else:
        points = points[:49]
    with pytest.raises(ValueError, match=r"68 finite|coincide"):
        ALIGNMENTS["me_graphau"].matrix(points)


def test_mirrored_landmarks_swap_sides():
    points = np.random.default_rng(0).uniform(0, 100, (68, 2)).astype(np.float32)
    flipped = mirrored(points, 176)
    np.testing.assert_allclose(flipped[36], [175 - points[45, 0], points[45, 1]])
    np.testing.assert_allclose(flipped[48], [175 - points[54, 0], points[54, 1]])
    np.testing.assert_allclose(mirrored(flipped, 176), points, atol=1e-4)


def test_training_crops_move_with_their_landmarks_and_repeat(tmp_path):
    faces = prepared_faces(tmp_path / "faces", 2, 2, (1, 12))
    spec = NetworkSpec("jaa_net", (12, 1))
    rows = np.arange(len(faces))
    training = FaceSamples(faces, rows, spec, True, jitter=0.4, seed=3)
    first = [training[i] for i in range(len(faces))]
    again = [FaceSamples(faces, rows, spec, True, jitter=0.4, seed=3)[i] for i in range(len(faces))]
    for (pixels, points, labels), (pixels2, points2, _) in zip(first, again, strict=True):
        assert pixels.shape == (3, 176, 176) and (pixels == pixels2).all() and (points == points2).all()
        assert labels.shape == (2,)
        x, y = points[36:42].mean(0).round().int().tolist()  # the right eye is bright around its dark pupil
        eye = pixels[:, y - 6 : y + 7, x - 10 : x + 11].float()
        assert eye.max() - eye.min() > 80
    training.epoch = 1
    assert any((training[i][1] != first[i][1]).any() for i in range(len(faces)))
    columns = faces.labels[:, [1, 0]]
    assert all((labels.numpy() == columns[i]).all() for i, (_, _, labels) in enumerate(first))
    with pytest.raises(DatasetError, match=r"AU \[26\]"):
        faces.columns((1, 26))


def test_no_jitter_changes_nothing():
    image = np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8)
    assert (jittered(image, 0.0, np.random.default_rng(0)) == image).all()
    assert (jittered(image, 0.4, np.random.default_rng(0)) != image).any()
