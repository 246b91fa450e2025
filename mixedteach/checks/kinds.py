"""What a question expects: one number, a few, one for each level, a formula, a model, a picture.

A kind turns the plain data of an answer (:mod:`mixedteach.checks.plain`) into *parts*, a dictionary
of names and values, whatever the shape in which they came. Right answers and mistakes are such
dictionaries, too; :mod:`mixedteach.checks.judge` compares them part by part.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

from mixedteach.checks.plain import Plain

if TYPE_CHECKING:
    import pandas as pd

Parts = dict[str, Any]  # name -> number, or canonical text

# names under which programs print the same quantity, compared without case, spaces and dots
_ALSO = {
    "p": ("pvalue", "pval", "pr", "pr(>|t|)", "pr(>f)", "p>|t|", "p>|z|", "p>|f|", "padj",
          "adjp", "pcorr", "ptukey", "uncp"),
    "df": ("dof", "ddof", "dendf", "ddf", "dfs"),
    "den_df": ("df", "dendf", "ddf", "dof", "df2"),
    "num_df": ("numdf", "df1", "npar"),
    "se": ("stderr", "std.err.", "stderror", "standarderror", "sem", "bse"),
    "estimate": ("coef", "coef.", "difference", "diff", "meandiff", "effect", "value", "mean",
                 "emmean", "lsmean"),
    "mean": ("emmean", "lsmean", "estimate", "average", "value"),
    "t": ("tratio", "tvalue", "statistic", "stat", "tstat"),
    "f": ("fvalue", "fstatistic", "statistic"),
    "sd": ("std", "stddev", "std.dev.", "sigma", "standarddeviation"),
    "variance": ("var", "vcov", "varcomp"),
    "phi": ("estimate", "est"),
}  # fmt: skip


_MOST_COLUMNS = 200  # of a table made of a dictionary
_MOST_CELLS = 20_000
_MOST_NAMING = 20  # columns, two of which may name the rows together


class Unreadable(ValueError):
    """The answer has not the shape that is asked for; the message says which shape would do."""


def _fold(name: object) -> str:
    return re.sub(r"[\s._\-]", "", str(name)).lower()


def _term(name: str) -> str:
    """Return a term of a model with its factors in order: ``b:a`` and ``a*b`` are ``a:b``."""
    return ":".join(sorted(re.split(r"[:*]", name.replace(" ", "").lower())))


def _matches(name: object, part: str) -> bool:
    folded, wanted = _fold(name), _fold(part)
    return folded == wanted or folded in {_fold(also) for also in _ALSO.get(part.lower(), ())}


def _numeric(item: Any) -> float | None:
    """Return a number from plain data, or from a text that is one; None if it is none."""
    if isinstance(item, bool):
        return None
    if isinstance(item, (int, float)):
        return float(item)
    if isinstance(item, str):
        text = item.strip().replace("\N{MINUS SIGN}", "-")
        if re.fullmatch(r"[+-]?\d*,\d+", text):  # a decimal comma
            text = text.replace(",", ".")
        try:
            number = float(text)
        except ValueError:
            return None
        return None if math.isnan(number) else number
    if isinstance(item, dict) and item.get("kind") in ("number", "text"):
        return _numeric(item.get("value"))
    if isinstance(item, dict) and item.get("kind") == "list" and len(item["items"]) == 1:
        return _numeric(item["items"][0])
    if isinstance(item, dict) and item.get("kind") == "table" and len(item["rows"]) == 1:
        return _numeric(item["rows"][0][0]) if len(item["columns"]) == 1 else None
    return None


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


class Kind:
    """Base class of the kinds of answers."""

    #: Parts that a grader judges, not a program.
    by_hand = False
    #: Whether a part alone says nothing, so that a mistake must agree in all parts.
    whole = False
    #: Whether points are for all parts together only.
    indivisible = False
    #: Whether it helps to be told which part is wrong.
    parts_matter = True

    def read(self, answer: Plain) -> Parts:
        """Return the parts found in an answer; some may be missing.

        Raises
        ------
        Unreadable
            If nothing of what is asked can be found.
        """
        raise NotImplementedError

    def names(self) -> list[str]:
        """Return the names of all parts asked for."""
        raise NotImplementedError

    def tolerance(self, part: str) -> float:
        """Return how far a number may be off, and still be right; 0 for words."""
        return 0.0

    def expects(self) -> str:
        """Say in words what is to be handed in."""
        raise NotImplementedError

    def away(self, part: str, one: Any, other: Any) -> float:
        """Return the distance of two values of a part, in tolerances."""
        if isinstance(one, str) or isinstance(other, str):
            return 0.0 if one == other else float("inf")
        if one == other:  # two infinite df, too
            return 0.0
        return abs(float(one) - float(other)) / self.tolerance(part)


@dataclass(frozen=True)
class Numbers(Kind):
    """One number or a few named ones; ``parts`` has a tolerance for each.

    ``whole``: a part alone says nothing (every plan has a power near the one aimed at).

    >>> kind = Numbers({"p": 0.0005, "df": 0.05})
    >>> kind.read({"kind": "dict", "keys": ["df", "P-value"], "items": [
    ...     {"kind": "number", "value": 38.0}, {"kind": "number", "value": 0.304}]})
    {'p': 0.304, 'df': 38.0}
    """

    parts: Mapping[str, float]
    whole: bool = False

    def names(self) -> list[str]:
        return list(self.parts)

    def tolerance(self, part: str) -> float:
        return self.parts[part]

    def expects(self) -> str:
        if len(self.parts) == 1:
            return f"a number ({next(iter(self.parts))})"
        return "numbers: " + ", ".join(self.parts)

    def _how(self) -> str:
        if len(self.parts) == 1:
            return "Give one number."
        pairs = ", ".join(f'"{name}": ...' for name in self.parts)
        return f"Give a dictionary: {{{pairs}}}."

    def read(self, answer: Plain) -> Parts:
        kind = answer["kind"]
        first = next(iter(self.parts))
        number = _numeric(answer)
        if number is not None:
            return {first: number}
        _refuse_text(answer)
        if kind == "number":
            raise Unreadable(f"Your answer is not a finite number (nan or inf). {self._how()}")
        found = self._named(answer)
        if found:
            return found
        if kind == "list":
            return self._in_order(answer["items"])
        if kind == "dict" and len(self.parts) == len(answer["items"]) == 1:
            return self._in_order(answer["items"])
        if kind == "table":
            cells = [cell for row in answer["rows"] for cell in row]
            if len(cells) == len(self.parts):
                return self._in_order(cells)
            raise Unreadable(
                f"Your answer is a table with {len(cells)} cells; pick what is asked, a row by "
                f"table.iloc[0], say. {self._how()}"
            )
        raise Unreadable(f"Your answer is {_described(answer)}, without these names. {self._how()}")

    def _in_order(self, items: Sequence[Any]) -> Parts:
        values = [_numeric(item) for item in items]
        if len(values) != len(self.parts) or any(value is None for value in values):
            for item in items:
                _refuse_text(item)
            raise Unreadable(
                f"Your answer is a list with {_many(len(values), 'item')}. {self._how()}"
            )
        return dict(zip(self.parts, values, strict=True))

    def _named(self, answer: Plain) -> Parts:
        """Find the parts by name: keys of a dictionary, columns of one row, rows of one column."""
        if answer["kind"] == "dict":
            named = zip(answer["keys"], answer["items"], strict=True)
        elif answer["kind"] == "table" and len(answer["rows"]) == 1:
            named = zip(answer["columns"], answer["rows"][0], strict=True)
        elif answer["kind"] == "table" and len(answer["columns"]) == 1:
            named = zip(answer["index"], (row[0] for row in answer["rows"]), strict=True)
        else:
            return {}
        return _by_name(named, self.parts)


def _by_name(named: Iterable[tuple[Any, Any]], parts: Iterable[str]) -> Parts:
    """Return the parts found among named values: by its own name first, then by others'."""
    pairs = list(named)
    found: Parts = {}
    for part in parts:
        own = [v for name, v in pairs if _fold(name) == _fold(part)]
        other = [v for name, v in pairs if _matches(name, part)]
        values = [number for v in own or other if (number := _numeric(v)) is not None]
        if values:
            found[part] = values[0]
            continue
        for value in own:
            _refuse_text(value, part)
    return found


def _refuse_text(value: Any, part: str = "") -> None:
    """Say what is wrong with a number that was written as a text, such as ``"p < .001"``."""
    text = value.get("value") if isinstance(value, dict) and value.get("kind") == "text" else value
    if isinstance(text, str) and re.search(r"\d", text):
        what = f"{part} is " if part else "Your answer is "
        raise Unreadable(
            f"{what}the text '{text[:40]}'. Write the number alone: no unit, no sign such as < or "
            "%, nothing around it."
        )


def _described(answer: Plain) -> str:
    words = {
        "word": "True or False", "text": "a text", "list": "a list", "dict": "a dictionary",
        "table": "a table", "model": "a fitted model", "picture": "a picture",
        "number": "a number", "nothing": "nothing",
    }  # fmt: skip
    kind = answer["kind"]
    return words.get(kind) or f"an object of type {answer.get('type', kind)}"


_SIGNED = {"estimate", "t", "z"}


@dataclass(frozen=True)
class ByLevel(Kind):
    """Numbers for each level of a factor, each cell of two factors, or (``pairs``) each pair.

    ``levels`` are texts, or for two factors a pair of lists; ``parts`` has a tolerance for each
    column. Pairs may come in any direction: estimates (and t) that point the other way are turned.

    >>> kind = ByLevel(("1", "2", "3"), {"estimate": 0.005}, pairs=True)
    >>> kind.names()
    ['1 - 2', '1 - 3', '2 - 3']
    >>> kind.read({"kind": "dict", "keys": ["2-1"], "items": [{"kind": "number", "value": 0.27}]})
    {'1 - 2': -0.27}
    """

    levels: Sequence[Any]
    parts: Mapping[str, float]
    pairs: bool = False

    @property
    def _keys(self) -> list[str]:
        if self.pairs:
            return [f"{a} - {b}" for a, b in combinations(self.levels, 2)]
        if isinstance(self.levels[0], str):
            return list(self.levels)
        first, second = self.levels
        return [f"{a}, {b}" for a in first for b in second]

    def _name(self, key: str, part: str) -> str:
        return key if len(self.parts) == 1 else f"{key}: {part}"

    def names(self) -> list[str]:
        return [self._name(key, part) for key in self._keys for part in self.parts]

    def tolerance(self, part: str) -> float:
        if len(self.parts) == 1:
            return next(iter(self.parts.values()))
        return self.parts[part.rsplit(": ", 1)[1]]

    def expects(self) -> str:
        what = ", ".join(self.parts)
        if self.pairs:
            return f"a table or dictionary: {what} for each pair of {', '.join(self.levels)}"
        if isinstance(self.levels[0], str):
            return f"a table or dictionary: {what} for each of {', '.join(self.levels)}"
        first, second = self.levels
        return f"a table: {what} for each of {', '.join(first)} with each of {', '.join(second)}"

    def read(self, answer: Plain) -> Parts:
        kind, found = answer["kind"], {}
        if kind == "table":
            found = self._from_table(answer)
        elif kind == "dict":
            found = self._from_table(_as_table(answer, list(self.parts)))
        elif kind == "list":
            found = self._in_order([_numeric(item) for item in answer["items"]])
        if not found and kind == "table" and len(answer["columns"]) == 1 and _counted(answer):
            found = self._in_order([_numeric(row[0]) for row in answer["rows"]])
        if not found:
            self._explain(answer)
            raise Unreadable(
                f"Your answer is {_described(answer)} in which these were not found: "
                f"{', '.join(self._keys[:6])}. Give {self.expects()}."
            )
        order = [name for name in self.names() if name in found]
        return {name: found[name] for name in order}

    def _in_order(self, values: Sequence[float | None]) -> Parts:
        if len(self.parts) == 1 and len(values) == len(self._keys) and None not in values:
            return dict(zip(self._keys, values, strict=True))
        return {}

    def _explain(self, answer: Plain) -> None:
        """Say what is missing where the names are right and the numbers are not."""
        if answer["kind"] == "dict":
            named = [(label, item) for label, item in _entries(answer) if self._key(label)]
            for label, item in named:
                _refuse_text(item, str(label))
            if named and len(self.parts) > 1:
                raise Unreadable(
                    f"For {named[0][0]} these are needed: {', '.join(self.parts)}. Give "
                    f"{self.expects()}."
                )
        if answer["kind"] == "table" and len(answer["columns"]) == 1 and not _counted(answer):
            shown = ", ".join(str(label) for label in answer["index"][:3])
            raise Unreadable(
                f"The rows of your answer are named {shown}, ...; they should be named "
                f"{', '.join(self._keys[:3])}, ... Give {self.expects()}."
            )

    # -- keys --

    def _key(self, label: Any) -> tuple[str, int] | None:
        """Return the key that a label means, and 1 or, for a pair turned round, -1."""
        if self.pairs:
            return self._pair(label)
        if isinstance(self.levels[0], str):
            if isinstance(label, list):
                label = label[0] if len(label) == 1 else None
            level = _level(str(label), tuple(self.levels))
            return (level, 1) if level else None
        labels = (
            label if isinstance(label, list) else re.split(r"\s*[,:/]\s*", str(label).strip("()"))
        )
        if len(labels) != 2:
            return None
        for a, b in (labels, labels[::-1]):
            one, two = _level(str(a), tuple(self.levels[0])), _level(str(b), tuple(self.levels[1]))
            if one and two:
                return f"{one}, {two}", 1
        return None

    def _pair(self, label: Any) -> tuple[str, int] | None:
        if isinstance(label, list):
            sides = [str(part) for part in label]
        else:
            text = str(label).strip().strip("()")
            sides = re.split(r"\s+(?:-|vs\.?|versus|against|and|/)\s+|\s*,\s*", text)
            if len(sides) != 2:  # "2-1", in which the levels have no dash themselves
                sides = text.split("-")
        if len(sides) != 2:
            return None
        a, b = (_level(side.strip(" '\""), tuple(self.levels)) for side in sides)
        if a is None or b is None or a == b:
            return None
        order = list(self.levels)
        if order.index(a) < order.index(b):
            return f"{a} - {b}", 1
        return f"{b} - {a}", -1

    # -- shapes --

    def _put(self, found: Parts, key: tuple[str, int], values: Parts) -> None:
        name, sign = key
        for part, value in values.items():
            turned = sign if part in _SIGNED else 1
            found.setdefault(self._name(name, part), turned * value)

    def _from_table(self, answer: Plain) -> Parts:
        """Try every way to name the rows, upright or lying; and the wide form; keep the richest."""
        cells = len(answer["rows"]) * len(answer["columns"])
        if cells > _MOST_CELLS:
            raise Unreadable(f"Your answer has {cells} cells. Give {self.expects()}.")
        found = [
            self._long(table, labels, used)
            for table in (answer, _turned(answer))
            for labels, used in _row_names(table)
        ]
        return max([*found, self._wide(answer)], key=len)

    def _long(self, answer: Plain, labels: Sequence[Any], used: Sequence[int]) -> Parts:
        """Read a table that has a row for each key; `used` are the columns that name it."""
        names = {j: answer["columns"][j] for j in range(len(answer["columns"])) if j not in used}
        # statsmodels' table of Tukey's test: the second group minus the first
        turned = -1 if any(_fold(name) == "meandiff" for name in names.values()) else 1
        found: Parts = {}
        for label, row in zip(labels, answer["rows"], strict=True):
            key = self._key(label)
            if not key:
                continue
            named = [(name, row[j]) for j, name in names.items()]
            values = _by_name(named, self.parts)
            numbers = [_numeric(value) for _, value in named]
            if not values and len(numbers) == len(self.parts) and None not in numbers:
                values = dict(zip(self.parts, numbers, strict=True))
            self._put(found, (key[0], turned * key[1]), values)
        return found

    def _wide(self, answer: Plain) -> Parts:
        """Read a table with rows for one factor and columns for the other, or one row of levels."""
        if len(self.parts) > 1:
            return {}
        part = next(iter(self.parts))
        found: Parts = {}
        columns, index, rows = answer["columns"], answer["index"], answer["rows"]
        if isinstance(self.levels[0], str) or self.pairs:
            if len(rows) == 1:
                for column, value in zip(columns, rows[0], strict=True):
                    key, number = self._key(column), _numeric(value)
                    if key and number is not None:
                        self._put(found, key, {part: number})
            return found
        for label, row in zip(index, rows, strict=True):
            for column, value in zip(columns, row, strict=True):
                column = column[-1] if isinstance(column, list) else column
                key, number = self._key([label, column]), _numeric(value)
                if key and number is not None:
                    self._put(found, key, {part: number})
        return found


@lru_cache(maxsize=20_000)  # reading a table asks for the same labels again and again
def _level(text: str, levels: tuple[str, ...]) -> str | None:
    """Return which level a label means: ``2``, ``2.0``, ``width[2]``, ``C(width)[T.2]``."""
    text = text.strip()
    inner = re.search(r"\[(?:T\.|S\.)?([^\]]+)\]$", text)
    candidates = [text, inner.group(1) if inner else text, re.sub(r"\.0$", "", text)]
    for same in (str.lower, _term, _fold):
        for candidate in candidates:
            found = [level for level in levels if same(candidate) == same(level)]
            if len(found) == 1:
                return found[0]
    # "fixed" for "all fixed"
    found = [level for level in levels if len(_fold(text)) > 3 and _fold(text) in _fold(level)]
    return found[0] if len(found) == 1 else None


def _counted(table: Plain) -> bool:
    """Whether the index is 0, 1, 2, ..., which says nothing, as a rule."""
    return table["index"] == [str(i) for i in range(len(table["index"]))]


def _row_names(answer: Plain) -> Iterator[tuple[list[Any], list[int]]]:
    """Yield what may name the rows, best first, and the columns used: index, one column, two."""
    columns, rows = answer["columns"], answer["rows"]
    index = answer["index"]
    counted = _counted(answer)
    if not counted:
        yield index, []
    for j in range(len(columns)):
        yield [_plain_label(row[j]) for row in rows], [j]
    for i, j in combinations(range(min(len(columns), _MOST_NAMING)), 2):
        yield [[_plain_label(row[i]), _plain_label(row[j])] for row in rows], [i, j]
    for j in range(len(columns)):
        both = zip(index, rows, strict=True)
        yield [[_plain_label(label), _plain_label(row[j])] for label, row in both], [j]
    if counted:
        yield index, []


def _plain_label(label: Any) -> Any:
    """Return a label as text; numbers that are whole without decimals."""
    if isinstance(label, list):
        return [_plain_label(part) for part in label]
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return "" if label is None else str(label)


def _turned(table: Plain) -> Plain:
    """Return a table with rows for columns."""
    rows = [list(column) for column in zip(*table["rows"], strict=True)]
    return {**table, "columns": table["index"], "index": table["columns"], "rows": rows}


def _as_table(answer: Plain, parts: Sequence[str]) -> Plain:
    """Return a dictionary as a table: a row for each of its keys, a column for each inner key.

    Lists under keys are the columns, as for ``DataFrame(...)``, unless each holds the parts of the
    key it stands under.
    """
    keys, items = answer["keys"], answer["items"]
    lists = [_column(item) for item in items]
    together = bool(lists) and None not in lists and len({len(found) for found in lists}) == 1
    if together and (len(parts) == 1 or len(lists[0]) != len(parts)):
        rows = [list(row) for row in zip(*lists, strict=True)]
        index = [str(i) for i in range(len(rows))]
        return {"kind": "table", "columns": keys, "names": [""], "index": index, "rows": rows}
    cells = [_cells(item, parts) for item in items]
    columns = list(dict.fromkeys(label for row in cells for label in row))[:_MOST_COLUMNS]
    rows = [[row.get(column) for column in columns] for row in cells]
    columns = [list(column) if isinstance(column, tuple) else column for column in columns]
    return {"kind": "table", "columns": columns, "names": [""], "index": keys, "rows": rows}


def _cells(item: Any, parts: Sequence[str]) -> dict[Any, Any]:
    """Return what stands under one key of a dictionary: label -> value."""
    found = _entries(item)
    if not found and isinstance(item, dict) and item.get("kind") == "list":
        values = [entry.get("value") for entry in item["items"]]
        found = list(zip(parts, values, strict=True)) if len(values) == len(parts) else []
    if not found and isinstance(item, dict):
        found = [(parts[0], item.get("value"))] if len(parts) == 1 else []
    return {tuple(k) if isinstance(k, list) else k: _value(v) for k, v in found}


def _value(item: Any) -> Any:
    return item.get("value") if isinstance(item, dict) else item


def _entries(item: Any) -> list[tuple[Any, Any]]:
    """Return labels and values of a dictionary, or of a table with one column."""
    if isinstance(item, dict) and item.get("kind") == "dict":
        return list(zip(item["keys"], item["items"], strict=True))
    if isinstance(item, dict) and item.get("kind") == "table" and len(item["columns"]) == 1:
        return [(label, row[0]) for label, row in zip(item["index"], item["rows"], strict=True)]
    return []


def _column(item: Any) -> list[Any] | None:
    if isinstance(item, dict) and item.get("kind") == "list":
        return [entry.get("value") for entry in item["items"]]
    if isinstance(item, dict) and item.get("kind") == "table" and len(item["columns"]) == 1:
        return [row[0] for row in item["rows"]]
    return None


@dataclass(frozen=True)
class Word(Kind):
    """One of a few words; ``options`` may have other words that mean the same.

    >>> Word({"random": ("zufaellig",), "fixed": ()}).read({"kind": "text", "value": " Random "})
    {'word': 'random'}
    """

    options: Mapping[str, Sequence[str]]

    def names(self) -> list[str]:
        return ["word"]

    def expects(self) -> str:
        return "one of " + ", ".join(f'"{option}"' for option in self.options)

    def read(self, answer: Plain) -> Parts:
        value = answer.get("value")
        if answer["kind"] == "word":
            value = "yes" if value else "no"
        if answer["kind"] == "list" and len(answer["items"]) == 1:
            value = answer["items"][0].get("value")
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is not None and answer["kind"] in ("word", "text", "number", "list"):
            said = _fold(re.sub(r"^(the|an?) (?=\w)|[.!]+$", "", str(value).strip().lower()))
            # "B", and "B. the second" where the options are letters
            letter = re.match(r"([a-z])\b", str(value).strip().lower())
            for option, others in self.options.items():
                if said in {_fold(option), *map(_fold, others)}:
                    return {"word": option}
            for option in self.options:
                if letter and len(str(value)) > 2 and letter.group(1) == option.lower():
                    return {"word": option}
        raise Unreadable(f"Your answer is not {self.expects()}.")


@dataclass(frozen=True)
class Model(Kind):
    """A fitted model, judged by what was fitted: rows, fixed effects, variances.

    Any program's fit will do. ``variances`` is the number of variance components.
    """

    variances: int
    relative: float = 0.002  # of a variance: programs stop their search early
    whole = True  # many models have so many rows, or so many coefficients
    indivisible = True
    parts_matter = False

    def names(self) -> list[str]:
        random = [f"variance {i + 1}" for i in range(self.variances)]
        return ["observations", "fixed effects", "random terms", "residual variance", *random]

    def tolerance(self, part: str) -> float:
        return 0.05 if part in ("observations", "fixed effects", "random terms") else self.relative

    def away(self, part: str, one: Any, other: Any) -> float:
        if self.tolerance(part) == self.relative:  # variances are compared by their ratio
            size = max(abs(one), abs(other), 1e-9)
            return abs(one - other) / size / self.relative
        return super().away(part, one, other)

    def expects(self) -> str:
        return "a fitted model (not its summary)"

    def read(self, answer: Plain) -> Parts:
        if answer["kind"] != "model":
            raise Unreadable(
                f"Your answer is {_described(answer)}. Give the fitted model itself, "
                'such as mt.lmer("y ~ x + (1|g)", data).'
            )
        return model_parts(answer)


def model_parts(answer: Plain) -> Parts:
    """Return the parts of a model as plain data; variances in falling order."""
    variances = sorted((float(v) for v in answer["variances"]), reverse=True)
    return {
        "observations": float(answer["nobs"]),
        "fixed effects": float(len(answer["fixed"])),
        "random terms": float(len(variances)),
        "residual variance": float(answer["residual"]),
        **{f"variance {i + 1}": v for i, v in enumerate(variances)},
    }


@dataclass(frozen=True)
class FormulaText(Kind):
    """A model formula, in lme4's syntax; ``factors`` are columns for which C(x) and x are one.

    >>> FormulaText(()).read({"kind": "text", "value": "y ~ b*a + (1|g/h)"})
    {'fixed': 'y ~ 1 + a + b + a:b', 'random': '(1 | g) + (1 | g:h)'}
    """

    factors: Sequence[str] = field(default=())
    whole = True
    indivisible = True

    def names(self) -> list[str]:
        return ["fixed", "random"]

    def expects(self) -> str:
        return 'a formula in quotes, such as "y ~ x + (1|g)"'

    def read(self, answer: Plain) -> Parts:
        from mixedteach.errors import MixedTeachError

        text = answer.get("formula" if answer["kind"] == "model" else "value")
        if answer["kind"] == "model" and answer["variances"] and "|" not in str(text):
            # statsmodels keeps the groups elsewhere
            raise Unreadable(f"The model's formula lacks its groups. Give {self.expects()}.")
        if not isinstance(text, str) or not text.strip() or len(text) > 1000:
            raise Unreadable(f"Your answer is {_described(answer)}. Give {self.expects()}.")
        text = text.strip().strip("'\"")
        if text.count("*") > 6:  # each doubles the number of terms
            raise Unreadable("Your formula has too many '*': write the terms that are needed.")
        if call := re.match(r"[\w.]*(?:lme|lmer|lm|aov|mixedlm|ols|gls)\(", text):
            raise Unreadable(
                f"Your answer is a whole call, {call.group(0)}...). Give the formula alone: "
                f"{self.expects().removeprefix('a formula ')}."
            )
        try:
            return formula_parts(text, self.factors)
        except MixedTeachError as error:
            raise Unreadable(f"This formula cannot be read. {error}") from None
        except Exception:  # whatever else a text may do to a parser
            raise Unreadable(f"This formula cannot be read. Give {self.expects()}.") from None


def formula_parts(text: str, factors: Sequence[str] = ()) -> Parts:
    """Return fixed and random part of a formula in one canonical spelling."""
    from mixedteach.errors import FormulaError
    from mixedteach.formula import parse

    formula = parse(text)

    def spelled(names: Iterable[str]) -> str:
        bare = (re.sub(r"^C\((\w+)\)$", r"\1", name.replace(" ", "")) for name in names)
        clean = (b if b in factors else name for b, name in zip(bare, names, strict=True))
        return ":".join(sorted(clean))

    def part(side: Any) -> str:
        terms = sorted((spelled(term) for term in side.terms), key=lambda t: (t.count(":"), t))
        return " + ".join(["1" if side.intercept else "0", *terms])

    bars = sorted(f"({part(bar.effects)} | {':'.join(sorted(bar.group))})" for bar in formula.bars)
    for bar, following in pairwise(bars):
        if bar == following:
            raise FormulaError(f"{bar} stands in it twice; a/b means a and a:b.")
    fixed = f"{formula.response_name} ~ {part(formula.fixed)}"
    if any(len(term) == 1 and spelled(term) in factors for term in formula.fixed.terms):
        fixed = fixed.replace(" ~ 0 + ", " ~ 1 + ")  # a mean for each level, either way
    return {"fixed": fixed, "random": " + ".join(bars) or "none"}


@dataclass(frozen=True)
class Picture(Kind):
    """A picture with lines: so many lines, through these points. Names and colours do not count.

    Lines are put in order by their first point, then the second, ... ``lines`` and ``points`` say
    how many there are; ``decimals`` is the tolerance of a height.
    """

    lines: int
    points: int
    decimals: float
    whole = True  # single points of different pictures often coincide
    indivisible = True
    parts_matter = False

    def names(self) -> list[str]:
        return [
            f"line {i + 1}, point {j + 1}" for i in range(self.lines) for j in range(self.points)
        ]

    def tolerance(self, part: str) -> float:
        return self.decimals

    def expects(self) -> str:
        lines, points = _many(self.lines, "line"), _many(self.points, "point")
        return f"the Axes of a picture with {lines} of {points}"

    def read(self, answer: Plain) -> Parts:
        if answer["kind"] != "picture":
            raise Unreadable(
                f"Your answer is {_described(answer)}. Give the Axes that the drawing function "
                "returns, as in ax = mt.plot.interaction(...)."
            )
        parts = picture_parts([axes["lines"] for axes in answer["axes"]])
        if not parts:
            raise Unreadable("The picture has no lines.")
        return parts


def picture_parts(axes: Sequence[Sequence[Plain]]) -> Parts:
    """Return the heights of the lines of a picture, in an order that does not depend on labels.

    Helper lines are left out: upright ones (error bars), those of ``axhline`` and, among many, the
    mean of the others (of all their points: single ones, too, that belong to incomplete objects).
    """
    every: list[list[tuple[Any, float]]] = []
    for lines in axes:
        for line in lines:
            pairs = [
                (x, float(y))
                for x, y in zip(line["x"], line["y"], strict=False)
                if isinstance(y, (int, float)) and not isinstance(y, bool)
            ]
            if len(pairs) > 1 and len({x for x, _ in pairs}) == 1:
                continue
            if all(isinstance(x, (int, float)) for x, _ in pairs):
                pairs.sort()
            every.append(pairs)
    drawn = [line for line in every if len(line) > 1]
    if any(len(line) > 2 for line in drawn):
        drawn = [line for line in drawn if not _is_level(line)]
    if len(drawn) > 3:
        drawn = [line for line in drawn if not _is_mean(line, every)]
    return line_parts([y for _, y in line] for line in drawn)


def line_parts(lines: Iterable[Iterable[float]]) -> Parts:
    """Return the parts of a picture with lines of these heights; what is missing (nan) is left out.

    >>> line_parts([[2.0, 3.0], [1.0, 5.0]])["line 1, point 2"]
    5.0
    """
    heights = [[float(h) for h in line if not math.isnan(h)] for line in lines]
    heights.sort(key=lambda line: [round(h, 6) for h in line])
    return {
        f"line {i + 1}, point {j + 1}": h for i, hs in enumerate(heights) for j, h in enumerate(hs)
    }


def mean_lines(data: pd.DataFrame, response: str, x: str, trace: str) -> Parts:
    """Return the parts of a picture of means: along `x`, a line for each level of `trace`."""
    means = data.groupby([trace, x], observed=True)[response].mean().unstack()
    return line_parts(means.to_numpy())


def _is_level(line: Sequence[tuple[Any, float]]) -> bool:
    """Whether a line is one of ``axhline``: two points, from 0 to 1 of the axis, at one height."""
    return [x for x, _ in line] == [0, 1] and line[0][1] == line[1][1]


def _is_mean(
    line: Sequence[tuple[Any, float]], every: Sequence[Sequence[tuple[Any, float]]]
) -> bool:
    """Whether a line is, all along, the mean of three or more others."""
    others = [dict(other) for other in every if other is not line]
    for x, y in line:
        at = [other[x] for other in others if x in other]
        if len(at) < 3 or abs(y - sum(at) / len(at)) > 1e-9 * (1 + abs(y)):
            return False
    return True


@dataclass(frozen=True)
class Sentences(Kind):
    """A few sentences, which a person judges with the ``rubric``; no program can."""

    rubric: Sequence[str]
    least: int = 8  # words
    by_hand = True

    def names(self) -> list[str]:
        return ["text"]

    def expects(self) -> str:
        return f"a few sentences in quotes (at least {self.least} words)"

    def read(self, answer: Plain) -> Parts:
        if answer["kind"] != "text":
            raise Unreadable(f"Your answer is {_described(answer)}. Give {self.expects()}.")
        words = len(answer["value"].split())
        if words < self.least:
            raise Unreadable(f"Your answer has {_many(words, 'word')}. Give {self.expects()}.")
        return {"text": answer["value"]}
