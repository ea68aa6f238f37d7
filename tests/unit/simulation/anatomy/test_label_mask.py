"""NIfTI masks to surfaces in patient axes."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from fluorospread.errors import TruncatedImageError, UnsupportedImageError
from fluorospread.simulation.anatomy.label_mask import Volume, read_nifti, surface_of_label


def nifti_bytes(voxels: np.ndarray, sform: np.ndarray | None, quaternion: tuple[float, ...] | None = None) -> bytes:
    head = bytearray(352)
    head[0:4] = struct.pack("<i", 348)
    head[40:56] = struct.pack("<8h", 3, *voxels.shape, 1, 1, 1, 1)
    head[70:72] = struct.pack("<h", 2)
    head[76:108] = struct.pack("<8f", 1, 2, 3, 4, 0, 0, 0, 0)
    head[108:112] = struct.pack("<f", 352)
    head[252:256] = struct.pack("<2h", 1 if quaternion else 0, 1 if sform is not None else 0)
    if quaternion:
        head[256:280] = struct.pack("<6f", *quaternion)
    if sform is not None:
        head[280:328] = struct.pack("<12f", *sform[:3].ravel())
    head[344:348] = b"n+1\0"
    return bytes(head) + voxels.astype("u1").tobytes(order="F")


def test_sform_maps_voxels_to_lps(tmp_path: Path) -> None:
    voxels = np.arange(24).reshape(2, 3, 4)
    sform = np.array([[2, 0, 0, 10], [0, 3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1.0]])
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(nifti_bytes(voxels, sform)))
    volume = read_nifti(path)
    assert (volume.voxels == voxels).all()
    # RAS (12, 23, 34) of voxel (1, 1, 1) is LPS (-12, -23, 34).
    assert (volume.to_lps_mm @ [1, 1, 1, 1])[:3].tolist() == [-12.0, -23.0, 34.0]


def test_qform_turns_by_its_quaternion(tmp_path: Path) -> None:
    path = tmp_path / "q.nii"
    # Half a turn about z: quaternion (0, 0, 0, 1).
    path.write_bytes(nifti_bytes(np.zeros((2, 2, 2)), None, (0, 0, 1.0, 5, 6, 7)))
    volume = read_nifti(path)
    assert (volume.to_lps_mm @ [1, 1, 1, 1])[:3] == pytest.approx([-(5 - 2), -(6 - 3), 7 + 4])


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"hello", UnsupportedImageError, "no single-file NIfTI-1"),
        (nifti_bytes(np.zeros((2, 2, 2)), None), UnsupportedImageError, "neither sform nor qform"),
        (nifti_bytes(np.zeros((2, 2, 2)), np.eye(4))[:-1], TruncatedImageError, "ends before its 8 voxels"),
    ],
)
def test_what_is_no_readable_mask_is_refused(
    tmp_path: Path, content: bytes, error: type[Exception], message: str
) -> None:
    path = tmp_path / "bad.nii"
    path.write_bytes(content)
    with pytest.raises(error, match=message):
        read_nifti(path)


def test_a_ball_of_thick_slices_keeps_its_place_and_volume() -> None:
    spacing = np.array([3.0, 1.0, 1.0])
    index = np.indices((20, 60, 60)).reshape(3, -1).T
    inside = np.linalg.norm(index * spacing - [30, 30, 30], axis=1) < 15
    voxels = np.where(inside, 22, 0).reshape(20, 60, 60).astype(np.uint8)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (100, 200, 300)
    surface = surface_of_label(Volume(voxels, affine), 22)
    assert surface is not None
    assert surface.vertices_mm.mean(axis=0) == pytest.approx([130, 230, 330], abs=0.5)
    # 3 mm slices and smoothing cost a ball of 15 mm a few percent of its volume.
    assert surface.volume_mm3() == pytest.approx(4 / 3 * np.pi * 15**3, rel=0.06)


def test_a_label_that_is_absent_or_tiny_gives_no_surface() -> None:
    voxels = np.zeros((10, 10, 10), dtype=np.uint8)
    voxels[5, 5, 5] = 3
    assert surface_of_label(Volume(voxels, np.eye(4)), 2) is None
    assert surface_of_label(Volume(voxels, np.eye(4)), 3) is None
