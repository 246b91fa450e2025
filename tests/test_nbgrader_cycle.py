"""The cycle with nbgrader's own commands: assign, hand out, collect, autograde, return, export."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import pytest
from course_folder import answered, grade_id, nbgrader, read, solved

from mixedteach.cli import main
from mixedteach.grading import key

NAME = "01_paired_t_test"
STUDENTS = ("right", "wrong", "untouched", "deleted")


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """Return a course in which a graded variant went through the whole cycle."""
    folder = tmp_path_factory.mktemp("cycle") / "course"
    assert main(["exercises", "--course", str(folder), "1", "--seed", "11"]) == 0
    nbgrader(folder, "generate_assignment", NAME)
    collect(folder)
    nbgrader(folder, "zip_collect", NAME)
    nbgrader(folder, "autograde", NAME)
    nbgrader(folder, "generate_feedback", NAME)
    nbgrader(folder, "export")
    return folder


def collect(folder: Path) -> None:
    """Put submissions where a learning platform's download goes, under its names."""
    release = folder / "release" / NAME / f"{NAME}.ipynb"
    answers = solved(read(folder / "source" / NAME / f"{NAME}.ipynb"))
    hand_ins = {
        "right": answered(read(release), answers),
        "wrong": answered(read(release), {"difference": f"difference = {wrong(folder)!r}"}),
        "untouched": read(release),
        "deleted": read(release),
    }
    cells = hand_ins["deleted"].cells
    cells[:] = [cell for cell in cells if grade_id(cell) != "difference-answer"]
    place = folder / "downloaded" / NAME / "archive"
    place.mkdir(parents=True)
    with zipfile.ZipFile(place / "all.zip", "w") as archive:
        for student, notebook in hand_ins.items():
            name = f"{NAME}_{student}_attempt_2026-03-04-10-11-12_{NAME}.ipynb"
            archive.writestr(name, json.dumps(notebook))


def wrong(folder: Path) -> dict[str, float]:
    """Return an answer that a known mistake gives."""
    answer = key.read(folder / "answer_keys" / f"{NAME}.json").answers["difference"]
    mistake = next(way for way in answer.ways[1:] if set(way.parts) == set(answer.ways[0].parts))
    return dict(mistake.parts)


def marks(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "grades.csv").open(encoding="utf-8") as file:
        return {row["student_id"]: row for row in csv.DictReader(file)}


def feedback(folder: Path, student: str) -> str:
    return (folder / "feedback" / student / NAME / f"{NAME}.html").read_text(encoding="utf-8")


def test_what_is_released_has_no_answers_and_the_data(course):
    release = course / "release" / NAME
    assert sorted(path.name for path in release.iterdir()) == [f"{NAME}.ipynb", "sleep.csv"]
    text = (release / f"{NAME}.ipynb").read_text(encoding="utf-8")
    assert "SOLUTION" not in text
    assert "expected" not in text
    assert text.count("# your code here") == len(solved(read(release / f"{NAME}.ipynb"))) + 1


def test_scores_of_nbgraders_own_autograder(course):
    answers = key.read(course / "answer_keys" / f"{NAME}.json").answers
    by_program = sum(a.points for a in answers.values() if not a.by_hand)
    rows = marks(course)
    assert sorted(rows) == sorted(STUDENTS)
    scores = {student: float(row["score"]) for student, row in rows.items()}
    assert scores["right"] == by_program  # and the sentences wait for a person
    assert scores["untouched"] == scores["deleted"] == 0
    assert scores["wrong"] < answers["difference"].points
    assert {float(row["max_score"]) for row in rows.values()} == {
        sum(a.points for a in answers.values())
    }


def test_feedback_says_what_was_wrong_and_shows_no_hidden_test(course):
    for student in STUDENTS:
        page = feedback(course, student)
        for word in ("HIDDEN", "expected", "check.points"):
            assert word not in page, (student, word)
    right = key.read(course / "answer_keys" / f"{NAME}.json").answers["difference"].ways[0].parts
    for student in ("wrong", "untouched", "deleted"):
        page = feedback(course, student)
        for part, value in right.items():
            if student != "wrong" or wrong(course)[part] != value:  # else the student typed it
                assert str(value)[:6] not in page
    # the cell with the name is gone: an error, which must not quote the test around it
    assert "NameError" in feedback(course, "deleted")
    assert "not attempted yet" in feedback(course, "untouched")
