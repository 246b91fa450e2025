"""Pictures of missing cells, marginal means and comparisons: what is drawn is what was computed."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import mixedteach as mt

mpl.use("Agg")

PLANKS = "humidity ~ width*depth + (1|plank) + (1|plank:width) + (1|plank:depth)"


@pytest.fixture(autouse=True)
def closed():
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before


@pytest.fixture(scope="module")
def tablets():
    return mt.load_tablets_missing()


@pytest.fixture(scope="module")
def mixed(tablets):
    return mt.lmer("content ~ method + (1|tablet)", tablets)


@pytest.fixture(scope="module")
def fixed(tablets):
    return mt.lm("content ~ tablet + method", tablets)


@pytest.fixture(scope="module")
def planks():
    return mt.lmer(PLANKS, mt.load_planks())


def texts(ax):
    return [text.get_text() for text in ax.texts]


def drawn(container):
    """Return x, mean, lower, upper of what errorbar drew."""
    line, _, (bars,) = container.lines
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata()), ends[:, 0], ends[:, 1]


def means_drawn(ax):
    return [c for c in ax.containers if c.get_label() != "_yardstick"]


def yardsticks(ax):
    bars = [c for c in ax.containers if c.get_label() == "_yardstick"]
    return [float(np.ptp(bar.lines[2][0].get_segments()[0][:, 1])) for bar in bars]


# -- missing ---------------------------------------------------------------------------------------


def test_missing_marks_each_cell_by_symbol_and_colour(tablets):
    ax = mt.plot.missing(tablets, "content", rows="method", columns="tablet")
    marks = {line.get_marker(): line for line in ax.lines}
    wide = tablets.pivot(index="method", columns="tablet", values="content")
    for marker, cells in (("x", wide.isna()), ("o", wide.notna())):
        got = set(zip(marks[marker].get_ydata(), marks[marker].get_xdata(), strict=True))
        assert got == set(zip(*np.nonzero(cells.to_numpy()), strict=True))
    faces = [patch.get_facecolor() for patch in ax.patches]
    assert len(faces) == 40
    assert sum(face == (1, 1, 1, 1) for face in faces) == 10


def test_missing_counts_at_the_margins(tablets):
    ax = mt.plot.missing(tablets, "content", rows="method", columns="tablet")
    assert texts(ax) == ["15", "15", *["2"] * 10, *["1"] * 10, "of 30"]
    words = mt.plot.description(ax.figure)
    assert "30 of 40 cells were measured, 10 are missing" in words
    assert "nir 15, hplc 15" in words
    assert "10 have a reading in every row" in words


def test_missing_counts_absent_rows_and_several_readings():
    oats = mt.load_oats()
    some = oats[(oats["variety"] != "Victory") | (oats["nitrogen"] != "0.0cwt")]
    ax = mt.plot.missing(some, "yield", rows="variety", columns="nitrogen")
    assert "11 of 12 cells" in mt.plot.description(ax.figure)
    assert texts(ax)[:11] == ["6"] * 11


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"response": "contents"}, "response='contents' is not a column of the data. Did you mean"),
        ({"rows": "tablet"}, "The column 'tablet' is given as rows= and as columns="),
        ({"columns": "Tablet"}, "Did you mean 'tablet'"),
    ],
)
def test_missing_refuses(tablets, arguments, message):
    given = {"response": "content", "rows": "method", "columns": "tablet"} | arguments
    with pytest.raises(mt.DataError, match=message):
        mt.plot.missing(tablets, **given)


# -- means -----------------------------------------------------------------------------------------


def test_means_and_their_intervals(mixed):
    table = mixed.emmeans("method")
    ax = mt.plot.emmeans(table)
    (one,) = means_drawn(ax)
    x, mean, lower, upper = drawn(one)
    assert x.tolist() == [0, 1]
    np.testing.assert_allclose(mean, [10.28385689, 10.21174590], atol=1e-7)
    np.testing.assert_allclose(lower, table["lower"])
    np.testing.assert_allclose(upper, table["upper"])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["nir", "hplc"]
    assert "95% intervals of single means; df: Satterthwaite" in ax.get_xlabel()


def test_the_yardstick_is_the_half_width_of_the_differences_interval(mixed, planks):
    row = mixed.emmeans("method").pairs().iloc[0]
    assert yardsticks(mt.plot.emmeans(mixed.emmeans("method"))) == pytest.approx(
        [(row["upper"] - row["lower"]) / 2]
    )
    # studentized range of 3 means on 38 df (R: qtukey(.95, 3, 38)), SE .18180
    pairs = planks.emmeans("width").pairs()
    by_hand = 3.449021 / np.sqrt(2) * pairs["SE"].iloc[0]
    assert yardsticks(mt.plot.emmeans(planks.emmeans("width"))) == pytest.approx(
        [by_hand], rel=1e-5
    )


@pytest.mark.parametrize("specs", ["width", "width | depth", "depth | width"])
def test_means_apart_by_more_than_the_yardstick_are_those_with_small_p(planks, specs):
    means = planks.emmeans(specs)
    (bar,) = yardsticks(mt.plot.emmeans(means))
    pairs = means.pairs()
    assert ((pairs["estimate"].abs() > bar) == (pairs["p"] < 0.05)).all()


def test_two_tables_stand_side_by_side(fixed, mixed):
    tables = [fixed.emmeans("method"), mixed.emmeans("method")]
    ax = mt.plot.emmeans(*tables, labels=["fixed", "mixed"])
    left, right = means_drawn(ax)
    assert (drawn(left)[0] < drawn(right)[0]).all()
    for container, table in zip((left, right), tables, strict=True):
        np.testing.assert_allclose(drawn(container)[1], table["emmean"])
    assert left.lines[0].get_color() != right.lines[0].get_color()
    assert left.lines[0].get_marker() != right.lines[0].get_marker()
    assert {"fixed", "mixed"} <= set(texts(ax))
    assert yardsticks(ax) == pytest.approx([0.2112693, 0.1900382], abs=2e-5)


def test_two_factors_get_lines(planks):
    table = planks.emmeans(["depth", "width"])
    ax = mt.plot.emmeans(table)
    series = means_drawn(ax)
    assert [one.get_label() for one in series] == ["width 1", "width 2", "width 3"]
    for one in series:
        own = table[table["width"] == one.get_label()[-1]]
        np.testing.assert_allclose(drawn(one)[1], own["emmean"])
    assert len({one.lines[0].get_linestyle() for one in series}) > 1
    assert "0.778 (some pairs need less)" in mt.plot.description(ax.figure)
    assert any("all 105 pairs,\nsome need less" in text for text in texts(ax))


def test_the_yardstick_names_its_family_and_can_be_read(planks, mixed):
    said = {}
    for specs in ("width", "width | depth"):
        ax = mt.plot.emmeans(planks.emmeans(specs))
        (note,) = [text for text in ax.texts if "differ if" in text.get_text()]
        said[specs] = note.get_text().split("(")[1]
        assert note.get_fontsize() >= 12
        assert ax.figure.get_size_inches()[0] == 9
    assert said == {"width": "all 3 pairs)", "width | depth": "all 3 pairs)"}
    ax = mt.plot.emmeans(mixed.emmeans("method"))  # two means: one pair, no family to name
    assert not any("pairs" in text for text in texts(ax))


def test_means_without_their_model_say_that_overlap_says_nothing(mixed):
    ax = mt.plot.emmeans(mixed.emmeans("method").round(3))
    assert any("overlap" in text for text in texts(ax))
    assert not yardsticks(ax)


def test_means_refuse(fixed, mixed, planks):
    means = mixed.emmeans("method")
    with pytest.raises(mt.DataError, match="nothing to draw"):
        mt.plot.emmeans()
    with pytest.raises(mt.DataError, match="no column 'emmean'"):
        mt.plot.emmeans(means.pairs())
    with pytest.raises(mt.DataError, match="not a MixedModel"):
        mt.plot.emmeans(mixed)
    with pytest.raises(mt.DataError, match="2 tables of means need 2 labels"):
        mt.plot.emmeans(means, fixed.emmeans("method"))
    with pytest.raises(mt.DataError, match="means of 'method' and of 'width'"):
        mt.plot.emmeans(means, planks.emmeans("width"), labels=["a", "b"])


# -- comparisons -----------------------------------------------------------------------------------


def rows_drawn(ax):
    """Return (estimate, lower, upper, filled) of each row, from the artists."""
    bars = [line for line in ax.lines[1:] if line.get_marker() == "None"]
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    return [
        (dot.get_xdata()[0], *bar.get_xdata(), dot.get_markerfacecolor() != "white")
        for bar, dot in zip(bars, dots, strict=True)
    ]


def test_comparisons_of_widths(planks):
    ax = mt.plot.pairs(planks.emmeans("width").pairs())
    got = np.array(rows_drawn(ax))
    # R: pairs(emmeans(lmer(...), "width")), confint()
    expected = [
        [-0.272, -0.7154, 0.1714, 0],
        [0.415, -0.0284, 0.8584, 0],
        [0.687, 0.2436, 1.1304, 1],
    ]
    np.testing.assert_allclose(got, expected, atol=6e-5)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1 - 2", "1 - 3", "2 - 3"]
    assert texts(ax) == ["p = .304", "p = .071", "p = .0015"]
    assert ax.lines[0].get_xdata() == [0, 0]
    label = " ".join(ax.get_xlabel().split())
    for part in (
        "humidity [percentage points]",
        "Satterthwaite (38)",
        "Tukey, all pairs of 3 means",
        "95%",
    ):
        assert part in label


def test_comparisons_within_groups_stand_apart(planks):
    table = planks.emmeans("width | depth").pairs()
    ax = mt.plot.pairs(table)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[:4] == ["depth 1: 1 - 2", "depth 1: 1 - 3", "depth 1: 2 - 3", "depth 3: 1 - 2"]
    steps = np.diff(ax.get_yticks())
    assert (np.flatnonzero(steps > 1.1) == [2, 5, 8, 11]).all()
    np.testing.assert_allclose([row[0] for row in rows_drawn(ax)], table["estimate"])
    filled = [row[3] for row in rows_drawn(ax)]
    assert filled == ((table["lower"] > 0) | (table["upper"] < 0)).tolist()


def test_comparisons_of_other_kinds():
    m = mt.lm("humidity ~ plank + width + depth", mt.load_planks())
    ax = mt.plot.pairs(mt.TukeyHSD(m, "width"))
    assert len(rows_drawn(ax)) == 3
    assert "residual (274); p: Tukey" in " ".join(ax.get_xlabel().split())
    ax = mt.plot.pairs(mt.TukeyHSD(mt.lm("humidity ~ width + depth", mt.load_planks())))
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[0] == "width: 2 - 1"
    assert labels[3] == "depth: 3 - 1"
    ax = mt.plot.pairs(m.emmeans("width").contrast({"ends - middle": [0.5, -1, 0.5]}))
    assert "not adjusted" in ax.get_xlabel()
    assert "not adjusted" in mt.plot.description(ax.figure)


def test_holms_intervals_are_named_bonferronis(planks):
    ax = mt.plot.pairs(planks.emmeans("width").pairs(adjust="holm"))
    assert "p: Holm" in ax.get_xlabel()
    assert "Bonferroni" in ax.get_xlabel()


def test_a_comparison_that_the_data_do_not_determine_is_named_so():
    data = pd.DataFrame(
        {"a": list("ppqqpp"), "b": list("uuuuvv"), "y": [1.0, 1.5, 2.0, 2.7, 3.1, 3.3]}
    )
    with pytest.warns(mt.MixedTeachWarning):
        m = mt.lm("y ~ a*b", data)
    ax = mt.plot.pairs(m.emmeans("a | b").pairs())
    assert "not estimable" in texts(ax)


def test_pairs_refuse(mixed):
    with pytest.raises(mt.DataError, match="These are means, not differences"):
        mt.plot.pairs(mixed.emmeans("method"))
    with pytest.raises(mt.DataError, match="no column 'contrast', 'estimate'"):
        mt.plot.pairs(mixed.anova())
    with pytest.raises(mt.DataError, match="not a MixedModel"):
        mt.plot.pairs(mixed)
    with pytest.raises(mt.DataError, match="has no rows"):
        mt.plot.pairs(mixed.emmeans("method").pairs().iloc[:0])


def test_all_draw_into_a_given_ax(tablets, mixed):
    left, middle, right = mt.plot.axes(1, 3)
    assert mt.plot.missing(tablets, "content", rows="method", columns="tablet", ax=left) is left
    assert mt.plot.emmeans(mixed.emmeans("method"), ax=middle) is middle
    assert mt.plot.pairs(mixed.emmeans("method").pairs(), ax=right) is right
    assert len(plt.get_fignums()) == 1
