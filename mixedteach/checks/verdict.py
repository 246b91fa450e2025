"""What a check says: right, not attempted, or wrong with the particular mistake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

_MARKS = {
    "right": ("\N{CHECK MARK}", "#00664f"),
    "partly": ("\N{ALMOST EQUAL TO}", "#8a5a00"),
    "wrong": ("\N{MULTIPLICATION SIGN}", "#a63c00"),
    "unreadable": ("?", "#a63c00"),
    "not attempted": ("\N{HORIZONTAL ELLIPSIS}", "#555555"),
    "by hand": ("\N{PENCIL}", "#0a5c99"),
    "handed in": ("\N{PENCIL}", "#0a5c99"),
}


@dataclass(frozen=True)
class Verdict:
    """The result of a check.

    Attributes
    ----------
    ok : bool or None
        True: right. False: wrong, or not readable. None: not attempted yet, or not for a program
        to judge (see `status`).
    mistake : str or None
        The stable short name of the mistake that was recognised; see
        ``mixedteach.checks.catalogue.MISTAKES``.
    message : str
        What to tell the student.
    status : str
        ``right``, ``partly`` (some parts are right), ``wrong``, ``unreadable``, ``not attempted``,
        ``by hand`` (sentences) or ``handed in`` (graded data: judged later).
    parts : dict
        Name of a part -> whether it is right.
    worth : dict
        Name of a part -> which share of it is earned, where that is more than all or nothing.
    weights : dict
        Name of a part -> how much it counts; 1 if nothing is said.
    """

    question: str
    ok: bool | None
    mistake: str | None
    message: str
    status: str
    parts: Mapping[str, bool] = field(default_factory=dict)
    worth: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Which share of the points is earned, 0 to 1: parts count alike, unless weighted."""
        if self.ok:
            return 1.0
        weights = {part: self.weights.get(part, 1.0) for part in self.parts}
        total = sum(weights.values())
        earned = sum(
            weight * max(float(self.parts[part]), self.worth.get(part, 0.0))
            for part, weight in weights.items()
        )
        return min(earned / total, 1.0) if total > 0 else 0.0

    def __bool__(self) -> bool:
        return self.ok is True

    def __repr__(self) -> str:
        mark = _MARKS[self.status][0]
        return f"{mark} {self.question}: {self.message}"

    def _repr_html_(self) -> str:
        mark, colour = _MARKS[self.status]
        return (
            f'<div style="border-left: 4px solid {colour}; padding: 0.2em 0.7em;">'
            f'<b style="color: {colour}">{mark} {escape(self.question)}</b> '
            f"{escape(self.message)}</div>"
        )
