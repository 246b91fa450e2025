"""The explorer of lesson 9: its numbers against fits and algebra, its answer needs the controls."""

import io
from itertools import product

import numpy as np
import pytest
from PIL import Image

import mixedteach as mt
from mixedteach.explore._power import power_of_width, variances_of_a_difference


@pytest.fixture(scope="module")
def explorer():
    return mt.explore.power()


def cheapest(explorer, **settings):
    """Return planks, readings and cost of the cheapest design with power 0.8 on the sliders."""
    found = []
    for readings in range(1, 11):
        for planks in range(3, 81):
            now = explorer.answer(planks=planks, readings=readings, **settings)
            if now["power"] >= 0.8:
                found.append((now["cost"], planks, readings))
                break
    cost, planks, readings = min(found)
    return planks, readings, cost


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("planks", "readings", "difference", "sd", "expected"),
    [
        # R: 1 - pf(qf(.95, 2, df), 2, df, D^2 / (2 * (sd^2 + .39^2 / r) / g)), df = 2 * (g - 1);
        # R sums to 1e-9 only: the series of beta distributions gives SciPy's digits
        (20, 5, 0.5, 0.55, 0.6510933048535),
        (31, 2, 0.5, 0.55, 0.8042760770816),
        (11, 5, 0.5, 0.30, 0.8067062636930),
        (3, 5, 0.5, 0.55, 0.0954820343663),
    ],
)
def test_power_as_r(planks, readings, difference, sd, expected):
    assert power_of_width(planks, readings, difference, sd) == pytest.approx(expected, abs=2e-9)


@pytest.mark.parametrize(("planks", "readings"), [(12, 1), (20, 5)])
def test_it_is_the_librarys_power_of_one_mean_for_each_place(planks, readings):
    # the five readings at a place are worth their mean, whose sd is sqrt(sd^2 + sigma^2 / r)
    sd = float(np.sqrt(0.55**2 + 0.39**2 / readings))
    plan = mt.planned(
        "humidity ~ width + (1|plank)",
        mt.crossed(plank=planks, width=["1", "2", "3"]),
        fixed={"width[2]": -0.25, "width[3]": -0.5},
        sd={"plank": 0.94, "Residual": sd},
    )
    expected = mt.power_of(plan, "width", method="exact")["power"][0]
    assert power_of_width(planks, readings, 0.5, 0.55) == pytest.approx(expected, abs=1e-10)


def test_standard_error_is_that_of_a_fit():
    # balanced data made so that REML finds exactly the explorer's two variances
    g, r, sd, sigma = 8, 3, 0.5, 0.39
    rng = np.random.default_rng(3)
    table = mt.crossed(plank=g, width=["1", "2", "3"], reading=r)
    cells = rng.standard_normal((g, 3))
    cells -= cells.mean(0)
    cells -= cells.mean(1, keepdims=True)
    cells *= np.sqrt((sd**2 + sigma**2 / r) * 2 * (g - 1) / (cells**2).sum())
    inside = rng.standard_normal((g, 3, r))
    inside -= inside.mean(2, keepdims=True)
    inside *= np.sqrt(sigma**2 * g * 3 * (r - 1) / (inside**2).sum())
    level = 2 * rng.standard_normal((g, 1, 1))
    y = (5 + level + cells[:, :, None] + inside).ravel()
    m = mt.lmer("y ~ width + (1|plank/width)", table.assign(y=y))
    parts = variances_of_a_difference(g, r, sd)
    assert m.emmeans("width").pairs()["SE"][0] == pytest.approx(np.sqrt(sum(parts)), rel=1e-7)


def test_simulated_trials_are_found_that_often():
    plan = mt.planned(
        "humidity ~ width + (1|plank/width)",
        mt.crossed(plank=12, width=["1", "2", "3"], reading=2),
        fixed={"width[2]": -0.25, "width[3]": -0.5},
        sd={"plank": 0.94, "plank:width": 0.35, "Residual": 0.39},
    )
    n = 400
    found = mt.power_of(plan, "width", method="simulation", replicates=n, seed=4)["power"][0]
    theory = float(power_of_width(12, 2, 0.5, 0.35))
    assert abs(found - theory) < 3.5 * np.sqrt(theory * (1 - theory) / n)


def test_the_curve_starts_at_alpha_and_rises(explorer):
    for planks, readings, sd in product((3, 20, 80), (1, 10), (0.2, 0.9)):
        curve = explorer.answer(planks=planks, readings=readings, sd=sd)["curve"]
        assert curve[0] == pytest.approx(0.05)
        assert np.isfinite(curve).all()
        assert (np.diff(curve) >= -1e-12).all()


def test_the_line_in_the_middle_is_where_power_reaches_what_is_wanted(explorer):
    now = explorer.answer(planks=31, readings=2)
    at_line = np.sqrt(now["allowed"] / sum(now["parts"]))  # a difference that just suffices
    assert power_of_width(31, 2, 0.5 / at_line, 0.55) == pytest.approx(
        0.8, abs=1e-5
    )  # SciPy's inverse


# -- the question ----------------------------------------------------------------------------------


def test_the_answer_changes_with_the_controls(explorer):
    assert cheapest(explorer) == (31, 2, 2232)
    assert cheapest(explorer, sd=0.3) == (11, 5, 990)  # no other design costs 990 or less
    start = explorer.answer()
    assert start["power"] < 0.8
    assert start["cost"] < 2400
    # more readings alone never reach it, more planks do
    assert all(explorer.answer(readings=r)["power"] < 0.8 for r in range(1, 11))
    assert explorer.answer(planks=28)["power"] > 0.8
    assert not explorer.answer(planks=28)["affordable"]


def test_prices_change_the_answer():
    dear = mt.explore.power(per_plank=10, per_reading=10)
    assert cheapest(dear)[1] == 1
    assert "A plank costs 10 €, a reading 10 €" in dear.question
    for bad in ({"budget": 0}, {"per_plank": "much"}, {"per_reading": float("nan")}):
        with pytest.raises(mt.DataError, match=r"must be a positive number"):
            mt.explore.power(**bad)
    with pytest.raises(mt.DataError, match=r"set\(planks="):
        mt.explore.power(planks=30)


# -- picture and words -----------------------------------------------------------------------------


def test_picture_and_words_follow():
    explorer = mt.explore.power()
    first = explorer.png()
    assert Image.open(io.BytesIO(first)).size == (1000, 460)
    assert "power 0.651" in explorer.words()
    assert "1800 €, within the budget" in explorer.words()
    explorer.set(planks=60, readings=1)
    assert explorer.png() != first
    assert "60 planks × 3 widths × 1 reading: 3960 €, over the budget" in explorer.words()


def test_what_is_drawn_is_what_is_answered():
    explorer = mt.explore.power()
    explorer.png(planks=31, readings=2)
    picture, now = explorer._picture, explorer.answer(planks=31, readings=2)
    np.testing.assert_allclose(picture.curve.get_ydata(), now["curve"])
    assert picture.point.get_ydata()[0] == now["power"]
    assert picture.value.get_text() == "0.804"
    for bar, parts in ((picture.variance, now["parts"]), (picture.cost, now["costs"])):
        below, above, *_ = bar
        assert (below.get_height(), above.get_height()) == pytest.approx(parts)
        assert above.get_y() == pytest.approx(parts[0])
    assert picture.cost[2].get_text() == "2232"
    assert picture.allowed.get_ydata()[0] == now["allowed"]
    # beyond the axis the bar stops, and the number goes on
    explorer.png(planks=80, readings=10)
    assert picture.cost[0].get_height() + picture.cost[1].get_height() <= picture.cost[3]
    assert picture.cost[2].get_text() == "9600"


def test_the_digits_stand_beside_the_curve_and_within_the_panel(explorer):
    picture = explorer._picture
    panel = picture.figure.axes[0]
    fine = np.linspace(0, 1.2, 400)
    settings = product((3, 20, 80), (1, 10), (0.1, 0.15, 0.5, 0.9, 1.0), (0.2, 0.55, 0.9))
    for planks, readings, difference, sd in settings:
        explorer.png(planks=planks, readings=readings, difference=difference, sd=sd)
        box = picture.value.get_window_extent(picture._canvas.get_renderer())
        assert panel.bbox.x0 < box.x0 < box.x1 < panel.bbox.x1 + 25
        assert panel.bbox.y0 < box.y0 < box.y1 < panel.bbox.y1
        curve = np.interp(fine, *picture.curve.get_data())
        x, y = panel.transData.transform(np.column_stack([fine, curve])).T
        assert not ((x > box.x0) & (x < box.x1) & (y > box.y0 + 2) & (y < box.y1 - 2)).any()


def test_the_widget_moves_with_the_controls():
    explorer = mt.explore.power()
    _, *rows, image, said = explorer.widget.children
    before = image.value
    rows[0].children[0].value = 21
    assert image.value != before
    assert "21 planks" in said.value
