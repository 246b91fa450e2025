"""What all pictures share: colours, letter sizes, a new figure where none is given, words.

The colours are those of Okabe and Ito (2008), "Color Universal Design": readers with any of the
common forms of colour blindness can tell them apart. Where colour carries meaning, shape or line
style carries it too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

INK, PALE = "#222222", "#9A9A9A"
BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
SKY, PINK, YELLOW = "#56B4E9", "#CC79A7", "#F0E442"
# In the order in which levels of a factor take them; never two that are alike in grey side by side.
COLOURS = (BLUE, ORANGE, GREEN, VERMILION, SKY, PINK, INK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)), (0, (8, 2)))

# For matrices: white at zero, the bluer the larger, orange below zero.
MINUS_ZERO_PLUS = LinearSegmentedColormap.from_list(
    "minus_zero_plus", [VERMILION, "#F3C6A5", "white", "#A9CFE6", BLUE]
)

STYLE = {
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 13,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "legend.fontsize": 12,
    "legend.frameon": False,
    "lines.linewidth": 2.2,
    "lines.markersize": 8,
    "savefig.facecolor": "white",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw with the project's letter sizes and lines; matplotlib's own settings come back after."""
    with mpl.rc_context(STYLE):
        yield


def axes(
    rows: int = 1, columns: int = 1, *, size: tuple[float, float] | None = None, **kwargs: Any
) -> Any:
    """Make a new figure in the project's style, and return its Axes.

    Parameters
    ----------
    rows, columns : int
        Of Axes in the figure.
    size : (float, float), optional
        Width and height of the figure in inches; by default 9 by 4.5, which fills a slide.
    **kwargs
        Passed to :func:`matplotlib.pyplot.subplots` (``sharey=True``, ``width_ratios=...``).

    Returns
    -------
    Axes, or ndarray of Axes
        One Axes, or an array as ``plt.subplots`` returns it.

    Examples
    --------
    >>> import mixedteach as mt
    >>> left, right = mt.plot.axes(1, 2, sharey=True)
    >>> left.figure is right.figure
    True
    """
    import matplotlib.pyplot as plt

    # The first use of pyplot in a notebook switches to interactive pictures; were it made inside
    # `style`, that switch would be taken back with the letter sizes, and only one picture shown.
    plt.draw_if_interactive()
    with style():
        figure, made = plt.subplots(
            rows, columns, figsize=size or (9, 4.5), layout="constrained", **kwargs
        )
        figure.get_layout_engine().set(wspace=0.05, hspace=0.05)
    _show_words()  # after the first figure, with which IPython sets up its own ways to show them
    return made


def own_or_new(ax: Axes | None, size: tuple[float, float] | None = None) -> Axes:
    """Return `ax`, or the Axes of a new figure."""
    if ax is not None:
        _show_words()
        return ax
    return axes(size=size)


def describe(ax: Axes, words: str) -> Axes:
    """Say in words what an Axes shows, for readers who cannot see it.

    The description belongs to the Axes; :func:`description` joins those of a figure. In a
    notebook it takes the place of ``<Figure size 640x480 with 1 Axes>``.

    Parameters
    ----------
    ax : Axes
    words : str
        One to three sentences: what is drawn, and what one sees.

    Returns
    -------
    Axes
        The same one.
    """
    ax._mixedteach_words = " ".join(words.split())
    return ax


def description(figure: Figure) -> str:
    """Return the descriptions of a figure's Axes, joined ("" if there are none).

    Examples
    --------
    >>> import mixedteach as mt
    >>> ax = mt.plot.describe(mt.plot.axes(), "An empty picture.")
    >>> mt.plot.description(ax.figure)
    'An empty picture.'
    """
    words = (getattr(ax, "_mixedteach_words", "") for ax in figure.axes)
    return " ".join(text for text in words if text)


def colour_of(levels: list[Any]) -> dict[Any, str]:
    """Return a colour for each level, repeating after seven."""
    return {level: COLOURS[i % len(COLOURS)] for i, level in enumerate(levels)}


def number(value: float, digits: int = 3) -> str:
    """Return a number as descriptions and labels show it (``digits`` significant ones)."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    places = max(0, digits - 1 - int(np.floor(np.log10(abs(value)))))
    return f"{value:.{places}f}"


def minus(text: str) -> str:
    """Return a text with the minus signs that matplotlib writes at its axes.

    >>> minus("-0.26 to 0.16")
    '−0.26 to 0.16'
    """
    return text.replace("-", "−")


def p_text(p: float) -> str:
    """Return a p-value as pictures show it.

    >>> p_text(0.30417), p_text(0.00755), p_text(1e-9)
    ('p = .304', 'p = .0076', 'p < .0001')
    """
    if p < 0.0001:
        return "p < .0001"
    return "p = " + (f"{p:.3f}" if p >= 0.01 else f"{p:.4f}").lstrip("0")


def _show_words() -> None:
    """In a notebook, let figures print their description instead of their size."""
    if "IPython" not in sys.modules:
        return
    shell = sys.modules["IPython"].get_ipython()
    if shell is not None:
        plain = shell.display_formatter.formatters["text/plain"]
        plain.for_type(Figure, lambda figure, p, cycle: p.text(description(figure) or repr(figure)))
