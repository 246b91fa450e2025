"""Pictures of residuals and of random effects: what is drawn, against numbers found another way.

Sleepstudy, tablets and machines; single planks are artificial, so nothing is tested on them.
"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

import mixedteach as mt
from mixedteach.errors import DataError

plt.switch_backend("Agg")


@pytest.fixture(autouse=True)
def closed():
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before  # nothing of our style leaks
    plt.close("all")


@pytest.fixture(scope="module")
def sleep():
    return mt.lmer("Reaction ~ Days + (Days|Subject)", mt.load_sleepstudy())


@pytest.fixture(scope="module")
def tablets():
    return mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())


@pytest.fixture(scope="module")
def workers():
    return mt.lmer("score ~ Machine + (1|Worker)", mt.load_machines())


def points(ax, marker="o"):
    return [line.get_xydata() for line in ax.lines if line.get_marker() == marker]


# -- residuals -------------------------------------------------------------------------------------


def test_residuals_against_fitted_values(sleep):
    ax = mt.plot.residuals(sleep)
    drawn = points(ax)[0]
    y = mt.load_sleepstudy()["Reaction"].to_numpy()
    np.testing.assert_allclose(drawn.sum(axis=1), y)  # fitted + residual is the reading
    np.testing.assert_allclose(drawn[:, 0], sleep.predict())
    assert ax.get_xlabel() == "Fitted Reaction [ms]"
    assert ax.get_ylabel() == "Residual [ms]"


def test_the_band_and_the_count_are_two_standard_deviations(sleep):
    ax = mt.plot.residuals(sleep)
    box = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    np.testing.assert_allclose([box.y0, box.y1], [-2 * sleep.sigma, 2 * sleep.sigma])
    outside = (np.abs(sleep.resid) > 2 * np.sqrt(sleep.scale)).sum()
    assert ax.get_title("left") == f"{outside} of 180 outside two sd"
    assert f"; {outside} lie outside" in mt.plot.description(ax.figure)


def test_class_means_are_those_of_fifths_of_the_fitted_values(sleep):
    (means,) = points(mt.plot.residuals(sleep), "D")
    order = np.argsort(sleep.fittedvalues.to_numpy())
    fifths = sleep.resid.to_numpy()[order].reshape(5, 36)
    np.testing.assert_allclose(means[:, 1], fifths.mean(axis=1))


def test_few_readings_make_few_classes(tablets):
    (means,) = points(mt.plot.residuals(tablets), "D")
    assert len(means) == 3


def test_residuals_of_least_squares():
    m = mt.lm("content ~ method + tablet", mt.load_tablets())
    drawn = points(mt.plot.residuals(m))[0]
    np.testing.assert_allclose(drawn[:, 1], m.resid)


@pytest.mark.parametrize("by", ["Worker", "Machine"])
def test_residuals_by_a_factor(workers, by):
    ax = mt.plot.residuals(workers, by=by)
    groups = workers.resid.groupby(mt.load_machines()[by], observed=True)
    drawn = points(ax)
    assert len(drawn) == groups.ngroups
    for found, (level, resid), place, label in zip(
        drawn, groups, ax.get_xticks(), ax.get_xticklabels(), strict=True
    ):
        np.testing.assert_allclose(found[:, 1], np.sort(resid))
        assert np.abs(found[:, 0] - place).max() < 0.3
        assert label.get_text() == level
    assert [t.get_text() for t in ax.texts] == [f"sd {sd:.2f}" for sd in groups.std()]


def test_boxes_go_from_quartile_to_quartile(workers):
    ax = mt.plot.residuals(workers, by="Worker")
    boxes = [line for line in ax.lines if len(line.get_xdata()) == 5]
    groups = workers.resid.groupby(mt.load_machines()["Worker"], observed=True)
    for box, (_, resid) in zip(boxes, groups, strict=True):
        low, high = box.get_ydata().min(), box.get_ydata().max()
        np.testing.assert_allclose([low, high], np.quantile(resid, [0.25, 0.75]))


def test_the_description_names_the_groups_that_spread_least_and_most(sleep):
    words = mt.plot.description(mt.plot.residuals(sleep, by="Subject").figure)
    sd = sleep.resid.groupby(mt.load_sleepstudy()["Subject"], observed=True).std()
    assert f"(Subject {sd.idxmin()})" in words
    assert f"(Subject {sd.idxmax()})" in words
    assert f"{sd.max():.1f}" in words


def test_a_number_with_few_values_makes_groups(sleep):
    ax = mt.plot.residuals(sleep, by="Days")
    assert [t.get_text() for t in ax.get_xticklabels()] == [str(day) for day in range(10)]


def test_rows_left_out_of_the_fit_are_left_out_of_the_groups():
    missing = mt.load_tablets_missing()
    m = mt.lmer("content ~ method + (1|tablet)", missing)
    drawn = points(mt.plot.residuals(m, by="method"))
    assert [len(part) for part in drawn] == [15, 15]


def test_numbers_get_less_room_where_there_is_less(sleep):
    _, right = mt.plot.axes(1, 2)
    ax = mt.plot.residuals(sleep, by="Subject", ax=right)
    assert {t.get_rotation() for t in ax.texts} == {90}
    assert not any("sd" in t.get_text() for t in ax.texts)


def test_panels_that_share_an_axis_show_both(workers):
    full = mt.lmer("score ~ Machine + (1|Worker/Machine)", mt.load_machines())
    left, right = mt.plot.axes(1, 2, sharey=True)
    mt.plot.residuals(workers, by="Worker", ax=left)
    mt.plot.residuals(full, by="Worker", ax=right)
    low, high = left.get_ylim()
    assert low <= workers.resid.min()
    assert workers.resid.max() <= high
    assert right.get_ylim() == (low, high)


# -- quantiles -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [5, 10, 18, 180])
def test_quantiles_are_those_of_r_and_the_band_that_of_order_statistics(n, sleep, tablets):
    from mixedteach.plot._qq import normal_quantiles

    normal, low, high = normal_quantiles(n)
    a = 3 / 8 if n <= 10 else 0.5  # R's ppoints
    i = np.arange(1, n + 1)
    np.testing.assert_allclose(normal, stats.norm.ppf((i - a) / (n + 1 - 2 * a)))
    order = stats.beta(i, n + 1 - i)
    np.testing.assert_allclose(low, stats.norm.ppf(order.ppf(0.025)))
    np.testing.assert_allclose(high, stats.norm.ppf(order.ppf(0.975)))
    assert (low < normal).all()
    assert (normal < high).all()


def test_95_of_100_points_of_normal_samples_lie_in_the_band():
    from mixedteach.plot._qq import normal_quantiles

    _, low, high = normal_quantiles(20)
    samples = np.sort(np.random.default_rng(1).standard_normal((4000, 20)), axis=1)
    inside = ((low <= samples) & (samples <= high)).mean(axis=0)
    np.testing.assert_allclose(inside, 0.95, atol=0.015)


def test_residuals_in_order_with_the_line_through_the_quartiles(sleep):
    ax = mt.plot.qq(sleep)
    drawn = np.concatenate([*points(ax), *points(ax, "D")])
    drawn = drawn[np.argsort(drawn[:, 0])]
    np.testing.assert_allclose(drawn[:, 1], np.sort(sleep.resid))
    (line,) = [line for line in ax.lines if line.get_marker() == "None"]
    (x0, y0), (x1, y1) = line.get_xydata()
    slope = (y1 - y0) / (x1 - x0)
    first, third = np.quantile(sleep.resid, [0.25, 0.75])
    q = stats.norm.ppf(0.75)
    np.testing.assert_allclose([y0 + slope * (q - x0), y0 + slope * (-q - x0)], [third, first])
    outside = len(points(ax, "D")[0])
    assert ax.get_title("left") == f"{outside} of 180 outside the band"
    assert outside == 13


@pytest.mark.parametrize("effect", ["Intercept", "Days"])
def test_random_effects_in_order(sleep, effect):
    ax = mt.plot.qq(sleep, what="Subject", effect=effect)
    drawn = np.concatenate([*points(ax), *points(ax, "D")])
    np.testing.assert_allclose(
        np.sort(drawn[:, 1]), np.sort(sleep.random_effects["Subject"][effect])
    )
    assert f"random effects of Subject ({effect})" in mt.plot.description(ax.figure)


def test_an_only_effect_need_not_be_named_and_has_the_unit_of_the_response(tablets):
    ax = mt.plot.qq(tablets, what="tablet")
    assert ax.get_ylabel() == "Random effects of tablet [%]"


# -- both ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", [mt.plot.residuals, mt.plot.qq])
def test_a_given_axes_is_used(draw, sleep):
    own = mt.plot.axes()
    assert draw(sleep, ax=own) is own
    assert len(plt.get_fignums()) == 1
    assert len(mt.plot.description(own.figure)) > 60


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: mt.plot.residuals("y ~ x"), "fitted by mt.lmer() or mt.lm(), not text"),
        (lambda m: mt.plot.qq(m.data), "not a DataFrame"),
        (lambda m: mt.plot.residuals(m, by="subject"), "Did you mean 'Subject'?"),
        (lambda m: mt.plot.residuals(m, by="Reaction"), "has 180 levels, too many"),
        (lambda m: mt.plot.qq(m, what="Subjekt"), "Did you mean 'Subject'?"),
        (lambda m: mt.plot.qq(m, what=3), "3 is no grouping factor of the model."),
        (lambda m: mt.plot.qq(m, what="Subject", effect="day"), "Did you mean 'Days'?"),
        (lambda m: mt.plot.qq(m, effect="Days"), "name its grouping factor in what="),
    ],
)
def test_what_is_wrong_is_said(sleep, call, words):
    with pytest.raises(DataError) as error:
        call(sleep)
    assert words in str(error.value)
    assert not plt.get_fignums()  # no empty figure is left behind


def test_least_squares_has_no_random_effects():
    m = mt.lm("content ~ method + tablet", mt.load_tablets())
    with pytest.raises(DataError, match="has no random effects of 'tablet'"):
        mt.plot.qq(m, what="tablet")


def test_random_effects_that_are_all_zero_or_too_few():
    singular = mt.load_tablets()
    mean = singular.groupby("tablet", observed=True)["content"].transform("mean")
    m = mt.lmer("y ~ method + (1|tablet)", singular.assign(y=singular["content"] - mean))
    with pytest.raises(DataError, match="all alike, for their variance is zero"):
        mt.plot.qq(m, what="tablet")
    two = mt.load_sleepstudy()
    two = two[two["Subject"].isin(["308", "309"])]
    with pytest.raises(DataError, match="2 random effects of Subject are too few"):
        mt.plot.qq(mt.lmer("Reaction ~ Days + (1|Subject)", two), what="Subject")
