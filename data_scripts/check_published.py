"""Hold the published numbers and the quotations against your own copies of the five papers.

Turn each paper into text (``pdftotext paper.pdf s2hand.txt``) under the names tassn.txt, s2hand.txt, s2hand_v.txt,
seqhand.txt and fitting.txt in one folder, then::

    python data_scripts/check_published.py FOLDER

Every number of a table must stand near a mention of that table as often as the table has it; numbers that the running
text states, and quotations, must stand anywhere in the paper. Text extraction tears tables apart, so that this finds a
wrong digit, not two numbers that were swapped; the rows were read against the papers by eye as well.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from handlib.reproduce.claims import Claim, load_claims
from handlib.reproduce.published import PAPERS, PublishedTable, load_published

NEAR_CHARACTERS = 4000
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e-\d+)?")


def numbers_of(table: PublishedTable) -> Counter[str]:
    """How often each number, as printed, stands in the numeric columns of a table."""
    numeric = [index for index, column in enumerate(table.columns) if column.is_numeric]
    values = (row.values[index] for row in table.rows for index in numeric)
    return Counter(value for value in values if value is not None)


def passage_of(table: PublishedTable, text: str) -> str:
    """Where a table can stand in a paper: near the mentions of its name; anywhere for curves and stated numbers."""
    if table.kind != "table":
        return text
    mentions = re.finditer(rf"{table.name}(?!\d)", text, re.IGNORECASE)
    keep = sorted((max(m.start() - NEAR_CHARACTERS, 0), m.end() + NEAR_CHARACTERS) for m in mentions)
    parts, reached = [], 0
    for start, end in keep:
        parts.append(text[max(start, reached) : end])
        reached = max(reached, end)
    return "".join(parts)


def missing_numbers(table: PublishedTable, text: str) -> Counter[str]:
    """Numbers of a table that its paper's text has less often than the table does, with how many are missing."""
    passage = passage_of(table, text.replace("\N{MINUS SIGN}", "-"))
    found = Counter(_NUMBER.findall(passage))
    wanted = numbers_of(table)
    if table.kind != "table":
        wanted = Counter(wanted.keys())
    return wanted - found


def squeeze(text: str) -> str:
    """Letters and digits only, in lower case: what survives line breaks, hyphenation, ligatures and mark-up."""
    text = text.replace("\ufb01", "fi").replace("\ufb02", "fl")
    return re.sub(r"</?su[bp]>|[^a-zA-Z0-9]", "", text).lower()


def missing_quotations(claims: Iterable[Claim], text: str) -> list[str]:
    """The ids of the claims whose quotation is not in the text."""
    squeezed = squeeze(text)
    return [claim.id for claim in claims if claim.quote is not None and squeeze(claim.quote) not in squeezed]


def check_paper(paper: str, text: str) -> list[str]:
    """One complaint for each table and each quotation of a paper that its text does not bear out."""
    tables = [table for table in load_published().values() if table.paper == paper]
    complaints = [f"{t.key}: not found: {dict(missing)}" for t in tables if (missing := missing_numbers(t, text))]
    quotations = missing_quotations((claim for claim in load_claims() if claim.paper == paper), text)
    return complaints + [f"{claim}: its quotation is not in the text" for claim in quotations]


def main() -> int:
    """Check every paper whose text is in the folder; the exit status is 1 if anything was not found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with one text file a paper")
    folder = parser.parse_args().folder
    complaints = 0
    for paper in PAPERS:
        path = folder / f"{paper.replace('-', '_')}.txt"
        if not path.is_file():
            print(f"{paper}: skipped, there is no {path}")
            continue
        found = check_paper(paper, path.read_text(encoding="utf-8"))
        complaints += len(found)
        print(f"{paper}: {'all found' if not found else ''}", *found, sep="\n  ")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
