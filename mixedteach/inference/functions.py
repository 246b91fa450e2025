r"""One type for coefficients, marginal means and contrasts: linear functions of the fixed effects.

A :class:`LinearFunctions` is a table (one row a function L_i beta) that remembers its L, so that
means can be compared, contrasts contrasted again, and every row is tested with the df method it
was made with. What it asks of a fitted model is the small contract :class:`Model`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from mixedteach.errors import (
    InferenceError,
    check_level,
    explains_arguments,
    listed,
    one_of,
    shown,
)
from mixedteach.inference import adjust as adjustment
from mixedteach.table import Table

if TYPE_CHECKING:
    from mixedteach.design import FixedDesign

Array = np.ndarray

_TAKEN = {"emmean", "estimate", "SE", "df", "t", "p", "lower", "upper"}  # columns of results

DDF_METHODS = ("containment", "satterthwaite", "kenward-roger", "residual", "none")


class FTest(NamedTuple):
    """An F test; `scaling` is the factor that Kenward and Roger put on the Wald F."""

    F: float
    num_df: int
    den_df: float
    scaling: float = 1.0


class Method(Protocol):
    """A way to get denominator degrees of freedom, bound to one fit.

    ``cov`` is the covariance of the coefficients it goes with (Kenward and Roger adjust it).
    """

    name: str
    cov: Array

    def df(self, L: Array) -> Array:
        """Return the df of each row of L."""

    def test(self, L: Array, beta: Array) -> FTest:
        """Test the hypothesis L beta = 0."""


class Model(Protocol):
    """What inference asks of a fitted model."""

    params: pd.Series
    design: FixedDesign
    kept: Array
    nobs: int
    default_ddf: str
    row_notes: list[str]

    def method(self, ddf: str | None) -> Method:
        """Return the df method of that name, or the model's default."""


def ddf_name(ddf: str, offered: Sequence[str]) -> str:
    """Return the canonical name of a df method, or say which exist."""
    if isinstance(ddf, str):
        name = ddf.strip().lower().replace("_", "-").replace(" ", "-")
        aliases = {"kr": "kenward-roger", "kenwardroger": "kenward-roger",
                   "inner-outer": "containment"}  # fmt: skip
        name = aliases.get(name, name)
        if name in offered:
            return name
        if name in DDF_METHODS:
            raise InferenceError(
                f"The df method '{name}' does not apply to this model: choose "
                f"{listed(offered, last='or')}."
            )
    return one_of(ddf, offered, "a df method")


def check_weights(label: Any, weights: Any, names: Sequence[Any], what: str) -> Array:
    """Return one number for each of `names` (``means``, ``coefficients``), or say what is wrong."""
    try:
        values = np.asarray(weights, float)
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if values.size and not np.isfinite(values).all():
        raise InferenceError(
            f"The weights of '{label}' must be numbers, one for each of the {what} "
            f"{listed(names)}, not {shown(weights)}."
        )
    if values.shape != (len(names),):
        raise InferenceError(
            f"'{label}' has {values.size} weight{'' if values.size == 1 else 's'}, but there are "
            f"{len(names)} {what}: {listed(names)}."
        )
    if not values.any():
        raise InferenceError(f"The weights of '{label}' are all zero: give one that is not.")
    return values


class PlainMethod:
    """The same df for everything: residual df of a linear model, or infinite (z tests)."""

    def __init__(
        self, name: str, cov: Array, df: float,
        variances: Callable[[Array], Array] | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.cov = cov
        self._df = df
        if variances is not None:
            self.variances = variances

    def df(self, L: Array) -> Array:
        """Return the one df for every row."""
        return np.full(len(np.atleast_2d(L)), self._df)

    def test(self, L: Array, beta: Array) -> FTest:
        """Return the Wald F."""
        F, q = wald(L, self.cov, beta)
        return FTest(F, q, self._df)


def wald(L: Array, cov: Array, beta: Array) -> tuple[float, int]:
    """Return F = (L beta)' (L cov L')^+ (L beta) / q and the rank q."""
    L = np.atleast_2d(L)
    values, vectors = np.linalg.eigh(L @ cov @ L.T)
    keep = values > 1e-10 * max(values.max(initial=0.0), 0.0)
    q = int(keep.sum())
    if q == 0:
        return np.nan, 0
    directions = vectors[:, keep].T @ L
    return float(((directions @ beta) ** 2 / values[keep]).sum() / q), q


def variances(method: Method, L: Array) -> Array:
    """Return the variance of each L_i beta; a method may know a way that costs fewer digits."""
    if hasattr(method, "variances"):
        return method.variances(L)
    return np.einsum("mi,ij,mj->m", L, method.cov, L)


class LinearFunctions(Table):
    """A table of estimates L beta with standard errors, df, t, p and intervals.

    Made by :meth:`emmeans`, :meth:`pairs`, :meth:`contrast` and :meth:`estimable` of a fitted
    model; as a DataFrame it has the columns ``estimate`` (or ``emmean``), ``SE``, ``df``, ``t``,
    ``p``, ``lower`` and ``upper`` after those that name the rows. ``.attrs`` holds ``ddf``,
    ``adjust``, ``family`` and ``level``.
    """

    _metadata = [  # noqa: RUF012 (pandas' own name and type)
        *Table._metadata, "L", "whole", "labels", "model", "ddf", "by", "factors", "settings"
    ]  # fmt: skip

    @property
    def estimates(self) -> Array:
        """The estimates, shape (rows,)."""
        return self[self.settings["estimate"]].to_numpy(float)

    # -- comparing -----------------------------------------------------------------------------

    @explains_arguments(hints={"by": "give it to emmeans()"})
    def pairs(self, adjust: str = "tukey", reverse: bool = False) -> LinearFunctions:
        """Compare all pairs of rows, within each `by` group.

        Parameters
        ----------
        adjust : {'tukey', 'sidak', 'bonferroni', 'holm', 'none'}
            Adjustment of p-values and intervals for the number of comparisons.
        reverse : bool
            Second minus first instead of first minus second.

        Returns
        -------
        LinearFunctions

        Examples
        --------
        >>> import mixedteach as mt
        >>> m = mt.lmer("score ~ Machine + (1|Worker) + (1|Worker:Machine)", mt.load_machines())
        >>> m.emmeans("Machine").pairs()[["contrast", "estimate", "df"]].round(2)
          contrast  estimate    df
        0    A - B     -7.97  10.0
        1    A - C    -13.92  10.0
        2    B - C     -5.95  10.0
        """
        from mixedteach.inference.contrasts import contrast

        return contrast(self, "revpairwise" if reverse else "pairwise", adjust)

    @explains_arguments(hints={"reference": "write ref='level'", "by": "give it to emmeans()"})
    def contrast(
        self, method: Any = "pairwise", adjust: str | None = None, *, ref: Any = None
    ) -> LinearFunctions:
        """Form contrasts of the rows, within each `by` group.

        Parameters
        ----------
        method : str or dict
            ``'pairwise'``, ``'reference'`` (each against the first, or ``ref=level``),
            ``'poly'`` (polynomial trends over equally spaced levels), ``'effects'`` (each against
            the mean of all), ``'consecutive'``, or a dict ``{label: weights}`` with one weight for
            every row of a group in the order shown.
        adjust : {'tukey', 'sidak', 'bonferroni', 'holm', 'none'}, optional
            By default Tukey for pairs, Sidak for comparisons with a reference, effects and
            consecutive differences, none for polynomial and custom contrasts.
        ref : optional
            The reference level, for ``'reference'``.

        Returns
        -------
        LinearFunctions

        Examples
        --------
        >>> import mixedteach as mt
        >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
        >>> m.emmeans("method").contrast({"hplc - nir": [-1, 1]})["estimate"].round(3).tolist()
        [-0.05]
        """
        from mixedteach.inference.contrasts import contrast

        return contrast(self, method, adjust, ref)

    def conf_int(self, level: float = 0.95, adjust: str | None = None) -> LinearFunctions:
        """Return the same rows with intervals of another level or adjustment."""
        settings = dict(self.settings, level=level)
        settings["adjust"] = settings["adjust"] if adjust is None else adjust
        return linear_functions(
            self.model, self.L, self.labels, whole=self.whole, ddf=self.ddf, by=self.by,
            factors=self.factors, **settings,
        )  # fmt: skip


def linear_functions(
    model: Model,
    L: Array,
    labels: pd.DataFrame,
    *,
    whole: Array | None = None,
    ddf: str | None = None,
    means: bool = False,
    by: Sequence[str] = (),
    factors: Sequence[str] = (),
    estimate: str = "estimate",
    level: float = 0.95,
    adjust: str = "none",
    family: str | None = None,
    k: int = 0,
    title: str = "",
    notes: Sequence[str] = (),
) -> LinearFunctions:
    """Estimate the functions L beta and test each of them; rows of NaN in L are not estimable.

    Parameters
    ----------
    L : ndarray, shape (rows, p)
        In the coefficients that were kept.
    labels : DataFrame
        Columns that name the rows; families of tests are its groups by `by`.
    whole : ndarray, optional
        The functions in all columns of the design, aliased ones included: whether a contrast of
        them is estimable does not follow from whether they are.
    means : bool
        The rows are means (containment counts the intercept differently).
    family : {'pairs', 'other'}
        What is compared; Tukey's adjustment needs all pairs of `k` means.
    """
    level = check_level(level)
    method = model.method(ddf)
    if means and hasattr(method, "for_means"):
        method = method.for_means()
    beta = model.params.to_numpy(float)
    absent = np.isnan(L).any(axis=1)
    filled = np.where(absent[:, None], 0.0, L)
    value = filled @ beta
    se = np.sqrt(np.maximum(variances(method, filled), 0.0))
    df = np.full(len(L), np.nan)
    tested = filled.any(axis=1)
    if tested.any():
        df[tested] = method.df(filled[tested])
    value[absent] = se[absent] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        t = value / se
    groups = _groups(labels, by)
    plan = adjustment.plan(adjust, family, k, [len(rows) for rows in groups])
    p, half = np.empty(len(L)), np.empty(len(L))
    for rows in groups:
        p[rows] = adjustment.pvalues(plan, t[rows], df[rows])
        half[rows] = adjustment.quantiles(plan, len(rows), df[rows], level) * se[rows]
    # a factor may be called t or p: then its column says that it holds the levels
    data = {
        f"{name} (factor)" if name in _TAKEN else name: labels[name].to_numpy()
        for name in labels.columns
    }
    data |= {estimate: value, "SE": se, "df": df, "t": t, "p": p}
    data |= {"lower": value - half, "upper": value + half}
    ddf_shown = method.name
    all_notes = [*notes, *plan.notes, *model.row_notes]
    if not (absent | tested).all():
        all_notes.append("Where SE is 0 the model itself makes the value 0: there is no test.")
    if np.isnan(df[tested]).any():
        all_notes.append("Where df are blank, none are left in that stratum: there is no test.")
    if absent.any():
        all_notes.append(
            "Blank rows are not estimable: the data hold no observations that determine them."
        )
    pieces = [title, f"df: {ddf_shown}"]
    if plan.caption:
        pieces.append(plan.caption)
    kind = f", {plan.intervals}" if plan.intervals else ""
    pieces.append(f"intervals: {100 * level:g}%{kind}")
    result = LinearFunctions(
        data,
        caption="; ".join(piece for piece in pieces if piece),
        notes=all_notes,
        attrs={"ddf": ddf_shown, "adjust": plan.name, "family": plan.family, "level": level},
    )
    result.L, result.whole, result.labels, result.model, result.ddf = L, whole, labels, model, ddf
    result.by, result.factors = list(by), list(factors)
    result.settings = {
        "means": means, "estimate": estimate, "level": level, "adjust": adjust, "family": family,
        "k": k, "title": title, "notes": list(notes),
    }  # fmt: skip
    return result


def _groups(labels: pd.DataFrame, by: Sequence[str]) -> list[Array]:
    if not by:
        return [np.arange(len(labels))]
    keys = list(labels[list(by)].itertuples(index=False, name=None))
    order = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    number = np.array([order[key] for key in keys])
    return [np.flatnonzero(number == i) for i in range(len(order))]
