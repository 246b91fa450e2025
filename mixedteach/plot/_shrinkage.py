"""Group means before and after they are pulled towards the common mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from mixedteach.model import MixedModel
from mixedteach.plot._caterpillar import group_ticks, intercept_term
from mixedteach.plot._inputs import check_mixed, check_plain, unit_of
from mixedteach.plot._style import BLUE, INK, VERMILION, describe, own_or_new, style


@dataclass(frozen=True)
class Pooling:
    """The mean of each group, on its own and pulled towards the common one."""

    group: str
    levels: list[str]
    counts: np.ndarray
    common: float
    own: np.ndarray
    pulled: np.ndarray
    kept: np.ndarray


def pooling(m: MixedModel, group: str | None = None) -> Pooling:
    """Return group means without, with partial and with complete pooling.

    With r_j the mean in group j of what the fixed effects (and other random effects) leave, and
    n_j its number of readings, the random intercept is predicted as b_j = k_j r_j, where
    k_j = s^2 / (s^2 + sigma^2 / n_j) is kept of the deviation. All is shown about the average of
    the fixed part.
    """
    term = intercept_term(m, group)
    at = m.random.index(term)
    effects = m.fit.random_effects[at][:, 0]
    counts = np.bincount(term.codes, minlength=term.groups)
    left = m.resid.to_numpy(float) + effects[term.codes]
    own = np.bincount(term.codes, left, minlength=term.groups) / counts
    variance = float(m.fit.covariances[at][0, 0])
    common = float(np.mean(m.fit.fixed))
    return Pooling(
        group=term.label,
        levels=[str(level) for level in term.levels],
        counts=counts,
        common=common,
        own=common + own,
        pulled=common + effects,
        kept=variance / (variance + m.scale / counts),
    )


def shrinkage(m: MixedModel, *, group: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw how each group's own mean is pulled towards the common mean, to its BLUP.

    Hollow circles: no pooling, the mean of the group's readings, adjusted for the fixed effects.
    Filled diamonds: partial pooling, the common mean plus the BLUP. Dashed line: complete
    pooling, the common mean (the average of the fixed part). Groups with fewer readings are
    pulled further; if groups differ in size, their number of readings n is written beside them.

    Parameters
    ----------
    m : MixedModel
        With a random intercept.
    group : str, optional
        Its grouping factor; needed if there are several.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    InferenceError
        If `m` is not a mixed model, or has no (or more than one) random intercept of that name.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    >>> ax = mt.plot.shrinkage(m)
    >>> ax.get_title(loc="left")
    'Each tablet keeps 80% of its distance from the mean'
    """
    check_mixed(m, "shrinkage")
    check_plain(m, "mt.plot.shrinkage")
    p = pooling(m, group)
    order = np.argsort(p.own.round(9), kind="stable")
    own, pulled, counts = p.own[order], p.pulled[order], p.counts[order]
    place = np.arange(len(order))
    equal = bool((counts == counts[0]).all())
    # one decimal more than tell the groups apart, so that no tie of rounding is near
    spread = float(np.ptp(own)) or 1.0
    places = max(0, 3 - int(np.floor(np.log10(spread))))
    ax = own_or_new(ax)
    with style():
        many = len(order) >= 30
        ax.axvline(p.common, color=INK, linewidth=1.6, linestyle=(0, (4, 3)), zorder=1)
        size = 4 if many else 9
        ax.plot(
            own, place, "o", mfc="white", mec=VERMILION, mew=2, markersize=size, label="own mean",
            zorder=3,
        )  # fmt: skip
        ax.plot(pulled, place, "D", color=BLUE, markersize=size, label="BLUP", zorder=4)
        # an arrow shorter than its head would only hide the markers
        least = 0.025 * spread
        for y, start, end in zip(place, own, pulled, strict=True):
            if abs(end - start) > least:
                ax.annotate(
                    "", (end, y), (start, y), zorder=2,
                    arrowprops={
                        "arrowstyle": "-" if many else "->", "color": INK, "lw": 1.8,
                        "shrinkA": 4, "shrinkB": 4,
                    },
                )  # fmt: skip
        names = [p.levels[i] for i in order]
        group_ticks(
            ax,
            p.group,
            names if equal else [f"{a} (n={n})" for a, n in zip(names, counts, strict=True)],
        )
        ax.set_ylim(-0.7, 1.1 * len(order) - 0.2)
        top, wide = place[-1], spread
        ax.set_xlim(min(own.min(), p.common) - 0.09 * wide, max(own.max(), p.common) + 0.14 * wide)
        # the words stand over the top group, on the outer and inner side of its two points
        for x, word, colour, side in (
            (own[top], "own mean", VERMILION, "left"),
            (pulled[top], "BLUP", BLUE, "right"),
        ):
            ax.annotate(
                word, (x, top), xytext=(-7 if side == "left" else 7, 8), color=colour, ha=side,
                textcoords="offset points", va="bottom",
            )  # fmt: skip
        ax.annotate(
            f"common mean {p.common:.{places}f}", (p.common, -0.6), xytext=(6, 0),
            textcoords="offset points", va="bottom", color=INK,
        )  # fmt: skip
        ax.set_xlabel(f"{m.formula.response_name}{unit_of(m)}, adjusted for the fixed effects")
        low, high = (f"{100 * k:.0f}%" for k in (p.kept.min(), p.kept.max()))
        kept = low if low == high else f"{low} to {high}"
        ax.set_title(f"Each {p.group} keeps {kept} of its distance from the mean")

    def span(values: np.ndarray) -> str:
        return f"{values.min():.{places}f} to {values.max():.{places}f}"

    return describe(
        ax,
        f"Own mean of each of {len(order)} levels of {p.group} (hollow circles, {span(own)}) with "
        f"an arrow to its BLUP (diamonds, {span(pulled)}), and the common mean "
        f"{p.common:.{places}f} (dashed). Each keeps {kept} of its distance from the common mean"
        + (
            "."
            if equal
            else f"; the number of readings goes from {counts.min()} to {counts.max()}."
        ),
    )
