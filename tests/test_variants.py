"""Graded variants: other data, and on them every mistake is told from the right answer."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
from course_folder import grade_id, read
from ways import handed_in

from mixedteach.checks.judge import APART, distance
from mixedteach.checks.question import EXERCISES, exercise
from mixedteach.cli import main
from mixedteach.errors import MixedTeachError
from mixedteach.grading import course, generate, key, variant

NAME = "01_paired_t_test"  # the quickest to simulate


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", EXERCISES)
def test_on_other_data_every_mistake_is_recognised_by_the_key(name, seed, tmp_path):
    asked = exercise(name)
    found = variant.simulate(asked, seed)
    made = key.make(asked, "a", dict.fromkeys(asked.questions, 1.0), found.ways, seed)
    made = key.parse(key.text(made))  # what grading reads is the file
    for short, answer in made.answers.items():
        if answer.by_hand:
            continue
        kind, (right, *mistakes) = asked.questions[short].kind, answer.ways
        for way in answer.ways:
            verdict = made.verdict(short, handed_in(kind, way.parts))
            if way is right:
                assert verdict.ok
                continue
            same = {m.mistake for m in mistakes if distance(kind, way, m) < variant.SAME}
            assert verdict.ok is False
            assert verdict.mistake in same, (short, way)
            assert distance(kind, right, way) >= APART
        for one, other in combinations(mistakes, 2):
            away = distance(kind, one, other)
            assert away >= APART or away < variant.SAME
        public = next(asked.questions[short].each_way())
        away = distance(kind, right, public)
        assert away >= APART or away < variant.SAME


@pytest.mark.parametrize("name", EXERCISES)
def test_the_data_have_the_form_of_the_public_ones(name, tmp_path):
    asked, path = exercise(name), tmp_path / "own.csv"
    path.write_bytes(variant.simulate(asked, 1).csv)
    own, public = asked.read(path), asked.data()
    assert own.shape == public.shape
    assert own.dtypes.equals(public.dtypes)
    assert own.attrs == public.attrs
    assert not own.equals(public)
    for column in public.select_dtypes("category"):
        pd.testing.assert_series_equal(own[column], public[column])


def test_the_same_seed_gives_the_same_data_and_another_others():
    asked = exercise("sleep")
    one, two = variant.simulate(asked, 5), variant.simulate(asked, 5)
    assert one == two
    others = [variant.simulate(asked, 6), variant.simulate(asked, 5, "anna")]
    others.append(variant.simulate(asked, 5, "ben"))
    assert len({v.csv for v in [one, *others]}) == 4


def test_no_data_are_said_to_be_none(monkeypatch):
    asked = exercise("sleep")
    monkeypatch.setattr(variant, "TRIES", 3)
    with pytest.raises(MixedTeachError, match=r"in 3 tries .*full marks.*take another seed"):
        variant.simulate(asked, 1, also=lambda made: False)


# -- the course folder -----------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def roster(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("roster") / "students.csv"
    path.write_text("id,first_name\nanna,A\nben,B\n", encoding="utf-8-sig")
    return path


@pytest.fixture(scope="module")
def each(tmp_path_factory, roster) -> Path:
    folder = tmp_path_factory.mktemp("each") / "Kurs"
    course.fill(folder, ["1"], seed=3, students=course.read_roster(roster))
    return folder


def test_a_course_with_public_data(tmp_path, capsys):
    assert main(["exercises", "--course", str(tmp_path), "paired"]) == 0
    made = contents(tmp_path)
    assert sorted(made) == [
        f"answer_keys/{NAME}.json", "nbgrader_config.py", f"source/{NAME}/{NAME}.ipynb",
    ]  # fmt: skip
    assert capsys.readouterr().out.isascii()
    source = read(tmp_path / "source" / NAME / f"{NAME}.ipynb")
    assert all(not cell.get("outputs") for cell in source.cells)
    assert "../lessons" not in str(source)
    # what nbgrader hands out is the exercise
    assert [c.source for c in generate.student_version(source).cells if c.cell_type == "code"] == [
        c.source for c in read(generate.resource("exercises") / f"{NAME}.ipynb").cells
        if c.cell_type == "code"
    ]  # fmt: skip
    assert json.loads(made[f"answer_keys/{NAME}.json"])["seed"] is None


def test_each_student_has_own_data_and_a_key(each, tmp_path, roster):
    made = contents(each)
    assert sorted(made) == sorted([
        "nbgrader_config.py", f"answer_keys/{NAME}.json", f"source/{NAME}/{NAME}.ipynb",
        f"source/{NAME}/sleep.csv",
        *(f"answer_keys/{NAME}/{s}.json" for s in ("anna", "ben")),
        *(f"handout/{s}/{NAME}/sleep.csv" for s in ("anna", "ben")),
        *(f"handout/{s}/{NAME}/{NAME}.ipynb" for s in ("anna", "ben")),
    ])  # fmt: skip
    anna, ben = (made[f"handout/{s}/{NAME}/sleep.csv"] for s in ("anna", "ben"))
    assert len({anna, ben, made[f"source/{NAME}/sleep.csv"]}) == 3
    again = tmp_path / "again"
    course.fill(again, ["1"], seed=3, students=course.read_roster(roster))
    assert contents(again) == made  # byte for byte
    for student in ("anna", "ben"):
        text = made[f"handout/{student}/{NAME}/{NAME}.ipynb"].decode()
        assert 'exercise_data(\\"sleep\\", file=\\"sleep.csv\\")' in text
        for word in ("SOLUTION", "HIDDEN", "expected"):
            assert word not in text
        places = (each / "handout" / student / NAME, generate.resource("exercises"))
        pictures, public = (
            [c.attachments for c in read(place / f"{NAME}.ipynb").cells if "attachments" in c]
            for place in places
        )
        assert len(pictures) == len(public) > 0
        assert pictures != public  # the picture to be reached is that of their data
    source = made[f"source/{NAME}/{NAME}.ipynb"].decode()
    assert "each student has other data" in source  # nbgrader's autograde would be unfair
    assert "expected" not in source


def test_hidden_tests_expect_the_variants_answers(tmp_path):
    course.fill(tmp_path, ["1"], seed=3)
    made = key.read(tmp_path / "answer_keys" / f"{NAME}.json")
    source = read(tmp_path / "source" / NAME / f"{NAME}.ipynb")
    assert "data of this notebook are simulated" in source.cells[0].source
    tests = {grade_id(cell): cell.source for cell in source.cells}
    for name, answer in made.answers.items():
        if answer.by_hand:
            continue
        code = tests[f"sleep-{name}"]
        assert max(map(len, code.splitlines())) <= 100
        call = code.split("### BEGIN HIDDEN TESTS\n")[1].split("### END HIDDEN TESTS")[0]
        said = eval(call.replace("mt.check.points", "dict_of"), {
            "dict_of": lambda full, given, of, expected: (full, of, expected), name: None
        })  # fmt: skip
        assert said == (f"sleep.{name}", answer.points, answer.ways[0].parts)


def test_nothing_is_replaced_unasked(tmp_path, capsys):
    command = ["exercises", "--course", str(tmp_path), "1"]
    assert main(command) == 0
    assert main(command) == 0
    assert "2 files were there already." in capsys.readouterr().out
    source = tmp_path / "source" / NAME / f"{NAME}.ipynb"
    before = source.read_bytes()
    source.write_bytes(before + b"\n")
    (tmp_path / "nbgrader_config.py").write_text("# mine\n", encoding="utf-8")
    assert main(command) == 2
    assert f"'source/{NAME}/{NAME}.ipynb' would be replaced" in capsys.readouterr().err
    assert source.read_bytes() == before + b"\n"
    assert main([*command, "--force"]) == 0
    assert source.read_bytes() == before
    assert (tmp_path / "nbgrader_config.py").read_text(encoding="utf-8") == "# mine\n"
    assert "kept as it is" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name\nanna\n", "needs a first line that names a column 'id'"),
        ("", "needs a first line"),
        ("id\nanna\n../ben\n", r"Line 3 of .*: '../ben' cannot be the name of a folder"),
        ("id\nanna\n\nanna\nAnna\n", "has 'Anna' and 'anna' more than once"),
    ],
)
def test_lists_of_students_that_will_not_do(content, said, tmp_path):
    path = tmp_path / "students.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(MixedTeachError, match=said):
        course.read_roster(path)


def test_students_need_a_seed(tmp_path, roster, capsys):
    command = ["exercises", "--course", str(tmp_path / "c"), "1", "--students", str(roster)]
    assert main(command) == 2
    assert "--students needs --seed N" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"questions": {"x": {}}}'])
def test_a_file_that_is_no_key(content, tmp_path):
    path = tmp_path / "key.json"
    with pytest.raises(MixedTeachError, match="is not there"):
        key.read(path)
    path.write_text(content, encoding="utf-8")
    with pytest.raises(MixedTeachError, match="is not in the form of a key"):
        key.read(path)


def test_a_keys_own_tolerance_counts():
    asked = exercise("planks").questions["width_tukey"]
    made = key.make(exercise("planks"), "a", {"width_tukey": 2})
    near = {"p": asked.ways()[0].parts["p"] + 0.003, "df": 38}
    answer = handed_in(asked.kind, near)
    assert made.verdict("width_tukey", answer).ok is False
    content = json.loads(key.text(made))
    content["questions"]["width_tukey"]["tolerances"]["p"] = 0.005
    assert key.parse(json.dumps(content)).verdict("width_tukey", answer).ok
