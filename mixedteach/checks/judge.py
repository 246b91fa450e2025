"""From an answer as plain data, and the ways to answer, to a verdict.

Nothing here knows the answer's program or its objects: an answer is judged by its values alone. The
same function judges for a person alone, and where submissions are graded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from mixedteach.checks.catalogue import MISTAKES
from mixedteach.checks.kinds import Kind, Parts, Unreadable
from mixedteach.checks.plain import Plain
from mixedteach.checks.question import Way
from mixedteach.checks.verdict import Verdict

_NAME = re.compile(r"[A-Za-z_]\w*")
APART = 10.0  # tolerances that any two ways must lie apart, to be told apart


def judge(
    name: str, kind: Kind, ways: Iterable[Way], answer: Plain, how_far: bool = True
) -> Verdict:
    """Compare an answer with the right one and with the classic mistakes.

    Parameters
    ----------
    name : str
        The question's full name.
    kind : Kind
        What is expected.
    ways : iterable of Way
        The right one first; the others are asked for only if the answer is wrong.
    answer : dict
        From :func:`mixedteach.checks.plain.plain`.
    how_far : bool
        Whether to say how far off a number is that is no known mistake. Not in feedback on graded
        work: the right number follows from it.

    Returns
    -------
    Verdict
    """
    if not_attempted(answer):
        return Verdict(name, None, None, "not attempted yet.", "not attempted")
    try:
        parts = kind.read(answer)
    except Unreadable as error:
        return Verdict(name, False, None, str(error), "unreadable")
    if kind.by_hand:
        return Verdict(name, None, None, _by_hand(kind), "by hand")
    rest = iter(ways)
    target = next(rest)
    correct = {
        part: part in parts and kind.away(part, parts[part], value) <= 1
        for part, value in target.parts.items()
    }
    extra = [part for part in parts if part not in target.parts]
    if all(correct.values()) and not extra:
        message = f"right. {target.says}".strip()
        return Verdict(name, True, None, message, "right", correct)
    known = [target, *rest]
    found = recognised(kind, known, parts)
    if found:
        mistake, message = found[0].mistake, _sentence(found, kind, parts, correct)
    else:
        mistake, message = _unknown(name, kind, known, parts, correct, how_far)
    if kind.indivisible:
        correct = dict.fromkeys(correct, False)
    status = "partly" if any(correct.values()) else "wrong"
    start = {"partly": "partly right: ", "wrong": "not yet: "}[status]
    return Verdict(name, False, mistake, start + message, status, correct)


def not_attempted(answer: Plain) -> bool:
    """Whether nothing was answered: ``...``, None, an empty text, or a collection of these."""
    if answer["kind"] == "nothing":
        return True
    if answer["kind"] == "text":
        return not answer["value"].strip(" .\n\N{HORIZONTAL ELLIPSIS}")
    if answer["kind"] in ("list", "dict"):
        return all(not_attempted(item) for item in answer["items"])
    return False


def recognised(kind: Kind, ways: Sequence[Way], parts: Parts) -> list[Way]:
    """Return the mistakes that give this answer, in all parts that answer and mistake share.

    Where several do, those that agree in the most parts are returned. Where none does, those that
    explain all parts that are wrong, though other parts are right: p of one analysis with the df of
    another, say. (A mistake that explains some of the wrong parts only is met by accident.)
    """
    target = ways[0].parts
    wrong = {p for p in parts if p not in target or kind.away(p, parts[p], target[p]) > 1}
    whole: list[tuple[int, Way]] = []
    partly: list[tuple[int, Way]] = []
    for way in ways[1:]:
        shared = [part for part in way.parts if part in parts]
        meeting = {part for part in shared if kind.away(part, parts[part], way.parts[part]) <= 1}
        if meeting & wrong and len(meeting) == len(shared):
            whole.append((len(shared), way))
        elif not kind.whole and wrong and wrong <= meeting:
            partly.append((len(meeting), way))
    fitting = whole or partly
    most = max((count for count, _ in fitting), default=0)
    return [way for count, way in fitting if count == most]


def distance(kind: Kind, one: Way, other: Way) -> float:
    """Return how far two ways lie apart, in tolerances, in the part that tells them apart best."""
    if set(one.parts) ^ set(other.parts) and not set(one.parts) & set(other.parts):
        return math.inf
    shared = set(one.parts) & set(other.parts)
    return max(kind.away(part, one.parts[part], other.parts[part]) for part in shared)


def _sentence(found: Sequence[Way], kind: Kind, parts: Parts, correct: Mapping[str, bool]) -> str:
    told: dict[str, list[str]] = {}  # one mistake can be made in more than one way
    for way in found:
        told.setdefault(MISTAKES[way.mistake or ""], []).append(way.says)
    said = [
        f"{text}. {' Or: '.join(dict.fromkeys(filter(None, more)))}".strip()
        for text, more in list(told.items())[:3]
    ]
    shared = [part for part in found[0].parts if part in parts]
    if any(kind.away(part, parts[part], found[0].parts[part]) > 1 for part in shared):
        wrong = [part for part in parts if not correct.get(part)]
        said[0] = f"{_names(wrong)} not what it should be; {said[0]}"
    if len(said) == 1:
        return said[0]
    return "this comes out of more than one mistake. Either " + " Or ".join(said)


def _by_hand(kind: Kind) -> str:
    rubric = "; ".join(getattr(kind, "rubric", ()))
    return (
        f"written. No program can judge sentences; compare yours with what is looked for: {rubric}."
    )


def _unknown(
    name: str, kind: Kind, ways: Sequence[Way], parts: Parts, correct: Mapping[str, bool],
    how_far: bool,
) -> tuple[str | None, str]:  # fmt: skip
    """Return what to say of an answer that is no known mistake, and the mistake's name if any."""
    target = ways[0].parts
    missing = [part for part in target if part not in parts]
    wrong = [part for part in target if part in parts and not correct[part]]
    help_ = f"mt.hint('{name}') helps."
    if not wrong and missing:
        return None, f"{_names(missing)} missing. Give {kind.expects()}."
    if not wrong:
        return None, f"there is more in your answer than is asked. Give {kind.expects()}."
    for slip, made in (("rounded", _is_rounded), ("percent", _is_percent)):
        if all(made(kind, part, parts[part], target[part]) for part in wrong):
            return slip, f"{MISTAKES[slip]} ({', '.join(wrong[:3])})."
    if stranger := _stranger(ways, parts):
        return None, f"'{stranger}' is not among the columns that matter here. {help_}"
    good = [part for part, fine in correct.items() if fine]
    said = f"{_names(good)} right, {_names(wrong)} not; " if good and kind.parts_matter else ""
    tell = how_far and kind.parts_matter
    off = _how_far(parts[wrong[0]], target[wrong[0]]) if tell else ""
    which = f" ({wrong[0]})" if off and len(target) > 1 else ""
    return None, f"{said}this matches no mistake we know{which}{off}. {help_}"


def _stranger(ways: Sequence[Way], parts: Parts) -> str | None:
    """Return a name in a formula that occurs in no way to answer."""

    def names(values: Parts) -> set[str]:
        return {n for v in values.values() if isinstance(v, str) for n in _NAME.findall(v)}

    known = set().union(*(names(way.parts) for way in ways))
    return min(names(parts) - known, default=None)


def _names(parts: Sequence[str]) -> str:
    shown = list(parts[:3]) + ([f"{len(parts) - 3} more"] if len(parts) > 3 else [])
    joined = " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
    return f"{joined} {'is' if len(parts) == 1 else 'are'}"


def _is_rounded(kind: Kind, part: str, value: object, target: object) -> bool:
    if isinstance(value, str) or isinstance(target, str) or math.isinf(float(value)):
        return False
    return any(abs(float(value) - round(float(target), k)) < 1e-12 for k in range(6))


def _is_percent(kind: Kind, part: str, value: object, target: object) -> bool:
    if isinstance(value, str) or isinstance(target, str) or not 0 < abs(float(target)) <= 1:
        return False
    return kind.away(part, float(value) / 100, target) <= 1 and abs(float(value)) > 1


def _how_far(value: object, target: object) -> str:
    if isinstance(value, str) or isinstance(target, str):
        return ""
    value, target = float(value), float(target)
    if math.isinf(value):
        return ": it should be finite"
    if target == 0 or value == 0 or value * target < 0:
        return ": even the sign or the size is another" if target else ""
    ratio = value / target
    if 0.5 <= ratio <= 2:
        side = "large" if abs(ratio) > 1 else "small"
        percent = abs(ratio - 1) * 100
        return f": too {side} by {'less than 1' if percent < 1 else f'{percent:.0f}'}%"
    bigger = ratio if ratio > 1 else 1 / ratio
    factor = f"{bigger:.1f}" if bigger < 10 else f"{bigger:.0f}"
    return f": too {'large' if ratio > 1 else 'small'} by a factor of {factor}"
