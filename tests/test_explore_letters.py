"""Words put together from stamps look as matplotlib sets them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import mixedteach as mt
from mixedteach.explore._letters import Letters

WORDS = ["0.123", "p = .304, 38 df", "−0.27 ± 0.18", "SE 0.1818 against 0.0899", "x"]


def drawn(words: str, stamped: bool, **how: object) -> np.ndarray:
    figure = Figure(figsize=(5, 1), dpi=100)
    canvas = FigureCanvasAgg(figure)
    text = figure.text(0.5, 0.5, words, ha="center", va="center", size=15, **how)
    renderer = canvas.get_renderer()
    renderer.clear()
    text.draw(Letters(renderer) if stamped else renderer)
    return np.asarray(canvas.buffer_rgba())[:, :, 3].astype(float) / 255


@pytest.mark.parametrize("words", WORDS)
def test_stamped_words_cover_nearly_the_same_pixels(words: str) -> None:
    set_by_matplotlib, stamped = drawn(words, False), drawn(words, True)
    assert stamped.sum() == pytest.approx(set_by_matplotlib.sum(), rel=0.05)
    places = [np.argwhere(image > 0.3) for image in (set_by_matplotlib, stamped)]
    for low_or_high in (np.min, np.max):  # the same box, to two pixels: no kerning across digits
        box, other = (low_or_high(place, axis=0) for place in places)
        assert abs(box - other).max() <= 2


@pytest.mark.parametrize("how", [{"rotation": 30}, {}])
def test_mathematics_and_slanting_words_are_left_to_matplotlib(how: dict[str, float]) -> None:
    words = "0.5" if how else r"$\sigma^2$ = 0.5"
    assert (drawn(words, True, **how) == drawn(words, False, **how)).all()


def test_colours_and_transparency_are_kept() -> None:
    pale = drawn("0.5", True, alpha=0.4)
    full = drawn("0.5", True)
    assert pale.max() == pytest.approx(0.4 * full.max(), abs=0.02)


def test_the_moving_picture_is_the_still_one() -> None:
    explorer = mt.explore.variance_components()
    still, moving = (
        np.asarray(Image.open(io.BytesIO(data)).convert("L"), float)
        for data in (explorer.png(), explorer._picture.jpeg(explorer.answer()))
    )
    assert still.shape == moving.shape
    assert abs(still - moving).mean() < 1.5  # of 255 shades
