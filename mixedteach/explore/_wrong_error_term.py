"""Explorer: which random terms decide what a difference is compared with.

In a balanced design the F of a term is its mean square over another, the *denominator*: the mean
square that the term would show if it had no effect. With random intercepts that denominator is

    sigma^2 + sum over groups g that contain the term of (n / m_g) sigma_g^2,

n the number of readings, m_g of groups: plank:width contains width, plank does not. Leave a random
term out of the model and its part vanishes from the sum, or is smeared over all readings.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    """One experiment: its terms, and the models to choose from."""

    terms: tuple[str, ...]
    models: Mapping[str, str]  # as the control names it -> formula
    start: str
    groups: tuple[str, ...]  # components that can stand in a denominator
    largest: float  # end of the axis of mean squares
    question: str
    pair: tuple[str, str, str] | None = None  # a term, and two levels to compare by Tukey


CASES = {
    "planks": Case(
        terms=("width", "depth", "width:depth"),
        models={
            "planks ignored": "humidity ~ width",
            "level": "humidity ~ width*depth + (1|plank)",
            "level + width": "humidity ~ width*depth + (1|plank) + (1|plank:width)",
            "level + depth": "humidity ~ width*depth + (1|plank) + (1|plank:depth)",
            "all strata": (
                "humidity ~ width*depth + (1|plank) + (1|plank:width) + (1|plank:depth)"
            ),
        },
        start="level",
        groups=("residual", "plank:width", "plank:depth"),
        largest=1.9,
        question="""Which random term decides what width is compared with, on how many degrees of
        freedom, and which changes nothing for width? Tukey's p of widths 1 and 2 is above .3 in
        some models: do they agree on the degrees of freedom?""",
        pair=("width", "1", "2"),
    ),
    "oats": Case(
        terms=("variety", "nitrogen", "variety:nitrogen"),
        models={
            "none": "yield ~ variety*nitrogen",
            "(1|block)": "yield ~ variety*nitrogen + (1|block)",
            "(1|block/variety)": "yield ~ variety*nitrogen + (1|block/variety)",
        },
        start="(1|block)",
        groups=("residual", "block:variety"),
        largest=700,
        question="""One random part makes the varieties look different (p below .05). Which? And
        what happens to F of nitrogen in the step that takes this away?""",
    ),
}


@lru_cache(maxsize=8)
def fitted(data: str, random: str) -> LinearModel | MixedModel:
    """Fit one of the models of an experiment (once; the fits are kept)."""
    table = load_planks() if data == "planks" else load_oats()
    formula = CASES[data].models[random]
    return (lmer if "(1|" in formula else lm)(formula, table)


@lru_cache(maxsize=32)
def outcome(data: str, random: str, term: str) -> dict[str, Any]:
    """Test a term in a model, and say what its mean square is compared with.

    Parameters
    ----------
    data : {'planks', 'oats'}
    random : str
        The model, by the name that the control gives it.
    term : str
        The fixed term tested.

    Returns
    -------
    dict
        ``formula``; ``num_df, den_df, F, p``, all None if the term is not in the model; ``parts``:
        name -> its share of the denominator mean square, for every component of the model;
        ``denominator``: their sum; ``mean_square`` of the term; ``se``: standard error of a
        difference between two of its means; ``zero``: the components estimated as zero; ``pair``:
        Tukey's p of the two levels that the experiment names, if they are of this term.

    Examples
    --------
    >>> level, strata = (outcome("planks", name, "width") for name in ("level", "all strata"))
    >>> [(round(a["den_df"]), round(a["F"], 2)) for a in (level, strata)]
    [(266, 29.65), (38, 7.24)]
    >>> [round(a["pair"], 4) for a in (outcome("planks", "planks ignored", "width"), level, strata)]
    [0.3179, 0.0076, 0.3042]
    """
    model = fitted(data, random)
    now = {"data": data, "random": random, "term": term, "formula": CASES[data].models[random]}
    table = model.anova()
    if term not in table.index:
        names = ("num_df", "den_df", "F", "p", "denominator", "mean_square", "se", "pair")
        return {**now, **dict.fromkeys(names), "parts": {}, "zero": []}
    row = table.loc[term]
    parts, zero = _parts(model, term)
    denominator = sum(parts.values())
    cells = model.frame.groupby(term.split(":"), observed=True).size()
    return {
        **now,
        "num_df": float(row["num_df"]),
        "den_df": float(row["den_df"]),
        "F": float(row["F"]),
        "p": float(row["p"]),
        "parts": parts,
        "denominator": denominator,
        "mean_square": float(row["F"]) * denominator,
        "se": None if ":" in term else float(np.sqrt(2 * denominator / cells.iloc[0])),
        "zero": zero,
        "pair": _tukey(model, term, CASES[data].pair),
    }


def _tukey(
    model: LinearModel | MixedModel, term: str, pair: tuple[str, str, str] | None
) -> float | None:
    """Return Tukey's p of the pair of levels, if they are levels of this term."""
    if pair is None or pair[0] != term:
        return None
    pairs = model.emmeans(term).pairs()
    return float(pairs.set_index("contrast").loc[f"{pair[1]} - {pair[2]}", "p"])


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
        longest = max(self.case.models.values(), key=len)  # the layout keeps room for it
        self.formula = self.moving(
            figure.suptitle(longest, fontsize=13, family="monospace", weight="bold")
        )
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
            ax.text(0.98, 0.86, "", transform=ax.transAxes, ha="right", va="top", weight="bold",
                    fontsize=14, color=VERMILION)
        )  # fmt: skip
        self.pair = self.moving(
            ax.text(0.98, 0.56, "", transform=ax.transAxes, ha="right", va="top", fontsize=13)
        )

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
        self.formula.set_text(answer["formula"])
        self._update_bars(answer)
        tested = answer["F"] is not None
        for artist in (self.curve, self.tail, self.five, self.five_text, self.seen):
            artist.set_visible(tested)
        self.pair.set_text(_pair_words(answer, "\n"))
        if not tested:
            self.said.set_text(f"{answer['term']} is not\nin this model")
            return
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
            self.labels[k].set_text(
                "not in this model"
                if other["F"] is None
                else f"{_four(other['denominator'])}, {other['den_df']:.0f} df"
            )
            self.labels[k].set_weight("bold" if chosen else "normal")


def _four(value: float) -> str:
    return number(value, 4 if value >= 1 else 3)


def _pair_words(answer: Answer, between: str) -> str:
    if answer["pair"] is None:
        return ""
    term, first, second = CASES[answer["data"]].pair
    return f"{term}s {first} and {second}:{between}Tukey {p_text(answer['pair'])}"


def _words(answer: Answer) -> str:
    term = answer["term"]
    if answer["F"] is None:
        return (
            f"{answer['formula']}: {term} is not in this model. What differs by it counts as "
            f"noise, and the model cannot test it."
        )
    parts = [f"{number(value)} ({name})" for name, value in answer["parts"].items() if value > 0]
    compared = _four(answer["denominator"])
    if len(parts) > 1:
        compared += f" = {' + '.join(parts)}"
    text = (
        f"{answer['formula']}: {term} has mean square {number(answer['mean_square'], 4)} against "
        f"{compared}; F = {number(answer['F'])} on {answer['num_df']:.0f} and "
        f"{answer['den_df']:.0f} df, {p_text(answer['p'])}."
    )
    if answer["se"] is not None:
        text += f" SE of a difference between two of its means: {number(answer['se'])}."
    if answer["pair"] is not None:
        text += f" Of {_pair_words(answer, ' ')}."
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
        Controls: ``random``, the random part of the model; ``term``, the fixed term tested. For the
        planks the first choice, "planks ignored", is the ordinary one-way analysis of all readings,
        ``humidity ~ width``; the others fit ``width*depth`` and add random terms to the level of a
        plank, ``(1|plank)``.

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
    for random in case.models:  # few, and 40 to 70 ms each: later nobody waits for them
        outcome(data, random, case.terms[0])
    return Explorer(
        question=case.question,
        controls={
            "random": Choice(
                "random part", tuple(case.models), case.start, as_list=len(case.models) > 3
            ),
            "term": Choice("tested", case.terms, case.terms[0]),
        },
        answer=lambda random, term: outcome(data, random, term),
        picture=lambda figure: _WrongErrorTerm(figure, data),
        words=_words,
        size=(10.0, 4.8),
    )
