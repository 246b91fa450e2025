"""Steer a lesson in JupyterLab as a reader does: open it, run all, move each control."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

# how a control is moved, by the class that ipywidgets gives it
HANDLE, BUTTONS, LIST, BOX = ".noUi-handle", ".widget-toggle-buttons", "select", "[type=checkbox]"


def menu(page: Any, name: str, entry: str) -> None:
    """Choose an entry of a menu."""
    page.locator(".lm-MenuBar-itemLabel", has_text=name).first.click()
    page.locator(".lm-Menu-itemLabel").get_by_text(entry, exact=True).click()


class LessonPage:
    """A lesson opened in JupyterLab."""

    def __init__(self, browser: Any, server: Any, path: str, size: tuple[int, int]) -> None:
        self.server, self.path = server, path
        self.page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        self.page.goto(server.address(path))
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
        # the kernel is ready when its name is shown without "connecting" or "starting"
        self.page.wait_for_function(
            "document.querySelector('.jp-Notebook-ExecutionIndicator')"
            "?.getAttribute('data-status') === 'idle'",
            timeout=60_000,
        )

    def close(self) -> None:
        """Leave the page."""
        self.page.close()

    def stored(self) -> list[Any]:
        """Save, and return the code cells as stored."""
        self.page.keyboard.press("Control+s")
        for _ in range(20):
            try:
                cells = self.server.contents(self.path)["content"]["cells"]
                return [cell for cell in cells if cell["cell_type"] == "code"]
            except HTTPError:  # read while it was being written
                self.page.wait_for_timeout(100)
        raise AssertionError(f"{self.path} cannot be read")

    def run_all(self, seconds: float = 60) -> tuple[list[Any], float]:
        """Clear all outputs, run all; return the code cells, and when the first picture came."""
        menu(self.page, "Edit", "Clear Outputs of All Cells")
        while any(cell["outputs"] for cell in self.stored()):
            self.page.wait_for_timeout(100)
        started = time.perf_counter()
        menu(self.page, "Run", "Run All Cells")
        first_picture = None
        while time.perf_counter() - started < seconds:
            cells = self.stored()  # what is below the screen is not on the page: look into the file
            outputs = [output for cell in cells for output in cell["outputs"]]
            failed = [output for output in outputs if output["output_type"] == "error"]
            assert not failed, failed
            if first_picture is None and any("image/png" in o.get("data", {}) for o in outputs):
                first_picture = time.perf_counter() - started
            if [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1)):
                return cells, first_picture or float("nan")
            self.page.wait_for_timeout(200)
        raise AssertionError(f"{self.path} was not run through in {seconds} s")

    def explorers(self) -> Iterator[tuple[str, Any]]:
        """Scroll from top to bottom; yield the question and the box of each explorer on the way."""
        panel = self.page.locator(".jp-WindowedPanel-outer").first
        panel.evaluate("panel => panel.scrollTo(0, 0)")
        seen: set[str] = set()
        at_end = False
        while not at_end:
            self.page.wait_for_timeout(200)
            boxes = self.page.locator(".widget-vbox", has=self.page.locator("img"))
            for number in range(boxes.count()):
                box = boxes.nth(number)
                question = box.locator(".widget-html").first.inner_text()
                if question and question not in seen:
                    seen.add(question)
                    box.scroll_into_view_if_needed()
                    yield question.removeprefix("Find out: "), box
            at_end = panel.evaluate(
                "panel => { panel.scrollBy(0, 350);"
                " return panel.scrollTop + panel.clientHeight >= panel.scrollHeight - 2 }"
            )


def picture(box: Any) -> str:
    """Return the address of an explorer's present picture; each new picture has a new one."""
    return box.locator("img").first.get_attribute("src")


def moves(box: Any) -> Iterator[tuple[str, Any]]:
    """Yield a name and a function for each way to move a control of an explorer."""
    for number in range(box.locator(HANDLE).count()):
        handle = box.locator(HANDLE).nth(number)
        at_end = handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemax")
        key = "ArrowLeft" if at_end else "ArrowRight"
        yield f"slider {number}", lambda handle=handle, key=key: handle.press(key)
    for number in range(box.locator(BUTTONS).count()):
        other = box.locator(BUTTONS).nth(number).locator("button:not(.mod-active)").last
        yield f"buttons {number}", other.click
    for number in range(box.locator(LIST).count()):
        menu_ = box.locator(LIST).nth(number)
        values = menu_.locator("option").all_inner_texts()
        other_value = next(v for v in reversed(values) if v != menu_.input_value())
        yield f"list {number}", lambda m=menu_, v=other_value: m.select_option(label=v)
    for number in range(box.locator(BOX).count()):
        yield f"box {number}", box.locator(BOX).nth(number).click


def changes(page: Any, box: Any, move: Any) -> bool:
    """Move a control; return whether another picture appears."""
    before = picture(box)
    move()
    for _ in range(60):
        image = box.locator("img").first
        if picture(box) != before and image.evaluate("i => i.complete && i.naturalWidth > 0"):
            return True
        page.wait_for_timeout(50)
    return False
