"""Exercise 3: its right answers are R's; other routes to them pass; other data can take its place.

R's numbers: tests/reference/exercises_penicillin_tablets.R
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from ways import other_data

import mixedteach as mt
from mixedteach.checks.judge import APART, distance
from mixedteach.checks.question import exercise

R = json.loads(
    (Path(__file__).parent / "reference" / "exercises_penicillin_tablets.json").read_text()
)
NUMBERS = ("same_plate", "plate_m", "f_sample")


@pytest.fixture(scope="module")
def penicillin() -> pd.DataFrame:
    return mt.exercise_data("penicillin")


def checked(name: str, answer: object):
    return mt.check(f"penicillin.{name}", answer)


@pytest.mark.parametrize("name", NUMBERS)
def test_right_answers_are_those_of_r(name: str) -> None:
    right = exercise("penicillin").questions[name].ways()[0].parts
    assert right == {part: pytest.approx(value, rel=2e-6) for part, value in R[name].items()}


def test_means_are_those_of_r() -> None:
    right = exercise("penicillin").questions["sample_means"].ways()[0].parts
    for row in R["sample_means"]:
        for part, name in (("mean", "emmean"), ("SE", "SE"), ("df", "df")):
            assert right[f"{row['sample']}: {part}"] == pytest.approx(row[name], rel=2e-6)
    assert checked("sample_means", pd.DataFrame(R["sample_means"])).ok


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_r_are_right_answers(name: str) -> None:
    assert checked(name, R[name]).ok
    assert checked(name, pd.Series(R[name])).ok
    assert checked(name, pd.DataFrame([R[name]])).ok
    assert checked(name, {part: round(value, 3) for part, value in R[name].items()}).ok
    assert checked(name, list(R[name].values())).ok


def test_mistakes_are_those_of_r(penicillin: pd.DataFrame) -> None:
    fixed = {"mean": 25.17, **R["se_plates_fixed"][0]}
    means = penicillin.groupby("sample", observed=True)["diameter"].mean()
    answer = {level: {**fixed, "mean": mean} for level, mean in means.items()}
    assert checked("sample_means", answer).mistake == "blocks_fixed"
    plate, residual = R["sd_by_ml"]
    share = plate**2 / (plate**2 + residual**2)
    answer = {"sd_plate": plate, "sd_residual": residual, "covariance": plate**2}
    assert checked("same_plate", answer | {"correlation": share}).mistake == "ml_for_reml"


def test_statsmodels_passes(penicillin: pd.DataFrame) -> None:
    fit = smf.mixedlm("diameter ~ sample", penicillin, groups="plate").fit()
    plate, residual = fit.cov_re.iloc[0, 0], fit.scale
    answer = [plate**0.5, residual**0.5, plate, plate / (plate + residual)]
    assert checked("same_plate", answer).ok
    blup = fit.random_effects["m"].iloc[0]
    assert checked("plate_m", {"kept": plate / (plate + residual / 6), "blup": blup}).ok
    assert checked("model_formula", fit).status == "unreadable"  # its formula lacks the groups
    linear = smf.ols("diameter ~ sample", penicillin).fit()
    assert checked("model_formula", linear).mistake == "blocks_ignored"


def test_by_hand_passes(penicillin: pd.DataFrame) -> None:
    table = mt.lm("diameter ~ sample + plate", penicillin).anova()
    squares = table["mean_sq"]
    residual = squares["Residual"]
    plate = (squares["plate"] - residual) / 6
    assert checked("same_plate", (plate**0.5, residual**0.5, plate, plate / (plate + residual))).ok
    means = penicillin.groupby("plate", observed=True)["diameter"].mean()
    share = plate / (plate + residual / 6)
    assert checked("plate_m", (share * (means["m"] - means.mean()), share)).ok
    assert checked("f_sample", {"F": squares["sample"] / residual, "num_df": 5, "den_df": 115}).ok
    assert checked("f_sample", table.loc["sample"]).ok


def test_means_in_any_shape(penicillin: pd.DataFrame) -> None:
    means = mt.lmer("diameter ~ sample + (1|plate)", penicillin).emmeans("sample")
    bare = means.set_index("sample")[["df", "SE", "emmean"]]
    for answer in (means, means.iloc[::-1], bare, bare.T, bare.T.to_dict(), bare.round(3)):
        assert checked("sample_means", answer).ok


@pytest.mark.parametrize(
    "formula",
    [
        "diameter~(1|plate)+sample",
        "diameter ~ 1 + C(sample) + (1 | plate)",
        "diameter ~ 0 + sample + (1|plate)",
    ],
)
def test_the_formula_may_be_written_otherwise(formula: str) -> None:
    assert checked("model_formula", formula).ok


def test_a_picture_by_hand_passes(penicillin: pd.DataFrame) -> None:
    wide = penicillin.pivot(index="plate", columns="sample", values="diameter")
    _, ax = plt.subplots()
    for plate in reversed(wide.index):
        ax.plot(list(wide.columns), wide.loc[plate], color="grey")
    assert checked("readings", ax).ok
    ax.plot(list(wide.columns), wide.mean(), linewidth=3)
    assert checked("readings", ax).ok
    plt.close("all")
    _, ax = plt.subplots()
    ax.plot(wide.iloc[:12].T.to_numpy())
    assert (checked("readings", ax).ok, checked("readings", ax).mistake) == (False, None)
    plt.close("all")


@pytest.mark.parametrize(
    ("name", "answer", "mistake"),
    [
        ("same_plate", {"sd_plate": 0.717, "sd_residual": 0.302}, "variance_for_sd"),
        ("same_plate", {"correlation": 0.297}, "ratio_inverted"),
        ("same_plate", {"correlation": 0.151}, "fixed_as_random"),
        ("plate_m", {"blup": 1.528, "kept": 1}, "not_shrunk"),
        ("plate_m", {"blup": 24.3996, "kept": 0.934}, "level_for_deviation"),
        ("f_sample", {"F": 88.1, "num_df": 5, "den_df": 138}, "blocks_ignored"),
        ("f_sample", {"F": 297.1, "num_df": 5, "den_df": 138}, "residual_df"),
        ("model_formula", "diameter ~ (1|plate) + (1|sample)", "fixed_as_random"),
        ("model_formula", "diameter ~ sample * plate", "blocks_fixed"),
        ("model_formula", "diameter ~ sample + (0 + sample|plate)", "term_extra"),
        ("model_formula", "diameter ~ sample + (plate|sample)", "roles_exchanged"),
        ("model_formula", "plate ~ sample", "sides_exchanged"),
        ("design", "own", "wrong_choice"),
    ],
)
def test_what_students_type(name: str, answer: object, mistake: str) -> None:
    verdict = checked(name, answer)
    assert (verdict.ok, verdict.mistake) == (False, mistake)


@pytest.mark.parametrize("seed", range(5))
def test_other_plates_can_take_their_place(seed: int, penicillin: pd.DataFrame) -> None:
    asked = exercise("penicillin")
    other, ways = other_data(asked, seed)
    pd.testing.assert_frame_equal(
        other.drop(columns="diameter"), penicillin.drop(columns="diameter")
    )
    assert other.dtypes.equals(penicillin.dtypes)
    assert other.attrs == penicillin.attrs
    for name in (*NUMBERS, "sample_means", "readings"):
        question = asked.questions[name]
        assert distance(question.kind, question.ways()[0], ways[name][0]) > APART
