"""Write a network that learnt from films as a file that `handlib demo --checkpoint` and `handlib.reconstruct` take.

A run of the chapter `s2hand_v` leaves the heads alone, since its encoder is that of the packaged network. Here both are
put together. The run's numbers go into the file as they are stored.

Example:
    handlib run s2hand_v --profile full --recipe s2hand-v-quaternion-ts --seed 0
    python data_scripts/export_video_network.py --out smooth.safetensors
    handlib demo FILM.mp4 --checkpoint smooth.safetensors --no-detector
"""

from pathlib import Path
from typing import Annotated

import typer

from handlib.errors import BadInputError, HandlibError
from handlib.experiments.s2hand_v import EXPERIMENTS, FULL
from handlib.experiments.s2hand_v.network import NETWORK, starting_network, with_encoder
from handlib.experiments.s2hand_v.recipes import CHAPTER, VideoRecipe
from handlib.models.checkpoint_file import save_network
from handlib.reproduce.artifacts import find_artifact
from handlib.reproduce.places import store_for
from handlib.reproduce.results import read_result, result_path

SCORES = ("pa_mpjpe", "test_acc_per_frame", "test_shape_sd", "test_texture_sd")


def main(
    out: Annotated[Path, typer.Option(help="the file to write")],
    recipe: Annotated[str, typer.Option(help="a training of the chapter")] = FULL.name,
    profile: Annotated[str, typer.Option(help="of the run")] = "full",
    seed: Annotated[int, typer.Option(help="of the run")] = 0,
) -> None:
    """Write the network of a finished run."""
    try:
        print(export(out, recipe, profile, seed))
    except HandlibError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def export(out: Path, recipe: str, profile: str, seed: int) -> str:
    """Write the network, and say what it is.

    Raises:
        BadInputError: no training has that name.
        MissingFileError: it was not run, or has left nothing on this machine.
    """
    trained = {x.recipe.name: x.recipe for x in EXPERIMENTS if isinstance(x.recipe, VideoRecipe)}
    if recipe not in trained:
        raise BadInputError(f"--recipe {recipe}: expected one of {', '.join(trained)}")
    weights = find_artifact(CHAPTER, recipe, profile, seed, NETWORK)
    result = read_result(result_path(store_for(profile), CHAPTER, recipe, profile, seed))
    scores = {name: result.outcome.metrics[name].value for name in SCORES if name in result.outcome.metrics}
    network = with_encoder(starting_network(trained[recipe].camera, seed), weights)
    card = {"recipe": recipe, "profile": profile, "seed": seed, "key": result.key, "scores": scores}
    save_network(out, network, {**card, "dataset": result.dataset, "licence": "CC BY 4.0"})
    return f"{out}: {out.stat().st_size / 1e6:.1f} MB, " + ", ".join(f"{k} {v:.3g}" for k, v in scores.items())


if __name__ == "__main__":
    typer.run(main)
