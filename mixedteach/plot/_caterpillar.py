"""The random effects of a model, sorted, each with its interval."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from mixedteach.design import RandomTerm
from mixedteach.errors import InferenceError, did_you_mean, listed
from mixedteach.model import MixedModel
from mixedteach.plot._inputs import check_mixed, unit_of
from mixedteach.plot._style import BLUE, INK, PALE, describe, number, own_or_new, style


def caterpillar(
    m: MixedModel,
    *,
    group: str | None = None,
    effect: str | None = None,
    level: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
    """Draw the predicted random effects (BLUPs) of one grouping factor, sorted, with intervals.

    Filled markers: the interval leaves out zero; hollow ones: it does not.

    Parameters
    ----------
    m : MixedModel
    group : str, optional
        The grouping factor; by default the first of the formula.
    effect : str, optional
        ``Intercept`` or the name of a slope; by default the first of that factor.
    level : float
        Of the intervals, which take variances and fixed effects as known
        (see :meth:`MixedModel.random_effects_table`).
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    InferenceError
        If `m` is not a mixed model, or has no such grouping factor or effect.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    >>> ax = mt.plot.caterpillar(m)
    >>> [label.get_text() for label in ax.get_yticklabels()][-1]  # the largest is on top
    '8'
    """
    check_mixed(m, "caterpillar")
    table = m.random_effects_table(level)
    group = m.random[0].label if group is None else check_group(m, group)
    table = table[table["group"] == group]
    effects = list(dict.fromkeys(table["effect"]))
    if effect is not None and effect not in effects:
        raise InferenceError(
            f"'{effect}' is not a random effect of '{group}'.{did_you_mean(effect, effects)}"
        )
    effect = effects[0] if effect is None else effect
    # ties stay in the order of the levels on every machine
    table = table[table["effect"] == effect]
    table = table.iloc[np.argsort(table["estimate"].round(9).to_numpy(), kind="stable")]
    estimate, lower, upper = (table[c].to_numpy(float) for c in ("estimate", "lower", "upper"))
    clear = (lower > 0) | (upper < 0)
    place = np.arange(len(table))
    ax = own_or_new(ax)
    with style():
        ax.axvline(0, color=INK, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
        ax.hlines(
            place, lower, upper, color=np.where(clear, BLUE, PALE), linewidth=3 if len(place) < 30
            else 1.5, zorder=2,
        )  # fmt: skip
        size = 9 if len(place) < 30 else 5
        ax.plot(estimate[clear], place[clear], "o", color=BLUE, markersize=size, zorder=3)
        ax.plot(
            estimate[~clear], place[~clear], "o", mfc="white", mec=INK, mew=1.8, markersize=size,
            zorder=3,
        )  # fmt: skip
        group_ticks(ax, group, list(table["level"]))
        unit = unit_of(m) if effect == "Intercept" else ""
        what = "Random effect" if effect == "Intercept" else f"Random effect, {effect},"
        ax.set_xlabel(
            f"{what} of {group} on {m.formula.response_name}{unit}, {100 * level:g}% limits"
        )
        ax.set_title(f"{int(clear.sum())} of {len(place)} intervals leave out zero (filled)")
    first, last = table.iloc[0], table.iloc[-1]
    return describe(
        ax,
        f"Predicted random effects ({effect}) of {len(place)} levels of {group}, sorted, with "
        f"{100 * level:g}% intervals. The smallest is {number(first['estimate'])} "
        f"({group} {first['level']}), the largest {number(last['estimate'])} "
        f"({group} {last['level']}). {int(clear.sum())} of the intervals leave out zero.",
    )


# -- what the pictures of random effects share -----------------------------------------------------


def check_group(m: MixedModel, group: str) -> str:
    """Return the name of a grouping factor, or say which there are."""
    if group not in m.groups:
        raise InferenceError(
            f"'{group}' is not a grouping factor of the model.{did_you_mean(group, m.groups)}"
        )
    return group


def intercept_term(m: MixedModel, group: str | None) -> RandomTerm:
    """Return the random intercept of a grouping factor; of the only one if none is named."""
    if group is not None:
        check_group(m, group)
    alone = [term for term in m.random if term.effects == ["Intercept"]]
    found = [term for term in alone if group is None or term.label == group]
    if not found:
        slopes = [term.text for term in m.random if group in (None, term.label)]
        raise InferenceError(
            f"Shrinkage to a common mean exists for a random intercept such as (1|g), and this "
            f"model has {listed(slopes)}: look at mt.plot.caterpillar(m) instead."
        )
    if len(found) > 1:
        raise InferenceError(
            f"The model has random intercepts of {listed(t.label for t in found)}: say which, as "
            f"in group='{found[0].label}'."
        )
    return found[0]


def group_ticks(ax: Axes, group: str, labels: list[str]) -> None:
    """Write the levels of a grouping factor beside the y axis, as large as they fit."""
    count = len(labels)
    ax.set_ylim(-0.7, count - 0.3)
    ax.set_ylabel(group)
    height = ax.figure.get_figheight() * 72 * 0.72 / count
    if height < 6:
        ax.set_yticks([])
        return
    ax.set_yticks(range(count), labels, fontsize=min(12.0, height))
