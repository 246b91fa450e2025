"""Random effects that share one variance, (x|||g): against nlme's pdIdent, algebra, properties.

``tests/reference/identity.R`` makes the numbers of nlme, which stops its search a little earlier
than we do (sleep: 2e-4 in the fitted values), so that its likelihood must not be above ours.
"""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import block_diag
from test_fitting import DenseKenwardRoger

import mixedteach as mt
from mixedteach.fitting import pls
from mixedteach.fitting.blocks import Moments
from mixedteach.fitting.criterion import factors
from mixedteach.inference.kenward_roger import KenwardRoger

HERE = Path(__file__).parent / "reference"
MODELS = json.loads((HERE / "identity.json").read_text(encoding="utf8"))["models"]


@cache
def data(name: str) -> pd.DataFrame:
    if name == "ratpup":
        frame = pd.read_csv(HERE / "cases" / "extra_ratpup.csv", dtype={"Litter": str})
        frame["Treatment"] = pd.Categorical(frame["Treatment"], ["Control", "Low", "High"])
        return frame.assign(sex=pd.Categorical(frame["sex"], ["Female", "Male"]))
    if name == "oats":
        oats = mt.load_oats()
        dose = oats["nitrogen"].astype(str).str.removesuffix("cwt").astype(float)
        return oats.assign(dose=dose)
    frame = getattr(mt, f"load_{name}")()
    if name == "orthodont":
        frame = frame.assign(visit=pd.factorize(frame["age"], sort=True)[0] + 1)
    return frame


def fit(key: str) -> mt.MixedModel:
    entry = MODELS[key]
    formula, correlation, variance = entry["ours"]
    given = {"correlation": correlation, "variance": variance}
    structures = {k: eval(text, vars(mt) | {n: getattr(mt, n) for n in ("AR1", "UnequalVariances")})
                  for k, text in given.items() if text}  # fmt: skip
    return mt.lmer(formula, data(entry["data"]), reml=entry["method"] == "REML", **structures)


@pytest.mark.parametrize("key", MODELS)
def test_nlme_gives_the_same(key: str) -> None:
    entry, m = MODELS[key], fit(key)
    assert m.converged
    assert m.npar == entry["npar"]
    assert m.llf - entry["logLik"] == pytest.approx(0, abs=1e-7)
    assert m.llf > entry["logLik"] - 1e-10
    np.testing.assert_allclose(m.params, entry["coef"], rtol=1e-6)
    # nlme's standard errors of an ML fit are those of REML: sigma^2 with n - p
    unbiased = 1.0 if m.reml else np.sqrt(m.nobs / (m.nobs - len(m.params)))
    np.testing.assert_allclose(m.bse * unbiased, entry["se"], rtol=2e-5)
    np.testing.assert_allclose(m.fittedvalues, entry["fitted"], rtol=0, atol=3e-4)
    sds = [value for value in entry["random_sd"] if value is not None]
    ours = m.variance_components["sd"].to_numpy(float)
    # nlme has no zero; and its sigma under unequal variances belongs to the level it meets first
    np.testing.assert_allclose(ours[:-1], sds[:-1], rtol=2e-5, atol=1e-3)
    if "UnequalVariances('Sex')" in entry["ours"]:
        assert m.residual_sd["Female"] == pytest.approx(entry["sigma"], rel=1e-5)
        assert m.residual_parameters.loc["phi", "estimate"] == pytest.approx(
            entry["correlation"], abs=1e-5
        )
    else:
        assert m.sigma == pytest.approx(entry["sigma"], rel=1e-5)
    assert m.coefficients("containment")["df"].tolist() == entry["df"]
    anova = m.anova(type=1, intercept=True, ddf="containment")
    assert anova["den_df"].tolist() == entry["anova"]["den_df"]
    np.testing.assert_allclose(anova["F"] / unbiased**2, entry["anova"]["F"], rtol=1e-4)


# -- algebra ---------------------------------------------------------------------------------------


def random_case(seed: int, crossed: bool):
    """A tied term with covariate columns, beside an untied one that is crossed or nested."""
    rng = np.random.default_rng(seed)
    g = np.concatenate([np.arange(7), rng.integers(0, 7, 53)])
    h = np.concatenate([np.arange(5), rng.integers(0, 5, 55)]) if crossed else 2 * g + (
        rng.integers(0, 2, 60))  # fmt: skip
    h = np.unique(h, return_inverse=True)[1]
    x, z = rng.normal(1.0, 1.0, 60), rng.normal(size=60)
    y = 1 + x + rng.normal(size=7)[g] + x * rng.normal(size=7)[g] + rng.normal(size=60)
    y += rng.normal(size=h.max() + 1)[h] + 1.5 * z * rng.normal(size=h.max() + 1)[h]
    frame = pd.DataFrame({"y": y, "x": x, "z": z, "g": g.astype(str), "h": h.astype(str)})
    codes = [g, h]
    bases = [np.column_stack([np.ones(60), x]), np.column_stack([np.ones(60), z])]
    return frame, codes, bases, [7, int(h.max()) + 1]


def dense_patterns(codes, bases, groups, tied):
    out = []
    for c, basis, m, one in zip(codes, bases, groups, tied, strict=True):
        Z = pls.z_matrix(c, basis, m)
        k = basis.shape[1]
        if one:
            out.append(Z @ Z.T)
            continue
        for a in range(k):
            for b in range(a, k):
                left, right = Z[:, a::k], Z[:, b::k]
                out.append(left @ right.T if a == b else left @ right.T + right @ left.T)
    return out


@pytest.mark.parametrize("crossed", [False, True])
@pytest.mark.parametrize("tied", [(True, False), (False, True), (True, True)])
def test_pieces_are_those_of_dense_matrices(tied: tuple[bool, bool], crossed: bool) -> None:
    frame, codes, bases, groups = random_case(3, crossed)
    K = np.column_stack([np.ones(60), frame["x"], frame["y"]])
    moments = Moments(K, codes, bases, groups, tied)
    theta = np.concatenate([[0.7] if one else [0.8, -0.3, 0.5] for one in tied])
    D = [low @ low.T for low in factors(theta, moments.sizes)]
    G = dense_patterns(codes, bases, groups, tied)
    Z = np.hstack([pls.z_matrix(c, b, m) for c, b, m in zip(codes, bases, groups, strict=True)])
    every = block_diag(*[d for d, m in zip(D, groups, strict=True) for _ in range(m)])
    V = np.eye(60) + Z @ every @ Z.T
    W = np.linalg.inv(V)
    pieces = moments.at(D)
    assert pieces.log_det == pytest.approx(np.linalg.slogdet(V)[1], rel=1e-10)
    checks = {
        "S": (pieces.S, K.T @ W @ K),
        "P": (pieces.P, [K.T @ W @ g @ W @ K for g in G]),
        "Q": (pieces.Q, [[K.T @ W @ g @ W @ h @ W @ K for h in G] for g in G]),
        "T1": (pieces.T1, [np.trace(W @ g) for g in G]),
        "T2": (pieces.T2, [[np.trace(W @ g @ W @ h) for h in G] for g in G]),
    }
    for name, (ours, dense) in checks.items():
        size = np.abs(dense).max()
        np.testing.assert_allclose(ours, dense, rtol=0, atol=1e-9 * size, err_msg=name)
    effects, spread = moments.effects(D, np.array([0.0, 0.0, 1.0]))
    all_b = every @ Z.T @ W @ K[:, 2]
    np.testing.assert_allclose(np.concatenate([b.ravel() for b in effects]), all_b, atol=1e-9)
    all_v = every - every @ Z.T @ W @ Z @ every
    np.testing.assert_allclose(spread[0][3], all_v[6:8, 6:8], atol=1e-9)


@pytest.mark.parametrize("crossed", [False, True])
def test_the_optimum_and_kenward_roger_by_dense_algebra(crossed: bool) -> None:
    frame, codes, bases, groups = random_case(5, crossed)
    m = mt.lmer("y ~ x + (x|||g) + (z|h)", frame)
    assert not m.fit.optimum.zero.any()
    Z = [pls.z_matrix(c, b, k) for c, b, k in zip(codes, bases, groups, strict=True)]

    def deviance(theta):  # the plain path knows no tied effects: give it tau I
        full = np.concatenate([[theta[0], 0.0, theta[0]], theta[1:]])
        return pls.solve(full, m.X, m.fit.problem.y, np.hstack(Z), [2, 2], groups, True).deviance

    assert m.theta.shape == (4,)
    best = deviance(m.theta)
    assert m.deviance == pytest.approx(best, abs=1e-8)
    rng = np.random.default_rng(0)
    for _ in range(40):
        assert deviance(m.theta + 0.05 * rng.normal(size=4)) > best
    V = m.matrices().V.to_numpy()
    dense = DenseKenwardRoger(
        m.X, V, [np.eye(60), *dense_patterns(codes, bases, groups, (True, False))]
    )
    ours = KenwardRoger(m.fit)
    np.testing.assert_allclose(ours.cov, dense.PhiA, rtol=1e-6)
    for L in (np.eye(2), np.eye(2)[1:]):
        F, df = dense.test(L, m.fit.beta)
        assert ours.test(L, m.fit.beta).F == pytest.approx(F, rel=1e-6)
        assert ours.test(L, m.fit.beta).den_df == pytest.approx(df, rel=1e-6)


EQUAL = {
    "machines": ("score ~ Machine", "(0+Machine|||Worker)", "(1|Worker:Machine)"),
    "oats": ("yield ~ variety + nitrogen", "(1|block) + (0+variety|||block)",
             "(1|block) + (1|block:variety)"),
    "sleepstudy": ("Reaction ~ Days", "(0+Half|||Subject)", "(1|Subject:Half)"),
}  # fmt: skip


@pytest.mark.parametrize("name", EQUAL)
def test_indicators_that_share_a_variance_are_an_interaction(name: str) -> None:
    """(0+f|||g) and (1|g:f) are one model: everything that does not name the term is equal."""
    fixed, tied, plain = EQUAL[name]
    frame = data(name)
    if name == "sleepstudy":  # unbalanced, and not every subject has both halves
        frame = frame.assign(Half=np.where(frame["Days"] < 4, "early", "late")).drop(
            index=[*range(4), 17, 18, 44, 60, 61, 62]
        )
    one, other = (mt.lmer(f"{fixed} + {text}", frame) for text in (tied, plain))
    assert one.llf == pytest.approx(other.llf, abs=1e-9)
    assert one.npar == other.npar
    for ddf in ("satterthwaite", "kenward-roger"):
        pd.testing.assert_frame_equal(
            pd.DataFrame(one.anova(ddf=ddf)), pd.DataFrame(other.anova(ddf=ddf)), rtol=1e-6
        )
        np.testing.assert_allclose(
            one.cov_params(ddf), other.cov_params(ddf), rtol=1e-7, atol=1e-10
        )
    np.testing.assert_allclose(one.fittedvalues, other.fittedvalues, rtol=1e-8)
    np.testing.assert_allclose(one.ranova()[["npar", "LRT", "p"]],
                               other.ranova()[["npar", "LRT", "p"]], rtol=1e-6)  # fmt: skip
    np.testing.assert_allclose(
        one.conf_int("profile"), other.conf_int("profile"), rtol=1e-6, atol=1e-8
    )
    np.testing.assert_allclose(one.matrices().V, other.matrices().V, rtol=1e-7, atol=1e-7)
    both = [m.predict(frame.tail(9)) for m in (one, other)]
    np.testing.assert_allclose(*both, rtol=1e-8)


def test_with_a_residual_covariance_it_is_an_interaction_too() -> None:
    machines = data("machines")
    variance = mt.UnequalVariances("Machine")
    one = mt.lmer("score ~ Machine + (0+Machine|||Worker)", machines, variance=variance)
    other = mt.lmer("score ~ Machine + (1|Worker:Machine)", machines, variance=variance)
    assert one.llf == pytest.approx(other.llf, abs=1e-9)
    np.testing.assert_allclose(one.ranova()["LRT"], other.ranova()["LRT"], rtol=1e-6)
    for ddf in ("satterthwaite", "kenward-roger"):
        np.testing.assert_allclose(one.anova(ddf=ddf), other.anova(ddf=ddf), rtol=1e-6)


# -- properties ------------------------------------------------------------------------------------


def test_rows_labels_and_units_of_the_response() -> None:
    sleep = data("sleepstudy")
    m = mt.lmer("Reaction ~ Days + (Days|||Subject)", sleep)
    order = np.random.default_rng(1).permutation(len(sleep))
    moved = sleep.iloc[order].assign(Reaction=lambda d: 1000 * d["Reaction"] + 5e5,
                                     Subject=lambda d: "s" + d["Subject"].astype(str))  # fmt: skip
    other = mt.lmer("Reaction ~ Days + (Days|||Subject)", moved)
    np.testing.assert_allclose(other.theta, m.theta, rtol=1e-7)
    assert other.sigma == pytest.approx(1000 * m.sigma, rel=1e-8)
    np.testing.assert_allclose(other.coefficients()["df"], m.coefficients()["df"], rtol=1e-6)
    # not in the units of the covariate: this is what the note says
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hours = mt.lmer("Reaction ~ Days + (Days|||Subject)", sleep.assign(
            Days=24 * sleep["Days"]))  # fmt: skip
    assert abs(hours.llf - (m.llf - np.log(24))) > 1
    assert "in another unit of Days" in m.notes[-1]
    free = [mt.lmer("Reaction ~ Days + (Days|Subject)", d) for d in (
        sleep, sleep.assign(Days=24 * sleep["Days"]))]  # fmt: skip
    assert free[1].llf == pytest.approx(free[0].llf - np.log(24), abs=1e-6)


def test_the_reference_level_matters_only_where_the_note_says_so() -> None:
    machines = data("machines")
    turned = machines.assign(
        Machine=pd.Categorical(machines["Machine"].astype(str), ["C", "A", "B"])
    )
    for term, same in (("(0+Machine|||Worker)", True), ("(Machine|||Worker)", False)):
        one, other = (mt.lmer(f"score ~ Machine + {term}", d) for d in (machines, turned))
        assert (abs(one.llf - other.llf) < 1e-8) == same
        said = any("reference level of Machine" in note for note in one.notes)
        assert said != same


def test_more_bars_leave_fewer_parameters() -> None:
    sleep = data("sleepstudy")
    models = [
        mt.lmer(f"Reaction ~ Days + (Days{bars}Subject)", sleep) for bars in ("|", "||", "|||")
    ]
    assert [m.npar for m in models] == [6, 5, 4]
    assert models[0].llf > models[1].llf > models[2].llf
    table = mt.compare(*models)
    assert table["df"].tolist()[1:] == [1, 1]
    assert list(table.index) == [m.formula_text for m in models[::-1]]
    again = mt.lmer("Reaction ~ Days + (1 + Days ||| Subject)", sleep)
    assert again.llf == models[2].llf
    assert mt.lmer("Reaction ~ Days + (1|||Subject)", sleep).llf == pytest.approx(
        mt.lmer("Reaction ~ Days + (1|Subject)", sleep).llf, abs=1e-10
    )


def test_tables_refit_simulation_and_bootstrap() -> None:
    m = mt.lmer("score ~ Machine + (1|Worker) + (0+Machine|||Worker)", data("machines"))
    components = m.variance_components
    assert components["group"].tolist() == ["Worker"] * 4 + ["Residual"]
    assert components["variance"][1:4].nunique() == 1
    assert components.notes == [
        "(0 + Machine ||| Worker): one variance for 'Machine[A]', 'Machine[B]' and 'Machine[C]'."
    ]
    own = "sd(Machine[A], Machine[B], Machine[C] | Worker)"
    assert m.variance_names == ["sd(Intercept | Worker)", own, "sd(Residual)"]
    boot = m.conf_int("bootstrap", nsim=40, seed=1)
    assert boot.loc[own, "lower"] < m.theta[1] * m.sigma < boot.loc[own, "upper"]
    y = m.simulate(4000, seed=2).to_numpy()
    np.testing.assert_allclose(np.cov(y), m.matrices().V, atol=0.08 * m.matrices().V.max().max())
    again = m.refit(m.fit.problem.y)
    assert again.llf == pytest.approx(m.llf, abs=1e-10)
    assert again.by_ml().npar == m.npar
    assert list(m.random_effects["Worker"].columns) == [
        "Intercept", "Machine[A]", "Machine[B]", "Machine[C]"
    ]  # fmt: skip
    assert m.optimizer_path(m.theta)["criterion"].iloc[-1] == pytest.approx(m.deviance)
    assert m.profile_deviance(m.theta) == pytest.approx(m.deviance, abs=1e-9)
    labels = m.ranova().index.tolist()
    assert labels == ["<none>", "(1 | Worker)", "(0 + Machine ||| Worker)"]


def test_profile_limits_lie_where_the_deviance_says() -> None:
    m = mt.lmer("Reaction ~ Days + (Days|||Subject)", data("sleepstudy"), reml=False)
    table = m.conf_int("profile")
    Z = pls.z_matrix(m.random[0].codes, m.random[0].basis, 18)
    name = "sd(Intercept, Days | Subject)"
    for side in ("lower", "upper"):
        tau = table.loc[name, side]

        def at(log_sigma, tau=tau):  # sigma free, beta free
            s2 = np.exp(2 * log_sigma)
            V = s2 * np.eye(180) + tau**2 * Z @ Z.T
            W = np.linalg.inv(V)
            r = m.fit.problem.y
            b = np.linalg.solve(m.X.T @ W @ m.X, m.X.T @ W @ r)
            r = r - m.X @ b
            return 180 * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + r @ W @ r

        from scipy.optimize import minimize_scalar

        low = minimize_scalar(at, bounds=(2.5, 4.0), method="bounded", options={"xatol": 1e-9}).fun
        assert low - m.deviance == pytest.approx(3.841458820694124, abs=1e-5)


def test_a_shared_variance_of_zero() -> None:
    m = mt.lmer("yield ~ variety*nitrogen + (1|block) + (0+variety|||block) + (0+nitrogen|||block)",
                data("oats"))  # fmt: skip
    assert m.theta[2] == 0
    assert any("(0 + nitrogen ||| block) then changes nothing" in note for note in m.notes)
    small = mt.lmer("yield ~ variety*nitrogen + (1|block) + (1|block:variety)", data("oats"))
    assert m.llf == pytest.approx(small.llf, abs=1e-8)
    np.testing.assert_allclose(m.anova()["den_df"], small.anova()["den_df"], rtol=1e-6)


# -- bad input -------------------------------------------------------------------------------------

REFUSED = {
    "score ~ Machine + (0+Machine|||Worker) + (1|Worker:Machine)":
        "cannot tell .0 . Machine ... Worker. and .1 . Worker:Machine. apart",
    "score ~ Machine + (Machine|||Worker) + (1|Worker)": "both have a random intercept",
    "score ~ Machine + (Machine||||Worker)": "more than three bars",
    "score ~ Machine + homdiag(Machine|Worker)": r"glmmTMB: write \(Machine\|\|\|Worker\)",
    "score ~ Machine + diag(0 + Machine|Worker)": r"write \(0 \+ Machine\|\|Worker\)",
    "score ~ Machine + (|||Worker)": "needs effects on the left",
}  # fmt: skip


@pytest.mark.parametrize("formula", REFUSED)
def test_what_is_refused(formula: str) -> None:
    with pytest.raises(mt.MixedTeachError, match=REFUSED[formula]):
        mt.lmer(formula, data("machines"))


def test_one_reading_in_each_cell_is_the_residual() -> None:
    with pytest.raises(mt.FitError, match=r"tells .0 . method ... tablet. from the residual"):
        mt.lmer("content ~ method + (0+method|||tablet)", mt.load_tablets())
    # but a factor of which each group sees few levels is no obstacle: it is (1|g:f)
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(12), 6)
    f = np.repeat((np.arange(36) * 5) % 17, 2)
    frame = pd.DataFrame({"y": rng.normal(size=72) + rng.normal(size=(12, 17))[g, f],
                          "g": g.astype(str), "f": [f"level {i}" for i in f]})  # fmt: skip
    one = mt.lmer("y ~ 1 + (0+f|||g)", frame)
    assert one.llf == pytest.approx(mt.lmer("y ~ 1 + (1|g:f)", frame).llf, abs=1e-8)


def test_an_argument_of_other_programs_points_to_the_bars() -> None:
    with pytest.raises(mt.FitError, match=r"\(x\|\|\|g\) for one variance"):
        mt.lmer("score ~ Machine + (1|Worker)", data("machines"), covariance={"Worker": "identity"})


# -- planning --------------------------------------------------------------------------------------


def test_power_is_that_of_the_same_model_written_otherwise() -> None:
    frame = mt.crossed(child=10, dose=["a", "b"], reading=2)
    fixed = {"dose[b]": 0.8}
    one = mt.planned("y ~ dose + (0+dose|||child)", frame, fixed=fixed,
                     sd={"child": 0.8, "Residual": 1})  # fmt: skip
    other = mt.planned("y ~ dose + (1|child:dose)", frame, fixed=fixed,
                       sd={"child:dose": 0.8, "Residual": 1})  # fmt: skip
    tables = [
        mt.power_of(m, ["dose", text], replicates=100, seed=1, method="simulation")
        for m, text in ((one, "(0 + dose ||| child)"), (other, "(1 | child:dose)"))
    ]
    assert tables[0]["power"].tolist() == tables[1]["power"].tolist()
    along = mt.power_curve(one, "dose", {"sd(dose[a], dose[b] | child)": [0.8]}, replicates=100,
                           seed=1)  # fmt: skip
    assert along["power"].iloc[0] == tables[0]["power"].iloc[0]
    with pytest.raises(mt.FitError, match="2 values for 'child'"):
        mt.planned("y ~ dose + (0+dose|||child)", frame, fixed=fixed,
                   sd={"child": [0.8, 0.7], "Residual": 1})  # fmt: skip
    with pytest.raises(mt.FitError, match="are independent: leave it out"):
        mt.planned("y ~ dose + (0+dose|||child)", frame, fixed=fixed,
                   sd={"child": 0.8, "Residual": 1}, corr={"child": 0.5})  # fmt: skip


def test_many_responses_are_fitted_as_one_is() -> None:
    m = mt.lmer("Reaction ~ Days + (Days|||Subject)", data("sleepstudy"))
    Y = m.simulate(6, seed=4)
    many = m.refit_many(Y)
    alone = [m.refit(Y[i]) for i in Y]
    np.testing.assert_allclose(many.llf, [one.llf for one in alone], atol=1e-8)
    np.testing.assert_allclose(many.params, [one.params for one in alone], rtol=1e-8)
