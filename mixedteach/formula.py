r"""Reading a model formula: from text to terms.

The syntax is lme4's, ``y ~ a*b + (1 + x | group)``. The fixed part and the inside of each bar are
read by the library *formulae*; what we do here is find the bars, expand ``/`` and ``||``, and say
in plain words what is wrong with a formula that cannot be read. More bars, fewer parameters:
``(x|g)`` leaves the covariance of the effects free, ``(x||g)`` makes them independent, ``(x|||g)``
gives them one variance as well.

The stages of a fit can be called one by one, as in class::

    formula = parse("content ~ method + (1|tablet)")     # text -> terms
    frame = ModelFrame(formula, data)                    # terms + data -> rows that are complete
    design = FixedDesign(formula.fixed, frame.columns)   # -> columns of X; builds X for new data
    terms = random_terms(formula, frame)                 # -> one RandomTerm for each bar

(:mod:`mixedteach.columns` has the second stage, :mod:`mixedteach.design` the last two.)

Source: Bates, Maechler, Bolker and Walker (2015), J. Stat. Softw. 67(1), section 2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from mixedteach.errors import (
    FormulaError,
    a_kind,
)

Array = np.ndarray
TermNames = tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """One side of a formula: an intercept or not, and terms as tuples of component names."""

    intercept: bool
    terms: tuple[TermNames, ...]
    components: Mapping[str, Any] = field(hash=False, compare=False)

    def variables(self) -> list[str]:
        """Return the data columns that the part uses, in order of appearance."""
        seen: dict[str, None] = {}
        for term in self.terms:
            for name in term:
                seen.update(dict.fromkeys(variables_of(self.components[name])))
        return list(seen)


@dataclass(frozen=True)
class Bar:
    """One random-effects term, ``(effects | group)``; `group` names the crossed factors.

    `tied`: the effects are independent and share one variance, ``(effects ||| group)``.
    """

    text: str
    effects: Part
    group: tuple[str, ...]
    tied: bool = False

    @property
    def label(self) -> str:
        """The name of the grouping factor, ``plank:width``."""
        return ":".join(self.group)


@dataclass(frozen=True)
class Formula:
    """A parsed model formula; ``str()`` gives back the text."""

    text: str
    response: Any = field(hash=False, compare=False)
    fixed: Part
    bars: tuple[Bar, ...]

    def __str__(self) -> str:
        return self.text

    @property
    def response_name(self) -> str:
        """The left side as it was written."""
        return self.response.name

    def variables(self) -> list[str]:
        """Return every data column that the formula uses, response first."""
        return list(self._variables)

    @cached_property
    def _variables(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*variables_of(self.response), *self.design_variables]))

    @cached_property
    def design_variables(self) -> tuple[str, ...]:
        """Every column that the right side uses."""
        names = self.fixed.variables()
        for bar in self.bars:
            names += [*bar.effects.variables(), *bar.group]
        return tuple(dict.fromkeys(names))


def parse(text: str) -> Formula:
    """Read a model formula.

    Parameters
    ----------
    text : str
        lme4's syntax, for example ``"y ~ a*b + x + (1 + x | g) + (1 | h/k)"``.

    Returns
    -------
    Formula

    Raises
    ------
    FormulaError
        Where the text is no formula; the message says what to change.

    Examples
    --------
    >>> formula = parse("yield ~ variety*nitrogen + (1|block/variety)")
    >>> formula.fixed.terms
    (('variety',), ('nitrogen',), ('variety', 'nitrogen'))
    >>> [bar.label for bar in formula.bars]
    ['block', 'block:variety']
    """
    if isinstance(text, pd.DataFrame):
        raise FormulaError(
            "The formula comes first and the data second, as in lmer('y ~ x + (1|g)', data)."
        )
    if not isinstance(text, str):
        raise FormulaError(
            f"The formula must be text in quotes, as 'y ~ x + (1|g)' is, not {a_kind(text)}."
        )
    return _parse(text)


@lru_cache(maxsize=256)
def _parse(text: str) -> Formula:
    if not text.strip():
        raise FormulaError(f"The formula is empty: {_EXAMPLE}.")
    _check_parentheses(text)
    sides = split_outside(text, "~")
    if len(sides) > 1 and re.search(r"\brandom\s*=", text):
        raise FormulaError(
            f"'random =' in '{text}' is the syntax of R's lme: write the random effect into the "
            "formula, as in 'y ~ x + (1|g)'."
        )
    if len(sides) == 1 and len(split_outside(text, "=")) > 1:
        raise FormulaError(f"The formula '{text}' has '=' where '~' belongs: {_EXAMPLE}.")
    if len(sides) == 1:
        raise FormulaError(f"The formula '{text}' has no '~': {_EXAMPLE}.")
    if len(sides) > 2:
        raise FormulaError(f"The formula '{text}' has more than one '~': {_EXAMPLE}.")
    left, right = (side.strip() for side in sides)
    if not left:
        raise FormulaError(
            f"The formula '{text}' names no response on the left of '~': {_EXAMPLE}."
        )
    if not right:
        raise FormulaError(
            f"The formula '{text}' ends after '~': name the effects, or write 1 for the mean alone."
        )
    if "^" in unquoted(text):
        raise FormulaError(
            f"'^' in the formula '{text}' is R's power: write I(x**2) for a square, (a + b)**2 for "
            "crossing."
        )
    fixed_text, bar_texts = _take_out_bars(right, text)
    response, fixed = _response(left, text), _part(fixed_text, text)
    if any(response.name in term for term in fixed.terms):
        raise FormulaError(
            f"The response '{response.name}' stands on both sides of '~' in '{text}': take it out "
            "on the right."
        )
    return Formula(
        text=" ".join(text.split()),
        response=response,
        fixed=fixed,
        bars=tuple(bar for inside in bar_texts for bar in _bars(inside, text)),
    )


_EXAMPLE = "write response ~ effects, as in 'y ~ x + (1|g)'"


def unquoted(text: str) -> str:
    """Return the text with names in backquotes and strings blanked out, place by place."""
    if not re.search(r"[`'\"]", text):
        return text
    return re.sub(r"`[^`]*`|'[^']*'|\"[^\"]*\"", lambda found: "x" * len(found.group()), text)


def _check_parentheses(text: str) -> None:
    depth, opened = 0, []
    plain = unquoted(text)
    for quote in re.findall(r"[`'\"]", plain):
        what = "backquote" if quote == "`" else "quotation mark"
        raise FormulaError(
            f"The formula '{text}' opens a {what} at '{text[plain.index(quote) :]}' and never "
            "closes it: add the closing one."
        )
    for found in re.finditer(r"[()]", plain):
        place = found.start()
        if found.group() == "(":
            depth += 1
            opened.append(place)
        else:
            depth -= 1
            if depth < 0:
                raise FormulaError(
                    f"The formula '{text}' closes a parenthesis that was never opened, "
                    f"after '{text[:place].rstrip()}': take it out."
                )
            opened.pop()
    if depth:
        raise FormulaError(
            f"The formula '{text}' opens a parenthesis at '{text[opened[-1] :]}' and never closes "
            "it: add the closing one."
        )


def split_outside(text: str, separator: str) -> list[str]:
    """Split at separators outside parentheses, brackets and quotes."""
    if separator not in text:
        return [text]
    pieces, depth, quote, start = [], 0, "", 0
    for found in re.finditer(rf"['\"`()\[\]{{}}]|{re.escape(separator)}", text):
        char = found.group()
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"`":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif depth == 0:
            pieces.append(text[start : found.start()])
            start = found.end()
    return [*pieces, text[start:]]


def _take_out_bars(right: str, text: str) -> tuple[str, list[str]]:
    """Separate ``(effects | group)`` pieces from the fixed effects."""
    fixed, bars = [], []
    for piece in split_outside(right, "+"):
        piece = piece.strip()
        inside = _unwrapped(piece)
        while inside is not None and (deeper := _unwrapped(inside)) and "|" in unquoted(deeper):
            inside = deeper
        if inside is not None and len(split_outside(inside, "|")) > 1:
            bars.append(inside)
        elif len(split_outside(piece, "|")) > 1:
            raise FormulaError(
                f"'|' stands outside parentheses in the formula '{text}': write the random effect "
                f"as ({' '.join(piece.split())})."
            )
        elif call := re.fullmatch(r"(us|diag|homdiag)\s*\((.*)\)", piece):
            bars = {"us": "|", "diag": "||", "homdiag": "|||"}[call[1]]
            inside = re.sub(r"\|+", bars, call[2])
            raise FormulaError(f"'{piece}' is the syntax of glmmTMB: write ({inside}).")
        elif "|" in unquoted(piece):
            raise FormulaError(
                f"The random effect in '{piece}' must stand on its own: write it in parentheses "
                "and add it with '+', as in 'y ~ x + (1|g)'."
            )
        elif not piece:
            raise FormulaError(
                f"The formula '{text}' has a '+' with nothing beside it: name an effect there, or "
                "take the '+' out."
            )
        else:
            fixed.append(piece)
    return " + ".join(fixed) if fixed else "1", bars


def _unwrapped(piece: str) -> str | None:
    """Return what stands inside one pair of parentheses that encloses all of `piece`."""
    piece = piece.strip()
    if not (piece.startswith("(") and piece.endswith(")")):
        return None
    depth = 0
    for place, char in enumerate(unquoted(piece)):
        depth += (char == "(") - (char == ")")
        if depth == 0 and place < len(piece) - 1:
            return None
    return piece[1:-1]


def _describe(text: str, whole: str) -> Any:
    """Let formulae read one side; say in our words when it cannot."""
    from formulae.parser import Parser
    from formulae.resolver import Resolver
    from formulae.scanner import Scanner
    from formulae.terms.terms import Model

    own = text.removeprefix("0 + ").removesuffix(" ~ 1").strip()
    try:
        tokens = Scanner(text).scan()
        _check_tokens(tokens, own, whole)
        parser = Parser(tokens)
        description = Resolver(parser.parse()).resolve()
        finished = parser.at_end()
    except FormulaError:
        raise
    except Exception:
        finished = False
    if not finished:  # formulae stops silently at a missing operator: "x z"
        raise FormulaError(f"'{own}' in the formula '{whole}' cannot be read: {_remedy(own)}.")
    return description if isinstance(description, Model) else Model(description)


_COMPARISONS = ("EQUAL_EQUAL", "BANG_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")


def _check_tokens(tokens: Sequence[Any], text: str, whole: str) -> None:
    """Refuse what formulae reads but not as meant: x**2, None, 2."""
    inside: list[bool] = []  # for each open parenthesis: is it that of a call?
    if any(token.kind in _COMPARISONS for token in tokens):
        return  # the parser refuses them outside I()
    for i, token in enumerate(tokens):
        before = tokens[i - 1].kind if i else ""
        if token.kind in ("LEFT_PAREN", "LEFT_BRACE"):
            inside.append(token.kind == "LEFT_BRACE" or before == "IDENTIFIER" or any(inside))
        elif token.kind in ("RIGHT_PAREN", "RIGHT_BRACE") and inside:
            inside.pop()
        elif any(inside):
            continue
        elif token.kind == "PYTHON_LITERAL":
            raise FormulaError(
                f"'{token.lexeme}' in the formula '{whole}' is a word of Python: if it is the name "
                f"of a column, write `{token.lexeme}`."
            )
        elif token.kind == "STAR_STAR" and before in ("IDENTIFIER", "BQNAME"):
            name = tokens[i - 1].lexeme
            raise FormulaError(
                f"'{name}**{tokens[i + 1].lexeme}' in the formula '{whole}' would cross '{name}' "
                f"with itself: write I({name}**{tokens[i + 1].lexeme}) for the power."
            )
        elif token.kind == "NUMBER" and before != "STAR_STAR" and token.literal not in (0, 1):
            raise FormulaError(
                f"'{token.lexeme}' in the formula '{whole}' is a number, and a formula may only "
                "have 1 or 0 (with or without the mean): name a column."
            )


def _remedy(text: str) -> str:
    """Say what to write instead of something that formulae cannot read."""
    plain = unquoted(text)
    if plain.strip() == ".":
        return "name the columns, for '.' is not understood here"
    if "[" in plain:
        return "it may not have square brackets; order the levels in the data, with pd.Categorical"
    slash = re.search(r"\(\s*[01]\s*/\s*([^()|]+)\)", plain)
    if slash:
        return f"write a random effect with an upright bar, (1|{slash.group(1).strip()})"
    if re.search(r"[=<>!]", plain):
        return "put a comparison inside I(), as in I(x > 2)"
    return (
        "write + : * / or ** between the names of columns, and put a name with spaces or other "
        "signs in `backquotes`"
    )


def _response(left: str, whole: str) -> Any:
    if (
        len(split_outside(left, "+")) > 1
        or len(split_outside(left, ",")) > 1
        or left.startswith("cbind")
    ):
        raise FormulaError(
            f"The formula '{whole}' has more than one response, '{left}': fit a model for each."
        )
    if _A_NAME.fullmatch(left):
        return Name(left)
    description = _describe(f"{left} ~ 1", whole)
    components = getattr(getattr(description.response, "term", None), "components", None)
    if not components or len(components) != 1:
        raise FormulaError(
            f"The response '{left}' in the formula '{whole}' must be one column, or a function of "
            "one, such as log(y)."
        )
    return components[0]


@dataclass(frozen=True)
class Name:
    """A column that stands in a formula by its name alone."""

    name: str

    @property
    def var_names(self) -> set[str]:
        """The column, as formulae's components have it."""
        return {self.name}


_A_NAME = re.compile(r"(?!(?:None|True|False)$)[A-Za-z_][A-Za-z0-9_]*")


def _plain_part(text: str) -> Part | None:
    """Read names joined by + : * as formulae would, only quicker; None where there is more."""
    pieces = [piece.strip() for piece in text.split("+")]
    intercept = pieces[0] != "0"
    terms: list[TermNames] = []
    for piece in pieces[1:] if pieces[0] in ("0", "1") else pieces:
        star = "*" in piece
        names = tuple(name.strip() for name in piece.split("*" if star else ":"))
        if not all(map(_A_NAME.fullmatch, names)):
            return None
        sizes = range(1, len(names) + 1) if star else (len(names),)
        terms += [term for size in sizes for term in combinations(names, size)]
    met = {frozenset(term) for term in terms}
    if len(met) < len(terms) or any(len(set(term)) < len(term) for term in terms):
        return None
    components = {name: Name(name) for term in terms for name in term}
    return Part(intercept, tuple(sorted(terms, key=len)), components)


def _part(text: str, whole: str) -> Part:
    plain = _plain_part(text)
    if plain is not None:
        return plain
    description = _describe(text, whole)
    intercept, terms, components = False, [], {}
    for term in description.terms:
        if type(term).__name__ == "Intercept":
            intercept = True
            continue
        if not hasattr(term, "components"):
            raise FormulaError(
                f"'{text}' in the formula '{whole}' is not a list of effects: "
                "write a random effect as (effects|group)."
            )
        names = tuple(component.name for component in term.components)
        for component in term.components:
            _check_call(component, whole)
        components.update(zip(names, term.components, strict=True))
        terms.append(names)
    terms.sort(key=len)  # main effects first, as R; sort() keeps the order within
    return Part(intercept, tuple(terms), components)


def _check_call(component: Any, whole: str) -> None:
    """Refuse the calls that R knows and we do not."""
    callee = getattr(getattr(component, "call", None), "callee", "")
    if callee == "offset":
        raise FormulaError(
            f"'{component.name}' in the formula '{whole}' is not supported: subtract it from the "
            "response instead."
        )
    inner = component.name[len(callee) + 1 : -1]
    if callee == "Error":
        raise FormulaError(
            f"'{component.name}' in the formula '{whole}' is the syntax of R's aov: write the "
            f"random effect as (1|{inner})."
        )
    if callee in ("factor", "as.factor", "category"):
        raise FormulaError(
            f"'{component.name}' in the formula '{whole}' is the syntax of R: write C({inner})."
        )


def _bars(inside: str, whole: str) -> list[Bar]:
    """Expand one bar: ``/`` into its levels, ``||`` into independent terms."""
    sign = next(bars for bars in ("||||", "|||", "||", "|") if bars in unquoted(inside))
    if len(sign) > 3:
        raise FormulaError(
            f"The random effect '({inside})' in the formula '{whole}' has more than three bars: "
            "write (x|g) for effects that may be correlated, (x||g) for independent ones, (x|||g) "
            "for independent ones that share one variance."
        )
    pieces = split_outside(inside, sign)
    if len(pieces) != 2 or not pieces[0].strip() or not pieces[1].strip():
        raise FormulaError(
            f"The random effect '({inside})' in the formula '{whole}' needs effects on the left of "
            "one '|' and the grouping factor on its right, as in (1|g)."
        )
    left, right = pieces[0].strip(), pieces[1].strip()
    if left == "1" and sign == "|" and _A_NAME.fullmatch(right):  # what most of them are
        return [Bar(f"(1 | {right})", Part(True, (), {}), (right,))]
    effects = _part(left, whole)
    if not effects.intercept and not effects.terms:
        raise FormulaError(
            f"The random effect '({inside})' in the formula '{whole}' has nothing that varies: "
            "write (1|g) for a random mean, or (0 + x|g) for a random slope alone."
        )
    groups = _part(f"0 + {right}", whole)
    if not groups.terms or groups.intercept:
        raise FormulaError(
            f"The grouping factor '{right}' in the formula '{whole}' must be a column "
            "or several, as in (1|g), (1|g/h) or (1|g:h)."
        )
    for term in groups.terms:
        for name in term:
            if hasattr(groups.components[name], "call"):
                inner = name[2:-1] if name.startswith("C(") else ""
                raise FormulaError(
                    f"The grouping factor '{name}' in the formula '{whole}' must be a column: "
                    + (f"write '{inner}' without C()." if inner else "make it first, then name it.")
                )
    shares, tied = [effects], sign == "|||"
    if sign == "||":
        shares = [Part(True, (), {})] if effects.intercept else []
        shares += [Part(False, (term,), effects.components) for term in effects.terms]
    return [
        Bar(
            f"({_effects_text(share)} {sign if tied else '|'} {':'.join(group)})",
            share,
            group,
            tied,
        )
        for group in sorted(groups.terms, key=len)
        for share in shares
    ]


def _effects_text(effects: Part) -> str:
    terms = [":".join(term) for term in effects.terms]
    if not effects.intercept:
        return " + ".join(["0", *terms])
    return " + ".join(terms) if terms else "1"


def variables_of(component: Any) -> list[str]:
    """Return the data columns a component needs, in the order in which they are written."""
    names = [name for name in component.var_names if name]  # formulae names a literal ''
    if component.name.startswith("C("):  # C(x, Sum) names no column Sum
        names = [name for name in names if name not in ("Sum", "Treatment")] or names
    if len(names) < 2:
        return names
    return sorted(names, key=component.name.find)
