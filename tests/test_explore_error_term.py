"""The explorer of error terms: denominators, df, F and p against fresh fits, R and algebra."""

import numpy as np
import pytest

import mixedteach as mt
from mixedteach.explore._wrong_error_term import CASES, f_density, outcome

IGNORED, LEVEL, WIDTH, DEPTH, STRATA = CASES["planks"].models

# den_df, F, p by R 4.2: lm, and lmer with lmerTest's anova
R = [
    ("planks", IGNORED, "width", 297, 6.781847, 1.318123799e-03),
    ("planks", LEVEL, "width", 266, 29.646325505, 2.381124901e-12),
    ("planks", LEVEL, "depth", 266, 78.259162913, 8.552472462e-44),
    ("planks", LEVEL, "width:depth", 266, 1.084031161, 3.745013890e-01),
    ("planks", WIDTH, "width", 38, 7.241166324, 2.165895998e-03),
    ("planks", WIDTH, "depth", 228, 161.589276112, 2.414691760e-65),
    ("planks", WIDTH, "width:depth", 228, 2.238304168, 2.563660442e-02),
    ("planks", DEPTH, "width", 266, 29.646324793, 2.381126362e-12),
    ("planks", DEPTH, "depth", 266, 78.259161032, 8.552490394e-44),
    ("planks", DEPTH, "width:depth", 266, 1.084031135, 3.745014073e-01),
    ("planks", STRATA, "width", 38, 7.240951735, 2.166316670e-03),
    ("planks", STRATA, "depth", 76, 114.145865831, 2.479506266e-31),
    ("planks", STRATA, "width:depth", 152, 2.825501510, 5.971070402e-03),
    ("oats", "none", "variety", 60, 1.794896843, 1.749504377e-01),
    ("oats", "none", "nitrogen", 60, 13.410775689, 8.367027004e-07),
    ("oats", "none", "variety:nitrogen", 60, 0.107762470, 9.952292768e-01),
    ("oats", "(1|block)", "variety", 55, 3.513426939, 3.664635131e-02),
    ("oats", "(1|block)", "nitrogen", 55, 26.250968647, 1.134536087e-10),
    ("oats", "(1|block)", "variety:nitrogen", 55, 0.210940015, 9.718678935e-01),
    ("oats", "(1|block/variety)", "variety", 10, 1.485341089, 2.723866334e-01),
    ("oats", "(1|block/variety)", "nitrogen", 45, 37.685704077, 2.457627051e-12),
    ("oats", "(1|block/variety)", "variety:nitrogen", 45, 0.302823987, 9.321985272e-01),
]


@pytest.fixture(scope="module")
def explorers():
    return {name: mt.explore.wrong_error_term(name) for name in CASES}


@pytest.mark.parametrize(("data", "random", "term", "df", "F", "p"), R)
def test_equals_r(explorers, data, random, term, df, F, p):
    now = explorers[data].answer(random=random, term=term)
    # lme4's default stops 4 to 5 digits in on the planks with two strata
    assert now["den_df"] == pytest.approx(df, abs=1e-5)
    assert now["F"] == pytest.approx(F, rel=5e-5)
    assert now["p"] == pytest.approx(p, rel=2e-3)


@pytest.mark.parametrize(("data", "random", "term"), [row[:3] for row in R])
def test_equals_a_fresh_fit_and_the_classical_mean_squares(data, random, term):
    table = mt.load_planks() if data == "planks" else mt.load_oats()
    formula = CASES[data].models[random]
    classical = mt.lm(formula.split(" + (")[0], table).anova().loc[term, "mean_sq"]
    m = mt.lmer(formula, table) if "(" in formula else mt.lm(formula, table)
    row, now = m.anova().loc[term], outcome(data, random, term)
    for name in ("num_df", "den_df", "F", "p"):
        assert now[name] == pytest.approx(row[name], rel=1e-9)
    # in balanced data the numerator does not depend on the random part
    assert now["mean_square"] == pytest.approx(classical, rel=1e-6)
    assert now["denominator"] == pytest.approx(sum(now["parts"].values()))
    if now["se"] is not None:
        pairs = m.emmeans(term).pairs()
        np.testing.assert_allclose(pairs["SE"], now["se"], rtol=1e-6)


def test_the_answer_to_each_question_needs_moving(explorers):
    planks, oats = explorers["planks"], explorers["oats"]
    width = {r: planks.answer(random=r, term="width") for r in CASES["planks"].models}
    assert width[WIDTH]["den_df"] == pytest.approx(38)
    assert width[LEVEL]["den_df"] == pytest.approx(266)
    for without, with_depth in ((LEVEL, DEPTH), (WIDTH, STRATA)):
        for name in ("den_df", "F", "p"):
            assert width[without][name] == pytest.approx(width[with_depth][name], rel=1e-6)
    variety = [oats.answer(random=r, term="variety")["p"] for r in CASES["oats"].models]
    assert [p < 0.05 for p in variety] == [False, True, False]
    nitrogen = [oats.answer(random=r, term="nitrogen")["F"] for r in CASES["oats"].models]
    assert nitrogen == sorted(nitrogen)


def test_starts_where_there_is_something_to_see(explorers):
    assert explorers["planks"].values == {"random": LEVEL, "term": "width"}
    assert explorers["oats"].values == {"random": "(1|block)", "term": "variety"}


# Tukey's p of widths 1 and 2 by R 4.2: TukeyHSD(aov(humidity ~ width)); emmeans of lmer
@pytest.mark.parametrize(
    ("random", "p"),
    [(IGNORED, 0.31786454), (LEVEL, 0.0076), (WIDTH, 0.3042), (DEPTH, 0.0076), (STRATA, 0.3042)],
)
def test_tukey_of_two_widths_equals_r(explorers, random, p):
    planks = explorers["planks"]
    now = planks.answer(random=random, term="width")
    assert now["pair"] == pytest.approx(p, abs=5e-5)
    said = {0.31786454: "p = .318", 0.0076: "p = .0076", 0.3042: "p = .304"}[p]
    assert f"Of widths 1 and 2: Tukey {said}." in planks.words(random=random, term="width")
    planks.png(random=random, term="width")
    assert planks._picture.pair.get_text() == f"widths 1 and 2:\nTukey {said}"
    assert planks._picture.formula.get_text() == CASES["planks"].models[random]
    assert planks.answer(random=random, term="depth")["pair"] is None
    assert "Tukey" not in planks.words(random=random, term="depth")


@pytest.mark.parametrize("term", ["depth", "width:depth"])
def test_a_term_that_is_not_in_the_model_is_said(explorers, term):
    planks = explorers["planks"]
    assert planks.answer(random=IGNORED, term=term)["F"] is None
    assert planks.words(random=IGNORED, term=term).startswith(
        f"humidity ~ width: {term} is not in this model."
    )
    planks.png(random=IGNORED, term=term)
    picture = planks._picture
    assert picture.said.get_text() == f"{term} is not\nin this model"
    assert not any(artist.get_visible() for artist in (picture.curve, picture.tail, picture.seen))
    assert [label.get_text() for label in picture.labels] == [
        "1.765, 297 df", "not in this model", "not in this model",
    ]  # fmt: skip
    planks.png(random=LEVEL, term=term)
    assert picture.curve.get_visible()


def test_formulas_and_names_fit(explorers):
    for explorer in explorers.values():
        explorer.png()
        figure, formula = explorer._picture.figure, explorer._picture.formula
        for case in CASES.values():
            formula.set_text(max(case.models.values(), key=len))
            box = formula.get_window_extent()
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.x1
    assert max(map(len, CASES["planks"].models)) < 16


def test_a_variance_at_zero_is_said(explorers):
    words = explorers["planks"].words(random=DEPTH, term="depth")
    assert words.endswith(
        "The variance of plank:depth is estimated as zero: (1|plank:depth) changes nothing here."
    )
    assert "zero" not in explorers["planks"].words(random=STRATA, term="depth")


def test_density_of_F_integrates_to_one_and_to_p():
    grid = np.linspace(0, 400, 400_001)
    for num, den in ((3, 45), (4, 76), (8, 152)):
        assert np.trapezoid(f_density(grid, num, den), grid) == pytest.approx(1, abs=1e-4)
    tail = np.linspace(7.240951735, 400, 400_001)
    assert np.trapezoid(f_density(tail, 2, 38), tail) == pytest.approx(2.166e-3, abs=1e-5)


def test_bars_and_marker_follow(explorers):
    explorer = explorers["oats"]
    pictures = {
        (r, t): explorer.png(random=r, term=t)
        for r in CASES["oats"].models
        for t in CASES["oats"].terms
    }
    assert len(set(pictures.values())) == len(pictures)
    picture = explorer._picture
    explorer.png(random="(1|block/variety)", term="variety")
    noise, plots = picture.bars[0, "residual"], picture.bars[0, "block:variety"]
    assert noise.get_width() == pytest.approx(177.0833, rel=1e-5)
    assert plots.get_x() == pytest.approx(177.0833, rel=1e-5)
    assert noise.get_width() + plots.get_width() == pytest.approx(601.3306, rel=1e-5)
    assert not picture.bars[1, "block:variety"].get_visible()
    assert picture.seen.get_xdata()[0] == pytest.approx(1.4853, abs=1e-4)
    np.testing.assert_allclose(picture.tail.get_xy()[0], [1.4853, 0], atol=1e-4)
    explorer.png(random="(1|block/variety)", term="nitrogen")  # F = 37.7: beyond the axis
    assert picture.seen.get_marker() == ">"


def test_other_experiments_are_refused():
    with pytest.raises(mt.InferenceError, match="Did you mean 'planks'"):
        mt.explore.wrong_error_term("plank")
