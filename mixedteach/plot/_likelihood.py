"""The likelihood of a model with one random effect as a curve, by ML and by REML."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from mixedteach.errors import InferenceError, one_of
from mixedteach.model import MixedModel
from mixedteach.plot._inputs import check_mixed, check_plain, unit_of
from mixedteach.plot._style import BLUE, INK, PALE, VERMILION, describe, number, own_or_new, style

Array = np.ndarray

_DEPTH = 4.0  # the curves are shown down to so much below their maxima


def likelihood(m: MixedModel, *, of: str = "sd", ax: Axes | None = None) -> Axes:
    """Draw log-likelihood and restricted log-likelihood against the size of the random effect.

    Each curve is shown relative to its own maximum, which is marked; all other parameters take
    their best values at every point.

    Parameters
    ----------
    m : MixedModel
        With one variance besides that of the residuals, as in ``y ~ x + (1|g)``; whether it was
        fitted by ML or by REML does not matter.
    of : {'sd', 'theta'}
        The horizontal axis: the standard deviation of the random effect, or that relative to the
        residual one.
    ax : Axes, optional
        By default a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    InferenceError
        If the model has more than one parameter theta.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    >>> ax = mt.plot.likelihood(m)
    >>> mt.plot.description(ax.figure)[-80:]
    'the log-likelihood (ML) is largest at 0.284, the restricted one (REML) at 0.299.'
    """
    check_mixed(m, "likelihood")
    check_plain(m, "mt.plot.likelihood")
    one_of(of, ("sd", "theta"), "an axis of likelihood()")
    if m.theta.size != 1:
        raise InferenceError(
            f"likelihood() draws models with one variance besides the residual one, and this has "
            f"{m.theta.size} parameters in theta"
            + (": use likelihood_contour()." if m.theta.size == 2 else ".")
        )
    fits = {reml: m.refit(m.matrices().y, reml=reml) for reml in (True, False)}
    term = m.random[0]
    best = {reml: float(fit.theta[0]) for reml, fit in fits.items()}
    if of == "sd":
        best = {reml: best[reml] * fit.sigma for reml, fit in fits.items()}
    x = np.linspace(0.0, _reach(m, fits, of), 161)
    drawn = {reml: -0.5 * (_curve(m, reml, of, x) - fit.deviance) for reml, fit in fits.items()}
    what = f"sd of {effect_names(m)[0]}" + ("" if of == "sd" else " relative to the residual sd")
    unit = sd_unit(m) if of == "sd" else ""
    symbol = f"$\\sigma_{term.label[0].upper()}$"
    symbol = symbol if of == "sd" else rf"$\theta$ = {symbol}$/\sigma$"
    ax = own_or_new(ax)
    with style():
        larger = best[True] >= best[False]
        for reml, colour, line, marker in ((True, BLUE, "-", "o"), (False, VERMILION, "--", "s")):
            ax.plot(x, drawn[reml], line, color=colour, label="REML" if reml else "ML")
            ax.plot([best[reml]] * 2, [-_DEPTH, 0], ":", color=colour, linewidth=1.4)
            # the square of ML fits into the circle of REML: where they coincide, both are seen
            size = 15 if reml else 7
            ax.plot(
                best[reml],
                0,
                marker,
                color=colour,
                markersize=size,
                zorder=3 + (not reml),
                markeredgecolor="white",
                clip_on=False,
            )
            right = larger == reml
            ax.annotate(
                f"{'REML' if reml else 'ML'}: {number(best[reml])}",
                (best[reml], 0), xytext=(9 if right else -9, 9), textcoords="offset points",
                ha="left" if right else "right", color=colour, weight="bold", fontsize=14,
            )  # fmt: skip
        ax.axhline(0, color=PALE, linewidth=0.8, zorder=0)
        ax.set_xlim(0, x[-1])
        ax.set_ylim(-_DEPTH, 0.55)
        ax.set_xlabel(f"{what}, {symbol}{unit}")
        ax.set_ylabel("log-likelihood,\nbelow its maximum", color=INK)
    return describe(
        ax,
        f"Two hills over the {what}: the log-likelihood (ML) is largest at {number(best[False])}, "
        f"the restricted one (REML) at {number(best[True])}.",
    )


def effect_names(m: MixedModel) -> list[str]:
    """Name the random effects: by their groups, slopes by their covariate as well."""
    return [
        term.label if effect == "Intercept" else f"{effect} by {term.label}"
        for term in m.random
        for effect in term.effects
    ]


def sd_unit(m: MixedModel) -> str:
    """Return the unit of a random intercept for an axis, such as `` [%]``; "" if not known."""
    return unit_of(m) if m.random[0].effects == ["Intercept"] else ""


def profiled(m: MixedModel, theta: Sequence[float], reml: bool) -> tuple[Array, Array]:
    """Return the deviance (or REML criterion) and the best sigma at each relative sd.

    For models with a single scalar random effect.
    """
    criterion = m.fit.problem.criterion(reml)
    turn = float(m.fit.problem.turns[0][0, 0])
    out = np.empty((len(theta), 2))
    for i, value in enumerate(theta):
        inner = np.array([value / turn])
        pieces = criterion.moments.at(criterion.D(inner), derivatives=False)
        deviance, r2, *_ = criterion.profile(pieces)
        out[i] = deviance, np.sqrt(r2 / criterion.df)
    return out[:, 0], out[:, 1]


def unprofiled(deviance: Array, best: Array, sigma: Array, df: float) -> Array:
    """Return the deviance at another sigma than the best one.

    From r^2 / sigma^2 + df log sigma^2, of which the profiled deviance holds the minimum.
    """
    ratio = (best / sigma) ** 2
    return deviance + df * (ratio - 1 - np.log(ratio))


def _curve(m: MixedModel, reml: bool, of: str, x: Array) -> Array:
    """Return the deviance along the axis, all else at its best."""
    if of == "theta":
        return profiled(m, x, reml)[0]
    # for a given sd of the effect, the best sigma = sd / theta: try many theta, then a parabola
    theta = np.geomspace(1e-3, 50.0, 700) * max(float(m.theta[0]), 0.1)
    deviance, best = profiled(m, theta, reml)
    df = m.nobs - m.X.shape[1] * reml
    out = np.empty(len(x))
    for i, sd in enumerate(x):
        if sd == 0:
            out[i] = profiled(m, [0.0], reml)[0][0]
            continue
        values = unprofiled(deviance, best, sd / theta, df)
        low = int(np.clip(values.argmin(), 1, len(theta) - 2))
        before, here, after = values[low - 1 : low + 2]
        bend = before - 2 * here + after
        out[i] = here - (after - before) ** 2 / (8 * bend) if bend > 0 else here
    return out


def _reach(m: MixedModel, fits: dict[bool, MixedModel], of: str) -> float:
    """Return where the axis ends: the restricted likelihood has fallen, or four times the best."""
    start = max(float(fits[True].theta[0]), 0.5)
    if of == "sd":
        start *= fits[True].sigma
    x = np.linspace(1.2, 4.0, 29) * start
    fallen = _curve(m, True, of, x) - fits[True].deviance > 2 * 0.8 * _DEPTH
    return float(x[fallen.argmax()] if fallen.any() else x[-1])
