r"""Unequal variances of residuals: by the levels of a factor, or a power of a covariate or mean.

Every structure here has the standard deviations sigma s_i with

    log s_i = sum_j A_ij eta_j

so that the derivatives in eta follow from the matrix A alone.

    UnequalVariances   s_i = ratio of the level of row i to the first level     eta = log ratio
    PowerOf            s_i = |v_i|^delta, v a covariate                         eta = delta
    PowerOfMean        s_i = |mu_i|^delta, mu the fitted mean                   eta = delta

Source: Pinheiro and Bates (2000), Mixed-Effects Models in S and S-PLUS, section 5.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixedteach.columns import Factor, is_numeric
from mixedteach.errors import DataError
from mixedteach.fitting.residual.parts import (
    Scale,
    Structure,
    checks_arguments,
    column_name,
    grouping,
    same,
    split,
)

Array = np.ndarray


@dataclass
class Variance:
    """A variance structure bound to the rows of a fit.

    Attributes
    ----------
    text : str
        As the reader wrote it.
    A : ndarray, shape (n, q)
        log s = A eta.
    scales : list of Scale
    shift : ndarray, shape (q,)
        The reader's sigma is that of the search times exp(shift eta).
    factor : Factor, optional
        The levels whose variances differ.
    structure : Structure
    of_mean : bool
        Whether A must follow the fitted mean.
    """

    text: str
    A: Array
    scales: list[Scale]
    shift: Array
    structure: Structure
    factor: Factor | None = None
    of_mean: bool = False

    def log_sd(self, eta: Array, frame: pd.DataFrame, mean: Array) -> Array:
        """Return log(sd / sigma) of new rows, sigma that of the reader; NaN where unknown."""
        structure = self.structure
        if self.factor is not None:
            levels = {str(level): i for i, level in enumerate(self.factor.levels)}
            names = split(self.factor.name)
            labels = [":".join(map(str, row)) for row in frame[names].to_numpy(object)]
            place = np.array([levels.get(label, -1) for label in labels], int)
            return np.where(place < 0, np.nan, np.append(0.0, eta)[place])
        v = mean if self.of_mean else frame[structure.columns[0]].to_numpy(float)
        with np.errstate(divide="ignore"):
            return eta[0] * np.log(np.abs(v))


@checks_arguments(factor="write UnequalVariances('factor')")
class UnequalVariances(Structure):
    r"""A residual variance of its own for each level of a factor.

    Parameters
    ----------
    factor : str
        A column (numbers are taken as levels), or ``'a:b'`` for combinations of levels.

    Notes
    -----
    Var(e_i) = sigma^2 ratio^2 with the ratio of the level's standard deviation to that of the first
    level, whose ratio is 1. R: ``varIdent(form = ~ 1 | factor)``. Pinheiro and Bates (2000),
    section 5.2.1.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.lmer("score ~ Machine + (1|Worker/Machine)", mt.load_machines(),
    ...             variance=mt.UnequalVariances("Machine"))
    >>> m.residual_sd.round(4).to_dict()
    {'A': 1.1473, 'B': 1.0025, 'C': 0.6728}
    """

    kind = "variance"
    example = "UnequalVariances('factor')"

    def __init__(self, factor: str) -> None:
        self.factor = column_name(factor, "The factor", self.example)
        self.columns = (factor,)

    def __repr__(self) -> str:
        return f"UnequalVariances('{self.factor}')"

    def bind(self, frame: pd.DataFrame) -> Variance:
        """Return the structure for the rows of a fit."""
        factor = grouping(self.factor, frame)
        factor = Factor(self.factor, factor.levels, factor.codes)
        counts = np.bincount(factor.codes, minlength=len(factor.levels))
        if len(counts) < 2:
            raise DataError(
                f"'{self.factor}' has only one level, '{factor.levels[0]}', so {self} has nothing "
                "to compare: leave variance= out."
            )
        if (counts < 2).any():
            level = factor.levels[int(np.flatnonzero(counts < 2)[0])]
            raise DataError(
                f"The level '{level}' of '{self.factor}' has only one row, and {self} needs a "
                "variance in each level: join levels, or name a factor with fewer."
            )
        A = np.eye(len(counts))[factor.codes][:, 1:]
        first = factor.levels[0]
        scales = [
            Scale(f"sd ratio {level}/{first}", lambda x: float(np.exp(x)), lambda x: 1.0,
                  lambda r: float(np.log(r)), lambda x: float(np.exp(x)), 0.0, np.inf,
                  lambda r: float(np.log(r)) if r > 0 else -np.inf)
            for level in factor.levels[1:]
        ]  # fmt: skip
        return Variance(repr(self), A, scales, np.zeros(len(scales)), self, factor)


def _power(text: str, log_v: Array, structure: Structure, of_mean: bool) -> Variance:
    # about the geometric mean: then sigma and delta hardly depend on each other
    centre = float(log_v.mean())
    scale = Scale("power", same, lambda x: 1.0, same, same, -np.inf, np.inf, same)
    A = (log_v - centre)[:, None]
    return Variance(text, A, [scale], np.array([-centre]), structure, of_mean=of_mean)


@checks_arguments(covariate="write PowerOf('covariate')")
class PowerOf(Structure):
    r"""A residual standard deviation that is a power of a covariate: sd_i = sigma |v_i|^delta.

    Parameters
    ----------
    covariate : str
        A column of numbers, none of them zero.

    Notes
    -----
    sigma is the standard deviation at v = 1. R: ``varPower(form = ~ v)``. Pinheiro and Bates
    (2000), section 5.2.1.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.gls("distance ~ age*Sex", mt.load_orthodont(), variance=mt.PowerOf("age"))
    >>> m.residual_parameters["estimate"].round(3).to_dict()
    {'sigma': 2.065, 'power': 0.037}
    """

    kind = "variance"
    example = "PowerOf('covariate')"

    def __init__(self, covariate: str) -> None:
        self.covariate = column_name(covariate, "The covariate", self.example)
        self.columns = (covariate,)

    def __repr__(self) -> str:
        return f"PowerOf('{self.covariate}')"

    def variables(self) -> list[str]:
        """Return the covariate."""
        return [self.covariate]

    def bind(self, frame: pd.DataFrame) -> Variance:
        """Return the structure for the rows of a fit."""
        column = frame[self.covariate]
        if not is_numeric(column):
            raise DataError(
                f"'{self.covariate}' in {self} holds no numbers: use "
                f"UnequalVariances('{self.covariate}') for a factor."
            )
        v = np.abs(column.to_numpy(float))
        if not np.isfinite(v).all() or (v == 0).any():
            raise DataError(
                f"'{self.covariate}' has zero or infinite values, where {self} would make the "
                "variance zero or infinite: shift the covariate, or use UnequalVariances."
            )
        if np.ptp(v) <= 1e-12 * v.max():
            raise DataError(
                f"'{self.covariate}' has the same size in every row, so its power changes nothing: "
                "leave variance= out."
            )
        return _power(repr(self), np.log(v), self, of_mean=False)


@checks_arguments()
class PowerOfMean(Structure):
    r"""A residual standard deviation that is a power of the fitted mean: sd_i = sigma |mu_i|^delta.

    mu is X beta + Z b. As in nlme the fit goes round: mu from the last fit is taken as known in the
    next, until it no longer changes; tests and intervals take it as known, too.

    Notes
    -----
    R: ``varPower()``. Pinheiro and Bates (2000), sections 5.2.1 and 5.2.2.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.gls("distance ~ age*Sex", mt.load_orthodont(), variance=mt.PowerOfMean())
    >>> m.residual_parameters["estimate"].round(2).to_dict()
    {'sigma': 0.91, 'power': 0.28}
    """

    kind = "variance"
    example = "PowerOfMean()"

    def __init__(self) -> None:
        self.columns = ()

    def __repr__(self) -> str:
        return "PowerOfMean()"

    def bind(self, frame: pd.DataFrame) -> Variance:
        """Return the structure for the rows of a fit; the mean is not known yet."""
        return Variance(
            repr(self), np.zeros((len(frame), 1)), _power("", np.zeros(1), self, True).scales,
            np.zeros(1), self, of_mean=True,
        )  # fmt: skip


def follow_mean(variance: Variance, mean: Array, centre: float | None) -> tuple[Variance, float]:
    """Return a power of the mean with A at these means; small means are held off zero."""
    size = np.abs(mean)
    log_v = np.log(np.maximum(size, 1e-6 * max(float(size.max()), 1e-300)))
    centre = float(log_v.mean()) if centre is None else centre
    A = (log_v - centre)[:, None]
    return Variance(
        variance.text, A, variance.scales, np.array([-centre]), variance.structure, of_mean=True
    ), centre
