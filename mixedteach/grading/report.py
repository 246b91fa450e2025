"""What an instructor reads: a table and a text for each student, and the marks of all assignments.

Points come from nbgrader's gradebook, where a person may have given or changed some; what the
program had to say of each answer was stored beside the texts when the submission was graded.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from mixedteach.grading import generate, key
from mixedteach.grading.gradebook import Book, Points, Standing

FOLDER = "reports"
MARKS = "marks.csv"
WAITING = "?"  # for a person to grade
BY_PERSON = "*"  # after points that a person gave


@dataclass(frozen=True)
class Said:
    """What the program had to say of an answer."""

    message: str
    status: str
    mistake: str | None = None


@dataclass
class Record:
    """What is kept of a submission beside its points.

    Attributes
    ----------
    said : dict
        Short name of a question -> what was said of its answer.
    notes : list of str
        What student and instructor should know.
    readable : bool
        Whether there was a notebook to grade.
    seconds : float
        In the box.
    """

    said: dict[str, Said] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    readable: bool = True
    seconds: float = 0.0

    @property
    def mistakes(self) -> list[str]:
        """The mistakes recognised, each with its question."""
        found = ((name, said.mistake) for name, said in self.said.items())
        return [f"{name}: {mistake}" for name, mistake in found if mistake]


class Reports:
    """The reports on one assignment.

    Parameters
    ----------
    book : Book
        The gradebook.
    answers : key.Key
        The key of the assignment, whose questions are the columns.
    """

    def __init__(self, book: Book, answers: key.Key) -> None:
        self.book, self.key = book, answers
        self.assignment = answers.assignment
        self.worth = book.points(self.assignment)
        self._prefix = f"{answers.exercise}-"
        self._folder = book.folder / FOLDER

    @property
    def total(self) -> float:
        """Points of all right answers together."""
        return sum(self.worth.values())

    def keep(self, student: str, record: Record) -> None:
        """Store what was said of a submission."""
        content = json.dumps(asdict(record), indent=1, ensure_ascii=False)
        generate.write(f"{content}\n", self._folder / self.assignment / f"{student}.json")

    def kept(self, student: str) -> Record:
        """Return what was stored; an empty record if there is nothing that can be read."""
        try:
            path = self._folder / self.assignment / f"{student}.json"
            about = json.loads(path.read_text(encoding="utf-8"))
            said = {name: Said(**found) for name, found in about.pop("said").items()}
            return Record(said, **about)
        except (OSError, ValueError, TypeError, AttributeError, KeyError):
            return Record()

    def write(self, answers: Mapping[str, key.Key] | None = None) -> dict[str, Standing]:
        """Write the table, and a text for each student, as the gradebook is now.

        `answers` are the keys of students who have data of their own.
        """
        standings = self.book.standings(self.assignment)
        kept = {path.stem for path in (self._folder / self.assignment).glob("*.json")}
        names = list(self.key.answers)
        head = ["id", *names, "total", "of", "late", "waiting", "mistakes", "notes"]
        rows = [head]
        for student in sorted({*standings, *kept}):
            record, standing = self.kept(student), standings.get(student)
            text = self._text(student, record, standing, (answers or {}).get(student, self.key))
            generate.write(text, self._folder / self.assignment / f"{student}.txt")
            rows.append([
                student, *(_number(p) for p in self.points(standing)),
                f"{standing.total:g}" if standing else "", f"{self.total:g}",
                f"{standing.penalty:g}" if standing else "",
                " ".join(self.waiting(standing)), "; ".join(record.mistakes),
                "; ".join([*record.notes, *lateness(standing)]),
            ])  # fmt: skip
        _write_csv(self._folder / f"{self.assignment}.csv", rows)
        return standings

    def points(self, standing: Standing | None) -> list[Points | None]:
        """Return what the gradebook holds of each question, in their order."""
        if standing is None:
            return [None] * len(self.key.answers)
        return [standing.points.get(f"{self._prefix}{name}") for name in self.key.answers]

    def waiting(self, standing: Standing | None) -> list[str]:
        """Return the questions that a person has to grade."""
        found = zip(self.key.answers, self.points(standing), strict=True)
        return [name for name, points in found if points is not None and points.waiting]

    def _text(
        self, student: str, record: Record, standing: Standing | None, answers: key.Key
    ) -> str:
        lines = [f"{self.assignment}, {student}", ""]
        for name, points in zip(self.key.answers, self.points(standing), strict=True):
            said = record.said.get(name)
            if points is not None:
                lines.append(f"{name}: {in_words(points)}. {said.message if said else ''}".rstrip())
        if standing is not None:
            lines.append(f"total: {standing.total:g} of {self.total:g} points")
        notes = [*record.notes, *lateness(standing)]
        lines += ["", *(f"- {note}" for note in notes)] if notes else []
        for name, answer in answers.answers.items():
            if answer.model:
                lines += ["", f"{name}: with this student's data it might read", "", answer.model]
        return "\n".join(lines) + "\n"

    def head(self) -> Iterator[str]:
        """Yield the head of the table that is printed: what the columns are."""
        yield f"{self.assignment}: {len(self.key.answers)} questions, {self.total:g} points"
        for number, (name, answer) in enumerate(self.key.answers.items(), start=1):
            hand = ", graded by a person" if answer.by_hand else ""
            yield f"  {number:>2}  {name} ({self.worth[f'{self._prefix}{name}']:g}{hand})"
        yield ""
        heads = "".join(f"{number:>6}" for number in range(1, len(self.key.answers) + 1))
        yield f"{'student':<20}{heads}{'late':>7}{'total':>7}"

    def row(self, student: str, standing: Standing | None) -> str:
        """Return the line of the table on one student."""
        cells = "".join(f"{_cell(points):>6}" for points in self.points(standing))
        late = f"{-standing.penalty:g}" if standing and standing.penalty else ""
        total = f"{standing.total:g}" if standing else "-"
        return f"{student:<20}{cells}{late:>7}{total:>7}"


def in_words(points: Points) -> str:
    """Say what an answer got, and from whom."""
    if points.score is None:
        return f"graded by a person, 0 to {points.of:g} points"
    by = ", given by a person" if points.by_person else ""
    again = "; to be looked at again" if points.waiting else ""
    return f"{points.score:g} of {points.of:g} points{by}{again}"


def lateness(standing: Standing | None) -> list[str]:
    """Say how late a submission was, and what it costs."""
    if standing is None or not standing.late:
        return []
    off = f"; {standing.penalty:g} points off" if standing.penalty else ""
    return [f"late by {span(standing.late)}{off}"]


def span(seconds: float) -> str:
    """Return a time in words."""
    hours = seconds / 3600
    if hours < 1:
        return f"{seconds / 60:.0f} minutes"
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"


def write_marks(book: Book, assignments: Iterable[str], path: Path) -> None:
    """Write the marks of all assignments: a row for each student, a column for each assignment.

    Nothing stands where nothing was handed in.
    """
    people, names = book.people(), list(assignments)
    every = {name: book.standings(name) for name in names}
    rows: list[Sequence[str]] = [["id", "last_name", "first_name", "email", *names, "total"]]
    for student, about in people.items():
        found = [every[name].get(student) for name in names]
        total = sum(standing.total for standing in found if standing)
        cells = [f"{standing.total:g}" if standing else "" for standing in found]
        rows.append([student, *about, *cells, f"{total:g}"])
    _write_csv(path, rows)


def _write_csv(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([*map(_harmless, row)] for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.part")
    half.write_text(text.getvalue(), encoding="utf-8", newline="")
    os.replace(half, path)


def _harmless(cell: Any) -> Any:
    """Return a cell that a spreadsheet takes for text, though a student may have written it."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in tuple("=+@\t\r") else cell


def _number(points: Points | None) -> str:
    """Return the points as a cell of a file; nothing where a person has to grade."""
    return "" if points is None or points.score is None else f"{points.score:g}"


def _cell(points: Points | None) -> str:
    if points is None:
        return ""
    if points.score is None:
        return WAITING
    mark = WAITING if points.waiting else BY_PERSON if points.by_person else ""
    return f"{points.score:g}{mark}"
