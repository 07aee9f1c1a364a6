"""Write the lifting head of the package, with its card, from a finished run of ``s2hand-detected-lifting``.

The run's numbers go to the card as they are stored; nothing of it is written by hand.

Example:
    handlib run s2hand --profile full --recipe s2hand-detected-lifting
    python data_scripts/release_lifting_head.py
"""

from pathlib import Path
from typing import Annotated

import typer
from card_fields import card_fields
from safetensors.torch import save

from handlib.errors import BadInputError
from handlib.experiments.s2hand import TAUGHT_LIFTING
from handlib.experiments.s2hand.lifting import NETWORK
from handlib.files import atomic_write
from handlib.models.checkpoint_file import load_network
from handlib.reconstruction.lifter import LIFTING_HEAD
from handlib.reproduce.artifacts import find_artifact
from handlib.reproduce.places import results_folder
from handlib.reproduce.results import read_result, result_path

SCORES = {
    "paired_before": "pairs of held-out hands, the network's own head",
    "paired_after": "the same, this head",
    "paired_learnt_from": "pairs that it has learnt from",
}
CARD = """# The head that lifts a detector's keypoints

21 detected keypoints of one right hand in, a posed 3D hand out: what `handlib.reconstruct(images)` does where the extra
`detect` is installed.

- **Made by** `handlib run s2hand --profile {profile} --recipe {recipe}` (seed {seed}, {samples:,} pairs seen,
  {minutes:.0f} minutes on {device}), at commit {commit}, finished {finished}.
- **Trained on** {hands:,} pairs of keypoints that mediapipe has found in *rendered* pictures of the open hand (CC0),
  and the hands of these pictures; and on sampled hands without pictures. **No real hand in this
  training, no 3D label of one in any.** It began as the head of the network that comes with handlib, which has learnt
  from photographs, too (detected 2D keypoints).
- **Licence of the weights**: CC BY 4.0.
- **Size**: {megabytes:.1f} MB, half precision.

| where | PA-MPJPE, one view, before the hand is brought onto its keypoints |
|---|---|
{rows}

**What it is bad at.** It does not see the picture: what the detector did not see, it can only guess. It knows the
mistakes of one detector, and of rendered hands. Distance from the camera, and what it is not for: as the network's card
says.
"""


def main(
    profile: Annotated[str, typer.Option(help="of the run")] = "full",
    seed: Annotated[int, typer.Option(help="of the run")] = 0,
    out: Annotated[Path, typer.Option(help="the file to write; the card goes beside it")] = LIFTING_HEAD,
) -> None:
    """Write the head and its card."""
    recipe = TAUGHT_LIFTING
    result = read_result(result_path(results_folder(), recipe.chapter, recipe.name, profile, seed))
    network, _ = load_network(find_artifact(recipe.chapter, recipe.name, profile, seed, NETWORK))
    weights = {
        # Vectors, which are few, stay in single precision; the glance at the picture is not given to this head.
        name: (value.half() if value.is_floating_point() and value.ndim > 1 else value).contiguous()
        for name, value in network.geometry.state_dict().items()
        if not name.startswith("glance.")
    }
    if not all(bool(value.isfinite().all()) for value in weights.values()):
        raise BadInputError(f"{recipe.name}: a weight is not finite in half precision; train again")
    atomic_write(out, save(weights, metadata={"recipe": result.recipe, "key": result.key, "licence": "CC BY 4.0"}))
    metrics = result.outcome.metrics
    rows = "\n".join(f"| {label} | {metrics[name].value:.2f} {metrics[name].unit} |" for name, label in SCORES.items())
    card = CARD.format(**card_fields(result, profile, seed, out), hands=int(metrics["hands"].value), rows=rows)
    out.with_suffix(".md").write_text(card, encoding="utf-8")
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB\n{rows}")


if __name__ == "__main__":
    typer.run(main)
