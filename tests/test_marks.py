"""Marks as an instructor has them: points given by hand, late work, more time, changed points."""

from __future__ import annotations

import contextlib
import csv
import datetime
import io
import json
import os
import re
import shutil
import sqlite3
from html import unescape
from pathlib import Path

import pytest
from course_folder import answered, command, hand_in, nbgrader, read, solved

from mixedteach.cli import main
from mixedteach.errors import MixedTeachError
from mixedteach.grading import box, course, key, report
from mixedteach.grading.gradebook import Book
from mixedteach.grading.late import EXTENSIONS, LatePenalty, extensions

NAME = "01_paired_t_test"
TEXT = "People became slower, by so many ms on average, as the interval of the mean shows. " * 2
DUE = "2026-05-01 10:00:00 UTC"
HANDED_IN = {"anna": "2026-05-02 16:00:00 UTC", "ben": "2026-05-02 16:00:00 UTC"}  # 30 h late


@pytest.fixture(scope="module", autouse=True)
def _a_box() -> None:
    why = box.refusal()
    if why is not None:
        if os.environ.get("MIXEDTEACH_NEED_ALL") == "1":
            pytest.fail(why)
        pytest.skip(why)


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Path:
    """Return a course in which three students were graded, and a person has given points."""
    folder = tmp_path_factory.mktemp("marks") / "course"
    course.fill(folder, ["1"], seed=4)
    nbgrader(folder, "generate_assignment", NAME)
    nbgrader(folder, "db", "assignment", "add", NAME, "--duedate", DUE)
    config = folder / "nbgrader_config.py"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('penalty_method = "none"', 'penalty_method = "percent"'), "utf8")
    (folder / EXTENSIONS).write_text("id,assignment,hours\nben,1,48\n", encoding="utf-8")
    release = folder / "release" / NAME / f"{NAME}.ipynb"
    solution = solved(read(folder / "source" / NAME / f"{NAME}.ipynb"))
    words = {"conclusion": f'conclusion = """{TEXT}"""'}
    right = key.read(folder / "answer_keys" / f"{NAME}.json").answers["difference"].ways[0].parts
    slip = {**right, "SE": right["SE"] * 1.5}  # and all that follows is right, given that
    follows = {
        "difference": f"difference = {slip!r}",
        "interval": "from scipy import stats\n"
        "reach = stats.t.ppf(.975, difference['df']) * difference['SE']\n"
        "interval = {'lower': difference['estimate'] - reach, "
        "'upper': difference['estimate'] + reach}",
    }
    for student, answers in {"anna": {**solution, **words}, "ben": words, "cleo": follows}.items():
        path = hand_in(answered(read(release), answers), folder, student, NAME)
        if student in HANDED_IN:
            (path.parent / "timestamp.txt").write_text(HANDED_IN[student], encoding="utf-8")
    mixedteach(folder, "grade", "1")
    by_hand(folder, "anna", "sleep-conclusion", 1.5)
    by_hand(folder, "ben", "sleep-conclusion", 2.0)
    by_hand(folder, "anna", "sleep-lines", 0.5)  # a picture whose axes have no names
    return folder


def mixedteach(folder: Path, *words: str, codes: tuple[int, ...] = (0,)) -> str:
    """Run our own command, without the seconds that a new process takes."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main([*words, "--course", str(folder)])
    assert code in codes, said.getvalue()
    return said.getvalue()


def by_hand(folder: Path, student: str, cell: str, points: float) -> None:
    """Give points as formgrader does."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}", "mixedteach") as book:
        grade = book.find_grade(cell, NAME, NAME, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        book.db.commit()


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return {row.get("id") or row["student_id"]: row for row in csv.DictReader(file)}


# earned by the program: 8 for anna, of which 1 for the picture, which a person made 0.5
ANNA = 8 - 1 + 0.5 + 1.5


def test_marks_reports_and_export_hold_what_a_person_gave(graded):
    said = mixedteach(graded, "marks")
    off = round(ANNA * 0.2, 2)  # two days begun, ten percent each
    (line,) = (line for line in said.splitlines() if line.startswith("anna "))
    assert line.split()[2] == "0.5*"
    assert line.split()[-3:] == ["1.5*", f"{-off:g}", f"{ANNA - off:g}"]
    assert "late by 30 hours; 1.8 points off" in said
    report_row = rows(graded / "reports" / f"{NAME}.csv")["anna"]
    assert (report_row["lines"], report_row["conclusion"]) == ("0.5", "1.5")
    assert float(report_row["total"]) == pytest.approx(ANNA - off)
    text = (graded / "reports" / NAME / "anna.txt").read_text(encoding="utf-8")
    assert "conclusion: 1.5 of 2 points, given by a person." in text
    assert f"total: {ANNA - off:g} of 10 points" in text
    assert "with this student's data it might read" in text
    marks = rows(graded / "marks.csv")
    assert float(marks["anna"][NAME]) == float(marks["anna"]["total"]) == pytest.approx(ANNA - off)
    assert float(marks["ben"][NAME]) == 2  # in time, by an extension
    nbgrader(graded, "export")
    exported = rows(graded / "grades.csv")
    assert float(exported["anna"]["score"]) == pytest.approx(ANNA - off)
    assert float(exported["anna"]["late_submission_penalty"]) == pytest.approx(off)
    assert float(exported["ben"]["late_submission_penalty"]) == 0


def test_grading_again_loses_nothing_and_shows_it(graded):
    before = rows(graded / "reports" / f"{NAME}.csv")
    said = mixedteach(graded, "grade", "1")
    assert "1.5*" in said
    assert "0.5*" in said
    mixedteach(graded, "marks", "1")
    after = rows(graded / "reports" / f"{NAME}.csv")
    assert {s: row["total"] for s, row in after.items()} == {
        s: row["total"] for s, row in before.items()
    }
    assert len(after) == 3
    # a picture that a person graded is to be looked at again only if it is another
    assert after["anna"]["waiting"] == ""


def test_a_slip_costs_once(graded):
    row = rows(graded / "reports" / f"{NAME}.csv")["cleo"]
    assert float(row["difference"]) == pytest.approx(2 * 2 / 3, abs=0.01)
    assert float(row["interval"]) == 0.5
    text = (graded / "reports" / NAME / "cleo.txt").read_text(encoding="utf-8")
    assert "follows from your own answer to 'difference'" in text


def test_the_page_that_comes_back_names_questions_and_says_who_gave_the_points(graded):
    by_hand(graded, "anna", "sleep-conclusion", 0.5)  # the penalty must follow at once
    try:
        nbgrader(graded, "generate_feedback", NAME, "--force")
        page = (graded / "feedback" / "anna" / NAME / f"{NAME}.html").read_text(encoding="utf-8")
    finally:
        by_hand(graded, "anna", "sleep-conclusion", 1.5)
    text = unescape(re.sub(r"<[^>]+>", " ", page))
    assert "Test cell" not in page
    assert "Coding free-response" not in page
    assert re.search(r"lines *: A picture with a line for each person", text)
    assert "0.5 of 1 points, given by a person (the check: 1)" in text
    assert "(Score: -1.6)" in text  # a fifth of the 8 points that are there now
    assert "late by 30 hours" in text
    assert "points off" not in text
    mixedteach(graded, "marks")


def test_points_are_changed_in_the_source_alone(graded):
    source = graded / "source" / NAME / f"{NAME}.ipynb"
    before = source.read_text(encoding="utf-8")
    notebook = json.loads(before)
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "sleep-formula":
            cell["metadata"]["nbgrader"]["points"] = 3
    source.write_text(json.dumps(notebook), encoding="utf-8")
    try:
        said = mixedteach(graded, "grade", "1", codes=(2,))
        assert f"nbgrader generate_assignment {NAME} --force" in said
        nbgrader(graded, "generate_assignment", NAME, "--force")
        said = mixedteach(graded, "grade", "1", "--student", "anna")
        assert "formula counts 3 points, as in source (in its key: 1)." in said
        assert "1.5*" in said
        assert float(rows(graded / "reports" / f"{NAME}.csv")["anna"]["formula"]) == 3
    finally:
        source.write_text(before, encoding="utf-8")
        nbgrader(graded, "generate_assignment", NAME, "--force")
        mixedteach(graded, "grade", "1", "--student", "anna")


def test_more_time_is_taken_back_when_its_line_is(graded):
    path = graded / EXTENSIONS
    before = path.read_text(encoding="utf-8")
    path.write_text("id,assignment,until\n", encoding="utf-8")
    try:
        mixedteach(graded, "marks")
        assert float(rows(graded / "marks.csv")["ben"][NAME]) == pytest.approx(2 * 0.8)
        until = "id,assignment,until\nben,paired,2026-05-02 16:00\n"
        path.write_text(until, encoding="utf-8")
        mixedteach(graded, "marks")
        assert float(rows(graded / "marks.csv")["ben"][NAME]) == 2
        path.write_text("id,assignment,hours\nben,1,two days\n", encoding="utf-8")
        said = mixedteach(graded, "marks", codes=(2,))
        assert f"Line 2 of {path}: 'two days' is no number of hours." in said
    finally:
        path.write_text(before, encoding="utf-8")
        mixedteach(graded, "marks")


def test_nbgraders_autograde_is_refused_where_data_differ(tmp_path):
    course.fill(tmp_path, ["1"], seed=3, students=["anna"])
    nbgrader(tmp_path, "generate_assignment", NAME)
    handout = read(tmp_path / "handout" / "anna" / NAME / f"{NAME}.ipynb")
    source = read(tmp_path / "source" / NAME / f"{NAME}.ipynb")
    hand_in(answered(handout, solved(source)), tmp_path, "anna", NAME)
    mixedteach(tmp_path, "grade", "1")

    def state() -> tuple[list[tuple], bytes]:
        with sqlite3.connect(tmp_path / "gradebook.db") as book:
            grades = book.execute("select auto_score, manual_score from grade").fetchall()
        book.close()
        path = tmp_path / "autograded" / "anna" / NAME / f"{NAME}.ipynb"
        return grades, path.read_bytes()

    before = state()
    said = command("nbgrader", tmp_path, "autograde", NAME, "--force", codes=(1,))
    assert f"type 'mixedteach grade {NAME}' instead. Nothing was changed." in said
    assert state() == before
    # and by the button of formgrader
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config.loader import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(tmp_path)).load_config()
    api = NbGraderAPI(CourseDirectory(config=config, root=str(tmp_path)), config=config)
    result = api.autograde(NAME, "anna")
    assert result["success"] is False
    assert "use mixedteach grade" in result["error"]
    assert state() == before


def test_students_whose_names_trick(graded):
    """Names alike, with line ends, patterns and letters of two kinds: each has a row of his own."""
    release = graded / "release" / NAME / f"{NAME}.ipynb"
    solution = solved(read(graded / "source" / NAME / f"{NAME}.ipynb"))
    names = ["Anna", "anna ", "René", "Rene\u0301", "[a-z]*", "x\nmallory    1    1", "=1+1,2"]
    for name in names:
        answers = {"formula": solution["formula"]} if name == "Anna" else {}
        hand_in(answered(read(release), answers), graded, name, NAME)
    try:
        said = mixedteach(graded, "grade", "1", "--student", *names)
        table = said.split("student ")[1].splitlines()[1:]
        assert len([line for line in table if re.search(r" \d+\.\d$", line)]) == len(names)
        assert said.isascii()
        assert not any(line.startswith("mallory") for line in table)
        found = rows(graded / "reports" / f"{NAME}.csv")
        assert len(found) == 3 + len(names)
        assert found["Anna"]["total"] == "1"
        assert found["anna"]["conclusion"] == "1.5"  # whose marks are hers alone
        assert {found[name]["total"] for name in names if name in found} == {"0", "1"}
        nbgrader(graded, "generate_feedback", NAME, "--student", "Anna")
    finally:
        for name in names:
            shutil.rmtree(graded / "submitted" / name)


# -- pieces ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "seconds", "off"),
    [
        ({}, 15 * 60, None), ({}, 15 * 60 + 1, 2.0), ({}, 86_400, 2.0), ({}, 86_401, 4.0),
        ({}, 1e9, 20.0), ({"most": 30}, 1e9, 6.0), ({"each": "hour", "percent": 1}, 7_300, 0.6),
        ({"grace_minutes": 0}, 1, 2.0), ({"percent": 0}, 1e6, 0.0),
        ({"penalty_method": "none"}, 1e6, None), ({"penalty_method": "zero"}, 1e6, 20),
    ],
)  # fmt: skip
def test_penalties(options, seconds, off):
    plugin = LatePenalty(**{"penalty_method": "percent", **options})
    assert plugin.late_submission_penalty("anna", 20, seconds) == off


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name,when\n", "needs a first line"),
        ("id,assignment,hours\na,1,\n", "neither hours nor a time"),
        ("id,assignment,hours\na,1,-3\n", "-3 hours are no extension"),
        ("id,assignment,hours\na,1,nan\n", "nan hours are no extension"),
        ("id,assignment,until\na,1,soon\n", "Line 2"),
        ("id,assignment,hours\na,9,3\n", "no such assignment"),
    ],
)
def test_a_list_of_extensions_that_cannot_be_read(tmp_path, content, said):
    def known(word):
        if word != "1":
            raise MixedTeachError("no such assignment.")
        return NAME

    (tmp_path / EXTENSIONS).write_text(content, encoding="utf-8")
    due = datetime.datetime(2026, 5, 1)
    with pytest.raises(MixedTeachError, match=said):
        extensions(tmp_path, NAME, known, due)


def test_an_extension_until_a_time(tmp_path):
    (tmp_path / EXTENSIONS).write_text(
        "\ufeffid,assignment,until,hours\n\na,1,2026-05-03 10:00 UTC,\nb,1,,12\nc,1,2026-04-01,\n",
        encoding="utf-8",
    )
    due = datetime.datetime(2026, 5, 1, 10)
    found = extensions(tmp_path, NAME, lambda word: NAME, due)
    assert found == {
        "a": datetime.timedelta(days=2), "b": datetime.timedelta(hours=12),
        "c": datetime.timedelta(0),
    }  # fmt: skip
    with pytest.raises(MixedTeachError, match="no due date"):
        extensions(tmp_path, NAME, lambda word: NAME, None)
    assert extensions(tmp_path / "elsewhere", NAME, str, due) is None


def test_a_course_without_marks(tmp_path, capsys):
    course.fill(tmp_path, ["1"])
    assert main(["marks", "--course", str(tmp_path)]) == 2
    assert "knows no assignment yet" in capsys.readouterr().err
    assert not (tmp_path / "gradebook.db").exists()


def test_names_that_a_spreadsheet_would_compute(tmp_path):
    class Named(Book):
        def __init__(self) -> None:
            pass

        def people(self):
            return {"=1+1": ("@x", "", "")}

        def standings(self, assignment):
            return {}

    report.write_marks(Named(), ["a"], tmp_path / "marks.csv")
    assert (tmp_path / "marks.csv").read_text().splitlines()[1] == "'=1+1,'@x,,,,0"


def test_records_that_cannot_be_read_are_empty(tmp_path):
    made = object.__new__(report.Reports)
    made._folder, made.assignment = tmp_path, "a"
    for content in ("{", "[]", '{"said": 3}', '{"said": {"q": {"no": 1}}}'):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / "x.json").write_text(content)
        assert made.kept("x") == report.Record()
