"""Voxel label masks (NIfTI) to smooth surfaces in patient axes, one a label.

Reads single-file NIfTI-1, plain or gzipped, with an affine (sform or qform); RAS is turned into LPS.
"""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fluorospread.errors import TruncatedImageError, UnsupportedImageError
from fluorospread.simulation.anatomy.mesh import smoothed, wound_outwards
from fluorospread.simulation.anatomy.surface import Surface

# NIfTI-1 datatype codes, nifti1.h.
_DTYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4"}


@dataclass(frozen=True)
class Volume:
    """Voxels (i, j, k) and the (4, 4) map from their indices to LPS mm."""

    voxels: npt.NDArray[np.generic]
    to_lps_mm: npt.NDArray[np.float64]


def _quaternion_affine(header: bytes, order: str, pixdim: tuple[float, ...]) -> npt.NDArray[np.float64]:
    b, c, d, qx, qy, qz = struct.unpack(order + "6f", header[256:280])
    a = np.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    handed = -1.0 if pixdim[0] < 0 else 1.0
    affine = np.eye(4)
    affine[:3, :3] = rotation * np.array([pixdim[1], pixdim[2], handed * pixdim[3]])
    affine[:3, 3] = (qx, qy, qz)
    return affine


def read_nifti(path: Path) -> Volume:
    """Voxels and affine of a NIfTI-1 file.

    Raises
    ------
    UnsupportedImageError
        No NIfTI-1 file, a voxel type of more than one value, or no affine.
    TruncatedImageError
        Fewer voxels than the header announces.
    """
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    order = "<" if raw[:4] == struct.pack("<i", 348) else ">"
    if len(raw) < 352 or struct.unpack(order + "i", raw[:4])[0] != 348 or raw[344:347] != b"n+1":
        raise UnsupportedImageError(f"{path} is no single-file NIfTI-1 image")
    dims = struct.unpack(order + "8h", raw[40:56])
    (datatype,) = struct.unpack(order + "h", raw[70:72])
    pixdim = struct.unpack(order + "8f", raw[76:108])
    offset = int(struct.unpack(order + "f", raw[108:112])[0])
    qform, sform = struct.unpack(order + "2h", raw[252:256])
    if datatype not in _DTYPES or dims[0] < 3:
        raise UnsupportedImageError(f"{path}: NIfTI datatype {datatype} with {dims[0]} dimensions is not read")
    shape = dims[1:4]
    dtype = np.dtype(order + _DTYPES[datatype])
    count = int(np.prod(shape))
    if len(raw) < offset + count * dtype.itemsize:
        raise TruncatedImageError(f"{path} ends before its {count} voxels do")
    if sform > 0:
        affine = np.eye(4)
        affine[:3] = np.array(struct.unpack(order + "12f", raw[280:328])).reshape(3, 4)
    elif qform > 0:
        affine = _quaternion_affine(raw, order, pixdim)
    else:
        raise UnsupportedImageError(f"{path} carries neither sform nor qform; its axes are unknown")
    voxels = np.frombuffer(raw, dtype, count, offset).reshape(shape, order="F")
    return Volume(voxels, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


def surface_of_label(volume: Volume, *labels: int, voxel_mm: float = 1.2, sigma_mm: float = 1.0) -> Surface | None:
    """Smooth watertight surface of the largest connected part of `labels` together; None where there is too little.

    The mask is resampled to cubes of `voxel_mm` before smoothing, so that thick slices leave no terraces.
    """
    from scipy import ndimage
    from skimage.measure import marching_cubes

    mask = np.isin(np.asarray(volume.voxels).astype(np.int16), labels)
    parts, count = ndimage.label(mask)
    if count == 0:
        return None
    sizes = np.bincount(parts.ravel())[1:]
    mask = parts == 1 + int(sizes.argmax())
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    spacing = np.linalg.norm(volume.to_lps_mm[:3, :3], axis=0)
    pad = np.ceil(6.0 / spacing).astype(int)
    block = np.pad(mask[box], [(int(p), int(p)) for p in pad]).astype(np.float32)
    if block.sum() * spacing.prod() < 2000.0:
        return None
    # Smoothing by about half a slice first turns the steps of thick slices into slopes.
    block = ndimage.gaussian_filter(block, np.maximum(sigma_mm, 0.45 * spacing) / spacing)
    zoom = spacing / voxel_mm
    block = ndimage.zoom(block, zoom, order=1, grid_mode=True, mode="nearest")
    vertices, faces, _, _ = marching_cubes(block, 0.5)
    index = (vertices + 0.5) / (np.array(block.shape) / (np.array(mask[box].shape) + 2 * pad)) - 0.5
    index = index - pad + np.array([s.start for s in box])
    lps = index @ volume.to_lps_mm[:3, :3].T + volume.to_lps_mm[:3, 3]
    return smoothed(wound_outwards(lps, faces.astype(np.int32)), rounds=3)
