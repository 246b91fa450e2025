"""Residual covariances that cannot be fitted are refused in one sentence that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

import mixedteach as mt

SEX = "distance ~ age*Sex"
MIXED = f"{SEX} + (1|Subject)"


class Case(NamedTuple):
    what: str
    run: Callable[[], object]
    error: type[Exception]
    message: str


def data() -> pd.DataFrame:
    return mt.load_orthodont()


def ar(time="age", by="Subject"):
    return mt.AR1(time, by=by)


def mixed(frame: pd.DataFrame | None = None, formula: str = MIXED, **more) -> mt.MixedModel:
    return mt.lmer(formula, data() if frame is None else frame, **more)


def gls(frame: pd.DataFrame | None = None, formula: str = SEX, **more) -> mt.MixedModel:
    return mt.gls(formula, data() if frame is None else frame, **more)


def two_series() -> pd.DataFrame:
    """Return boys seen early and girls seen late: no pair of times across."""
    d = data()
    boys = d["Sex"] == "Male"
    return d[(boys & (d["age"] < 11)) | (~boys & (d["age"] > 11))]


def constant_level() -> pd.DataFrame:
    y = np.append(np.ones(10), np.random.default_rng(1).normal(size=10))
    return pd.DataFrame({"y": y, "g": list("a" * 10 + "b" * 10)})


CASES = [
    Case("unknown time", lambda: mixed(correlation=ar("agee")), mt.DataError,
         "'agee' in AR1('agee', by='Subject') is not a column of the data. Did you mean 'age'?"),
    Case("unknown group", lambda: gls(correlation=ar(by="subject")), mt.DataError,
         "'subject' in AR1('age', by='subject') is not a column of the data. Did you mean "
         "'Subject'?"),
    Case("unknown factor", lambda: gls(variance=mt.UnequalVariances("sex")), mt.DataError,
         "'sex' in UnequalVariances('sex') is not a column of the data. Did you mean 'Sex'?"),
    Case("no time", lambda: mt.AR1(), mt.FitError,
         "AR1() needs 'time': write AR1('time', by='group')."),
    Case("another argument", lambda: mt.AR1("age", group="Subject"), mt.FitError,
         "AR1() has no argument 'group'; its arguments are 'time' and 'by'."),
    Case("time is no name", lambda: mt.AR1(3), mt.FitError,
         "The time of AR1 must be the name of a column, as in AR1('time', by='group'), not 3."),
    Case("by is a list", lambda: mt.CompoundSymmetry(["a", "b"]), mt.FitError,
         "by must be the name of a column, as in CompoundSymmetry(by='group'), not ['a', 'b']."),
    Case("groups forgotten", lambda: mixed(correlation=mt.AR1("age")), mt.DataError,
         "There are two rows with age 8, and AR1('age') needs each time only once in a group: name "
         "the groups with by=, as in by='Subject'."),
    Case("groups too coarse", lambda: gls(correlation=mt.CAR1("age", by="Sex")), mt.DataError,
         "There are two rows with age 8 for Sex 'Male', and CAR1('age', by='Sex') needs each time "
         "only once in a group: make by= finer, as in by='Subject:Trial', or average such rows "
         "first."),
    Case("one visit each",
         lambda: gls(data().groupby("Subject").head(1), "distance ~ Sex", correlation=ar()),
         mt.DataError,
         "No group of AR1('age', by='Subject') has two rows, so there is no correlation to "
         "estimate: check by='Subject'."),
    Case("intercept and symmetry",
         lambda: mixed(correlation=mt.CompoundSymmetry(by="Subject")), mt.FitError,
         "(1 | Subject) and CompoundSymmetry(by='Subject') both make the rows of 'Subject' alike, "
         "so the data cannot tell them apart: leave one of the two out."),
    Case("intercept and unstructured",
         lambda: mixed(correlation=mt.Unstructured("age", by="Subject")), mt.FitError,
         "(1 | Subject) and Unstructured('age', by='Subject') both make the rows of 'Subject' "
         "alike, so the data cannot tell them apart: leave one of the two out."),
    Case("slope and a free covariance",
         lambda: mixed(formula=f"{SEX} + (0 + age|Subject)", variance=mt.UnequalVariances("age"),
                       correlation=mt.Unstructured("age", by="Subject")), mt.FitError,
         "The data cannot tell (0 + age | Subject), Unstructured('age', by='Subject') and "
         "UnequalVariances('age') apart, for they describe the same covariances: leave one of them "
         "out."),
    Case("two visits, intercept and AR1",
         lambda: mixed(data()[data()["age"] < 11], "distance ~ Sex + (1|Subject)",
                       correlation=ar()), mt.FitError,
         "The data cannot tell (1 | Subject) and AR1('age', by='Subject') apart, for they describe "
         "the same covariances: leave one of them out."),
    Case("a fixed effect of the group",
         lambda: gls(correlation=mt.CompoundSymmetry("Sex")), mt.FitError,
         "The data hold nothing that tells CompoundSymmetry(by='Sex') from the residual variance "
         "(too few rows in a group or level, or fixed effects that say the same): leave it out, or "
         "use a simpler one."),
    Case("text for a structure", lambda: gls(correlation="AR1"), mt.FitError,
         "correlation='AR1' is not a correlation: write correlation=AR1('time', by='group')."),
    Case("a class", lambda: gls(correlation=mt.CAR1), mt.FitError,
         "correlation=CAR1 must be told its columns, in parentheses: write "
         "correlation=CAR1('time', by='group')."),
    Case("the wrong argument", lambda: gls(variance=ar()), mt.FitError,
         "AR1('age', by='Subject') is a correlation: write correlation=AR1('age', by='Subject')."),
    Case("distances of text",
         lambda: gls(data().assign(week=data()["age"].astype(str)),
                     correlation=mt.CAR1("week", by="Subject")), mt.DataError,
         "The time 'week' of CAR1('week', by='Subject') holds no numbers, and CAR1 needs "
         "distances: convert it to numbers, or use AR1('week', ...), which counts visits."),
    Case("times that never meet",
         lambda: gls(two_series(), "distance ~ Sex",
                     correlation=mt.Unstructured("age", by="Subject")), mt.DataError,
         "No group has rows at both age 8 and 12, so Unstructured('age', by='Subject') has a "
         "correlation that nothing tells of: use AR1 or CAR1."),
    Case("one level",
         lambda: gls(data()[data()["Sex"] == "Male"], "distance ~ age",
                     variance=mt.UnequalVariances("Sex")), mt.DataError,
         "'Sex' has only one level, 'Male', so UnequalVariances('Sex') has nothing to compare: "
         "leave variance= out."),
    Case("one row a level",
         lambda: gls(data().assign(row=range(108)), variance=mt.UnequalVariances("row")),
         mt.DataError,
         "The level '0' of 'row' has only one row, and UnequalVariances('row') needs a variance in "
         "each level: join levels, or name a factor with fewer."),
    Case("a level without variance",
         lambda: gls(constant_level(), "y ~ g", variance=mt.UnequalVariances("g")), mt.FitError,
         "The residual variance of 'a' in UnequalVariances('g') tends to zero: the effects "
         "reproduce its rows exactly. Join levels, or use fewer effects."),
    Case("power of zero",
         lambda: gls(data().assign(z=data()["age"] - 8), variance=mt.PowerOf("z")), mt.DataError,
         "'z' has zero or infinite values, where PowerOf('z') would make the variance zero or "
         "infinite: shift the covariate, or use UnequalVariances."),
    Case("power of a factor", lambda: gls(variance=mt.PowerOf("Sex")), mt.DataError,
         "'Sex' in PowerOf('Sex') holds no numbers: use UnequalVariances('Sex') for a factor."),
    Case("power of one mean",
         lambda: gls(formula="distance ~ 1", variance=mt.PowerOfMean()), mt.FitError,
         "The fitted mean is the same in every row, so its power changes nothing: leave "
         "variance=PowerOfMean() out."),
    Case("a random effect in gls", lambda: gls(formula=MIXED), mt.FormulaError,
         f"The formula '{MIXED}' has a random effect, and gls() has none: use lmer()."),
    Case("no random effect in lmer", lambda: mixed(formula=SEX, correlation=ar()), mt.FormulaError,
         f"The formula '{SEX}' has no random effect, such as (1|g): add one, or use gls() for a "
         "model with fixed effects only."),
    Case("nlme's argument", lambda: gls(weights=mt.UnequalVariances("Sex")), mt.FitError,
         "gls() has no argument 'weights': write variance=, as in variance=UnequalVariances('g')."),
    Case("containment without groups", lambda: gls(ddf="containment"), mt.InferenceError,
         "The df method 'containment' does not apply to this model: choose 'satterthwaite', "
         "'kenward-roger', 'residual' or 'none'."),
    Case("shares of variance", lambda: mixed(correlation=ar()).icc, mt.InferenceError,
         "With a residual covariance the shares of variance are not the same for all rows: look at "
         "variance_components and residual_parameters."),
    Case("no random effect to test", lambda: gls(correlation=ar()).ranova(), mt.InferenceError,
         "The model has no random effect to test."),
    Case("new rows without the factor",
         lambda: gls(formula="distance ~ age", variance=mt.UnequalVariances("Sex")).predict(
             pd.DataFrame({"age": [9]}), intervals=True), mt.DataError,
         "The new data lack the column 'Sex' of UnequalVariances('Sex'), which intervals for new "
         "observations need: add it."),
    Case("one endless series",
         lambda: gls(pd.DataFrame({"t": range(2100), "y": np.sin(range(2100))}), "y ~ t",
                     correlation=mt.AR1("t")), mt.FitError,
         "2100 rows depend on each other through the groups, and a residual covariance is computed "
         "for 2000 at most: fit a part of the data, or leave correlation= and variance= out."),
    Case("a parameter out of its range",
         lambda: gls(correlation=ar()).profile_deviance([], [1.5]), mt.InferenceError,
         "residual= must hold one number for each of 'phi', inside its range."),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.what for case in CASES])
def test_refusals(case: Case):
    with pytest.raises(case.error) as caught:
        case.run()
    assert str(caught.value) == case.message


def test_groups_with_one_visit_among_others_are_fine():
    some = data().drop(data().index[[1, 2, 3]])
    assert gls(some, correlation=ar()).nobs == 105


def test_a_level_unknown_to_the_fit_has_no_interval_for_a_new_row():
    m = gls(formula="distance ~ age", variance=mt.UnequalVariances("Sex"))
    row = m.predict(pd.DataFrame({"age": [9], "Sex": ["other"]}), intervals=True).iloc[0]
    assert np.isfinite(row["upper"])
    assert np.isnan(row["new_upper"])


def test_pointers_from_r():
    with pytest.raises(AttributeError, match=r"corAR1.*correlation=mt.AR1"):
        _ = mt.corAR1
    with pytest.raises(AttributeError, match=r"varIdent.*variance=mt.UnequalVariances"):
        _ = mt.varIdent
