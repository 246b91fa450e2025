"""``mt.check`` and ``mt.hint``: what a student calls in a notebook.

>>> import mixedteach as mt
>>> mt.check("planks.width_tukey", {"p": 0.318, "df": 297}).mistake
'blocks_ignored'
"""

from __future__ import annotations

from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from mixedteach.checks.judge import judge, not_attempted
from mixedteach.checks.kinds import Unreadable
from mixedteach.checks.plain import plain
from mixedteach.checks.question import EXERCISES, Question, Way, exercise, question
from mixedteach.checks.verdict import Verdict
from mixedteach.errors import DataError
from mixedteach.table import Table

# Exercises whose data came from a file: graded, so that their answers are judged elsewhere.
_graded: set[str] = set()


def exercise_data(name: str, file: str | Path | None = None) -> pd.DataFrame:
    """Return the data of an exercise.

    Parameters
    ----------
    name : str
        The exercise: the first half of its questions' names, such as ``"planks"``.
    file : str or Path, optional
        A CSV file with data of your own, if you were given one with the exercise to be graded. From
        then on ``mt.check`` says whether an answer can be read, not whether it is right.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    DataError
        If there is no such exercise or file.

    Examples
    --------
    >>> exercise_data("planks").columns.to_list()
    ['plank', 'width', 'depth', 'humidity']
    """
    found = exercise(name)
    if file is None:
        _graded.discard(name)
        return found.data()
    data = found.read(file)
    _graded.add(name)
    return data


class Check:
    """Compare an answer with the right one and with the classic mistakes; ``mt.check`` is one."""

    def __call__(self, name: str, answer: Any = ...) -> Verdict:
        """Judge an answer by its value.

        Parameters
        ----------
        name : str
            The question, ``"planks.width_tukey"``.
        answer : object
            A number, a dictionary or table in any reasonable shape and order, a fitted model, a
            formula, the Axes of a picture, a text: whatever the question asks for.

        Returns
        -------
        Verdict
            With ``ok``, ``mistake`` and ``message``.

        Raises
        ------
        DataError
            If there is no such question.

        Examples
        --------
        >>> import mixedteach as mt
        >>> mt.check("planks.width_tukey", (0.304, 38)).ok
        True
        >>> mt.check("planks.width_tukey", ...).ok is None
        True
        """
        asked = question(name)
        if asked.exercise.name in _graded:
            return _public(asked, plain(answer))
        return judge(name, asked.kind, asked.each_way(), plain(answer))

    def points(
        self, name: str, answer: Any, of: float, expected: dict[str, Any] | None = None
    ) -> float:
        """Return the points that an answer earns, and print why.

        Parts count alike: two right numbers of three earn two thirds.

        Parameters
        ----------
        name : str
            The question.
        answer : object
            As for ``mt.check``.
        of : float
            Points of a right answer.
        expected : dict, optional
            The right parts, where they are not those of the exercise's own data.
        """
        asked = question(name)
        ways = asked.each_way() if expected is None else [Way(dict(expected))]
        verdict = judge(name, asked.kind, ways, plain(answer), how_far=expected is None)
        print(verdict)  # what is returned is for nbgrader, which looks for a lone number
        return score(verdict, of)

    def questions(self, exercise_name: str | None = None) -> Table:
        """Return all questions, with what each expects and how far a number may be off."""
        names = EXERCISES if exercise_name is None else (exercise_name,)
        rows = [
            {
                "question": asked.full_name,
                "asks": asked.asks,
                "expects": asked.kind.expects(),
                "tolerance": _tolerance(asked),
                "hints": len(asked.hints),
            }
            for name in names
            for asked in exercise(name).questions.values()
        ]
        return Table(rows, caption="Questions of the exercises")

    def __repr__(self) -> str:
        return "mt.check(question, answer); mt.check.questions() lists all questions"


check = Check()


def score(verdict: Verdict, of: float) -> float:
    """Return the points of a verdict, to the hundredth."""
    return round(of * verdict.share, 2)


def _public(asked: Question, answer: Any) -> Verdict:
    """Say whether an answer can be read, where its value is graded elsewhere."""
    name = asked.full_name
    if not_attempted(answer):
        return Verdict(name, None, None, "not attempted yet.", "not attempted")
    try:
        parts = asked.kind.read(answer)
    except Unreadable as error:
        return Verdict(name, False, None, str(error), "unreadable")
    missing = [part for part in asked.kind.names() if part not in parts]
    if missing and not asked.kind.by_hand:
        message = f"missing: {', '.join(missing[:4])}. Give {asked.kind.expects()}."
        return Verdict(name, False, None, message, "unreadable")
    message = "public checks passed: your answer can be read. Whether it is right is graded later."
    return Verdict(name, None, None, message, "handed in")


def _tolerance(asked: Question) -> str:
    kind = asked.kind
    steps = {kind.tolerance(part) for part in kind.names()}
    if steps == {0.0}:
        return "-"
    return ", ".join(f"{step:g}" for step in sorted(steps)) + (
        " (relative)" if hasattr(kind, "relative") else ""
    )


class Hint:
    """One step of help; shown as text or HTML."""

    def __init__(self, name: str, step: int, steps: int, text: str) -> None:
        self.name, self.step, self.steps, self.text = name, step, steps, text

    @property
    def _more(self) -> str:
        return "that was the last" if self.step == self.steps else "call it again for the next"

    def __repr__(self) -> str:
        return f"Hint {self.step} of {self.steps} ({self.name}): {self.text} ({self._more})"

    def _repr_html_(self) -> str:
        return (
            '<div style="border-left: 4px solid #555555; padding: 0.2em 0.7em;">'
            f"<b>Hint {self.step} of {self.steps}</b> {escape(self.text)} "
            f"<i>({self._more})</i></div>"
        )


_given: Counter[str] = Counter()


def hint(name: str, step: int | None = None) -> Hint:
    """Help with a question, a step further at each call.

    First where to look, then which idea, then which part of which lesson.

    Parameters
    ----------
    name : str
        The question.
    step : int, optional
        Which hint, from 1; by default the next one.

    Returns
    -------
    Hint

    Raises
    ------
    DataError
        If there is no such question, or no such step.

    Examples
    --------
    >>> hint("planks.width_tukey", step=1).step
    1
    """
    hints = question(name).hints
    if not hints:
        raise DataError(f"The question '{name}' has no hints.")
    if step is None:
        _given[name] = min(_given[name] + 1, len(hints))
        step = _given[name]
    if not isinstance(step, int) or not 1 <= step <= len(hints):
        raise DataError(f"The question '{name}' has hints 1 to {len(hints)}, not {step!r}.")
    return Hint(name, step, len(hints), hints[step - 1])
