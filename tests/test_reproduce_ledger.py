"""The ledger: measured numbers beside published ones, never a made-up or a meaningless one."""

import dataclasses
import json
import re

import pytest
from reproduce_factory import make_result

from handlib.errors import BadInputError
from handlib.reproduce import ledger_page
from handlib.reproduce.claims import Claim, Comparison
from handlib.reproduce.closure import code_digest
from handlib.reproduce.equations import Equation, RegisteredEquation
from handlib.reproduce.ledger import Source, convert_unit, judge_claims, load_comparable, make_ledger, side_by_side
from handlib.reproduce.ledger_text import (
    escape_markdown,
    format_duration,
    ledger_json,
    ledger_markdown,
    ledger_text,
    run_lines,
    table_cells,
    verdict_text,
)
from handlib.reproduce.published import Column, PublishedTable, Row, load_published
from handlib.reproduce.results import Metric, Result, write_result

LAPTOP = Source("open benchmark", "laptop")


def published(**more) -> PublishedTable:
    """A table with an own, an ablated and somebody else's row."""
    fields = {
        "key": "s2hand/table-2",
        "paper": "s2hand",
        "reference": "x",
        "name": "Table 2",
        "kind": "table",
        "section": "4",
        "caption": "A caption.",
        "datasets": ("FreiHAND", "HO-3D"),
        "protocol": "A protocol.",
        "alignment": "procrustes",
        "columns": (Column("mpjpe", "MPJPE", "cm", "lower"), Column("auc", "AUC", "1", "higher")),
        "rows": (
            Row("ours", "Ours", ("1.18", "0.77"), recipe="s2hand-full"),
            Row("ablated", "without E", ("1.54", None), recipe="s2hand-loc"),
            Row("theirs", "[53](2019)", ("3.50", "0.35")),
        ),
    }
    return PublishedTable(**fields | more)


def cell_of(results, row="ours", column="mpjpe", source=LAPTOP, **table):
    return make_ledger(results, [published(**table)])[0].cells.get((row, column, source))


def test_lengths_are_converted_to_the_columns_unit():
    cell = cell_of([make_result(metrics={"mpjpe": Metric(11.8, "mm", "procrustes")})])
    assert cell.mean == pytest.approx(1.18) and cell.alignment == "procrustes"
    assert convert_unit(0.4, "1", "%", "") == pytest.approx(40.0)
    with pytest.raises(BadInputError, match="s2hand-full: mpjpe.*measured in 'px', the table has 'cm'"):
        cell_of([make_result(metrics={"mpjpe": Metric(3.0, "px")})])


def test_seeds_give_mean_and_sample_deviation():
    results = [make_result(seed=k, metrics={"mpjpe": Metric(v, "cm", "procrustes")}) for k, v in enumerate((1, 2, 4))]
    cell = cell_of(results)
    assert cell.mean == pytest.approx(7 / 3)
    assert cell.deviation == pytest.approx((((4 / 3) ** 2 + (1 / 3) ** 2 + (5 / 3) ** 2) / 2) ** 0.5)
    _, body = table_cells(make_ledger(results, [published()])[0])
    assert body[0] == ["Ours", "MPJPE (cm)", "1.18", "2.33 ± 1.53†"]
    assert cell_of(results[:1]).deviation is None


def test_runs_that_knew_more_have_a_column_of_their_own():
    plain = make_result(metrics={"mpjpe": Metric(20.0, "mm", "procrustes")})
    more = make_result("s2hand-full@source", metrics={"mpjpe": Metric(10.0, "mm", "procrustes")})
    table = published()
    entry = make_ledger([plain, more], [table])[0]
    assert len(entry.sources) == 2 and entry.sources[0] == LAPTOP
    assert "labels of the source domain" in entry.sources[1].dataset
    means = [entry.cells["ours", "mpjpe", source].mean for source in entry.sources]
    assert means == pytest.approx([2.0, 1.0])


def test_columns_of_words_stay_beside_the_row():
    columns = (Column("loss", "E_ori", "text", "neither"), Column("mpjpe", "MPJPE", "cm", "lower"))
    rows = (Row("ours", "Ours", ("yes", "1.18"), recipe="s2hand-full"),)
    head, body = table_cells(make_ledger([make_result()], [published(columns=columns, rows=rows)])[0])
    assert head[:3] == ["", "E_ori", "metric"] and body == [["Ours", "yes", "MPJPE (cm)", "1.18", "1.18†"]]


def test_smoke_is_never_shown_even_if_it_lies_in_the_store(tmp_path):
    smoke = make_result(profile="smoke", metrics={"mpjpe": Metric(0.123456, "cm", "procrustes")})
    write_result(tmp_path, smoke)
    assert load_comparable(tmp_path) == []
    entries = make_ledger([smoke], [published()])
    assert entries[0].cells == {} and entries[0].sources == ()
    assert "0.12" not in ledger_text(entries, judge_claims([smoke]))
    assert all(verdict.verdict == "not run" for verdict in judge_claims([smoke]))


def test_not_run_not_obtained_and_other_peoples_rows():
    failed = make_result("s2hand-loc", metrics={}, not_obtained="diverged at step 300")
    _, body = table_cells(make_ledger([make_result(), failed], [published()])[0])
    assert body == [
        ["Ours", "MPJPE (cm)", "1.18", "1.18†"],
        ["without E", "MPJPE (cm)", "1.54", "not obtained: diverged at step 300†"],
        ["[53](2019)", "MPJPE (cm)", "3.50", "-"],
        ["Ours", "AUC", "0.77", "not run"],
        ["without E", "AUC", "-", "not obtained: diverged at step 300†"],
        ["[53](2019)", "AUC", "0.35", "-"],
    ]
    head, body = table_cells(make_ledger([], [published()])[0])
    assert head == ["", "MPJPE (cm)", "AUC", "measured"]
    assert body[1:] == [["without E", "1.54", "-", "not run"], ["[53](2019)", "3.50", "0.35", "-"]]


def test_a_seed_without_a_number_is_counted():
    results = [make_result(), make_result(seed=1, metrics={}, not_obtained="diverged")]
    _, body = table_cells(make_ledger(results, [published()])[0])
    assert body[0][-1] == "1.18 (1 of 2 seeds)†"


def test_column_heads_name_the_data_and_the_fullest_profile_comes_first():
    results = [make_result(), make_result(profile="full"), make_result(profile="full", dataset="FreiHAND", seed=1)]
    entry = make_ledger(results, [published()])[0]
    assert [(s.dataset, s.profile) for s in entry.sources] == [
        ("FreiHAND", "full"),
        ("open benchmark", "full"),
        ("open benchmark", "laptop"),
    ]
    head, _ = table_cells(entry)
    assert head[1:4] == ["metric", "published", "measured: FreiHAND, full"]


def test_another_alignment_than_the_papers_is_said_in_the_cell():
    _, body = table_cells(make_ledger([make_result(metrics={"mpjpe": Metric(20.0, "mm", "root")})], [published()])[0])
    assert body[0][-1] == "2.00 [root]†"
    reflected = make_result(metrics={"mpjpe": Metric(20.0, "mm", "procrustes with reflection")})
    assert table_cells(make_ledger([reflected], [published()])[0])[1][0][-1] == "2.00†"


def test_results_of_todays_code_carry_no_mark():
    fresh = make_result(code=code_digest(["handlib.skeleton"]))
    assert "†" not in ledger_text(make_ledger([fresh], [published()]), [])
    assert "† The code behind this number has changed" in ledger_text(make_ledger([make_result()], [published()]), [])


def test_columns_name_the_metric_of_a_cell_most_specific_first():
    metrics = {f"m{k}": Metric(float(k), "cm") for k in range(4)} | {"mpjpe": Metric(9.0, "cm")}
    columns = {}
    for expected, (name, metric) in enumerate(
        [("mpjpe", "m1"), ("s2hand/table-2:mpjpe", "m2"), ("s2hand/table-2:ours:mpjpe", "m3")], 1
    ):
        columns[name] = metric
        assert cell_of([make_result(metrics=metrics, columns=dict(columns))]).mean == expected
    assert cell_of([make_result(metrics=metrics)]).mean == 9


def test_a_papers_own_data_set_fills_no_row_of_another():
    rows = (
        Row("a", "A", ("1.0", None), dataset="FreiHAND", recipe="s2hand-full"),
        Row("b", "B", ("1.0", None), dataset="HO-3D", recipe="s2hand-full"),
    )
    metrics = {"mpjpe": Metric(1.0, "cm", "procrustes", "FreiHAND")}
    entry = make_ledger([make_result("s2hand-full@freihand", metrics=metrics)], [published(rows=rows)])[0]
    assert {row for row, _, _ in entry.cells} == {"a"}
    entry = make_ledger([make_result()], [published(rows=rows)])[0]
    assert {row for row, _, _ in entry.cells} == {"a", "b"}


def claim(metric="mpjpe") -> Claim:
    comparison = Comparison("s2hand/table-4", "loc-ori", ("loc",), metric, "lower")
    return Claim("c", "s2hand", "4.4", "Orientation helps.", "better than", (comparison,), ("s2hand-loc-ori",))


@pytest.mark.parametrize(("own", "other", "verdict"), [(10, 12, "holds"), (12, 10, "does not hold")])
def test_claims_are_judged_on_measured_numbers(own, other, verdict):
    results = [
        make_result("s2hand-loc-ori", metrics={"mpjpe": Metric(own, "mm", "procrustes")}),
        make_result("s2hand-loc", metrics={"mpjpe": Metric(other, "mm", "procrustes")}),
    ]
    judged = judge_claims(results, [claim()])[0]
    assert (judged.verdict, judged.sources) == (verdict, (LAPTOP,))


def test_claims_compare_within_one_data_set_and_profile_only():
    results = [
        make_result("s2hand-loc-ori", profile="full"),
        make_result("s2hand-loc"),
        make_result("s2hand-loc", profile="full", dataset="FreiHAND"),
    ]
    assert judge_claims(results, [claim()])[0].verdict == "not run"


ON_THREE_SETS = {"auc_ed": "open, films", "auc_do": "open, covered films", "auc_stb": "open, stills"}


def rows_on(sets: dict[str, str], own: dict[str, float], other: dict[str, float], suffix: str = "") -> list[Result]:
    """Two rows of SeqHAND's Table 3, each column measured on a data set of its own."""
    recipes = {"seqhand-convlstm-video-real-detached": own, "seqhand-convlstm-video-real-attached": other}
    return [
        make_result(
            f"{recipe}{suffix}",
            profile="full",
            chapter="seqhand",
            metrics={name: Metric(value, "1", "root", sets[name]) for name, value in values.items()},
        )
        for recipe, values in recipes.items()
    ]


def on_three_columns() -> Claim:
    comparisons = tuple(
        Comparison("seqhand/table-3", "convlstm-seq-real-detached", ("convlstm-seq-real",), column, "higher")
        for column in ON_THREE_SETS
    )
    return Claim("c", "seqhand", "5.1", "Detaching helps.", "better than", comparisons, ())


@pytest.mark.parametrize(("covered", "verdict"), [(0.5, "holds"), (0.3, "does not hold")])
def test_a_claim_on_columns_of_three_data_sets_is_judged_on_three_of_ours(covered, verdict):
    own = {"auc_ed": 0.5, "auc_do": covered, "auc_stb": 0.5}
    judged = judge_claims(rows_on(ON_THREE_SETS, own, dict.fromkeys(own, 0.4)), [on_three_columns()])[0]
    assert judged.verdict == verdict and {s.dataset for s in judged.sources} == set(ON_THREE_SETS.values())
    assert verdict_text(judged) == f"{verdict} here (open: covered films; films; stills, full)"


def test_a_claim_is_not_judged_on_the_papers_sets_and_ours_together_nor_on_what_knew_less():
    columns = dict.fromkeys(ON_THREE_SETS, 0.5)
    mixed = rows_on({**ON_THREE_SETS, "auc_stb": "STB"}, columns, dict.fromkeys(columns, 0.4))
    assert judge_claims(mixed, [on_three_columns()])[0].verdict == "not run"
    some = {"auc_ed": 0.5, "auc_do": 0.5}
    known = rows_on(ON_THREE_SETS, some, dict.fromkeys(some, 0.4))
    less = rows_on(ON_THREE_SETS, {"auc_stb": 0.5}, {"auc_stb": 0.4}, suffix="@detected")
    assert judge_claims(known + less, [on_three_columns()])[0].verdict == "not run"


def test_sources_stand_side_by_side_where_no_column_has_two_of_them():
    columns = dict.fromkeys(ON_THREE_SETS, 0.5)
    entries = make_ledger(rows_on(ON_THREE_SETS, columns, columns), [load_published()["seqhand/table-3"]])
    assert side_by_side(entries) == [entries[0].sources]
    again = rows_on({"auc_ed": "other, films"}, {"auc_ed": 0.1}, {"auc_ed": 0.1})
    both = make_ledger(rows_on(ON_THREE_SETS, columns, columns) + again, [load_published()["seqhand/table-3"]])
    assert [[source.dataset for source in group] for group in side_by_side(both)][1:] == [["other, films"]]


def test_published_numbers_are_never_taken_for_measured():
    entries = make_ledger([])
    assert len(entries) > 20
    assert all(not entry.cells for entry in entries)
    assert {verdict.verdict for verdict in judge_claims([])} == {"not run"}


def test_run_lines_say_what_a_number_rests_on():
    line = run_lines([make_result(), make_result(seed=2)])[0]
    for part in ("s2hand-full (laptop): open benchmark", "procrustes", "4,000 samples", "seeds 0, 2", "abacus", "90 s"):
        assert part in line
    assert [format_duration(s) for s in (5, 600, 11520)] == ["5 s", "10 min", "3.2 h"]


def test_markdown_rows_have_one_number_of_cells_and_no_links():
    text = ledger_markdown(make_ledger([make_result(dataset="a|b")], [published()]), [])
    table = [re.findall(r"(?<!\\)\|", line) for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 8 and len({len(bars) for bars in table}) == 1
    assert r"\[53\](2019)" in text
    assert escape_markdown("AUC_J *x* `y` $z$") == r"AUC\_J \*x\* \`y\` \$z\$"


def test_json_holds_every_cell():
    data = json.loads(json.dumps(ledger_json(make_ledger([make_result()], [published()]), [])))
    cells = data["tables"]["s2hand/table-2"]["cells"]
    assert len(cells) == 6
    assert cells[0]["published"] == "1.18" and cells[0]["measured"][0]["mean"] == pytest.approx(1.18)


def test_ledger_page_is_written_with_and_without_results(tmp_path):
    path = tmp_path / "stage" / "ledger.md"
    ledger_page.write_ledger_page(path, tmp_path / "results")
    assert "So far 0 of" in path.read_text() and "not run" in path.read_text()
    write_result(tmp_path / "results", make_result())
    ledger_page.write_ledger_page(path, tmp_path / "results")
    text = path.read_text()
    assert "So far 1 of" in text and "so have 0 others" in text and "measured: open benchmark, laptop" in text
    # What stands for no published row is counted apart: it cannot be more than there are.
    write_result(tmp_path / "results", make_result(recipe="a-baseline"))
    ledger_page.write_ledger_page(path, tmp_path / "results")
    text = path.read_text()
    assert "So far 1 of" in text and "so have 1 others" in text
    labels = re.findall(r"^\((.*)\)=$", text, re.MULTILINE)
    assert len(labels) == len(set(labels)) > 20


def test_damaged_result_fails_the_page(tmp_path):
    path = write_result(tmp_path / "results", make_result())
    path.write_text("{")
    with pytest.raises(BadInputError, match="laptop-seed0.json"):
        ledger_page.write_ledger_page(tmp_path / "ledger.md", tmp_path / "results")
    assert not (tmp_path / "ledger.md").exists()


def test_equation_page_folds_function_and_test(tmp_path, monkeypatch):
    (tmp_path / "book").mkdir()
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "book" / "written.md").touch()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text("@mark\ndef test_it():\n    assert 1 + 1 == 2\n\ndef other(): pass\n")
    done = Equation("s2hand-3", "s2hand", 3, "A loss", "x = 1", (), "f.g", "tests/test_x.py::test_it", "written")
    waiting = dataclasses.replace(done, id="tassn-1", paper="tassn", function=None, test=None, page="unwritten")
    register = (
        RegisteredEquation(done, format_duration, "handlib/f.py", 12),
        RegisteredEquation(waiting, None, None, None),
    )
    monkeypatch.setattr(ledger_page, "equation_register", lambda checkout: register)
    ledger_page.write_equation_page(tmp_path / "book" / "equations.md")
    text = (tmp_path / "book" / "equations.md").read_text()
    assert "1 of 2 equations" in text
    assert "def format_duration(" in text and "handlib/f.py line 12" in text
    assert "@mark\ndef test_it():\n    assert 1 + 1 == 2" in text and "def other" not in text
    assert "{doc}`written`" in text and "Derived in unwritten." in text


def test_equation_page_of_the_real_register(tmp_path):
    ledger_page.write_equation_page(tmp_path / "equations.md")
    text = (tmp_path / "equations.md").read_text()
    assert text.count("(register-") == text.count("\n### Equation ") > 0
