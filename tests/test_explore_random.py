"""Explorers of lesson 3: the question needs a control, and the numbers are those of a fresh fit."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import mixedteach as mt
from mixedteach.errors import DataError, InferenceError
from mixedteach.plot._style import MINUS_ZERO_PLUS


def size(png):
    return Image.open(io.BytesIO(png)).size


# -- variance components ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def components():
    return mt.explore.variance_components()


@pytest.mark.parametrize(("sigma_T", "sigma"), [(0.3, 0.21), (0.6, 0.05), (0.05, 0.4)])
def test_a_fit_of_the_readings_gives_what_the_sliders_say(components, sigma_T, sigma):
    answer = components.answer(sigma_T=sigma_T, sigma=sigma)
    data = pd.DataFrame(
        {
            "content": answer["readings"].ravel(),
            "method": pd.Categorical(np.repeat(["nir", "hplc"], 10), ["nir", "hplc"]),
            "tablet": np.tile([f"t{i}" for i in range(10)], 2),
        }
    )
    m = mt.lmer("content ~ method + (1|tablet)", data)
    parts = m.variance_components["variance"].to_numpy()
    np.testing.assert_allclose(parts, [sigma_T**2, sigma**2], rtol=1e-6)
    assert answer["icc"] == pytest.approx(m.icc["tablet"], rel=1e-6)
    assert answer["se_mean"] == pytest.approx(m.bse["Intercept"], rel=1e-6)
    assert answer["se_difference"] == pytest.approx(m.bse["method[hplc]"], rel=1e-6)
    # and the NIR readings alone have the sd that the model gives them
    alone = data.loc[data["method"] == "nir", "content"]
    assert alone.sem() == pytest.approx(answer["se_mean"], rel=1e-12)


def test_V_has_the_blocks_of_two_tablets(components):
    V = components.answer(sigma_T=0.3, sigma=0.2)["V"]
    expected = [[0.13, 0.09, 0, 0], [0.09, 0.13, 0, 0], [0, 0, 0.13, 0.09], [0, 0, 0.09, 0.13]]
    np.testing.assert_allclose(V, expected)


def test_one_standard_error_does_not_care_and_both_are_equal_at_half(components):
    answers = [components.answer(sigma_T=s, sigma=0.21) for s in (0.0, 0.1, 0.21, 0.3, 0.6)]
    assert len({a["se_difference"] for a in answers}) == 1
    assert (np.diff([a["se_mean"] for a in answers]) > 0).all()
    gaps = [a["se_mean"] - a["se_difference"] for a in answers]
    assert gaps[0] < gaps[1] < 0 < gaps[3]
    assert gaps[2] == pytest.approx(0, abs=1e-12)
    assert answers[2]["icc"] == pytest.approx(0.5)


def test_components_start_near_the_lectures_values(components):
    m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    answer = components.answer()
    assert answer["se_mean"] == pytest.approx(m.bse["Intercept"], abs=0.001)
    assert answer["se_difference"] == pytest.approx(m.bse["method[hplc]"], abs=0.001)


def test_components_picture_and_words_follow():
    explorer = mt.explore.variance_components()
    first, png = explorer.words(), explorer.png()
    assert size(png) == (900, 420)
    explorer.set(sigma_T=0.0)
    assert explorer.words() != first
    assert "ICC = 0.00" in explorer.words()
    assert explorer.png() != png
    with pytest.raises(DataError, match=r"must be a number from 0 to 0\.6"):
        explorer.set(sigma_T=2)


def test_components_draw_what_they_answer(components):
    components.png(sigma_T=0.6, sigma=0.2)
    drawn, answer = components._picture, components.answer(sigma_T=0.6, sigma=0.2)
    heights = [bar.get_height() for bar in drawn.bars]
    np.testing.assert_allclose(heights, [answer["se_mean"], answer["se_difference"]])
    assert {place: cell.get_text() for place, cell in drawn.cells.items() if place[0] < 2} == {
        (0, 0): "0.400", (0, 1): "0.360", (1, 0): "0.360", (1, 1): "0.400",
    }  # fmt: skip
    colours = [drawn.tiles[0, j].get_facecolor() for j in (0, 1)]
    assert colours == [MINUS_ZERO_PLUS(0.9)] * 2  # from half of the largest variance on
    for points, values in zip(drawn.points, answer["readings"], strict=True):
        np.testing.assert_allclose(points.get_ydata(), values)


# -- shrinkage -------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", [mt.load_tablets, mt.load_tablets_missing])
def test_at_the_fitted_ratio_the_blups_are_the_models(load):
    m = mt.lmer("content ~ method + (1|tablet)", load())
    answer = mt.explore.shrinkage(m).answer(icc=float(m.icc["tablet"]))
    effects = m.random_effects["tablet"]["Intercept"].to_numpy()
    np.testing.assert_allclose(answer["blup"] - answer["common"], effects, atol=1e-10)
    assert answer["common"] == pytest.approx(m.fit.fixed.mean())


@pytest.mark.parametrize("icc", [0.05, 0.5, 0.95])
def test_at_another_ratio_the_blups_solve_generalised_least_squares(icc):
    m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets_missing())
    answer = mt.explore.shrinkage(m).answer(icc=icc, times=3)
    X, y, codes = m.X, m.fit.problem.y, m.random[0].codes
    Z = np.eye(20)[codes]
    V = icc * Z @ Z.T + (1 - icc) / 3 * np.eye(len(y))
    W = np.linalg.inv(V)
    beta = np.linalg.solve(X.T @ W @ X, X.T @ W @ y)
    u = icc * Z.T @ W @ (y - X @ beta)
    np.testing.assert_allclose(answer["blup"] - answer["common"], u, atol=1e-10)
    assert answer["n"].min() == 3


def test_the_question_has_the_answers_zero_and_sixteen():
    explorer = mt.explore.shrinkage()
    at_zero = explorer.answer(icc=0)
    np.testing.assert_allclose(at_zero["blup"], at_zero["common"])
    kept = {k: explorer.answer(icc=0.2, times=k)["factor"][0] for k in range(1, 13)}
    first = min(k for k, share in kept.items() if share >= 0.8 - 1e-12)
    assert explorer.answer(icc=0.2, times=first)["n"][0] == 16
    assert kept[8] == pytest.approx(0.8)
    assert kept[1] == pytest.approx(1 / 3)


def test_shrinkage_starts_at_reml_and_follows():
    explorer = mt.explore.shrinkage()
    assert explorer.values == {"icc": 0.67, "times": 1}
    assert "keeps 80%" in explorer.words()
    png = explorer.png()
    assert size(png) == (900, 420)
    explorer.set(icc=0.1)
    assert explorer.png() != png
    assert "keeps 18%" in explorer.words()
    drawn, answer = explorer._picture, explorer.answer()
    np.testing.assert_allclose(drawn.blup.get_xdata(), np.sort(answer["blup"]), atol=1e-9)


def test_shrinkage_of_groups_that_differ_in_size():
    m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets_missing())
    explorer = mt.explore.shrinkage(m)
    assert "1 to 2 readings of a tablet" in explorer.words()
    assert "keep 70% to 82%" in explorer.words()


def test_shrinkage_refuses_other_models():
    with pytest.raises(InferenceError, match=r"explore\.shrinkage moves .* not a DataFrame"):
        mt.explore.shrinkage(mt.load_tablets())
    oats = mt.load_oats()
    nested = mt.lmer("yield ~ variety + (1|block/variety)", oats)
    with pytest.raises(
        InferenceError,
        match=r"one variance ratio, .* 2 random terms: fit one with \(1\|block\) only",
    ):
        mt.explore.shrinkage(nested)
    slopes = mt.lmer("Reaction ~ Days + (Days||Subject)", mt.load_sleepstudy())
    with pytest.raises(InferenceError, match="2 random terms"):
        mt.explore.shrinkage(slopes)


@pytest.mark.parametrize("make", [mt.explore.variance_components, mt.explore.shrinkage])
def test_the_widget_moves_with_the_controls(make):
    explorer = make()
    image = explorer.widget.children[2]
    before = image.value
    name = next(iter(explorer.controls))
    explorer.set(**{name: 0.05})
    assert image.value != before
    assert "0.05" in explorer.widget.children[3].value
