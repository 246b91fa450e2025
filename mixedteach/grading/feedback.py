"""The page that a student gets back, for ``course/nbgrader_config.py``."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from nbconvert.exporters import HTMLExporter
from nbgrader.preprocessors import ClearHiddenTests
from nbgrader.utils import is_grade, is_solution
from traitlets import List

from mixedteach.checks.question import question
from mixedteach.errors import DataError

_POINTS = re.compile(r"<p>([\d.]+) of [\d.]+ points</p>$")
_LONGEST = 90  # characters of a line of the contents


class HideTests(ClearHiddenTests):
    """Take hidden tests out of a graded notebook, and out of the errors that quote them.

    An error in a test cell shows the lines around it, the hidden ones among them. And where a
    person has changed the points of a check, say so below what the check said.
    """

    display_data_priority = List(config=True)  # set for all steps of feedback; without use here

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        """Clear one cell, if it is a test; what students write in theirs is left alone."""
        if cell.cell_type == "code" and is_grade(cell) and not is_solution(cell):
            self._remove_hidden_test_region(cell)
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
                elif "text/html" in output.get("data", {}):
                    _correct(output.data, cell.metadata.nbgrader)
        return cell, resources


def _correct(data: Any, about: Any) -> None:
    """Put the points of the gradebook below a check, if they are others than the check's."""
    found = _POINTS.search(data["text/html"])
    score = about.get("score")
    if found is None or score is None or abs(float(found[1]) - score) < 0.005:
        return
    words = f"{score:g} of {about['points']:g} points, given by a person (the check: {found[1]})"
    data["text/html"] = f"{data['text/html'][: found.start()]}<p>{words}</p>"


class FeedbackPage(HTMLExporter):
    """nbgrader's page, with questions in its contents in place of the words "Test cell"."""

    def from_notebook_node(
        self, nb: Any, resources: Any = None, **options: Any
    ) -> tuple[str, dict[str, Any]]:
        """Return the page of a graded notebook."""
        page, made = super().from_notebook_node(nb, resources, **options)
        for cell in nb.cells:
            about = cell.metadata.get("nbgrader", {})
            if about.get("grade"):
                page = _named(page, about["grade_id"])
        return page, made


def _named(page: str, grade_id: str) -> str:
    """Name a question in the contents, and above its cell."""
    first, _, name = grade_id.partition("-")
    try:
        asks = question(f"{first}.{name}").asks
    except DataError:  # a cell of the instructor's own
        return page
    if len(asks) > _LONGEST:
        asks = f"{asks[:_LONGEST].rsplit(' ', 1)[0].rstrip(' ,:;')} …"
    line = f'<a href="#{grade_id}">{escape(name)}</a>: {escape(asks.rstrip("."))}'
    page = re.sub(
        f'<a href="#{re.escape(grade_id)}">(Test cell|Coding free-response|Written response)</a>',
        lambda _: line,
        page,
    )
    cell = f"Grade cell: <code>{grade_id}</code>"
    return page.replace(cell, f"Check of <code>{escape(name)}</code>")
