"""Words that change with every picture, put together from letters that were drawn before.

Most of the time that matplotlib takes for an explorer's picture goes into shaping and hinting the
letters of a few numbers, the same ten digits again and again. Here each digit, and each run of
other letters, is drawn once by matplotlib; from then on it is stamped.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg

PIECE = re.compile(r"\d|\D+")
MARGIN = 3  # pixels around a piece, for letters that reach beyond their width
PER_PIXEL = 2  # places of a piece within a pixel: enough for even spaces between digits


class Letters:
    """Stands for an Agg renderer, and draws plain horizontal words by stamps.

    All else is passed on to the renderer, as is text with an angle, pale, or with mathematics.
    """

    def __init__(self, renderer: RendererAgg) -> None:
        self._renderer = renderer
        self._sizes: dict[tuple, tuple[float, float, float]] = {}
        self._stamps: dict[tuple, np.ndarray] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._renderer, name)

    def _size(self, piece: str, prop: Any, font: int) -> tuple[float, float, float]:
        key = piece, font
        if key not in self._sizes:
            size = self._renderer.get_text_width_height_descent(piece, prop, False)
            self._sizes[key] = size
        return self._sizes[key]

    def get_text_width_height_descent(
        self, s: str, prop: Any, ismath: Any
    ) -> tuple[float, float, float]:
        """Return the size of words as the sum of their pieces."""
        if ismath:
            return self._renderer.get_text_width_height_descent(s, prop, ismath)
        font = hash(prop)
        widths, heights, descents = zip(
            *(self._size(piece, prop, font) for piece in PIECE.findall(s)), strict=True
        )
        ascent = max(h - d for h, d in zip(heights, descents, strict=True))
        return sum(widths), ascent + max(descents), max(descents)

    def draw_text(
        self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float,
        ismath: Any = False, mtext: Any = None,
    ) -> None:  # fmt: skip
        """Draw words whose baseline begins at (x, y), counted from the top left."""
        if ismath or angle or gc.get_alpha() != 1:
            self._renderer.draw_text(gc, x, y, s, prop, angle, ismath, mtext)
            return
        font = hash(prop)
        for piece in PIECE.findall(s):
            width, height, descent = self._size(piece, prop, font)
            place, part = divmod(round(x * PER_PIXEL), PER_PIXEL)
            key = piece, font, gc.get_rgb()[:3], part
            if key not in self._stamps:
                size = width, height, descent
                self._stamps[key] = self._stamp(piece, prop, size, gc, part / PER_PIXEL)
            bottom = self._renderer.height - round(y) - int(np.ceil(descent)) - MARGIN
            self._renderer.draw_image(gc, place - MARGIN, bottom, self._stamps[key])
            x += width

    def _stamp(
        self, piece: str, prop: Any, size: tuple[float, float, float], gc: Any, part: float
    ) -> np.ndarray:
        """Return a piece as colours and coverage, the bottom row first as draw_image takes it."""
        width, height, descent = size
        below = int(np.ceil(descent)) + MARGIN
        rows = int(np.ceil(height - descent)) + MARGIN + below
        small = RendererAgg(int(np.ceil(width)) + 2 * MARGIN + 1, rows, self._renderer.dpi)
        own = small.new_gc()
        own.set_foreground((*gc.get_rgb()[:3], 1.0), isRGBA=True)
        small.draw_text(own, MARGIN + part, rows - below, piece, prop, 0)
        return np.array(small.buffer_rgba())[::-1].copy()
