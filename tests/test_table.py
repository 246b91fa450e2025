"""The table that every result comes in: how it reads, and that it stays a DataFrame inside."""

from __future__ import annotations

import copy
import pickle
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import mixedteach as mt
from mixedteach.table import Table, significant


@pytest.fixture(scope="module")
def model() -> mt.MixedModel:
    return mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())


def column(values: list, name: str = "estimate", **options) -> list[str]:
    return Table({name: values}, **options).formatted()[name].tolist()


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 12.5, 0.25], ["1.000", "12.500", "0.250"]),
        ([251.405, 10.4673], ["251.41", "10.47"]),  # the median (of logarithms) gets four digits
        ([1234.5678, 2345.678], ["1235", "2346"]),
        ([0.0893, 0.0436], ["0.08930", "0.04360"]),
        ([9.9996, 9.9997], ["10.00", "10.00"]),
        ([100.0, 0.0031], ["100.0000", "0.0031"]),  # the smallest keeps two digits
        ([100.0, 0.00000031], ["100.000000", "3.1e-07"]),  # six decimals do not show it
        ([0.00123456, 0.000123456], ["0.001235", "0.000123"]),
        ([1e-6, 2.5e-7], ["1.000e-06", "2.500e-07"]),
        ([1.5e12, 2.0], ["1.500e+12", "2.000e+00"]),
        ([123456789.4, 234567890.6], ["123456789", "234567891"]),
        ([0.0, 0.0], ["0.000", "0.000"]),
        ([1.5, 0.0], ["1.500", "0.000"]),
        ([1.5, -1e-16], ["1.500", "0.000"]),  # rounding is no number, and has no sign
        ([1.5, np.nan, None], ["1.500", "", ""]),
        ([1.5, np.inf, -np.inf], ["1.500", "inf", "-inf"]),
        ([np.nan], [""]),
        ([], []),
    ],
)
def test_estimates_of_a_column_share_their_decimals(values, expected):
    assert column(values) == expected


def test_digits():
    assert column([1.23456, 12.3456], digits=6) == ["1.23456", "12.34560"]


def test_p_values():
    values = [0.5, 0.04999, 0.00005, 0.0000499, 0.0, 1.0, np.nan]
    expected = ["0.5000", "0.0500", "0.0001", "<0.0001", "<0.0001", "1.0000", ""]
    assert column(values, "p") == expected


def test_degrees_of_freedom():
    assert column([9.0, 18.9999999999], "df") == ["9", "19"]
    assert column([9.0, 12.3456], "den_df") == ["9.00", "12.35"]
    assert column([1, 2], "num_df") == ["1", "2"]
    assert column([np.inf], "df") == ["inf"]


def test_statistics():
    assert column([1.23456, -12.3456], "t") == ["1.235", "-12.346"]
    assert column([1e7, 1.0], "F") == ["1.000e+07", "1.000e+00"]
    assert column([-871.8141, 12.0], "loglik") == ["-871.81", "12.00"]
    assert column([0.0655512, np.nan, -1.0], "corr") == ["0.066", "", "-1.000"]


def test_estimate_and_limits_share_their_decimals():
    table = Table({"estimate": [10.39], "SE": [0.1153], "lower": [0.0129], "upper": [10.6508]})
    assert table.formatted().iloc[0].tolist() == ["10.39000", "0.1153", "0.01290", "10.65080"]


def test_labels_are_shown_as_they_are():
    assert column([0.0, 4.5, 9.0], "Days") == ["0.0", "4.5", "9.0"]
    assert column([8.0, 10.0], "age") == ["8", "10"]
    assert column([True, False], "smoker") == ["True", "False"]
    assert column([1 / 3, 2 / 3], "share") == ["0.3333", "0.6667"]
    assert column([pd.Timestamp("2024-03-01"), pd.NaT], "day") == ["2024-03-01 00:00:00", ""]


def test_full_precision_is_kept():
    assert Table({"estimate": [1 / 3]})["estimate"].item() == 1 / 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0"), (1 / 3, "0.3333"), (2.5, "2.500"), (12345.6, "12346"), (1e-5, "1.000e-05"),
     (2e8, "2.000e+08"), (-0.25, "-0.2500")],
)  # fmt: skip
def test_significant(value, expected):
    assert significant(value) == expected


# -- text and HTML ---------------------------------------------------------------------------------


def test_text(model):
    table = model.coefficients()
    assert str(table) == repr(table)
    assert repr(table) == "\n".join(
        [
            "Fixed effects; df: Satterthwaite; intervals: 95%",
            "              estimate      SE     df       t        p    lower    upper",
            "Intercept      10.3900  0.1153  12.40  90.112  <0.0001  10.1397  10.6403",
            "method[hplc]   -0.0500  0.0934   9.00  -0.535   0.6054  -0.2613   0.1613",
        ]
    )


def test_text_without_an_index():
    table = Table(
        {"contrast": ["a - b", "long - b"], "estimate": [1.25, -12.5], "p": [1e-9, 0.2]},
        caption="Caption", notes=["Note."],
    )  # fmt: skip
    assert repr(table) == "\n".join(
        [
            "Caption",
            "contrast  estimate        p",
            "   a - b     1.250  <0.0001",
            "long - b   -12.500   0.2000",
            "Note.",
        ]
    )


def test_empty_table():
    table = Table({"estimate": [], "p": []}, caption="Nothing")
    assert repr(table) == "Nothing\n(no rows)"
    assert "<tbody></tbody>" in table._repr_html_()
    assert repr(Table()) == "(no rows)"
    mean = mt.lmer("content ~ 1 + (1|tablet)", mt.load_tablets())
    assert repr(mean.anova()).endswith("\n(no rows)")


class Cells(HTMLParser):
    """Collect cells with their style; refuse tags that are not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open, self.cells, self.seen = [], [], set()
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.update(name for name, _ in attrs)
        if tag in ("td", "th"):
            self.cells.append([tag, dict(attrs).get("style"), ""])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            self.cells[-1][2] += data


def test_html(model):
    table = model.emmeans("method")
    html = table._repr_html_()
    assert html == model.emmeans("method")._repr_html_()  # nothing random
    parsed = Cells(html)
    assert parsed.seen == {"style"}
    width = len(table.columns)
    assert parsed.cells[width] == ["td", "text-align: left", "nir"]
    assert {style for _, style, _ in parsed.cells[width + 1 : 2 * width]} == {"text-align: right"}
    assert [text for _, _, text in parsed.cells[:width]] == list(table.columns)
    with_index = Cells(model.anova()._repr_html_())
    assert with_index.cells[0] == ["th", "text-align: left", "term"]
    assert with_index.cells[7] == ["th", "text-align: left", "method"]


def test_html_is_escaped():
    table = Table(
        {"a<b": ["x & y", "<script>"], "p": [1e-9, 0.5]}, index=["<i>", '"q"'],
        caption="F < 1", notes=["a & b"],
    )  # fmt: skip
    html = table._repr_html_()
    for text in ("a&lt;b", "x &amp; y", "&lt;script&gt;", "&lt;i&gt;", "&quot;q&quot;",
                 "<caption>F &lt; 1</caption>", "<p>a &amp; b</p>", "&lt;0.0001"):  # fmt: skip
        assert text in html
    assert not re.search(r"<(script|i)>", html)
    assert [cell[2] for cell in Cells(html).cells[3:6]] == ["<i>", "x & y", "<0.0001"]


def test_two_columns_of_the_same_name():
    table = Table([[1.5, 2.5]], columns=["estimate", "estimate"])
    assert repr(table) == "estimate  estimate\n   1.500     2.500"


# -- a DataFrame inside ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operation",
    [
        lambda t: t.round(2), lambda t: t.copy(), lambda t: t.head(1), lambda t: t[["p"]],
        lambda t: t.loc[t["p"] < 2], lambda t: t.iloc[:1], lambda t: t.T, lambda t: t.reset_index(),
        lambda t: t.sort_values("p"), lambda t: t.assign(x=1), lambda t: pd.concat([t, t]),
        lambda t: t.drop(columns="p"), lambda t: t.rename(columns={"p": "q"}), lambda t: t * 2,
    ],
)  # fmt: skip
def test_pandas_operations_return_plain_frames(model, operation):
    assert type(operation(model.coefficients())) is pd.DataFrame


def test_columns_are_series(model):
    assert type(model.coefficients()["p"]) is pd.Series
    assert type(model.coefficients().loc["Intercept"]) is pd.Series


def test_table_keeps_what_it_says(model):
    table = model.emmeans("method", ddf="kenward-roger").pairs()
    for other in (copy.copy(table), copy.deepcopy(table), pickle.loads(pickle.dumps(table))):
        assert type(other) is type(table)
        assert repr(other) == repr(table)
        assert other.attrs == table.attrs
        assert other.conf_int(level=0.9).attrs["level"] == 0.9  # it still knows its model
    changed = copy.copy(table)
    changed.loc[0, "estimate"] = 7.0
    changed.notes.append("changed")
    assert table["estimate"].item() != 7.0
    assert "changed" not in table.notes


def test_to_csv_and_back(model, tmp_path):
    path = tmp_path / "means.csv"
    table = model.emmeans("method")
    table.to_csv(path, index=False)
    pd.testing.assert_frame_equal(pd.read_csv(path), pd.DataFrame(table), check_dtype=False)


def test_a_long_table_shows_its_ends_and_holds_all():
    long = Table({"p": np.linspace(0, 1, 61)}, caption="Many", notes=["First."])
    lines = long.to_text().splitlines()
    assert len(lines) == 1 + 1 + 5 + 1 + 5 + 2
    assert lines[-2:] == ["First.", "61 rows, of which the first and last 5 are shown."]
    assert long._repr_html_().count("<tr>") == 1 + 11
    assert "61 rows, of which" in long._repr_html_()
    assert len(long) == 61
    assert long.notes == ["First."]
    assert "..." not in Table({"p": np.linspace(0, 1, 60)}).to_text()
