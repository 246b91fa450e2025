"""Late work: a penalty that grows with time, and more time for some students.

``course/nbgrader_config.py`` names :class:`LatePenalty`, so that nbgrader's own commands use it,
too. Who has more time stands in ``extensions.csv`` in the course folder.
"""

from __future__ import annotations

import csv
import datetime
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbgrader.plugins import LateSubmissionPlugin
from traitlets import Enum, Float

from mixedteach.errors import MixedTeachError

EXTENSIONS = "extensions.csv"
_SECONDS = {"hour": 3600.0, "day": 86_400.0}


class LatePenalty(LateSubmissionPlugin):
    """Take off a share of the points earned for each day or hour begun.

    >>> LatePenalty(penalty_method="percent", percent=10).late_submission_penalty("a", 20, 90_000)
    4.0
    """

    penalty_method = Enum(
        ("none", "zero", "percent"), default_value="none",
        help="'none': late work is only noted; 'zero': it gets no points; 'percent': it loses "
        "`percent` for each `each` begun, after `grace_minutes`.",
    ).tag(config=True)  # fmt: skip
    percent = Float(10.0, min=0, max=100, help="Of the points earned.").tag(config=True)
    each = Enum(("day", "hour"), default_value="day", help="Begun ones count.").tag(config=True)
    grace_minutes = Float(
        15.0, min=0, help="So long after the due date nothing is taken off; then all counts."
    ).tag(config=True)
    most = Float(100.0, min=0, max=100, help="Percent that are taken off at most.").tag(config=True)

    def late_submission_penalty(
        self, student_id: str, score: float, total_seconds_late: float
    ) -> float | None:
        """Return the points to be taken off, or None; nbgrader calls this."""
        if self.penalty_method != "percent":
            return super().late_submission_penalty(student_id, score, total_seconds_late)
        if total_seconds_late <= self.grace_minutes * 60:
            return None
        begun = math.ceil(total_seconds_late / _SECONDS[self.each])
        return round(score * min(begun * self.percent, self.most) / 100, 2)


def extensions(
    folder: Path, assignment: str, known: Callable[[str], str], due: datetime.datetime | None
) -> dict[str, datetime.timedelta] | None:
    """Return who has more time for an assignment, and how much; None if there is no list.

    The list is a CSV file with the columns ``id``, ``assignment``, and ``hours`` or ``until`` (a
    time, UTC if it does not say).

    Parameters
    ----------
    folder : pathlib.Path
        The course folder.
    assignment : str
        Its name.
    known : callable
        Returns the name of the assignment that a word means.
    due : datetime, optional
        When it is due, in UTC.

    Raises
    ------
    MixedTeachError
        If the list cannot be read; the line is named.
    """
    path = folder / EXTENSIONS
    if not path.exists():
        return None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = [{(k or "").strip(): (v or "").strip() for k, v in row.items() if k}
                    for row in reader]  # fmt: skip
            columns = {(name or "").strip() for name in reader.fieldnames or ()}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MixedTeachError(f"{path} cannot be read: {error}.") from None
    if not {"id", "assignment"} <= columns or not {"hours", "until"} & columns:
        raise MixedTeachError(
            f"{path} needs a first line with the columns id, assignment, and hours or until."
        )
    found = {}
    for number, row in enumerate(rows, start=2):
        if not any(row.values()):
            continue
        try:
            if known(row["assignment"]) == assignment:
                found[row["id"]] = _longer(row, due)
        except (ValueError, OverflowError, MixedTeachError) as error:
            raise MixedTeachError(f"Line {number} of {path}: {str(error).rstrip('.')}.") from None
    return found


def _longer(row: dict[str, Any], due: datetime.datetime | None) -> datetime.timedelta:
    from nbgrader.utils import parse_utc

    if row.get("hours"):
        try:
            hours = float(row["hours"])
        except ValueError:
            raise ValueError(f"'{row['hours']}' is no number of hours") from None
        if not 0 <= hours < 10_000:
            raise ValueError(f"{row['hours']} hours are no extension")
        return datetime.timedelta(hours=hours)
    if not row.get("until"):
        raise ValueError("neither hours nor a time is given")
    if due is None:
        raise ValueError("the assignment has no due date yet")
    until = parse_utc(row["until"])
    return max(until - due, datetime.timedelta(0))
