"""Each lesson in JupyterLab, in a real browser: it runs through, and its explorers move."""

import shutil
from pathlib import Path

import pytest
from lab_pages import LessonPage, changes, moves
from notebooks import LESSONS, read


@pytest.mark.parametrize("path", LESSONS, ids=[path.stem for path in LESSONS])
def test_runs_through_and_explorers_move(path: Path, browser, lab_server, tmp_path) -> None:
    copy = lab_server.folder / "lessons" / f"run {path.name}"  # others may use the student's copy
    shutil.copy(path, copy)
    lesson = LessonPage(browser, lab_server, f"lessons/{copy.name}", size=(1280, 900))
    try:
        cells, *_ = lesson.run_all()
        committed = [cell for cell in read(path).cells if cell.cell_type == "code"]
        assert len(cells) == len(committed)
        for cell, known in zip(cells, committed, strict=True):
            assert plain(cell["outputs"]) == plain(known.outputs)
        shown = sum(t.startswith("Explorer:") for cell in cells for t in plain(cell["outputs"]))

        moved = 0
        for question, box in lesson.explorers():
            moved += 1
            ways = list(moves(box))
            assert ways, question
            for name, move in ways:
                assert changes(lesson.page, box, move), f"{question}: {name}"
            lesson.page.screenshot(path=tmp_path / f"{path.stem}_{moved}.png")
        assert moved == shown >= 1
    finally:
        lesson.close()


def plain(outputs: list) -> list[str]:
    """Return the text of outputs, streams joined."""
    streams = "".join(joined(o["text"]) for o in outputs if o["output_type"] == "stream")
    texts = [joined(o["data"]["text/plain"]) for o in outputs if "data" in o]
    assert all(o["output_type"] != "error" and o.get("name") != "stderr" for o in outputs)
    return [streams, *texts]


def joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
