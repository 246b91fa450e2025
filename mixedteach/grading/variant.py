"""Graded variants: the same questions about data simulated anew (``mixedteach exercises --seed``).

Solutions and checks are public, so homework for marks needs other numbers. Not every simulated set
of data will do: a mistake may happen to give the right number. So sub-seeds are tried, one after
the other, until on the new data

- every mistake is recognised as itself,
- any two ways to answer lie at least ten tolerances apart, or are the same, which is then said,
- a right answer that depends on the data lies at least ten tolerances from the public one.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from mixedteach.checks.judge import APART, distance, recognised
from mixedteach.checks.question import Exercise, Question, Way
from mixedteach.errors import MixedTeachError, MixedTeachWarning

SAME = 0.1  # tolerances: ways that lie no further apart are one answer
TRIES = 200


@dataclass(frozen=True)
class Variant:
    """Data simulated for an exercise, and the ways to answer its questions about them.

    Attributes
    ----------
    csv : bytes
        The file that students get.
    ways : dict
        Short name of a question -> the ways to answer it, the right one first.
    models : dict
        Short name of a question that a person judges -> a model answer for these data.
    """

    csv: bytes
    ways: dict[str, list[Way]]
    models: dict[str, str]


def derived(*parts: object) -> int:
    """Return a seed that depends on all parts, and on nothing else.

    Examples
    --------
    >>> derived(1, "planks") == derived(1, "planks") != derived(2, "planks")
    True
    """
    digest = hashlib.sha256("\n".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:16], "big")


def simulate(
    exercise: Exercise, seed: int, student: str | None = None,
    also: Callable[[Variant], bool] = lambda variant: True,
) -> Variant:  # fmt: skip
    """Return data on which the exercise's questions can be asked.

    Parameters
    ----------
    exercise : Exercise
        The exercise.
    seed : int
        The same seed gives the same data.
    student : str, optional
        Whose data they are; other students get others.
    also : callable
        One more condition that the variant must fulfil.

    Raises
    ------
    MixedTeachError
        If the exercise has no way to simulate data, or no data were found.
    """
    if exercise.simulate is None:
        raise MixedTeachError(f"The exercise '{exercise.name}' cannot be given other data.")
    asked = {name: found for name, found in exercise.questions.items() if found.compute}
    public = {name: next(found.each_way()) for name, found in asked.items()}
    order, why = list(asked), ""
    for attempt in range(TRIES):
        source = derived(seed, exercise.name, student or "", attempt)
        rng = np.random.Generator(np.random.PCG64(source))
        try:
            made = _attempt(exercise, rng, public, order)
        except _Unfit as reason:
            why = str(reason)
            continue
        if also(made):
            return made
        why = "its solution does not get full marks"
    raise MixedTeachError(
        f"No data were found for the exercise '{exercise.name}' with the seed {seed} in {TRIES} "
        f"tries (the last: {why}); take another seed."
    )


class _Unfit(Exception):
    """Why simulated data will not do."""


def _attempt(
    exercise: Exercise, rng: np.random.Generator, public: Mapping[str, Way], order: list[str]
) -> Variant:
    """Simulate once; `order` is changed, so that what fails often is tried first."""
    ways = {}
    with warnings.catch_warnings():
        # data on which a model warns are no data for an exercise
        warnings.simplefilter("error", MixedTeachWarning)
        try:
            csv, work = _data(exercise, rng)
            for name in order:
                asked = exercise.questions[name]
                ways[name] = asked.ways(work)
                trouble = problem(asked, ways[name], public[name])
                if trouble:
                    order.insert(0, order.pop(order.index(name)))
                    raise _Unfit(f"{name}: {trouble}")
            models = model_answers(exercise, work)
        except (MixedTeachError, MixedTeachWarning) as error:
            raise _Unfit(str(error)) from None
    return Variant(csv, {name: ways[name] for name in public}, models)


def model_answers(exercise: Exercise, work: Any) -> dict[str, str]:
    """Return a model answer to each question that a person judges: short name -> text."""
    asked = exercise.questions.items()
    return {name: found.model(work) for name, found in asked if found.model is not None}


def _data(exercise: Exercise, rng: np.random.Generator) -> tuple[bytes, Any]:
    """Return simulated data as a file, and the work on them."""
    frame = exercise.simulate(exercise.data(), rng)
    csv = frame.to_csv(index=False, lineterminator="\n").encode()
    # from the file, as students will: what is rounded there is rounded here
    return csv, exercise.work(_read(exercise, csv))


def _read(exercise: Exercise, csv: bytes) -> pd.DataFrame:
    with TemporaryDirectory() as folder:
        path = Path(folder, exercise.file)
        path.write_bytes(csv)
        return exercise.read(path)


def problem(asked: Question, ways: Sequence[Way], public: Way) -> str | None:
    """Return why a question cannot be asked with these ways to answer it, or None.

    `public` is the right answer for the exercise's own data.
    """
    kind, right = asked.kind, ways[0]
    for one, other in combinations(ways, 2):
        apart = distance(kind, one, other)
        same = apart < SAME and one is not right
        if not (apart >= APART or same):  # not "<": a distance may be no number
            return f"{one.mistake or 'right'} and {other.mistake} are too near each other"
    for way in ways[1:]:
        found = recognised(kind, ways, way.parts)
        if way.mistake not in [other.mistake for other in found]:
            return f"{way.mistake} is not recognised"
    apart = distance(kind, right, public)
    if SAME <= apart < APART:
        return "the right answer is near the public one"
    return None
