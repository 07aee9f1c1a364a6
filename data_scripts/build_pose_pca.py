"""Build the open hand's PCA pose space: principal components of 20,000 samples of its pose sampler, seed 0.

``python data_scripts/build_pose_pca.py`` writes ``handlib/hand/assets/open_hand_pose_pca.npz``, which the
reader of hand files adds to the open hand. Run it after the open hand, the named poses or the sampler
changed.
"""

from handlib.hand import HandModel
from handlib.hand.pose_pca import OPEN_HAND_PCA_FILE, fit_pose_pca
from handlib.hand.sampler import PoseSampler

NUM_SAMPLES, SEED = 20_000, 0


def main() -> None:
    """Sample, fit, save, and print what the first components explain."""
    sampler = PoseSampler(HandModel.load("open"), seed=SEED)
    poses = sampler.anatomy.to_axis_angle(sampler.sample(NUM_SAMPLES))
    pca = fit_pose_pca(poses.double().numpy())
    pca.save(OPEN_HAND_PCA_FILE)
    for count in (1, 2, 3, 6, 10, 15, 22, 30, 45):
        print(f"{count:2d} components explain {100 * pca.explained()[count - 1]:5.1f} % of the variance")
    print(f"{OPEN_HAND_PCA_FILE.name}: {OPEN_HAND_PCA_FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
