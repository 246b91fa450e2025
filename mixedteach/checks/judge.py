"""From an answer as plain data, and the ways to answer, to a verdict.

Nothing here knows the answer's program or its objects: an answer is judged by its values alone. The
same function judges for a person alone, and where submissions are graded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from mixedteach.checks.catalogue import MISTAKES
from mixedteach.checks.kinds import Kind, Parts, Unreadable
from mixedteach.checks.plain import Plain
from mixedteach.checks.question import Way
from mixedteach.checks.verdict import Verdict

APART = 10.0  # tolerances that any two ways must lie apart, to be told apart


def judge(name: str, kind: Kind, ways: Iterable[Way], answer: Plain) -> Verdict:
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
    if kind.indivisible:
        correct = dict.fromkeys(correct, False)
    found = recognised(kind, [target, *rest], parts)
    status = "partly" if any(correct.values()) else "wrong"
    if found:
        message = _sentence(found)
        return Verdict(name, False, found[0].mistake, message, status, correct)
    return _unknown(name, kind, target, parts, correct, status)


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

    Where several do, those that agree in the most parts are returned; where none does, those that
    agree in most, and at least half, of the parts that tell them from the right answer. (Of many
    numbers that are merely rounded, one or two meet a mistake's by accident.)
    """
    target = ways[0].parts
    whole: list[tuple[int, Way]] = []
    partly: list[tuple[float, Way]] = []  # p of one analysis with the df of another, say
    for way in ways[1:]:
        shared = [part for part in way.parts if part in parts]
        telling = [
            part
            for part in shared
            if part not in target or kind.away(part, way.parts[part], target[part]) > 1
        ]
        meeting = {part for part in shared if kind.away(part, parts[part], way.parts[part]) <= 1}
        if telling and len(meeting) == len(shared):
            whole.append((len(shared), way))
        elif not kind.whole and 2 * len(meeting.intersection(telling)) >= len(telling) > 0:
            partly.append((len(meeting.intersection(telling)) / len(telling), way))
    fitting = whole or partly
    most = max((count for count, _ in fitting), default=0)
    return [way for count, way in fitting if count == most]


def distance(kind: Kind, one: Way, other: Way) -> float:
    """Return how far two ways lie apart, in tolerances, in the part that tells them apart best."""
    if set(one.parts) ^ set(other.parts) and not set(one.parts) & set(other.parts):
        return math.inf
    shared = set(one.parts) & set(other.parts)
    return max(kind.away(part, one.parts[part], other.parts[part]) for part in shared)


def _sentence(found: Sequence[Way]) -> str:
    said = []
    for way in found:
        text = MISTAKES[way.mistake or ""]
        said.append(f"{text}. {way.says}".strip() if way.says else f"{text}.")
    if len(said) == 1:
        return f"not yet: {said[0]}"
    return "not yet: this comes out of more than one mistake. Either " + " Or ".join(said)


def _by_hand(kind: Kind) -> str:
    rubric = "; ".join(getattr(kind, "rubric", ()))
    return (
        f"written. No program can judge sentences; compare yours with what is looked for: {rubric}."
    )


def _unknown(
    name: str, kind: Kind, target: Way, parts: Parts, correct: dict[str, bool], status: str
) -> Verdict:
    missing = [part for part in target.parts if part not in parts]
    wrong = [part for part in target.parts if part in parts and not correct[part]]
    if not wrong and missing:
        message = f"right so far, but {_names(missing)} missing. Give {kind.expects()}."
        return Verdict(name, False, None, message, status, correct)
    if not wrong:
        message = f"there is more in your answer than is asked. Give {kind.expects()}."
        return Verdict(name, False, None, message, status, correct)
    rounded = [part for part in wrong if _is_rounded(parts[part], target.parts[part])]
    if rounded and len(rounded) == len(wrong):
        message = f"not yet: {MISTAKES['rounded']} ({', '.join(rounded[:3])})."
        return Verdict(name, False, "rounded", message, status, correct)
    good = [part for part, fine in correct.items() if fine]
    start = f"{_names(good)} right, {_names(wrong)} not. " if good else "not yet. "
    off = _how_far(parts[wrong[0]], target.parts[wrong[0]])
    which = f" ({wrong[0]})" if len(target.parts) > 1 else ""
    message = f"{start}This matches no mistake we know{which}{off}. mt.hint('{name}') helps."
    return Verdict(name, False, None, message, status, correct)


def _names(parts: Sequence[str]) -> str:
    shown = list(parts[:3]) + ([f"{len(parts) - 3} more"] if len(parts) > 3 else [])
    joined = " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
    return f"{joined} {'is' if len(parts) == 1 else 'are'}"


def _is_rounded(value: object, target: object) -> bool:
    if isinstance(value, str) or isinstance(target, str) or math.isinf(float(value)):
        return False
    return any(abs(float(value) - round(float(target), k)) < 1e-12 for k in range(6))


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
    return f": too {'large' if ratio > 1 else 'small'} by a factor of {bigger:.2g}"
