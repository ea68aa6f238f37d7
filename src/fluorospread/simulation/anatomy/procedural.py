"""A whole lumbar trunk section built from numbers: bones T9-S1 with pelvis and ribs, soft tissue, truth.

The origin is the centre of L3's body, axes as in `surface` (x left, y backwards, z towards the head).
Vertebrae are stacked upwards from the sacrum along their own tilted axes, the pelvis turns with the
sacral slope, ribs start at their vertebra. The same shape and grid give the same arrays.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from fluorospread.simulation.anatomy.anatomy_shape import AnatomyShape, level_names
from fluorospread.simulation.anatomy.implicit import Vector, vector
from fluorospread.simulation.anatomy.ribs import RibShape, build_rib
from fluorospread.simulation.anatomy.sacrum_pelvis import (
    REFERENCE_SLOPE_DEG,
    build_left_femur,
    build_left_hip,
    build_sacrum,
    mirrored,
)
from fluorospread.simulation.anatomy.soft_tissue import SpineLine, skin_surface, soft_parts
from fluorospread.simulation.anatomy.surface import Anatomy, Bone, Surface
from fluorospread.simulation.anatomy.vertebra import build_vertebra
from fluorospread.simulation.anatomy.vertebra_shape import FacetJoint, FacetJoints

Matrix = npt.NDArray[np.float64]
_Place = Callable[[str, Surface, Surface | None, Matrix], None]

# The first sacral body's height, from its centre to its end plate.
_S1_HALF_HEIGHT_MM = 15.0
_FACET_HALF_WIDTH_MM = {"L4": 6.2, "L5": 6.8, "L6": 7.2, "S1": 7.8}


def sample_anatomy(rng: np.random.Generator, shape: AnatomyShape | None = None, grid_mm: float = 1.2) -> Anatomy:
    """A simulated person with all surfaces and true landmarks.

    shape: drawn from `rng` where not given; bowel gas is arranged by the shape's own seed, so a shape
    fixes the result. grid_mm: spacing of the vertebrae's distance fields: 1.2 gives 15-30 thousand
    faces a vertebra, 1.8 is enough for training; below 0.6 is refused.
    """
    if not 0.6 <= grid_mm <= 3.0:
        raise ValueError(f"grid_mm must lie between 0.6 and 3.0, got {grid_mm}")
    chosen = AnatomyShape.sample(rng) if shape is None else shape
    return build_anatomy(chosen, grid_mm)


def build_anatomy(shape: AnatomyShape, grid_mm: float = 1.2) -> Anatomy:
    """All surfaces and landmarks of one shape."""
    names = level_names(shape.lumbar_count)
    poses = vertebra_poses(shape)
    bones: list[Bone] = []
    landmarks: dict[str, Vector] = {}

    def place(name: str, outer: Surface, inner: Surface | None, pose: Matrix) -> None:
        bones.append(
            Bone(name, outer.moved(pose), None if inner is None else inner.moved(pose), shape.trabecular_g_cm3)
        )

    for n, name in enumerate(names):
        below = names[n + 1] if n + 1 < len(names) else "S1"
        to_below = np.linalg.inv(poses[name]) @ poses[below]
        upper = _facets(shape, name)
        lower = tuple(_joint_moved(joint, to_below) for joint in _facets(shape, below))
        built = build_vertebra(shape.vertebrae[name], FacetJoints(*upper, *lower), grid_mm)
        place(name, built.outer, built.inner, poses[name])
        landmarks |= {f"{name}.{key}": _apply(poses[name], point) for key, point in built.landmarks_mm.items()}
    sacrum = build_sacrum(shape.pelvis, _facets(shape, "S1"), 1.25 * grid_mm)
    place("sacrum", sacrum.outer, sacrum.inner, poses["S1"])
    landmarks |= {key: _apply(poses["S1"], point) for key, point in sacrum.landmarks_mm.items()}
    _add_pelvis(shape, poses["S1"], grid_mm, place, landmarks)
    _add_ribs(shape, poses, grid_mm, place, landmarks)
    line = SpineLine(
        np.array([poses[n][:3, 3] for n in (*names, "S1")]),
        np.array([0.5 * shape.scale * shape.vertebrae[n].body_width for n in names] + [25.0 * shape.scale]),
    )
    return Anatomy(
        name="procedural",
        family="procedural",
        bones=tuple(bones),
        skin=skin_surface(shape.soft),
        soft_parts=tuple(soft_parts(shape.soft, line, grid_mm)),
        landmarks_mm={key: point for key, point in landmarks.items() if not key.startswith(("T9.", "T10."))},
        lumbar_count=shape.lumbar_count,
        transitional=shape.transitional,
        has_twelfth_ribs=shape.ribs.twelfth != "none",
        has_sacrum=True,
    )


def vertebra_poses(shape: AnatomyShape) -> dict[str, Matrix]:
    """Maps (4, 4) from each vertebra's own axes ("T9".."L5", "S1") to the common ones, in mm.

    They scale by `shape.scale`; the centre of L3 is the origin.
    """
    names = level_names(shape.lumbar_count)
    rotations = {n: _rotation(shape.tilt_deg[n], shape.coronal_deg[n], shape.rotation_deg[n]) for n in names}
    rotations["S1"] = _rotation(shape.sacral_slope_deg, 0.0, 0.0)
    centers = {"S1": np.zeros(3)}
    below, half = "S1", _S1_HALF_HEIGHT_MM
    for name in reversed(names):
        own_half = 0.5 * shape.vertebrae[name].body_height
        up_below, up_own = rotations[below][:, 2], rotations[name][:, 2]
        between = (up_below + up_own) / np.linalg.norm(up_below + up_own)
        centers[name] = centers[below] + half * up_below + shape.disc_mm[name] * between + own_half * up_own
        below, half = name, own_half
    poses = {}
    for name, center in centers.items():
        pose = np.eye(4)
        pose[:3, :3] = shape.scale * rotations[name]
        pose[:3, 3] = shape.scale * (center - centers["L3"])
        poses[name] = pose
    return poses


def _rotation(tilt_deg: float, coronal_deg: float, axial_deg: float) -> Matrix:
    """Front down by tilt, top towards the left by coronal, front towards the left by axial."""
    t, c, a = np.deg2rad([tilt_deg, coronal_deg, axial_deg])
    about_x = np.array([[1, 0, 0], [0, np.cos(t), -np.sin(t)], [0, np.sin(t), np.cos(t)]])
    about_y = np.array([[np.cos(c), 0, np.sin(c)], [0, 1, 0], [-np.sin(c), 0, np.cos(c)]])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    rotation: Matrix = about_y @ about_x @ about_z
    return rotation


def _apply(pose: Matrix, point: Vector) -> Vector:
    moved: Vector = pose[:3, :3] @ point + pose[:3, 3]
    return moved


def _facets(shape: AnatomyShape, below: str) -> tuple[FacetJoint, FacetJoint]:
    """Left and right joints above the bone `below`, in its axes."""
    if below == "S1":
        top, back, lean = _S1_HALF_HEIGHT_MM, 16.5, 0.1
    else:
        bone = shape.vertebrae[below]
        top, back, lean = 0.5 * bone.body_height, bone.back, 0.06
    if below not in shape.facets:
        # The topmost vertebra: its joints lead out of the section.
        lowest = min(shape.facets, key=lambda name: level_names(6).index(name) if name != "S1" else 99)
        facet = shape.facets[lowest]
    else:
        facet = shape.facets[below]
    joints = []
    for n, sign in enumerate((1.0, -1.0)):
        angle = np.deg2rad(facet.angle_deg[n])
        outward = vector(sign * np.cos(angle), -np.sin(angle), 0.0)
        axis = vector(0.0, lean, 1.0)
        axis = axis - outward * float(outward @ axis)
        axis /= np.linalg.norm(axis)
        center = vector(sign * facet.half_distance_mm, back + 14.5, top - 1.5)
        joints.append(
            FacetJoint(
                center,
                outward,
                axis,
                half_width=_FACET_HALF_WIDTH_MM.get(below, 5.8),
                gap=facet.gap_mm,
                hypertrophy=facet.hypertrophy[n],
                sclerosis=facet.sclerosis_mm,
            )
        )
    return joints[0], joints[1]


def _joint_moved(joint: FacetJoint, pose: Matrix) -> FacetJoint:
    turn = pose[:3, :3]
    return FacetJoint(
        _apply(pose, joint.center), turn @ joint.outward, turn @ joint.axis,
        joint.half_height, joint.half_width, joint.gap, joint.hypertrophy, joint.sclerosis,
    )  # fmt: skip


def _add_pelvis(
    shape: AnatomyShape, sacrum_pose: Matrix, grid_mm: float, place: _Place, landmarks: dict[str, Vector]
) -> None:
    pose = np.eye(4)
    pose[:3, :3] = shape.scale * _rotation(shape.sacral_slope_deg - REFERENCE_SLOPE_DEG, 0.0, 0.0)
    pose[:3, 3] = sacrum_pose[:3, 3]
    coarse = 1.6 * grid_mm
    for kind, built in (
        ("hip", build_left_hip(shape.pelvis, coarse)),
        ("femur", build_left_femur(shape.pelvis, coarse)),
    ):
        place(f"{kind}.left", built.outer, built.inner, pose)
        inner = None if built.inner is None else mirrored(built.inner)
        place(f"{kind}.right", mirrored(built.outer), inner, pose)
        for key, point in built.landmarks_mm.items():
            landmarks[f"{key}.left"] = _apply(pose, point)
            landmarks[f"{key}.right"] = _apply(pose, point * np.array([-1.0, 1.0, 1.0]))


def _add_ribs(
    shape: AnatomyShape, poses: dict[str, Matrix], grid_mm: float, place: _Place, landmarks: dict[str, Vector]
) -> None:
    ribs = shape.ribs
    sweeps = {"T9": 128.0, "T10": 112.0, "T11": 84.0, "T12": ribs.twelfth_sweep_deg}
    for n, (name, sweep) in enumerate(sweeps.items()):
        bone = shape.vertebrae[name]
        for side, sign in (("left", 1.0), ("right", -1.0)):
            if name == "T12" and ribs.twelfth not in ("both", side):
                continue
            up = 0.4 * bone.body_height if name in ("T9", "T10") else 0.1 * bone.body_height
            head = _apply(poses[name], vector(sign * (0.5 * bone.body_width), bone.back - 3.0, up))
            tubercle = _apply(poses[name], vector(sign * (bone.pedicle_x + 13.0), bone.back + 13.0, up - 2.0))
            spine = poses[name][:3, 3]
            half = shape.scale * (ribs.chest_half_width_mm + 3.0 * (3 - n))
            course = RibShape(
                head, tubercle, (spine[0], spine[1] - 28.0 * shape.scale), (half, 78.0 * shape.scale), sweep,
                ribs.drop_mm_per_deg * shape.scale * (1.0 - 0.06 * (3 - n)), 12.0 * ribs.thickness * shape.scale,
            )  # fmt: skip
            outer, inner, tip = build_rib(course, sign, 1.4 * grid_mm)
            place(f"rib{name[1:]}.{side}", outer, inner, np.eye(4))
            if name == "T12":
                landmarks[f"rib12.{side}"] = tip
