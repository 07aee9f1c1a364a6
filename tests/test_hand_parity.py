"""The hand layer against smplx.MANO, on the same random file of MANO's format: within a micrometre."""

from pathlib import Path

import numpy as np
import pytest
import torch

from handlib import HandModel
from handlib.hand.files import FINGERTIP_VERTICES, write_mano_npz
from handlib.skeleton import reorder_joints

smplx = pytest.importorskip("smplx")

BATCH = 7
MICROMETRE = 1e-6


def inputs(num_pose: int) -> dict[str, torch.Tensor]:
    """Random pose, shape, rotation and translation, one of the poses exactly zero."""
    generator = torch.Generator().manual_seed(3)
    widths = {"pose": num_pose, "shape": 10, "global_orient": 3, "translation": 3}
    out = {k: torch.randn(BATCH, w, generator=generator, dtype=torch.float64) for k, w in widths.items()}
    out["pose"][0] = 0
    out["global_orient"][1] = 0
    return out


def reference(path: Path, x: dict[str, torch.Tensor], **options: object) -> tuple[torch.Tensor, torch.Tensor]:
    """Vertices (B, 778, 3) and 16 joints from smplx."""
    layer = smplx.MANO(str(path), ext=path.suffix[1:], dtype=torch.float64, batch_size=BATCH, **options)
    out = layer(betas=x["shape"], global_orient=x["global_orient"], hand_pose=x["pose"], transl=x["translation"])
    return out.vertices.detach(), out.joints.detach()


def assert_same(mesh, vertices: torch.Tensor, joints: torch.Tensor) -> None:
    """Vertices and the 16 joints agree, each within a micrometre."""
    assert (mesh.vertices - vertices).norm(dim=-1).max() < MICROMETRE
    ours = reorder_joints(mesh.joints, "handlib", "mano")
    assert (ours - joints).norm(dim=-1).max() < MICROMETRE


@pytest.mark.parametrize("flat_hand_mean", [True, False])
@pytest.mark.parametrize("num_pca", [6, 30, None])
def test_same_mesh_as_smplx(mano_npz: Path, flat_hand_mean: bool, num_pca: int | None):
    x = inputs(num_pca or 45)
    pca = {"pose_space": "pca", "num_pca": num_pca} if num_pca else {}
    model = HandModel.load(mano_npz, flat_hand_mean=flat_hand_mean, dtype=torch.float64, **pca)
    options = {"use_pca": True, "num_pca_comps": num_pca} if num_pca else {"use_pca": False}
    assert_same(model(**x), *reference(mano_npz, x, flat_hand_mean=flat_hand_mean, **options))


def test_same_mesh_through_a_pickle(write_mano_pickle):
    x, path = inputs(45), write_mano_pickle()
    model = HandModel.load(path, flat_hand_mean=False, dtype=torch.float64)
    assert_same(model(**x), *reference(path, x, use_pca=False, flat_hand_mean=False))


def test_same_mesh_through_a_chumpy_pickle(write_mano_pickle, fake_chumpy, random_hand):
    plain = HandModel.load(write_mano_pickle("plain.pkl"), dtype=torch.float64)
    whole = np.concatenate([random_hand.shapedirs, random_hand.shapedirs + 1], axis=2)
    picked = np.arange(whole.size).reshape(whole.shape)[..., :10]
    shapedirs = fake_chumpy.Select(fake_chumpy.Ch(whole), picked.ravel(), picked.shape)
    path = write_mano_pickle(v_template=fake_chumpy.Ch(random_hand.v_template), shapedirs=shapedirs)
    x = inputs(45)
    ours, theirs = HandModel.load(path, dtype=torch.float64)(**x), plain(**x)
    assert torch.equal(ours.vertices, theirs.vertices) and torch.equal(ours.joints, theirs.joints)


def test_float32_stays_within_two_micrometres(mano_npz: Path):
    x = inputs(45)
    exact = HandModel.load(mano_npz, dtype=torch.float64)(**x)
    single = HandModel.load(mano_npz)(**{k: v.float() for k, v in x.items()})
    assert (single.vertices - exact.vertices).norm(dim=-1).max() < 2 * MICROMETRE


def test_left_file_is_a_left_hand(mano_npz: Path, random_hand, tmp_path: Path):
    # An asymmetric file under a left name, as MANO_LEFT.pkl is: no mirroring may happen to it.
    left = write_mano_npz(random_hand, tmp_path / "MANO_LEFT.npz")
    x = inputs(45)
    # The file's own word (right) outranks its name; the argument outranks both.
    model = HandModel.load(left, side="left", file_side="left", dtype=torch.float64)
    assert model.side == "left"
    vertices, joints = reference(mano_npz, x, use_pca=False, flat_hand_mean=True)
    assert_same(model(**x), vertices, joints)


def test_gradients_equal_those_of_smplx(mano_npz: Path):
    x = {k: v.requires_grad_() for k, v in inputs(45).items()}
    mesh = HandModel.load(mano_npz, dtype=torch.float64)(**x)
    layer = smplx.MANO(str(mano_npz), ext="npz", dtype=torch.float64, use_pca=False, flat_hand_mean=True)
    out = layer(betas=x["shape"], global_orient=x["global_orient"], hand_pose=x["pose"], transl=x["translation"])
    pull = torch.randn_like(mesh.vertices)
    ours = torch.autograd.grad((mesh.vertices * pull).sum(), list(x.values()))
    theirs = torch.autograd.grad((out.vertices * pull).sum(), list(x.values()))
    # smplx adds 1e-8 to every rotation vector, so its gradient at rotation zero is only roughly right.
    for name, a, b in zip(x, ours, theirs, strict=True):
        rows = slice(2, None) if name in ("pose", "global_orient") else slice(None)
        torch.testing.assert_close(a[rows], b[rows], atol=1e-5, rtol=1e-5)


def test_fingertips_are_the_vertices_of_each_convention(mano_npz: Path, random_hand, write_mano_pickle):
    from smplx.vertex_ids import vertex_ids

    theirs = vertex_ids["mano"]
    assert FINGERTIP_VERTICES["smplx"] == tuple(theirs[f] for f in ("thumb", "index", "middle", "ring", "pinky"))
    # https://github.com/lmb-freiburg/freihand, and what manopth's layer takes for each hand
    assert FINGERTIP_VERTICES["freihand"] == (744, 320, 443, 555, 672)
    assert FINGERTIP_VERTICES["manopth"] == (745, 317, 444, 556, 673)
    assert FINGERTIP_VERTICES["manopth_left"] == (745, 317, 445, 556, 673)
    x, path = inputs(45), write_mano_pickle()
    for tips, vertices in FINGERTIP_VERTICES.items():
        mesh = HandModel.load(path, tips=tips, dtype=torch.float64)(**x)
        assert torch.equal(mesh.joints[:, [4, 8, 12, 16, 20]], mesh.vertices[:, list(vertices)])
    own = HandModel.load(mano_npz, tips="smplx")
    assert own.tip_vertices.tolist() == random_hand.tip_vertices.tolist()


@pytest.mark.parametrize("name", ["open", "generic"])
def test_packaged_hands_written_for_smplx_give_the_same_mesh(name: str, tmp_path: Path):
    model = HandModel.load(name, dtype=torch.float64)
    path = write_mano_npz(model.file, tmp_path / "MANO_RIGHT.npz")
    x = inputs(45)
    x["shape"] = x["shape"][:, : model.num_shape]
    assert_same(model(**x), *reference(path, x, use_pca=False, flat_hand_mean=True))
