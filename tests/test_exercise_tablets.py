"""Exercise 4: its right answers are R's; other routes to them pass; other data can take its place.

R's numbers: tests/reference/exercises_penicillin_tablets.R
"""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from ways import other_data

import mixedteach as mt
from mixedteach.checks.judge import APART, distance
from mixedteach.checks.question import exercise

R = json.loads(
    (Path(__file__).parent / "reference" / "exercises_penicillin_tablets.json").read_text()
)
NUMBERS = ("pairs_only", "difference", "kenward_roger")
MIXED = "content ~ method + (1|tablet)"


@pytest.fixture(scope="module")
def tablets() -> pd.DataFrame:
    return mt.exercise_data("tablets")


@pytest.fixture(scope="module")
def wide(tablets: pd.DataFrame) -> pd.DataFrame:
    return tablets.pivot(index="tablet", columns="method", values="content")


def checked(name: str, answer: object):
    return mt.check(f"tablets.{name}", answer)


def test_the_loss_is_the_one_announced(tablets: pd.DataFrame, wide: pd.DataFrame) -> None:
    before = mt.load_tablets_missing(wide=True).set_index("tablet")
    kept = before["hplc"].mask(before["nir"] >= 10.5)
    np.testing.assert_array_equal(wide["hplc"], kept)
    np.testing.assert_array_equal(wide["nir"], before["nir"])
    assert (tablets["content"].count(), len(wide.dropna())) == (26, 6)
    assert tablets.attrs == mt.load_tablets_missing().attrs


@pytest.mark.parametrize("name", NUMBERS)
def test_right_answers_are_those_of_r(name: str) -> None:
    right = exercise("tablets").questions[name].ways()[0].parts
    assert right == {part: pytest.approx(value, rel=2e-5) for part, value in R[name].items()}


def test_means_and_model_are_those_of_r() -> None:
    questions = exercise("tablets").questions
    means = questions["method_means"].ways()[0].parts
    for row in R["method_means"]:
        for part, name in (("mean", "emmean"), ("SE", "SE"), ("df", "df")):
            assert means[f"{row['method']}: {part}"] == pytest.approx(row[name], rel=2e-5)
    assert checked("method_means", pd.DataFrame(R["method_means"])).ok
    assert checked("method_means", pd.DataFrame(R["fixed_means"])).mistake == "blocks_fixed"
    model = questions["mixed_model"].ways()[0].parts
    assert model["observations"] == R["mixed_model"]["observations"]
    assert model["variance 1"] == pytest.approx(R["mixed_model"]["variance"], rel=1e-5)
    assert model["residual variance"] == pytest.approx(R["mixed_model"]["residual"], rel=1e-5)


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_r_are_right_answers(name: str) -> None:
    assert checked(name, R[name]).ok
    assert checked(name, pd.Series(R[name])).ok
    assert checked(name, {part: round(value, 3) for part, value in R[name].items()}).ok
    assert checked(name, list(R[name].values())).ok


def test_tables_pass_as_they_come(tablets: pd.DataFrame, wide: pd.DataFrame) -> None:
    m = mt.lmer(MIXED, tablets)
    fixed = mt.lm("content ~ tablet + method", tablets)
    assert checked("pairs_only", mt.paired_t_test(wide.dropna(), "hplc", "nir")).ok
    assert checked("pairs_only", fixed.coefficients().loc["method[hplc]"]).ok
    assert checked("difference", m.coefficients().loc[["method[hplc]"]]).ok
    assert checked("difference", m.estimable({"hplc - nir": [0, 1]})).ok
    turned = m.emmeans("method").pairs()  # nir - hplc
    assert checked("difference", turned).mistake == "sign_turned"
    assert checked("kenward_roger", m.estimable({"d": [0, 1]}, ddf="kenward-roger")).ok
    means = m.emmeans("method")
    bare = means.set_index("method")[["SE", "emmean", "df"]]
    for answer in (means, means.iloc[::-1], bare, bare.T, bare.T.to_dict()):
        assert checked("method_means", answer).ok


def test_other_programs_and_the_hand_pass(tablets: pd.DataFrame, wide: pd.DataFrame) -> None:
    rows = tablets.dropna()
    fit = smf.mixedlm("content ~ method", rows, groups=rows["tablet"].astype(str)).fit()
    assert checked("mixed_model", fit).ok
    by_ml = smf.mixedlm("content ~ method", rows, groups=rows["tablet"].astype(str))
    assert checked("mixed_model", by_ml.fit(reml=False)).mistake == "ml_for_reml"
    for load in (mt.load_tablets, mt.load_tablets_missing):
        assert checked("mixed_model", mt.lmer(MIXED, load())).mistake == "lesson_data"
    joint = {"estimate": fit.params.iloc[1], "SE": fit.bse.iloc[1], "p": fit.pvalues.iloc[1]}
    assert checked("difference", joint).mistake == "se_of_all_parameters"
    assert checked("kenward_roger", joint).mistake == "se_of_all_parameters"
    assert checked("mixed_model", mt.lmer("content ~ 0 + method + (1|tablet)", rows)).ok
    d = (wide["hplc"] - wide["nir"]).dropna()
    assert checked("pairs_only", (d.mean(), stats.sem(d), len(d) - 1)).ok


def test_a_picture_by_hand_passes(wide: pd.DataFrame) -> None:
    _, ax = plt.subplots()
    for _, row in wide.dropna().iterrows():
        ax.plot(["nir", "hplc"], [row["nir"], row["hplc"]], "o-")
    assert checked("readings", ax).ok
    plt.close("all")
    _, ax = plt.subplots()
    for _, row in wide.iterrows():  # single points, and a line of means
        ax.plot([0, 1], [row["nir"], row["hplc"]], "o-")
    ax.plot([0, 1], [wide["nir"].mean(), wide["hplc"].mean()], "k-")
    assert checked("readings", ax).ok
    plt.close("all")


@pytest.mark.parametrize(
    ("name", "answer", "mistake"),
    [
        ("pairs_only", (-0.0333, 0.0882, 5), "sign_turned"),
        ("pairs_only", (-0.2515, 0.1401, 24), "unpaired"),
        ("pairs_only", (0.0333, 0.0882, 10), "residual_df"),
        ("difference", (0.0333, 0.0882, 5), "complete_cases"),
        ("difference", (-0.0653, 0.0979, 7.48), "other_df"),
        ("difference", (-0.0653, 0.0916, 24), "residual_df"),
        ("difference", {"estimate": -0.0653, "SE": 0.1227, "df": 24}, "se_of_all_parameters"),
        ("difference", (-0.0721, 0.0870, 11.7), "lesson_data"),
        ("pairs_only", (0.0333, 0.0882, 6), "n_for_df"),
        ("pairs_only", (0.0333, 0.0882, 19), "wrong_count"),
        ("pairs_only", (-0.05, 0.0934, 9), "lesson_data"),
        ("kenward_roger", {"SE": 0.0916, "df": 7.48, "p": 0.525}, "se_not_adjusted"),
        ("kenward_roger", {"SE": 0.0916, "df": 7.48, "p": 0.498}, "se_not_adjusted"),
        ("kenward_roger", {"SE": 0.0916, "p": 0.476}, "z_for_t"),
        ("kenward_roger", {"SE": 0.0979, "df": 7.48, "p": 0.2625}, "one_sided"),
        ("trust", "pairs", "wrong_choice"),
    ],
)
def test_what_students_type(name: str, answer: object, mistake: str) -> None:
    verdict = checked(name, answer)
    assert (verdict.ok, verdict.mistake) == (False, mistake)


@pytest.mark.parametrize("seed", range(5))
def test_other_tablets_can_take_their_place(seed: int, tablets: pd.DataFrame) -> None:
    asked = exercise("tablets")
    other, ways = other_data(asked, seed)
    pd.testing.assert_frame_equal(other.drop(columns="content"), tablets.drop(columns="content"))
    assert other.attrs == tablets.attrs
    work = asked.work(other)
    lost = work.wide["nir"] >= 10.5
    assert work.wide.loc[lost, "hplc"].isna().all()
    assert len(work.pairs) == 6
    assert (other["content"].dropna() == other["content"].dropna().round(1)).all()
    for name in (*NUMBERS, "method_means", "mixed_model", "readings"):
        question = asked.questions[name]
        assert distance(question.kind, question.ways()[0], ways[name][0]) > APART


def test_a_file_brings_the_same_table_back(tablets: pd.DataFrame) -> None:
    read = exercise("tablets").read(StringIO(tablets.to_csv(index=False)))
    pd.testing.assert_frame_equal(read, tablets)
