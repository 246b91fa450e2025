"""The explorers of lessons 1 and 2: their numbers, and that moving answers the question."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import mixedteach as mt
from mixedteach.explore import _pairing as pair
from mixedteach.explore import _repeated_experiment as again


def longer(first, second):
    """Return a long table of two columns of readings."""
    n = len(first)
    return pd.DataFrame(
        {
            "content": np.concatenate([first, second]),
            "method": pd.Categorical(["nir"] * n + ["hplc"] * n, ["nir", "hplc"]),
            "tablet": [str(i) for i in range(n)] * 2,
        }
    )


# -- pairing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spread", "difference"), [(0, 0.1), (0.45, -0.05), (1, -0.05), (2, 0.5)])
def test_both_tests_equal_the_librarys(spread, difference):
    answer = mt.explore.pairing().answer(spread=spread, difference=difference)
    table = longer(answer["first"], answer["second"])
    paired = mt.paired_t_test(table, "content", within="method", subject="tablet").iloc[0]
    two = mt.lm("content ~ method", table).coefficients().loc["method[hplc]"]
    for ours, theirs in ((answer["paired"], paired), (answer["two_sample"], two)):
        for column in ("SE", "df", "t", "p", "lower", "upper"):
            assert ours[column] == pytest.approx(theirs[column], rel=1e-9, abs=1e-12)


def test_as_measured_it_is_the_lectures_test():
    answer = mt.explore.pairing().answer()
    wide = mt.load_tablets(wide=True)
    assert answer["first"] == pytest.approx(wide["nir"].to_numpy())
    assert answer["second"] == pytest.approx(wide["hplc"].to_numpy())
    assert answer["paired"]["t"] == pytest.approx(-0.5354, abs=5e-5)
    assert answer["paired"]["p"] == pytest.approx(0.6054, abs=5e-5)


def test_spread_moves_the_two_sample_test_only():
    explorer = mt.explore.pairing()
    spreads = [0, 0.45, 1, 2]
    answers = [explorer.answer(spread=s) for s in spreads]
    assert np.ptp([a["paired"]["p"] for a in answers]) < 1e-12
    two = [a["two_sample"]["SE"] for a in answers]
    assert two == sorted(two)
    assert two[-1] > 4 * two[0]


def test_the_question_has_its_answer_at_no_correlation():
    # SE^2: var(d) / n and (2 s^2 var(m) + var(d) / 2) / n are equal where 4 s^2 var(m) = var(d);
    # there cov(first, second) = s^2 var(m) - var(d) / 4 = 0
    wide = mt.load_tablets(wide=True)
    change, middle = wide["hplc"] - wide["nir"], (wide["hplc"] + wide["nir"]) / 2
    spread = float(np.sqrt(change.var() / (4 * middle.var())))
    assert spread == pytest.approx(0.443, abs=0.001)
    explorer = mt.explore.pairing()
    exact = explorer.answer(spread=spread)
    assert exact["two_sample"]["SE"] == pytest.approx(exact["paired"]["SE"])
    assert exact["correlation"] == pytest.approx(0, abs=1e-9)
    grid = np.arange(0, 2.01, 0.05)
    gap = [
        abs(a["two_sample"]["SE"] - a["paired"]["SE"])
        for a in (explorer.answer(spread=float(s)) for s in grid)
    ]
    assert grid[np.argmin(gap)] == pytest.approx(0.45)
    assert "SE 0.094" in explorer.words(spread=0.45)
    assert "tablet: 0.02" in explorer.words(spread=0.45)


def test_pairing_takes_other_data():
    growth = mt.load_orthodont().query("age in (8, 14)")
    explorer = mt.explore.pairing(growth, "distance", within="age", subject="Subject")
    wide = growth.pivot(index="Subject", columns="age", values="distance")
    assert explorer.answer()["difference"] == pytest.approx((wide[14] - wide[8]).mean())
    assert explorer.png()[1:4] == b"PNG"
    with pytest.raises(mt.DataError, match="must vary"):
        mt.explore.pairing(longer(np.arange(4.0), np.arange(4.0) + 1))
    with pytest.raises(mt.DataError, match="no column 'content'"):
        mt.explore.pairing(growth)


# -- repeated_experiment ---------------------------------------------------------------------------


def test_constants_are_those_of_the_tablets():
    m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    parts = m.variance_components.set_index("group")["variance"]
    assert pytest.approx(parts["tablet"], abs=1e-6) == again.VAR_TABLET
    assert pytest.approx(parts["Residual"], abs=1e-6) == again.VAR_RESIDUAL
    assert m.params["Intercept"] == pytest.approx(again.MU)
    assert pytest.approx(mt.load_tablets(wide=True)["nir"].std(), abs=1e-6) == again.SD_NIR


def test_for_ten_tablets_the_standard_errors_are_the_models():
    se = mt.explore.repeated_experiment().answer()["SE"]
    tablets = mt.load_tablets()
    blocked = mt.lm("content ~ method + tablet", tablets).emmeans("method").set_index("method")
    mixed = mt.lmer("content ~ method + (1|tablet)", tablets)
    assert se["blocked"] == pytest.approx(blocked.loc["nir", "SE"], abs=1e-6)
    assert se["mixed"] == pytest.approx(mixed.bse["Intercept"], abs=1e-6)
    assert se["nir_alone"] == pytest.approx(mt.load_tablets(wide=True)["nir"].sem(), abs=1e-6)
    assert [round(se[k], 3) for k in ("blocked", "nir_alone", "mixed")] == [0.066, 0.127, 0.115]


@pytest.mark.parametrize("n", range(2, 41, 2))
def test_the_repetition_decides_which_standard_error_is_right(n):
    explorer = mt.explore.repeated_experiment()
    same = explorer.answer(tablets=again.SAME, n_tablets=n)
    new = explorer.answer(tablets=again.NEW, n_tablets=n)
    assert len(same["means"]) == 1000
    # a standard deviation of 1000 values is known to 2.2 %; 3 of these
    assert same["sd"] == pytest.approx(same["SE"]["blocked"], rel=0.067)
    assert new["sd"] == pytest.approx(new["SE"]["mixed"], rel=0.067)
    assert np.mean(new["means"]) == pytest.approx(again.MU, abs=3 * new["SE"]["mixed"] / 31)
    assert np.mean(same["means"]) == pytest.approx(
        same["centre"], abs=3 * same["SE"]["blocked"] / 31
    )


def test_how_many_new_tablets_are_as_certain_as_these_ten():
    explorer = mt.explore.repeated_experiment()
    ten = explorer.answer(n_tablets=10)["SE"]["blocked"]
    enough = [n for n in range(2, 41) if again.standard_errors(n)["mixed"] <= ten]
    assert enough[0] == 31
    seen = [
        n for n in range(2, 41) if explorer.answer(tablets=again.NEW, n_tablets=n)["sd"] < 0.0665
    ]
    assert seen[0] == 31
    assert "SD 0.066" in explorer.words(tablets=again.NEW, n_tablets=31)


def test_all_bars_have_one_centre():
    explorer = mt.explore.repeated_experiment()
    picture = explorer._picture
    for tablets in (again.SAME, again.NEW):
        answer = explorer.answer(tablets=tablets)
        picture.update(answer)
        bars = {"sd": picture.width, **picture.bars}
        lengths = {"sd": answer["sd"], **answer["SE"]}
        for name, bar in bars.items():
            low, high = bar.get_xdata()
            assert (low + high) / 2 == pytest.approx(answer["centre"])
            assert (high - low) / 2 == pytest.approx(lengths[name])


# -- both ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("pairing", [{"spread": s, "difference": d} for s in (0, 2) for d in (-0.5, 0.5)]),
        (
            "repeated_experiment",
            [{"tablets": t, "n_tablets": n} for t in (again.SAME, again.NEW) for n in (2, 40)],
        ),
    ],
)
def test_the_picture_follows_the_controls(name, states):
    explorer = getattr(mt.explore, name)()
    start = explorer.png()
    shown = [explorer.png(**state) for state in states]
    assert len({start, *shown}) == 5
    assert explorer.png() == start  # nothing is left over from other states
    fresh = getattr(mt.explore, name)()
    drawn = [np.asarray(Image.open(io.BytesIO(p))) for p in (shown[-1], fresh.png(**states[-1]))]
    assert np.array_equal(*drawn)  # drawn over, or drawn anew: the same


def test_pairing_moves_are_pure():
    wide = mt.load_tablets(wide=True).set_index("tablet")[["nir", "hplc"]]
    before = wide.copy()
    pair.moved(wide, 2, 0.3)
    pd.testing.assert_frame_equal(wide, before)


@pytest.mark.parametrize(
    ("name", "control"),
    [
        ("pairing", "spread"),
        ("pairing", "difference"),
        ("repeated_experiment", "tablets"),
        ("repeated_experiment", "n_tablets"),
    ],
)
def test_a_control_given_as_an_argument_is_explained(name, control):
    with pytest.raises(mt.DataError, match=rf"explore\.{name}\(\)\.set\({control}="):
        getattr(mt.explore, name)(**{control: 99})
