"""Steer a lesson in JupyterLab as a reader does: open it, run all, move each control."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

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
        self.first_picture: float | None = None
        self.page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        self.page.on("websocket", lambda socket: socket.on("framereceived", self._listen))
        self.page.goto(server.address(path))
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
        # the indicator says idle also before there is a kernel; this text does not
        self.page.get_by_text("(ipykernel) | Idle").first.wait_for(timeout=60_000)
        self.wait_until_idle()

    def close(self) -> None:
        """Leave the page."""
        self.page.close()

    def _listen(self, message: str | bytes) -> None:
        """Note when the kernel sends the first picture."""
        sign = b"image/png" if isinstance(message, bytes) else "image/png"
        if self.first_picture is None and sign in message:
            self.first_picture = time.perf_counter()

    def wait_until_idle(self, seconds: float = 60) -> None:
        """Wait until the kernel is there and has nothing left to run."""
        self.page.wait_for_function(
            "document.querySelector('.jp-Notebook-ExecutionIndicator')"
            "?.getAttribute('data-status') === 'idle'",
            timeout=1000 * seconds,
        )

    def stored(self) -> list[Any]:
        """Save, and return the code cells as stored."""
        self.page.keyboard.press("Control+s")
        self.page.locator(".jp-NotebookPanel.jp-mod-dirty").wait_for(state="detached")
        self.page.wait_for_timeout(500)
        cells = self.server.contents(self.path)["content"]["cells"]
        return [cell for cell in cells if cell["cell_type"] == "code"]

    def run_all(self, seconds: float = 60) -> tuple[list[Any], float, float]:
        """Run all; return the code cells as stored, seconds to the first picture and to the end."""
        menu(self.page, "Edit", "Clear Outputs of All Cells")
        self.first_picture = None
        started = time.perf_counter()
        menu(self.page, "Run", "Run All Cells")
        numbers: list[int | None] = [None]
        # idle between two cells is not the end: the last cell must have been run
        while None in numbers and time.perf_counter() - started < seconds:
            self.page.wait_for_timeout(100)
            self.wait_until_idle(seconds)
            ended = time.perf_counter()
            cells = self.stored()
            numbers = [cell["execution_count"] for cell in cells]
        assert numbers == list(range(1, len(cells) + 1)), numbers
        first = float("nan") if self.first_picture is None else self.first_picture - started
        return cells, first, ended - started

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
