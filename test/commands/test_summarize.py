# SPDX-License-Identifier: Apache-2.0
"""What `facial_coding summarize` says of a replay, and what it refuses."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import pytest

from facial_coding_ros.cli import main
from facial_coding_ros.image.sources import open_source

from ..conftest import CLIP

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 130 frames of the demo clip, as 30 a second: the person on the right raises the brows at 2.4 s."""
    folder = tmp_path_factory.mktemp("summarize")
    images = folder / "images"
    images.mkdir()
    for frame, index in zip(open_source(CLIP).frames(), range(130), strict=False):
        cv2.imwrite(str(images / f"{index:03d}.png"), cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
    assert main(["replay", str(images), "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_a_span_in_words_and_figures(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "summary.csv"
    assert main(["summarize", str(run), "--from", "2", "--to", "4", "--csv", str(table)]) == 0
    said = capsys.readouterr().out
    assert said.count("Somebody (") == 2 and "raised the brows once" in said and "looked at the robot" in said
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 and all(float(row["seen_share"]) > 0.9 for row in rows)
    assert {(row["from_s"], row["to_s"]) for row in rows} == {(rows[0]["from_s"], rows[0]["to_s"])}
    assert main(["summarize", str(run), "--to", "1"]) == 0
    assert "raised the brows" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from", "3", "--to", "1"], "--to is 1, before --from, 3"),
        (["--from", "60"], "--from is 60; images goes from 0 to 4."),
        (["--who", "nobody"], "'nobody' was not seen"),
    ],
)
def test_what_is_refused(run: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summarize", str(run), *arguments]) == 1
    assert words in capsys.readouterr().err
