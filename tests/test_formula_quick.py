"""What is read or remembered for speed is what a slow and forgetful reading gives."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import pytest

import mixedteach as mt
from mixedteach import design, formula
from mixedteach.columns import Columns
from mixedteach.formula import Part


def a_formula(rng: random.Random) -> str:
    names = ["a", "b", "x_1", "D2", "width"]
    pieces = []
    for _ in range(rng.randint(1, 4)):
        sign = rng.choice([":", "*", " * ", " : "])
        pieces.append(sign.join(rng.sample(names, rng.choice([1, 1, 1, 2, 3]))))
    first = rng.choice(["", "", "1 + ", "0 + "])
    return first + rng.choice([" + ", "+"]).join(pieces)


def test_plain_formulas_are_read_as_formulae_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    texts = {a_formula(rng) for _ in range(400)} | {"1", "0", "a"}
    quick = {text: formula._plain_part(text) for text in texts}
    monkeypatch.setattr(formula, "_plain_part", lambda text: None)
    read = 0
    for text, part in quick.items():
        if part is None:
            continue
        slow = formula._part(text, text)
        assert (part.intercept, part.terms) == (slow.intercept, slow.terms), text
        assert list(part.components) == list(slow.components)
        assert part.variables() == slow.variables()
        read += 1
    assert read > 200


@pytest.mark.parametrize(
    "text", ["log(x)", "C(a)", "x - 1", "a/b", "None", "a + True", "x + 1", "`my x`", "a:a",
             "a + a", "(a + b)**2", "2", "a b", "", "a +", "a*(b + c)", "a.b", "x[1]", "a*b:c"],
)  # fmt: skip
def test_all_else_is_left_to_formulae(text: str) -> None:
    assert formula._plain_part(text) is None


def grid(n: int = 24) -> pd.DataFrame:
    i = np.arange(n)
    rng = np.random.default_rng(2)
    return pd.DataFrame(
        {
            "g": pd.Categorical([f"g{k}" for k in i % 6]),
            "w": pd.Categorical([f"w{k}" for k in i % 2]),
            "d": pd.Categorical([str(k) for k in i // 6 % 3]),
            "y": rng.normal(size=n) + (i % 2) + np.repeat(rng.normal(size=6), 4)[i % 6],
        }
    )


def forget() -> None:
    for module in (formula, design):
        for thing in vars(module).values():
            if hasattr(thing, "cache_clear"):
                thing.cache_clear()


def changed_in_place(data: pd.DataFrame) -> pd.DataFrame:
    data.loc[3, "y"] = 7.0
    data.loc[4, "w"] = "w1"
    return data


def level_lost(data: pd.DataFrame) -> pd.DataFrame:
    data.loc[data["d"] == "2", "d"] = "0"
    return data


CHANGES = {
    "changed in place": changed_in_place,
    "levels in another order": lambda d: d.assign(w=d["w"].cat.reorder_categories(["w1", "w0"])),
    "levels renamed": lambda d: d.assign(w=d["w"].cat.rename_categories({"w1": "z"})),
    "levels of another type": lambda d: d.assign(d=pd.Categorical(d["d"].astype(float))),
    "a level lost": level_lost,
    "text instead": lambda d: d.assign(w=d["w"].astype(str)),
    "a number instead": lambda d: d.assign(d=d["d"].astype(int)),
    "booleans instead": lambda d: d.assign(w=d["w"] == "w1"),
    "columns exchanged": lambda d: d.rename(columns={"w": "d", "d": "w"}),
    "rows lost": lambda d: d.drop(index=[0, 7]),
    "values missing": lambda d: d.assign(w=d["w"].where(d.index > 1)),
    "rows mixed": lambda d: d.sample(frac=1, random_state=1),
}


UNSEEN = ("text instead", "rows mixed", "levels of another type")  # the same fit


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("change", CHANGES)
def test_what_is_remembered_is_never_stale(change: str) -> None:
    text = "y ~ w*d + (1|g)"
    forget()
    data = grid()
    before = mt.lmer(text, data)
    kept = before.params.copy(), before.frame.copy(), before.X.copy()
    other = CHANGES[change](data)
    warm = mt.lmer(text, other)
    forget()
    cold = mt.lmer(text, other)
    pd.testing.assert_series_equal(warm.params, cold.params, check_exact=True)
    np.testing.assert_array_equal(warm.X, cold.X)
    assert warm.llf == cold.llf
    assert warm.random_effects["g"].equals(cold.random_effects["g"])
    if change not in UNSEEN:
        same = warm.params.index.equals(kept[0].index) and np.allclose(warm.params, kept[0])
        assert not same, "the change should show"
    # and the first model is what it was
    pd.testing.assert_series_equal(before.params, kept[0])
    np.testing.assert_array_equal(before.X, kept[2])


def test_x_from_the_grid_of_levels_is_x_built_row_by_row() -> None:
    data = grid()
    for text in ("w", "w*d", "w:d", "0 + w", "0 + w:d", "d + w:d", "g + w", "1"):
        part = formula._part(text, text)
        made = design.FixedDesign(part, Columns(data))
        values = {name: component.fitted for name, component in made.components.items()}
        X, names, columns = design._build(part, made.full, values, len(data))
        np.testing.assert_array_equal(made.X, X)
        assert made.names == names
        assert {t: list(c) for t, c in made.columns.items()} == {
            t: list(c) for t, c in columns.items()
        }
        if made.factored is not None:
            Q, R = made.factored
            np.testing.assert_allclose(Q @ R, X, atol=1e-14)
            np.testing.assert_allclose(Q.T @ Q, np.eye(len(R)), atol=1e-13)


def test_what_is_remembered_is_bounded() -> None:
    for cache in (formula._parse, design._grid, design._grid_qr):
        assert cache.cache_info().maxsize <= 256
    many = pd.DataFrame({"f": pd.Categorical([f"l{k}" for k in np.arange(600) % 200])})
    forget()
    design.FixedDesign(Part(True, (("f",),), {"f": formula.Name("f")}), many)
    assert design._grid.cache_info().currsize == 0  # large grids are not kept
