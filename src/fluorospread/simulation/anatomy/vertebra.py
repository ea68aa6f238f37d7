"""One thoracolumbar vertebra from its dimensions, with its landmarks, in its own axes.

Facet joints are given from outside, because both bones of a joint must agree about where it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluorospread.simulation.anatomy.implicit import ImplicitPart, Vector, vector
from fluorospread.simulation.anatomy.surface import Surface
from fluorospread.simulation.anatomy.vertebra_shape import FacetJoint, FacetJoints, SideShape, VertebraShape


@dataclass(frozen=True)
class BuiltBone:
    """Surfaces and landmarks of one bone in its own axes."""

    outer: Surface
    inner: Surface | None
    landmarks_mm: dict[str, Vector]


def build_vertebra(shape: VertebraShape, joints: FacetJoints, grid_mm: float) -> BuiltBone:
    """Surfaces of a vertebra and its landmarks: center, pedicle, junction, tp_tip, sap_tip by side.

    grid_mm: spacing of the distance field; 0.8 for pictures, 1.6 for training.
    """
    reach_x = max(shape.tp_tip_x * 1.25, 0.5 * shape.body_width + 12.0) + 8.0
    reach_up = max(max(j.center[2] for j in (joints.upper_left, joints.upper_right)) + 16.0, 22.0)
    reach_down = min(min(j.center[2] for j in (joints.lower_left, joints.lower_right)) - 16.0, -24.0)
    reach_down = min(reach_down, -shape.spinous_drop - 18.0)
    back = shape.back + 18.0 + shape.spinous_length + 10.0
    front = -shape.back - 14.0
    # The body primitive is centred on the grid's zero, so the box is given in the vertebra's axes.
    part = ImplicitPart(vector(-reach_x, front, reach_down), vector(reach_x, back, reach_up), grid_mm)
    part.add_body(
        (0.5 * shape.body_width, 0.5 * shape.body_depth, 0.5 * shape.body_height),
        shape.waist,
        (*shape.concavity, shape.wedge, shape.lateral_wedge),
        (shape.cortex, shape.end_plate, shape.cortex + 0.8),
    )
    sides = (
        (1.0, shape.left, joints.upper_left, joints.lower_left),
        (-1.0, shape.right, joints.upper_right, joints.lower_right),
    )
    for sign, side, upper, lower in sides:
        _add_arch(part, shape, sign, upper, lower)
        _add_transverse_process(part, shape, sign, side)
        _add_osteophytes(part, shape, sign, side)
    _add_spinous_process(part, shape)
    _cut_canal(part, shape)
    # The joint space stays open, however thick the processes have grown.
    for _, _, upper, lower in sides:
        _open_joint(part, upper, +1.0)
        _open_joint(part, lower, -1.0)
    if shape.roughness > 0.0:
        part.roughen(shape.roughness, shape.seed)
    landmarks = {"center": np.zeros(3)}
    for name, (sign, side, upper, _) in zip(("left", "right"), sides, strict=True):
        landmarks |= {f"{key}.{name}": point for key, point in _side_landmarks(part, shape, sign, side, upper).items()}
    return BuiltBone(part.outer(), part.inner(), landmarks)


def _pedicle(shape: VertebraShape, sign: float) -> tuple[Vector, Vector]:
    z = (
        0.5 * shape.body_height
        - 0.5 * shape.pedicle_height
        - (2.6 if shape.is_last else 0.5 if shape.is_lumbar else -1.0)
    )
    flare = 1.5 if shape.is_last else 0.8
    return (
        vector(sign * (shape.pedicle_x - flare), shape.back - 5.0, z),
        vector(sign * (shape.pedicle_x + flare), shape.back + 9.0, z),
    )


def _add_arch(part: ImplicitPart, shape: VertebraShape, sign: float, upper: FacetJoint, lower: FacetJoint) -> None:
    front, rear = _pedicle(shape, sign)
    width, height = 0.5 * shape.pedicle_width, 0.5 * shape.pedicle_height
    part.add(front, rear, (height, width, height, width), vector(0, 0, 1), 3.0, shape.cortex + 0.5)
    isthmus, inferior = _add_articular_processes(part, shape, rear, upper, lower)
    isthmus[0] = sign * max(abs(isthmus[0]), 8.0)
    # Each lamina is a plate higher than thick that falls towards the spinous process; its lower border
    # and the inferior process leave the notch seen as a dark window under it.
    drop = 0.35 * shape.spinous_drop
    middle = vector(shape.spinous_shift * 0.5, shape.back + 22.0, -7.0 - drop)
    part.add(isthmus + vector(0, 0, 1.5), middle, (8.5, 3.9, 7.0, 4.0), vector(0, 0, 1), 2.5, 1.9)
    low = vector(sign * 2.5, shape.back + 23.0, -12.5 - drop)
    part.add(inferior + lower.axis * 5.0, low, (5.0, 4.5, 3.8, 4.2), vector(0, 0, 1), 1.5, 2.2)


def _add_articular_processes(
    part: ImplicitPart, shape: VertebraShape, rear: Vector, upper: FacetJoint, lower: FacetJoint
) -> tuple[Vector, Vector]:
    """Superior process, isthmus and inferior process; returns the isthmus and the inferior process."""
    sign = np.sign(rear[0])
    superior = upper.superior_process
    across = np.cross(upper.axis, upper.outward)
    base = vector(superior[0], rear[1] + 2.0, rear[2] - 1.0)
    tip = superior + upper.axis * upper.half_height * 0.55
    thick, wide = upper.process_thickness, upper.half_width * upper.hypertrophy
    part.add(base, superior, (6.5, 5.6, wide, 1.1 * thick), across, 3.0, 1.6)
    part.add(
        superior - upper.axis * 2.0, tip, (wide, thick, 4.4 * upper.hypertrophy, 0.8 * thick), across, 2.5,
        1.4 + upper.sclerosis,
    )  # fmt: skip
    if shape.is_lumbar:
        # The mamillary process makes the superior process stout behind.
        knob = superior + vector(sign * 1.0, 4.5, -1.5)
        part.add(knob, knob + vector(0, 1.0, -4.0), (3.4, 3.6, 3.0, 3.2), vector(1, 0, 0), 3.0, 1.2)
    inferior = lower.inferior_process
    isthmus = vector(0.5 * base[0] + 0.5 * inferior[0], base[1] + 4.5, -4.5)
    part.add(base, isthmus, (6.2, 4.8, 6.2, 3.9), vector(1, 0, 0), 3.0, 2.0)
    across = np.cross(lower.axis, lower.outward)
    thick, wide = lower.process_thickness, lower.half_width * lower.hypertrophy
    part.add(isthmus, inferior, (4.2, 6.4, wide, 1.15 * thick), across, 3.0, 1.8)
    part.add(
        inferior + lower.axis * 2.0, inferior - lower.axis * lower.half_height * 0.75,
        (wide, 1.1 * thick, 4.4 * lower.hypertrophy, 0.85 * thick), across, 2.5, 1.4 + lower.sclerosis,
    )  # fmt: skip
    return isthmus, inferior


def _tp_ends(shape: VertebraShape, sign: float, side: SideShape) -> tuple[Vector, Vector]:
    root = vector(sign * (shape.pedicle_x + 0.2 * shape.pedicle_width), shape.back + 7.0, shape.tp_z)
    if shape.is_last:
        root[1] -= 4.0
    reach = (shape.tp_tip_x - abs(root[0])) * side.tp_length_factor
    back = 7.0 if shape.is_lumbar else 9.0
    tip = root + vector(sign * (reach - 0.8 * shape.tp_radius), back, shape.tp_rise + side.tp_rise_mm)
    return root, tip


# Half height of the transverse process over `tp_radius` along its length: root, neck, paddle, tip.
_TP_STATIONS = (0.0, 0.42, 0.8, 1.0)
_TP_PROFILE = (1.4, 0.92, 1.0, 0.62)
_TP_PROFILE_LAST = (1.4, 1.05, 0.8, 0.55)


def _add_transverse_process(part: ImplicitPart, shape: VertebraShape, sign: float, side: SideShape) -> None:
    root, tip = _tp_ends(shape, sign, side)
    radius = shape.tp_radius
    flat = 0.95 if not shape.is_lumbar else (0.8 if shape.is_last else 0.5)
    profile = _TP_PROFILE_LAST if shape.is_last else _TP_PROFILE
    # The process sags a little between its root and its tip.
    points = [root + t * (tip - root) + vector(0, 0, -4.0 * shape.tp_sag * t * (1.0 - t)) for t in _TP_STATIONS]
    for n in range(3):
        start, end = radius * profile[n], radius * profile[n + 1]
        part.add(points[n], points[n + 1], (start, flat * start, end, flat * end), vector(0, 0, 1), 3.0, 0.75)
    if shape.is_lumbar:
        accessory = root + vector(sign * 1.0, 3.5, -3.5)
        part.add(accessory, accessory + vector(sign * 1.0, 1.5, -3.0), (2.4, 2.4, 1.8, 1.8), vector(0, 0, 1), 2.0, 1.0)


def _add_spinous_process(part: ImplicitPart, shape: VertebraShape) -> None:
    start = vector(0.3 * shape.spinous_shift, shape.back + 19.0, -4.5 - 0.3 * shape.spinous_drop)
    end = vector(shape.spinous_shift, shape.back + 19.0 + shape.spinous_length, -7.0 - shape.spinous_drop)
    half = (8.5, 9.0) if shape.is_lumbar else (6.0, 5.0)
    up = vector(0, 0, 1)
    part.add(start, end, (half[0], 2.1, half[1], 1.8), up, 3.0, 0.9)
    # Thin above, thick below: the drop seen end on.
    low_start, low_end = start - vector(0, 0, 0.4 * half[0]), end - vector(0, 2.0, 0.45 * half[1])
    part.add(low_start, low_end, (5.0, 2.8, 5.2, 3.3), up, 4.0, 0.9)


def _cut_canal(part: ImplicitPart, shape: VertebraShape) -> None:
    half = shape.pedicle_x - 0.5 * shape.pedicle_width
    middle = shape.back + 8.2
    part.cut(
        vector(0, middle, -60), vector(0, middle, 60), (half + 0.5, 8.4, half + 0.5, 8.4), vector(1, 0, 0), 1.5, 0.9
    )


def _open_joint(part: ImplicitPart, joint: FacetJoint, keeps: float) -> None:
    """Cut the half space beyond the joint, thickly enough that only this bone's side remains there.

    keeps: +1 for the bone below (superior process kept), -1 for the bone above.
    """
    thick = 2.2 * joint.hypertrophy + 0.5 * joint.gap
    middle = joint.center - joint.outward * keeps * (thick - 0.5 * joint.gap)
    along = joint.axis * joint.half_height * 0.9
    wide = joint.half_width * joint.hypertrophy
    across = np.cross(joint.axis, joint.outward)
    part.cut(middle - along, middle + along, (wide, thick, wide, thick), across, 0.8, 1.5 + joint.sclerosis)


def _add_osteophytes(part: ImplicitPart, shape: VertebraShape, sign: float, side: SideShape) -> None:
    half_w, half_h = 0.5 * shape.body_width, 0.5 * shape.body_height
    for up, size in ((1.0, side.osteophyte_upper_mm), (-1.0, side.osteophyte_lower_mm)):
        if size <= 0.3:
            continue
        for y in (-5.0, 4.0):
            root = vector(sign * (half_w - 4.0), y, up * (half_h - 3.0))
            elbow = vector(sign * (half_w + 0.4 * size), 0.9 * y, up * (half_h - 1.2))
            claw = elbow + vector(sign * 0.35 * size, 0.0, up * 0.4 * size)
            part.add(root, elbow, (3.0, 3.0, 1.7, 2.2), vector(0, 0, 1), 2.5, 1.6)
            part.add(elbow, claw, (1.7, 2.2, 0.8, 1.0), vector(1, 0, 0), 2.0, 1.4)


def _side_landmarks(
    part: ImplicitPart, shape: VertebraShape, sign: float, side: SideShape, upper: FacetJoint
) -> dict[str, Vector]:
    front, rear = _pedicle(shape, sign)
    root, tip = _tp_ends(shape, sign, side)
    superior = upper.superior_process
    across = np.cross(upper.axis, upper.outward)
    # Half the frontal extent of the process' elliptic section.
    wide = upper.half_width * upper.hypertrophy
    half_x = float(np.hypot(wide * across[0], upper.process_thickness * upper.outward[0]))
    lateral_border = abs(superior[0]) + half_x
    share = min(max((lateral_border - abs(root[0])) / max(abs(tip[0]) - abs(root[0]), 1.0), 0.0), 0.5)
    process = root + share * (tip - root)
    profile = _TP_PROFILE_LAST if shape.is_last else _TP_PROFILE
    border = shape.tp_radius * float(np.interp(share, _TP_STATIONS, profile)) - 4.0 * shape.tp_sag * share * (1 - share)
    corner = vector(sign * lateral_border, 0.5 * (process[1] + superior[1]), process[2] + border)
    return {
        "pedicle": 0.5 * (front + rear),
        "junction": part.on_surface(corner),
        "tp_tip": part.on_surface(tip + vector(sign * 0.5 * shape.tp_radius, 0, 0)),
        "sap_tip": part.on_surface(superior + upper.axis * (upper.half_height * 0.55 + 4.0)),
    }
