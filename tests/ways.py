"""From a way to answer a question (right, or a classic mistake) to what a student would hand in."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from mixedteach.checks.kinds import ByLevel, FormulaText, Kind, Model, Numbers, Parts, Picture, Word
from mixedteach.checks.plain import Plain, plain
from mixedteach.checks.question import Exercise, Way
from mixedteach.grading.variant import problem


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


def other_data(
    asked: Exercise, seed: int, tries: int = 10
) -> tuple[pd.DataFrame, dict[str, list[Way]]]:
    """Return the first simulated data on which all mistakes can be told apart, and the ways there.

    The same generator must give the same data again.
    """
    own = asked.data()
    questions = {name: found for name, found in asked.questions.items() if found.compute}
    public = {name: next(question.each_way()) for name, question in questions.items()}
    for attempt in range(tries):
        found, again = (
            asked.simulate(own, np.random.default_rng([seed, attempt])) for _ in range(2)
        )
        pd.testing.assert_frame_equal(found, again)
        work = asked.work(found)
        ways = {name: question.ways(work) for name, question in questions.items()}
        if not any(problem(questions[name], ways[name], public[name]) for name in ways):
            return found, ways
    raise AssertionError(f"{tries} data sets, and none on which all can be told apart")
