"""What nbgrader's feedback must not show, for ``course/nbgrader_config.py``."""

from __future__ import annotations

from typing import Any

from nbgrader.preprocessors import ClearHiddenTests
from nbgrader.utils import is_grade, is_solution
from traitlets import List


class HideTests(ClearHiddenTests):
    """Take hidden tests out of a graded notebook, and out of the errors that quote them.

    An error in a test cell shows the lines around it, the hidden ones among them.
    """

    display_data_priority = List(config=True)  # set for all steps of feedback; without use here

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        """Clear one cell, if it is a test; what students write in theirs is left alone."""
        if cell.cell_type == "code" and is_grade(cell) and not is_solution(cell):
            self._remove_hidden_test_region(cell)
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
        return cell, resources
