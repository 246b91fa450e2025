"""A design that is remembered is the one that would have been made anew."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

import mixedteach as mt
from mixedteach import prepared
from mixedteach.errors import DataError

FORMULA = "y ~ f*x + (1|g)"


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    prepared.forget()
    yield
    prepared.forget()


def table(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = 48
    return pd.DataFrame(
        {
            "g": pd.Categorical(np.repeat([f"g{i}" for i in range(8)], 6)),
            "f": pd.Categorical(np.tile(["a", "b", "c"], 16), ["c", "a", "b", "d"]),
            "x": rng.integers(1, 9, n),
            "t": rng.choice(["u", "v"], n),
            "y": rng.normal(size=n) + np.repeat(rng.normal(size=8), 6),
        }
    )


def results(m: mt.MixedModel) -> tuple:
    numbers = [m.llf, *m.params, *m.bse, *m.theta, *m.resid]
    return m.notes, list(m.params.index), m.groups, np.array(numbers)


def anew(formula: str, data: pd.DataFrame, **options: bool) -> tuple:
    prepared.forget()
    return results(mt.lmer(formula, data, **options))


def same(a: tuple, b: tuple) -> None:
    assert a[:3] == b[:3]
    np.testing.assert_allclose(a[3], b[3], rtol=1e-9, atol=1e-9)


def test_a_design_is_made_once() -> None:
    data = table()
    first = mt.lmer(FORMULA, data)
    other = data.assign(y=np.random.default_rng(9).normal(size=len(data)), unused=1)
    again = mt.lmer(FORMULA, other, reml=False)
    assert again.design is first.design
    assert (
        mt.lmer("log(y + 9) ~ f*x + (1|g)", other).design is first.design
    )  # only the left differs
    same(results(again), anew(FORMULA, other, reml=False))
    assert first.fit.problem.y is not again.fit.problem.y


CHANGES: dict[str, Callable[[pd.DataFrame], object]] = {
    "a value": lambda d: d.assign(x=d["x"].where(d.index != 3, 20)),
    "a level": lambda d: d.assign(f=d["f"].cat.rename_categories({"a": "e"})),
    "the reference": lambda d: d.assign(f=d["f"].cat.reorder_categories(["a", "b", "c", "d"])),
    "a row's level": lambda d: d.assign(f=d["f"].where(d.index != 0, "b")),
    "a row's group": lambda d: d.assign(g=d["g"].where(d.index != 0, "g7")),
    "an empty level gone": lambda d: d.assign(f=d["f"].cat.remove_unused_categories()),
    "numbers to text": lambda d: d.assign(x=d["x"].astype(str)),
    "whole numbers to others": lambda d: d.assign(x=d["x"].astype(float)),
    "numbers to levels": lambda d: d.assign(x=pd.Categorical(d["x"])),
    "truth": lambda d: d.assign(x=d["x"] > 4),
    "levels to text": lambda d: d.assign(f=d["f"].astype(str)),
    "levels to objects": lambda d: d.assign(f=d["f"].astype(object)),
    "rows in another order": lambda d: d.sample(frac=1, random_state=1),
    "fewer rows": lambda d: d.iloc[:30],
    "a missing response": lambda d: d.assign(y=d["y"].where(d.index != 5)),
    "a missing covariate": lambda d: d.assign(x=d["x"].where(d.index != 5)),
    "a missing level": lambda d: d.assign(f=d["f"].where(d.index != 5)),
    "objects 1 and True": lambda d: d.assign(f=pd.Series([1, 2] * 24, dtype=object)),
    "objects 1.0": lambda d: d.assign(f=pd.Categorical([1.0, 2.0] * 24)),
    "objects 1": lambda d: d.assign(f=pd.Categorical([1, 2] * 24)),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", CHANGES)
def test_any_change_of_the_design_is_seen(name: str) -> None:
    data = table()
    changed = CHANGES[name](data)
    wanted = anew(FORMULA, changed)
    prepared.forget()
    for change in CHANGES.values():  # all of them are in the memory but this one
        if change is not CHANGES[name]:
            mt.lmer(FORMULA, change(data))
    same(results(mt.lmer(FORMULA, changed)), wanted)
    same(results(mt.lmer(FORMULA, changed)), wanted)  # now from the memory


def test_the_right_side_is_part_of_it() -> None:
    data = table()
    texts = [
        "y ~ f + (1|g)", "y ~ 0 + f + (1|g)", "y ~ x + (1|g)", "y ~ x + (x|g)", "y ~ x + (x||g)",
        "y ~ x + (0+f|||g)", "y ~ x + (1|g/t)", "y ~ log(x) + (1|g)", "y ~ C(x) + (1|g)",
        "y ~ center(x) + (1|g)", "y ~ I(x**2) + (1|g)", "y ~ C(f, Sum) + (1|g)", "y ~ x:f + (1|g)",
    ]  # fmt: skip
    wanted = {text: anew(text, data) for text in texts}
    prepared.forget()
    for text in [*texts, *texts]:
        same(results(mt.lmer(text, data)), wanted[text])


def test_a_call_is_computed_anew_where_its_columns_differ() -> None:
    data = table()
    other = data.assign(x=data["x"] + 1)
    mt.lmer("y ~ center(x) + (1|g)", data)
    m = mt.lmer("y ~ center(x) + (1|g)", other)
    new = other.head(3)
    np.testing.assert_allclose(
        m.predict(new), mt.lmer("y ~ center(x) + (1|g)", data).predict(data.head(3))
    )


def test_what_is_said_of_a_design_is_said_each_time() -> None:
    data = table().assign(twice=lambda d: 2 * d["x"])
    for _ in range(3):
        with pytest.warns(UserWarning, match="'twice' of the fixed effects is determined"):
            m = mt.lmer("y ~ x + twice + (1|g)", data)
        assert any("'twice'" in note for note in m.notes)


def test_the_response_is_checked_each_time() -> None:
    data = table()
    mt.lmer(FORMULA, data)
    for y, message in ((1.0, "same value in every row"), (data["y"] * 1e200, "cannot be squared")):
        with pytest.raises(DataError, match=message):
            mt.lmer(FORMULA, data.assign(y=y))
    same(results(mt.lmer(FORMULA, data)), anew(FORMULA, data))


def test_models_that_share_a_design_cannot_harm_each_other() -> None:
    data = table()
    first = mt.lmer(FORMULA, data)
    before = results(first)
    second = mt.lmer(FORMULA, data)
    for array in (second.X, second.design.X, second.random[0].codes, second.random[0].basis):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
    second.params.index.name = "mine"
    second.params.iloc[0] = 99.0
    second.notes.append("mine")
    second.random.clear()
    second.groups.clear()
    third = mt.lmer(FORMULA, data)
    assert third.params.index.name is None
    same(results(third), before)


def test_a_table_changed_afterwards_changes_nothing() -> None:
    data = table()
    wanted = results(mt.lmer(FORMULA, data))
    m = mt.lmer(FORMULA, data)
    y = data["y"].to_numpy().copy()
    again = m.refit(y)
    data.loc[:, "x"] = 0
    data.loc[:, "y"] = 0.0
    y[:] = 0.0  # the coefficients are computed only now
    same(results(m), wanted)
    same(results(again), wanted)


def test_the_memory_is_small() -> None:
    rng = np.random.default_rng(1)
    for _ in range(40):
        data = table().assign(x=rng.normal(size=48))
        mt.lmer(FORMULA, data)
    assert len(prepared._seen) == prepared._KEPT
    large = pd.DataFrame({"g": np.arange(60_000) // 6, "y": rng.normal(size=60_000)})
    mt.lmer("y ~ 1 + (1|g)", large)
    assert len(prepared._seen) == prepared._KEPT
    assert max(ready.entries for ready in prepared._seen.values()) <= prepared._SMALL


def test_the_memory_keeps_nothing_of_a_response() -> None:
    """Sums for crossed factors are large: they go with the model."""
    data = table().assign(h=lambda d: d["t"] + d["f"].astype(str)).iloc[:-1]
    m = mt.lmer("y ~ 1 + (1|g) + (1|h)", data)
    sums = weakref.ref(m.fit.problem.condensed)
    del m
    gc.collect()
    assert len(prepared._seen) == 1
    assert sums() is None


def test_the_memory_in_several_threads() -> None:
    data = table()
    mt.lmer(FORMULA, data)
    made = next(iter(prepared._seen.values()))

    def fill(start: int) -> None:
        for key in range(start, start + 30_000):
            prepared._remember(key, made)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(fill, range(0, 120_000, 30_000)))
    finally:
        sys.setswitchinterval(before)
    assert len(prepared._seen) <= prepared._KEPT + 4


def test_columns_of_a_strange_kind_are_read_each_time() -> None:
    data = table()
    strange = data.assign(x=data["x"].astype("Int64"))
    same(results(mt.lmer(FORMULA, strange)), anew(FORMULA, data))
    prepared.forget()
    mt.lmer(FORMULA, strange)
    assert not prepared._seen


DAYS = pd.to_datetime(["2020-01-01", "2020-01-02"], utc=True)
WRITTEN = {
    "intervals": [pd.cut([1.0, 3.0] * 24, cuts) for cuts in ([0, 2, 4], [0.0, 2.0, 4.0])],
    "zones": [pd.Categorical(list(DAYS.tz_convert(z)) * 24) for z in ("UTC", "Asia/Tokyo")],
    "zeros": [pd.Categorical([1.0, zero] * 24, [1.0, zero]) for zero in (0.0, -0.0)],
}


@pytest.mark.parametrize("name", WRITTEN)
def test_equal_levels_that_are_written_differently(name: str) -> None:
    data = table()
    for levels in WRITTEN[name]:
        m = mt.lmer("y ~ f + (1|g)", data.assign(f=levels))
        assert m.params.index[1] == f"f[{levels.categories[1]}]"


def test_groups_with_a_time_zone_keep_it() -> None:
    days = pd.date_range("2020-01-01", periods=8, tz="Asia/Tokyo").repeat(6)
    m = mt.lmer("y ~ x + (1|g)", table().assign(g=days))
    assert str(m.random[0].levels[0]) == "2020-01-01 00:00:00+09:00"


def test_a_column_with_the_name_of_a_call() -> None:
    data = table().assign(x=lambda d: d["x"].astype(float)).assign(**{"log(x)": lambda d: d["x"]})
    texts = "y ~ log(x) + (1|g)", "y ~ `log(x)` + (1|g)", "y ~ x + (1|g)"
    call, column, same_column = (mt.lmer(text, data).llf for text in texts)
    assert abs(call - column) > 1e-6
    assert column == pytest.approx(same_column, abs=1e-9)


@pytest.mark.parametrize("groups", [8, 300])
@pytest.mark.parametrize("formula", ["y ~ f + (1|g)", "y ~ t + (t|g)"])
def test_a_fit_in_closed_form_can_be_stored(formula: str, groups: int) -> None:
    rng = np.random.default_rng(3)
    n = 6 * groups
    b, c = rng.normal(size=(2, groups)).repeat(6, axis=1)
    t = np.tile(np.arange(6.0), groups)
    y = rng.normal(size=n) + b + c * t
    data = pd.DataFrame({"g": np.arange(n) // 6, "t": t, "f": np.tile(["a", "b"], n // 2), "y": y})
    data["g"] = data["g"].astype(str)
    wanted = results(mt.lmer(formula, data))
    for stored in (lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy, copy.copy):
        same(results(stored(mt.lmer(formula, data))), wanted)


def test_a_call_gives_no_view_of_the_table() -> None:
    """Some of a fit is computed later, and a design is remembered: their numbers are their own."""
    data = table().assign(x=lambda d: d["x"].astype(float))
    y, x = data["y"].to_numpy().copy(), data["x"].to_numpy().copy()
    shared = pd.DataFrame({"y": y, "x": x}, copy=False).assign(g=data["g"])
    wanted = anew("I(y) ~ I(x) + (1|g)", data)
    prepared.forget()
    m = mt.lmer("I(y) ~ I(x) + (1|g)", shared)
    own = m.design.components["I(x)"].fitted.copy()
    x[:] = y[:] = 7.0
    same(results(m), wanted)
    np.testing.assert_array_equal(
        mt.lmer("y ~ I(x) + (1|g)", data).design.components["I(x)"].fitted, own
    )


def test_a_series_changed_after_a_refit() -> None:
    data = table()
    m = mt.lmer(FORMULA, data)
    y = data["y"] * 2
    wanted = results(m.refit(y.copy()))
    again = m.refit(y)
    y.iloc[:] = 0.0
    same(results(again), wanted)


def test_a_response_that_is_no_number_or_too_large_is_named() -> None:
    data = table()
    m = mt.lmer(FORMULA, data)
    for place in (0, 3):
        y = data["y"].to_numpy().copy()
        y[place] = np.inf
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(DataError, match="1 missing or infinite values"):
                m.refit(y)
        y[place] = 1e160
        with (
            np.errstate(over="ignore"),
            pytest.raises(DataError, match="1e\\+160, which cannot be"),
        ):
            m.refit(y)


def test_a_covariate_too_large_is_named_without_noise() -> None:
    data = table().assign(x=lambda d: d["x"] * 1e99)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match="cannot be squared: change its unit"):
            mt.lmer("y ~ 0 + x + I(x**2) + (1|g)", data)
