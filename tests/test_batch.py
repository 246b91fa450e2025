"""Many responses fitted together, held against the search for one response at a time.

Designs are random: nested, crossed, with slopes, balanced and with rows lost. Half of the responses
are drawn without any random effect, so that many optima lie at the boundary, where the two paths
could part.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedteach as mt
from mixedteach.errors import FitError
from mixedteach.fitting import alike
from mixedteach.fitting import batch as module
from mixedteach.fitting.batch import Batch, NotTogether
from mixedteach.fitting.closed_many import solve_many
from mixedteach.inference import many as many_tests
from mixedteach.inference.anova import contrasts
from mixedteach.inference.bootstrap import bootstrap_estimates

Array = np.ndarray

DESIGNS = {
    "one factor": ("y ~ a + (1|g)", 0),
    "one factor, rows lost": ("y ~ a + x + (1|g)", 9),
    "nested": ("y ~ a*b + (1|g/h)", 0),
    "nested, rows lost": ("y ~ a + (1|g/h)", 7),
    "strata": ("y ~ a*b + (1|g) + (1|g:a) + (1|g:b)", 0),
    "strata, rows lost": ("y ~ a + b + (1|g) + (1|g:a) + (1|g:b)", 5),
    "crossed": ("y ~ a + (1|g) + (1|b)", 0),
    "slope": ("y ~ x + (x|g)", 0),
    "slope, rows lost": ("y ~ x + a + (x|g)", 8),
    "independent slope": ("y ~ x + (x||g)", 6),
    "factor as slopes": ("y ~ a + (0 + a|g)", 0),
    "no fixed effect": ("y ~ 0 + (1|g)", 3),
}


def table(seed: int, lost: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    cells = [(g, a, b, i) for g in range(6) for a in "uvw" for b in "kl" for i in range(2)]
    data = pd.DataFrame(cells, columns=["g", "a", "b", "i"])
    data["h"], data["x"] = data["a"], np.tile([-1.5, -0.5, 0.5, 1.5], len(data) // 4)
    data["y"] = rng.standard_normal(len(data))
    return data.sample(len(data) - lost, random_state=seed).reset_index(drop=True)


def model(name: str, seed: int = 1) -> mt.MixedModel:
    formula, lost = DESIGNS[name]
    return mt.lmer(formula, table(seed, lost))


def responses(m: mt.MixedModel, count: int, seed: int = 2) -> Array:
    """Return rows: random effects of several sizes, half of them without any."""
    rng = np.random.default_rng(seed)
    Y = rng.standard_normal((count, m.nobs))
    for row in range(0, count, 2):
        for term in m.random:
            b = rng.normal(0, rng.choice([0.2, 0.6, 2.0]), (term.groups, term.size))
            Y[row] += np.einsum("ik,ik->i", term.basis, b[term.codes])
    return Y


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", DESIGNS)
def test_same_optimum_as_one_by_one(name: str, reml: bool) -> None:
    m = model(name)
    Y, problem = responses(m, 40), m.fit.problem
    found = Batch(problem, reml).fit(Y)
    fits = [problem.refit(y, reml) for y in Y]
    value = np.array([fit.deviance for fit in fits])
    np.testing.assert_allclose(found.value, value, rtol=0, atol=1e-8)
    # a flat deviance leaves theta with half the digits; zeros are exact
    np.testing.assert_allclose(found.theta, [f.state.theta for f in fits], rtol=0, atol=2e-5)
    np.testing.assert_array_equal(found.boundary, [f.optimum.zero.any() for f in fits])
    np.testing.assert_allclose(found.sigma2, [f.sigma2 for f in fits], rtol=1e-6)
    if found.beta.size:
        np.testing.assert_allclose(found.beta, [f.beta for f in fits], atol=1e-6)
    assert found.boundary.any()  # so that the boundary is tested
    assert not found.boundary.all()


BALANCED = [name for name, (_, lost) in DESIGNS.items() if not lost and name != "crossed"]


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", BALANCED)
def test_the_closed_form_is_what_the_search_finds(name: str, reml: bool) -> None:
    m = model(name)
    batch, Y = Batch(m.fit.problem, reml), responses(m, 80) * 1e-3 + 40
    known, slow = solve_many(batch.problem, reml, Y), batch._search(Y)
    assert known is not None
    assert 5 < known.done.sum() < 80  # the others lie at the boundary
    np.testing.assert_array_equal(slow.boundary[known.done], False)
    close = {"rtol": 1e-7, "atol": 1e-9}
    for a, b in (
        (known.value, slow.value), (known.theta, slow.theta), (known.ols, slow.coefficients),
        (known.r2 / batch.df * 1e6, slow.sigma2 * 1e6),
    ):  # fmt: skip
        np.testing.assert_allclose(a[known.done], b[known.done], **close)
    both = batch.fit(Y)
    np.testing.assert_allclose(both.value, slow.value, rtol=0, atol=1e-8)
    np.testing.assert_array_equal(both.boundary, slow.boundary)


@pytest.mark.parametrize("name", DESIGNS)
def test_most_are_fitted_together(name: str) -> None:
    m = model(name)
    # half of these optima lie at the boundary, some near two of them
    assert Batch(m.fit.problem).fit(responses(m, 40)).alone <= 10


@pytest.mark.parametrize("name", DESIGNS)
def test_derivatives_are_those_of_the_criterion(name: str) -> None:
    m = model(name)
    batch, y = Batch(m.fit.problem), responses(m, 1)[0]
    theta = m.fit.state.theta + 0.3
    one = m.fit.problem.refit(y).criterion.at(theta)
    many = batch.at(theta[None], batch.responses(y[None]))
    np.testing.assert_allclose(many.value[0], one.value, rtol=1e-10)
    np.testing.assert_allclose(many.gradient[0], one.gradient, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(many.hessian[0], one.hessian, rtol=1e-8, atol=1e-9)


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    m = model("nested")
    Y = responses(m, 50)
    whole = Batch(m.fit.problem).fit(Y)
    monkeypatch.setattr(Batch, "chunk", 7)
    parts = Batch(m.fit.problem).fit(Y)
    np.testing.assert_allclose(whole.value, parts.value, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(whole.boundary, parts.boundary)


def test_order_scale_and_shift_do_not_matter() -> None:
    m = model("strata, rows lost")
    Y = responses(m, 30)
    batch = Batch(m.fit.problem)
    plain, other = batch.fit(Y), batch.fit(1e4 * Y[::-1] + 1e6)
    np.testing.assert_allclose(other.theta[::-1], plain.theta, atol=1e-5)
    np.testing.assert_allclose(other.sigma2[::-1], 1e8 * plain.sigma2, rtol=1e-6)
    slopes = slice(1, None)
    np.testing.assert_allclose(other.beta[::-1, slopes], 1e4 * plain.beta[:, slopes], atol=1e-3)


def test_a_response_without_residual_variance_is_missing() -> None:
    m = model("one factor")
    Y = responses(m, 5)
    Y[2] = m.X @ np.arange(m.X.shape[1])  # the fixed effects reproduce it
    with pytest.raises(FitError):
        m.fit.problem.refit(Y[2])
    found = Batch(m.fit.problem).fit(Y)
    np.testing.assert_array_equal(np.isnan(found.value), [False, False, True, False, False])
    assert np.isnan(found.beta[2]).all()


def test_blocks_that_are_too_many_or_too_large_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    m = model("crossed")
    monkeypatch.setattr(alike, "_LARGEST", 5)
    with pytest.raises(NotTogether):
        Batch(m.fit.problem)
    assert not m.refit_many(responses(m, 2).T).together


# -- what the reader sees ------------------------------------------------------------------------


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "containment", "none"])
@pytest.mark.parametrize("name", ["nested, rows lost", "strata", "slope"])
def test_tests_are_those_of_each_fit(
    name: str, ddf: str, together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not together:
        monkeypatch.setattr(module, "_WORTH", -1.0)
    m = model(name)
    Y = responses(m, 16)
    many = m.refit_many(Y.T)
    assert many.together is together
    term = ":".join(m.design.terms[-1])
    for kind in (1, 3):
        table = many.anova(term, ddf=ddf, type=kind)
        alone = pd.DataFrame([m.refit(y).anova(ddf=ddf, type=kind).loc[term] for y in Y])
        np.testing.assert_array_equal(table["num_df"], alone["num_df"])
        for column, rtol in (("F", 1e-6), ("den_df", 1e-5), ("p", 1e-6)):
            np.testing.assert_allclose(table[column], alone[column], rtol=rtol, atol=1e-9)
        assert table.attrs["ddf"] == m.method(ddf).name


def test_redundant_hypotheses_count_once() -> None:
    m = model("strata, rows lost")
    from mixedteach.inference import many

    found = Batch(m.fit.problem)
    fit = found.fit(responses(m, 8))
    of = found.responses(responses(m, 8))
    at = found.at(fit.theta, of)
    L = contrasts(m, 3)[("a",)]
    for test in (many.satterthwaite, many.kenward_roger):
        once = test(found, at, fit.coefficients, L)
        twice = test(found, at, fit.coefficients, np.vstack([L, L.sum(axis=0)]))
        assert once.num_df == twice.num_df == 2
        np.testing.assert_allclose(once.F, twice.F, rtol=1e-8)


def test_estimates_have_names_and_the_responses_theirs() -> None:
    m = mt.lmer("Reaction ~ Days + (Days|Subject)", mt.load_sleepstudy())
    Y = m.simulate(4, seed=1).set_axis(["p", "q", "r", "s"], axis=1)
    many = m.refit_many(Y)
    alone = m.refit(Y["r"])
    assert list(many.params) == ["Intercept", "Days"]
    assert list(many.variances) == list(m.variance_names)
    np.testing.assert_allclose(many.params.loc["r"], alone.params, rtol=1e-8)
    np.testing.assert_allclose(many.variances.loc["r"], alone.variance_values(alone.fit), rtol=1e-6)
    assert many.llf["r"] == pytest.approx(alone.llf, abs=1e-8)
    assert len(many) == 4
    assert "4 fits of Reaction ~ Days" in repr(many)


def test_residual_structures_are_fitted_one_by_one() -> None:
    data = mt.load_orthodont()
    m = mt.lmer(
        "distance ~ age + (1|Subject)", data, correlation=mt.AR1("age", by="Subject")
    )  # fmt: skip
    many = m.refit_many(m.simulate(2, seed=1))
    assert not many.together
    assert many.anova("age")["p"].between(0, 1).all()


def test_bootstrap_is_that_of_single_refits() -> None:
    m = model("nested, rows lost")
    rng = np.random.default_rng(5)
    expected = []
    for _ in range(10):
        fit = m.fit.problem.refit(m.simulate(1, rng)[0].to_numpy(), m.reml)
        expected.append([*m.variance_values(fit), *fit.beta])
    found = bootstrap_estimates(m, 10, seed=5).drop(columns="boundary")
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("responses", "words"),
    [
        (np.zeros(20), "20, but the fit used 20 rows: give a table"),
        (np.zeros((19, 2)), "19 x 2, but the fit used 20 rows"),
        (np.full((20, 3), np.nan), "3 of 3 responses have missing"),
        ([["a"]] * 20, "must be a table of numbers"),
        (np.zeros((20, 0)), "no column"),
        (None, "not None"),
        (np.full((20, 2), "2026-01-01", "datetime64[D]"), "must be a table of numbers"),
    ],
)
def test_bad_responses_are_refused_in_words(responses: object, words: str) -> None:
    m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    with pytest.raises(mt.DataError, match=words):
        m.refit_many(responses)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (["x"] * 20, "'b' holds text, such as 'x'"),
        (["1,5"] * 20, "'b' holds text with decimal commas"),
        ([1.5] * 19 + ["lost"], "'b' holds numbers and text mixed, such as 'lost'"),
        (pd.Categorical(["u", "v"] * 10), "'b' holds categories"),
        ([pd.Timestamp("2026-01-01")] * 20, "'b' holds dates"),
        ([1j] * 20, "'b' holds complex numbers"),
        (pd.array([1, None] * 10, dtype="Int64"), "1 of 3 responses have .*'b' the first"),
    ],
)
def test_a_response_that_is_no_numbers_is_named(column: object, words: str) -> None:
    m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    responses = m.simulate(3, seed=1).set_axis(["a", "b", "c"], axis=1)
    with pytest.raises(mt.DataError, match=words):
        m.refit_many(responses.assign(b=column))


def test_responses_in_another_order_are_refused_as_one_is() -> None:
    m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    responses = m.simulate(2, seed=1)
    with pytest.raises(mt.DataError, match="in another order"):
        m.refit_many(responses[::-1])
    found = m.refit_many(responses[::-1].loc[m.fittedvalues.index]).llf
    np.testing.assert_allclose(found, m.refit_many(responses.to_numpy()).llf)


def test_a_term_that_is_not_there_is_refused_in_words() -> None:
    m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    many = m.refit_many(m.simulate(2, seed=1))
    with pytest.raises(mt.InferenceError, match="Did you mean 'method'"):
        many.anova("metod")
    with pytest.raises(mt.InferenceError, match="not a type of ANOVA"):
        many.anova("method", type=4)


def test_a_term_that_others_determine_has_no_test_by_any_method() -> None:
    data = table(1, 0)
    data["twin"] = (data["b"] == "l").astype(float)
    with pytest.warns(mt.MixedTeachWarning, match="twin"):
        m = mt.lmer("y ~ b + twin + (1|g)", data)
    many = m.refit_many(m.simulate(2, seed=1))
    for ddf in ("containment", "satterthwaite", "kenward-roger"):
        assert many.anova("twin", ddf=ddf)["num_df"].tolist() == [0, 0]
        assert many.anova("b", ddf=ddf)["num_df"].tolist() == [1, 1]


@pytest.mark.parametrize("A", [0.3, 1 - 1e-13, 1.0, 1 + 1e-13])
def test_kenward_rogers_df_of_one_row_are_two_over_a(A: float) -> None:
    """Kenward and Roger (1997), section 4, with A1 = A2 = A, as algebra has them; rounding not."""
    scaling, m = many_tests._moments(1, np.array([A]), np.array([A * (1 + 1e-15)]))
    assert m[0] == pytest.approx(2 / A, abs=1e-10)
    assert scaling[0] == pytest.approx(1.0, abs=1e-10)


def test_a_negative_adjusted_variance_is_no_test(monkeypatch: pytest.MonkeyPatch) -> None:
    m = model("slope, rows lost")
    many = m.refit_many(m.simulate(3, seed=1))
    L, original = np.eye(len(m.params))[[1]], many_tests._pseudo_inverses
    assert np.isfinite(many.test(L, "kenward-roger").F).all()
    monkeypatch.setattr(many_tests, "_pseudo_inverses", lambda X: -1e6 * original(X))
    assert np.isnan(many.test(L, "kenward-roger").F).all()
    # then each is asked of the single fit, which shows what anova() shows
    rows = many.anova("x", ddf="kenward-roger")
    alone = m.refit(many.responses[0]).anova(ddf="kenward-roger").loc["x"]
    assert rows["F"].iloc[0] == pytest.approx(alone["F"])
    assert rows["den_df"].iloc[0] == pytest.approx(alone["den_df"])
