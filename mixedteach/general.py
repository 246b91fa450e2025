r"""Models whose residuals are correlated or have unequal variances.

    y = X beta + Z b + e,    b ~ N(0, G),    e ~ N(0, sigma^2 Gamma)

``lmer(..., correlation=, variance=)`` and :func:`gls` (no random effects) return a
:class:`GeneralModel`: a :class:`mixedteach.MixedModel` that also has the parameters of Gamma.

Source: Pinheiro and Bates (2000), Mixed-Effects Models in S and S-PLUS, chapter 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from mixedteach.columns import ModelFrame
from mixedteach.design import FixedDesign, RandomTerm, random_terms
from mixedteach.errors import (
    DataError,
    FitError,
    FormulaError,
    InferenceError,
    a_kind,
    check_level,
    explains_arguments,
    listed,
    one_of,
    warn,
)
from mixedteach.fit_checks import (
    check_confounded,
    check_groups,
    check_information,
    check_response,
    check_size,
    plain_theta,
    slope_notes,
    unit_notes,
)
from mixedteach.fitting.general import GeneralFit, GeneralProblem
from mixedteach.fitting.lmm import Fit
from mixedteach.fitting.residual.correlation import check_alike
from mixedteach.fitting.residual.covariance import Residual
from mixedteach.fitting.residual.parts import Structure
from mixedteach.fixed_effects import keep_columns
from mixedteach.formula import Formula, parse
from mixedteach.inference import residual_intervals
from mixedteach.inference.functions import Method, PlainMethod, ddf_name
from mixedteach.inference.ranova import Reduction, ranova_table
from mixedteach.model import DDF_OFFERED, MixedModel, check_reml
from mixedteach.table import Summary, Table

Array = np.ndarray

GLS_DDF = ("satterthwaite", "kenward-roger", "residual", "none")


class GeneralModel(MixedModel):
    """A fitted model with a residual covariance; made by :func:`lmer` and :func:`gls`.

    It has all that :class:`MixedModel` has, and:

    Attributes
    ----------
    residual_parameters : Table
        sigma and the parameters of the residual covariance, with 95% Wald intervals.
    residual_sd : Series
        Residual standard deviation of each level (``UnequalVariances``) or of each row.
    normalised_resid : Series
        Residuals made independent with variance one, sigma^-1 F^-1 (y - X beta - Z b), F F' =
        Gamma; those of a group are taken in the order of time.
    scale : float
        sigma^2: the residual variance, of the first level under ``UnequalVariances``, at
        covariate (or mean) 1 under a power.
    """

    fit: GeneralFit

    def __init__(
        self, formula: Formula, frame: ModelFrame, design: FixedDesign, random: list[RandomTerm],
        fit: GeneralFit, kept: Array, default_ddf: str, notes: Sequence[str],
    ) -> None:  # fmt: skip
        super().__init__(formula, frame, design, random, fit, kept, default_ddf, notes)
        self.scale = fit.sigma2 * float(np.exp(2 * fit.residual.log_shift(fit.eta)))
        if not random:
            self.ddf_offered = GLS_DDF
        correlation = fit.residual.correlation
        if correlation is not None and fit.optimum.zero[fit.criterion.nt :].any():
            self.notes.append(
                f"phi of {correlation.text} is estimated as zero, the end of its range: beyond the "
                "other terms, residuals close in time are no more alike than distant ones."
            )
        if correlation is not None and len(correlation.scales) > 1:
            times = len(correlation.whole(fit.eta[: fit.residual.nc]))
            groups = len(correlation.group.levels)
            if groups < 3 * times:
                self.notes.append(
                    f"The correlations of {correlation.text} are hardly determined by {groups} "
                    "groups: standard errors, df and intervals claim too much."
                )
        if fit.residual.variance is not None and fit.residual.variance.of_mean:
            self.notes.append(
                "The residual variance follows the fitted mean, which tests and intervals take as "
                "known."
            )

    @property
    def residual_text(self) -> str:
        """The residual covariance as arguments: ``correlation=..., variance=...``."""
        return self.fit.residual.text

    def _make_method(self, name: str) -> Method:
        if name == "residual":
            df = float(self.nobs - len(self.params))
            return PlainMethod("residual", self.fit.cov_beta, df, self.fit.variances)
        if name == "kenward-roger" and self.reml:
            from mixedteach.inference.kenward_roger_nonlinear import KenwardRogerNonlinear

            return KenwardRogerNonlinear(self.fit)
        return super()._make_method(name)

    # -- the residual covariance ---------------------------------------------------------------

    @cached_property
    def residual_parameters(self) -> Table:
        """Sigma and the parameters of the residual covariance, with 95% Wald intervals."""
        return self._residual_table("wald", 0.95)

    def _residual_table(self, kind: str, level: float) -> Table:
        rows = getattr(residual_intervals, kind)(self.fit, level)
        how = "Wald, on an unbounded scale" if kind == "wald" else "profile likelihood"
        notes = []
        if any(np.isnan(row[2:]).any() for row in rows):
            what = "conf_int('profile') has one" if kind == "wald" else "the search lost its way"
            notes.append(f"Where limits are blank there is no such interval; {what}.")
        names = [row[0] for row in rows]
        return Table(
            pd.DataFrame(
                [row[1:] for row in rows], columns=["estimate", "lower", "upper"],
                index=pd.Index(names, name="parameter"),
            ),
            caption=f"Residual covariance, {self.residual_text or 'independent'}; "
            f"intervals: {100 * level:g}% ({how}, {'REML' if self.reml else 'ML'})",
            notes=notes,
            attrs={"ddf": "none", "adjust": "none", "family": "parameters", "level": level,
                   "method": kind},
        )  # fmt: skip

    @cached_property
    def residual_sd(self) -> pd.Series:
        """Residual standard deviation of each level (``UnequalVariances``), or of each row."""
        variance, eta = self.fit.residual.variance, self.fit.eta[self.fit.residual.nc :]
        if variance is not None and variance.factor is not None:
            index = pd.Index(variance.factor.levels, name=variance.factor.name)
            return pd.Series(self.sigma * np.exp(np.append(0.0, eta)), index=index, name="sd")
        sd = np.sqrt(self.fit.sigma2) * np.exp(self.fit.log_sd)
        return pd.Series(sd, index=self.frame.index, name="sd")

    @property
    def normalised_resid(self) -> pd.Series:
        """Residuals made independent with variance one (see the class)."""
        return pd.Series(self.fit.normalised, index=self.frame.index, name="normalised_resid")

    def residual_covariance(self, rows: Sequence[int] | None = None) -> Array:
        """Return R = sigma^2 Gamma of all rows, or of those with these places."""
        rows = np.arange(self.nobs) if rows is None else np.asarray(rows, int)
        return self.fit.sigma2 * self.fit.problem.moments.dense_gamma(self.fit.eta, rows)

    @cached_property
    def variance_components(self) -> Table:
        """Variances of the random effects, and sigma^2."""
        table = super().variance_components
        if self.fit.residual.variance is not None:
            variance = self.fit.residual.variance
            where = (
                f"at {variance.factor.name} '{variance.factor.levels[0]}'"
                if variance.factor is not None
                else f"at {'a mean' if variance.of_mean else variance.structure.columns[0]} of 1"
            )
            table.notes.append(f"Residual: {where}, for variances are unequal; see residual_sd.")
        return table

    @property
    def icc(self) -> pd.Series:
        """Refused: the shares differ from row to row, or depend on the distance of two rows."""
        raise InferenceError(
            "With a residual covariance the shares of variance are not the same for all rows: look "
            "at variance_components and residual_parameters."
        )

    @property
    def variance_names(self) -> list[str]:
        """Names of standard deviations, correlations and residual parameters, as in intervals."""
        own = ["sigma", *(scale.name for scale in self.fit.residual.scales)]
        return [*super().variance_names[:-1], *own]

    def variance_values(self, fit: Fit) -> Array:
        """Return the values of ``variance_names`` in a fit of this model."""
        values = super().variance_values(fit)
        values[-1] *= np.exp(fit.residual.log_shift(fit.eta))
        return np.append(values, fit.residual.shown(fit.eta))

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
        method : {'wald', 'residual', 'profile', 'bootstrap'}
            Wald: estimate -+ t SE of the fixed effects with the chosen df. Residual: Wald intervals
            of sigma and the parameters of the residual covariance, as nlme's ``intervals``.
            Profile: likelihood intervals of the parameters of the residual covariance. Bootstrap:
            all parameters, from `nsim` responses simulated from the fit.
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
        >>> m = mt.gls("distance ~ age*Sex", mt.load_orthodont(),
        ...            correlation=mt.AR1("age", by="Subject"))
        >>> m.conf_int("profile").round(3).loc["phi"].tolist()
        [0.624, 0.46, 0.763]
        """
        kinds = ("wald", "residual", "profile", "bootstrap")
        kind = one_of(method, kinds, "a method for intervals")
        if kind in ("wald", "bootstrap"):
            return super().conf_int(kind, level, ddf, nsim=nsim, seed=seed)
        return self._residual_table("wald" if kind == "residual" else "profile", check_level(level))

    def ranova(self) -> Table:
        """Test each random effect by the likelihood ratio of leaving it out.

        The residual covariance stays; otherwise as :meth:`MixedModel.ranova`.
        """
        if not self.random:
            raise InferenceError("The model has no random effect to test.")
        return ranova_table(self, self._without)

    def _without(self, reduction: Reduction) -> tuple[float, int]:
        """Return log-likelihood and number of covariance parameters of a reduced model."""
        problem, own = self.fit.problem, reduction.term
        kept = [i for i in range(len(problem.groups)) if i != own or reduction.basis is not None]
        reduced = GeneralProblem(
            problem.X, problem.y, [problem.codes[i] for i in kept],
            [reduction.basis if i == own else problem.bases[i] for i in kept],
            [problem.groups[i] for i in kept], problem.residual_covariance,
            [problem.tied[i] for i in kept],
        )  # fmt: skip
        fit = reduced.fit(self.reml)
        return fit.loglik, len(fit.state.theta)

    def profile_deviance(
        self, theta: Sequence[float], residual: Sequence[float] | None = None
    ) -> float:
        """Return the profiled deviance (or REML criterion) at other parameters.

        Parameters
        ----------
        theta : sequence of float
            Of the random effects, in lme4's order (empty without).
        residual : sequence of float, optional
            Those of ``residual_parameters`` after sigma; by default their estimates.
        """
        inner = self._inner_theta(theta, "theta") if len(self.theta) else np.empty(0)
        eta = self.fit.eta
        if residual is not None:
            scales = self.fit.residual.scales
            try:
                values = [float(value) for value in residual]
            except (TypeError, ValueError):
                values = []
            inside = [s.low <= v < s.high for s, v in zip(scales, values, strict=False)]
            if len(values) != len(scales) or not all(inside):
                raise InferenceError(
                    f"residual= must hold one number for each of {listed(s.name for s in scales)}, "
                    "inside its range."
                )
            eta = np.array([s.eta(v) for s, v in zip(scales, values, strict=True)])
        return self.fit.criterion.value(np.append(inner, eta))

    def optimizer_path(self, start: Sequence[float] | None = None) -> Table:
        """Return the steps of the search that found the best optimum, of several starts.

        Returns
        -------
        Table
            Columns ``step``, ``theta1, ...`` (in the bases of the search), the parameters of the
            residual covariance, ``criterion`` and ``change``.
        """
        if start is not None:
            raise InferenceError(
                "A model with a residual covariance is searched from several starts of its own: "
                "leave start= out."
            )
        nt, scales = self.fit.criterion.nt, self.fit.residual.scales
        rows = [
            [*x[:nt], *self.fit.residual.shown(x[nt:]), value] for x, value in self.fit.optimum.path
        ]
        names = [*(f"theta{i + 1}" for i in range(nt)), *(scale.name for scale in scales)]
        steps = pd.DataFrame(rows, columns=[*names, "criterion"])
        steps.insert(0, "step", range(len(steps)))
        steps["change"] = steps["criterion"].diff()
        what = "REML criterion" if self.reml else "ML deviance"
        return Table(steps, caption=f"The search for the smallest {what}", digits=6)

    # -- new data, new responses ---------------------------------------------------------------

    def _new_variances(self, frame: pd.DataFrame, mean: Array) -> Array:
        variance = self.fit.residual.variance
        for name in [] if variance is None else variance.structure.variables():
            if name not in frame.columns:
                raise DataError(
                    f"The new data lack the column '{name}' of {variance.text}, which intervals "
                    "for new observations need: add it."
                )
        return self.scale * np.exp(2 * self.fit.residual.new_log_sd(self.fit.eta, frame, mean))

    def _noise(self, n: int, rng: np.random.Generator) -> Array:
        plain = super()._noise(n, rng) * np.sqrt(self.fit.sigma2 / self.scale)
        return self.fit.problem.moments.colour(self.fit.eta, plain)

    # -- showing -------------------------------------------------------------------------------

    @explains_arguments()
    def summary(self, ddf: str | None = None) -> Summary:
        """Return what was fitted, all variance parameters and the fixed effects, for printing."""
        plain = super().summary(ddf)
        head = list(plain.head)
        if not self.random:
            how = "REML" if self.reml else "ML"
            head[0] = f"Linear model with a residual covariance (generalised least squares), {how}"
            head[2] = f"Observations: {self.nobs}"
        head.insert(2, f"Residuals: {self.residual_text or 'independent, equal variances'}")
        components, coefficients = plain.tables
        tables = [self.residual_parameters, coefficients]
        return Summary(head, [components, *tables] if self.random else tables, plain.notes)


_GLS_HINTS = {
    "formula": "write gls('y ~ x', data)",
    "data": "write gls('y ~ x', data)",
    "weights": "write variance=, as in variance=UnequalVariances('g')",
    "method": "write reml=True for REML, or reml=False for ML",
    "random": "use lmer('y ~ x + (1|g)', data) for random effects",
}


@explains_arguments(FitError, _GLS_HINTS)
def gls(
    formula: str,
    data: pd.DataFrame,
    *,
    reml: bool = True,
    ddf: str = "satterthwaite",
    correlation: Structure | None = None,
    variance: Structure | None = None,
) -> GeneralModel:
    r"""Fit a linear model without random effects whose residuals have a covariance of their own.

    Parameters
    ----------
    formula : str
        ``"y ~ a*b"``, as for :func:`lm`.
    data : DataFrame
        As for :func:`lmer`; rows with missing values, also in the columns of `correlation` and
        `variance`, are left out and counted.
    reml : bool
        REML (default) or ML.
    ddf : {'satterthwaite', 'kenward-roger', 'residual', 'none'}
        The default df method; nlme's ``gls`` uses ``'residual'``, n - p.
    correlation : AR1, CAR1, CompoundSymmetry or Unstructured, optional
        How residuals of a group are correlated.
    variance : UnequalVariances, PowerOf or PowerOfMean, optional
        How residual variances differ.

    Returns
    -------
    GeneralModel

    Raises
    ------
    FormulaError, DataError, FitError
        With one sentence on what is wrong, where, and what to do.

    Notes
    -----
    y = X beta + e with e ~ N(0, sigma^2 Gamma); Pinheiro and Bates (2000), section 5.4.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.gls("content ~ method", mt.load_tablets(),
    ...            correlation=mt.CompoundSymmetry(by="tablet"))
    >>> m.coefficients()[["estimate", "SE", "df"]].round(4)
                  estimate      SE       df
    Intercept        10.39  0.1153  12.4007
    method[hplc]     -0.05  0.0934   9.0000
    """
    parsed = parse(formula)
    if parsed.bars:
        raise FormulaError(
            f"The formula '{parsed}' has a random effect, and gls() has none: use lmer()."
        )
    return fit_general(parsed, data, correlation, variance, reml, ddf)


def fit_general(
    parsed: Formula, data: pd.DataFrame, correlation: Any, variance: Any, reml: bool, ddf: str
) -> GeneralModel:
    """Check the data against the model and fit it."""
    ddf_name(ddf, DDF_OFFERED if parsed.bars else GLS_DDF)
    reml = check_reml(reml)
    structures = check_structures(correlation, variance)
    frame = ModelFrame(parsed, data, structures)
    y = frame.response(parsed)
    design = FixedDesign(parsed.fixed, frame.columns)
    random = random_terms(parsed, frame, [design])
    kept, notes = keep_columns(design, len(y))
    check_response(parsed, y)
    check_size(design, random)
    check_groups(random, len(y))
    residual = Residual(
        None if correlation is None else correlation.bind(frame.data),
        None if variance is None else variance.bind(frame.data),
    )
    if residual.correlation is not None:
        check_alike(residual.correlation, random)
    for note in notes:
        warn(note)
    notes = [*frame.notes, *notes, *slope_notes(random), *unit_notes(random)]
    problem = GeneralProblem(
        design.X[:, kept], y, [term.codes for term in random], [term.basis for term in random],
        [term.groups for term in random], residual, [term.tied for term in random],
    )  # fmt: skip
    check_confounded(problem, random)
    _check_identified(problem, random)
    return GeneralModel(parsed, frame, design, random, problem.fit(reml), kept, ddf, notes)


def check_structures(correlation: Any, variance: Any) -> list[Structure]:
    """Return the structures that are given, after checking that they are some."""
    return [
        _check_structure(value, kind)
        for value, kind in ((correlation, "correlation"), (variance, "variance"))
        if value is not None
    ]


def _check_structure(value: Any, kind: str) -> Structure:
    """Refuse what is no structure, or stands in the wrong argument."""
    examples = {"correlation": "AR1('time', by='group')", "variance": "UnequalVariances('factor')"}
    if isinstance(value, type) and issubclass(value, Structure):
        raise FitError(
            f"{kind}={value.__name__} must be told its columns, in parentheses: write "
            f"{value.kind}={value.example}."
        )
    if not isinstance(value, Structure):
        what = f"'{value}'" if isinstance(value, str) else a_kind(value)
        raise FitError(f"{kind}={what} is not a {kind}: write {kind}={examples[kind]}.")
    if value.kind != kind:
        raise FitError(f"{value} is a {value.kind}: write {value.kind}={value}.")
    return value


def _check_identified(problem: GeneralProblem, random: Sequence[RandomTerm]) -> None:
    """Refuse covariance parameters that no data of this design can tell apart.

    The expected REML information, taken where nothing is special, must have full rank.
    """
    moments, residual = problem.moments, problem.residual_covariance
    if not residual.size or not problem.n > problem.p:
        return
    theta = plain_theta(moments.sizes)
    eta = np.append(
        0.3 + 0.05 * np.cos(np.arange(residual.nc)),
        0.2 * np.cos(1 + np.arange(residual.size - residual.nc)),
    )
    if residual.even.any():
        eta = np.where(residual.even, 0.7, eta)
    criterion = problem.criterion(reml=True)
    x = np.append(theta, eta)
    pieces, _ = moments.at(criterion.D(x), eta)
    information = criterion.information(pieces)
    if residual.variance is not None and residual.variance.of_mean:
        information = information[:-1, :-1]  # the mean is not known yet
    owners = [random[r.term].text for r in moments.parameters]
    if residual.correlation is not None:
        owners += [residual.correlation.text] * residual.nc
    if residual.variance is not None:
        owners += [residual.variance.text] * (residual.size - residual.nc)
    check_information(information, owners)
