"""The explorer of missing readings: the question's answer, the numbers, the picture."""

import numpy as np
import pandas as pd
import pytest

import mixedteach as mt
from mixedteach.explore._missing_data import (
    EDGE,
    MOST_HPLC,
    MOST_NIR,
    ORDER,
    PATTERNS,
    after_losing,
)

STATES = [
    (hplc, nir, pattern)
    for pattern in PATTERNS
    for hplc in range(MOST_HPLC + 1)
    for nir in range(MOST_NIR + 1)
]


def long(readings):
    wide = readings[["nir", "hplc"]].reset_index()
    out = wide.melt("tablet", var_name="method", value_name="content").dropna()
    out["method"] = pd.Categorical(out["method"], ["nir", "hplc"])
    return out


def test_it_starts_with_the_lectures_numbers():
    answer = mt.explore.missing_data().answer()
    assert answer["fixed"]["estimate"] == pytest.approx(-0.05)
    assert answer["fixed"]["SE"] == pytest.approx(0.09339284)
    assert answer["mixed"]["estimate"] == pytest.approx(-0.07211099, abs=1e-7)
    assert answer["mixed"]["SE"] == pytest.approx(0.08697180, abs=1e-7)
    assert (answer["fixed"]["tablets"], answer["mixed"]["tablets"]) == (10, 20)


@pytest.mark.parametrize(("hplc", "nir", "pattern"), STATES[::7])
def test_numbers_are_those_of_fresh_fits(hplc, nir, pattern):
    answer = after_losing(hplc, nir, pattern)
    data = long(answer["readings"])
    fixed = mt.lm("content ~ C(tablet) + method", data).coefficients().loc["method[hplc]"]
    mixed = mt.lmer("content ~ method + (1|tablet)", data).coefficients().loc["method[hplc]"]
    for which, row in (("fixed", fixed), ("mixed", mixed)):
        for name in ("estimate", "SE", "df", "lower", "upper"):
            assert answer[which][name] == pytest.approx(row[name], rel=1e-6, abs=1e-8), name
    assert answer["fixed"]["tablets"] == 10 - hplc - nir


def test_the_answer_is_four():
    smaller = [after_losing(hplc)["smaller"] for hplc in range(MOST_HPLC + 1)]
    assert smaller == sorted(smaller)
    assert [value >= 20 for value in smaller] == [False] * 4 + [True] * 2
    assert "22.1% smaller" in mt.explore.missing_data().words(hplc=4)


@pytest.mark.parametrize(("hplc", "nir", "pattern"), STATES)
def test_every_state_has_an_answer_and_breaks_one_pair_a_reading(hplc, nir, pattern):
    answer = after_losing(hplc, nir, pattern)
    readings = answer["readings"]
    lost = readings["lost"].value_counts()
    assert lost.get("hplc", 0) == hplc
    assert lost.get("nir", 0) == nir
    assert len(readings[["nir", "hplc"]].dropna()) == 10 - hplc - nir
    assert readings[["nir", "hplc"]].notna().any(axis=1).all()
    values = [v for which in ("fixed", "mixed") for v in answer[which].values()]
    assert np.isfinite(values).all()
    assert answer["fixed"]["SE"] > 0.01


@pytest.mark.parametrize(("pattern", "judged"), [(PATTERNS[1], "nir"), (PATTERNS[2], "hplc")])
def test_high_means_high(pattern, judged):
    start = mt.load_tablets_missing(wide=True).set_index("tablet").dropna()
    lost = after_losing(3, 0, pattern)["readings"]["lost"]
    gone = start.loc[lost.index[lost != ""].tolist(), judged]
    assert gone.min() >= start.drop(gone.index)[judged].max()


def test_losing_the_high_readings_pulls_the_mixed_model_down():
    drift = [after_losing(hplc, 0, PATTERNS[2])["mixed"]["estimate"] for hplc in range(6)]
    assert drift == sorted(drift, reverse=True)
    assert drift[5] < -0.24


def test_refusals():
    with pytest.raises(mt.InferenceError, match="three pairs must be left"):
        after_losing(6)
    with pytest.raises(mt.InferenceError, match="is not a pattern of loss"):
        after_losing(1, 0, "by magic")
    assert sorted(ORDER, key=int) == [str(i) for i in range(1, 11)]


def test_the_picture_follows():
    explorer = mt.explore.missing_data()
    pictures = {explorer.png(hplc=h, nir=n, pattern=p) for h, n, p in [(0, 0, PATTERNS[0]),
                (5, 0, PATTERNS[0]), (5, 2, PATTERNS[0]), (5, 0, PATTERNS[2])]}  # fmt: skip
    assert len(pictures) == 4
    picture = explorer._picture
    answer = explorer.answer(hplc=2)
    picture.update(answer)
    x, y = picture.crosses.get_data()
    assert len(x) == 2
    assert sorted(y) == [10.1, 10.2]  # HPLC of tablets 9 and 3
    assert picture.points[1].get_xdata()[0] == pytest.approx(answer["mixed"]["estimate"])
    np.testing.assert_allclose(
        picture.bars[0].get_xdata(), [answer["fixed"]["lower"], answer["fixed"]["upper"]]
    )
    assert "from 8 tablets" in picture.said[0].get_text()


def test_an_interval_beyond_the_picture_gets_arrowheads():
    explorer = mt.explore.missing_data()
    picture = explorer._picture
    picture.update(explorer.answer())
    assert [len(head.get_xdata()) for heads in picture.arrows for head in heads] == [0] * 4
    wide = explorer.answer(hplc=5, nir=2)
    assert wide["fixed"]["lower"] < -EDGE < EDGE > wide["fixed"]["upper"]
    picture.update(wide)
    left, right = picture.arrows[0]
    assert left.get_xdata() == [-0.97 * EDGE]
    assert len(right.get_xdata()) == 0
    assert min(picture.bars[0].get_xdata()) == -EDGE


def test_words_say_when_no_more_can_be_lost():
    explorer = mt.explore.missing_data()
    assert "Three pairs are left" not in explorer.words(hplc=5, nir=1)
    assert "Three pairs are left: no more can be lost." in explorer.words(hplc=5, nir=2)


def test_what_the_lesson_says_of_the_other_patterns():
    """Tablet 5 goes first where NIR is high; one data set moves about as it likes."""
    other = [after_losing(hplc, 0, PATTERNS[1]) for hplc in range(6)]
    assert other[1]["readings"].at["5", "lost"] == "hplc"
    estimates = [[round(a[w]["estimate"], 2) for w in ("fixed", "mixed")] for a in other]
    assert estimates[0] == [-0.05, -0.07]
    assert estimates[5] == [0.1, 0.03]
    assert other[1]["fixed"]["SE"] == pytest.approx(0.066, abs=5e-4)
    assert [round(-other[i]["smaller"], 1) for i in (3, 5)] == [1.0, 4.7]
    itself = after_losing(5, 0, PATTERNS[2])
    assert round(itself["fixed"]["estimate"], 2) == -0.18
    assert round(itself["mixed"]["estimate"], 2) == -0.25
