# SPDX-License-Identifier: Apache-2.0
"""`facial_coding export coding --check-inputs`."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from facial_coding_ros.cli import main
from facial_coding_ros.commands import export_coding
from facial_coding_ros.inference.model_files import write_check_inputs
from facial_coding_ros.models import share_folder
from facial_coding_ros.npz import open_npz


def test_only_check_inputs_that_differ_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx", reason="formulas become graphs with it; `standalone/setup training`")
    folder = tmp_path / "models"
    shutil.copytree(share_folder("models"), folder)
    inputs = export_coding.stored_inputs(folder)
    monkeypatch.setattr(export_coding, "demo_inputs", lambda: dict(inputs))
    noise = np.random.default_rng(0).normal(size=inputs["dense"].shape).astype(np.float32)
    files = sorted(folder.glob("*_check.npz"))

    def written() -> set[str]:
        before = {path: path.stat().st_mtime_ns if path.exists() else 0 for path in files}
        assert main(["export", "coding", "--models", str(folder), "--check-inputs"]) == 0
        return {path.name for path in files if path.stat().st_mtime_ns != before[path]}

    written()
    assert written() == set()
    inputs["dense"] = inputs["dense"] + 1e-6 * noise
    assert written() == set(), "rounding is no reason"
    (folder / "facs_check.npz").unlink()
    write_check_inputs(folder / "dfecs.onnx", {"motion": np.zeros((8, 136), np.float32)})
    assert written() == {"facs_check.npz", "dfecs_check.npz"}
    with open_npz(folder / "dfecs_check.npz") as file:
        assert np.abs(file["motion"]).max() > 1
