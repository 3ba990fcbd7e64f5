# SPDX-License-Identifier: Apache-2.0
"""Links of the pages outside the site; those inside it are checked by `make docs`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import REPOSITORY

LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[\w-]+)?\)")
PAGES = ("README.md", "CONTRIBUTING.md", "demo/README.md")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    path = REPOSITORY / page
    targets = LINK.findall(path.read_text(encoding="utf-8"))
    assert not [target for target in targets if not (path.parent / target).exists()]


def test_links_of_the_site_lead_somewhere_in_the_repository_too() -> None:
    """As a reader of the repository sees them; the site has its own form of links to files outside docs/."""
    dead = [
        f"{page.relative_to(REPOSITORY)}: {target}"
        for page in sorted((REPOSITORY / "docs").rglob("*.md"))
        for target in LINK.findall(without_code(page))
        if not (page.parent / target).exists()
    ]
    assert not dead


def test_links_to_headings_lead_to_one() -> None:
    dead = []
    for page in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))):
        for target, anchor in re.findall(r"\]\(([^)#:\s]*)#([\w-]+)\)", without_code(page)):
            other = page.parent / target if target else page
            if other.suffix == ".md" and anchor not in anchors(other):
                dead.append(f"{page.relative_to(REPOSITORY)}: {target}#{anchor}")
    assert not dead


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as the site and GitHub form them."""
    headings = re.findall(r"^#+ +(.+?) *$", without_code(page), re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def test_every_page_is_in_the_navigation() -> None:
    navigation = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    docs = REPOSITORY / "docs"
    missing = [
        str(page.relative_to(docs)) for page in docs.rglob("*.md") if str(page.relative_to(docs)) not in navigation
    ]
    assert not missing


def without_code(page: Path) -> str:
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
