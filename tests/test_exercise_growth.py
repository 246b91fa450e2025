"""Exercise 8: its right answers are R's (nlme), and whatever route leads to them is accepted.

R's numbers are in reference/exercises_growth.json, with the R program beside it.
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
from mixedteach.checks.exercises.growth import STRUCTURES
from mixedteach.checks.kinds import line_parts
from mixedteach.checks.question import exercise

R = json.loads((Path(__file__).parent / "reference" / "exercises_growth.json").read_text())
NUMBERS = ["one_child", "centring", "line_test", "sd_ratio", "aic", "slopes_differ"]
EXERCISE = exercise("growth")


@pytest.fixture(scope="module")
def children() -> pd.DataFrame:
    return mt.exercise_data("growth")


@pytest.mark.parametrize("name", NUMBERS)
def test_right_answers_are_those_of_r(name: str) -> None:
    right = EXERCISE.questions[name].ways()[0].parts
    # nlme stops its search a little earlier
    assert right == {part: pytest.approx(value, rel=5e-6) for part, value in R[name].items()}


def test_phi_is_that_of_r_and_its_interval_nearly() -> None:
    right = EXERCISE.questions["autocorrelation"].ways()[0].parts
    assert right["phi"] == pytest.approx(R["autocorrelation"]["phi"], abs=1e-6)
    for limit in ("lower", "upper"):  # nlme differentiates numerically, coarsely
        assert right[limit] == pytest.approx(R["autocorrelation"][limit], abs=0.01)
    # nlme's defaults, as printed by intervals()
    printed = {"phi": -0.0375, "lower": -0.3618, "upper": 0.2949}
    assert mt.check("growth.autocorrelation", printed).ok


def test_correlations_are_those_of_r() -> None:
    right = EXERCISE.questions["correlations"].ways()[0].parts
    expected = line_parts(R["correlations"].values())
    assert right == {part: pytest.approx(value, abs=2e-6) for part, value in expected.items()}


@pytest.mark.parametrize("name", [*NUMBERS, "autocorrelation"])
def test_numbers_of_r_may_be_typed_in(name: str) -> None:
    decimals = {"slopes_differ": 4}.get(name, 3)
    typed = {part: round(value, decimals) for part, value in R[name].items()}
    assert mt.check(f"growth.{name}", typed).ok
    assert mt.check(f"growth.{name}", pd.Series(typed).iloc[::-1]).ok


def test_what_nlme_takes_as_reference_is_told() -> None:
    """R's varIdent starts from the girls here: its ratio is that of the boys."""
    upside_down = R["sd_ratio"] | {"ratio": round(1 / R["sd_ratio"]["ratio"], 4)}
    assert mt.check("growth.sd_ratio", upside_down).mistake == "ratio_inverted"


def test_mistakes_of_r_are_recognised() -> None:
    lr = R["reml_compared"]
    answer = R["slopes_differ"] | {"LRT": lr, "p": stats.chi2.sf(lr, 1)}
    assert mt.check("growth.slopes_differ", answer).mistake == "reml_compared"
    by_ml = {"phi": round(R["phi_by_ml"], 4), "lower": -0.3646, "upper": 0.247}
    assert mt.check("growth.autocorrelation", by_ml).mistake == "ml_for_reml"
    alone = {"phi": round(R["phi_alone"], 4), "lower": 0.449, "upper": 0.753}
    assert mt.check("growth.autocorrelation", alone).mistake == "term_missing"


def test_statsmodels_gives_right_answers(children: pd.DataFrame) -> None:
    fit = smf.mixedlm("distance ~ age*Sex", children, groups="Subject").fit()
    between, within = fit.cov_re.iloc[0, 0], fit.scale
    answer = (np.sqrt(between + within), between / (between + within))
    assert mt.check("growth.one_child", answer).ok
    ols = smf.ols("distance ~ age*Sex", children).fit()
    assert mt.check(
        "growth.slopes_differ", R["slopes_differ"] | {"SE_independent": ols.bse.iloc[3]}
    ).ok


def test_centring_changes_no_fit_and_tables_may_lie(children: pd.DataFrame) -> None:
    moved = children.assign(age=children["age"] - 11)
    fits = [mt.lmer("distance ~ age*Sex + (age|Subject)", d) for d in (children, moved)]
    assert fits[0].llf == pytest.approx(fits[1].llf, abs=1e-8)
    right = EXERCISE.questions["centring"].ways()[0].parts
    table = pd.DataFrame(
        {
            c: [right[f"{row}, {c}"] for row in ("estimates", "children")]
            for c in ("age", "centred")
        },
        index=["estimates", "children"],
    )
    for shape in (table, table.T, table.round(3), table.to_dict(), table.stack()):
        assert mt.check("growth.centring", shape).ok
    assert mt.check("growth.centring", table.iloc[::-1]).ok
    wrong = table.set_axis(["children", "estimates"])
    assert mt.check("growth.centring", wrong).mistake == "estimates_for_effects"


def test_the_table_of_compare_has_most_of_an_answer(children: pd.DataFrame) -> None:
    small, large = (
        mt.lmer(f"distance ~ age*Sex + ({bar}|Subject)", children) for bar in ("1", "age")
    )
    row = mt.compare(small, large).iloc[1][["LRT", "df", "p"]]
    verdict = mt.check("growth.line_test", row)
    assert (verdict.ok, verdict.mistake) == (False, None)
    assert "p_mixture is missing" in verdict.message
    mixture = (stats.chi2.sf(row["LRT"], 1) + row["p"]) / 2
    assert mt.check("growth.line_test", {**row, "p_mixture": mixture}).ok


def test_lines_drawn_by_hand_are_right() -> None:
    def drawn(lines: dict[str, list[float]]) -> object:
        ax = Figure().add_subplot()
        for name, heights in lines.items():
            ax.plot([10, 12, 14], heights, marker="o", label=name)
        ax.legend()
        return ax

    assert mt.check("growth.correlations", drawn(R["correlations"])).ok
    turned = dict(reversed(R["correlations"].items()))
    assert mt.check("growth.correlations", drawn(turned)).ok
    table = pd.DataFrame(R["correlations"], index=[10, 12, 14])
    assert mt.check("growth.correlations", table.plot()).ok
    phi = R["phi_alone"]
    by_years = R["correlations"] | {"AR1": [phi**2, phi**4, phi**6]}
    assert mt.check("growth.correlations", drawn(by_years)).mistake == "wrong_lag"


def test_structures_may_come_in_any_order() -> None:
    assert list(R["aic"]) == list(STRUCTURES)
    table = pd.Series(R["aic"]).sort_values().round(2)
    assert mt.check("growth.aic", table).ok
    assert mt.check("growth.aic", table.rename("AIC").to_frame()).ok
    assert mt.check("growth.aic", table.rename("AIC").rename_axis("structure").reset_index()).ok
    exchanged = R["aic"] | {"AR1": R["aic"]["intercept and AR1"]}
    exchanged["intercept and AR1"] = R["aic"]["AR1"]
    assert mt.check("growth.aic", exchanged).mistake == "adjacent_cell"


def test_other_children_are_of_the_same_form(children: pd.DataFrame) -> None:
    other = EXERCISE.simulate(children, np.random.default_rng(1))
    again = EXERCISE.simulate(children, np.random.default_rng(1))
    pd.testing.assert_frame_equal(other, again)
    pd.testing.assert_frame_equal(other.drop(columns="distance"), children.drop(columns="distance"))
    assert other.attrs == children.attrs
    assert other["distance"].dtype == children["distance"].dtype
    assert (2 * other["distance"] % 1 == 0).all()
    assert other["distance"].between(10, 45).all()


@pytest.mark.parametrize("seed", range(4))
def test_other_data_soon_tell_all_ways_apart(seed: int) -> None:
    _, ways = other_data(EXERCISE, seed, tries=20)
    for name in (*NUMBERS, "autocorrelation", "correlations"):
        question = EXERCISE.questions[name]
        assert ways[name][0].parts != next(question.each_way()).parts
    smallest = min(ways["aic"][0].parts, key=ways["aic"][0].parts.get)
    assert smallest == "sd by Sex"  # the structure that slopes_differ takes for chosen
