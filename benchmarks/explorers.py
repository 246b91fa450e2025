"""How long a student waits: the explorers' pictures and the lessons, in JupyterLab in a browser.

    python benchmarks/explorers.py [--runs 2] [--lessons 3 6]      (Chromium and the test extra)

For every control of every explorer, from the key press (or mouse button pressed):

- to the *new picture*: the browser has it (event ``load`` of the image). Median of 8 for each run.
- to the picture *on screen*: the browser has painted it, by its own clock (Element Timing). Median
  over all runs.

Both include the way to the kernel and back, the computation (a refit where the explorer has one)
and the drawing. No picture is drawn ahead, but the few models of lessons 6 and 7 (wrong error term)
are fitted when their explorer is made, and what was fitted once is not fitted again. For every
lesson: from *Run All* to the first picture and to the end. Writes ``explorers.md`` beside
this file if all lessons are measured.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
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
  window.arrived = []; window.painted = [];
  if (box.watched) return;
  box.watched = true;
  const image = box.querySelector('img');
  let pressed = 0, shown = 0;
  for (const kind of ['keydown', 'mousedown', 'change'])
    box.addEventListener(kind, () => { pressed = performance.now(); shown = 0; }, true);
  image.addEventListener('load', () => {
    if (!pressed) return;
    window.arrived.push(performance.now() - pressed);
    shown = pressed; pressed = 0;
  });
  image.setAttribute('elementtiming', 'explorer');
  new PerformanceObserver(list => {
    for (const entry of list.getEntries())
      if (entry.element === image && shown && entry.renderTime > shown) {
        window.painted.push(entry.renderTime - shown);
        shown = 0;
      }
  }).observe({type: 'element'});
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


def latencies(lesson: LessonPage, box: Any) -> dict[str, tuple[float, list[float]]]:
    """Return for each control the median milliseconds to the picture, and all until painted."""
    out = {}
    for name, press in presses(box):
        box.evaluate(WATCH)
        for _ in range(PRESSES):
            press()
            lesson.page.wait_for_timeout(PAUSE)
        arrived, painted = lesson.page.evaluate("[window.arrived, window.painted]")
        out[name] = (statistics.median(arrived) if arrived else float("nan"), painted)
    return out


def measure(lessons: Sequence[Path]) -> tuple[dict, dict]:
    """Open the lessons one after the other; return the waits for pictures and for lessons."""
    pictures, waits = {}, {}
    place = Path(tempfile.mkdtemp())
    server = start_lab(place / "lab", place / "private")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium(), args=CHROMIUM_ARGUMENTS
            )
            for path in lessons:
                copy = server.folder / "lessons" / f"run {path.name}"
                shutil.copy(path, copy)
                lesson = LessonPage(browser, server, f"lessons/{copy.name}", (1400, 1000))
                _, *waits[path.stem] = lesson.run_all()
                print(path.stem, *waits[path.stem], flush=True)
                for question, box in lesson.explorers():
                    for control, (ms, painted) in latencies(lesson, box).items():
                        pictures[path.stem[:2], question, control] = ms, painted
                        print(f"{path.stem[:2]} {control}: {ms:.0f} ms, {question}", flush=True)
                lesson.close()
            browser.close()
    finally:
        stop_lab(server.process)
        shutil.rmtree(place)
    return pictures, waits


def main() -> int:
    """Measure lessons, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--lessons", type=int, nargs="*", help="numbers; by default all")
    asked = parser.parse_args()
    lessons = [p for p in LESSONS if not asked.lessons or int(p.name[:2]) in asked.lessons]
    runs = [measure(lessons) for _ in range(asked.runs)]
    text = table(runs)
    print(text)
    if not asked.lessons:
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    return int(any(not ms < LIMIT for pictures, _ in runs for ms, _ in pictures.values()))


def table(runs: list[tuple[dict, dict]]) -> str:
    """Return the tables in Markdown."""
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    columns = " | ".join(f"run {i + 1}" for i in range(len(runs)))
    lines = [
        "# What a student waits for",
        "",
        f"Measured on {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load average {load} "
        "(browser, server and kernel included), JupyterLab (`mixedteach lab`) in headless Chromium "
        "without a graphics card, by `python benchmarks/explorers.py`.",
        "",
        f"From key press (or mouse button pressed) to the new picture in the page, median of "
        f"{PRESSES}, in ms; then the median until the browser has painted it. No picture is "
        "drawn ahead; the models of lesson 6 and of the last explorer of lesson 7 are fitted "
        "when the explorer is made.",
        "",
        f"| lesson | explorer | control | {columns} | painted |",
        "| --- | --- | --- |" + " --- |" * (len(runs) + 1),
    ]
    for key in runs[0][0]:
        of_runs = " | ".join(f"{pictures[key][0]:.0f}" for pictures, _ in runs)
        painted = [ms for pictures, _ in runs for ms in pictures[key][1]]
        last = f"{statistics.median(painted):.0f}" if painted else ""
        lines.append(f"| {' | '.join(key)} | {of_runs} | {last} |")
    medians = [ms for pictures, _ in runs for ms, _ in pictures.values()]
    lines += ["", f"{sum(ms < LIMIT for ms in medians)} of {len(medians)} medians are below "]
    lines[-1] += f"{LIMIT:.0f} ms; the largest is {max(medians):.0f}."
    lines += ["", "Lessons, in seconds from *Run All*, the slowest of the runs:", ""]
    lines += ["| lesson | first picture | end |", "| --- | --- | --- |"]
    for name in runs[0][1]:
        first, end = (max(waits[name][i] for _, waits in runs) for i in (0, 1))
        lines.append(f"| {name} | {first:.1f} | {end:.1f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
