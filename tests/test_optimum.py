"""Every fit must stop at the best optimum there is: simulated responses, many at the boundary.

The rival is scipy's L-BFGS-B with bounds off and the tightest tolerances it knows, from random
starts. The deviance is even in each column of Lambda, so that no start is out of bounds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import mixedteach as mt
from mixedteach.fitting.criterion import factors
from mixedteach.fitting.lmm import Fit, Problem

Array = np.ndarray

# In units of the log-likelihood. L-BFGS-B itself stops some 1e-9 short.
MISSED = 1e-6


def best_restart(fit: Fit, rng: np.random.Generator, starts: int) -> float:
    """Return the best log-likelihood that L-BFGS-B finds from random starts."""
    criterion, size = fit.criterion, len(fit.state.theta)

    def deviance(theta: Array) -> tuple[float, Array]:
        state = criterion.at(theta)
        return state.value, state.gradient

    found = []
    for _ in range(starts):
        start = rng.normal(size=size) * 10 ** rng.uniform(-1.0, 0.7)
        options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 300}
        found.append(minimize(deviance, start, jac=True, method="L-BFGS-B", options=options).fun)
    return -0.5 * min(found)


def kkt(fit: Fit) -> tuple[float, float]:
    """Return how far the fit is from the conditions of an optimum in D: slope and sign.

    With G the derivative of the deviance in a term's D, an optimum has G Lambda = 0 (no slope
    where D may move both ways) and n'G n >= 0 for each n that D maps to zero (a variance there
    would not lower the deviance). For a single variance of zero that is score >= 0.
    """
    moments = fit.criterion.moments
    slope, sign = 0.0, 0.0
    for t, low in enumerate(factors(fit.state.theta, moments.sizes)):
        G = np.zeros(low.shape)
        for score, r in zip(fit.state.score, moments.parameters, strict=True):
            if r.term == t:
                G[r.a, r.b] += score / 2
                G[r.b, r.a] += score / 2
        slope = max(slope, np.abs(G @ low).max())
        left, values, _ = np.linalg.svd(low)
        null = left[:, values <= 1e-7 * max(values.max(), 1e-7)]
        if null.shape[1]:
            sign = min(sign, np.linalg.eigvalsh(null.T @ G @ null).min())
    return float(slope), float(sign)


def check(
    problem: Problem, responses: Array, seed: int, starts: int = 2, reml: bool = True
) -> float:
    """Hold the fit of each column of `responses` to the standard; return the share with a zero."""
    rng = np.random.default_rng(seed)
    at_boundary, worst = 0, 0.0
    for number, y in enumerate(responses.T):
        fit = problem.refit(y, reml)
        where = f"response {number}, theta {np.round(fit.state.theta, 6)}"
        loss = best_restart(fit, rng, starts) - fit.loglik
        worst = max(worst, loss)
        assert loss < MISSED, f"{where}: a restart is better by {loss:.2e}"
        assert fit.optimum.converged, f"{where}: not converged, but no restart is better"
        slope, sign = kkt(fit)
        # the slope of an unpolished optimum is about sqrt(1e-12 df): much more than this
        assert slope < 1e-7 * fit.criterion.df, f"{where}: gradient {slope:.2e}"
        assert sign > -1e-7 * fit.criterion.df, f"{where}: leaving a zero would help ({sign:.2e})"
        at_boundary += fit.optimum.zero.any()
    share = at_boundary / responses.shape[1]
    print(f"{share:.0%} of {responses.shape[1]} at the boundary, worst loss {worst:.1e}")
    return float(share)


def simulate(
    problem: Problem, covariances: list[Array], size: int, seed: int, fixed: Array | float = 0.0
) -> Array:
    """Draw responses with these covariances of the effects and a residual variance of one."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(problem.n, size)) + np.reshape(fixed, (-1, 1))
    every = zip(covariances, problem.codes, problem.bases, problem.groups, strict=True)
    for cov, codes, basis, m in every:
        values, vectors = np.linalg.eigh(np.atleast_2d(cov))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        b = rng.normal(size=(size, m, basis.shape[1])) @ root.T
        y += np.einsum("ik,sik->is", basis, b[:, codes])
    return y


# -- the planks ----------------------------------------------------------------------------------

PLANKS = "humidity ~ width*depth + (1|plank) + (1|plank:width) + (1|plank:depth)"
SMALL = [0.09, 0.0225, 0.0225]  # relative to the residual variance: half of the fits have a zero


@pytest.fixture(scope="module")
def planks() -> mt.MixedModel:
    return mt.lmer(PLANKS, mt.load_planks())


def test_planks(planks: mt.MixedModel) -> None:
    responses = planks.simulate(200, seed=1).to_numpy()
    assert check(planks.fit.problem, responses, 1) < 0.1


def test_planks_at_the_boundary(planks: mt.MixedModel) -> None:
    problem = planks.fit.problem
    responses = simulate(problem, SMALL, 200, seed=2, fixed=planks.fit.fixed)
    assert 0.4 < check(problem, responses, 2) < 0.8


def test_unbalanced_planks() -> None:
    """Rows dropped at random: 60 designs, each with a response of its own."""
    data = mt.load_planks()
    rng = np.random.default_rng(3)
    shares = []
    for number in range(60):
        some = data[rng.random(len(data)) < rng.uniform(0.3, 0.9)]
        problem = mt.lmer(PLANKS, some).fit.problem
        y = simulate(problem, SMALL if number % 2 else [4.0, 1.0, 0.2], 1, seed=number)
        shares.append(check(problem, y, number, reml=number % 3 > 0))
    assert 0.2 < np.mean(shares) < 0.8


# -- slopes --------------------------------------------------------------------------------------


def test_slopes_and_perfect_correlations() -> None:
    sleep = mt.load_sleepstudy()
    problem = mt.lmer("Reaction ~ Days + (Days|Subject)", sleep).fit.problem
    inside = np.array([[0.6, 0.02], [0.02, 0.05]])
    assert check(problem, simulate(problem, [inside], 40, 4), 4) < 0.2
    singular = np.outer([0.5, -0.15], [0.5, -0.15])
    assert 0.3 < check(problem, simulate(problem, [singular], 60, 5), 5) < 0.9
    nothing = np.zeros((2, 2))
    assert check(problem, simulate(problem, [nothing], 40, 6), 6) > 0.7
    assert check(problem, simulate(problem, [singular], 20, 7), 7, reml=False) > 0.3


def crossed_frame(seed: int) -> pd.DataFrame:
    """Return 14 subjects by 8 items, about a quarter of the readings missing."""
    rng = np.random.default_rng(seed)
    grid = np.arange(14 * 8)
    frame = pd.DataFrame({"subject": grid // 8, "item": grid % 8}).astype(str)
    frame["x"] = rng.normal(size=len(grid))
    frame["y"] = rng.normal(size=len(grid))
    return frame[rng.random(len(grid)) < 0.75]


def test_crossed_slopes() -> None:
    problem = mt.lmer("y ~ x + (x|subject) + (x|item)", crossed_frame(8)).fit.problem
    covariances = [np.array([[0.5, 0.1], [0.1, 0.1]]), np.array([[0.3, 0.0], [0.0, 0.0]])]
    assert 0.3 < check(problem, simulate(problem, covariances, 30, 8), 8) < 1.0


@pytest.mark.parametrize("rank", [1, 3])
def test_three_effects(rank: int) -> None:
    rng = np.random.default_rng(9)
    x = np.tile(np.linspace(-1, 1, 7), 15)
    frame = pd.DataFrame({"g": np.repeat(np.arange(15), 7).astype(str), "x": x})
    frame["y"] = rng.normal(size=len(x))
    problem = mt.lmer("y ~ x + I(x**2) + (x + I(x**2)|g)", frame).fit.problem
    half = rng.normal(size=(3, rank))
    share = check(problem, simulate(problem, [half @ half.T], 15, 10 + rank), 10)
    assert share > 0.5 if rank == 1 else share < 0.7


def test_factor_slopes_and_the_same_in_two_terms() -> None:
    machines = mt.load_machines()
    joint = mt.lmer("score ~ Machine + (0 + Machine|Worker)", machines).fit.problem
    split = mt.lmer("score ~ Machine + (1|Worker) + (1|Worker:Machine)", machines).fit.problem
    cov = 0.5 * np.eye(3) + 1.0
    check(joint, simulate(joint, [cov], 12, 12), 12)
    check(split, simulate(split, [[[1.0]], [[0.02]]], 30, 13), 13)


# -- the verdict ---------------------------------------------------------------------------------


def test_an_exact_fit_has_no_optimum() -> None:
    """Without residual the likelihood grows without bound: that is said, not fitted."""
    rng = np.random.default_rng(14)
    g = np.repeat(np.arange(6), 3)
    frame = pd.DataFrame({"g": g.astype(str), "y": rng.normal(size=6)[g]})
    with pytest.raises(mt.MixedTeachError, match="residual variance"):
        mt.lmer("y ~ 1 + (1|g)", frame)


@pytest.mark.parametrize("ratio", [1e-6, 1e-3, 1e3, 1e6])
def test_extreme_ratios_of_variance(ratio: float) -> None:
    """Variances of the groups from a millionth to a million times that of the residual."""
    rng = np.random.default_rng(15)
    g = np.repeat(np.arange(12), 5)
    residual = rng.normal(size=60)
    y = np.sqrt(ratio) * rng.normal(size=12)[g] + residual
    frame = pd.DataFrame({"g": g.astype(str), "y": y})
    model = mt.lmer("y ~ 1 + (1|g)", frame)
    # the balanced one-way layout has closed forms
    means = frame.groupby("g")["y"].transform("mean")
    within = ((y - means) ** 2).sum() / 48
    between = ((means - y.mean()) ** 2).sum() / 11
    assert model.converged
    if between > within:
        assert model.scale == pytest.approx(within, rel=1e-8)
        expected = (between - within) / 5
        assert model.variance_components["variance"].iloc[0] == pytest.approx(expected, rel=1e-7)
    else:
        assert model.fit.optimum.zero.tolist() == [True]
        assert model.scale == pytest.approx(np.var(y, ddof=1), rel=1e-8)


@pytest.mark.parametrize("seed", [86, 320, 794, 986])
def test_the_lower_of_two_valleys(seed: int) -> None:
    """One group of ten rows and twenty of one: two minima, at zero and inside, do occur."""
    y = np.random.default_rng(seed).normal(size=30)
    codes = np.concatenate([np.zeros(10, np.intp), np.arange(1, 21)])
    fit = Problem(np.ones((30, 1)), y, [codes], [np.ones((30, 1))], [21]).fit()
    grid = [fit.criterion.value(np.array([theta])) for theta in np.linspace(0, 3, 301)]
    assert fit.deviance <= min(grid) + 1e-9
    inside = [i for i in range(1, 300) if grid[i] < min(grid[i - 1], grid[i + 1])]
    assert inside, "these seeds were chosen for a minimum inside"
    assert grid[0] < grid[1], "and another at zero"


@pytest.mark.parametrize("ratio", [1e2, 1e4, 1e6])
def test_a_large_variance_of_a_crossed_factor(ratio: float) -> None:
    """The border must keep its digits where its variance is large; balanced data say what is right.

    The mean then has a variance of ratio / 4 beside a residual of one: of 16 digits 6 may go.
    """
    rng = np.random.default_rng(16)
    a, b, _ = (axis.ravel() for axis in np.indices((4, 12, 3)))
    y = np.sqrt(ratio) * rng.normal(size=4)[a] + 2 * rng.normal(size=12)[b]
    y += rng.normal(size=(4, 12))[a, b] + rng.normal(size=len(a))
    frame = pd.DataFrame({"a": a, "b": b, "y": y}).astype({"a": str, "b": str})
    model = mt.lmer("y ~ 1 + (1|a) + (1|b) + (1|a:b)", frame)
    assert model.fit.problem.moments.border == [0]
    cells = y.reshape(4, 12, 3)
    means = cells.mean(axis=2)
    one, other = means.mean(axis=1), means.mean(axis=0)
    both = means - one[:, None] - other + means.mean()
    ms_a, ms_b = 36 * one.var(ddof=1), 12 * other.var(ddof=1)
    ms_ab = 3 * (both**2).sum() / 33
    rest = cells.var(axis=2, ddof=1).mean()
    expected = [(ms_a - ms_ab) / 36, (ms_b - ms_ab) / 12, (ms_ab - rest) / 3, rest]
    assert min(expected) > 0
    assert model.converged
    np.testing.assert_allclose(model.variance_components["variance"], expected, rtol=1e-7)


@pytest.mark.parametrize("reml", [True, False])
def test_variances_beside_which_the_fixed_effects_leave_nothing_are_refused(reml: bool) -> None:
    """Three rows are left of nine, in one stratum: the deviance has a floor, no lowest point."""
    g, h = np.indices((3, 3)).reshape(2, -1)
    letters = np.array(list("abc"))
    y = np.random.default_rng(1).standard_normal(9)
    latin = {"g": letters[g], "h": letters[h], "f": letters[(g + h) % 3]}
    data = pd.DataFrame({**latin, "x": g.astype(float), "y": y})
    with pytest.raises(mt.FitError, match=r"cannot tell .1 . g. and .1 . h. apart"):
        mt.lmer("y ~ f*x + (1|g) + (1|h)", data, reml=reml)


def test_kenward_rogers_f_may_be_nothing() -> None:
    """Two means of three groups of two: df 0, F 0, p missing, as in lmerTest 3.1 and pbkrtest."""
    y = [0.5179, 0.4194, -1.0298, -0.0165, 1.6485, 0.9186]
    data = pd.DataFrame({"g": list("aabbcc"), "f": list("uvuvuv"), "y": y})
    row = mt.lmer("y ~ 0 + f + (1|g)", data).anova(ddf="kenward-roger").loc["f"]
    assert row["F"] == pytest.approx(0, abs=1e-12)
    assert row["den_df"] == pytest.approx(0, abs=1e-9)
    assert np.isnan(row["p"])


def test_a_zero_that_looks_higher_until_the_other_variance_grows_is_found() -> None:
    """Two crossed factors, ML: valleys at (0.32, 0.14) and, lower by 0.3, at (0, 0.34)."""
    g = np.repeat([2, 1, 0], [17, 19, 18])
    h = [int(c) for c in "444433332221111100043333332221111110043332221111100000"]
    x = [float(c) for c in "011100100011001001100010111111010111000110011001010000"]
    y = [-1, 0, 1, 0, -2, -3, -3, 1, -2, 0, -5, -4, -1, -1, -4, -1, 2, -3, -2, -1, -2, 0, 1, -2, 0,
         0, -3, 5, -4, -2, -2, -4, -2, -3, -2, -4, -2, -5, -3, -2, -6, 0, -1, 0, -3, -4, -1, 2, 0,
         4, -1, -1, -2, 2]  # fmt: skip
    data = pd.DataFrame({"g": g, "h": h, "x": x, "y": y})
    m = mt.lmer("y ~ 0 + x + (1|g) + (1|h)", data, reml=False)
    assert m.deviance == pytest.approx(243.2648446645, abs=1e-8)  # dense algebra, L-BFGS
    assert m.theta == pytest.approx([0, 0.34306218], abs=1e-6)
    assert m.profile_deviance([0.32396727, 0.14038589]) > m.deviance + 0.3
    assert m.refit_many(np.array(y)[:, None]).llf[0] == pytest.approx(m.llf, abs=1e-9)
