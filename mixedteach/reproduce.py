"""Recompute every number printed in the lecture's worked examples, and compare.

The lecture's numbers are facts in a file, ``course/slide_numbers.json``. The way to each of them is
here, in :data:`ANALYSES`: a few lines of Python, and one expression a number. The lines are kept as
text and run as they are, so that what is shown is what was run.

A number agrees if it differs by at most one unit in the last printed digit, or by 2e-6 of its size
where more digits are printed than the lecture's optimiser had right. Whole numbers (degrees of
freedom, counts) must be equal.
"""

from __future__ import annotations

import json
import textwrap
import warnings
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import mixedteach
from mixedteach.errors import DataError, MixedTeachWarning, did_you_mean
from mixedteach.paths import resource

__all__ = ["ANALYSES", "Analysis", "Comparison", "Group", "report", "reproduce", "to_json"]

RELATIVE = 2e-6


@dataclass(frozen=True)
class Analysis:
    """One worked example: the lines to run after ``import mixedteach as mt``, and its numbers."""

    section: str
    analysis: str
    code: str
    numbers: dict[str, str]

    def run(self) -> tuple[dict[str, Any], list[str]]:
        """Run the lines; return the names they define, and what the model `m` has to say."""
        names: dict[str, Any] = {"mt": mixedteach}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MixedTeachWarning)  # they are among the model's notes
            exec(compile(self.code, f"<{self.analysis}>", "exec"), names)
        return names, list(getattr(names.get("m"), "notes", []))


@dataclass(frozen=True)
class Comparison:
    """One number of the lecture beside ours; ``value`` is None if no line computes it."""

    quantity: str
    printed: str
    expression: str
    value: float | None

    @property
    def agrees(self) -> bool:
        """Whether the two are the same number."""
        return self.value is not None and agrees(self.value, self.printed)

    @property
    def shown(self) -> str:
        """Our number with the digits of the lecture's; with more of them if the two differ."""
        if self.value is None:
            return "(none)"
        places = _places(self.printed)
        return f"{self.value:.{places if self.agrees else places + 4}f}"


@dataclass(frozen=True)
class Group:
    """The numbers of one worked example, with their code and the model's notes."""

    section: str
    analysis: str
    code: str
    notes: list[str]
    comparisons: list[Comparison]


def _cells(rows: dict[str, str], columns: dict[str, str], table: str = "table") -> dict[str, str]:
    """Return {"row quantity": expression} for rows and columns of a frame of that name.

    Both dictionaries map the lecture's name to ours.
    """
    return {
        f"{name} {quantity}": f'{table}.loc["{row}", "{column}"]'
        for name, row in rows.items()
        for quantity, column in columns.items()
    }


_TERM = {"df": "num_df", "sum of squares": "sum_sq", "mean square": "mean_sq", "F": "F", "p": "p"}
_RESIDUAL = {"df": "num_df", "sum of squares": "sum_sq", "mean square": "mean_sq"}
_LINE = {name: name for name in ("estimate", "SE", "t", "df", "lower", "upper")}

ANALYSES = (
    Analysis(
        "paired t-test",
        "t.test(hplc, nir, paired=TRUE)",
        """\
tablets = mt.load_tablets()
test = mt.paired_t_test(tablets, "content", within="method", subject="tablet").iloc[0]
""",
        {
            "mean of differences": 'test["estimate"]',
            "variance of differences": 'test["variance"]',
            "sd of differences": 'test["sd"]',
            "t": 'test["t"]',
            "df": 'test["df"]',
            "p-value": 'test["p"]',
            "95% CI lower": 'test["lower"]',
            "95% CI upper": 'test["upper"]',
            "SE of the mean difference": 'test["SE"]',
        },
    ),
    Analysis(
        "blocked ANOVA",
        "aov(y ~ method + tablet)",
        """\
tablets = mt.load_tablets()
m = mt.lm("content ~ method + tablet", tablets)
table = m.anova()
""",
        _cells({"method": "method", "tablet": "tablet"}, _TERM)
        | _cells({"residual": "Residual"}, _RESIDUAL)
        | {"SE of the method difference": 'm.bse["method[hplc]"]'},
    ),
    Analysis(
        "blocked ANOVA",
        "the ten NIR readings alone",
        """\
nir = mt.load_tablets(wide=True)["nir"]
""",
        {"sd of NIR": "nir.std()", "SE of the NIR mean": "nir.sem()"},
    ),
    Analysis(
        "mixed model",
        "lmer(y ~ method + (1|tablet)), REML",
        """\
tablets = mt.load_tablets()
m = mt.lmer("content ~ method + (1|tablet)", tablets)
parts = m.variance_components.set_index("group")
table = m.coefficients()
""",
        {
            "tablet variance": 'parts.loc["tablet", "variance"]',
            "tablet sd": 'parts.loc["tablet", "sd"]',
            "residual variance": 'parts.loc["Residual", "variance"]',
            "residual sd": 'parts.loc["Residual", "sd"]',
            "observations": "m.nobs",
            "tablets": 'm.groups["tablet"]',
            "intercept": 'table.loc["Intercept", "estimate"]',
            "intercept SE": 'table.loc["Intercept", "SE"]',
            "intercept t": 'table.loc["Intercept", "t"]',
            "methodhplc": 'table.loc["method[hplc]", "estimate"]',
            "methodhplc SE": 'table.loc["method[hplc]", "SE"]',
            "methodhplc t": 'table.loc["method[hplc]", "t"]',
            "correlation of fixed effects": "m.corr_params.iloc[0, 1]",
        },
    ),
    Analysis(
        "mixed model",
        "anova(lme), containment df",
        """\
tablets = mt.load_tablets()
m = mt.lmer("content ~ method + (1|tablet)", tablets)
table = m.anova(type=1, intercept=True, ddf="containment")
""",
        _cells(
            {"intercept": "Intercept", "method": "method"},
            {"numDF": "num_df", "denDF": "den_df", "F": "F"},
        )
        | {"method p": 'table.loc["method", "p"]'},
    ),
    Analysis(
        "missing values",
        "anova(lm(y ~ tablet + method))",
        """\
tablets = mt.load_tablets_missing()
m = mt.lm("content ~ tablet + method", tablets)
table = m.anova()
""",
        _cells({"tablet": "tablet", "method": "method"}, _TERM)
        | _cells({"residual": "Residual"}, _RESIDUAL),
    ),
    Analysis(
        "missing values",
        "anova(lme(y ~ method, random = ~1|tablet)), containment df",
        """\
tablets = mt.load_tablets_missing()
m = mt.lmer("content ~ method + (1|tablet)", tablets)
table = m.anova(type=1, intercept=True, ddf="containment")
""",
        _cells({"intercept": "Intercept", "method": "method"}, {"denDF": "den_df", "F": "F"})
        | {"method p": 'table.loc["method", "p"]'},
    ),
    Analysis(
        "missing values",
        "summary(lme), REML",
        """\
tablets = mt.load_tablets_missing()
m = mt.lmer("content ~ method + (1|tablet)", tablets, ddf="containment")
parts = m.variance_components.set_index("group")
table = m.coefficients()
""",
        {
            "tablet sd": 'parts.loc["tablet", "sd"]',
            "residual sd": 'parts.loc["Residual", "sd"]',
            "intercept": 'table.loc["Intercept", "estimate"]',
            "intercept SE": 'table.loc["Intercept", "SE"]',
            "intercept df": 'table.loc["Intercept", "df"]',
            "intercept t": 'table.loc["Intercept", "t"]',
            "methodhplc": 'table.loc["method[hplc]", "estimate"]',
            "methodhplc SE": 'table.loc["method[hplc]", "SE"]',
            "methodhplc df": 'table.loc["method[hplc]", "df"]',
            "methodhplc t": 'table.loc["method[hplc]", "t"]',
            "methodhplc p": 'table.loc["method[hplc]", "p"]',
            "correlation of fixed effects": "m.corr_params.iloc[0, 1]",
        },
    ),
    Analysis(
        "missing values",
        "LS means and difference, fixed model",
        """\
tablets = mt.load_tablets_missing()
m = mt.lm("content ~ tablet + method", tablets)
means = m.emmeans("method")
difference = means.contrast({"LS DIF": [-1, 1]}).set_index("contrast")
means = means.set_index("method")
""",
        _cells({"LS HPLC": "hplc", "LS NIR": "nir"}, _LINE | {"estimate": "emmean"}, "means")
        | _cells({"LS DIF": "LS DIF"}, _LINE | {"p": "p"}, "difference"),
    ),
    Analysis(
        "missing values",
        "LS means and difference, mixed model (estimable, containment df)",
        """\
tablets = mt.load_tablets_missing()
m = mt.lmer("content ~ method + (1|tablet)", tablets)
functions = {"LS HPLC": [1, 1], "LS NIR": [1, 0], "LS DIF": [0, 1]}
table = m.estimable(functions, ddf="containment").set_index("function")
""",
        _cells({"LS HPLC": "LS HPLC", "LS NIR": "LS NIR"}, _LINE)
        | _cells({"LS DIF": "LS DIF"}, _LINE | {"p": "p"}),
    ),
)


def agrees(value: float, printed: str) -> bool:
    """Say whether a computed value is the number that was printed.

    Parameters
    ----------
    value : float
        As computed.
    printed : str
        As printed; its number of digits sets the tolerance.

    Examples
    --------
    >>> agrees(0.60537, "0.6054"), agrees(0.6057, "0.6054"), agrees(9.5, "9")
    (True, False, False)
    """
    places, target = _places(printed), float(printed)
    if not places:
        return abs(value - target) <= 1e-6
    unit = 10.0**-places
    return abs(value - target) <= max(unit * (1 + 1e-9), RELATIVE * abs(target))


def _places(printed: str) -> int:
    """Return the number of digits after the point."""
    return len(printed.partition(".")[2])


def reproduce(section: str | None = None, numbers: Path | None = None) -> list[Group]:
    """Recompute the lecture's numbers.

    Parameters
    ----------
    section : str, optional
        One section only, such as ``"mixed model"`` (in any case; its beginning is enough).
    numbers : Path, optional
        Another file in the form of ``course/slide_numbers.json``.

    Returns
    -------
    list of Group
        One a worked example, in the lecture's order.

    Raises
    ------
    DataError
        If there is no such section, or the file cannot be read.

    Examples
    --------
    >>> group = reproduce("paired t-test")[0]
    >>> number = group.comparisons[0]
    >>> number.quantity, number.printed, number.shown, number.agrees
    ('mean of differences', '-0.05', '-0.05', True)
    """
    known = {(a.section, a.analysis): a for a in ANALYSES}
    entries = _read(numbers)
    if section is not None:
        chosen = _section(section, list(dict.fromkeys(entry["section"] for entry in entries)))
        entries = [entry for entry in entries if entry["section"] == chosen]
    groups = []
    for key, members in groupby(entries, key=lambda entry: (entry["section"], entry["analysis"])):
        analysis = known.get(key, Analysis(*key, "", {}))
        names, notes = analysis.run()
        comparisons = []
        for entry in members:
            expression = analysis.numbers.get(entry["quantity"], "")
            value = float(eval(expression, names)) if expression else None
            comparisons.append(Comparison(entry["quantity"], entry["printed"], expression, value))
        groups.append(Group(*key, analysis.code, notes, comparisons))
    return groups


def _read(path: Path | None) -> list[dict[str, str]]:
    path = path or resource("course", "slide_numbers.json")
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8"))["numbers"]
        for entry in entries:
            float(entry["printed"])
            entry["section"], entry["analysis"], entry["quantity"]
    except OSError as error:
        raise DataError(f"The file {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"The file {path} is not in the form of course/slide_numbers.json: a list 'numbers' "
            "whose entries have section, analysis, quantity and printed."
        ) from error
    return entries


def _section(wanted: str, sections: list[str]) -> str:
    found = [name for name in sections if name.lower() == wanted.strip().lower()]
    found = found or [name for name in sections if name.lower().startswith(wanted.strip().lower())]
    if len(found) != 1:
        hint = did_you_mean(wanted, sections)
        raise DataError(f"The lecture's numbers have no section '{wanted}'.{hint}")
    return found[0]


def report(groups: list[Group], quiet: bool = False) -> str:
    """Return the comparison as text (plain ASCII).

    Parameters
    ----------
    groups : list of Group
        From :func:`reproduce`.
    quiet : bool
        Only the numbers that differ, and the summary line.

    Returns
    -------
    str
    """
    lines: list[str] = []
    if not quiet:
        lines += [*_INTRODUCTION, "", "  >>> import mixedteach as mt"]
    for number, group in enumerate(groups):
        shown = [c for c in group.comparisons if not (quiet and c.agrees)]
        if not shown:
            continue
        first = number == 0 or groups[number - 1].section != group.section
        if first and not quiet:
            lines += ["", group.section.upper(), "=" * len(group.section)]
        heading = f"{group.section}: {group.analysis}" if quiet else group.analysis
        lines += ["", heading, ""]
        if not quiet:
            lines += [f"  >>> {line}" for line in group.code.splitlines()]
            lines += [part for note in group.notes for part in _wrapped(f"Note: {note}")] + [""]
        lines += _columns(shown)
    everything = [c for group in groups for c in group.comparisons]
    agreeing = sum(c.agrees for c in everything)
    if lines:
        lines.append("")
    lines.append(f"{agreeing} of {len(everything)} numbers agree")
    return "\n".join(lines)


_INTRODUCTION = (
    "The numbers printed in the lecture beside those computed here.",
    "ok: they differ by at most one unit in the last printed digit, or by 2 in a million where the",
    "lecture prints more digits than its optimiser had right; whole numbers are equal.",
    "The lines after >>> are the Python that was run. Each group can be run by itself, after",
)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 98, initial_indent="  ", subsequent_indent="    ")


def _columns(comparisons: list[Comparison]) -> list[str]:
    rows = [("", "", "lecture", "here", "computed by")]
    for c in comparisons:
        mark = "ok" if c.agrees else "DIFFERS"
        rows.append((mark, c.quantity, c.printed, c.shown, c.expression))
    wide = [max(len(row[i]) for row in rows) for i in range(4)]
    return [
        f"  {mark:<{wide[0]}}  {quantity:<{wide[1]}}  {printed:>{wide[2]}}  {shown:>{wide[3]}}"
        f"  {expression}".rstrip()
        for mark, quantity, printed, shown, expression in rows
    ]


def to_json(groups: list[Group]) -> str:
    """Return the comparison for other programs, as JSON.

    Parameters
    ----------
    groups : list of Group
        From :func:`reproduce`.

    Returns
    -------
    str
        An object with ``agree``, ``total`` and ``numbers``; each number has ``section``,
        ``analysis``, ``code``, ``quantity``, ``expression``, ``printed`` (text), ``value`` (in
        full) and ``agrees``.
    """
    numbers = [
        {
            "section": group.section,
            "analysis": group.analysis,
            "code": "import mixedteach as mt\n" + group.code,
            "quantity": c.quantity,
            "expression": c.expression,
            "printed": c.printed,
            "value": c.value,
            "agrees": c.agrees,
        }
        for group in groups
        for c in group.comparisons
    ]
    agreeing = sum(bool(number["agrees"]) for number in numbers)
    return json.dumps({"agree": agreeing, "total": len(numbers), "numbers": numbers}, indent=2)
