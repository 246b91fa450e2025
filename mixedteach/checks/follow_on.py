"""Follow-on errors: a later answer that is wrong only because an earlier one was.

A slip should cost once. So an answer that is wrong, but is what follows from the student's own
earlier answer, keeps the share of its points that its question declares
(:class:`mixedteach.checks.question.FollowOn`). What follows is computed from the data or from the
earlier numbers, never believed: an earlier answer that was made up earns nothing by itself, and no
more here than that share.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from mixedteach.checks.judge import recognised
from mixedteach.checks.kinds import Kind, Parts, Unreadable
from mixedteach.checks.plain import Plain
from mixedteach.checks.question import FollowOn, Way
from mixedteach.checks.verdict import Verdict


def credited(
    verdict: Verdict, follows: FollowOn, kind: Kind, ways: Sequence[Way], given: Plain,
    earlier: tuple[Verdict, Kind, Sequence[Way], Plain],
) -> Verdict:  # fmt: skip
    """Return a verdict with a share of the points for what follows from an earlier answer.

    Parameters
    ----------
    verdict : Verdict
        On the later answer, by itself.
    follows : FollowOn
        What its question declares.
    kind, ways, given
        Its kind, the ways to answer it (the right one first), and the answer.
    earlier : tuple
        Verdict, kind, ways and answer of the earlier question.
    """
    if verdict.ok is not False or not verdict.parts or follows.share <= 0:
        return verdict
    try:
        parts = kind.read(given)
    except Unreadable:
        return verdict
    right = {part for part, fine in verdict.parts.items() if fine}
    best: set[str] = set()
    for expected in _expected(follows, ways, earlier):
        meeting = {
            part for part in verdict.parts
            if part in parts and part in expected
            and type(parts[part]) is type(expected[part])
            and kind.away(part, parts[part], expected[part]) <= 1
        }  # fmt: skip
        if kind.indivisible and meeting != set(verdict.parts):
            continue
        if meeting == set(expected) and set(parts) <= set(expected):
            meeting = set(verdict.parts)  # what is missing, the wrong analysis does not have
        best = max(best, meeting - right, key=len)
    if not best:
        return verdict
    share = f"{follows.share:.0%} of the points" if follows.share < 1 else "the points"
    which = "" if len(best) == len(verdict.parts) - len(right) else f" ({', '.join(sorted(best))})"
    return replace(
        verdict,
        status="partly",
        worth=dict.fromkeys(best, min(follows.share, 1.0)),
        message=f"this follows from your own answer to '{follows.question}', where the mistake is"
        f"{which}; for that you get {share} here. By itself: {verdict.message}",
    )


def _expected(
    follows: FollowOn, ways: Sequence[Way], earlier: tuple[Verdict, Kind, Sequence[Way], Plain]
) -> Iterator[Parts]:
    """Yield what follows from an earlier answer that was given, and was wrong."""
    verdict, kind, before, given = earlier
    if verdict.ok is not False:
        return
    try:
        parts = kind.read(given)
    except Unreadable:
        return
    of_analysis = {way.analysis for way in recognised(kind, before, parts)} - {""}
    yield from (way.parts for way in ways[1:] if way.analysis in of_analysis)
    if follows.compute is not None and set(before[0].parts) <= set(parts):
        try:
            found = follows.compute(parts, before[0].parts, ways[0].parts)
        except (ValueError, ArithmeticError):  # nothing follows from such numbers
            return
        if all(isinstance(v, str) or math.isfinite(v) for v in found.values()):
            yield found
