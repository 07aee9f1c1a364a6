"""The official data sets by name: where to register, what their licence is, what they unlock, and their reader.

Nothing here can be downloaded without its authors' leave. Where a data set lies is said each time by ``--root`` (in
Python ``root=``), or once by an environment variable of its own: HANDLIB_FREIHAND, HANDLIB_HO3D_V2, HANDLIB_STB, ...
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from handlib.data.official import OfficialDataset, OnBad
from handlib.errors import BadInputError


@dataclass(frozen=True)
class OfficialSet:
    """One official data set.

    Attributes:
        name: as on the command line.
        what: what it shows.
        get: where to ask for it.
        licence: under which terms, in short; its own page is what counts.
        unlocks: the papers' tables and figures that are measured on it.
        reader: module and class.
        published: split -> the numbers of samples that its authors state, any of which is whole.
        options: arguments of the reader that the name implies.
    """

    name: str
    what: str
    get: str
    licence: str
    unlocks: str
    reader: str
    published: Mapping[str, tuple[int, ...]]
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of its parts."""
        return self.reader_class().splits

    def reader_class(self) -> type[OfficialDataset]:
        """The class that reads it; imported only now."""
        module, name = self.reader.split(":")
        return getattr(import_module(module), name)


_NON_COMMERCIAL = "non-commercial research"
_SETS = (
    OfficialSet(
        "freihand",
        "single pictures of hands, some with objects; joints, meshes, masks",
        "https://lmb.informatik.uni-freiburg.de/projects/freihand/",
        _NON_COMMERCIAL,
        "S2HAND Tables 2, 4, 5 and Figure 4; S2HAND(V) Tables 1, 3, 6 and Figure 6; SeqHAND's fine-tuning",
        "handlib.data.freihand:FreiHand",
        {"training": (130_240,), "evaluation": (3960,)},
        {"version": "all"},
    ),
    OfficialSet(
        "ho3d_v2",
        "videos of a hand with an object; joints, MANO, depth",
        "https://www.tugraz.at/institute/icg/research/team-lepetit/research-projects/hand-object-3d-pose-annotation/",
        _NON_COMMERCIAL,
        "S2HAND Tables 3, 5; S2HAND(V) Tables 2, 4 to 9",
        "handlib.data.ho3d:HO3D",
        {"train": (66_034,), "evaluation": (11_524,)},
        {"version": "v2"},
    ),
    OfficialSet(
        "ho3d_v3",
        "HO-3D with better labels and more videos",
        "https://www.tugraz.at/institute/icg/research/team-lepetit/research-projects/hand-object-3d-pose-annotation/",
        _NON_COMMERCIAL,
        "no table of the five papers; the data set's current scoring server",
        "handlib.data.ho3d:HO3D",
        # The official code says 78,297; the list in the data has 83,325 lines, with the evaluation's 103,462.
        {"train": (83_325, 78_297), "evaluation": (20_137,)},
        {"version": "v3"},
    ),
    OfficialSet(
        "stb",
        "videos of a left hand from a stereo and a depth camera; joints",
        "https://github.com/zhjwustc/icip17_stereo_hand_pose_dataset",
        "MIT (the repository with the description)",
        "TASSN Table 1, Figures 6, 7; SeqHAND Tables 3, 4, Figure 8",
        "handlib.data.stb:STB",
        {"train": (15_000,), "test": (3000,), "all": (18_000,)},
    ),
    OfficialSet(
        "mhp",
        "videos of a hand from four webcams; joints",
        "http://www.rovit.ua.es/dataset/mhpdataset/",
        "see its page",
        "TASSN Table 1, Figures 6, 7",
        "handlib.data.mhp:MHP",
        {"all": ()},
    ),
    OfficialSet(
        "nyu",
        "depth videos of a hand from three Kinects; joints",
        "https://jonathantompson.github.io/NYU_Hand_Pose_Dataset.htm",
        "see its page",
        "Fitting Tables 1 and 2, Figures 5 to 8",
        "handlib.data.nyu:Nyu",
        {"train": (3 * 72_757,), "test": (3 * 8252,)},
        {"view": "all"},
    ),
    OfficialSet(
        "bighand",
        "depth pictures of ten people's hands in all poses; joints",
        "http://icvl.ee.ic.ac.uk/hands17/ (ask its authors)",
        _NON_COMMERCIAL,
        "SeqHAND's pose flow",
        "handlib.data.bighand:BigHand",
        {"all": ()},
    ),
    OfficialSet(
        "dexter_object",
        "videos of a hand with a cuboid; fingertips",
        "https://handtracker.mpi-inf.mpg.de/projects/RealtimeHO/",
        _NON_COMMERCIAL,
        "SeqHAND Tables 3 and 4, Figure 7",
        "handlib.data.dexter_object:DexterObject",
        {"test": ()},
    ),
    OfficialSet(
        "ego_dexter",
        "egocentric videos of a hand with objects; fingertips",
        "https://handtracker.mpi-inf.mpg.de/projects/OccludedHands/EgoDexter.htm",
        _NON_COMMERCIAL,
        "SeqHAND Tables 3 and 4, Figure 6",
        "handlib.data.ego_dexter:EgoDexter",
        {"test": ()},
    ),
    OfficialSet(
        "youtube_hands",
        "hands in 116 films; meshes in pixels",
        "https://github.com/arielai/youtube_3d_hands",
        "academic research, on request",
        "S2HAND(V) Table 8's films; no run on them yet",
        "handlib.data.youtube_hands:YouTubeHands",
        {"train": (47_125,), "val": (1525,), "test": (1525,)},
    ),
)
OFFICIAL_SETS: dict[str, OfficialSet] = {source.name: source for source in _SETS}


def official_set(name: str) -> OfficialSet:
    """The data set of that name; hyphens and capitals do not matter.

    Raises:
        BadInputError: there is none.
    """
    plain = name.lower().replace("-", "_")
    if plain not in OFFICIAL_SETS:
        raise BadInputError(f"no data set is called {name!r}; there are {', '.join(OFFICIAL_SETS)}")
    return OFFICIAL_SETS[plain]


def open_official(
    name: str, root: str | Path | None = None, split: str | None = None, *, on_bad: OnBad = "raise", **options: Any
) -> OfficialDataset:
    """Open a data set by name.

    Args:
        name: a key of :data:`OFFICIAL_SETS`.
        root: its folder; by default what HANDLIB_<NAME> names.
        split: one of its parts; the first by default.
        on_bad: see :mod:`handlib.data.official`.
        options: further arguments of its reader, for instance ``hand`` or ``camera``.

    Raises:
        BadInputError, MissingFileError: as its reader does.
    """
    source = official_set(name)
    split = source.splits[0] if split is None else split
    return source.reader_class()(root, split, on_bad=on_bad, **(dict(source.options) | options))
