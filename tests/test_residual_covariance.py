"""Residual covariances: algebra, exact special cases, and what must not change the analysis."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.linalg import block_diag

import mixedteach as mt
from mixedteach.fitting.general import whitened_deviance
from mixedteach.inference.distributions import t_quantile
from mixedteach.inference.kenward_roger_nonlinear import KenwardRogerNonlinear

mpl.use("Agg")

SEX = "distance ~ age*Sex"
GONE = [1, 6, 8, 17, 18, 30, 43, 57, 62, 73, 85, 98, 100]
Array = np.ndarray


def children(lost: bool = False) -> pd.DataFrame:
    data = mt.load_orthodont()
    return data.drop(data.index[GONE]) if lost else data


AR = mt.AR1("age", by="Subject")
BY_SEX = mt.UnequalVariances("Sex")
MODELS = {
    "intercept, AR1": {"formula": f"{SEX} + (1|Subject)", "correlation": AR},
    "slope, AR1, sex": {"formula": f"{SEX} + (age|Subject)", "correlation": AR, "variance": BY_SEX},
    "AR1": {"formula": SEX, "correlation": AR},
    "CAR1": {"formula": SEX, "correlation": mt.CAR1("age", by="Subject"), "variance": BY_SEX},
    "symmetry": {"formula": SEX, "correlation": mt.CompoundSymmetry("Subject"), "variance": BY_SEX},
    "unstructured": {
        "formula": SEX, "correlation": mt.Unstructured("age", "Subject"),
        "variance": mt.UnequalVariances("age"),
    },
    "power": {"formula": f"{SEX} + (1|Subject)", "variance": mt.PowerOf("age"), "correlation": AR},
    "power of mean": {"formula": f"{SEX} + (1|Subject)", "variance": mt.PowerOfMean()},
}  # fmt: skip


def fit(formula: str, data: pd.DataFrame | None = None, **more) -> mt.GeneralModel:
    data = children(lost=True) if data is None else data
    return (mt.lmer if "|" in formula else mt.gls)(formula, data, **more)


@pytest.fixture(params=MODELS)
def name(request) -> str:
    return request.param


# -- the deviance, by the plain path ---------------------------------------------------------------


@pytest.mark.parametrize("reml", [True, False])
def test_the_deviance_is_that_of_the_whitened_model(name, reml):
    m = fit(**MODELS[name], reml=reml)
    parts = m.matrices()
    Gamma = parts.R.to_numpy() / m.fit.sigma2
    y, X = parts.y.to_numpy(), parts.X.to_numpy()
    if m.random:
        Z, sizes = parts.Z.to_numpy(), [t.size for t in m.random]
        groups = [t.groups for t in m.random]
        value = whitened_deviance(m.theta, Gamma, X, y, Z, sizes, groups, reml)
        assert value == pytest.approx(m.deviance, abs=1e-7)
    # and that of the normal density itself
    V = parts.V.to_numpy()
    W = np.linalg.inv(V)
    beta = m.params.to_numpy()
    r = y - X @ beta
    n, p = X.shape
    value = np.linalg.slogdet(V)[1] + r @ W @ r + n * np.log(2 * np.pi)
    if reml:
        value += np.linalg.slogdet(X.T @ W @ X)[1] - p * np.log(2 * np.pi)
    assert value == pytest.approx(m.deviance, abs=1e-7)
    assert np.allclose(X.T @ W @ r, 0, atol=1e-6)
    assert np.allclose(m.cov_params(), np.linalg.inv(X.T @ W @ X), rtol=1e-7)


def test_derivatives_of_the_deviance(name):
    m = fit(**MODELS[name])
    criterion, x = m.fit.criterion, m.fit.state.theta
    x = x + 0.03 * np.cos(np.arange(len(x)))
    state, h = criterion.at(x), 1e-5
    steps = h * np.eye(len(x))
    gradient = [(criterion.value(x + e) - criterion.value(x - e)) / (2 * h) for e in steps]
    hessian = [(criterion.at(x + e).gradient - criterion.at(x - e).gradient) / (2 * h)
               for e in steps]  # fmt: skip
    assert np.allclose(state.gradient, gradient, rtol=1e-5, atol=1e-4)
    assert np.allclose(state.hessian, hessian, rtol=1e-5, atol=1e-4)


def test_random_effects_and_normalised_residuals(name):
    m = fit(**MODELS[name])
    parts = m.matrices()
    r = parts.y.to_numpy() - parts.X.to_numpy() @ m.params.to_numpy()
    if m.random:
        b = parts.G.to_numpy() @ parts.Z.to_numpy().T @ np.linalg.solve(parts.V.to_numpy(), r)
        ours = m.random_effects["Subject"].to_numpy().ravel()
        assert np.allclose(ours, b, atol=1e-8)
        G, Z = parts.G.to_numpy(), parts.Z.to_numpy()
        D = G - G @ Z.T @ np.linalg.inv(parts.V.to_numpy()) @ Z @ G
        se = m.random_effects_se["Subject"].to_numpy().ravel()
        assert np.allclose(se, np.sqrt(np.diag(D)), atol=1e-8)
    e = m.resid.to_numpy()
    length = e @ np.linalg.solve(parts.R.to_numpy(), e)
    assert (m.normalised_resid**2).sum() == pytest.approx(length, rel=1e-9)


def test_normalised_residuals_of_ar1_are_innovations():
    m = fit(SEX, children(), correlation=AR)
    phi = m.residual_parameters["estimate"]["phi"]
    own = m.frame["Subject"] == "M01"
    e, u = m.resid[own].to_numpy() / m.sigma, m.normalised_resid[own].to_numpy()
    assert u[0] == pytest.approx(e[0])
    assert np.allclose(u[1:], (e[1:] - phi * e[:-1]) / np.sqrt(1 - phi**2))


# -- degrees of freedom ----------------------------------------------------------------------------


def test_compound_symmetry_is_a_random_intercept():
    for data in (children(), children(lost=True)):
        a = fit(f"{SEX} + (1|Subject)", data)
        b = fit(SEX, data, correlation=mt.CompoundSymmetry(by="Subject"))
        assert b.llf == pytest.approx(a.llf, abs=1e-9)
        rho = b.residual_parameters["estimate"]["rho"]
        assert rho == pytest.approx(a.icc["Subject"], rel=1e-6)
        for ddf in ("satterthwaite", "kenward-roger"):
            x, y = a.coefficients(ddf), b.coefficients(ddf)
            assert np.allclose(x[["estimate", "SE", "df"]], y[["estimate", "SE", "df"]], rtol=1e-7)
            x, y = a.anova(ddf=ddf), b.anova(ddf=ddf)
            assert np.allclose(x[["den_df", "F", "p"]], y[["den_df", "F", "p"]], rtol=1e-6)
            x, y = a.emmeans("Sex", ddf=ddf).pairs(), b.emmeans("Sex", ddf=ddf).pairs()
            assert np.allclose(x[["SE", "df"]], y[["SE", "df"]], rtol=1e-7)


def test_two_groups_of_unequal_variance_are_welchs_test():
    rng = np.random.default_rng(3)
    g = np.repeat(["a", "b"], [7, 12])
    y = rng.normal(size=19) * np.where(g == "a", 1.0, 3.0) + (g == "b")
    m = mt.gls("y ~ g", pd.DataFrame({"g": g, "y": y}), variance=mt.UnequalVariances("g"))
    from scipy import stats

    welch = stats.ttest_ind(y[g == "b"], y[g == "a"], equal_var=False)
    v = np.array([y[g == "a"].var(ddof=1) / 7, y[g == "b"].var(ddof=1) / 12])
    df = v.sum() ** 2 / (v**2 / [6, 11]).sum()
    for ddf in ("satterthwaite", "kenward-roger"):
        row = m.coefficients(ddf).loc["g[b]"]
        assert row["df"] == pytest.approx(df, rel=1e-6)
        assert row["t"] == pytest.approx(welch.statistic, rel=1e-6)
        assert row["p"] == pytest.approx(welch.pvalue, rel=1e-5)
    assert m.residual_sd["b"] == pytest.approx(y[g == "b"].std(ddof=1), rel=1e-6)


def test_unstructured_complete_data_have_the_exact_df_of_subject_means():
    data = children()
    m = mt.gls("distance ~ C(age)*Sex", data, correlation=mt.Unstructured("age", by="Subject"),
               variance=mt.UnequalVariances("age"))  # fmt: skip
    means = data.groupby(["Subject", "Sex"], observed=True)["distance"].mean().reset_index()
    plain = mt.lm("distance ~ Sex", means).emmeans("Sex").pairs()
    for ddf in ("satterthwaite", "kenward-roger"):
        ours = m.emmeans("Sex", ddf=ddf).pairs()
        assert np.allclose(
            ours[["estimate", "SE", "df"]], plain[["estimate", "SE", "df"]], rtol=1e-6
        )


def dense_kenward_roger(V_of, x: Array, X: Array) -> tuple[Array, Array, Array]:
    """Return Phi, Phi_A and the df of the coefficients by n x n algebra, for any parameters x."""
    k, h = len(x), 1e-4
    e = h * np.eye(k)
    V = V_of(x)
    first = [(V_of(x + e[i]) - V_of(x - e[i])) / (2 * h) for i in range(k)]

    def bend(a, b):
        return V_of(x + a + b) - V_of(x + a - b) - V_of(x - a + b) + V_of(x - a - b)

    second = [[bend(a, b) / (4 * h**2) for b in e] for a in e]
    W = np.linalg.inv(V)
    Phi = np.linalg.inv(X.T @ W @ X)
    project = W - W @ X @ Phi @ X.T @ W
    info = [[0.5 * np.trace(project @ a @ project @ b) for b in first] for a in first]
    w = np.linalg.inv(info)
    P = [X.T @ W @ a @ W @ X for a in first]
    middle = np.zeros_like(Phi)
    bias = np.zeros(k)
    for i in range(k):
        for j in range(k):
            Q = X.T @ W @ first[i] @ W @ first[j] @ W @ X
            R = X.T @ W @ second[i][j] @ W @ X
            middle += w[i, j] * (Q - P[i] @ Phi @ P[j] - R / 4)
            for a in range(k):
                trace = np.trace(project @ second[i][j] @ project @ first[a])
                bias -= 0.25 * w[:, a] * w[i, j] * trace
    adjusted = (
        Phi + 2 * Phi @ middle @ Phi - sum(b * Phi @ p @ Phi for b, p in zip(bias, P, strict=True))
    )
    df = []
    for l in np.eye(len(Phi)):  # noqa: E741
        g = np.array([l @ Phi @ p @ Phi @ l for p in P])
        df.append(2 * (l @ Phi @ l) ** 2 / (g @ w @ g))
    return Phi, adjusted, np.array(df)


@pytest.mark.parametrize("turned", [False, True])
def test_kenward_roger_by_dense_algebra_and_in_other_parameters(turned):
    m = fit(f"{SEX} + (1|Subject)", correlation=AR, variance=BY_SEX)
    data, X = m.frame, m.X
    same = (data["Subject"].to_numpy()[:, None] == data["Subject"].to_numpy()).astype(float)
    visit = pd.factorize(data["age"], sort=True)[0]
    lag = np.abs(visit[:, None] - visit)
    female = (data["Sex"] == "Female").to_numpy()
    shown = m.residual_parameters["estimate"]
    tau2 = m.variance_components["variance"].iloc[0]

    def V_of(x):
        if turned:  # other parameters of the same covariances
            tau2, s2, phi, ratio = np.exp(x[0]), x[1] ** 2, np.tanh(x[2]), np.exp(x[3])
        else:
            tau2, s2, phi, ratio = x
        sd = np.where(female, ratio, 1.0)
        return same * (tau2 + s2 * np.outer(sd, sd) * np.power(phi, lag))

    ratio = shown["sd ratio Female/Male"]
    x = np.array([tau2, shown["sigma"] ** 2, shown["phi"], ratio])
    if turned:
        x = np.array([np.log(tau2), shown["sigma"], np.arctanh(shown["phi"]), np.log(ratio)])
    Phi, adjusted, df = dense_kenward_roger(V_of, x, X)
    assert np.allclose(m.cov_params(), Phi, rtol=1e-6)
    assert np.allclose(m.cov_params("kenward-roger"), adjusted, rtol=1e-5)
    assert np.allclose(m.coefficients("kenward-roger")["df"], df, rtol=1e-5)


def test_satterthwaite_by_differences():
    m = fit(f"{SEX} + (1|Subject)", correlation=AR, variance=BY_SEX)
    criterion, fitted = m.fit.criterion, m.fit

    def parts(z):  # (x, log sigma)
        pieces, _ = criterion.moments.at(criterion.D(z[:-1]), z[1:-1], derivatives=False)
        _, r2, _, Phi = criterion.profile(pieces)
        full = criterion.value(z[:-1]) - criterion.df * np.log(r2)
        full += 2 * criterion.df * z[-1] + r2 / np.exp(2 * z[-1])
        cov = np.exp(2 * z[-1]) * fitted.inverse_R @ Phi @ fitted.inverse_R.T
        return full, np.diag(cov)

    z, h = np.append(fitted.state.theta, 0.5 * np.log(fitted.sigma2)), 1e-4
    e = h * np.eye(len(z))
    J = np.array([(parts(z + s)[1] - parts(z - s)[1]) / (2 * h) for s in e])
    H = np.array([[(parts(z + a + b)[0] - parts(z + a - b)[0] - parts(z - a + b)[0]
                    + parts(z - a - b)[0]) / (4 * h**2) for b in e] for a in e])  # fmt: skip
    A = 2 * np.linalg.inv(H)
    df = 2 * parts(z)[1] ** 2 / np.einsum("ip,ij,jp->p", J, A, J)
    assert np.allclose(m.coefficients("satterthwaite")["df"], df, rtol=1e-4)


# -- what must not change --------------------------------------------------------------------------


def answers(m: mt.GeneralModel) -> Array:
    """Return what an analysis reports, free of names and of the order of rows."""
    means = m.emmeans("Sex", ddf="kenward-roger").sort_values("emmean")
    anova = [m.anova(ddf=ddf).loc["age:Sex", ["F", "den_df", "p"]] for ddf in
             ("satterthwaite", "kenward-roger")]  # fmt: skip
    return np.concatenate([means[["emmean", "SE", "df"]].to_numpy().ravel(), *anova, [m.llf]])


def test_rows_in_any_order(name):
    data = children(lost=True)
    a = fit(**MODELS[name], data=data)
    b = fit(**MODELS[name], data=data.sample(frac=1, random_state=1))
    assert np.allclose(answers(a), answers(b), rtol=1e-6)
    assert np.allclose(a.residual_parameters, b.residual_parameters, rtol=1e-5, equal_nan=True)
    u = b.normalised_resid.loc[a.frame.index]
    if name != "symmetry":  # equal correlation knows no order of its rows
        assert np.allclose(a.normalised_resid, u, atol=1e-5)


def test_other_names_of_levels(name):
    data = children(lost=True)
    other = data.assign(
        Subject=data["Subject"].astype(str).map(lambda s: "x" + s[::-1]),
        Sex=pd.Categorical(data["Sex"].map({"Male": "zz", "Female": "aa"}), ["zz", "aa"]),
    )
    assert np.allclose(
        answers(fit(**MODELS[name], data=data)), answers(fit(**MODELS[name], data=other)), rtol=1e-6
    )


@pytest.mark.parametrize("name", [n for n in MODELS if "mean" not in n])
def test_units_and_origin_of_response_and_covariate(name):
    data = children(lost=True)
    a = fit(**MODELS[name], data=data)
    b = fit(**MODELS[name], data=data.assign(distance=1000 * data["distance"] - 5e5))
    x, y = answers(a), answers(b)
    n, p = a.nobs, len(a.params)
    scale = np.array([1000, 1000, 1] * 2)
    assert np.allclose(x[:6] * scale - np.array([5e5, 0, 0] * 2), y[:6], rtol=1e-6)
    assert np.allclose(x[6:12], y[6:12], rtol=1e-5)
    assert b.llf == pytest.approx(a.llf - (n - p) * np.log(1000), abs=1e-6)
    if name != "power":  # a power of age depends on where age begins
        c = fit(**MODELS[name], data=data.assign(age=data["age"] - 1e4))
        assert np.allclose(x[6:12], answers(c)[6:12], rtol=1e-4)


def test_ar1_counts_visits_and_car1_measures_time():
    data = children(lost=True)
    stretched = data.assign(age=data["age"] ** 2)
    other = data.assign(visit=pd.factorize(data["age"], sort=True)[0])
    a = fit(SEX, data, correlation=AR)
    b = fit(SEX, other, correlation=mt.AR1("visit", by="Subject"))
    assert a.llf == b.llf
    names = {"formula": "distance ~ Sex", "correlation": AR}
    assert fit(data=data, **names).llf == fit(data=stretched, **names).llf
    cont = mt.CAR1("age", by="Subject")
    c, d = fit(SEX, data, correlation=cont), fit("distance ~ Sex", stretched, correlation=cont)
    assert c.residual_parameters["estimate"]["phi"] == pytest.approx(
        np.sqrt(a.residual_parameters["estimate"]["phi"]), rel=1e-5
    )  # ages are two years apart
    assert abs(d.llf - fit(data=data, **names).llf) > 1e-3


def test_missing_rows_are_left_out_and_counted():
    data = children()
    data.loc[3, "age"] = np.nan
    data = data.assign(device=np.where(np.arange(len(data)) % 3, "a", "b").astype(object))
    data.loc[[10, 20], "device"] = None
    m = mt.gls("distance ~ Sex", data, correlation=mt.AR1("age", by="Subject"),
               variance=mt.UnequalVariances("device"))  # fmt: skip
    assert m.nobs == 105
    assert "3 of 108 rows left out for missing values (age 1, device 2)." in m.notes
    again = mt.gls("distance ~ Sex", data.dropna(), correlation=mt.AR1("age", by="Subject"),
                   variance=mt.UnequalVariances("device"))  # fmt: skip
    assert m.llf == again.llf


# -- the rest of what a model offers ---------------------------------------------------------------


def test_a_model_offers_what_a_mixed_model_does(name):
    m = fit(**MODELS[name])
    text = str(m.summary())
    assert "Residuals: " in text
    assert "sigma" in text
    for call in (m.coefficients, m.anova, m.by_ml, m.optimizer_path, m.matrices, m._repr_html_):
        call()
    assert m.profile_deviance(m.theta) == pytest.approx(m.deviance, abs=1e-6)
    shown = m.residual_parameters["estimate"].iloc[1:]
    assert m.profile_deviance(m.theta, shown) == pytest.approx(m.deviance, abs=1e-6)
    new = m.frame.head(3)
    assert np.allclose(m.predict(new, random=False), m.X[:3] @ m.params)
    assert len(m.predict()) == m.nobs
    limits = m.predict(new, random=False, intervals=True)
    assert (limits["new_upper"] > limits["upper"]).all()
    draws = m.simulate(4000, seed=1).to_numpy()
    V = m.matrices().V.to_numpy()
    assert np.abs(np.cov(draws[:12]) - V[:12, :12]).max() < 0.12 * V.max()
    again = m.refit(m.simulate(1, seed=2)[0])
    assert type(again) is mt.GeneralModel
    assert again.fit.residual.text == m.fit.residual.text
    if m.random:
        table = m.ranova()
        assert (table["LRT"].iloc[1:] >= 0).all()
    boot = m.conf_int("bootstrap", nsim=3, seed=1)
    assert set(m.residual_parameters.index) <= set(boot.index)


def test_profile_limits_lie_where_the_deviance_says():
    m = fit(f"{SEX} + (1|Subject)", correlation=AR, variance=BY_SEX)
    table = m.conf_int("profile")
    from scipy.optimize import minimize

    criterion = m.fit.criterion
    for place, name in ((1, "phi"), (2, "sd ratio Female/Male")):
        for limit in table.loc[name, ["lower", "upper"]]:
            fixed = limit if place == 1 else np.log(limit)
            free = [i for i in range(3) if i != place]

            def value(z, fixed=fixed, place=place, free=free):
                x = np.empty(3)
                x[place], x[free] = fixed, z
                return criterion.value(x)

            best = minimize(value, m.fit.state.theta[free], method="Nelder-Mead",
                            options={"xatol": 1e-7, "fatol": 1e-9})  # fmt: skip
            assert best.fun - m.deviance == pytest.approx(3.841459, abs=1e-4)


def test_compare_takes_all_kinds():
    data = children()
    models = [
        mt.lm(SEX, data),
        mt.gls(SEX, data, variance=BY_SEX),
        mt.lmer(f"{SEX} + (1|Subject)", data),
        mt.lmer(f"{SEX} + (1|Subject)", data, correlation=AR, variance=BY_SEX),
    ]
    table = mt.compare(*models)
    assert table.attrs["method"] == "REML"
    assert list(table["npar"]) == [5, 6, 6, 8]
    assert "variance=UnequalVariances('Sex')" in "".join(table.index)
    assert table["p"].iloc[-1] < 0.001
    by_ml = mt.compare(models[3], mt.lmer("distance ~ age + (1|Subject)", data))
    assert by_ml.attrs["method"] == "ML"


def test_gls_without_structure_is_least_squares():
    data = mt.load_tablets()
    a, b = mt.gls("content ~ method", data), mt.lm("content ~ method", data)
    for ddf in ("residual", "satterthwaite", "kenward-roger"):
        assert np.allclose(a.coefficients(ddf), b.coefficients())


def test_one_series_needs_no_groups():
    rng = np.random.default_rng(2)
    e = rng.normal(size=80)
    for i in range(1, 80):
        e[i] += 0.7 * e[i - 1]
    data = pd.DataFrame({"t": np.arange(80), "y": e})
    m = mt.gls("y ~ t", data, correlation=mt.AR1("t"))
    low, high = m.residual_parameters.loc["phi", ["lower", "upper"]]
    assert low < 0.7 < high


def test_groups_by_combinations_of_columns():
    data = mt.load_machines()
    data = data.assign(turn=data.groupby(["Worker", "Machine"], observed=True).cumcount())
    both = data["Worker"].astype(str) + "-" + data["Machine"].astype(str)
    a = mt.lmer("score ~ Machine + (1|Worker)", data, correlation=mt.AR1("turn", "Worker:Machine"))
    b = mt.lmer("score ~ Machine + (1|Worker)", data.assign(both=both),
                correlation=mt.AR1("turn", "both"))  # fmt: skip
    assert a.llf == b.llf


def test_crossed_random_effects_can_have_a_residual_covariance():
    data = mt.load_penicillin()
    plain = mt.lmer("diameter ~ 1 + (1|plate) + (1|sample)", data)
    m = mt.lmer("diameter ~ 1 + (1|plate) + (1|sample)", data,
                variance=mt.UnequalVariances("sample"))  # fmt: skip
    assert m.llf > plain.llf
    at_one = m.profile_deviance(plain.theta, np.ones(5))
    assert at_one == pytest.approx(plain.deviance, abs=1e-8)


def test_few_groups_and_many_correlations_are_said_in_words():
    data = children()
    few = data[data["Subject"].isin(data["Subject"].unique()[9:20])]
    structure = mt.Unstructured("age", by="Subject")
    m = mt.gls(SEX, few, correlation=structure)
    assert sum("hardly determined by 11 groups" in note for note in m.notes) == 1
    assert len(m.by_ml().notes) == len(m.notes)
    assert mt.gls(SEX, data, correlation=structure).notes == []
    mean = mt.gls(SEX, data, variance=mt.PowerOfMean())
    assert len(mean.by_ml().notes) == len(mean.notes) == 1


def test_pictures_draw_it_or_say_that_they_cannot():
    m = fit(f"{SEX} + (1|Subject)", children(), correlation=AR, variance=BY_SEX)
    cells = mt.plot.covariance(m, groups=2).images[0].get_array().filled(0)
    first = m.frame["Subject"].isin(["F01", "F02"])
    V = m.matrices().V.loc[m.frame.index[first], m.frame.index[first]]
    assert np.allclose(cells, V)
    for draw in (mt.plot.caterpillar, mt.plot.design):
        draw(m)
    ax = mt.plot.residuals(m)
    assert np.allclose(ax.lines[1].get_ydata(), m.normalised_resid)
    assert ax.get_ylabel() == "Normalised residual"
    assert mt.plot.residuals(m, by="Sex").get_ylabel() == "Residual [mm]"
    assert mt.plot.qq(m).get_ylabel() == "Normalised residuals"
    for draw in (mt.plot.likelihood, mt.plot.likelihood_contour, mt.plot.shrinkage,
                 mt.plot.variances, mt.explore.likelihood, mt.explore.shrinkage):  # fmt: skip
        with pytest.raises(mt.InferenceError, match="independent residuals of equal variance"):
            draw(m)
    free = fit(SEX, correlation=AR)
    for draw in (mt.plot.likelihood, mt.plot.caterpillar, mt.plot.design, mt.explore.shrinkage):
        with pytest.raises(mt.InferenceError, match=r"fitted by gls\(\), has none"):
            draw(free)
    with pytest.raises(mt.InferenceError, match=r"covariance\(m.matrices\(\).V\)"):
        mt.plot.covariance(free)
    mt.plot.covariance(free.matrices().V.iloc[:8, :8])
    plt.close("all")


def test_simulated_coverage_of_kenward_roger():
    """AR1 in ten subjects: 95% intervals cover, within three Monte-Carlo errors (400 fits)."""
    rng = np.random.default_rng(7)
    s, t = (a.ravel() for a in np.indices((10, 5)))
    keep = rng.random(50) > 0.14
    data = pd.DataFrame({"s": s, "t": t, "g": np.where(s % 2, "b", "a")})[keep]
    data["y"] = rng.normal(size=len(data))
    m = mt.gls("y ~ g", data, correlation=mt.AR1("t", by="s"))
    times = [own.to_numpy() for _, own in data.groupby("s")["t"]]
    V = block_diag(*[0.6 ** np.abs(np.subtract.outer(own, own)) for own in times])
    F = np.linalg.cholesky(V)
    covered = []
    for _ in range(400):
        again = m.fit.problem.refit(F @ rng.normal(size=len(data)), True, m.fit.warm)
        method = KenwardRogerNonlinear(again)
        df = method.df(np.array([[0.0, 1.0]]))
        half = t_quantile(0.975, df) * np.sqrt(method.cov[1, 1])
        covered.append(abs(again.beta[1]) < half)
    assert abs(np.mean(covered) - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 400)


def test_more_parameters_never_fit_worse():
    """A variance for each child (27, of four readings each): the likelihood has several valleys."""
    data = mt.load_orthodont()
    own = {"variance": mt.UnequalVariances("Subject")}
    bars = [mt.lmer(f"{SEX} + (age{b}Subject)", data, **own).llf for b in ("|||", "||", "|")]
    assert bars[0] <= bars[1] <= bars[2]
    assert bars[2] == pytest.approx(-184.5140620, abs=1e-6)


@pytest.mark.parametrize(
    "structure", [mt.CompoundSymmetry("Subject"), mt.Unstructured("age", by="Subject")]
)
@pytest.mark.parametrize("term", ["(0+Sex|||Subject)", "(0+Sex|Subject)"])
def test_columns_that_are_constant_in_a_group_are_an_intercept(structure, term):
    with pytest.raises(mt.FitError, match="cannot tell them apart: leave one of the two out"):
        mt.lmer(f"{SEX} + {term}", mt.load_orthodont(), correlation=structure, variance=BY_SEX)
