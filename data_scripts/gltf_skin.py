"""Reads one skinned mesh out of a binary glTF file (.glb), with nothing but numpy.

A .glb is a 12-byte header and two chunks: JSON, and a block of bytes. "Accessors" in the JSON say where an array lies
in the bytes. Specification: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from handlib.errors import BadInputError

COMPONENT_TYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
COMPONENT_COUNTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass(frozen=True)
class SkinnedMesh:
    """Mesh and skeleton in the bind pose, metres, the file's axes."""

    vertices: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    weights: Float[np.ndarray, "vertices bones"]
    bone_names: list[str]
    bone_heads: Float[np.ndarray, "bones 3"]


def read_skinned_mesh(content: bytes, name: str | Path) -> SkinnedMesh:
    """The first primitive of the first mesh and the first skin; vertices split along texture seams are merged.

    Args:
        content: the bytes of the file.
        name: what to call it in errors.

    Raises:
        BadInputError: not a version 2 .glb file, or without a skin.
    """
    if content[:4] != b"glTF" or struct.unpack("<I", content[4:8])[0] != 2:
        raise BadInputError(f"{name} is not a binary glTF 2 file: it starts with {content[:4]!r}, expected b'glTF'")
    json_length = struct.unpack("<I", content[12:16])[0]
    document, data = json.loads(content[20 : 20 + json_length]), content[28 + json_length :]
    if not document.get("skins"):
        raise BadInputError(f"{name} has no skin; expected a skinned hand")

    def read(number: int) -> np.ndarray:
        return _read_accessor(document, data, number)

    primitive, skin = document["meshes"][0]["primitives"][0], document["skins"][0]
    attributes = primitive["attributes"]
    vertices, influences = read(attributes["POSITION"]).astype(float), read(attributes["WEIGHTS_0"])
    bones = read(attributes["JOINTS_0"])
    inverse_bind = read(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)  # stored column by column
    weights = np.zeros((len(vertices), len(skin["joints"])))
    np.add.at(weights, (np.arange(len(vertices))[:, None], bones), influences)
    first, inverse = _merged(vertices)
    faces = inverse[read(primitive["indices"]).reshape(-1, 3)]
    distinct = (faces != np.roll(faces, 1, axis=1)).all(1)
    return SkinnedMesh(
        vertices=vertices[first],
        faces=faces[distinct],
        weights=weights[first] / weights[first].sum(1, keepdims=True),
        bone_names=[document["nodes"][joint]["name"] for joint in skin["joints"]],
        bone_heads=np.linalg.inv(inverse_bind.astype(float))[:, :3, 3],
    )


def _read_accessor(document: dict, data: bytes, number: int) -> np.ndarray:
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]]
    dtype, columns = np.dtype(COMPONENT_TYPES[accessor["componentType"]]), COMPONENT_COUNTS[accessor["type"]]
    row = dtype.itemsize * columns
    stride, offset = view.get("byteStride", row), view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    shape, strides = (accessor["count"], columns), (stride, dtype.itemsize)
    array = np.ndarray(shape, dtype, buffer=data, offset=offset, strides=strides)
    if accessor.get("normalized"):
        array = array / np.iinfo(dtype).max
    return array[:, 0] if columns == 1 else array


def _merged(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First number of every distinct position, in the file's order, and the new number of every vertex."""
    _, first, inverse = np.unique(np.round(vertices, 6), axis=0, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return np.sort(first), rank[inverse.ravel()]
