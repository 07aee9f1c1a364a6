"""TASSN on official data: its stages run on tiny sets in the official formats, and every row of Table 1 is there."""

from dataclasses import replace

import numpy as np
import pytest

from handlib.errors import BadInputError
from handlib.experiments.tassn.effort import SMOKE
from handlib.experiments.tassn.official import MHP, OFFICIAL, STB
from handlib.experiments.tassn.official_recipes import stage_before
from handlib.experiments.tassn.official_training import STB_SEQUENCES, is_test_video, official_films, train_official
from handlib.reproduce.published import load_published
from handlib.reproduce.recipe import run
from handlib.reproduce.results import Outcome

BY_NAME = {experiment.recipe.name: experiment for experiment in OFFICIAL}


@pytest.fixture(scope="module")
def folders(format_fixture, tmp_path_factory):
    """Tiny sets in their formats, a store and a cache that all smoke runs of this file share."""
    folder = tmp_path_factory.mktemp("tassn-official")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDLIB_RESULTS", str(folder / "results"))
        patch.setenv("HANDLIB_CACHE", str(folder / "cache"))
        for name in ("stb", "mhp"):
            patch.setenv(f"HANDLIB_{name.upper()}", str(format_fixture(name)[0]))
        yield folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tassn-full@stb", "tassn-no-consistency@mhp"])
def test_rows_run_with_the_stages_before_them(folders, name):
    outcome = BY_NAME[name].run("smoke", 0).outcome
    assert set(BY_NAME[name].recipe.columns.values()) <= outcome.metrics.keys()
    assert outcome.metrics["frames"].value > 0 and len(outcome.curves["pck"].y) == 51


@pytest.mark.slow
def test_test_videos_are_not_learnt_from(folders):
    def films(context) -> Outcome:
        learnt, scored = (official_films(context, SMOKE, test=test) for test in (False, True))
        assert set(scored.crops.sequence) == {"B1Counting"} and "B1Counting" not in set(learnt.crops.sequence)
        assert all(np.ptp(learnt.crops.frame[rows]) == len(rows) - 1 for rows in learnt.runs)
        return Outcome(not_obtained="looked at only")

    run(replace(STB, name="films@stb"), "smoke", 0, films, force=True)
    with pytest.raises(BadInputError, match="no test video"):
        run(replace(STB, name="nobody@stb", test_videos=("B9",)), "smoke", 0, lambda c: official_films(c, SMOKE, True))
    with pytest.raises(BadInputError, match="stage 4"):
        run(replace(STB, name="fourth@stb", stage=4), "smoke", 0, train_official)


def test_every_row_of_table_1_is_there_and_shares_its_stages():
    table = load_published()["tassn/table-1"]
    rows = {f"{row.recipe}@{data}" for row in table.rows for data in ("stb", "mhp")}
    assert rows <= BY_NAME.keys()
    for full in (STB, MHP):
        second = stage_before(full)
        first = stage_before(second)
        assert (first.stage, second.stage, full.stage) == (1, 2, 3)
        assert BY_NAME[second.name].recipe == second and BY_NAME[first.name].recipe == first
        assert stage_before(BY_NAME[f"tassn-no-consistency@{full.data}"].recipe) == second
        assert full.keypoints == "true" and not full.effort.guided
    assert BY_NAME["tassn-no-consistency@stb"].recipe.weights().mesh == 0


def test_a_video_is_named_by_the_recording_that_it_is_part_of():
    names = np.array(["data_1/webcam_2", "data_10/webcam_1", "data_1/webcam_4"])
    assert is_test_video(names, ("data_1",)).tolist() == [True, False, True]
    assert len(STB_SEQUENCES) == 6 and STB_SEQUENCES[0] == "B1Counting"
