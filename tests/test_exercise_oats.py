"""Exercise 6: its right answers are R's, and whatever route leads to them is accepted.

R's numbers are in reference/exercises_oats.json, with the R program beside it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from ways import other_data

import mixedteach as mt
from mixedteach.checks.question import exercise

R = json.loads((Path(__file__).parent / "reference" / "exercises_oats.json").read_text())
NUMBERS = ["split_tests", "variety_means", "variety_difference", "nitrogen_step"]
EXERCISE = exercise("oats")
COMPUTED = [q for q in EXERCISE.questions.values() if q.compute is not None]
MODEL = "yield ~ variety*nitrogen + (1|block/variety)"


@pytest.fixture(scope="module")
def oats() -> pd.DataFrame:
    return mt.exercise_data("oats")


@pytest.fixture(scope="module")
def model(oats: pd.DataFrame) -> mt.MixedModel:
    return mt.lmer(MODEL, oats)


def test_eight_sub_plots_are_lost_and_no_whole_plot(oats: pd.DataFrame) -> None:
    full = mt.load_oats()
    left = oats["yield"].notna()
    assert (left.sum(), len(oats)) == (64, 72)
    assert (oats["yield"][left] == full["yield"][left]).all()
    assert (oats.groupby(["block", "variety"], observed=True)["yield"].count() >= 2).all()
    assert oats.attrs["units"] == full.attrs["units"]


@pytest.mark.parametrize("name", NUMBERS)
def test_right_answers_are_those_of_r(name: str) -> None:
    right = EXERCISE.questions[name].ways()[0].parts
    assert right == {part: pytest.approx(value, rel=1e-5) for part, value in R[name].items()}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_r_may_be_typed_in(name: str) -> None:
    decimals = {"nitrogen_step": 3, "variety_difference": 3}.get(name, 2)
    typed = {part: round(value, decimals) for part, value in R[name].items()}
    if name == "split_tests":  # two numbers for each of two terms
        typed = {
            term: {part: typed[f"{term}: {part}"] for part in ("F", "den_df")}
            for term in ("variety", "nitrogen")
        }
        assert mt.check(f"oats.{name}", pd.DataFrame(typed)).ok
        assert mt.check(f"oats.{name}", pd.DataFrame(typed).T).ok
    assert mt.check(f"oats.{name}", typed).ok
    assert mt.check(f"oats.{name}", dict(reversed(typed.items()))).ok


def test_tables_may_be_handed_in_as_they_come(model: mt.MixedModel) -> None:
    tests, means = model.anova(), model.emmeans("variety")
    assert mt.check("oats.split_tests", tests).ok
    assert mt.check("oats.split_tests", tests.iloc[::-1, ::-1].reset_index()).ok
    assert mt.check("oats.variety_means", means).ok
    assert mt.check("oats.variety_means", means.set_index("variety")["emmean"]).ok
    assert mt.check("oats.variety_means", list(means["emmean"])).ok
    pairs = model.emmeans("variety", ddf="kenward-roger").pairs()
    assert mt.check("oats.variety_difference", pairs.iloc[2]).ok
    assert mt.check("oats.variety_difference", pairs.iloc[[2]]).ok


def test_other_programs_mistakes_are_recognised() -> None:
    """nlme's anova is sequential; emmeans takes Kenward and Roger's df by itself."""
    nlme = pd.DataFrame(
        {"F-value": R["sequential"]["F"], "denDF": R["sequential"]["df"]},
        index=["variety", "nitrogen"],
    )
    assert mt.check("oats.split_tests", nlme.set_axis(["F", "denDF"], axis=1)).mistake == (
        "type1_order"
    )
    assert mt.check("oats.variety_difference", R["satterthwaite"]).mistake == "other_df"
    assert mt.check("oats.nitrogen_step", R["kenward_roger"]).mistake == "other_df"


def test_plain_means_are_not_the_answer(oats: pd.DataFrame) -> None:
    plain = oats.groupby("variety", observed=True)["yield"].mean()
    verdict = mt.check("oats.variety_means", plain)
    assert verdict.mistake == "raw_means"
    assert not verdict.parts["Victory"]
    # even the order of the varieties is another
    right = EXERCISE.questions["variety_means"].ways()[0].parts
    assert list(plain.sort_values().index) != sorted(right, key=right.get)


def test_means_by_hand_need_the_model(model: mt.MixedModel) -> None:
    cells = model.emmeans(["variety", "nitrogen"])
    assert mt.check("oats.variety_means", cells.groupby("variety")["emmean"].mean()).ok
    step = cells.groupby("nitrogen")["emmean"].mean()
    answer = {"estimate": step["0.6cwt"] - step["0.4cwt"], "p": 0.122, "df": 37.24}
    assert mt.check("oats.nitrogen_step", answer).ok
    assert mt.check("oats.nitrogen_step", {**answer, "p": 0.0285}).mistake == "unadjusted"


def test_lines_drawn_by_hand_are_right(oats: pd.DataFrame, model: mt.MixedModel) -> None:
    ax = Figure().add_subplot()
    means = oats.groupby(["nitrogen", "variety"], observed=True)["yield"].mean().unstack()
    for variety in reversed(means.columns):
        ax.plot(means.index.astype(str), means[variety], label=variety)
    assert mt.check("oats.profiles", ax).ok
    estimated = model.emmeans(["variety", "nitrogen"]).pivot(
        index="nitrogen", columns="variety", values="emmean"
    )
    ax = Figure().add_subplot()
    ax.plot(range(4), estimated)
    assert mt.check("oats.profiles", ax).mistake == "model_means"


@pytest.mark.parametrize(
    ("formula", "name"),
    [
        (MODEL, None),
        ("yield ~ nitrogen*variety + (1|block) + (1|variety:block)", None),
        ("yield ~ C(variety)*C(nitrogen) + (1|block/variety)", None),
        ("yield ~ variety*nitrogen + (1|block)", "strata_missing"),
        ("yield ~ variety*nitrogen + (1|block) + (1|variety)", "crossed_as_nested"),
        ("yield ~ variety*nitrogen + (1|block:variety)", "term_missing"),
        ("yield ~ block + variety*nitrogen", "blocks_fixed"),
        ("yield ~ variety*nitrogen + block + block:variety", "blocks_fixed"),
        ("yield ~ variety*nitrogen + block/variety", "blocks_fixed"),
        ("yield ~ variety + nitrogen + (1|block)", "interaction_missing"),
        ("yield ~ variety + nitrogen", "blocks_ignored"),
        ("yield ~ nitrogen + (1|block)", "term_missing"),
    ],
)
def test_formulas(formula: str, name: str | None) -> None:
    verdict = mt.check("oats.split_plot", formula)
    assert (verdict.ok, verdict.mistake) == (name is None, name)


@pytest.mark.parametrize("word", ["whole plots", "Whole plot", "whole-plots", "block:variety"])
def test_a_word_may_have_others_that_mean_the_same(word: str) -> None:
    assert mt.check("oats.unit_of_variety", word).ok


def test_plots_alone_may_be_either_size() -> None:
    assert mt.check("oats.unit_of_variety", "plots").status == "unreadable"


def test_the_complete_trial_is_the_lessons(oats: pd.DataFrame) -> None:
    m = mt.lmer(MODEL, mt.load_oats())
    kenward = m.emmeans("variety", ddf="kenward-roger").pairs().iloc[2]
    for name, answer in (
        ("split_tests", m.anova()),
        ("variety_means", m.emmeans("variety")),
        ("variety_difference", kenward),
    ):
        assert mt.check(f"oats.{name}", answer).mistake == "lesson_data"


def test_differences_of_plain_means_are_known(oats: pd.DataFrame, model: mt.MixedModel) -> None:
    plain = mt.lm("yield ~ variety", oats).emmeans("variety").pairs().iloc[2]
    assert mt.check("oats.variety_difference", plain).mistake == "raw_means"
    right = EXERCISE.questions["variety_difference"].ways()[0].parts
    only = {**right, "estimate": plain["estimate"]}
    assert mt.check("oats.variety_difference", only).mistake == "raw_means"
    plain_se = model.emmeans("variety").pairs().iloc[2]["SE"]
    assert mt.check("oats.variety_difference", {**right, "SE": plain_se}).mistake == (
        "se_not_adjusted"
    )


def test_coefficients_are_not_means(model: mt.MixedModel) -> None:
    names = ("Golden.rain", "Marvellous", "Victory")
    found = dict(zip(names, model.params.iloc[:3], strict=True))
    assert mt.check("oats.variety_means", found).mistake == "difference_for_mean"


def test_df_of_the_numerator_are_not_those_of_the_denominator(model: mt.MixedModel) -> None:
    tests = model.anova().iloc[:2]
    turned = {term: {"F": row["F"], "den_df": row["num_df"]} for term, row in tests.iterrows()}
    assert mt.check("oats.split_tests", turned).mistake == "num_df_for_den"


def test_other_oats_are_of_the_same_form(oats: pd.DataFrame) -> None:
    other = EXERCISE.simulate(oats, np.random.default_rng(1))
    again = EXERCISE.simulate(oats, np.random.default_rng(1))
    pd.testing.assert_frame_equal(other, again)
    pd.testing.assert_frame_equal(other.drop(columns="yield"), oats.drop(columns="yield"))
    assert other.attrs == oats.attrs
    assert other["yield"].dtype == oats["yield"].dtype
    left = other["yield"].dropna()
    assert (left == left.round()).all()
    assert left.between(1, 250).all()
    lost = [frame[frame["yield"].isna()] for frame in (oats, other)]
    cells = [sorted(zip(f["variety"], f["nitrogen"], strict=True)) for f in lost]
    assert cells[0] == cells[1]  # the same losses, in other blocks


@pytest.mark.parametrize("seed", range(5))
def test_other_data_soon_tell_all_ways_apart(seed: int, oats: pd.DataFrame) -> None:
    _, ways = other_data(EXERCISE, seed, tries=12)
    for name in ("profiles", *NUMBERS):
        question = EXERCISE.questions[name]
        assert ways[name][0].parts != next(question.each_way()).parts
