"""The blocked algebra of ``fitting`` against dense n x n matrices written down from the formulas.

The designs are random and small, so that the dense side is exact to rounding and every difference
is a fault. They cover what the blocks treat differently: nested factors (components), crossed ones
(the border), both at once, slopes, ragged groups, groups of one row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import block_diag

import mixedteach as mt
from mixedteach.fitting import blocks, pls
from mixedteach.fitting.blocks import Moments, plan
from mixedteach.fitting.criterion import Criterion, factors, theta_of
from mixedteach.fitting.lmm import Fit, Problem, semidefinite_cholesky
from mixedteach.inference.kenward_roger import KenwardRoger
from mixedteach.inference.satterthwaite import Satterthwaite

Array = np.ndarray
Terms = list[tuple[Array, Array]]

# Dense and blocked algebra round differently, and the condition of I + ZDZ' (up to 1e3 here)
# multiplies the 1e-16 of each operation; a wrong formula shows in the first digits.
EXACT = 1e-9


# -- designs -------------------------------------------------------------------------------------


def number(codes: Array) -> Array:
    """Number the groups that occur from 0."""
    return np.unique(codes, return_inverse=True)[1].ravel()


def groups_of(rng: np.random.Generator, n: int, m: int) -> Array:
    return number(np.concatenate([np.arange(m), rng.integers(0, m, n - m)]))


def inside_of(rng: np.random.Generator, outer: Array, each: int) -> Array:
    """Return a factor nested in `outer`, with up to `each` levels in each of its groups."""
    return number(outer * each + rng.integers(0, each, len(outer)))


def ones(n: int) -> Array:
    return np.ones((n, 1))


def line(rng: np.random.Generator, n: int, k: int = 2) -> Array:
    return np.column_stack([np.ones(n), rng.normal(2.0, 1.5, (n, k - 1))])


def levels(rng: np.random.Generator, n: int, k: int) -> Array:
    return np.eye(k)[groups_of(rng, n, k)]


def _nested(rng: np.random.Generator, n: int, depth: int) -> Terms:
    chain = [groups_of(rng, n, 4)]
    for _ in range(depth - 1):
        chain.append(inside_of(rng, chain[-1], 3))
    return [(codes, ones(n)) for codes in chain]


def _ragged(rng: np.random.Generator, n: int) -> Terms:
    """Groups with 1 to 16 subgroups: more layouts than are kept apart, so that some are padded."""
    pairs = [(a, b) for a in range(17) for b in range(a + 1) for _ in range(1 + (a + b) % 2)]
    outer = np.array([a for a, _ in pairs])
    inner = number(np.array([100 * a + b for a, b in pairs]))
    order = rng.permutation(len(pairs))
    return [(outer[order], ones(len(pairs))), (inner[order], line(rng, len(pairs)))]


def _unequal(rng: np.random.Generator, n: int) -> Terms:
    sizes = [1, 1, 2, 3, 5, n - 12]  # groups of one row and one that holds most
    return [(rng.permutation(np.repeat(np.arange(6), sizes)), ones(n))]


def _interaction(rng: np.random.Generator, n: int) -> Terms:
    a, b = groups_of(rng, n, 6), groups_of(rng, n, 3)
    return [(a, ones(n)), (b, ones(n)), (number(3 * a + b), ones(n))]


def _several(rng: np.random.Generator, n: int) -> Terms:
    g, x = groups_of(rng, n, 7), line(rng, n, 3)
    return [(g, x[:, :2]), (g, x[:, 2:])]


DESIGNS: dict[str, Callable[[np.random.Generator, int], Terms]] = {
    "one factor": lambda rng, n: [(groups_of(rng, n, 8), ones(n))],
    "one factor, unequal": _unequal,
    "nested two": lambda rng, n: _nested(rng, n, 2),
    "nested three": lambda rng, n: _nested(rng, n, 3),
    "nested ragged": _ragged,
    "crossed two": lambda rng, n: [(groups_of(rng, n, m), ones(n)) for m in (9, 4)],
    "crossed three": lambda rng, n: [(groups_of(rng, n, m), ones(n)) for m in (9, 4, 5)],
    "crossed, interaction": _interaction,
    "slope": lambda rng, n: [(groups_of(rng, n, 8), line(rng, n))],
    "slope 3 x 3": lambda rng, n: [(groups_of(rng, n, 7), line(rng, n, 3))],
    "slope of a factor": lambda rng, n: [(groups_of(rng, n, 6), levels(rng, n, 3))],
    "slope, unequal": lambda rng, n: [(_unequal(rng, n)[0][0], line(rng, n))],
    "slope in nested": lambda rng, n: [
        (codes, line(rng, n)) for codes, _ in _nested(rng, n, 2)
    ],
    "double bar": lambda rng, n: [
        (codes, basis) for codes in [groups_of(rng, n, 8)] for basis in np.split(line(rng, n), 2, 1)
    ],
    "two terms of one factor": _several,
    "crossed slopes": lambda rng, n: [
        (groups_of(rng, n, 7), line(rng, n)), (groups_of(rng, n, 4), line(rng, n)),
    ],
    "nested, and crossed": lambda rng, n: [*_nested(rng, n, 2), (groups_of(rng, n, 4), ones(n))],
}  # fmt: skip
NAMES = list(DESIGNS)
CROSSED = [name for name in NAMES if "crossed" in name]


@dataclass(frozen=True)
class Case:
    """A random model with its dense matrices."""

    X: Array
    y: Array
    codes: list[Array]
    bases: list[Array]

    @property
    def groups(self) -> list[int]:
        return [int(codes.max()) + 1 for codes in self.codes]

    @property
    def sizes(self) -> list[int]:
        return [basis.shape[1] for basis in self.bases]

    @property
    def K(self) -> Array:
        return np.column_stack([self.X, self.y])

    @property
    def moments(self) -> Moments:
        return Moments(self.K, self.codes, self.bases, self.groups)

    @property
    def problem(self) -> Problem:
        return Problem(self.X, self.y, self.codes, self.bases, self.groups)

    def z(self, bases: Sequence[Array] | None = None) -> list[Array]:
        """Return Z of each term, for these bases or others of the same width."""
        every = zip(self.codes, bases or self.bases, self.groups, strict=True)
        return [pls.z_matrix(codes, basis, m) for codes, basis, m in every]


def make(name: str, seed: int) -> Case:
    rng = np.random.default_rng([NAMES.index(name), seed])
    terms = DESIGNS[name](rng, 40)
    n = len(terms[0][0])
    X = np.column_stack([np.ones(n), rng.normal(size=n), rng.integers(0, 2, n)])
    y = X @ [1.0, 0.5, -1.0] + rng.normal(size=n)
    for codes, basis in terms:
        b = rng.normal(size=(codes.max() + 1, basis.shape[1]))
        y += np.einsum("ij,ij->i", basis, b[codes])
    return Case(X, y, [codes for codes, _ in terms], [basis for _, basis in terms])


def random_theta(rng: np.random.Generator, sizes: list[int], zeros: bool) -> Array:
    """Return lower triangles; with `zeros`, one standard deviation is exactly zero."""
    lambdas = [np.tril(rng.normal(0.0, 0.7, (k, k))) for k in sizes]
    if zeros:
        lambdas[-1][:, -1] = 0.0
    return theta_of(lambdas)


# -- dense algebra -------------------------------------------------------------------------------


def patterns(Z: Sequence[Array], sizes: Sequence[int]) -> list[Array]:
    """Return G_r = Z E_r Z' for each entry (a, b), a <= b, of each term's covariance, n x n."""
    out = []
    for block, k in zip(Z, sizes, strict=True):
        for a in range(k):
            for b in range(a, k):
                one, other = block[:, a::k], block[:, b::k]
                out.append(one @ other.T if a == b else one @ other.T + other @ one.T)
    return out


def dense_d(D: Sequence[Array], groups: Sequence[int]) -> Array:
    return block_diag(*[block for block, m in zip(D, groups, strict=True) for _ in range(m)])


def close(ours: Array, dense: Array, tolerance: float = EXACT, what: str = "") -> None:
    """Compare arrays relative to their largest entry."""
    dense = np.asarray(dense)
    assert np.shape(ours) == dense.shape, what
    size = max(np.abs(dense).max(initial=0.0), 1e-12)
    assert np.abs(ours - dense).max(initial=0.0) <= tolerance * size, what


def check_pieces(case: Case, moments: Moments, D: list[Array]) -> None:
    n, K = len(case.y), case.K
    Z = np.hstack(case.z())
    V = np.eye(n) + Z @ dense_d(D, case.groups) @ Z.T
    W = np.linalg.inv(V)
    G = patterns(case.z(), case.sizes)
    pieces = moments.at(D)
    close(pieces.log_det, np.linalg.slogdet(V)[1], what="log det")
    close(pieces.S, K.T @ W @ K, what="S")
    close(pieces.P, np.array([K.T @ W @ g @ W @ K for g in G]), what="P")
    close(pieces.Q, np.array([[K.T @ W @ g @ W @ h @ W @ K for h in G] for g in G]), what="Q")
    close(pieces.T1, np.array([np.trace(W @ g) for g in G]), what="T1")
    close(pieces.T2, np.array([[np.sum((W @ g) * (W @ h).T) for h in G] for g in G]), what="T2")
    bare = moments.at(D, derivatives=False)
    close(bare.log_det, pieces.log_det, what="log det without derivatives")
    close(bare.S, pieces.S, what="S without derivatives")


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_pieces_are_those_of_dense_algebra(name: str, zeros: bool) -> None:
    for seed in range(2):
        case = make(name, seed)
        theta = random_theta(np.random.default_rng(seed), case.sizes, zeros)
        D = [low @ low.T for low in factors(theta, case.sizes)]
        check_pieces(case, case.moments, D)
        check_pieces(case, case.moments, [0.0 * d for d in D])


def in_one_component(codes, sizes, groups, w):
    return list(range(len(sizes))), [], np.zeros(len(codes[0]), np.intp)


def all_but_one_in_the_border(codes, sizes, groups, w):
    return [0], list(range(1, len(sizes))), np.asarray(codes[0])


def in_components_of_the_outermost(codes, sizes, groups, w):
    return list(range(len(sizes))), [], np.asarray(codes[0])


SEVERAL = [name for name in NAMES if len(make(name, 0).codes) > 1]
NESTED = [name for name in NAMES if "nested" in name and name not in CROSSED]
PLANS = [(name, forced) for name in SEVERAL for forced in (
    in_one_component, all_but_one_in_the_border)]  # fmt: skip
PLANS += [(name, in_components_of_the_outermost) for name in NESTED]


@pytest.mark.parametrize(("name", "forced"), PLANS)
def test_any_plan_gives_the_same_pieces(
    name: str, forced: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes inside and what into the border is a matter of speed alone."""
    case = make(name, 2)
    monkeypatch.setattr(blocks, "plan", forced)
    moments = case.moments
    assert bool(moments.border) == (forced is all_but_one_in_the_border)
    theta = random_theta(np.random.default_rng(2), case.sizes, zeros=False)
    check_pieces(case, moments, [low @ low.T for low in factors(theta, case.sizes)])
    if name == "nested ragged" and forced is in_components_of_the_outermost:
        # 17 groups, each with its own number of subgroups, share fewer layouts: some are padded
        assert sum(len(bucket.components) for bucket in moments.buckets) == 17
        assert len(moments.buckets) < 17


def test_plan_puts_nested_factors_in_components_and_crossed_ones_in_a_border() -> None:
    planks = mt.load_planks()
    plank = number(planks["plank"].to_numpy())
    width, depth = (planks[name].cat.codes.to_numpy().astype(int) for name in ("width", "depth"))
    codes = [plank, number(plank * 3 + width), number(plank * 5 + depth)]
    inside, border, component = plan(codes, [1, 1, 1], [20, 60, 100], 16)
    assert (sorted(inside), border) == ([0, 1, 2], [])
    assert len(np.unique(component)) == 20  # a plank with its widths and depths
    assert (number(component) == plank).all()

    grid = np.arange(24 * 40)
    inside, border, component = plan([grid % 24, grid // 24], [1, 1], [24, 40], 2)
    assert (inside, border) == ([1], [0])
    assert (number(component) == grid // 24).all()

    # a factor nested in the larger one of two crossed factors joins it
    inside, border, _ = plan([grid % 24, grid // 24, grid // 12], [1] * 3, [24, 40, 80], 2)
    assert (sorted(inside), border) == ([1, 2], [0])


@pytest.mark.parametrize("name", ["nested two", "slope in nested", *CROSSED])
def test_designs_are_planned_as_their_names_say(name: str) -> None:
    """So the random designs exercise both ways (few outermost groups may be a cheap border)."""
    borders = [bool(make(name, seed).moments.border) for seed in range(3)]
    assert borders == 3 * [name in CROSSED]


# -- value, gradient and Hessian -----------------------------------------------------------------


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_deviance_is_that_of_the_plain_path(name: str, reml: bool) -> None:
    for seed, zeros in ((3, False), (4, True)):
        case = make(name, seed)
        theta = random_theta(np.random.default_rng(seed), case.sizes, zeros)
        criterion = Criterion(case.moments, reml)
        plain = pls.solve(theta, case.X, case.y, np.hstack(case.z()), case.sizes, case.groups, reml)
        state = criterion.at(theta)
        assert criterion.value(theta) == pytest.approx(plain.deviance, rel=EXACT)
        assert state.value == pytest.approx(plain.deviance, rel=EXACT)
        assert state.r2 == pytest.approx(plain.r2, rel=EXACT)
        close(state.beta, plain.beta)


def richardson(function: Callable[[Array], Array], at: Array, step: float) -> Array:
    """Return the derivative of `function` by central differences, extrapolated twice.

    The error is of order step^6; the last axis of the result is the direction.
    """

    def central(h: float) -> Array:
        steps = h * np.eye(len(at))
        return np.stack([(function(at + e) - function(at - e)) / (2 * h) for e in steps], axis=-1)

    one, two, four = central(step), central(step / 2), central(step / 4)
    first, second = (4 * two - one) / 3, (4 * four - two) / 3
    return (16 * second - first) / 15


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_gradient_and_hessian_are_those_of_finite_differences(name: str, reml: bool) -> None:
    case = make(name, 5)
    criterion = Criterion(case.moments, reml)
    for zeros in (False, True):
        theta = random_theta(np.random.default_rng(5), case.sizes, zeros)
        state = criterion.at(theta)
        # the value is tested above; differences of step 0.02 keep about 9 digits of the gradient
        gradient = richardson(lambda t: np.array(criterion.value(t)), theta, 0.02)
        close(state.gradient, gradient, 1e-6, "gradient")
        hessian = richardson(lambda t: criterion.at(t).gradient, theta, 0.02)
        close(state.hessian, hessian, 1e-6, "hessian")


# -- the fit -------------------------------------------------------------------------------------


def fit_of(name: str, seed: int, reml: bool = True) -> tuple[Case, Fit]:
    case = make(name, seed)
    return case, case.problem.fit(reml)


def total_covariance(case: Case, fit: Fit) -> tuple[Array, Array, Array]:
    """Return Z, G = Var(b) and V = Var(y) of a fit, dense, in the bases as given."""
    Z = np.hstack(case.z())
    G = dense_d(fit.covariances, case.groups)
    return Z, G, Z @ G @ Z.T + fit.sigma2 * np.eye(len(case.y))


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_estimates_and_predictions_are_those_of_dense_algebra(name: str, reml: bool) -> None:
    case, fit = fit_of(name, 6, reml)
    Z, G, V = total_covariance(case, fit)
    V_inverse = np.linalg.inv(V)
    Phi = np.linalg.inv(case.X.T @ V_inverse @ case.X)
    beta = Phi @ case.X.T @ V_inverse @ case.y
    b = G @ Z.T @ V_inverse @ (case.y - case.X @ beta)
    conditional = G - G @ Z.T @ V_inverse @ Z @ G
    tolerance = 1e-7  # V is inverted as it stands: its condition costs digits on the dense side
    close(fit.beta, beta, tolerance)
    close(fit.cov_beta, Phi, tolerance)
    close(fit.fixed, case.X @ beta, tolerance)
    close(fit.fitted, case.X @ beta + Z @ b, tolerance)
    close(fit.resid, case.y - case.X @ beta - Z @ b, tolerance)
    close(np.concatenate([effects.ravel() for effects in fit.random_effects]), b, tolerance)
    start = 0
    for found, m, k in zip(fit.conditional_covariances, case.groups, case.sizes, strict=True):
        own = conditional[start : start + m * k, start : start + m * k].reshape(m, k, m, k)
        expected = own[np.arange(m), :, np.arange(m), :]
        assert np.abs(found - expected).max() <= tolerance * np.abs(conditional).max()
        start += m * k
    plain = pls.solve(fit.theta, case.X, case.y, Z, case.sizes, case.groups, reml)
    assert fit.deviance == pytest.approx(plain.deviance, rel=EXACT)
    assert fit.sigma2 == pytest.approx(plain.sigma2, rel=1e-7)


def test_refit_forgets_the_old_response() -> None:
    case, fit = fit_of("nested two", 7)
    other = case.y[::-1] + np.arange(len(case.y)) / 10
    again = fit.problem.refit(other)
    fresh = Problem(case.X, other, case.codes, case.bases, case.groups).fit()
    assert again.loglik == pytest.approx(fresh.loglik, rel=EXACT)
    close(again.beta, fresh.beta, 1e-7)
    close(again.fitted, fresh.fitted, 1e-7)
    # ... and leaves the old fit as it was
    close(fit.problem.y, case.y)
    close(fit.fitted + fit.resid, case.y)


def test_semidefinite_cholesky() -> None:
    rng = np.random.default_rng(8)
    for rank in range(4):
        half = rng.normal(size=(3, rank))
        D = half @ half.T
        low = semidefinite_cholesky(D)
        close(low @ low.T, D, 1e-9)
        assert np.array_equal(low, np.tril(low))
        assert (np.diag(low) >= 0).all()


# -- degrees of freedom --------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_pieces_of_the_residual_follow_from_the_others(name: str) -> None:
    case, fit = fit_of(name, 9)
    turned = [basis @ turn for basis, turn in zip(case.bases, fit.problem.turns, strict=True)]
    n, X = len(case.y), fit.problem.Q
    G = [np.eye(n), *patterns(case.z(turned), case.sizes)]
    V = G[0] + sum(delta * g for delta, g in zip(fit.delta, G[1:], strict=True))
    W = np.linalg.inv(V)
    P, Q, T = fit.with_residual
    tolerance = 1e-7  # the residual's pieces are differences of larger ones
    close(P, np.array([X.T @ W @ g @ W @ X for g in G]), tolerance, "P")
    close(Q, np.array([[X.T @ W @ g @ W @ h @ W @ X for h in G] for g in G]), tolerance, "Q")
    close(T, np.array([[np.trace(W @ g @ W @ h) for h in G] for g in G]), tolerance, "T")


@dataclass(frozen=True)
class DenseKenwardRoger:
    """Kenward and Roger (1997) as printed: n x n matrices, gammas as they are."""

    X: Array
    V: Array
    G: list[Array]

    def __post_init__(self) -> None:
        X, W = self.X, np.linalg.inv(self.V)
        Phi = np.linalg.inv(X.T @ W @ X)
        P = [-X.T @ W @ g @ W @ X for g in self.G]
        Q = [[X.T @ W @ g @ W @ h @ W @ X for h in self.G] for g in self.G]
        projection = W - W @ X @ Phi @ X.T @ W
        PG = [projection @ g for g in self.G]
        information = 0.5 * np.array([[np.sum(a * b.T) for b in PG] for a in PG])
        cov = np.linalg.inv(information)
        R = range(len(self.G))
        middle = sum(cov[r, s] * (Q[r][s] - P[r] @ Phi @ P[s]) for r in R for s in R)
        self.__dict__.update(Phi=Phi, P=P, W=cov, PhiA=Phi + 2 * Phi @ middle @ Phi)

    def test(self, L: Array, beta: Array) -> tuple[float, float]:
        """Return F and its denominator df, for q rows."""
        q, Phi, R = len(L), self.Phi, range(len(self.G))
        Theta = L.T @ np.linalg.inv(L @ Phi @ L.T) @ L
        M = [Theta @ Phi @ p @ Phi for p in self.P]
        A1 = sum(self.W[r, s] * np.trace(M[r]) * np.trace(M[s]) for r in R for s in R)
        A2 = sum(self.W[r, s] * np.trace(M[r] @ M[s]) for r in R for s in R)
        B = (A1 + 6 * A2) / (2 * q)
        g = ((q + 1) * A1 - (q + 4) * A2) / ((q + 2) * A2)
        bottom = 3 * q + 2 * (1 - g)
        c1, c2, c3 = g / bottom, (q - g) / bottom, (q + 2 - g) / bottom
        E = 1 / (1 - A2 / q)
        variance = (2 / q) * (1 + c1 * B) / ((1 - c2 * B) ** 2 * (1 - c3 * B))
        rho = variance / (2 * E**2)
        m = 4 + (q + 2) / (q * rho - 1)
        scaling = m / (E * (m - 2))
        estimate = L @ beta
        wald = estimate @ np.linalg.inv(L @ self.PhiA @ L.T) @ estimate / q
        return float(scaling * wald), float(m)


@pytest.mark.parametrize("name", NAMES)
def test_kenward_roger_is_the_printed_one(name: str) -> None:
    for seed in range(10, 14):
        case, fit = fit_of(name, seed)
        if fit.optimum.zero.any() and len(fit.delta) > 3:
            continue  # at a singular 3 x 3 optimum the dense information is not invertible
        _, _, V = total_covariance(case, fit)
        dense = DenseKenwardRoger(case.X, V, [np.eye(len(V)), *patterns(case.z(), case.sizes)])
        ours = KenwardRoger(fit)
        tolerance = 1e-6  # the information is inverted: its condition is up to 1e8
        close(ours.cov, dense.PhiA, tolerance, "Phi_A")
        # W belongs to the variances relative to sigma^2, in the orthogonal bases
        turned = [basis @ turn for basis, turn in zip(case.bases, fit.problem.turns, strict=True)]
        G = [np.eye(len(V)), *patterns(case.z(turned), case.sizes)]
        close(ours.W, DenseKenwardRoger(case.X, V / fit.sigma2, G).W, tolerance, "W")
        for L in (np.eye(3)[1:], np.eye(3), np.array([[0.0, 1.0, -0.5]])):
            F, m = dense.test(L, fit.beta)
            test = ours.test(L, fit.beta)
            assert test.num_df == len(L)
            assert test.den_df == pytest.approx(m, rel=tolerance)
            assert pytest.approx(F, rel=tolerance) == test.F
            if len(L) == 1:
                assert ours.df(L)[0] == pytest.approx(m, rel=tolerance)


SATTERTHWAITE = {
    "slopes": ("Reaction ~ Days + (Days|Subject)", mt.load_sleepstudy),
    "nested": ("yield ~ variety + nitrogen + (1|block/variety)", mt.load_oats),
    "crossed": ("diameter ~ 1 + (1|plate) + (1|sample)", mt.load_penicillin),
}


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", list(SATTERTHWAITE))
def test_satterthwaite_derivatives_are_those_of_finite_differences(name: str, reml: bool) -> None:
    """The plain path, with sigma *not* profiled out, differentiated in (theta, log sigma)."""
    formula, load = SATTERTHWAITE[name]
    fit = mt.lmer(formula, load(), reml=reml).fit
    problem = fit.problem
    assert not fit.optimum.zero.any()
    sizes = [basis.shape[1] for basis in problem.bases]
    turned = [basis @ turn for basis, turn in zip(problem.bases, problem.turns, strict=True)]
    every = zip(problem.codes, turned, problem.groups, strict=True)
    Z = np.hstack([pls.z_matrix(codes, basis, m) for codes, basis, m in every])

    def plain(at: Array) -> pls.Solution:
        return pls.solve(at[:-1], problem.Q, problem.residual, Z, sizes, problem.groups, reml)

    def deviance(at: Array) -> Array:
        solution, sigma2 = plain(at), np.exp(2 * at[-1])
        value = 2 * solution.log_det_L + solution.r2 / sigma2
        value += fit.criterion.df * np.log(2 * np.pi * sigma2)
        return np.array(value + 2 * reml * np.log(np.diag(solution.RX)).sum())

    def covariance(at: Array) -> Array:
        inverse = np.linalg.inv(plain(at).RX)
        return np.exp(2 * at[-1]) * inverse @ inverse.T

    optimum = np.append(fit.state.theta, 0.5 * np.log(fit.sigma2))
    slope = richardson(deviance, optimum, 0.01)
    # a deviance of 1e3 is known to 1e-12, a difference over 0.0025 to about 1e-9
    assert np.abs(slope).max() < 1e-6
    hessian = richardson(lambda at: richardson(deviance, at, 0.04), optimum, 0.04)
    close(fit.theta_hessian[0], hessian, 1e-5, "Hessian")
    jacobian = np.moveaxis(richardson(covariance, optimum, 0.02), -1, 0)
    close(Satterthwaite(fit).gradients, jacobian, 1e-7, "Jacobian")


def test_a_variance_of_zero_leaves_the_satterthwaite_hessian() -> None:
    """With a term at zero the df are those of the model without it."""
    rng = np.random.default_rng(15)
    a, b = np.repeat(np.arange(8), 6), np.tile(np.repeat(np.arange(3), 2), 8)
    x = rng.normal(size=48)
    frame = pd.DataFrame({"a": a, "b": 3 * a + b, "x": x}).astype({"a": str, "b": str})
    residual = rng.normal(size=48)
    # within a, the means of b are made equal: the variance between them is estimated as zero
    residual -= pd.Series(residual).groupby(frame["b"]).transform("mean")
    frame["y"] = x + rng.normal(size=8)[a] + residual
    large = mt.lmer("y ~ x + (1|a) + (1|b)", frame)
    small = mt.lmer("y ~ x + (1|a)", frame)
    assert large.fit.optimum.zero.tolist() == [False, True]
    assert large.fit.theta_hessian[0].shape == (2, 2)
    assert large.llf == pytest.approx(small.llf, abs=1e-9)
    ours, expected = (m.coefficients("satterthwaite")["df"].to_numpy() for m in (large, small))
    np.testing.assert_allclose(ours, expected, rtol=1e-8)
