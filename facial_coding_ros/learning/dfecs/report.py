# SPDX-License-Identifier: Apache-2.0
"""A page that holds all it shows."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:68rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;"
    "margin:1rem 0}td,th{border:1px solid #ccc;padding:.25rem .6rem;text-align:left;vertical-align:top}"
    "img{max-width:100%}code{background:#eee;padding:.1rem .3rem}"
)


class Report:
    """An HTML page, made from top to bottom. Texts are escaped."""

    def __init__(self, title: str, command: str) -> None:
        self._title = title
        self._parts = [f"<h1>{html.escape(title)}</h1>", f"<p>Made by <code>{html.escape(command)}</code></p>"]

    def heading(self, text: str) -> None:
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def html(self, markup: str) -> None:
        self._parts.append(markup)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        def line(cells: Sequence[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        self._parts.append("<table>" + line(header, "th") + "".join(line(row, "td") for row in rows) + "</table>")

    def write(self, path: Path) -> None:
        head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(self._title)}</title>'
        path.write_text(f"{head}<style>{_STYLE}</style>\n" + "\n".join(self._parts) + "\n</html>\n")
