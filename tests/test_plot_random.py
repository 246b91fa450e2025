"""Pictures of random effects: what is drawn is what algebra and other routes give."""

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import mixedteach as mt
from mixedteach.errors import DataError, InferenceError


@pytest.fixture(autouse=True)
def _closed():
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before


@pytest.fixture(scope="module")
def tablets():
    return mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())


@pytest.fixture(scope="module")
def missing():
    return mt.lmer("content ~ method + (1|tablet)", mt.load_tablets_missing())


@pytest.fixture(scope="module")
def planks():
    formula = "humidity ~ width*depth + (1|plank) + (1|plank:width) + (1|plank:depth)"
    return mt.lmer(formula, mt.load_planks())


@pytest.fixture(scope="module")
def sleep():
    return mt.lmer("Reaction ~ Days + (Days|Subject)", mt.load_sleepstudy())


def labels(ticks):
    return [t.get_text() for t in ticks]


def line(ax, name):
    return next(drawn for drawn in ax.lines if drawn.get_label() == name)


def drawn_V(ax):
    return ax.images[0].get_array().filled(0.0)


# -- covariance ------------------------------------------------------------------------------------


def test_covariance_of_the_tablets_is_blocks_of_two(tablets):
    ax = mt.plot.covariance(tablets)
    s_T, s = (tablets.variance_components["variance"].iloc[i] for i in (0, 1))
    V = np.kron(np.eye(4), s_T + s * np.eye(2))
    np.testing.assert_allclose(drawn_V(ax), V, rtol=1e-12)
    assert ax.images[0].get_array().mask.sum() == 48  # zeros are left white
    assert labels(ax.get_yticklabels())[:3] == ["tablet 1, nir", "tablet 1, hplc", "tablet 2, nir"]
    assert {t.get_text() for t in ax.texts} == {"0", "0.133", "0.089"}
    assert [p.get_xy() for p in ax.patches] == [(-0.5 + k, -0.5 + k) for k in (0, 2, 4, 6)]
    assert all((p.get_width(), p.get_height()) == (2, 2) for p in ax.patches)
    assert ax.get_title(loc="left") == "V = ZGZ' + R, tablet 1 to 4 (of 10) [%²]"
    words = mt.plot.description(ax.figure)
    assert "on the diagonal 0.133, beside it 0.0893" in words
    assert "4 blocks of 2 readings" in words


def test_covariance_of_one_plank(planks):
    ax = mt.plot.covariance(planks, groups=1)
    of = planks.variance_components.set_index("group")["variance"]
    width, depth = np.repeat([0, 1, 2], 5), np.tile(np.arange(5), 3)
    V = (
        of["plank"]
        + of["plank:width"] * (width[:, None] == width)
        + of["plank:depth"] * (depth[:, None] == depth)
        + of["Residual"] * np.eye(15)
    )
    np.testing.assert_allclose(drawn_V(ax), V, rtol=1e-12)
    assert labels(ax.get_yticklabels())[:2] == ["width 1, depth 1", "width 1, depth 3"]
    assert not ax.texts  # no room for numbers


def test_covariance_with_slopes(sleep):
    ax = mt.plot.covariance(sleep, groups=2)
    G, days = sleep.fit.covariances[0], np.arange(10)
    Z = np.column_stack([np.ones(10), days])
    block = Z @ G @ Z.T + sleep.scale * np.eye(10)
    np.testing.assert_allclose(drawn_V(ax), np.kron(np.eye(2), block), rtol=1e-12)


def test_covariance_of_all_and_of_more_groups_than_there_are(tablets):
    for groups in (10, 99):
        ax = mt.plot.covariance(tablets, groups=groups)
        assert drawn_V(ax).shape == (20, 20)
        assert ax.get_title(loc="left") == "V = ZGZ' + R, all 20 readings"


def test_covariance_of_crossed_factors_has_no_blocks():
    m = mt.lmer("diameter ~ 1 + (1|plate) + (1|sample)", mt.load_penicillin())
    ax = mt.plot.covariance(m, groups=2)
    of = m.variance_components.set_index("group")["variance"]
    plate, sample = np.tile(np.arange(24), 2), np.repeat([0, 1], 24)
    V = of["sample"] * (sample[:, None] == sample) + of["plate"] * (plate[:, None] == plate)
    np.testing.assert_allclose(drawn_V(ax), V + of["Residual"] * np.eye(48), rtol=1e-12)
    assert len(ax.patches) == 1


def test_covariance_has_the_colours_of_matrix():
    V = np.array([[0.133, 0.089, 0], [0.089, 0.133, -0.04], [0, -0.04, 0.133]])
    here, there = (draw(V).images[0] for draw in (mt.plot.covariance, mt.plot.matrix))
    np.testing.assert_allclose(here.cmap(here.norm(V)), there.cmap(there.norm(V)))


def test_covariance_of_a_matrix_keeps_its_names():
    V = pd.DataFrame([[2.0, 1, 0], [1, 2, 0], [0, 0, -0.0]], list("abc"), list("abc"))
    ax = mt.plot.covariance(V)
    assert labels(ax.get_yticklabels()) == ["a", "b", "c"]
    assert [p.get_width() for p in ax.patches] == [2, 1]
    ax = mt.plot.covariance(np.eye(2))
    assert labels(ax.get_xticklabels()) == ["1", "2"]


@pytest.mark.parametrize(
    ("value", "error", "says"),
    [
        (np.ones((2, 3)), InferenceError, r"not one of shape \(2, 3\)"),
        ("V", InferenceError, "a square matrix of numbers, not text"),
        (None, InferenceError, "not None"),
        (np.array([[1.0, 0.5], [0.2, 1]]), DataError, "two halves that differ"),
        (np.array([[1.0, np.nan], [np.nan, 1]]), DataError, "missing or infinite"),
    ],
)
def test_covariance_refuses(value, error, says):
    with pytest.raises(error, match=says):
        mt.plot.covariance(value)


def test_covariance_counts_groups_from_one(tablets):
    with pytest.raises(InferenceError, match="groups=0 must be a whole number of at least 1"):
        mt.plot.covariance(tablets, groups=0)


# -- shrinkage -------------------------------------------------------------------------------------


def test_shrinkage_of_the_tablets(tablets):
    ax = mt.plot.shrinkage(tablets)
    own = mt.load_tablets().groupby("tablet", observed=True)["content"].mean()
    own = own.sort_values(kind="stable")
    s_T, s = (tablets.variance_components["variance"].iloc[i] for i in (0, 1))
    kept, common = s_T / (s_T + s / 2), own.mean()
    np.testing.assert_allclose(line(ax, "own mean").get_xdata(), own, rtol=1e-12)
    np.testing.assert_allclose(
        line(ax, "BLUP").get_xdata(), common + kept * (own - common), rtol=1e-10
    )
    assert labels(ax.get_yticklabels())[-1] == "8"
    assert ax.get_title(loc="left") == "Each tablet keeps 80% of its distance from the mean"
    assert "common mean 10.365" in mt.plot.description(ax.figure)


def test_shrinkage_shows_that_fewer_readings_shrink_more(missing):
    ax = mt.plot.shrinkage(missing)
    own, blup = (line(ax, name).get_xdata() for name in ("own mean", "BLUP"))
    common = missing.fit.fixed.mean()
    n = np.array([int(text.split("n=")[1][0]) for text in labels(ax.get_yticklabels())])
    s_T, s = (missing.variance_components["variance"].iloc[i] for i in (0, 1))
    np.testing.assert_allclose(blup - common, (own - common) * s_T / (s_T + s / n), atol=1e-12)
    effects = missing.random_effects["tablet"]["Intercept"]
    names = [text.split()[0] for text in labels(ax.get_yticklabels())]
    np.testing.assert_allclose(blup - common, effects.loc[names], atol=1e-12)
    assert sorted(set(n)) == [1, 2]
    assert ax.get_title(loc="left") == "Each tablet keeps 70% to 82% of its distance from the mean"


def test_shrinkage_of_one_of_several_intercepts(planks):
    ax = mt.plot.shrinkage(planks, group="plank:width")
    own, blup = (line(ax, name).get_xdata() for name in ("own mean", "BLUP"))
    common = planks.fit.fixed.mean()
    of = planks.variance_components.set_index("group")["variance"]
    kept = of["plank:width"] / (of["plank:width"] + of["Residual"] / 5)
    np.testing.assert_allclose(blup - common, kept * (own - common), atol=1e-10)


def test_shrinkage_says_what_it_needs(planks, sleep):
    with pytest.raises(InferenceError, match="say which, as in group='plank'"):
        mt.plot.shrinkage(planks)
    with pytest.raises(InferenceError, match=r"\(1\|g\), and this model has '\(.*Subject\)'"):
        mt.plot.shrinkage(sleep)
    with pytest.raises(InferenceError, match="Did you mean 'plank:width'"):
        mt.plot.shrinkage(planks, group="plank:widht")


# -- caterpillar -----------------------------------------------------------------------------------


def test_caterpillar_is_sorted_and_has_the_tables_intervals(tablets):
    ax = mt.plot.caterpillar(tablets, level=0.9)
    table = tablets.random_effects_table(0.9).set_index("level")
    names = labels(ax.get_yticklabels())
    intervals = [p.vertices for p in ax.collections[0].get_paths()]
    for place, (name, ends) in enumerate(zip(names, intervals, strict=True)):
        np.testing.assert_allclose(ends[:, 0], table.loc[name, ["lower", "upper"]].astype(float))
        np.testing.assert_allclose(ends[:, 1], place)
    estimates = table.loc[names, "estimate"].to_numpy(float)
    assert (np.diff(estimates) > -1e-9).all()
    filled, hollow = ax.lines[1:]
    clear = ((table["lower"] > 0) | (table["upper"] < 0)).loc[names].to_numpy()
    np.testing.assert_allclose(filled.get_xdata(), estimates[clear])
    np.testing.assert_allclose(hollow.get_xdata(), estimates[~clear])
    assert ax.get_title(loc="left").startswith(f"{clear.sum()} of 10")
    assert ax.get_xlabel() == "Random effect of tablet on content [%], 90% limits"


def test_caterpillar_takes_a_group_and_a_slope(planks, sleep):
    ax = mt.plot.caterpillar(planks, group="plank:depth")
    assert len(ax.collections[0].get_paths()) == 100
    assert not ax.get_yticks().size  # no room for a hundred names
    ax = mt.plot.caterpillar(sleep, effect="Days")
    assert "(Days) of 18 levels of Subject" in mt.plot.description(ax.figure)
    assert labels(ax.get_yticklabels())[-1] == "308"


def test_caterpillar_refuses(sleep):
    with pytest.raises(InferenceError, match=r"'Day' is not a random effect of 'Subject'.*'Days'"):
        mt.plot.caterpillar(sleep, effect="Day")
    with pytest.raises(InferenceError, match="'plank' is not a grouping factor"):
        mt.plot.caterpillar(sleep, group="plank")
    with pytest.raises(InferenceError, match=r"level=0\.95"):
        mt.plot.caterpillar(sleep, level=95)


# -- variances -------------------------------------------------------------------------------------


def test_variances_are_stacked(planks):
    fixed = mt.lm("humidity ~ width*depth", mt.load_planks())
    ax = mt.plot.variances(fixed, planks, labels=["ignored", "strata"])
    of = planks.variance_components["variance"].to_numpy()
    widths = [bar.get_width() for bar in ax.patches]
    np.testing.assert_allclose(widths, [fixed.scale, *of])
    lefts = [bar.get_x() for bar in ax.patches]
    np.testing.assert_allclose(lefts, [0, 0, *np.cumsum(of)[:-1]], atol=1e-12)
    assert labels(ax.get_yticklabels()) == ["ignored", "strata"]
    assert ax.get_xlabel() == "Variance of humidity [%²]"
    looks = {(bar.get_facecolor(), bar.get_hatch()) for bar in ax.patches}
    assert len(looks) == 4  # residual is the same in both


def test_shares_sum_to_a_hundred(tablets):
    ax = mt.plot.variances(tablets, share=True)
    widths = [bar.get_width() for bar in ax.patches]
    assert widths[0] == pytest.approx(100 * tablets.icc["tablet"])
    assert sum(widths) == pytest.approx(100)
    assert [t.get_text() for t in ax.texts if t.get_text()] == ["tablet\n67%", "Residual\n33%"]


def test_variances_refuse(tablets, sleep):
    with pytest.raises(InferenceError, match="needs a model"):
        mt.plot.variances()
    with pytest.raises(InferenceError, match=r"With the random slope '.*Subject.*' the variance"):
        mt.plot.variances(sleep)
    with pytest.raises(InferenceError, match="labels= names 1 model, but 2 are drawn"):
        mt.plot.variances(tablets, tablets, labels=["one"])
    with pytest.raises(InferenceError, match="labels= names 2 models, but 1 is drawn"):
        mt.plot.variances(tablets, labels=["one", "two"])
    with pytest.raises(InferenceError, match="not a DataFrame"):
        mt.plot.variances(mt.load_tablets())


# -- all -------------------------------------------------------------------------------------------

ALL = ["covariance", "shrinkage", "caterpillar", "variances"]


@pytest.mark.parametrize("name", ALL)
def test_a_given_axes_is_used_and_described(name, tablets):
    ax = mt.plot.axes()
    assert getattr(mt.plot, name)(tablets, ax=ax) is ax
    assert len(plt.get_fignums()) == 1
    assert len(mt.plot.description(ax.figure)) > 60


@pytest.mark.parametrize("name", ["shrinkage", "caterpillar"])
def test_what_is_no_mixed_model_is_refused(name):
    with pytest.raises(InferenceError, match=rf"mt\.plot\.{name} draws a model .* not a DataFrame"):
        getattr(mt.plot, name)(mt.load_tablets())


def test_a_variance_of_zero_is_drawn_without_alarm():
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(list("abcdef"), 2), "y": np.tile([0.0, 1.0], 6)})
    data["y"] += 0.01 * rng.standard_normal(12)
    m = mt.lmer("y ~ 1 + (1|g)", data)
    assert m.variance_components["variance"].iloc[0] == 0
    ax = mt.plot.shrinkage(m)
    assert np.ptp(line(ax, "BLUP").get_xdata()) == 0
    assert ax.get_title(loc="left") == "Each g keeps 0% of its distance from the mean"
    assert len(mt.plot.covariance(m).patches) == 8
    mt.plot.caterpillar(m)
    assert "g 0" in mt.plot.description(mt.plot.variances(m).figure)
