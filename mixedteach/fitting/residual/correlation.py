r"""Correlations of residuals within groups: AR(1), its continuous kind, equal, unstructured.

A structure gives C(eta), the correlation matrix of the residuals of a group, with its first and
second derivatives in eta; residuals of different groups are independent.

    AR1                C_ij = phi^|i - j|          i, j the visits
    CAR1               C_ij = phi^|t_i - t_j|      t the times
    CompoundSymmetry   C_ij = rho                  i != j
    Unstructured       C_ij = rho_ij

Source: Pinheiro and Bates (2000), Mixed-Effects Models in S and S-PLUS, section 5.3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixedteach.columns import Factor, as_factor, is_numeric
from mixedteach.errors import DataError, FitError, listed
from mixedteach.fitting.blocks import is_nested
from mixedteach.fitting.residual.parts import (
    Scale,
    Structure,
    checks_arguments,
    column_name,
    correlation_scale,
    grouping,
)

Array = np.ndarray
Second = dict[tuple[int, int], Array]


class Pattern:
    """C(eta) for a stack of row sets: what depends on the rows alone is computed once.

    Parameters
    ----------
    shared : ndarray of bool, shape (sets, m, m)
        Whether two rows are different and belong to one group.
    """

    def __init__(self, shared: Array) -> None:
        self.shared = shared
        self.unit = np.broadcast_to(np.eye(shared.shape[1]), shared.shape)

    def at(self, eta: Array) -> tuple[Array, list[Array], Second]:
        """Return C, its first derivatives, and the second derivatives that are not zero."""
        raise NotImplementedError


class Power(Pattern):
    """C_ij = eta^exponent, or |eta|^exponent if `even`."""

    def __init__(self, shared: Array, exponent: Array, even: bool = False) -> None:
        super().__init__(shared)
        self.exponent = np.where(shared, exponent, 1.0)
        self.even = even

    def at(self, eta: Array) -> tuple[Array, list[Array], Second]:
        """Return C and its derivatives; infeasible eta raise LinAlgError."""
        x, k, sign = float(eta[0]), self.exponent, 1.0
        if self.even and x < 0:
            x, sign = -x, -1.0
        if abs(x) >= 1:
            raise np.linalg.LinAlgError("no correlation")
        with np.errstate(divide="ignore", invalid="ignore"):
            first = np.where(k == 1, 1.0, k * np.power(x, k - 1))
            second = np.where(k == 1, 0.0, np.where(k == 2, 2.0, k * (k - 1) * np.power(x, k - 2)))
        C = np.where(self.shared, np.power(x, k), self.unit)
        return (
            C,
            [np.where(self.shared, sign * first, 0.0)],
            {(0, 0): np.where(self.shared, second, 0.0)},
        )


class Linear(Pattern):
    """C_ij = the eta that belongs to the pair of rows; the whole matrix must be positive definite.

    Parameters
    ----------
    which : ndarray of int
        For each pair of rows the number of its eta.
    whole : callable
        eta -> a correlation matrix that must be positive definite, whatever rows are there.
    """

    def __init__(self, shared: Array, which: Array, size: int, whole: object) -> None:
        super().__init__(shared)
        self.which = np.where(shared, which, 0)
        self.masks = [np.where(shared & (which == j), 1.0, 0.0) for j in range(size)]
        self.whole = whole

    def at(self, eta: Array) -> tuple[Array, list[Array], Second]:
        """Return C and its derivatives; infeasible eta raise LinAlgError."""
        np.linalg.cholesky(self.whole(eta))
        return np.where(self.shared, np.asarray(eta)[self.which], self.unit), self.masks, {}


@dataclass
class Correlation:
    """A correlation structure bound to the rows of a fit.

    Attributes
    ----------
    text : str
        As the reader wrote it.
    group : Factor
        The group of each row.
    place : ndarray, shape (n,)
        Order of the rows within a group (time); the normalised residuals follow it.
    scales : list of Scale
        One a parameter.
    even : ndarray of bool
        Parameters in which the deviance is even, so that zero is a bound.
    starts : list of ndarray
        Values of eta from which the search begins.
    """

    text: str
    group: Factor
    place: Array
    scales: list[Scale]
    even: Array
    starts: list[Array]
    make: object
    alike: bool  # a random intercept by the same group says the same
    whole: Callable[[Array], Array]
    structure: Structure  # as the reader wrote it

    def room(self, eta: Array) -> float:
        """Return how far eta is from the end of its range: 0 where a group has no freedom left."""
        return float(np.linalg.eigvalsh(self.whole(eta))[0])

    def pattern(self, rows: Array) -> Pattern:
        """Return C(eta) for sets of rows, shape (sets, m)."""
        codes = self.group.codes[rows]
        shared = codes[:, :, None] == codes[:, None, :]
        shared &= ~np.eye(rows.shape[1], dtype=bool)
        return self.make(shared, rows)


def _two(eta: Array) -> Array:
    """Return the correlation matrix of two neighbours in an autoregression (of sqrt, for CAR1)."""
    return np.array([[1.0, eta[0]], [eta[0], 1.0]])


class _Correlated(Structure):
    """What the correlation structures share: the groups, and the checks of times."""

    kind = "correlation"
    by: str | None

    def _groups(self, frame: pd.DataFrame) -> Factor:
        group = grouping(self.by, frame)
        if np.bincount(group.codes).max() < 2:
            raise DataError(
                f"No group of {self} has two rows, so there is no correlation to estimate: check "
                f"by='{self.by}'."
            )
        return group

    def _once(self, group: Factor, time: Array, shown: Array, name: str) -> None:
        """Refuse two rows of a group at one time."""
        pairs = pd.DataFrame({"group": group.codes, "time": time})
        twice = pairs.duplicated().to_numpy()
        if twice.any():
            row = int(np.flatnonzero(twice)[0])
            where = "" if self.by is None else f" for {self.by} '{group.levels[group.codes[row]]}'"
            remedy = (
                "name the groups with by=, as in by='Subject'."
                if self.by is None
                else "make by= finer, as in by='Subject:Trial', or average such rows first."
            )
            raise DataError(
                f"There are two rows with {name} {shown[row]}{where}, and {self} needs each time "
                f"only once in a group: {remedy}"
            )


@checks_arguments(time="write AR1('time', by='group')")
class AR1(_Correlated):
    r"""First-order autoregression by visits: C_ij = phi^|i - j|, -1 < phi < 1.

    Parameters
    ----------
    time : str
        The column that orders the rows of a group. Its values are numbered 1, 2, 3, ... over the
        whole table, in order: a visit that a group missed counts, how long it was does not.
    by : str, optional
        The column of the groups (``'a:b'`` for combinations); without it all rows are one series.

    Notes
    -----
    R: ``corAR1(form = ~ visit | group)`` with whole numbers 1, 2, 3 for the visits. Pinheiro and
    Bates (2000), section 5.3.1.

    Examples
    --------
    >>> import mixedteach as mt
    >>> children = mt.load_orthodont()
    >>> visits = mt.AR1("age", by="Subject")
    >>> m = mt.lmer("distance ~ age*Sex + (1|Subject)", children, correlation=visits)
    >>> m.residual_parameters["estimate"].round(4).to_dict()
    {'sigma': 1.3731, 'phi': -0.0375}
    """

    example = "AR1('time', by='group')"

    def __init__(self, time: str, by: str | None = None) -> None:
        self.time = column_name(time, "The time of AR1", self.example)
        self.by = by if by is None else column_name(by, "by", self.example)
        self.columns = (time,) if by is None else (time, by)

    def __repr__(self) -> str:
        return f"AR1('{self.time}'" + ("" if self.by is None else f", by='{self.by}'") + ")"

    def bind(self, frame: pd.DataFrame) -> Correlation:
        """Return the structure for the rows of a fit."""
        group = self._groups(frame)
        visit = as_factor(self.time, frame[self.time]).codes
        self._once(group, visit, frame[self.time].to_numpy(), self.time)
        lag = visit.astype(float)

        def make(shared: Array, rows: Array) -> Pattern:
            return Power(shared, np.abs(lag[rows][:, :, None] - lag[rows][:, None, :]))

        starts = [np.array([x]) for x in (0.0, 0.3, -0.3, 0.8)]
        scale = correlation_scale("phi")
        return Correlation(
            repr(self),
            group,
            lag,
            [scale],
            np.array([False]),
            starts,
            make,
            False,
            _two,
            self,
        )


@checks_arguments(time="write CAR1('time', by='group')")
class CAR1(_Correlated):
    r"""First-order autoregression in continuous time: C_ij = phi^|t_i - t_j|, 0 <= phi < 1.

    Parameters
    ----------
    time : str
        A column of numbers; phi is the correlation of two residuals one unit apart.
    by : str, optional
        The column of the groups (``'a:b'`` for combinations); without it all rows are one series.

    Notes
    -----
    R: ``corCAR1(form = ~ time | group)``. The search moves eta with eta^2 the correlation over the
    shortest distance in the data, so that phi = 0 is an ordinary point. Pinheiro and Bates (2000),
    section 5.3.1; Jones (1993), Longitudinal Data with Serial Correlation.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.gls("distance ~ age*Sex", mt.load_orthodont(),
    ...            correlation=mt.CAR1("age", by="Subject"))
    >>> m.residual_parameters["estimate"].round(4).to_dict()
    {'sigma': 2.2835, 'phi': 0.7902}
    """

    example = "CAR1('time', by='group')"

    def __init__(self, time: str, by: str | None = None) -> None:
        self.time = column_name(time, "The time of CAR1", self.example)
        self.by = by if by is None else column_name(by, "by", self.example)
        self.columns = (time,) if by is None else (time, by)

    def __repr__(self) -> str:
        return f"CAR1('{self.time}'" + ("" if self.by is None else f", by='{self.by}'") + ")"

    def bind(self, frame: pd.DataFrame) -> Correlation:
        """Measure the distances and return the structure for the rows of a fit."""
        group = self._groups(frame)
        column = frame[self.time]
        if not is_numeric(column):
            raise DataError(
                f"The time '{self.time}' of {self} holds no numbers, and CAR1 needs distances: "
                f"convert it to numbers, or use AR1('{self.time}', ...), which counts visits."
            )
        time = column.to_numpy(float)
        if not np.isfinite(time).all():
            raise DataError(f"The time '{self.time}' of {self} has infinite values: correct them.")
        self._once(group, time, column.to_numpy(), self.time)
        order = np.lexsort((time, group.codes))
        near = group.codes[order][1:] == group.codes[order][:-1]
        shortest = float(np.diff(time[order])[near].min())

        def make(shared: Array, rows: Array) -> Pattern:
            distance = np.abs(time[rows][:, :, None] - time[rows][:, None, :]) / shortest
            # correlation over the shortest distance is eta^2; rounding must not pass for a gap
            return Power(shared, 2 * np.maximum(distance, 1.0), even=True)

        scale = Scale(
            "phi",
            show=lambda x: float(abs(x) ** (2 / shortest)),
            slope=lambda x: 2 / (shortest * x * (1 - abs(x) ** (2 / shortest))),
            link=lambda phi: float(np.log(phi / (1 - phi))),
            unlink=lambda x: float(1 / (1 + np.exp(-x))),
            low=0.0,
            high=1.0,
            eta=lambda phi: float(phi ** (shortest / 2)),
        )
        starts = [np.array([x]) for x in (0.3, 0.6, 0.9)]
        return Correlation(
            repr(self),
            group,
            time,
            [scale],
            np.array([True]),
            starts,
            make,
            False,
            _two,
            self,
        )


@checks_arguments(by="write CompoundSymmetry(by='group')")
class CompoundSymmetry(_Correlated):
    r"""The same correlation between all rows of a group: C_ij = rho for i != j.

    Parameters
    ----------
    by : str
        The column of the groups (``'a:b'`` for combinations).

    Notes
    -----
    rho lies between -1/(m - 1) and 1, m the rows of the largest group. With rho >= 0 it is the
    model with a random intercept, rho = tau^2 / (tau^2 + sigma^2). R: ``corCompSymm``. Pinheiro and
    Bates (2000), section 5.3.1.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.gls("distance ~ age*Sex", mt.load_orthodont(),
    ...            correlation=mt.CompoundSymmetry(by="Subject"))
    >>> m.residual_parameters["estimate"].round(4).to_dict()
    {'sigma': 2.2849, 'rho': 0.6318}
    """

    example = "CompoundSymmetry(by='group')"

    def __init__(self, by: str) -> None:
        self.by = column_name(by, "by", self.example)
        self.columns = (by,)

    def __repr__(self) -> str:
        return f"CompoundSymmetry(by='{self.by}')"

    def bind(self, frame: pd.DataFrame) -> Correlation:
        """Return the structure for the rows of a fit."""
        group = self._groups(frame)
        largest = int(np.bincount(group.codes).max())
        low = -1 / (largest - 1)

        def whole(eta: Array) -> Array:
            # the two different eigenvalues of the largest group
            return np.diag([1 + (largest - 1) * eta[0], 1 - eta[0]])

        def make(shared: Array, rows: Array) -> Pattern:
            return Linear(shared, np.zeros(shared.shape, int), 1, whole)

        starts = [np.array([x]) for x in (0.5, 0.0, 0.5 * low)]
        place = np.arange(len(frame), dtype=float)
        return Correlation(
            repr(self), group, place, [correlation_scale("rho", low)], np.array([False]), starts,
            make, True, whole, self,
        )  # fmt: skip


@checks_arguments(
    time="write Unstructured('time', by='group')", by="write Unstructured('time', by='group')"
)
class Unstructured(_Correlated):
    r"""A correlation of its own for every pair of times: C_ij = rho_ij.

    Parameters
    ----------
    time : str
        The column of the times (or conditions) at which a group is measured.
    by : str
        The column of the groups (``'a:b'`` for combinations).

    Notes
    -----
    T times have T(T - 1)/2 correlations. The variances are equal unless ``variance`` is given: with
    ``variance=UnequalVariances(time)`` the whole covariance matrix of the times is free. R:
    ``corSymm``. Pinheiro and Bates (2000), section 5.3.1.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.gls("distance ~ age*Sex", mt.load_orthodont(),
    ...            correlation=mt.Unstructured("age", by="Subject"),
    ...            variance=mt.UnequalVariances("age"))
    >>> round(m.llf, 4)
    -212.2734
    """

    example = "Unstructured('time', by='group')"

    def __init__(self, time: str, by: str) -> None:
        self.time = column_name(time, "The time of Unstructured", self.example)
        self.by = column_name(by, "by", self.example)
        self.columns = (time, by)

    def __repr__(self) -> str:
        return f"Unstructured('{self.time}', by='{self.by}')"

    def bind(self, frame: pd.DataFrame) -> Correlation:
        """Return the structure for the rows of a fit."""
        group = self._groups(frame)
        times = as_factor(self.time, frame[self.time])
        self._once(group, times.codes, frame[self.time].to_numpy(), self.time)
        T = len(times.levels)
        upper = np.array(np.triu_indices(T, 1))
        number = np.zeros((T, T), int)
        number[tuple(upper)] = number[tuple(upper[::-1])] = np.arange(upper.shape[1])
        met = np.zeros((len(group.levels), T))
        met[group.codes, times.codes] = 1
        together = (met.T @ met)[tuple(upper)]
        if (together == 0).any():
            i, j = upper[:, int(np.flatnonzero(together == 0)[0])]
            raise DataError(
                f"No group has rows at both {self.time} {times.levels[i]} and {times.levels[j]}, "
                f"so {self} has a correlation that nothing tells of: use AR1 or CAR1."
            )

        def whole(eta: Array) -> Array:
            R = np.eye(T)
            R[tuple(upper)] = R[tuple(upper[::-1])] = eta
            return R

        def make(shared: Array, rows: Array) -> Pattern:
            own = times.codes[rows]
            pair = number[own[:, :, None], own[:, None, :]]
            return Linear(shared, pair, upper.shape[1], whole)

        names = [f"corr({times.levels[i]}, {times.levels[j]})" for i, j in upper.T]
        starts = [np.full(len(names), x) for x in (0.4, 0.0)]
        return Correlation(
            repr(self), group, times.codes.astype(float), [correlation_scale(n) for n in names],
            np.zeros(len(names), bool), starts, make, True, whole, self,
        )  # fmt: skip


def _constant_within(basis: Array, codes: Array) -> bool:
    """Say whether a term's columns do not vary within its groups: it is an intercept then."""
    first = np.zeros((int(codes.max()) + 1, basis.shape[1]))
    first[codes] = basis
    return bool((first[codes] == basis).all())


def check_alike(correlation: Correlation, random: list) -> None:
    """Refuse a random intercept that says the same as the correlation."""
    for term in random:
        together = is_nested(term.codes, correlation.group.codes) and is_nested(
            correlation.group.codes, term.codes
        )
        if (
            correlation.alike
            and together
            and ("Intercept" in term.effects or _constant_within(term.basis, term.codes))
        ):
            raise FitError(
                f"{term.text} and {correlation.text} both make the rows of {listed([term.label])} "
                "alike, so the data cannot tell them apart: leave one of the two out."
            )
