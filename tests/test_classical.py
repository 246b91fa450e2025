"""Paired t-test, least squares and Tukey's HSD against R, statsmodels and their own algebra.

``r_reference.json`` holds R's numbers to 12 digits (t.test, aov, emmeans, TukeyHSD). Tolerances:
1e-9 relative for estimates, mean squares and t; 1e-8 for Tukey's limits, because R's ptukey stops
there; p-values 1e-9 absolute.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import parity
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mixedteach as mt
from mixedteach.classical import LinearModel

R = parity.load("r_reference.json")


def quiet_lm(formula: str, data: pd.DataFrame) -> LinearModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mt.MixedTeachWarning)
        return mt.lm(formula, data)


def load(name: str) -> pd.DataFrame:
    return getattr(mt, f"load_{name}")()


def empty_cell() -> pd.DataFrame:
    """The oats without Victory at 0.6 cwt."""
    oats = mt.load_oats()
    return oats[(oats["variety"] != "Victory") | (oats["nitrogen"] != "0.6cwt")]


def long_test(data: pd.DataFrame, **kwargs) -> mt.Table:
    return mt.paired_t_test(
        data, **{"response": "content", "within": "method", "subject": "tablet", **kwargs}
    )


# -- the paired t-test ---------------------------------------------------------------------------


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("loader", [mt.load_tablets, mt.load_tablets_missing])
def test_paired_t_is_that_of_r(loader, wide) -> None:
    # the incomplete tablets change nothing: they are left out
    table = mt.paired_t_test(loader(wide=True), "hplc", "nir") if wide else long_test(loader())
    row, ref = table.iloc[0], R["paired_t"]
    assert row["contrast"] == "hplc - nir"
    names = {"estimate": "mean", "variance": "var", "sd": "sd", "SE": "se", "t": "t", "df": "df"}
    for ours, theirs in names.items():
        assert row[ours] == pytest.approx(ref[theirs], rel=1e-9)
    assert row["p"] == pytest.approx(ref["p"], abs=1e-9)
    assert [row["lower"], row["upper"]] == pytest.approx(ref["ci"], rel=1e-9)


def test_slide_numbers() -> None:
    row = long_test(mt.load_tablets()).iloc[0]
    assert (round(row["estimate"], 2), round(row["t"], 4), row["df"]) == (-0.05, -0.5354, 9)
    assert (round(row["p"], 4), round(row["lower"], 4)) == (0.6054, -0.2613)


def test_paired_t_columns_and_caption() -> None:
    table = long_test(mt.load_tablets())
    assert list(table.columns) == [
        "contrast", "estimate", "variance", "sd", "SE", "df", "t", "p", "lower", "upper",
    ]  # fmt: skip
    assert table.caption == "Paired t-test; 10 pairs; df: pairs - 1; interval: 95%"
    assert table.notes == []


def test_incomplete_pairs_are_counted() -> None:
    expected = "a reading is missing; 10 complete pairs are compared."
    assert long_test(mt.load_tablets_missing()).notes == [
        f"10 of 20 subjects left out, because {expected}"
    ]
    wide = mt.paired_t_test(mt.load_tablets_missing(wide=True), "hplc", "nir")
    assert wide.notes == [f"10 of 20 rows left out, because {expected}"]
    # rows that are absent count like readings that are NaN
    absent = long_test(mt.load_tablets_missing().dropna())
    assert absent.notes == [f"10 of 20 subjects left out, because {expected}"]


def test_order_turns_the_difference() -> None:
    there, back = (
        long_test(mt.load_tablets(), order=o).iloc[0] for o in (["nir", "hplc"], ["hplc", "nir"])
    )
    assert back["contrast"] == "nir - hplc"
    assert back["t"] == pytest.approx(-there["t"])
    assert (back["lower"], back["upper"]) == pytest.approx((-there["upper"], -there["lower"]))


def test_row_order_and_level() -> None:
    data = mt.load_tablets()
    shuffled = data.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(
        pd.DataFrame(long_test(data)), pd.DataFrame(long_test(shuffled)), rtol=1e-9
    )
    narrow, broad = (long_test(data, level=level).iloc[0] for level in (0.5, 0.99))
    assert broad["lower"] < narrow["lower"] < narrow["upper"] < broad["upper"]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(*[st.floats(-100, 100).map(lambda v: round(v, 2))] * 2), min_size=3, max_size=9
    )
)
def test_paired_t_is_the_blocked_anova(pairs) -> None:
    """T squared is the F of the treatment in y = treatment + block, with the same df and p."""
    wide = pd.DataFrame(pairs, columns=["a", "b"])
    if (wide["a"] - wide["b"]).round(2).nunique() < 2:
        return
    t = mt.paired_t_test(wide, "b", "a").iloc[0]
    long = wide.assign(s=[f"s{i}" for i in wide.index]).melt(
        id_vars="s", var_name="x", value_name="y"
    )
    row = mt.lm("y ~ s + x", long).anova().loc["x"]
    assert row["F"] == pytest.approx(t["t"] ** 2, rel=1e-8, abs=1e-12)
    assert row["p"] == pytest.approx(t["p"], abs=1e-8)
    assert row["den_df"] == t["df"]


TABLETS = mt.load_tablets()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"response": "contents"}, "There is no column 'contents'. Did you mean 'content'?"),
        ({"within": "methods"}, "There is no column 'methods'. Did you mean 'method'?"),
        ({"subject": "tab"}, "There is no column 'tab'. Did you mean 'tablet'?"),
        ({"response": "method", "within": "content"}, "The column 'method' holds no numbers; "
         "pd.to_numeric(data['method'], errors='coerce') shows which entries are none."),
        ({"within": "tablet", "subject": "method"}, "A paired t-test compares two levels, but "
         "'tablet' has 10: '1', '2', '3', '4', '5', '6', '7', '8' and 2 more. Choose the rows of "
         "two levels first, or compare all with lm() and TukeyHSD()."),
        ({"subject": "method"}, "response, within= and subject= must be three different columns."),
        ({"subject": None}, "Say what makes a pair: for a long table give within= (the factor with "
         "two levels) and subject=, for a wide one the names of its two columns."),
        ({"order": ["nir", "uv"]}, "order= must name both levels of 'method': 'nir' and 'hplc'."),
        ({"second": "tablet"}, "Two columns mean a wide table, one row a subject: leave out "
         "within=, subject= and order=; the difference is the first column minus the second."),
        ({"level": 95}, "level=95 must be a number between 0 and 1"),
    ],
)  # fmt: skip
def test_bad_questions(change, message) -> None:
    with pytest.raises(mt.MixedTeachError) as caught:
        long_test(TABLETS, **change)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pd.concat([TABLETS, TABLETS.iloc[[0]]]), "tablet '1' has 2 readings at method 'hplc': a "
         "pair has one at each level. Average them first, as data.groupby(['tablet', 'method'], "
         "observed=True)['content'].mean().reset_index() does."),
        (TABLETS[TABLETS["method"] == "nir"], "A paired t-test compares two levels, but 'method' "
         "has 1: 'nir'. Check that this is the factor that differs within a pair."),
        (TABLETS.iloc[:2], "There is 1 complete pair for hplc - nir: a t-test needs at least two."),
        (TABLETS.iloc[[0, 3]], "There are no complete pairs for hplc - nir: a t-test needs at "
         "least two."),
        (TABLETS.assign(content=1.5), "All 10 differences hplc - nir are the same, 0: they have no "
         "variance to compare their mean with. Check for a copied column."),
        ([1, 2], "The data must be a pandas DataFrame, not a list."),
    ],
)  # fmt: skip
def test_bad_data(data, message) -> None:
    with pytest.raises(mt.DataError) as caught:
        long_test(data)
    assert str(caught.value) == message


def test_a_column_against_itself() -> None:
    with pytest.raises(mt.DataError) as caught:
        mt.paired_t_test(mt.load_tablets(wide=True), "nir", "nir")
    assert str(caught.value) == "'nir' is compared with itself: name two different columns."


# -- least squares: analysis of variance -----------------------------------------------------------

ANOVAS = {
    "aov_tablets": ("content ~ method + tablet", "tablets"),
    "aov_missing": ("content ~ tablet + method", "tablets_missing"),
    "aov_planks_fixed": ("humidity ~ plank*width + plank*depth + width*depth", "planks"),
    "aov_planks_additive": ("humidity ~ plank + width + depth", "planks"),
}


@pytest.mark.parametrize("name", ANOVAS)
def test_anova_is_that_of_r(name) -> None:
    formula, data = ANOVAS[name]
    table = quiet_lm(formula, load(data)).anova()
    assert list(table.index) == [row["term"].replace("Residuals", "Residual") for row in R[name]]
    for ours, ref in zip(table.itertuples(), R[name], strict=True):
        assert ours.num_df == ref["Df"]
        # the planks are a reconstruction, true to 1e-10
        assert ours.sum_sq == pytest.approx(ref["Sum Sq"], rel=1e-9)
        assert ours.mean_sq == pytest.approx(ref["Mean Sq"], rel=1e-9)
        if ref["F value"] is None:
            assert np.isnan([ours.F, ours.p, ours.den_df]).all()
        else:
            assert abs(ours.F / ref["F value"] - 1) < 1e-9
            assert ours.p == pytest.approx(ref["Pr(>F)"], rel=1e-6)
            assert ours.den_df == table.loc["Residual", "num_df"]


@pytest.mark.parametrize(
    ("name", "data"),
    [("emmeans_fixed_paired", "tablets"), ("emmeans_fixed_missing", "tablets_missing")],
)
def test_emmeans_are_those_of_r(name, data) -> None:
    means = quiet_lm("content ~ method + tablet", load(data)).emmeans("method")
    names = {"emmean": "emmean", "SE": "SE", "df": "df", "t": "t.ratio", "lower": "lower.CL"}
    for ours, ref in zip(means.itertuples(), R[name], strict=True):
        assert ours.method == ref["method"]
        for mine, theirs in names.items():
            assert getattr(ours, mine) == pytest.approx(ref[theirs], rel=1e-9)
        assert ours.p == pytest.approx(ref["p.value"], rel=1e-6)


def unbalanced() -> pd.DataFrame:
    """Sleep study with two factors in unequal frequencies."""
    data = mt.load_sleepstudy()
    who = data["Subject"].astype(int)
    g = np.where(who % 3 == 0, "a", np.where(data["Days"] > 6, "b", "c"))
    return data.assign(
        g=g, h=np.where(data["Days"] % 3 == 0, "x", "y"), z=(who * 7 % 11).astype(float)
    )


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_anova_types_are_those_of_statsmodels(kind) -> None:
    """statsmodels' type III is right only with sum-to-zero coding; ours needs no such care."""
    import statsmodels.formula.api as smf
    from statsmodels.stats.anova import anova_lm

    data = unbalanced()
    theirs = anova_lm(smf.ols("Reaction ~ C(g, Sum)*C(h, Sum) + z", data).fit(), typ=kind)
    ours = mt.lm("Reaction ~ g*h + z", data).anova(kind)
    order = ["C(g, Sum)", "C(h, Sum)", "z", "C(g, Sum):C(h, Sum)"]
    if kind == 1:  # patsy tests covariates after all factors: compare what does not depend on it
        order = order[:2]
    np.testing.assert_allclose(
        ours["F"].iloc[: len(order)], theirs.loc[order, "F"].to_numpy(), rtol=1e-9
    )
    np.testing.assert_allclose(
        ours.loc["Residual", "sum_sq"], theirs.loc["Residual", "sum_sq"], rtol=1e-12
    )


def test_attributes_are_those_of_statsmodels() -> None:
    import statsmodels.formula.api as smf

    data = unbalanced()
    theirs, ours = smf.ols("Reaction ~ g*h + z", data).fit(), mt.lm("Reaction ~ g*h + z", data)
    for name in ("params", "bse", "tvalues", "pvalues", "resid", "fittedvalues"):
        mine = getattr(ours, name)
        assert isinstance(mine, pd.Series)
        other = np.sort(getattr(theirs, name).to_numpy())  # the columns come in another order
        np.testing.assert_allclose(np.sort(mine.to_numpy()), other, rtol=1e-8, atol=1e-9)
    for name in ("rsquared", "rsquared_adj", "df_resid", "scale", "nobs", "llf"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-10)
    # sigma^2 is counted as a parameter here, as in R
    assert ours.aic == pytest.approx(theirs.aic + 2, rel=1e-12)
    assert ours.bic == pytest.approx(theirs.bic + np.log(180), rel=1e-12)


def test_to_statsmodels() -> None:
    ours = mt.lm("Reaction ~ g*h + z", unbalanced())
    theirs = ours.to_statsmodels()
    pd.testing.assert_series_equal(theirs.params, ours.params, check_names=False)
    pd.testing.assert_series_equal(theirs.bse, ours.bse, check_names=False)
    pd.testing.assert_frame_equal(theirs.cov_params(), ours.cov_params())
    intervals = ours.conf_int(level=0.9)[["lower", "upper"]].to_numpy()
    np.testing.assert_allclose(theirs.conf_int(alpha=0.1), intervals, rtol=1e-9)


def test_predictions_are_those_of_statsmodels() -> None:
    import statsmodels.formula.api as smf

    data = unbalanced()
    ours, new = mt.lm("Reaction ~ g*h + z", data), data.iloc[[5, 100, 33]]
    theirs = smf.ols("Reaction ~ g*h + z", data).fit().get_prediction(new).summary_frame(alpha=0.1)
    table = ours.predict(new, intervals=True, level=0.9)
    names = {
        "predicted": "mean", "SE": "mean_se", "lower": "mean_ci_lower", "upper": "mean_ci_upper",
        "new_lower": "obs_ci_lower", "new_upper": "obs_ci_upper",
    }  # fmt: skip
    for mine, other in names.items():
        np.testing.assert_allclose(table[mine], theirs[other], rtol=1e-9)
    pd.testing.assert_series_equal(
        ours.predict(new), ours.predict().loc[new.index], check_names=False
    )
    np.testing.assert_allclose(ours.predict(intervals=True)["predicted"], ours.fittedvalues)


@pytest.mark.parametrize("formula", ["content ~ 0 + method", "content ~ method", "content ~ 1"])
def test_rsquared_is_about_the_mean_if_the_model_has_one(formula) -> None:
    import statsmodels.formula.api as smf

    ours, theirs = mt.lm(formula, TABLETS), smf.ols(formula, TABLETS).fit()
    assert ours.rsquared == pytest.approx(theirs.rsquared, abs=1e-12)
    assert ours.rsquared_adj == pytest.approx(theirs.rsquared_adj, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(shift=st.floats(-1e6, 1e6), scale=st.floats(1e-3, 1e3))
def test_units_do_not_matter(shift, scale) -> None:
    data = TABLETS.assign(content=scale * TABLETS["content"] + shift)
    ours, plain = (mt.lm("content ~ method + tablet", d).anova() for d in (data, TABLETS))
    # digits are lost only by storing the shifted numbers
    np.testing.assert_allclose(ours["F"], plain["F"], rtol=1e-12 + 1e-13 * abs(shift) / scale)


def test_least_squares_is_orthogonal() -> None:
    m = mt.lm("Reaction ~ g*h + z", unbalanced())
    np.testing.assert_allclose(m.X.T @ m.resid.to_numpy() / np.abs(m.X).sum(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(m.resid + m.fittedvalues, m.y, rtol=1e-14)
    assert m.anova(1)["sum_sq"].sum() == pytest.approx(((m.y - m.y.mean()) ** 2).sum(), rel=1e-12)


def test_balanced_types_agree_and_equal_the_mixed_model() -> None:
    planks = mt.load_planks()
    m = mt.lm("humidity ~ plank + width + depth", planks)
    for kind in (2, 3):
        np.testing.assert_allclose(m.anova(kind)["F"], m.anova(1)["F"], rtol=1e-10)
    mixed = mt.lmer("humidity ~ width + depth + (1|plank)", planks).anova()
    np.testing.assert_allclose(mixed["F"], m.anova()["F"].loc[["width", "depth"]], rtol=1e-8)


def test_summary_says_it_all() -> None:
    text = str(mt.lm("content ~ method + tablet", TABLETS))
    for line in (
        "Formula: content ~ method + tablet",
        "Observations: 20; residual df: 9; residual standard deviation: 0.2088",
        "R-squared: 0.8368 (adjusted 0.6555); F = 4.616 on 10 and 9 df, p = 0.0154",
        "Log-likelihood: 10.9307; AIC: 2.14; BIC: 14.09",  # R: logLik, AIC, BIC of lm
    ):
        assert line in text
    assert "<table>" in mt.lm("content ~ method", TABLETS)._repr_html_()


def test_missing_and_aliased_are_said() -> None:
    note = "10 of 40 rows left out for missing values (content 10)."
    m = mt.lm("content ~ method + tablet", mt.load_tablets_missing())
    assert m.notes == [note]
    assert note in m.anova().notes
    assert note in m.emmeans("method").notes
    assert str(m.summary()).count(note) == 1
    cell = empty_cell()
    with pytest.warns(mt.MixedTeachWarning, match=r"variety.*nitrogen.* left out"):
        m = mt.lm("yield ~ variety*nitrogen", cell)
    assert len(m.params) == 11
    new = pd.DataFrame({"variety": ["Victory", "Marvellous"], "nitrogen": ["0.6cwt", "0.6cwt"]})
    table = m.predict(new, intervals=True)
    assert table["predicted"].isna().tolist() == [True, False]
    said = "1 of 2 predictions are blank: the data of the fit do not determine them (empty cells)."
    assert table.notes[-1] == said
    with pytest.warns(mt.MixedTeachWarning) as caught:
        m.predict(new)
    assert str(caught[0].message) == said


@pytest.mark.parametrize(
    ("formula", "data", "message"),
    [
        ("content ~ method + (1|tablet)", TABLETS, "'content ~ method + (1|tablet)' has random "
         "effects, (1 | tablet): fit it with lmer(). lm() knows fixed effects only; there 'tablet' "
         "would be added like any factor."),
        ("content ~ 0", TABLETS, "'content ~ 0' has no effects to estimate: write 1 for the mean "
         "alone."),
        ("content ~ method*tablet", TABLETS, "There are 20 rows for 20 fixed effects"),
        ("content ~ method", TABLETS.assign(content=2.5), "The fixed effects reproduce the "
         "response exactly: no residual variance is left to judge them by. Check whether the "
         "response was computed from them, or is constant."),
    ],
)  # fmt: skip
def test_bad_models(formula, data, message) -> None:
    with pytest.raises(mt.MixedTeachError) as caught:
        mt.lm(formula, data)
    assert str(caught.value).startswith(message)


def test_df_methods() -> None:
    m = mt.lm("content ~ method + tablet", TABLETS)
    with pytest.raises(mt.InferenceError, match=r"satterthwaite.* does not apply to this model"):
        m.anova(ddf="satterthwaite")
    assert np.isinf(m.coefficients(ddf="none")["df"]).all()
    assert m.anova().attrs["ddf"] == "residual"


# -- Tukey's HSD -----------------------------------------------------------------------------------

TUKEYS = [
    ("tukey_oneway_wrong", "width", "humidity ~ width"),
    ("tukey_oneway_wrong", "depth", "humidity ~ depth"),
    ("tukey_fixed_additive", "width", "humidity ~ plank + width + depth"),
    ("tukey_fixed_additive", "depth", "humidity ~ plank + width + depth"),
]


@pytest.mark.parametrize(("name", "term", "formula"), TUKEYS)
def test_tukey_is_that_of_r(name, term, formula) -> None:
    table = mt.TukeyHSD(mt.lm(formula, mt.load_planks()), term)
    rows = R[name][term]
    assert list(table["contrast"]) == [row["term"].replace("-", " - ") for row in rows]
    for ours, theirs in {"estimate": "diff", "lower": "lwr", "upper": "upr", "p": "p adj"}.items():
        expected = [row[theirs] for row in rows]
        np.testing.assert_allclose(table[ours], expected, rtol=0, atol=1e-8, err_msg=ours)


def test_tukey_of_all_factors() -> None:
    m = mt.lm("humidity ~ width*depth", mt.load_planks())
    table = mt.TukeyHSD(m)
    assert table.groupby("term", sort=False).size().to_dict() == {"width": 3, "depth": 10}
    cells = mt.TukeyHSD(m, "width:depth")
    assert len(cells) == 15 * 14 / 2
    raw = mt.load_planks().groupby(["depth", "width"], observed=True)["humidity"].mean()
    assert cells["estimate"].iloc[0] == pytest.approx(raw["1", "2"] - raw["1", "1"])


def test_tukey_kramer_for_unequal_groups() -> None:
    """R: TukeyHSD(aov(content ~ method)) on the 30 readings; here from the t of the two means."""
    m = quiet_lm("content ~ method", mt.load_tablets_missing())
    tukey = mt.TukeyHSD(m, "method").iloc[0]
    assert tukey["p"] == pytest.approx(m.pvalues.iloc[1], abs=1e-9)  # two means: Tukey's p is t's
    assert tukey["estimate"] == pytest.approx(m.params.iloc[1], rel=1e-12)
    interval = m.conf_int().iloc[1]
    assert [tukey["lower"], tukey["upper"]] == pytest.approx([interval["lower"], interval["upper"]])


def test_tukey_with_proportional_numbers_uses_raw_means() -> None:
    planks = mt.load_planks()
    twice = pd.concat([planks, planks[planks["width"] == "1"]])  # 2:1:1 at every depth
    m = mt.lm("humidity ~ width + depth", twice)
    means = twice.groupby("width", observed=True)["humidity"].mean()
    assert mt.TukeyHSD(m, "width")["estimate"].iloc[0] == pytest.approx(means["2"] - means["1"])


@pytest.mark.parametrize(
    ("model", "term", "message"),
    [
        (lambda: mt.lmer("content ~ method + (1|tablet)", TABLETS), None, "TukeyHSD judges every "
         "difference by the residual and ignores the random effects, so its p-values are wrong for "
         "a mixed model: use m.emmeans('method').pairs(adjust='tukey'), which has the right "
         "standard errors and df."),
        (lambda: quiet_lm("content ~ method + tablet", mt.load_tablets_missing()), "method", "The "
         "data are not balanced for 'method': its raw means also carry differences between the "
         "other terms, and TukeyHSD would compare them as they are. Use m.emmeans('method')"
         ".pairs(adjust='tukey'), which compares the model's means."),
        (lambda: mt.lm("content ~ method", TABLETS), "tablet", "'tablet' is no factor of the "
         "model. There is only 'method'."),
        (lambda: mt.lm("Reaction ~ Days", mt.load_sleepstudy()), None, "'Reaction ~ Days' has no "
         "factor whose means could be compared."),
        (lambda: 3, None, "TukeyHSD takes a model fitted by lm(), not an int."),
    ],
)  # fmt: skip
def test_tukey_refuses(model, term, message) -> None:
    with pytest.raises(mt.InferenceError) as caught:
        mt.TukeyHSD(model(), term)
    assert str(caught.value) == message
