"""What keeps ``nbgrader autograde`` from doing harm, for ``course/nbgrader_config.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbconvert.exporters import NotebookExporter
from nbgrader.converters.base import NbGraderException


class OneKeyForAll(NotebookExporter):
    """Refuse to autograde where each student has other data.

    nbgrader would lay the class's data over each student's, judge all by them, and write zeros over
    marks. It makes its exporter before it touches any file or grade.
    """

    def __init__(self, **options: Any) -> None:
        autograde = options["parent"]
        about = autograde.coursedir
        keys = Path(about.root, "answer_keys", about.assignment_id)
        if keys.is_dir():
            autograde.log.error(
                "Each student has other data in %s, and nbgrader knows one key only: type "
                "'mixedteach grade %s' instead. Nothing was changed.",
                about.assignment_id, about.assignment_id,
            )  # fmt: skip
            raise NbGraderException("each student has other data: use mixedteach grade")
        super().__init__(**options)
