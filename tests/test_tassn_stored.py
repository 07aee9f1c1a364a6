"""Stored runs of TASSN, compared seed by seed."""

from reproduce_factory import make_result

from handlib.experiments.tassn.stored import values_by_seed
from handlib.reproduce.results import Metric


def made(recipe: str, **errors: float) -> list:
    return [
        make_result(recipe, seed=int(seed[1:]), profile="full", metrics={"epe": Metric(value, "mm", "root")})
        for seed, value in errors.items()
    ]


def test_rows_are_compared_in_the_seeds_that_all_of_them_have():
    runs = made("full", s2=30.0, s0=10.0, s1=20.0) + made("without", s1=25.0, s2=31.0, s3=9.0)
    assert values_by_seed(runs, ["full", "without"], "epe") == {1: (20.0, 25.0), 2: (30.0, 31.0)}
    assert list(values_by_seed(iter(runs), ["full"], "epe")) == [0, 1, 2]


def test_rows_without_a_shared_seed_or_without_the_metric_have_nothing_to_compare():
    runs = made("full", s0=10.0) + made("without", s1=25.0)
    assert values_by_seed(runs, ["full", "without"], "epe") == {}
    assert values_by_seed(runs, ["full"], "spread") == values_by_seed(runs, ["unrun"], "epe") == {}
    assert values_by_seed(runs, [], "epe") == {}
