"""Plans and interaction plots: what is drawn equals what the data say."""

from itertools import pairwise

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import mixedteach as mt
from mixedteach.plot._interaction import apart
from mixedteach.plot._layout import initials


@pytest.fixture(autouse=True)
def _close():
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before


def texts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


# -- interaction -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("load", "x", "trace", "response"),
    [
        (mt.load_oats, "nitrogen", "variety", "yield"),
        (mt.load_oats, "variety", "nitrogen", "yield"),
        (mt.load_oats, "nitrogen", "block", "yield"),
        (mt.load_planks, "depth", "width", "humidity"),
        (mt.load_planks, "width", "depth", "humidity"),
    ],
)
def test_lines_are_the_means_of_the_cells(load, x, trace, response):
    data = load()
    ax = mt.plot.interaction(data, x=x, trace=trace, response=response)
    means = data.groupby([trace, x], observed=True)[response].mean().unstack()
    assert len(ax.lines) == len(means)
    for line, (_, expected) in zip(ax.lines, means.iterrows(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), expected, rtol=1e-12)
    assert [t.get_text() for t in ax.get_xticklabels()] == list(means.columns)
    names = texts(ax)
    assert all(any(str(level) in name for name in names) for level in means.index)
    looks = {(line.get_color(), line.get_marker(), str(line.get_linestyle())) for line in ax.lines}
    assert len(looks) == len({look[1] for look in looks}) == len(means)


@pytest.mark.parametrize("x", ["depth", "width"])
def test_many_lines_are_thin_and_their_mean_bold(x):
    data = mt.load_planks()
    ax = mt.plot.interaction(data, x=x, trace="plank", response="humidity")
    means = data.groupby(["plank", x], observed=True)["humidity"].mean().unstack()
    *thin, bold = ax.lines
    drawn = np.array([line.get_ydata() for line in thin])
    np.testing.assert_allclose(drawn, means.to_numpy(), rtol=1e-12)
    overall = data.groupby(x, observed=True)["humidity"].mean()
    np.testing.assert_allclose(bold.get_ydata(), overall, rtol=1e-12)
    assert bold.get_linewidth() > 2 * max(line.get_linewidth() for line in thin)
    assert texts(ax) == ["their mean"]


def test_numbers_keep_their_distances_and_gaps_stay_gaps():
    data = pd.DataFrame(
        {"dose": [0, 1, 10, 0, 1], "g": list("aaabb"), "y": [1.0, 2.0, 3.0, 4.0, 5.0]}
    )
    ax = mt.plot.interaction(data, x="dose", trace="g", response="y")
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0, 1, 10])
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [4, 5, np.nan])
    b = next(text for text in ax.texts if text.get_text() == "g b")
    assert b.xy == (1, 5)


def test_names_at_the_ends_do_not_overlap():
    ax = mt.plot.interaction(mt.load_oats(), x="nitrogen", trace="block", response="yield")
    ax.figure.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.y0)
    for below, above in pairwise(boxes):
        assert below.y1 <= above.y0 + 1


def test_titles_tell_two_panels_of_the_same_lines_apart():
    left, right = mt.plot.axes(1, 2)
    for ax, x in ((left, "width"), (right, "depth")):
        mt.plot.interaction(mt.load_planks(), x=x, trace="plank", response="humidity", ax=ax)
        assert ax.get_title(loc="left") == f"One thin line a plank, by {x}"
    left.figure.canvas.draw()
    assert left.get_tightbbox().x1 < right.get_tightbbox().x0


def test_apart_keeps_order_and_middle():
    values = [3.0, 1.0, 3.0, np.nan, 9.0]
    moved = apart(values, 2.0)
    np.testing.assert_allclose(moved[[1, 0, 2, 4]], [4 / 3 - 1 - 0, 10 / 3 - 1, 16 / 3 - 1, 9])
    assert np.isnan(moved[3])


def test_interaction_uses_the_ax_and_describes_itself():
    left, right = mt.plot.axes(1, 2)
    ax = mt.plot.interaction(
        mt.load_planks(), x="depth", trace="width", response="humidity", ax=right
    )
    assert ax is right
    assert not left.lines
    words = mt.plot.description(ax.figure)
    assert "4.715 % at 1 to 4.653 % at 9" in words
    assert "2 from 5.025 to 4.870" in words
    assert ax.get_ylabel() == "mean humidity [%]"


# -- layout ----------------------------------------------------------------------------------------


def test_layout_shows_every_yield_in_its_place():
    oats = mt.load_oats()
    ax = mt.plot.layout(oats, blocks="block", whole="variety", sub="nitrogen", response="yield")
    places = {}
    for text in ax.texts:
        if text.get_text().isdigit():
            places[text.get_position()] = int(text.get_text())
    assert len(places) == 72
    # blocks three to a row; in a block columns are varieties, rows amounts of nitrogen
    gap = 1.08
    drawn = {}
    for (x, y), value in places.items():
        column, row = int(x // gap), int(-y // gap)
        variety = int((x - column * gap) * 3)
        drawn.setdefault((3 * row + column, variety), []).append((-y, value))
    for (block, variety), column in drawn.items():
        rows = (oats["block"].cat.codes == block) & (oats["variety"].cat.codes == variety)
        expected = oats[rows].sort_values("nitrogen")["yield"].tolist()
        assert [value for _, value in sorted(column)] == expected
    assert {"block I", "block VI", "0.0cwt", "0.6cwt"} <= set(texts(ax))


def test_darker_means_larger_and_each_whole_plot_has_its_colour():
    oats = mt.load_oats()
    ax = mt.plot.layout(oats, blocks="block", whole="variety", sub="nitrogen", response="yield")
    cells = [p for p in ax.patches if p.get_edgecolor()[:3] == (1, 1, 1)]
    assert len(cells) == 72
    numbers = [text for text in ax.texts if text.get_text().isdigit()]
    light, values = {}, {}
    for patch, text in zip(cells, numbers, strict=True):
        face = patch.get_facecolor()[:3]
        colour = int(np.argmax(face)), int(np.argmin(face))
        light.setdefault(colour, []).append(sum(face))
        values.setdefault(colour, []).append(int(text.get_text()))
    assert len(light) == 3
    for colour in light:
        assert np.corrcoef(light[colour], values[colour])[0, 1] < -0.999


def test_layout_without_response_names_the_sub_plots():
    oats = mt.load_oats()
    ax = mt.plot.layout(oats, blocks="block", whole="variety", sub="nitrogen")
    assert texts(ax).count("0.4cwt") == 18
    words = mt.plot.description(ax.figure)
    assert "Schematic plan" in words
    assert "18 whole plots" in words
    assert "72 sub-plots" in words


def test_layout_leaves_absent_sub_plots_empty_and_marks_missing_readings():
    oats = mt.load_oats().drop(index=[0, 1])
    oats.loc[2, "yield"] = np.nan
    ax = mt.plot.layout(oats, blocks="block", whole="variety", sub="nitrogen", response="yield")
    assert sum(text.isdigit() for text in texts(ax)) == 69
    assert texts(ax).count("missing") == 1


def test_layout_stays_inside_the_figure_and_uses_the_ax():
    left, right = mt.plot.axes(1, 2, size=(14, 5))
    ax = mt.plot.layout(mt.load_oats(), blocks="block", whole="variety", sub="nitrogen", ax=right)
    assert ax is right
    assert not left.texts
    ax = mt.plot.layout(
        mt.load_oats(), blocks="block", whole="variety", sub="nitrogen", response="yield"
    )
    ax.figure.canvas.draw()
    box = ax.get_tightbbox()
    assert box.x0 >= 0
    assert box.x1 <= ax.figure.bbox.x1


def test_letters_of_a_plan_are_large_and_inside_the_figure():
    ax = mt.plot.layout(
        mt.load_oats(), blocks="block", whole="variety", sub="nitrogen", response="yield"
    )
    ax.figure.canvas.draw()
    for text in (*ax.texts, ax.title):
        if text.get_text():
            assert text.get_fontsize() >= 13
            assert text.get_window_extent().x1 <= ax.figure.bbox.x1
            assert text.get_window_extent().x0 >= 0
    cells = [text for text in ax.texts if text.get_text().isdigit()]
    assert min(text.get_fontsize() for text in cells) > 15
    frames = [p for p in ax.patches if p.get_edgecolor()[:3] == (1, 1, 1)]
    for text, frame in zip(cells, frames, strict=True):
        letters, box = text.get_window_extent(), frame.get_window_extent()
        assert box.x0 < letters.x0
        assert letters.x1 < box.x1
        assert letters.height < box.height


def test_initials_are_told_apart():
    assert initials(["a", "ab", "b"]) == ["a", "ab", "b"]
    assert initials(["Golden.rain", "Marvellous", "Victory"]) == ["G", "M", "V"]


# -- what cannot be drawn --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": "nitrogn"}, "x='nitrogn' is not a column of the data. Did you mean 'nitrogen'?"),
        ({"trace": "nitrogen"}, "The column 'nitrogen' is given as x= and as trace=: name two"),
        ({"response": "block"}, "The response 'block' holds names, not numbers"),
        ({"x": ["nitrogen"]}, "x= must be the name of a column, not a list."),
    ],
)
def test_interaction_says_what_is_wrong(change, message):
    with pytest.raises(mt.DataError) as error:
        mt.plot.interaction(
            mt.load_oats(), **{"x": "nitrogen", "trace": "variety", "response": "yield", **change}
        )
    assert str(error.value).startswith(message)
    assert not plt.get_fignums()


def test_layout_says_what_is_wrong():
    oats = mt.load_oats()
    columns = {"blocks": "block", "whole": "variety", "sub": "nitrogen"}
    with pytest.raises(mt.DataError, match="Two rows are the same sub-plot, block 'I', variety"):
        mt.plot.layout(pd.concat([oats, oats.head(1)]), **columns)
    with pytest.raises(mt.DataError, match="blocks='blok' is not a column"):
        mt.plot.layout(oats, **{**columns, "blocks": "blok"})
    with pytest.raises(mt.DataError, match="must be a pandas DataFrame"):
        mt.plot.layout(None, **columns)
    with pytest.raises(mt.DataError, match="holds no values"):
        mt.plot.layout(oats.assign(x=np.nan), **columns, response="x")
    assert not plt.get_fignums()


def test_names_stay_apart_when_a_shared_axis_grows():
    planks = mt.load_planks()
    left, right = mt.plot.axes(1, 2, sharey=True)
    mt.plot.interaction(planks, x="depth", trace="width", response="humidity", ax=left)
    mt.plot.interaction(planks, x="width", trace="plank", response="humidity", ax=right)
    left.figure.draw_without_rendering()
    boxes = sorted((name.get_window_extent() for name in left.texts), key=lambda box: box.y0)
    assert len(boxes) == 3
    assert all(below.y1 < above.y0 + 2 for below, above in pairwise(boxes))
