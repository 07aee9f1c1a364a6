"""The open benchmark, stills: a labelled *source* domain and a *target* domain that stands for real photographs.

Every picture is made when it is asked for, from (seed, domain, split, index) alone: no download, no licence form. The
target's labels are for scoring only. ``data_scripts/make_open_benchmark.py`` writes the same samples to a folder.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from handlib.data.backgrounds import photograph_paths
from handlib.data.benchmark_folder import BenchmarkFolder
from handlib.data.hand_scenes import HandStage, draw_poses, draw_scenes, hand_stage
from handlib.data.labelled_batch import LabelledBatch
from handlib.data.random_streams import PURPOSES, SPLITS, pose_seed, sample_stream
from handlib.data.sample import Sample
from handlib.data.source_domain import SOURCE_FRAMING, SOURCE_HAND, render_source
from handlib.data.target_domain import TARGET_FRAMING, TARGET_HAND, render_target
from handlib.errors import BadInputError
from handlib.hand.sampler import PoseSampler

DEFAULT_SIZE = {"train": 20_000, "test": 2_000}
SMALLEST_PX = 16


class OpenBenchmark(Sequence[Sample]):
    """Generated stills of one domain and split, drawn when asked for.

    * ``"source"``: the open hand, one flat skin colour a sample, one light, a quiet background;
    * ``"target"``: another hand with its own joints, textured skin, forearm, several lights, clutter, things in front,
      a camera with blur, noise and JPEG;
    * ``"target-photographs"``: the hands of ``"target"`` before the photographs of ``HANDLIB_DATA/backgrounds``;
    * ``"varied"``, ``"varied-photographs"``: the open hand of ``"source"`` with all that the target's pictures have, to
      train networks for real photographs. A network that saw them has seen the target's looks: its score on the target
      domain says nothing about learning without labels.

    Sample ``i`` depends on (seed, domain, split, i, image_px) alone, not on the order, batch or process in which it is
    drawn; splits share no stream. A source picture's mask is where its depth is not 0; in the target the depth also
    knows forearm and objects, and the mask is the hand itself.

    Attributes:
        domain, split, seed, image_px: as given.
    """

    def __init__(
        self,
        domain: str = "source",
        *,
        size: int | None = None,
        seed: int = 0,
        image_px: int = 224,
        split: str = "train",
    ) -> None:
        """Name the data set; nothing is drawn yet.

        Args:
            domain: one of those above.
            size: number of samples; 20,000 for "train" and 2,000 for "test" by default. A larger set begins with the
                samples of a smaller one.
            seed: names the data set.
            image_px: side of the square pictures.
            split: "train" or "test".

        Raises:
            BadInputError: an unknown domain or split, a negative seed, no samples, or pictures under 16 px.
            MissingFileError: photographs are asked for, and ``HANDLIB_DATA/backgrounds`` holds none.
        """
        if split not in SPLITS:
            raise BadInputError(f"split is {split!r}, expected one of {', '.join(map(repr, SPLITS))}")
        size = DEFAULT_SIZE[split] if size is None else size
        if size < 1 or image_px < SMALLEST_PX:
            raise BadInputError(
                f"size is {size} and image_px {image_px}: expected at least 1 sample of at least {SMALLEST_PX} px"
            )
        if domain.endswith("-photographs"):
            photograph_paths()
        self.domain, self.split, self.seed, self.image_px, self._size = domain, split, seed, image_px, size
        self._poses = PoseSampler(self.hand.model, pose_seed(seed, domain, split))

    @staticmethod
    def from_folder(folder: str | Path) -> BenchmarkFolder:
        """The same samples, read from a folder that ``data_scripts/make_open_benchmark.py`` wrote.

        Raises:
            MissingFileError, BadInputError: see :class:`~handlib.data.benchmark_folder.BenchmarkFolder`.
        """
        return BenchmarkFolder(folder)

    @property
    def hand(self) -> HandStage:
        """The hand that this domain's pictures show, with its faces, bones and limits."""
        return hand_stage(TARGET_HAND if self.domain.startswith("target") else SOURCE_HAND)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> Sample:
        index = self._checked(index)
        return self.render_batch([index]).sample(0, self.name(index))

    def name(self, index: int) -> str:
        """What a sample is called: ``"source/train/000017"``."""
        return f"{self.domain}/{self.split}/{index:06d}"

    def render_batch(self, indices: Sequence[int], device: torch.device | str = "cpu") -> LabelledBatch:
        """Draw several samples at once, as tensors on ``device``; the path for training.

        Poses are drawn on the CPU; the source domain is then rendered on the device, while the target's appearance,
        which ends in a JPEG file, is computed on the CPU and copied.

        Raises:
            BadInputError: no index.
            IndexError: an index outside the data set.
        """
        if len(indices) == 0:
            raise BadInputError("indices is empty: ask for at least one sample")
        indices = [self._checked(index) for index in indices]
        views, looks = (
            [sample_stream(self.seed, self.domain, self.split, index, purpose) for index in indices]
            for purpose in PURPOSES
        )
        framing = SOURCE_FRAMING if self.domain == "source" else TARGET_FRAMING
        scenes = draw_scenes(self.hand, draw_poses(self._poses, indices), views, framing, self.image_px)
        if self.domain == "source":
            return render_source(self.hand, scenes.to(device), looks, self.image_px)
        photographs = self.domain.endswith("-photographs")
        return render_target(self.hand, scenes, looks, self.image_px, photographs=photographs).to(device)

    def _checked(self, index: int) -> int:
        if not -self._size <= index < self._size:
            # Sequence's own iteration ends on IndexError.
            raise IndexError(f"sample {index} of a data set with {self._size}")
        return int(index) % self._size
