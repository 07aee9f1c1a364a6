"""The published numbers: complete, digit for digit, and in agreement with what the papers compute from them."""

import re
from collections import Counter
from decimal import Decimal

import pytest
import yaml

from handlib.errors import BadInputError, MissingFileError
from handlib.reproduce.published import PUBLISHED_FOLDER, load_published, read_published, rounding_interval

TABLE_ROWS = {
    "tassn/table-1": 6,
    "s2hand/table-2": 6,
    "s2hand/table-3": 4,
    "s2hand/table-4": 4,
    "s2hand/table-5": 4,
    "s2hand-v/table-1": 6,
    "s2hand-v/table-2": 5,
    "s2hand-v/table-3": 4,
    "s2hand-v/table-4": 5,
    "s2hand-v/table-5": 4,
    "s2hand-v/table-6": 4,
    "s2hand-v/table-7": 4,
    "s2hand-v/table-8": 4,
    "s2hand-v/table-9": 3,
    "seqhand/table-1": 10,
    "seqhand/table-2": 6,
    "seqhand/table-3": 5,
    "seqhand/table-4": 5,
    "fitting/table-1": 14,
    "fitting/table-2": 14,
}
CURVES = {
    "tassn": {"Figure 6", "Figure 7"},
    "s2hand": {"Figure 4"},
    "s2hand-v": {"Figure 6"},
    "seqhand": {"Figure 6", "Figure 7", "Figure 8"},
    "fitting": {"Figure 5", "Figure 6", "Figure 7", "Figure 8"},
}
# Sums of whole columns, added up by hand from the papers: a slip in one digit of a table shows up here.
COLUMN_SUMS = {
    ("tassn/table-1", "epe"): "111.0",
    ("s2hand/table-2", "f_15"): "4.59",
    ("s2hand/table-4", "mpjpe"): "5.15",
    ("s2hand-v/table-4", "mpvpe"): "5.56",
    ("s2hand-v/table-5", "test_acc"): "12.25",
    ("seqhand/table-2", "error_3d"): "51.98",
    ("seqhand/table-3", "error_do"): "263.00",
    ("seqhand/table-4", "error_ed"): "224.05",
    ("fitting/table-1", "mean_error"): "211.17",
    ("fitting/table-2", "mean_error"): "173.6",
}


def cell(address: str) -> float:
    """The number at "<table> <row> <column>"."""
    number = load_published()[address.split()[0]].number(*address.split()[1:])
    assert number is not None
    return number


def test_every_results_table_of_the_five_papers_is_there_with_all_its_rows():
    tables = {key: len(table.rows) for key, table in load_published().items() if table.kind == "table"}
    assert tables == TABLE_ROWS


def test_every_curve_of_the_five_papers_is_there():
    curves = [table for table in load_published().values() if table.kind == "curve"]
    assert {paper: {c.name for c in curves if c.paper == paper} for paper in CURVES} == CURVES


def test_every_row_of_a_results_table_has_numbers_and_only_known_dashes_are_missing():
    dashes = Counter()
    for table in load_published().values():
        if table.kind == "table":
            numeric = [index for index, column in enumerate(table.columns) if column.is_numeric]
            dashes[table.key] = sum(row.values[index] is None for row in table.rows for index in numeric)
    expected = {"s2hand/table-2": 4, "s2hand/table-3": 6, "s2hand-v/table-1": 4, "s2hand-v/table-2": 6}
    assert +dashes == Counter(expected | {"seqhand/table-4": 2})


def test_a_curve_without_numbers_says_so():
    for table in load_published().values():
        if table.kind != "table" and all(value is None for row in table.rows for value in row.values):
            assert table.note is not None and ("no number" in table.note or "not carry" in table.note), table.key


@pytest.mark.parametrize("where", COLUMN_SUMS)
def test_columns_add_up_to_sums_made_by_hand(where):
    table = load_published()[where[0]]
    total = sum(Decimal(value) for row in table.rows if (value := table.printed(row.key, where[1])) is not None)
    assert str(total) == COLUMN_SUMS[where]


@pytest.mark.parametrize(
    ("better", "worse", "percent"),
    [
        ("s2hand/table-4 loc-ori mpjpe", "s2hand/table-4 loc mpjpe", 19.5),
        ("s2hand/table-4 loc-ori-2d mpjpe", "s2hand/table-4 loc-ori mpjpe", 4.0),
        ("s2hand/table-5 freihand-ssl auc_j", "s2hand/table-5 freihand-wsl auc_j", 4.9),
        ("s2hand/table-5 ho3d-ssl auc_j", "s2hand/table-5 ho3d-wsl auc_j", 1.0),
        ("s2hand/table-3 s2hand mpvpe", "s2hand/table-3 hasson-2019 mpvpe", 13.8),
        ("s2hand-v/table-2 s2hand-v mpvpe", "s2hand-v/table-2 hasson-2019 mpvpe", 16.2),
        ("s2hand-v/table-4 quaternion-ts mpjpe", "s2hand-v/table-4 s2hand mpjpe", 3.5),
        ("s2hand-v/table-8 quaternion-ortho-wild mpjpe", "s2hand-v/table-8 quaternion-ortho mpjpe", 1.8),
        ("fitting/table-1 multi-view mean_error", "fitting/table-1 synthetic-noise mean_error", 44.3),
    ],
)
def test_percentages_follow_from_the_printed_numbers(better, worse, percent):
    assert round(100 * abs(cell(better) - cell(worse)) / cell(worse), 1) == percent


@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        ("tassn/table-1 stb-full auc_0_50", "tassn/table-1 stb-no-consistency auc_0_50", 0.232),
        ("tassn/table-1 stb-full auc_20_50", "tassn/table-1 stb-no-consistency auc_20_50", 0.237),
        ("tassn/table-1 stb-no-consistency epe", "tassn/table-1 stb-full epe", 12.9),
        ("tassn/table-1 mhp-full auc_0_50", "tassn/table-1 mhp-pose-consistency auc_0_50", 0.024),
        ("tassn/table-1 mhp-full auc_20_50", "tassn/table-1 mhp-pose-consistency auc_20_50", 0.022),
        ("tassn/table-1 mhp-pose-consistency epe", "tassn/table-1 mhp-full epe", 1.3),
        ("s2hand-v/table-4 quaternion-ts auc_v", "s2hand-v/table-4 quaternion auc_v", 0.001),
        ("s2hand-v/table-9 quaternion shape_sd", "s2hand-v/table-9 quaternion-ts shape_sd", 0.001),
    ],
)
def test_differences_follow_from_the_printed_numbers(first, second, difference):
    assert cell(first) - cell(second) == pytest.approx(difference, abs=1e-9)


def test_reprinted_tables_have_the_numbers_of_the_conference_paper():
    tables = load_published()
    reprints = [table for table in tables.values() if table.same_as is not None]
    assert {table.name for table in reprints} == {"Table 1", "Table 3", "Table 6", "Figure 6"}
    for table in reprints:
        assert [row.values for row in table.rows] == [row.values for row in tables[table.same_as].rows]


def test_rows_that_one_paper_prints_in_several_tables_agree():
    tables = load_published()
    first = tables["s2hand-v/table-4"]
    for other in ("s2hand-v/table-2", "s2hand-v/table-8"):
        assert tables[other].row("s2hand").values == first.row("s2hand").values
    assert tables["s2hand-v/table-2"].row("s2hand-v").values == first.row("quaternion-ts").values
    assert cell("seqhand/table-4 seqhand error_ed") == cell("seqhand/table-3 convlstm-seq-real-detached error_ed")


def test_rounded_reprints_of_nyu_agree_with_the_finer_numbers():
    assert round(cell("fitting/table-1 multi-view mean_error"), 1) == cell("fitting/table-2 stack-1 mean_error")
    scored = {"v2v": 8.419, "densereg": 10.214, "pose-ren": 11.811, "deepprior": 12.238}
    for row, millimetres in scored.items():
        assert cell(f"fitting/table-2 {row} mean_error") == round(millimetres, 1)


def test_two_rows_of_a_table_share_a_recipe_only_where_one_run_measures_both():
    for table in load_published().values():
        measured: dict[tuple[str | None, str | None], tuple[str | None, ...]] = {}
        for row in table.rows:
            if row.recipe is not None:
                values = measured.setdefault((row.recipe, row.dataset), row.values)
                assert values is row.values or (values == row.values and any(values)), (table.key, row.key)


def test_recipes_have_names_that_the_results_store_takes():
    recipes = {row.recipe for table in load_published().values() for row in table.rows if row.recipe is not None}
    assert all(re.fullmatch(r"(fitting|s2hand|s2hand-v|seqhand|tassn)-[a-z0-9-]+", recipe) for recipe in recipes)
    assert len(recipes) > 50


def test_citations_are_in_the_bibliography():
    database = pytest.importorskip("pybtex.database")
    bibliography = PUBLISHED_FOLDER.parents[2] / "book" / "references.bib"
    if not bibliography.is_file():
        pytest.skip("an installed package has no book beside it")
    known = set(database.parse_file(str(bibliography)).entries)
    cited = {row.citation for table in load_published().values() for row in table.rows if row.citation is not None}
    assert cited | {table.reference for table in load_published().values()} <= known


@pytest.mark.parametrize(
    ("printed", "low", "high"),
    [
        ("0.770", "0.7695", "0.7705"),
        ("1.54", "1.535", "1.545"),
        ("78", "77.5", "78.5"),
        ("2.38e-5", "2.375e-5", "2.385e-5"),
    ],
)
def test_rounding_interval_is_half_the_last_digit_either_way(printed, low, high):
    assert rounding_interval(printed) == (Decimal(low), Decimal(high))


@pytest.mark.parametrize("printed", ["", "-", "63k", "1.", "nan", "inf", "1,5"])
def test_rounding_interval_refuses_what_is_no_number(printed):
    with pytest.raises(BadInputError, match="not a printed number"):
        rounding_interval(printed)


def test_unknown_rows_and_columns_name_the_known_ones():
    table = load_published()["tassn/table-1"]
    with pytest.raises(BadInputError, match="stb-full"):
        table.row("stb")
    with pytest.raises(BadInputError, match="auc_0_50"):
        table.column("auc")
    with pytest.raises(BadInputError, match="words"):
        load_published()["seqhand/table-1"].number("nyu", "frames")


def minimal_file() -> dict:
    """A paper with one table of one row, as YAML has it."""
    table = {"name": "Table 1", "kind": "table", "section": "5", "caption": "c", "datasets": ["STB"], "protocol": "p"}
    table |= {"alignment": "none", "columns": ["epe"], "rows": {"a": {"label": "A", "values": ["1.20"]}}}
    metrics = {"epe": {"label": "EPE", "unit": "mm", "better": "lower"}}
    return {"paper": "tassn", "reference": "r", "title": "t", "metrics": metrics, "tables": {"table-1": table}}


def test_a_good_file_is_read_and_keeps_the_last_zero(tmp_path):
    path = tmp_path / "paper.yml"
    path.write_text(yaml.safe_dump(minimal_file()))
    table = read_published(path)["tassn/table-1"]
    assert table.printed("a", "epe") == "1.20"
    assert table.number("a", "epe") == 1.2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f["tables"]["table-1"]["rows"]["a"].update(values=[1.2]), "quotes"),
        (lambda f: f["tables"]["table-1"]["rows"]["a"].update(values=["1.2", "3"]), "list of 1"),
        (lambda f: f["tables"]["table-1"]["rows"]["a"].update(values=["1,2"]), "not a printed number"),
        (lambda f: f["tables"]["table-1"]["rows"]["a"].update(lable="x"), "unknown field.*lable"),
        (lambda f: f["tables"]["table-1"]["rows"]["a"].pop("label"), "missing.*label"),
        (lambda f: f["tables"]["table-1"].update(columns=["mpjpe"]), "not defined under metrics"),
        (lambda f: f["tables"]["table-1"].update(alignment="similarity"), "alignment.*expected one of"),
        (lambda f: f["metrics"]["epe"].update(better="up"), "better.*expected one of"),
        (lambda f: f.update(paper="other"), "paper.*expected one of"),
    ],
)
def test_a_bad_file_is_refused_with_the_place_and_the_reason(tmp_path, change, message):
    content = minimal_file()
    change(content)
    path = tmp_path / "paper.yml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(BadInputError, match=message):
        read_published(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: 1\na: 2\n", "written twice"), ("- 1\n", "list, expected a mapping"), ("a: [1\n", "not valid YAML")],
)
def test_a_file_that_is_no_registry_is_refused(tmp_path, text, message):
    path = tmp_path / "paper.yml"
    path.write_text(text)
    with pytest.raises(BadInputError, match=message):
        read_published(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="absent.yml"):
        read_published(tmp_path / "absent.yml")
