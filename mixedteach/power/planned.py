"""An experiment written down before it is done: the table, the effects, the variances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from mixedteach.columns import ModelFrame, check_table
from mixedteach.design import FixedDesign, RandomTerm, random_terms
from mixedteach.errors import (
    DataError,
    FitError,
    FormulaError,
    MixedTeachError,
    a_kind,
    check_count,
    check_seed,
    did_you_mean,
    explains_arguments,
    listed,
    shown,
)
from mixedteach.fit_checks import check_groups
from mixedteach.fitting.residual.correlation import check_alike
from mixedteach.fitting.residual.parts import Structure
from mixedteach.fixed_effects import keep_columns
from mixedteach.formula import Formula, parse, variables_of
from mixedteach.general import GLS_DDF, GeneralModel, check_structures
from mixedteach.inference.functions import ddf_name
from mixedteach.inference.parameters import effect_pairs
from mixedteach.model import DDF_OFFERED, MixedModel
from mixedteach.power.residuals import Noise, PlannedResiduals, of_fit, written
from mixedteach.table import Table

Array = np.ndarray

RESIDUAL = "Residual"


def crossed(
    *unnamed: Any,
    between: Mapping[str, Sequence[Any]] | None = None,
    **factors: int | Sequence[Any],
) -> pd.DataFrame:
    """Write down an experiment in which everything is measured in combination with everything.

    Parameters
    ----------
    *unnamed
        None: columns have names.
    **factors : int or sequence
        Name of a column -> its values: a whole number n makes a factor with the levels 1 to n, a
        sequence of text a factor with these levels in this order, a sequence of numbers a
        covariate. The first column varies slowest.
    between : dict, optional
        Name of a column -> values that are dealt out in turn to the levels of the *first* factor:
        a treatment that a subject gets or does not get.

    Returns
    -------
    DataFrame
        One row a reading; no response.

    Examples
    --------
    >>> import mixedteach as mt
    >>> mt.crossed(tablet=10, method=["nir", "hplc"]).head(3)
      tablet method
    0      1    nir
    1      1   hplc
    2      2    nir
    >>> mt.crossed(child=4, age=[8, 10], between={"sex": ["F", "M"]})["sex"].tolist()
    ['F', 'F', 'M', 'M', 'F', 'F', 'M', 'M']
    """
    if not factors or unnamed:
        raise DataError(
            "crossed() needs the columns of the table by their names, as in crossed(tablet=10, "
            "method=['nir', 'hplc'])."
        )
    if between is not None and not isinstance(between, Mapping):
        raise DataError(
            f"between= must be a dict of columns, as in {{'sex': ['F', 'M']}}, not "
            f"{a_kind(between)}."
        )
    values = {name: _levels(name, given) for name, given in factors.items()}
    rows = np.array(list(product(*(range(len(v)) for v in values.values()))), np.intp)
    table = pd.DataFrame({name: v.take(rows[:, j]) for j, (name, v) in enumerate(values.items())})
    for name, given in (between or {}).items():
        if name in values:
            raise DataError(f"The column '{name}' is given twice, once in between=: leave one out.")
        dealt = _levels(name, given)
        table[name] = dealt.take(rows[:, 0] % len(dealt))
    return table


def _levels(name: str, given: Any) -> Any:
    """Return the values of a column: a Categorical, or an array of numbers."""
    if isinstance(given, Integral) and not isinstance(given, bool):
        if given < 1:
            raise DataError(f"{name}={given} must be a number of levels, at least 1.")
        return pd.Categorical.from_codes(np.arange(given), [str(i + 1) for i in range(given)])
    if isinstance(given, (str, Real)) or not isinstance(given, (Sequence, np.ndarray, pd.Index)):
        raise DataError(
            f"{name}={shown(given)} must be a number of levels, or a list of values such as "
            "['a', 'b'] or [0, 7, 14]."
        )
    values = list(given)
    if not values or len(set(values)) < len(values):
        what = "no values" if not values else "a value twice"
        raise DataError(f"{name}= has {what}: list each level once.")
    if all(isinstance(value, Real) and not isinstance(value, bool) for value in values):
        return np.asarray(values)
    return pd.Categorical.from_codes(np.arange(len(values)), [str(value) for value in values])


@dataclass(repr=False)
class PlannedModel:
    """A model with its table and all its parameters, but no response; made by :func:`planned`.

    Attributes
    ----------
    formula : Formula
    frame : DataFrame
        One row a reading.
    params : Series
        Fixed effects.
    covariances : list of ndarray, k x k
        Of the effects of each random term.
    sigma : float
        Residual standard deviation.
    reml, default_ddf
        How it will be fitted and tested.
    residuals : PlannedResiduals, optional
        Their correlations and unequal variances.
    """

    formula: Formula
    frame: pd.DataFrame
    design: FixedDesign
    random: list[RandomTerm]
    kept: Array
    params: pd.Series
    covariances: list[Array]
    sigma: float
    reml: bool
    default_ddf: str
    from_fit: bool = False
    residuals: PlannedResiduals | None = None

    @property
    def nobs(self) -> int:
        """Number of readings."""
        return len(self.frame)

    @property
    def variance_components(self) -> Table:
        """Variances, standard deviations and correlations, as they are assumed."""
        rows = []
        for term, cov in zip(self.random, self.covariances, strict=True):
            sd = np.sqrt(np.diag(cov))
            rows += [
                (term.label, name, "", cov[a, a], sd[a], np.nan)
                for a, name in enumerate(term.effects)
            ]
            for a, b in effect_pairs(term):
                corr = cov[a, b] / (sd[a] * sd[b]) if sd[a] * sd[b] > 0 else np.nan
                names = (term.label, term.effects[a], term.effects[b])
                rows.append((*names, cov[a, b], np.nan, corr))
        rows.append((RESIDUAL, "", "", self.sigma**2, self.sigma, np.nan))
        table = pd.DataFrame(rows, columns=["group", "name", "name2", "variance", "sd", "corr"])
        if (table["name2"] == "").all():
            table = table.drop(columns=["name2", "corr"])
        return Table(table, caption="Variance components, assumed", digits=2)

    def mean(self, frame: pd.DataFrame | None = None) -> Array:
        """Return X beta, of the rows of another table if one is given."""
        X = self.design.X if frame is None else self.design.rows(frame)
        return X[:, self.kept] @ self.params.to_numpy(float)

    def simulate(self, n: int = 1, seed: int | None = None) -> pd.DataFrame:
        """Draw `n` responses.

        Returns
        -------
        DataFrame, shape (nobs, n)
        """
        n, rng = check_count(n, "n"), np.random.default_rng(check_seed(seed))
        mean, parts, noise = self.mean(), self.parts(), self.noise()
        y = [draw(mean, parts, self.sigma, rng, noise) for _ in range(n)]
        return pd.DataFrame(np.column_stack(y), index=self.frame.index)

    def noise(self) -> Noise | None:
        """Return how residuals are drawn; None if they are independent with one variance."""
        return None if self.residuals is None else Noise(self.residuals, self.frame, self.sigma)

    def parts(self) -> list[Part]:
        """Return what is drawn for each random term."""
        return [
            (term.codes, term.groups, term.basis, root(cov))
            for term, cov in zip(self.random, self.covariances, strict=True)
        ]

    def __repr__(self) -> str:
        groups = ", ".join(f"{term.label} {term.groups}" for term in self.random)
        kind = "linear mixed model" if self.random else "linear model with a residual covariance"
        head = f"Planned {kind}: {self.formula}\n{self.nobs} readings"
        parts = [head + (f"; groups: {groups}" if groups else ""), self.variance_components]
        if self.residuals is not None:
            parts.append(
                Table(
                    {"assumed": pd.Series(self.residuals.values, name="assumed")},
                    caption=f"Residual covariance, {self.residuals.text}, assumed",
                )
            )
        parts.append(Table({"assumed": self.params}, caption="Fixed effects, assumed"))
        return "\n\n".join(map(str, parts))


Part = tuple[Array, int, Array, Array]  # codes (n,), groups m, basis (n, k), root (k, k)


def root(cov: Array) -> Array:
    """Return a k x k root of a covariance matrix, which may be singular."""
    values, vectors = np.linalg.eigh(cov)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def draw(
    mean: Array, parts: Sequence[Part], sigma: float, rng: np.random.Generator,
    noise: Noise | None = None,
) -> Array:  # fmt: skip
    """Draw one response X beta + Z b + e, shape (n,)."""
    z = rng.standard_normal(len(mean))
    y = mean + sigma * z if noise is None else mean.copy()
    for codes, groups, basis, low in parts:
        b = rng.standard_normal((groups, len(low))) @ low.T
        y += np.einsum("ij,ij->i", basis, b[codes])
    return y if noise is None else y + noise.of(z, y)


def from_fit(m: MixedModel) -> PlannedModel:
    """Return a fitted model as a plan: its estimates are taken for the truth."""
    return PlannedModel(
        m.formula, m.frame, m.design, m.random, m.kept, m.params, list(m.fit.covariances),
        m.sigma, m.reml, m.default_ddf, from_fit=True,
        residuals=of_fit(m) if isinstance(m, GeneralModel) else None,
    )  # fmt: skip


@explains_arguments(
    FitError,
    {
        "variances": "give standard deviations, sd={'group': 0.3, 'Residual': 0.2}",
        "random": "give standard deviations, sd={'group': 0.3, 'Residual': 0.2}",
        "beta": "write fixed={'Intercept': 10, ...}",
    },
)
def planned(
    formula: str,
    data: pd.DataFrame,
    *,
    fixed: Mapping[str, float],
    sd: Mapping[str, float | Sequence[float]],
    corr: Mapping[str, Any] | None = None,
    reml: bool = True,
    ddf: str = "satterthwaite",
    correlation: Structure | None = None,
    variance: Structure | None = None,
    residual: Mapping[str, float] | None = None,
) -> PlannedModel:
    """Write down a model with all its parameters, to ask for its power.

    Parameters
    ----------
    formula : str
        As in :func:`lmer`.
    data : DataFrame
        The experiment as it is planned, one row a reading: see :func:`crossed`. A response is not
        needed.
    fixed : dict
        Name of a coefficient, such as ``'method[hplc]'``, -> its value in the unit of the
        response. Those that are not named are zero.
    sd : dict
        Grouping factor -> standard deviation of its random effect (a list in the order of the
        effects where there are several, as in ``(x|g)``; one number for ``(x|||g)``), and
        ``'Residual'`` -> the residual one.
    corr : dict, optional
        Grouping factor -> correlation of its two effects (a matrix where there are more); zero if
        it is not named.
    reml, ddf
        How the model will be fitted and tested.
    correlation, variance : optional
        Residuals that are correlated or have unequal variances, as in :func:`lmer`; the formula
        may then do without a random effect, as in :func:`gls`. ``sd={'Residual': ...}`` is the
        standard deviation of the first level under ``UnequalVariances``, that at 1 under a power.
    residual : dict, optional
        The parameters of `correlation` and `variance`, by the names that
        ``residual_parameters`` has for them: ``{'phi': 0.5, 'sd ratio b/a': 2}``.

    Returns
    -------
    PlannedModel

    Raises
    ------
    FormulaError, DataError, FitError
        With one sentence on what is wrong, where, and what to do.

    Examples
    --------
    >>> import mixedteach as mt
    >>> tablets = mt.crossed(tablet=10, method=["nir", "hplc"])
    >>> mt.planned(
    ...     "content ~ method + (1|tablet)", tablets,
    ...     fixed={"Intercept": 10, "method[hplc]": 0.3}, sd={"tablet": 0.3, "Residual": 0.2},
    ... )
    Planned linear mixed model: content ~ method + (1|tablet)
    20 readings; groups: tablet 10
    <BLANKLINE>
    Variance components, assumed
       group       name  variance    sd
      tablet  Intercept     0.090  0.30
    Residual                0.040  0.20
    <BLANKLINE>
    Fixed effects, assumed
                  assumed
    Intercept        10.0
    method[hplc]      0.3

    Children seen at four ages, whose residuals follow an autoregression:

    >>> children = mt.crossed(child=20, age=[8, 10, 12, 14], between={"sex": ["F", "M"]})
    >>> m = mt.planned(
    ...     "distance ~ age*sex", children, fixed={"age": 0.5, "age:sex[M]": 0.3},
    ...     sd={"Residual": 2.2}, correlation=mt.AR1("age", by="child"), residual={"phi": 0.6},
    ... )
    >>> m.residuals.values
    {'phi': 0.6}
    """
    parsed = parse(formula)
    general = correlation is not None or variance is not None
    if residual is not None and not general:
        raise FitError(
            "residual= gives the parameters of correlation= or variance=, of which there is none: "
            "the residual standard deviation is sd={'Residual': ...}."
        )
    if not parsed.bars and not general:
        raise FormulaError(
            f"The formula '{parsed}' has no random effect, such as (1|g): add one, or correlation= "
            "or variance=; without any, statsmodels.stats.power has formulas."
        )
    check_table(data, "The data")
    if not isinstance(reml, (bool, np.bool_)):
        raise FitError(f"reml={shown(reml)} must be True (REML) or False (ML).")
    method = ddf_name(ddf, DDF_OFFERED if parsed.bars else GLS_DDF)
    structures = check_structures(correlation, variance)
    response = dict.fromkeys(variables_of(parsed.response), 1.0)
    frame = ModelFrame(parsed, pd.DataFrame(data).assign(**response), structures).data
    frame = frame.drop(columns=[*response])
    design = FixedDesign(parsed.fixed, frame)
    random = random_terms(parsed, ModelFrame(parsed, frame.assign(**response)))
    kept, _ = keep_columns(design, len(frame))
    check_groups(random, len(frame))
    names = [design.names[j] for j in kept]
    covariances, sigma = _variances(random, sd, {} if corr is None else corr)
    residuals = None
    if general:
        residuals = written(correlation, variance, {} if residual is None else residual, frame)
        own = residuals.bind(frame).correlation
        if own is not None:
            check_alike(own, random)
    return PlannedModel(
        parsed, frame, design, random, kept, _coefficients(names, fixed), covariances, sigma,
        bool(reml), method, residuals=residuals,
    )  # fmt: skip


def _coefficients(names: list[str], fixed: Any) -> pd.Series:
    if not isinstance(fixed, Mapping):
        raise FitError(
            f"fixed= must be a dict of coefficients, as in {{'{names[-1]}': 1.0}}, not "
            f"{a_kind(fixed)}."
        )
    values = pd.Series(0.0, index=names, name="estimate")
    for name, value in fixed.items():
        if name not in names:
            raise FitError(
                f"fixed= has '{name}', which is no coefficient of the model."
                + did_you_mean(name, names)
            )
        values[name] = finite(value, f"fixed= '{name}'")
    return values


def finite(
    value: Any, what: str, least: float = -np.inf, error: type[MixedTeachError] = FitError
) -> float:
    """Return a finite number of at least `least`, or say that `what` must be one."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not np.isfinite(value) or value < least:
        bound = "" if least == -np.inf else f" of at least {least:g}"
        raise error(f"{what} is {shown(value)}, but must be a number{bound}.")
    return float(value)


def _variances(random: Sequence[RandomTerm], sd: Any, corr: Any) -> tuple[list[Array], float]:
    labels = list(dict.fromkeys(term.label for term in random))
    example = "".join(f"'{label}': 0.3, " for label in labels)
    if not isinstance(sd, Mapping):
        raise FitError(
            f"sd= must be a dict of standard deviations, as in {{{example}'{RESIDUAL}': 0.2}}, "
            f"not {a_kind(sd)}."
        )
    if not isinstance(corr, Mapping):
        raise FitError(
            f"corr= must be a dict of correlations, as in {{'{[*labels, 'g'][0]}': 0.5}}, not "
            f"{a_kind(corr)}."
        )
    known = [*labels, RESIDUAL]
    for what, given in (("sd", sd), ("corr", corr)):
        for name in given:
            if name not in known:
                raise FitError(
                    f"{what}= has '{name}', which is no grouping factor of the model."
                    + did_you_mean(name, known)
                )
    absent = [name for name in known if name not in sd]
    if absent:
        raise FitError(
            f"sd= lacks {listed(absent)}: give a standard deviation for every grouping factor and "
            f"for '{RESIDUAL}'."
        )
    values = {}
    for label in labels:
        effects = [effect for t in random if t.label == label for effect in _sd_names(t)]
        given = [sd[label]] if isinstance(sd[label], Real) else list(np.ravel(sd[label]).tolist())
        if len(given) != len(effects):
            raise FitError(
                f"sd= has {len(given)} value{'s' * (len(given) != 1)} for '{label}', which has "
                f"the effect{'s' * (len(effects) != 1)} {listed(effects)}: give one for each, in "
                "this order."
            )
        values[label] = [finite(value, f"sd= of '{label}'", 0) for value in given]
    sigma = finite(sd[RESIDUAL], f"sd= of '{RESIDUAL}'", 0)
    if sigma == 0:
        raise FitError(f"sd= of '{RESIDUAL}' is 0, but must be larger than that.")
    out = []
    for term in random:
        own = np.array([values[term.label].pop(0) for _ in _sd_names(term)])
        own = np.broadcast_to(own, term.size)
        C = _correlations(term, corr.get(term.label))
        out.append(own[:, None] * C * own)
    return out, sigma


def _sd_names(term: RandomTerm) -> list[str]:
    """Return the effects that have a standard deviation of their own: one if they are tied."""
    return [" and ".join(term.effects)] if term.tied else term.effects


def _correlations(term: RandomTerm, given: Any) -> Array:
    k = term.size
    if given is None:
        return np.eye(k)
    if term.tied:
        raise FitError(
            f"corr= has '{term.label}', but the effects of {term.text} are independent: leave it "
            "out."
        )
    C = np.eye(k)
    if k == 2 and isinstance(given, Real):
        C[0, 1] = C[1, 0] = given
    else:
        try:
            C = np.asarray(given, float)
        except (TypeError, ValueError):
            C = np.empty(0)
    fits = C.shape == (k, k) and np.isfinite(C).all() and np.allclose(C, C.T)
    if k == 1 or not fits or not np.allclose(np.diag(C), 1) or np.linalg.eigvalsh(C)[0] < -1e-10:
        what = (
            "a number between -1 and 1" if k == 2
            else f"a correlation matrix, {k} x {k}" if k > 2
            else "left out, for there is only one effect"
        )  # fmt: skip
        raise FitError(f"corr= of '{term.label}' is {shown(given)}, but must be {what}.")
    return C
