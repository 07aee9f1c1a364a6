"""The script that holds the published numbers against a reader's papers finds a wrong digit and a wrong quotation."""

import importlib.util
from pathlib import Path

import pytest

from handlib.reproduce.claims import load_claims
from handlib.reproduce.published import PublishedTable, load_published

SCRIPT = Path(__file__).parent.parent / "data_scripts" / "check_published.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("check_published", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def as_text(table: PublishedTable) -> str:
    """A table as a text extraction might give it: column after column, then the caption."""
    columns = zip(*(row.values for row in table.rows), strict=True)
    return "\n".join(value or "-" for column in columns for value in column) + f"\n{table.name.upper()}: caption\n"


def paper_text(paper: str) -> str:
    tables = [as_text(table) for table in load_published().values() if table.paper == paper]
    quotes = [claim.quote or "" for claim in load_claims() if claim.paper == paper]
    return "\n".join(tables + quotes)


@pytest.mark.parametrize("paper", ["fitting", "s2hand", "s2hand-v", "seqhand", "tassn"])
def test_a_text_with_everything_has_no_complaint(script, paper):
    assert script.check_paper(paper, paper_text(paper)) == []


def test_one_wrong_digit_is_found(script):
    text = paper_text("tassn").replace("0.972", "0.927")
    assert script.check_paper("tassn", text) == ["tassn/table-1: not found: {'0.972': 1}"]


def test_numbers_far_from_their_table_do_not_count(script):
    table = load_published()["tassn/table-1"]
    far = as_text(table).replace("TABLE 1", " " * (script.NEAR_CHARACTERS + 1) + "TABLE 1")
    assert sum(script.missing_numbers(table, far).values()) == 18


def test_a_changed_quotation_is_found_and_line_breaks_are_forgiven(script):
    claim = next(claim for claim in load_claims() if claim.id == "tassn-silhouette-prevents-collapse")
    hyphenated = claim.quote.replace("temporally", "tempo-\nrally")
    assert script.missing_quotations([claim], hyphenated) == []
    assert script.missing_quotations([claim], hyphenated.replace("collapse", "converge")) == [claim.id]
