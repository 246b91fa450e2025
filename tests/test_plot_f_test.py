"""The picture of an F test: curves, limit, areas, trials."""

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedteach as mt


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def line(ax, label):
    return next(one for one in ax.get_lines() if one.get_label() == label)


@pytest.mark.parametrize(("q", "df", "delta"), [(2, 38, 7.5), (1, 19, 4.0), (4, 76, 12.0)])
def test_curves_are_the_densities_and_the_title_is_the_power(q, df, delta):
    ax = mt.plot.f_test(q, df, delta)
    x, y = line(ax, "no difference").get_data()
    middle = (x > 0.3) & (x < 0.9 * x[-1])
    np.testing.assert_allclose(y[middle], stats.f.pdf(x[middle], q, df), rtol=2e-3, atol=1e-5)
    x, y = line(ax, "difference").get_data()
    np.testing.assert_allclose(y[middle], stats.ncf.pdf(x[middle], q, df, delta), rtol=2e-3)
    limit = stats.f.isf(0.05, q, df)
    assert ax.texts[0].get_text() == f"limit {limit:.2f}"
    power = stats.ncf.sf(limit, q, df, delta)
    assert ax.get_title("left") == f"Power {power:.3f}"
    assert f"of which {power:.3f} lies beyond the limit" in mt.plot.description(ax.figure)


def test_few_trials_are_points_filled_beyond_the_limit():
    F = [0.2, 1.0, 1.01, 3.0, 3.3, 9.0]
    ax = mt.plot.f_test(2, 38, trials=F)
    assert ax.get_title("left") == "2 of 6 trials beyond the limit"
    points = [one for one in ax.get_lines() if one.get_marker() == "o"]
    assert [sorted(one.get_xdata().tolist()) for one in points] == [[3.3, 9.0], F[:4]]
    assert points[0].get_markerfacecolor() != points[1].get_markerfacecolor()
    places = {(round(x / 0.3), round(y, 6)) for one in points for x, y in one.get_xydata()}
    assert len(places) == 6  # none covers another
    assert all(y < 0 for one in points for y in one.get_ydata())


def test_many_trials_are_a_histogram_of_their_density():
    F = stats.f.rvs(2, 38, size=4000, random_state=1)
    ax = mt.plot.f_test(2, 38, 0.0, trials=pd.Series(F))
    steps = next(p for p in ax.patches if p.get_label() == "4000 trials")
    heights, edges, _ = steps.get_data()
    shares = np.diff(stats.f.cdf(edges, 2, 38))
    np.testing.assert_allclose(heights * np.diff(edges), shares, atol=4 * np.sqrt(0.25 / 4000))
    assert ax.get_title("left").startswith("Power 0.050; ")


def test_own_axes_and_another_alpha():
    own = mt.plot.axes()
    ax = mt.plot.f_test(2, 38, alpha=0.01, ax=own)
    assert ax is own
    assert ax.get_title("left") == "1% beyond the limit"
    assert ax.texts[0].get_text() == f"limit {stats.f.isf(0.01, 2, 38):.2f}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_df": 0}, "num_df=0 must be a number above 0"),
        ({"den_df": "38"}, "den_df='38' must be a number above 0"),
        ({"noncentrality": -1}, "noncentrality=-1 must be a number of at least 0"),
        ({"alpha": 5}, "alpha=5 must be a number between 0 and 1"),
        ({"trials": []}, "must be a list of F values"),
        ({"trials": [1.0, -2.0]}, "none missing or below 0"),
        ({"trials": "many"}, "must be a list of F values"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(mt.InferenceError, match=message):
        mt.plot.f_test(**{"num_df": 2, "den_df": 38, **arguments})


# -- power, from tables made by hand ---------------------------------------------------------------


def designs() -> pd.DataFrame:
    return pd.DataFrame(
        {"readings": [1, 1, 5, 5], "cost [€]": [660, 1320, 900, 1800],
         "power": [0.3, 0.81, 0.4, 0.7]}
    )  # fmt: skip


def test_power_of_a_table_made_by_hand():
    ax = mt.plot.power(designs(), x="cost [€]", by="readings")
    assert ax.get_xlabel() == "cost [€]"
    assert ax.get_legend().get_title().get_text() == "readings"
    np.testing.assert_allclose(ax.get_lines()[0].get_xydata(), [[660, 0.3], [1320, 0.81]])
    assert not any(container.has_yerr for container in ax.containers)
    words = mt.plot.description(ax.figure)
    assert words == (
        "Power against the cost [€]. 1: from 0.300 at 660 to 0.810 at 1320; 0.8 is reached at "
        "1320. 5: from 0.400 at 900 to 0.700 at 1800; 0.8 is not reached."
    )


def test_tables_made_by_hand_that_are_refused():
    for arguments, message in [
        ({"x": "costs"}, r"no column 'costs'\. Did you mean 'cost \[€\]'\?"),
        ({"x": "cost [€]", "by": "planks"}, "no column 'planks'"),
        ({"by": "readings"}, "by='readings' needs x= beside it"),
    ]:
        with pytest.raises(mt.InferenceError, match=message):
            mt.plot.power(designs(), **arguments)
    with pytest.raises(mt.InferenceError, match="The column 'power' must hold numbers"):
        mt.plot.power(designs().assign(power=np.nan), x="cost [€]")
    with pytest.raises(mt.InferenceError, match="not a list"):
        mt.plot.power([0.3], x="cost")
