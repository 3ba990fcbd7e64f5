# SPDX-License-Identifier: Apache-2.0
"""`facial_coding train facs`, on planned people whose tracker follows six tenths of every movement."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import yaml

from facial_coding_ros.action_units import CODES
from facial_coding_ros.cli import main
from facial_coding_ros.coding.facs import FacsEstimator
from facial_coding_ros.face_model.ict import IctFaces
from facial_coding_ros.keypoints import Registration
from facial_coding_ros.learning.facs.motion_sets import load_motions
from facial_coding_ros.learning.facs.response import IdealMotions, LinearTrackerResponse
from facial_coding_ros.learning.synthesis.dataset import RENDERER, SetOptions, plan_person
from facial_coding_ros.learning.synthesis.expressions import KINDS, with_lips

PEOPLE, FOLLOWED, EYES_PX = 40, 0.6, 90.0


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """A set as facial_coding synthesize leaves it, without its pictures."""
    folder = tmp_path_factory.mktemp("sets") / "planned"
    folder.mkdir()
    options = SetOptions(people=PEOPLE, seed=3)
    manifest = {"people": PEOPLE, "pictures": options.pictures, "seed": 3, "styles": list(options.styles)}
    (folder / "manifest.json").write_text(json.dumps(manifest | {"renderer": RENDERER, "complete": True}))
    ideal, faces, rng = IdealMotions(), IctFaces.load(), np.random.default_rng(0)
    rows: dict[str, list] = {}
    for person in range(PEOPLE):
        plan = plan_person(options, person)
        for number, moved in enumerate(ideal.of_set(folder, person)):
            points = faces.neutral + FOLLOWED * moved + rng.normal(0, 0.002, moved.shape)
            mesh = np.vstack([points, np.zeros((10, 3))]).astype(np.float32) * EYES_PX + 300
            sample = plan.pictures[number].sample
            right, left = with_lips(sample, 0.0)
            row = {"mesh": mesh, "first_mesh": mesh, "tracked": True, "right": right, "left": left, "person": person}
            row |= {"number": number, "group": plan.pictures[number].group, "kind": KINDS.index(sample.kind)}
            row |= {"style": person % 5, "pose_deg": np.zeros(3), "eye_distance_px": EYES_PX}
            for key, value in (row | {"landmarks_cm": np.zeros((68, 3))}).items():
                rows.setdefault(key, []).append(value)
    np.savez(folder / "chunk_0000.npz", **{key: np.stack(values) for key, values in rows.items()})
    return folder


def test_the_response_is_what_the_tracker_followed(rendered):
    response = LinearTrackerResponse.fit(load_motions([rendered], Registration()), [rendered])
    assert response.explained > 0.8
    rng = np.random.default_rng(1)
    motion, _ = IdealMotions().draw(60, rng)
    expected, missed = (1 - FOLLOWED) * motion, response.missed(motion)
    assert np.abs(missed - expected).mean() < 0.35 * np.abs(expected).mean()
    seen = response.seen(motion, rng)
    # Between what this tracker reports and the truth; some motions are mostly taken for the head's.
    share = (seen * motion).sum((1, 2)) / (motion**2).sum((1, 2))
    low, middle, high = np.quantile(share, [0.1, 0.5, 0.9])
    assert FOLLOWED - 0.1 < low < FOLLOWED + 0.1 and middle < 0.85 and 0.8 < high < 1.0 and share.max() < 1.05


def test_the_command_leaves_a_model_its_card_and_the_table(rendered, tmp_path, capsys):
    out, table = tmp_path / "own.onnx", tmp_path / "table.md"
    where = ["--out", str(out), "--table", str(table)]
    assert main(["train", "facs", str(rendered), "--steps", "60", "--simulated", "300", *where]) == 0
    assert "| network |" in capsys.readouterr().out
    card = yaml.safe_load(out.with_suffix(".yaml").read_text())
    assert card["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest() and card["codes"] == list(CODES)
    assert card["command"] == "facial_coding train facs planned --steps 60 --simulated 300 --seed 0"
    assert "--people 40 --pictures 20 --seed 3" in card["data"][0] and "5 test people" in card["metrics"]
    estimator = FacsEstimator.load(out)
    smiles = np.stack([IctFaces.load().au_offsets({12: amount}) * FOLLOWED for amount in (0.0, 0.9)]).astype(np.float32)
    sides, _ = estimator.infer(smiles, np.full(2, 1.0, np.float32))
    assert sides[1, :, CODES.index(12)].min() > sides[0].max() + 0.2
    page = table.read_text()
    assert card["command"] in page and "5 rendered test people" in page and "| ridge, weak |" in page
    assert "| without webcam |" in page


def test_what_it_cannot_train_on_is_told(rendered, tmp_path, capsys):
    assert main(["train", "facs", str(tmp_path)]) == 1
    assert "facial_coding synthesize" in capsys.readouterr().err
    with np.load(rendered / "chunk_0000.npz") as arrays:
        few = {name: arrays[name][:40] for name in arrays.files}
    np.savez(tmp_path / "chunk_0000.npz", **few)
    (tmp_path / "manifest.json").write_text((rendered / "manifest.json").read_text())
    assert main(["train", "facs", str(tmp_path)]) == 1
    assert "2 people are too few" in capsys.readouterr().err
    del few["first_mesh"]
    np.savez(tmp_path / "chunk_0000.npz", **few)
    assert main(["train", "facs", str(tmp_path)]) == 1
    assert "older version" in capsys.readouterr().err
