"""Exercise 5: its right answers are R's, and whatever route leads to them is accepted.

R's numbers are in reference/exercises_orthodont.json, with the R program beside it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from matplotlib.figure import Figure
from scipy import stats
from ways import other_data

import mixedteach as mt
from mixedteach.checks.question import exercise

R = json.loads((Path(__file__).parent / "reference" / "exercises_orthodont.json").read_text())
NUMBERS = ["variances", "matrices", "girls_slope", "likelihood_ratio"]
EXERCISE = exercise("orthodont")
COMPUTED = [q for q in EXERCISE.questions.values() if q.compute is not None]


@pytest.fixture(scope="module")
def children() -> pd.DataFrame:
    return mt.exercise_data("orthodont")


@pytest.mark.parametrize("name", NUMBERS)
def test_right_answers_are_those_of_r(name: str) -> None:
    right = EXERCISE.questions[name].ways()[0].parts
    assert right == {part: pytest.approx(value, rel=2e-6) for part, value in R[name].items()}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_r_may_be_typed_in(name: str) -> None:
    decimals = {"girls_slope": 4}.get(name, 3)
    typed = {part: round(value, decimals) for part, value in R[name].items()}
    assert mt.check(f"orthodont.{name}", typed).ok
    assert mt.check(f"orthodont.{name}", pd.Series(typed).iloc[::-1]).ok


def test_the_test_of_nlme_is_right_and_that_of_reml_is_not() -> None:
    assert mt.check("orthodont.likelihood_ratio", R["nlme_test"]).ok
    lr = R["reml_compared"]
    p = round(stats.chi2.sf(lr, 1), 4)
    verdict = mt.check("orthodont.likelihood_ratio", {"LRT": round(lr, 3), "df": 1, "p": p})
    assert verdict.mistake == "reml_compared"


def test_statsmodels_gives_right_answers(children: pd.DataFrame) -> None:
    def fit(reml: bool, fixed: str = "age*Sex") -> object:
        return smf.mixedlm(f"distance ~ {fixed}", children, groups="Subject").fit(reml=reml)

    fits = {"REML": fit(True), "ML": fit(False)}
    table = pd.DataFrame(
        {way: [f.cov_re.iloc[0, 0], f.scale] for way, f in fits.items()},
        index=["Subject", "Residual"],
    )
    assert mt.check("orthodont.variances", table.round(3)).ok
    assert mt.check("orthodont.variances", table.T).ok
    assert mt.check("orthodont.variances", table.to_dict()).ok
    assert mt.check("orthodont.variances", table.T.to_dict()).ok
    assert mt.check("orthodont.variances", table.stack()).ok
    assert mt.check("orthodont.variances", table[["ML", "REML"]].iloc[::-1]).ok
    large, small = fits["ML"], fit(False, "age + Sex")
    lr = 2 * (large.llf - small.llf)
    answer = {"loglik": large.llf, "LRT": lr, "df": 1, "p": stats.chi2.sf(lr, 1)}
    assert mt.check("orthodont.likelihood_ratio", answer).ok


def test_the_table_of_compare_is_an_answer(children: pd.DataFrame) -> None:
    test = mt.compare(
        mt.lmer("distance ~ age + Sex + (1|Subject)", children),
        mt.lmer("distance ~ age*Sex + (1|Subject)", children),
    )
    assert mt.check("orthodont.likelihood_ratio", test.iloc[1]).ok
    assert mt.check("orthodont.likelihood_ratio", test.iloc[[1]]).ok
    assert mt.check("orthodont.likelihood_ratio", (-214.32, 6.217, 1, 0.013)).ok


def test_least_squares_by_hand_has_the_slope_but_not_its_error(children: pd.DataFrame) -> None:
    m = mt.lmer("distance ~ age*Sex + (1|Subject)", children)
    for by_program in (m.estimable({"girls": [0, 1, 0, 1]}), m.estimable({"": [0, 1, 0, 1]})):
        assert mt.check("orthodont.girls_slope", by_program[["estimate", "SE"]]).ok
    ols = smf.ols("distance ~ age*Sex", children).fit().t_test([0, 0, 1, 1])
    wrong = mt.check("orthodont.girls_slope", {"estimate": ols.effect[0], "SE": ols.sd[0, 0]})
    assert (wrong.mistake, wrong.parts["estimate"]) == ("blocks_ignored", True)


def test_lines_drawn_by_hand_are_right(children: pd.DataFrame) -> None:
    ax = Figure().add_subplot()
    for _, child in children.groupby("Sex", observed=True):
        means = child.groupby("age")["distance"].mean()
        ax.plot(means.index, means)
    assert mt.check("orthodont.profiles", ax).ok
    assert mt.check("orthodont.profiles", ax.figure).ok
    for x, trace, name in (("Sex", "age", "axes_exchanged"), ("age", "Subject", "raw_lines")):
        ax = mt.plot.interaction(children, x=x, trace=trace, response="distance")
        assert mt.check("orthodont.profiles", ax).mistake == name


@pytest.mark.parametrize(
    "formula",
    [
        "distance ~ age*Sex + (age|Subject)",
        "distance ~ Sex + age + Sex:age + (1 + age | Subject)",
        "distance~1+Sex*age+(age|Subject)",
    ],
)
def test_a_formula_may_be_spelled_in_many_ways(formula: str, children: pd.DataFrame) -> None:
    assert mt.check("orthodont.growth_formula", formula).ok
    assert mt.check("orthodont.growth_formula", mt.lmer(formula, children)).ok


@pytest.mark.parametrize(
    ("formula", "name"),
    [
        ("distance ~ age*Sex + (1|Subject)", "slope_missing"),
        ("distance ~ age*Sex + (1|Subject) + (0 + age|Subject)", "uncorrelated"),
        ("distance ~ age + Sex + (age|Subject)", "interaction_missing"),
        ("distance ~ age + Sex + (1|Subject)", "interaction_missing"),
        ("distance ~ age*Sex + (0 + age|Subject)", "term_missing"),
        ("distance ~ age*Sex + (1|Subject) + (age|Subject)", "term_extra"),
        ("distance ~ age*Sex + Subject", "blocks_fixed"),
        ("distance ~ age*Sex + (Subject|age)", "roles_exchanged"),
    ],
)
def test_wrong_formulas_are_known(formula: str, name: str) -> None:
    assert mt.check("orthodont.growth_formula", formula).mistake == name


@pytest.mark.parametrize("word", ["both", "Both", "either", "ML or REML"])
def test_a_word_may_have_others_that_mean_the_same(word: str) -> None:
    assert mt.check("orthodont.compare_slopes_by", word).ok


def test_other_children_are_of_the_same_form(children: pd.DataFrame) -> None:
    other = EXERCISE.simulate(children, np.random.default_rng(1))
    again = EXERCISE.simulate(children, np.random.default_rng(1))
    pd.testing.assert_frame_equal(other, again)
    pd.testing.assert_frame_equal(other.drop(columns="distance"), children.drop(columns="distance"))
    assert other.attrs == children.attrs
    assert other["distance"].dtype == children["distance"].dtype
    assert (2 * other["distance"] % 1 == 0).all()
    assert other["distance"].between(10, 45).all()


@pytest.mark.parametrize("seed", range(5))
def test_other_data_soon_tell_all_ways_apart(seed: int, children: pd.DataFrame) -> None:
    _, ways = other_data(EXERCISE, seed, tries=12)
    for name in ("profiles", *NUMBERS):
        question = EXERCISE.questions[name]
        assert ways[name][0].parts != next(question.each_way()).parts
