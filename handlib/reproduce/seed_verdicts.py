"""Claims, seed by seed: a mean may bear a claim out of which half of the seeds know nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from handlib.reproduce.claims import Claim, judge
from handlib.reproduce.ledger import LedgerTable, Source


@dataclass(frozen=True)
class SeedVerdict:
    """How a claim fares in one column of measured numbers.

    Attributes:
        claim, source: which claim, measured on what.
        on_means: whether the means over the seeds bear it out; None where a number is missing.
        seeds_for, seeds: how many seeds, each judged by itself, bear it out, and of how many.
    """

    claim: Claim
    source: Source
    on_means: bool | None
    seeds_for: int
    seeds: int

    @property
    def words(self) -> str:
        """ "holds (3 of 3 seeds)", "does not hold (1 of 3 seeds)" or "not run"."""
        if self.on_means is None:
            return "not run"
        count = f"{self.seeds_for} of {self.seeds} seed{'' if self.seeds == 1 else 's'}"
        return f"{'holds' if self.on_means else 'does not hold'} ({count})"


def judge_by_seed(claim: Claim, ledger: Mapping[str, LedgerTable], source: Source) -> SeedVerdict:
    """Judge a claim on one source's means, and on each seed.

    A row of which one seed was run (a detector that all others share) stands in every seed's comparison as it is.

    Args:
        claim: the claim.
        ledger: the tables that it compares rows of, by key.
        source: one of their columns of measured numbers.
    """

    def values(table: str, row: str, metric: str) -> tuple[float, ...]:
        cell = ledger[table].cells.get((row, metric, source))
        return () if cell is None else cell.values

    def mean(table: str, row: str, metric: str) -> float | None:
        found = values(table, row, metric)
        return sum(found) / len(found) if found else None

    rows = {(c.table, row, c.metric) for c in claim.comparisons for row in (c.row, *c.against)}
    counts = {len(values(*where)) for where in rows} - {1}
    seeds = min(counts, default=1)

    def of_seed(seed: int, table: str, row: str, metric: str) -> float | None:
        found = values(table, row, metric)
        return None if not found else found[0] if len(found) == 1 else found[seed]

    verdicts = [judge(claim, lambda *where, seed=seed: of_seed(seed, *where)) for seed in range(seeds)]
    return SeedVerdict(claim, source, judge(claim, mean), sum(verdict is True for verdict in verdicts), seeds)
