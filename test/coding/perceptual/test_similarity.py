# SPDX-License-Identifier: Apache-2.0
"""Looking for moments like a given one in a table of face codes."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from facial_coding_ros.cli import main
from facial_coding_ros.coding.perceptual.similarity import most_like, read_moments


@pytest.fixture
def table(tmp_path):
    """Two faces, 10 a second: face_a smiles at 2 to 3 s and 7 to 8 s, face_b at 5 to 6 s; one row has no latent."""
    path = tmp_path / "face_codes.csv"
    rng = np.random.default_rng(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["frame", "stamp_ns", "face_id", "expression", "latent_00", "latent_01"])
        for i in range(100):
            for face, smiles in (("face_a", ((20, 30), (70, 80))), ("face_b", ((50, 60),))):
                smiling = any(a <= i < b for a, b in smiles)
                latent = np.array([2.0, 1.0]) * smiling + 0.05 * rng.standard_normal(2)
                if (i, face) == (75, "face_b"):
                    latent[:] = np.nan
                writer.writerow([i, i * 100_000_000, face, "happy" if smiling else "neutral", *latent])
    return path


def test_finds_the_other_smiles(table, tmp_path, capsys):
    out = tmp_path / "found.csv"
    assert main(["similar", str(table), "--at", "2.5", "--face", "face_a", "--count", "2", "--csv", str(out)]) == 0
    assert "looked for: 2.50 s, frame 25, face_a happy" in capsys.readouterr().out
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["expression"] for row in rows] == ["happy", "happy"]
    assert {row["face_id"] for row in rows} == {"face_a", "face_b"}
    assert all(not 15 < int(row["frame"]) < 35 or row["face_id"] == "face_b" for row in rows)


def test_seconds_count_from_the_first_frame_of_a_replay(table, capsys):
    """As those of `summarize`, of `replay --range` and of a video player do, not from the first face."""
    (table.parent / "recording.json").write_text('{"first_stamp_ns": -4000000000}')
    words = ["similar", str(table.parent), "--face", "face_a", "--count", "1"]
    assert main([*words, "--at", "6.5"]) == 0
    out = capsys.readouterr().out
    assert "looked for: 6.50 s, frame 25, face_a happy" in out
    seconds, frame = (float(out.splitlines()[1].split()[place]) for place in (1, 4))
    assert seconds == pytest.approx(frame / 10 + 4)
    assert main([*words, "--at", "99"]) == 1
    assert "the faces are from 4.00 to 13.90 s" in capsys.readouterr().err
    assert main(["similar", str(table.parent / "nowhere"), "--at", "0"]) == 1
    assert "nowhere does not exist; `facial_coding replay` writes such tables" in capsys.readouterr().err


def test_moments_are_apart_and_in_order(table):
    moments = read_moments(table)
    assert len(moments) == 199  # one row has no latent
    found = most_like(moments, np.array([2.0, 1.0], np.float32), 50, 1_000_000_000)
    assert [m.distance for m in found] == sorted(m.distance for m in found)
    for face in ("face_a", "face_b"):
        stamps = sorted(moments.stamp_ns[m.row] for m in found if moments.face_id[m.row] == face)
        assert np.diff(stamps).min() >= 1_000_000_000
    assert found[0].distance == pytest.approx(np.linalg.norm(moments.latent - [2, 1], axis=1).min(), rel=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--at", "2.5", "--frame", "3"], "one of them"),
        (["--at", "99"], "from 0.00 to 9.90 s"),
        (["--frame", "400"], "frames 0 to 99"),
        (["--at", "1", "--face", "face_z"], "there are face_a, face_b"),
    ],
)
def test_wrong_moments_are_named(table, capsys, words, message):
    assert main(["similar", str(table), *words]) == 1
    assert message in capsys.readouterr().err


def test_tables_without_latents_are_refused(tmp_path, capsys):
    path = tmp_path / "codes.csv"
    path.write_text("frame,stamp_ns,face_id\n0,0,a\n")
    assert main(["similar", str(path), "--at", "0"]) == 1
    assert "made without a perceptual model" in capsys.readouterr().err
    path.write_text("frame,latent_00\n0,1\n")
    assert main(["similar", str(path), "--at", "0"]) == 1
    assert "no column stamp_ns, face_id" in capsys.readouterr().err


def test_what_is_no_table_is_named(table, tmp_path, capsys):
    path = tmp_path / "codes"
    for content in (b"PAR1\x15\x04\x15\x90\xff", b"frame;stamp_ns\xfc\n", "frame,stamp_ns\n".encode("utf-16")):
        path.write_bytes(content)
        for words in ([str(path)], [str(table), "--of", str(path)]):
            assert main(["similar", *words, "--at", "0"]) == 1
            assert f"{path} is not in UTF-8" in capsys.readouterr().err


def test_a_list_that_cannot_be_written(table, tmp_path, capsys):
    path = tmp_path / "nowhere" / "found.csv"
    assert main(["similar", str(table), "--at", "2.5", "--csv", str(path)]) == 1
    assert str(path) in capsys.readouterr().err
