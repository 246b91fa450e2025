"""`mixedteach grade`: thirty submissions with the scores they earn, and those that attack."""

from __future__ import annotations

import csv
import json
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import hostile
import nbformat
import pytest
from course_folder import answered, command, grade_id, hand_in, nbgrader, read, solved
from ways import answer, handed_in, picture

from mixedteach.checks.question import exercise
from mixedteach.checks.verdict import Verdict
from mixedteach.cli import main
from mixedteach.grading import box, course, judging, key, returned
from mixedteach.grading.gradebook import Book
from mixedteach.grading.submission import Cell

NAME = "07_beech_planks"
PLANKS = exercise("planks")
POINTS = {
    "depth_by_width": 1, "width_by_depth": 1, "depth_by_plank": 1, "width_by_plank": 1,
    "fixed_width": 2, "model_formula": 2, "variances": 2, "fixed_tests": 3, "width_tukey": 2,
    "se_compared": 2,
}  # fmt: skip
TEXT = "Width matters, as the mixed model shows, but not all pairs of widths differ. " * 4


@pytest.fixture(scope="module", autouse=True)
def _a_box() -> None:
    why = box.refusal()
    if why is not None:
        if os.environ.get("MIXEDTEACH_NEED_ALL") == "1":
            pytest.fail(why)
        pytest.skip(why)


# -- thirty submissions ----------------------------------------------------------------------------


@dataclass
class Class:
    """A course with a graded variant, its key, and what students are expected to get."""

    folder: Path
    key: key.Key
    expected: dict[str, dict[str, float | None]]
    mistakes: dict[str, tuple[str, str, dict[str, Any]]]  # student -> question, message, parts
    said: str = ""

    def release(self) -> Any:
        return read(self.folder / "release" / NAME / f"{NAME}.ipynb")

    def add(
        self, student: str, notebook: Any, earned: dict[str, float | None] | None = None
    ) -> None:
        """Hand in a notebook, with the points it earns where that is not 0."""
        hand_in(notebook, self.folder, student, NAME)
        none = dict.fromkeys(self.key.answers, 0.0)
        self.expected[student] = {**none, **(earned or {})}

    def parts(self, question: str) -> dict[str, Any]:
        return self.key.answers[question].ways[0].parts


def typed(question: str, parts: dict[str, Any]) -> str:
    """Return code that hands in numbers, as one who has them from another program."""
    return f"{question} = {answer(PLANKS.questions[question].kind, parts)!r}"


def drawn(question: str, parts: dict[str, Any]) -> str:
    """Return code that draws lines by hand."""
    lines = [
        (line.get_xdata().tolist(), line.get_ydata().tolist()) for line in picture(parts).lines
    ]
    return (
        "import matplotlib.pyplot as plt\n"
        f"figure, {question} = plt.subplots()\n"
        f"for x, y in {lines!r}:\n    {question}.plot(x, y)"
    )


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Class:
    folder = tmp_path_factory.mktemp("grade") / "Kurs"
    course.fill(folder, ["7"], seed=1)
    nbgrader(folder, "generate_assignment", NAME)
    group = Class(folder, key.read(folder / "answer_keys" / f"{NAME}.json"), {}, {})
    for fill in (whole, parts_and_routes, one_mistake_each, cells_in_disorder, broken_files):
        fill(group)
    assert len(group.expected) >= 30
    group.said = command("mixedteach", folder, "grade", "7", codes=(1,))  # some cannot be read
    nbgrader(folder, "generate_feedback", NAME)
    nbgrader(folder, "export")
    return group


def whole(group: Class) -> None:
    """Hand in everything right, by several routes."""
    solution = solved(read(group.folder / "source" / NAME / f"{NAME}.ipynb"))
    text = f'conclusion = """{TEXT}"""'
    full: dict[str, float | None] = {**POINTS, "conclusion": None}
    group.add("all-right", answered(group.release(), {**solution, "conclusion": text}), full)
    numbers = {
        name: (drawn if "_by_" in name else typed)(name, group.parts(name)) for name in POINTS
    }
    group.add("typed-in", answered(group.release(), numbers), POINTS)
    late = answered(group.release(), solution)
    group.add("late", late, POINTS)
    stamp = group.folder / "submitted" / "late" / NAME / "timestamp.txt"
    stamp.write_text("2026-05-01 12:00:00 UTC", encoding="utf-8")
    group.add("untouched", group.release())


def parts_and_routes(group: Class) -> None:
    """Hand in parts of answers, and right numbers in other shapes."""
    tukey = group.parts("width_tukey")
    some = {"width_tukey": f"width_tukey = {tukey['p']!r}"}  # the df are missing
    group.add("without-df", answered(group.release(), some), {"width_tukey": 1})
    some = {"width_tukey": f"width_tukey = ({tukey['p']:.4f}, 38)"}
    group.add("a-pair", answered(group.release(), some), {"width_tukey": 2})
    some = {"width_tukey": "import pandas as pd\n" + f"width_tukey = pd.Series({tukey!r})"}
    group.add("a-series", answered(group.release(), some), {"width_tukey": 2})
    variances = dict(group.parts("variances"))
    variances["plank"] += 1
    some = {"variances": typed("variances", variances)}
    group.add("three-of-four", answered(group.release(), some), {"variances": 1.5})
    formula = '"humidity ~ depth*width + (1|plank/width) + (1|depth:plank)"'
    some = {"model_formula": f"model_formula = {formula}"}
    group.add("other-formula", answered(group.release(), some), {"model_formula": 2})
    group.add("nan", answered(group.release(), {"width_tukey": "width_tukey = float('nan')"}))
    sentence = {"conclusion": f'conclusion = """{TEXT}"""'}
    group.add("only-words", answered(group.release(), sentence), {"conclusion": None})
    open_quote = {"conclusion": 'conclusion = """The quotes are open: a syntax error.'}
    group.add("open-quotes", answered(group.release(), open_quote), {"conclusion": None})


def one_mistake_each(group: Class) -> None:
    """Hand in what classic mistakes give: of Tukey's p all, of other questions the first."""
    chosen: dict[str, tuple[str, Any]] = {}
    for name in ("fixed_width", "variances", "fixed_tests", "width_tukey", "se_compared"):
        for way in group.key.answers[name].ways[1:]:
            if name == "width_tukey" or not any(name == old for old, _ in chosen.values()):
                chosen.setdefault(f"{name}-{way.mistake}".replace("_", "-"), (name, way))
    for student, (name, way) in chosen.items():
        verdict = group.key.verdict(name, handed_in(PLANKS.questions[name].kind, way.parts))
        assert verdict.mistake
        score = round(POINTS[name] * verdict.share, 2)
        group.mistakes[student] = (name, verdict.message, way.parts)
        group.add(student, answered(group.release(), {name: typed(name, way.parts)}),
                  {name: score})  # fmt: skip


def cells_in_disorder(group: Class) -> None:
    """Hand in the right answer in cells that were deleted, doubled, moved, renamed."""
    right = {"width_tukey": typed("width_tukey", group.parts("width_tukey"))}

    def changed(change: Callable[[list[Any]], list[Any]]) -> Any:
        notebook = answered(group.release(), right)
        notebook.cells = change(notebook.cells)
        return notebook

    def is_check(cell: Any) -> bool:
        about = cell.metadata.get("nbgrader", {})
        return bool(about.get("grade") and about["locked"])

    def elsewhere(cells: list[Any]) -> list[Any]:
        new = nbformat.v4.new_code_cell(right["width_tukey"])
        return [*(c for c in cells if grade_id(c) != "width_tukey-answer"), new]

    def points_raised(cells: list[Any]) -> list[Any]:
        for cell in cells:
            if is_check(cell):
                cell.metadata.nbgrader.points = 1000
        return cells

    def no_ids(cells: list[Any]) -> list[Any]:
        for cell in cells:
            cell.metadata.pop("nbgrader", None)
        return cells

    def check_rewritten(cells: list[Any]) -> list[Any]:
        for cell in cells:
            if is_check(cell):
                cell.source = "100.0"
        return cells

    earned = {"width_tukey": 2}
    group.add("no-checks", changed(lambda cells: [c for c in cells if not is_check(c)]), earned)
    group.add("elsewhere", changed(elsewhere), earned)
    group.add("doubled", changed(lambda cells: [*cells, *(c.copy() for c in cells[2:])]), earned)
    group.add("backwards", changed(lambda cells: cells[:2] + cells[:1:-1]), earned)
    group.add("more-points", changed(points_raised), earned)
    group.add("no-ids", changed(no_ids), earned)
    group.add("check-rewritten", changed(check_rewritten), earned)


def broken_files(group: Class) -> None:
    """Hand in what cannot be read."""
    for student, content in (("cut-off", '{"cells": [{"cell_type": "co'), ("empty-file", "")):
        path = hand_in(group.release(), group.folder, student, NAME)
        path.write_text(content, encoding="utf-8")
        group.expected[student] = dict.fromkeys(group.key.answers, 0.0)


def grades(folder: Path) -> dict[tuple[str, str], tuple[float | None, float | None, bool]]:
    """Return (student, question) -> automatic score, score of a person, whether one is needed."""
    with sqlite3.connect(folder / "gradebook.db") as book:
        rows = book.execute(
            "select s.student_id, c.name, g.auto_score, g.manual_score, g.needs_manual_grade "
            "from grade g join base_cell c on g.cell_id = c.id "
            "join submitted_notebook n on g.notebook_id = n.id "
            "join submitted_assignment s on n.assignment_id = s.id"
        ).fetchall()
    book.close()
    return {(student, cell.partition("-")[2]): (auto, manual, bool(need))
            for student, cell, auto, manual, need in rows}  # fmt: skip


def page(folder: Path, student: str) -> str:
    return (folder / "feedback" / student / NAME / f"{NAME}.html").read_text(encoding="utf-8")


def test_each_submission_gets_the_points_it_earned(graded):
    found = grades(graded.folder)
    for student, expected in graded.expected.items():
        for name, points in expected.items():
            auto, _, by_person = found[student, name]
            assert auto == (None if points is None else pytest.approx(points)), (student, name)
            assert by_person is (points is None)


def test_the_table_and_the_report_say_the_same(graded):
    assert graded.said.isascii()
    with (graded.folder / "reports" / f"{NAME}.csv").open(encoding="utf-8") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert set(rows) == set(graded.expected)
    for student, expected in graded.expected.items():
        total = sum(points or 0 for points in expected.values())
        assert float(rows[student]["total"]) == pytest.approx(total)
        (line,) = (line for line in graded.said.splitlines() if line.startswith(f"{student} "))
        assert f" {total:g} " in line
    assert rows["width-tukey-bonferroni"]["mistakes"] == "width_tukey: bonferroni"
    assert rows["all-right"]["mistakes"] == ""
    assert "2 could not be read" in graded.said
    assert "ends in the middle" in rows["cut-off"]["notes"]
    assert "is empty" in rows["empty-file"]["notes"]


def test_export_has_every_total(graded):
    with (graded.folder / "grades.csv").open(encoding="utf-8") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    for student, expected in graded.expected.items():
        total = sum(points or 0 for points in expected.values())
        assert float(rows[student]["score"]) == pytest.approx(total)
        assert float(rows[student]["max_score"]) == sum(POINTS.values()) + 4
    assert rows["late"]["timestamp"] == "2026-05-01 12:00:00"


def test_feedback_names_the_mistake_and_never_the_right_number(graded):
    right = {
        f"{value:.4g}"
        for name in ("fixed_width", "variances", "fixed_tests", "width_tukey", "se_compared")
        for value in graded.parts(name).values()
        if not float(value).is_integer()
    }
    assert len(graded.mistakes) >= 10
    for student, (_, message, parts) in graded.mistakes.items():
        shown = page(graded.folder, student)
        assert message in unescape(re.sub(r"<[^>]+>", "", shown)), student
        body = re.sub(r'(src="data:|<style).*?("|</style>)', "", shown, flags=re.S)
        for number in right - {f"{value:.4g}" for value in parts.values()}:
            assert not re.search(rf"(?<![\d.]){re.escape(number)}", body), (student, number)
    for student in graded.expected:
        shown = page(graded.folder, student)
        for word in ("HIDDEN", "expected=", "check.points", "all passed"):
            assert word not in shown


def test_the_notebook_that_comes_back_is_built_around_ours(graded):
    release = [grade_id(c) for c in graded.release().cells if grade_id(c)]
    for student in graded.expected:
        back = read(graded.folder / "autograded" / student / NAME / f"{NAME}.ipynb")
        nbformat.validate(back)
        assert [grade_id(cell) for cell in back.cells if grade_id(cell)] == release
        for cell in back.cells:
            if grade_id(cell).startswith("planks-") and "points" in cell.metadata.nbgrader:
                assert cell.metadata.nbgrader.points <= 4
    back = read(graded.folder / "autograded" / "elsewhere" / NAME / f"{NAME}.ipynb")
    assert "width_tukey = {" in back.cells[-1].source
    (check,) = (c for c in back.cells if grade_id(c) == "planks-width_tukey")
    assert "2 of 2 points" in check.outputs[0].data["text/plain"]


def test_grading_again_keeps_what_a_person_gave(graded):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{graded.folder / 'gradebook.db'}", "mixedteach") as book:
        grade = book.find_grade("planks-conclusion", NAME, NAME, "only-words")
        grade.manual_score, grade.needs_manual_grade = 3.0, False
        book.db.commit()
    students = ["only-words", "a-pair"]
    said = command("mixedteach", graded.folder, "grade", "beech", "--student", *students)
    assert said.count("(graded again)") == 2
    found = grades(graded.folder)
    assert found["only-words", "conclusion"] == (None, 3.0, False)
    # another text has to be looked at again; the points stay until then
    path = graded.folder / "submitted" / "only-words" / NAME / f"{NAME}.ipynb"
    text = {"conclusion": f'conclusion = """{TEXT} And more."""'}
    nbformat.write(answered(graded.release(), text), path)
    command("mixedteach", graded.folder, "grade", "beech", "--student", "only-words")
    assert grades(graded.folder)["only-words", "conclusion"] == (None, 3.0, True)
    with (graded.folder / "reports" / f"{NAME}.csv").open(encoding="utf-8") as file:
        assert {row["id"] for row in csv.DictReader(file)} == set(graded.expected)


def test_a_changed_key_and_late_work(graded, tmp_path):
    from nbgrader.api import Gradebook

    path = graded.folder / "answer_keys" / f"{NAME}.json"
    before = path.read_text(encoding="utf-8")
    content = json.loads(before)
    content["questions"]["width_tukey"]["right"]["parts"]["p"] = 0.5
    path.write_text(json.dumps(content), encoding="utf-8")
    config = graded.folder / "nbgrader_config.py"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('"none"', '"zero"'), encoding="utf-8")
    with Gradebook(f"sqlite:///{graded.folder / 'gradebook.db'}", "mixedteach") as book:
        book.update_or_create_assignment(NAME, duedate="2026-05-01 10:00:00 UTC")
    try:
        said = command("mixedteach", graded.folder, "grade", "7", "--student", "a-pair", "late")
    finally:
        path.write_text(before, encoding="utf-8")
        config.write_text(text, encoding="utf-8")
    assert grades(graded.folder)["a-pair", "width_tukey"][0] == 1  # the df are still right
    assert "late by 2 hours; 16 points off" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["8"], "no assignment '8'. There is only '07_beech_planks'"),
        (["7", "--student", "nobody"], "'nobody' has handed in nothing"),
        (["7", "--seconds", "0"], "--seconds takes a number from 1"),
    ],
)
def test_what_cannot_be_graded(graded, words, said):
    assert said in command("mixedteach", graded.folder, "grade", *words, codes=(2,))


@contextmanager
def changed(path: Path, old: str, new: str) -> Iterator[None]:
    before = path.read_text(encoding="utf-8")
    assert old in before
    path.write_text(before.replace(old, new), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")


def test_points_in_the_key_do_not_matter(graded):
    path = graded.folder / "answer_keys" / f"{NAME}.json"
    with changed(path, '"points": 3.0', '"points": 5.0'):
        said = command("mixedteach", graded.folder, "grade", "7", "--student", "typed-in")
    assert "fixed_tests counts 3 points, as in source (in its key: 5)." in said
    assert grades(graded.folder)["typed-in", "fixed_tests"][0] == 3


def test_questions_and_points_that_do_not_agree(graded):
    source = graded.folder / "source" / NAME / f"{NAME}.ipynb"
    with changed(source, '"points": 3,', '"points": 4,'):
        said = command("mixedteach", graded.folder, "grade", "7", codes=(2,))
    assert "('fixed_tests' differ)" in said
    assert f"nbgrader generate_assignment {NAME} --force" in said
    path = graded.folder / "answer_keys" / f"{NAME}.json"
    with changed(path, '"fixed_tests": {', '"fixed_width_2": {'):
        said = command("mixedteach", graded.folder, "grade", "7", codes=(2,))
    assert "is not in the form of a key" in said
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["questions"]["fixed_tests"]
    with changed(path, path.read_text(encoding="utf-8"), json.dumps(content)):
        said = command("mixedteach", graded.folder, "grade", "7", codes=(2,))
    assert "do not have the same questions ('fixed_tests' differ)" in said


def test_folders_that_are_no_course(tmp_path, capsys):
    assert main(["grade", "7", "--course", str(tmp_path)]) == 2
    assert "is no course folder" in capsys.readouterr().err
    course.fill(tmp_path, ["1"])
    assert main(["grade", "1", "--course", str(tmp_path)]) == 2
    assert "type nbgrader generate_assignment 01_paired_t_test" in capsys.readouterr().err
    assert not (tmp_path / "gradebook.db").exists()


def test_without_a_box(graded, monkeypatch, capsys):
    monkeypatch.setattr(box, "refusal", lambda: "There is no box here.")
    command_line = ["grade", "7", "--course", str(graded.folder), "--student", "a-pair"]
    assert main(command_line) == 2
    assert "There is no box here. (--no-box does that.)" in capsys.readouterr().err
    assert main([*command_line, "--no-box"]) == 0
    out = capsys.readouterr().out
    assert "Warning: without a box" in out
    assert re.search(r"^a-pair .* 2 ", out, re.M)


def test_every_student_with_own_data(tmp_path):
    name = "01_paired_t_test"
    course.fill(tmp_path, ["1"], seed=3, students=["anna", "ben", "cleo"])
    nbgrader(tmp_path, "generate_assignment", name)
    handout = {s: tmp_path / "handout" / s / name / f"{name}.ipynb" for s in ("anna", "ben")}
    solution = solved(read(tmp_path / "source" / name / f"{name}.ipynb"))
    mine = answered(read(handout["anna"]), solution)
    hand_in(mine, tmp_path, "anna", name)
    keys = {s: key.read(tmp_path / "answer_keys" / name / f"{s}.json") for s in handout}
    # ben types in anna's numbers
    copied = {
        question: f"{question} = {dict(answer.ways[0].parts)!r}"
        for question, answer in keys["anna"].answers.items()
        if answer.tolerances and not question.startswith("p")
    }
    hand_in(answered(read(handout["ben"]), copied), tmp_path, "ben", name)
    hand_in(mine, tmp_path, "stranger", name)
    said = command("mixedteach", tmp_path, "grade", "1", codes=(1,))
    full = sum(a.points for a in keys["anna"].answers.values() if not a.by_hand)
    assert re.search(rf"^anna .* {full:g} ", said, re.M)
    assert "not graded: there is no key for this student" in said
    assert "handed in nothing: cleo" in said
    with (tmp_path / "reports" / f"{name}.csv").open(encoding="utf-8") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    right = key.read(tmp_path / "answer_keys" / name / "ben.json").answers
    for question in copied:
        assert float(rows["ben"][question]) < right[question].points
    with Book(tmp_path)._open() as book:
        assert {student.id for student in book.students} == {"anna", "ben"}


# -- attacks ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def attacked(tmp_path_factory) -> dict[str, dict[str, Any]]:
    """Grade the hostile submissions, in three courses at a time; return what became of each."""
    endless = [case for case in hostile.CASES if case.limits]
    rest = [case for case in hostile.CASES if not case.limits]
    found: dict[str, dict[str, Any]] = {}

    def run(cases: list[hostile.Case], seconds: str, folder: Path) -> None:
        secrets = hostile.plant(folder)
        for name in ("gradebook.db", f"answer_keys/{NAME}.json"):  # there will be real ones
            (folder / name).unlink()
            del secrets[folder / name]
        course.fill(folder, ["7"])
        source = folder / "source" / NAME / f"{NAME}.ipynb"
        notebook = read(source)
        for cell in notebook.cells:  # a hundred times the same pictures would only take time
            if cell.pop("attachments", None):
                cell.source = cell.source.split("![")[0]
        nbformat.write(notebook, source)
        nbgrader(folder, "generate_assignment", NAME)
        for number, case in enumerate(cases):
            place = folder / "submitted" / f"s{number}" / NAME
            place.parent.mkdir(parents=True)
            case.make(place)
        for path in (f"answer_keys/{NAME}.json", f"source/{NAME}/{NAME}.ipynb"):
            secrets[folder / path] = (folder / path).read_bytes()
        said = command("mixedteach", folder, "grade", "7", "--seconds", seconds, codes=(0, 1))
        assert "Traceback" not in said
        assert all(path.read_bytes() == content for path, content in secrets.items())
        nbgrader(folder, "generate_feedback", NAME)
        scores = grades(folder)
        for number, case in enumerate(cases):
            student = f"s{number}"
            found[case.name] = {
                "points": {q: scores[student, q][0] for q in [*POINTS, "conclusion"]},
                "report": (folder / "reports" / NAME / f"{student}.txt").read_text("utf-8"),
                "page": page(folder, student),
            }

    threads = [
        threading.Thread(target=run, args=(cases, seconds, tmp_path_factory.mktemp(name)))
        for name, cases, seconds in (
            ("endless", endless, "4"),
            ("even", rest[::2], "25"),
            ("odd", rest[1::2], "25"),
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("case", hostile.CASES, ids=[case.name for case in hostile.CASES])
def test_an_attack_earns_what_it_answers_and_no_more(attacked, case):
    result = attacked[case.name]
    earned = 2 if "width_tukey" in case.right else 0
    assert result["points"]["width_tukey"] == earned
    assert sum(score or 0 for score in result["points"].values()) == earned
    assert f"total: {earned} of 21 points" in result["report"]
    assert hostile.MARKER not in result["page"]
    for word in ("check.points(", "BEGIN SOLUTION"):
        assert word not in result["page"]


# -- pieces ----------------------------------------------------------------------------------------


def test_an_answer_that_takes_too_long_is_given_up_and_the_next_is_judged():
    made = key.make(PLANKS, NAME, {"model_formula": 2, "width_tukey": 2})
    bomb = f"humidity ~ ({'+'.join('abcdefghijklmnopqrstuvwxyz')})**8"
    with judging.Judge(seconds=2) as judge:
        verdict = judge.verdict(made, "model_formula", {"kind": "text", "value": bomb})
        assert (verdict.ok, verdict.status) == (False, "unreadable")
        assert "too large or too complicated" in verdict.message
        fine = {"kind": "text", "value": made.answers["model_formula"].ways[0].parts["fixed"]}
        assert judge.verdict(made, "model_formula", fine).ok is False
        p, df = made.answers["width_tukey"].ways[0].parts.values()
        pair = {"kind": "list", "items": [{"kind": "number", "value": v} for v in (p, df)]}
        assert judge.verdict(made, "width_tukey", pair).ok


def test_what_no_judge_expects_is_unreadable():
    made = key.make(PLANKS, NAME, {"width_tukey": 2})
    with judging.Judge() as judge:
        assert judge.verdict(made, "width_tukey", {"kind": "list"}).status == "unreadable"


def test_scripts_in_a_submission_are_shown_as_text():
    release = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("Task.")])
    cells = [
        Cell("markdown", "Hi <script>alert(1)</script>\n```\n````\n<b>bold</b>", None),
        Cell("raw", "<img src=x onerror=alert(2)>", None),
        Cell("code", "print('<script>alert(3)</script>')", None),
    ]
    matched = returned.Matched(release, cells)
    back = returned.notebook(matched, [], {}, {}, ["renamed: '<script>alert(4)</script>'"])
    from nbconvert import HTMLExporter

    html, _ = HTMLExporter(template_name="classic").from_notebook_node(back)
    assert html.count("alert(") == 4
    assert not re.search(r"<script>alert|<img src=x|<b>bold", html)


def test_marks_say_who_grades():
    verdict = Verdict("q", None, None, "written.", "by hand")
    assert str(returned.Mark(verdict, None, 4)) == "graded by a person, 0 to 4 points"
    assert str(returned.Mark(verdict, 1.5, 2)) == "1.5 of 2 points"
