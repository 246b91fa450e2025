"""The fitted model as its users meet it: names, tables, containment for crossed groups."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedteach as mt
from mixedteach.inference.distributions import tukey_pvalue, tukey_quantile

PLANKS = "humidity ~ width*depth + (1|plank) + (1|plank:width) + (1|plank:depth)"


def test_names_of_statsmodels() -> None:
    m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    table = m.coefficients()
    assert m.tvalues.tolist() == table["t"].tolist()
    assert m.pvalues.tolist() == table["p"].tolist()
    assert m.fe_params.equals(m.params)


@pytest.mark.parametrize(
    ("name", "pointer"), [("ranef", "random_effects_table"), ("VarCorr", "variance_components")]
)
def test_names_of_r_point_to_ours(name: str, pointer: str) -> None:
    m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    with pytest.raises(AttributeError, match=pointer):
        getattr(m, name)
    assert not hasattr(m, "nonsense")
    with pytest.raises(AttributeError, match=r"mt\.lmer"):
        mt.lme  # noqa: B018


@pytest.mark.parametrize("name", ["t", "p", "df", "SE", "lower", "emmean", "estimate"])
def test_a_factor_may_be_called_like_a_column_of_results(name: str) -> None:
    """`t` and `p` are ordinary names of treatments and plots."""
    tablets = mt.load_tablets().rename(columns={"method": name})
    renamed = mt.lmer(f"content ~ {name} + (1|tablet)", tablets).emmeans(name)
    plain = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets()).emmeans("method")
    assert renamed[f"{name} (factor)"].tolist() == ["nir", "hplc"]
    for column in ("emmean", "SE", "df", "t", "p", "lower", "upper"):
        np.testing.assert_allclose(renamed[column], plain[column], rtol=1e-12)
    oats = mt.load_oats().rename(columns={"variety": name})
    pairs = mt.lmer(f"yield ~ {name}*nitrogen + (1|block)", oats).emmeans("nitrogen", by=name)
    assert sorted(set(pairs.pairs()[f"{name} (factor)"])) == sorted(set(oats[name]))


def test_random_effects_in_one_table() -> None:
    m = mt.lmer("Reaction ~ Days + (Days|Subject)", mt.load_sleepstudy())
    table = m.random_effects_table(level=0.9)
    assert table.shape == (36, 7)
    one = table[(table["level"] == "308") & (table["effect"] == "Days")].iloc[0]
    assert one["estimate"] == m.random_effects["Subject"].loc["308", "Days"]
    assert one["SE"] == m.random_effects_se["Subject"].loc["308", "Days"]
    half = stats.norm.ppf(0.95) * one["SE"]
    assert one["upper"] - one["estimate"] == pytest.approx(half, rel=1e-9)


def test_containment_of_crossed_groups() -> None:
    planks = mt.lmer(PLANKS, mt.load_planks()).method("containment").terms
    assert planks == {(): 19, ("width",): 38, ("depth",): 76, ("width", "depth"): 152}
    # 24 plates and 6 samples: every random effect contains the intercept, the smaller rank rules
    mean = mt.lmer("diameter ~ 1 + (1|plate) + (1|sample)", mt.load_penicillin())
    assert mean.coefficients("containment")["df"].tolist() == [5.0]
    # 11 subjects: a slope is charged to subjects however the bar is written
    rng = np.random.default_rng(7)
    s, i = (axis.ravel() for axis in np.indices((11, 8)))
    x, y = rng.normal(size=88), rng.normal(size=88) + rng.normal(size=11)[s]
    data = pd.DataFrame({"s": s, "i": i, "x": x, "y": y})
    for bar in ("(x|s)", "(x||s)"):
        m = mt.lmer(f"y ~ x + {bar} + (1|i)", data)
        assert m.method("containment").terms == {(): 7, ("x",): 10}


def test_no_df_left_means_no_test() -> None:
    rng = np.random.default_rng(3)
    # four groups, of which three numbers of the group take all there is between groups
    g = np.repeat(np.arange(4), 3)
    data = pd.DataFrame({"g": g, "u": g, "v": g**2, "f": g**3, "y": rng.normal(size=12)})
    data["z"] = rng.normal(size=12)
    m = mt.lmer("y ~ u + v + f + z + (0 + z|g)", data, ddf="containment")
    table = m.anova()
    assert np.isnan(table.loc["f", ["den_df", "p"]].astype(float)).all()
    assert any("no df are left" in note for note in table.notes)
    assert np.isnan(tukey_quantile(0.95, 3, 0.0))


def designed(formula: str, lost: str = "", seed: int = 5, ddf: str = "kenward-roger"):
    """Fit a model to three factors in groups; `lost` says which rows are not there."""
    rng = np.random.default_rng(seed)
    n = 160
    data = pd.DataFrame({name: rng.integers(0, m, n) for name, m in (("g", 9), ("a", 3), ("b", 3))})
    data["c"] = rng.integers(0, 2, n)
    data["y"] = rng.normal(size=9)[data["g"]] + data["a"] * data["b"] + data["c"]
    data["y"] += rng.normal(size=n)
    data = data.query(f"not ({lost})") if lost else data
    data = data.astype(dict.fromkeys("abcg", str))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mt.MixedTeachWarning)
        return mt.lmer(f"y ~ {formula} + (1|g)", data, ddf=ddf)


@pytest.mark.parametrize("ddf", ["kenward-roger", "satterthwaite", "containment", "none"])
def test_a_difference_may_be_estimable_where_the_means_are_not(ddf: str) -> None:
    """The cells that are missing cancel in the difference (as in R's emmeans)."""
    m = designed("a*b + c", "a == 1 and b == 1", ddf=ddf)
    means = m.emmeans("c")
    assert means["emmean"].isna().all()
    pair, coef = means.pairs().iloc[0], m.coefficients().loc["c[1]"]
    for ours, theirs in ({"SE": "SE", "df": "df", "p": "p"}).items():
        assert pair[ours] == pytest.approx(coef[theirs], rel=1e-6)
    assert pair["estimate"] == pytest.approx(-coef["estimate"], rel=1e-8)
    again = means.pairs().conf_int(level=0.9)
    assert again["SE"].notna().all()
    # what rests on the missing cell itself stays blank
    within = m.emmeans("b", by="a").pairs().set_index(["a", "contrast"])
    assert within["estimate"].isna().to_numpy().tolist() == [
        False, False, False, True, False, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("ddf", ["kenward-roger", "satterthwaite", "containment", "none"])
def test_a_contrast_that_the_model_holds_at_zero_has_no_test(ddf: str) -> None:
    means = designed("a + b", ddf=ddf).emmeans(["a", "b"])
    interaction = means.contrast({"a x b": [1, -1, 0, -1, 1, 0, 0, 0, 0], "a": [1, -1, *[0] * 7]})
    zero, other = interaction.iloc[0], interaction.iloc[1]
    assert zero["estimate"] == zero["SE"] == 0
    assert np.isnan(zero[["df", "t", "p", "lower"]].astype(float)).all()
    assert other["SE"] > 0
    assert 0 <= other["p"] < 1
    assert any("makes the value 0" in note for note in interaction.notes)


def test_the_formula_says_what_is_nested() -> None:
    """In a/b the levels of b have no meaning of their own: means of b are those of a:b."""
    lost = "a == 0 and b == 2"
    nested, crossed = designed("a/b + c", lost), designed("a*b + c", lost)
    means = nested.emmeans("b").set_index(["a", "b"])
    assert len(means) == 8
    cells = crossed.emmeans(["b", "a"]).set_index(["a", "b"]).dropna()
    np.testing.assert_allclose(
        means[["emmean", "SE", "df"]], cells.loc[means.index, ["emmean", "SE", "df"]], rtol=1e-6
    )
    # averaging: the levels of b within one of a first, then those of a
    of_a = nested.emmeans("a").set_index("a")["emmean"]
    expected = means["emmean"].groupby("a").mean()
    np.testing.assert_allclose(of_a, expected[of_a.index], rtol=1e-10)
    of_c = nested.emmeans("c")["emmean"]
    assert of_c.mean() == pytest.approx(expected.mean(), rel=1e-10)
    # proportional: the numbers of rows of b within its own a
    of_a = nested.emmeans("a", weights="proportional").set_index("a")
    shares = nested.frame.groupby(["a", "b", "c"]).size()
    cells = nested.emmeans(["a", "b", "c"]).set_index(["a", "b", "c"])["emmean"]
    weighted = (cells * shares).groupby("a").sum() / shares.groupby("a").sum()
    np.testing.assert_allclose(of_a["emmean"], weighted[of_a.index], rtol=1e-10)


@pytest.mark.parametrize("condition", ["I(x > 2)", "I(x < 4)"])
def test_a_condition_does_not_make_a_factor_of_a_covariate(condition: str) -> None:
    """It is held at its mean like any covariate, as R's emmeans does."""
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.arange(60) % 6, "a": rng.choice(["u", "v"], 60)})
    data["x"] = rng.uniform(0, 6, 60)
    data["y"] = (data["x"] > 2) + rng.normal(size=6)[data["g"]] + rng.normal(size=60)
    m = mt.lmer(f"y ~ a*{condition} + (1|g)", data)
    means = m.emmeans("a")
    new = pd.DataFrame({"a": ["u", "v"], "x": data["x"].mean()})
    np.testing.assert_allclose(means["emmean"], m.predict(new, random=False), rtol=1e-12)
    assert any(note.startswith("Covariates held at x =") for note in means.notes)
    at = m.emmeans("a", by="x", at={"x": [1.5, 4]})
    new = pd.DataFrame({"a": ["u", "v", "u", "v"], "x": [1.5, 1.5, 4, 4]})
    np.testing.assert_allclose(at["emmean"], m.predict(new, random=False), rtol=1e-12)
    with pytest.raises(mt.InferenceError, match="'x' is a covariate and has no levels"):
        m.emmeans(condition)
    # numbers that are levels stay levels
    data["x"] = data["x"].round()
    assert len(mt.lmer("y ~ a + C(x) + (1|g)", data).emmeans("x")) == data["x"].nunique()


@pytest.mark.parametrize(
    ("formula", "lost", "empty"),
    [
        ("a*b + c", "a == 1 and b == 1", True),
        ("a*b + c", "", False),
        ("a:b + c", "", False),  # a column is lost, for the cells hold the intercept
        ("a:b + c", "a == 1 and b == 1", True),
    ],
)
def test_cells_are_called_empty_only_if_they_are(formula: str, lost: str, empty: bool) -> None:
    notes = designed(formula, lost).anova(type=3).notes
    assert any("cells are empty" in note for note in notes) == empty


def test_tukey_counts_the_means_of_each_group() -> None:
    """Of a nested factor one group may have three levels and another two."""
    means = designed("a/b", "a == 0 and b == 2").emmeans("b", by="a")
    pairs = means.pairs()
    assert "all pairs of 2 to 3 means within each group" in pairs.caption
    assert "Sidak, 1 to 3 tests within each group" in means.pairs("sidak").caption
    for level, k in (("0", 2), ("1", 3), ("2", 3)):
        own = pairs[pairs["a"] == level]
        assert len(own) == k * (k - 1) / 2
        expected = [
            tukey_pvalue(np.sqrt(2) * abs(t), k, df)
            for t, df in zip(own["t"], own["df"], strict=True)
        ]
        np.testing.assert_allclose(own["p"], expected, rtol=1e-10)
        half = [tukey_quantile(0.95, k, df) / np.sqrt(2) for df in own["df"]] * own["SE"]
        np.testing.assert_allclose(own["upper"] - own["estimate"], half, rtol=1e-8)


def test_a_group_of_one_mean_does_not_spoil_the_others() -> None:
    means = designed("a/b", "a == 0 and b != 1").emmeans("b", by="a")
    pairs = means.pairs()
    assert pairs["a"].unique().tolist() == ["1", "2"]
    assert len(pairs) == 6
    assert "a = 0 has only one mean, '1', and nothing to compare it with." in pairs.notes


@pytest.mark.parametrize("df", [0.05, 0.3, 0.8, 0.99, 1.5, 3.0, 1e9, 1e15])
def test_tukey_of_two_means_is_the_t_test(df: float) -> None:
    """With two means q = sqrt(2) |t|, whatever the df."""
    for t in (0.2, 1.5, 4.0):
        exact = 2 * stats.t.sf(t, df)
        assert tukey_pvalue(np.sqrt(2) * t, 2, df) == pytest.approx(exact, rel=1e-7, abs=1e-9)


def test_notes_do_not_depend_on_units() -> None:
    """A covariate near 1e6, or in units of 1e9, is no reason to speak of the boundary."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(12), 8)
    x = rng.normal(size=96)
    y = rng.normal(size=12)[g] + (1 + rng.normal(size=12)[g]) * x + 0.5 * rng.normal(size=96)
    data = pd.DataFrame({"g": g, "y": y, "x": x, "far": x + 1e6, "large": x * 1e9})
    plain = mt.lmer("y ~ x + (x|g)", data)
    assert plain.notes == []
    for name in ("far", "large"):
        m = mt.lmer(f"y ~ {name} + ({name}|g)", data)
        assert m.llf == pytest.approx(plain.llf - (np.log(1e9) if name == "large" else 0), abs=1e-6)
        assert m.notes == []


def test_labels_that_collide_are_refused() -> None:
    data = pd.DataFrame(
        {"a": ["p", "p:q", "p", "p:q"] * 3, "b": ["q:r", "r", "s", "s"] * 3, "y": range(12)}
    )
    with pytest.raises(mt.DataError, match="'p:q:r' names two groups"):
        mt.lmer("y ~ 1 + (1|a:b)", data)


def test_means_over_chosen_covariate_values_weigh_them_evenly() -> None:
    m = mt.lmer("distance ~ Sex*age + (1|Subject)", mt.load_orthodont())
    at = {"age": [8, 10, 25]}
    equal, proportional = (m.emmeans("Sex", at=at, weights=w) for w in ("equal", "proportional"))
    np.testing.assert_allclose(equal["emmean"], proportional["emmean"], rtol=1e-12)
