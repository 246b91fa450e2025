"""What must hold for all data: an analysis does not depend on names, order, units or coding.

The data are drawn by hypothesis through the seed of a generator, so that each example is a whole
design: unbalanced unless said, random terms sometimes at the boundary.
"""

from __future__ import annotations

import tracemalloc
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mixedteach as mt

Array = np.ndarray

# The optimum is exact to about 1e-9 in theta; F, df and p inherit that times their sensitivity.
EQUAL = 1e-6

SEEDS = st.integers(0, 10**6)
few = settings(
    max_examples=6, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip


def unbalanced(seed: int, groups: int = 9) -> pd.DataFrame:
    """Return groups g by factors f (3) and h (2) with covariate x; about a sixth of it missing.

    Every combination of f and h keeps some rows, so that all effects are estimable.
    """
    rng = np.random.default_rng(seed)
    g, f, h = (a.ravel() for a in np.indices((groups, 3, 2)))
    keep = rng.random(len(g)) < 0.83
    keep[g < 2] = True
    x = rng.normal(2.0, 1.0, len(g))
    sd = rng.choice([0.2, 1.0, 3.0], 3)
    y = 5 + 0.5 * f + 0.7 * x * (h + 1) + sd[0] * rng.normal(size=groups)[g]
    y += 0.3 * sd[1] * rng.normal(size=groups)[g] * x
    y += sd[2] * rng.normal(size=(groups, 3))[g, f] + rng.normal(size=len(g))
    frame = pd.DataFrame({
        "g": [f"g{i}" for i in g],
        "f": pd.Categorical.from_codes(f, list("abc")),
        "h": pd.Categorical.from_codes(h, ["no", "yes"]),
        "x": x, "y": y,
    })  # fmt: skip
    return frame[keep].reset_index(drop=True)


def anovas(model: mt.MixedModel, ddf: str, types: tuple[int, ...] = (1, 2, 3)) -> pd.DataFrame:
    """Return the tables of several types, one above the other."""
    tables = {kind: pd.DataFrame(model.anova(type=kind, ddf=ddf)) for kind in types}
    return pd.concat(tables)[["num_df", "den_df", "F", "p"]]


def same(ours: object, expected: object, rel: float = EQUAL) -> None:
    """Compare numbers; those that are zero in theory are compared absolutely."""
    np.testing.assert_allclose(
        np.asarray(ours, float), np.asarray(expected, float), rtol=rel, atol=1e-3 * rel
    )


def same_tests(one: pd.DataFrame, other: pd.DataFrame, rel: float = EQUAL) -> None:
    """Compare F, df and p of two tables with the same rows."""
    assert list(one.index) == list(other.index)
    columns = ["num_df", "den_df", "F", "p"]
    same(one[columns], other[columns], rel)


PLAIN = "y ~ f*h + x + (1|g) + (1|g:f)"


# -- order and names -----------------------------------------------------------------------------


@few
@given(seed=SEEDS)
def test_order_of_rows_does_not_matter(seed: int) -> None:
    frame = unbalanced(seed)
    shuffled = frame.sample(frac=1.0, random_state=seed)
    one, other = mt.lmer(PLAIN, frame), mt.lmer(PLAIN, shuffled)
    assert other.llf == pytest.approx(one.llf, abs=1e-9)
    same(other.params, one.params)
    same(other.variance_components["variance"], one.variance_components["variance"])
    for ddf in ("kenward-roger", "satterthwaite"):
        same_tests(anovas(other, ddf), anovas(one, ddf))
    same(other.resid.loc[frame.index], one.resid)
    for group, effects in one.random_effects.items():
        same(other.random_effects[group].loc[effects.index], effects)


@few
@given(seed=SEEDS)
def test_names_of_groups_and_levels_do_not_matter(seed: int) -> None:
    """The levels of f get other names, and all but the reference another order."""
    frame = unbalanced(seed)
    one = mt.lmer(PLAIN, frame)
    rng = np.random.default_rng(seed)
    groups = frame["g"].unique()
    labels = [f"#{number:03d}" for number in rng.permutation(500)[: len(groups)]]
    group = dict(zip(groups, labels, strict=True))
    level = {"a": "z", "b": "m", "c": "k"}
    renamed = frame.assign(
        g=frame["g"].map(group),
        f=pd.Categorical(frame["f"].astype(str).map(level), ["z", "k", "m"]),
    )
    other = mt.lmer(PLAIN, renamed)
    assert other.llf == pytest.approx(one.llf, abs=1e-9)
    main = {"f[b]": "f[m]", "f[c]": "f[k]"}
    name = main | {f"{old}:h[yes]": f"{new}:h[yes]" for old, new in main.items()}
    for ddf in ("kenward-roger", "satterthwaite"):
        table = other.coefficients(ddf)
        expected = one.coefficients(ddf).rename(index=name)
        same(table.loc[expected.index], expected)
    same_tests(anovas(other, "kenward-roger"), anovas(one, "kenward-roger"))
    effects = one.random_effects["g"].rename(index=group)
    same(other.random_effects["g"].loc[effects.index], effects)


@few
@given(seed=SEEDS, reference=st.sampled_from(["b", "c"]))
def test_reference_level_does_not_matter(seed: int, reference: str) -> None:
    """To ANOVA tables, means and comparisons it is a matter of coding."""
    frame = unbalanced(seed)
    order = [reference, *(level for level in "abc" if level != reference)]
    turned = frame.assign(f=frame["f"].cat.reorder_categories(order))
    formula = "y ~ f*h + f*x + (1|g) + (1|g:f)"
    one, other = mt.lmer(formula, frame), mt.lmer(formula, turned)
    assert other.llf == pytest.approx(one.llf, abs=1e-9)
    # KR throughout; Satterthwaite's several-df rule depends on the basis of L (lmerTest's rule)
    same_tests(anovas(other, "kenward-roger"), anovas(one, "kenward-roger"))
    for ddf in ("kenward-roger", "satterthwaite"):
        means, expected = (m.emmeans("f", ddf=ddf).set_index("f") for m in (other, one))
        same(means.loc[list("abc")], expected)
        pairs = other.emmeans("f", by="h", ddf=ddf).pairs().set_index(["h", "contrast"])
        for row in one.emmeans("f", by="h", ddf=ddf).pairs().itertuples():
            first, second = row.contrast.split(" - ")
            turn = (row.h, row.contrast) not in pairs.index
            found = pairs.loc[(row.h, f"{second} - {first}" if turn else row.contrast)]
            same(found[["SE", "df", "p"]], [row.SE, row.df, row.p])
            same(found["estimate"] * (-1 if turn else 1), row.estimate)


@few
@given(seed=SEEDS)
def test_type_three_does_not_depend_on_the_coding_of_the_fit(seed: int) -> None:
    frame = unbalanced(seed)
    one = mt.lmer(PLAIN, frame).anova(type=3, ddf="kenward-roger")
    coded = mt.lmer("y ~ C(f, Sum)*C(h, Sum) + x + (1|g) + (1|g:f)", frame)
    other = coded.anova(type=3, ddf="kenward-roger").set_axis(one.index)
    same_tests(other, one)


# -- units ---------------------------------------------------------------------------------------


@few
@given(
    seed=SEEDS,
    scale=st.sampled_from([1e-6, 1e6, -2.5]),
    shift=st.sampled_from([0.0, 1e6]),
)
def test_units_of_the_response(seed: int, scale: float, shift: float) -> None:
    """A response shifted by 1e6 residual sds keeps ten digits of them, an optimum somewhat less."""
    frame = unbalanced(seed)
    one = mt.lmer(PLAIN, frame)
    other = mt.lmer(PLAIN, frame.assign(y=scale * (frame["y"] + shift)))
    expected = scale * (one.params + shift * (one.params.index == "Intercept"))
    size = np.abs(scale) * one.bse
    assert (np.abs(other.params - expected) < EQUAL * size + 1e-13 * np.abs(expected)).all()
    same(other.bse, size)
    same(other.variance_components["variance"] / scale**2, one.variance_components["variance"])
    rows = one.nobs - len(one.params)
    assert other.llf == pytest.approx(one.llf - rows * np.log(np.abs(scale)), abs=1e-6)
    for ddf in ("kenward-roger", "satterthwaite"):
        same_tests(anovas(other, ddf), anovas(one, ddf))


@few
@given(seed=SEEDS, scale=st.sampled_from([1e-6, 1e6, -2.5]))
def test_units_of_a_covariate(seed: int, scale: float) -> None:
    frame = unbalanced(seed)
    formula = "y ~ f*x + h + (x|g)"
    one = mt.lmer(formula, frame)
    other = mt.lmer(formula, frame.assign(x=scale * frame["x"]))
    slopes = one.params.index.str.contains(r"\bx\b")
    factor = np.where(slopes, scale, 1.0)
    assert slopes.sum() == 3
    same(other.params * factor, one.params)
    same(other.bse * np.abs(factor), one.bse)
    # the restricted likelihood holds |X'V^-1 X|
    assert other.llf == pytest.approx(one.llf - 3 * np.log(np.abs(scale)), abs=1e-6)
    turn = np.diag([1.0, scale])
    same(turn @ other.fit.covariances[0] @ turn, one.fit.covariances[0], 1e-5)
    same_tests(anovas(other, "kenward-roger"), anovas(one, "kenward-roger"))
    coefficients = [m.coefficients("satterthwaite")[["df", "p"]] for m in (other, one)]
    same(*coefficients)


@few
@given(seed=SEEDS)
def test_origin_of_a_covariate(seed: int) -> None:
    """A shift by 1e6 sds leaves the model, and what is not tested at x = 0, as it was.

    [1 x] then has a condition of 1e6, so that six of sixteen digits are gone before we begin.
    """
    frame = unbalanced(seed)
    shifted = frame.assign(x=frame["x"] + 1e6)
    formula = "y ~ f*x + h + (x|g)"
    one, other = mt.lmer(formula, frame), mt.lmer(formula, shifted)
    assert other.llf == pytest.approx(one.llf, abs=1e-7)
    assert other.scale == pytest.approx(one.scale, rel=EQUAL)
    # the variance of the slope; that of the intercept at x = -1e6 is another quantity
    ours, theirs = (m.fit.covariances[0][1, 1] for m in (other, one))
    assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-8 * one.scale)
    stays = ["x", "f[b]:x", "f[c]:x", "h[yes]"]
    for ddf in ("kenward-roger", "satterthwaite"):
        same(other.coefficients(ddf).loc[stays], one.coefficients(ddf).loc[stays])
        same_tests(anovas(other, ddf, (1,)), anovas(one, ddf, (1,)))
        means, before = (m.emmeans("f", ddf=ddf) for m in (other, one))
        same(means[["emmean", "SE", "df"]], before[["emmean", "SE", "df"]])
    for kind in (2, 3):
        table, before = (m.anova(type=kind, ddf="kenward-roger") for m in (other, one))
        same_tests(table.loc[["x", "h", "f:x"]], before.loc[["x", "h", "f:x"]])
        # f is tested at x = 0, which has moved a million sds away
        assert abs(table.loc["f", "F"] - before.loc["f", "F"]) > 1e-3 * before.loc["f", "F"]


def test_origin_of_a_covariate_matters_to_independent_slopes() -> None:
    frame = unbalanced(5)
    assert not mt.lmer("y ~ x + f + (x||g)", frame).fit.optimum.zero.any()
    shifted = frame.assign(x=frame["x"] + 10)
    joint, independent = "y ~ x + f + (x|g)", "y ~ x + f + (x||g)"
    llf = {f: [mt.lmer(f, d).llf for d in (frame, shifted)] for f in (joint, independent)}
    assert llf[joint][1] == pytest.approx(llf[joint][0], abs=1e-7)
    assert abs(llf[independent][1] - llf[independent][0]) > 0.01


# -- balanced data: the classical analysis of variance -------------------------------------------


def mean_squares(y: Array) -> dict[tuple[int, ...], tuple[float, int]]:
    """Return (mean square, df) of each effect of a complete layout with one reading a cell.

    The axes of `y` are the factors; an effect is y averaged over the other axes and centred along
    its own.
    """
    out = {}
    for size in range(1, y.ndim + 1):
        for axes in combinations(range(y.ndim), size):
            effect = y
            for axis in range(y.ndim):
                mean = effect.mean(axis=axis, keepdims=True)
                effect = effect - mean if axis in axes else mean + 0 * effect
            df = int(np.prod([y.shape[axis] - 1 for axis in axes]))
            out[axes] = (float((effect**2).sum()) / df, df)
    return out


DDF = ("kenward-roger", "satterthwaite")
EXACT = 1e-7  # closed forms on one side, an optimum that is exact to rounding on the other


def check_strata(model: mt.MixedModel, expected: dict[str, tuple[float, int, int]]) -> None:
    """Hold all types and df methods to F, numerator and denominator df of the textbook."""
    for ddf in DDF:
        for kind in (1, 2, 3):
            table = model.anova(type=kind, ddf=ddf)
            assert list(table.index) == list(expected)
            same(table[["F", "num_df", "den_df"]], list(expected.values()), EXACT)


def test_planks_are_the_classical_anova() -> None:
    planks = mt.load_planks().sort_values(["plank", "width", "depth"])
    y = planks["humidity"].to_numpy().reshape(20, 3, 5)
    ms = {axes: value for axes, (value, _) in mean_squares(y).items()}
    formula = "humidity ~ width*depth + (1|plank) + (1|plank:width) + (1|plank:depth)"
    model = mt.lmer(formula, planks)
    check_strata(model, {
        "width": (ms[1,] / ms[0, 1], 2, 38),
        "depth": (ms[2,] / ms[0, 2], 4, 76),
        "width:depth": (ms[1, 2] / ms[0, 1, 2], 8, 152),
    })  # fmt: skip
    rest = ms[0, 1, 2]
    components = [
        (ms[0,] - ms[0, 1] - ms[0, 2] + rest) / 15, (ms[0, 1] - rest) / 5, (ms[0, 2] - rest) / 3,
        rest,
    ]  # fmt: skip
    assert min(components) > 0
    same(model.variance_components["variance"], components, EXACT)


def test_split_plot_is_the_classical_anova() -> None:
    oats = mt.load_oats().sort_values(["block", "variety", "nitrogen"])
    y = oats["yield"].to_numpy(float).reshape(6, 3, 4)
    parts = mean_squares(y)
    ms = {axes: value for axes, (value, _) in parts.items()}
    subplot = sum(parts[axes][0] * parts[axes][1] for axes in [(0, 2), (0, 1, 2)]) / 45
    model = mt.lmer("yield ~ variety*nitrogen + (1|block/variety)", oats)
    check_strata(model, {
        "variety": (ms[1,] / ms[0, 1], 2, 10),
        "nitrogen": (ms[2,] / subplot, 3, 45),
        "variety:nitrogen": (ms[1, 2] / subplot, 6, 45),
    })  # fmt: skip
    components = [(ms[0,] - ms[0, 1]) / 12, (ms[0, 1] - subplot) / 4, subplot]
    assert min(components) > 0
    same(model.variance_components["variance"], components, EXACT)


@few
@given(seed=SEEDS, k=st.integers(4, 6))
def test_latin_square_is_the_classical_anova(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    row, column = (a.ravel() for a in np.indices((k, k)))
    treatment = rng.permutation(k)[(row + column) % k]
    # rows and columns that differ clearly, so that no variance is estimated as zero
    y = 3.0 * np.arange(k)[row] + 2.5 * rng.permutation(k)[column] + rng.normal(size=k * k)
    frame = pd.DataFrame({"row": row, "column": column, "treatment": treatment}).astype(str)
    model = mt.lmer("y ~ treatment + (1|row) + (1|column)", frame.assign(y=y))
    means = [np.bincount(codes, y) / k for codes in (row, column, treatment)]
    ss = [k * ((mean - y.mean()) ** 2).sum() for mean in means]
    df = (k - 1) * (k - 2)
    residual = (((y - y.mean()) ** 2).sum() - sum(ss)) / df
    check_strata(model, {"treatment": (ss[2] / (k - 1) / residual, k - 1, df)})
    components = [*((part / (k - 1) - residual) / k for part in ss[:2]), residual]
    assert min(components) > 0
    same(model.variance_components["variance"], components, EXACT)


@few
@given(seed=SEEDS, groups=st.integers(3, 12), each=st.integers(2, 5), sd=st.sampled_from([0.1, 2]))
def test_one_way_layout_is_the_classical_anova(
    seed: int, groups: int, each: int, sd: float
) -> None:
    """REML is the ANOVA estimator where that is positive; else zero, and all is pooled."""
    rng = np.random.default_rng(seed)
    y = 10 + sd * rng.normal(size=(groups, 1)) + rng.normal(size=(groups, each))
    frame = pd.DataFrame({"g": np.repeat(np.arange(groups), each).astype(str), "y": y.ravel()})
    between = each * y.mean(axis=1).var(ddof=1)
    within = y.var(axis=1, ddof=1).mean()
    model = mt.lmer("y ~ 1 + (1|g)", frame)
    found = model.variance_components["variance"]
    if between > within:
        same(found, [(between - within) / each, within], EXACT)
        error, df = between, groups - 1
    else:
        same(found, [0.0, y.var(ddof=1)], EXACT)
        error, df = y.var(ddof=1), y.size - 1
    for ddf in DDF:
        row = model.coefficients(ddf).iloc[0]
        same([row.estimate, row.SE], [y.mean(), np.sqrt(error / y.size)], EXACT)
        if between > within or ddf == "satterthwaite":  # KR keeps a variance of zero in its df
            assert row.df == pytest.approx(df, rel=EXACT)


# -- degrees of freedom --------------------------------------------------------------------------


def expected_information_df(model: mt.MixedModel, L: Array) -> Array:
    """Satterthwaite's df of the rows of L with the *expected* information of the variances."""
    X, n = model.X, model.nobs
    G = [np.eye(n)]
    V = model.scale * np.eye(n)
    for term, cov in zip(model.random, model.fit.covariances, strict=True):
        together = term.codes[:, None] == term.codes
        for a in range(term.size):
            for b in range(a, term.size):
                product = np.outer(term.basis[:, a], term.basis[:, b])
                pattern = product if a == b else product + product.T
                G.append(together * pattern)
                V += cov[a, b] * G[-1]
    W = np.linalg.inv(V)
    Phi = np.linalg.inv(X.T @ W @ X)
    project = W - W @ X @ Phi @ X.T @ W
    PG = [project @ g for g in G]
    information = 0.5 * np.array([[np.sum(a * b.T) for b in PG] for a in PG])
    covariance = np.linalg.inv(information)
    half = W @ X @ Phi @ L.T
    gradient = np.array([np.einsum("nl,nm,ml->l", half, g, half) for g in G])
    variance = np.einsum("li,ij,lj->l", L, Phi, L)
    return 2 * variance**2 / np.einsum("rl,rs,sl->l", gradient, covariance, gradient)


@few
@given(seed=SEEDS, formula=st.sampled_from([PLAIN, "y ~ f + x + (x|g)", "y ~ h*x + (1|g)"]))
def test_kenward_roger_df_are_satterthwaites_with_expected_information(
    seed: int, formula: str
) -> None:
    """A known identity of one-df tests: lambda = 1 and m = 2 / A_1."""
    model = mt.lmer(formula, unbalanced(seed))
    if model.fit.optimum.zero.any():
        return  # at the boundary KR keeps the variance, and the information is another
    rng = np.random.default_rng(seed)
    p = len(model.params)
    L = np.vstack([np.eye(p), rng.normal(size=(2, p))])
    same(model.method("kenward-roger").df(L), expected_information_df(model, L))


def test_some_of_these_optima_are_inside() -> None:
    """The test above must not pass by skipping."""
    models = [mt.lmer(PLAIN, unbalanced(seed)) for seed in range(6)]
    assert sum(not model.fit.optimum.zero.any() for model in models) >= 3


def test_containment_depends_on_the_reference_level() -> None:
    """Nine df belong to whatever the intercept does not stand for (a classic artefact)."""
    data = mt.load_tablets_missing()
    nir, hplc = data["method"].cat.categories
    turned = data.assign(method=data["method"].cat.reorder_categories([hplc, nir]))
    found = {}
    for frame in (data, turned):
        first, second = frame["method"].cat.categories
        model = mt.lmer("content ~ method + (1|tablet)", frame)
        table = model.estimable({first: [1, 0], second: [1, 1]}, ddf="containment")
        found[first] = dict(zip(table["function"], table["df"], strict=True))
    assert found == {nir: {nir: 19.0, hplc: 9.0}, hplc: {hplc: 19.0, nir: 9.0}}


@pytest.mark.parametrize("move", [lambda x: x + 1e6, lambda x: 1e6 * x, lambda x: 1e-6 * x])
def test_containment_does_not_depend_on_the_units_of_a_covariate(move) -> None:
    """What a mean "uses" is a column's share of it, not the size of its numbers."""
    frame = unbalanced(5)
    formula = "y ~ f*x + h + (1|g)"
    one, other = (mt.lmer(formula, d) for d in (frame, frame.assign(x=move(frame["x"]))))
    for specs in ("f", "h"):
        tables = [m.emmeans(specs, ddf="containment") for m in (other, one)]
        assert tables[0]["df"].tolist() == tables[1]["df"].tolist()
    ours, theirs = (m.anova(type=1, ddf="containment") for m in (other, one))
    assert ours["den_df"].tolist() == theirs["den_df"].tolist()
    # F is taken in the coordinates of the formula: a condition of 1e6 costs twelve digits
    same(ours["F"], theirs["F"], 1e-2)


# -- size ----------------------------------------------------------------------------------------


def peak_memory(n: int) -> float:
    """Return the peak of memory of a fit to n rows: groups of ten in which halves are nested."""
    rng = np.random.default_rng(n)
    row = np.arange(n)
    frame = pd.DataFrame({"g": row // 10, "h": row // 5, "x": rng.normal(size=n)})
    effect = rng.normal(size=n)
    frame["y"] = frame["x"] + effect[frame["g"]] + effect[::-1][frame["h"]] + rng.normal(size=n)
    tracemalloc.start()
    try:
        model = mt.lmer("y ~ x + (1|g) + (1|h)", frame)
        model.coefficients("kenward-roger")
        model.fit.resid  # noqa: B018 - computed when asked for
        assert model.converged
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_grows_linearly_with_the_rows() -> None:
    """An n x n or q x q matrix would make the ratio a hundred (and 80 GB)."""
    assert 5 < peak_memory(100_000) / peak_memory(10_000) < 15
