"""The tables of balanced designs against the plain path, by blocks, over random designs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import mixedteach as mt
from mixedteach.errors import FitError
from mixedteach.fitting.condensed import CondensedCriterion, OrthogonalCriterion
from mixedteach.fitting.criterion import Criterion, theta_of
from mixedteach.fitting.lmm import Problem
from mixedteach.fitting.optimise import diagonal, minimise
from mixedteach.fitting.strata import SharedFactor, Strata

Array = np.ndarray
Design = tuple[Array, list[Array], list[Array], list[int]]  # X, codes, bases, groups


def one(n: int) -> Array:
    return np.ones((n, 1))


def one_factor(rng: np.random.Generator) -> Design:
    m, r = rng.integers(3, 9), rng.integers(2, 6)
    within = np.tile(np.eye(r), (m, 1))[:, 1:]
    return np.hstack([one(m * r), within]), [np.repeat(np.arange(m), r)], [one(m * r)], [m]


def no_fixed_effects(rng: np.random.Generator) -> Design:
    _, *rest = one_factor(rng)
    return np.empty((len(rest[0][0]), 0)), *rest


def few_sizes(rng: np.random.Generator) -> Design:
    sizes = rng.choice([1, 2, 4], size=rng.integers(5, 12))
    sizes[:2] = 2, 4
    n = int(sizes.sum())
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    return X, [rng.permutation(np.repeat(np.arange(len(sizes)), sizes))], [one(n)], [len(sizes)]


def covariate(rng: np.random.Generator) -> Design:
    X, *rest = one_factor(rng)
    return np.hstack([X, rng.normal(size=(len(X), 2))]), *rest


def slope_alone(rng: np.random.Generator) -> Design:
    m, r = rng.integers(4, 9), rng.integers(3, 6)
    x = np.tile(rng.normal(size=r), m)
    X = np.column_stack([np.ones(m * r), x])
    return X, [np.repeat(np.arange(m), r)], [x[:, None]], [m]


def nested(rng: np.random.Generator) -> Design:
    m, k, r = rng.integers(3, 7, size=3)
    n = m * k * r
    a, b = np.arange(n) // (k * r), np.arange(n) // r
    X = np.column_stack([np.ones(n), b % k == 0, np.arange(n) % r == 0]).astype(float)
    return X, [a, b], [one(n)] * 2, [m, m * k]


def strips(rng: np.random.Generator) -> Design:
    """The planks' design: widths and depths crossed within each plank, no other repetition."""
    m, k, r = rng.integers(3, 6, size=3)
    i = np.arange(m * k * r)
    plank, width, depth = i // (k * r), i // r % k, i % r
    cells = np.eye(k * r)[width * r + depth]
    codes = [plank, plank * k + width, plank * r + depth]
    return cells, codes, [one(len(i))] * 3, [m, m * k, m * r]


def slopes(rng: np.random.Generator) -> Design:
    m, r = rng.integers(5, 10), rng.integers(4, 7)
    x = np.tile(rng.normal(size=r), m)
    X = np.column_stack([np.ones(m * r), x])
    return X, [np.repeat(np.arange(m), r)], [X], [m]


def slopes_by_group(rng: np.random.Generator) -> Design:
    """A covariate that is constant in each group: not every coordinate has one."""
    X, codes, bases, groups = slopes(rng)
    return np.column_stack([X, rng.normal(size=groups[0])[codes[0]]]), codes, bases, groups


def tied(rng: np.random.Generator) -> Design:
    """One variance for the effects of all levels of a factor, (0 + f ||| g)."""
    m, k, r = rng.integers(3, 6, size=3)
    i = np.arange(m * k * r)
    levels = np.eye(k)[i // r % k]
    return levels, [i // (k * r)], [levels], [m]


def independent_slopes(rng: np.random.Generator) -> Design:
    X, codes, _, groups = slopes(rng)
    return X, [codes[0], codes[0]], [X[:, :1], X[:, 1:]], groups * 2


Kind = tuple[Callable[[np.random.Generator], Design], type, type]
KINDS: dict[str, Kind] = {
    "one factor": (one_factor, OrthogonalCriterion, Strata),
    "no fixed effects": (no_fixed_effects, OrthogonalCriterion, Strata),
    "few sizes": (few_sizes, CondensedCriterion, Strata),
    "covariate": (covariate, CondensedCriterion, Strata),
    "slope alone": (slope_alone, OrthogonalCriterion, Strata),
    "nested": (nested, OrthogonalCriterion, Strata),
    "strips": (strips, OrthogonalCriterion, Strata),
    "slopes": (slopes, OrthogonalCriterion, SharedFactor),
    "slopes, covariate by group": (slopes_by_group, CondensedCriterion, SharedFactor),
    "tied": (tied, OrthogonalCriterion, Strata),
    "independent slopes": (independent_slopes, OrthogonalCriterion, SharedFactor),
}


def response(rng: np.random.Generator, design: Design, weak: bool) -> Array:
    """Draw y; with `weak` random effects the optimum is often at the boundary."""
    X, codes, bases, groups = design
    y = X @ rng.normal(size=X.shape[1]) + rng.normal(size=len(X))
    for code, basis, m in zip(codes, bases, groups, strict=True):
        b = rng.normal(size=(m, basis.shape[1])) * (0.1 if weak else 1.5)
        y += np.einsum("ij,ij->i", basis, b[code])
    return y


def make(name: str, seed: int, weak: bool = False) -> Problem:
    build, kind, rule = KINDS[name]
    rng = np.random.default_rng(seed)
    design = build(rng)
    X, codes, bases, groups = design
    y = response(rng, design, weak)
    problem = Problem(X, y, codes, bases, groups, [name == "tied"])
    assert type(problem.criterion(True)) is kind  # else the plain path meets itself
    assert isinstance(problem.layout.rule, rule)
    return problem


def plain(problem: Problem, reml: bool) -> Criterion:
    """The same criterion by blocks."""
    constant = 2 * float(np.log(np.abs(np.diag(problem.R))).sum()) if reml else 0.0
    return Criterion(problem.moments, reml, constant)


def close(a: Array, b: Array, tolerance: float = 1e-9) -> None:
    scale = max(1.0, float(np.abs(b).max(initial=0.0)))
    assert np.shape(a) == np.shape(b)
    assert np.abs(np.asarray(a) - b).max(initial=0.0) <= tolerance * scale


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", KINDS)
def test_value_and_derivatives_are_those_of_the_plain_path(name: str, reml: bool) -> None:
    for seed in range(6):
        problem = make(name, seed)
        quick, slow = problem.criterion(reml), plain(problem, reml)
        rng = np.random.default_rng(seed)
        sizes = problem.moments.sizes
        lambdas = [np.tril(rng.normal(size=(k, k))) + np.eye(k) for k in sizes]
        theta = theta_of(lambdas, sizes)
        thetas = [theta, 30 * theta, 0 * theta]
        thetas.append(np.where(np.arange(len(thetas[0])) == 0, 0.0, thetas[0]))
        for theta in thetas:
            a, b = quick.at(theta), slow.at(theta)
            close(a.value, b.value, 1e-11)
            close(quick.value(theta), b.value, 1e-11)
            for what in ("r2", "beta", "Phi", "gradient", "hessian", "score"):
                close(getattr(a, what), getattr(b, what))
            for what in ("log_det", "S", "P", "Q", "T1", "T2"):
                close(getattr(a.pieces, what), getattr(b.pieces, what))
            for x, y in zip(quick.scores(theta), slow.scores(theta), strict=True):
                close(x, y)


@pytest.mark.parametrize("name", KINDS)
def test_the_optimum_is_that_of_the_plain_path(name: str) -> None:
    boundary = 0
    for seed in range(24):
        problem = make(name, seed, weak=seed % 2 == 1)
        reml = seed % 3 > 0
        try:
            slow = minimise(plain(problem, reml))
        except FitError:  # a residual variance of zero: both must say so
            with pytest.raises(FitError):
                minimise(problem.criterion(reml))
            continue
        quick = minimise(problem.criterion(reml))
        close(quick.state.value, slow.state.value, 1e-11)
        close(quick.state.theta, slow.state.theta, 1e-6)
        assert quick.zero.tolist() == slow.zero.tolist()
        assert quick.converged == slow.converged
        boundary += bool(quick.zero.any())
    assert boundary  # both kinds of optimum were met
    assert boundary < 24


@pytest.mark.parametrize("name", KINDS)
def test_in_one_step_or_by_the_search(name: str) -> None:
    """What the one matrix of a small design gives is what Newton's method finds, or nothing."""
    found = 0
    for seed in range(30):
        problem = make(name, seed, weak=seed % 3 == 2)
        reml, scale, shift = seed % 2 == 0, 10.0 ** (seed % 7 - 3), 1e5 * (seed % 4)
        problem = problem.with_response(problem.y * scale + shift)
        quick = problem.fit_at_once(reml)
        if quick is None:
            continue
        found += 1
        slow = problem.fit(reml, start=0.5 * np.ones(len(quick.state.theta)))
        # with a shift, the response itself holds fewer digits of what varies
        lost = 1e3 if shift and problem.X.size else 1.0
        close(quick.deviance, slow.deviance, 1e-11 * lost)
        close(quick.state.theta, slow.state.theta, 1e-7 * lost)
        close(quick.sigma2 / scale**2, slow.sigma2 / scale**2, 1e-9 * lost)
        close(quick.beta, slow.beta)
        close(quick.cov_beta / scale**2, slow.cov_beta / scale**2, 1e-8 * lost)
        close(quick.resid, slow.resid, 1e-8 * lost)
        assert np.abs(quick.state.gradient).max() < 1e-9 * problem.n * lost
        assert quick.optimum.zero.tolist() == [False] * len(quick.state.theta)
    closed = KINDS[name][1:] == (OrthogonalCriterion, Strata)
    assert found > 5 if closed else not found


def test_no_closed_form_for_what_has_none() -> None:
    problem = make("one factor", 1)
    assert problem.fit_at_once(True) is not None
    for wrong in (np.nan, np.inf, -np.inf, 1e160):
        y = problem.y.copy()
        y[3] = wrong
        with np.errstate(all="ignore"):
            assert problem.with_response(y).fit_at_once(True) is None
    assert problem.with_response(problem.X @ np.arange(problem.p)).fit_at_once(True) is None
    groups = problem.codes[0]
    same_means = problem.y - (np.bincount(groups, problem.y) / np.bincount(groups))[groups]
    assert problem.with_response(same_means).fit_at_once(True) is None
    assert problem.with_response(same_means).fit().optimum.zero.all()


@pytest.mark.parametrize("name", KINDS)
def test_another_response_is_fitted_as_if_it_were_the_first(name: str) -> None:
    rng = np.random.default_rng(5)
    problem = make(name, 5)
    y = rng.normal(size=problem.n) + 100
    again = problem.refit(y)
    fresh = Problem(problem.X, y, problem.codes, problem.bases, problem.groups, problem.tied).fit()
    close(again.loglik, fresh.loglik, 1e-12)
    close(again.beta, fresh.beta)
    for a, b in zip(again.random_effects, fresh.random_effects, strict=True):
        close(a, b)
    for a, b in zip(again.conditional_covariances, fresh.conditional_covariances, strict=True):
        close(a, b)


def test_the_closed_form_is_the_analysis_of_variance() -> None:
    """One-way random effects: tau^2 = (MSB - MSW) / r, sigma^2 = MSW; at the edge a pooled one."""
    m, r = 6, 4
    code = np.repeat(np.arange(m), r)
    rng = np.random.default_rng(3)
    noise = rng.normal(size=m * r)
    between = rng.normal(size=m)[code]
    for share, inside in ((1.0, True), (0.0, False)):
        means = np.bincount(code, noise)[code] / r
        y = noise - means + share * between + (1 - share) * 0.05 * means
        fit = Problem(one(m * r), y, [code], [one(m * r)], [m]).fit()
        group = np.bincount(code, y) / r
        msb = r * ((group - y.mean()) ** 2).sum() / (m - 1)
        msw = ((y - group[code]) ** 2).sum() / (m * (r - 1))
        assert (msb > msw) == inside
        tau2 = (msb - msw) / r if inside else 0.0
        sigma2 = msw if inside else ((y - y.mean()) ** 2).sum() / (m * r - 1)
        assert fit.covariances[0][0, 0] == pytest.approx(tau2, rel=1e-12)
        assert fit.sigma2 == pytest.approx(sigma2, rel=1e-12)
        assert len(fit.optimum.path) == 1 or not inside


def test_designs_that_are_not_balanced_take_the_plain_path() -> None:
    rng = np.random.default_rng(0)
    sizes = np.arange(1, 20)  # more sizes than there may be tables
    code = np.repeat(np.arange(19), sizes)
    n = len(code)
    assert Problem(one(n), rng.normal(size=n), [code], [one(n)], [19]).layout is None
    x = np.column_stack([np.ones(40), rng.normal(size=40)])
    code = np.arange(40) % 8
    assert Problem(x, rng.normal(size=40), [code], [x], [8]).layout is None  # x differs by group
    X, codes, bases, groups = nested(rng)
    keep = np.arange(len(X)) > 0
    codes = [c[keep] for c in codes]
    lost = Problem(X[keep], rng.normal(size=keep.sum()), codes, [b[keep] for b in bases], groups)
    assert lost.layout is None


def test_diagonal_entries_are_known_for_every_kind() -> None:
    assert diagonal([1, 2]).tolist() == [True, True, False, True]


def test_a_covariate_that_hardly_varies_within_groups_is_not_taken_for_one_of_groups() -> None:
    """What varies within counts for much where groups differ much."""
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(20), 100)
    x = rng.standard_normal(20)[g] + 2e-5 * rng.standard_normal(2000)
    y = 30 * rng.standard_normal(20)[g] + rng.standard_normal(2000)
    m = mt.lmer("y ~ x + (1|g)", pd.DataFrame({"g": g, "x": x, "y": y}))
    weights = np.eye(100) - m.theta[0] ** 2 / (1 + 100 * m.theta[0] ** 2)  # V^-1 sigma^2, a group
    X = np.column_stack([np.ones(2000), x]).reshape(20, 100, 2)
    WX = weights @ X
    beta = np.linalg.solve(
        np.einsum("gni,gnj->ij", X, WX), np.einsum("gni,gn->i", WX, y.reshape(20, 100))
    )
    np.testing.assert_allclose(m.params, beta, rtol=1e-5)
