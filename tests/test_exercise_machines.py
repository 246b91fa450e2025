"""Exercise 2: right answers are R's, other routes lead to them, and what people do wrong is told.

R's numbers:
``Rscript tests/reference/exercises_machines.R > tests/reference/exercises_machines.json``.
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multicomp import pairwise_tukeyhsd
from ways import other_data

import mixedteach as mt
from mixedteach.checks.question import exercise

R = json.loads((Path(__file__).parent / "reference" / "exercises_machines.json").read_text())
BLOCKED = "score ~ Machine + Worker"


@pytest.fixture(scope="module")
def machines() -> pd.DataFrame:
    return mt.exercise_data("machines")


@pytest.fixture(scope="module")
def cells(machines: pd.DataFrame) -> pd.DataFrame:
    groups = machines.groupby(["Worker", "Machine"], observed=True)
    return groups["score"].mean().reset_index()


def right(name: str) -> dict[str, float]:
    return exercise("machines").questions[name].ways()[0].parts


def test_right_answers_are_those_of_r() -> None:
    near = {"rel": 1e-7}
    assert right("cell_means") == {k: pytest.approx(v, **near) for k, v in R["cell_means"].items()}
    assert right("errors") == {k: pytest.approx(v, **near) for k, v in R["errors"].items()}
    assert right("errors")["new_workers"] == pytest.approx(R["errors_strata"]["new_workers"])
    anova = {f"{t}: {part}": v for t, row in R["anova"].items() for part, v in row.items()}
    assert right("anova") == {k: pytest.approx(v, **near) for k, v in anova.items()}
    assert right("anova")["Machine: F"] == pytest.approx(R["mixed_anova"]["F"], **near)
    model = {name.replace("_", " "): value for name, value in R["model"].items()}
    assert right("model") == pytest.approx({**model, "random terms": 0}, **near)
    for pair, row in R["tukey"].items():
        assert right("tukey")[f"{pair}: estimate"] == pytest.approx(row["estimate"], **near)
        assert right("tukey")[f"{pair}: p"] == pytest.approx(row["p"], abs=2e-8)


def test_output_of_r_is_a_right_answer() -> None:
    for name in ("cell_means", "anova", "tukey", "errors"):
        assert mt.check(f"machines.{name}", R[name]).ok
    assert mt.check("machines.tukey", pd.DataFrame(R["tukey_hsd"]).T).ok  # the pairs turned round
    assert mt.check("machines.tukey", pd.DataFrame(R["tukey"]).T.round(4)).ok
    table = pd.DataFrame(
        {"Df": [2, 5, 10], "Sum Sq": [585.09, 413.97, 142.18], "Mean Sq": [292.544, 82.793, 14.218],
         "F value": [20.5761, 5.8232, np.nan]},
        index=["Machine", "Worker", "Residuals"],
    )  # fmt: skip
    assert mt.check("machines.anova", table).ok
    assert mt.check("machines.anova", table.iloc[::-1]).ok


def test_means_in_any_shape(machines: pd.DataFrame, cells: pd.DataFrame) -> None:
    scores = machines.groupby(["Worker", "Machine"], observed=True)["score"]
    table = scores.mean().unstack()
    for answer in (scores.mean(), cells, cells[::-1], table, table.T, scores.mean().round(2)):
        assert mt.check("machines.cell_means", answer).ok
    options = {"index": "Machine", "columns": "Worker", "values": "score", "observed": True}
    assert mt.check("machines.cell_means", machines.pivot_table(**options)).ok
    assert mt.check("machines.cell_means", scores.mean().round(1)).mistake == "rounded"
    assert mt.check("machines.cell_means", scores.first()).mistake == "one_reading"
    assert mt.check("machines.cell_means", scores.median()).mistake == "median_for_mean"
    assert mt.check("machines.cell_means", scores.sum()).mistake == "sum_for_mean"
    assert mt.check("machines.cell_means", table.mean()).status == "unreadable"


def test_pictures(machines: pd.DataFrame, cells: pd.DataFrame) -> None:
    def mistake(ax: plt.Axes) -> tuple[bool | None, str | None]:
        plt.close(ax.figure)
        verdict = mt.check("machines.profile", ax)
        return verdict.ok, verdict.mistake

    table = cells.pivot(index="Worker", columns="Machine", values="score")
    draw = mt.plot.interaction
    assert mistake(draw(cells, x="Machine", trace="Worker", response="score")) == (True, None)
    assert mistake(table.T.plot()) == (True, None)
    _, ax = plt.subplots()
    for values in table.to_numpy()[::-1]:
        ax.plot(["A", "B", "C"], values)
    assert mistake(ax) == (True, None)
    other = draw(machines, x="Worker", trace="Machine", response="score")
    assert mistake(other) == (False, "axes_exchanged")
    alone = draw(machines.assign(all="all"), x="Machine", trace="all", response="score")
    assert mistake(alone) == (False, "means_only")


def test_models_of_other_programs(machines: pd.DataFrame, cells: pd.DataFrame) -> None:
    for answer in (
        mt.lm("score ~ Worker + Machine", cells), mt.lm("score ~ C(Machine) + C(Worker)", cells),
        smf.ols(BLOCKED, cells).fit(),
    ):  # fmt: skip
        assert mt.check("machines.model", answer).ok
    numbers = cells.assign(Worker=cells["Worker"].astype(int))
    for answer, name in (
        (smf.ols(BLOCKED, machines).fit(), "pseudoreplication"),
        (smf.ols("score ~ Machine", cells).fit(), "blocks_ignored"),
        (smf.ols(BLOCKED, numbers).fit(), "covariate_for_factor"),
        (smf.mixedlm("score ~ Machine", cells, groups="Worker").fit(), "blocks_random"),
        (mt.lmer("score ~ Machine + (1|Worker)", machines), "pseudoreplication"),
    ):
        assert mt.check("machines.model", answer).mistake == name


def test_anova_tables(machines: pd.DataFrame, cells: pd.DataFrame) -> None:
    table = mt.lm(BLOCKED, cells).anova()
    for answer in (
        table, table.reset_index(), anova_lm(smf.ols(BLOCKED, cells).fit()),
        mt.lm("score ~ C(Worker) + C(Machine)", cells).anova(),
    ):  # fmt: skip
        assert mt.check("machines.anova", answer).ok
    wrong = mt.lm(BLOCKED, machines).anova()
    assert (wrong.loc["Residual", "num_df"], R["readings"]["df"]) == (46, 46)
    assert wrong.loc["Machine", "F"] == pytest.approx(R["readings"]["F"])
    assert mt.check("machines.anova", wrong).mistake == "pseudoreplication"
    wrong = mt.lm("score ~ Machine*Worker", machines).anova()
    assert mt.check("machines.anova", wrong).mistake == "pseudoreplication"
    for data in (machines, cells):
        wrong = mt.lm("score ~ Machine", data).anova()
        assert mt.check("machines.anova", wrong).mistake == "blocks_ignored"
    numbers = cells.assign(Worker=cells["Worker"].astype(int))
    wrong = anova_lm(smf.ols(BLOCKED, numbers).fit())
    assert mt.check("machines.anova", wrong).mistake == "covariate_for_factor"
    squares = table.assign(mean_sq=table["sum_sq"])
    assert mt.check("machines.anova", squares).mistake == "adjacent_cell"
    lacking = mt.check("machines.anova", table.drop(columns="F"))
    assert lacking.ok is False
    assert "Machine: F and Worker: F are missing" in lacking.message


def test_comparisons(machines: pd.DataFrame, cells: pd.DataFrame) -> None:
    model = mt.lm(BLOCKED, cells)
    means = model.emmeans("Machine")
    mixed = mt.lmer("score ~ Machine + (1|Worker)", cells)
    for answer in (
        means.pairs(), means.pairs()[::-1], mt.TukeyHSD(model, "Machine"),
        mixed.emmeans("Machine").pairs(),
        {"B-A": (7.97, 0.0111), "C-A": (13.92, 0.0002), "C-B": (5.95, 0.0507)},
    ):  # fmt: skip
        assert mt.check("machines.tukey", answer).ok
    for answer, name in (
        (means.pairs(adjust="none"), "unadjusted"),
        (means.pairs(adjust="bonferroni"), "bonferroni"),
        (pairwise_tukeyhsd(cells["score"], cells["Machine"]), "blocks_ignored"),
        (pairwise_tukeyhsd(machines["score"], machines["Machine"]), "blocks_ignored"),
        (mt.lm(BLOCKED, machines).emmeans("Machine").pairs(), "pseudoreplication"),
        (mt.lmer("score ~ Machine + (1|Worker)", machines).emmeans("Machine").pairs(),
         "pseudoreplication"),
        ({"A-B": (7.97, 0.0111), "A-C": (13.92, 0.0002), "B-C": (5.95, 0.0507)}, "sign_turned"),
    ):  # fmt: skip
        assert mt.check("machines.tukey", answer).mistake == name


def test_standard_errors_by_hand(cells: pd.DataFrame) -> None:
    square = mt.lm(BLOCKED, cells).anova()["mean_sq"]
    between = (square["Worker"] - square["Residual"]) / 3
    hand = (
        (square["Residual"] / 6) ** 0.5,
        ((between + square["Residual"]) / 6) ** 0.5,
        (2 * square["Residual"] / 6) ** 0.5,
    )
    assert mt.check("machines.errors", hand).ok
    assert mt.check("machines.errors", [round(se, 2) for se in hand]).ok
    same, new, difference = hand
    own = cells[cells["Machine"] == "B"]["score"].sem()
    for answer, name in (
        ((new, same, difference), "adjacent_cell"),
        ((same, new, new), "se_of_mean"),
        ((same, own, difference), "one_level_only"),
        ((0.745, 2.23, 1.054), "pseudoreplication"),
    ):
        assert mt.check("machines.errors", answer).mistake == name


def test_the_claim() -> None:
    assert mt.check("machines.claim", "new workers").ok
    assert mt.check("machines.claim", "same_workers").mistake == "wrong_choice"


@pytest.mark.parametrize("seed", range(5))
def test_other_workers_soon_serve_as_well(seed: int, machines: pd.DataFrame) -> None:
    other, ways = other_data(exercise("machines"), seed)
    pd.testing.assert_frame_equal(other.drop(columns="score"), machines.drop(columns="score"))
    assert other.attrs == machines.attrs
    assert (other["score"].round(1) == other["score"]).all()
    for name in ("cell_means", "profile", "model", "anova", "tukey", "errors"):
        assert ways[name][0].parts != right(name)
