r"""Fitting a linear mixed model from a formula and a table, and everything one asks of the fit.

    y = X beta + Z b + e,    b ~ N(0, G),    e ~ N(0, sigma^2 I)

:func:`lmer` reads the formula, checks the data, estimates the variances by REML (or ML) and
returns a :class:`MixedModel`. Its attribute names are those of statsmodels (``params``, ``bse``,
``llf``, ``resid``, ``fittedvalues``); its tables are pandas DataFrames that name the df method.

Source: Bates, Maechler, Bolker and Walker (2015), J. Stat. Softw. 67(1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mixedteach.columns import ModelFrame, check_table, in_another_order
from mixedteach.design import FixedDesign, RandomTerm
from mixedteach.errors import (
    DataError,
    FitError,
    FormulaError,
    InferenceError,
    check_count,
    check_level,
    check_seed,
    explains_arguments,
    listed,
    one_of,
    shown,
    warn,
)
from mixedteach.fit_checks import boundary_notes, check_told_apart, check_unit
from mixedteach.fitting.lmm import Fit
from mixedteach.fitting.optimise import NotToldApart
from mixedteach.fixed_effects import FixedEffects
from mixedteach.formula import Formula, parse
from mixedteach.inference.anova import kept_columns
from mixedteach.inference.distributions import t_quantile
from mixedteach.inference.emmeans import estimable
from mixedteach.inference.functions import (
    Method,
    PlainMethod,
    ddf_name,
)
from mixedteach.inference.parameters import effect_pairs, variance_estimates, variance_labels
from mixedteach.prepared import prepare
from mixedteach.progress import progress
from mixedteach.table import Summary, Table

if TYPE_CHECKING:
    from mixedteach.fitting.batch import Batch
    from mixedteach.fitting.residual.parts import Structure
    from mixedteach.matrices import Matrices
    from mixedteach.refits import Refits

Array = np.ndarray


# how notes begin that are made for each fit
_OF_THE_FIT = ("The variance of", "phi of", "The residual variance follows", "The correlations of")
DDF_OFFERED = ("containment", "satterthwaite", "kenward-roger", "none")


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

    ddf_offered: tuple[str, ...] = DDF_OFFERED

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
        self._of_design = notes
        self.nobs = fit.n
        self.reml = fit.reml
        self._methods: dict[str, Method] = {}

    # -- estimates -----------------------------------------------------------------------------

    @cached_property
    def notes(self) -> list[str]:
        """What should be known of the data and the fit, a sentence each."""
        return [*self._of_design, *boundary_notes(self.random, self.fit)]

    @property
    def llf(self) -> float:
        """The log-likelihood, restricted under REML."""
        return self.fit.loglik

    @cached_property
    def scale(self) -> float:
        """The residual variance sigma^2."""
        return self.fit.sigma2

    @property
    def converged(self) -> bool:
        """Whether the search ended at an optimum."""
        return self.fit.optimum.converged

    @cached_property
    def params(self) -> pd.Series:
        """Fixed effects, one entry a coefficient."""
        names = self.design.index
        # a new index for each: a name given to one of them is not a name of all
        names = names[:] if len(self.kept) == len(names) else names[self.kept]
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
    def deviance(self) -> float:
        """-2 llf: the ML deviance, or the REML criterion."""
        return self.fit.deviance

    @property
    def groups(self) -> dict[str, int]:
        """Grouping factor -> number of groups."""
        return {term.label: term.groups for term in self.random}

    def method(self, ddf: str | None = None) -> Method:
        """Return the df method of that name, bound to this fit."""
        name = ddf_name(self.default_ddf if ddf is None else ddf, self.ddf_offered)
        if name not in self._methods:
            self._methods[name] = self._make_method(name)
        return self._methods[name]

    @property
    def variance_names(self) -> list[str]:
        """Names of standard deviations and correlations, as in profile and bootstrap."""
        return variance_labels(self.random)

    def variance_values(self, fit: Fit) -> Array:
        """Return the values of ``variance_names`` in a fit of this model."""
        return variance_estimates(self.random, fit)

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

            return Containment(self.X, self.fit, self.design, kept_columns(self), self.random)
        return PlainMethod("none (z, chi-squared)", self.fit.cov_beta, np.inf, self.fit.variances)

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
            for a, b in effect_pairs(term):
                both = sd[a] * sd[b]
                corr = float(np.clip(cov[a, b] / both, -1, 1)) if both > 0 else np.nan
                pair = (term.label, term.effects[a], term.effects[b])
                rows.append((*pair, cov[a, b], np.nan, corr))
        rows.append(("Residual", "", "", self.scale, self.sigma, np.nan))
        columns = ["group", "name", "name2", "variance", "sd", "corr"]
        table = pd.DataFrame(rows, columns=columns)
        if (table["name2"] == "").all():
            table = table.drop(columns=["name2", "corr"])
        notes = [f"{t.text}: one variance for {listed(t.effects)}." for t in self.random if t.tied]
        how = "REML" if self.reml else "ML"
        return Table(table, caption=f"Variance components by {how}", notes=notes)

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

    def random_effects_table(self, level: float = 0.95) -> Table:
        """Return all predicted random effects in one table, with intervals.

        The standard errors are conditional: those of b given the data, variances and fixed effects
        taken as known; the intervals are b -+ z SE.

        Parameters
        ----------
        level : float
            Of the intervals.

        Returns
        -------
        Table
            Columns ``group, level, effect, estimate, SE, lower, upper``; one row an effect of a
            group.

        Examples
        --------
        >>> import mixedteach as mt
        >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
        >>> m.random_effects_table()[["level", "estimate", "SE"]].round(3).head(2)
          level  estimate     SE
        0     1    -0.092  0.132
        1     2     0.269  0.132
        """
        z = float(t_quantile(0.5 + check_level(level) / 2, np.inf))
        rows = []
        for term, b, V in zip(
            self.random, self.fit.random_effects, self.fit.conditional_covariances, strict=True
        ):
            se = np.sqrt(np.maximum(np.einsum("mkk->mk", V), 0.0))
            for i, name in enumerate(term.levels):
                for a, effect in enumerate(term.effects):
                    half = z * se[i, a]
                    limits = (b[i, a] - half, b[i, a] + half)
                    rows.append((term.label, str(name), effect, b[i, a], se[i, a], *limits))
        columns = ["group", "level", "effect", "estimate", "SE", "lower", "upper"]
        return Table(
            pd.DataFrame(rows, columns=columns),
            caption=f"Random effects (BLUPs) with conditional SE; intervals: {100 * level:g}%",
            attrs={"ddf": "none", "adjust": "none", "family": "random effects", "level": level},
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
        if kind == "profile":
            from mixedteach.inference.profile import profile

            return profile(self, level)
        from mixedteach.inference.bootstrap import bootstrap

        nsim, seed = check_count(nsim, "nsim", 2), check_seed(seed)
        return bootstrap(self, level, nsim, seed)

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
        return self.fit.criterion.value(self._inner_theta(theta, "theta"))

    def optimizer_path(self, start: Sequence[float] | None = None) -> Table:
        """Return the steps of the search for the variances.

        Parameters
        ----------
        start : sequence of float, optional
            Search again from this theta (lme4's order). By default the search of the fit is
            shown, whose start is so good that balanced data often need no further step.

        Returns
        -------
        Table
            Columns ``step`` (0 is the start), ``theta`` (``theta1, theta2, ...`` if there are
            several), ``criterion`` (the REML criterion or ML deviance) and ``change``.

        Examples
        --------
        >>> import mixedteach as mt
        >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
        >>> m.optimizer_path(start=[0.5])["theta"].round(4).tolist()
        [0.5, 1.7, 1.3724, 1.4291, 1.4312, 1.4312]
        """
        from mixedteach.fitting.criterion import factors, theta_of
        from mixedteach.fitting.lmm import semidefinite_cholesky
        from mixedteach.fitting.optimise import minimise

        optimum = self.fit.optimum
        if start is not None:
            optimum = minimise(self.fit.criterion, self._inner_theta(start, "start"))
        sizes = self.fit.problem.sizes
        rows = []
        for inner, value in optimum.path:
            turned = [
                turn @ factor
                for turn, factor in zip(self.fit.problem.turns, factors(inner, sizes), strict=True)
            ]
            lows = [semidefinite_cholesky(factor @ factor.T) for factor in turned]
            theta = theta_of(lows, sizes)
            rows.append([*theta, value])
        names = ["theta"] if self.theta.size == 1 else [f"theta{i + 1}" for i in range(len(theta))]
        steps = pd.DataFrame(rows, columns=[*names, "criterion"])
        steps.insert(0, "step", range(len(steps)))
        steps["change"] = steps["criterion"].diff()
        what = "REML criterion" if self.reml else "ML deviance"
        caption = f"The search for the smallest {what}; theta: sd / sigma"
        return Table(steps, caption=caption, digits=6)

    def residual_covariance(self, rows: Sequence[int] | None = None) -> Array:
        """Return R, the covariance of the residuals e, of all rows or those at these places."""
        return self.scale * np.eye(self.nobs if rows is None else len(rows))

    def matrices(self) -> Matrices:
        """Return y, X, Z, G, R and V of y = X beta + Z u + e, with V = Z G Z' + R.

        Returns
        -------
        Matrices
            Named tuple of one Series and five DataFrames, with readable rows and columns.

        Raises
        ------
        InferenceError
            If there are more than 2000 observations or random effects.

        Examples
        --------
        >>> import mixedteach as mt
        >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
        >>> m.matrices()
        Matrices: y (20), X (20 x 2), Z (20 x 10), G (10 x 10), R (20 x 20), V (20 x 20)
        >>> m.matrices().V.iloc[:3, :3].round(4).to_numpy().tolist()
        [[0.1329, 0.0893, 0.0], [0.0893, 0.1329, 0.0], [0.0, 0.0, 0.1329]]
        """
        from mixedteach.matrices import matrices

        return matrices(self)

    def _inner_theta(self, theta: Sequence[float], name: str) -> Array:
        """Check a theta, and write it in the orthogonal bases of the fit."""
        from mixedteach.fitting.criterion import factors, theta_of
        from mixedteach.fitting.lmm import semidefinite_cholesky

        try:
            theta = np.atleast_1d(np.asarray(theta, float))
        except (TypeError, ValueError):
            raise InferenceError(f"{name}={shown(theta)} must be a list of numbers.") from None
        if theta.shape != self.theta.shape or not np.isfinite(theta).all():
            raise InferenceError(
                f"{name}={shown(theta.tolist())} must be like the model's .theta: finite, and of "
                f"length {self.theta.size}."
            )
        lows = []
        sizes = self.fit.problem.sizes
        for factor, turn in zip(factors(theta, sizes), self.fit.problem.turns, strict=True):
            turned = np.linalg.solve(turn, factor)
            lows.append(semidefinite_cholesky(turned @ turned.T))
        return theta_of(lows, sizes)

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
        random = random and bool(self.random)
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
                codes, basis = (term.codes, term.basis) if new_data is None else term.locate(frame)
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
        what = "the average group" if self.random else "the mean"
        table = self._predictions(X, frame.index, ddf, level, np.zeros(len(X)), what)
        spread = self._new_variances(frame, table["predicted"].to_numpy())
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

    def _new_variances(self, frame: pd.DataFrame, mean: Array) -> Array:
        """Return the residual variance of new rows."""
        return np.full(len(frame), self.scale)

    def _noise(self, n: int, rng: np.random.Generator) -> Array:
        """Draw residuals, shape (nobs, n)."""
        return self.sigma * rng.standard_normal((n, self.nobs)).T

    def simulate(self, n: int = 1, seed: int | None = None) -> pd.DataFrame:
        """Draw `n` new responses from the fitted model, new random effects included.

        Returns
        -------
        DataFrame, shape (nobs, n)
        """
        n, rng = check_count(n, "n"), np.random.default_rng(check_seed(seed))
        return pd.DataFrame(self.draw(n, rng), index=self.frame.index)

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draw `n` responses as columns of an array."""
        y = np.repeat(self.fit.fixed[:, None], n, axis=1)
        for term, cov in zip(self.random, self.fit.covariances, strict=True):
            values, vectors = np.linalg.eigh(cov)
            root = vectors * np.sqrt(np.maximum(values, 0.0))
            b = rng.standard_normal((n, term.groups, term.size)) @ root.T
            y += np.einsum("ik,nik->in", term.basis, b[:, term.codes])
        return y + self._noise(n, rng)

    def refit(self, y: Sequence[float] | pd.Series, reml: bool | None = None) -> MixedModel:
        """Fit the same model to another response (one value for every row used), or by ML.

        The new response stands for the left side of the formula as it is: with ``log(y) ~ ...``
        give logarithms.
        """
        try:
            # a copy (pandas 2.2 gives np.array none): some of the fit is computed when asked for
            values = np.asarray(y, float).copy()
        except (TypeError, ValueError):
            raise DataError(
                f"The new response must be one column of numbers, as in data['y'], not {shown(y)}."
            ) from None
        if values.shape != (self.nobs,):
            raise _unfit(values, self.nobs)
        if isinstance(y, pd.Series) and in_another_order(y.index, self.frame.index):
            raise DataError(
                "The new response has the rows of the data in another order: use "
                "y.loc[m.fittedvalues.index]."
            )
        reml = self.reml if reml is None else check_reml(reml)
        problem = self.fit.problem.with_response(values)
        fit = problem.fit_at_once(reml)
        if fit is None:
            if not np.isfinite(values).all():
                raise _unfit(values, self.nobs)
            check_unit(self.formula, float(np.abs(values).max()))
            fit = problem.fit(reml)
        return self.with_fit(fit)

    def with_fit(self, fit: Fit) -> MixedModel:
        """Return the same model with another fit of it, such as one to another response."""
        notes = self.__dict__.get("notes", self._of_design)  # some may have been added
        own = [note for note in notes if not note.startswith(_OF_THE_FIT)]
        return type(self)(
            self.formula, self.model_frame, self.design, self.random, fit, self.kept,
            self.default_ddf, own,
        )  # fmt: skip

    def refit_many(self, responses: pd.DataFrame | Array) -> Refits:
        """Fit the same model to many responses, and return all estimates.

        Parameters
        ----------
        responses : DataFrame or ndarray, shape (nobs, count)
            One column a response, as :meth:`simulate` returns them.

        Returns
        -------
        Refits
            With ``params``, ``variances``, ``llf``, ``boundary``, and ``anova(term)`` for tests.

        Raises
        ------
        DataError
            If the responses are not a table of numbers with a row for each row of the fit.

        Notes
        -----
        The fits are those of :meth:`refit`. In most designs they are made together, which is ten
        to a thousand times as quick: in closed form in balanced designs (see
        :mod:`mixedteach.fitting.closed_many`), else by steps taken for all responses at once
        (:mod:`mixedteach.fitting.batch`). A progress bar appears after a second if the error stream
        is a terminal.

        Examples
        --------
        How often does a true variance between tablets come out as zero?

        >>> import mixedteach as mt
        >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
        >>> many = m.refit_many(m.simulate(1000, seed=1))
        >>> many
        1000 fits of content ~ method + (1|tablet); 14 at the boundary (a variance of zero)
        """
        from mixedteach.refits import check_responses

        values, index = check_responses(responses, self.nobs, self.frame.index)
        with progress(len(values), "refits") as bar:
            return self.refits(values, index, bar.update)

    @cached_property
    def batch(self) -> Batch | None:
        """The design made ready for many responses; None if they are better fitted one by one."""
        from mixedteach.fitting.batch import together

        return together(self.fit.problem, self.reml)

    def refits(
        self, Y: Array, index: pd.Index | None = None,
        tell: Callable[[int], object] = lambda count: None,
    ) -> Refits:  # fmt: skip
        """Fit responses that stand in the rows of Y; `tell` hears how many more are done."""
        from mixedteach.refits import Refits

        return Refits(self, Y, pd.RangeIndex(len(Y)) if index is None else index, tell)

    def by_ml(self) -> MixedModel:
        """Return the same model fitted by ML (itself, if it was)."""
        return self if not self.reml else self.refit(self.fit.problem.y, reml=False)

    # -- showing -------------------------------------------------------------------------------

    @explains_arguments()
    def summary(self, ddf: str | None = None) -> Summary:
        """Return what was fitted, the variance components and the fixed effects, for printing."""
        how = "REML" if self.reml else "ML"
        groups = ", ".join(f"{name} {count}" for name, count in self.groups.items())
        head = [
            f"Linear mixed model fitted by {how}",
            f"Formula: {self.formula_text}",
            f"Observations: {self.nobs}; groups: {groups}",
            f"{'REML criterion' if self.reml else 'Deviance'}: {self.deviance:.4f}; "
            f"log-likelihood: {self.llf:.4f}; AIC: {self.aic:.2f}; BIC: {self.bic:.2f}",
        ]
        notes = list(self.notes)
        if not self.converged:
            notes.append(
                "The search for the optimum stopped early: the estimates may be off in the later "
                "digits. Centring or scaling the covariates usually helps."
            )
        return Summary(head, [self.variance_components, self.coefficients(ddf)], notes)

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def _unfit(values: Array, n: int) -> DataError:
    """Say what is wrong with a new response: its size, or values that are missing."""
    if values.shape != (n,):
        shape = " x ".join(map(str, values.shape))
        return DataError(
            f"The new response has {shape} values, but the fit used {n} rows: give one value for "
            "each of them."
        )
    return DataError(
        f"The new response has {int((~np.isfinite(values)).sum())} missing or infinite values: fit "
        "the model anew to the rows that are complete."
    )


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
        "covariance": "more bars leave fewer parameters: (x|g), (x||g) for independent effects, "
        "(x|||g) for one variance as well",
        "weights": "rows cannot be weighted; unequal variances are variance=UnequalVariances('g')",
        "family": "only normal responses are fitted",
        "subset": "choose the rows of the data first, as in data[data['x'] > 0]",
        "na_action": "rows with missing values are left out and counted",
    },
)
def lmer(
    formula: str,
    data: pd.DataFrame,
    *,
    reml: bool = True,
    ddf: str = "satterthwaite",
    correlation: Structure | None = None,
    variance: Structure | None = None,
) -> MixedModel:
    r"""Fit a linear mixed model.

    Parameters
    ----------
    formula : str
        lme4's syntax: ``"y ~ a*b + (1|g)"``. Random intercepts ``(1|g)``, slopes ``(x|g)``,
        independent intercept and slope ``(x||g)``, nested ``(1|a/b)``, interactions as groups
        ``(1|a:b)``; several terms are added with ``+``. And one more bar, ``(0+f|||g)``: effects
        that are independent and share one variance, G = tau^2 I (nlme's ``pdIdent``).
    data : DataFrame
        Text, categories and booleans are factors, numbers covariates unless wrapped in ``C()``.
        The first level (of a categorical, else in sorted order) is the reference. Rows with
        missing values in a used column are left out, counted, and the count is shown.
    reml : bool
        REML (default) or ML.
    ddf : {'satterthwaite', 'kenward-roger', 'containment', 'none'}
        The default df method of the tables.
    correlation : AR1, CAR1, CompoundSymmetry or Unstructured, optional
        How residuals of a group are correlated; by default they are independent.
    variance : UnequalVariances, PowerOf or PowerOfMean, optional
        How residual variances differ; by default they are equal.

    Returns
    -------
    MixedModel
        With `correlation` or `variance` a :class:`GeneralModel`, which offers the same and shows
        their parameters.

    Raises
    ------
    FormulaError, DataError, FitError
        With one sentence on what is wrong, where, and what to do.

    Notes
    -----
    y = X beta + Z b + e with b ~ N(0, sigma^2 Lambda Lambda') and e ~ N(0, sigma^2 I). The
    variances minimise the profiled deviance of Bates et al. (2015), section 3.4. With `correlation`
    or `variance`, e ~ N(0, sigma^2 Gamma): see :mod:`mixedteach.fitting.general`.

    ``(x|g)`` and ``(x||g)`` have two variances, in the units of the intercept and of the slope;
    ``(x|||g)`` has one for both, so that the model depends on the unit and the zero of x: a note
    says so. ``(0+f|||g)`` depends on neither, for all its effects are means of levels; it is the
    model with ``(1|g:f)``. Pinheiro and Bates (2000), section 4.2.2 (``pdIdent``).

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
    ddf_name(ddf, DDF_OFFERED)
    reml = check_reml(reml)
    general = correlation is not None or variance is not None
    if not parsed.bars:
        raise FormulaError(
            f"The formula '{parsed}' has no random effect, such as (1|g): add one, or use "
            f"{'gls()' if general else 'lm()'} for a model with fixed effects only."
        )
    if general:
        from mixedteach.general import fit_general

        return fit_general(parsed, data, correlation, variance, reml, ddf)
    frame = ModelFrame(parsed, data)
    y = frame.response(parsed)
    ready = prepare(parsed, frame, y)
    for note in ready.aliased:
        warn(note)
    problem = ready.problem.with_response(y)
    try:
        fit = problem.fit(reml)
    except NotToldApart:
        check_told_apart(problem, ready.random)  # names them
        raise
    notes = [*frame.notes, *ready.aliased, *ready.notes]
    random = list(ready.random)
    return MixedModel(parsed, frame, ready.design, random, fit, ready.kept, ddf, notes)


def check_reml(reml: Any) -> bool:
    """Return True for REML and False for ML, or say that it must be one of them."""
    if not isinstance(reml, (bool, np.bool_)):
        raise FitError(f"reml={shown(reml)} must be True (REML) or False (ML).")
    return bool(reml)
