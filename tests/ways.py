"""From a way to answer a question (right, or a classic mistake) to what a student would hand in."""

from __future__ import annotations

import re
from typing import Any

from mixedteach.checks.kinds import ByLevel, FormulaText, Kind, Model, Numbers, Parts, Picture, Word
from mixedteach.checks.plain import Plain, plain


def handed_in(kind: Kind, parts: Parts) -> Plain:
    """Return the plain data of an answer that has these parts."""
    if isinstance(kind, Model):
        variances = [v for name, v in parts.items() if re.fullmatch(r"variance \d+", name)]
        return {
            "kind": "model",
            "formula": "",
            "nobs": parts["observations"],
            "fixed": {str(i): 0.0 for i in range(round(parts["fixed effects"]))},
            "variances": variances,
            "residual": parts["residual variance"],
        }
    return plain(answer(kind, parts))


def answer(kind: Kind, parts: Parts) -> Any:
    """Return an answer, as a student would hold it in a variable."""
    if isinstance(kind, Numbers):
        return dict(parts) if len(kind.parts) > 1 else parts[next(iter(kind.parts))]
    if isinstance(kind, ByLevel):
        if len(kind.parts) == 1:
            return dict(parts)
        nested: dict[str, dict[str, float]] = {}
        for name, value in parts.items():
            key, part = name.rsplit(": ", 1)
            nested.setdefault(key, {})[part] = value
        return nested
    if isinstance(kind, Word):
        return parts["word"]
    if isinstance(kind, FormulaText):
        fixed, random = parts["fixed"], parts["random"]
        return fixed if random == "none" else f"{fixed} + {random}"
    assert isinstance(kind, Picture), kind
    return picture(parts)


def picture(parts: Parts) -> Any:
    """Draw the lines, last line first: their order must not count."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines: dict[int, dict[int, float]] = {}
    for name, height in parts.items():
        line, point = map(int, re.findall(r"\d+", name))
        lines.setdefault(line, {})[point] = height
    figure = Figure()
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    for line in sorted(lines, reverse=True):
        ax.plot(sorted(lines[line]), [lines[line][point] for point in sorted(lines[line])])
    return ax
