"""Anatomy for the simulator: watertight surfaces with materials and true landmarks, in patient axes.

Axes are DICOM's LPS in mm: x grows towards the patient's left, y towards the back, z towards the head.
Left and right are always the patient's. Every source of anatomy (procedural, meshes, label masks)
becomes an `Anatomy`, so the projector and the truth know one type only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt


class Material(StrEnum):
    """What fills a surface. A nested surface *replaces* what surrounds it: the projector adds
    (mu_inside - mu_around) times the path length, so gas inside soft tissue is negative."""

    SOFT_TISSUE = "soft-tissue"
    MUSCLE = "muscle"
    FAT = "fat"
    CORTICAL_BONE = "cortical-bone"
    TRABECULAR_BONE = "trabecular-bone"
    GAS = "gas"
    STOOL = "stool"
    CALCIFICATION = "calcification"
    STEEL = "steel"
    TITANIUM = "titanium"
    BARIUM = "barium"


@dataclass(frozen=True)
class Surface:
    """Watertight triangle surface, faces wound so that normals point outwards.

    vertices_mm: (n, 3) float64; faces: (m, 3) int32.
    """

    vertices_mm: npt.NDArray[np.float64]
    faces: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        if self.vertices_mm.ndim != 2 or self.vertices_mm.shape[1] != 3:
            raise ValueError(f"vertices_mm must have shape (n, 3), got {self.vertices_mm.shape}")
        if self.faces.ndim != 2 or self.faces.shape[1] != 3:
            raise ValueError(f"faces must have shape (m, 3), got {self.faces.shape}")

    def volume_mm3(self) -> float:
        """Enclosed volume; positive when faces are wound outwards."""
        a, b, c = (self.vertices_mm[self.faces[:, i]] for i in range(3))
        return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)

    def moved(self, matrix: npt.NDArray[np.float64]) -> Surface:
        """The surface after a (4, 4) affine map; winding is kept outwards under reflection."""
        vertices = self.vertices_mm @ matrix[:3, :3].T + matrix[:3, 3]
        faces = self.faces if np.linalg.det(matrix[:3, :3]) > 0 else self.faces[:, ::-1].copy()
        return Surface(vertices, faces)


@dataclass(frozen=True)
class Bone:
    """One bone: cortical between `outer` and `inner`, trabecular within `inner`.

    name: "T11", "T12", "L1" ... "L5", "L6", "sacrum", "hip.left", "hip.right", "rib12.left", ...
    trabecular_g_cm3: density of the trabecular filling (osteoporotic about 0.10 mineral, dense 0.25,
    given here as the whole tissue's density; cortical bone is 1.92).
    """

    name: str
    outer: Surface
    inner: Surface | None
    trabecular_g_cm3: float = 1.12


@dataclass(frozen=True)
class SoftPart:
    """A soft-tissue, gas or foreign body that replaces `around` within `surface`."""

    name: str
    surface: Surface
    material: Material
    around: Material
    density_factor: float = 1.0


@dataclass(frozen=True)
class Anatomy:
    """A whole trunk section.

    landmarks_mm maps names to (x, y, z): for each vertebra V in T11..L6 present "V.center" (body
    centre), "V.pedicle.left/right", "V.junction.left/right" (SAP-TP junction: where the lateral
    border of the SAP's base meets the cranial border of the TP's root, on bone), "V.tp_tip.left/right",
    "V.sap_tip.left/right"; for the sacrum "S1.center", "S1.junction.left/right" (S1 SAP to ala),
    "S2.center"; "iliac_crest.left/right" (highest point); "rib12.left/right" (tip) when present.
    skin: closed body contour filled with SOFT_TISSUE; None gives no soft tissue.
    """

    name: str
    family: str
    bones: tuple[Bone, ...]
    skin: Surface | None
    soft_parts: tuple[SoftPart, ...]
    landmarks_mm: dict[str, npt.NDArray[np.float64]]
    lumbar_count: int
    transitional: bool = False
    has_twelfth_ribs: bool = True
    has_sacrum: bool = True
