"""Write scores where nbgrader keeps them, as its own autograder would.

Only this file (and :mod:`mixedteach.grading.feedback`) knows nbgrader's gradebook.
"""

from __future__ import annotations

import datetime
import glob
import logging
import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixedteach.errors import MixedTeachError
from mixedteach.grading.course import CONFIG

_QUIET = logging.getLogger("mixedteach.nbgrader")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False


@dataclass(frozen=True)
class Points:
    """What the gradebook holds of one answer.

    Attributes
    ----------
    score : float or None
        Points, extra credit included; None where nobody has given any yet.
    of : float
        Points of a right answer.
    by_person : bool
        Whether a person gave them.
    waiting : bool
        Whether a person has to look at it (again).
    """

    score: float | None
    of: float
    by_person: bool = False
    waiting: bool = False


@dataclass(frozen=True)
class Standing:
    """What the gradebook holds of one submission.

    Attributes
    ----------
    points : dict
        Graded cell -> its points.
    late : float
        Seconds after the due date, extension included; 0 if in time.
    penalty : float
        Points taken off for that.
    """

    points: Mapping[str, Points]
    late: float
    penalty: float

    @property
    def total(self) -> float:
        """Points so far, the penalty taken off: what nbgrader exports."""
        earned = sum(found.score or 0.0 for found in self.points.values())
        return round(max(earned - self.penalty, 0.0), 2)


class Book:
    """The gradebook of a course folder.

    Parameters
    ----------
    folder : pathlib.Path
        The course folder; its ``nbgrader_config.py`` says where things are.

    Raises
    ------
    MixedTeachError
        If nbgrader is not installed, or this is no course folder.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from nbgrader.coursedir import CourseDirectory
            from traitlets.config.loader import PyFileConfigLoader
        except ImportError:
            raise MixedTeachError(
                "Grades are kept by nbgrader, which is not installed: type pip install nbgrader."
            ) from None
        if not (folder / CONFIG).is_file():
            raise MixedTeachError(
                f"{folder} is no course folder (it has no {CONFIG}): "
                f'mixedteach exercises --course "{folder}" makes one.'
            )
        try:
            self._config = PyFileConfigLoader(CONFIG, path=str(folder)).load_config()
        except Exception as error:  # it is a program, and not ours
            raise MixedTeachError(
                f"{folder / CONFIG} cannot be read: {type(error).__name__}: {error}."
            ) from None
        self.folder = folder
        self._places = CourseDirectory(config=self._config, root=str(folder.absolute()), log=_QUIET)

    @contextmanager
    def _open(self) -> Iterator[Any]:
        from nbgrader.api import Gradebook
        from sqlalchemy.exc import SAWarning

        with warnings.catch_warnings():
            # nbgrader's own way of adding a submission makes newer versions of SQLAlchemy warn
            warnings.simplefilter("ignore", SAWarning)
            with Gradebook(self._places.db_url, self._places.course_id) as book:
                yield book

    def place(self, step: str, student: str, assignment: str) -> Path:
        """Return a folder of nbgrader's; `step` is ``submitted``, ``autograded`` or ``source``."""
        name = getattr(self._places, f"{step}_directory")
        return Path(self._places.format_path(name, student, assignment))

    def students(self, assignment: str) -> list[str]:
        """Return who has handed in something."""
        where, name = self._places.format_path, self._places.submitted_directory
        pattern = re.compile(where(name, "(?P<student>[^/\\\\]+)", assignment, escape=True))
        paths = glob.glob(where(glob.escape(name), "*", glob.escape(assignment)))
        found = (pattern.fullmatch(path) for path in paths if Path(path).is_dir())
        return sorted(match["student"] for match in found if match)

    def points(self, assignment: str) -> dict[str, float]:
        """Return the graded cells that the gradebook knows: name -> points.

        Raises
        ------
        MixedTeachError
            If it does not know the assignment.
        """
        from nbgrader.api import MissingEntry

        unknown = MixedTeachError(
            f"The gradebook of {self.folder} does not know {assignment}: in that folder, type "
            f"nbgrader generate_assignment {assignment}."
        )
        file = self._places.db_url.removeprefix("sqlite:///")
        if file != self._places.db_url and not Path(file).exists():
            raise unknown  # to open it would make an empty one
        with self._open() as book:
            try:
                cells = book.find_notebook(assignment, assignment).grade_cells
            except MissingEntry:
                raise unknown from None
            return {cell.name: float(cell.max_score) for cell in cells}

    def knows(self, assignment: str) -> bool:
        """Tell whether the assignment is in it."""
        try:
            self.points(assignment)
        except MixedTeachError:
            return False
        return True

    def due(self, assignment: str) -> datetime.datetime | None:
        """Return when an assignment is due, in UTC, if that was said."""
        with self._open() as book:
            return book.find_assignment(assignment).duedate

    def record(
        self, assignment: str, student: str, scores: Mapping[str, float | None],
        unanswered: Collection[str], unchanged: Collection[str],
        handed_in: datetime.datetime | None,
    ) -> bool:  # fmt: skip
        """Write the scores of a submission; return whether it had been graded before.

        Parameters
        ----------
        assignment, student : str
            Which submission.
        scores : mapping
            Graded cell -> points, or None where a person must grade it.
        unanswered : collection of str
            Cells for an answer that are as they were handed out.
        unchanged : collection of str
            Graded cells whose answer is what it was when it was graded last.
        handed_in : datetime, optional
            When, for late work.
        """
        from nbgrader.api import MissingEntry

        when = {} if handed_in is None else {"timestamp": handed_in}
        with self._open() as book:
            try:
                book.find_submission(assignment, student)
                before = True
            except MissingEntry:
                before = False
            book.update_or_create_student(student)
            book.update_or_create_submission(assignment, student, **when)
            for cell, score in scores.items():
                grade = book.find_grade(cell, assignment, assignment, student)
                grade.auto_score = score
                # a person's grade stays; it is to be looked at again if the answer is another
                by_person = grade.manual_score is not None
                if not (by_person and cell in unchanged):
                    grade.needs_manual_grade = score is None or by_person
            for cell in book.find_notebook(assignment, assignment).solution_cells:
                comment = book.find_comment(cell.name, assignment, assignment, student)
                comment.auto_comment = "No response." if cell.name in unanswered else None
            book.db.commit()
        return before

    def extend(self, assignment: str, extensions: Mapping[str, datetime.timedelta]) -> None:
        """Give these students more time, and all others none: nbgrader's field of a submission."""
        with self._open() as book:
            for found in book.assignment_submissions(assignment):
                # nbgrader adds it to the due date, also where there is none
                due = found.assignment.duedate is not None
                found.extension = extensions.get(found.student.id) if due else None
            book.db.commit()

    def take_off(self, assignment: str, student: str) -> None:
        """Take points off late work as the configuration of nbgrader says.

        Once more whenever points have changed: a penalty is a share of them, as a rule.
        """
        from nbformat.v4 import new_notebook
        from nbgrader.preprocessors import AssignLatePenalties

        about = {
            "notebook": assignment, "assignment": assignment, "student": student,
            "db_url": self._places.db_url,
        }  # fmt: skip
        step = AssignLatePenalties(config=self._config, log=_QUIET)
        step.preprocess(new_notebook(), {"nbgrader": about})

    def standings(self, assignment: str) -> dict[str, Standing]:
        """Return what each submission that was graded has got: student -> standing."""
        with self._open() as book:
            return {
                found.student.id: _standing(found)
                for found in book.assignment_submissions(assignment)
            }

    def people(self) -> dict[str, tuple[str, str, str]]:
        """Return the students of the gradebook: id -> last name, first name, address."""
        with self._open() as book:
            return {
                found.id: (found.last_name or "", found.first_name or "", found.email or "")
                for found in sorted(book.students, key=lambda found: found.id)
            }


def _standing(found: Any) -> Standing:
    points = {}
    for grade in (grade for notebook in found.notebooks for grade in notebook.grades):
        given = grade.manual_score if grade.manual_score is not None else grade.auto_score
        extra = grade.extra_credit or 0.0
        points[grade.name] = Points(
            None if given is None and not extra else (given or 0.0) + extra, float(grade.max_score),
            grade.manual_score is not None or bool(extra), bool(grade.needs_manual_grade),
        )  # fmt: skip
    penalty = found.late_submission_penalty or 0.0
    return Standing(points, float(found.total_seconds_late), float(penalty))


def handed_in(folder: Path) -> datetime.datetime | None:
    """Return when a submission was handed in: nbgrader writes it to ``timestamp.txt``.

    Raises
    ------
    ValueError
        If the file holds no time.
    """
    from nbgrader.utils import parse_utc

    path = folder / "timestamp.txt"
    if path.is_symlink() or not path.is_file():
        return None
    with path.open(encoding="utf-8", errors="replace") as file:
        text = file.read(200).strip()
    try:
        return parse_utc(text) if text else None
    except (ValueError, OverflowError):
        raise ValueError(f"timestamp.txt holds no time: '{text[:40]}'") from None
