"""The table of classic mistakes, over all questions: each is told from all others."""

from __future__ import annotations

from itertools import combinations
from keyword import iskeyword

import pytest
from ways import handed_in

import mixedteach as mt
from mixedteach.checks.catalogue import MISTAKES
from mixedteach.checks.judge import APART, distance, judge
from mixedteach.checks.question import EXERCISES, exercise

QUESTIONS = [q for name in EXERCISES for q in exercise(name).questions.values()]
COMPUTED = [q for q in QUESTIONS if q.compute is not None]
SAME = 0.1  # tolerances: what lies nearer is one number, and the message names both mistakes


def ident(question: object) -> str:
    return getattr(question, "full_name", str(question))


@pytest.mark.parametrize("question", COMPUTED, ids=ident)
def test_right_is_right_and_every_mistake_is_recognised(question) -> None:
    ways = question.ways()
    assert ways[0].mistake is None
    assert all(way.mistake in MISTAKES for way in ways[1:])
    assert len(ways) > 1, "a question at which nobody can go wrong teaches nothing"
    for way in ways:
        verdict = judge(
            question.full_name, question.kind, ways, handed_in(question.kind, way.parts)
        )
        if way.mistake is None:
            assert (verdict.ok, verdict.mistake, verdict.status) == (True, None, "right")
            continue
        assert verdict.ok is False
        same = {w.mistake for w in ways[1:] if distance(question.kind, way, w) < SAME}
        assert verdict.mistake in same, f"{way} is taken for {verdict}"
        for name in same:
            assert MISTAKES[name] in verdict.message


@pytest.mark.parametrize("question", COMPUTED, ids=ident)
def test_ways_lie_apart(question) -> None:
    right, *mistakes = question.ways()
    for way in mistakes:
        assert distance(question.kind, right, way) >= APART, way
    for one, other in combinations(mistakes, 2):
        away = distance(question.kind, one, other)
        assert away >= APART or away < SAME, (one, other, away)


@pytest.mark.parametrize("question", COMPUTED, ids=ident)
def test_a_right_number_may_be_rounded_to_its_tolerance(question) -> None:
    ways = question.ways()
    for sign in (-0.99, 0.99):
        moved = {
            part: value
            if isinstance(value, str)
            else value
            + sign
            * question.kind.tolerance(part)
            * (
                abs(value)
                if getattr(question.kind, "relative", None) == question.kind.tolerance(part)
                else 1
            )
            for part, value in ways[0].parts.items()
        }
        assert judge("q", question.kind, ways, handed_in(question.kind, moved)).ok


@pytest.mark.parametrize("question", QUESTIONS, ids=ident)
def test_a_question_is_complete(question) -> None:
    assert len(question.hints) == 3
    assert question.hints[2].startswith("Lesson ")
    assert question.asks
    assert question.kind.expects()
    assert question.name.isidentifier()
    assert not iskeyword(question.name)
    assert mt.check(question.full_name, ...).status == "not attempted"
    assert mt.check(question.full_name, "...").ok is None
    nonsense = mt.check(question.full_name, object())
    assert (nonsense.ok, nonsense.status) == (False, "unreadable")


def test_every_mistake_of_the_issue_occurs_somewhere() -> None:
    found = {way.mistake for question in COMPUTED for way in question.ways()[1:]}
    wanted = {
        "blocks_ignored", "strata_missing", "blocks_fixed", "type3_treatment", "z_for_t",
        "residual_df", "ml_for_reml", "variance_for_sd", "sd_for_variance", "sign_turned",
        "reference_turned", "one_sided", "unadjusted", "bonferroni", "se_of_mean",
        "complete_cases", "rounded_early", "adjacent_cell", "covariate_for_factor",
    }  # fmt: skip
    assert wanted <= found, wanted - found


def test_every_mistake_in_the_catalogue_is_used() -> None:
    found = {way.mistake for question in COMPUTED for way in question.ways()[1:]} | {"rounded"}
    assert set(MISTAKES) <= found, set(MISTAKES) - found
