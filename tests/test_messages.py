"""How errors look in a notebook, and pointers to names that were meant."""

import json

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import mixedteach as mt


def test_a_notebook_shows_the_readers_line_and_the_sentence():
    cells = [
        "import mixedteach as mt\ntablets = mt.load_tablets()",
        'x = 1\nm = mt.lmer("content ~ metod + (1|tablet)", tablets)',
        "def fit():\n    return mt.lm('content ~ method', [1, 2])\n\n\nfit()",
        "1 / 0",
    ]
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, allow_errors=True, kernel_name="python3").execute()
    shown = ["\n".join(cell.outputs[0].traceback) for cell in notebook.cells[1:]]
    assert shown[0].splitlines() == [
        'Line 2: m = mt.lmer("content ~ metod + (1|tablet)", tablets)',
        "FormulaError: 'metod' in the fixed effects is not a column of the data. "
        "Did you mean 'method'?",
    ]
    assert shown[1].startswith("Line 2: return mt.lm('content ~ method', [1, 2])\nDataError: ")
    assert "ZeroDivisionError" in shown[2]  # others' errors look as always
    assert "Line" not in json.dumps(shown[2])[:20]


def test_an_error_that_was_not_raised_by_a_line():
    assert mt.DataError("No rows.")._render_traceback_() == ["DataError: No rows."]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda m: mt.load_tablet, "no 'load_tablet'. Did you mean 'load_tablets'"),
        (lambda m: mt.zzz, "no 'zzz'; dir"),
        (lambda m: mt.aov, "no 'aov': use mt.lm"),
        (lambda m: m.Summary, "no 'Summary'. Did you mean 'summary'"),
        (lambda m: m.qqqq, "A MixedModel has no 'qqqq'.$"),
    ],
)
def test_names_that_were_meant(ask, message):
    m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    with pytest.raises(AttributeError, match=message):
        ask(m)


def test_arguments_that_must_be_named():
    with pytest.raises(mt.DataError, match="needs within= and subject= as well: write them"):
        mt.plot.paired(mt.load_tablets(), "content")
    with pytest.raises(mt.DataError, match="needs subject= as well: write it with its name"):
        mt.plot.paired(mt.load_tablets(), "content", within="method")
