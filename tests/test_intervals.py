"""Profile and bootstrap intervals: against R, against the definition, and at the boundary.

The limits in ``extra_reference.json`` were computed in R by the definition (the deviance minimised
over everything else, ``uniroot`` for the crossing), because lme4's own profiles leave the curve for
some of these models; they are met to 1e-6. Limits printed by lme4's ``confint`` come from splines
through a coarse profile and hold to 1e-3.
"""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pandas as pd
import parity
import pytest
from scipy import optimize, special

import mixedteach as mt
from mixedteach.errors import FitError, InferenceError
from mixedteach.fitting import batch, pls
from mixedteach.fitting.lmm import Problem, semidefinite_cholesky
from mixedteach.inference import profile as profile_module
from mixedteach.inference.bootstrap import bootstrap, bootstrap_estimates
from mixedteach.inference.profile import profile

MAIN = parity.load("r_reference.json")
EXTRA = parity.load("extra_reference.json")
CUTOFF = float(special.chdtri(1, 0.05))
ENDS = {"sd": (0.0,), "corr": (-1.0, 1.0)}


# -- against R -------------------------------------------------------------------------------------


def spelled(label: str) -> tuple:
    """Reduce a parameter's name, R's or ours, to one spelling."""
    if label in ("sigma", "sd(Residual)"):
        return ("sigma",)
    if m := re.fullmatch(r"(sd|cor)_(.*)\|(.*)", label):  # R: cor_x.(Intercept)|g
        effects = re.split(r"\.(?=\()", m[2]) if m[1] == "cor" else [m[2]]
    elif m := re.fullmatch(r"(sd|cor)r?\((.*) \| (.*)\)", label):
        effects = m[2].split(", ")
    else:
        return ("beta", parity.key(label))
    return (m[1], *sorted(parity.key(name) for name in effects), parity.key(m[3]))


def disagreement(table: pd.DataFrame, reference: list[dict]) -> dict[tuple, float]:
    """Largest error of each parameter that R gives, relative to its larger limit."""
    ours = {spelled(name): row for name, row in table.iterrows()}
    out = {}
    for row in reference:
        if row["2.5 %"] is not None:
            limits = np.array([row["2.5 %"], row["97.5 %"]], float)
            mine = ours[spelled(row["term"])][["lower", "upper"]].to_numpy(float)
            out[spelled(row["term"])] = np.abs(mine - limits).max() / np.abs(limits).max()
    return out


DIRECT = [(n, e) for n, e in EXTRA["lmer"].items() if e.get("confint_profile")]
DIRECT += list(EXTRA["profiles"].items())


@pytest.mark.parametrize(("name", "entry"), DIRECT, ids=[name for name, _ in DIRECT])
def test_profile_equals_the_definition_in_r(name, entry):
    data = parity.frame(entry["data"], EXTRA)
    model = mt.lmer(parity.formula(entry["formula"]), data)
    table = profile(model)
    errors = disagreement(table, entry["confint_profile"])
    assert len(errors) == len(table)
    assert max(errors.values()) < 1e-6, errors


def test_profile_equals_lme4_on_sleepstudy():
    model = mt.lmer("Reaction ~ Days + (Days|Subject)", mt.load_sleepstudy())
    errors = disagreement(profile(model), MAIN["lmer"]["sleepstudy"]["confint_profile"])
    assert len(errors) == 6
    assert max(errors.values()) < 1e-3


@pytest.mark.parametrize("name", ["tablets", "tablets_missing"])
def test_profile_of_fixed_effects_equals_lme4(name):
    model = mt.lmer("content ~ method + (1|tablet)", getattr(mt, f"load_{name}")())
    reference = MAIN["lmer"][name]["confint_profile"]
    errors = disagreement(profile(model), [r for r in reference if "sd_" not in r["term"]])
    assert len(errors) == 2
    assert max(errors.values()) < 1e-5


# confint(lmer(..., control = lmerControl("bobyqa", optCtrl = list(rhoend = 1e-9))),
#         devtol = 1e-6, oldNames = FALSE), R 4.2, lme4 1.1-31
LME4 = {
    "machines": [
        ("sd_(Intercept)|Worker:Machine", 2.35280366, 5.4315029),
        ("sd_(Intercept)|Worker", 1.95145805, 9.4105840),
        ("sigma", 0.77595066, 1.2349657),
        ("(Intercept)", 47.39516108, 57.3159486),
        ("MachineB", 3.73809037, 12.1952429),
    ],
    "penicillin": [
        ("sd_(Intercept)|plate", 0.63356579, 1.18210398),
        ("sd_(Intercept)|sample", 1.09578926, 3.55629191),
        ("sigma", 0.48584540, 0.62945348),
        ("(Intercept)", 21.26662738, 24.67781762),
    ],
    "sleepstudy_diag": [
        ("sd_(Intercept)|Subject", 15.2586469, 37.7864725),
        ("sd_Days|Subject", 3.9640738, 8.7691591),
        ("sigma", 22.8805546, 28.7875976),
        ("(Intercept)", 237.5721480, 265.2380618),
        ("Days", 7.3340668, 13.6005051),
    ],
    "singular": [
        ("sd_(Intercept)|u", 0.0, 0.23212966),
        ("sigma", 0.88543724, 1.17568570),
        ("(Intercept)", 4.60724245, 5.31663255),
        ("gb", -0.66317705, 0.34005205),
        ("gc", -0.23614580, 0.76708330),
    ],
}


@pytest.mark.parametrize("name", LME4)
def test_profile_equals_lme4(name):
    entry = MAIN["lmer"][name]
    data = parity.frame(entry["data"], MAIN)
    table = profile(mt.lmer(parity.formula(entry["formula"]), data))
    rows = [{"term": t, "2.5 %": low, "97.5 %": high} for t, low, high in LME4[name]]
    errors = disagreement(table, rows)
    assert len(errors) == len(rows)
    assert max(errors.values()) < 1e-4, errors


# -- against the definition, by the plain path -----------------------------------------------------


def plain_minimum(model, fixed: str | None = None, value: float = 0.0) -> float:
    """ML deviance minimised over all but one parameter: standard deviations, correlations, sigma.

    Only `pls.solve` is shared with the package's profile: not the parametrisation, not the
    derivatives, not the search.
    """
    problem, n = model.fit.problem, model.nobs
    X, y = problem.X, problem.y
    names = [name for name in profile_names(model) if name not in model.params.index]
    if fixed in model.params.index:
        j = list(model.params.index).index(fixed)
        y, X = y - value * X[:, j], np.delete(X, j, axis=1)
    Z = np.hstack(
        [
            pls.z_matrix(*args)
            for args in zip(problem.codes, problem.bases, problem.groups, strict=True)
        ]
    )
    sizes = [term.size for term in model.random]

    def deviance(full):
        sigma, theta, i = full[-1], [], 0
        for k in sizes:
            sd, corr = full[i : i + k], np.eye(k)
            i += k
            for a, b in zip(*np.triu_indices(k, 1), strict=True):
                corr[a, b] = corr[b, a] = full[i]
                i += 1
            if np.linalg.eigvalsh(corr).min() < -1e-12:
                return 1e6
            factor = sd[:, None] * semidefinite_cholesky(corr) / sigma
            theta.append(factor.T[np.triu_indices(k)])
        try:
            s = pls.solve(np.concatenate(theta), X, y, Z, sizes, problem.groups, reml=False)
        except np.linalg.LinAlgError:  # a step so far that rounding takes X'WX: no minimum there
            return 1e6
        return n * np.log(2 * np.pi * sigma**2) + 2 * s.log_det_L + s.r2 / sigma**2

    estimate = profile_names(model.by_ml())
    start = np.nan_to_num(np.array([estimate[name] for name in names]))
    bounds = [(-0.99999, 0.99999) if n.startswith("corr") else (0.0, None) for n in names]
    bounds[-1] = (1e-3 * start[-1], None)
    free = np.array([name != fixed for name in names])
    full = start.copy()
    full[~free] = value

    def inner(x):
        full[free] = x
        return deviance(full)

    found = []
    for begin in (start, np.where(np.char.startswith(names, "corr"), 0.0, start + 0.3 * start[-1])):
        result = optimize.minimize(
            inner, begin[free], method="L-BFGS-B",
            bounds=[b for b, f in zip(bounds, free, strict=True) if f],
            options={"ftol": 1e-15, "gtol": 1e-8},
        )  # fmt: skip
        found.append(result.fun)
    return min(found)


def profile_names(model) -> dict[str, float]:
    """Our labels with the estimates of `model`, built from its table of variance components."""
    out, table = {}, model.variance_components
    for _, row in table.iterrows():
        if row["group"] == "Residual":
            out["sd(Residual)"] = row["sd"]
        elif row.get("name2"):
            out[f"corr({row['name']}, {row['name2']} | {row['group']})"] = row["corr"]
        else:
            out[f"sd({row['name']} | {row['group']})"] = row["sd"]
    return {**out, **model.params}


def crossed(seed: int = 3, n: int = 40) -> pd.DataFrame:
    """An unbalanced crossed design in which one variance is small."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 8, n), rng.integers(0, 5, n)
    x = rng.normal(size=n)
    y = 2 + 0.5 * x + rng.normal(size=8)[a] + 0.2 * rng.normal(size=5)[b] + rng.normal(size=n)
    return pd.DataFrame({"y": y, "x": x, "a": a.astype(str), "b": b.astype(str)})


def check_limits(model, labels=None):
    table, minimum = profile(model), plain_minimum(model)
    assert minimum == pytest.approx(model.by_ml().deviance, abs=1e-5)
    for label in labels or table.index:
        for side in ("lower", "upper"):
            value = table.loc[label, side]
            inside = np.clip(value, -0.99999, 0.99999) if label.startswith("corr") else value
            drop = plain_minimum(model, label, inside) - minimum
            if value in ENDS.get(label.split("(")[0], ()):
                assert drop <= CUTOFF + 1e-3, (label, side)
            else:
                assert drop == pytest.approx(CUTOFF, abs=1e-3), (label, side)


def test_limits_of_tablets_by_the_plain_path():
    # lme4's profile of this model is NA for sigma and ends below the estimate for the other sd
    check_limits(mt.lmer("content ~ method + (1|tablet)", mt.load_tablets()))


def test_limits_of_sleepstudy_by_the_plain_path():
    model = mt.lmer("Reaction ~ Days + (Days|Subject)", mt.load_sleepstudy())
    check_limits(model, ["sd(Days | Subject)", "corr(Intercept, Days | Subject)"])


def test_limits_of_crossed_factors_by_the_plain_path():
    check_limits(mt.lmer("y ~ x + (1|a) + (1|b)", crossed()))


def test_limits_of_three_components_by_the_plain_path():
    model = mt.lmer("y ~ x + (1|a) + (1|b) + (1|a:b)", crossed(7, 50))
    check_limits(model, ["sd(Intercept | a)", "x"])


def test_limits_with_three_correlated_effects_by_the_plain_path():
    rng = np.random.default_rng(4)
    g, x, z = np.repeat(np.arange(14), 6), rng.normal(size=84), rng.normal(size=84)
    b = rng.normal(size=(14, 3)) @ np.array([[1, 0.6, 0.2], [0, 0.8, 0.1], [0, 0, 0.9]])
    y = b[g, 0] + b[g, 1] * x + b[g, 2] * z + 0.5 * rng.normal(size=84)
    data = pd.DataFrame({"y": y, "x": x, "z": z, "g": g.astype(str)})
    model = mt.lmer("y ~ 1 + (x + z|g)", data)
    assert len(profile(model)) == 8
    check_limits(model, ["sd(z | g)", "corr(x, z | g)"])


def test_a_limit_where_the_deviance_has_two_minima():
    """With one correlation fixed at 0.55 the nearest minimum of the deviance is 0.17 too high."""
    rng = np.random.default_rng(407)
    groups, n = int(rng.integers(8, 14)), int(rng.integers(60, 110))
    g = rng.integers(groups, size=n)
    rng.integers(4, size=n)
    x, _ = rng.normal(size=n).round(3), rng.normal(size=n)
    f = rng.choice(["u", "v", "w"], n)
    b = rng.normal(size=(3, 3)) * rng.choice([0, 0.3, 1], 3)[:, None]
    b = rng.normal(size=(groups, 3)) @ b.T
    y = (1 + b[g, 0] + b[g, 1] * x + b[g, 2] * (f == "v") + rng.normal(size=n)).round(4)
    data = pd.DataFrame({"g": g.astype(str), "f": f, "y": y})
    model = mt.lmer("y ~ f + (f|g)", data, reml=False)
    upper = profile(model, 0.5).loc["corr(f[v], f[w] | g)", "upper"]
    # by minimising the dense deviance in angles of the correlations, from several starts
    assert upper == pytest.approx(0.7284, abs=3e-4)


# -- properties ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_every_limit_lies_on_its_side_of_the_estimate(seed):
    rng = np.random.default_rng(seed)
    data = crossed(seed, int(rng.integers(25, 45)))
    formula = ["y ~ x + (1|a) + (1|b)", "y ~ x + (x|a)"][seed % 2]
    table = profile(mt.lmer(formula, data))
    estimate = table["estimate"].fillna(0.0)
    assert table[["lower", "upper"]].notna().all().all()
    assert (table["lower"] <= estimate).all()
    assert (table["upper"] >= estimate).all()
    assert (table["upper"] > table["lower"]).all()
    assert (table.filter(regex="^sd", axis=0)["lower"] >= 0).all()
    assert (table.filter(regex="^corr", axis=0)["upper"] <= 1).all()


def test_limits_follow_the_unit_and_the_origin_of_the_response():
    data = crossed()
    model = mt.lmer("y ~ x + (1|a) + (1|b)", data)
    moved = mt.lmer("y ~ x + (1|a) + (1|b)", data.assign(y=1e4 + 1e-3 * data["y"]))
    expected = 1e-3 * profile(model)
    expected.loc["Intercept"] += 1e4
    got = profile(moved)
    np.testing.assert_allclose(got.drop("Intercept"), expected.drop("Intercept"), rtol=1e-6)
    np.testing.assert_allclose(got.loc["Intercept"], expected.loc["Intercept"], rtol=1e-10)


def test_limits_follow_the_unit_of_a_random_slope():
    data = mt.load_sleepstudy()
    table = profile(mt.lmer("Reaction ~ Days + (Days|Subject)", data))
    hours = data.assign(Days=24.0 * data["Days"])
    got = profile(mt.lmer("Reaction ~ Days + (Days|Subject)", hours))
    expected = table.copy()
    expected.loc[["sd(Days | Subject)", "Days"]] /= 24
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_a_reml_fit_and_an_ml_fit_have_the_same_profile():
    data = mt.load_tablets()
    reml = profile(mt.lmer("content ~ method + (1|tablet)", data))
    ml = profile(mt.lmer("content ~ method + (1|tablet)", data, reml=False))
    np.testing.assert_allclose(reml, ml, rtol=1e-6)
    assert "although the model was fitted by REML" in reml.caption
    assert "REML" not in ml.caption


def test_a_higher_level_gives_wider_intervals():
    model = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    narrow, wide = profile(model, 0.8), model.conf_int("profile", level=0.99)
    assert (wide["lower"] < narrow["lower"]).all()
    assert (wide["upper"] > narrow["upper"]).all()
    assert wide.attrs["level"] == 0.99


def test_a_model_without_an_intercept_and_one_fixed_effect():
    data = crossed()
    table = profile(mt.lmer("y ~ 1 + (1|a)", data))
    assert list(table.index) == ["sd(Intercept | a)", "sd(Residual)", "Intercept"]
    slope = profile(mt.lmer("y ~ 0 + x + (1|a)", data))
    assert list(slope.index) == ["sd(Intercept | a)", "sd(Residual)", "x"]


# -- the boundary ----------------------------------------------------------------------------------


def test_a_variance_estimated_as_zero_has_an_upper_limit():
    entry = EXTRA["lmer"]["dyestuff2"]
    model = mt.lmer(entry["formula"], parity.frame(entry["data"], EXTRA))
    low, high = profile(model).loc["sd(Intercept | Batch)", ["lower", "upper"]]
    assert low == 0.0
    assert high == pytest.approx(2.08404787163, rel=1e-6)


def test_a_correlation_estimated_as_one_has_a_lower_limit():
    entry = EXTRA["lmer"]["singular_correlation"]
    model = mt.lmer(entry["formula"], parity.frame(entry["data"], EXTRA))
    row = profile(model).loc["corr(Intercept, x | g)"]
    assert row["estimate"] == pytest.approx(1.0)
    assert row["upper"] == 1.0
    drop = plain_minimum(model, "corr(Intercept, x | g)", row["lower"]) - model.by_ml().deviance
    assert drop == pytest.approx(CUTOFF, abs=1e-3)


def test_a_correlation_with_a_variance_of_zero_can_be_anything():
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"y": rng.normal(size=40), "x": rng.normal(size=40)})
    data["g"] = np.repeat(list("abcdefgh"), 5)
    table = profile(mt.lmer("y ~ x + (x|g)", data))
    label = "corr(Intercept, x | g)"
    assert table.loc[label, ["lower", "upper"]].tolist() == [-1.0, 1.0]
    assert any(note.startswith(f"{label} can be anything") for note in table.notes)


def test_a_residual_variance_that_can_vanish():
    # the groups of a and b together span every row: the data allow that there is no residual
    a, b = list("112233445566"), list("122334455667")
    y = [-2.2, -0.35, 0.42, -1.14, -1.78, -0.37, 0.57, 0.4, -1.25, -1.58, -0.94, 0.45]
    model = mt.lmer("y ~ 1 + (1|a) + (1|b)", pd.DataFrame({"y": y, "a": a, "b": b}))
    table = profile(model)
    assert table.loc["sd(Residual)", "lower"] == 0.0
    assert any(note.startswith("sd(Residual) can be zero") for note in table.notes)
    check_limits(model, ["sd(Intercept | b)", "Intercept"])


def test_no_profile_without_an_optimum(monkeypatch):
    model = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    fit = model.by_ml().fit
    one = profile_module._profile_beta(fit, 1, CUTOFF)
    one.minimum += 20
    with pytest.raises(InferenceError, match="lower deviance"):
        one.limit(1, CUTOFF)
    fit.optimum = dataclasses.replace(fit.optimum, converged=False)
    monkeypatch.setattr(Problem, "fit", lambda self, reml: fit)
    with pytest.raises(InferenceError, match="did not converge"):
        profile(model)


# -- the bootstrap ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tablets():
    return mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())


def test_bootstrap_is_reproducible(tablets):
    one, two = bootstrap_estimates(tablets, 20, 1), bootstrap_estimates(tablets, 20, 1)
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(bootstrap_estimates(tablets, 20, 2))
    assert list(one.columns) == [*profile(tablets).index, "boundary"]


@pytest.mark.parametrize("reml", [True, False])
def test_a_replicate_is_a_fit_to_a_simulated_response(reml):
    data = mt.load_sleepstudy()
    model = mt.lmer("Reaction ~ Days + (Days|Subject)", data, reml=reml)
    rng = np.random.default_rng(11)
    for _, row in bootstrap_estimates(model, 3, 11).iterrows():
        y = model.simulate(1, rng)[0]
        fresh = mt.lmer("Reaction ~ Days + (Days|Subject)", data.assign(Reaction=y), reml=reml)
        expected = profile_names(fresh)
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, rel=1e-6), name


def test_bootstrap_of_a_balanced_mean_agrees_with_theory(tablets):
    # the mean of a balanced design is normal with the SE of the fit, whatever the variances
    table = bootstrap(tablets, 0.95, nsim=600, seed=4)
    half = special.ndtri(0.975) * tablets.bse["Intercept"]
    mean = tablets.params["Intercept"]
    assert table.loc["Intercept", "lower"] == pytest.approx(mean - half, abs=0.2 * half)
    assert table.loc["Intercept", "upper"] == pytest.approx(mean + half, abs=0.2 * half)
    # df s^2 / sigma^2 is chi-squared with 9 df if the variance between tablets is not zero
    sigma = tablets.sigma * np.sqrt(special.chdtri(9, [0.975, 0.025]) / 9)
    np.testing.assert_allclose(table.loc["sd(Residual)", ["lower", "upper"]], sigma, rtol=0.1)
    assert table["estimate"].iloc[0] == pytest.approx(tablets.variance_components["sd"][0])
    assert "REML" in table.caption


def test_bootstrap_says_how_often_it_ended_at_the_boundary():
    entry = EXTRA["lmer"]["dyestuff2"]
    model = mt.lmer(entry["formula"], parity.frame(entry["data"], EXTRA))
    replicates = bootstrap_estimates(model, 60, 5)
    zero = int((replicates["sd(Intercept | Batch)"] == 0).sum())
    assert zero == int(replicates["boundary"].sum()) > 20
    table = bootstrap(model, 0.9, 60, 5)
    assert table.notes[0].startswith(f"{zero} of 60 replicates")
    assert table.loc["sd(Intercept | Batch)", "lower"] == 0.0


@pytest.mark.parametrize("together", [True, False])
def test_bootstrap_counts_undefined_correlations_and_failures(monkeypatch, together):
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"y": rng.normal(size=40), "x": rng.normal(size=40)})
    data["g"] = np.repeat(list("abcdefgh"), 5)
    model = mt.lmer("y ~ x + (x|g)", data)
    calls, refit = [], Problem.refit

    def sometimes(self, *args):
        calls.append(1)
        if together or len(calls) % 10 == 0:
            raise FitError("no")
        return refit(self, *args)

    def every_tenth(self, best, of, active):
        return np.arange(1, len(of) + 1) % 10 == 0

    monkeypatch.setattr(Problem, "refit", sometimes)
    if together:  # then only those that need a closer look are fitted alone
        monkeypatch.setattr(batch.Batch, "_settle", every_tenth)
        monkeypatch.setattr(batch.Batch, "_other_valley", lambda *args: np.zeros(30, bool))
    else:
        monkeypatch.setattr(batch, "_WORTH", -1.0)
    table = bootstrap(model, 0.8, 30, 1)
    assert "3 of 30 replicates could not be fitted." in table.notes
    assert any("is undefined in" in note for note in table.notes)
    assert table[["lower", "upper"]].notna().all().all()


def test_bootstrap_writes_nothing_when_nobody_watches(tablets, capfd):
    bootstrap_estimates(tablets, 30, 1)
    out, err = capfd.readouterr()
    assert out == err == ""


@pytest.mark.parametrize("together", [True, False])
def test_bootstrap_can_be_interrupted(tablets, monkeypatch, together):
    def stop(self, *args):
        raise KeyboardInterrupt

    if together:
        monkeypatch.setattr(batch.Batch, "_at_once", stop)
        monkeypatch.setattr(batch.Batch, "_search", stop)
    else:
        monkeypatch.setattr(tablets, "batch", None)
        monkeypatch.setattr(Problem, "refit", stop)
    with pytest.raises(KeyboardInterrupt):
        bootstrap(tablets, 0.95, 1000, 1)


def test_few_replicates_are_called_few(tablets):
    assert any("Use nsim=40 or more" in note for note in bootstrap(tablets, 0.95, 20, 1).notes)
    assert not any("or more" in note for note in bootstrap(tablets, 0.95, 40, 1).notes)


# -- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0, 1, 1.5, -0.2, 95, True, "0.95", None, float("nan")])
@pytest.mark.parametrize("method", ["profile", "bootstrap"])
def test_a_level_must_lie_between_zero_and_one(tablets, method, level):
    with pytest.raises(InferenceError, match="between 0 and 1"):
        tablets.conf_int(method, level=level, nsim=5)


@pytest.mark.parametrize("nsim", [0, -3, 2.5, "100", True])
def test_the_number_of_replicates_must_be_a_whole_number(tablets, nsim):
    with pytest.raises(InferenceError, match="nsim"):
        bootstrap(tablets, 0.95, nsim, 1)


def test_one_replicate_gives_no_interval(tablets):
    with pytest.raises(InferenceError, match="no interval follows"):
        bootstrap(tablets, 0.95, 1, 1)
