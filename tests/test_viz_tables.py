"""Tables on the page."""

import numpy as np
import pytest

from handlib import viz
from handlib.errors import BadInputError
from handlib.viz import tables


def test_a_table_is_shown_with_headings_rounded_numbers_and_dashes(capsys) -> None:
    viz.show_table({"method": ["a & b", "c"], "error [mm]": [np.float64(1.23456), None], "n": [3, np.int64(4)]})
    shown = capsys.readouterr().out
    rows = tables._rows({"method": ["a & b", "c"], "error [mm]": [np.float64(1.23456), None], "n": [3, 4]}, 2)
    assert rows == [["a & b", "1.23", "3"], ["c", "–", "4"]]
    page = tables.table_html(["method", "error [mm]", "n"], rows, "Scores")
    assert '<th scope="col">error [mm]</th>' in page and "a &amp; b" in page and "<caption>Scores</caption>" in page
    assert tables.table_text(["method", "error [mm]", "n"], rows).splitlines()[0] == "method  error [mm]  n"
    assert page.split("</caption>")[1] in shown


@pytest.mark.parametrize("columns", [{}, {"a": [1], "b": [1, 2]}])
def test_columns_that_do_not_fit_are_refused(columns: dict) -> None:
    with pytest.raises(BadInputError, match="columns"):
        viz.show_table(columns)


def test_numbers_stand_on_the_right_and_words_on_the_left():
    text = tables.table_html(["joint", "limit", "source"], [["mcp", "-45.0", "a book"], ["pip", "–", "another"]], None)
    assert '<td style="text-align:right">-45.0</td><td style="text-align:left">a book</td>' in text
