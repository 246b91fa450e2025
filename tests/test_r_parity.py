"""Every number that R printed for these models, within the stated tolerances (see parity.py).

``r_reference.json`` and ``extra_reference.json`` were made by ``reference/make_reference.R``. Where
we and R differ by more, the difference is listed in KNOWN with the reason, and a test below shows
by algebra, or by an independent program, who is right.
"""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import parity
import pytest
from scipy.stats import studentized_range

import mixedteach as mt

MAIN = parity.load("r_reference.json")
EXTRA = parity.load("extra_reference.json")
CASES = [("main", name) for name in MAIN["lmer"]] + [("extra", name) for name in EXTRA["lmer"]]

# (model, pattern of the line): faults of the oracle, each shown in a test of this file.
KNOWN = [
    # one wrong row of the reference (see reference/README.md): the sum of squares is 321.75
    ("oats_block", r"anova Satterthwaite I variety:nitrogen"),
    # R's ptukey is off by up to 3e-5 below 5 df
    ("assay", r"pairs_tukey dilut"),
    ("tiny_split_plot", r"pairs_tukey"),
    # with rows that are not estimable emmeans rounds the df to whole numbers in Tukey's p-values
    ("empty_cells", r"pairs_tukey"),
]


def fit(source: str, name: str) -> tuple[mt.MixedModel, dict]:
    reference = MAIN if source == "main" else EXTRA
    entry = reference["lmer"][name]
    data = parity.frame(entry["data"], reference)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mt.MixedTeachWarning)
        return mt.lmer(parity.formula(entry["formula"]), data), entry


@pytest.mark.parametrize(("source", "name"), CASES)
def test_lmer(source: str, name: str) -> None:
    model, entry = fit(source, name)
    patterns = [pattern for known, pattern in KNOWN if known == name]
    wrong = [
        line
        for line in parity.compare(model, entry).failures()
        if not any(re.match(pattern, line) for pattern in patterns)
    ]
    assert not wrong, "\n".join(wrong[:10])


def test_type_one_sum_of_squares_of_oats_is_the_classical_one() -> None:
    model, _ = fit("main", "oats_block")
    oats = mt.load_oats()
    cell = oats.groupby(["variety", "nitrogen"], observed=True)["yield"].transform("mean")
    by_v = oats.groupby("variety", observed=True)["yield"].transform("mean")
    by_n = oats.groupby("nitrogen", observed=True)["yield"].transform("mean")
    classical = ((cell - by_v - by_n + oats["yield"].mean()) ** 2).sum()
    assert classical == pytest.approx(321.75, rel=1e-12)
    ours = model.anova(type=1).loc["variety:nitrogen", "sum_sq"]
    assert ours == pytest.approx(classical, rel=1e-9)


def test_shifted_covariate_is_the_same_model() -> None:
    plain, entry = fit("extra", "slopes")
    shifted, _ = fit("extra", "slopes_shift")
    x, z = (parity.frame(entry["data"], EXTRA)[c] for c in ("x", "x_shift"))
    shift = float((z - x).iloc[0])
    assert shifted.llf == pytest.approx(plain.llf, abs=1e-9)
    ours = shifted.coefficients().loc["Intercept"]
    same = plain.estimable({"at x = -shift": [1, -shift]}).iloc[0]
    for column in ("estimate", "SE", "df"):
        assert ours[column] == pytest.approx(same[column], rel=1e-7)


def test_milli_units_are_the_same_model() -> None:
    plain, _ = fit("extra", "slopes")
    scaled, entry = fit("extra", "slopes_milli")
    ml, ml_scaled = plain.by_ml(), scaled.by_ml()
    assert ml_scaled.llf == pytest.approx(ml.llf, abs=1e-9)
    assert ml_scaled.llf >= entry["ML"]["logLik"] - 1e-9
    ours, same = (m.variance_components["variance"].iloc[0] for m in (ml_scaled, ml))
    assert ours == pytest.approx(same, rel=1e-8)


@pytest.mark.parametrize("name", ["assay", "tiny_split_plot", "empty_cells"])
def test_tukey_agrees_with_scipy_where_R_does_not(name: str) -> None:
    model, entry = fit("extra", name)
    for spec in entry["emmeans"].values():
        pairs = model.emmeans(spec["specs"], by=spec["by"] or None, ddf=spec["ddf"]).pairs()
        means = len(spec["emmeans"]) // max(1, len(pairs) and len(pairs.L) and _groups(pairs))
        for row in pairs.dropna(subset="p").itertuples():
            exact = studentized_range.sf(np.sqrt(2) * abs(row.t), means, row.df)
            assert row.p == pytest.approx(exact, abs=1e-9)


def _groups(pairs: pd.DataFrame) -> int:
    return pairs.groupby(pairs.by, observed=True).ngroups if pairs.by else 1


# -- nlme: containment ---------------------------------------------------------------------------

PLAIN = {
    "tablets": "content ~ method + (1|tablet)",
    "tablets_missing": "content ~ method + (1|tablet)",
    "oats_block": "yield ~ variety*nitrogen + (1|block)",
    "oats_nested": "yield ~ variety*nitrogen + (1|block/variety)",
    "planks_plank": "humidity ~ width*depth + (1|plank)",
    "orthodont_slope": "distance ~ age*Sex + (age|Subject)",
    "three_levels": "y ~ treat + (1|a/b/c)",
    "no_intercept": "content ~ 0 + method + (1|tablet)",
}
LME = [("main", name) for name in PLAIN] + [
    ("extra", name)
    for name, entry in EXTRA["lme"].items()
    if "weights" not in entry["call"] and "correlation" not in entry["call"]
]


def lme_formula(source: str, name: str) -> str:
    if source == "main":
        return PLAIN[name]
    call = EXTRA["lme"][name]["call"]
    if name == "pixel":
        return "pixel ~ day + I(day**2) + (day|Dog) + (1|Dog:Side)"
    fixed, random = re.match(r"lme\((.*?), random = ~ ?([^,]*?)(?:, method.*)?\)$", call).groups()
    return f"{parity.formula(fixed)} + ({random})"


@pytest.mark.parametrize(("source", "name"), LME)
def test_lme_containment(source: str, name: str) -> None:
    reference = MAIN if source == "main" else EXTRA
    entry = reference["lme"][name]
    data = parity.frame(entry["data"], reference)
    reml = 'method = "ML"' not in entry["call"]
    m = mt.lmer(lme_formula(source, name), data, reml=reml, ddf="containment")
    assert m.llf >= entry["logLik"] - 1e-7
    assert m.llf == pytest.approx(entry["logLik"], abs=2e-4)
    assert m.npar == entry["npar"]
    assert m.sigma == pytest.approx(entry["sigma"], rel=2e-4)
    table = m.coefficients()
    assert table["df"].tolist() == list(entry["fixDF_X"].values())
    # nlme's ML uses n / (n - p) times the ML covariance in its summary; only REML is compared
    for ours, row in zip(table.itertuples(), entry["fixed"], strict=True):
        assert ours.df == row["DF"]
        if reml:
            assert ours.SE == pytest.approx(row["Std.Error"], rel=5e-4)
            assert ours.estimate == pytest.approx(row["Value"], abs=5e-4 * ours.SE)
    terms = m.method("containment").terms
    assert list(terms.values()) == list(entry["fixDF_terms"].values())
    if not reml:
        return
    for kind, which in ((1, "anova_sequential"), ("marginal", "anova_marginal")):
        anova = m.anova(type=kind, intercept="(Intercept)" in entry["fixDF_X"])
        for ours, row in zip(anova.itertuples(), entry[which], strict=True):
            assert (ours.num_df, ours.den_df) == (row["numDF"], row["denDF"])
            assert pytest.approx(row["F-value"], rel=5e-4) == ours.F
            assert ours.p == pytest.approx(row["p-value"], abs=1e-4)


# -- comparison and prediction -------------------------------------------------------------------


@pytest.mark.parametrize("name", list(EXTRA["compare"]))
def test_compare(name: str) -> None:
    entry = EXTRA["compare"][name]
    data = parity.frame(entry["data"], EXTRA)
    m0, m1 = (mt.lmer(parity.formula(entry[f"formula{i}"]), data, reml=False) for i in (0, 1))
    table = mt.compare(m0, m1)
    for ours, row in zip(table.itertuples(), entry["anova"], strict=True):
        assert ours.npar == row["npar"]
        assert ours.loglik == pytest.approx(row["logLik"], rel=1e-6)
        assert pytest.approx(row["AIC"], rel=1e-6) == ours.AIC
        assert pytest.approx(row["BIC"], rel=1e-6) == ours.BIC
        if row["Chisq"] is not None:
            assert pytest.approx(row["Chisq"], abs=1e-5) == ours.LRT
        if row["Pr(>Chisq)"] is not None:
            assert ours.p == pytest.approx(row["Pr(>Chisq)"], abs=1e-6)


@pytest.mark.parametrize("name", [n for n, e in EXTRA["lmer"].items() if e.get("predict")])
def test_predict(name: str) -> None:
    model, entry = fit("extra", name)
    new = pd.DataFrame(entry["predict"]["newdata"])
    fixed = model.predict(new, random=False).to_numpy()
    random = model.predict(new, new_levels="zero").to_numpy()
    np.testing.assert_allclose(fixed, entry["predict"]["fixed"], atol=1e-5 * model.sigma)
    np.testing.assert_allclose(random, entry["predict"]["random"], atol=1e-5 * model.sigma)
