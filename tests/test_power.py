"""Power: formulas against R, simulation against formulas, one p-value against the public tables."""

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import special

import mixedteach as mt
from mixedteach.fitting.batch import Batch
from mixedteach.fitting.lmm import Problem
from mixedteach.power import exact
from mixedteach.power.curve import clopper_pearson
from mixedteach.power.designs import at
from mixedteach.power.planned import from_fit
from mixedteach.power.questions import ask
from mixedteach.power.simulation import Experiment, experiment, recipe

PLANKS = "humidity ~ width*depth + (1|plank) + (1|plank:width) + (1|plank:depth)"


def pairs(groups: int, difference: float, sd: float = 0.2, **options):
    table = mt.crossed(tablet=groups, method=["nir", "hplc"])
    sds = {"tablet": 0.6, "Residual": sd}
    return mt.planned(
        "y ~ method + (1|tablet)", table, fixed={"method[hplc]": difference}, sd=sds, **options
    )


def one_way(groups: int, size: int = 4, sd: float = 0.1, **options):
    table = mt.crossed(g=groups, r=size)
    return mt.planned("y ~ 1 + (1|g)", table, fixed={}, sd={"g": sd, "Residual": 0.2}, **options)


def three(groups: int, **options):
    fixed = {"f[b]": 0.15, "f[c]": 0.2}
    table = mt.crossed(g=groups, f=["a", "b", "c"])
    return mt.planned(
        "y ~ f + (1|g)", table, fixed=fixed, sd={"g": 0.2, "Residual": 0.2}, **options
    )


@pytest.fixture(scope="module")
def planks() -> mt.MixedModel:
    return mt.lmer(PLANKS, mt.load_planks())


@pytest.fixture(scope="module")
def sleep() -> mt.MixedModel:
    return mt.lmer("Reaction ~ Days + (Days||Subject)", mt.load_sleepstudy())


@pytest.fixture(scope="module")
def children() -> mt.MixedModel:
    return mt.lmer("distance ~ age*Sex + (1|Subject)", mt.load_orthodont())


# -- formulas --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("groups", "difference", "sd", "alpha", "expected"),
    [
        # R: power.t.test(n, delta, sd * sqrt(2), sig.level, type = "paired", strict = TRUE)
        (5, 0.15, 0.2, 0.05, 0.151939396663),
        (10, 0.15, 0.2, 0.05, 0.323056919862),
        (40, 0.15, 0.2, 0.05, 0.904981088956),
        (12, 0.5, 0.7, 0.01, 0.140649198549),
    ],
)
def test_paired_t_test_as_r(groups, difference, sd, alpha, expected):
    m = pairs(groups, difference, sd)
    for test in (
        {"test": "method"}, {"test": "method[hplc]"}, {"test": "nir - hplc", "means": "method"}
    ):  # fmt: skip
        table = mt.power_of(m, **test, alpha=alpha, method="exact")
        assert table["power"][0] == pytest.approx(expected, abs=1e-9)
        assert (table["lower"] == table["upper"]).all()
        assert "non-central F" in table.caption
        assert table.attrs["method"] == "exact"


def test_blocks_of_several_levels_and_readings():
    # R: 1 - pf(qf(.95, 2, 22), 2, 22, ncp), and the same on 17 df
    assert mt.power_of(three(12), "f", method="exact")["power"][0] == pytest.approx(0.558020969437)
    twice = mt.power_curve(pairs(6, 0.15), "method", {"readings": [2]}, method="exact")
    assert twice["power"][0] == pytest.approx(0.410476961246)
    assert twice["nobs"][0] == 24


@pytest.mark.parametrize(("groups", "expected"), [(5, 0.14172658578), (10, 0.263517387663)])
def test_one_way_random_effects_as_r(groups, expected):
    # R: 1 - pf(w / (1 + 4 * 0.25), g - 1, 3 * g) with w from uniroot() on the likelihood ratio
    table = mt.power_of(one_way(groups), "(1|g)", method="exact")
    assert table["power"][0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("model", [one_way, three])
def test_the_likelihood_ratio_is_that_function_of_the_mean_squares(model, reml):
    plan = model(8, reml=reml)
    ready = Experiment(recipe(plan))
    blocks = exact.blocks_of(ready.base, plan)
    group = ready.base.random[0].codes
    inside, zeros = 0, 0
    for y in plan.simulate(40, seed=1).to_numpy().T:
        m = ready.base.refit(y)
        X = np.column_stack([ready.base.X[:, 1:], np.eye(8)[group]])
        rest = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
        means = np.bincount(group, y) / np.bincount(group)
        between = blocks.size * means.var(ddof=1)
        w = between / (rest @ rest / blocks.within)
        lrt = m.ranova()["LRT"].iloc[1]
        assert exact.likelihood_ratio(blocks, w) == pytest.approx(lrt, abs=1e-7)
        zero = bool(m.fit.optimum.zero.any())
        assert zero == (w <= blocks.edge)
        inside, zeros = inside + (not zero), zeros + zero
    assert inside
    assert zeros


def test_without_an_effect_the_power_is_alpha():
    table = mt.power_curve(pairs(10, 0.3), "method", {"effect": [0]}, alpha=0.03, method="exact")
    assert table["power"][0] == pytest.approx(0.03)


def test_auto_takes_the_formula_only_where_it_is_that_of_the_mixed_model():
    k = {"replicates": 25, "seed": 1}
    assert mt.power_of(pairs(10, 0.3), "method", **k).attrs["method"] == "exact"
    same = mt.power_curve(pairs(10, 0.3), "method", {"sd(Intercept | tablet)": [0.05]}, **k)
    assert same.attrs["method"] == "simulation"  # a variance of zero is likely, and pooled
    for m, test, other in [
        (pairs(10, 0.3, reml=False), "method", {}),
        (pairs(10, 0.3), "method", {"ddf": "none"}),
        (pairs(10, 0.3), "Intercept", {}),
    ]:
        assert mt.power_of(m, test, **other, **k).attrs["method"] == "simulation"
        with pytest.raises(mt.InferenceError, match="no formula for the power of"):
            mt.power_of(m, test, **other, method="exact")


# -- simulation against formulas -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("m", "test", "options"),
    [
        (pairs(10, 0.2), "method", {}),
        (pairs(10, 0.2), "method", {"ddf": "kenward-roger"}),
        (pairs(10, 0.2), "method", {"ddf": "containment"}),
        (three(15), "f", {}),
        (one_way(10, sd=0.2), "(1|g)", {}),
        (one_way(10, sd=0.2, reml=False), "(1|g)", {}),
        (three(12), "(1|g)", {}),
    ],
)
def test_simulation_agrees_with_the_formula(m, test, options):
    n = 400
    theory = mt.power_of(m, test, method="exact", **options)["power"][0]
    table = mt.power_of(m, test, method="simulation", replicates=n, seed=11, **options)
    off = (table["power"][0] - theory) / np.sqrt(theory * (1 - theory) / n)
    assert abs(off) < 4
    assert table["failed"][0] == 0
    assert table["lower"][0] < table["power"][0] < table["upper"][0]


def test_planks_agree_with_the_non_central_f_of_their_stratum(planks):
    # balanced, so width is tested on exactly 38 df; the fit is the truth, so delta = 2 F
    anova = planks.anova()
    terms = ["width", "width:depth"]
    powers = mt.power_of(planks, terms, replicates=250, seed=2)["power"]
    for term, power in zip(terms, powers, strict=True):
        q, df = anova.loc[term, ["num_df", "den_df"]]
        delta = anova.loc[term, "F"] * q
        theory = 1 - special.ncfdtr(q, df, delta, special.fdtri(q, df, 0.95))
        assert abs(power - theory) < 4 * np.sqrt(theory * (1 - theory) / 250)


# -- one replicate against the public tables -------------------------------------------------------


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "containment", "none"])
@pytest.mark.parametrize("kind", [1, 2, 3, "marginal"])
def test_p_of_a_term_is_that_of_the_anova(children, kind, ddf):
    plan = from_fit(children)
    question = ask(children, "Sex", kind, ddf, None, None)
    ready = Experiment(recipe(plan, [question]))
    for y in plan.simulate(2, seed=3).to_numpy().T:
        m = ready.base.refit(y)
        expected = m.anova(type=kind, ddf=ddf).loc["Sex", "p"]
        assert ready.bound[0].pvalue(m) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("adjust", ["tukey", "sidak", "bonferroni", "holm", "none"])
@pytest.mark.parametrize("test", ["2 - 3", "any", "all"])
def test_p_of_a_contrast_is_that_of_the_pairs(planks, test, adjust):
    question = ask(planks, test, 3, None, "width", adjust)
    ready = Experiment(recipe(from_fit(planks), [question]))
    for y in planks.simulate(2, seed=4).to_numpy().T:
        m = ready.base.refit(y)
        table = m.emmeans("width").pairs(adjust=adjust)
        p = table.set_index("contrast")["p"]
        expected = {"any": p.min(), "all": p.max()}.get(test, p.get(test))
        assert ready.bound[0].pvalue(m) == pytest.approx(expected, rel=1e-9)


def test_p_of_a_contrast_by_weights(planks):
    weights = {"w2 - rest": [-0.5, 1, -0.5]}
    question = ask(planks, weights, 3, "kenward-roger", "width", None)
    ready = Experiment(recipe(from_fit(planks), [question]))
    m = ready.base.refit(planks.simulate(1, seed=4)[0].to_numpy())
    expected = m.emmeans("width", ddf="kenward-roger").contrast(weights)["p"][0]
    assert ready.bound[0].pvalue(m) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("formula", ["(Days|Subject)", "(Days||Subject)", "(1|Subject)"])
def test_p_of_a_random_effect_is_that_of_ranova(formula, reml):
    m = mt.lmer(f"Reaction ~ Days + {formula}", mt.load_sleepstudy(), reml=reml)
    names = list(m.ranova().index[1:])
    ready = Experiment(recipe(from_fit(m), [ask(m, n, 3, None, None, None) for n in names]))
    y = m.simulate(1, seed=5)[0].to_numpy()
    fit = ready.base.refit(y)
    table = fit.ranova()
    for name, bound in zip(names, ready.bound, strict=True):
        assert bound.pvalue(fit) == pytest.approx(table.loc[name, "p"], abs=1e-9)


def test_random_effects_by_other_spellings(sleep):
    for text in ("(1|Subject)", "( 1 | Subject )"):
        assert ask(sleep, text, 3, None, None, None).name == "(1 | Subject)"
    for text in ("Days in (0+Days|Subject)", "(0 + Days | Subject)"):
        assert ask(sleep, text, 3, None, None, None).name == "Days in (0 + Days | Subject)"


# -- responses -------------------------------------------------------------------------------------


def test_planned_responses_have_the_planned_moments():
    table = mt.crossed(g=40, x=[0.0, 1.0, 2.0])
    m = mt.planned(
        "log(y) ~ x + (x|g)", table, fixed={"Intercept": 5, "x": -1},
        sd={"g": [1, 0.5], "Residual": 0.3}, corr={"g": -0.4},
    )  # fmt: skip
    Y = m.simulate(500, seed=1).to_numpy().reshape(40, 3, 500).transpose(1, 0, 2).reshape(3, -1)
    Z = np.column_stack([np.ones(3), [0, 1, 2]])
    V = Z @ np.array([[1, -0.2], [-0.2, 0.25]]) @ Z.T + 0.09 * np.eye(3)
    np.testing.assert_allclose(Y.mean(axis=1), [5, 4, 3], atol=0.04)
    np.testing.assert_allclose(np.cov(Y), V, atol=0.05)
    components = m.variance_components
    np.testing.assert_allclose(components["variance"], [1, 0.25, -0.2, 0.09])
    assert components["corr"][2] == pytest.approx(-0.4)
    assert "120 readings; groups: g 40" in repr(m)


def test_stateful_terms_keep_the_coding_of_the_fit(sleep):
    # center() learns other means from other tables; the truth must not move with them
    plain = mt.lmer("Reaction ~ Days + (1|Subject)", mt.load_sleepstudy())
    centred = mt.lmer("Reaction ~ center(Days) + (1|Subject)", mt.load_sleepstudy().iloc[3:])
    for m in (plain, centred):
        plan = at(from_fit(m), {"Subject": 4})
        np.testing.assert_allclose(
            recipe(plan).mean, m.predict(plan.frame, random=False), rtol=1e-12
        )


# -- designs ---------------------------------------------------------------------------------------


def test_kinds_of_groups_keep_their_shares(children):
    plan = from_fit(children)
    for number, boys in [(27, 16), (54, 32), (10, 6), (5, 3)]:
        frame = at(plan, {"Subject": number}).frame
        sexes = frame.groupby("Subject", observed=True)["Sex"].agg(["first", "nunique"])
        assert len(sexes) == number
        assert (sexes["first"] == "Male").sum() == boys
        assert (sexes["nunique"] == 1).all()
        assert (frame.groupby("Subject", observed=True)["age"].nunique() == 4).all()


def test_what_is_nested_comes_along_under_new_names():
    table = mt.crossed(block=3, plot=4, reading=2)
    table["plot"] = table["block"].astype(str) + table["plot"].astype(str)  # named once in all
    m = mt.planned(
        "y ~ 1 + (1|block) + (1|plot)", table, fixed={}, sd={"block": 1, "plot": 1, "Residual": 1}
    )
    more = at(m, {"block": 7}).frame
    assert more["plot"].nunique() == 28
    assert (more.groupby("plot", observed=True)["block"].nunique() == 1).all()
    fewer = at(m, {"plot": 6}).frame
    assert (fewer.groupby("block", observed=True)["plot"].nunique() == 2).all()


def test_crossed_groups_stay_crossed():
    m = mt.lmer("diameter ~ 1 + (1|plate) + (1|sample)", mt.load_penicillin())
    frame = at(from_fit(m), {"sample": 9, "plate": 5}).frame
    assert pd.crosstab(frame["plate"], frame["sample"]).to_numpy().tolist() == [[1] * 9] * 5


def test_shuffled_rows_give_the_same_design(children):
    data = mt.load_orthodont()
    other = mt.lmer("distance ~ age*Sex + (1|Subject)", data.sample(frac=1, random_state=1))
    counts = [
        at(from_fit(m), {"Subject": 11}).frame[["age", "Sex"]].value_counts().sort_index()
        for m in (children, other)
    ]
    pd.testing.assert_series_equal(*counts)


def test_readings_coefficients_and_variances(sleep):
    plan = at(from_fit(sleep), {
        "readings": 3, "Days": 2.5, "sd(Days | Subject)": 1.5, "sd(Residual)": 9,
    })  # fmt: skip
    assert plan.nobs == 540
    assert plan.params["Days"] == 2.5
    assert plan.sigma == 9
    assert plan.covariances[1][0, 0] == pytest.approx(1.5**2)
    assert plan.covariances[0] is not sleep.fit.covariances[0]


def test_a_standard_deviation_keeps_the_correlation():
    m = mt.lmer("Reaction ~ Days + (Days|Subject)", mt.load_sleepstudy())
    before, (after,) = m.fit.covariances[0], at(from_fit(m), {"sd(Days | Subject)": 2}).covariances
    assert after[1, 1] == pytest.approx(4)
    assert after[0, 0] == pytest.approx(before[0, 0])
    corr = [C[0, 1] / np.sqrt(C[0, 0] * C[1, 1]) for C in (before, after)]
    assert corr[0] == pytest.approx(corr[1])


def test_an_effect_is_scaled_alone(planks):
    from mixedteach.inference.anova import contrasts
    from mixedteach.power.curve import _case

    question = ask(planks, "width", 3, None, None, None)
    case = _case(from_fit(planks), {"effect": 0.5}, [question])
    cross = np.linalg.pinv(planks.X)
    truth, scaled = planks.params.to_numpy(), cross @ case.recipe.mean
    for term, L in contrasts(planks, 3).items():
        factor = 0.5 if term == ("width",) else 1.0
        np.testing.assert_allclose(L @ scaled, factor * (L @ truth), atol=1e-10)


def test_the_size_of_a_random_effect_is_its_sd():
    k = {"method": "exact"}
    by_effect = mt.power_curve(one_way(10), "(1|g)", {"effect": [0, 2]}, **k)
    by_sd = mt.power_curve(one_way(10), "(1|g)", {"sd(Intercept | g)": [0, 0.2]}, **k)
    np.testing.assert_allclose(by_effect["power"], by_sd["power"])
    assert by_effect["power"][0] < 0.05  # chi-squared with one df is too strict
    assert "alpha=0.1" in " ".join(by_effect.notes)


# -- the table -------------------------------------------------------------------------------------


def test_the_grid_and_its_columns(sleep):
    tests = ["(1|Subject)", "Days"]
    table = mt.power_curve(
        sleep, tests, {"Subject": [4, 6], "readings": [1, 2]}, replicates=30, seed=1
    )
    assert list(table.columns) == [
        "Subject", "readings", "nobs", "test", "power", "lower", "upper", "replicates", "boundary",
        "failed",
    ]  # fmt: skip
    assert table["nobs"].tolist()[::2] == [40, 80, 60, 120]
    assert table["test"].tolist()[:2] == ["(1 | Subject)", "Days"]
    # the replicates of one test are those of the list
    alone = mt.power_curve(sleep, "Days", {"Subject": [4]}, replicates=30, seed=1)
    assert alone["power"][0] == table["power"][1]
    assert alone["boundary"][0] == table["boundary"][1]
    # numbers shown have three decimals, those inside all
    assert repr(alone).splitlines()[2].split()[2] == f"{alone['power'][0]:.3f}"
    assert any(note.startswith("The effects are those estimated") for note in alone.notes)


def test_the_seed_decides(planks):
    k = {"replicates": 30, "method": "simulation"}
    m = pairs(6, 0.2)
    first = mt.power_curve(m, "method", {"tablet": [5, 8]}, seed=5, **k)
    again = mt.power_curve(m, "method", {"tablet": [5, 8]}, seed=5, **k)
    pd.testing.assert_frame_equal(pd.DataFrame(first), pd.DataFrame(again))
    # another point of the grid changes nothing at those before it
    longer = mt.power_curve(m, "method", {"tablet": [5, 8, 9]}, seed=5, **k)
    assert longer["power"].tolist()[:2] == first["power"].tolist()
    drawn = mt.power_of(m, "method", **k)
    same = mt.power_of(m, "method", seed=drawn.attrs["seed"], **k)
    assert same["power"][0] == drawn["power"][0]


@pytest.mark.parametrize("together", [True, False])
def test_failures_are_counted(monkeypatch, together):
    m, calls = pairs(6, 5.0), []
    refit = mt.MixedModel.refit

    def sometimes(self, y, *args):
        calls.append(y)
        if len(calls) % 5 == 0:
            raise mt.FitError("No.")
        return refit(self, y, *args)

    def never(self, *args):
        raise mt.FitError("No.")

    experiment.cache_clear()  # it remembers how its fits are made
    if together:  # what needs a closer look is fitted alone, and fails
        monkeypatch.setattr("mixedteach.fitting.batch.has_closed_form", lambda *which: False)
        monkeypatch.setattr(Batch, "_settle", lambda self, best, of, active: fifth(len(of)))
        monkeypatch.setattr(Batch, "_other_valley", lambda self, best, of, active: ~active & False)
        monkeypatch.setattr(Problem, "refit", never)
    else:
        monkeypatch.setattr(mt.MixedModel, "batch", None)
        monkeypatch.setattr(mt.MixedModel, "refit", sometimes)
    table = mt.power_of(m, "method", method="simulation", replicates=50, seed=1)
    assert table["failed"][0] == 10
    assert table["power"][0] == 0.8
    assert "10 of 50 tests gave no p-value" in " ".join(table.notes)
    experiment.cache_clear()


def fifth(count: int) -> np.ndarray:
    return np.arange(1, count + 1) % 5 == 0


ASKED = [
    ("width", {}),
    ("width", {"type": 1, "ddf": "containment"}),
    ("width:depth", {"ddf": "kenward-roger"}),
    ("depth", {"ddf": "containment"}),
    ("width[2]", {"ddf": "kenward-roger"}),
    ("width[2]", {"ddf": "containment"}),
    ("width[2]", {"ddf": "none"}),
    ("1 - 2", {"means": "width"}),
    ("any", {"means": "width", "adjust": "holm"}),
    ("all", {"means": "width", "ddf": "kenward-roger"}),
    ("2 - 3", {"means": "width", "adjust": "sidak"}),
    ({"a": [1, 0, -1]}, {"means": "width"}),
    ("(1|plank:width)", {}),
]


@pytest.mark.parametrize(("test", "options"), ASKED, ids=str)
def test_p_values_of_fits_made_together_are_those_of_each(planks, test, options):
    plan = from_fit(planks)
    chosen = {"type": 3, "ddf": None, "means": None, "adjust": None} | options
    own = Experiment(recipe(plan, (ask(planks, test, **chosen),)))
    # a test whose hypothesis depends on the variances is made of each fit
    assert own.together is (options != {"type": 1, "ddf": "containment"})
    p, boundary = own.replicates(np.random.default_rng(3), 12)
    own.together = False
    alone, zero = own.replicates(np.random.default_rng(3), 12)
    np.testing.assert_allclose(p, alone, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(boundary, zero)


def test_fits_at_the_boundary_are_counted():
    table = mt.power_of(one_way(6, sd=0), "(1|g)", method="simulation", replicates=60, seed=1)
    theory = exact.Blocks(6, 4, 1, 0.0, True).chance_of_zero
    count = table["boundary"][0]
    assert abs(count - 60 * theory) < 4 * np.sqrt(60 * theory * (1 - theory))
    assert f"{count} of 60 replicates ended at the boundary" in " ".join(table.notes)


def test_limits_of_clopper_and_pearson_as_r():
    # R: binom.test(80, 100)$conf.int, binom.test(0, 20, conf.level = 0.9)$conf.int
    assert clopper_pearson(80, 100) == pytest.approx((0.708157310911, 0.873344447898))
    assert clopper_pearson(0, 20, 0.9) == pytest.approx((0.0, 0.139108340668))
    assert clopper_pearson(20, 20, 0.9) == pytest.approx((1 - 0.139108340668, 1.0))


def test_no_bar_unless_somebody_watches(capfd):
    mt.power_of(pairs(5, 0.2), "method", method="simulation", replicates=25, seed=1)
    assert capfd.readouterr() == ("", "")


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask_for", "message"),
    [
        ({"test": "metod"}, "test='metod' is no fixed effect.*Did you mean 'method'"),
        ({"test": "nir - hplc"}, "For a contrast, say of which means, as in means='width'"),
        ({"test": "hplc - nir", "means": "method"}, "choose 'nir - hplc'"),
        ({"test": {"a": [1, -1]}}, "is a contrast of means"),
        ({"test": {}, "means": "method"}, "dict of contrasts is empty"),
        ({"test": []}, "test= is empty"),
        ({"test": "method", "adjust": "tukey"}, "adjust= is for comparisons of means"),
        ({"test": "method", "ddf": "kr2"}, "is not a df method"),
        ({"test": "method", "type": 4}, "is not a type of ANOVA"),
        ({"test": "method", "alpha": 5}, "alpha=5 must be a number between 0 and 1"),
        ({"test": "method", "seed": 1.5}, "seed=1.5 must be a whole number"),
        ({"test": "method", "n_jobs": 0}, "n_jobs=0 must be a whole number of processes"),
        ({"test": "method", "replicates": 0}, "replicates=0 must be a whole number"),
        ({"test": "method", "method": "fast"}, "is not a way to the power"),
        ({"test": "method", "nsim": 9}, "write replicates=1000"),
        ({"along": [1]}, r"along= is a list, not a dict.*\{'tablet': \[10, 20, 40\]\}"),
        ({"along": {}}, "along= is empty"),
        ({"along": {"tablets": [5]}}, "Did you mean 'tablet'"),
        ({"along": {"tablet": []}}, "no values for 'tablet'"),
        ({"along": {"tablet": [1]}}, "number of groups must be whole and at least 2"),
        ({"along": {"readings": [0.5]}}, "number of readings must be whole and at least 1"),
        ({"along": {"method": [3]}}, "Did you mean 'method\\[hplc\\]'"),
        ({"along": {"sd(Residual)": [0]}}, "must be larger than that"),
        ({"along": {"effect": ["x"]}}, "along= of 'effect' is 'x', but must be a number"),
    ],
)
def test_what_is_refused(ask_for, message):
    function = mt.power_curve if "along" in ask_for else mt.power_of
    with pytest.raises(mt.InferenceError, match=message):
        function(pairs(10, 0.2), **{"test": "method", **ask_for})


def test_what_has_no_number_of_groups(planks):
    with pytest.raises(mt.InferenceError, match="'width' in along= is among the effects"):
        mt.power_curve(planks, "depth", {"width": [3]})
    with pytest.raises(mt.InferenceError, match=r"are combinations: name .* 'plank'"):
        mt.power_curve(planks, "depth", {"plank:width": [3]})
    few = mt.load_orthodont().query("Sex == 'Male' or Subject in ['F01', 'F02']")
    m = mt.lmer("distance ~ age*Sex + (1|Subject)", few)
    with pytest.raises(mt.InferenceError, match="With Subject=2: The factor 'Sex' has only one"):
        mt.power_curve(m, "age", {"Subject": [2]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"formula": "y ~ method"}, "has no random effect"),
        ({"fixed": {"hplc": 1}}, "'hplc', which is no coefficient"),
        ({"fixed": 3}, "fixed= must be a dict"),
        ({"fixed": {"Intercept": "a"}}, "must be a number"),
        ({"sd": {"tablet": 1}}, "sd= lacks 'Residual'"),
        ({"sd": {"Tablet": 1, "Residual": 1}}, "Did you mean 'tablet'"),
        ({"sd": {"tablet": [1, 2], "Residual": 1}}, "give one for each, in this order"),
        ({"sd": {"tablet": -1, "Residual": 1}}, "at least 0"),
        ({"sd": {"tablet": 1, "Residual": 0}}, "larger than that"),
        ({"sd": 3}, "sd= must be a dict"),
        ({"corr": {"tablet": 0.5}}, "there is only one effect"),
        ({"corr": 0.5}, "corr= must be a dict"),
        ({"reml": 3}, "reml=3 must be True"),
        ({"variances": {}}, "give standard deviations"),
    ],
)
def test_plans_that_are_refused(change, message):
    arguments = {
        "formula": "y ~ method + (1|tablet)", "data": mt.crossed(tablet=5, method=["a", "b"]),
        "fixed": {}, "sd": {"tablet": 1, "Residual": 1},
    }  # fmt: skip
    with pytest.raises(mt.MixedTeachError, match=message):
        mt.planned(**{**arguments, **change})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs the columns"), ({"a": 0}, "at least 1"), ({"a": "x"}, "a list of values"),
        ({"a": []}, "no values"), ({"a": [1, 1]}, "a value twice"), ({"a": True}, "a list of"),
        ({"a": 3, "between": {"a": [1]}}, "given twice"), ({"a": 3, "between": [1]}, "a dict of"),
    ],
)  # fmt: skip
def test_tables_that_are_refused(arguments, message):
    with pytest.raises(mt.DataError, match=message):
        mt.crossed(**arguments)


def test_what_is_no_model_is_refused():
    with pytest.raises(mt.InferenceError, match="not of text"):
        mt.power_of("m", "age")


# -- the picture -----------------------------------------------------------------------------------


@pytest.fixture
def _closed():
    yield
    plt.close("all")


@pytest.mark.usefixtures("_closed")
def test_picture_of_a_grid():
    table = mt.power_curve(
        pairs(10, 0.1), "method", {"tablet": [5, 10, 20, 40], "method[hplc]": [0.1, 0.2]}
    )
    ax = table.plot()
    assert ax.get_xlabel() == "number of tablets"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["0.1", "0.2"]
    drawn = [line.get_ydata() for line in ax.get_lines()[:2]]
    np.testing.assert_allclose(drawn[1], table.loc[table["method[hplc]"] == 0.2, "power"])
    words = mt.plot.description(ax.figure)
    assert words.startswith("Power against the number of tablets. 0.1: from")
    assert "0.2: from 0.231 at 5 to 0.992 at 40; 0.8 is reached at 20." in words
    sizes = [text.get_fontsize() for text in [*ax.get_xticklabels(), *ax.texts]]
    assert min(sizes) >= 12


@pytest.mark.usefixtures("_closed")
def test_picture_with_limits_and_tests(sleep):
    own = mt.plot.axes()
    table = mt.power_curve(
        sleep, ["(1|Subject)", "Days"], {"Subject": [4, 6, 8]}, replicates=25, seed=1
    )
    ax = mt.plot.power(table, ax=own)
    assert ax is own
    assert len(ax.containers) == 2
    assert all(container.has_yerr for container in ax.containers)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["(1 | Subject)", "Days"]


@pytest.mark.usefixtures("_closed")
def test_pictures_that_are_refused():
    with pytest.raises(mt.InferenceError, match="not an int"):
        mt.plot.power(3)
    with pytest.raises(mt.InferenceError, match="no column 'power', 'lower' or 'upper'"):
        mt.plot.power(mt.load_tablets())
    with pytest.raises(mt.InferenceError, match="the power of one experiment"):
        mt.power_of(pairs(20, 0.2), "method").plot()
