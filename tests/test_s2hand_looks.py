"""Looks at trained networks: the full weights where they are, else those of the profile."""

import numpy as np
import pytest
import torch

from handlib.experiments.s2hand import FULL, data
from handlib.experiments.s2hand.frames import KINDS, ORDINARY, FramesRecipe, score_frames
from handlib.experiments.s2hand.looks import errors_mm, lifting_network, look, trained_network, untrained_network
from handlib.models.keypoint_readout import ReadKeypoints
from handlib.reproduce.recipe import run


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("looks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDLIB_RESULTS", str(folder / "results"))
        patch.setenv("HANDLIB_CACHE", str(folder / "cache"))
        data.pictures.cache_clear()
        data.labels.cache_clear()
        yield folder
    data.pictures.cache_clear()
    data.labels.cache_clear()


@pytest.mark.slow
def test_a_profile_is_trained_where_no_full_run_is(store):
    trained = trained_network(FULL, "smoke", 0)
    assert trained.profile == "smoke" and not trained.network.training
    before = untrained_network(FULL, trained.effort, 0)
    found, first = (look(network, trained.effort, [0, 2]) for network in (trained.network, before))
    assert found.joints.shape == (2, 21, 3) and not torch.equal(found.joints, first.joints)
    errors = errors_mm(trained.network, trained.effort, 6)
    assert errors.shape == (6,) and np.isfinite(errors).all() and errors.min() > 0


@pytest.mark.slow
def test_errors_on_hard_frames_are_those_of_the_row_that_was_trained(store):
    hands = {}
    for kind in (ORDINARY, *KINDS):
        result = run(FramesRecipe(name=f"on-{kind}", of=FULL, kind=kind), "smoke", 0, score_frames, device="cpu")
        hands[kind] = result.outcome.metrics["hands"].value
        assert 0 < result.outcome.metrics["pa_mpjpe"].value < 1000
    assert hands[ORDINARY] >= 3 and all(hands[kind] == 1 for kind in KINDS)


@pytest.mark.slow
def test_a_lifting_head_is_trained_without_pictures(store):
    network, profile = lifting_network("smoke")
    assert profile == "smoke"
    hands = network.lift(ReadKeypoints(16 + 8 * torch.randn(2, 21, 2), torch.ones(2, 21)), 32)
    assert hands.joints.shape == (2, 21, 3)
