"""The explorer of correlation structures: its numbers are those of fits; its question needs it."""

from functools import cache

import numpy as np
import pytest

import mixedteach as mt
from mixedteach.explore._correlation_structure import restricted

RHOS = [round(0.01 * k, 2) for k in range(30, 96)]


@pytest.fixture(scope="module")
def explorer() -> mt.explore.Explorer:
    return mt.explore.correlation_structure()


@cache
def models() -> dict[str, mt.MixedModel]:
    sleep = mt.load_sleepstudy().query("Days >= 2")
    sleep = sleep.assign(night=sleep["Days"] - 2)
    line = "Reaction ~ night"
    return {
        "independent": mt.gls(line, sleep),
        "compound symmetry": mt.gls(line, sleep, correlation=mt.CompoundSymmetry(by="Subject")),
        "AR(1)": mt.gls(line, sleep, correlation=mt.AR1("night", by="Subject")),
        "two bars": mt.lmer(f"{line} + (night||Subject)", sleep),
        "slope, AR(1)": mt.lmer(
            f"{line} + (0 + night|Subject)", sleep, correlation=mt.AR1("night", by="Subject")
        ),
    }


def best(explorer, structure: str, slope_sd: float) -> dict:
    answers = (explorer.answer(structure=structure, rho=r, slope_sd=slope_sd) for r in RHOS)
    return max(answers, key=lambda at: at["loglik"])


@pytest.mark.parametrize("name", ["independent", "compound symmetry", "AR(1)"])
def test_with_equal_slopes_the_numbers_are_those_of_gls(explorer, name) -> None:
    m = models()[name]
    own = m.residual_parameters["estimate"].iloc[1:]
    rho = float(own.iloc[0]) if len(own) else 0.5
    at = explorer.answer(structure=name, rho=rho, slope_sd=0.0)
    assert at["loglik"] == pytest.approx(m.llf, abs=1e-6)
    assert at["sigma"] == pytest.approx(m.sigma, rel=1e-4)
    assert at["se"] == pytest.approx(m.bse["night"], rel=1e-4)
    np.testing.assert_allclose(at["V"], m.residual_covariance(range(8)), rtol=1e-4)


def test_with_slopes_they_are_those_of_lmer(explorer) -> None:
    m = models()["two bars"]
    intercept, slope, residual = m.variance_components["variance"]
    rho = intercept / (intercept + residual)
    at = explorer.answer(structure="compound symmetry", rho=rho, slope_sd=slope**0.5)
    assert at["loglik"] == pytest.approx(m.llf, abs=1e-5)
    assert at["se"] == pytest.approx(m.bse["night"], rel=1e-4)
    m = models()["slope, AR(1)"]
    phi = m.residual_parameters.loc["phi", "estimate"]
    sd = m.variance_components["sd"].iloc[0]
    at = explorer.answer(structure="AR(1)", rho=phi, slope_sd=sd)
    assert at["loglik"] == pytest.approx(m.llf, abs=1e-5)
    assert at["se"] == pytest.approx(m.bse["night"], rel=1e-4)


def test_the_restricted_likelihood_is_the_formula() -> None:
    """Against 144 x 144 matrices, at parameters that are no optimum."""
    m = models()["independent"]
    y = m.frame["Reaction"].to_numpy().reshape(18, 8)
    t = np.arange(8.0)
    V = 900 * 0.5 ** np.abs(t[:, None] - t) + 20 * np.outer(t, t)
    big, X = np.kron(np.eye(18), V), np.column_stack([np.ones(144), np.tile(t, 18)])
    inverse = np.linalg.inv(big)
    cross = X.T @ inverse @ X
    left = y.ravel() - X @ np.linalg.solve(cross, X.T @ inverse @ y.ravel())
    minus2 = sum(np.linalg.slogdet(A)[1] for A in (big, cross)) + left @ inverse @ left
    loglik, se = restricted(V, t, y)
    assert loglik == pytest.approx(-(minus2 + 142 * np.log(2 * np.pi)) / 2)
    assert se == pytest.approx(np.sqrt(np.linalg.inv(cross)[1, 1]))


def test_the_question_is_answered_by_moving_the_controls(explorer) -> None:
    """The best rho, the gain by slopes that differ, and an SE that nearly doubles."""
    start = explorer.answer()
    equal = best(explorer, "compound symmetry", 0.0)
    assert (equal["rho"], round(equal["se"], 2)) == (0.66, 1.10)
    assert equal["se"] < start["se"]  # a better fit, and a smaller SE: that is the trap
    differ = max((best(explorer, "compound symmetry", sd) for sd in (5.0, 6.0, 7.0, 8.0, 9.0)),
                 key=lambda at: at["loglik"])  # fmt: skip
    assert (differ["rho"], differ["slope_sd"]) == (0.61, 7.0)
    assert differ["loglik"] - equal["loglik"] == pytest.approx(12.8, abs=0.05)
    assert differ["se"] / equal["se"] > 1.7
    # AR(1) gains less by them
    memory, both = best(explorer, "AR(1)", 0.0), best(explorer, "AR(1)", 8.0)
    assert both["loglik"] - memory["loglik"] == pytest.approx(3.6, abs=0.05)
    assert (round(memory["se"], 2), round(both["se"], 2)) == (2.19, 2.53)


def test_what_structures_say_of_correlation(explorer) -> None:
    at = explorer.answer(structure="AR(1)", rho=0.8, slope_sd=0.0)
    np.testing.assert_allclose(at["by_lag"], 0.8 ** np.arange(1, 8))
    at = explorer.answer(structure="compound symmetry", rho=0.4, slope_sd=0.0)
    np.testing.assert_allclose(at["by_lag"], 0.4)
    fan = explorer.answer(structure="compound symmetry", rho=0.4, slope_sd=9.0)
    assert (np.diff(np.diag(fan["V"])) > 0).all()
    assert fan["V"][0, 0] < fan["V"][7, 7]


def test_words_give_what_the_picture_shows(explorer) -> None:
    words = explorer.words(structure="compound symmetry", rho=0.61, slope_sd=7.0)
    assert "Log-likelihood −702.19, SE of the mean slope 1.89 ms a night." in words
    assert "ρ" not in explorer.words(structure="independent")
    assert "equal slopes" in explorer.words(slope_sd=0.0)


def test_every_control_changes_the_picture(explorer) -> None:
    states = [{}, {"rho": 0.6}, {"slope_sd": 5.0}, {"structure": "AR(1)"}]
    pictures = {explorer.png(**state) for state in states}
    assert len(pictures) == len(states)
    assert all(png.startswith(b"\x89PNG") for png in pictures)


def test_the_widget_follows() -> None:
    explorer = mt.explore.correlation_structure()
    before = explorer.widget.children[-2].value
    explorer.set(structure="AR(1)").set(rho=0.79)
    assert explorer.widget.children[-2].value != before
    assert "AR(1), ρ = 0.79" in explorer.widget.children[-1].value
