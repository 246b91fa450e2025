"""What a linear model and a mixed model share: coefficients, tests of terms, marginal means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from mixedteach.columns import ModelFrame
from mixedteach.design import FixedDesign, aliased_columns
from mixedteach.errors import (
    FitError,
    InferenceError,
    check_level,
    explains_arguments,
    listed,
    near,
)
from mixedteach.inference.anova import anova_table
from mixedteach.inference.distributions import t_pvalue, t_quantile
from mixedteach.inference.emmeans import emmeans as _emmeans
from mixedteach.inference.functions import (
    LinearFunctions,
    Method,
    check_weights,
    linear_functions,
    variances,
)
from mixedteach.table import Table

Array = np.ndarray


_FROM_R = {
    "ranef": "m.random_effects or m.random_effects_table()", "VarCorr": "m.variance_components",
    "fixef": "m.params", "coef": "m.params", "vcov": "m.cov_params()", "logLik": "m.llf",
    "residuals": "m.resid", "fitted": "m.fittedvalues", "AIC": "m.aic", "BIC": "m.bic",
    "confint": "m.conf_int()", "lsmeans": "m.emmeans()", "cov_re": "m.variance_components",
    "drop1": "m.anova()", "getME": "m.theta and m.X", "df_resid": "m.coefficients()['df']",
}  # fmt: skip


class FixedEffects:
    """What every model with fixed effects shares: tables of coefficients, tests and means.

    Subclasses provide ``design``, ``frame``, ``X``, ``kept``, ``kept_treatment``, ``params``,
    ``cov_params()``, ``scale``, ``nobs``, ``formula_text``, ``default_ddf`` and ``method()``.
    """

    design: FixedDesign
    frame: pd.DataFrame
    X: Array
    kept: Array
    params: pd.Series
    scale: float
    nobs: int
    default_ddf: str
    formula_text: str
    model_frame: ModelFrame
    llf: float
    npar: int
    residual_text = ""  # how the residuals are correlated or unequal, if they are

    @property
    def aic(self) -> float:
        """-2 llf + 2 npar."""
        return -2 * self.llf + 2 * self.npar

    @property
    def bic(self) -> float:
        """-2 llf + log(n) npar (lme4's convention, also under REML)."""
        return -2 * self.llf + np.log(self.nobs) * self.npar

    @property
    def row_notes(self) -> list[str]:
        """What every table says of rows that were left out."""
        return self.model_frame.notes

    def method(self, ddf: str | None = None) -> Method:
        """Return the df method of that name, bound to this fit."""
        raise NotImplementedError

    def cov_params(self, ddf: str = "none") -> pd.DataFrame:
        """Return the covariance matrix of the fixed effects (see the subclasses)."""
        raise NotImplementedError

    @cached_property
    def kept_treatment(self) -> Array:
        """Columns of the treatment-coded X that are not aliased."""
        X = self.design.treatment()[0]
        if X.shape == self.design.X.shape and np.array_equal(X, self.design.X):
            return self.kept
        aliased = set(aliased_columns(X))
        return np.array([j for j in range(X.shape[1]) if j not in aliased], int)

    @cached_property
    def bse(self) -> pd.Series:
        """Standard errors of the fixed effects."""
        return pd.Series(
            np.sqrt(np.diag(self.cov_params().to_numpy())), index=self.params.index, name="SE"
        )

    @property
    def tvalues(self) -> pd.Series:
        """The t statistics of the fixed effects, with the model's own df method."""
        return pd.Series(self.coefficients()["t"], name="t")

    @property
    def pvalues(self) -> pd.Series:
        """Their two-sided p-values, with the model's own df method."""
        return pd.Series(self.coefficients()["p"], name="p")

    def __getattr__(self, name: str) -> Any:
        # only reached for names that do not exist: R's get a pointer to ours
        here = _FROM_R.get(name)
        found = None if here or name.startswith("_") else near(name, dir(type(self)))
        hint = f": R's {name} is {here} here." if here else "."
        hint = f". Did you mean '{found}'?" if found else hint
        raise AttributeError(f"A {type(self).__name__} has no '{name}'{hint}")

    @property
    def corr_params(self) -> pd.DataFrame:
        """Correlation of the fixed-effect estimates."""
        cov = self.cov_params().to_numpy()
        se = np.sqrt(np.diag(cov))
        names = self.params.index
        return pd.DataFrame(cov / np.outer(se, se), index=names, columns=names)

    def coefficients(self, ddf: str | None = None, level: float = 0.95) -> Table:
        """Return the table of fixed effects.

        Parameters
        ----------
        ddf : str, optional
            The df method; by default the model's own.
        level : float
            Of the intervals.

        Returns
        -------
        Table
            Index: the coefficient; columns ``estimate, SE, df, t, p, lower, upper``.
        """
        level = check_level(level)
        method = self.method(ddf)
        L = np.eye(len(self.params))
        estimate = self.params.to_numpy(float)
        se = np.sqrt(np.diag(method.cov))
        df = method.df(L) if len(L) else np.empty(0)
        half = t_quantile(0.5 + level / 2, df) * se
        table = {
            "estimate": estimate, "SE": se, "df": df, "t": estimate / se,
            "p": t_pvalue(estimate / se, df), "lower": estimate - half, "upper": estimate + half,
        }  # fmt: skip
        return Table(
            table,
            index=self.params.index,
            caption=f"Fixed effects; df: {method.name}; intervals: {100 * level:g}%",
            notes=self.row_notes,
            attrs={"ddf": method.name, "adjust": "none", "family": "coefficients", "level": level},
        )

    @explains_arguments()
    def anova(self, type: int | str = 3, ddf: str | None = None, intercept: bool = False) -> Table:
        r"""Test each term of the fixed effects by F.

        Parameters
        ----------
        type : {3, 2, 1, 'marginal'}
            III: each term averaged evenly over the others, whatever the coding; II: after all
            terms that do not contain it; I: in the order of the formula; ``'marginal'``: the
            term's own coefficients, as nlme's marginal ANOVA (a main effect is then tested at
            the reference level of the factors it interacts with).
        ddf : str, optional
            ``'satterthwaite'``, ``'kenward-roger'``, ``'containment'`` or ``'none'``.
        intercept : bool
            Show the row of the intercept as well.

        Returns
        -------
        Table
            Index: the term; columns ``sum_sq, mean_sq, num_df, den_df, F, p``; the sum of squares
            is the one that gives this F with the residual variance, F q sigma^2.

        Notes
        -----
        F = (L beta)' (L V L')^-1 (L beta) / q. Kuznetsova, Brockhoff and Christensen (2017).

        Examples
        --------
        >>> import mixedteach as mt
        >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
        >>> m.anova(type=1, intercept=True, ddf="containment")[["den_df", "F"]].round(3)
                   den_df         F
        term
        Intercept     9.0  9666.574
        method        9.0     0.287
        """
        return anova_table(self, type, ddf, intercept)

    @explains_arguments()
    def emmeans(
        self,
        specs: str | Sequence[str],
        by: str | Sequence[str] | None = None,
        *,
        at: Mapping[str, Any] | None = None,
        weights: str = "equal",
        ddf: str | None = None,
        level: float = 0.95,
        adjust: str = "none",
    ) -> LinearFunctions:
        """Estimate marginal means (least-squares means) of factor levels.

        Parameters
        ----------
        specs : str or list of str
            One factor, or several: ``"width"``, ``["width", "depth"]``, ``"width:depth"`` or
            ``"width | depth"`` (width by depth).
        by : str or list of str, optional
            Factors within whose levels means are compared.
        at : dict, optional
            Values of covariates (or a choice of levels), e.g. ``{"age": 11}``; covariates are
            otherwise held at their mean.
        weights : {'equal', 'proportional'}
            How the factors averaged over are weighted.
        ddf, level, adjust
            Df method, level of the intervals and adjustment of the means themselves.

        Returns
        -------
        LinearFunctions
            A table with the factors, ``emmean, SE, df, t, p, lower, upper``; its methods
            :meth:`~LinearFunctions.pairs` and :meth:`~LinearFunctions.contrast` compare the means
            with the same df method.

        Notes
        -----
        A factor is nested in another if the formula says so, as in ``a/b``, or if each of its
        levels occurs with one level of the other. Its means are shown with the levels they belong
        to, and averages go over its levels within these first. A difference of means can be
        estimable, and is shown, where the means themselves are blank because of empty cells.

        Searle, Speed and Milliken (1980), The American Statistician 34, 216-221.

        Examples
        --------
        >>> import mixedteach as mt
        >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets_missing())
        >>> m.emmeans("method", ddf="kenward-roger")[["method", "emmean"]].round(4)
          method   emmean
        0    nir  10.2839
        1   hplc  10.2117
        """
        return _emmeans(
            self, specs, by, at=at, weights=weights, ddf=ddf, level=level, adjust=adjust
        )

    @explains_arguments()
    def estimable(
        self, functions: Mapping[str, Sequence[float]], ddf: str | None = None, level: float = 0.95
    ) -> LinearFunctions:
        """Estimate linear functions of the coefficients, given by their weights.

        Parameters
        ----------
        functions : dict
            Label -> one weight for every coefficient, in the order of ``params``.
        ddf, level
            Df method and level of the intervals.

        Returns
        -------
        LinearFunctions
            Columns ``function, estimate, SE, df, t, p, lower, upper``.

        Examples
        --------
        >>> import mixedteach as mt
        >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets_missing())
        >>> m.estimable({"LS HPLC": [1, 1], "LS DIF": [0, 1]}, ddf="containment")["df"].tolist()
        [9.0, 9.0]
        """
        names = self.params.index
        if not isinstance(functions, Mapping) or not functions:
            raise InferenceError(
                "estimable() needs a dict of labels and weights, one weight for each coefficient, "
                f"as in {{'my function': {[1] + [0] * (len(names) - 1)}}}."
            )
        rows = [check_weights(label, w, names, "coefficients") for label, w in functions.items()]
        return linear_functions(
            self,
            np.array(rows),
            pd.DataFrame({"function": list(functions)}),
            ddf=ddf,
            level=level,
            title="Linear functions of the fixed effects",
        )

    def _predictions(
        self, L: Array, index: pd.Index, ddf: str | None, level: float, extra: Array, what: str
    ) -> Table:
        """Return predictions with intervals; `extra` is variance beyond that of X beta."""
        level = check_level(level)
        method = self.method(ddf)
        value = L @ self.params.to_numpy(float)
        variance = variances(method, L) + extra
        df, complete = np.full(len(L), np.nan), ~np.isnan(L).any(axis=1)
        if complete.any():
            df[complete] = method.df(L[complete])
        half = t_quantile(0.5 + level / 2, df) * np.sqrt(variance)
        return Table(
            {"predicted": value, "SE": np.sqrt(variance), "df": df,
             "lower": value - half, "upper": value + half},
            index=index,
            caption=f"Predictions; {what}; df: {method.name}; intervals: {100 * level:g}%",
            attrs={"ddf": method.name, "adjust": "none", "family": "predictions", "level": level},
        )  # fmt: skip


def keep_columns(design: FixedDesign, n: int) -> tuple[Array, list[str]]:
    """Return the columns of X that are kept, and a note on those that are aliased."""
    X = design.X
    aliased = aliased_columns(X) if design.factored is None else []
    kept = np.delete(np.arange(X.shape[1]), aliased) if aliased else np.arange(X.shape[1])
    if n <= len(kept):
        blame = many_levels(design, n)
        raise FitError(
            f"There {'is' if n == 1 else 'are'} {n} row{'' if n == 1 else 's'} for "
            f"{len(design.names)} fixed effects, so nothing is left for the residual variance: "
            + (blame or "use fewer effects, or more data.")
        )
    if not aliased:
        return kept, []
    names = [design.names[j] for j in aliased]
    several = len(names) > 1
    return kept, [
        f"{'The columns' if several else 'The column'} {listed(names)} of the fixed effects "
        f"{'are' if several else 'is'} determined by the others and left out (collinear terms or "
        "empty cells)."
    ]


def many_levels(design: FixedDesign, n: int) -> str:
    """Name a factor with so many levels that it was perhaps meant to be a covariate."""
    for name, component in design.components.items():
        if component.is_factor and len(component.levels) > max(8, n // 3):
            return (
                f"'{name}' is a factor with {len(component.levels)} levels; if it should be a "
                "covariate, convert it to numbers."
            )
    return ""
