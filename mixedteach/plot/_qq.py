"""Normal quantile plots of residuals and of predicted random effects."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from scipy.special import betaincinv, ndtri

from mixedteach.classical import LinearModel
from mixedteach.errors import DataError, did_you_mean, shown
from mixedteach.model import MixedModel
from mixedteach.plot._inputs import check_model, independent_residuals, unit_of
from mixedteach.plot._style import (
    BLUE,
    INK,
    SKY,
    VERMILION,
    describe,
    number,
    own_or_new,
    style,
)

Array = np.ndarray


def qq(
    m: MixedModel | LinearModel,
    *,
    what: str = "residuals",
    effect: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the ordered residuals, or random effects, against those of a normal distribution.

    The line goes through the quartiles. The band is where 95% of samples from a normal
    distribution would put the point, one point at a time: of many points some leave it by chance.

    Parameters
    ----------
    m : MixedModel or LinearModel
        Made by :func:`mixedteach.lmer` or :func:`mixedteach.lm`.
    what : str
        ``"residuals"``, or a grouping factor of the model for its predicted random effects (BLUPs).
    effect : str, optional
        Which random effect of that factor, as in ``"Days"``; by default the first.
    ax : Axes, optional
        By default a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If `m` is no fitted model, `what` or `effect` is not in it, or there are fewer than three
        values, or all are alike.

    Notes
    -----
    The i-th smallest of n uniform numbers has a Beta(i, n + 1 - i) distribution; its quantiles,
    carried over to the normal distribution, give the band. Plotting positions are those of R's
    ``ppoints``. Random effects share the data's shrinkage: a group that is far off is drawn in.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.lmer("Reaction ~ Days + (Days|Subject)", mt.load_sleepstudy())
    >>> ax = mt.plot.qq(m, what="Subject", effect="Days")
    >>> ax.get_title("left"), ax.get_ylabel()
    ('0 of 18 outside the band', 'Random effects of Subject (Days)')
    """
    check_model(m)
    values, name, unit = _values(m, what, effect)
    if len(values) < 3:
        raise DataError(f"The {len(values)} {name} are too few: a quantile plot needs three.")
    if np.ptp(values) <= 1e-10 * m.sigma:
        raise DataError(
            f"The {len(values)} {name} are all alike, for their variance is zero: there is nothing "
            "to draw."
        )
    ordered = np.sort(values)
    normal, low, high = normal_quantiles(len(ordered))
    middle, slope = quartile_line(ordered, normal)
    outside = (ordered < middle + slope * low) | (ordered > middle + slope * high)
    ax = own_or_new(ax)
    with style():
        ends = normal[[0, -1]]
        ax.fill_between(
            normal, middle + slope * low, middle + slope * high, color=SKY, alpha=0.25, linewidth=0
        )
        ax.plot(ends, middle + slope * ends, color=INK, linewidth=1.4)
        ax.plot(normal[~outside], ordered[~outside], "o", color=BLUE, alpha=0.75, mew=0)
        ax.plot(normal[outside], ordered[outside], "D", color=VERMILION, markersize=9)
        ax.set_xlabel("Normal quantile [sd from the mean]")
        ax.set_ylabel(f"{name[0].upper()}{name[1:]}{unit}")
        ax.set_title(f"{outside.sum()} of {len(ordered)} outside the band")
    return describe(
        ax,
        f"Normal quantile plot of the {len(ordered)} {name}; {outside.sum()} "
        f"{'lies' if outside.sum() == 1 else 'lie'} outside the pointwise 95% band. The largest "
        f"is {number(ordered[-1])}, the smallest {number(ordered[0])}.",
    )


def normal_quantiles(n: int, level: float = 0.95) -> tuple[Array, Array, Array]:
    """Return what n ordered standard normal numbers should be, with pointwise limits."""
    i = np.arange(1, n + 1)
    a = 3 / 8 if n <= 10 else 1 / 2
    tails = (1 - level) / 2, (1 + level) / 2
    limits = (ndtri(betaincinv(i, n + 1 - i, tail)) for tail in tails)
    return (ndtri((i - a) / (n + 1 - 2 * a)), *limits)


def quartile_line(ordered: Array, normal: Array) -> tuple[float, float]:
    """Return intercept and slope of the line through the quartiles, as R's ``qqline``."""
    first, third = np.quantile(ordered, [0.25, 0.75])
    slope = (third - first) / (2 * ndtri(0.75))
    return float((first + third) / 2), float(slope)


def _values(m: MixedModel | LinearModel, what: str, effect: str | None) -> tuple[Array, str, str]:
    """Return the numbers to draw, their name, and their unit."""
    if what == "residuals":
        if effect is not None:
            raise DataError("effect= chooses a random effect: name its grouping factor in what=.")
        values, _, name, unit = independent_residuals(m)
        return values, name, unit
    if isinstance(m, LinearModel):
        raise DataError(
            f"A model of mt.lm() has no random effects of {shown(what)}: use what='residuals'."
        )
    if what not in m.random_effects:
        raise DataError(
            f"{shown(what)} is no grouping factor of the model."
            + did_you_mean(what, ["residuals", *m.random_effects])
        )
    table = m.random_effects[what]
    chosen = table.columns[0] if effect is None else effect
    if chosen not in table.columns:
        raise DataError(
            f"'{what}' has no random effect {shown(chosen)}." + did_you_mean(chosen, table.columns)
        )
    several = f" ({chosen})" if table.shape[1] > 1 else ""
    # a slope has the response's unit per unit of a covariate: only intercepts are labelled
    return (
        table[chosen].to_numpy(),
        f"random effects of {what}{several}",
        unit_of(m) if chosen == "Intercept" else "",
    )
