"""Claims, seed by seed: a mean may bear a claim out of which half of the seeds know nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from handlib.reproduce.claims import Claim, judge
from handlib.reproduce.ledger import LedgerTable, Source, cell_of

OTHERS = "other people's networks"
"""What rows are called that no experiment of ours runs."""


@dataclass(frozen=True)
class SeedVerdict:
    """How a claim fares on measured numbers.

    Attributes:
        claim, sources: which claim, measured on what.
        on_means: whether the means over the seeds bear it out; None where a number is missing.
        seeds_for, seeds: how many seeds, each judged by itself, bear it out, and of how many.
        missing: the rows that have no number here: ours by their labels, and :data:`OTHERS`.
    """

    claim: Claim
    sources: tuple[Source, ...]
    on_means: bool | None
    seeds_for: int
    seeds: int
    missing: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """ "holds (3 of 3 seeds)", "does not hold (1 of 3 seeds)" or "not run: " and the rows that are missing."""
        if self.on_means is None:
            more = f" and {len(self.missing) - 3} more" if len(self.missing) > 3 else ""
            return f"not run: {'; '.join(self.missing[:3])}{more}" if self.missing else "not run"
        count = f"{self.seeds_for} of {self.seeds} seed{'' if self.seeds == 1 else 's'}"
        return f"{'holds' if self.on_means else 'does not hold'} ({count})"


def judge_by_seed(claim: Claim, ledger: Mapping[str, LedgerTable], sources: Sequence[Source]) -> SeedVerdict:
    """Judge a claim on the means, and on each seed.

    A row of which one seed was run (a detector that all others share) stands in every seed's comparison as it is.

    Args:
        claim: the claim.
        ledger: the tables that it compares rows of, by key.
        sources: what was measured on, one of :func:`~handlib.reproduce.ledger.side_by_side`.
    """

    def values(table: str, row: str, metric: str) -> tuple[float, ...]:
        cell = cell_of(ledger, sources, table, row, metric)
        return () if cell is None else cell.values

    def mean(table: str, row: str, metric: str) -> float | None:
        found = values(table, row, metric)
        return sum(found) / len(found) if found else None

    cells = dict.fromkeys((c.table, row, c.metric) for c in claim.comparisons for row in (c.row, *c.against))
    lacking = [ledger[table].table.row(row) for table, row, metric in cells if not values(table, row, metric)]
    missing = dict.fromkeys(row.label if row.recipe else OTHERS for row in lacking)
    counts = {len(values(*where)) for where in cells} - {1}
    seeds = min(counts, default=1)

    def of_seed(seed: int, table: str, row: str, metric: str) -> float | None:
        found = values(table, row, metric)
        return None if not found else found[0] if len(found) == 1 else found[seed]

    verdicts = [judge(claim, lambda *where, seed=seed: of_seed(seed, *where)) for seed in range(seeds)]
    held = sum(verdict is True for verdict in verdicts)
    return SeedVerdict(claim, tuple(sources), judge(claim, mean), held, seeds, tuple(missing))
