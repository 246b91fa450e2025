"""Grade what was handed in, each submission in a box (``mixedteach grade``).

For each student: read the notebook, run it in the box, take the named answers out of it, judge them
by the key in a process that no submission reaches, write the scores to nbgrader's gradebook, and
build the notebook from which ``nbgrader generate_feedback`` makes the page that is returned.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mixedteach.checks.judge import not_attempted
from mixedteach.errors import MixedTeachError, did_you_mean, listed
from mixedteach.grading import box, generate, key, report, returned, submission
from mixedteach.grading.gradebook import Book, Standing, handed_in
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
    standing : Standing, optional
        What the gradebook holds now: points, those that a person gave among them, and a penalty.
    again : bool
        Whether it had been graded before.
    """

    student: str
    marks: dict[str, Mark] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    readable: bool = True
    seconds: float = 0.0
    standing: Standing | None = None
    again: bool = False

    @property
    def record(self) -> report.Record:
        """What is kept of it for the reports."""
        said = {
            name: report.Said(mark.verdict.message, mark.verdict.status, mark.verdict.mistake)
            for name, mark in self.marks.items()
        }
        return report.Record(said, self.notes, self.readable, round(self.seconds, 2))


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
        self.assignment = which(self.keys, word)
        self.key = key.read(self.keys / f"{self.assignment}.json")
        self.each_his_own = (self.keys / self.assignment).is_dir()
        self.prefix = f"{self.key.exercise}-"
        self._check()
        self.reports = report.Reports(self.book, self.key)
        self._extensions()
        why = box.refusal() if boxed else None
        if why:
            raise MixedTeachError(f"{why} (--no-box does that.)")

    def _check(self) -> None:
        """Refuse a key that asks other questions than the gradebook; take the points from there.

        The gradebook has them from ``source/``, by ``nbgrader generate_assignment``: that is where
        they are changed.
        """
        known = {
            cell.removeprefix(self.prefix): worth
            for cell, worth in self.book.points(self.assignment).items()
        }
        path = self.book.place("source", ".", self.assignment) / f"{self.assignment}.ipynb"
        cells = generate.points(generate.read(path)) if path.is_file() else {}
        source = {cell.removeprefix(self.prefix): worth for cell, worth in cells.items()}
        regenerate = f"type nbgrader generate_assignment {self.assignment} --force"
        if source and source != known:
            differ = listed(_differing(source, known))
            raise MixedTeachError(
                f"source/{self.assignment} and the gradebook do not have the same questions and "
                f"points ({differ} differ): {regenerate}."
            )
        if set(self.key.answers) != set(known):
            differ = listed(sorted({*self.key.answers} ^ {*known}))
            raise MixedTeachError(
                f"The key of {self.assignment} and the gradebook do not have the same questions "
                f"({differ} differ): 'mixedteach exercises --course DIR --force', with the same "
                f"seed and students, makes the key again; then {regenerate}."
            )
        self.points = known
        written = {name: answer.points for name, answer in self.key.answers.items()}
        self.changed = {
            name: (written[name], known[name]) for name in _differing(written, known)
        }  # fmt: skip
        self.key = self._with_points(self.key)

    def _with_points(self, answers: key.Key) -> key.Key:
        """Return a key with the points of the gradebook."""
        return replace(
            answers,
            answers={
                name: replace(answer, points=self.points.get(name, answer.points))
                for name, answer in answers.answers.items()
            },
        )

    def _extensions(self) -> None:
        """Put the list of those who have more time into the gradebook."""
        from mixedteach.grading import late

        found = late.extensions(
            self.folder, self.assignment, lambda word: which(self.keys, word),
            self.book.due(self.assignment),
        )  # fmt: skip
        if found is not None:
            self.book.extend(self.assignment, found)
        self.extensions = found or {}

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
                self.reports.keep(student, result.record)
                each(result)
        self.write_reports()
        return results

    def write_reports(self) -> dict[str, Standing]:
        """Write the reports from the gradebook as it is now: nothing is run, or judged, again."""
        for student in self.book.standings(self.assignment):
            self.book.take_off(self.assignment, student)
        return self.reports.write(self._own_keys())

    def _own_keys(self) -> dict[str, key.Key]:
        paths = (self.keys / self.assignment).glob("*.json")
        return {path.stem: key.read(path) for path in sorted(paths)}

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
            earlier = self._earlier(answers, name, outcome, marks)
            verdict = judge.verdict(answers, name, given, earlier)
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

    def _earlier(
        self, answers: key.Key, name: str, outcome: box.Outcome, marks: Mapping[str, Mark]
    ) -> Any:
        """Return the answer that this one builds on, if there is one that can be judged."""
        before = answers.builds_on(name)
        if before not in marks or marks[before].verdict.status == "unreadable":
            return None
        return outcome.answers.get(before)

    def _handed_out(self, student: str) -> tuple[key.Key, Any, dict[str, bytes]]:
        """Return key, notebook and data that a student works with."""
        answers, place = self.key, self.book.place("source", ".", self.assignment)
        if self.each_his_own:
            path = self.keys / self.assignment / f"{student}.json"
            if not path.is_file():
                raise MixedTeachError(
                    f"there is no key for this student ({path.relative_to(self.folder)})"
                )
            answers = self._with_points(key.read(path))
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
        if result.student in self.extensions:
            self.book.extend(self.assignment, self.extensions)  # of a submission that is new
        self.book.take_off(self.assignment, result.student)
        result.standing = self.book.standings(self.assignment)[result.student]
        if result.standing.late:  # what it costs may change; nbgrader's page says that
            about = [*result.notes, f"late by {report.span(result.standing.late)}"]
            made = returned.notebook(matched, outcome.cells, cells, texts, about)
        _replace(path, generate.text(made))
        if when is not None:  # nbgrader compares it with the submission's, to see what is newer
            _replace(place / "timestamp.txt", f"{when:%Y-%m-%d %H:%M:%S.%f} UTC")

    # -- what is printed -------------------------------------------------------------------------

    def table(self) -> Iterator[str]:
        """Yield the head of the table that is printed: what the columns are."""
        for name, (written, worth) in self.changed.items():
            yield f"{name} counts {worth:g} points, as in source (in its key: {written:g})."
        *about, heads = self.reports.head()
        yield from about
        yield f"{heads}{'seconds':>9}"

    def row(self, result: Result) -> Iterator[str]:
        """Yield the lines of the table on one student."""
        again = "  (graded again)" if result.again else ""
        line = self.reports.row(result.student, result.standing)
        yield _ascii(f"{line}{result.seconds:>9.1f}{again}")
        for note in [*result.notes, *report.lateness(result.standing)]:
            yield _ascii(f"    {note}")


def marks(folder: Path, words: Sequence[str] = (), path: Path | None = None) -> Iterator[str]:
    """Write reports and marks from the gradebook, and yield what is to be printed.

    Parameters
    ----------
    folder : pathlib.Path
        The course folder.
    words : sequence of str
        Which assignments; none means all that the gradebook knows.
    path : pathlib.Path, optional
        Where the table of marks goes; by default ``marks.csv`` in the course folder.

    Raises
    ------
    MixedTeachError
        If there is no such assignment, or none was graded.
    """
    keys = folder / "answer_keys"
    book = Book(folder)
    names = dict.fromkeys(which(keys, word) for word in words) or [
        name for name in sorted(path.stem for path in keys.glob("*.json")) if book.knows(name)
    ]
    if not names:
        raise MixedTeachError(
            f"The gradebook of {folder} knows no assignment yet: type nbgrader generate_assignment "
            "and mixedteach grade first."
        )
    left = 0
    for name in names:
        grading = Grading(folder, name, boxed=False)
        standings = grading.write_reports()
        yield from grading.reports.head()
        for student, standing in sorted(standings.items()):
            yield _ascii(grading.reports.row(student, standing))
            yield from (f"    {_ascii(note)}" for note in report.lateness(standing))
            left += bool(grading.reports.waiting(standing))
        yield ""
    path = path or folder / report.MARKS
    report.write_marks(book, names, path)
    if left:
        some = "1 submission waits" if left == 1 else f"{left} submissions wait"
        yield f"{some} for a person to grade ({report.WAITING}): that counts 0 points until then."
    yield f"* given by a person. Marks: {path}"


def _differing(one: Mapping[str, float], other: Mapping[str, float]) -> list[str]:
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def which(keys: Path, word: str) -> str:
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


def _ascii(text: str) -> str:
    """Return a line as any terminal can print it; a name may hold line ends and worse."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return shown.encode("ascii", "backslashreplace").decode()
