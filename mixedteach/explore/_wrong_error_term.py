"""Explorer: which random terms decide what a difference is compared with.

In a balanced design the F of a term is its mean square over another, the *denominator*: the mean
square that the term would show if it had no effect. With random intercepts that denominator is

    sigma^2 + sum over groups g that contain the term of (n / m_g) sigma_g^2,

n the number of readings, m_g of groups: plank:width contains width, plank does not. Leave a random
term out of the model and its part vanishes from the sum, or is smeared over all readings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from scipy import special

from mixedteach.classical import LinearModel, lm
from mixedteach.datasets import load_oats, load_planks
from mixedteach.errors import one_of
from mixedteach.explore._base import Answer, Choice, Explorer, Picture
from mixedteach.model import MixedModel, lmer
from mixedteach.plot._style import (
    GREEN,
    INK,
    ORANGE,
    PALE,
    SKY,
    VERMILION,
    number,
    p_text,
)


@dataclass(frozen=True)
class Case:
    """One experiment: its fixed part, its terms, and the random parts to choose from."""

    response: str
    fixed: str
    terms: tuple[str, ...]
    random: tuple[str, ...]  # as shown on the buttons; "none" for no random part
    groups: tuple[str, ...]  # components that can stand in a denominator
    largest: float  # end of the axis of mean squares
    question: str


CASES = {
    "planks": Case(
        response="humidity",
        fixed="width*depth",
        terms=("width", "depth", "width:depth"),
        random=(
            "none",
            "(1|plank)",
            "(1|plank) + (1|plank:width)",
            "(1|plank) + (1|plank:depth)",
            "(1|plank) + (1|plank:width) + (1|plank:depth)",
        ),
        groups=("residual", "plank:width", "plank:depth"),
        largest=1.8,
        question="""Which random term decides what width is compared with, and on how many
        degrees of freedom? And which one changes nothing for width, wherever you add it?""",
    ),
    "oats": Case(
        response="yield",
        fixed="variety*nitrogen",
        terms=("variety", "nitrogen", "variety:nitrogen"),
        random=("none", "(1|block)", "(1|block/variety)"),
        groups=("residual", "block:variety"),
        largest=700,
        question="""One random part makes the varieties look different (p below .05). Which? And
        what happens to F of nitrogen in the step that takes this away?""",
    ),
}


@lru_cache(maxsize=8)
def fitted(data: str, random: str) -> LinearModel | MixedModel:
    """Fit one experiment with one random part (once; the fits are kept)."""
    case = CASES[data]
    table = load_planks() if data == "planks" else load_oats()
    formula = f"{case.response} ~ {case.fixed}"
    return lm(formula, table) if random == "none" else lmer(f"{formula} + {random}", table)


@lru_cache(maxsize=32)
def outcome(data: str, random: str, term: str) -> dict[str, Any]:
    """Test a term under a random part, and say what its mean square is compared with.

    Parameters
    ----------
    data : {'planks', 'oats'}
    random : str
        The random part of the formula, or "none".
    term : str
        The fixed term tested.

    Returns
    -------
    dict
        ``num_df, den_df, F, p``; ``parts``: name -> its share of the denominator mean square, for
        every component of the model; ``denominator``: their sum; ``mean_square`` of the term;
        ``se``: standard error of a difference between two of its means; ``zero``: the components
        estimated as zero.

    Examples
    --------
    >>> only = outcome("planks", "(1|plank)", "width")
    >>> right = outcome("planks", "(1|plank) + (1|plank:width) + (1|plank:depth)", "width")
    >>> [(round(a["den_df"]), round(a["F"], 2)) for a in (only, right)]
    [(266, 29.65), (38, 7.24)]
    """
    model = fitted(data, random)
    row = model.anova().loc[term]
    parts, zero = _parts(model, term)
    denominator = sum(parts.values())
    cells = model.frame.groupby(term.split(":"), observed=True).size()
    return {
        "data": data,
        "random": random,
        "term": term,
        "num_df": float(row["num_df"]),
        "den_df": float(row["den_df"]),
        "F": float(row["F"]),
        "p": float(row["p"]),
        "parts": parts,
        "denominator": denominator,
        "mean_square": float(row["F"]) * denominator,
        "se": None if ":" in term else float(np.sqrt(2 * denominator / cells.iloc[0])),
        "zero": zero,
    }


def _parts(model: LinearModel | MixedModel, term: str) -> tuple[dict[str, float], list[str]]:
    """Return the parts of the denominator mean square, residual first, and what is zero."""
    if isinstance(model, LinearModel):
        return {"residual": float(model.scale)}, []
    inside = set(term.split(":"))
    components = model.variance_components.set_index("group")["variance"]
    parts, zero = {"residual": float(model.scale)}, []
    for group, count in model.groups.items():
        variance = float(components[group])
        if variance < 1e-8 * model.scale:
            zero.append(group)
            variance = 0.0
        if inside <= set(group.split(":")):
            parts[group] = model.nobs / count * variance
    return parts, zero


def f_density(F: np.ndarray, num_df: float, den_df: float) -> np.ndarray:
    """Return the density of F.

    Examples
    --------
    >>> f_density(np.array([1.0]), 2, 10).round(4).tolist()  # (1 + 2/10)**-6
    [0.3349]
    """
    a, b = num_df / 2, den_df / 2
    F = np.maximum(F, 1e-12)
    log = (
        a * np.log(num_df / den_df)
        + (a - 1) * np.log(F)
        - (a + b) * np.log1p(num_df * F / den_df)
        - special.betaln(a, b)
    )
    return np.exp(log)


_F_END, _F_GRID = 10.0, np.linspace(0, 10, 401)
_LOOK = {  # component -> colour and hatching; residual without
    "residual": (SKY, ""),
    "plank:width": (ORANGE, "//"),
    "block:variety": (ORANGE, "//"),
    "plank:depth": (GREEN, ".."),
}


class _WrongErrorTerm(Picture):
    """Left: F and its tail. Right: the mean square each term is held against, in parts."""

    def __init__(self, figure: Figure, data: str) -> None:
        super().__init__(figure)
        self.data, self.case = data, CASES[data]
        self.left, self.right = figure.subplots(1, 2, width_ratios=[1, 1.15])
        self._make_test()
        self._make_bars()

    def _make_test(self) -> None:
        ax = self.left
        ax.set_xlim(0, _F_END)
        ax.set_ylim(0, 1.15)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_xlabel("F by chance; 5% beyond the dashes")
        ax.set_title("How large is F by chance?", fontsize=13)
        (self.curve,) = ax.plot([], [], color=INK)
        self.moving(self.curve)
        self.tail = self.moving(
            ax.add_patch(Polygon(np.zeros((3, 2)), closed=True, facecolor=VERMILION, alpha=0.55))
        )
        self.five = self.moving(ax.axvline(1, color=PALE, linestyle="--", linewidth=1.6))
        self.five_text = self.moving(ax.text(1, 1.09, "", color="#555555", fontsize=11.5))
        (self.seen,) = ax.plot([], [], color=VERMILION, linewidth=3, marker="v", markevery=[1])
        self.moving(self.seen)
        self.said = self.moving(
            ax.text(0.98, 0.62, "", transform=ax.transAxes, ha="right", va="top", weight="bold",
                    fontsize=14, color=VERMILION)
        )  # fmt: skip

    def _make_bars(self) -> None:
        ax, terms = self.right, self.case.terms
        ax.set_xlim(0, self.case.largest)
        ax.set_ylim(len(terms) - 0.1, -0.6)
        ax.set_yticks([])
        ax.set_xlabel("denominator: a mean square of noise")
        ax.set_title("What each term is compared with", fontsize=13)
        self.bars = {}
        self.labels = []
        for k, term in enumerate(terms):
            for name in self.case.groups:
                colour, hatch = _LOOK[name]
                bar = Rectangle((0, k - 0.17), 0, 0.42, facecolor=colour, edgecolor=INK,
                                hatch=hatch, linewidth=1)  # fmt: skip
                self.bars[k, name] = self.moving(ax.add_patch(bar))
            # letters are slow to draw: what stays is written once, only numbers move
            ax.text(0.01 * self.case.largest, k - 0.26, term)
            spot = 0.99 * self.case.largest, k - 0.26
            self.labels.append(self.moving(ax.text(*spot, "", ha="right")))
        handles = [
            Rectangle((0, 0), 1, 1, facecolor=_LOOK[name][0], hatch=_LOOK[name][1], edgecolor=INK)
            for name in self.case.groups
        ]
        ax.legend(
            handles, self.case.groups, loc="lower right", ncols=len(handles), fontsize=11.5,
            handlelength=1.6, columnspacing=1.2, borderaxespad=0,
        )  # fmt: skip

    def update(self, answer: Answer) -> None:
        """Move the density, the observed F and the bars."""
        num, den, F = answer["num_df"], answer["den_df"], answer["F"]
        height = f_density(_F_GRID, num, den)
        height = np.minimum(height, 1.05)
        self.curve.set_data(_F_GRID, height)
        beyond = _F_GRID[_F_GRID >= F]
        edge = np.concatenate([[F], beyond]) if beyond.size else np.array([_F_END])
        top = np.minimum(f_density(edge, num, den), 1.05)
        self.tail.set_xy([(edge[0], 0), *zip(edge, top, strict=True), (edge[-1], 0)])
        limit = float(special.fdtri(num, den, 0.95))
        self.five.set_xdata([limit, limit])
        self.five_text.set_position((limit + 0.12, 1.09))
        self.five_text.set_text(f"{limit:.2f}")
        off = F > _F_END
        at = min(F, _F_END - 0.25)
        self.seen.set_data([at, at], [0.0, 0.3])
        self.seen.set_marker(">" if off else "v")
        self.said.set_text(
            f"F = {number(F)}{' →' if off else ''}\n{num:.0f} and {den:.0f} df\n"
            f"{p_text(answer['p'])}"
        )
        self._update_bars(answer)

    def _update_bars(self, answer: Answer) -> None:
        for k, term in enumerate(self.case.terms):
            chosen = term == answer["term"]
            other = answer if chosen else outcome(answer["data"], answer["random"], term)
            start = 0.0
            for name in self.case.groups:
                width = other["parts"].get(name, 0.0)
                bar = self.bars[k, name]
                bar.set_x(start)
                bar.set_width(width)
                bar.set_visible(width > 0)
                bar.set_linewidth(2.2 if chosen else 0.8)
                start += width
            self.labels[k].set_text(f"{number(other['denominator'])}, {other['den_df']:.0f} df")
            self.labels[k].set_weight("bold" if chosen else "normal")


def _words(answer: Answer) -> str:
    parts = [f"{number(value)} ({name})" for name, value in answer["parts"].items() if value > 0]
    compared = number(answer["denominator"])
    if len(parts) > 1:
        compared += f" = {' + '.join(parts)}"
    text = (
        f"{answer['term']}: mean square {number(answer['mean_square'], 4)} against {compared}; "
        f"F = {number(answer['F'])} on {answer['num_df']:.0f} and {answer['den_df']:.0f} df, "
        f"{p_text(answer['p'])}."
    )
    if answer["se"] is not None:
        text += f" SE of a difference between two of its means: {number(answer['se'])}."
    for group in answer["zero"]:
        text += f" The variance of {group} is estimated as zero: (1|{group}) changes nothing here."
    return text


def wrong_error_term(data: str = "planks") -> Explorer:
    """Explore how the random part of a model decides what a fixed term is compared with.

    Parameters
    ----------
    data : {'planks', 'oats'}
        The beech planks (width, depth), or the split plot of oats (variety, nitrogen).

    Returns
    -------
    Explorer
        Controls: ``random``, the random part of the model; ``term``, the fixed term tested.

    Examples
    --------
    >>> import mixedteach as mt
    >>> e = mt.explore.wrong_error_term("oats")
    >>> for random in ("(1|block)", "(1|block/variety)"):
    ...     now = e.answer(random=random, term="variety")
    ...     print(f"{now['F']:.2f} on {now['den_df']:.0f} df, p {now['p']:.3f}")
    3.51 on 55 df, p 0.037
    1.49 on 10 df, p 0.272
    """
    data = one_of(data, CASES, "an experiment of this explorer")
    case = CASES[data]
    return Explorer(
        question=case.question,
        controls={
            "random": Choice(
                "random part", case.random, case.random[0], as_list=len(case.random) > 3
            ),
            "term": Choice("tested", case.terms, case.terms[0]),
        },
        answer=lambda random, term: outcome(data, random, term),
        picture=lambda figure: _WrongErrorTerm(figure, data),
        words=_words,
        size=(10.0, 4.4),
    )
