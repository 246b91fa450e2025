r"""Fitting a linear mixed model from a formula and a table, and everything one asks of the fit.

    y = X beta + Z b + e,    b ~ N(0, G),    e ~ N(0, sigma^2 I)

:func:`lmer` reads the formula, checks the data, estimates the variances by REML (or ML) and
returns a :class:`MixedModel`. Its attribute names are those of statsmodels (``params``, ``bse``,
``llf``, ``resid``, ``fittedvalues``); its tables are pandas DataFrames that name the df method.

Source: Bates, Maechler, Bolker and Walker (2015), J. Stat. Softw. 67(1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from mixedteach.errors import (
    DataError,
    FitError,
    FormulaError,
    InferenceError,
    a_kind,
    check_count,
    check_level,
    check_seed,
    explains_arguments,
    listed,
    one_of,
    shown,
    warn,
)
from mixedteach.fitting.lmm import Fit, Problem
from mixedteach.formula import (
    FixedDesign,
    Formula,
    ModelFrame,
    RandomTerm,
    aliased_columns,
    check_table,
    parse,
    random_terms,
)
from mixedteach.inference.anova import anova_table, kept_columns
from mixedteach.inference.distributions import t_pvalue, t_quantile
from mixedteach.inference.emmeans import emmeans as _emmeans
from mixedteach.inference.emmeans import estimable
from mixedteach.inference.functions import (
    LinearFunctions,
    Method,
    PlainMethod,
    check_weights,
    ddf_name,
    linear_functions,
)
from mixedteach.table import Table

Array = np.ndarray


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
    def anova(
        self, type: int | str = 3, ddf: str | None = None, intercept: bool = False
    ) -> Table:
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
        variance = np.einsum("mi,ij,mj->m", L, method.cov, L) + extra
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


class MixedModel(FixedEffects):
    """A fitted linear mixed model; made by :func:`lmer`.

    Attributes
    ----------
    params, bse : Series
        Fixed effects and their standard errors (``fe_params`` is the same as ``params``).
    variance_components : Table
        ``group, name, name2, variance, sd, corr``; the last row is ``Residual``.
    random_effects : dict
        Grouping factor -> DataFrame of predicted random effects (BLUPs), one row a group.
    random_effects_se : dict
        Their conditional standard deviations, fixed effects taken as known.
    llf : float
        The log-likelihood, restricted under REML.
    aic, bic : float
        With all parameters counted; BIC uses n (as lme4; nlme uses n - p under REML).
    resid, fittedvalues : Series
        y - X beta - Z b, and X beta + Z b, indexed as the data.
    scale : float
        The residual variance sigma^2.
    theta : ndarray
        Entries of the relative covariance factors, as lme4's.
    nobs, reml, formula_text, data, notes, converged
        What was fitted, and what should be known of it.
    """

    def __init__(
        self,
        formula: Formula,
        frame: ModelFrame,
        design: FixedDesign,
        random: list[RandomTerm],
        fit: Fit,
        kept: Array,
        default_ddf: str,
        notes: Sequence[str],
    ) -> None:
        self.formula = formula
        self.formula_text = str(formula)
        self.model_frame = frame
        self.frame = frame.data
        self.data = frame.original
        self.design = design
        self.random = random
        self.fit = fit
        self.kept = kept
        self.X = fit.problem.X
        self.default_ddf = default_ddf
        self.notes = [*notes, *_boundary_notes(random, fit)]
        self.nobs = fit.n
        self.reml = fit.reml
        self.scale = fit.sigma2
        self.llf = fit.loglik
        self.converged = fit.optimum.converged
        self._methods: dict[str, Method] = {}

    # -- estimates -----------------------------------------------------------------------------

    @cached_property
    def params(self) -> pd.Series:
        """Fixed effects, one entry a coefficient."""
        names = [self.design.names[j] for j in self.kept]
        return pd.Series(self.fit.beta, index=names, name="estimate")

    @property
    def fe_params(self) -> pd.Series:
        """The same as ``params``."""
        return self.params

    @property
    def sigma(self) -> float:
        """The residual standard deviation."""
        return float(np.sqrt(self.scale))

    @property
    def theta(self) -> Array:
        """Entries of the relative covariance factors, a column of each lower triangle at a time."""
        return self.fit.theta

    @property
    def npar(self) -> int:
        """Number of parameters: fixed effects, variances and covariances, residual variance."""
        return len(self.params) + len(self.fit.state.theta) + 1

    @property
    def aic(self) -> float:
        """-2 llf + 2 npar."""
        return -2 * self.llf + 2 * self.npar

    @property
    def bic(self) -> float:
        """-2 llf + log(n) npar (lme4's convention, also under REML)."""
        return -2 * self.llf + np.log(self.nobs) * self.npar

    @property
    def deviance(self) -> float:
        """-2 llf: the ML deviance, or the REML criterion."""
        return self.fit.deviance

    @property
    def groups(self) -> dict[str, int]:
        """Grouping factor -> number of groups."""
        return {term.label: term.groups for term in self.random}

    def method(self, ddf: str | None = None) -> Method:
        """Return the df method of that name, bound to this fit."""
        name = ddf_name(
            self.default_ddf if ddf is None else ddf,
            ("containment", "satterthwaite", "kenward-roger", "none"),
        )
        if name not in self._methods:
            self._methods[name] = self._make_method(name)
        return self._methods[name]

    def _make_method(self, name: str) -> Method:
        if name == "satterthwaite":
            from mixedteach.inference.satterthwaite import Satterthwaite

            return Satterthwaite(self.fit)
        if name == "kenward-roger":
            from mixedteach.inference.kenward_roger import KenwardRoger

            if not self.reml:
                raise InferenceError(
                    "Kenward-Roger's method needs a REML fit, and this model was fitted by ML: fit "
                    "it with reml=True, or use ddf='satterthwaite'."
                )
            return KenwardRoger(self.fit)
        if name == "containment":
            from mixedteach.inference.containment import Containment

            return Containment(
                self.X, self.fit.cov_beta, self.design, kept_columns(self), self.random
            )
        return PlainMethod("none (z, chi-squared)", self.fit.cov_beta, np.inf)

    def cov_params(self, ddf: str = "none") -> pd.DataFrame:
        """Return the covariance of the fixed effects, adjusted under ``ddf='kenward-roger'``."""
        names = self.params.index
        return pd.DataFrame(self.method(ddf).cov, index=names, columns=names)

    @cached_property
    def variance_components(self) -> Table:
        """Variances, standard deviations and correlations of the random effects."""
        rows = []
        for term, cov in zip(self.random, self.fit.covariances, strict=True):
            sd = np.sqrt(np.maximum(np.diag(cov), 0.0))
            for a, name in enumerate(term.effects):
                rows.append((term.label, name, "", cov[a, a], sd[a], np.nan))
            for a in range(term.size):
                for b in range(a + 1, term.size):
                    both = sd[a] * sd[b]
                    corr = float(np.clip(cov[a, b] / both, -1, 1)) if both > 0 else np.nan
                    pair = (term.label, term.effects[a], term.effects[b])
                    rows.append((*pair, cov[a, b], np.nan, corr))
        rows.append(("Residual", "", "", self.scale, self.sigma, np.nan))
        columns = ["group", "name", "name2", "variance", "sd", "corr"]
        table = pd.DataFrame(rows, columns=columns)
        if (table["name2"] == "").all():
            table = table.drop(columns=["name2", "corr"])
        return Table(table, caption=f"Variance components by {'REML' if self.reml else 'ML'}")

    @cached_property
    def random_effects(self) -> dict[str, pd.DataFrame]:
        """Predicted random effects (BLUPs): grouping factor -> one row a group."""
        return self._by_group(self.fit.random_effects)

    @cached_property
    def random_effects_se(self) -> dict[str, pd.DataFrame]:
        """Conditional standard deviations of the random effects given the data."""
        return self._by_group(
            [
                np.sqrt(np.maximum(np.einsum("mkk->mk", V), 0.0))
                for V in self.fit.conditional_covariances
            ]
        )

    def _by_group(self, values: Sequence[Array]) -> dict[str, pd.DataFrame]:
        out: dict[str, pd.DataFrame] = {}
        for term, value in zip(self.random, values, strict=True):
            index = pd.Index([str(level) for level in term.levels], name=term.label)
            frame = pd.DataFrame(value, index=index, columns=term.effects)
            out[term.label] = out[term.label].join(frame) if term.label in out else frame
        return out

    @property
    def resid(self) -> pd.Series:
        """Residuals y - X beta - Z b."""
        return pd.Series(self.fit.resid, index=self.frame.index, name="resid")

    @property
    def fittedvalues(self) -> pd.Series:
        """Fitted values X beta + Z b."""
        return pd.Series(self.fit.fitted, index=self.frame.index, name="fitted")

    @cached_property
    def icc(self) -> pd.Series:
        """Share of each variance component in their sum (random intercepts only).

        With one grouping factor this is the intraclass correlation.
        """
        if any(term.size > 1 or term.effects != ["Intercept"] for term in self.random):
            raise InferenceError(
                "With a random slope the shares of variance depend on the covariate: look at "
                "variance_components instead."
            )
        values = pd.Series(
            [float(cov[0, 0]) for cov in self.fit.covariances],
            index=[term.label for term in self.random],
            name="icc",
        )
        return values / (values.sum() + self.scale)

    # -- tests and intervals -------------------------------------------------------------------

    @explains_arguments()
    def conf_int(
        self,
        method: str = "wald",
        level: float = 0.95,
        ddf: str | None = None,
        *,
        nsim: int = 1000,
        seed: int | None = None,
    ) -> Table:
        """Return confidence intervals of the parameters.

        Parameters
        ----------
        method : {'wald', 'profile', 'bootstrap'}
            Wald: estimate -+ t SE with the chosen df, fixed effects only (lme4's Wald intervals
            use z). Profile: all parameters for which the ML deviance stays within the chi-squared
            quantile of its minimum, standard deviations and correlations included. Bootstrap:
            quantiles of estimates from `nsim` responses simulated from the fit.
        level : float
        ddf : str, optional
            For Wald intervals.
        nsim, seed : int
            For the bootstrap.

        Returns
        -------
        Table
            Index: the parameter; columns ``estimate, lower, upper``.

        Examples
        --------
        >>> import mixedteach as mt
        >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
        >>> m.conf_int(ddf="containment").round(4)
                      estimate    lower    upper
        Intercept        10.39  10.1292  10.6508
        method[hplc]     -0.05  -0.2613   0.1613
        """
        if not isinstance(method, str):
            raise InferenceError(
                f"{shown(method)} is not a method for intervals: name the level, as in "
                "conf_int(level=0.95)."
            )
        kind = one_of(method, ("wald", "profile", "bootstrap"), "a method for intervals")
        level = check_level(level)
        if kind == "wald":
            table = self.coefficients(ddf, level)
            return Table(
                table[["estimate", "lower", "upper"]],
                caption=f"Wald intervals ({100 * level:g}%); df: {table.attrs['ddf']}",
                attrs={**table.attrs, "method": "wald"},
            )
        from mixedteach.inference import intervals

        if kind == "profile":
            return intervals.profile(self, level)
        nsim, seed = check_count(nsim, "nsim", 2), check_seed(seed)
        return intervals.bootstrap(self, level, nsim, seed)

    def ranova(self) -> Table:
        """Test each random effect by the likelihood ratio of leaving it out.

        A term with slopes is reduced by one effect at a time, as lmerTest's ranova does; a random
        intercept is taken out whole. The p-values use chi-squared with the difference in the
        number of parameters; where a variance of zero lies at the edge of what is possible they
        are too large (about twice, for one variance).

        Returns
        -------
        Table
            Index: the term left out; columns ``npar, loglik, AIC, LRT, df, p``.
        """
        from mixedteach.inference.ranova import ranova

        return ranova(self)

    def profile_deviance(self, theta: Sequence[float]) -> float:
        """Return the profiled deviance (or REML criterion) at another theta (lme4's order)."""
        from mixedteach.fitting.criterion import factors, theta_of
        from mixedteach.fitting.lmm import semidefinite_cholesky

        try:
            theta = np.atleast_1d(np.asarray(theta, float))
        except (TypeError, ValueError):
            raise InferenceError(f"theta={shown(theta)} must be a list of numbers.") from None
        if theta.shape != self.theta.shape or not np.isfinite(theta).all():
            raise InferenceError(
                f"theta={shown(theta.tolist())} must be like the model's .theta: finite, and of "
                f"length {self.theta.size}."
            )
        lows = []
        for factor, turn in zip(
            factors(theta, [t.size for t in self.random]), self.fit.problem.turns, strict=True
        ):
            turned = np.linalg.solve(turn, factor)
            lows.append(semidefinite_cholesky(turned @ turned.T))
        return self.fit.criterion.value(theta_of(lows))

    # -- new data, new responses ---------------------------------------------------------------

    @explains_arguments()
    def predict(
        self,
        new_data: pd.DataFrame | None = None,
        random: bool = True,
        *,
        intervals: bool = False,
        new_levels: str = "error",
        ddf: str | None = None,
        level: float = 0.95,
    ) -> pd.Series | Table:
        """Predict the response for new rows (or for those of the fit).

        Parameters
        ----------
        new_data : DataFrame, optional
            With the columns of the fixed effects and, if ``random``, the grouping factors.
        random : bool
            True: X beta + Z b, for the groups of the fit. False: X beta, for the average group.
        intervals : bool
            With ``random=False``: add SE and confidence limits of the mean X beta, and limits
            ``new_lower, new_upper`` for one new observation of a new group. With ``random=True``
            they are refused.
        new_levels : {'error', 'zero'}
            What to do with a group that was not in the fit: refuse, or predict its random effect
            as zero, the mean of all groups. A new level of a fixed factor is always refused.
        ddf, level
            For the intervals.

        Returns
        -------
        Series, or Table if ``intervals``
            One row for each of `new_data`, with its index; NaN where a value that the prediction
            needs is missing (also that of a group), or where the data of the fit do not determine
            the prediction (empty cells; then there is a warning as well).

        Examples
        --------
        >>> import mixedteach as mt
        >>> m = mt.lmer("Reaction ~ Days + (Days|Subject)", mt.load_sleepstudy())
        >>> import pandas as pd
        >>> new = pd.DataFrame({"Days": [0, 9], "Subject": ["308", "308"]})
        >>> m.predict(new).round(1).tolist(), m.predict(new, random=False).round(1).tolist()
        ([253.7, 430.7], [251.4, 345.6])
        """
        one_of(new_levels, ("error", "zero"), "a way to treat new levels")
        if new_data is not None:
            check_table(new_data, "The new data")
        if intervals and random:
            raise InferenceError(
                "Intervals exist for the fixed part only: write predict(..., random=False, "
                "intervals=True)."
            )
        frame = self.frame if new_data is None else new_data
        X = self.X if new_data is None else self._rows(frame)
        if intervals:
            return self._mean_intervals(X, frame, ddf, level)
        value = X @ self.params.to_numpy(float) if new_data is not None else self.fit.fixed.copy()
        if random:
            for term, b in zip(self.random, self.fit.random_effects, strict=True):
                codes, basis = (
                    (term.codes, term.basis) if new_data is None else term.locate(frame)
                )
                strange = codes == -1
                if strange.any() and new_levels == "error":
                    first = frame.iloc[int(np.flatnonzero(strange)[0])]
                    label = ":".join(str(first[name]) for name in term.bar.group)
                    raise DataError(
                        f"'{label}' is not a group of '{term.label}' in the fit: use random=False "
                        "for the average group, or new_levels='zero'."
                    )
                value += np.where(strange, 0.0, np.einsum("ij,ij->i", basis, b[codes]))
                value[codes == -2] = np.nan
        return pd.Series(value, index=frame.index, name="predicted")

    def _rows(self, frame: pd.DataFrame) -> Array:
        """Return the kept columns of X for new data, NaN where the fit does not determine them."""
        full = self.design.rows(frame)
        L = estimable(self, full)
        lost = int((np.isnan(L).any(axis=1) & ~np.isnan(full).any(axis=1)).sum())
        if lost:
            warn(
                f"{lost} of {len(L)} predictions are missing, because the data of the fit do not "
                "determine them (empty cells)."
            )
        return L

    def _mean_intervals(
        self, X: Array, frame: pd.DataFrame, ddf: str | None, level: float
    ) -> Table:
        table = self._predictions(X, frame.index, ddf, level, np.zeros(len(X)), "the average group")
        spread = np.full(len(X), self.scale)
        for term, cov in zip(self.random, self.fit.covariances, strict=True):
            basis = term.basis if frame is self.frame else term.design.rows(frame)
            spread += np.einsum("ij,jk,ik->i", basis, cov, basis)
        half = t_quantile(0.5 + level / 2, table["df"].to_numpy()) * np.sqrt(
            table["SE"].to_numpy() ** 2 + spread
        )
        wide = pd.DataFrame(table)
        wide["new_lower"], wide["new_upper"] = wide["predicted"] - half, wide["predicted"] + half
        return Table(
            wide,
            caption=table.caption,
            notes=["new_lower, new_upper: limits for one new observation of a new group, variances "
                   "taken as known."],
            attrs=table.attrs,
        )  # fmt: skip

    def simulate(self, n: int = 1, seed: int | None = None) -> pd.DataFrame:
        """Draw `n` new responses from the fitted model, new random effects included.

        Returns
        -------
        DataFrame, shape (nobs, n)
        """
        n, rng = check_count(n, "n"), np.random.default_rng(check_seed(seed))
        y = np.repeat(self.fit.fixed[:, None], n, axis=1)
        for term, cov in zip(self.random, self.fit.covariances, strict=True):
            values, vectors = np.linalg.eigh(cov)
            root = vectors * np.sqrt(np.maximum(values, 0.0))
            b = rng.standard_normal((n, term.groups, term.size)) @ root.T
            y += np.einsum("ik,nik->in", term.basis, b[:, term.codes])
        y += self.sigma * rng.standard_normal((n, self.nobs)).T
        return pd.DataFrame(y, index=self.frame.index)

    def refit(self, y: Sequence[float] | pd.Series, reml: bool | None = None) -> MixedModel:
        """Fit the same model to another response (one value for every row used), or by ML.

        The new response stands for the left side of the formula as it is: with ``log(y) ~ ...``
        give logarithms.
        """
        try:
            values = np.asarray(y, float)
        except (TypeError, ValueError):
            raise DataError(
                "The new response must be one column of numbers, as in data['y'], not "
                f"{shown(y)}."
            ) from None
        if values.shape != (self.nobs,):
            shape = " x ".join(map(str, values.shape))
            raise DataError(
                f"The new response has {shape} values, but the fit used {self.nobs} rows: give one "
                "value for each of them."
            )
        if not np.isfinite(values).all():
            raise DataError(
                f"The new response has {int((~np.isfinite(values)).sum())} missing or infinite "
                "values: fit the model anew to the rows that are complete."
            )
        rows = self.frame.index
        other = isinstance(y, pd.Series) and rows.is_unique and not y.index.equals(rows)
        if other and y.index.is_unique and y.index.isin(rows).all():
            raise DataError(
                "The new response has the rows of the data in another order: use "
                "y.loc[m.fittedvalues.index]."
            )
        reml = self.reml if reml is None else _check_reml(reml)
        fit = self.fit.problem.refit(values, reml)
        own = [n for n in self.notes if not n.startswith("The variance of")]
        return MixedModel(
            self.formula, self.model_frame, self.design, self.random, fit, self.kept,
            self.default_ddf, own,
        )  # fmt: skip

    def by_ml(self) -> MixedModel:
        """Return the same model fitted by ML (itself, if it was)."""
        return self if not self.reml else self.refit(self.fit.problem.y, reml=False)

    # -- showing -------------------------------------------------------------------------------

    @explains_arguments()
    def summary(self, ddf: str | None = None) -> Summary:
        """Return what was fitted, the variance components and the fixed effects, for printing."""
        return Summary(self, ddf)

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


class Summary:
    """The printed summary of a mixed model."""

    def __init__(self, model: MixedModel, ddf: str | None = None) -> None:
        how = "REML" if model.reml else "ML"
        groups = ", ".join(f"{name} {count}" for name, count in model.groups.items())
        self.head = [
            f"Linear mixed model fitted by {how}",
            f"Formula: {model.formula_text}",
            f"Observations: {model.nobs}; groups: {groups}",
            f"{'REML criterion' if model.reml else 'Deviance'}: {model.deviance:.4f}; "
            f"log-likelihood: {model.llf:.4f}; AIC: {model.aic:.2f}; BIC: {model.bic:.2f}",
        ]
        self.tables = [model.variance_components, model.coefficients(ddf)]
        self.notes = list(model.notes)
        if not model.converged:
            self.notes.append(
                "The search for the optimum stopped early: the estimates may be off in the later "
                "digits. Centring or scaling the covariates usually helps."
            )

    def __str__(self) -> str:
        parts = ["\n".join(self.head), *(table.to_text() for table in self.tables)]
        if self.notes:
            parts.append("\n".join(f"Note: {note}" for note in self.notes))
        return "\n\n".join(parts)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        head = "<br>".join(escape(line) for line in self.head)
        tables = "".join(table._repr_html_() for table in self.tables)
        notes = "".join(f"<p>Note: {escape(note)}</p>" for note in self.notes)
        return f"<p>{head}</p>{tables}{notes}"


_ELSEWHERE = "write the random effect into the formula, as in 'y ~ x + (1|g)'"
_REML = "write reml=True for REML, or reml=False for ML"


@explains_arguments(
    FitError,
    {
        "formula": "write lmer('y ~ x + (1|g)', data)",
        "data": "write lmer('y ~ x + (1|g)', data)",
        "method": _REML,
        "REML": _REML,
        **dict.fromkeys(("random", "groups", "group", "re_formula", "vc_formula"), _ELSEWHERE),
        "weights": "rows cannot be weighted",
        "family": "only normal responses are fitted",
        "subset": "choose the rows of the data first, as in data[data['x'] > 0]",
        "na_action": "rows with missing values are left out and counted",
    },
)
def lmer(
    formula: str, data: pd.DataFrame, *, reml: bool = True, ddf: str = "satterthwaite"
) -> MixedModel:
    r"""Fit a linear mixed model.

    Parameters
    ----------
    formula : str
        lme4's syntax: ``"y ~ a*b + (1|g)"``. Random intercepts ``(1|g)``, slopes ``(x|g)``,
        independent intercept and slope ``(x||g)``, nested ``(1|a/b)``, interactions as groups
        ``(1|a:b)``; several terms are added with ``+``.
    data : DataFrame
        Text, categories and booleans are factors, numbers covariates unless wrapped in ``C()``.
        The first level (of a categorical, else in sorted order) is the reference. Rows with
        missing values in a used column are left out, counted, and the count is shown.
    reml : bool
        REML (default) or ML.
    ddf : {'satterthwaite', 'kenward-roger', 'containment', 'none'}
        The default df method of the tables.

    Returns
    -------
    MixedModel

    Raises
    ------
    FormulaError, DataError, FitError
        With one sentence on what is wrong, where, and what to do.

    Notes
    -----
    y = X beta + Z b + e with b ~ N(0, sigma^2 Lambda Lambda') and e ~ N(0, sigma^2 I). The
    variances minimise the profiled deviance of Bates et al. (2015), section 3.4.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    >>> m.variance_components.round(4)
          group       name  variance      sd
    0    tablet  Intercept    0.0893  0.2989
    1  Residual               0.0436  0.2088
    """
    parsed = parse(formula)
    ddf_name(ddf, ("containment", "satterthwaite", "kenward-roger", "none"))
    reml = _check_reml(reml)
    if not parsed.bars:
        raise FormulaError(
            f"The formula '{parsed}' has no random effect, such as (1|g): add one, or use lm() for "
            "a model with fixed effects only."
        )
    frame = ModelFrame(parsed, data)
    y = frame.response(parsed)
    design = FixedDesign(parsed.fixed, frame.data)
    random = random_terms(parsed, frame)
    kept, notes = keep_columns(design, len(y))
    _check_response(parsed, y)
    _check_size(parsed, y, design, random)
    _check_groups(random, len(y))
    for note in notes:
        warn(note)
    notes = [*frame.notes, *notes, *_slope_notes(random)]
    problem = Problem(
        design.X[:, kept] if len(kept) < design.X.shape[1] else design.X,
        y,
        [term.codes for term in random],
        [term.basis for term in random],
        [term.groups for term in random],
    )
    _check_confounded(problem, random)
    return MixedModel(parsed, frame, design, random, problem.fit(reml), kept, ddf, notes)


def keep_columns(design: FixedDesign, n: int) -> tuple[Array, list[str]]:
    """Return the columns of X that are kept, and a note on those that are aliased."""
    X = design.X
    aliased = aliased_columns(X)
    kept = np.array([j for j in range(X.shape[1]) if j not in set(aliased)], int)
    if n <= len(kept):
        blame = _many_levels(design, n)
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


def _many_levels(design: FixedDesign, n: int) -> str:
    """Name a factor with so many levels that it was perhaps meant to be a covariate."""
    for name, component in design.components.items():
        if component.is_factor and len(component.levels) > max(8, n // 3):
            return (
                f"'{name}' is a factor with {len(component.levels)} levels; if it should be a "
                "covariate, convert it to numbers."
            )
    return ""


def _check_reml(reml: Any) -> bool:
    if not isinstance(reml, (bool, np.bool_)):
        raise FitError(f"reml={shown(reml)} must be True (REML) or False (ML).")
    return bool(reml)


def _check_size(
    formula: Formula, y: Array, design: FixedDesign, random: Sequence[RandomTerm]
) -> None:
    """Refuse numbers whose squares cannot be computed."""
    columns = [(f"The response '{formula.response_name}'", y)]
    columns += [(f"'{name}'", x) for name, x in zip(design.names, design.X.T, strict=True)]
    for term in random:
        columns += [(f"'{e}'", z) for e, z in zip(term.effects, term.basis.T, strict=True)]
    for what, values in columns:
        size = np.abs(values).max(initial=0.0)
        if size and not 1e-100 < size < 1e100:
            raise DataError(
                f"{what} has values as {'large' if size > 1 else 'small'} as {size:.0e}, which "
                "cannot be squared: change its unit."
            )


def _check_confounded(problem: Problem, random: Sequence[RandomTerm]) -> None:
    """Refuse random effects that fixed effects already say everything about."""
    for term in random:
        if term.groups > problem.p:
            continue  # more groups than fixed effects: they cannot say everything
        for a, name in enumerate(term.effects):
            z = term.basis[:, a]
            whole = np.bincount(term.codes, z**2, minlength=term.groups)
            fixed = np.zeros(term.groups)
            for q in problem.Q.T:
                fixed += np.bincount(term.codes, q * z, minlength=term.groups) ** 2
            if (whole - fixed <= 1e-9 * whole.max(initial=0.0)).all():
                what = "mean" if name == "Intercept" else f"'{name}'"
                raise FitError(
                    f"The fixed effects already give every group of '{term.label}' its own {what}, "
                    f"so {term.text} has nothing left to vary: leave one of the two out."
                )


def _check_response(formula: Formula, y: Array) -> None:
    if np.ptp(y) <= 1e-13 * np.abs(y).max(initial=0.0):
        raise DataError(
            f"The response '{formula.response_name}' has the same value in every row, so there is "
            "no variance to explain: check the column."
        )


def _check_groups(random: Sequence[RandomTerm], n: int) -> None:
    seen: dict[tuple[str, str], str] = {}
    for term in random:
        for name in term.effects:
            before = seen.setdefault((term.label, name), "")
            if before == term.text:
                raise FormulaError(f"{term.text} stands in the formula twice: leave one out.")
            if before:
                what = "intercept" if name == "Intercept" else f"slope '{name}'"
                raise FormulaError(
                    f"{before} and {term.text} both have a random {what}: keep only one of them, "
                    "or write (x||g) for an independent intercept and slope."
                )
            seen[term.label, name] = term.text
    for term in random:
        if term.groups < 2:
            raise DataError(
                f"The grouping factor '{term.label}' has only one level, '{term.levels[0]}', and a "
                f"variance between groups needs at least two: leave {term.text} out."
            )
        count = term.groups * term.size
        if count >= n and term.size == 1:
            raise DataError(
                f"'{term.label}' has as many levels as there are rows, {n}, so its effect cannot "
                f"be told from the residual: leave {term.text} out."
            )
        if count >= n:
            remedy = _many_levels(term.design, n) or "use fewer of them, as in (1|g)."
            raise DataError(
                f"{term.text} has {count} random effects for {n} rows, so they cannot be told from "
                f"the residual: {remedy}"
            )
        columns = zip(term.effects, term.basis.T, strict=True)
        same = [name for name, column in columns if name != "Intercept" and np.ptp(column) == 0]
        if same:
            raise DataError(
                f"'{same[0]}' has the same value in every row, so {term.text} has no slope to "
                f"estimate: leave '{same[0]}' out."
            )
        if aliased_columns(term.basis):
            raise DataError(
                f"The effects {listed(term.effects)} of {term.text} are collinear, so their "
                "variances cannot be told apart: use fewer of them."
            )


def _slope_notes(random: Sequence[RandomTerm]) -> list[str]:
    notes = []
    for term in random:
        for component in term.design.components.values():
            if not component.is_factor:
                continue
            seen = np.zeros((term.groups, len(component.levels)), bool)
            seen[term.codes, component.fitted.codes] = True
            missing = int((~seen).any(axis=1).sum())
            if missing:
                notes.append(
                    f"In {term.text}, {missing} of {term.groups} groups have no data for some "
                    f"level of '{component.name}': their effect there is predicted from the others."
                )
    return notes


def _boundary_notes(random: Sequence[RandomTerm], fit: Fit) -> list[str]:
    notes = []
    for term, cov in zip(random, fit.covariances, strict=True):
        sd = np.sqrt(np.maximum(np.diag(cov), 0.0))
        zero = [term.effects[a] for a in range(term.size) if sd[a] <= 1e-7 * np.sqrt(fit.sigma2)]
        what = "" if term.effects == ["Intercept"] else f" ({', '.join(zero)})"
        if zero:
            notes.append(
                f"The variance of {term.label}{what} is estimated as zero: beyond the other terms, "
                f"the groups differ no more than chance would make them. {term.text} then changes "
                "nothing in the fit; keep it if the design demands it."
            )
        elif term.size > 1:
            corr = cov / np.outer(sd, sd)
            if np.linalg.eigvalsh(corr).min() < 1e-8:
                exact = term.size == 2
                notes.append(
                    f"The random effects of {term.text} are perfectly correlated"
                    f"{f' ({np.sign(corr[0, 1]):+.0f})' if exact else ' in some combination'}: the "
                    "data do not support so many variances. (x||g) or (1|g) is simpler."
                )
    return notes


def compare(*models: MixedModel) -> Table:
    """Compare nested models by likelihood ratio, and all by AIC and BIC.

    Models that differ in their fixed effects are compared by ML: REML fits are then fitted again,
    and the caption says so. Models that differ only in their random effects are compared as they
    are if all were fitted by REML.

    Parameters
    ----------
    *models : MixedModel
        Two or more, fitted to the same rows.

    Returns
    -------
    Table
        Index: the formula, fewest parameters first; columns ``npar, loglik, AIC, BIC, LRT, df,
        p``; each row is tested against the one above it.

    Examples
    --------
    >>> import mixedteach as mt
    >>> tablets = mt.load_tablets()
    >>> m0 = mt.lmer("content ~ 1 + (1|tablet)", tablets)
    >>> m1 = mt.lmer("content ~ method + (1|tablet)", tablets)
    >>> mt.compare(m0, m1)[["npar", "LRT", "p"]].round(4).iloc[1].tolist()
    [4.0, 0.3135, 0.5755]
    """
    from scipy import special

    for model in models:
        if isinstance(model, (list, tuple)):
            raise InferenceError("compare() takes the models one by one: write compare(m0, m1).")
        if not isinstance(model, MixedModel):
            raise InferenceError(
                f"compare() takes models fitted by lmer(), not {a_kind(model)}: fit it with lmer()."
            )
    if len(models) < 2:
        raise InferenceError("compare() needs at least two models, as in compare(m0, m1).")
    first = models[0]
    for model in models[1:]:
        if model.nobs != first.nobs:
            raise InferenceError(
                f"The models use different rows, {first.nobs} and {model.nobs} (missing values?), "
                "so their likelihoods cannot be compared: use data.dropna() first, then fit both."
            )
        if not np.array_equal(model.fit.problem.y, first.fit.problem.y):
            raise InferenceError(
                "The models have different responses, or rows in another order, so their "
                "likelihoods cannot be compared: fit both to the same response and rows."
            )
    same_fixed = all(_same_span(first.X, model.X) for model in models[1:])
    reml = [model.reml for model in models]
    refitted = any(reml) and not (all(reml) and same_fixed)
    used = [model.by_ml() for model in models] if refitted else list(models)
    used.sort(key=lambda model: model.npar)
    rows = []
    for i, model in enumerate(used):
        test = (np.nan, np.nan, np.nan)
        if i:
            lrt = max(0.0, 2 * (model.llf - used[i - 1].llf))
            df = model.npar - used[i - 1].npar
            test = (lrt, df, float(special.chdtrc(df, lrt)) if df else np.nan)
        rows.append((model.npar, model.llf, model.aic, model.bic, *test))
    how = "ML" if refitted or not all(reml) else "REML"
    notes = ["BIC counts all n rows (lme4's convention; nlme's REML BIC uses n - p)."]
    if refitted:
        notes.insert(0, "Fitted again by ML, because REML likelihoods of different fixed effects "
                        "cannot be compared.")  # fmt: skip
    names = [model.formula_text for model in used]
    return Table(
        pd.DataFrame(
            rows, columns=["npar", "loglik", "AIC", "BIC", "LRT", "df", "p"],
            index=pd.Index(names, name="model"),
        ),
        caption=f"Likelihood-ratio tests, each model against the one above; by {how}",
        notes=notes,
        attrs={"ddf": "none", "adjust": "none", "family": "models", "level": None, "method": how},
    )  # fmt: skip


def _same_span(A: Array, B: Array) -> bool:
    if A.shape[1] != B.shape[1]:
        return False
    if np.array_equal(A, B):
        return True
    scaled = B / np.maximum(np.sqrt((B**2).sum(axis=0)), 1e-300)
    left = scaled - A @ np.linalg.lstsq(A, scaled, rcond=None)[0]
    return bool(np.abs(left).max() < 1e-8)


