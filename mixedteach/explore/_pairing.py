"""Explorer: what pairing is good for. Subjects move apart; their differences stay what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mixedteach.datasets import load_tablets
from mixedteach.errors import DataError, explains_arguments
from mixedteach.explore._base import Answer, Explorer, Picture, Slider
from mixedteach.inference.distributions import t_pvalue, t_quantile
from mixedteach.plot._inputs import of_difference
from mixedteach.plot._paired import pairs_of, rounded, with_unit
from mixedteach.plot._style import BLUE, INK, PALE, VERMILION, minus, p_text

Array = np.ndarray
WIDEST = 2.0


def two_tests(first: Array, second: Array) -> dict[str, Any]:
    """Compare two columns of readings by the paired and by the two-sample t-test.

    Parameters
    ----------
    first, second : ndarray, shape (n,)
        The readings of each pair; the difference is second minus first.

    Returns
    -------
    dict
        ``difference``; ``paired`` and ``two_sample`` (equal variances), each with ``SE``, ``df``,
        ``t``, ``p``, ``lower``, ``upper`` (95%); ``correlation`` of the readings.
    """
    n, change = len(first), second - first
    difference = float(change.mean())
    pooled = (first.var(ddof=1) + second.var(ddof=1)) / n
    answer: dict[str, Any] = {"difference": difference}
    for name, variance, df in (
        ("paired", change.var(ddof=1) / n, n - 1),
        ("two_sample", pooled, 2 * n - 2),
    ):
        se = float(np.sqrt(variance))
        half = float(t_quantile(0.975, df)) * se
        answer[name] = {
            "SE": se,
            "df": df,
            "t": difference / se,
            "p": float(t_pvalue(difference / se, df)),
            "lower": difference - half,
            "upper": difference + half,
        }
    answer["correlation"] = float(np.corrcoef(first, second)[0, 1])
    return answer


def moved(wide: pd.DataFrame, spread: float, difference: float) -> tuple[Array, Array]:
    """Return the readings with the subjects' means `spread` times as far from their common mean.

    The differences within subjects all change by the same amount, so that their mean becomes
    `difference`; their variance stays.
    """
    first, second = wide.to_numpy().T
    means, change = (first + second) / 2, second - first
    middle = means.mean() + spread * (means - means.mean())
    half = (change - change.mean() + difference) / 2
    return middle - half, middle + half


def _nice(value: float) -> float:
    """Return 1, 2 or 5 times a power of ten, whichever is nearest."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(min((power, 2 * power, 5 * power, 10 * power), key=lambda x: abs(x - value)))


class _Pairs(Picture):
    """Left the lines of the subjects, right the two intervals of the difference."""

    def __init__(
        self,
        figure: Figure,
        wide: pd.DataFrame,
        label: str,
        unit: str,
        reach: float,
        digits: Callable[[float], str],
    ) -> None:
        super().__init__(figure)
        self.digits = digits
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.35])
        corners = np.array([moved(wide, s, d) for s in (0, WIDEST) for d in (-reach, reach)])
        low, high = corners.min(), corners.max()
        pad = 0.04 * (high - low)
        left.set(xlim=(-0.25, 1.25), ylim=(low - pad, high + pad), ylabel=label)
        left.set_xticks([0, 1], list(wide.columns), fontsize=14)
        left.set_title(f"One line a {wide.index.name}")
        # all lines are one artist, broken by missing values: quicker to draw
        self.path = np.full((len(wide), 3), np.nan)
        x = np.tile([0, 1, np.nan], len(wide))
        (self.lines,) = left.plot(x, x, "o-", color=PALE, markersize=5, linewidth=1.5)
        self.moving(self.lines)
        (self.mean,) = left.plot(
            [0, 1], [0, 0], "D-", color=INK, markersize=9, linewidth=3, markerfacecolor="none",
            markeredgewidth=2,
        )  # fmt: skip
        self.moving(self.mean)
        widest = two_tests(*moved(wide, WIDEST, reach))["two_sample"]["upper"] * 1.06
        for y in (0, 1):  # leaves out where the numbers stand
            right.plot([0, 0], [y - 0.45, y + 0.12], color=INK, lw=1.3, ls=(0, (5, 4)))
        right.set(xlim=(-widest, widest), ylim=(-0.75, 1.75), yticks=[])
        difference = f"{wide.columns[1]} - {wide.columns[0]}"
        if unit:
            difference += f" [{of_difference(unit)}]\n"
        right.set_xlabel(f"{difference}{'and' if unit else ', with'} its 95% interval")
        right.spines["left"].set_visible(False)
        right.set_title("The same difference, two tests")
        self.bars, self.texts = {}, {}
        for name, said, y, colour, marker in (
            ("paired", "paired", 1, BLUE, "o"),
            ("two_sample", "two samples", 0, VERMILION, "s"),
        ):
            right.text(-widest, y + 0.42, said, color=colour, weight="bold", fontsize=14)
            (bar,) = right.plot([0, 0], [y, y], "-", color=colour, linewidth=4)
            (dot,) = right.plot([0], [y], marker, color=colour, markersize=11)
            text = right.text(-widest, y + 0.17, "", color=colour, fontsize=14)
            self.bars[name] = (self.moving(bar), self.moving(dot))
            self.texts[name] = self.moving(text)

    def update(self, answer: Answer) -> None:
        """Move lines and intervals."""
        self.path[:, 0], self.path[:, 1] = answer["first"], answer["second"]
        self.lines.set_ydata(self.path.ravel())
        self.mean.set_ydata([answer["first"].mean(), answer["second"].mean()])
        for name in ("paired", "two_sample"):
            test, (bar, dot) = answer[name], self.bars[name]
            bar.set_xdata([test["lower"], test["upper"]])
            dot.set_xdata([answer["difference"]])
            self.texts[name].set_text(
                minus(f"SE {self.digits(test['SE'])}, t = {test['t']:.2f}, {p_text(test['p'])}")
            )


@explains_arguments(
    DataError,
    {
        "spread": "move the control, mt.explore.pairing().set(spread=...)",
        "difference": "move the control, mt.explore.pairing().set(difference=...)",
    },
)
def pairing(
    data: pd.DataFrame | None = None,
    response: str = "content",
    *,
    within: str = "method",
    subject: str = "tablet",
) -> Explorer:
    """Explore what the paired and the two-sample t-test make of subjects that differ.

    The slider ``spread`` moves the subjects' means apart (0: all alike, 1: as measured, 2: twice as
    far), and leaves each subject's difference as it is. ``difference`` shifts all differences.

    Parameters
    ----------
    data : DataFrame, optional
        Long: one row a reading; by default the ten tablets. Incomplete pairs are left out.
    response, within, subject : str
        Its columns: the readings, the factor of two levels, what makes two readings a pair.

    Returns
    -------
    Explorer

    Raises
    ------
    DataError
        Unknown columns, a factor without exactly two levels, fewer than three pairs.

    Examples
    --------
    >>> import mixedteach as mt
    >>> explorer = mt.explore.pairing()
    >>> for spread in (1, 2):
    ...     answer = explorer.answer(spread=spread)
    ...     print(round(answer["paired"]["SE"], 3), round(answer["two_sample"]["SE"], 3))
    0.093 0.163
    0.093 0.305
    """
    data = load_tablets() if data is None else data
    wide, _ = pairs_of(data, response, within, subject)
    change = wide.iloc[:, 1] - wide.iloc[:, 0]
    size = float(change.std())
    if len(wide) < 3 or not size > 1e-13 * float(wide.abs().to_numpy().max()):
        raise DataError(
            f"The differences of '{within}' must vary, over three pairs or more: choose data with "
            "more subjects."
        )
    start = float(change.mean())
    step = _nice(size / 6)
    reach = step * max(10, int(np.ceil(1.2 * abs(start) / step)))
    places = max(2, 2 - int(np.floor(np.log10(size))))

    unit = data.attrs.get("units", {}).get(response, "")

    def digits(value: float) -> str:
        return rounded(value, places)

    def answer(spread: float, difference: float) -> Answer:
        first, second = moved(wide, spread, difference)
        return {"first": first, "second": second, **two_tests(first, second)}

    def words(answer: Answer) -> str:
        paired, two = answer["paired"], answer["two_sample"]
        return (
            f"Difference {minus(digits(answer['difference']))}. Paired: SE {digits(paired['SE'])}, "
            f"{p_text(paired['p'])}. Two samples: SE {digits(two['SE'])}, {p_text(two['p'])}. "
            f"Correlation of the two readings of a {subject}: "
            f"{minus(rounded(answer['correlation'], 2))}."
        )

    return Explorer(
        question=f"""At which spread of the {subject}s do the two tests have about the same
        standard error? What is the correlation of the two readings of a {subject} there?""",
        controls={
            "spread": Slider("spread (1: as measured)", 0, WIDEST, 0.05, 1),
            "difference": Slider("mean difference", -reach, reach, step, start),
        },
        answer=answer,
        picture=lambda figure: _Pairs(figure, wide, with_unit(data, response), unit, reach, digits),
        words=words,
    )
