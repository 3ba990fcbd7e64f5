# SPDX-License-Identifier: Apache-2.0
"""What is shown of a recording."""

from __future__ import annotations

from pathlib import Path

from facial_coding_ros.events import EventSettings
from facial_coding_ros.image.sources import Span, open_source
from facial_coding_ros.pipeline import PipelineSettings
from facial_coding_ros.viewing.sights import sights_of_source

from ..conftest import CLIP


def test_events_are_those_of_the_settings(tmp_path: Path) -> None:
    kinds = tmp_path / "kinds.yaml"
    kinds.write_text("kinds: {large: {rule: level, measures: size, above: -900, below: -990}}")
    settings = PipelineSettings(events=EventSettings(kinds_file=str(kinds)))
    sights = sights_of_source(open_source(CLIP, span=Span(0, 0.6)), settings)
    assert "large" in {event.kind for sight in sights for event in sight.events}
