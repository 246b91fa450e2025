r"""Intervals for the parameters of a residual covariance: phi, rho, ratios, powers, and sigma.

*Wald*: symmetric on a scale without bounds, link(estimate) -+ z SE, and carried back; the SE come
from the Hessian of the deviance (restricted under REML) in all parameters at once, 2 H^-1. These
are the intervals of nlme's ``intervals()``.

*Profile*: the values at which the deviance, minimised over all other parameters, exceeds its
minimum by no more than the chi-squared quantile; the deviance is the fit's own (REML or ML).

Source: Pinheiro and Bates (2000), section 2.4.3.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import special

from mixedteach.errors import FitError
from mixedteach.fitting.general import GeneralFit, descend
from mixedteach.inference.distributions import t_quantile
from mixedteach.inference.satterthwaite import inverse_hessian

Array = np.ndarray


def wald(fit: GeneralFit, level: float) -> list[tuple[str, float, float, float]]:
    """Return name, estimate and limits of sigma and of every parameter of the structure."""
    z = float(t_quantile(0.5 + level / 2, np.inf))
    H, _ = fit.theta_hessian
    free = ~fit.optimum.zero
    size, nt = len(free), fit.criterion.nt
    cov = np.full((size + 1, size + 1), np.nan)
    places = np.append(np.flatnonzero(free), size)
    cov[np.ix_(places, places)] = 2 * inverse_hessian(H)
    eta, residual = fit.eta, fit.residual
    # the reader's log sigma is that of the search plus shift'eta
    w = np.zeros(size + 1)
    w[size] = 1.0
    if residual.variance is not None:
        w[nt + residual.nc : size] = residual.variance.shift
    used = w != 0
    half = z * math.sqrt(float(w[used] @ cov[np.ix_(used, used)] @ w[used]))
    sigma = math.sqrt(fit.sigma2) * math.exp(residual.log_shift(eta))
    rows = [("sigma", sigma, sigma * math.exp(-half), sigma * math.exp(half))]
    for j, (scale, x) in enumerate(zip(residual.scales, eta, strict=True)):
        shown = scale.show(x)
        limits = (np.nan, np.nan)
        if free[nt + j]:
            half = z * abs(scale.slope(x)) * math.sqrt(cov[nt + j, nt + j])
            middle = scale.link(shown)
            limits = (scale.unlink(middle - half), scale.unlink(middle + half))
        rows.append((scale.name, shown, *limits))
    return rows


def profile(fit: GeneralFit, level: float) -> list[tuple[str, float, float, float]]:
    """Return name, estimate and profile limits of every parameter of the structure."""
    cutoff = float(special.chdtri(1, 1 - level))
    return [_profile(fit, j, cutoff) for j in range(fit.residual.size)]


def _profile(fit: GeneralFit, j: int, cutoff: float) -> tuple[str, float, float, float]:
    scale, even = fit.residual.scales[j], bool(fit.residual.even[j])
    shown = scale.show(fit.eta[j])

    def to_eta(u: float) -> float:
        return math.tanh(u) if even else scale.eta(scale.unlink(u))

    u0 = math.atanh(fit.eta[j]) if even else scale.link(shown)
    drop = _drop(fit, fit.criterion.nt + j)
    ends = []
    for sign, bound in ((-1, scale.low), (1, scale.high)):
        u = _limit(lambda u: drop(to_eta(u)), u0, sign, cutoff, 0.0 if even else -math.inf)
        ends.append(bound if u is None else scale.show(to_eta(u)))
    return (scale.name, shown, *ends)


def _drop(fit: GeneralFit, place: int) -> Callable[[float], float]:
    """Return by how much the deviance exceeds its minimum with one parameter fixed."""
    free = np.arange(len(fit.state.theta)) != place
    known = {float(fit.state.theta[place]): fit.state}

    def drop(value: float) -> float:
        near = known[min(known, key=lambda other: abs(other - value))]
        x = np.where(fit.optimum.zero & (near.theta == 0), 0.1, near.theta)
        H = near.hessian  # along the valley: the others follow
        x[free] -= np.linalg.lstsq(
            H[np.ix_(free, free)], H[free, place] * (value - near.theta[place]), rcond=1e-10
        )[0]
        x[place] = value
        for start in (x, np.where(free, near.theta, value)):
            try:
                known[value] = descend(fit.criterion, start, free, [])
            except FitError:
                continue
            return known[value].value - fit.deviance
        return np.nan

    return drop


def _limit(
    drop: Callable[[float], float], u0: float, sign: int, cutoff: float, low: float
) -> float | None:
    """Return where the drop reaches the cut-off, None if it does so nowhere, NaN if it is lost."""
    from scipy.optimize import brentq

    inside, step = u0, 0.2
    while step < 30:
        outside = max(u0 + sign * step, low)
        here = drop(outside)
        if math.isnan(here):
            return math.nan
        if here > cutoff:
            return float(brentq(lambda u: drop(u) - cutoff, inside, outside, xtol=1e-9))
        if outside == low:
            return None
        inside, step = outside, 1.5 * step
    return None
