"""Exercise 7: its right answers are R's, and R's own output is accepted as an answer.

Numbers of R 4.2.2 (lmerTest 3.1-3, emmeans 1.8.4-1) on datasets/planks.csv, from

    f <- lm(humidity ~ width*depth + plank + plank:width + plank:depth, planks); anova(f)
    m <- lmer(humidity ~ width*depth + (1|plank) + (1|plank:width) + (1|plank:depth), planks)
    o <- lmer(humidity ~ width*depth + (1|plank), planks)
    VarCorr(m); anova(m); emm_options(lmer.df = "satterthwaite")
    pairs(emmeans(f, ~ width)); pairs(emmeans(o, ~ width)); pairs(emmeans(m, ~ width))

R stops its search a little early: df 37.998 where 38 is exact, hence the tolerance of 2e-4.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedteach as mt
from mixedteach.checks.question import exercise

R = {
    "fixed_width": {"F": 77.27176, "den_df": 152},
    "variances": {
        "plank": 0.888333496,
        "plank:width": 0.299629053,
        "plank:depth": 0.040636781,
        "Residual": 0.154901705,
    },
    "fixed_tests": {
        "width: F": 7.2409517,
        "width: den_df": 37.998471,
        "depth: F": 114.1458658,
        "depth: den_df": 75.999423,
        "width:depth: F": 2.8255015,
        "width:depth: den_df": 152.001137,
    },
    "width_tukey": {"p": 0.3042, "df": 38},
    "se_compared": {"all fixed": 0.05566023, "planks only": 0.08986074, "strata": 0.1818267},
}


@pytest.mark.parametrize("name", R)
def test_right_answers_are_those_of_r(name: str) -> None:
    right = exercise("planks").questions[name].ways()[0].parts
    assert right == {part: pytest.approx(value, rel=2e-4) for part, value in R[name].items()}


@pytest.mark.parametrize("name", ["fixed_width", "variances", "width_tukey", "se_compared"])
def test_numbers_of_r_are_right_answers(name: str) -> None:
    assert mt.check(f"planks.{name}", R[name]).ok
    assert mt.check(f"planks.{name}", pd.Series(R[name])).ok
    assert mt.check(f"planks.{name}", {k: round(v, 3) for k, v in R[name].items()}).ok


def test_the_formula_by_hand_is_right() -> None:
    planks = mt.load_planks()
    mean_sq = mt.lm("humidity ~ width*depth + plank + plank:width + plank:depth", planks)
    error = mean_sq.anova()["mean_sq"]
    tests = {
        "width": (error["width"] / error["plank:width"], 38),
        "depth": (error["depth"] / error["plank:depth"], 76),
        "width:depth": (error["width:depth"] / error["Residual"], 152),
    }
    table = pd.DataFrame(tests, index=["F", "den_df"]).T
    assert mt.check("planks.fixed_tests", table).ok
    assert mt.check("planks.fixed_tests", table.iloc[::-1, ::-1]).ok
    se = np.sqrt(2 * error["plank:width"] / 100)
    assert mt.check("planks.se_compared", {**R["se_compared"], "strata": se}).ok


def test_other_planks_are_of_the_same_form() -> None:
    own = mt.load_planks()
    other = exercise("planks").simulate(own, np.random.default_rng(1))
    again = exercise("planks").simulate(own, np.random.default_rng(1))
    pd.testing.assert_frame_equal(other, again)
    pd.testing.assert_frame_equal(other.drop(columns="humidity"), own.drop(columns="humidity"))
    assert other.attrs == own.attrs
    assert abs(other["humidity"] - own["humidity"]).mean() > 0.3
    assert (other["humidity"].round(2) == other["humidity"]).all()
