"""Score the published NYU predictions in HANDLIB_DATA and store the scores with the package.

Example:
    HANDLIB_DATA=my_data python data_scripts/score_nyu_predictions.py
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from handlib.data.nyu_predictions import NYU_METHODS, NYU_SCORES, score_nyu_predictions


def main(out: Annotated[Path, typer.Option(help="the file to write")] = NYU_SCORES) -> None:
    """Write mean errors and success curves of the five methods."""
    scores = score_nyu_predictions()
    np.savez_compressed(out, **asdict(scores))
    for method, error in zip(NYU_METHODS, scores.mean_error_mm, strict=True):
        typer.echo(f"{method:12} {error:7.3f} mm")


if __name__ == "__main__":
    typer.run(main)
