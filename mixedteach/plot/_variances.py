"""Variance components as stacked bars, one bar a model."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes

from mixedteach.classical import LinearModel
from mixedteach.errors import InferenceError, a_kind, listed
from mixedteach.model import MixedModel
from mixedteach.plot._inputs import check_plain, unit_of
from mixedteach.plot._style import COLOURS, INK, describe, number, own_or_new, style

HATCHES = ("//", "..", "xx", "\\\\", "oo", "++", "--")


def variances(
    *models: MixedModel | LinearModel,
    labels: Sequence[str] | None = None,
    share: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw the variance components of one or more models as stacked bars, one bar a model.

    A component has the same colour and hatch in every bar; what is left over is plain grey. A
    model of ``mt.lm`` has a residual variance only.

    Parameters
    ----------
    *models : MixedModel or LinearModel
        With random intercepts only.
    labels : sequence of str, optional
        One name for each model; by default their formulas.
    share : bool
        False: variances. True: per cent of each model's sum.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    InferenceError
        If there is no model, one has random slopes, or the labels do not fit.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    >>> ax = mt.plot.variances(m, share=True)
    >>> [round(float(bar.get_width()), 1) for bar in ax.patches]
    [67.2, 32.8]
    """
    if not models:
        raise InferenceError("variances() needs a model: write mt.plot.variances(m).")
    parts = [components(m) for m in models]
    if labels is None:
        labels = [m.formula_text for m in models]
    elif isinstance(labels, str) or len(labels) != len(models):
        count = 1 if isinstance(labels, str) else len(labels)
        drawn = f"{len(models)} {'is' if len(models) == 1 else 'are'} drawn"
        raise InferenceError(
            f"labels= names {count} model{'s' * (count != 1)}, but {drawn}: give a list with one "
            "name for each."
        )
    sums = [sum(part.values()) for part in parts]
    names = [
        name for name in dict.fromkeys(n for part in parts for n in part) if name != "Residual"
    ]
    look = {
        name: (COLOURS[i % len(COLOURS)], HATCHES[i % len(HATCHES)])
        for i, name in enumerate(names)
    } | {"Residual": ("#D9D9D9", "")}  # fmt: skip
    unit = unit_of(models[0], "²")
    longest = 100.0 if share else max(sums) or 1.0
    widths = [
        {name: (100 * v / (total or 1.0) if share else v) for name, v in part.items()}
        for part, total in zip(parts, sums, strict=True)
    ]  # fmt: skip
    written = [
        {name: f"{width:.0f}%" if share else number(width) for name, width in row.items()}
        for row in widths
    ]

    def fits(name: str, row: int, limit: float) -> bool:
        # about 55 letters of this size stand side by side on the axis
        return widths[row][name] / limit * 55 >= max(len(name), len(written[row][name])) + 1

    limit = 1.02 * longest
    if not all(fits(name, row, limit) for row, part in enumerate(parts) for name in part):
        limit = 1.45 * longest  # room for words beside the bars
    ax = own_or_new(ax, (9, 1.7 + 1.15 * len(models)))
    with style():
        for row, part in enumerate(parts):
            left, beside = 0.0, []
            for name in (name for name in [*names, "Residual"] if name in part):
                width, text = widths[row][name], written[row][name]
                colour, hatch = look[name]
                ax.barh(
                    row, width, left=left, height=0.56, color=colour, hatch=hatch,
                    edgecolor="white", linewidth=0, label=name,
                )  # fmt: skip
                if fits(name, row, limit):
                    _on_bar(ax, left + width / 2, row, f"{name}\n{text}")
                else:
                    beside.append(f"{name} {text}")
                left += width
            ax.annotate(
                "\n".join(beside), (left, row), xytext=(7, 0), textcoords="offset points",
                va="center", fontsize=12,
            )  # fmt: skip
        if limit > 1.1 * longest:  # words beside a bar do not point at its parts
            handles, said = ax.get_legend_handles_labels()
            first = dict(zip(reversed(said), reversed(handles), strict=True))
            shown = [name for name in [*names, "Residual"] if name in first]
            ax.legend(
                [first[name] for name in shown],
                shown,
                loc="lower left",
                bbox_to_anchor=(0, 0.98),
                ncols=len(shown),
                handlelength=1.6,
                columnspacing=1.4,
            )
        ax.set_yticks(range(len(models)), [fill(str(label), 26) for label in labels])
        ax.set_ylim(len(models) - 0.5, -0.5)
        ax.set_xlim(0, limit)
        if share:
            ax.set_xticks(range(0, 101, 20))
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
        response = models[0].formula.response_name
        ax.set_xlabel(
            f"Share of the variance of {response} [%]" if share else f"Variance of {response}{unit}"
        )
    what = "Shares of variance" if share else f"Variance components{unit}"
    said = [
        f"{label}: {', '.join(f'{name} {text}' for name, text in row.items())}."
        for label, row in zip(labels, written, strict=True)
    ]
    return describe(ax, f"{what} as stacked bars. {' '.join(said)}")


def _on_bar(ax: Axes, x: float, y: float, text: str) -> None:
    """Write on a bar, with white behind the letters so that hatches do not cross them."""
    ax.text(
        x, y, text, ha="center", va="center", fontsize=12, weight="bold", color=INK,
        bbox={"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.92},
    )  # fmt: skip


def components(m: Any) -> dict[str, float]:
    """Return the variances of a model's random intercepts and its residual variance, by name."""
    if isinstance(m, LinearModel):
        return {"Residual": float(m.scale)}
    if not isinstance(m, MixedModel):
        raise InferenceError(
            f"mt.plot.variances draws models fitted by mt.lmer(...) or mt.lm(...), not {a_kind(m)}."
        )
    check_plain(m, "mt.plot.variances")
    slopes = [term.text for term in m.random if term.effects != ["Intercept"]]
    if slopes:
        raise InferenceError(
            f"With the random slope {listed(slopes)} the variance depends on the covariate, so "
            "there are no parts to stack: look at m.variance_components instead."
        )
    values = {
        term.label: float(cov[0, 0])
        for term, cov in zip(m.random, m.fit.covariances, strict=True)
    }  # fmt: skip
    return {**values, "Residual": float(m.scale)}
