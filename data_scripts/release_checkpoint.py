"""Write the network that the package brings along, with its card, from a finished run of ``s2hand-photographs``.

The run's numbers go to the card as they are stored; nothing of it is written by hand.

Example:
    handlib run s2hand --profile full --recipe s2hand-photographs --recipe s2hand-photographs-on-target
    python data_scripts/release_checkpoint.py
"""

from pathlib import Path
from typing import Annotated

import typer
from card_fields import card_fields

from handlib.errors import HandlibError
from handlib.experiments.s2hand.lifted import PhotographsOnTarget
from handlib.experiments.s2hand.lifting import NETWORK, build_task, lifted_effort_of
from handlib.experiments.s2hand.photographs import PhotographsRecipe
from handlib.models.checkpoint_file import save_network
from handlib.pretrained import RELEASED
from handlib.reproduce.artifacts import find_artifact
from handlib.reproduce.places import results_folder
from handlib.reproduce.results import Result, read_result, result_path
from handlib.reproduce.state import read_state

LARGEST_BYTES = 20_000_000
SCORES = {
    "photo_pa_detector": "held-out photographs, distance from a detector's own 3D guess (itself wrong by about 11 mm)",
    "photo_lifted_pa_detector": "the same, lifting the detected keypoints without the picture",
    "photo_read_2d": "held-out photographs, keypoints read, against detected ones",
    "film_pa_mpjpe": "stereo film of one hand, against triangulated joints, up to scale",
    "film_pa_mpjpe_shuffled": "the same, with the answers to other frames",
    "pa_mpjpe": "open target domain, test stills (it has seen the looks of that domain, on another hand)",
}
CARD = """# The network that comes with handlib

One picture of one right hand in, a posed 3D hand out: `handlib.reconstruct(images)`. Left hands are mirrored first.

- **Made by** `handlib run s2hand --profile {profile} --recipe {recipe}` (seed {seed}, {samples:,} pictures seen,
  {minutes:.0f} minutes on {device}), at commit {commit}, finished {finished}.
- **Trained on** photographs with 2D keypoints that a detector has found (ardamavi/Sign-Language-Digits-Dataset and
  SubhiH/HandsDataset, both Apache-2.0, a tenth held out); rendered pictures of the open hand (CC0) before drawn
  backgrounds and freely usable photographs; sampled hands of the open hand without pictures. **No 3D label of any real
  picture.** The encoder began with ImageNet weights (Apache-2.0). The detector is mediapipe, whose own 3D was not used.
- **Licence of the weights**: CC BY 4.0.
- **Size**: {megabytes:.1f} MB, half precision.

| where | mm or as said |
|---|---|
{rows}

**What it is bad at.** Hands that are mostly hidden by things or by the other hand; both hands in one crop; gloves;
hands seen along the forearm; fists seen from the thumb's side (the three packaged photographs are such: without a
detector it misreads them); pictures much smaller than 100 px; grips that the pose sampler does not draw. It answers
whatever it is shown, also a foot: look at `confidence`. One set of photographs is of 218 people before plain ground,
the other of a few; skin tones were not counted, and how it does on each has not been measured. Distance from the
camera is as good as the focal length that it is given, and without one only a guess. Not for identifying people, nor
for medical use.
"""


def main(
    profile: Annotated[str, typer.Option(help="of the run")] = "full",
    seed: Annotated[int, typer.Option(help="of the run")] = 0,
    out: Annotated[Path, typer.Option(help="the file to write; the card goes beside it")] = RELEASED,
) -> None:
    """Write the network and its card."""
    recipe = PhotographsRecipe()
    result = _result(recipe.chapter, recipe.name, profile, seed)
    on_target = _result(recipe.chapter, PhotographsOnTarget().name, profile, seed)
    weights = find_artifact(recipe.chapter, recipe.name, profile, seed, NETWORK)
    network = build_task(lifted_effort_of(profile, recipe.lifted), 1, seed).network.eval()
    network.load_state_dict(read_state(weights))
    metrics = {**on_target.outcome.metrics, **result.outcome.metrics}
    scores = {name: round(metrics[name].value, 2) for name in SCORES if name in metrics}
    out.parent.mkdir(parents=True, exist_ok=True)
    save_network(out, network, {"recipe": result.recipe, "key": result.key, "licence": "CC BY 4.0", "scores": scores})
    size = out.stat().st_size
    if size > LARGEST_BYTES:
        out.unlink()
        raise HandlibError(f"{out}: {size:,} bytes, more than the {LARGEST_BYTES:,} that the package may carry")
    rows = "\n".join(f"| {SCORES[name]} | {value} {metrics[name].unit} |" for name, value in scores.items())
    card = CARD.format(**card_fields(result, profile, seed, out), rows=rows)
    out.with_suffix(".md").write_text(card, encoding="utf-8")
    print(f"{out}: {size / 1e6:.1f} MB\n{rows}")


def _result(chapter: str, name: str, profile: str, seed: int) -> Result:
    return read_result(result_path(results_folder(), chapter, name, profile, seed))


if __name__ == "__main__":
    typer.run(main)
