"""What users read when something is wrong: every refusal, warning and note, word for word.

A case is what was typed and the exact message. Messages are part of the course: one sentence (two
short ones at most) that says what is wrong, where, and what to do. No error of NumPy, pandas,
SciPy or formulae may reach the reader.
"""

from __future__ import annotations

import datetime
import decimal
import re
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

import mixedteach as mt
from mixedteach.errors import (
    DataError,
    FitError,
    FormulaError,
    InferenceError,
    MixedTeachError,
    MixedTeachWarning,
)


@cache
def data() -> pd.DataFrame:
    """Eight sites, six doses each; other columns are there to go wrong."""
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"site": np.repeat([f"s{i}" for i in range(8)], 6)})
    d["dose"] = np.tile(np.arange(6.0), 8)
    kinds = ["lo", "mid", "hi", "hi", "lo", "mid"]
    d["kind"] = np.tile(kinds + kinds[1:] + kinds[:1], 4)
    d["batch"] = np.tile(["u", "v", "v", "u", "v", "u"], 8)
    effect = rng.normal(size=8).repeat(6)
    d["y"] = (5 + 0.3 * d.dose + (d.kind == "hi") + effect + 0.5 * rng.normal(size=48)).round(3)
    d["number"] = np.repeat(np.arange(8), 6)
    d["row"] = np.arange(48)
    d["same"] = "all"
    d["three"] = 3.0
    d["twice"] = 2 * d.dose
    d["flag"] = d.dose > 2
    d["comma"] = np.tile(["3,4", "3,5", "2,9", "3", "4,1", "3,7"], 8)
    d["typed"] = [f"{v:g}" for v in 1 + (7 * d.row % 48) / 10]
    d["mostly"] = d["typed"].where(d.row != 7, "oops")
    d["mixed"] = d["dose"].astype(object).where(d.row != 7, "oops")
    d["day"] = pd.Timestamp("2024-03-01") + pd.to_timedelta(d.dose, unit="D")
    d["hours"] = pd.to_timedelta(d.dose, unit="h")
    d["date"] = d["day"].dt.date
    d["endless"] = d["dose"].where(d.row != 5, np.inf)
    d["nothing"] = np.nan
    d["many"] = [f"t{i}" for i in range(48)]
    d["imaginary"] = d["dose"] + 1j
    d["lists"] = [[i] for i in range(48)]
    d["either"] = d["number"].astype(object).where(d.row % 2 == 0, d["number"].astype(str))
    return d


def fit(formula: str = "y ~ kind + dose + (1|site)", d: Any = None, **options: Any) -> Any:
    return mt.lmer(formula, data() if d is None else d, **options)


@cache
def model() -> Any:
    return fit("y ~ kind*batch + dose + (1|site)")


@cache
def simple() -> Any:
    return fit("y ~ dose + (1|site)")


def means() -> Any:
    return model().emmeans("kind")


def new(**columns: Any) -> pd.DataFrame:
    """Three rows of new data."""
    return data().head(3)[["site", "dose", "kind", "batch"]].assign(**columns)


def changed(**columns: Any) -> pd.DataFrame:
    return data().assign(**columns)


class Case(NamedTuple):
    name: str
    call: Callable[[], Any]
    error: type[MixedTeachError]
    message: str


REFUSALS = [
    # -- Names in the formula -------------------------------------------------------------------
    Case("unknown response", lambda: fit("yy ~ dose + (1|site)"), FormulaError,
         "The response 'yy' is not a column of the data. Did you mean 'y'?"),
    Case("unknown fixed effect", lambda: fit("y ~ dosis + (1|site)"), FormulaError,
         "'dosis' in the fixed effects is not a column of the data. Did you mean 'dose'?"),
    Case("wrong capitals", lambda: fit("y ~ Dose + (1|site)"), FormulaError,
         "'Dose' in the fixed effects is not a column of the data. Did you mean 'dose'?"),
    Case("unknown random effect", lambda: fit("y ~ dose + (does|site)"), FormulaError,
         "'does' in the random effect (does | site) is not a column of the data. Did you mean "
         "'dose'?"),
    Case("unknown grouping factor", lambda: fit("y ~ dose + (1|sites)"), FormulaError,
         "The grouping factor 'sites' is not a column of the data. Did you mean 'site'?"),
    Case("unknown nested grouping factor", lambda: fit("y ~ dose + (1|site/bach)"), FormulaError,
         "The grouping factor 'bach' is not a column of the data. Did you mean 'batch'?"),
    Case("unknown name inside a call", lambda: fit("y ~ log(dosis) + (1|site)"), FormulaError,
         "'dosis' in 'log(dosis)' is not a column of the data. Did you mean 'dose'?"),
    Case("nothing like it",
         lambda: fit("y ~ zzz + (1|site)", data()[["y", "site", "dose"]]), FormulaError,
         "'zzz' in the fixed effects is not a column of the data. There are 'y', 'site' and "
         "'dose'."),
    Case("the index is no column", lambda: fit(d=data().set_index("site")), FormulaError,
         "'site' is the index of the data, not a column: data.reset_index() makes it one."),
    Case("columns named by numbers",
         lambda: fit("y ~ `1` + (1|site)", data().rename(columns={"dose": 1})), FormulaError,
         "The name of the column 1 is not text: data = data.rename(columns=str) makes it so."),
    Case("two columns of the same name",
         lambda: fit(d=pd.concat([data(), data()[["dose"]]], axis=1)), DataError,
         "The data have more than one column 'dose': rename one."),
    Case("word of Python", lambda: fit("y ~ None + (1|site)"), FormulaError,
         "'None' in the formula 'y ~ None + (1|site)' is a word of Python: if it is the name "
         "of a column, write `None`."),
    Case("function that does not exist", lambda: fit("y ~ foo(dose) + (1|site)"), FormulaError,
         "The function 'foo' in 'foo(dose)' is not known here: use one of log, log10, log2, "
         "log1p, exp, sqrt, C, I, center, scale, poly, bs, or compute the column first and "
         "name it."),
    Case("function that NumPy does not have",
         lambda: fit("y ~ np.foo(dose) + (1|site)"), FormulaError,
         "The function 'np.foo' in 'np.foo(dose)' is not known here: use one of log, log10, "
         "log2, log1p, exp, sqrt, C, I, center, scale, poly, bs, or compute the column first "
         "and name it."),
    Case("function of R", lambda: fit("y ~ as.factor(dose) + (1|site)"), FormulaError,
         "'as.factor(dose)' in the formula 'y ~ as.factor(dose) + (1|site)' is the syntax of "
         "R: write C(dose)."),
    Case("function of text", lambda: fit("y ~ log(kind) + (1|site)"), FormulaError,
         "'log(kind)' cannot be computed, because 'kind' holds text, not numbers: name a "
         "column of numbers."),
    Case("function that gives one number",
         lambda: fit("y ~ np.mean(dose) + (1|site)"), FormulaError,
         "'np.mean(dose)' does not give one value for every row: compute the column first, "
         "then name it in the formula."),
    Case("function called wrongly", lambda: fit("y ~ bs(dose) + (1|site)"), FormulaError,
         "'bs(dose)' cannot be computed from the data (Must specify either 'df' or 'knots'): "
         "compute the column first, then name it in the formula."),
    Case("C() of nothing", lambda: fit("y ~ C() + (1|site)"), FormulaError,
         "'C()' is not understood: write C(column), C(column, Sum) or C(column, "
         "Treatment('level'))."),
    Case("C() of two columns", lambda: fit("y ~ C(kind, dose) + (1|site)"), FormulaError,
         "'C(kind, dose)' is not understood: write C(column), C(column, Sum) or C(column, "
         "Treatment('level')) with a level of 'kind': 'hi', 'lo' or 'mid'."),
    Case("C() with an unknown reference",
         lambda: fit("y ~ C(kind, Treatment('low')) + (1|site)"), FormulaError,
         "'C(kind, Treatment('low'))' is not understood: write C(column), C(column, Sum) or "
         "C(column, Treatment('level')) with a level of 'kind': 'hi', 'lo' or 'mid'."),
    Case("C() never closed", lambda: fit("y ~ C(kind + (1|site)"), FormulaError,
         "The formula 'y ~ C(kind + (1|site)' opens a parenthesis at '(kind + (1|site)' and "
         "never closes it: add the closing one."),
    # -- The syntax of the formula --------------------------------------------------------------
    Case("empty formula", lambda: fit(""), FormulaError,
         "The formula is empty: write response ~ effects, as in 'y ~ x + (1|g)'."),
    Case("no tilde", lambda: fit("y dose"), FormulaError,
         "The formula 'y dose' has no '~': write response ~ effects, as in 'y ~ x + (1|g)'."),
    Case("equals sign", lambda: fit("y = dose + (1|site)"), FormulaError,
         "The formula 'y = dose + (1|site)' has '=' where '~' belongs: write response ~ "
         "effects, as in 'y ~ x + (1|g)'."),
    Case("two tildes", lambda: fit("y ~ dose ~ (1|site)"), FormulaError,
         "The formula 'y ~ dose ~ (1|site)' has more than one '~': write response ~ effects, "
         "as in 'y ~ x + (1|g)'."),
    Case("no response", lambda: fit("~ dose + (1|site)"), FormulaError,
         "The formula '~ dose + (1|site)' names no response on the left of '~': write response"
         " ~ effects, as in 'y ~ x + (1|g)'."),
    Case("no effects", lambda: fit("y ~"), FormulaError,
         "The formula 'y ~' ends after '~': name the effects, or write 1 for the mean alone."),
    Case("two responses", lambda: fit("y + dose ~ kind + (1|site)"), FormulaError,
         "The formula 'y + dose ~ kind + (1|site)' has more than one response, 'y + dose': fit"
         " a model for each."),
    Case("cbind", lambda: fit("cbind(y, dose) ~ kind + (1|site)"), FormulaError,
         "The formula 'cbind(y, dose) ~ kind + (1|site)' has more than one response, 'cbind(y,"
         " dose)': fit a model for each."),
    Case("product as response", lambda: fit("y*dose ~ kind + (1|site)"), FormulaError,
         "'y*dose' in the formula 'y*dose ~ kind + (1|site)' cannot be read: write + : * / or "
         "** between the names of columns, and put a name with spaces or other signs in "
         "`backquotes`."),
    Case("response on both sides", lambda: fit("y ~ dose + y + (1|site)"), FormulaError,
         "The response 'y' stands on both sides of '~' in 'y ~ dose + y + (1|site)': take it "
         "out on the right."),
    Case("parenthesis not closed", lambda: fit("y ~ dose + (1|site"), FormulaError,
         "The formula 'y ~ dose + (1|site' opens a parenthesis at '(1|site' and never closes "
         "it: add the closing one."),
    Case("parenthesis not opened", lambda: fit("y ~ dose + (1|site))"), FormulaError,
         "The formula 'y ~ dose + (1|site))' closes a parenthesis that was never opened, after"
         " 'y ~ dose + (1|site)': take it out."),
    Case("backquote not closed", lambda: fit("y ~ `dose + (1|site)"), FormulaError,
         "The formula 'y ~ `dose + (1|site)' opens a backquote at '`dose + (1|site)' and never"
         " closes it: add the closing one."),
    Case("bar outside parentheses", lambda: fit("y ~ dose + 1|site"), FormulaError,
         "'|' stands outside parentheses in the formula 'y ~ dose + 1|site': write the random "
         "effect as (1|site)."),
    Case("random effect in a product", lambda: fit("y ~ dose * (1|site)"), FormulaError,
         "The random effect in 'dose * (1|site)' must stand on its own: write it in "
         "parentheses and add it with '+', as in 'y ~ x + (1|g)'."),
    Case("random effect taken away", lambda: fit("y ~ dose - (1|site)"), FormulaError,
         "The random effect in 'dose - (1|site)' must stand on its own: write it in "
         "parentheses and add it with '+', as in 'y ~ x + (1|g)'."),
    Case("plus at the end", lambda: fit("y ~ dose + (1|site) + "), FormulaError,
         "The formula 'y ~ dose + (1|site) + ' has a '+' with nothing beside it: name an "
         "effect there, or take the '+' out."),
    Case("missing operator", lambda: fit("y ~ dose kind + (1|site)"), FormulaError,
         "'dose kind' in the formula 'y ~ dose kind + (1|site)' cannot be read: write + : * / "
         "or ** between the names of columns, and put a name with spaces or other signs in "
         "`backquotes`."),
    Case("power of R", lambda: fit("y ~ dose^2 + (1|site)"), FormulaError,
         "'^' in the formula 'y ~ dose^2 + (1|site)' is R's power: write I(x**2) for a square,"
         " (a + b)**2 for crossing."),
    Case("power without I()", lambda: fit("y ~ dose**2 + (1|site)"), FormulaError,
         "'dose**2' in the formula 'y ~ dose**2 + (1|site)' would cross 'dose' with itself: "
         "write I(dose**2) for the power."),
    Case("number as an effect", lambda: fit("y ~ 2 + (1|site)"), FormulaError,
         "'2' in the formula 'y ~ 2 + (1|site)' is a number, and a formula may only have 1 or "
         "0 (with or without the mean): name a column."),
    Case("comparison without I()", lambda: fit("y ~ dose > 2 + (1|site)"), FormulaError,
         "'dose > 2' in the formula 'y ~ dose > 2 + (1|site)' cannot be read: put a comparison"
         " inside I(), as in I(x > 2)."),
    Case("square brackets", lambda: fit("y ~ dose[1] + (1|site)"), FormulaError,
         "'dose[1]' in the formula 'y ~ dose[1] + (1|site)' cannot be read: it may not have "
         "square brackets; order the levels in the data, with pd.Categorical."),
    Case("all other columns", lambda: fit("y ~ . + (1|site)"), FormulaError,
         "'.' in the formula 'y ~ . + (1|site)' cannot be read: name the columns, for '.' is "
         "not understood here."),
    Case("operator of R", lambda: fit("y ~ kind %in% batch + (1|site)"), FormulaError,
         "'kind %in% batch' in the formula 'y ~ kind %in% batch + (1|site)' cannot be read: "
         "write + : * / or ** between the names of columns, and put a name with spaces or "
         "other signs in `backquotes`."),
    Case("offset", lambda: fit("y ~ kind + offset(dose) + (1|site)"), FormulaError,
         "'offset(dose)' in the formula 'y ~ kind + offset(dose) + (1|site)' is not supported:"
         " subtract it from the response instead."),
    Case("nothing right of the bar", lambda: fit("y ~ (1|)"), FormulaError,
         "The random effect '(1|)' in the formula 'y ~ (1|)' needs effects on the left of one "
         "'|' and the grouping factor on its right, as in (1|g)."),
    Case("nothing left of the bar", lambda: fit("y ~ (|site)"), FormulaError,
         "The random effect '(|site)' in the formula 'y ~ (|site)' needs effects on the left "
         "of one '|' and the grouping factor on its right, as in (1|g)."),
    Case("two bars", lambda: fit("y ~ (1|site|batch)"), FormulaError,
         "The random effect '(1|site|batch)' in the formula 'y ~ (1|site|batch)' needs effects"
         " on the left of one '|' and the grouping factor on its right, as in (1|g)."),
    Case("grouped by a function", lambda: fit("y ~ (1|log(number))"), FormulaError,
         "The grouping factor 'log(number)' in the formula 'y ~ (1|log(number))' must be a "
         "column: make it first, then name it."),
    Case("grouped by C()", lambda: fit("y ~ (1|C(number))"), FormulaError,
         "The grouping factor 'C(number)' in the formula 'y ~ (1|C(number))' must be a column:"
         " write 'number' without C()."),
    Case("grouped by nothing", lambda: fit("y ~ (1|1)"), FormulaError,
         "The grouping factor '1' in the formula 'y ~ (1|1)' must be a column or several, as "
         "in (1|g), (1|g/h) or (1|g:h)."),
    Case("zero that varies", lambda: fit("y ~ dose + (0|site)"), FormulaError,
         "The random effect '(0|site)' in the formula 'y ~ dose + (0|site)' has nothing that "
         "varies: write (1|g) for a random mean, or (0 + x|g) for a random slope alone."),
    Case("no random effect", lambda: fit("y ~ dose"), FormulaError,
         "The formula 'y ~ dose' has no random effect, such as (1|g): add one, or use lm() for"
         " a model with fixed effects only."),
    Case("Error() of R", lambda: fit("y ~ dose + Error(site)"), FormulaError,
         "'Error(site)' in the formula 'y ~ dose + Error(site)' is the syntax of R's aov: "
         "write the random effect as (1|site)."),
    Case("random= of R, in the formula", lambda: fit("y ~ dose, random = ~1|site"), FormulaError,
         "'random =' in 'y ~ dose, random = ~1|site' is the syntax of R's lme: write the "
         "random effect into the formula, as in 'y ~ x + (1|g)'."),
    Case("arrow of R", lambda: fit("y <- dose + (1|site)"), FormulaError,
         "The formula 'y <- dose + (1|site)' has no '~': write response ~ effects, as in 'y ~ "
         "x + (1|g)'."),
    # -- Calls that beginners try ---------------------------------------------------------------
    Case("data first", lambda: mt.lmer(data(), "y ~ dose + (1|site)"), FormulaError,
         "The formula comes first and the data second, as in lmer('y ~ x + (1|g)', data)."),
    Case("data first in lm", lambda: mt.lm(data(), "y ~ dose"), FormulaError,
         "The formula comes first and the data second, as in lmer('y ~ x + (1|g)', data)."),
    Case("formula is a column", lambda: mt.lmer(data()["y"], data()), FormulaError,
         "The formula must be text in quotes, as 'y ~ x + (1|g)' is, not a Series."),
    Case("formula is None", lambda: mt.lmer(None, data()), FormulaError,
         "The formula must be text in quotes, as 'y ~ x + (1|g)' is, not None."),
    Case("no data", lambda: mt.lmer("y ~ dose + (1|site)"), FitError,
         "lmer() needs 'data': write lmer('y ~ x + (1|g)', data)."),
    Case("nothing at all", lambda: mt.lmer(), FitError,
         "lmer() needs 'formula': write lmer('y ~ x + (1|g)', data)."),
    Case("path as data", lambda: mt.lmer("y ~ dose + (1|site)", data="file.csv"), DataError,
         "The data must be a pandas DataFrame, not text: read the file first, as in data = "
         "pd.read_csv('file.csv')."),
    Case("dict as data", lambda: fit(d={"y": [1.0]}), DataError,
         "The data must be a pandas DataFrame, not a dict: pd.DataFrame(...) makes one of "
         "columns of equal length."),
    Case("array as data", lambda: fit(d=np.ones((3, 2))), DataError,
         "The data must be a pandas DataFrame, not an ndarray: pd.DataFrame(array, "
         "columns=['y', 'x', 'g']) makes one."),
    Case("column as data", lambda: fit(d=data()["y"]), DataError,
         "The data must be a pandas DataFrame, not a Series: give the whole table, not one "
         "column of it."),
    Case("function as data", lambda: fit(d=mt.load_tablets), DataError,
         "The data must be a pandas DataFrame, not a function: put parentheses behind its "
         "name, as in load_tablets()."),
    Case("None as data", lambda: mt.lmer("y ~ dose + (1|site)", None), DataError,
         "The data must be a pandas DataFrame, not None: pd.read_csv('file.csv') reads one "
         "from a file."),
    Case("method=", lambda: fit(method="REML"), FitError,
         "lmer() has no argument 'method': write reml=True for REML, or reml=False for ML."),
    Case("REML=", lambda: fit(REML=False), FitError,
         "lmer() has no argument 'REML': write reml=True for REML, or reml=False for ML."),
    Case("random=", lambda: mt.lmer("y ~ dose", random="~1|site", data=data()), FitError,
         "lmer() has no argument 'random': write the random effect into the formula, as in 'y "
         "~ x + (1|g)'."),
    Case("groups=", lambda: mt.lmer("y ~ dose", data(), groups="site"), FitError,
         "lmer() has no argument 'groups': write the random effect into the formula, as in 'y "
         "~ x + (1|g)'."),
    Case("misspelt argument", lambda: fit(remll=True), FitError,
         "lmer() has no argument 'remll'. Did you mean 'reml'?"),
    Case("unknown argument", lambda: fit(iterations=100), FitError,
         "lmer() has no argument 'iterations'; its arguments are 'formula', 'data', 'reml', 'ddf', "
         "'correlation' and 'variance'."),
    Case("too many arguments", lambda: mt.lmer("y ~ dose + (1|site)", data(), False), FitError,
         "lmer() takes 'formula' and 'data' by position: write all others with their names, "
         "such as reml=."),
    Case("reml is a word", lambda: fit(reml="ML"), FitError,
         "reml='ML' must be True (REML) or False (ML)."),
    # -- The data -------------------------------------------------------------------------------
    Case("no rows", lambda: fit(d=data().iloc[:0]), DataError,
         "The data have no rows: check the file, or the filter, they come from."),
    Case("no columns", lambda: fit(d=pd.DataFrame()), DataError,
         "The data have no rows: check the file, or the filter, they come from."),
    Case("columns in two levels", lambda: fit(d=pd.concat({"a": data()}, axis=1)), DataError,
         "The data have columns with several levels of names: give every column one name, as "
         "in data.columns = ['_'.join(names) for names in data.columns]."),
    Case("all rows missing", lambda: fit("y ~ nothing + (1|site)"), DataError,
         "No row is complete: in every row a value is missing in 'nothing'."),
    Case("missing here or there",
         lambda: fit(d=changed(dose=data()["dose"].where(data().row < 9), y=data()["y"][9:])),
         DataError,
         "No row is complete: in every row a value is missing in 'y' or 'dose'."),
    Case("response with decimal commas", lambda: fit("comma ~ dose + (1|site)"), DataError,
         "The response 'comma' holds text with decimal commas, such as '3,4': read the file "
         "with decimal=',', as in pd.read_csv(file, decimal=',')."),
    Case("response stored as text", lambda: fit("typed ~ dose + (1|site)"), DataError,
         "The response 'typed' holds numbers stored as text, such as '1': convert them with "
         "data['typed'] = data['typed'].astype(float)."),
    Case("response with a word in it", lambda: fit("mostly ~ dose + (1|site)"), DataError,
         "The response 'mostly' holds text, such as 'oops': correct such entries, or make them"
         " missing with data['mostly'] = pd.to_numeric(data['mostly'], errors='coerce')."),
    Case("response of numbers and text", lambda: fit("mixed ~ kind + (1|site)"), DataError,
         "The response 'mixed' holds numbers and text mixed, such as 'oops': correct such "
         "entries, or make them missing with data['mixed'] = pd.to_numeric(data['mixed'], "
         "errors='coerce')."),
    Case("response of words", lambda: fit("kind ~ dose + (1|site)"), DataError,
         "The response 'kind' holds text, such as 'lo', and no numbers: name a column of "
         "measurements."),
    Case("response of categories",
         lambda: fit("c ~ dose + (1|site)", changed(c=data()["typed"].astype("category"))),
         DataError,
         "The response 'c' holds numbers stored as categories, such as '1': convert them with "
         "data['c'] = data['c'].astype(float)."),
    Case("boolean response", lambda: fit("flag ~ kind + (1|site)"), DataError,
         "The response 'flag' holds True and False, not numbers: a linear mixed model needs a "
         "measurement."),
    Case("response of dates", lambda: fit("day ~ kind + (1|site)"), DataError,
         "The response 'day' holds dates, not numbers: count days, as in (data['day'] - "
         "data['day'].min()).dt.days."),
    Case("complex response", lambda: fit("imaginary ~ kind + (1|site)"), DataError,
         "The response 'imaginary' holds complex numbers: take their real part or their "
         "absolute value."),
    Case("infinite response", lambda: fit("endless ~ kind + (1|site)"), DataError,
         "The column 'endless' has infinite values in 1 row: correct them, or make them "
         "missing with data.replace([np.inf, -np.inf], np.nan)."),
    Case("infinite covariate", lambda: fit("y ~ endless + (1|site)"), DataError,
         "The column 'endless' has infinite values in 1 row: correct them, or make them "
         "missing with data.replace([np.inf, -np.inf], np.nan)."),
    Case("infinite logarithm", lambda: fit("y ~ log(dose) + (1|site)"), DataError,
         "'log(dose)' is infinite or undefined in 8 rows: check the values of 'dose' there."),
    Case("logarithm of a negative response",
         lambda: fit("log(y - 100) ~ dose + (1|site)"), DataError,
         "'log(y - 100)' is infinite or undefined in 48 rows: check the values of 'y' there."),
    Case("covariate with decimal commas", lambda: fit("y ~ comma + (1|site)"), DataError,
         "The column 'comma' holds text with decimal commas, such as '3,4': read the file with"
         " pd.read_csv(file, decimal=','), or write C(comma) if these are levels of a factor."),
    Case("covariate of numbers and text", lambda: fit("y ~ mixed + (1|site)"), DataError,
         "The column 'mixed' mixes numbers and text, such as 'oops': correct the text, or "
         "write C(mixed) if these are levels of a factor."),
    Case("covariate of dates", lambda: fit("y ~ day + (1|site)"), DataError,
         "The column 'day' holds dates: count days, as in (data['day'] - "
         "data['day'].min()).dt.days, or use C(day) if each is a level of a factor."),
    Case("slope on dates", lambda: fit("y ~ kind + (day|site)"), DataError,
         "The column 'day' holds dates: count days, as in (data['day'] - "
         "data['day'].min()).dt.days, or use C(day) if each is a level of a factor."),
    Case("covariate of times", lambda: fit("y ~ hours + (1|site)"), DataError,
         "The column 'hours' holds times: count seconds, as in "
         "data['hours'].dt.total_seconds(), or use C(hours) if each is a level of a factor."),
    Case("covariate of dates as objects", lambda: fit("y ~ date + (1|site)"), DataError,
         "The column 'date' holds dates: convert them to numbers, of days for example, or use "
         "C(date) if each is a level of a factor."),
    Case("complex covariate", lambda: fit("y ~ imaginary + (1|site)"), DataError,
         "The column 'imaginary' holds complex numbers: take their real part or absolute "
         "value."),
    Case("lists in cells", lambda: fit("y ~ dose + (1|lists)"), DataError,
         "The column 'lists' has a list in a cell, [0]: every cell must hold one value."),
    Case("1 and '1' as groups", lambda: fit("y ~ dose + (1|either)"), DataError,
         "The column 'either' has 0 as a number and as text, two levels of the same name: make"
         " them one with data['either'].astype(str)."),
    Case("zero variance", lambda: fit(d=changed(y=2.0)), DataError,
         "The response 'y' has the same value in every row, so there is no variance to "
         "explain: check the column."),
    Case("too large to square", lambda: fit(d=changed(y=data().y * 1e200)), DataError,
         "The response 'y' has values as large as 8e+200, which cannot be squared: change its "
         "unit."),
    Case("too small to square", lambda: fit(d=changed(dose=data().dose * 1e-200)), DataError,
         "'dose' has values as small as 5e-200, which cannot be squared: change its unit."),
    # -- Data and model together ----------------------------------------------------------------
    Case("factor with one level", lambda: fit("y ~ same + (1|site)"), DataError,
         "The factor 'same' has only one level, 'all', so there is nothing to compare: leave "
         "it out of the formula."),
    Case("grouping factor with one level", lambda: fit("y ~ dose + (1|same)"), DataError,
         "The grouping factor 'same' has only one level, 'all', and a variance between groups "
         "needs at least two: leave (1 | same) out."),
    Case("one level per row", lambda: fit("y ~ dose + (1|row)"), DataError,
         "'row' has as many levels as there are rows, 48, so its effect cannot be told from "
         "the residual: leave (1 | row) out."),
    Case("interaction without replication", lambda: fit("y ~ dose + (1|site:row)"), DataError,
         "'site:row' has as many levels as there are rows, 48, so its effect cannot be told "
         "from the residual: leave (1 | site:row) out."),
    Case("more random effects than rows", lambda: fit("y ~ kind + (kind*dose|site)"), DataError,
         "(kind + dose + kind:dose | site) has 48 random effects for 48 rows, so they cannot "
         "be told from the residual: use fewer of them, as in (1|g)."),
    Case("slope on text with many levels", lambda: fit("y ~ dose + (many|site)"), DataError,
         "(many | site) has 384 random effects for 48 rows, so they cannot be told from the "
         "residual: 'many' is a factor with 48 levels; if it should be a covariate, convert it"
         " to numbers."),
    Case("fixed factor with many levels", lambda: fit("y ~ many + (1|site)"), FitError,
         "There are 48 rows for 48 fixed effects, so nothing is left for the residual "
         "variance: 'many' is a factor with 48 levels; if it should be a covariate, convert it"
         " to numbers."),
    Case("more effects than rows",
         lambda: fit("y ~ kind*dose*batch + (1|site)", data().head(6)), FitError,
         "There are 6 rows for 12 fixed effects, so nothing is left for the residual variance:"
         " use fewer effects, or more data."),
    Case("one row", lambda: fit("y ~ dose + (1|site)", data().head(1)), FitError,
         "There is 1 row for 2 fixed effects, so nothing is left for the residual variance: "
         "use fewer effects, or more data."),
    Case("the same random effect twice",
         lambda: fit("y ~ dose + (1|site) + (1|site)"), FormulaError,
         "(1 | site) stands in the formula twice: leave one out."),
    Case("two random intercepts", lambda: fit("y ~ dose + (1|site) + (dose|site)"), FormulaError,
         "(1 | site) and (dose | site) both have a random intercept: keep only one of them, or"
         " write (x||g) for an independent intercept and slope."),
    Case("slope that is constant", lambda: fit("y ~ dose + (three|site)"), DataError,
         "'three' has the same value in every row, so (three | site) has no slope to estimate:"
         " leave 'three' out."),
    Case("slopes that are collinear", lambda: fit("y ~ dose + (dose + twice|site)"), DataError,
         "The effects 'Intercept', 'dose' and 'twice' of (dose + twice | site) are collinear, "
         "so their variances cannot be told apart: use fewer of them."),
    Case("factor both fixed and random", lambda: fit("y ~ site + (1|site)"), FitError,
         "The fixed effects already give every group of 'site' its own mean, so (1 | site) has"
         " nothing left to vary: leave one of the two out."),
    Case("fixed effects reproduce the response", lambda: fit("twice ~ dose + (1|site)"), FitError,
         "The fixed effects reproduce the response exactly; nothing is left to estimate "
         "variances from. Check the response."),
    Case("random effects reproduce the response", lambda: fit("number ~ 1 + (1|site)"), FitError,
         "The residual variance tends to zero: the fixed and random effects reproduce the "
         "response exactly. Remove a random effect or check the response for copied values."),
    # -- Degrees of freedom, ANOVA and intervals ------------------------------------------------
    Case("misspelt df method", lambda: fit(ddf="satterthwait"), InferenceError,
         "'satterthwait' is not a df method. Did you mean 'satterthwaite'?"),
    Case("unknown df method in the summary", lambda: model().summary(ddf="typo"), InferenceError,
         "'typo' is not a df method: choose 'containment', 'satterthwaite', 'kenward-roger' or"
         " 'none'."),
    Case("df method is a number", lambda: model().anova(ddf=3), InferenceError,
         "3 is not a df method: choose 'containment', 'satterthwaite', 'kenward-roger' or "
         "'none'."),
    Case("residual df of a mixed model", lambda: model().anova(ddf="residual"), InferenceError,
         "The df method 'residual' does not apply to this model: choose 'containment', "
         "'satterthwaite', 'kenward-roger' or 'none'."),
    Case("Kenward-Roger after ML",
         lambda: fit(reml=False).summary(ddf="kenward-roger"), InferenceError,
         "Kenward-Roger's method needs a REML fit, and this model was fitted by ML: fit it "
         "with reml=True, or use ddf='satterthwaite'."),
    Case("type 4", lambda: model().anova(type=4), InferenceError,
         "type=4 is not a type of ANOVA: choose 1 (sequential), 2, 3 or 'marginal'."),
    Case("type is a word", lambda: model().anova(type="iii"), InferenceError,
         "type='iii' is not a type of ANOVA: choose 1 (sequential), 2, 3 or 'marginal'."),
    Case("type is a list", lambda: model().anova(type=[3]), InferenceError,
         "type=[3] is not a type of ANOVA: choose 1 (sequential), 2, 3 or 'marginal'."),
    Case("df method as type", lambda: model().anova("kenward-roger"), InferenceError,
         "'kenward-roger' is not a type of ANOVA but a df method: write ddf='kenward-roger'."),
    Case("anova of two models", lambda: model().anova(simple()), InferenceError,
         "anova() is of one model: write compare(m0, m1) to compare two."),
    Case("intercept that is not there",
         lambda: fit("y ~ 0 + dose + (1|site)").anova(intercept=True), InferenceError,
         "The model has no intercept to test: leave intercept=True out."),
    Case("misspelt method for intervals", lambda: model().conf_int(method="profil"), InferenceError,
         "'profil' is not a method for intervals. Did you mean 'profile'?"),
    Case("level as method", lambda: model().conf_int(0.95), InferenceError,
         "0.95 is not a method for intervals: name the level, as in conf_int(level=0.95)."),
    Case("level in percent", lambda: model().conf_int(level=95), InferenceError,
         "level=95 must be a number between 0 and 1, as in level=0.95."),
    Case("level outside (0, 1)", lambda: model().coefficients(level=1), InferenceError,
         "level=1 must be a number between 0 and 1, as in level=0.95."),
    Case("level is text", lambda: model().conf_int("profile", level="0.95"), InferenceError,
         "level='0.95' must be a number between 0 and 1, as in level=0.95."),
    Case("no simulations", lambda: model().conf_int("bootstrap", nsim=0), InferenceError,
         "nsim=0 must be a whole number of at least 2, as in nsim=1000."),
    Case("seed is a word", lambda: model().conf_int("bootstrap", seed="a"), InferenceError,
         "seed='a' must be a whole number, as in seed=1, or None."),
    Case("argument of summary", lambda: model().summary(df="none"), InferenceError,
         "summary() has no argument 'df'. Did you mean 'ddf'?"),
    Case("wrong length of theta", lambda: model().profile_deviance([1, 2]), InferenceError,
         "theta=[1.0, 2.0] must be like the model's .theta: finite, and of length 1."),
    Case("shares of variance with a slope",
         lambda: fit("y ~ kind + (dose|site)").icc, InferenceError,
         "With a random slope the shares of variance depend on the covariate: look at "
         "variance_components instead."),
    # -- Means and contrasts --------------------------------------------------------------------
    Case("means of a covariate", lambda: model().emmeans("dose"), InferenceError,
         "'dose' is a covariate and has no levels: say at which values, as in at={'dose': "
         "[2.500]}, or fit it as a factor with C(dose)."),
    Case("means of an unknown factor", lambda: model().emmeans("kinds"), InferenceError,
         "'kinds' is not a factor of the fixed effects. Did you mean 'kind'?"),
    Case("means of nothing like it", lambda: fit().emmeans("zzz"), InferenceError,
         "'zzz' is not a factor of the fixed effects. There is only 'kind'."),
    Case("means without factors", lambda: simple().emmeans("kind"), InferenceError,
         "'kind' is not a factor of the fixed effects. There are none."),
    Case("means of a grouping factor", lambda: model().emmeans("site"), InferenceError,
         "'site' is a grouping factor, and means are estimated for fixed effects only: look at"
         " .random_effects, or add it to the fixed effects."),
    Case("means of a factor that is only random",
         lambda: fit("y ~ dose + (batch|site)").emmeans("batch"), InferenceError,
         "'batch' is only in the random effects: add it to the fixed effects as well."),
    Case("means of no name", lambda: model().emmeans(""), InferenceError,
         "emmeans() needs the name of a factor, as in emmeans('method')."),
    Case("means of a column", lambda: model().emmeans(data()["kind"]), InferenceError,
         "The first argument of emmeans() must be the name of a factor, such as 'method', or a"
         " list of names, not a Series."),
    Case("means in the syntax of R", lambda: model().emmeans("pairwise ~ kind"), InferenceError,
         "'pairwise ~ kind' is the syntax of R: name the factor alone, and compare its means "
         "with .pairs()."),
    Case("by an unknown factor", lambda: model().emmeans("kind", by="bach"), InferenceError,
         "'bach' is not a factor of the fixed effects. Did you mean 'batch'?"),
    Case("by the same factor", lambda: model().emmeans("kind", by="kind"), InferenceError,
         "The means of 'kind' cannot also be grouped by 'kind': leave one out."),
    Case("by said twice", lambda: model().emmeans("kind | batch", by="batch"), InferenceError,
         "'kind | batch' and by='batch' both say what to group by: leave one out."),
    Case("too many positions in emmeans",
         lambda: model().emmeans("kind", "batch", "none"), InferenceError,
         "emmeans() takes 'specs' and 'by' by position: write all others with their names, "
         "such as at=."),
    Case("at an unknown variable", lambda: model().emmeans("kind", at={"time": 1}), InferenceError,
         "at= names 'time', which is not in the fixed effects. There are 'kind', 'batch' and "
         "'dose'."),
    Case("at an unknown level", lambda: model().emmeans("kind", at={"batch": "w"}), InferenceError,
         "at= names 'w', which is not a level of 'batch': choose 'u' or 'v'."),
    Case("at a word", lambda: model().emmeans("kind", at={"dose": "five"}), InferenceError,
         "at= gives ['five'] for the covariate 'dose': give finite numbers, as in at={'dose': "
         "[2.500]}."),
    Case("at no dict", lambda: model().emmeans("kind", at="dose=3"), InferenceError,
         "at='dose=3' must be a dict of variables and values, as in at={'age': [8, 12]}."),
    Case("at no values", lambda: model().emmeans("kind", at={"dose": []}), InferenceError,
         "at= gives no value for 'dose': give at least one."),
    Case("unknown weights", lambda: model().emmeans("kind", weights="eqal"), InferenceError,
         "'eqal' is not a way to weight the cells. Did you mean 'equal'?"),
    Case("weights are numbers", lambda: model().emmeans("kind", weights=[1, 2, 3]), InferenceError,
         "[1, 2, 3] is not a way to weight the cells: choose 'equal' or 'proportional'."),
    Case("misspelt adjustment", lambda: means().pairs(adjust="tuckey"), InferenceError,
         "'tuckey' is not an adjustment. Did you mean 'tukey'?"),
    Case("unknown adjustment", lambda: means().pairs(adjust="fdr"), InferenceError,
         "'fdr' is not an adjustment: choose 'tukey', 'sidak', 'bonferroni', 'holm' or 'none'."),
    Case("level of means", lambda: model().emmeans("kind", level=2), InferenceError,
         "level=2 must be a number between 0 and 1, as in level=0.95."),
    Case("by in pairs", lambda: means().pairs(by="batch"), InferenceError,
         "pairs() has no argument 'by': give it to emmeans()."),
    Case("one mean", lambda: model().emmeans("kind", at={"kind": "lo"}).pairs(), InferenceError,
         "There is only one mean, 'lo', and nothing to compare it with: ask for the means of "
         "at least two levels."),
    Case("misspelt kind of contrast", lambda: means().contrast("pairwize"), InferenceError,
         "'pairwize' is not a kind of contrast. Did you mean 'pairwise'?"),
    Case("unknown kind of contrast", lambda: means().contrast("dunnett"), InferenceError,
         "'dunnett' is not a kind of contrast: choose 'pairwise', 'revpairwise', 'reference', "
         "'poly', 'effects' or 'consecutive'."),
    Case("weights without a label", lambda: means().contrast([1, -1, 0]), InferenceError,
         "[1, -1, 0] is not a kind of contrast: give its name, such as 'pairwise', or a dict "
         "of labels and weights, such as {'first - second': [1, -1]}."),
    Case("no contrasts", lambda: means().contrast({}), InferenceError,
         "The dict of contrasts is empty: give labels and weights, such as {'first - second': "
         "[1, -1]}."),
    Case("contrast of wrong length", lambda: means().contrast({"hi - lo": [1, -1]}), InferenceError,
         "'hi - lo' has 2 weights, but there are 3 means: 'hi', 'lo' and 'mid'."),
    Case("weights are words", lambda: means().contrast({"c": ["hi", "lo", "mid"]}), InferenceError,
         "The weights of 'c' must be numbers, one for each of the means 'hi', 'lo' and 'mid', "
         "not ['hi', 'lo', 'mid']."),
    Case("weights are missing", lambda: means().contrast({"c": [1, -1, np.nan]}), InferenceError,
         "The weights of 'c' must be numbers, one for each of the means 'hi', 'lo' and 'mid', "
         "not [1, -1, nan]."),
    Case("weights are zero", lambda: means().contrast({"c": [0, 0, 0]}), InferenceError,
         "The weights of 'c' are all zero: give one that is not."),
    Case("unknown reference", lambda: means().contrast("reference", ref="high"), InferenceError,
         "ref='high' is not one of the means: choose 'hi', 'lo' or 'mid'."),
    Case("reference by another name",
         lambda: means().contrast("reference", reference="hi"), InferenceError,
         "contrast() has no argument 'reference': write ref='level'."),
    Case("estimable of wrong length",
         lambda: simple().estimable({"at 2": [1, 2, 3]}), InferenceError,
         "'at 2' has 3 weights, but there are 2 coefficients: 'Intercept' and 'dose'."),
    Case("estimable without labels", lambda: simple().estimable([1, 2]), InferenceError,
         "estimable() needs a dict of labels and weights, one weight for each coefficient, as "
         "in {'my function': [1, 0]}."),
    Case("estimable of words", lambda: simple().estimable({"at 2": ["a", "b"]}), InferenceError,
         "The weights of 'at 2' must be numbers, one for each of the coefficients 'Intercept' "
         "and 'dose', not ['a', 'b']."),
    # -- New data, new responses, several models ------------------------------------------------
    Case("new level of a fixed factor", lambda: model().predict(new(kind="huge")), DataError,
         "'huge' is not a level of 'kind' in the fit: choose 'hi', 'lo' or 'mid'."),
    Case("new group", lambda: model().predict(new(site="s99")), DataError,
         "'s99' is not a group of 'site' in the fit: use random=False for the average group, "
         "or new_levels='zero'."),
    Case("column not in the new data",
         lambda: model().predict(new().drop(columns="dose")), DataError,
         "The new data lack the column 'dose' that the model uses. There are 'site', 'kind' "
         "and 'batch'."),
    Case("group not in the new data",
         lambda: model().predict(new().drop(columns="site")), DataError,
         "The new data lack the grouping factor 'site': add it, or use predict(..., "
         "random=False), which does not need it."),
    Case("words in the new data", lambda: model().predict(new(dose="five")), DataError,
         "The column 'dose' held numbers in the fit, but holds text here: convert it with "
         "pd.to_numeric."),
    Case("words in a function of new data",
         lambda: fit("y ~ log(dose + 1) + (1|site)").predict(new(dose="a")), FormulaError,
         "'log(dose + 1)' cannot be computed, because 'dose' holds text, not numbers: name a "
         "column of numbers."),
    Case("infinite new data", lambda: model().predict(new(dose=np.inf)), DataError,
         "The column 'dose' has infinite values in 3 rows: correct them, or make them missing "
         "with data.replace([np.inf, -np.inf], np.nan)."),
    Case("new data in a dict", lambda: model().predict({"dose": [1]}), DataError,
         "The new data must be a pandas DataFrame, not a dict: pd.DataFrame(...) makes one of "
         "columns of equal length."),
    Case("one row as a Series", lambda: model().predict(new().iloc[0]), DataError,
         "The new data must be a pandas DataFrame, not a Series: give the whole table, not one"
         " column of it."),
    Case("two new columns of the same name",
         lambda: model().predict(pd.concat([new(), new()[["dose"]]], axis=1)), DataError,
         "The new data have more than one column 'dose': rename one."),
    Case("unknown way to treat new levels",
         lambda: model().predict(new(), new_levels="allow"), InferenceError,
         "'allow' is not a way to treat new levels: choose 'error' or 'zero'."),
    Case("intervals with random effects",
         lambda: model().predict(new(), intervals=True), InferenceError,
         "Intervals exist for the fixed part only: write predict(..., random=False, "
         "intervals=True)."),
    Case("new response of wrong length", lambda: model().refit([1, 2]), DataError,
         "The new response has 2 values, but the fit used 48 rows: give one value for each of "
         "them."),
    Case("new response with a gap",
         lambda: model().refit(data()["y"].where(data().row > 3)), DataError,
         "The new response has 4 missing or infinite values: fit the model anew to the rows "
         "that are complete."),
    Case("new response by name", lambda: model().refit("y"), DataError,
         "The new response must be one column of numbers, as in data['y'], not 'y'."),
    Case("new response in a table", lambda: model().refit(data()[["y"]]), DataError,
         "The new response has 48 x 1 values, but the fit used 48 rows: give one value for "
         "each of them."),
    Case("new response in another order", lambda: model().refit(data()["y"][::-1]), DataError,
         "The new response has the rows of the data in another order: use "
         "y.loc[m.fittedvalues.index]."),
    Case("new response reproduced", lambda: model().refit(data()["dose"]), FitError,
         "The fixed effects reproduce the response exactly; nothing is left to estimate "
         "variances from. Check the response."),
    Case("simulations that are not whole", lambda: model().simulate(1.5), InferenceError,
         "n=1.5 must be a whole number of at least 1, as in n=1000."),
    Case("negative seed", lambda: model().simulate(seed=-1), InferenceError,
         "seed=-1 must be a whole number, as in seed=1, or None."),
    Case("compare on different rows",
         lambda: mt.compare(simple(), fit("y ~ dose + (1|site)", data().head(40))), InferenceError,
         "The models use different rows, 48 and 40 (missing values?), so their likelihoods "
         "cannot be compared: use data.dropna() first, then fit both."),
    Case("compare different responses",
         lambda: mt.compare(simple(), fit("log(y) ~ dose + (1|site)")), InferenceError,
         "The models have different responses, or rows in another order, so their likelihoods "
         "cannot be compared: fit both to the same response and rows."),
    Case("compare one model", lambda: mt.compare(simple()), InferenceError,
         "compare() needs at least two models, as in compare(m0, m1)."),
    Case("compare a list", lambda: mt.compare([simple(), model()]), InferenceError,
         "compare() takes the models one by one: write compare(m0, m1)."),
    Case("compare formulas",
         lambda: mt.compare("y ~ dose + (1|site)", "y ~ 1 + (1|site)"), InferenceError,
         "compare() takes models fitted by lmer(), gls() or lm(), not text."),
    Case("two names for the same groups",
         lambda: mt.lmer("y ~ dose + (1|site) + (1|place)", data().assign(place=data()["site"])),
         DataError,
         "'site' and 'place' form the same groups, so the data cannot tell their variances apart: "
         "leave (1 | site) or (1 | place) out."),
    Case("a slash for a bar",
         lambda: mt.lmer("y ~ dose + (1/site)", data()), FormulaError,
         "'dose + (1/site)' in the formula 'y ~ dose + (1/site)' cannot be read: write a random "
         "effect with an upright bar, (1|site)."),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS, ids=[case.name for case in REFUSALS])
def test_refusal(case: Case) -> None:
    with pytest.raises(MixedTeachError) as caught:
        case.call()
    assert str(caught.value) == case.message
    assert type(caught.value) is case.error


def test_names_are_distinct() -> None:
    assert len({case.name for case in REFUSALS}) == len(REFUSALS)


@pytest.mark.parametrize("case", REFUSALS, ids=[case.name for case in REFUSALS])
def test_style(case: Case) -> None:
    message = case.message
    assert message.endswith((".", "?"))
    assert "  " not in message
    # one sentence, or two short ones; what stands in quotes or code is no sentence
    assert len(re.findall(r"[.?!;] (?=[A-Z])", message)) <= 1 + message.count("R's")
    assert len(message) < 260
    assert not re.search(r"Error|Traceback|ndarray\(|dtype|ufunc|NoneType", message.split("R's")[0]
                         .replace("Error(site)", ""))  # fmt: skip


# -- what is done, and said ------------------------------------------------------------------------


def said(call: Callable[[], Any]) -> tuple[Any, list[str]]:
    """Return the result and the warnings, which must point at this file."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call()
    assert all(w.category is MixedTeachWarning and w.filename == __file__ for w in caught), caught
    return result, [str(w.message) for w in caught]


def test_collinear_terms_are_named() -> None:
    note = (
        "The column 'twice' of the fixed effects is determined by the others and left out "
        "(collinear terms or empty cells)."
    )
    m, warned = said(lambda: fit("y ~ dose + twice + (1|site)"))
    assert warned == [note]
    assert m.notes == [note]
    assert f"Note: {note}" in str(m.summary())
    assert list(m.params.index) == ["Intercept", "dose"]
    with pytest.warns(MixedTeachWarning, match="^The columns 'twice' and 'three' of the fixed"):
        fit("y ~ dose + twice + three + (1|site)")


def test_text_that_is_mostly_numbers() -> None:
    d = pd.concat([data(), changed(y=data()["y"] ** 2)])
    _, warned = said(lambda: mt.lm("y ~ mostly", d))
    assert warned == [
        "The column 'mostly' holds text and is a factor with 48 levels, though most are numbers: "
        "if it should be a covariate, correct 'oops' and convert it with pd.to_numeric."
    ]


def test_level_without_data_is_noted() -> None:
    kind = pd.Categorical(data()["kind"], ["lo", "mid", "hi", "huge"])
    m, warned = said(lambda: fit(d=changed(kind=kind)))
    assert warned == []
    assert m.notes == ["Level 'huge' of 'kind' has no data and is left out."]
    assert list(m.params.index) == ["Intercept", "kind[mid]", "kind[hi]", "dose"]


def test_rows_left_out_are_counted() -> None:
    m, warned = said(lambda: fit(d=changed(dose=data().dose.where(data().row > 2))))
    assert warned == []
    assert m.notes == ["3 of 48 rows left out for missing values (dose 3)."]
    assert m.notes[0] in m.anova().notes


def test_slope_on_a_factor_with_empty_cells() -> None:
    d = data()
    m = fit("y ~ batch + (batch|site)", d[(d.site != "s0") | (d.batch != "u")])
    assert m.notes[0] == (
        "In (batch | site), 1 of 8 groups have no data for some level of 'batch': their effect "
        "there is predicted from the others."
    )


def test_variance_of_zero_is_noted() -> None:
    d = changed(y=data()["y"] - data().groupby("site")["y"].transform("mean"))
    assert fit(d=d).notes == [
        "The variance of site is estimated as zero: beyond the other terms, the groups differ no "
        "more than chance would make them. (1 | site) then changes nothing in the fit; keep it if "
        "the design demands it."
    ]


def test_weights_that_do_not_sum_to_zero() -> None:
    table, warned = said(lambda: means().contrast({"sum": [1, 1, 0]}))
    assert warned == [
        "The weights of 'sum' sum to 2, not 0: the result is not a comparison of means but depends "
        "on their overall size."
    ]
    assert table["estimate"].item() == pytest.approx(means()["emmean"].iloc[:2].sum())


def test_prediction_of_an_empty_cell_is_missing() -> None:
    d = data()
    d = d[(d.kind != "lo") | (d.batch != "u")]
    m, _ = said(lambda: fit("y ~ kind*batch + (1|site)", d))
    row = new(kind=["lo", "lo", "hi"], batch=["u", "v", "u"])
    predicted, warned = said(lambda: m.predict(row))
    assert predicted.isna().tolist() == [True, False, False]
    assert warned == [
        "1 of 3 predictions are missing, because the data of the fit do not determine them (empty "
        "cells)."
    ]


# -- what must work --------------------------------------------------------------------------------


def test_missing_values_in_new_data_are_missing_predictions() -> None:
    full = model().predict(new())
    for column in ("dose", "kind", "site"):
        row = new()
        row[column] = row[column].astype(object).where([True, False, True], None)
        row[column] = row[column].infer_objects()
        predicted = model().predict(row)
        assert predicted.isna().tolist() == [False, True, False]
        assert predicted.iloc[[0, 2]].equals(full.iloc[[0, 2]])
    row = new(site=["s0", None, "s1"])
    assert not model().predict(row, random=False).isna().any()
    assert model().predict(row, new_levels="zero").isna().tolist() == [False, True, False]
    row = new(dose=pd.array([1, pd.NA, 2], dtype="Int64"))
    table = model().predict(row, random=False, intervals=True, ddf="kenward-roger")
    assert table.isna().all(axis=1).tolist() == [False, True, False]
    slopes = fit("y ~ kind + (dose|site)")
    assert slopes.predict(row).isna().tolist() == [False, True, False]
    assert model().predict(new().head(0)).shape == (0,)
    least = mt.lm("y ~ kind + dose", data())
    assert least.predict(row).isna().tolist() == [False, True, False]
    table = least.predict(row, intervals=True)
    assert table["lower"].isna().tolist() == [False, True, False]
    assert not any("blank" in note for note in table.notes)


def test_new_groups_may_be_predicted_as_average() -> None:
    row = new(site=["s0", "s0", "s99"])
    predicted = model().predict(row, new_levels="zero")
    assert predicted.iloc[2] == pytest.approx(model().predict(row, random=False).iloc[2])


def renamed(**names: str) -> pd.DataFrame:
    return data().rename(columns=names)


SAME_FIT: list[tuple[str, Callable[[], Any]]] = [
    ("Python's words, unquoted", lambda: fit("y ~ class + (1|lambda)",
                                             renamed(dose="class", site="lambda"))),
    ("Python's words, quoted", lambda: fit("y ~ `True` + (1|`None`)",
                                           renamed(dose="True", site="None"))),
    ("names of functions", lambda: fit("y ~ log + (1|C)", renamed(dose="log", site="C"))),
    ("spaces", lambda: fit("y ~ `my dose` + (1|`my site`)",
                           renamed(dose="my dose", site="my site"))),
    ("dots and umlauts", lambda: fit("größe.cm ~ düngung.kg + (1|block.nr)",
                                     renamed(y="größe.cm", dose="düngung.kg", site="block.nr"))),
    ("dots and umlauts, quoted", lambda: fit("`größe (cm)` ~ `dün-gung` + (1|`nr.`)",
                                             renamed(y="größe (cm)", dose="dün-gung", site="nr."))),
    ("signs of formulas", lambda: fit("`y~` ~ `a|b(` + (1|`c^2`)",
                                      renamed(y="y~", dose="a|b(", site="c^2"))),
    ("white space", lambda: fit("  y~dose+\n(1 | site)  ")),
    ("double parentheses", lambda: fit("(y) ~ (dose) + ((1|site))")),
    ("quoted names", lambda: fit("y ~ 'dose' + (1|'site')")),
    ("Int64 and Float64", lambda: fit("y ~ dose + (1|site)", changed(
        dose=data().dose.astype("Int64"), y=data().y.astype("Float64")))),
    ("string dtype", lambda: fit("y ~ dose + (1|site)", changed(
        site=data().site.astype("string")))),
    ("float32 covariate", lambda: fit("y ~ dose + (1|site)", changed(
        dose=data().dose.astype("float32")))),
    ("sparse covariate", lambda: fit("y ~ dose + (1|site)", changed(
        dose=pd.arrays.SparseArray(data().dose)))),
    ("whole numbers as objects", lambda: fit("y ~ dose + (1|site)", changed(
        dose=data().dose.astype(int).astype(object)))),
    ("Decimal", lambda: fit("y ~ dose + (1|site)", changed(
        y=data().y.map(lambda v: decimal.Decimal(str(v)))))),
    ("categories as groups", lambda: fit("y ~ dose + (1|site)", changed(
        site=data().site.astype("category")))),
    ("ordered categories as groups", lambda: fit("y ~ dose + (1|site)", changed(
        site=pd.Categorical(data().site, ordered=True)))),
    ("whole numbers as groups", lambda: fit("y ~ dose + (1|number)")),
    ("numbers as groups", lambda: fit("y ~ dose + (1|number)", changed(
        number=data().number / 2))),
    ("mixed types as groups", lambda: fit("y ~ dose + (1|number)", changed(
        number=data().number.astype(object).where(data().number < 4, data().site)))),
    ("dates as groups", lambda: fit("y ~ dose + (1|number)", changed(
        number=pd.Timestamp("2024-03-01") + pd.to_timedelta(data().number, unit="D")))),
    ("tuples as groups", lambda: fit("y ~ dose + (1|number)", changed(
        number=[(i, "x") for i in data().number]))),
    ("very long names of groups", lambda: fit("y ~ dose + (1|site)", changed(
        site="x" * 3000 + data().site))),
    ("MultiIndex of rows", lambda: fit("y ~ dose + (1|site)", data().set_index(
        ["site", "kind"], drop=False))),
    ("duplicated index of rows", lambda: fit("y ~ dose + (1|site)", data().set_index(
        np.zeros(48, int)))),
    ("unused columns of any name", lambda: fit("y ~ dose + (1|site)", data().assign(
        **{"a b": 1}).rename(columns={"kind": 7}))),
]  # fmt: skip


@pytest.mark.parametrize("call", [call for _, call in SAME_FIT], ids=[n for n, _ in SAME_FIT])
def test_same_fit(call: Callable[[], Any]) -> None:
    m = call()
    np.testing.assert_allclose(m.params, simple().params, rtol=1e-6)
    np.testing.assert_allclose(m.scale, simple().scale, rtol=1e-6)
    np.testing.assert_allclose(m.fittedvalues, simple().fittedvalues, rtol=1e-6)
    assert len(m.resid) == 48
    assert m.resid.index.equals(m.data.index)
    assert str(m.summary())
    assert m._repr_html_()
    assert m.predict(m.data.head(2)).to_numpy() == pytest.approx(m.fittedvalues.to_numpy()[:2])


SAME_FACTOR: list[tuple[str, str, Callable[[], pd.DataFrame]]] = [
    ("text", "kind", data),
    ("string dtype", "kind", lambda: changed(kind=data().kind.astype("string"))),
    ("objects", "kind", lambda: changed(kind=data().kind.astype(object))),
    ("categories", "kind", lambda: changed(kind=data().kind.astype("category"))),
    ("ordered categories", "kind", lambda: changed(kind=pd.Categorical(data().kind, ordered=True))),
    ("categories of whole numbers", "kind", lambda: changed(
        kind=pd.Categorical(data().kind.map({"hi": 1, "lo": 2, "mid": 3})))),
    ("C() of whole numbers", "C(kind)", lambda: changed(
        kind=data().kind.map({"hi": 1, "lo": 2, "mid": 3}))),
    ("C() of dates", "C(kind)", lambda: changed(
        kind=pd.to_datetime(data().kind.map({"hi": "2024-03-01", "lo": "2024-03-02",
                                             "mid": "2024-03-03"})))),
    ("intervals", "kind", lambda: changed(
        kind=pd.cut(data().kind.map({"hi": 1, "lo": 2, "mid": 3}), 3))),
    ("C() with Treatment", "C(kind, Treatment('hi'))", data),
    ("spaces", "`my kind`", lambda: renamed(kind="my kind")),
]  # fmt: skip


@pytest.mark.parametrize("case", SAME_FACTOR, ids=[case[0] for case in SAME_FACTOR])
def test_same_factor(case: tuple[str, str, Callable[[], pd.DataFrame]]) -> None:
    term, d = case[1:]
    m = fit(f"y ~ {term} + (1|site)", d())
    expected = fit("y ~ kind + (1|site)").emmeans("kind")
    found = m.emmeans(term)
    for column in ("emmean", "SE", "df"):
        np.testing.assert_allclose(found[column], expected[column], rtol=1e-6)
    assert str(found.pairs())


def test_missing_values_of_every_kind() -> None:
    gone = data().row.isin([1, 5])
    expected = fit("y ~ dose + kind + flag + (1|site)", data()[~gone])
    kinds = {
        "dose": data().dose.astype("Int64").where(~gone),
        "y": data().y.astype("Float64").where(~gone),
        "flag": data().flag.astype("boolean").where(~gone),
        "kind": data().kind.astype("category").where(~gone),
        "site": data().site.astype("string").where(~gone),
    }
    for name, values in kinds.items():
        m = fit("y ~ dose + kind + flag + (1|site)", changed(**{name: values}))
        assert m.notes[0] == f"2 of 48 rows left out for missing values ({name} 2)."
        np.testing.assert_allclose(m.params, expected.params, rtol=1e-6)
    several = fit("y ~ dose + kind + flag + (1|site)", changed(**kinds))
    assert several.notes[0] == (
        "2 of 48 rows left out for missing values (y 2, dose 2, kind 2, flag 2, site 2)."
    )


def test_boolean_factor() -> None:
    m = fit("y ~ flag + (1|site)")
    assert m.emmeans("flag").pairs()["contrast"].tolist() == ["False - True"]
    assert m.predict(new(flag=[True, False, True])).notna().all()


def test_names_in_emmeans() -> None:
    m = fit("y ~ `my kind`*batch + (1|site)", renamed(kind="my kind"))
    for specs in ("my kind | batch", "`my kind`|batch", "~ `my kind` | batch"):
        if specs.startswith("my"):
            assert len(m.emmeans("my kind", by="batch")) == 6
        else:
            assert list(m.emmeans(specs)["my kind"]) == ["hi", "lo", "mid"] * 2
    assert len(m.emmeans(["my kind", "batch"])) == 6


def test_groups_read_as_floats_in_new_data() -> None:
    m = fit("y ~ dose + (1|number)")
    row = pd.DataFrame({"dose": [0.0, 1.0], "number": [3.0, np.nan]})
    predicted = m.predict(row)
    assert predicted.iloc[0] == pytest.approx(m.fittedvalues.iloc[18])
    assert np.isnan(predicted.iloc[1])


def test_days_as_the_message_says() -> None:
    d = changed(days=(data()["day"] - data()["day"].min()).dt.days)
    assert fit("y ~ days + (1|site)", d).params["days"] == pytest.approx(simple().params["dose"])


def test_numbers_as_the_message_says() -> None:
    d = changed(typed=data()["typed"].astype(float))
    assert fit("typed ~ dose + (1|site)", d).nobs == 48
    d = changed(mostly=pd.to_numeric(data()["mostly"], errors="coerce"))
    assert fit("mostly ~ dose + (1|site)", d).nobs == 47


def test_errors_are_value_errors() -> None:
    for error in (FormulaError, DataError, FitError, InferenceError):
        assert issubclass(error, MixedTeachError)
        assert issubclass(error, ValueError)
    assert isinstance(data()["date"].iloc[0], datetime.date)
