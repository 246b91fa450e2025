"""Questions, and the ways in which people answer them.

An exercise is data and questions about them. A question is a function of the data that yields ways
to answer: the right one first, then the classic mistakes, each computed, none typed in. So the same
questions can be asked of other data of the same form::

    planks = Exercise("planks", lesson="07_beech_planks", data=load_planks, work=Fits)

    @planks.question(
        "Tukey's p of widths 1 and 2, and its degrees of freedom",
        Numbers({"p": 0.0005, "df": 0.05}),
        hints=["...", "...", "..."],
    )
    def width_tukey(fits):
        pair = fits.strata.emmeans("width").pairs().iloc[0]
        yield right(p=pair["p"], df=pair["df"])
        pair = fits.plank_only.emmeans("width").pairs().iloc[0]
        yield mistake("strata_missing", p=pair["p"], df=pair["df"])

The function's name is the question's, and that of the variable in the notebook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from mixedteach.checks.catalogue import MISTAKES
from mixedteach.checks.kinds import Kind, Parts
from mixedteach.errors import DataError, did_you_mean

#: The exercises in their order; each is a file in ``mixedteach/checks/exercises``.
EXERCISES = (
    "sleep", "machines", "penicillin", "tablets", "orthodont", "oats", "planks", "growth",
    "planning",
)  # fmt: skip


@dataclass(frozen=True)
class Way:
    """One way to answer a question, and what it gives."""

    parts: Parts
    mistake: str | None = None  # None: the right way
    says: str = ""
    analysis: str = ""  # whose numbers these are, where answers to several questions come from it


@dataclass(frozen=True)
class FollowOn:
    """How a question builds on an earlier one, whose answer may be wrong.

    Where submissions are graded, a later answer that is wrong, but is what follows from the
    student's own earlier one, keeps a share of its points: a slip costs once. What follows is
    either what the same wrong analysis gives (ways of both questions carry the same ``analysis``),
    or computed from the earlier answer's numbers (``compute``).

    Attributes
    ----------
    question : str
        Short name of the earlier question.
    share : float
        Of the points of what follows, 0 to 1. More cannot be had by any earlier answer.
    compute : callable, optional
        ``(parts of the earlier answer, right parts of it, right parts of this one) -> parts``.
        It gets the student's numbers as they are, and raises ``ValueError`` (or
        ``ZeroDivisionError``, ``OverflowError``) where nothing follows from them.
    """

    question: str
    share: float = 0.5
    compute: Callable[[Parts, Parts, Parts], Parts] | None = None


def right(
    values: Mapping[str, Any] | float | str | None = None, /, says: str = "", **parts: Any
) -> Way:
    """Return the right answer: its parts by name, or the one number or word it is."""
    return Way(_parts(values, parts), None, says)


def mistake(
    name: str,
    values: Mapping[str, Any] | float | str | None = None,
    /,
    says: str = "",
    analysis: str = "",
    **parts: Any,
) -> Way:
    """Return what a classic mistake gives; `says` is added to what is said of it in general.

    Ways of several questions that come from one wrong analysis carry its name (:class:`FollowOn`).
    """
    if name not in MISTAKES:
        raise KeyError(f"No mistake is called '{name}': see mixedteach/checks/catalogue.py.")
    return Way(_parts(values, parts), name, says, analysis)


def _parts(values: Any, parts: Mapping[str, Any]) -> Parts:
    if isinstance(values, Mapping):
        parts = {**values, **parts}
    elif values is not None:
        parts = {"": values, **parts}  # the question knows the name of its one part
    return {name: v if isinstance(v, str) else float(v) for name, v in parts.items()}


@dataclass(frozen=True)
class Question:
    """One question: what is asked, the kind of its answer, hints, and the ways to answer it."""

    exercise: Exercise
    name: str  # the short one
    asks: str
    kind: Kind
    hints: Sequence[str]
    compute: Callable[[Any], Iterator[Way]] | None
    follows: FollowOn | None = None
    model: Callable[[Any], str] | None = None  # of sentences: a model answer, from the data

    @property
    def full_name(self) -> str:
        """Exercise and name, ``planks.width_tukey``."""
        return f"{self.exercise.name}.{self.name}"

    def each_way(self, work: Any = None) -> Iterator[Way]:
        """Yield the right way, then the mistakes, each computed when it is asked for."""
        if self.compute is not None:
            for way in self.compute(self.exercise.own if work is None else work):
                yield self._named(way)

    def ways(self, work: Any = None) -> list[Way]:
        """Return the right way and the mistakes, for the exercise's own data or other work."""
        return list(self.each_way(work))

    def _named(self, way: Way) -> Way:
        names = self.kind.names()
        parts = {(names[0] if name == "" else name): v for name, v in way.parts.items()}
        return replace(way, parts=parts)


@dataclass
class Exercise:
    """Data and questions about them.

    Parameters
    ----------
    name : str
        The first half of the questions' names.
    lesson : str
        Name of the notebook, without its number's folder: the lesson it belongs to.
    data : callable
        Returns the data.
    work : callable
        Takes data, returns the object that the questions' functions get; it should fit models when
        they are first asked for (``functools.cached_property``) and keep them.
    simulate : callable, optional
        Takes data and a ``numpy.random.Generator``; returns other data of the same form.
    file : str
        Name of the file that holds the data of a graded variant.
    """

    name: str
    lesson: str
    data: Callable[[], pd.DataFrame]
    work: Callable[[pd.DataFrame], Any]
    simulate: Callable[[pd.DataFrame, Any], pd.DataFrame] | None = None
    questions: dict[str, Question] = field(default_factory=dict)

    @cached_property
    def own(self) -> Any:
        """The work on the exercise's own data."""
        return self.work(self.data())

    @property
    def file(self) -> str:
        """The name of the file of a graded variant's data."""
        return f"{self.name}.csv"

    def question(
        self, asks: str, kind: Kind, hints: Iterable[str] = (), follows: FollowOn | None = None
    ) -> Callable[[Callable[[Any], Iterator[Way]]], Callable[[Any], Iterator[Way]]]:
        """Add the decorated function as a question, which may build on an earlier one."""

        def add(compute: Callable[[Any], Iterator[Way]]) -> Callable[[Any], Iterator[Way]]:
            name = compute.__name__
            made = Question(self, name, asks, kind, list(hints), compute, follows)
            self.questions[name] = made
            return compute

        return add

    def sentences(
        self, name: str, asks: str, kind: Kind, hints: Iterable[str] = (),
        model: Callable[[Any], str] | None = None,
    ) -> None:  # fmt: skip
        """Add a question whose answer a person judges; `model` writes one from the work on data."""
        made = Question(self, name, asks, kind, list(hints), None, model=model)
        self.questions[name] = made

    def read(self, file: str | Path) -> pd.DataFrame:
        """Read data of the exercise's form from a CSV file: same columns, same order of levels.

        Raises
        ------
        DataError
            If the file is not there or does not have the columns.
        """
        form = self.data()
        try:
            frame = pd.read_csv(file, dtype={c: str for c in form if _is_factor(form[c])})
        except OSError:
            raise DataError(
                f"The file '{file}' of your data is not here; it belongs beside this notebook."
            ) from None
        except (ValueError, pd.errors.ParserError) as error:
            raise DataError(
                f"The file '{file}' is not a table of this exercise: {error}."
            ) from None
        if list(frame.columns) != list(form.columns):
            raise DataError(
                f"The file '{file}' has the columns {', '.join(map(str, frame.columns))}; this "
                f"exercise's have {', '.join(form.columns)}. Take the file that came with it."
            )
        for column in form:
            if _is_factor(form[column]):
                frame[column] = pd.Categorical(frame[column], form[column].cat.categories)
        frame.attrs.update(form.attrs)
        return frame


def _is_factor(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype)


def exercise(name: str) -> Exercise:
    """Return an exercise by its name.

    Raises
    ------
    DataError
        If there is none.
    """
    if name not in EXERCISES:
        raise DataError(f"There is no exercise '{name}'.{did_you_mean(name, EXERCISES)}")
    return getattr(import_module(f"mixedteach.checks.exercises.{name}"), name)


def question(full_name: str) -> Question:
    """Return a question by its full name, ``planks.width_tukey``.

    Raises
    ------
    DataError
        If there is none.
    """
    if not isinstance(full_name, str) or "." not in full_name:
        raise DataError(
            f"{full_name!r} is no question: names look like 'planks.width_tukey'. "
            "mt.check.questions() lists all."
        )
    first, name = full_name.split(".", 1)
    questions = exercise(first).questions
    if name not in questions:
        raise DataError(
            f"The exercise '{first}' has no question '{name}'.{did_you_mean(name, questions)}"
        )
    return questions[name]
