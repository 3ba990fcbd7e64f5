# SPDX-License-Identifier: Apache-2.0
"""What mkdocs makes besides the pages: messages and parameters from their declarations, and the files pages link to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

REPOSITORY = Path(__file__).resolve().parents[1]
OUTSIDE = re.compile(r"\]\(((?:\.\./)+)([\w./-]+?)(#[\w-]+)?\)")
MARKER = re.compile(r"<!-- (messages|parameters|recipe|topics) -->")
README = "README.md"
TYPES = {bool: "true or false", int: "integer", float: "number", str: "text"}


def on_files(files: Files, config: Any) -> Files:
    """Files of the repository that pages link to become part of the site, so that it has no dead links."""
    for page in files.documentation_pages():
        for target in outside(page):
            uri = f"repository/{target}"
            missing = files.get_file_from_path(uri) is None
            if missing and target != README and (REPOSITORY / target).is_file():
                files.append(File.generated(config, uri, content=(REPOSITORY / target).read_bytes()))
    return files


def outside(page: File) -> list[str]:
    """Paths from the repository's root of what a page links to outside docs/."""
    found = []
    for up, rest, _ in OUTSIDE.findall(page.content_string):
        if up.count("../") > page.src_uri.count("/"):
            found.append(rest)
    return found


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links to the repository's files become links to their copies; markers become what is made from declarations."""
    depth = page.file.src_uri.count("/")

    def link(found: re.Match[str]) -> str:
        if found[1].count("../") <= depth:
            return found[0]
        if found[2] == README:
            return f"]({'../' * depth}index.md)"
        return f"]({'../' * depth}repository/{found[2]})"

    markdown = OUTSIDE.sub(link, markdown)
    made = {"messages": messages, "parameters": parameters, "recipe": recipe, "topics": topics}
    return MARKER.sub(lambda found: made[found[1]](), markdown)


def recipe() -> str:
    """The README's commands for a machine with ROS."""
    block = re.search(r"```bash\n.*?```", (REPOSITORY / README).read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return block[0]


def topics() -> str:
    """The README's tables of topics and services."""
    section = (REPOSITORY / README).read_text(encoding="utf-8").partition("## Topics and services\n")[2]
    return section.partition("\nHeaders carry")[0].replace("](docs/", "](")


def messages() -> str:
    """Every definition of facial_coding_msgs, as it is."""
    folder = REPOSITORY / "facial_coding_msgs"
    parts = []
    for kind, title in (("msg", "Message"), ("srv", "Service")):
        for file in sorted((folder / kind).glob(f"*.{kind}")):
            text = file.read_text(encoding="utf-8").rstrip()
            parts.append(f"## {file.stem}\n\n{title} `facial_coding_msgs/{kind}/{file.stem}`\n\n```\n{text}\n```\n")
    return "\n".join(parts)


def parameters() -> str:
    """Tables of all parameters, one for each stage."""
    import sys

    sys.path.insert(0, str(REPOSITORY))
    from facial_coding_ros.nodes.parameters import declared

    lines: list[str] = []
    section = None
    for name, default, option in declared():
        stage = name.rpartition(".")[0]
        if stage != section:
            section = stage
            heading = "| Parameter | Default | Allowed | Meaning |"
            lines += ["", f"## {stage or 'Node'}", "", heading, "|---|---|---|---|"]
        shown = "`true`" if default is True else "`false`" if default is False else f"`{default!r}`".replace("'", '"')
        about = option.description[:1].upper() + option.description[1:]
        allowed = TYPES[type(default)] if option.allowed() == "any" else option.allowed().replace("'", "`")
        cells = (f"`{name}`", shown, allowed, about + (". *Live.*" if option.live else ""))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)
