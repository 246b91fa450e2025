"""Residuals against fitted values, or group by group."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mixedteach.classical import LinearModel
from mixedteach.columns import as_factor
from mixedteach.errors import DataError, did_you_mean
from mixedteach.model import MixedModel
from mixedteach.plot._inputs import (
    Residuals,
    check_model,
    normalised_residuals,
    plain_residuals,
    unit_of,
)
from mixedteach.plot._style import (
    BLUE,
    INK,
    PALE,
    SKY,
    VERMILION,
    describe,
    number,
    own_or_new,
    style,
)

MOST_GROUPS = 30  # more boxes than that cannot be told apart
MOST_CLASSES = 5  # of fitted values; fewer where a class would have less than six


def residuals(
    m: MixedModel | LinearModel,
    *,
    by: str | None = None,
    normalised: bool | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw residuals against fitted values, or for each level of a factor.

    Against fitted values: the band is zero plus and minus two residual standard deviations, the
    dashed line joins the means of up to five classes of equal size; it should stay near zero. By a
    factor: every residual, a box from quartile to quartile, and above it their standard deviation.

    Parameters
    ----------
    m : MixedModel or LinearModel
        Made by :func:`mixedteach.lmer` or :func:`mixedteach.lm`. The residuals of a mixed model
        are those about the fitted values of each group, random effects included.
    by : str, optional
        A column of the model's data with at most 30 levels.
    normalised : bool, optional
        Draw residuals that the model's own covariance makes independent with variance one. By
        default only against fitted values, and only with correlated or unequal residuals.
    ax : Axes, optional
        By default a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If `m` is no fitted model, or `by` is no column, or has too many levels.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    >>> ax = mt.plot.residuals(m)
    >>> ax.get_xlabel(), ax.get_ylabel(), len(ax.lines[1].get_xdata())
    ('Fitted content [%]', 'Residual [%]', 20)
    """
    check_model(m)
    groups = None if by is None else _groups(m, by)
    ax = own_or_new(ax)
    if normalised is None:
        normalised = by is None and bool(m.residual_text)
    kind = normalised_residuals(m) if normalised else plain_residuals(m)
    with style():
        words = (
            _against_fitted(ax, m, kind) if groups is None else _by_group(ax, m, kind, by, *groups)
        )
    return describe(ax, words)


def _against_fitted(ax: Axes, m: MixedModel | LinearModel, kind: Residuals) -> str:
    fitted = m.fittedvalues.to_numpy()
    resid, sigma, name, unit = kind
    ax.axhspan(-2 * sigma, 2 * sigma, color=SKY, alpha=0.18, linewidth=0)
    ax.axhline(0, color=INK, linewidth=1.2)
    ax.plot(fitted, resid, "o", color=BLUE, alpha=0.65, markersize=7, markeredgewidth=0)
    order = np.argsort(fitted, kind="stable")
    classes = np.array_split(order, min(MOST_CLASSES, max(1, len(order) // 6)))
    means = np.array([[fitted[part].mean(), resid[part].mean()] for part in classes])
    ax.plot(*means.T, "--", color=VERMILION, marker="D", markersize=8)
    _limits(ax, 1.08 * max(np.abs(resid).max(), 2 * sigma))
    ax.set_xlabel(f"Fitted {m.formula.response_name}{unit_of(m)}")
    ax.set_ylabel(name[:-1].capitalize() + unit)
    outside = int((np.abs(resid) > 2 * sigma).sum())
    ax.set_title(f"{outside} of {len(resid)} outside two sd")
    return (
        f"{len(resid)} {name} of {m.formula.response_name}{unit_of(m)} against fitted values; "
        f"standard deviation {number(sigma)}; {outside} {'lies' if outside == 1 else 'lie'} "
        "outside zero plus and minus two of them. The class means stay within "
        f"{number(np.abs(means[:, 1]).max())} of zero."
    )


def _limits(ax: Axes, limit: float, room: float = 1.0) -> None:
    """Set symmetric limits (`room` times as much above), no narrower than a shared axis needs."""
    shared = ax.get_shared_y_axes().get_siblings(ax)
    drawn = [other.get_ylim()[0] for other in shared if other is not ax and other.has_data()]
    limit = max([limit, *(-low for low in drawn)])
    ax.set_ylim(-limit, limit)
    ax.set_yticks([tick for tick in ax.get_yticks() if abs(tick) <= limit])
    ax.set_ylim(-limit, room * limit)


def _groups(m: MixedModel | LinearModel, by: str) -> tuple[list[str], np.ndarray]:
    """Return the levels of a column of the model's data, and the level of each residual."""
    data = pd.DataFrame(m.data)
    if by not in data.columns:
        raise DataError(
            f"There is no column '{by}' in the data of the model." + did_you_mean(by, data.columns)
        )
    factor = as_factor(by, data[by][m.model_frame.rows])
    if len(factor.levels) > MOST_GROUPS:
        raise DataError(
            f"'{by}' has {len(factor.levels)} levels, too many to tell apart ({MOST_GROUPS} at "
            "most): name a factor, or leave by= out to see residuals against fitted values."
        )
    return [str(level) for level in factor.levels], factor.codes


def _by_group(
    ax: Axes,
    m: MixedModel | LinearModel,
    kind: Residuals,
    by: str,
    levels: list[str],
    codes: np.ndarray,
) -> str:
    resid, _, name, unit = kind
    parts = [resid[codes == i] for i in range(len(levels))]
    places = np.arange(len(levels))
    inches = ax.figure.get_figwidth() * ax.get_position().width / len(levels)
    roomy, upright = inches >= 0.75, inches >= 0.45
    ax.axhline(0, color=INK, linewidth=1.2)
    for place, part in zip(places, parts, strict=True):
        # the points of a group stand in order of size in a zigzag: no random jitter needed
        side = np.resize([-0.14, 0.0, 0.14, -0.07, 0.07], len(part))
        ax.plot(place + side, np.sort(part), "o", color=BLUE, alpha=0.55, markersize=6, mew=0)
    ax.boxplot(
        parts,
        positions=places,
        widths=0.6,
        showfliers=False,
        showcaps=False,
        manage_ticks=False,
        boxprops={"color": INK, "linewidth": 1.6},
        medianprops={"color": VERMILION, "linewidth": 2.6},
        whiskerprops={"color": PALE, "linewidth": 1.4},
    )
    spread = [part.std(ddof=1) if len(part) > 1 else np.nan for part in parts]
    for place, sd in zip(places, spread, strict=True):
        if np.isfinite(sd):
            ax.text(
                place,
                0.99,
                f"sd {number(sd)}" if roomy else number(sd, 2),
                transform=ax.get_xaxis_transform(),
                ha="center",
                va="top",
                fontsize=13 if roomy else 12,
                rotation=0 if upright else 90,
            )
    _limits(ax, 1.08 * np.abs(resid).max(), room=1.2 if upright else 1.35)
    ax.set_xlim(-0.6, len(levels) - 0.4)
    longest = max(len(level) for level in levels)
    ax.set_xticks(places, levels, rotation=90 if 0.1 * longest > inches else 0)
    ax.set_xlabel(by)
    ax.set_ylabel(name[:-1].capitalize() + unit)
    ax.set_title(f"{name.capitalize()} by {by}" if roomy else f"By {by} (numbers: sd)")
    known = [i for i in range(len(levels)) if np.isfinite(spread[i])]
    words = f"{len(resid)} {name} of {m.formula.response_name}{unit} in {len(levels)} "
    words += f"groups of {by}."
    if known:
        low, high = (f(known, key=lambda i: spread[i]) for f in (min, max))
        words += (
            f" Their standard deviation goes from {number(spread[low])} ({by} {levels[low]}) to "
            f"{number(spread[high])} ({by} {levels[high]})."
        )
    return words
