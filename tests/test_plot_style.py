"""What all pictures share."""

import ast
import itertools
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_rgb

import mixedteach as mt
from mixedteach.plot import _style

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_axes_have_large_letters_and_leave_no_trace():
    before = dict(mpl.rcParams)
    ax = mt.plot.axes()
    ax.set_xlabel("humidity [%]")
    assert ax.xaxis.label.get_size() == 13
    assert ax.title.get_ha() == "center"  # the centred title is not the one that is used
    assert tuple(ax.figure.get_size_inches()) == (9, 4.5)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    "path", sorted(Path(_style.__file__).parent.glob("*.py")), ids=lambda p: p.stem
)
def test_a_new_figure_is_not_made_within_the_style(path):
    # else, as the first picture of a notebook, it would be the only one that is shown (see axes())
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.With) and "style()" in ast.unparse(node.items[0]):
            assert "own_or_new" not in ast.unparse(node)


def test_description_joins_the_axes_of_a_figure():
    left, middle, right = mt.plot.axes(1, 3)
    mt.plot.describe(right, "On the\n   right.")
    mt.plot.describe(left, "On the left.")
    assert middle.figure is right.figure
    assert mt.plot.description(left.figure) == "On the left. On the right."


def brightness(colour: str) -> float:
    """Return the relative luminance of a colour (WCAG 2)."""
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def test_neighbouring_colours_differ_in_grey_or_marker():
    for a, b in itertools.pairwise(range(len(_style.COLOURS))):
        assert _style.MARKERS[a] != _style.MARKERS[b]
        assert _style.LINES[a] != _style.LINES[b]
    assert len(set(_style.COLOURS)) == len(_style.MARKERS) == len(_style.LINES)


def test_letters_can_be_read_on_white():
    contrast = 1.05 / (brightness(_style.INK) + 0.05)
    assert contrast > 7


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (3.14159, "3.14"), (0.0893333, "0.0893"), (9666.573, "9667"), (-0.05, "-0.0500")],
)
def test_numbers_in_words(value, shown):
    assert _style.number(value) == shown


def test_colours_repeat_after_seven():
    colours = _style.colour_of(list("abcdefgh"))
    assert colours["a"] == colours["h"]
    assert len(set(colours.values())) == 7


def test_figures_in_a_notebook_print_their_description(monkeypatch):
    from IPython.core.formatters import DisplayFormatter

    shell = SimpleNamespace(display_formatter=DisplayFormatter())
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    ax = mt.plot.describe(mt.plot.axes(), "Two lines that cross.")
    plain = shell.display_formatter.formatters["text/plain"]
    assert plain(ax.figure) == "Two lines that cross."
    assert plain(plt.figure(figsize=(1, 1))) == "<Figure size 100x100 with 0 Axes>"
