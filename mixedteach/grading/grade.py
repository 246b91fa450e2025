"""Grade what was handed in, each submission in a box (``mixedteach grade``).

For each student: read the notebook, run it in the box, take the named answers out of it, judge them
by the key in a process that no submission reaches, write the scores to nbgrader's gradebook, and
build the notebook from which ``nbgrader generate_feedback`` makes the page that is returned.
"""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mixedteach.checks.judge import not_attempted
from mixedteach.errors import MixedTeachError, did_you_mean, listed
from mixedteach.grading import box, generate, key, returned, submission
from mixedteach.grading.gradebook import Book, handed_in
from mixedteach.grading.judging import Judge
from mixedteach.grading.returned import Mark

NOTHING = {"kind": "nothing"}


@dataclass
class Result:
    """What grading one submission gave.

    Attributes
    ----------
    student : str
        Who.
    marks : dict
        Short name of a question -> what its answer got; empty if the submission was not graded.
    notes : list of str
        What student and instructor should know.
    readable : bool
        Whether there was a notebook to grade.
    seconds : float
        In the box.
    late : float
        Points taken off for late work.
    again : bool
        Whether it had been graded before.
    """

    student: str
    marks: dict[str, Mark] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    readable: bool = True
    seconds: float = 0.0
    late: float = 0.0
    again: bool = False

    @property
    def mistakes(self) -> list[str]:
        """The mistakes recognised, each with its question."""
        found = ((name, mark.verdict.mistake) for name, mark in self.marks.items())
        return [f"{name}: {mistake}" for name, mistake in found if mistake]

    @property
    def total(self) -> float:
        """Points so far: what a person grades is not in it."""
        return round(sum(mark.score or 0.0 for mark in self.marks.values()), 2)


class Grading:
    """One assignment of a course, ready to be graded.

    Parameters
    ----------
    folder : pathlib.Path
        The course folder.
    word : str
        The assignment: its name, its number or a part of the name.
    limits : Limits
        What a submission may use.
    boxed : bool
        False runs submissions without a box.

    Raises
    ------
    MixedTeachError
        If key, notebook and gradebook do not belong together, or there is no box.
    """

    def __init__(
        self, folder: Path, word: str, limits: box.Limits | None = None, boxed: bool = True
    ) -> None:
        self.book = Book(folder)
        self.folder, self.boxed, self.limits = folder, boxed, limits or box.Limits()
        self.keys = folder / "answer_keys"
        self.assignment = _assignment(self.keys, word)
        self.key = key.read(self.keys / f"{self.assignment}.json")
        self.each_his_own = (self.keys / self.assignment).is_dir()
        self.prefix = f"{self.key.exercise}-"
        self._check()
        why = box.refusal() if boxed else None
        if why:
            raise MixedTeachError(f"{why} (--no-box does that.)")

    def _check(self) -> None:
        """Refuse to grade by a key that asks other questions than the gradebook knows."""
        points = {name: answer.points for name, answer in self.key.answers.items()}
        known = {
            cell.removeprefix(self.prefix): worth
            for cell, worth in self.book.points(self.assignment).items()
        }
        if points != known:
            differ = listed(sorted(n for n in {*points, *known} if points.get(n) != known.get(n)))
            raise MixedTeachError(
                f"The key of {self.assignment} and the gradebook do not have the same questions "
                f"and points ({differ} differ): after a change of source/{self.assignment}, put "
                f"the points into the key, too, and type nbgrader generate_assignment "
                f"{self.assignment} --force."
            )

    def students(self, wanted: Sequence[str] = ()) -> list[str]:
        """Return whose submissions are to be graded.

        Raises
        ------
        MixedTeachError
            If one that is asked for is not there, or there is none at all.
        """
        there = self.book.students(self.assignment)
        for name in wanted:
            if name not in there:
                raise MixedTeachError(
                    f"'{name}' has handed in nothing for {self.assignment}."
                    f"{did_you_mean(name, there) if there else ''}"
                )
        if not there:
            where = self.book.place("submitted", "STUDENT", self.assignment)
            raise MixedTeachError(f"Nothing was handed in: submissions belong into {where}.")
        return [name for name in there if name in wanted] if wanted else there

    def missing(self) -> list[str]:
        """Return the students who got data of their own, and have handed in nothing."""
        there = self.book.students(self.assignment)
        got = sorted(path.stem for path in (self.keys / self.assignment).glob("*.json"))
        return [name for name in got if name not in there]

    def run(
        self, wanted: Sequence[str] = (), each: Callable[[Result], None] = lambda result: None
    ) -> list[Result]:
        """Grade submissions, call `each` after each of them, and write the reports."""
        results = []
        with Judge() as judge:
            for student in self.students(wanted):
                try:
                    result = self._student(student, judge)
                except (MixedTeachError, OSError) as error:
                    # trouble of the machine or of the course folder, not of the submission
                    result = Result(student, {}, [f"not graded: {error}"], readable=False)
                results.append(result)
                each(result)
        self._reports(results)
        return results

    # -- one submission --------------------------------------------------------------------------

    def _student(self, student: str, judge: Judge) -> Result:
        answers, release, data = self._handed_out(student)
        place = self.book.place("submitted", student, self.assignment)
        handed = submission.read(place, self.assignment)
        notes = list(handed.notes)
        matched = returned.Matched(release, handed.cells)
        if handed.readable:
            outcome = box.run(
                [cell.source for cell in handed.cells if cell.kind == "code"],
                list(answers.answers), data, place, self.limits, self.boxed,
            )  # fmt: skip
        else:
            outcome = box.Outcome({}, [], [], "finished", 0.0)
        notes += outcome.notes
        notes += [f"the cell '{name}' is there more than once" for name in matched.several]
        marks = {}
        for name, answer in answers.answers.items():
            given = outcome.answers.get(name, NOTHING)
            verdict = judge.verdict(answers, name, given)
            score = round(answer.points * verdict.share, 2)
            if answer.by_hand:
                written = f"{self.prefix}{name}" not in matched.untouched()
                score = None if written or not not_attempted(given) else 0.0
            marks[name] = Mark(verdict, score, answer.points)
        when = None
        try:
            when = handed_in(place)
        except ValueError as error:
            notes.append(str(error))
        result = Result(student, marks, notes, handed.readable, outcome.seconds)
        self._write(result, matched, outcome, when)
        return result

    def _handed_out(self, student: str) -> tuple[key.Key, Any, dict[str, bytes]]:
        """Return key, notebook and data that a student works with."""
        answers, place = self.key, self.book.place("source", ".", self.assignment)
        if self.each_his_own:
            path = self.keys / self.assignment / f"{student}.json"
            if not path.is_file():
                raise MixedTeachError(
                    f"there is no key for this student ({path.relative_to(self.folder)})"
                )
            answers = key.read(path)
            place = self.folder / "handout" / student / self.assignment
        try:
            notebook = generate.read(place / f"{self.assignment}.ipynb")
            data = {answers.file: (place / answers.file).read_bytes()} if answers.file else {}
        except OSError as error:
            raise MixedTeachError(
                f"{error.filename} is not there; 'mixedteach exercises --course DIR' with the same "
                "seed and students makes it again"
            ) from None
        return answers, notebook if self.each_his_own else generate.student_version(notebook), data

    def _write(
        self, result: Result, matched: returned.Matched, outcome: box.Outcome, when: Any
    ) -> None:
        """Put a result into the gradebook, and the graded notebook where nbgrader looks for it."""
        cells = {f"{self.prefix}{name}": mark for name, mark in result.marks.items()}
        untouched = matched.untouched()
        texts = {
            cell: outcome.answers[name]["value"]
            for name, mark in result.marks.items()
            if mark.score is None
            and (cell := f"{self.prefix}{name}") in untouched
            and outcome.answers.get(name, NOTHING)["kind"] == "text"
        }
        place = self.book.place("autograded", result.student, self.assignment)
        path = place / f"{self.assignment}.ipynb"
        made = returned.notebook(matched, outcome.cells, cells, texts, result.notes)
        unchanged = _unchanged(path, made)
        result.again = self.book.record(
            self.assignment, result.student, {cell: mark.score for cell, mark in cells.items()},
            untouched, unchanged, when,
        )  # fmt: skip
        seconds, result.late = self.book.late(self.assignment, result.student)
        if seconds:
            off = f"; {result.late:g} points off" if result.late else ""
            result.notes.append(f"late by {_span(seconds)}{off}")
            made = returned.notebook(matched, outcome.cells, cells, texts, result.notes)
        _replace(path, generate.text(made))
        stamp = self.book.place("submitted", result.student, self.assignment) / "timestamp.txt"
        if when is not None:  # nbgrader compares the two, to see whether there is newer work
            _replace(place / "timestamp.txt", stamp.read_text(encoding="utf-8"))

    # -- reports ---------------------------------------------------------------------------------

    def _reports(self, results: Sequence[Result]) -> None:
        folder = self.folder / "reports"
        for result in results:
            lines = [f"{self.assignment}, {result.student}", ""]
            lines += [f"{name}: {m}. {m.verdict.message}" for name, m in result.marks.items()]
            lines += [f"total: {result.total:g} of {self.worth:g} points"] if result.marks else []
            lines += ["", *(f"- {note}" for note in result.notes)] if result.notes else []
            _replace(folder / self.assignment / f"{result.student}.txt", "\n".join(lines) + "\n")
        path, names = folder / f"{self.assignment}.csv", list(self.key.answers)
        head = ["id", *names, "total", "of", "late", "mistakes", "notes"]
        rows = _rows(path, head)
        for result in results:
            scores = [_number(result.marks.get(name)) for name in names]
            rows[result.student] = [
                result.student, *scores, f"{result.total:g}" if result.marks else "",
                f"{self.worth:g}", f"{result.late:g}", "; ".join(result.mistakes),
                "; ".join(result.notes),
            ]  # fmt: skip
        half = path.with_name(f".{path.name}.part")
        with half.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([head, *map(rows.get, sorted(rows))])
        os.replace(half, path)

    @property
    def worth(self) -> float:
        """Points of all right answers together."""
        return sum(answer.points for answer in self.key.answers.values())

    def table(self) -> Iterator[str]:
        """Yield the head of the table that is printed: what the columns are."""
        yield f"{self.assignment}: {len(self.key.answers)} questions, {self.worth:g} points"
        for number, (name, answer) in enumerate(self.key.answers.items(), start=1):
            hand = ", graded by a person" if answer.by_hand else ""
            yield f"  {number:>2}  {name} ({answer.points:g}{hand})"
        yield ""
        heads = "".join(f"{number:>5}" for number in range(1, len(self.key.answers) + 1))
        yield f"{'student':<20}{heads}{'total':>7}{'seconds':>9}"

    def row(self, result: Result) -> Iterator[str]:
        """Yield the lines of the table on one student."""
        cells = [_number(result.marks.get(name)) or "?" for name in self.key.answers]
        if not result.marks:
            cells = ["" for _ in cells]
        total = f"{result.total:g}" if result.marks else "-"
        again = "  (graded again)" if result.again else ""
        line = f"{result.student:<20}{''.join(f'{cell:>5}' for cell in cells)}"
        yield _ascii(f"{line}{total:>7}{result.seconds:>9.1f}{again}")
        for note in result.notes:
            yield _ascii(f"    {note}")


def _assignment(keys: Path, word: str) -> str:
    """Return the name of an assignment that a word means, by the keys that are there."""
    known = sorted(path.stem for path in keys.glob("*.json"))
    if not known:
        raise MixedTeachError(
            f"{keys.parent} has no folder answer_keys with keys: 'mixedteach exercises --course "
            "DIR' makes them."
        )
    found = [name for name in known if name == word]
    found = found or [
        name for name in known
        if (word.isdecimal() and name[:2].isdecimal() and int(name[:2]) == int(word))
        or (not word.isdecimal() and word.lower() in name)
    ]  # fmt: skip
    if len(found) == 1:
        return found[0]
    if found:
        raise MixedTeachError(
            f"'{word}' may be {listed(found, last='or')}; write more of its name."
        )
    raise MixedTeachError(f"This course has no assignment '{word}'.{did_you_mean(word, known)}")


def _unchanged(path: Path, made: Any) -> set[str]:
    """Return the cells whose source is what it was in the notebook graded last."""
    try:
        old = generate.read(path)
    except Exception:  # none yet, or somebody has spoilt it
        return set()
    before = {_id(cell): cell.source for cell in old.cells}
    return {_id(cell) for cell in made.cells if _id(cell) and before.get(_id(cell)) == cell.source}


def _id(cell: Any) -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def _replace(path: Path, text: str) -> None:
    """Write a file, even over one that nbgrader has made read-only."""
    if path.exists():
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
    generate.write(text, path)


def _rows(path: Path, head: Sequence[str]) -> dict[str, list[str]]:
    """Return the rows of an earlier report, for students that are not graded now."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            first, *rows = csv.reader(file)
    except (OSError, ValueError, csv.Error):
        return {}
    return {row[0]: row for row in rows if len(row) == len(head)} if first == head else {}


def _number(mark: Mark | None) -> str:
    """Return the points as a cell of a table; nothing where a person has to grade."""
    return "" if mark is None or mark.score is None else f"{mark.score:g}"


def _span(seconds: float) -> str:
    hours = seconds / 3600
    if hours < 1:
        return f"{seconds / 60:.0f} minutes"
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()
