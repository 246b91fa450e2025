"""One model fitted to many responses: estimates and tests of all of them.

``model.refit_many(Y)`` returns a :class:`Refits`. Where the design allows it the responses are
fitted together (:mod:`mixedteach.fitting.batch`), else one after the other; what is found is the
same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mixedteach.columns import in_another_order, not_numbers
from mixedteach.errors import DataError, FitError, InferenceError, did_you_mean, shown
from mixedteach.fitting.batch import BatchFit
from mixedteach.inference import many
from mixedteach.inference.anova import TYPES, contrasts
from mixedteach.inference.containment import Containment
from mixedteach.inference.parameters import variance_arrays
from mixedteach.table import Table

if TYPE_CHECKING:
    from mixedteach.model import MixedModel

Array = np.ndarray


class Refits:
    """The fits of one model to many responses; made by ``MixedModel.refit_many``.

    Attributes
    ----------
    params : DataFrame, shape (responses, p)
        Fixed effects of each fit; missing where the model could not be fitted.
    variances : DataFrame
        Standard deviations and correlations, named as in ``conf_int('profile')``.
    llf : Series
        The log-likelihood, restricted under REML.
    boundary : Series of bool
        Whether a variance is estimated as zero or a correlation matrix as singular.
    failed : int
        How many responses could not be fitted.
    responses : ndarray, shape (responses, nobs)
    together : bool
        Whether the fits were made together; the numbers are the same.
    """

    def __init__(
        self, model: MixedModel, Y: Array, index: pd.Index, tell: Callable[[int], object]
    ) -> None:
        self.model, self.responses, self.index = model, Y, index
        self._batch = model.batch
        self.together = self._batch is not None
        if self._batch is not None:
            self._found = self._batch.fit(Y, tell)
            values = variance_arrays(
                model.random, self._found.covariances, self._found.sigma2, model.fit.problem
            )
            beta, llf, zero = self._found.beta, self._found.loglik, self._found.boundary
            values[np.isnan(llf)] = np.nan
        else:
            values, beta, llf, zero = self._one_by_one(tell)
        self.params = pd.DataFrame(beta, index, model.params.index)
        self.variances = pd.DataFrame(values, index, model.variance_names)
        self.llf = pd.Series(llf, index, name="llf")
        self.boundary = pd.Series(zero, index, name="boundary")

    _found: BatchFit

    def _one_by_one(self, tell: Callable[[int], object]) -> tuple[Array, Array, Array, Array]:
        model, count = self.model, len(self.responses)
        values = np.full((count, len(model.variance_names)), np.nan)
        beta, llf = np.full((count, len(model.params)), np.nan), np.full(count, np.nan)
        zero = np.zeros(count, bool)
        for i, y in enumerate(self.responses):
            try:
                fit = model.fit.problem.refit(y, model.reml)
            except (FitError, np.linalg.LinAlgError):
                continue
            finally:
                tell(1)
            values[i], beta[i], llf[i] = model.variance_values(fit), fit.beta, fit.loglik
            zero[i] = fit.optimum.zero.any()
        return values, beta, llf, zero

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        lost = f"; {self.failed} could not be fitted" if self.failed else ""
        return (
            f"{len(self)} fits of {self.model.formula_text}; {int(self.boundary.sum())} at the "
            f"boundary (a variance of zero){lost}"
        )

    def anova(self, term: str, ddf: str | None = None, type: int | str = 3) -> Table:
        r"""Test a term of the fixed effects in every fit.

        Parameters
        ----------
        term : str
            As in the rows of ``anova()``.
        ddf, type
            As in ``anova()``.

        Returns
        -------
        Table
            One row a response: ``num_df, den_df, F, p``, the numbers that ``refit(y).anova()``
            shows in the term's row.

        Examples
        --------
        The power of the test, were the estimates the truth:

        >>> import mixedteach as mt
        >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
        >>> many = m.refit_many(m.simulate(200, seed=1))
        >>> float((many.anova("method", ddf="kenward-roger")["p"] < 0.05).mean())
        0.055
        """
        model = self.model
        if isinstance(type, bool) or type not in TYPES:
            raise InferenceError(
                f"type={shown(type)} is not a type of ANOVA: choose 1 (sequential), 2, 3 or "
                "'marginal'."
            )
        terms = {":".join(t): t for t in model.design.terms}
        if term not in terms:
            raise InferenceError(
                f"term={shown(term)} is not a term of the fixed effects."
                + did_you_mean(term, list(terms))
            )
        method, kind = model.method(ddf), TYPES[type]
        counted = isinstance(method, Containment)
        if self._batch is None or (counted and kind == 1):  # there L depends on the variances
            found = [self._test_alone(y, terms[term], ddf, kind) for y in self.responses]
            rows = np.array(found, float).reshape(-1, 3)
            F, q, den = rows[:, 0], rows[:, 1], rows[:, 2]
        else:
            L = contrasts(model, kind, counted)[terms[term]]
            den_df = method.terms[terms[term]] if counted and len(L) else np.inf  # none: aliased
            nothing = np.full(len(self), np.nan)
            F, q, den = self.test(L, ddf, den_df) if len(L) else (nothing, 0, nothing)
            q = np.full(len(self), q)
            # a test that is none, or one of fewer rows, is left to the method for one fit
            for i in np.flatnonzero(np.isnan(F) & self.llf.notna()) if len(L) else ():
                F[i], q[i], den[i] = self._test_alone(self.responses[i], terms[term], ddf, kind)
        p = many.f_pvalues(many.Tests(F, np.maximum(q, 1), den))
        table = pd.DataFrame({"num_df": q, "den_df": den, "F": F, "p": p}, index=self.index)
        return Table(
            table.astype({"num_df": int}),
            caption=f"{term} in {len(self)} fits, type {kind}; df: {method.name}",
            attrs={"ddf": method.name, "type": kind, "adjust": "none", "family": "none",
                   "level": None},
        )  # fmt: skip

    def test(self, L: Array, ddf: str | None = None, den_df: float = np.inf) -> many.Tests:
        """Test L beta = 0 in all fits that were made together.

        `den_df` is used by methods whose df are the same in every fit (containment, none).
        """
        batch, found = self._batch, self._found
        assert batch is not None
        method = self.model.method(ddf)
        how = {"Satterthwaite": many.satterthwaite, "Kenward-Roger": many.kenward_roger}
        test = how.get(method.name)
        F, den, q = np.full(len(self), np.nan), np.full(len(self), np.nan), 0
        for start in range(0, len(self), batch.chunk):
            own = np.arange(start, min(start + batch.chunk, len(self)))
            own = own[np.isfinite(found.value[own])]
            if not len(own):
                continue
            at = batch.at(found.theta[own], batch.responses(self.responses[own]))
            args = (batch, at, found.coefficients[own], L)
            F[own], q, den[own] = test(*args) if test else many.wald(*args, den_df)
        return many.Tests(F, q, den)

    def _test_alone(
        self, y: Array, term: tuple[str, ...], ddf: str | None, kind: int | str
    ) -> tuple[float, int, float]:
        try:
            m = self.model.refit(y)
        except (FitError, np.linalg.LinAlgError):
            return np.nan, 0, np.nan
        method = m.method(ddf)
        counted = isinstance(method, Containment)
        L = contrasts(m, kind, counted)[term]
        if not len(L):
            return np.nan, 0, np.nan
        test = method.test(L, m.fit.beta)
        return test.F, test.num_df, method.terms[term] if counted else test.den_df

    @cached_property
    def failed(self) -> int:
        """How many responses could not be fitted."""
        return int(self.llf.isna().sum())


def check_responses(Y: Any, nobs: int, rows: pd.Index) -> tuple[Array, pd.Index]:
    """Return responses as rows, and their names; refuse what is not a table of numbers.

    `rows` are the names of the rows of the fit, in order.
    """
    names = Y.columns if isinstance(Y, pd.DataFrame) else None
    values = _numbers(Y)
    if values.ndim != 2 or values.shape[0] != nobs:
        shape = " x ".join(map(str, values.shape))
        raise DataError(
            f"The responses are {shape}, but the fit used {nobs} rows: give a table of {nobs} rows "
            "with one column a response, as m.simulate(1000) returns."
        )
    if not values.shape[1]:
        raise DataError("The responses have no column: give one for each response.")
    wrong = ~np.isfinite(values).all(axis=0)
    if wrong.any():
        first = int(wrong.argmax())
        which = f" ('{names[first]}' the first)" if names is not None else ""
        raise DataError(
            f"{int(wrong.sum())} of {values.shape[1]} responses have missing or infinite values"
            f"{which}: fit the model anew to the rows that are complete."
        )
    index = pd.RangeIndex(values.shape[1]) if names is None else names
    if names is not None and in_another_order(Y.index, rows):
        raise DataError(
            "The responses have the rows of the data in another order: use "
            "responses.loc[m.fittedvalues.index]."
        )
    return np.ascontiguousarray(values.T), index.rename("response")


def _numbers(Y: Any) -> Array:
    """Return a table of numbers, or say what it holds instead, and where."""
    if isinstance(Y, pd.DataFrame):
        for place in np.flatnonzero([not _is_plain(dtype) for dtype in Y.dtypes]):
            column = Y.iloc[:, place]
            try:
                if not _is_time_or_complex(column.dtype):
                    column.to_numpy(float, na_value=np.nan)
                    continue
            except (TypeError, ValueError):
                pass
            raise DataError(not_numbers(Y.columns[place], column))
        return Y.to_numpy(float, na_value=np.nan)
    try:
        values = np.asarray(Y)
        if Y is None or _is_time_or_complex(values.dtype):
            raise TypeError
        return values.astype(float)
    except (TypeError, ValueError):
        raise DataError(
            f"The responses must be a table of numbers, one column a response, not {shown(Y)}."
        ) from None


def _is_plain(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "iufb"


def _is_time_or_complex(dtype: Any) -> bool:
    return getattr(dtype, "kind", "O") in "mMc"
