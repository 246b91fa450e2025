"""Power with a residual covariance: against exact theory, and every p-value against the tables."""

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import mixedteach as mt
from mixedteach.power.designs import at
from mixedteach.power.planned import from_fit
from mixedteach.power.questions import ask
from mixedteach.power.simulation import Experiment, recipe

AR1 = mt.AR1("age", by="Subject")


def agrees(table, theory: float, which: int = 0, width: float = 3.3) -> bool:
    """Say whether a simulated power lies within `width` standard errors of theory."""
    n = table["replicates"].iloc[which]
    return abs(table["power"].iloc[which] - theory) < width * np.sqrt(theory * (1 - theory) / n)


@pytest.fixture(scope="module")
def growth() -> mt.GeneralModel:
    return mt.gls("distance ~ age*Sex", mt.load_orthodont(), correlation=AR1,
                  variance=mt.UnequalVariances("Sex"))  # fmt: skip


def blocks(rho: float, groups: int = 8, difference: float = 0.8):
    table = mt.crossed(g=groups, f=["a", "b", "c"])
    fixed = {"f[b]": difference, "f[c]": 0.3}
    return mt.planned(
        "y ~ f", table, fixed=fixed, sd={"Residual": 1.0},
        correlation=mt.CompoundSymmetry(by="g"), residual={"rho": rho},
    )  # fmt: skip


# -- against theory --------------------------------------------------------------------------------


def test_compound_symmetry_has_the_power_of_blocks():
    """The formula is that of (1|g) with the same covariance, and needs no rho >= 0."""
    mixed = mt.planned(
        "y ~ f + (1|g)", mt.crossed(g=8, f=["a", "b", "c"]), fixed={"f[b]": 0.8, "f[c]": 0.3},
        sd={"g": np.sqrt(0.4), "Residual": np.sqrt(0.6)},
    )  # fmt: skip
    for test in ("f", "f[b]"):
        one = mt.power_of(blocks(0.4), test, method="exact")
        other = mt.power_of(mixed, test, method="exact")
        assert one["power"][0] == pytest.approx(other["power"][0], abs=1e-12)
        assert "non-central F" in one.caption
    # two levels: the paired t-test. R: power.t.test(12, 0.5, sqrt(2 * 0.7), type = "paired",
    # strict = TRUE), the sd of a difference being sqrt(2 (1 - rho))
    pairs = mt.planned(
        "y ~ f", mt.crossed(g=12, f=["a", "b"]), fixed={"f[b]": 0.5}, sd={"Residual": 1.0},
        correlation=mt.CompoundSymmetry(by="g"), residual={"rho": 0.3},
    )  # fmt: skip
    t = special.stdtrit(11, 0.975)
    shift = 0.5 / np.sqrt(1.4 / 12)
    paired = stats.nct.sf(t, 11, shift) + stats.nct.cdf(-t, 11, shift)
    assert mt.power_of(pairs, "f")["power"][0] == pytest.approx(paired, abs=1e-9)


@pytest.mark.parametrize(("rho", "ddf"), [(0.4, "satterthwaite"), (-0.1, "kenward-roger")])
def test_compound_symmetry_simulated_is_its_formula(rho, ddf):
    plan = blocks(rho)
    theory = mt.power_of(plan, "f", ddf=ddf)["power"][0]
    drawn = mt.power_of(plan, "f", ddf=ddf, method="simulation", replicates=400, seed=4)
    assert agrees(drawn, theory)
    # each test is the blocked analysis of variance, whatever sign rho is estimated with
    ready = Experiment(recipe(plan))
    signs = set()
    for y in plan.simulate(25, seed=1).to_numpy().T:
        m = ready.base.refit(y)
        signs.add(m.residual_parameters.loc["rho", "estimate"] > 0)
        own = m.anova(ddf=ddf)
        classic = mt.lm("y ~ f + g", ready.base.frame.assign(y=y)).anova()
        assert own["den_df"].iloc[0] == pytest.approx(14, rel=1e-6)
        assert own["F"].iloc[0] == pytest.approx(classic.loc["f", "F"], rel=1e-6)
    assert rho > 0 or signs == {True, False}


def welch_power(n1: int, n2: int, ratio: float, difference: float, alpha: float = 0.05) -> float:
    """Power of Welch's test by integration over the two sample variances (sd 1 and `ratio`)."""
    x, w = np.polynomial.legendre.leggauss(200)
    u, w = (x + 1) / 2, w / 2
    a = special.chdtri(n1 - 1, u)[:, None] / (n1 - 1) / n1
    b = ratio**2 * special.chdtri(n2 - 1, u)[None, :] / (n2 - 1) / n2
    df = (a + b) ** 2 / (a**2 / (n1 - 1) + b**2 / (n2 - 1))
    limit = special.stdtrit(df, 1 - alpha / 2) * np.sqrt(a + b)
    sd = np.sqrt(1 / n1 + ratio**2 / n2)
    beyond = special.ndtr((difference - limit) / sd) + special.ndtr((-difference - limit) / sd)
    return float(w @ beyond @ w)


def two_groups(difference: float, ratio: float = 3.0):
    group = np.repeat(["a", "b"], [12, 6])
    return mt.planned(
        "y ~ f", pd.DataFrame({"f": group}), fixed={"f[b]": difference}, sd={"Residual": 1.0},
        variance=mt.UnequalVariances("f"), residual={"sd ratio b/a": ratio},
    )  # fmt: skip


def test_two_groups_of_unequal_variance_have_welchs_power():
    assert welch_power(12, 6, 3.0, 0.0) == pytest.approx(0.05, abs=0.004)
    theory = welch_power(12, 6, 3.0, 3.0)
    assert 0.3 < theory < 0.7
    table = mt.power_of(two_groups(3.0), ["f", "variance"], replicates=500, seed=1)
    assert agrees(table, theory)
    # twice the readings in each group
    more = mt.power_curve(two_groups(3.0), "f", {"readings": [2]}, replicates=250, seed=2)
    assert agrees(more, welch_power(24, 12, 3.0, 3.0))


def test_the_likelihood_ratio_of_two_variances_is_a_function_of_their_f():
    """Exact power of variance= by REML: -2 log LR depends on F = s_b^2 / s_a^2 alone."""
    nu = np.array([11, 5])

    def statistic(F):
        pooled = (nu[0] + nu[1] * F) / nu.sum()
        return nu.sum() * np.log(pooled) - nu[1] * np.log(F)

    from scipy.optimize import brentq

    edge = special.chdtri(1, 0.05)
    low = brentq(lambda f: statistic(f) - edge, 1e-8, 1.0)
    high = brentq(lambda f: statistic(f) - edge, 1.0, 1e4)
    for ratio in (1.0, 2.0):
        theory = 1 - special.fdtr(5, 11, high / ratio**2) + special.fdtr(5, 11, low / ratio**2)
        table = mt.power_of(two_groups(0.0, ratio), "variance", replicates=300, seed=5)
        assert agrees(table, theory)
        assert "likelihood ratio as in compare(), by REML" in table.caption


def test_autoregression_in_a_large_sample_has_the_power_of_known_phi():
    """With 60 series the estimate of phi costs little: non-central chi-squared of GLS."""
    table = mt.crossed(child=60, visit=[1, 2, 3, 4, 5], between={"drug": ["no", "yes"]})
    plan = mt.planned(
        "y ~ visit*drug", table, fixed={"visit:drug[yes]": 0.22}, sd={"Residual": 1.0},
        correlation=mt.AR1("visit", by="child"), residual={"phi": 0.6}, ddf="none",
    )  # fmt: skip
    lag = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    V = np.kron(np.eye(60), 0.6**lag)
    X = plan.design.X
    cov = np.linalg.inv(X.T @ np.linalg.solve(V, X))
    shift = plan.params["visit:drug[yes]"] ** 2 / cov[3, 3]
    theory = 1 - special.chndtr(special.chdtri(1, 0.05), 1, shift)
    found = mt.power_of(plan, "visit:drug", replicates=250, seed=3)
    assert 0.4 < theory < 0.9
    assert agrees(found, theory)


@pytest.mark.parametrize("phi", [0.0, 0.3])
def test_the_power_to_find_an_autocorrelation(phi):
    """Large-sample theory: LRT ~ chi2(1, n_pairs * phi^2) near 0 for many independent series."""
    table = mt.crossed(child=80, visit=[1, 2, 3])
    plan = mt.planned(
        "y ~ 1", table, fixed={}, sd={"Residual": 1.0},
        correlation=mt.AR1("visit", by="child"), residual={"phi": 0.15},
    )  # fmt: skip
    found = mt.power_curve(plan, "phi", {"effect": [phi / 0.15]}, replicates=300, seed=8)
    # information of phi at 0: one for each pair of neighbours (160), a little more at 0.3
    theory = 1 - special.chndtr(special.chdtri(1, 0.05), 1, 160 * phi**2)
    assert agrees(found, max(theory, 0.05), width=4.0)


@pytest.mark.parametrize("name", ["AR1", "AR1 and intercept", "variances"])
def test_the_quick_search_of_simulations_ends_where_the_full_one_does(name):
    formula = "distance ~ age*Sex" + (" + (1|Subject)" if name != "AR1" else "")
    own = {"variance": mt.UnequalVariances("Sex")} if name == "variances" else {"correlation": AR1}
    plan = from_fit((mt.gls if name == "AR1" else mt.lmer)(formula, mt.load_orthodont(), **own))
    ready = Experiment(recipe(plan))
    for y in plan.simulate(30, seed=9).to_numpy().T:
        assert ready.refit(y).llf == pytest.approx(ready.base.refit(y).llf, abs=1e-7)


# -- p-values are those of the public tables ------------------------------------------------------


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "residual", "none"])
def test_p_of_fixed_effects(growth, ddf):
    for question, p in {
        "age:Sex": growth.anova(ddf=ddf).loc["age:Sex", "p"],
        "age": growth.anova(ddf=ddf).loc["age", "p"],
        "Sex[Female]": growth.coefficients(ddf).loc["Sex[Female]", "p"],
    }.items():
        bound = ask(growth, question, 3, ddf, None, None).bind(growth)
        assert bound.pvalue(growth) == pytest.approx(p, rel=1e-9)


def test_p_of_a_contrast_after_tukey():
    m = mt.gls("score ~ Machine", mt.load_machines(), correlation=mt.CompoundSymmetry("Worker"),
               variance=mt.UnequalVariances("Machine"))  # fmt: skip
    pairs = m.emmeans("Machine").pairs()
    for contrast, p in zip(pairs["contrast"], pairs["p"], strict=True):
        bound = ask(m, contrast, 3, None, "Machine", None).bind(m)
        assert bound.pvalue(m) == pytest.approx(p, abs=1e-9)


def test_p_of_random_effects_and_residual_parameters():
    frame = mt.load_orthodont()
    formula, sex = "distance ~ age*Sex + (1|Subject)", mt.UnequalVariances("Sex")
    m = mt.lmer(formula, frame, correlation=AR1, variance=sex)
    without = {
        "correlation": mt.lmer(formula, frame, variance=sex),
        "phi": mt.lmer(formula, frame, variance=sex),
        "variance": mt.lmer(formula, frame, correlation=AR1),
        "(1 | Subject)": mt.gls("distance ~ age*Sex", frame, correlation=AR1, variance=sex),
    }
    for name, small in without.items():
        p = mt.compare(small, m)["p"].iloc[1]
        bound = ask(m, name, 3, None, None, None).bind(m)
        assert bound.pvalue(m) == pytest.approx(p, rel=1e-6)
    one = mt.gls("distance ~ age*Sex", frame, correlation=AR1)
    p = mt.compare(mt.gls("distance ~ age*Sex", frame), one)["p"].iloc[1]
    assert ask(one, "phi", 3, None, None, None).bind(one).pvalue(one) == pytest.approx(p, rel=1e-6)
    p = mt.compare(mt.lmer(formula, frame), mt.lmer(formula, frame, variance=sex))["p"].iloc[1]
    other = mt.lmer(formula, frame, variance=sex)
    bound = ask(other, "sd ratio Female/Male", 3, None, None, None).bind(other)
    assert bound.pvalue(other) == pytest.approx(p, rel=1e-6)


# -- what is drawn ---------------------------------------------------------------------------------

VISITS = [1.0, 2.0, 4.0]
LAG = np.abs(np.subtract.outer([0, 1, 2], [0, 1, 2]))
GAP = np.abs(np.subtract.outer(VISITS, VISITS))
UN = {"corr(1.0, 2.0)": 0.5, "corr(1.0, 4.0)": -0.2, "corr(2.0, 4.0)": 0.3}
DRAWN = {
    "AR1": (mt.AR1("visit", by="g"), None, {"phi": -0.4}, (-0.4) ** LAG),
    "CAR1": (mt.CAR1("visit", by="g"), None, {"phi": 0.7}, 0.7**GAP),
    "CS": (mt.CompoundSymmetry("g"), None, {"rho": -0.3}, np.where(LAG == 0, 1, -0.3)),
    "UN": (mt.Unstructured("visit", by="g"), None, UN,
           [[1, 0.5, -0.2], [0.5, 1, 0.3], [-0.2, 0.3, 1]]),
    "by time": (None, mt.UnequalVariances("visit"),
                {"sd ratio 2.0/1.0": 2, "sd ratio 4.0/1.0": 0.5}, np.diag([1, 4, 0.25])),
    "power": (mt.AR1("visit", by="g"), mt.PowerOf("visit"), {"phi": 0.5, "power": 0.5},
              np.sqrt(np.outer(VISITS, VISITS)) * 0.5**LAG),
    "mean": (None, mt.PowerOfMean(), {"power": 1.0}, np.diag([10.0, 11.0, 13.0]) ** 2),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
def test_planned_responses_have_the_planned_covariance(name):
    correlation, variance, values, expected = DRAWN[name]
    table = mt.crossed(g=400, visit=VISITS).sample(frac=1, random_state=3)
    plan = mt.planned(
        "y ~ visit", table, fixed={"Intercept": 9, "visit": 1}, sd={"Residual": 2.0},
        correlation=correlation, variance=variance, residual=values,
    )  # fmt: skip
    drawn = plan.simulate(30, seed=1)
    every = [
        pd.DataFrame({"g": table["g"], "visit": table["visit"], "y": y}).pivot(
            index="g", columns="visit", values="y"
        ).to_numpy()
        for y in drawn.to_numpy().T
    ]  # fmt: skip
    rows = np.vstack(every)
    expected = 4 * np.asarray(expected, float)
    size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    # a covariance of 12,000 groups has a standard error of at most sqrt(2 / 12000) = 0.013
    np.testing.assert_allclose(np.cov(rows.T) / size, expected / size, atol=0.06)
    np.testing.assert_allclose(rows.mean(0), [10, 11, 13], atol=0.06 * np.sqrt(size.max()))


def test_the_variance_follows_the_mean_of_the_draw_with_its_random_effects():
    plan = mt.planned(
        "y ~ 1 + (1|g)", mt.crossed(g=3000, r=2), fixed={"Intercept": 20},
        sd={"g": 5, "Residual": 0.1}, variance=mt.PowerOfMean(), residual={"power": 1.0},
    )  # fmt: skip
    y = plan.simulate(1, seed=1)[0].to_numpy().reshape(-1, 2)
    spread, level = np.diff(y, axis=1).ravel() ** 2 / 2, y.mean(1)
    slope = stats.linregress(np.log(level), np.log(spread)).slope
    assert slope == pytest.approx(2.0, abs=0.25)


def test_a_fitted_model_is_a_plan_with_its_estimates(growth):
    plan = from_fit(growth)
    assert plan.residuals.values == growth.residual_parameters["estimate"].iloc[1:].to_dict()
    assert plan.sigma == growth.sigma
    drawn = np.cov(plan.simulate(8000, seed=2).to_numpy()[:4])
    np.testing.assert_allclose(drawn, growth.residual_covariance(range(4)), atol=0.5)
    assert "phi" in str(plan)
    # the estimates are those of the same model planned by hand
    written = mt.planned(
        "distance ~ age*Sex", mt.load_orthodont(), fixed=growth.params.to_dict(),
        sd={"Residual": growth.sigma}, correlation=AR1, variance=mt.UnequalVariances("Sex"),
        residual=plan.residuals.values,
    )  # fmt: skip
    options = {"replicates": 50, "seed": 3}
    one, other = (mt.power_of(m, "age:Sex", **options) for m in (growth, written))
    assert one["power"][0] == other["power"][0]


# -- designs ---------------------------------------------------------------------------------------


def test_new_groups_have_the_visits_of_the_old(growth):
    lost = mt.load_orthodont().drop(index=[0, 5, 6, 44, 70])
    m = mt.gls("distance ~ age*Sex", lost, correlation=AR1, variance=mt.UnequalVariances("Sex"))
    plan = from_fit(m)
    twice = at(plan, {"Subject": 54})
    assert twice.nobs == 2 * len(lost)
    pattern = [tuple(own["age"]) for _, own in lost.groupby("Subject")]
    new = [tuple(own["age"]) for _, own in twice.frame.groupby("Subject", observed=True)]
    assert sorted(new) == sorted(2 * pattern)
    assert (twice.frame.groupby("Subject", observed=True)["Sex"].nunique() == 1).all()
    few = at(plan, {"Subject": 9})
    assert few.frame.groupby("Subject", observed=True)["Sex"].first().value_counts().to_dict() in (
        {"Male": 5, "Female": 4}, {"Male": 6, "Female": 3})  # fmt: skip


def test_groups_of_a_correlation_nested_in_others_get_new_names():
    table = mt.crossed(school=4, child=3, visit=[1, 2, 3])
    plan = mt.planned(
        "y ~ visit + (1|school)", table, fixed={"visit": 0.3}, sd={"school": 0.5, "Residual": 1},
        correlation=mt.AR1("visit", by="school:child"), residual={"phi": 0.5},
    )  # fmt: skip
    more = at(plan, {"school": 8})
    assert more.frame.groupby(["school", "child"], observed=True).ngroups == 24
    table = mt.power_curve(plan, "visit", {"school": [4, 8]}, replicates=25, seed=1)
    assert table["nobs"].tolist() == [36, 72]


def test_the_grid_of_residual_parameters(growth):
    along = {"phi": [0.1, 0.7], "sd ratio Female/Male": [1.0], "sigma": [2.0]}
    plan = from_fit(growth)
    one = at(plan, {"phi": 0.1, "sd ratio Female/Male": 1.0, "sigma": 2.0})
    assert one.residuals.values == {"phi": 0.1, "sd ratio Female/Male": 1.0}
    assert one.sigma == 2.0
    table = mt.power_curve(growth, ["age:Sex", "phi"], along, replicates=50, seed=1)
    power = table.set_index(["phi", "test"])["power"]
    assert power[0.1, "phi"] < power[0.7, "phi"]
    assert list(table.columns[:3]) == list(along)
    scaled = plan.residuals.scaled(("phi", "sd ratio Female/Male"), 0.5).values
    assert scaled["phi"] == pytest.approx(plan.residuals.values["phi"] / 2)
    assert scaled["sd ratio Female/Male"] ** 2 == pytest.approx(
        plan.residuals.values["sd ratio Female/Male"]
    )


def test_car1_says_that_phi_cannot_be_negative():
    plan = mt.planned(
        "y ~ 1", mt.crossed(g=10, t=[0, 1, 3]), fixed={}, sd={"Residual": 1},
        correlation=mt.CAR1("t", by="g"), residual={"phi": 0.0},
    )  # fmt: skip
    table = mt.power_of(plan, "phi", replicates=50, seed=1)
    assert any("phi of CAR1 cannot be negative" in note for note in table.notes)
    assert table["boundary"][0] > 10


def test_two_cores_count_as_one(growth):
    options = {"replicates": 50, "seed": 6}
    tables = [mt.power_curve(growth, ["age:Sex", "phi"], {"Subject": [12]}, n_jobs=n, **options)
              for n in (None, 2)]  # fmt: skip
    pd.testing.assert_frame_equal(*map(pd.DataFrame, tables))


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask_for", "message"),
    [
        ({"along": {"readings": [2]}}, "has each age once in a group: change the number of groups"),
        ({"along": {"age": []}}, "no values for 'age'"),
        ({"along": {"phi": [1.0]}}, "With phi=1.0: 'phi' is 1, but must lie in its range, -1 to 1"),
        ({"along": {"sd ratio Female/Male": [0]}}, "must lie in its range, larger than 0"),
        ({"along": {"rho": [0.1]}}, "no grouping factor, coefficient, residual parameter"),
        ({"along": {"Sex": [4]}}, "no grouping factor"),
        ({"test": "fi"}, "is no fixed effect, random effect or coefficient"),
        ({"test": "sigma"}, "'sigma' is not tested alone"),
        ({"test": "age", "ddf": "containment"}, "'containment' does not apply to this model"),
        ({"test": "age", "method": "exact"}, "balanced blocks, y ~ f .* or CompoundSymmetry"),
    ],
)
def test_what_is_refused(growth, ask_for, message):
    function = mt.power_curve if "along" in ask_for else mt.power_of
    with pytest.raises(mt.InferenceError, match=message):
        function(growth, **{"test": "phi", **ask_for})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"residual": None}, "residual= lacks 'phi': give 'phi'"),
        ({"residual": {"Phi": 0.5}}, r"no parameter of correlation=AR1.*Did you mean 'phi'"),
        ({"residual": {"phi": 1.0}}, "must lie in its range, -1 to 1"),
        ({"residual": {"phi": "a"}}, "must be a number"),
        ({"residual": 0.5}, "residual= must be a dict"),
        ({"correlation": "AR1"}, "'AR1' is not a correlation"),
        ({"correlation": None}, "there is none: the residual standard deviation is sd="),
        ({"correlation": mt.AR1("day", by="g")}, "'day' in AR1.* is not a column"),
        ({"formula": "y ~ visit + (1|g)", "correlation": mt.CompoundSymmetry("g"),
          "residual": {"rho": 0.3}, "sd": {"g": 1, "Residual": 1}}, "cannot tell them apart"),
        ({"correlation": mt.CompoundSymmetry("g"), "residual": {"rho": -0.5}},
         "must lie in its range|contradict each other"),
        ({"correlation": mt.Unstructured("visit", by="g"),
          "residual": {"corr(1, 2)": 0.9, "corr(1, 4)": -0.9, "corr(2, 4)": 0.9}},
         "they contradict each other"),
        ({"sd": {}}, "sd= lacks 'Residual'"),
        ({"ddf": "containment"}, "'containment' does not apply to this model"),
    ],
)  # fmt: skip
def test_plans_that_are_refused(change, message):
    arguments = {
        "formula": "y ~ visit", "data": mt.crossed(g=5, visit=[1, 2, 4]), "fixed": {},
        "sd": {"Residual": 1}, "correlation": mt.AR1("visit", by="g"), "residual": {"phi": 0.5},
    }  # fmt: skip
    with pytest.raises(mt.MixedTeachError, match=message):
        mt.planned(**{**arguments, **change})


def test_more_readings_where_a_group_may_have_them():
    table = mt.power_curve(blocks(0.4, groups=4), "f", {"readings": [1, 2]}, method="exact")
    assert table["nobs"].tolist() == [12, 24]
    assert table["power"][0] < table["power"][1]
    with pytest.raises(mt.InferenceError, match=r"With readings=3: 'rho' is -0.3, but must lie"):
        mt.power_curve(blocks(-0.3, groups=4), "f", {"readings": [3]})


def test_the_power_of_a_variance_is_not_the_power():
    plan = mt.planned(
        "y ~ dose", mt.crossed(animal=30, dose=[1.0, 2.0, 4.0]), fixed={"dose": 0.1},
        sd={"Residual": 1}, variance=mt.PowerOf("dose"), residual={"power": 0.5},
    )  # fmt: skip
    table = mt.power_curve(plan, "power", {"power": [0.0, 0.6]}, replicates=50, seed=1)
    assert list(table.columns[:3]) == ["power (variance)", "nobs", "power"]
    assert table["power"][0] < 0.2 < 0.9 < table["power"][1]
    ax = table.plot()
    assert ax.get_xlabel() == "power (variance)"
    plt.close("all")
