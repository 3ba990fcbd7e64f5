# SPDX-License-Identifier: Apache-2.0
"""A page about one table of face codes, as the demo leaves it: the report without labels."""

from __future__ import annotations

import html
from pathlib import Path

from .html import document, write
from .people import NOTE, overview, people_of, timelines
from .runs import read_table


def write_page(table: Path, page: Path, title: str, video: Path | None = None) -> Path:
    """Writes a self-contained HTML page about a table of face codes; a video is linked beside it.

    Raises OSError when a file cannot be read or written, RunError when the table is none.
    """
    people = people_of([read_table(table)])
    parts = []
    if video is not None and video.exists():
        parts.append(f"<video controls muted src='{html.escape(video.name)}'></video>")
    parts += [overview(people), *timelines(people)] if people else ["<p>No face was seen.</p>"]
    return write(page, document(title, [*parts, NOTE]))
