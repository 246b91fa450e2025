"""Lose readings one by one, and watch what the fixed and the mixed model make of the rest.

The data are the lecture's: 20 tablets, ten of them measured by both methods, five by NIR alone,
five by HPLC alone. Every further reading that is lost breaks one of the ten pairs: the fixed model
loses a tablet for its comparison, the mixed model loses one reading.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mixedteach.datasets import load_tablets_missing
from mixedteach.errors import InferenceError, check_count, one_of
from mixedteach.explore._base import Answer, Choice, Explorer, Picture, Slider
from mixedteach.inference.distributions import t_quantile
from mixedteach.model import lmer
from mixedteach.plot._style import BLUE, INK, ORANGE, PALE, VERMILION, minus

MOST_HPLC, MOST_NIR = 5, 2  # three pairs are left at least
BY_CHANCE, OTHER_HIGH, ITSELF_HIGH = "by chance", "other is high", "itself is high"
PATTERNS = (BY_CHANCE, OTHER_HIGH, ITSELF_HIGH)
EDGE = 1.25  # of the picture of differences; an interval that goes beyond gets an arrowhead
ASIDE = 0.17  # of a tablet's two readings, so that equal ones do not hide each other
AT = {"nir": -ASIDE, "hplc": ASIDE}
# Drawn once. HPLC readings go from the front, NIR readings from the back. Tablet 5, whose readings
# are 0.7 apart, keeps both by chance: without it the residual variance would halve.
ORDER = ("3", "9", "7", "10", "4", "8", "5", "1", "2", "6")


def after_losing(hplc: int = 0, nir: int = 0, pattern: str = BY_CHANCE) -> dict[str, Any]:
    """Take readings away from the ten complete tablets, and compare the methods by both models.

    Parameters
    ----------
    hplc, nir : int
        How many readings of each method are lost; each breaks one pair.
    pattern : {'by chance', 'other is high', 'itself is high'}
        Which are lost first. By chance: in an order drawn once. The other: of the tablets whose
        reading by the other method, which stays, is highest. Itself: the highest readings.

    Returns
    -------
    dict
        ``readings``: one row a tablet with ``nir``, ``hplc`` (NaN where not measured or lost),
        ``lost`` ("", "nir" or "hplc"); ``fixed`` and ``mixed``: ``estimate``, ``SE``, ``df``,
        ``lower``, ``upper`` of HPLC minus NIR, and ``tablets``, those that inform it; ``smaller``:
        by how many percent the mixed model's SE is smaller.

    Examples
    --------
    >>> answer = after_losing(hplc=2)
    >>> answer["fixed"]["tablets"], answer["mixed"]["tablets"]
    (8, 20)
    """
    readings = _lose(check_count(hplc, "hplc", 0), check_count(nir, "nir", 0), pattern)
    fixed, mixed = _fixed(readings), _mixed(readings)
    return {
        "readings": readings,
        "fixed": fixed,
        "mixed": mixed,
        "smaller": 100 * (1 - mixed["SE"] / fixed["SE"]),
    }


@cache
def _answer(hplc: int, nir: int, pattern: str) -> dict[str, Any]:
    """Answer the controls; each of their few states is fitted once."""
    return after_losing(hplc, nir, pattern)


@cache
def _tablets() -> pd.DataFrame:
    return load_tablets_missing(wide=True).set_index("tablet").astype(float)


def _lose(hplc: int, nir: int, pattern: str) -> pd.DataFrame:
    one_of(pattern, PATTERNS, "a pattern of loss")
    if hplc > MOST_HPLC or nir > MOST_NIR:
        raise InferenceError(
            f"At most {MOST_HPLC} readings of HPLC and {MOST_NIR} of NIR can be lost, not {hplc} "
            f"and {nir}: three pairs must be left."
        )
    start = _tablets()
    value = {method: start[method].to_dict() for method in ("nir", "hplc")}
    lost = dict.fromkeys(start.index, "")
    pairs = list(ORDER)
    for method, other, count in (("hplc", "nir", hplc), ("nir", "hplc", nir)):
        if pattern == BY_CHANCE:
            order = pairs if method == "hplc" else pairs[::-1]
        else:  # of equal readings the first by ORDER
            high = value[other if pattern == OTHER_HIGH else method]
            order = sorted(pairs, key=lambda tablet: -high[tablet])
        for tablet in order[:count]:
            value[method][tablet], lost[tablet] = np.nan, method
        pairs = [tablet for tablet in pairs if not lost[tablet]]
    return pd.DataFrame({**value, "lost": lost}, index=start.index)


def _fixed(readings: pd.DataFrame) -> dict[str, float]:
    """Compare within pairs: what lm("content ~ tablet + method") makes of any pattern."""
    d = (readings["hplc"] - readings["nir"]).dropna().to_numpy()
    se = float(d.std(ddof=1) / np.sqrt(len(d)))
    return _interval(float(d.mean()), se, len(d) - 1.0, len(d))


def _mixed(readings: pd.DataFrame) -> dict[str, float]:
    content = readings[["nir", "hplc"]].to_numpy()
    row, method = np.nonzero(np.isfinite(content))
    long = pd.DataFrame(
        {
            "tablet": pd.Categorical.from_codes(row, readings.index),
            "method": pd.Categorical.from_codes(method, ["nir", "hplc"]),
            "content": content[row, method],
        }
    )
    m = lmer("content ~ method + (1|tablet)", long)
    line = m.coefficients().loc["method[hplc]"]
    tablets = len(np.unique(row))
    return _interval(float(line["estimate"]), float(line["SE"]), float(line["df"]), tablets)


def _interval(estimate: float, se: float, df: float, tablets: int) -> dict[str, float]:
    half = float(t_quantile(0.975, df)) * se
    return {
        "estimate": estimate, "SE": se, "df": df, "lower": estimate - half,
        "upper": estimate + half, "tablets": tablets,
    }  # fmt: skip


class MissingPicture(Picture):
    """Left: the readings of each tablet. Right: the difference by both models."""

    def __init__(self, figure: Figure) -> None:
        super().__init__(figure)
        self.data, self.result = figure.subplots(1, 2, width_ratios=[1.45, 1])
        self._draw_data()
        self._draw_result()

    def _draw_data(self) -> None:
        ax, tablets = self.data, _tablets()
        self.tablets = list(tablets.index)
        self.pairs = self.moving(ax.plot([], [], color=INK, lw=1.4, zorder=1)[0])
        look = {"nir": (BLUE, "o"), "hplc": (ORANGE, "s")}
        self.dots = {
            name: self.moving(ax.plot([], [], marker, color=colour, ms=8, ls="", zorder=2)[0])
            for name, (colour, marker) in look.items()
        }
        self.crosses = self.moving(
            ax.plot([], [], "x", color=VERMILION, ms=9, mew=2.6, ls="", zorder=3)[0]
        )
        for x, (name, (colour, marker)) in zip((0.2, 6.2), look.items(), strict=True):
            ax.plot(x, 11.45, marker, color=colour, ms=8)
            ax.text(x + 0.6, 11.45, name.upper(), va="center", weight="bold")
        ax.plot(12.2, 11.45, "x", color=VERMILION, ms=9, mew=2.6)
        ax.text(12.8, 11.45, "lost by you", va="center", weight="bold")
        ax.set_xlim(-0.8, len(self.tablets) - 0.2)
        ax.set_ylim(9.4, 11.7)
        ax.set_xticks(range(0, len(self.tablets), 1), self.tablets, fontsize=12)
        ax.set_xlabel("tablet (a line joins a pair)")
        ax.set_ylabel("content [%]")

    def _draw_result(self) -> None:
        ax = self.result
        for y in (0, 1):  # leaves out where the numbers stand
            ax.plot([0, 0], [y - 0.3, y + 0.13], color=INK, lw=1.2, ls=(0, (5, 3)))
        self.bars, self.points, self.said, self.arrows = [], [], [], []
        start = after_losing()
        for y, which, colour, marker in ((1, "fixed", BLUE, "o"), (0, "mixed", ORANGE, "s")):
            first = start[which]
            ax.plot([first["lower"], first["upper"]], [y - 0.13] * 2, color=PALE, lw=2)
            ax.plot(first["estimate"], y - 0.13, marker, color=PALE, ms=6)
            self.bars.append(self.moving(ax.plot([], [], color=colour, lw=3.5)[0]))
            self.points.append(self.moving(ax.plot([], [], marker, color=colour, ms=10)[0]))
            self.arrows.append(
                [self.moving(ax.plot([], [], head, color=colour, ms=11)[0]) for head in ("<", ">")]
            )
            self.said.append(
                self.moving(ax.text(-1.22, y + 0.16, "", va="bottom", fontsize=12, weight="bold"))
            )
        ax.set_xlim(-EDGE, EDGE)
        ax.set_ylim(-0.4, 1.75)
        ax.set_yticks([1, 0], ["fixed", "mixed"], fontsize=13)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.set_xlabel("HPLC minus NIR [percentage points]\nand 95% interval (grey: nothing lost)")

    def update(self, answer: Answer) -> None:
        """Move readings and intervals."""
        readings = answer["readings"]
        x = np.arange(len(readings))
        ends = readings[["nir", "hplc"]].to_numpy()
        for column, (name, dots) in zip(ends.T, self.dots.items(), strict=True):
            dots.set_data(x + AT[name], column)
        gap = np.full((len(x), 1), np.nan)  # one line with gaps is drawn faster than many
        self.pairs.set_data(
            (x[:, None] + np.array([-ASIDE, ASIDE, ASIDE])).ravel(), np.hstack([ends, gap]).ravel()
        )
        start = _tablets()
        lost = [
            (i + AT[method], start.at[tablet, method])
            for i, (tablet, method) in enumerate(readings["lost"].items())
            if method
        ]
        self.crosses.set_data(*(np.array(lost).T if lost else ([], [])))
        for which, bar, heads, point, said in zip(
            ("fixed", "mixed"), self.bars, self.arrows, self.points, self.said, strict=True
        ):
            one = answer[which]
            y = 1 if which == "fixed" else 0
            ends = [one["lower"], one["upper"]]
            bar.set_data(np.clip(ends, -EDGE, EDGE), [y, y])
            for head, end, edge in zip(heads, ends, (-EDGE, EDGE), strict=True):
                head.set_data(*(([0.97 * edge], [y]) if abs(end) > EDGE else ([], [])))
            point.set_data([one["estimate"]], [y])
            said.set_text(
                minus(f"{one['estimate']:.3f} (SE {one['SE']:.4f})")
                + f"\nfrom {one['tablets']:.0f} tablets"
            )


def missing_data() -> Explorer:
    """Lose readings of the tablets, and compare the fixed with the mixed model.

    Returns
    -------
    Explorer
        Controls ``hplc`` and ``nir`` (readings lost), ``pattern`` (which are lost first).

    Examples
    --------
    >>> import mixedteach as mt
    >>> explorer = mt.explore.missing_data()
    >>> answer = explorer.answer(hplc=1)
    >>> answer["fixed"]["tablets"], answer["mixed"]["tablets"]
    (9, 20)
    """
    return Explorer(
        question="""Readings get lost by chance. How many HPLC readings must go until the mixed
            model's standard error is at least 20% smaller than the fixed model's?""",
        controls={
            "hplc": Slider("HPLC readings lost", 0, MOST_HPLC, 1, 0),
            "nir": Slider("NIR readings lost", 0, MOST_NIR, 1, 0),
            "pattern": Choice("Lost first", PATTERNS, BY_CHANCE),
        },
        answer=_answer,
        picture=MissingPicture,
        words=_words,
        size=(10.0, 4.2),
    )


def _words(answer: Answer) -> str:
    fixed, mixed = answer["fixed"], answer["mixed"]
    by_fixed, by_mixed = (minus(f"{model['estimate']:.3f}") for model in (fixed, mixed))
    more = "smaller" if answer["smaller"] >= 0 else "larger"
    end = " Three pairs are left: no more can be lost." if fixed["tablets"] == 3 else ""
    return (
        f"HPLC minus NIR: fixed model {by_fixed} (SE {fixed['SE']:.4f}, from {fixed['tablets']} "
        f"complete tablets); mixed model {by_mixed} (SE {mixed['SE']:.4f}, from all "
        f"{mixed['tablets']}). The mixed model's SE is "
        f"{abs(answer['smaller']):.1f}% {more}.{end}"
    )
