r"""Residuals of a planned experiment that are correlated or have unequal variances.

A :class:`PlannedResiduals` is plain data that can be sent to another process: the structures as
the reader wrote them, and a value for each of their parameters. Bound to a table it becomes
:class:`Noise`, which turns independent normal numbers z into residuals

    e = S F z,    F F' = C,    S = diag(sigma s_i)

with C the correlations and s_i the ratios of standard deviations (see
:mod:`mixedteach.fitting.residual`). Where the variance follows the mean, s_i = |mu_i|^power with
mu_i the mean of the row in this very draw, its random effects included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mixedteach.errors import FitError, a_kind, did_you_mean, listed, shown
from mixedteach.fitting.general import Blocks
from mixedteach.fitting.residual.covariance import Residual
from mixedteach.fitting.residual.parts import Structure, split
from mixedteach.general import GeneralModel

Array = np.ndarray


@dataclass(frozen=True)
class PlannedResiduals:
    """The residual covariance of a plan.

    Attributes
    ----------
    correlation, variance : Structure or None
    values : dict
        Name of a parameter, as in ``residual_parameters``, -> its value.
    """

    correlation: Structure | None
    variance: Structure | None
    values: Mapping[str, float]

    @property
    def text(self) -> str:
        """As arguments of a call."""
        parts = {"correlation": self.correlation, "variance": self.variance}
        return ", ".join(f"{name}={part}" for name, part in parts.items() if part is not None)

    @property
    def groups(self) -> list[str]:
        """The columns that make the groups within which residuals are correlated."""
        by = getattr(self.correlation, "by", None)
        return [] if by is None else split(by)

    @property
    def time(self) -> str | None:
        """The column of the times, each of which a group has once."""
        return getattr(self.correlation, "time", None)

    @property
    def others(self) -> list[str]:
        """The columns that say what a row is like: its time, what its variance depends on."""
        own = [] if self.time is None else [self.time]
        return [*own, *([] if self.variance is None else self.variance.variables())]

    def bind(self, frame: pd.DataFrame) -> Residual:
        """Return the residual covariance for the rows of a table."""
        return Residual(
            None if self.correlation is None else self.correlation.bind(frame),
            None if self.variance is None else self.variance.bind(frame),
        )

    def eta(self, residual: Residual) -> Array:
        """Return the parameters as a fit has them; values that are none are refused."""
        out = []
        for scale in residual.scales:
            if scale.name not in self.values:
                names = listed(s.name for s in residual.scales)
                raise FitError(
                    f"residual= lacks '{scale.name}': give {names}, as residual_parameters names "
                    "them."
                )
            value = self.values[scale.name]
            eta = scale.eta(value) if scale.low <= value < scale.high else np.nan
            if not np.isfinite(eta):
                low, high = scale.low, scale.high
                where = f"larger than {low:g}" if high == np.inf else f"{low:g} to {high:g}"
                raise FitError(f"'{scale.name}' is {value:g}, but must lie in its range, {where}.")
            out.append(eta)
        eta = np.array(out)
        own = residual.correlation
        if own is not None and not own.room(eta[: residual.nc]) > 1e-9:
            raise FitError(
                f"There are no residuals with these correlations of {own.text}, for they "
                "contradict each other: take values nearer to zero."
            )
        return eta

    def with_value(self, name: str, value: float) -> PlannedResiduals:
        """Return the same residuals with another value of one parameter."""
        return replace(self, values={**self.values, name: value})

    def scaled(self, names: tuple[str, ...], factor: float) -> PlannedResiduals:
        """Multiply parameters by a factor: a correlation, a power, the logarithm of a ratio."""
        values = dict(self.values)
        for name in names:
            ratio = name.startswith("sd ratio ")
            values[name] = values[name] ** factor if ratio else factor * values[name]
        return replace(self, values=values)


class Noise:
    """Residuals of a table, drawn again and again.

    Parameters
    ----------
    planned : PlannedResiduals
    frame : DataFrame
    sigma : float
        Of the first level under ``UnequalVariances``, at covariate or mean 1 under a power.
    """

    def __init__(self, planned: PlannedResiduals, frame: pd.DataFrame, sigma: float) -> None:
        residual = planned.bind(frame)
        eta = planned.eta(residual)
        own = Residual(residual.correlation, None)
        blocks = Blocks(np.zeros((len(frame), 1)), [], [], [], own)
        self.factors = [
            (bucket.rows, np.linalg.cholesky(bucket.gamma.at(eta[: own.nc])[0]))
            for bucket in blocks.buckets
        ]
        self.power: float | None = None
        self.sd = np.full(len(frame), sigma)
        if residual.variance is not None and residual.variance.of_mean:
            self.power = float(eta[-1])
        else:
            self.sd = sigma * np.exp(residual.new_log_sd(eta, frame, self.sd))

    def of(self, z: Array, mean: Array) -> Array:
        """Return residuals made of independent standard normal numbers z, shape (n,)."""
        e = np.empty_like(z)
        for rows, factor in self.factors:
            e[rows] = (factor @ z[rows][:, :, None])[:, :, 0]
        return self.sd * e if self.power is None else self.sd * np.abs(mean) ** self.power * e


def of_fit(m: GeneralModel) -> PlannedResiduals:
    """Return the residual covariance of a fitted model: its estimates are taken for the truth."""
    residual = m.fit.residual
    values = residual.shown(m.fit.eta).tolist()
    return PlannedResiduals(
        None if residual.correlation is None else residual.correlation.structure,
        None if residual.variance is None else residual.variance.structure,
        dict(zip([scale.name for scale in residual.scales], values, strict=True)),
    )


def written(
    correlation: Structure | None, variance: Structure | None, given: object, frame: pd.DataFrame
) -> PlannedResiduals:
    """Read ``residual=`` of a planned model, and check it against the table."""
    if not isinstance(given, Mapping):
        raise FitError(
            "residual= must be a dict of the parameters of the residual covariance, as in "
            f"{{'phi': 0.5}}, not {a_kind(given)}."
        )
    values = {}
    plan = PlannedResiduals(correlation, variance, values)
    residual = plan.bind(frame)
    known = [scale.name for scale in residual.scales]
    for name, value in given.items():
        if name not in known:
            raise FitError(
                f"residual= has '{name}', which is no parameter of {plan.text}: there "
                f"{'is' if len(known) == 1 else 'are'} {listed(known)}." + did_you_mean(name, known)
            )
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if not number or not np.isfinite(value):
            raise FitError(f"residual= '{name}' is {shown(value)}, but must be a number.")
        values[name] = float(value)
    plan.eta(residual)
    return plan
