"""The key of an assignment: for each question the right answer and its classic mistakes, as data.

A key is a JSON file in the folder ``answer_keys`` of a course. Grading needs nothing else to judge
an answer, so an instructor can change a message, a tolerance or a right answer there and grade
again. Students must not see it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mixedteach.checks.follow_on import credited
from mixedteach.checks.judge import judge
from mixedteach.checks.kinds import Kind, Parts
from mixedteach.checks.plain import Plain
from mixedteach.checks.question import Exercise, Question, Way, question
from mixedteach.checks.verdict import Verdict
from mixedteach.errors import MixedTeachError

ABOUT = "Right answers and known mistakes of an assignment. Keep this file from students."


@dataclass(frozen=True)
class Answer:
    """What a key holds of one question.

    Attributes
    ----------
    points : float
        Points of a right answer.
    by_hand : bool
        Whether a person judges the answer; then there are no ways.
    ways : list of Way
        The right one first.
    tolerances : dict
        Part -> how far a number may be off.
    weights : dict
        Part -> how much it counts. Empty: all alike, and formulas, models and pictures as a whole.
    follow_on : float
        Which share of the points is given for what follows from a wrong answer to the question
        that this one builds on.
    model : str
        Where a person judges: an answer for these data, to compare with.
    """

    points: float
    by_hand: bool = False
    ways: list[Way] = field(default_factory=list)
    tolerances: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    follow_on: float = 0.0
    model: str = ""


@dataclass(frozen=True)
class Key:
    """The answers to all questions of an assignment.

    Attributes
    ----------
    assignment : str
        Its name, which is that of its notebook.
    exercise : str
        The first half of its questions' names.
    answers : dict
        Short name of a question -> its answer.
    seed : int or None
        Where the data were simulated: the number given to ``mixedteach exercises --seed``.
    student : str or None
        Whose data they are, where each student has other data.
    """

    assignment: str
    exercise: str
    answers: Mapping[str, Answer]
    seed: int | None = None
    student: str | None = None

    @property
    def file(self) -> str | None:
        """The name of the file with the data, which belongs beside the notebook."""
        return None if self.seed is None else f"{self.exercise}.csv"

    def verdict(self, name: str, given: Plain, earlier: Plain | None = None) -> Verdict:
        """Judge an answer to the question with this short name.

        `earlier` is the answer to the question that it builds on (:meth:`builds_on`).
        """
        verdict, kind = self._judged(name, given)
        answer, before = self.answers[name], self.builds_on(name)
        if before is not None and earlier is not None and verdict.ok is False:
            follows = replace(self._asked(name).follows, share=answer.follow_on)
            first, first_kind = self._judged(before, earlier)
            about = (first, first_kind, self.answers[before].ways, earlier)
            verdict = credited(verdict, follows, kind, answer.ways, given, about)
        return replace(verdict, weights=answer.weights)

    def builds_on(self, name: str) -> str | None:
        """Return the question whose wrong answer may explain a wrong answer to this one."""
        follows = self._asked(name).follows
        if follows is None or follows.question not in self.answers:
            return None
        return follows.question if self.answers[name].follow_on > 0 else None

    def _asked(self, name: str) -> Question:
        return question(f"{self.exercise}.{name}")

    def _judged(self, name: str, given: Plain) -> tuple[Verdict, Kind]:
        asked, answer = self._asked(name), self.answers[name]
        kind = Toleranced(asked.kind, answer.tolerances, bool(answer.weights))
        return judge(asked.full_name, kind, answer.ways, given, how_far=False), kind


def make(
    exercise: Exercise, assignment: str, points: Mapping[str, float],
    ways: Mapping[str, Iterable[Way]] | None = None, seed: int | None = None,
    student: str | None = None, models: Mapping[str, str] | None = None,
) -> Key:  # fmt: skip
    """Return the key of an exercise.

    Parameters
    ----------
    exercise : Exercise
        The exercise.
    assignment : str
        Name of the notebook.
    points : mapping
        Short name of each question asked -> points.
    ways : mapping, optional
        Short name -> the ways to answer; by default those for the exercise's own data.
    seed, student
        See :class:`Key`.
    models : mapping, optional
        Short name -> a model answer, for sentences.

    Raises
    ------
    MixedTeachError
        If the notebook asks what the exercise does not have.
    """
    answers = {}
    for name, worth in points.items():
        asked = question(f"{exercise.name}.{name}")
        if asked.compute is None:
            answers[name] = Answer(worth, by_hand=True, model=(models or {}).get(name, ""))
            continue
        found = [_rounded(way) for way in (asked.each_way() if ways is None else ways[name])]
        kind = asked.kind
        parts = [part for part, value in found[0].parts.items() if not isinstance(value, str)]
        tolerances = {part: kind.tolerance(part) for part in parts}
        share = asked.follows.share if asked.follows else 0.0
        answers[name] = Answer(worth, False, found, tolerances, follow_on=share)
    return Key(assignment, exercise.name, answers, seed, student)


def _rounded(way: Way) -> Way:
    return replace(way, parts={part: rounded(value) for part, value in way.parts.items()})


def rounded(value: float | str) -> float | str:
    """Return a number with ten digits: far finer than any tolerance, and the same everywhere."""
    if isinstance(value, str) or not math.isfinite(value):
        return value
    return float(f"{value:.10g}")


# -- as a file -------------------------------------------------------------------------------------


def text(key: Key) -> str:
    """Return a key as JSON, to be stored."""
    questions: dict[str, Any] = {}
    for name, answer in key.answers.items():
        about: dict[str, Any] = {"points": answer.points}
        if answer.by_hand:
            about["by_hand"] = True
            about |= {"model": answer.model} if answer.model else {}
        else:
            first, *others = (_stored(way) for way in answer.ways)
            about["right"] = {"parts": first["parts"], "says": first["says"]}
            about["tolerances"] = answer.tolerances
            about |= {"weights": answer.weights} if answer.weights else {}
            about |= {"follow_on": answer.follow_on} if answer.follow_on else {}
            about["mistakes"] = others
        questions[name] = about
    content = {
        "about": ABOUT, "assignment": key.assignment, "exercise": key.exercise,
        "seed": key.seed, "student": key.student, "questions": questions,
    }  # fmt: skip
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _stored(way: Way) -> dict[str, Any]:
    about = asdict(way)
    if not way.analysis:
        del about["analysis"]
    return about


def parse(content: str) -> Key:
    """Return the key that a text, as made by :func:`text`, holds."""
    data = json.loads(content)
    answers = {name: _answer(about) for name, about in data["questions"].items()}
    made = Key(
        str(data["assignment"]), str(data["exercise"]), answers, data["seed"], data["student"]
    )
    for name in answers:
        question(f"{made.exercise}.{name}")  # it must be one of ours
    return made


def read(path: Path) -> Key:
    """Read a key.

    Raises
    ------
    MixedTeachError
        If the file is not there, or is no key.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError:
        raise MixedTeachError(
            f"The key {path} is not there; 'mixedteach exercises --course DIR', with the same seed "
            "and students as before, makes it again."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = str(error) if isinstance(error, MixedTeachError) else repr(error)
        raise MixedTeachError(
            f"{path} is not in the form of a key ({why}); 'mixedteach exercises --course DIR "
            "--force' makes it again."
        ) from None


def _answer(about: Mapping[str, Any]) -> Answer:
    points = float(about["points"])
    if about.get("by_hand"):
        return Answer(points, by_hand=True, model=str(about.get("model", "")))
    right = Way(_parts(about["right"]), None, str(about["right"]["says"]))
    mistakes = [
        Way(_parts(m), str(m["mistake"]), str(m["says"]), str(m.get("analysis", "")))
        for m in about["mistakes"]
    ]
    tolerances = {part: float(value) for part, value in about["tolerances"].items()}
    weights = {part: float(value) for part, value in about.get("weights", {}).items()}
    if strange := set(weights) - set(right.parts):
        raise ValueError(f"weights of parts that are not asked: {', '.join(sorted(strange))}")
    if any(not 0 <= weight < math.inf for weight in weights.values()):
        raise ValueError("a weight is not a number from 0 up")
    if weights and not sum(weights.get(part, 1.0) for part in right.parts) > 0:
        raise ValueError("all weights are 0")
    follow_on = float(about.get("follow_on", 0.0))
    if not 0 <= follow_on <= 1:
        raise ValueError(f"follow_on is {follow_on:g}; it is a share, from 0 to 1")
    return Answer(points, False, [right, *mistakes], tolerances, weights, follow_on)


def _parts(way: Mapping[str, Any]) -> Parts:
    return {k: v if isinstance(v, str) else float(v) for k, v in way["parts"].items()}


# -- with the key's own tolerances -----------------------------------------------------------------


@dataclass(frozen=True)
class Toleranced(Kind):
    """A kind of answer, with the tolerances of a key in place of its own."""

    kind: Kind
    tolerances: Mapping[str, float]
    weighted: bool = False

    @property
    def by_hand(self) -> bool:  # type: ignore[override]
        """Whether a person judges the answer."""
        return self.kind.by_hand

    @property
    def whole(self) -> bool:  # type: ignore[override]
        """Whether a mistake must agree in all parts."""
        return self.kind.whole

    @property
    def indivisible(self) -> bool:  # type: ignore[override]
        """Whether points are for all parts together only."""
        return self.kind.indivisible and not self.weighted

    @property
    def parts_matter(self) -> bool:  # type: ignore[override]
        """Whether it helps to be told which part is wrong."""
        return self.kind.parts_matter

    @property
    def rubric(self) -> tuple[str, ...]:
        """What a person looks for."""
        return tuple(getattr(self.kind, "rubric", ()))

    def names(self) -> list[str]:
        """Return the names of all parts asked for."""
        return self.kind.names()

    def expects(self) -> str:
        """Say in words what is to be handed in."""
        return self.kind.expects()

    def read(self, answer: Plain) -> Parts:
        """Return the parts found in an answer."""
        return self.kind.read(answer)

    def tolerance(self, part: str) -> float:
        """Return how far a number may be off."""
        return self.tolerances.get(part, self.kind.tolerance(part))

    def away(self, part: str, one: Any, other: Any) -> float:
        """Return the distance of two values, in tolerances."""
        away, given = self.kind.away(part, one, other), self.tolerances.get(part)
        return away * self.kind.tolerance(part) / given if given else away
