"""A slip costs once: answers that follow from the student's own wrong one keep a share."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ways import handed_in

from mixedteach.checks.plain import plain
from mixedteach.checks.question import EXERCISES, FollowOn, exercise
from mixedteach.grading import key
from mixedteach.inference.distributions import t_quantile

PLANKS, SLEEP, PENICILLIN = (exercise(name) for name in ("planks", "sleep", "penicillin"))


def made(asked, points=2.0, **changes):
    """Return the key of an exercise, as it is read from a file."""
    found = key.make(asked, "a", dict.fromkeys(asked.questions, points))
    answers = {
        name: replace(answer, **changes.get(name, {})) for name, answer in found.answers.items()
    }
    return key.parse(key.text(replace(found, answers=answers)))


def way(answers, name, analysis):
    return next(way for way in answers.answers[name].ways if way.analysis == analysis)


def given(asked, answers, name, analysis):
    return handed_in(asked.questions[name].kind, way(answers, name, analysis).parts)


def every_dependency():
    for name in EXERCISES:
        for short, asked in exercise(name).questions.items():
            if asked.follows is not None:
                yield name, short, asked.follows


@pytest.mark.parametrize(("name", "short", "follows"), list(every_dependency()))
def test_what_a_question_builds_on_is_there_and_comes_first(name, short, follows):
    order = list(exercise(name).questions)
    assert order.index(follows.question) < order.index(short)
    assert 0 < follows.share < 1
    answers = made(exercise(name))
    assert answers.builds_on(short) == follows.question
    if follows.compute is None:
        analyses = {
            question: {way.analysis for way in answers.answers[question].ways} - {""}
            for question in (short, follows.question)
        }
        assert analyses[short] & analyses[follows.question]
    else:  # of right numbers the right ones follow
        right = answers.answers[follows.question].ways[0].parts
        here = answers.answers[short].ways[0].parts
        found = follows.compute(right, right, here)
        kind = exercise(name).questions[short].kind
        assert set(found) == set(here)
        assert all(kind.away(part, found[part], here[part]) < 0.1 for part in here)


@pytest.mark.parametrize("name", EXERCISES)
def test_every_analysis_carried_on_keeps_its_share_and_no_more(name):
    asked = exercise(name)
    answers = made(asked)
    for short, question in asked.questions.items():
        if question.follows is None:
            continue
        before = question.follows.question
        for wrong in answers.answers[before].ways[1:]:
            for later in answers.answers[short].ways[1:]:
                if not wrong.analysis or wrong.analysis != later.analysis:
                    continue
                first = handed_in(asked.questions[before].kind, wrong.parts)
                second = handed_in(question.kind, later.parts)
                alone = answers.verdict(short, second)
                both = answers.verdict(short, second, first)
                assert both.ok is False
                assert both.mistake == alone.mistake
                right = sum(alone.parts.values()) / len(alone.parts)
                # parts that the wrong analysis does not have count as answered
                assert both.share == pytest.approx(right + (1 - right) * question.follows.share)
                assert f"follows from your own answer to '{before}'" in both.message
                assert alone.message in both.message


def test_without_the_same_mistake_before_nothing_is_given():
    answers = made(PLANKS)
    second = given(PLANKS, answers, "fixed_tests", "planks only")
    right = answers.answers["model_formula"].ways[0].parts
    for first in (
        handed_in(PLANKS.questions["model_formula"].kind, right),  # it was right
        given(PLANKS, answers, "model_formula", "no planks"),  # another mistake
        plain("humidity ~ nonsense + (1|plank)"),
        plain("this is no formula ("),
        plain(...),
        None,
    ):
        alone = answers.verdict("fixed_tests", second)
        assert answers.verdict("fixed_tests", second, first) == alone


def test_parts_that_a_wrong_model_has_and_were_left_out_are_missing():
    answers = made(PLANKS)
    first = given(PLANKS, answers, "model_formula", "planks only")
    both = way(answers, "variances", "planks only").parts  # two variances; four are asked
    assert answers.verdict("variances", plain(both), first).share == 0.5
    one = {"Residual": both["Residual"]}
    assert answers.verdict("variances", plain(one), first).share == 0.5 / 4
    more = {**both, "plank:width": 0.7}
    assert answers.verdict("variances", plain(more), first).share == 0.5 * 2 / 4


def test_an_interval_around_a_wrong_difference():
    answers = made(SLEEP)
    first = {"estimate": 85.36, "SE": 20.0, "df": 17}  # a wrong standard error
    reach = float(t_quantile(0.975, 17)) * 20
    second = plain({"lower": 85.36 - reach, "upper": 85.36 + reach})
    verdict = answers.verdict("interval", second, plain(first))
    assert (verdict.ok, verdict.status, verdict.share) == (False, "partly", 0.5)
    assert "you get 50% of the points here" in verdict.message
    assert answers.verdict("interval", second).share == 0


@pytest.mark.parametrize(
    "first",
    [
        {"estimate": 0, "SE": 0, "df": 17}, {"estimate": 0, "SE": -1, "df": 17},
        {"estimate": 0, "SE": 1, "df": 0}, {"estimate": 1e308, "SE": 1e308, "df": 1e-300},
        {"estimate": float("inf"), "SE": 1, "df": 17}, {"estimate": float("nan"), "SE": 1, "df": 1},
        {"estimate": 1}, [1, 2], "85", {"estimate": [1], "SE": {}, "df": "x"},
    ],
)  # fmt: skip
def test_nothing_follows_from_impossible_numbers(first):
    answers = made(SLEEP)
    for second in ({"lower": 0, "upper": 0}, {"lower": float("nan"), "upper": float("inf")}):
        assert answers.verdict("interval", plain(second), plain(first)).share == 0


def test_a_made_up_first_answer_earns_no_more_than_the_share():
    """The best that invention can do: consistent numbers everywhere, none of them right."""
    answers = made(SLEEP)
    invented = {"estimate": 1.0, "SE": 1.0, "df": 1e9}
    first, limits = plain(invented), {"lower": 1 - 1.959964, "upper": 1 + 1.959964}
    earned = answers.verdict("difference", first).share
    earned += answers.verdict("interval", plain(limits), first).share
    earned += answers.verdict("sixty_ms", plain({"p": 0.0, "df": 1e9}), first).share
    assert earned <= 2 * 0.5


def test_a_blup_from_wrong_standard_deviations():
    answers = made(PENICILLIN)
    right = answers.answers["same_plate"].ways[0].parts
    here = answers.answers["plate_m"].ways[0].parts
    first = {**right, "sd_plate": 1.0, "sd_residual": 1.0}
    kept = 6 / 7
    second = {"kept": kept, "blup": here["blup"] / here["kept"] * kept}
    assert answers.verdict("plate_m", plain(second), plain(first)).share == 0.5
    assert answers.verdict("plate_m", plain(second)).share == 0
    hopeless = {**right, "sd_plate": 0.0}
    assert answers.verdict("plate_m", plain(second), plain(hopeless)).share == 0


@pytest.mark.parametrize(("share", "earned"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_an_instructor_sets_the_share_in_the_key(share, earned):
    answers = made(PLANKS, fixed_tests={"follow_on": share})
    first = given(PLANKS, answers, "model_formula", "planks only")
    second = given(PLANKS, answers, "fixed_tests", "planks only")
    verdict = answers.verdict("fixed_tests", second, first)
    assert verdict.share == earned
    assert verdict.ok is False


def test_an_older_key_gives_nothing_for_what_follows():
    answers = made(PLANKS)
    content = json.loads(key.text(answers))
    for about in content["questions"].values():
        about.pop("follow_on", None)
    old = key.parse(json.dumps(content))
    assert old.builds_on("fixed_tests") is None


def test_weights_of_parts_and_of_a_formula():
    kind = PLANKS.questions["width_tukey"].kind
    right = made(PLANKS).answers["width_tukey"].ways[0].parts
    half = handed_in(kind, {"p": right["p"], "df": 297})
    assert made(PLANKS).verdict("width_tukey", half).share == 0.5
    weighted = made(PLANKS, width_tukey={"weights": {"p": 3}})
    assert weighted.verdict("width_tukey", half).share == 0.75
    formula = plain("humidity ~ width*depth + (1|plank)")
    assert made(PLANKS).verdict("model_formula", formula).share == 0
    weights = {"model_formula": {"weights": {"fixed": 1, "random": 2}}}
    assert made(PLANKS, **weights).verdict("model_formula", formula).share == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weights": {"q": 1}}, "weights of parts that are not asked: q"),
        ({"weights": {"p": 0, "df": 0}}, "all weights are 0"),
        ({"weights": {"p": -1}}, "number from 0 up"),
        ({"weights": {"p": float("nan")}}, "number from 0 up"),
        ({"follow_on": 1.5}, "from 0 to 1"),
        ({"follow_on": -0.5}, "from 0 to 1"),
    ],
)
def test_a_key_with_impossible_weights_is_refused(change, said):
    content = json.loads(key.text(made(PLANKS)))
    content["questions"]["width_tukey"] |= change
    with pytest.raises(ValueError, match=said):
        key.parse(json.dumps(content))


def test_a_share_is_declared():
    assert FollowOn("difference").share == 0.5
