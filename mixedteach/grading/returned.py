"""The graded notebook that a student gets back, built around our own and never around theirs.

Task texts, checks and everything nbgrader needs to know come from the notebook that was handed
out. The student's answers are put into its answer cells; all else that was handed in follows where
it stood, without a meaning for nbgrader. So cells that were deleted, copied, moved or given other
names change nothing in what nbgrader finds.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixedteach.checks.verdict import Verdict
from mixedteach.grading import generate
from mixedteach.grading.record import CellRun
from mixedteach.grading.submission import Cell


@dataclass(frozen=True)
class Mark:
    """What an answer got."""

    verdict: Verdict
    score: float | None  # None: a person has to grade it
    of: float

    def __str__(self) -> str:
        if self.score is None:
            return f"graded by a person, 0 to {self.of:g} points"
        return f"{self.score:g} of {self.of:g} points"


class Matched:
    """Which cells of a submission are which cells of the notebook that was handed out."""

    def __init__(self, release: Any, cells: Sequence[Cell]) -> None:
        self.release, self.cells = release, cells
        place = {_id(cell): i for i, cell in enumerate(release.cells) if _id(cell)}
        times = Counter(cell.grade_id for cell in cells)
        self.own: dict[int, int] = {}  # of the notebook's cells -> the submission's
        self.rest: dict[int, list[int]] = defaultdict(list)  # what follows a cell of the notebook
        at = -1
        for i, cell in enumerate(cells):
            found = place.get(cell.grade_id or "", -1) if times[cell.grade_id] == 1 else -1
            if found < 0 or cell.kind != release.cells[found].cell_type:
                self.rest[at].append(i)
                continue
            at = found
            self.own[at] = i
            if not _answers(release.cells[at]) and not self._same(at):
                self.rest[at].append(i)  # a task or a check that was changed: shown beside ours
        self.several = sorted(
            grade_id for grade_id, count in times.items()
            if grade_id and count > 1 and grade_id in place
        )  # fmt: skip

    def _same(self, place: int) -> bool:
        theirs = self.cells[self.own[place]].source
        return _stripped(theirs) == _stripped(self.release.cells[place].source)

    def untouched(self) -> set[str]:
        """Return the answer cells that are missing, or as they were handed out."""
        return {
            _id(cell)
            for i, cell in enumerate(self.release.cells)
            if _answers(cell) and (i not in self.own or self._same(i))
        }


def notebook(
    matched: Matched, runs: Sequence[CellRun], marks: Mapping[str, Mark],
    texts: Mapping[str, str], notes: Sequence[str],
) -> Any:  # fmt: skip
    """Return the graded notebook.

    Parameters
    ----------
    matched : Matched
        The submission and the notebook handed out.
    runs : sequence of CellRun
        What the code cells of the submission showed.
    marks : mapping
        Graded cell -> what it got.
    texts : mapping
        Graded cell -> the sentences that a person has to grade, for cells that do not hold them.
    notes : sequence of str
        What the student should know.
    """
    made = generate.copied(matched.release)
    code = [i for i, cell in enumerate(matched.cells) if cell.kind == "code"]
    run = {i: (number, cell) for number, (i, cell) in enumerate(zip(code, runs, strict=False), 1)}
    made.cells = [_first(notes)] if notes else []
    for i in matched.rest[-1]:
        made.cells.append(_theirs(matched.cells[i], i, run))
    for place, cell in enumerate(generate.copied(matched.release).cells):
        name = _id(cell)
        if name or not matched.cells:  # what has no name is shown as it was handed in
            if _answers(cell) and place in matched.own:
                i = matched.own[place]
                cell.source = matched.cells[i].source
                _put(cell, i, run)
            if name in texts:
                about = f"The text was found in another cell:\n\n{texts[name]}"
                cell.outputs += generate.outputs([_stream(about)])
            if name in marks and not _answers(cell):
                cell.outputs = generate.outputs([_shown(marks[name])])
            made.cells.append(cell)
        for i in matched.rest[place]:
            made.cells.append(_theirs(matched.cells[i], i, run))
    return made


def _theirs(cell: Cell, number: int, run: Mapping[int, tuple[int, CellRun]]) -> Any:
    """Return a cell of the submission that is none of ours."""
    from nbformat import v4

    name = f"handed-in-{number + 1}"
    if cell.kind != "code":  # Markdown may hold scripts, which nbgrader's pages would run
        return v4.new_markdown_cell(_verbatim(cell.source), id=name)
    made = v4.new_code_cell(cell.source, id=name)
    _put(made, number, run)
    return made


def _verbatim(text: str) -> str:
    """Return Markdown that shows a text as it is."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}text\n{text}\n{fence}"


def _put(cell: Any, number: int, run: Mapping[int, tuple[int, CellRun]]) -> None:
    if number in run:
        cell.execution_count, about = run[number]
        cell.outputs = generate.outputs(about.outputs)
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                output.metadata["image/png"] = {"alt": "picture of the submission"}


def _first(notes: Sequence[str]) -> Any:
    from nbformat import v4

    lines = [line for note in notes for line in textwrap.wrap(note, 90, subsequent_indent="  ")]
    about = "**Notes on your submission**"
    return v4.new_markdown_cell(f"{about}\n\n{_verbatim(chr(10).join(lines))}", id="notes")


def _shown(mark: Mark) -> dict[str, Any]:
    verdict = mark.verdict
    return {
        "output_type": "execute_result",
        "execution_count": None,
        "metadata": {},
        "data": {
            "text/html": f"{verdict._repr_html_()}<p>{mark}</p>",
            "text/plain": f"{verdict!r}\n{mark}",
        },
    }


def _stream(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def _id(cell: Any) -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def _answers(cell: Any) -> bool:
    """Whether this is a cell for an answer."""
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def _stripped(source: str) -> list[str]:
    return [line.rstrip() for line in source.strip().splitlines()]
