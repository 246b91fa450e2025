"""Exercise 1: right answers are R's, other routes lead to them, and what people do wrong is told.

R's numbers: ``Rscript tests/reference/exercises_sleep.R > tests/reference/exercises_sleep.json``.
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from ways import other_data

import mixedteach as mt
from mixedteach.checks.question import exercise

R = json.loads((Path(__file__).parent / "reference" / "exercises_sleep.json").read_text())


@pytest.fixture(scope="module")
def sleep() -> pd.DataFrame:
    return mt.exercise_data("sleep")


@pytest.fixture(scope="module")
def wide(sleep: pd.DataFrame) -> pd.DataFrame:
    return sleep.pivot(index="Subject", columns="day", values="Reaction")


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_the_table_is_long(sleep: pd.DataFrame) -> None:
    assert list(sleep.columns) == ["Subject", "day", "Reaction"]
    assert len(sleep) == 36
    assert list(sleep["day"].cat.categories) == ["day 2", "day 9"]
    assert sleep["Subject"].value_counts().unique().tolist() == [2]
    assert sleep.attrs["units"]["Reaction"] == "ms"


@pytest.mark.parametrize("name", ["changes", "difference", "interval", "sixty_ms"])
def test_right_answers_are_those_of_r(name: str) -> None:
    right = exercise("sleep").questions[name].ways()[0].parts
    assert right == {part: pytest.approx(value, rel=1e-8) for part, value in R[name].items()}
    assert mt.check(f"sleep.{name}", R[name]).ok
    assert mt.check(f"sleep.{name}", pd.Series(R[name])).ok
    decimals = 3 if name == "sixty_ms" else 2
    assert mt.check(f"sleep.{name}", {k: round(v, decimals) for k, v in R[name].items()}).ok


def test_wrong_analyses_are_those_of_r() -> None:
    ways = exercise("sleep").questions["difference"].ways()
    unpaired = [way.parts for way in ways if way.mistake == "unpaired"]
    for parts, name in zip(unpaired, ("two_sample", "welch"), strict=True):
        assert parts["SE"] == pytest.approx(R[name]["SE"], rel=1e-8)
        assert parts["df"] == pytest.approx(R[name]["df"], rel=1e-8)
    ways = exercise("sleep").questions["interval"].ways()
    unpaired = [way.parts for way in ways if way.mistake == "unpaired"]
    for parts, name in zip(unpaired, ("two_sample", "welch"), strict=True):
        assert parts["lower"] == pytest.approx(R[name]["lower"], rel=1e-8)
        assert parts["upper"] == pytest.approx(R[name]["upper"], rel=1e-8)


def test_changes_in_any_shape(wide: pd.DataFrame) -> None:
    d = wide["day 9"] - wide["day 2"]
    for answer in (
        d, d.to_frame("d"), d.reset_index(), d[::-1], d.to_dict(), d.to_list(), d.to_numpy(),
        d.round(2), d.rename(index=int), pd.DataFrame(d).T,
    ):  # fmt: skip
        assert mt.check("sleep.changes", answer).ok
    assert mt.check("sleep.changes", -d).mistake == "sign_turned"
    assert mt.check("sleep.changes", d.round()).mistake == "rounded"
    assert mt.check("sleep.changes", wide["day 9"]).mistake == "adjacent_cell"
    assert mt.check("sleep.changes", wide).status == "unreadable"


def test_a_picture_by_hand(wide: pd.DataFrame, ax: plt.Axes) -> None:
    for values in wide.to_numpy():
        ax.plot(["day 2", "day 9"], values)
    assert mt.check("sleep.lines", ax).ok
    assert mt.check("sleep.lines", ax.figure).ok


def test_a_picture_by_pandas(wide: pd.DataFrame, ax: plt.Axes) -> None:
    assert mt.check("sleep.lines", wide.T.plot(ax=ax)).ok


def test_pictures_of_something_else(sleep: pd.DataFrame, wide: pd.DataFrame) -> None:
    def verdict(draw, *args, **options) -> str | None:
        ax = draw(*args, **options)
        plt.close(ax.figure)
        return mt.check("sleep.lines", ax).mistake

    long = {"within": "day", "subject": "Subject"}
    assert verdict(mt.plot.paired, sleep, "Reaction", **long) is None
    assert verdict(mt.plot.differences, sleep, "Reaction", **long) == "differences_drawn"
    assert verdict(wide.plot) == "axes_exchanged"
    means = {"x": "day", "trace": "none", "response": "Reaction"}
    assert verdict(mt.plot.interaction, sleep.assign(none="all"), **means) == "means_only"
    days = {"within": "Days", "subject": "Subject"}
    study = mt.load_sleepstudy()
    assert verdict(mt.plot.paired, study, "Reaction", **days) == "other_levels"


def test_other_routes_to_the_paired_test(sleep: pd.DataFrame, wide: pd.DataFrame) -> None:
    before, after = wide["day 2"], wide["day 9"]
    table = mt.paired_t_test(wide, "day 9", "day 2")
    linear = mt.lm("Reaction ~ day + Subject", sleep)
    mixed = mt.lmer("Reaction ~ day + (1|Subject)", sleep)
    ols = smf.ols("Reaction ~ day + Subject", sleep).fit()
    row = "day[T.day 9]"
    for answer in (
        table, linear.coefficients().loc["day[day 9]"], mixed.coefficients().iloc[1],
        (85.49, 14.31, 17), {"Estimate": 85.489, "Std. Error": 14.307, "Df": 17},
        {"estimate": ols.params[row], "SE": ols.bse[row], "df": ols.df_resid},
    ):  # fmt: skip
        assert mt.check("sleep.difference", answer).ok
    for answer in (
        table, stats.ttest_rel(after, before).confidence_interval(), (55.3, 115.7),
        linear.conf_int().loc["day[day 9]"], ols.conf_int().loc[row].to_numpy(),
    ):  # fmt: skip
        assert mt.check("sleep.interval", answer).ok
    assert mt.check("sleep.sixty_ms", stats.ttest_1samp(after - before, 60)).ok
    assert mt.check("sleep.sixty_ms", stats.ttest_rel(after - 60, before)).ok


def test_what_people_do_wrong(sleep: pd.DataFrame, wide: pd.DataFrame) -> None:
    before, after = wide["day 2"], wide["day 9"]
    d = after - before
    two = mt.lm("Reaction ~ day", sleep).coefficients().iloc[1]
    assert mt.check("sleep.difference", two).mistake == "unpaired"
    assert mt.check("sleep.interval", two).mistake == "unpaired"
    assert mt.check("sleep.difference", (d.mean(), d.std(), 17)).mistake == "sd_for_se"
    assert mt.check("sleep.difference", (d.mean(), np.std(d) / 18**0.5, 17)).mistake == "sd_by_n"
    assert mt.check("sleep.difference", (-d.mean(), d.sem(), 17)).mistake == "sign_turned"
    assert mt.check("sleep.difference", (d.mean(), d.sem(), 34)).mistake == "residual_df"
    assert mt.check("sleep.difference", (d.mean(), d.sem(), 18)).mistake == "n_for_df"
    right = exercise("sleep").questions["sixty_ms"].ways()[0].parts
    assert mt.check("sleep.sixty_ms", {**right, "df": 18}).mistake == "n_for_df"
    assert "added" in mt.check("sleep.sixty_ms", stats.ttest_rel(after + 60, before)).message
    days = mt.lm("Reaction ~ Days", mt.load_sleepstudy()).coefficients().iloc[1]
    assert mt.check("sleep.difference", days).mistake == "covariate_for_factor"
    z = smf.mixedlm("Reaction ~ day", sleep, groups="Subject").fit().conf_int().iloc[1]
    assert mt.check("sleep.interval", z.to_list()).mistake == "z_for_t"
    assert mt.check("sleep.interval", (115.68, 55.30)).mistake == "adjacent_cell"
    for test, name in (
        (stats.ttest_ind(after - 60, before), "unpaired"),
        (stats.ttest_ind(after - 60, before, equal_var=False), "unpaired"),
        (stats.ttest_1samp(d, 60, alternative="greater"), "one_sided"),
        (stats.ttest_rel(after, before), "tests_zero"),
    ):
        assert mt.check("sleep.sixty_ms", test).mistake == name


@pytest.mark.parametrize(
    ("formula", "name"),
    [
        ("Reaction ~ day + Subject", None),
        ("Reaction ~ C(Subject) + C(day)", None),
        ("Reaction ~ 1 + day + Subject", None),
        ("Reaction ~ day", "unpaired"),
        ("Reaction ~ Subject", "term_missing"),
        ("Reaction ~ day*Subject", "term_extra"),
        ("Reaction ~ day + (1 | Subject)", "blocks_random"),
        ("Reaction ~ day + Subject + (1|Subject)", "term_extra"),
        ("Reaction ~ (1|Subject)", "term_missing"),
        ("day ~ Reaction + Subject", "sides_exchanged"),
    ],
)
def test_formulas(formula: str, name: str | None) -> None:
    verdict = mt.check("sleep.formula", formula)
    assert (verdict.ok, verdict.mistake) == (name is None, name)


def test_a_fitted_model_is_a_formula(sleep: pd.DataFrame) -> None:
    assert mt.check("sleep.formula", mt.lm("Reaction ~ day + Subject", sleep)).ok


def test_factors_by_letter_or_in_words() -> None:
    assert mt.check("sleep.factors", "A").ok
    assert mt.check("sleep.factors", "Day fixed, subject random").ok
    assert mt.check("sleep.factors", "C").mistake == "wrong_choice"
    unreadable = mt.check("sleep.factors", "E")
    assert unreadable.status == "unreadable"
    assert '"A", "B", "C", "D"' in unreadable.message


@pytest.mark.parametrize("seed", range(5))
def test_other_people_soon_serve_as_well(seed: int, sleep: pd.DataFrame) -> None:
    asked = exercise("sleep")
    other, ways = other_data(asked, seed)
    pd.testing.assert_frame_equal(other.drop(columns="Reaction"), sleep.drop(columns="Reaction"))
    assert other.attrs == sleep.attrs
    assert (other["Reaction"].round(4) == other["Reaction"]).all()
    public = {q.name: q.ways()[0].parts for q in asked.questions.values() if q.compute}
    for name in ("changes", "lines", "difference", "interval", "sixty_ms"):
        assert ways[name][0].parts != public[name]
        assert "other_levels" not in {way.mistake for way in ways[name]}, "there is no day 0 here"
