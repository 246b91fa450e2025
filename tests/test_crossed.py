"""The sparse path for crossed factors with many levels, held against the dense one and against R.

Designs are those of ``test_fitting``, with everything but the first factor forced into the border,
and random larger ones; forcing ``MANY`` up or down gives the same model by either path.
"""

from __future__ import annotations

import pickle
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from test_fitting import (
    PLANS,
    all_but_one_in_the_border,
    check_pieces,
    close,
    dense_d,
    make,
    patterns,
    random_theta,
)

import mixedteach as mt
from mixedteach.fitting import blocks, pls, room
from mixedteach.fitting.blocks import Moments
from mixedteach.fitting.criterion import Criterion, average_derivatives, factors
from mixedteach.fitting.crossed import CrossedMoments
from mixedteach.fitting.lmm import Fit, Problem
from mixedteach.inference import containment
from mixedteach.inference.kenward_roger import KenwardRoger
from mixedteach.inference.satterthwaite import Satterthwaite

Array = np.ndarray
SEVERAL = [name for name, forced in PLANS if forced is all_but_one_in_the_border]


def both(name: str, seed: int) -> tuple[CrossedMoments, Moments]:
    case = make(name, seed)
    layout = all_but_one_in_the_border(case.codes, case.sizes, case.groups, 0)
    data = case.K, case.codes, case.bases, case.groups, (), layout
    return CrossedMoments(*data), Moments(*data)


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("name", SEVERAL)
def test_pieces_are_those_of_dense_algebra(name: str, scale: float, zeros: bool) -> None:
    """Small, middling and large variances take different formulas; a zero takes none."""
    case = make(name, 1)
    theta = scale * random_theta(np.random.default_rng(1), case.sizes, zeros)
    D = [low @ low.T for low in factors(theta, case.sizes)]
    check_pieces(case, both(name, 1)[0], D)


@pytest.mark.parametrize("name", SEVERAL)
def test_random_effects_are_those_of_the_dense_path(name: str) -> None:
    sparse, dense = both(name, 3)
    for zeros in (False, True):
        theta = random_theta(np.random.default_rng(3), dense.sizes, zeros)
        D = [low @ low.T for low in factors(theta, dense.sizes)]
        v = np.random.default_rng(4).normal(size=dense.w)
        for ours, theirs in zip(sparse.effects(D, v), dense.effects(D, v), strict=True):
            for one, other in zip(ours, theirs, strict=True):
                close(one, other)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", SEVERAL)
def test_gradient_is_exact_and_the_hessian_is_the_average_information(
    name: str, reml: bool
) -> None:
    sparse, dense = (Criterion(m, reml) for m in both(name, 5))
    theta = random_theta(np.random.default_rng(5), dense.moments.sizes, False)
    ours, theirs = sparse.at(theta), dense.at(theta)
    assert ours.value == pytest.approx(theirs.value, rel=1e-9)
    assert sparse.value(theta) == pytest.approx(theirs.value, rel=1e-9)
    close(ours.gradient, theirs.gradient, 1e-8)
    # y'P V_r P V_s P y, sigma profiled out: positive semidefinite wherever one is
    case, df = make(name, 5), dense.df
    D = [low @ low.T for low in factors(theta, case.sizes)]
    Z = np.hstack(case.z())
    W = np.linalg.inv(np.eye(len(case.y)) + Z @ dense_d(D, case.groups) @ Z.T)
    A = W @ case.X
    P = W - A @ np.linalg.solve(case.X.T @ A, A.T)
    Py = P @ case.y
    GPy = np.array([g @ Py for g in patterns(case.z(), case.sizes)])
    r2 = case.y @ Py
    first = GPy @ Py
    average = df * (GPy @ P @ GPy.T / r2 - np.outer(first, first) / r2**2)
    close(
        average_derivatives(ours.pieces, ours.beta, ours.Phi, ours.r2, df, reml)[1], average, 1e-8
    )


def test_start_has_nearly_the_traces_of_pairs() -> None:
    data = ratings(3, 300, 120, 3000)
    problem = Problem(*data)
    moments = problem.moments
    assert isinstance(moments, CrossedMoments)
    D = [np.eye(1)] * 2
    close(moments.roughly_at(D).T2, moments.at(D).T2, 0.1)


# -- whole fits ----------------------------------------------------------------


def ratings(
    seed: int, big: int, small: int, n: int, sd: tuple[float, float] = (0.6, 0.4),
    slopes: tuple[bool, bool] = (False, False), nested: bool = False,
) -> tuple[Array, Array, list[Array], list[Array], list[int]]:  # fmt: skip
    """Return X, y, codes, bases, groups: who rated what, some seldom and some often."""
    rng = np.random.default_rng(seed)
    popular = rng.dirichlet(np.full(small, 0.7))
    a = np.concatenate([np.arange(big), rng.integers(0, big, n - big)])
    b = np.concatenate([np.arange(small), rng.choice(small, n - small, p=popular)])
    b = rng.permutation(b)
    x = rng.normal(size=n)
    line = np.column_stack([np.ones(n), x])
    codes, groups = [a, b], [big, small]
    bases = [line if slope else np.ones((n, 1)) for slope in slopes]
    if nested:  # lecturers of a school: those of b in 12 pieces, each with its own half of a
        codes.append(b % 12)
        groups.append(12)
        bases.append(np.ones((n, 1)))
    y = 1 + 0.5 * x + rng.normal(size=n)
    for scale, c, basis, m in zip([*sd, 0.3], codes, bases, groups, strict=False):
        y += scale * np.einsum("ij,ij->i", basis, rng.normal(size=(m, basis.shape[1]))[c])
    return line, y, codes, bases, groups


KINDS: dict[str, dict] = {
    "crossed": {},
    "slope in the border": {"slopes": (False, True)},
    "slope inside": {"slopes": (True, False)},
    "slopes in both": {"slopes": (True, True)},
    "crossed, and nested in the border": {"nested": True},
    "small variance in the border": {"sd": (0.6, 0.05)},
    "small variance inside": {"sd": (0.05, 0.5)},
    "no variance at all": {"sd": (0.0, 0.0)},
    "large variances": {"sd": (20.0, 30.0)},
}
SEEDS = range(3)


def fitted(data: tuple, many: int, monkeypatch: pytest.MonkeyPatch, reml: bool = True) -> Fit:
    monkeypatch.setattr(blocks, "MANY", many)
    return Problem(*data).fit(reml)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_optimum_and_df_are_those_of_the_exact_path(
    kind: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ratings(seed, 60, 25, 400, **KINDS[kind])
    reml = seed != 2
    ours, theirs = (fitted(data, many, monkeypatch, reml) for many in (1, 10**9))
    assert not ours.problem.moments.exact
    assert theirs.problem.moments.exact
    assert theirs.problem.moments.border, "the design must have a border"
    assert ours.loglik == pytest.approx(theirs.loglik, abs=1e-7)
    close(ours.delta, theirs.delta, 1e-5)
    assert (ours.optimum.zero == theirs.optimum.zero).all()
    plain = pls.solve(
        ours.theta, data[0], data[1], np.hstack(
            [pls.z_matrix(c, basis, m) for c, basis, m in zip(*data[2:], strict=True)]
        ), [basis.shape[1] for basis in data[3]], data[4], reml,
    )  # fmt: skip
    assert -2 * ours.loglik == pytest.approx(plain.deviance, abs=1e-6)
    close(ours.resid, theirs.resid, 1e-5)
    L = np.eye(2)
    methods = [Satterthwaite, KenwardRoger] if reml else [Satterthwaite]
    for method in methods:
        one, other = method(ours), method(theirs)
        np.testing.assert_allclose(one.df(L), other.df(L), rtol=1e-4)
        np.testing.assert_allclose(one.variances(L), other.variances(L), rtol=1e-5)


def test_a_fair_share_of_these_optima_is_at_the_boundary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interior cases alone would prove little; measured 10 of 27."""
    edge = [
        fitted(ratings(seed, 60, 25, 400, **kind), 1, monkeypatch, seed != 2).optimum.zero.any()
        for kind in KINDS.values()
        for seed in SEEDS
    ]
    assert 0.15 < np.mean(edge) < 0.6


def frame(data: tuple) -> pd.DataFrame:
    X, y, codes, *_ = data
    return pd.DataFrame({"y": y, "x": X[:, 1], "a": codes[0], "b": codes[1]})


def test_profile_is_that_of_the_exact_path(monkeypatch: pytest.MonkeyPatch) -> None:
    data = frame(ratings(1, 60, 25, 400))
    tables = []
    for many in (1, 10**9):
        monkeypatch.setattr(blocks, "MANY", many)
        tables.append(mt.lmer("y ~ x + (1|a) + (1|b)", data).conf_int(method="profile"))
    np.testing.assert_allclose(*(t.to_numpy(float) for t in tables), rtol=1e-5)


def test_no_matrix_of_one_factor_by_the_other() -> None:
    """Levels times levels would be 20,000 x 400 numbers, 61 MB; what is needed is 400 x 400."""
    data = ratings(1, 20_000, 400, 60_000)
    tracemalloc.start()
    try:
        fit = Problem(*data).fit()
        Satterthwaite(fit)
        KenwardRoger(fit)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert fit.optimum.converged
    assert peak < 45e6


@pytest.mark.parametrize("seed", range(20))
def test_containment_counts_the_ranks_of_dense_algebra(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connected or not, confounded with X or not; some have as many ranks as rows."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(30, 200))
    a = rng.integers(0, rng.integers(3, 40), n)
    b = a // 2 + rng.integers(0, 2, n) if seed % 2 else rng.integers(0, rng.integers(3, 40), n)
    x = rng.normal(size=n) * 10.0 ** rng.integers(-3, 4)
    X = np.column_stack([np.ones(n), x, a == a[0], b == b[0]])
    codes = [np.unique(c, return_inverse=True)[1] for c in (a, b, b)]
    bases = [np.ones((n, 1)), np.ones((n, 1)), x[:, None]]
    effects = [
        SimpleNamespace(codes=c, basis=basis, groups=int(c.max()) + 1)
        for c, basis in zip(codes, bases, strict=True)
    ]
    Z = [pls.z_matrix(e.codes, e.basis, e.groups) for e in effects]
    columns = np.hstack([X, *Z])
    expected = np.linalg.matrix_rank(columns / np.linalg.norm(columns, axis=0), tol=1e-8)
    for many in (1, 10**9):  # sparse, dense
        monkeypatch.setattr(blocks, "MANY", many)
        assert containment.rank(X, effects) == expected


def test_containment_needs_no_matrix_of_one_factor_by_the_other() -> None:
    data = ratings(1, 20_000, 400, 60_000)
    m = mt.lmer("y ~ x + (1|a) + (1|b)", frame(data))
    tracemalloc.start()
    try:
        table = m.anova(ddf="containment")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # connected: rank [X Z] = 2 + 20,000 - 1 + 400 - 1
    assert table.loc["x", "den_df"] == 60_000 - 20_400
    assert peak < 45e6


def test_containment_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    m = mt.lmer("y ~ x + (1|a) + (1|b)", frame(ratings(1, 3_000, 2_000, 20_000)))
    monkeypatch.setattr(room, "free_memory", lambda: 2.0**28)
    with pytest.raises(mt.InferenceError, match=r"2,000 x 2,000.*ddf='satterthwaite'"):
        m.anova(ddf="containment")


# -- what does not fit ----------------------------------------------------------------


def test_what_does_not_fit_is_refused_before_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_memory", lambda: 2.0**30)
    rng = np.random.default_rng(1)
    n, big, small = 60_000, 9_000, 8_000
    data = pd.DataFrame({
        "y": rng.normal(size=n), "a": rng.integers(0, big, n), "b": rng.integers(0, small, n),
    })  # fmt: skip
    tracemalloc.start()
    try:
        with pytest.raises(mt.MixedTeachError) as caught:
            mt.lmer("y ~ 1 + (1|a) + (1|b)", data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    levels = data["b"].nunique()
    assert "(1 | b)" in message
    assert f"{levels:,} x {levels:,}" in message
    assert "1.0 GB are free" in message
    assert peak < 60e6


def test_what_fits_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested factors with very many levels are small, whatever their number."""
    monkeypatch.setattr(room, "free_memory", lambda: 2.0**28)
    a, b = np.arange(60_000) // 6, np.arange(60_000) // 2
    room.check_room(([1, 0], [], a), [a, b], [1, 1], [10_000, 30_000])
    monkeypatch.setattr(room, "free_memory", lambda: 1.0)
    with pytest.raises(room.NoRoom):
        room.check_room(([1], [0], b), [a, b], [1, 1], [10_000, 30_000])


def test_effects_that_share_a_variance_are_those_of_the_exact_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """(x|||g), inside and in the border."""
    for slopes in ((True, False), (False, True)):
        data = ratings(4, 60, 25, 400, slopes=slopes)
        fits = []
        for many in (1, 10**9):
            monkeypatch.setattr(blocks, "MANY", many)
            fits.append(Problem(*data, tied=slopes).fit())
        ours, theirs = fits
        assert not ours.problem.moments.exact
        assert theirs.problem.moments.exact
        assert ours.loglik == pytest.approx(theirs.loglik, abs=1e-7)
        close(ours.delta, theirs.delta, 1e-5)
        for method in (Satterthwaite, KenwardRoger):
            one, other = method(ours), method(theirs)
            np.testing.assert_allclose(one.df(np.eye(2)), other.df(np.eye(2)), rtol=1e-4)


def test_a_model_survives_its_journey_to_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MANY", 1)
    model = mt.lmer("y ~ x + (1|a) + (1|b)", frame(ratings(1, 60, 25, 400)))
    other = pickle.loads(pickle.dumps(model))
    assert not other.fit.problem.moments.exact
    assert str(other.summary()) == str(model.summary())
    assert other.refit(model.fit.problem.y).llf == pytest.approx(model.llf, abs=1e-9)


# lines for three g that almost agree: the variance of slopes is singular and the valley narrow
NARROW = [
    [2.113, 1.806, 0.173, 0.045, 0.88, 0.573, -0.339, -0.468, -0.351, -0.659, -0.852, -0.982],
    [2.113, 1.803, 0.173, 0.046, 0.881, 0.572, -0.34, -0.469, -0.352, -0.659, -0.852, -0.98],
    [2.113, 1.803, 0.175, 0.045, 0.881, 0.572, -0.338, -0.468, -0.352, -0.66, -0.853, -0.98],
]


def test_where_the_average_information_crawls_the_exact_hessian_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    g, h, k, r = np.indices((3, 3, 2, 2)).reshape(4, -1)
    data = pd.DataFrame({"g": g, "hk": 2 * h + k, "x": 4.0 * h + 2 * k + r, "y": np.ravel(NARROW)})
    data = pd.concat([data, data.iloc[[13]]])
    fits = []
    for many in (1, 10**9):
        monkeypatch.setattr(blocks, "MANY", many)
        fits.append(mt.lmer("y ~ 0 + (x|g) + (1|hk)", data, reml=False))
    ours, theirs = fits
    assert not ours.fit.problem.moments.exact
    assert ours.converged
    assert ours.llf == pytest.approx(theirs.llf, abs=1e-8)
