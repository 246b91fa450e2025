"""Residual covariances against nlme: estimates, likelihoods, intervals, df.

nlme stops its search earlier than we do, so that estimates agree to about 1e-4; the likelihood must
not be below nlme's. ``tests/reference/residual.R`` makes the numbers.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mixedteach as mt

HERE = Path(__file__).parent / "reference"
MODELS = json.loads((HERE / "residual.json").read_text(encoding="utf8"))["models"]
LECTURE = json.loads((HERE / "r_reference.json").read_text(encoding="utf8"))
NAMES = {
    name: getattr(mt, name)
    for name in (
        "AR1", "CAR1", "CompoundSymmetry", "Unstructured", "UnequalVariances", "PowerOf",
        "PowerOfMean",
    )
}  # fmt: skip


def loops(entry: dict) -> bool:
    """Say whether nlme goes round with the fitted mean; it leaves that loop early."""
    return entry["ours"][2] == "PowerOfMean()"


@cache
def data(name: str) -> pd.DataFrame:
    """Return a data set as the R script prepares it."""
    if name in ("orthodont", "lost"):
        full = mt.load_orthodont()
        full = full.assign(visit=pd.factorize(full["age"], sort=True)[0] + 1)
        gone = np.array([2, 7, 9, 18, 19, 31, 44, 58, 63, 74, 86, 99, 101]) - 1
        return full if name == "orthodont" else full.drop(full.index[gone])
    if name == "machines":
        return mt.load_machines()
    if name == "sleep":
        return mt.load_sleepstudy()
    text = {"Rat": str, "Diet": str, "Litter": str, "Mare": str}
    file = "residual_ovary" if name == "ovary" else f"extra_{name}"
    frame = pd.read_csv(HERE / "cases" / f"{file}.csv", dtype=text)
    if name == "ratpup":
        frame["Treatment"] = pd.Categorical(frame["Treatment"], ["Control", "Low", "High"])
        frame["sex"] = pd.Categorical(frame["sex"], ["Female", "Male"])
    return frame


def structure(text: str | None):
    """Return the structure that a reference names, as a reader would write it."""
    return None if text is None else eval(text, dict(NAMES))


@cache
def fitted(key: str) -> mt.GeneralModel:
    entry = MODELS[key]
    formula, correlation, variance = entry["ours"]
    fit = mt.lmer if "|" in formula else mt.gls
    return fit(
        formula, data(entry["data"]), correlation=structure(correlation),
        variance=structure(variance), reml=entry["method"] == "REML",
    )  # fmt: skip


def close(ours, theirs, tolerance: float, what: str) -> None:
    """Assert equality, relative to what R has (values near zero: to 0.01)."""
    ours, theirs = np.atleast_1d(np.asarray(ours, float)), np.atleast_1d(np.asarray(theirs, float))
    assert ours.shape == theirs.shape, what
    error = np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-2)
    assert error.max() < tolerance, f"{what}: {ours} {theirs}"


# the loop of powers of the fitted mean has several fixed points here; ours is the more likely one
BETTER = {"sleep_power"}


@pytest.mark.parametrize("key", MODELS)
def test_estimates_and_likelihood(key):
    entry, m = MODELS[key], fitted(key)
    assert m.converged
    gain = m.llf - entry["logLik"]
    assert abs(gain) < 1e-4 or key in BETTER if loops(entry) else gain > -1e-6
    assert (gain > 1e-3) == (key in BETTER)
    if key in BETTER:
        return
    assert m.npar == entry["npar"]
    loop = 10 if loops(entry) else 1
    # nlme's standard errors of an ML fit are those of REML: sigma^2 with n - p
    n, p = m.nobs, len(m.params)
    unbiased = 1.0 if m.reml else np.sqrt(n / (n - p))
    close(m.params, entry["coef"], 1e-4 * loop, "coefficients")
    close(m.bse * unbiased, entry["se"], 1e-4 * loop, "standard errors")
    parameters = m.residual_parameters["estimate"]
    if entry["correlation"] is not None:
        count = len(np.atleast_1d(entry["correlation"]))
        close(parameters.iloc[1 : 1 + count], entry["correlation"], 1e-4, "correlation")
    if entry["variance"] is None:
        close(m.sigma, entry["sigma"], 1e-4, "sigma")
    elif "Power" in entry["ours"][2]:
        close(parameters["power"], entry["variance"], 1e-4 * loop, "power")
        close(m.sigma, entry["sigma"], 1e-3 * loop, "sigma")
    else:  # nlme's reference level is the first that it meets
        theirs = entry["sigma"] * np.append(1.0, entry["variance"])
        close(np.sort(m.residual_sd), np.sort(theirs), 1e-4, "residual sd")
    if entry["df"] is not None:
        close(m.coefficients("containment")["df"], entry["df"], 1e-12, "df")


@pytest.mark.parametrize("key", MODELS)
def test_normalised_residuals(key):
    entry, m = MODELS[key], fitted(key)
    if key in BETTER:
        return
    ours = m.normalised_resid
    if entry["data"] in ("orthodont", "lost"):
        ours = ours.loc[m.frame.sort_values(["Subject", "age"]).index]
    theirs = np.array(entry["normalised"])
    if "CompoundSymmetry" in str(entry["ours"]):  # nlme takes another root; the length is the same
        assert (ours**2).sum() == pytest.approx((theirs**2).sum(), rel=1e-6)
    else:
        assert np.abs(ours.to_numpy() - theirs).max() < 5e-4


def rows(intervals: dict, key: str) -> list[dict]:
    found = intervals.get(key) or []
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize(
    "key", [k for k, e in MODELS.items() if e["intervals"] and "power_mean" not in k]
)
def test_wald_intervals(key):
    """nlme differentiates numerically, coarsely: limits agree to a twentieth of the interval.

    (With a power of the fitted mean its Hessian moves the mean along as well.)
    """
    entry, m = MODELS[key], fitted(key)
    if key in BETTER:
        return
    table = m.residual_parameters
    correlation, variance = (rows(entry["intervals"], k) for k in ("corStruct", "varStruct"))
    count = len(correlation)
    pairs = list(zip(table.iloc[1 : 1 + count].itertuples(), correlation, strict=True))
    if variance and "UnequalVariances" not in entry["ours"][2]:
        pairs += list(zip(table.iloc[1 + count :].itertuples(), variance, strict=True))
    if entry["variance"] is None:
        pairs.append((next(table.itertuples()), entry["intervals"]["sigma"]))
    for ours, theirs in pairs:
        width = theirs["upper"] - theirs["lower"]
        assert abs(ours.lower - theirs["lower"]) < 0.05 * width
        assert abs(ours.upper - theirs["upper"]) < 0.05 * width


@pytest.mark.parametrize(
    "key",
    [k for k, e in MODELS.items() if e["emmeans"] and not {"un", "symm", "mean"} & {*k.split("_")}],
)
def test_satterthwaite_of_gls(key):
    """R's emmeans takes nlme's numerical Hessian; without an analytic one it only approximates."""
    entry, means = MODELS[key], fitted(key).emmeans("Sex")
    close(means["emmean"], entry["emmeans"]["emmean"], 1e-5, "means")
    close(means["SE"], entry["emmeans"]["SE"], 1e-4, "SE")
    close(means["df"], entry["emmeans"]["df"], 2e-3, "df")


SEX = "distance ~ age*Sex"
BY_LECTURE = {
    "lme/tablets_varident": lambda: mt.lmer(
        "content ~ method + (1|tablet)", mt.load_tablets(),
        variance=mt.UnequalVariances("method")),
    "lme/machines_varident": lambda: mt.lmer(
        "score ~ Machine + (1|Worker/Machine)", mt.load_machines(),
        variance=mt.UnequalVariances("Machine")),
    "lme/orthodont_ar1": lambda: mt.lmer(
        f"{SEX} + (1|Subject)", mt.load_orthodont(), correlation=mt.AR1("age", by="Subject")),
    "lme/orthodont_varident": lambda: mt.lmer(
        f"{SEX} + (1|Subject)", mt.load_orthodont(), variance=mt.UnequalVariances("Sex")),
    "lme/orthodont_car1": lambda: mt.lmer(
        f"{SEX} + (1|Subject)", mt.load_orthodont(), correlation=mt.CAR1("age", by="Subject")),
    "lme/orthodont_slope": lambda: mt.lmer(f"{SEX} + (age|Subject)", mt.load_orthodont()),
    "gls/orthodont_cs": lambda: mt.gls(
        SEX, mt.load_orthodont(), correlation=mt.CompoundSymmetry(by="Subject")),
    "gls/orthodont_ar1": lambda: mt.gls(
        SEX, mt.load_orthodont(), correlation=mt.AR1("age", by="Subject")),
    "gls/orthodont_un": lambda: mt.gls(
        SEX, mt.load_orthodont(), correlation=mt.Unstructured("age", by="Subject"),
        variance=mt.UnequalVariances("age")),
}  # fmt: skip


@pytest.mark.parametrize("key", BY_LECTURE)
def test_models_of_the_lessons(key):
    kind, name = key.split("/")
    entry, m = LECTURE[kind][name], BY_LECTURE[key]()
    assert -1e-7 < m.llf - entry["logLik"] < 1e-4
    close(m.params, [row["Value"] for row in entry["fixed"]], 1e-4, "coefficients")
    close(m.bse, [row["Std.Error"] for row in entry["fixed"]], 1e-4, "standard errors")
    close(m.cov_params().to_numpy().ravel(), np.ravel(entry["vcov"]), 1e-3, "covariance")
    if "cor_coef" in entry and name != "orthodont_car1":
        theirs = entry["cor_coef"]
        theirs = list(theirs.values()) if isinstance(theirs, dict) else theirs
        close(m.residual_parameters["estimate"].iloc[1 : 1 + len(theirs)], theirs, 1e-4, "corr")
    if kind == "lme":
        close(
            m.coefficients("containment")["df"], [row["DF"] for row in entry["fixed"]], 1e-9, "df"
        )
        anova = m.anova(type=1, intercept=True, ddf="containment")
        close(anova["F"], [row["F-value"] for row in entry["anova_sequential"]], 1e-4, "F")
        close(anova["den_df"], [row["denDF"] for row in entry["anova_sequential"]], 1e-9, "den df")
        assert m.npar == entry["npar"]


def test_negative_autocorrelation_is_found_and_does_not_differ_from_zero():
    m = BY_LECTURE["lme/orthodont_ar1"]()
    assert m.residual_parameters["estimate"]["phi"] == pytest.approx(-0.0375, abs=5e-5)
    for table in (m.residual_parameters, m.conf_int("profile")):
        assert table["lower"]["phi"] < 0 < table["upper"]["phi"]
    independent = mt.lmer(f"{SEX} + (1|Subject)", mt.load_orthodont())
    test = mt.compare(independent, m)
    assert test["p"].iloc[1] == pytest.approx(0.825, abs=0.005)
    assert "correlation=AR1('age', by='Subject')" in test.index[1]


def test_continuous_autocorrelation_at_its_bound_is_said_in_words():
    m = BY_LECTURE["lme/orthodont_car1"]()
    independent = mt.lmer(f"{SEX} + (1|Subject)", mt.load_orthodont())
    assert m.residual_parameters["estimate"]["phi"] == 0
    assert m.llf == pytest.approx(independent.llf, abs=1e-9)
    assert "phi of CAR1('age', by='Subject') is estimated as zero" in str(m.summary())
    profile = m.conf_int("profile").loc["phi"]
    assert profile["lower"] == 0 < profile["upper"] < 1
    for ddf in ("satterthwaite", "kenward-roger"):  # phi drops out of the df
        assert np.allclose(m.coefficients(ddf)["df"], independent.coefficients(ddf)["df"])
