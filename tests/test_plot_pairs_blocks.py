"""Pictures of pairs and blocks show the data's own numbers."""

import itertools

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import mixedteach as mt

PAIRS = {"within": "method", "subject": "tablet"}
BLOCKS = {"treatment": "method", "block": "tablet"}


@pytest.fixture(autouse=True)
def _clean():
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before


@pytest.fixture
def tablets():
    return mt.load_tablets()


def by_label(ax):
    return {line.get_label(): line for line in ax.lines}


# -- paired ----------------------------------------------------------------------------------------


def test_paired_draws_every_tablet_and_the_means(tablets):
    ax = mt.plot.paired(tablets, "content", **PAIRS)
    lines = by_label(ax)
    for row in mt.load_tablets(wide=True).itertuples():
        assert lines[row.tablet].get_ydata() == pytest.approx([row.nir, row.hplc])
    assert lines["mean"].get_ydata() == pytest.approx([10.39, 10.34])
    named = [label.get_text() for label in ax.get_xticklabels()]
    assert named == ["nir\nmean 10.39", "hplc\nmean 10.34"]
    assert ax.get_ylabel() == "content [%]"
    words = mt.plot.description(ax.figure)
    assert "nir 10.39, hplc 10.34" in words
    assert "4 lines rise, 4 fall, 2 are level" in words


def test_paired_names_every_tablet_once_at_each_end(tablets):
    ax = mt.plot.paired(tablets, "content", **PAIRS)
    for x in (0, 1):
        names = [t.get_text().split(", ") for t in ax.texts if t.xy[0] == x]
        assert sorted(itertools.chain(*names), key=int) == [str(i) for i in range(1, 11)]


def test_names_do_not_overlap(tablets):
    ax = mt.plot.paired(mt.load_tablets_missing(), "content", **PAIRS)
    ax.figure.canvas.draw()
    for x in (0, 1):
        boxes = [t.get_window_extent() for t in ax.texts if t.xy[0] == x]
        boxes.sort(key=lambda box: box.y0)
        assert all(a.y1 <= b.y0 + 1 for a, b in itertools.pairwise(boxes))
        assert all(ax.figure.bbox.x0 <= box.x0 and box.x1 <= ax.figure.bbox.x1 for box in boxes)


def test_a_subject_without_a_reading_is_a_lone_open_marker():
    ax = mt.plot.paired(mt.load_tablets_missing(), "content", **PAIRS)
    lines = by_label(ax)
    assert np.isnan(lines["12"].get_ydata()).tolist() == [False, True]
    assert lines["12"].get_markerfacecolor() == "white"
    assert lines["1"].get_markerfacecolor() != "white"
    # tablets 2 and 11 have the same NIR reading: both markers are seen, one within the other
    assert lines["11"].get_markersize() > lines["2"].get_markersize()
    assert lines["11"].get_zorder() < lines["2"].get_zorder()
    assert "10 of them lack a reading" in mt.plot.description(ax.figure)


def test_names_stand_together_only_for_equal_readings():
    data = mt.load_tablets_missing()
    wide = data.pivot(index="tablet", columns="method", values="content")
    ax = mt.plot.paired(data, "content", **PAIRS)
    named = [t for t in ax.texts if t.xy[0] in (0, 1)]
    assert len(named) > 10
    for text in named:
        column = wide["nir" if text.xy[0] == 0 else "hplc"].round(12)
        same = column[column == round(text.xy[1], 12)].index
        assert set(text.get_text().split(", ")) == {str(name) for name in same}


def test_crowded_names_are_moved_apart_or_left_out(tablets):
    close = tablets.assign(content=10 + 0.004 * np.arange(20) + 5 * (tablets["tablet"] == "1"))
    ax = mt.plot.paired(close, "content", **PAIRS)
    ax.figure.canvas.draw()
    for x in (0, 1):
        texts = [t for t in ax.texts if t.xy[0] == x]
        assert len(texts) == 10
        assert all(t.arrow_patch is not None for t in texts)
        texts.sort(key=lambda t: t.xy[1])
        heights = [t.get_position()[1] for t in texts]
        assert heights == sorted(heights)
        assert min(np.diff(heights)) > 0.2  # points lie 0.008 apart
    small = mt.plot.axes(4, 1)[0]
    assert not mt.plot.paired(close, "content", **PAIRS, ax=small).texts


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([0, 1, 2], [0, 1, 2]),
        ([0.9, 1, 1.1], [0, 1, 2]),
        ([0, 0.1, 9], [0, 1, 9]),
        ([8, 9, 10], [8, 9, 10]),
        ([9.8, 10], [9, 10]),
        ([5, 5.5, 5.6, 9.9, 10], [4.37, 5.37, 6.37, 9, 10]),
    ],
)
def test_places_are_moved_as_little_as_possible(places, expected):
    from mixedteach.plot._paired import moved_apart

    assert moved_apart(np.array(places), 1, 0, 10) == pytest.approx(expected, abs=0.01)


def test_exchanged_factors_are_noticed(tablets):
    with pytest.warns(mt.MixedTeachWarning, match="look exchanged.*within='method'"):
        mt.plot.paired(tablets, "content", within="tablet", subject="method")
    with pytest.raises(mt.DataError, match="look exchanged: 'method' has two"):
        mt.plot.differences(tablets, "content", within="tablet", subject="method")


def test_points_show_through_the_means(tablets):
    ax = mt.plot.paired(tablets, "content", **PAIRS)
    assert by_label(ax)["mean"].get_markerfacecolor() == "none"


def test_paired_takes_more_than_two_levels_and_long_names():
    growth = mt.load_orthodont()
    ax = mt.plot.paired(growth, "distance", within="age", subject="Subject")
    means = growth.groupby("age")["distance"].mean()
    assert by_label(ax)["mean"].get_ydata() == pytest.approx(means.to_numpy())
    assert len(ax.lines) == 28
    assert not ax.texts


def test_paired_refuses_what_it_cannot_draw(tablets):
    with pytest.raises(mt.DataError, match=r"no column 'methods'\. Did you mean 'method'"):
        mt.plot.paired(tablets, "content", within="methods", subject="tablet")
    with pytest.raises(mt.DataError, match="holds no numbers"):
        mt.plot.paired(tablets.assign(content="x"), "content", **PAIRS)
    with pytest.raises(mt.DataError, match="three different columns"):
        mt.plot.paired(tablets, "content", within="tablet", subject="tablet")
    with pytest.raises(mt.DataError, match="tablet '1' has 2 readings at method 'nir'"):
        mt.plot.paired(pd.concat([tablets, tablets.iloc[1:2]]), "content", **PAIRS)
    with pytest.raises(mt.DataError, match="only 'nir'"):
        mt.plot.paired(tablets[tablets["method"] == "nir"], "content", **PAIRS)
    with pytest.raises(mt.DataError, match="No row is complete"):
        mt.plot.paired(tablets.assign(content=np.nan), "content", **PAIRS)
    with pytest.raises(mt.DataError, match="must be a pandas DataFrame"):
        mt.plot.paired(None, "content", **PAIRS)
    with pytest.raises(mt.DataError, match="subject"):
        mt.plot.paired(tablets, "content", within="method")
    assert not plt.get_fignums()


def test_the_axes_given_are_used(tablets):
    axes = mt.plot.axes(1, 3)
    given = [
        mt.plot.paired(tablets, "content", **PAIRS, ax=axes[0]),
        mt.plot.differences(tablets, "content", **PAIRS, ax=axes[1]),
        mt.plot.blocks(tablets, "content", **BLOCKS, ax=axes[2]),
    ]
    assert given == list(axes)
    assert len(plt.get_fignums()) == 1


def test_without_units_the_column_is_the_label(tablets):
    plain = pd.DataFrame(tablets.to_dict("list"))
    assert mt.plot.paired(plain, "content", **PAIRS).get_ylabel() == "content"


# -- differences -----------------------------------------------------------------------------------


def interval(ax):
    band = next(patch for patch in ax.patches)
    return band.get_extents().transformed(ax.transData.inverted()).intervaly


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_differences_show_mean_and_interval_of_the_t_test(tablets, level):
    # text, so that hplc comes before nir: the picture is nir - hplc, as the test's order
    plain = tablets.astype({"method": str})
    for data in (tablets, plain):
        ax = mt.plot.differences(data, "content", **PAIRS, level=level)
        test = mt.paired_t_test(data, "content", **PAIRS, level=level).iloc[0]
        first, second = test["contrast"].split(" - ")
        assert ax.get_ylabel().startswith(f"content, {first} - {second}")
        assert interval(ax) == pytest.approx([test["lower"], test["upper"]])
        heights = [line.get_ydata()[0] for line in ax.lines if len(line.get_ydata()) == 2]
        assert heights == pytest.approx([0, test["estimate"]])


def test_differences_are_sorted_or_not(tablets):
    wide = mt.load_tablets(wide=True)
    change = (wide["hplc"] - wide["nir"]).to_numpy()
    for sort in (True, False):
        ax = mt.plot.differences(tablets, "content", **PAIRS, sort=sort)
        points = next(line for line in ax.lines if len(line.get_ydata()) == 10)
        expected = np.sort(change) if sort else change
        assert points.get_ydata() == pytest.approx(expected)
        names = [label.get_text() for label in ax.get_xticklabels()]
        places = dict(zip(names, points.get_ydata(), strict=True))
        assert places["5"] == pytest.approx(-0.7)
        assert places["1"] == pytest.approx(0.3)
    assert "-0.26 to 0.16 and contains zero" in mt.plot.description(ax.figure)


def test_differences_leave_out_incomplete_pairs():
    ax = mt.plot.differences(mt.load_tablets_missing(), "content", **PAIRS)
    assert "10 pairs" in mt.plot.description(ax.figure)


def test_differences_refuse_what_they_cannot_draw(tablets):
    oats = mt.load_oats().query("variety == 'Victory'")
    with pytest.raises(mt.DataError, match="'nitrogen' has 4"):
        mt.plot.differences(oats, "yield", within="nitrogen", subject="block")
    with pytest.raises(mt.DataError, match="fewer than two complete pairs"):
        mt.plot.differences(tablets.iloc[:2], "content", **PAIRS)
    with pytest.raises(mt.InferenceError, match=r"level=0\.95"):
        mt.plot.differences(tablets, "content", **PAIRS, level=95)
    with pytest.raises(mt.DataError, match="Check that it is the factor"):
        mt.plot.differences(tablets[tablets["method"] == "nir"], "content", **PAIRS)


# -- blocks ----------------------------------------------------------------------------------------


def test_blocks_show_readings_and_means_in_order(tablets):
    ax = mt.plot.blocks(tablets, "content", **BLOCKS)
    wide = mt.load_tablets(wide=True).set_index("tablet")
    order = [label.get_text() for label in ax.get_xticklabels()]
    means = wide.mean(axis=1)[order]
    assert means.round(12).is_monotonic_increasing
    lines = by_label(ax)
    for method in ("nir", "hplc"):
        assert lines[method].get_ydata() == pytest.approx(wide.loc[order, method].to_numpy())
    assert lines["nir"].get_marker() != lines["hplc"].get_marker()
    assert lines["nir"].get_color() != lines["hplc"].get_color()
    bars = next(c for c in ax.collections if c.get_label() == "block mean")
    assert [s[0, 1] for s in bars.get_segments()] == pytest.approx(means.to_numpy())
    words = mt.plot.description(ax.figure)
    assert ax.get_title(loc="left") == "One place a tablet: content by method"
    assert "span 1.05, from 9.85 to 10.90" in words
    assert "span 0.21 on average" in words  # (.3 + .2 + 0 + .2 + .7 + .2 + .1 + 0 + .3 + .1) / 10


def test_blocks_average_several_readings_of_a_cell():
    machines = mt.load_machines()
    ax = mt.plot.blocks(machines, "score", treatment="Machine", block="Worker")
    cells = machines.groupby(["Machine", "Worker"], observed=True)["score"].mean()
    order = [label.get_text() for label in ax.get_xticklabels()]
    for level in "ABC":
        drawn = by_label(ax)[f"Machine {level}"].get_ydata()
        assert drawn == pytest.approx(cells[level][order].to_numpy())
    dots = [line for line in ax.lines if line.get_marker() == "."]
    assert sum(len(line.get_ydata()) for line in dots) == len(machines)
    assert "averaged over readings" in mt.plot.description(ax.figure)


def test_blocks_refuse_what_they_cannot_draw(tablets):
    with pytest.raises(mt.DataError, match="only '1'"):
        mt.plot.blocks(tablets.iloc[:2], "content", **BLOCKS)
    with pytest.raises(mt.DataError, match=r"no column 'tablett'\. Did you mean 'tablet'"):
        mt.plot.blocks(tablets, "content", treatment="method", block="tablett")


@pytest.mark.parametrize(
    ("value", "places", "said"),
    [(10.345, 2, "10.35"), (-10.345, 2, "-10.35"), (-1e-17, 2, "0.00"), (0.125, 2, "0.13")],
)
def test_rounding_says_the_same_on_every_machine(value, places, said):
    from mixedteach.plot._paired import rounded

    assert rounded(value, places) == said
    assert rounded(np.nextafter(value, 0), places) == said
