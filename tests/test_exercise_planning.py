"""Exercise 9: its right answers are R's, and whatever route leads to them is accepted.

R's numbers are in reference/exercises_planning.json, with the R program beside it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats
from statsmodels.stats.power import TTestIndPower, TTestPower
from ways import other_data

import mixedteach as mt
from mixedteach.checks.exercises.planning import (
    RUN,
    WORKER,
    WORKERS,
    Fits,
    _cost,
    paired,
    t_power,
    two_groups,
)
from mixedteach.checks.kinds import line_parts
from mixedteach.checks.plain import plain
from mixedteach.checks.question import exercise

R = json.loads((Path(__file__).parent / "reference" / "exercises_planning.json").read_text())
NUMBERS = ["sds", "pairs_needed", "groups_needed", "cheapest", "split", "tukey"]
EXERCISE = exercise("planning")


@pytest.fixture(scope="module")
def fits() -> Fits:
    return Fits(mt.exercise_data("planning"))


@pytest.mark.parametrize("name", NUMBERS)
def test_right_answers_are_those_of_r(name: str) -> None:
    right = EXERCISE.questions[name].ways()[0].parts
    # lme4 stops its search a little earlier
    assert right == {part: pytest.approx(value, rel=2e-7) for part, value in R[name].items()}


def test_the_picture_is_that_of_r() -> None:
    right = EXERCISE.questions["curves"].ways()[0].parts
    expected = line_parts(R["curves"].values())
    assert right == {part: pytest.approx(value, rel=1e-6) for part, value in expected.items()}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_r_may_be_typed_in(name: str) -> None:
    typed = {part: round(value, 4 if part == "mc_error" else 3) for part, value in R[name].items()}
    assert mt.check(f"planning.{name}", typed).ok
    assert mt.check(f"planning.{name}", pd.Series(typed).iloc[::-1]).ok


def test_every_design_of_r_costs_what_we_say() -> None:
    for row in R["designs"]:
        assert _cost(row["workers"], row["runs"]) == row["cost"]
        answer = {k: row[k] for k in ("workers", "runs", "cost", "power")}
        verdict = mt.check("planning.cheapest", answer)
        assert (verdict.ok, verdict.mistake) == (
            (True, None) if row["runs"] == R["cheapest"]["runs"] else (False, "dearer_design")
        )
    assert (WORKER, RUN) == (200, 5)  # as the notebook says


@pytest.mark.parametrize("n", [2, 3, 7, 40])
@pytest.mark.parametrize("sd", [2.0, 3.0, 9.0])
def test_our_powers_are_those_of_statsmodels(n: int, sd: float) -> None:
    for alternative, sides in (("two-sided", 2), ("larger", 1)):
        options = {"alpha": 0.05, "alternative": alternative}
        one = TTestPower().power(4 / sd, nobs=n, **options)
        two = TTestIndPower().power(4 / sd, nobs1=n, **options)
        assert paired(n, sd, sides=sides) == pytest.approx(one, abs=1e-8)
        assert two_groups(n, sd, sides=sides) == pytest.approx(two, abs=1e-8)


def test_without_a_difference_power_is_alpha() -> None:
    for df in (1, 5, 100):
        assert t_power(0, df) == pytest.approx(0.05)
        assert t_power(0, df, sides=1) == pytest.approx(0.05)


def test_power_curve_is_a_way_to_the_number_of_workers(fits: Fits) -> None:
    plan = mt.planned(
        "mean ~ Machine + (1|Worker)",
        mt.crossed(Worker=6, Machine=["old", "new"]),
        fixed={"Machine[new]": 4},
        sd={"Worker": 4.8, "Residual": fits.spread.difference() / np.sqrt(2)},
    )
    curve = mt.power_curve(plan, "Machine", along={"Worker": range(12, 20)})
    row = curve[curve["power"] >= 0.8].iloc[0]
    assert mt.check("planning.pairs_needed", (row["Worker"], row["power"])).ok
    row = curve[curve["power"] < 0.8].iloc[-1]
    verdict = mt.check("planning.pairs_needed", (row["Worker"], row["power"]))
    assert verdict.mistake == "rounded_down"


def test_solved_for_n_and_not_rounded_is_told(fits: Fits) -> None:
    exact = TTestIndPower().solve_power(4 / fits.spread.single(), power=0.8, alpha=0.05)
    answer = {"per_machine": exact, "total": 2 * exact, "power": 0.8}
    assert mt.check("planning.groups_needed", answer).mistake == "not_whole"
    # nearly whole already: the power of 16 is asked, not the one aimed at
    assert R["solved"] == pytest.approx(15.976, abs=0.001)
    verdict = mt.check("planning.pairs_needed", {"workers": R["solved"], "power": 0.8})
    assert (verdict.ok, verdict.mistake) == (False, "rounded")


def test_a_power_near_the_goal_is_no_mistakes_mark() -> None:
    """Every plan has a power near 0.8; only with its number of workers does it say which plan."""
    verdict = mt.check("planning.pairs_needed", {"workers": 16, "power": 0.8042})
    assert (verdict.ok, verdict.mistake) == (False, None)
    assert "power not" in verdict.message or "power is not" in verdict.message


def test_tukeys_power_by_formula_is_that_of_a_simulation(fits: Fits) -> None:
    s = fits.spread
    plan = mt.planned(
        "score ~ Machine + (1|Worker) + (1|Worker:Machine)",
        mt.crossed(Worker=16, Machine=["A", "B", "C"], run=3),
        fixed={"Machine[B]": 4, "Machine[C]": 2},
        sd=dict(zip(("Worker", "Worker:Machine", "Residual"), np.sqrt(s), strict=True)),
    )
    found = mt.power_of(plan, "A - B", means="Machine", replicates=1000, seed=1).iloc[0]
    # 4 standard errors of 1000 replicates
    assert found["power"] == pytest.approx(R["tukey"]["power"], abs=4 * np.sqrt(0.21 / 1000))
    answer = R["tukey"] | {"power": found["power"]}
    assert mt.check("planning.tukey", answer).ok


def test_chance_is_within_the_tolerance_of_a_simulation() -> None:
    """The tolerance of a simulated power holds more than 3 standard errors of 2000 replicates."""
    kind = EXERCISE.questions["tukey"].kind
    assert kind.tolerance("power") > 3 * R["tukey"]["mc_error"]
    for power in (R["tukey"]["power"] - 0.0345, R["tukey"]["power"] + 0.0345):
        error = np.sqrt(power * (1 - power) / 2000)
        assert mt.check("planning.tukey", R["tukey"] | {"power": power, "mc_error": error}).ok


def test_power_of_gives_the_power_of_a_variance() -> None:
    for name, (workers, runs) in {"6 x 6": (6, 6), "18 x 2": (18, 2)}.items():
        plan = mt.planned(
            "score ~ 1 + (1|Worker)",
            mt.crossed(Worker=workers, run=runs),
            fixed={"Intercept": 60},
            sd={"Worker": 0.8, "Residual": 0.9615768},
        )
        power = mt.power_of(plan, "(1|Worker)")["power"].iloc[0]
        assert power == pytest.approx(R["split"][name], abs=1e-5)


def test_mistakes_that_people_make_are_recognised(fits: Fits) -> None:
    s = fits.spread
    z = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * s.difference() / 4
    n = int(np.ceil(z**2))
    power = stats.norm.sf(1.959964 - 4 * np.sqrt(n) / s.difference())
    answer = {"workers": n, "power": power}
    assert mt.check("planning.pairs_needed", answer).mistake == "z_for_t"
    total = R["groups_needed"] | {"per_machine": 76, "total": 152}
    assert mt.check("planning.groups_needed", total).mistake == "total_for_group"
    q = stats.studentized_range.ppf(0.95, 3, 30)
    assert mt.check("planning.tukey", R["tukey"] | {"critical": q}).mistake == "q_for_t"


def test_a_line_at_the_goal_does_not_count() -> None:
    def drawn(lines: dict[str, list[float]]) -> object:
        ax = Figure().add_subplot()
        ax.axhline(0.8)
        for name, heights in lines.items():
            ax.plot(WORKERS, heights, label=name)
        ax.axhline(0.05, linestyle=":")
        return ax

    assert mt.check("planning.curves", drawn(R["curves"])).ok
    table = pd.DataFrame(R["curves"], index=list(WORKERS))
    assert mt.check("planning.curves", table.plot()).ok
    fewer = {name: R["curves"][name] for name in ("one", "twelve")}
    assert mt.check("planning.curves", drawn(fewer)).ok is False
    flat = Figure().add_subplot()  # a flat line of two points is data where others have two
    for heights in ([1, 1], [2, 3]):
        flat.plot([0, 1], heights)
    read = EXERCISE.questions["curves"].kind.read(plain(flat))
    assert len(read) == 4


def test_other_pilots_are_of_the_same_form(fits: Fits) -> None:
    public = fits.data
    other = EXERCISE.simulate(public, np.random.default_rng(1))
    pd.testing.assert_frame_equal(other, EXERCISE.simulate(public, np.random.default_rng(1)))
    pd.testing.assert_frame_equal(other.drop(columns="score"), public.drop(columns="score"))
    assert other.attrs == public.attrs
    assert other["score"].equals(other["score"].round(1))


@pytest.mark.parametrize("seed", range(5))
def test_other_data_soon_tell_all_ways_apart(seed: int) -> None:
    _, ways = other_data(EXERCISE, seed, tries=20)
    for name in (*NUMBERS, "curves"):
        question = EXERCISE.questions[name]
        assert ways[name][0].parts != next(question.each_way()).parts
