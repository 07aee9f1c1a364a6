"""What a released file's card says of the run that made it: the same words for every file."""

from pathlib import Path

from handlib.reproduce.results import Result


def card_fields(result: Result, profile: str, seed: int, written: Path) -> dict[str, object]:
    """The fields of a card that come from a stored run and from the file that was written of it."""
    made = result.provenance
    return {
        "profile": profile,
        "recipe": result.recipe,
        "seed": seed,
        "samples": made.samples_seen,
        "minutes": made.seconds / 60,
        "device": made.device,
        "commit": made.git_commit,
        "finished": made.finished[:10],
        "megabytes": written.stat().st_size / 1e6,
    }
