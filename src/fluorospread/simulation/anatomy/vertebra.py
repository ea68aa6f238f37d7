"""One thoracolumbar vertebra from its dimensions, with its landmarks, in its own axes.

Axes of a vertebra: origin at the body's centre, x towards the patient's left, y backwards, z along
the body's axis towards the head; mm. Facet joints are given from outside, because both bones of a
joint must agree about where it is.

Typical dimensions follow Panjabi et al., Spine 1992;17:299-306 (lumbar) and Spine 1991;16:888-901
(thoracic), with transverse positions of pedicles and SAP-TP junctions as read on frontal films.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from fluorospread.simulation.anatomy.implicit import ImplicitPart, Vector, vector
from fluorospread.simulation.anatomy.surface import Surface


@dataclass(frozen=True)
class SideShape:
    """What may differ between the left and the right of a vertebra; lengths in mm.

    tp_length_factor scales the free transverse process (0.4-1.2); tp_rise_mm lifts its tip (-6 to 10);
    osteophyte_upper_mm, osteophyte_lower_mm: spur beyond the rim (0-9).
    """

    tp_length_factor: float = 1.0
    tp_rise_mm: float = 0.0
    osteophyte_upper_mm: float = 0.0
    osteophyte_lower_mm: float = 0.0


@dataclass(frozen=True)
class VertebraShape:
    """Dimensions of one vertebra in mm (or as said).

    body_width, body_depth: at the end plates; body_height: at mid body; waist: share of the width left
    at mid height (0.8-0.95); wedge: height gained per mm forwards (-0.1 to 0.2); lateral_wedge: per mm
    leftwards; concavity: of each end plate; tp_sag: bow of the transverse process (-1 to 2); pedicle_x: centre from the midline; junction_z: height of
    the transverse process' upper border over the body's centre; tp_tip_x: tip from the midline.
    """

    level: str
    body_width: float
    body_depth: float
    body_height: float
    pedicle_x: float
    pedicle_width: float
    pedicle_height: float
    tp_tip_x: float
    tp_z: float
    tp_rise: float
    tp_radius: float
    spinous_drop: float
    spinous_length: float
    waist: float = 0.87
    wedge: float = 0.0
    lateral_wedge: float = 0.0
    concavity: tuple[float, float] = (1.6, 2.0)
    cortex: float = 0.7
    end_plate: float = 1.1
    spinous_shift: float = 0.0
    tp_sag: float = 0.6
    left: SideShape = field(default_factory=SideShape)
    right: SideShape = field(default_factory=SideShape)

    @property
    def is_lumbar(self) -> bool:
        return self.level.startswith("L")

    @property
    def is_last(self) -> bool:
        """Whether it has the stout, rising transverse processes of the lowest lumbar vertebra."""
        return self.tp_radius > 6.0

    @property
    def back(self) -> float:
        """y of the posterior wall."""
        return 0.5 * self.body_depth


_TYPICAL = {
    # level: width, depth, height, pedicle x, width, height, TP tip x, TP z, rise, radius, spine drop, length, waist
    "T9": VertebraShape("T9", 32, 27, 21.0, 11.0, 6.0, 13.0, 27, 5.0, 3.0, 5.0, 20.0, 30.0, 0.86),
    "T10": VertebraShape("T10", 33.5, 28, 21.8, 11.4, 6.5, 13.5, 25, 5.0, 3.0, 5.0, 18.0, 29.0, 0.86),
    "T11": VertebraShape("T11", 36, 28.5, 22.8, 12.2, 7.5, 14.5, 21, 5.0, 2.0, 4.6, 12.0, 26.0, 0.85),
    "T12": VertebraShape("T12", 39.5, 29.5, 24.0, 13.0, 7.6, 15.0, 20, 4.5, 1.0, 4.2, 7.0, 25.0, 0.83),
    "L1": VertebraShape("L1", 42, 31, 25.4, 13.4, 7.4, 15.0, 35, 4.5, -1.0, 4.0, 5.0, 27.0, 0.81),
    "L2": VertebraShape("L2", 44, 32, 26.4, 14.0, 8.2, 14.8, 40, 4.5, 0.0, 4.2, 5.0, 28.0, 0.80),
    "L3": VertebraShape("L3", 46, 33, 27.0, 15.0, 9.4, 14.5, 46, 3.6, 1.0, 4.4, 5.0, 29.0, 0.80),
    "L4": VertebraShape("L4", 48, 34, 27.0, 16.4, 11.2, 14.5, 43.5, 1.5, 4.0, 4.6, 5.0, 27.0, 0.81),
    "L5": VertebraShape("L5", 50.5, 34.5, 26.2, 18.8, 14.5, 14.0, 46, -2.0, 7.0, 6.3, 3.0, 22.0, 0.86, 0.10),
}
_TYPICAL["L6"] = replace(_TYPICAL["L5"], level="L6", wedge=0.12)


def typical_vertebra(level: str) -> VertebraShape:
    """Dimensions of an average adult's vertebra, T9 to L6."""
    return _TYPICAL[level]


@dataclass(frozen=True)
class FacetJoint:
    """One facet joint in some vertebra's axes.

    center (mm); outward: unit vector from the inferior process (above) to the superior one (below);
    axis: unit vector up the joint; half_height, half_width (mm); gap (mm); hypertrophy: 1 is normal, to 1.6;
    sclerosis: extra cortex in mm.
    """

    center: Vector
    outward: Vector
    axis: Vector
    half_height: float = 9.2
    half_width: float = 5.8
    gap: float = 2.0
    hypertrophy: float = 1.0
    sclerosis: float = 0.0

    @property
    def process_thickness(self) -> float:
        """Half thickness of either process across the joint."""
        return 4.0 * self.hypertrophy

    @property
    def superior_process(self) -> Vector:
        """Centre of the process of the vertebra below."""
        return self.center + self.outward * (0.5 * self.gap + 0.9 * self.process_thickness)

    @property
    def inferior_process(self) -> Vector:
        """Centre of the process of the vertebra above."""
        return self.center - self.outward * (0.5 * self.gap + 0.9 * self.process_thickness)


@dataclass(frozen=True)
class FacetJoints:
    """The four joints of one vertebra, in its axes; None where there is none (the sacrum's end)."""

    upper_left: FacetJoint
    upper_right: FacetJoint
    lower_left: FacetJoint
    lower_right: FacetJoint


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
    landmarks = {"center": np.zeros(3)}
    for name, (sign, side, upper, _) in zip(("left", "right"), sides, strict=True):
        landmarks |= {f"{key}.{name}": point for key, point in _side_landmarks(part, shape, sign, side, upper).items()}
    return BuiltBone(part.outer(), part.inner(), landmarks)


def _pedicle(shape: VertebraShape, sign: float) -> tuple[Vector, Vector]:
    z = 0.5 * shape.body_height - 0.5 * shape.pedicle_height - (0.5 if shape.is_lumbar else -1.0)
    flare = 1.5 if shape.is_last else 0.8
    return (
        vector(sign * (shape.pedicle_x - flare), shape.back - 5.0, z),
        vector(sign * (shape.pedicle_x + flare), shape.back + 9.0, z),
    )


def _add_arch(part: ImplicitPart, shape: VertebraShape, sign: float, upper: FacetJoint, lower: FacetJoint) -> None:
    front, rear = _pedicle(shape, sign)
    width, height = 0.5 * shape.pedicle_width, 0.5 * shape.pedicle_height
    part.add(front, rear, (height, width, height, width), vector(0, 0, 1), 3.0, shape.cortex + 0.7)
    isthmus, inferior = _add_articular_processes(part, shape, rear, upper, lower)
    isthmus[0] = sign * max(abs(isthmus[0]), 8.0)
    # Each lamina is a plate higher than thick that falls towards the spinous process; its lower border
    # and the inferior process leave the notch seen as a dark window under it.
    drop = 0.35 * shape.spinous_drop
    middle = vector(shape.spinous_shift * 0.5, shape.back + 22.0, -7.0 - drop)
    part.add(isthmus + vector(0, 0, 1.5), middle, (8.5, 3.2, 7.5, 3.4), vector(0, 0, 1), 3.0, 1.5)
    low = vector(sign * 2.5, shape.back + 23.0, -12.5 - drop)
    part.add(inferior + lower.axis * 5.0, low, (5.2, 3.4, 4.0, 3.2), vector(0, 0, 1), 2.5, 1.6)


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
_TP_PROFILE = (1.35, 0.86, 1.05, 0.72)
_TP_PROFILE_LAST = (1.4, 1.05, 0.8, 0.55)


def _add_transverse_process(part: ImplicitPart, shape: VertebraShape, sign: float, side: SideShape) -> None:
    root, tip = _tp_ends(shape, sign, side)
    radius = shape.tp_radius
    flat = 0.95 if not shape.is_lumbar else (0.8 if shape.is_last else 0.58)
    profile = _TP_PROFILE_LAST if shape.is_last else _TP_PROFILE
    # The process sags a little between its root and its tip.
    points = [root + t * (tip - root) + vector(0, 0, -4.0 * shape.tp_sag * t * (1.0 - t)) for t in _TP_STATIONS]
    for n in range(3):
        start, end = radius * profile[n], radius * profile[n + 1]
        part.add(points[n], points[n + 1], (start, flat * start, end, flat * end), vector(0, 0, 1), 3.0, 0.9)
    if shape.is_lumbar:
        accessory = root + vector(sign * 1.0, 3.5, -3.5)
        part.add(accessory, accessory + vector(sign * 1.0, 1.5, -3.0), (2.4, 2.4, 1.8, 1.8), vector(0, 0, 1), 2.0, 1.0)


def _add_spinous_process(part: ImplicitPart, shape: VertebraShape) -> None:
    start = vector(0.3 * shape.spinous_shift, shape.back + 19.0, -4.5 - 0.3 * shape.spinous_drop)
    end = vector(shape.spinous_shift, shape.back + 19.0 + shape.spinous_length, -7.0 - shape.spinous_drop)
    half = (8.5, 9.0) if shape.is_lumbar else (6.0, 5.0)
    up = vector(0, 0, 1)
    part.add(start, end, (half[0], 2.4, half[1], 2.0), up, 3.0, 1.0)
    # Thin above, thick below: the drop seen end on.
    low_start, low_end = start - vector(0, 0, 0.55 * half[0]), end - vector(0, 2.0, 0.6 * half[1])
    part.add(low_start, low_end, (3.6, 3.0, 3.8, 3.7), up, 2.5, 1.1)


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
        for y in (-6.0, 1.0, 7.0):
            root = vector(sign * (half_w - 4.0), y, up * (half_h - 3.0))
            elbow = vector(sign * (half_w + 0.55 * size), 0.9 * y, up * (half_h - 1.5))
            claw = elbow + vector(sign * 0.35 * size, 0.0, up * 0.45 * size)
            part.add(root, elbow, (3.2, 3.2, 2.0, 2.4), vector(0, 0, 1), 2.5, 1.6)
            part.add(elbow, claw, (2.0, 2.4, 1.1, 1.3), vector(1, 0, 0), 2.0, 1.4)


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
