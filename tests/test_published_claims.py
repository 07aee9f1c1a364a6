"""The claims: what they compare exists, and their verdicts on the papers' own numbers are the ones found by hand."""

from collections import Counter

import pytest
import yaml

from handlib.errors import BadInputError
from handlib.reproduce.claims import Claim, Comparison, judge, judge_in_print, load_claims, read_claims
from handlib.reproduce.published import load_published

# Where a paper's text and its own table disagree. Whoever adds to this list has found something: explain it in a note.
DISAGREEMENTS = {
    "tassn-mesh-consistency-stb": "direction only",
    "s2hand-bone-orientation-vertices": "direction only",
    "s2hand-v-video-helps-smoothness": "direction only",
    "s2hand-v-all-motion-losses-smooth": "contradicted",
}


def make_claim(operator: str, better: str = "lower", **fields) -> Claim:
    """A claim that compares row "a" with rows "b" and "c"."""
    comparison = Comparison(table="t", row="a", against=("b", "c"), metric="m", better=better)
    return Claim("id", "tassn", "where", "says", operator, (comparison,), (), **fields)


def look_up(**numbers: float | None):
    """A lookup that knows the rows of one table."""
    return lambda table, row, metric: numbers[row]


def test_every_paper_has_claims():
    per_paper = Counter(claim.paper for claim in load_claims())
    assert set(per_paper) == {"tassn", "s2hand", "s2hand-v", "seqhand", "fitting"}
    assert sum(per_paper.values()) >= 40
    assert min(per_paper.values()) >= 5


def test_claims_fare_in_print_as_found_by_hand():
    verdicts = {claim.id: judge_in_print(claim) for claim in load_claims()}
    assert {name: v for name, v in verdicts.items() if v not in ("holds", "not printed")} == DISAGREEMENTS


def test_every_disagreement_is_explained():
    assert all(claim.note for claim in load_claims() if claim.id in DISAGREEMENTS)


def test_nothing_is_marked_as_run_by_hand():
    assert {claim.status for claim in load_claims()} == {"not run"}


def test_every_claim_compares_rows_that_can_be_measured_here():
    for claim in load_claims():
        assert claim.recipes, f"{claim.id}: no row of it has a recipe"


def test_comparisons_name_the_better_direction_of_their_column():
    tables = load_published()
    for claim in load_claims():
        for comparison in claim.comparisons:
            assert comparison.better == tables[comparison.table].column(comparison.metric).better


@pytest.mark.parametrize(
    ("operator", "better", "own", "others", "verdict"),
    [
        ("better than", "lower", 1.0, (2.0, 3.0), True),
        ("better than", "lower", 2.0, (1.0, 3.0), False),
        ("better than", "lower", 1.0, (1.0, 3.0), False),
        ("better than", "higher", 3.0, (1.0, 2.0), True),
        ("better than one of", "lower", 2.0, (1.0, 3.0), True),
        ("better than one of", "lower", 4.0, (1.0, 3.0), False),
        ("worse than", "lower", 3.0, (1.0, 2.0), True),
        ("worse than", "higher", 3.0, (1.0, 2.0), False),
        ("better than", "lower", None, (1.0, 2.0), None),
        ("better than", "lower", 1.0, (2.0, None), None),
    ],
)
def test_judge(operator, better, own, others, verdict):
    assert judge(make_claim(operator, better), look_up(a=own, b=others[0], c=others[1])) is verdict


@pytest.mark.parametrize(("own", "verdict"), [(1.05, True), (0.95, True), (1.06, False), (0.94, False)])
def test_close_to_is_within_the_tolerance_on_either_side(own, verdict):
    claim = make_claim("close to", tolerance_percent=5.01)
    assert judge(claim, look_up(a=own, b=1.0, c=1.0)) is verdict


def test_gains_less_than_compares_relative_gains():
    pairs = (Comparison("t", "a", ("b",), "m", "higher"), Comparison("t", "c", ("d",), "m", "higher"))
    claim = Claim("id", "s2hand", "where", "says", "gains less than", pairs, ())
    assert judge(claim, look_up(a=1.1, b=1.0, c=1.2, d=1.0)) is True
    assert judge(claim, look_up(a=1.3, b=1.0, c=1.2, d=1.0)) is False
    # A share of nothing: any gain over zero is larger than every other, and zero over zero is none.
    assert judge(claim, look_up(a=1.1, b=1.0, c=0.2, d=0.0)) is True
    assert judge(claim, look_up(a=0.0, b=0.0, c=1.2, d=1.0)) is True


def claim_file(**changes) -> dict:
    """One claim on TASSN's table, as YAML has it."""
    metrics = {"epe": "12.9 amount"}
    pair = {"table": "tassn/table-1", "row": "stb-full", "against": ["stb-no-consistency"], "metrics": metrics}
    claim = {"paper": "tassn", "where": "w", "says": "s", "operator": "better than", "compare": [pair | changes]}
    return {"a-claim": claim}


@pytest.mark.parametrize(
    ("margin", "verdict"),
    [
        ("12.9 amount", "holds"),
        ("13.1 amount", "direction only"),
        ("53 percent", "holds"),
        ("50 percent", "direction only"),
        ("0.47 times", "holds"),
        ("0.50 times", "direction only"),
    ],
)
def test_margins_are_checked_up_to_rounding(tmp_path, margin, verdict):
    path = tmp_path / "claims.yml"
    path.write_text(yaml.safe_dump(claim_file(metrics={"epe": margin})))
    assert judge_in_print(read_claims(path, load_published())[0]) == verdict


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"table": "tassn/table-9"}, "not a published table"),
        ({"row": "stb"}, "no row"),
        ({"against": ["stb"]}, "no row"),
        ({"metrics": {"mpjpe": None}}, "no column"),
        ({"metrics": {"epe": "12.9 mm"}}, "margin"),
        ({"metrics": {"epe": "much amount"}}, "not a printed number"),
    ],
)
def test_a_claim_on_what_is_not_published_is_refused(tmp_path, change, message):
    path = tmp_path / "claims.yml"
    path.write_text(yaml.safe_dump(claim_file(**change)))
    with pytest.raises(BadInputError, match=message):
        read_claims(path, load_published())


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("operator", "beats", "operator"),
        ("operator", "close to", "tolerance_percent"),
        ("operator", "gains less than", "two pairs"),
        ("tolerance_percent", 5, "tolerance_percent"),
        ("quote", "word " * 21, "over 20 words"),
        ("status", "holds", "status"),
        ("recipes", ["a"], "unknown field"),
    ],
)
def test_a_malformed_claim_is_refused(tmp_path, field, value, message):
    content = claim_file()
    content["a-claim"][field] = value
    path = tmp_path / "claims.yml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(BadInputError, match=message):
        read_claims(path, load_published())
