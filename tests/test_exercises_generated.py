"""Exercises are what the solutions give: nothing is left in them, and they run untouched."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from course_folder import ROOT, grade_id, read
from nbgrader.nbgraderformat import MetadataValidator

from mixedteach.checks.question import EXERCISES, exercise
from mixedteach.cli import main
from mixedteach.errors import MixedTeachError
from mixedteach.grading import box, generate
from mixedteach.grading.course import question_points

SOLUTIONS = generate.solutions()
per_exercise = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)


def test_there_is_a_notebook_for_each_exercise_and_lesson():
    lessons = [path.stem for path in sorted((ROOT / "lessons").glob("[0-9][0-9]_*.ipynb"))]
    assert [path.stem for path in SOLUTIONS] == lessons
    assert [exercise(name).lesson for name in EXERCISES] == lessons


@per_exercise
def test_the_exercise_is_what_its_solution_gives(path):
    stored = (ROOT / "exercises" / path.name).read_text(encoding="utf-8")
    assert stored == generate.exercise(path), "type: mixedteach exercises"


def test_no_exercise_is_left_over():
    assert generate.orphans() == []


@per_exercise
def test_a_solution_asks_every_question_once_and_has_nbgraders_form(path):
    solution = read(path)
    MetadataValidator().validate_nb(solution)
    asked = exercise(generate.exercise_name(solution))
    assert asked.lesson == path.stem
    assert set(question_points(solution, asked)) == set(asked.questions)
    names = {grade_id(cell) for cell in solution.cells}
    for name, question in asked.questions.items():
        assert question.kind.by_hand or f"{name}-answer" in names


@per_exercise
def test_a_solution_scores_full_marks_as_stored(path):
    for cell in read(path).cells:
        about = cell.metadata.get("nbgrader", {})
        if about.get("grade") and not about["solution"]:
            (result,) = (o for o in cell.outputs if o.output_type == "execute_result")
            assert float(result.data["text/plain"]) == about["points"]


@per_exercise
def test_nothing_of_the_solution_is_left(path):
    made, solution = read(ROOT / "exercises" / path.name), read(path)
    assert [cell.id for cell in made.cells] == [cell.id for cell in solution.cells]
    text = nbformat.writes(made)
    for word in ("SOLUTION", "HIDDEN", "check.points", "slideshow", "Rubric"):
        assert word not in text
    for cell, original in zip(made.cells, solution.cells, strict=True):
        if cell.cell_type != "code":
            assert cell.source.startswith(original.source.replace("](../../", "](../"))
            continue
        assert (cell.outputs, cell.execution_count) == ([], None)
        if original.metadata.get("nbgrader", {}).get("solution"):
            start = original.source.split("### BEGIN SOLUTION")[0]
            assert cell.source == start + generate.STUB
            assert re.match(r'\w+ = (\.\.\.|"""\.\.\.""")', cell.source)


@per_exercise
def test_the_picture_to_be_reached_stands_in_the_task_and_is_described(path):
    made, solution = read(ROOT / "exercises" / path.name), read(path)
    shown = [cell for cell in made.cells if "attachments" in cell]
    drawn = [
        output.data["image/png"].strip()
        for cell in solution.cells
        if grade_id(cell).endswith("-answer")
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert [cell.attachments["goal.png"]["image/png"] for cell in shown] == drawn
    assert drawn, "every exercise asks for a picture"
    for cell in shown:
        assert re.search(r"!\[[^\]]{20,}\]\(attachment:goal\.png\)", cell.source)


@per_exercise
def test_untouched_it_runs_and_every_check_says_not_attempted(path):
    made = read(ROOT / "exercises" / path.name)
    asked = exercise(generate.exercise_name(made))
    sources = [cell.source for cell in made.cells if cell.cell_type == "code"]
    outcome = box.run(sources, list(asked.questions), boxed=False)
    outputs = [output for run in outcome.cells for output in run.outputs]
    assert [o for o in outputs if o["output_type"] == "error"] == []
    said = [o["data"]["text/plain"] for o in outputs if o["output_type"] == "execute_result"]
    assert sum("not attempted yet." in text for text in said) == len(asked.questions)


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def clone(tmp_path: Path, monkeypatch) -> Path:
    """Return a folder that stands for a clone with one solution."""
    shutil.copytree(SOLUTIONS[0].parent, tmp_path / "solutions" / SOLUTIONS[0].stem)
    monkeypatch.setattr(generate, "resource", lambda *parts: tmp_path.joinpath(*parts))
    return tmp_path


def test_the_command_writes_what_differs_and_check_only_tells(clone, capsys):
    target = clone / "exercises" / SOLUTIONS[0].name
    assert main(["exercises", "--check"]) == 1
    assert f"differs: {target}" in capsys.readouterr().out
    assert not target.exists()
    assert main(["exercises"]) == 0
    assert target.read_bytes() == (ROOT / "exercises" / SOLUTIONS[0].name).read_bytes()
    assert main(["exercises", "--check"]) == 0
    assert "All exercises are what the solutions give." in capsys.readouterr().out
    (clone / "exercises" / "99_old.ipynb").write_text("{}", encoding="utf-8")
    assert main(["exercises", "--check"]) == 1
    assert "belongs to no solution" in capsys.readouterr().out


def test_slides_and_runs_make_no_difference(clone):
    before = generate.exercise(SOLUTIONS[0])
    path = clone / "solutions" / SOLUTIONS[0].stem / SOLUTIONS[0].name
    content = json.loads(path.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        cell["metadata"]["slideshow"] = {"slide_type": "slide"}
        if cell["cell_type"] == "code":
            cell["execution_count"] = 99
    path.write_text(json.dumps(content), encoding="utf-8")
    assert generate.exercise(path) == before


def test_an_installed_copy_is_left_alone(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "_resources"
    (folder / "solutions").mkdir(parents=True)
    monkeypatch.setattr(generate, "resource", lambda *parts: folder.joinpath(*parts))
    assert main(["exercises"]) == 2
    assert "mixedteach exercises --course DIR" in capsys.readouterr().err


def test_without_nbgrader(clone, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "nbgrader", None)
    assert main(["exercises"]) == 2
    assert "type pip install nbgrader" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seed", "0"], "--seed goes with --course DIR only"),
        (["7"], "EXERCISE goes with --course DIR only"),
        (["--force"], "--force goes with --course DIR only"),
        (["--course", "x", "--check"], "--check is for the folder 'exercises'"),
        (["--course", "x", "--seed", "-1"], "--seed takes a whole number"),
    ],
)
def test_words_that_do_not_go_together(words, said, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["exercises", *words])
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "found"),
    [("7", "07_beech_planks"), ("beech", "07_beech_planks"), ("01_paired_t_test.ipynb", None)],
)
def test_which_exercises_are_meant(word, found):
    assert [path.stem for path in generate.chosen([word])] == [found or word[:-6]]


def test_words_that_mean_no_exercise():
    with pytest.raises(MixedTeachError, match="Did you mean '07_beech_planks'"):
        generate.chosen(["07_beech_plank5"])
    with pytest.raises(MixedTeachError, match="write more of its name"):
        generate.chosen(["_"])
    with pytest.raises(MixedTeachError, match="There is no exercise '99'"):
        generate.chosen(["99"])


@pytest.mark.parametrize(
    "path", [*SOLUTIONS, *sorted((ROOT / "exercises").glob("*.ipynb"))], ids=str
)
def test_links_lead_somewhere(path: Path) -> None:
    cells = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown"]
    links = re.findall(r"\]\((?!https?://|attachment:|#)([^)]+)\)", "\n".join(cells))
    assert links
    for link in links:
        assert (path.parent / link).is_file(), link
