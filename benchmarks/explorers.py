"""How long a student waits: the explorers' pictures and the lessons, in JupyterLab in a browser.

    python benchmarks/explorers.py            (needs Chromium and the test extra)

For every control of every explorer: the time from the key press (or click) to the new picture on
the page, median of 8; each includes the way to the kernel and back, the computation (a refit where
the explorer has one) and the drawing. For every lesson: from *Run All* to the first picture and to
the end. Writes ``explorers.md`` beside this file.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests"))

from lab_pages import BOX, BUTTONS, HANDLE, LIST, LessonPage  # noqa: E402
from labserver import start_lab, stop_lab  # noqa: E402
from notebooks import LESSONS  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from conftest import CHROMIUM_ARGUMENTS, chromium  # noqa: E402

PRESSES = 8
PAUSE = 200  # ms between presses: each is answered before the next comes
LIMIT = 60.0

WATCH = """box => {
  const image = box.querySelector('img');
  window.times = [];
  let pressed = 0;
  image.addEventListener('load', () => {
    if (pressed) { window.times.push(performance.now() - pressed); pressed = 0; }
  });
  for (const kind of ['keydown', 'mousedown', 'change'])
    box.addEventListener(kind, () => { pressed = performance.now(); }, true);
}"""


def presses(box: Any) -> list[tuple[str, Any]]:
    """Return a name and a function that moves it for each control; called again and again."""
    ways: list[tuple[str, Any]] = []
    for number in range(box.locator(HANDLE).count()):
        handle = box.locator(HANDLE).nth(number)

        def press(handle: Any = handle, state: list[str] = ["ArrowRight"]) -> None:  # noqa: B006
            value = handle.get_attribute("aria-valuenow")
            if value == handle.get_attribute("aria-valuemax"):
                state[0] = "ArrowLeft"
            elif value == handle.get_attribute("aria-valuemin"):
                state[0] = "ArrowRight"
            handle.press(state[0])

        ways.append((f"slider {number + 1}", press))
    for number in range(box.locator(BUTTONS).count()):
        group = box.locator(BUTTONS).nth(number)
        ways.append(
            (
                f"buttons {number + 1}",
                lambda group=group: group.locator("button:not(.mod-active)").first.click(),
            )
        )
    for number in range(box.locator(LIST).count()):
        entries = box.locator(LIST).nth(number)
        count = entries.locator("option").count()

        def choose(entries: Any = entries, count: int = count) -> None:
            at = entries.evaluate("list => list.selectedIndex")
            entries.select_option(index=(at + 1) % count)

        ways.append((f"list {number + 1}", choose))
    for number in range(box.locator(BOX).count()):
        ways.append((f"box {number + 1}", box.locator(BOX).nth(number).click))
    return ways


def latencies(lesson: LessonPage, box: Any) -> dict[str, float]:
    """Return the median milliseconds from press to picture for each control."""
    out = {}
    for name, press in presses(box):
        box.evaluate(WATCH)
        for _ in range(PRESSES):
            press()
            lesson.page.wait_for_timeout(PAUSE)
        times = lesson.page.evaluate("window.times")
        out[name] = statistics.median(times) if times else float("nan")
    return out


def main() -> int:
    """Measure all lessons, write the table."""
    rows, waits = [], []
    place = Path(tempfile.mkdtemp())
    server = start_lab(place / "lab", place / "private")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium(), args=CHROMIUM_ARGUMENTS
            )
            for path in LESSONS:
                copy = server.folder / "lessons" / f"run {path.name}"
                shutil.copy(path, copy)
                lesson = LessonPage(browser, server, f"lessons/{copy.name}", (1400, 1000))
                _, first, end = lesson.run_all()
                waits.append((path.stem, first, end))
                print(*waits[-1])
                for question, box in lesson.explorers():
                    for control, ms in latencies(lesson, box).items():
                        rows.append((path.stem[:2], question, control, ms))
                        print(*rows[-1])
                lesson.close()
            browser.close()
    finally:
        stop_lab(server.process)
        shutil.rmtree(place)
    write(rows, waits)
    return int(any(not ms < LIMIT for *_, ms in rows))


def write(rows: list[tuple], waits: list[tuple]) -> None:
    """Write the tables."""
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    lines = [
        "# What a student waits for",
        "",
        f"Measured on {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load average {load} "
        "(browser, server and kernel included), JupyterLab in headless Chromium, by "
        "`python benchmarks/explorers.py`.",
        "",
        f"From key press or click to the new picture, median of {PRESSES}, in ms:",
        "",
        "| lesson | explorer | control | ms |",
        "| --- | --- | --- | --- |",
    ]
    for lesson, question, control, ms in rows:
        lines.append(f"| {lesson} | {question} | {control} | {ms:.0f} |")
    lines += ["", "Lessons, in seconds from *Run All*:", ""]
    lines += ["| lesson | first picture | end |", "| --- | --- | --- |"]
    lines += [f"| {name} | {first:.1f} | {end:.1f} |" for name, first, end in waits]
    (Path(__file__).with_suffix(".md")).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
