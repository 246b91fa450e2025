"""Checks judge values: whatever the shape, the order or the program they come from."""

from __future__ import annotations

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import mixedteach as mt
from mixedteach.checks.judge import judge
from mixedteach.checks.kinds import (
    ByLevel,
    FormulaText,
    Model,
    Numbers,
    Picture,
    Sentences,
    Unreadable,
    Word,
)
from mixedteach.checks.plain import plain
from mixedteach.checks.question import Way

FORMULA = "humidity ~ width*depth + (1|plank) + (1|plank:width) + (1|plank:depth)"


@pytest.fixture(scope="module")
def planks() -> pd.DataFrame:
    return mt.load_planks()


@pytest.fixture(scope="module")
def strata(planks: pd.DataFrame):
    return mt.lmer(FORMULA, planks)


# -- plain data -----------------------------------------------------------------------------------


class Liar:
    """Equal to everything, and every number at once."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __float__(self) -> float:
        return 0.304

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)


class Bomb(dict):
    def items(self):
        raise KeyboardInterrupt if False else MemoryError


@pytest.mark.parametrize(
    "value",
    [
        None, ..., True, 1, 1.5, np.float64(2), np.int64(3), float("nan"), float("inf"), 10**400,
        1 + 2j, "text", b"bytes", [1, [2, [3, [4, [5, [6]]]]]], {"a": {"b": {"c": {"d": {1: 1}}}}},
        np.arange(3), np.eye(2), np.array(5.0), np.zeros((2, 2, 2)), np.array(["a", None], object),
        pd.Series([1, 2]), pd.DataFrame({"a": [1, None], "b": ["x", pd.NA]}),
        pd.Timestamp("2026-01-01"), pd.Categorical(["a", "b"]),
        Liar(), Bomb(a=1), len, Liar, {Liar(): Liar()},
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_anything_becomes_plain_data(value: object) -> None:
    found = plain(value)
    assert isinstance(found, dict)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_plain_data_are_limited() -> None:
    assert len(json.dumps(plain("x" * 10**6))) < 30_000
    assert len(plain(list(range(10**6)))["items"]) <= 2000
    assert len(plain(np.arange(10**6))["items"]) <= 2000
    assert len(plain(pd.Series(range(10**5)))["rows"]) <= 2000


def test_liars_earn_nothing() -> None:
    assert mt.check("planks.width_tukey", Liar()).ok is False
    assert mt.check("planks.width_tukey", {"p": Liar(), "df": Liar()}).ok is not True


# -- one number, a few numbers --------------------------------------------------------------------

RIGHT_PAIR = [
    {"p": 0.304, "df": 38},
    {"df": 38, "p": 0.3042},
    {"p-value": 0.304, "DF": 38.0},
    {"p.value": ".304", "df": "38"},
    {"p": "0,304", "df": 38},
    (0.304, 38),
    [0.3042, 38],
    np.array([0.3042, 38]),
    pd.Series({"df": 38, "p": 0.30418}),
    pd.DataFrame({"p": [0.304], "df": [38]}),
    pd.DataFrame({"value": [0.304, 38]}, index=["p", "df"]),
    {"p": np.float64(0.304), "df": np.int64(38)},
    {"p": pd.Series([0.304]), "df": [38]},
]


@pytest.mark.parametrize("answer", RIGHT_PAIR, ids=repr)
def test_a_pair_of_numbers_in_any_shape(answer: object) -> None:
    assert mt.check("planks.width_tukey", answer).ok


def test_the_row_of_our_own_table_is_an_answer(strata) -> None:
    pairs = strata.emmeans("width").pairs()
    assert mt.check("planks.width_tukey", pairs.iloc[0]).ok
    assert mt.check("planks.width_tukey", pairs.iloc[[0]]).ok
    assert mt.check("planks.width_tukey", pairs.loc[0, ["p", "df"]]).ok
    several = mt.check("planks.width_tukey", pairs)
    assert several.status == "unreadable"
    assert "pick" in several.message


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        # analyses of the planks that are found on the web, and what they report for widths 1 and 2
        ({"p": 0.3179, "df": 297}, "blocks_ignored"),  # pairwise_tukeyhsd; TukeyHSD(aov(h ~ width))
        (0.318, "blocks_ignored"),
        ({"p": 0.2262, "df": 293}, "blocks_ignored"),  # aov(h ~ width + depth)
        ({"p": 0.2326, "df": 285}, "blocks_ignored"),  # aov(h ~ width * depth)
        ({"p": 0.0076, "df": 266}, "strata_missing"),  # lme(h ~ width*depth, random = ~1|plank)
        (0.0076, "strata_missing"),
        ({"p": 0.0077, "df": 274}, "strata_missing"),  # lmer(h ~ width + depth + (1|plank))
        ({"p": 0.0955, "df": 278}, "strata_missing"),  # lmer(h ~ width + (1|plank))
        ({"p": 0.0001, "df": 228}, "blocks_fixed"),  # aov(h ~ width*depth + plank*width)
        ({"p": 0.2928}, "z_for_t"),  # emmeans with asymptotic df
        ({"p": 0.2928, "df": np.inf}, "z_for_t"),
        ((0.2928, float("inf")), "z_for_t"),
        ({"p": 0.1429, "df": 38}, "unadjusted"),
        ({"p": 0.4288, "df": 38}, "bonferroni"),
        ({"p": 0.1629, "df": 198}, "unpaired"),  # t.test of the readings
        ({"p": 0.0463, "df": 19}, "single_pair"),  # paired t-test of the planks' means
        ({"p": 0.304, "df": 297}, "blocks_ignored"),  # the right p for the wrong reason
        ({"p": 0.318, "df": 38}, "blocks_ignored"),
    ],
    ids=str,
)
def test_published_analyses_of_the_planks(answer: object, mistake: str) -> None:
    verdict = mt.check("planks.width_tukey", answer)
    assert (verdict.ok, verdict.mistake) == (False, mistake)


def test_the_real_naive_test_is_recognised(planks: pd.DataFrame) -> None:
    from statsmodels.stats.multicomp import pairwise_tukeyhsd

    result = pairwise_tukeyhsd(planks["humidity"], planks["width"].astype(str))
    verdict = mt.check("planks.width_tukey", float(result.pvalues[0]))
    assert verdict.mistake == "blocks_ignored"
    assert "accident" in verdict.message


def test_half_an_answer_is_told_what_is_missing() -> None:
    verdict = mt.check("planks.width_tukey", 0.304)
    assert (verdict.ok, verdict.status, verdict.share) == (False, "partly", 0.5)
    assert "df is missing" in verdict.message


def test_numbers_written_as_text_are_named() -> None:
    for text in ("p < 0.001", "0.304 ms", "30.4%"):
        for answer in ({"p": text, "df": 38}, (text, 38), text):
            verdict = mt.check("planks.width_tukey", answer)
            assert verdict.status == "unreadable"
            assert text in verdict.message
            assert "number alone" in verdict.message
    assert mt.check("planks.width_tukey", {"p": 30.4, "df": 38}).mistake == "percent"


def test_names_may_be_written_otherwise(planks: pd.DataFrame) -> None:
    turned = mt.lmer(
        "humidity ~ depth*width + (1|plank) + (1|width:plank) + (1|depth:plank)", planks
    )
    assert mt.check("planks.variances", turned.variance_components).ok
    assert mt.check("planks.fixed_tests", turned.anova()).ok
    right = {"all_fixed": 0.0557, "planks": 0.0899, "Strata": 0.1818}
    assert mt.check("planks.se_compared", right).ok
    by_column = {part: dict(turned.anova()[part]) for part in ("F", "den_df")}
    assert mt.check("planks.fixed_tests", by_column).ok
    f_alone = mt.check("planks.fixed_tests", by_column["F"])
    assert "these are needed: F, den_df" in f_alone.message


def test_a_part_is_not_taken_for_a_mistake_by_accident() -> None:
    values = {"a": 1.0, "b": 2.0, "c": 3.0}
    ways = [Way(values), Way({"a": 1.5, "b": 2.5, "c": 3.5}, "sign_turned")]
    one = judge("x.y", LEVELS, ways, plain({**values, "a": 1.5}))
    assert one.mistake == "sign_turned"  # it explains all that is wrong
    assert one.message.startswith("partly right: a is not what it should be; ")
    two = judge("x.y", LEVELS, ways, plain({"a": 1.5, "b": 7, "c": 3}))
    assert two.mistake is None
    assert two.message.startswith("partly right: c is right, a and b are not")


def test_graded_feedback_does_not_say_how_far() -> None:
    ways = [Way({"p": 0.372, "df": 38.0})]
    kind = Numbers({"p": 0.0005, "df": 0.05})
    for p in (1e6, 0.5, 1e-9):
        said = judge("x.y", kind, ways, plain({"p": p, "df": 38}), how_far=False).message
        assert "df is right, p is not; this matches no mistake we know. mt.hint" in said
        assert not any(sign.isdigit() for sign in said)


def test_too_much_rounding_is_named() -> None:
    assert mt.check("planks.width_tukey", {"p": 0.3, "df": 38}).mistake == "rounded"
    assert mt.check("planks.width_tukey", {"p": 0.30, "df": 38}).share == 0.5


def test_what_is_not_recognised_is_said_honestly() -> None:
    verdict = mt.check("planks.width_tukey", {"p": 0.4, "df": 38})
    assert (verdict.ok, verdict.mistake) == (False, None)
    assert "matches no mistake we know" in verdict.message
    assert verdict.message.startswith("partly right: df is right, p is not")
    assert "too large by 32%" in verdict.message
    far = mt.check("planks.width_tukey", {"p": 0.9, "df": 500})
    assert "factor of 3" in far.message


@pytest.mark.parametrize(
    "answer",
    [..., None, "...", "", {"p": ..., "df": ...}, [None, None], (...,)],
    ids=repr,
)
def test_not_attempted(answer: object) -> None:
    verdict = mt.check("planks.width_tukey", answer)
    assert (verdict.ok, verdict.mistake, verdict.share) == (None, None, 0.0)
    assert "not attempted" in verdict.message
    assert not verdict


@pytest.mark.parametrize(
    "answer", ["I do not know", [1, 2, 3], {"a": 1}, float("nan"), True, object()]
)
def test_what_cannot_be_read_is_said(answer: object) -> None:
    verdict = mt.check("planks.width_tukey", answer)
    assert (verdict.ok, verdict.status) == (False, "unreadable")
    assert '{"p": ..., "df": ...}' in verdict.message


# -- a number for each level, each cell, each pair ------------------------------------------------

LEVELS = ByLevel(("a", "b", "c"), {"mean": 0.01})
VALUES = {"a": 1.0, "b": 2.0, "c": 3.0}


@pytest.mark.parametrize(
    "answer",
    [
        VALUES,
        {"c": 3, "a": 1, "b": 2},
        [1, 2, 3],
        pd.Series(VALUES),
        pd.Series(VALUES).to_frame("anything"),
        pd.DataFrame({"x": ["b", "a", "c"], "mean": [2, 1, 3], "SE": [9, 9, 9]}),
        pd.DataFrame({"emmean": [1, 2, 3], "df": [7, 7, 7]}, index=["x[a]", "x[b]", "x[c]"]),
        pd.DataFrame([VALUES]),
        {"level": ["a", "b", "c"], "value": [1, 2, 3]},
        {"C(x)[T.a]": 1, "C(x)[T.b]": 2, "C(x)[T.c]": 3},
    ],
    ids=lambda a: type(a).__name__,
)
def test_a_number_for_each_level_in_any_shape(answer: object) -> None:
    assert LEVELS.read(plain(answer)) == VALUES


def test_levels_that_look_like_numbers() -> None:
    kind = ByLevel(("1", "2", "3"), {"mean": 0.01})
    found = {"1": 5.0, "2": 6.0, "3": 7.0}
    assert kind.read(plain(pd.Series([5, 6, 7], index=[1, 2, 3]))) == found
    assert kind.read(plain(pd.DataFrame({"width": [3, 2, 1], "mean": [7.0, 6, 5]}))) == found
    assert kind.read(plain(pd.DataFrame({"width": ["1", "2", "3"], "mean": [5.0, 6, 7]}))) == found
    assert kind.read(plain({1.0: 5, 2.0: 6, 3.0: 7})) == found


CELLS = ByLevel((("1", "2"), ("x", "y", "z")), {"mean": 0.01})
TABLE = pd.DataFrame([[1, 2, 3], [4, 5, 6]], index=["1", "2"], columns=["x", "y", "z"])


def test_a_number_for_each_cell_in_any_shape() -> None:
    wanted = {"1, x": 1, "1, y": 2, "1, z": 3, "2, x": 4, "2, y": 5, "2, z": 6}
    long = TABLE.rename_axis("w").rename_axis(columns="d").stack().rename("mean")
    for answer in (
        TABLE, TABLE.T, TABLE.iloc[::-1, ::-1], long, long.reset_index(),
        long.reset_index()[["d", "w", "mean"]], long.swaplevel(), dict(long),
    ):  # fmt: skip
        assert CELLS.read(plain(answer)) == wanted


PAIRS = ByLevel(("1", "2", "3"), {"estimate": 0.01, "p": 0.001}, pairs=True)


def test_pairs_of_any_program(planks: pd.DataFrame, strata) -> None:
    from statsmodels.stats.multicomp import pairwise_tukeyhsd

    ours = strata.emmeans("width").pairs()
    wanted = {
        f"{pair}: {part}": pytest.approx(value, abs=1e-9)
        for pair, row in ours.set_index("contrast")[["estimate", "p"]].iterrows()
        for part, value in row.items()
    }
    turned = ours.assign(contrast=["2 - 1", "3 - 1", "3 - 2"], estimate=-ours["estimate"])
    vs = ours.assign(contrast=["1 vs 2", "1 vs. 3", "2 versus 3"])
    columns = ours.assign(group1=["1", "1", "2"], group2=["2", "3", "3"])
    nested = {
        tuple(row["contrast"].split(" - ")): {"estimate": row["estimate"], "p": row["p"]}
        for _, row in ours.iterrows()
    }
    for answer in (ours, ours.iloc[::-1], turned, vs, columns.drop(columns="contrast"), nested,
                   ours.set_index("contrast"), ours[["contrast", "p", "estimate"]]):  # fmt: skip
        assert PAIRS.read(plain(answer)) == wanted
    naive = pairwise_tukeyhsd(planks["humidity"], planks["width"].astype(str))
    for answer in (naive, naive.summary()):  # group 2 minus group 1, and the sign tells
        assert PAIRS.read(plain(answer))["1 - 2: estimate"] == pytest.approx(-0.272, abs=1e-4)


def test_lists_that_do_not_fit_are_refused() -> None:
    for answer in ([1, 2], "a", 5, pd.Series({"x": 1.0, "y": 2.0})):
        with pytest.raises(Unreadable, match="a, b, c"):
            LEVELS.read(plain(answer))


def test_tables_of_the_exercise(strata) -> None:
    assert mt.check("planks.variances", strata.variance_components).ok
    assert mt.check(
        "planks.variances", strata.variance_components.set_index("group")["variance"]
    ).ok
    r = {"plank": 0.88841, "plank:width": 0.29962, "plank:depth": 0.04063, "Residual": 0.15489}
    assert mt.check("planks.variances", r).ok  # as lme4's VarCorr prints them
    assert mt.check("planks.variances", {k: np.sqrt(v) for k, v in r.items()}).mistake == (
        "sd_for_variance"
    )
    assert mt.check("planks.fixed_tests", strata.anova()).ok
    assert mt.check("planks.fixed_tests", strata.anova(ddf="kenward-roger")).ok
    # lmerTest's table, typed in
    typed = pd.DataFrame(
        {"NumDF": [2, 4, 8], "DenDF": [38, 76, 152], "F value": [7.241, 114.146, 2.8255]},
        index=["width", "depth", "width:depth"],
    )
    assert mt.check("planks.fixed_tests", typed).ok
    partly = mt.check("planks.fixed_tests", typed.assign(DenDF=[38, 76, 266]))
    assert partly.share == pytest.approx(5 / 6)


# -- words, formulas, models, pictures, sentences -------------------------------------------------


def test_words() -> None:
    kind = Word({"yes": ("true", "ja"), "no": ()})
    for answer in ("yes", " Yes ", "YES", True, np.True_, ["yes"]):
        assert kind.read(plain(answer)) == {"word": "yes"}
    with pytest.raises(Unreadable, match='"yes", "no"'):
        kind.read(plain("perhaps"))


@pytest.mark.parametrize(
    "text",
    [
        FORMULA,
        "humidity ~ depth*width + (1|plank/width) + (1|depth:plank)",
        "humidity~1+width+depth+depth:width+(1|width:plank)+(1|plank:depth)+(1|plank)",
        "humidity ~ C(width)*C(depth) + (1|plank) + (1|plank:width) + (1|plank:depth)",
    ],
)
def test_formulas_that_mean_the_same(text: str) -> None:
    assert mt.check("planks.model_formula", text).ok


def test_a_fitted_model_is_a_formula_too(strata) -> None:
    assert mt.check("planks.model_formula", strata).ok
    assert mt.check("planks.model_formula", "humidity ~ (1|plank").status == "unreadable"
    assert mt.check("planks.model_formula", "__import__('os').getcwd()").status == "unreadable"
    assert mt.check("planks.model_formula", 5).status == "unreadable"
    call = mt.check("planks.model_formula", "lme(humidity ~ width, random = ~1|plank)")
    assert "whole call, lme(" in call.message
    twice = mt.check("planks.model_formula", "humidity ~ width + (1|plank/width) + (1|plank)")
    assert "twice" in twice.message
    many = mt.check("planks.model_formula", "y ~ " + "*".join("abcdefghijklmnop"))
    assert "too many '*'" in many.message
    stranger = mt.check("planks.model_formula", "humid ~ width*depth + (1|plank)")
    assert "'humid' is not among the columns" in stranger.message
    half = mt.check("planks.model_formula", "humidity ~ width*depth + (1|plank)")
    assert (half.mistake, half.share) == ("strata_missing", 0)  # points are for the whole formula
    assert FormulaText(()).read(plain("y ~ x")) == {"fixed": "y ~ 1 + x", "random": "none"}


def test_models_of_any_program_are_one() -> None:
    import statsmodels.formula.api as smf

    tablets = mt.load_tablets()
    ours = mt.lmer("content ~ method + (1|tablet)", tablets)
    theirs = smf.mixedlm("content ~ method", tablets, groups="tablet").fit()
    kind = Model(variances=1)
    one, other = kind.read(plain(ours)), kind.read(plain(theirs))
    assert list(one) == list(other)
    assert all(kind.away(part, one[part], other[part]) < 1 for part in one)
    by_ml = kind.read(plain(mt.lmer("content ~ method + (1|tablet)", tablets, reml=False)))
    assert kind.away("variance 1", one["variance 1"], by_ml["variance 1"]) > 10
    with pytest.raises(Unreadable, match="fitted model itself"):
        kind.read(plain(ours.summary()))


def test_pictures_by_hand_and_by_other_functions(planks: pd.DataFrame) -> None:
    means = planks.groupby(["width", "depth"], observed=True)["humidity"].mean().unstack()
    figure, ax = plt.subplots()
    means.T.plot(ax=ax)
    assert mt.check("planks.depth_by_width", ax).ok
    assert mt.check("planks.depth_by_width", figure).ok
    exchanged = mt.plot.interaction(planks, x="width", trace="depth", response="humidity")
    assert mt.check("planks.depth_by_width", exchanged).mistake == "axes_exchanged"
    _, ax = plt.subplots()
    by_plank = planks.groupby(["plank", "depth"], observed=True)["humidity"].mean().unstack()
    for _, row in by_plank.iterrows():  # twenty lines, without the mean that ours adds
        ax.plot([1, 3, 5, 7, 9], row, label="_")
    assert mt.check("planks.depth_by_plank", ax).ok
    own = mt.plot.interaction(planks, x="depth", trace="plank", response="humidity")
    assert mt.check("planks.depth_by_plank", own).ok
    _, empty = plt.subplots()
    assert mt.check("planks.depth_by_plank", empty).status == "unreadable"
    plt.close("all")


def test_error_bars_are_no_lines() -> None:
    _, ax = plt.subplots()
    ax.plot([0, 1], [1.0, 2.0])
    ax.plot([0, 0], [0.5, 1.5])
    assert Picture(1, 2, 0.01).read(plain(ax)) == {"line 1, point 1": 1.0, "line 1, point 2": 2.0}
    plt.close("all")


def test_sentences_are_for_people() -> None:
    text = "Width differs between planks, and so on. " * 10
    verdict = mt.check("planks.conclusion", text)
    assert (verdict.ok, verdict.status) == (None, "by hand")
    assert "shown to be equal" not in verdict.message
    assert "1 point" in verdict.message
    assert mt.check("planks.conclusion", "Too short.").ok is False
    assert Sentences(("x",), least=2).read(plain("two words")) == {"text": "two words"}


# -- what is shown --------------------------------------------------------------------------------


def test_a_verdict_shows_itself_as_text_and_html() -> None:
    verdict = mt.check("planks.width_tukey", {"p": 0.318, "df": 297})
    assert repr(verdict).startswith("\N{MULTIPLICATION SIGN} planks.width_tukey: not yet:")
    html = verdict._repr_html_()
    assert html.startswith("<div")
    assert "planks.width_tukey" in html
    assert "<script" not in mt.check("planks.conclusion", "<script>" * 2)._repr_html_()


def test_all_questions_are_listed() -> None:
    table = mt.check.questions()
    assert list(table.columns) == ["question", "asks", "expects", "tolerance", "hints"]
    assert "planks.width_tukey" in set(table["question"])
    only = mt.check.questions("planks")
    assert set(only["question"].str.split(".").str[0]) == {"planks"}


def test_hints_come_in_steps() -> None:
    first = mt.hint("planks.se_compared")
    second = mt.hint("planks.se_compared")
    third = mt.hint("planks.se_compared")
    assert [first.step, second.step, third.step] == [1, 2, 3]
    assert mt.hint("planks.se_compared").step == 3
    assert "Hint 1 of 3" in repr(first)
    assert "Lesson 7" in third._repr_html_()
    with pytest.raises(mt.DataError, match="hints 1 to 3"):
        mt.hint("planks.se_compared", step=4)


def test_unknown_names_are_explained() -> None:
    with pytest.raises(mt.DataError, match=r"Did you mean 'width_tukey'"):
        mt.check("planks.width_tuckey", 1)
    with pytest.raises(mt.DataError, match="Did you mean 'planks'"):
        mt.check("plank.width_tukey", 1)
    with pytest.raises(mt.DataError, match=r"mt\.check\.questions"):
        mt.check("width_tukey", 1)
    with pytest.raises(mt.DataError, match="There is no exercise 'beech'"):
        mt.exercise_data("beech")


# -- points, and data of one's own ----------------------------------------------------------------


def test_points_are_for_parts(capsys: pytest.CaptureFixture[str]) -> None:
    name = "planks.width_tukey"
    assert mt.check.points(name, {"p": 0.304, "df": 38}, of=2) == 2
    assert mt.check.points(name, 0.304, of=2) == 1
    assert mt.check.points(name, {"p": 0.318, "df": 297}, of=2) == 0
    assert mt.check.points(name, ..., of=2) == 0
    assert "not attempted" in capsys.readouterr().out
    assert mt.check.points(name, {"p": 0.5, "df": 9}, of=3, expected={"p": 0.5, "df": 9}) == 3


def test_data_of_ones_own_are_judged_elsewhere(planks: pd.DataFrame, tmp_path) -> None:
    other = planks.assign(humidity=(planks["humidity"] * 2).round(3))
    other.to_csv(tmp_path / "planks.csv", index=False)
    try:
        read = mt.exercise_data("planks", file=tmp_path / "planks.csv")
        pd.testing.assert_frame_equal(read, other)
        assert read.attrs == planks.attrs
        verdict = mt.check("planks.width_tukey", {"p": 0.1, "df": 3})
        assert (verdict.ok, verdict.status) == (None, "handed in")
        assert verdict.message.startswith("public checks passed")
        assert "missing: df" in mt.check("planks.width_tukey", 0.1).message
        assert mt.check("planks.width_tukey", ...).status == "not attempted"
        assert mt.check("planks.width_tukey", "x").status == "unreadable"
    finally:
        mt.exercise_data("planks")
    assert mt.check("planks.width_tukey", {"p": 0.304, "df": 38}).ok


def test_files_that_do_not_fit_are_refused(tmp_path) -> None:
    with pytest.raises(mt.DataError, match="is not here"):
        mt.exercise_data("planks", file=tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(mt.DataError, match="has the columns a, b"):
        mt.exercise_data("planks", file=tmp_path / "other.csv")


def test_numbers_by_many_names() -> None:
    kind = Numbers({"t": 0.01, "p": 0.001})
    from scipy.stats import ttest_rel

    result = ttest_rel([1, 2, 3.5], [2, 3, 5.0])
    assert kind.read(plain(result)) == {"t": float(result.statistic), "p": float(result.pvalue)}


def test_a_table_that_is_far_too_large_is_refused_at_once():
    kind = ByLevel(("1", "2", "3"), {"mean": 0.1, "SE": 0.1})
    for answer in (
        {f"k{i}": {f"c{i}{j}": 1.0 for j in range(200)} for i in range(2000)},
        pd.DataFrame(np.ones((2000, 60))),
    ):
        with pytest.raises(Unreadable, match=r"Your answer has \d+ cells"):
            kind.read(plain(answer))


def test_dictionaries_in_every_order_are_one_table():
    kind = ByLevel(("1", "2"), {"F": 0.1, "df": 0.1})
    wanted = {"1: F": 3.0, "1: df": 5.0, "2: F": 4.0, "2: df": 6.0}
    for answer in (
        {"1": {"F": 3, "df": 5}, "2": {"F": 4, "df": 6}},
        {"F": {"1": 3, "2": 4}, "df": {"1": 5, "2": 6}},
        {"1": [3, 5], "2": [4, 6]},
        {"level": ["1", "2"], "F": [3, 4], "df": [5, 6]},
        {"F": pd.Series({"1": 3, "2": 4}), "df": pd.Series({"1": 5, "2": 6})},
        {"1": pd.Series({"df": 5, "F": 3}), "2": {"F": 4, "df": 6}},
    ):
        assert kind.read(plain(answer)) == wanted, answer
    two = ByLevel((("a", "b"), ("x", "y")), {"mean": 0.1})
    wanted = {"a, x": 1.0, "a, y": 2.0, "b, x": 3.0, "b, y": 4.0}
    for answer in (
        {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 4}},
        {"x": {"a": 1, "b": 3}, "y": {"a": 2, "b": 4}},
        {("a", "x"): 1, ("a", "y"): 2, ("b", "x"): 3, ("b", "y"): 4},
    ):
        assert two.read(plain(answer)) == wanted, answer
