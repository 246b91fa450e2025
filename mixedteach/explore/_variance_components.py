"""Two sliders, sigma_T and sigma: what they do to readings, to V, and to two standard errors."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from mixedteach.explore._base import Answer, Explorer, Picture, Slider
from mixedteach.plot._covariance import colour_scale
from mixedteach.plot._style import BLUE, INK, MINUS_ZERO_PLUS, PALE, VERMILION

TABLETS, MEAN, DIFFERENCE = 10, 10.4, -0.05
METHODS = ("nir", "hplc")
MOST_T, MOST = 0.6, 0.4  # where the sliders end
DEEPEST = (MOST_T**2 + MOST**2) / 2  # deepest blue from here on: so the start is not pale


def ingredients() -> np.ndarray:
    """Return a, b and d, one column each: deviations from which all readings are mixed.

    Ten normal numbers each, centred and made orthogonal to each other, then scaled so that their
    sample variances are 1, 1/2 and 2. With y = mean + sigma_T a + sigma (b -+ d/2) the mean
    squares of tablets and residual are exactly 2 sigma_T^2 + sigma^2 and sigma^2: the estimates
    equal the sliders, and the picture has no luck of the draw in it.
    """
    raw = np.random.default_rng(11).standard_normal((TABLETS, 3))
    columns: list[np.ndarray] = [np.ones(TABLETS)]
    for z in raw.T:
        for done in columns:
            z = z - done * (done @ z) / (done @ done)
        columns.append(z)
    basis = np.column_stack(columns[1:])
    return basis / basis.std(axis=0, ddof=1) * np.sqrt([1.0, 0.5, 2.0])


_A, _B, _D = ingredients().T


def standard_errors(sigma_T: float, sigma: float) -> dict[str, Any]:
    """Return readings with these standard deviations, their V, and the standard errors.

    Parameters
    ----------
    sigma_T, sigma : float
        Standard deviations of the tablets and of the errors.

    Returns
    -------
    dict
        ``sigma_T``, ``sigma``; ``readings`` (2 x 10); ``V`` (two tablets, 4 x 4); ``icc``;
        ``se_mean`` of one method's mean and ``se_difference`` of the two.
    """
    level = MEAN + sigma_T * _A + sigma * _B
    one, same = sigma_T**2 + sigma**2, sigma_T**2
    V = np.kron(np.eye(2), np.full((2, 2), same)) + sigma**2 * np.eye(4)
    return {
        "sigma_T": sigma_T,
        "sigma": sigma,
        "readings": np.array([level - sigma * _D / 2, level + sigma * _D / 2 + DIFFERENCE]),
        "V": V,
        "icc": same / one,
        "se_mean": float(np.sqrt(one / TABLETS)),
        "se_difference": float(np.sqrt(2 * sigma**2 / TABLETS)),
    }


class _VariancePicture(Picture):
    """Left the readings, in the middle V, right the two standard errors."""

    def __init__(self, figure: Figure) -> None:
        super().__init__(figure)
        data, matrix, errors = figure.subplots(1, 3, width_ratios=[1.1, 1.25, 1.05])
        data.set(xlim=(-0.35, 1.35), ylim=(MEAN - 1.5, MEAN + 1.5), ylabel="content [%]")
        data.set_xticks([0, 1], METHODS)
        data.set_title("Ten tablets")
        # one line for all tablets, broken by gaps: a tenth of the time that ten lines take
        self.lines = self.moving(data.plot([], [], "-", color=PALE, linewidth=1.4)[0])
        self.points = [
            self.moving(data.plot([], [], marker, color=colour, linestyle="none")[0])
            for marker, colour in (("o", BLUE), ("s", VERMILION))
        ]
        # colours of V stay comparable while the sliders move; rectangles are faster than an image
        self.norm = colour_scale(DEEPEST)
        matrix.set(xlim=(-0.5, 3.5), ylim=(3.5, -0.5))
        # between the tablets all is 0, always: only the two blocks move
        self.tiles, self.cells = {}, {}
        for i, j in np.ndindex(4, 4):
            if i // 2 != j // 2:
                matrix.text(j, i, "0", ha="center", va="center", color=PALE)
                continue
            tile = mpl.patches.Rectangle((j - 0.5, i - 0.5), 1, 1, linewidth=0)
            self.tiles[i, j] = self.moving(matrix.add_patch(tile))
            self.cells[i, j] = self.moving(matrix.text(j, i, "", ha="center", va="center"))
        for start in (0, 2):
            box = mpl.patches.Rectangle(
                (start - 0.5, start - 0.5), 2, 2, fill=False, edgecolor=INK, linewidth=2.2
            )
            self.moving(matrix.add_patch(box))
        names = [f"{t} {m}" for t in (1, 2) for m in METHODS]
        matrix.set_xticks(range(4), names, fontsize=11)
        matrix.set_yticks(range(4), names, fontsize=11)
        matrix.tick_params(length=0)
        matrix.set_title("V of two tablets [%²]")
        errors.set(xlim=(-0.6, 1.6), ylim=(0, 0.42))
        errors.set_xticks([0, 1], ["a method's\nmean", "difference\nof methods"])
        errors.set_title("Standard errors [%]")
        self.bars = [
            self.moving(bar)
            for bar in errors.bar(
                [0, 1], [0, 0], width=0.66, color=[BLUE, "#E69F00"], hatch=["", "//"], edgecolor=INK
            )
        ]
        self.values = [
            self.moving(errors.text(x, 0, "", ha="center", va="bottom", weight="bold"))
            for x in (0, 1)
        ]

    def update(self, answer: Answer) -> None:
        readings, V = answer["readings"], answer["V"]
        gaps = np.full(TABLETS, np.nan)
        self.lines.set_data(
            np.tile([0.0, 1.0, np.nan], TABLETS), np.column_stack([*readings, gaps]).ravel()
        )
        for x, (points, values) in enumerate(zip(self.points, readings, strict=True)):
            points.set_data(np.full(TABLETS, x), values)
        for place, tile in self.tiles.items():
            value, cell = V[place], self.cells[place]
            tile.set_facecolor(MINUS_ZERO_PLUS(self.norm(min(value, DEEPEST))))
            cell.set_text("0" if value == 0 else f"{value:.3f}")
            cell.set_color(PALE if value == 0 else INK)
        for bar, text, value in zip(
            self.bars, self.values, (answer["se_mean"], answer["se_difference"]), strict=True
        ):
            bar.set_height(value)
            text.set_y(value + 0.006)
            text.set_text(f"{value:.3f}")


def _words(answer: Answer) -> str:
    return (
        f"σ_T = {answer['sigma_T']:.2f} and σ = {answer['sigma']:.2f} give ICC = "
        f"{answer['icc']:.2f}. Standard error of a method's mean: {answer['se_mean']:.3f}; of the "
        f"difference: {answer['se_difference']:.3f}."
    )


def variance_components() -> Explorer:
    """Move the standard deviations of tablets and errors; watch data, V and two standard errors.

    Returns
    -------
    Explorer
        Controls ``sigma_T`` and ``sigma``. The ten tablets are artificial: made so that a fit
        estimates exactly the variances that the sliders show.

    Examples
    --------
    >>> import mixedteach as mt
    >>> explorer = mt.explore.variance_components()
    >>> few = explorer.answer(sigma_T=0.1, sigma=0.2)
    >>> many = explorer.answer(sigma_T=0.6, sigma=0.2)
    >>> round(few["se_mean"], 3), round(many["se_mean"], 3)
    (0.071, 0.2)
    >>> few["se_difference"] == many["se_difference"]
    True
    """
    return Explorer(
        question="Move σ_T up: which standard error does not care? Then move it down until both "
        "are equal: which ICC is that?",
        controls={
            "sigma_T": Slider("σ_T (tablets)", 0.0, MOST_T, 0.01, 0.3),
            "sigma": Slider("σ (errors)", 0.05, MOST, 0.01, 0.21),
        },
        answer=standard_errors,
        picture=_VariancePicture,
        words=_words,
    )
