"""How many planks, how many readings: power, the variance behind it, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import special

from mixedteach.errors import DataError, explains_arguments, shown
from mixedteach.explore._base import Answer, Explorer, Picture, Slider
from mixedteach.plot._style import BLUE, GREEN, INK, ORANGE, PALE, SKY, VERMILION

Array = np.ndarray

WIDTHS = 3
SD, SD_READING = 0.55, 0.39  # the planks of lesson 7, rounded: plank:width, and a single reading
ALPHA, WANTED = 0.05, 0.8
PLANKS, READINGS, DIFFERENCE = 20, 5, 0.5  # where the controls start: lesson 7's trial
_GRID = np.linspace(0, 1.2, 61)
_DIGITS = 0.22, 0.06  # width and height of the power as it is written, in the curve's units
_MOST_VARIANCE = 0.08  # the axis ends here; larger values are written


@dataclass(frozen=True)
class Prices:
    """What a plank and a reading cost, and what there is to spend."""

    plank: float
    reading: float
    budget: float


def variances_of_a_difference(planks: int, readings: int, sd: float) -> tuple[float, float]:
    """Return the two parts of the variance of a difference of two widths' means.

    What planks do at a width, 2 sd^2 / g, and single readings, 2 sigma^2 / (g r).

    Examples
    --------
    >>> parts = variances_of_a_difference(20, 5, 0.55)
    >>> [round(part, 5) for part in parts]
    [0.03025, 0.00304]
    """
    return 2 * sd**2 / planks, 2 * SD_READING**2 / (planks * readings)


def power_of_width(planks: int, readings: int, difference: Any, sd: float) -> Any:
    r"""Return the power of the F test of width, one number for each difference.

    The two outer widths differ by D, the middle one lies halfway. F has (w - 1)(g - 1) denominator
    df for w = 3 widths and g planks, and the noncentrality

        lambda = sum_i alpha_i^2 / {(sd^2 + sigma^2 / r) / g} = D^2 / Var(difference).

    Source: Searle, Casella and McCulloch (1992), Variance Components, chapter 4, for the mean
    squares of balanced data.

    Examples
    --------
    >>> round(float(power_of_width(20, 5, 0.5, 0.55)), 4)
    0.6511
    >>> round(float(power_of_width(20, 5, 0.0, 0.55)), 4)
    0.05
    """
    q, df = WIDTHS - 1, (WIDTHS - 1) * (planks - 1)
    noncentrality = np.square(difference) / sum(variances_of_a_difference(planks, readings, sd))
    # far out the distribution is all beyond the limit, and its tail cannot be computed
    limit = special.fdtri(q, df, 1 - ALPHA)
    return 1 - special.ncfdtr(q, df, np.minimum(noncentrality, 300.0), limit)


def design(planks: int, readings: int, difference: float, sd: float, prices: Prices) -> Answer:
    """Return power, variances and cost of one design.

    Returns
    -------
    dict
        The settings; ``power``; ``curve``, the power at each of ``differences``; ``parts``, the two
        variances of a difference, and ``allowed``, what their sum may be for a power of 0.8;
        ``se``; ``den_df``; ``cost`` and its two parts ``costs``; ``affordable``.
    """
    q, df = WIDTHS - 1, (WIDTHS - 1) * (planks - 1)
    parts = variances_of_a_difference(planks, readings, sd)
    needed = float(special.ncfdtrinc(q, df, 1 - WANTED, special.fdtri(q, df, 1 - ALPHA)))
    costs = (planks * prices.plank, planks * readings * WIDTHS * prices.reading)
    return {
        "planks": planks,
        "readings": readings,
        "difference": difference,
        "sd": sd,
        "power": float(power_of_width(planks, readings, difference, sd)),
        "differences": _GRID,
        "curve": power_of_width(planks, readings, _GRID, sd),
        "parts": parts,
        "allowed": difference**2 / needed,
        "se": float(np.sqrt(sum(parts))),
        "den_df": df,
        "costs": costs,
        "cost": sum(costs),
        "affordable": sum(costs) <= prices.budget,
    }


class PowerPicture(Picture):
    """Left the power curve, in the middle the variance of a difference, right the cost."""

    def __init__(self, figure: Figure, prices: Prices) -> None:
        super().__init__(figure)
        self.prices = prices
        curve, variance, cost = figure.subplots(1, 3, width_ratios=[1.9, 1, 1])
        self._make_curve(curve)
        self.variance = self._make_bar(
            variance, "Variance of\na difference", ("plank:width", "readings"), (ORANGE, SKY),
            _MOST_VARIANCE,
        )  # fmt: skip
        self.allowed = self.moving(variance.axhline(0, color=GREEN, linestyle="--", linewidth=2.2))
        variance.plot([], [], "--", color=GREEN, label="power 0.8")
        self.cost = self._make_bar(
            cost, "Cost [€]", ("planks", "readings"), (ORANGE, SKY), 1.6 * prices.budget
        )
        cost.axhline(prices.budget, color=VERMILION, linestyle="--", linewidth=2.2)
        cost.plot([], [], "--", color=VERMILION, label=f"budget {prices.budget:.0f}")
        for ax in (variance, cost):
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), handlelength=1.4)

    def _make_curve(self, ax: Any) -> None:
        ax.set(xlim=(0, _GRID[-1]), ylim=(0, 1.03), ylabel="power")
        ax.set_xlabel("true difference of widths [percentage points]")
        ax.set_title("Power of the F test of width")
        for height in (WANTED, ALPHA):
            ax.axhline(height, color=PALE, linestyle=":", linewidth=1.6)
        ax.text(_GRID[-1], ALPHA + 0.01, r"$\alpha$ = 0.05", ha="right", color=INK, fontsize=12)
        ax.plot(_GRID, power_of_width(PLANKS, READINGS, _GRID, SD), color=PALE,
                label="20 planks, 5 readings")  # fmt: skip
        self.curve = self.moving(ax.plot([], [], color=BLUE, label="this design")[0])
        self.drop = self.moving(ax.plot([], [], ":", color=BLUE, linewidth=1.6)[0])
        self.point = self.moving(ax.plot([], [], "o", color=BLUE, markersize=11)[0])
        self.value = self.moving(ax.text(0, 0, "", weight="bold", color=BLUE, fontsize=16))
        # below the axis: within, the curve of some design runs through any place
        ax.legend(
            loc="upper center", bbox_to_anchor=(0.47, -0.16), ncols=2, handlelength=1.2,
            columnspacing=1.2, borderpad=0,
        )  # fmt: skip

    def _make_bar(
        self, ax: Any, title: str, names: tuple[str, str], colours: tuple[str, str], end: float
    ) -> tuple[Any, Any, Any, float]:
        ax.set(xlim=(-0.8, 0.8), ylim=(0, end), xticks=[])
        ax.set_title(title, fontsize=13)
        bars = [
            self.moving(ax.bar([0], [0], width=0.8, color=colour, hatch=hatch, edgecolor=INK)[0])
            for colour, hatch in zip(colours, ("//", ""), strict=True)
        ]
        for name, colour, hatch in zip(names, colours, ("//", ""), strict=True):
            ax.bar([0], [0], color=colour, hatch=hatch, edgecolor=INK, label=name)
        text = self.moving(
            ax.text(0, 0.99 * end, "", ha="center", va="top", weight="bold", fontsize=15)
        )
        return *bars, text, 0.9 * end

    def update(self, answer: Answer) -> None:
        """Move the curve, its point, and the bars."""
        self.curve.set_data(answer["differences"], answer["curve"])
        x, power = answer["difference"], answer["power"]
        self.drop.set_data([x, x], [0, power])
        self.point.set_data([x], [power])
        x, y = beside(x, power, answer["curve"])
        self.value.set(text=f"{power:.3f}", x=x, y=y)
        _stack(self.variance, answer["parts"], f"{sum(answer['parts']):.4f}")
        allowed = min(answer["allowed"], 2 * _MOST_VARIANCE)
        self.allowed.set_ydata([allowed, allowed])
        _stack(self.cost, answer["costs"], f"{answer['cost']:.0f}")
        self.cost[2].set_color(INK if answer["affordable"] else VERMILION)


def beside(x: float, power: float, curve: Array) -> tuple[float, float]:
    """Return the lower left corner of the power's digits: near its point, but off the curve.

    >>> beside(0.5, 0.65, power_of_width(20, 5, _GRID, 0.55))
    (0.25, 0.68)
    """
    left, right = x - 0.03 - _DIGITS[0], x + 0.03
    start = max(0.015, min(left, x - 0.07))
    places = [(left, power + 0.03), (right, power - 0.1), (right, power - 0.03)]
    places += [(start, power + gap) for gap in (0.06, 0.1, 0.14, 0.18, 0.22, 0.3)]
    for corner in places:
        across = corner[0] + np.linspace(-0.01, _DIGITS[0] + 0.01, 25)
        there = np.interp(across, _GRID, curve)
        met = (there > corner[1] - 0.01) & (there < corner[1] + _DIGITS[1] + 0.01)
        if corner[0] > 0.01 and 0.02 < corner[1] < 0.97 and not met.any():
            break
    return round(corner[0], 3), round(corner[1], 3)


def _stack(bar: tuple[Any, Any, Any, float], parts: tuple[float, float], said: str) -> None:
    """Set the heights of two pieces above each other, and the number over them."""
    below, above, text, end = bar
    below.set_height(min(parts[0], end))
    above.set_y(min(parts[0], end))
    above.set_height(min(sum(parts), end) - min(parts[0], end))
    text.set_text(said)


def _words(answer: Answer) -> str:
    planks, readings = answer["planks"], answer["readings"]
    return (
        f"{planks} planks × {WIDTHS} widths × {readings} reading{'s' * (readings != 1)}: "
        f"{answer['cost']:.0f} €, {'within' if answer['affordable'] else 'over'} the budget. A "
        f"difference of {answer['difference']:.2f} has SE {answer['se']:.3f}; F on {WIDTHS - 1} "
        f"and {answer['den_df']} df finds it with power {answer['power']:.3f}."
    )


@explains_arguments(
    DataError,
    {
        "planks": "move the control, mt.explore.power().set(planks=...)",
        "readings": "move the control, mt.explore.power().set(readings=...)",
        "difference": "move the control, mt.explore.power().set(difference=...)",
        "sd": "move the control, mt.explore.power().set(sd=...)",
    },
)
def power(per_plank: float = 60, per_reading: float = 2, budget: float = 2400) -> Explorer:
    """Explore how many planks and readings it takes to find a difference of widths, and the cost.

    Planks are read at three widths, some readings at each. The outer widths differ by
    ``difference``, the middle one lies halfway; planks differ in level, at a width beyond that
    with the standard deviation ``sd``, and single readings with 0.39. The power is that of the F
    test of width at alpha 0.05, exact for balanced data.

    Parameters
    ----------
    per_plank, per_reading, budget : float
        What one plank and one reading cost, and what there is to spend.

    Returns
    -------
    Explorer
        Controls ``planks``, ``readings`` (of a plank at a width), ``difference`` and ``sd``.

    Raises
    ------
    DataError
        If a price or the budget is no positive number.

    Examples
    --------
    >>> import mixedteach as mt
    >>> explorer = mt.explore.power()
    >>> for change in ({}, {"readings": 10}, {"planks": 40}):
    ...     now = explorer.answer(**change)
    ...     print(change, round(now["power"], 2), now["cost"])
    {} 0.65 1800
    {'readings': 10} 0.67 2400
    {'planks': 40} 0.94 3600
    """
    prices = {"per_plank": per_plank, "per_reading": per_reading, "budget": budget}
    for name, value in prices.items():
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if not number or not 0 < value < np.inf:
            raise DataError(f"{name}={shown(value)} must be a positive number.")
    own = Prices(*prices.values())
    return Explorer(
        question=f"""A plank costs {per_plank:g} €, a reading {per_reading:g} €. Find the cheapest
            design whose power for a difference of 0.5 reaches 0.8: how many readings at each
            width does it have? And if planks differed less in what they do at a width
            (σ_PW = 0.30)?""",
        controls={
            "planks": Slider("planks", 3, 80, 1, PLANKS),
            "readings": Slider("readings at each width", 1, 10, 1, READINGS),
            "difference": Slider("difference", 0.1, 1.0, 0.05, DIFFERENCE),
            "sd": Slider("σ_PW (plank:width)", 0.2, 0.9, 0.05, SD),
        },
        answer=lambda planks, readings, difference, sd: design(
            planks, readings, difference, sd, own
        ),
        picture=lambda figure: PowerPicture(figure, own),
        words=_words,
        size=(10.0, 4.6),
    )
