# SPDX-License-Identifier: Apache-2.0
"""`facial_coding refine facs`: a network learns from another skin and keeps what it knew."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import yaml

from facial_coding_ros.action_units import CODES
from facial_coding_ros.cli import main
from facial_coding_ros.keypoints import Registration
from facial_coding_ros.learning.facs.motion_sets import load_motions
from facial_coding_ros.learning.facs.network import FacsNetwork, from_onnx
from facial_coding_ros.learning.facs.refinement import RefinementOptions
from facial_coding_ros.learning.facs.study import figures
from facial_coding_ros.models import model_path

from .test_training import rendered  # noqa: F401


@pytest.fixture
def folders(rendered: Path, tmp_path: Path) -> list[str]:  # noqa: F811
    """A rendered set, the same as one of portraits that move half as far, and a folder of one smile."""
    portraits, smiles = tmp_path / "portraits", tmp_path / "smiles"
    shutil.copytree(rendered, portraits)
    smiles.mkdir()
    manifest = json.loads((rendered / "manifest.json").read_text())
    (portraits / "manifest.json").write_text(json.dumps(manifest | {"portraits": ["a.jpg"] * manifest["people"]}))
    with np.load(rendered / "chunk_0000.npz") as file:
        arrays = {name: file[name] for name in file.files}
    for name in ("mesh", "first_mesh"):
        for person in np.unique(arrays["person"]):
            rows = arrays["person"] == person
            rest = arrays[name][rows & (arrays["number"] < 6)].mean(0)
            arrays[name][rows] = rest + (arrays[name][rows] - rest) / 2
    np.savez(portraits / "chunk_0000.npz", **arrays)
    photograph = skimage.data.astronaut()[5:305, 90:357, ::-1]
    for look in ("neutral", "smiling"):
        cv2.imwrite(str(smiles / f"a_{look}.jpg"), photograph)
    return [str(rendered), str(portraits), "--smiles", str(smiles), "--simulated", "200"]


def loaded(path: Path) -> FacsNetwork:
    return from_onnx(path.read_bytes())


def test_it_learns_the_other_skin_and_says_what_of(folders: list[str], tmp_path: Path) -> None:
    out = tmp_path / "own.onnx"
    judged = ["--judge", folders[1]]
    assert main(["refine", "facs", *folders, "--steps", "25", "--share", "1", "--out", str(out), *judged]) == 0
    card = yaml.safe_load(out.with_suffix(".yaml").read_text())
    assert card["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert (
        "40 animated portraits" in card["trained_on"]
        and "no picture" not in card["trained_on"]
        and "--share 1.0" in card["command_further"]
    )
    first, further = loaded(model_path("facs.onnx")), loaded(out)
    data = load_motions([Path(folders[1])], Registration())
    before, after = (figures(network.sides, data.take(~data.just_found)) for network in (first, further))
    learnt = [CODES.index(code) for code in RefinementOptions.units]
    others = [k for k in range(len(CODES)) if k not in learnt]
    assert np.nanmean(after.icc[learnt]) > np.nanmean(before.icc[learnt]) + 0.02
    np.testing.assert_allclose(after.icc[others], before.icc[others], atol=1e-6)
    assert card["metrics"]["portraits"]["mean_icc"] == pytest.approx(after.mean_icc, abs=0.001)
    np.testing.assert_array_equal(further.threshold, first.threshold)


def test_none_of_the_way_is_the_first_network(folders: list[str], tmp_path: Path) -> None:
    out = tmp_path / "own.onnx"
    assert main(["refine", "facs", *folders, "--steps", "2", "--share", "0", "--out", str(out)]) == 0
    motion = np.random.default_rng(0).normal(0, 0.02, (5, 468, 3)).astype(np.float32)
    np.testing.assert_allclose(loaded(out).raw(motion), loaded(model_path("facs.onnx")).raw(motion), atol=1e-6)


def test_both_skins_are_needed(folders: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["refine", "facs", folders[0], *folders[2:]]) == 1
    assert "one of portraits are needed" in capsys.readouterr().err
    assert main(["refine", "facs", str(tmp_path), *folders[2:]]) == 1
    assert "facial_coding synthesize" in capsys.readouterr().err
