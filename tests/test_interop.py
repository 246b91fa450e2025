"""statsmodels results with our inference: R's numbers through statsmodels' fits.

The reference numbers are R's (``reference/r_reference.json``, tolerances in ``parity.py``): the
model is fitted by statsmodels, handed over, and then compared as if lmer() had fitted it.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import parity
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.regression.mixed_linear_model import MixedLMParams

import mixedteach as mt
from mixedteach import interop
from mixedteach.fitting.lmm import Fit
from mixedteach.fitting.optimise import Optimum
from mixedteach.model import MixedModel

R = parity.load("r_reference.json")
SAME = "statsmodels reached the same optimum: the log-likelihoods differ by less than 1e-6."
ARRAYS = (
    "The model was made from arrays, so its columns count as covariates; for tests and means of "
    "factors fit it from a formula."
)
CODED = (
    "The coefficients are coded in another way than in statsmodels (factors here: first level as "
    "reference); tests, means and contrasts do not depend on that."
)
TABLETS, SLEEP, MACHINES = mt.load_tablets(), mt.load_sleepstudy(), mt.load_machines()


def mixedlm(formula, data, *, fit=None, **kwargs):
    """Fit by statsmodels, whose warnings are not our subject."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return smf.mixedlm(formula, data, **kwargs).fit(**(fit or {}))


def quietly(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


# -- R's numbers -----------------------------------------------------------------------------------

CASES = {
    "tablets": lambda: mixedlm("content ~ method", TABLETS, groups="tablet"),
    "tablets_missing": lambda: mixedlm(
        "content ~ method", mt.load_tablets_missing(), groups="tablet", missing="drop"
    ),
    "sleepstudy": lambda: mixedlm(
        "Reaction ~ Days", SLEEP, groups=SLEEP["Subject"], re_formula="~Days"
    ),
    "sleepstudy_diag": lambda: mixedlm(
        "Reaction ~ Days", SLEEP, groups="Subject", re_formula="1", vc_formula={"slope": "0 + Days"}
    ),
    "machines": lambda: mixedlm(
        "score ~ Machine", MACHINES, groups="Worker", re_formula="1",
        vc_formula={"machine": "0 + C(Machine)"},
    ),
    "oats_nested": lambda: mixedlm(
        "Q('yield') ~ variety * nitrogen", mt.load_oats(), groups="block", re_formula="1",
        vc_formula={"plot": "0 + C(variety)"},
    ),
    "penicillin": lambda: mixedlm(
        "diameter ~ 1", mt.load_penicillin(), groups=np.ones(144),
        vc_formula={"plate": "0 + C(plate)", "sample": "0 + C(sample)"},
    ),
    "planks_plank": lambda: mixedlm("humidity ~ width * depth", mt.load_planks(), groups="plank"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_numbers_of_r(name) -> None:
    wrong = parity.compare(mt.from_statsmodels(CASES[name]()), R["lmer"][name]).failures()
    assert not wrong, "\n".join(wrong[:10])


FORMULAS = {
    "tablets_missing": "content ~ method + (1 | tablet)",
    "sleepstudy": "Reaction ~ Days + (1 + Days | Subject)",
    "sleepstudy_diag": "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)",
    "machines": "score ~ Machine + (1 | Worker) + (1 | Worker:Machine)",
    "oats_nested": "`yield` ~ variety * nitrogen + (1 | block) + (1 | block:variety)",
    "penicillin": "diameter ~ 1 + (1 | plate) + (1 | sample)",
}


@pytest.mark.parametrize("name", FORMULAS)
def test_formula_is_ours(name) -> None:
    assert mt.from_statsmodels(CASES[name]()).formula_text == FORMULAS[name]


def test_likelihood_is_statsmodels_own() -> None:
    for reml in (True, False):
        result = CASES["machines"]() if reml else mixedlm(
            "score ~ Machine", MACHINES, groups="Worker", fit={"reml": False}
        )  # fmt: skip
        m = mt.from_statsmodels(result)
        assert m.reml is reml
        assert m.llf == pytest.approx(result.llf, abs=1e-6)
        assert m.llf >= result.llf - 1e-9
        np.testing.assert_allclose(m.params, result.fe_params, rtol=1e-6)
        np.testing.assert_allclose(m.bse, result.bse_fe, rtol=1e-4)


def test_containment_knows_the_strata() -> None:
    table = mt.from_statsmodels(CASES["oats_nested"]()).anova(ddf="containment")
    assert table["den_df"].tolist() == [10, 45, 45]


# -- how far statsmodels got -----------------------------------------------------------------------


def test_the_gain_is_reported() -> None:
    full = mixedlm("Reaction ~ Days", SLEEP, groups="Subject", re_formula="~Days")
    assert mt.from_statsmodels(full).notes == [SAME]
    early = mixedlm(
        "Reaction ~ Days", SLEEP, groups="Subject", re_formula="~Days",
        fit={"method": ["nm"], "maxiter": 5},
    )  # fmt: skip
    m = mt.from_statsmodels(early)
    gain = m.llf - early.llf
    assert gain > 1e-3
    assert m.llf == pytest.approx(R["lmer"]["sleepstudy"]["logLik_REML"], abs=1e-8)
    (note,) = m.notes
    start, end = (
        "statsmodels stopped ",
        (" below the optimum in log-likelihood; the estimates here are those at the optimum."),
    )
    assert note.startswith(start)
    assert note.endswith(end)
    shown = float(note.removeprefix(start).removesuffix(end))
    assert shown == pytest.approx(gain, rel=0.06)  # two digits


def test_a_better_start_of_statsmodels_is_followed() -> None:
    good = mt.lmer("Reaction ~ Days + (Days|Subject)", SLEEP)
    criterion = good.fit.criterion
    state = criterion.at(0.1 * good.fit.state.theta)
    stuck = Fit(good.fit.problem, criterion, Optimum(state, [], state.theta < 0, False), True)
    poor = MixedModel(
        good.formula, good.model_frame, good.design, good.random, stuck, good.kept,
        good.default_ddf, [],
    )  # fmt: skip
    assert poor.llf < good.llf - 1
    better = interop._best(poor, [good.fit.relative[0]])
    assert better.llf == pytest.approx(good.llf, abs=1e-9)
    assert interop._best(good, [good.fit.relative[0]]) is good


def test_boundary() -> None:
    """Groups that do not differ: statsmodels ends near zero or at it, we end at it."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat(list("abcdefgh"), 5), "x": np.tile(np.arange(5.0), 8)})
    data["y"] = data["x"] + rng.standard_normal(40)
    data["y"] -= data.groupby("g")["y"].transform("mean")
    m = mt.from_statsmodels(mixedlm("y ~ x", data, groups="g"))
    assert m.variance_components["variance"].iloc[0] == 0
    assert m.anova()["den_df"].iloc[0] == pytest.approx(38)


# -- spellings -------------------------------------------------------------------------------------


def label(data):
    return data.rename(columns={"Subject": "the subject", "Days": "days awake"})


def late(data):
    return data.assign(half=np.where(data["Days"] < 5, "early", "late"))


ONE = {"groups": np.ones(54, int)}
SPELLINGS = {
    # (formula, data, keywords) -> our formula
    "names with spaces": (
        "Reaction ~ Q('days awake')", label(SLEEP), {"groups": "the subject"},
        "Reaction ~ `days awake` + (1 | `the subject`)",
    ),
    "groups not in the data": (
        "Reaction ~ Days", SLEEP[["Reaction", "Days"]], {"groups": SLEEP["Subject"]},
        "Reaction ~ Days + (1 | Group)",
    ),
    "reference level": (
        "score ~ C(Machine, Treatment(reference='B'))", MACHINES, {"groups": "Worker"},
        "score ~ C(Machine, Treatment('B')) + (1 | Worker)",
    ),
    "sum coding": (
        "score ~ C(Machine, Sum)", MACHINES, {"groups": "Worker"},
        "score ~ C(Machine) + (1 | Worker)",
    ),
    "functions": (
        "np.log(Reaction) ~ np.sqrt(Days) + I(Days**2) + center(Days)", SLEEP,
        {"groups": "Subject"},
        "np.log(Reaction) ~ np.sqrt(Days) + I(Days**2) + center(Days) + (1 | Subject)",
    ),
    "spline": (
        "Reaction ~ bs(Days, df=4)", SLEEP, {"groups": "Subject"},
        "Reaction ~ bs(Days, df=4) + (1 | Subject)",
    ),
    "no intercept": (
        "score ~ Machine - 1", MACHINES, {"groups": "Worker"}, "score ~ Machine - 1 + (1 | Worker)",
    ),
    "random factor": (
        "score ~ Machine", MACHINES, {"groups": "Worker", "re_formula": "~C(Machine)"},
        "score ~ Machine + (1 + C(Machine) | Worker)",
    ),
    "random factor, a column a level": (
        "score ~ Machine", MACHINES, {"groups": "Worker", "re_formula": "0 + Machine"},
        "score ~ Machine + (0 + Machine | Worker)",
    ),
    "crossed by one big group": (
        "score ~ Machine", MACHINES,
        {**ONE, "vc_formula": {"w": "0 + C(Worker)", "wm": "0 + C(Worker):C(Machine)"}},
        "score ~ Machine + (1 | Worker) + (1 | Worker:Machine)",
    ),
    "slopes by level": (
        "Reaction ~ Days", late(SLEEP),
        {"groups": "Subject", "re_formula": "1", "vc_formula": {"v": "0 + C(half):Days"}},
        "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject:half)",
    ),
    "an expression as factor": (
        "Reaction ~ Days", SLEEP,
        {"groups": "Subject", "re_formula": "1", "vc_formula": {"half": "0 + C(Days < 5)"}},
        "Reaction ~ Days + (1 | Subject) + (1 | half)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings(name) -> None:
    formula, data, kwargs, expected = SPELLINGS[name]
    before = data.copy()
    result = mixedlm(formula, data, fit={"reml": False}, **kwargs)
    m = mt.from_statsmodels(result)
    assert m.formula_text == expected
    assert m.llf == pytest.approx(result.llf, abs=2e-6)  # ML: the same whatever the coding
    np.testing.assert_allclose(
        m.X @ m.params.to_numpy(), result.model.exog @ result.fe_params, rtol=1e-5
    )
    recoded = name in ("sum coding", "spline")
    assert (CODED in m.notes) is recoded
    pd.testing.assert_frame_equal(data, before)


def test_independent_effects_by_free() -> None:
    free = MixedLMParams.from_components(np.ones(2), np.eye(2))
    m = mt.from_statsmodels(
        mixedlm("Reaction ~ Days", SLEEP, groups="Subject", re_formula="~Days", fit={"free": free})
    )
    assert m.formula_text == FORMULAS["sleepstudy_diag"]
    assert m.llf == pytest.approx(R["lmer"]["sleepstudy_diag"]["logLik_REML"], abs=1e-8)


def test_means_do_not_depend_on_the_coding() -> None:
    plain, summed = (
        mt.from_statsmodels(mixedlm(f"score ~ {x}", MACHINES, groups="Worker"))
        .emmeans("Machine")
        .pairs()
        for x in ("Machine", "C(Machine, Sum)")
    )
    for column in ("estimate", "SE", "df", "p"):
        np.testing.assert_allclose(plain[column], summed[column], rtol=1e-7)


# -- arrays ----------------------------------------------------------------------------------------


def test_arrays() -> None:
    X = sm.add_constant(SLEEP[["Days"]].astype(float))
    result = quietly(sm.MixedLM(SLEEP["Reaction"], X, groups=SLEEP["Subject"], exog_re=X).fit)
    m = mt.from_statsmodels(result)
    assert m.formula_text == "Reaction ~ 1 + Days + (1 + Days | Subject)"
    assert m.notes == [ARRAYS, SAME]
    assert m.llf == pytest.approx(R["lmer"]["sleepstudy"]["logLik_REML"], abs=1e-8)


def test_nameless_arrays() -> None:
    X = np.column_stack([np.ones(180), SLEEP["Days"]])
    groups = SLEEP["Subject"].to_numpy()
    m = mt.from_statsmodels(quietly(sm.MixedLM(SLEEP["Reaction"].to_numpy(), X, groups=groups).fit))
    assert m.formula_text == "y ~ 1 + x1 + (1 | Group)"
    ols = mt.from_statsmodels(sm.OLS(SLEEP["Reaction"].to_numpy(), X).fit())
    assert ols.formula_text == "y ~ 1 + x1"
    assert ols.notes == [ARRAYS]


# -- least squares ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "formula", ["content ~ method + tablet", "content ~ C(method, Sum) + tablet"]
)
def test_ols(formula) -> None:
    m = mt.from_statsmodels(smf.ols(formula, TABLETS).fit())
    assert isinstance(m, mt.LinearModel)
    for ours, ref in zip(m.anova().itertuples(), R["aov_tablets"], strict=True):
        assert ours.sum_sq == pytest.approx(ref["Sum Sq"], rel=1e-9)
    for ours, ref in zip(m.emmeans("method").itertuples(), R["emmeans_fixed_paired"], strict=True):
        assert [ours.emmean, ours.SE] == pytest.approx([ref["emmean"], ref["SE"]], rel=1e-9)
    assert m.notes == ([CODED] if "Sum" in formula else [])


def test_ols_with_missing_and_robust() -> None:
    result = smf.ols("content ~ method + tablet", mt.load_tablets_missing()).fit(cov_type="HC1")
    m = mt.from_statsmodels(result)
    assert "10 of 40 rows left out for missing values (content 10)." in m.notes
    assert m.nobs == result.nobs
    assert m.notes[-1] == (
        "The result has robust standard errors (HC1); those here are the ordinary ones of least "
        "squares."
    )


# -- what is refused -------------------------------------------------------------------------------


def twice(x):
    return 2 * x


def fixed_covariance():
    free = MixedLMParams.from_components(np.ones(3), np.eye(3) + np.eye(3)[[1, 0, 2]])
    data = SLEEP.assign(z=SLEEP["Days"] ** 2 / 10)
    return mixedlm(
        "Reaction ~ Days + z", data, groups="Subject", re_formula="~Days + z",
        fit={"free": free, "maxiter": 3},
    )  # fmt: skip


def fixed_variance():
    free = MixedLMParams.from_components(np.ones(2), np.diag([1.0, 0.0]))
    return mixedlm(
        "Reaction ~ Days", SLEEP, groups="Subject", re_formula="~Days",
        fit={"free": free, "maxiter": 3},
    )  # fmt: skip


def stripped():
    result = smf.ols("content ~ method", TABLETS).fit()
    result.model.data.frame = None
    return result


PENALTY = (
    "This MixedLM was fitted with a penalty, which has no degrees of freedom in the usual sense: "
    "fit it with .fit()."
)
REFUSED = {
    "number": (lambda: 3, "from_statsmodels takes a fitted MixedLM or OLS, not an int."),
    "logit": (
        lambda: smf.glm("content ~ method", TABLETS).fit(),
        "from_statsmodels takes a fitted MixedLM or OLS, not a GLM.",
    ),
    "weights": (
        lambda: smf.wls("content ~ method", TABLETS, weights=np.ones(20)).fit(),
        "from_statsmodels takes a fitted MixedLM or OLS, not a WLS.",
    ),
    "not fitted": (
        lambda: smf.ols("content ~ method", TABLETS),
        "This model is not fitted yet: give the result of its .fit().",
    ),
    "ridge": (
        lambda: smf.ols("content ~ method", TABLETS).fit_regularized(alpha=0.1),
        "The coefficients of this OLS result are not those of least squares (a regularised fit?): "
        "fit it with .fit().",
    ),
    "penalty": (
        lambda: mixedlm(
            "content ~ method", TABLETS, groups="tablet",
            fit={"fe_pen": sm_penalty(), "maxiter": 3},
        ),
        PENALTY,
    ),
    "common variance": (
        lambda: mixedlm(
            "score ~ Machine", MACHINES, groups="Worker", re_formula="1",
            vc_formula={"wm": "C(Machine)"},
        ),
        "The variance component 'wm' gives several effects with one common variance to the same "
        "row, which no formula here can say. For one effect a level write '0 + C(factor)', for a "
        "slope '0 + x'.",
    ),
    "some covariances fixed": (
        fixed_covariance,
        "Some random effects of this MixedLM are correlated and others not (free=...): here they "
        "are all correlated, (1 + x | g), or none is, (x || g).",
    ),
    "a variance fixed": (
        fixed_variance,
        "Some variances of this MixedLM were held fixed (free=...): fit it with all of them free, "
        "or leave the term out.",
    ),
    "own function": (
        lambda: smf.ols("content ~ twice(content**2)", TABLETS).fit(),
        "The statsmodels formula, here 'content ~ twice(content**2)', cannot be used as it is: ",
    ),
    "without data": (
        stripped,
        "The result has lost its formula or its data (remove_data, or a formula object): fit it "
        "again from a formula as text.",
    ),
}  # fmt: skip


def sm_penalty():
    from statsmodels.base._penalties import L2

    return L2(weights=np.ones(2))


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name) -> None:
    make, message = REFUSED[name]
    result = quietly(make)
    with pytest.raises(mt.MixedTeachError) as caught:
        mt.from_statsmodels(result)
    # after "cannot be used as it is" come the words of parse()
    assert str(caught.value).startswith(message)


def test_another_design_is_noticed() -> None:
    """patsy's standardize() divides by the population sd, a lag shifts rows: never guess."""
    result = smf.ols("content ~ method", TABLETS).fit()
    result.model.exog = result.model.exog + np.arange(20)[:, None]
    with pytest.raises(mt.DataError) as caught:
        mt.from_statsmodels(result)
    assert str(caught.value) == (
        "The fixed effects of 'content ~ method' are not the same here as in statsmodels: compute "
        "the columns first, then name them in the formula."
    )
    result.model.endog = result.model.endog + 1
    with pytest.raises(mt.DataError) as caught:
        mt.from_statsmodels(result)
    assert str(caught.value) == (
        "The formula 'content ~ method' gives other rows or another response here than in "
        "statsmodels (20 and 20 rows): compute the columns first, then fit."
    )
