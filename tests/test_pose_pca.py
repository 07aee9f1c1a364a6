"""The pose PCA: right components, one sign, and a stored space that belongs to the hand and the sampler of today."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pose_hands import model

from handlib.errors import BadInputError
from handlib.hand import HandModel
from handlib.hand.pose_pca import OPEN_HAND_PCA_FILE, PosePCA, fit_pose_pca
from handlib.hand.sampler import PoseSampler


def correlated_poses(count: int = 500) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 45)) @ rng.normal(size=(45, 45)) + rng.normal(size=45)


def stored() -> PosePCA:
    with np.load(OPEN_HAND_PCA_FILE) as archive:
        return PosePCA(archive["hands_mean"], archive["hands_components"], archive["hands_variance"])


def test_agrees_with_the_singular_value_decomposition() -> None:
    poses = correlated_poses()
    pca = fit_pose_pca(poses)
    _, singular, rows = np.linalg.svd(poses - poses.mean(0), full_matrices=False)
    np.testing.assert_allclose(pca.variance, singular**2 / (len(poses) - 1), rtol=1e-9)
    np.testing.assert_allclose(np.abs((pca.components * rows).sum(1)), 1.0, atol=1e-9)


def test_rebuilds_every_pose_and_explains_all() -> None:
    poses = correlated_poses()
    pca = fit_pose_pca(poses)
    coefficients = (poses - pca.mean) @ pca.components.T
    np.testing.assert_allclose(pca.mean + coefficients @ pca.components, poses, atol=1e-9)
    assert pca.explained()[-1] == pytest.approx(1.0)
    assert (np.diff(pca.variance) <= 0).all()


def test_signs_are_fixed() -> None:
    poses = correlated_poses()
    first, second = fit_pose_pca(poses), fit_pose_pca(2 * poses.mean(0) - poses)
    np.testing.assert_allclose(first.components, second.components, atol=1e-7)
    largest = np.abs(first.components).argmax(axis=1)
    assert (first.components[np.arange(45), largest] > 0).all()


def test_the_stored_space_is_that_of_the_sampler() -> None:
    sampler = PoseSampler(model(dtype=torch.float32), seed=0)
    poses = sampler.anatomy.to_axis_angle(sampler.sample(4000)).numpy()
    pca, now = stored(), fit_pose_pca(poses)
    assert np.abs(pca.mean - now.mean).max() < 0.03, "run data_scripts/build_pose_pca.py"
    centred = poses - pca.mean
    kept = centred @ pca.components[:10].T @ pca.components[:10]
    assert 1 - ((centred - kept) ** 2).sum() / (centred**2).sum() > now.explained()[9] - 0.005
    np.testing.assert_allclose(pca.components @ pca.components.T, np.eye(45), atol=1e-5)
    assert pca.explained()[5] > 0.8 and pca.explained()[21] > 0.99, "22 movements, and most of them together"


def test_the_open_hand_loads_with_it() -> None:
    hand = HandModel.load("open", pose_space="pca", num_pca=6, flat_hand_mean=False)
    pca = stored()
    coefficients = torch.tensor([[0.5, -0.2, 0.1, 0.0, 0.3, 0.0]])
    expected = pca.mean + coefficients.numpy() @ pca.components[:6]
    np.testing.assert_allclose(hand.pose_to_axis_angle(coefficients).numpy(), expected, atol=1e-6)


def test_saves_what_a_hand_file_reads(tmp_path: Path) -> None:
    pca = fit_pose_pca(correlated_poses())
    pca.save(tmp_path / "space.npz")
    with np.load(tmp_path / "space.npz") as archive:
        assert archive["hands_components"].shape == (45, 45) and archive["hands_mean"].shape == (45,)
        np.testing.assert_allclose(archive["hands_mean"], pca.mean, rtol=1e-5)


@pytest.mark.parametrize("poses", [np.zeros((45, 45)), np.full((100, 45), np.nan)])
def test_too_few_or_broken_poses_are_refused(poses: np.ndarray) -> None:
    with pytest.raises(BadInputError, match=f"{len(poses)} poses"):
        fit_pose_pca(poses)
