"""A course folder for nbgrader: sources of assignments, keys, data (``mixedteach exercises``).

==============================================  ==================================================
``nbgrader_config.py``                          nbgrader's configuration, yours to change
``source/ASSIGNMENT/``                          the instructor's notebook, and data if simulated
``answer_keys/ASSIGNMENT.json``                 right answers and mistakes, for ``mixedteach grade``
``handout/STUDENT/ASSIGNMENT/``                 notebook and data of each student, where they differ
``answer_keys/ASSIGNMENT/STUDENT.json``         and the key to them
==============================================  ==================================================

All other folders are nbgrader's own.
"""

from __future__ import annotations

import csv
import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from mixedteach.checks.question import Exercise, exercise
from mixedteach.errors import MixedTeachError, listed
from mixedteach.grading import box, generate, key, variant
from mixedteach.paths import resource

CONFIG = "nbgrader_config.py"
_WIDTH = 88
_SIMULATED = (
    "\n\n**The data of this notebook are simulated**: the design is the one described, the numbers "
    "are others than in the experiment and in the lessons. Here "
    "`mt.check` says whether an answer can be read; whether it is right is graded later."
)
_LESSON = re.compile(r"\[([^\]]+)\]\((?:\.\./)+lessons/[^)]*\)")
_HIDDEN = re.compile(r"(### BEGIN HIDDEN TESTS\n).*?(\n### END HIDDEN TESTS)", re.S)
_BEGIN = "### BEGIN SOLUTION"
_QUOTED = re.compile(r'"{3}.*?"{3}', re.S)
_PUBLIC = "# (The numbers below are those of the public data.)"
_EACH_HIS_OWN = 'raise RuntimeError("each student has other data: grade with mixedteach grade")'


@dataclass
class Filled:
    """What :func:`fill` did."""

    folder: Path
    written: list[Path] = field(default_factory=list)
    same: int = 0
    kept_config: bool = False


def fill(
    folder: Path, words: Sequence[str] = (), seed: int | None = None,
    students: Sequence[str] = (), force: bool = False,
) -> Filled:  # fmt: skip
    """Make a course folder, or put assignments into one.

    Parameters
    ----------
    folder : pathlib.Path
        Made if it is not there.
    words : sequence of str
        Which exercises; none means all.
    seed : int, optional
        Data simulated with this seed in place of the public ones.
    students : sequence of str
        With a seed: other data for each of them.
    force : bool
        Replace files that are there and differ.

    Raises
    ------
    MixedTeachError
        If a file would be replaced that somebody may have changed.
    """
    if students and seed is None:
        raise MixedTeachError("--students needs --seed N as well: data are made from both.")
    files = _made(generate.chosen(words), seed, students)
    targets = {folder / path: content for path, content in files.items()}
    differing = [p for p, content in targets.items() if p.exists() and p.read_bytes() != content]
    if differing and not force:
        names = listed((path.relative_to(folder).as_posix() for path in differing), limit=3)
        raise MixedTeachError(
            f"In {folder}, {names} would be replaced, which you may have changed or handed out; "
            "nothing was written. Add --force to replace them."
        )
    done = Filled(folder)
    config, original = folder / CONFIG, resource("course", CONFIG).read_bytes()
    if not config.exists():
        targets[config] = original
    done.kept_config = config.exists() and config.read_bytes() != original
    for path, content in targets.items():
        if generate.write(content, path):
            done.written.append(path)
        else:
            done.same += 1
    return done


def read_roster(file: Path) -> list[str]:
    """Return the students named in a CSV file with a column ``id`` (as nbgrader imports it).

    Raises
    ------
    MixedTeachError
        If there is no such column, or an id cannot be the name of a folder.
    """
    try:
        rows = list(csv.DictReader(StringIO(file.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MixedTeachError(f"The list of students {file} cannot be read: {error}.") from None
    ids = [(row.get("id") or "").strip() for row in rows]
    if not rows or "id" not in rows[0]:
        raise MixedTeachError(
            f"The list of students {file} needs a first line that names a column 'id', and a line "
            "for each student."
        )
    for number, name in enumerate(ids, start=2):
        if not re.fullmatch(r"\w[\w.@+-]*", name):
            raise MixedTeachError(
                f"Line {number} of {file}: '{name}' cannot be the name of a folder; an id is made "
                "of letters, digits and . @ + - _."
            )
    folded = [name.casefold() for name in ids]
    twice = sorted({name for name in ids if folded.count(name.casefold()) > 1})
    if twice:
        raise MixedTeachError(f"The list of students {file} has {listed(twice)} more than once.")
    return ids


def _made(
    paths: Sequence[Path], seed: int | None, students: Sequence[str]
) -> dict[Path, bytes]:  # fmt: skip
    """Return the files of all assignments: path in the course folder -> content.

    Each assignment, and in it each student's data, is a task of its own; they are shared among the
    cores of the machine.
    """
    from joblib import Parallel, cpu_count, delayed
    from tqdm import tqdm

    tasks = [(path, seed, None, bool(students)) for path in paths]
    tasks += [(path, seed, student, False) for path in paths for student in students]
    # a worker takes a few seconds to start
    jobs = 1 if seed is None else max(min(cpu_count(), len(tasks)), 1)
    files: dict[Path, bytes] = {}
    # disable=None: no bar unless the stream is a terminal
    quiet = True if seed is None else None
    with tqdm(total=len(tasks), desc="simulating data", leave=False, disable=quiet) as bar:
        work = Parallel(n_jobs=jobs, return_as="generator")
        for found in work(delayed(_task)(*task) for task in tasks):
            files |= found
            bar.update()
    return files


# -- one assignment --------------------------------------------------------------------------------


def _task(
    path: Path, seed: int | None, student: str | None, each_his_own: bool
) -> dict[Path, bytes]:  # fmt: skip
    """Return the files of an assignment, for the class or for one student who has other data."""
    name, solution = path.stem, generate.read(path)
    asked = exercise(generate.exercise_name(solution))
    for cell in solution.cells:
        if cell.cell_type == "markdown":  # lessons are not in a course folder
            cell.source = _LESSON.sub(r"\1", cell.source)
    points = question_points(solution, asked)
    if seed is None:
        made = key.make(asked, name, points, models=variant.model_answers(asked, asked.own))
        return _files(name, generate.source_version(solution), made, None)
    own, source, made = _simulated(solution, asked, name, points, seed, student, each_his_own)
    if student is None:
        return _files(name, source, made, own.csv)
    place = Path("handout", student, name)
    return {
        place / f"{name}.ipynb": generate.text(generate.student_version(source)).encode(),
        place / asked.file: own.csv,
        Path("answer_keys", name, f"{student}.json"): key.text(made).encode(),
    }


def _files(name: str, source: Any, made: key.Key, data: bytes | None) -> dict[Path, bytes]:
    place = Path("source", name)
    files = {place / f"{name}.ipynb": generate.text(source).encode()}
    if data is not None:
        files[place / str(made.file)] = data
    files[Path("answer_keys", f"{name}.json")] = key.text(made).encode()
    return files


def question_points(notebook: Any, asked: Exercise) -> dict[str, float]:
    """Return the questions that a notebook grades: short name -> points."""
    start = f"{asked.name}-"
    return {
        cell.removeprefix(start): worth
        for cell, worth in generate.points(notebook).items()
        if cell.startswith(start)
    }


def _simulated(
    solution: Any, asked: Exercise, name: str, points: Mapping[str, float], seed: int,
    student: str | None, each_his_own: bool,
) -> tuple[variant.Variant, Any, key.Key]:  # fmt: skip
    """Return a graded variant: its data, the notebook as nbgrader's source, and the key.

    The solution is run on the data: for its pictures, and because it must get full marks.
    """
    made: dict[str, Any] = {}

    def solved(found: variant.Variant) -> bool:
        made["key"] = key.make(asked, name, points, found.ways, seed, student, found.models)
        made["source"] = _with_file(solution, asked, made["key"])
        return _run(made["source"], made["key"], found.csv)

    found = variant.simulate(asked, seed, student, also=solved)
    source = generate.source_version(made["source"])
    if each_his_own:  # no hidden test fits them all
        for cell in source.cells:
            cell.source = _HIDDEN.sub(lambda m: f"{m[1]}{_EACH_HIS_OWN}{m[2]}", cell.source)
    return found, source, made["key"]


def _with_file(solution: Any, asked: Exercise, answers: key.Key) -> Any:
    """Return a notebook that reads its data from a file, and whose hidden tests expect them."""
    made = generate.copied(solution)
    made.cells[0].source += _SIMULATED
    call, new = (
        f'mt.exercise_data("{asked.name}"{file})' for file in ("", f', file="{asked.file}"')
    )
    for cell in made.cells:
        cell.source = cell.source.replace(call, new)
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "").removeprefix(f"{asked.name}-")
        if name in answers.answers and answers.answers[name].by_hand:
            cell.source = _with_model(cell.source, answers.answers[name].model)
        elif name in answers.answers:
            test = _test(asked, name, answers.answers[name])
            cell.source, count = _HIDDEN.subn(
                lambda m, test=test: f"{m[1]}{test}{m[2]}", cell.source
            )
            if count != 1:
                raise MixedTeachError(
                    f"The test of '{asked.name}.{name}' in {answers.assignment}.ipynb needs one "
                    "region between ### BEGIN HIDDEN TESTS and ### END HIDDEN TESTS."
                )
    return made


def _with_model(source: str, text: str) -> str:
    """Return an answer cell with a model answer for other data, or a remark that there is none."""
    start, mark, solution = source.partition(_BEGIN)
    if not text:
        return f"{start}{mark}\n{_PUBLIC}{solution}"
    wrapped = textwrap.fill(text, _WIDTH, break_on_hyphens=False)
    return start + mark + _QUOTED.sub(lambda _: f'"""\n{wrapped}\n"""', solution, count=1)


def _test(asked: Exercise, name: str, answer: key.Answer) -> str:
    lines = [""]
    for part, value in answer.ways[0].parts.items():
        entry = f"{json.dumps(part)}: {json.dumps(value)},"
        if lines[-1] and len(lines[-1]) + len(entry) >= _WIDTH - 8:
            lines.append("")
        lines[-1] = f"{lines[-1]} {entry}".strip()
    expected = "\n".join(f"        {line}" for line in lines)
    return (
        f'mt.check.points(\n    "{asked.name}.{name}",\n    {name},\n    of={answer.points:g},\n'
        f"    expected={{\n{expected}\n    }},\n)"
    )


def _run(source: Any, answers: key.Key, data: bytes) -> bool:
    """Run a solution, keep its pictures in it, and tell whether it gets full marks."""
    cells = [cell for cell in source.cells if cell.cell_type == "code"]
    outcome = box.run(
        [cell.source for cell in cells], list(answers.answers), {str(answers.file): data},
        boxed=False,  # it is our own
    )  # fmt: skip
    for cell, run in zip(cells, outcome.cells, strict=False):
        errors = [out for out in run.outputs if out["output_type"] == "error"]
        if errors:
            raise MixedTeachError(
                f"The solution of {answers.assignment} ends in an error on simulated data: "
                f"{errors[0]['ename']}: {errors[0]['evalue']}"
            )
        cell.outputs = generate.outputs(run.outputs)
    nothing = {"kind": "nothing"}
    return all(
        answer.by_hand or answers.verdict(name, outcome.answers.get(name, nothing)).ok
        for name, answer in answers.answers.items()
    )
