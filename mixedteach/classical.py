r"""The first half of the lecture: the paired t-test, least squares and its ANOVA, Tukey's HSD.

These methods treat every effect but the residual as fixed. They are what the mixed model is
compared with, and in balanced data they often agree with it.

    d_i = mu + e_i                  :func:`paired_t_test`
    y   = X beta + e                :func:`lm`, e ~ N(0, sigma^2 I)

Sources: Student (1908), Biometrika 6; Fisher (1925), Statistical Methods for Research Workers;
Tukey (1953) and Kramer (1956), Biometrics 12, for :func:`TukeyHSD`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mixedteach.columns import ModelFrame, as_factor, check_table, is_numeric
from mixedteach.design import FixedDesign
from mixedteach.errors import (
    DataError,
    FitError,
    FormulaError,
    InferenceError,
    a_kind,
    check_level,
    did_you_mean,
    explains_arguments,
    listed,
    warn,
)
from mixedteach.fixed_effects import FixedEffects, keep_columns
from mixedteach.formula import Formula, parse
from mixedteach.inference.anova import anova_table
from mixedteach.inference.distributions import f_pvalue, t_pvalue, t_quantile
from mixedteach.inference.emmeans import estimable
from mixedteach.inference.functions import PlainMethod, ddf_name
from mixedteach.model import MixedModel
from mixedteach.table import Summary, Table, significant

if TYPE_CHECKING:
    from statsmodels.regression.linear_model import RegressionResultsWrapper

Array = np.ndarray

# ---------------------------------------------------------------------------------------------
# The paired t-test
# ---------------------------------------------------------------------------------------------


@explains_arguments(DataError)
def paired_t_test(
    data: pd.DataFrame,
    response: str,
    second: str | None = None,
    *,
    within: str | None = None,
    subject: str | None = None,
    order: Sequence[Any] | None = None,
    level: float = 0.95,
) -> Table:
    r"""Test whether the mean difference of pairs is zero.

    Parameters
    ----------
    data : DataFrame
        Long: one row a reading. Wide: one row a subject, one column a condition.
    response : str
        Long: the column of readings. Wide: the first of two columns.
    second : str, optional
        Wide only: the column that is subtracted from the first.
    within : str, optional
        Long only: the factor with two levels, one reading at each for every subject.
    subject : str, optional
        Long only: what makes two readings a pair.
    order : sequence of two levels, optional
        Long only: the difference is ``order[1] - order[0]``; by default the last level minus the
        first.
    level : float
        Of the confidence interval.

    Returns
    -------
    Table, one row
        ``contrast, estimate, variance, sd, SE, df, t, p, lower, upper``: mean, variance and
        standard deviation of the differences (units of the response, the variance squared),
        standard error of the mean, and its test and interval. Incomplete pairs are left out and
        counted in the notes.

    Raises
    ------
    DataError
        Unknown columns, a response that holds no numbers, a factor without exactly two levels,
        more than one reading of a subject at a level, fewer than two pairs, or differences that
        are all the same.

    Notes
    -----
    d_i = mu + e_i; t = mean(d) / SE with SE = sd(d) / sqrt(n) and n - 1 degrees of freedom.
    Source: Student (1908), Biometrika 6, 1-25.

    Examples
    --------
    >>> import mixedteach as mt
    >>> tablets = mt.load_tablets()
    >>> t = mt.paired_t_test(tablets, "content", within="method", subject="tablet")
    >>> t[["contrast", "estimate", "SE", "df", "t", "p"]].round(4)
         contrast  estimate      SE  df       t       p
    0  hplc - nir     -0.05  0.0934   9 -0.5354  0.6054
    >>> wide = mt.load_tablets(wide=True)
    >>> mt.paired_t_test(wide, "hplc", "nir")[["lower", "upper"]].round(4).values.tolist()
    [[-0.2613, 0.1613]]
    """
    if not isinstance(data, pd.DataFrame):
        raise DataError(f"The data must be a pandas DataFrame, not {a_kind(data)}.")
    check_level(level)
    if second is not None:
        if (within, subject, order) != (None, None, None):
            raise DataError(
                "Two columns mean a wide table, one row a subject: leave out within=, subject= and "
                "order=; the difference is the first column minus the second."
            )
        pairs = _numbers(data, [response, second])
        kind = "rows"
    elif within is None or subject is None:
        raise DataError(
            "Say what makes a pair: for a long table give within= (the factor with two levels) and "
            "subject=, for a wide one the names of its two columns."
        )
    else:
        pairs = _long_pairs(data, response, within, subject, order)
        kind = "subjects"
    return _paired(pairs, kind, level)


def _numbers(data: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return columns of numbers, or say why not."""
    for name in names:
        if name not in data.columns:
            raise DataError(f"There is no column '{name}'." + did_you_mean(name, data.columns))
        if isinstance(data[name], pd.DataFrame):
            raise DataError(f"There is more than one column '{name}'; rename one.")
        if not is_numeric(data[name]):
            raise DataError(
                f"The column '{name}' holds no numbers; "
                f"pd.to_numeric(data['{name}'], errors='coerce') shows which entries are none."
            )
    if len(set(names)) < len(names):
        raise DataError(f"'{names[0]}' is compared with itself: name two different columns.")
    return data[list(names)].astype(float)


def _long_pairs(
    data: pd.DataFrame, response: str, within: str, subject: str, order: Sequence[Any] | None
) -> pd.DataFrame:
    """Return one row a subject, the level to be subtracted last."""
    for name in (within, subject):
        if name not in data.columns:
            raise DataError(f"There is no column '{name}'." + did_you_mean(name, data.columns))
    if len({response, within, subject}) < 3:
        raise DataError("response, within= and subject= must be three different columns.")
    values = _numbers(data, [response])[response]
    usable = data[within].notna() & data[subject].notna()
    levels = as_factor(within, data.loc[usable, within]).levels
    if len(levels) != 2:
        raise DataError(
            f"A paired t-test compares two levels, but '{within}' has {len(levels)}"
            f"{': ' + listed(levels) if levels else ''}. "
            + (
                "Choose the rows of two levels first, or compare all with lm() and TukeyHSD()."
                if len(levels) > 2
                else "Check that this is the factor that differs within a pair."
            )
        )
    if order is not None:
        names = {str(known): known for known in levels}
        asked = [str(value) for value in order] if not isinstance(order, str) else [order]
        if sorted(asked) != sorted(names):
            raise DataError(f"order= must name both levels of '{within}': {listed(levels)}.")
        levels = tuple(names[value] for value in asked)
    who = as_factor(subject, data.loc[usable, subject])
    which = as_factor(within, data.loc[usable, within], levels)
    value = values[usable].to_numpy()
    measured = np.isfinite(value)
    cells = np.zeros((len(who.levels), 2), int)
    np.add.at(cells, (who.codes[measured], which.codes[measured]), 1)
    if (cells > 1).any():
        i, j = np.argwhere(cells > 1)[0]
        raise DataError(
            f"{subject} '{who.levels[i]}' has {cells[i, j]} readings at {within} '{levels[j]}': a "
            f"pair has one at each level. Average them first, as data.groupby(['{subject}', "
            f"'{within}'], observed=True)['{response}'].mean().reset_index() does."
        )
    wide = np.full(cells.shape, np.nan)
    wide[who.codes[measured], which.codes[measured]] = value[measured]
    return pd.DataFrame(wide[:, ::-1], columns=[str(levels[1]), str(levels[0])])


def _paired(pairs: pd.DataFrame, kind: str, level: float) -> Table:
    from scipy import stats  # on use: it is slow to import

    complete = np.isfinite(pairs.to_numpy()).all(axis=1)
    n, total = int(complete.sum()), len(pairs)
    label = " - ".join(map(str, pairs.columns))
    if n < 2:
        raise DataError(
            f"There {'is' if n == 1 else 'are'} {n if n else 'no'} complete "
            f"pair{'' if n == 1 else 's'} for {label}: a t-test needs at least two."
        )
    first, second = pairs[complete].to_numpy().T
    difference = first - second
    estimate, variance = float(difference.mean()), float(difference.var(ddof=1))
    size = max(np.abs(first).max(), np.abs(second).max())
    if np.sqrt(variance) <= 1e-13 * size:
        raise DataError(
            f"All {n} differences {label} are the same, {significant(estimate)}: they have no "
            "variance to compare their mean with. Check for a copied column."
        )
    test = stats.ttest_rel(first, second)
    interval = test.confidence_interval(level)
    notes = []
    if n < total:
        notes.append(
            f"{total - n} of {total} {kind} left out, because a reading is missing; {n} complete "
            "pairs are compared."
        )
    return Table(
        {
            "contrast": [label], "estimate": [estimate], "variance": [variance],
            "sd": [np.sqrt(variance)], "SE": [np.sqrt(variance / n)], "df": [int(test.df)],
            "t": [float(test.statistic)], "p": [float(test.pvalue)],
            "lower": [float(interval.low)], "upper": [float(interval.high)],
        },
        caption=f"Paired t-test; {n} pairs; df: pairs - 1; interval: {100 * level:g}%",
        notes=notes,
        attrs={"ddf": "residual", "adjust": "none", "family": "contrasts", "level": level},
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------
# Least squares
# ---------------------------------------------------------------------------------------------


class LinearModel(FixedEffects):
    """A linear model fitted by least squares; made by :func:`lm`.

    Attributes
    ----------
    params, bse, tvalues, pvalues : Series
        Coefficients, standard errors, t and two-sided p.
    fittedvalues, resid : Series
        X beta and y - X beta, indexed as the data.
    scale : float
        The residual mean square sigma^2, in squared units of the response.
    nobs, df_resid : int
        Rows used, and rows minus coefficients.
    rsquared, rsquared_adj : float
        Share of the variation explained: about the mean, if the model contains one.
    llf, aic, bic : float
        Log-likelihood at its maximum. AIC and BIC count sigma^2 as a parameter, as R and
        :func:`lmer` do; statsmodels does not, so that its AIC is smaller by 2.
    notes : list of str
        What should be known of the fit: rows and columns left out.
    """

    default_ddf = "residual"

    def __init__(
        self, formula: Formula, frame: ModelFrame, design: FixedDesign, y: Array, kept: Array,
        notes: Sequence[str],
    ) -> None:  # fmt: skip
        self.formula = formula
        self.formula_text = str(formula)
        self.model_frame = frame
        self.frame = frame.data
        self.data = frame.original
        self.design = design
        self.kept = kept
        self.X = design.X[:, kept]
        self.y = y
        self.notes = list(notes)
        self.nobs = len(y)
        self.df_resid = len(y) - len(kept)
        # Least squares by X = QR; columns scaled, so that units cost no digits.
        size = np.sqrt(np.einsum("ij,ij->j", self.X, self.X))
        self._Q, R = np.linalg.qr(self.X / size)
        inverse = np.linalg.inv(R) / size[:, None]
        projected = self._Q.T @ y
        again = self._Q.T @ (y - self._Q @ projected)  # a second pass removes what rounding left
        residual = y - self._Q @ projected - self._Q @ again
        names = [design.names[j] for j in kept]
        self.params = pd.Series(inverse @ (projected + again), index=names, name="estimate")
        self.resid = pd.Series(residual, index=self.frame.index, name="resid")
        self.fittedvalues = pd.Series(y - residual, index=self.frame.index, name="fitted")
        self.ssr = float(residual @ residual)
        self.scale = self.ssr / self.df_resid
        self._cov = self.scale * inverse @ inverse.T

    def method(self, ddf: str | None = None) -> PlainMethod:
        """Return the residual df (``'residual'``), or infinite ones (``'none'``)."""
        name = ddf_name("residual" if ddf is None else ddf, ("residual", "none"))
        if name == "residual":
            return PlainMethod("residual", self._cov, float(self.df_resid))
        return PlainMethod("none (z, chi-squared)", self._cov, np.inf)

    def cov_params(self, ddf: str = "none") -> pd.DataFrame:
        """Return sigma^2 (X'X)^-1, the covariance of the coefficients."""
        names = self.params.index
        return pd.DataFrame(self.method(ddf).cov, index=names, columns=names)

    @property
    def tvalues(self) -> pd.Series:
        """Estimates divided by their standard errors."""
        return (self.params / self.bse).rename("t")

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p-values of the coefficients."""
        p = t_pvalue(self.tvalues.to_numpy(), self.df_resid)
        return pd.Series(p, index=self.params.index, name="p")

    @property
    def sigma(self) -> float:
        """The residual standard deviation."""
        return float(np.sqrt(self.scale))

    @cached_property
    def has_constant(self) -> bool:
        """Whether the model contains the mean: an intercept, or columns that add up to one."""
        ones = np.ones(self.nobs)
        return bool(np.abs(ones - self._Q @ (self._Q.T @ ones)).max() < 1e-8)

    @property
    def rsquared(self) -> float:
        """1 - residual / total sum of squares (about the mean, if the model contains one)."""
        about = self.y - self.y.mean() if self.has_constant else self.y
        return max(0.0, 1 - self.ssr / float(about @ about))

    @property
    def rsquared_adj(self) -> float:
        """R squared from mean squares instead of sums."""
        return 1 - (1 - self.rsquared) * (self.nobs - self.has_constant) / self.df_resid

    @property
    def npar(self) -> int:
        """Number of parameters: the coefficients and sigma^2."""
        return len(self.params) + 1

    @property
    def llf(self) -> float:
        """The log-likelihood, -n/2 [log(2 pi RSS/n) + 1]."""
        return -0.5 * self.nobs * (np.log(2 * np.pi * self.ssr / self.nobs) + 1)

    # -- tests and intervals -------------------------------------------------------------------

    def anova(self, type: int | str = 1, ddf: str | None = None, intercept: bool = False) -> Table:
        r"""Return the analysis of variance table, by default in the order of the formula.

        Parameters
        ----------
        type : {1, 2, 3, 'marginal'}
            I: in the order of the formula, as R's ``anova``; II: after all terms that do not
            contain it; III: averaged evenly over the other terms, whatever the coding;
            ``'marginal'``: the term's own coefficients.
        ddf : str, optional
            ``'residual'`` (default), or ``'none'`` for chi-squared tests.
        intercept : bool
            Show the row of the intercept as well.

        Returns
        -------
        Table
            Index: the terms and ``Residual``; columns ``sum_sq, mean_sq, num_df, den_df, F, p``.

        Notes
        -----
        F = (SS_term / df_term) / (RSS / df_resid).

        Examples
        --------
        >>> import mixedteach as mt
        >>> table = mt.lm("content ~ method + tablet", mt.load_tablets()).anova()
        >>> table[["sum_sq", "num_df", "F", "p"]].round(4)
                  sum_sq  num_df       F       p
        term
        method    0.0125       1  0.2866  0.6054
        tablet    2.0005       9  5.0968  0.0118
        Residual  0.3925       9     NaN     NaN
        """
        table = anova_table(self, type, ddf, intercept)
        residual = pd.DataFrame(
            {"sum_sq": self.ssr, "mean_sq": self.scale, "num_df": self.df_resid,
             "den_df": np.nan, "F": np.nan, "p": np.nan},
            index=pd.Index(["Residual"], name="term"),
        )  # fmt: skip
        rows = [pd.DataFrame(table), residual] if len(table) else [residual]
        return Table(
            pd.concat(rows), caption=table.caption, notes=table.notes, attrs=dict(table.attrs)
        )

    def conf_int(self, level: float = 0.95, ddf: str | None = None) -> Table:
        """Return confidence intervals of the coefficients, estimate -+ t SE.

        Examples
        --------
        >>> import mixedteach as mt
        >>> mt.lm("content ~ method", mt.load_tablets()).conf_int().round(3)
                      estimate   lower   upper
        Intercept        10.39  10.148  10.632
        method[hplc]     -0.05  -0.393   0.293
        """
        table = self.coefficients(ddf, level)
        return Table(
            table[["estimate", "lower", "upper"]],
            caption=f"Confidence intervals ({100 * level:g}%); df: {table.attrs['ddf']}",
            attrs=dict(table.attrs),
        )

    def predict(
        self,
        new_data: pd.DataFrame | None = None,
        *,
        intervals: bool = False,
        ddf: str | None = None,
        level: float = 0.95,
    ) -> pd.Series | Table:
        """Predict the response for new rows (or for those of the fit).

        Parameters
        ----------
        new_data : DataFrame, optional
            With the columns of the formula's right side.
        intervals : bool
            Add SE and limits ``lower, upper`` of the mean, and limits ``new_lower, new_upper``
            for one new observation.
        ddf, level
            For the intervals.

        Returns
        -------
        Series, or Table if ``intervals``
            NaN where a value that the prediction needs is missing, or where the data of the fit
            do not determine it (empty cells; then that is said as well).

        Examples
        --------
        >>> import mixedteach as mt
        >>> import pandas as pd
        >>> m = mt.lm("Reaction ~ Days", mt.load_sleepstudy())
        >>> m.predict(pd.DataFrame({"Days": [0, 9]})).round(1).tolist()
        [251.4, 345.6]
        """
        if new_data is None and not intervals:
            return self.fittedvalues.rename("predicted")
        if new_data is None:
            L, index, absent = self.X, self.frame.index, 0
        else:
            check_table(new_data, "The new data")
            rows = self.design.rows(new_data)  # NaN where a value is missing
            L, index = estimable(self, rows), new_data.index
            absent = int((np.isnan(L).any(axis=1) & ~np.isnan(rows).any(axis=1)).sum())
        blank = (
            [f"{absent} of {len(L)} predictions are blank: the data of the fit do not determine "
             "them (empty cells)."]
            if absent
            else []
        )  # fmt: skip
        if not intervals:
            for note in blank:
                warn(note)
            return pd.Series(L @ self.params.to_numpy(), index=index, name="predicted")
        table = self._predictions(L, index, ddf, level, np.zeros(len(L)), "mean")
        wide = pd.DataFrame(table)
        half = t_quantile(0.5 + level / 2, wide["df"].to_numpy()) * np.sqrt(
            wide["SE"].to_numpy() ** 2 + self.scale
        )
        wide["new_lower"], wide["new_upper"] = wide["predicted"] - half, wide["predicted"] + half
        notes = [
            "lower, upper: limits for the mean; new_lower, new_upper: for one new observation."
        ]
        return Table(wide, caption=table.caption, notes=notes + blank, attrs=dict(table.attrs))

    # -- showing, handing over -----------------------------------------------------------------

    def to_statsmodels(self) -> RegressionResultsWrapper:
        """Return statsmodels' OLS fit of the same matrices.

        Examples
        --------
        >>> import mixedteach as mt
        >>> m = mt.lm("content ~ method", mt.load_tablets())
        >>> abs(float(m.to_statsmodels().bse.iloc[1] - m.bse.iloc[1])) < 1e-12
        True
        """
        from statsmodels.regression.linear_model import OLS  # on use: it is slow to import

        y = pd.Series(self.y, index=self.frame.index, name=self.formula.response_name)
        return OLS(y, pd.DataFrame(self.X, index=y.index, columns=self.params.index)).fit()

    def summary(self, ddf: str | None = None) -> Summary:
        """Return what was fitted and the table of coefficients, for printing."""
        head = [
            "Linear model fitted by least squares",
            f"Formula: {self.formula_text}",
            f"Observations: {self.nobs}; residual df: {self.df_resid}; "
            f"residual standard deviation: {significant(self.sigma)}",
            f"R-squared: {self.rsquared:.4f} (adjusted {self.rsquared_adj:.4f}){_overall(self)}",
            f"Log-likelihood: {self.llf:.4f}; AIC: {self.aic:.2f}; BIC: {self.bic:.2f}",
        ]
        return Summary(head, [self.coefficients(ddf)], self.notes)

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def _overall(model: LinearModel) -> str:
    """Say in the summary how everything but the mean tests together."""
    q = len(model.params) - model.has_constant
    if not q:
        return ""
    about = model.y - model.y.mean() if model.has_constant else model.y
    F = (float(about @ about) - model.ssr) / q / model.scale
    p = f_pvalue(F, q, model.df_resid)
    shown = "< 0.0001" if p < 0.00005 else f"= {p:.4f}"
    return f"; F = {F:.3f} on {q} and {model.df_resid} df, p {shown}"


@explains_arguments(FitError, {"reml": "it belongs to lmer(); least squares has no variants"})
def lm(formula: str, data: pd.DataFrame) -> LinearModel:
    r"""Fit a linear model, all effects fixed, by ordinary least squares.

    Parameters
    ----------
    formula : str
        ``"y ~ a*b + x"``; text, categories and booleans are factors, numbers covariates unless
        wrapped in ``C()``.
    data : DataFrame
        Rows with missing values in a used column are left out, counted, and the count is shown.

    Returns
    -------
    LinearModel

    Raises
    ------
    FormulaError
        If the formula cannot be read, or has random effects (those need :func:`lmer`).
    DataError, FitError
        If the data cannot be used, or leave no residual.

    Notes
    -----
    y = X beta + e, e ~ N(0, sigma^2 I); beta minimises \|y - X beta\|^2, and
    cov(beta) = sigma^2 (X'X)^-1 with sigma^2 = RSS / (n - p). Columns that others determine are
    left out and named.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.lm("content ~ method + tablet", mt.load_tablets())
    >>> m.emmeans("method")[["method", "emmean", "SE", "df"]].round(4)
      method  emmean     SE   df
    0    nir   10.39  0.066  9.0
    1   hplc   10.34  0.066  9.0
    """
    parsed = parse(formula)
    if parsed.bars:
        bars = listed(bar.text for bar in parsed.bars).replace("'", "")
        plain = list(dict.fromkeys(name for bar in parsed.bars for name in bar.group))
        raise FormulaError(
            f"'{parsed}' has random effects, {bars}: fit it with lmer(). "
            f"lm() knows fixed effects only; there {listed(plain)} would be added like any factor."
        )
    frame = ModelFrame(parsed, data)
    y = frame.response(parsed)
    design = FixedDesign(parsed.fixed, frame.columns)
    if not design.names:
        raise FormulaError(f"'{parsed}' has no effects to estimate: write 1 for the mean alone.")
    kept, aliased = keep_columns(design, len(y))
    model = LinearModel(parsed, frame, design, y, kept, [*frame.notes, *aliased])
    if np.sqrt(model.scale) <= 1e-13 * np.abs(y).max():
        raise FitError(
            "The fixed effects reproduce the response exactly: no residual variance is left to "
            "judge them by. Check whether the response was computed from them, or is constant."
        )
    for note in aliased:
        warn(note)
    return model


# ---------------------------------------------------------------------------------------------
# Tukey's honest significant differences
# ---------------------------------------------------------------------------------------------


@explains_arguments(InferenceError)
def TukeyHSD(model: LinearModel, term: str | None = None, level: float = 0.95) -> Table:
    r"""Compare all pairs of means of a factor in a balanced linear model.

    Parameters
    ----------
    model : LinearModel
        Made by :func:`lm`. Mixed models are refused: this test judges every difference by the
        residual alone.
    term : str, optional
        A factor, ``"width"``, or an interaction of factors, ``"width:depth"``; by default every
        factor of the model, each a family of its own.
    level : float
        Of the simultaneous intervals.

    Returns
    -------
    Table
        ``contrast, estimate, lower, upper, p``, after the column ``term`` if none was chosen.

    Raises
    ------
    InferenceError
        If the model is mixed, the term unknown, or the data so unbalanced that raw means and the
        model's means differ.

    Notes
    -----
    Means i and j differ if |y_i - y_j| > q(k, df_resid) s sqrt((1/n_i + 1/n_j)/2), with q the
    quantile of the studentized range of k means. Tukey (1953); Kramer (1956), Biometrics 12,
    307-310, for unequal n_i.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.lm("humidity ~ plank + width + depth", mt.load_planks())
    >>> mt.TukeyHSD(m, "width").round(3)
      contrast  estimate  lower  upper      p
    0    2 - 1     0.272  0.060  0.484  0.008
    1    3 - 1    -0.415 -0.627 -0.203  0.000
    2    3 - 2    -0.687 -0.899 -0.475  0.000
    """
    if isinstance(model, MixedModel):
        name = term or next((":".join(t) for t in model.design.terms), "factor")
        raise InferenceError(
            "TukeyHSD judges every difference by the residual and ignores the random effects, so "
            "its p-values are wrong for a mixed model: use "
            f"m.emmeans('{name}').pairs(adjust='tukey'), which has the right standard errors and "
            "df."
        )
    if not isinstance(model, LinearModel):
        raise InferenceError(f"TukeyHSD takes a model fitted by lm(), not {a_kind(model)}.")
    design = model.design
    names = {":".join(t): t for t in design.terms if design.factors(t) == frozenset(t)}
    chosen = [name for name, t in names.items() if len(t) == 1] if term is None else [term]
    if not names or not chosen:
        raise InferenceError(f"'{model.formula_text}' has no factor whose means could be compared.")
    if term is not None and term not in names:
        raise InferenceError(f"'{term}' is no factor of the model." + did_you_mean(term, names))
    tables = []
    for name in chosen:
        table = _balanced_pairs(model, name, names[name], level)
        if term is None:
            table.insert(0, "term", name)
        tables.append(table)
    return Table(
        pd.concat(tables, ignore_index=True),
        caption=f"Tukey's HSD{f' of {term}' if term else ''}; "
        f"df: residual ({model.df_resid}); intervals: {100 * level:g}%, simultaneous",
        attrs={"ddf": "residual", "adjust": "tukey", "family": "pairs", "level": level},
    )


def _balanced_pairs(
    model: LinearModel, name: str, term: tuple[str, ...], level: float
) -> pd.DataFrame:
    """Return all differences, after checking that they are differences of raw means.

    They are if the rows of X, averaged over the data of a level, differ between levels by the
    same combination of coefficients as the marginal means do.
    """
    columns = [model.design.components[part] for part in term]
    means = model.emmeans([column.variables[0] for column in columns], level=level)
    pairs = means.pairs(adjust="tukey", reverse=True)
    codes = np.ravel_multi_index(
        [column.fitted.codes for column in columns[::-1]],
        [len(column.levels) for column in columns[::-1]],
    )
    average = pd.DataFrame(model.X).groupby(codes).mean().reindex(range(len(means))).to_numpy()
    i, j = np.tril_indices(len(means), -1)
    size = np.abs(model.X).max(axis=0)
    if not np.allclose((average[i] - average[j]) / size, pairs.L / size, rtol=0, atol=1e-8):
        raise InferenceError(
            f"The data are not balanced for '{name}': its raw means also carry differences between "
            "the other terms, and TukeyHSD would compare them as they are. Use "
            f"m.emmeans('{name}').pairs(adjust='tukey'), which compares the model's means."
        )
    table = pairs[["contrast", "estimate", "lower", "upper", "p"]]
    return table.iloc[np.lexsort((i, j))]  # R's order: all against the first level, then the next
