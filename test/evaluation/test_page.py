# SPDX-License-Identifier: Apache-2.0
"""The page about people over time, in a browser."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("plotly")

from facial_coding_ros.evaluation.page import write_page

from ..browser import CHROMIUM, Browser

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")
STATES = ["learning"] * 40 + ["ready"] * 160
HEADER = [
    "frame", "stamp_ns", "face_id", "person_id", "neutral_state", "visibility", "yaw_deg", "pitch_deg", "roll_deg",
    "roi_xmin", "roi_ymin", "roi_xmax", "roi_ymax", "expression", "expression_confidence", "valence", "arousal",
    "p_happy", "p_neutral", "au06", "au06_confidence", "au12", "au12_confidence",
]  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people for 20 s: who is `anna</script>` is for the page to survive."""
    folder = tmp_path_factory.mktemp("page")
    with (folder / "face_codes.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(HEADER)
        for frame, state in enumerate(STATES):
            for face, person in (("fa", "anna</script>"), ("fb", "")):
                smile = (frame % 50) / 50
                numbers = [1, 0, 0, 0, 0.1, 0.1, 0.4, 0.4]
                row = [frame, frame * 100_000_000, face, person, state, *numbers, "happy", 0.8, 0.5, 0.2, 0.8, 0.2]
                table.writerow([*row, smile / 2, 1, smile, 1])
    return write_page(folder / "face_codes.csv", folder / "report.html", "A page")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile"), 1200, 900) as shown:
        yield shown


@pytest.mark.parametrize("width", [1200, 390])
def test_nothing_scrolls_sideways(browser: Browser, page: Path, width: int) -> None:
    browser.size(width, 900)
    browser.go(page.as_uri())
    browser.wait_for("document.querySelector('.chart .main-svg') !== null")
    assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width
    assert browser.evaluate("document.querySelector('table.people').scrollWidth <= window.innerWidth")
    assert browser.errors == []


def test_charts_share_their_time_axis_and_the_first_has_neutral_and_events(browser: Browser, page: Path) -> None:
    browser.size(1200, 900)
    browser.go(page.as_uri())
    assert browser.evaluate("document.querySelectorAll('.chart .main-svg').length") < 24, "drawn as they come near"
    browser.wait_for("window.drawAll !== undefined")
    browser.evaluate("drawAll().then(() => true)")
    facts = json.loads(
        browser.evaluate("""JSON.stringify([...document.querySelectorAll('[data-group]')].map(s => ({
      title: s.querySelector('h2').textContent,
      charts: [...s.querySelectorAll('.chart')].map(b => ({
        range: b.layout.xaxis.range, left: b._fullLayout._size.l,
        names: b.data.map(t => t.name), axes: b.data.map(t => t.yaxis || 'y')}))})))""")
    )
    assert [entry["title"] for entry in facts] == [f"{who} in {page.parent.name}" for who in ("anna</script>", "fb")]
    for entry in facts:
        assert {tuple(chart["range"]) for chart in entry["charts"]} == {(0, 19.9)}
        assert len({chart["left"] for chart in entry["charts"]}) == 1, "one second is as wide, and where it was, below"
        names = dict(zip(entry["charts"][0]["names"], entry["charts"][0]["axes"], strict=True))
        assert names["AU12 lip corner puller"] == "y"
        assert {"neutral learning", "neutral ready"} <= set(names) and names["neutral ready"] == "y2"
        assert browser.errors == []


def test_keys_zoom_the_charts_of_a_person_and_words_explain_themselves(browser: Browser, page: Path) -> None:
    browser.size(1200, 900)
    browser.go(page.as_uri())
    browser.wait_for("window.drawAll !== undefined")
    browser.evaluate("drawAll().then(() => true)")

    def ranges(person: int) -> set[tuple[float, ...]]:
        found = browser.evaluate(f"""JSON.stringify([...document.querySelectorAll('[data-group]')[{person}]
          .querySelectorAll('.chart')].map(b => b.layout.xaxis.range.map(v => Math.round(v * 100) / 100)))""")
        return {tuple(one) for one in json.loads(found)}

    browser.evaluate("document.querySelector('[data-group]').focus()")
    for key, expected in (("+", (4.97, 14.93)), ("ArrowRight", (7.46, 17.41)), ("0", (0.0, 19.9))):
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if len(key) == 1 and kind == "keyDown" else {}
            browser.call("Input.dispatchKeyEvent", type=kind, key=key, **text)
        browser.wait_for("new Promise(done => setTimeout(() => done(true), 50))")
        (shown,) = ranges(0)
        assert shown == pytest.approx(expected, abs=0.03), key
        assert ranges(1) == {(0.0, 19.9)}
    tip = "getComputedStyle(document.querySelector('th .tip'), '::after').content"
    assert browser.evaluate(tip) == "none"
    browser.evaluate("document.querySelector('th .tip').focus()")
    assert "The file or topic that was read." in browser.evaluate(tip)
    browser.call("Emulation.setFocusEmulationEnabled", enabled=True)
    for number in range(browser.evaluate("document.querySelectorAll('.tip').length")):
        browser.evaluate(f"document.querySelectorAll('.tip')[{number}].focus()")
        browser.wait_for("new Promise(done => requestAnimationFrame(() => done(true)))")
        assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), number


def test_the_page_prints_with_all_charts(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.size(1200, 900)
    browser.go(page.as_uri())
    browser.wait_for("window.drawAll !== undefined")
    browser.wait_for("document.querySelector('.chart .main-svg') !== null")
    widths = "[...document.querySelectorAll('.chart .main-svg')].map(svg => svg.getBoundingClientRect().width)"
    screen = max(browser.evaluate(widths))
    on_paper = browser.evaluate(f"(() => {{ window.dispatchEvent(new Event('beforeprint')); return {widths} }})()")
    assert max(on_paper) <= 700 < screen, "as wide as a page at once: what comes later is not printed"
    browser.evaluate("window.dispatchEvent(new Event('afterprint'))")
    browser.wait_for(f"Math.max(...{widths}) >= {screen} - 1")
    printed = base64.b64decode(browser.call("Page.printToPDF", preferCSSPageSize=True)["data"])
    (tmp_path / "page.pdf").write_bytes(printed)
    assert printed.startswith(b"%PDF") and 1 <= printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") < 8
    assert browser.evaluate("[...document.querySelectorAll('.chart')].every(b => b.querySelector('.main-svg'))")
