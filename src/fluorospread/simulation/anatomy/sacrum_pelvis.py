"""Sacrum, hip bones and upper femora from a few proportions, with their landmarks.

Axes of the pelvis: origin at the centre of the first sacral body, x towards the patient's left,
y backwards, z towards the head for a pelvis whose sacral end plate slopes by `REFERENCE_SLOPE_DEG`;
mm. The iliac wing is a curved plate given by horizontal sections whose course was measured on one
adult man's pelvis (282 mm wide).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluorospread.simulation.anatomy.implicit import ImplicitPart, Vector, vector
from fluorospread.simulation.anatomy.surface import Surface
from fluorospread.simulation.anatomy.vertebra import BuiltBone
from fluorospread.simulation.anatomy.vertebra_shape import FacetJoint

REFERENCE_SLOPE_DEG = 38.0
# The sections below were measured with the first sacral body's centre here.
_MEASURED_ORIGIN = np.array([0.0, 17.0, -6.0])


@dataclass(frozen=True)
class PelvisShape:
    """Proportions of the pelvis: factors about 1 of an average adult.

    width, depth, height: overall factors (0.88-1.1); crest_lift_mm: crest against the spine (-14 to 14);
    flare: widening of the wings with height (-0.1 to 0.15); thickness: of the plate (0.8-1.2);
    sacrum_width: (0.9-1.1); sacrum_bend_deg: extra kyphosis over the lower segments (-15 to 20);
    s1_width_mm: of the end plate; foramen: size factor of the sacral foramina (0.8-1.25);
    roughness: 1 sd of the cortex in mm (0-0.5), arranged by seed.
    """

    width: float = 1.0
    depth: float = 1.0
    height: float = 1.0
    crest_lift_mm: float = 0.0
    flare: float = 0.0
    thickness: float = 1.0
    sacrum_width: float = 1.0
    sacrum_bend_deg: float = 0.0
    s1_width_mm: float = 53.0
    foramen: float = 1.0
    roughness: float = 0.0
    seed: int = 0


# Sections of the iliac wing: height z, then (x, y, half thickness) from the back to the front.
_WING_SECTIONS: tuple[tuple[float, tuple[tuple[float, float, float], ...]], ...] = (
    (49, ((86, 31, 3.0), (89, 30, 3.5), (93, 28, 3.5), (97, 26, 3.5), (101, 24, 3.5), (104, 23, 3.0))),
    (45, ((73, 37, 4.0), (80, 34, 4.6), (88, 30, 4.8), (96, 26, 4.6), (104, 22, 4.4), (112, 18, 4.0))),
    (35, ((60, 46, 5.0), (72, 36, 5.2), (85, 27, 4.8), (100, 18, 4.4), (114, 10, 4.6), (127, 0, 5.6))),
    (20, ((47, 55, 8.5), (60, 39, 7.8), (84, 26, 4.6), (105, 16, 3.0), (122, 0, 4.4), (136, -16, 7.0))),
    (5, ((43, 61, 8.0), (61, 36, 8.6), (84, 18, 4.6), (105, 4, 3.2), (120, -14, 4.6), (134, -32, 6.6))),
    (-10, ((40, 65, 8.6), (58, 38, 8.6), (75, 18, 5.8), (95, 5, 4.0), (112, -14, 4.8), (130, -44, 7.2))),
    (-25, ((40, 66, 8.0), (60, 34, 8.6), (72, 12, 7.8), (92, 0, 6.0), (112, -22, 6.8), (128, -50, 6.2))),
    (-40, ((46, 62, 6.0), (62, 30, 9.6), (73, 12, 9.8), (86, -4, 9.6), (98, -20, 9.0), (112, -40, 6.0))),
    (-55, ((68, 24, 7.0), (74, 14, 11.0), (80, 4, 14.0), (87, -12, 14.0), (94, -26, 10.0), (102, -42, 6.0))),
    (-70, ((74, 18, 11.0), (79, 9, 15.0), (84, 0, 17.0), (83, -14, 17.0), (85, -24, 13.0), (88, -33, 9.0))),
)
_SACROILIAC_GAP_MM = 2.5
_FEMORAL_HEAD = (93.0, -12.0, -93.0)


def build_sacrum(shape: PelvisShape, joints: tuple[FacetJoint, FacetJoint], grid_mm: float) -> BuiltBone:
    """The sacrum with the start of the coccyx, in S1's own axes (z along the first sacral body).

    joints: left and right L5-S1 facet joints in these axes. Landmarks: S1.center, S1.junction.*,
    S1.sap_tip.*, S2.center.
    """
    wide = shape.sacrum_width
    part = ImplicitPart(vector(-74, -42, -128), vector(74, 62, 34), grid_mm)
    centers = _segment_centers(shape.sacrum_bend_deg)
    _add_segments(part, centers, wide)
    ala = _ala_balls(shape)
    for sign in (1.0, -1.0):
        part.add_balls(ala[:, :3] * np.array([sign, 1.0, 1.0]), ala[:, 3], 0.9)
    _add_posterior_wall(part, centers)
    part.smooth(2.2)
    # Only now, so that the end plate keeps its edge.
    part.add_body((0.5 * shape.s1_width_mm, 17.0, 15.0), 0.86, (1.8, 0.0, 0.12, 0.0), (0.8, 1.2, 1.2))
    for sign, joint in zip((1.0, -1.0), joints, strict=True):
        _add_superior_process(part, joint, sign)
    _cut_canal(part, centers)
    wing = _wing_balls(shape)
    joint_face = _into_s1_axes(wing[:, :3])
    for sign in (1.0, -1.0):
        # The ilium bounds the sacroiliac joint; the gap between them is its cartilage.
        part.cut_balls(joint_face * np.array([sign, 1.0, 1.0]), wing[:, 3] + _SACROILIAC_GAP_MM)
    for sign in (1.0, -1.0):
        _cut_foramina(part, centers, sign, shape)
    if shape.roughness > 0.0:
        part.roughen(shape.roughness, shape.seed)
    landmarks: dict[str, Vector] = {"S1.center": np.zeros(3), "S2.center": centers[1]}
    for name, sign, joint in zip(("left", "right"), (1.0, -1.0), joints, strict=True):
        process = joint.superior_process
        across = np.cross(joint.axis, joint.outward)
        half_x = float(np.hypot(joint.half_width * across[0], joint.process_thickness * joint.outward[0]))
        corner = vector(sign * (abs(process[0]) + half_x), process[1] - 3.0, 8.5)
        landmarks[f"S1.junction.{name}"] = part.on_surface(corner)
        landmarks[f"S1.sap_tip.{name}"] = part.on_surface(process + joint.axis * (0.55 * joint.half_height + 4.0))
    return BuiltBone(part.outer(), part.inner(), landmarks)


def _segment_centers(bend_deg: float) -> list[Vector]:
    lengths = (28.5, 25.0, 21.0, 18.0, 15.0, 9.0)
    slopes = np.array([4.0, 10.0, 6.0, -8.0, -30.0, -50.0]) - bend_deg * np.array([0.0, 0.2, 0.5, 1.0, 1.0, 1.0])
    centers = [np.zeros(3)]
    for length, slope in zip(lengths, np.deg2rad(slopes), strict=True):
        centers.append(centers[-1] + length * np.array([0.0, np.sin(slope), -np.cos(slope)]))
    return centers


def _add_segments(part: ImplicitPart, centers: list[Vector], wide: float) -> None:
    widths = (21.0, 18.0, 15.5, 13.0, 11.0, 7.5, 4.5)
    depths = (13.0, 10.5, 8.5, 7.0, 5.5, 4.0, 3.0)
    left = vector(1, 0, 0)
    for n in range(len(centers) - 1):
        radii = (widths[n] * wide, depths[n], widths[n + 1] * wide, depths[n + 1])
        part.add(centers[n], centers[n + 1], radii, left, 4.0, 1.0)


# Sections of the sacrum's left lateral mass, as for the wing, from the midline outwards. It ends in a
# wedge, because the sacroiliac joint runs obliquely.
_ALA_SECTIONS: tuple[tuple[float, tuple[tuple[float, float, float], ...]], ...] = (
    (15, ((20, 25, 4.0), (29, 26, 4.0), (37, 28, 4.0), (44, 29, 3.2), (50, 28, 1.0))),
    (5, ((18, 19, 9.5), (29, 22, 11.0), (38, 25, 9.0), (46, 25, 5.0), (53, 24, 0.8))),
    (-10, ((14, 18, 18.0), (31, 23, 15.0), (41, 22, 10.0), (50, 18, 4.5), (59, 14.5, 0.8))),
    (-25, ((18, 46, 15.0), (32, 38, 15.5), (42, 28, 10.0), (50, 20, 4.5), (58, 12, 0.8))),
    (-40, ((18, 66, 12.0), (30, 59, 12.5), (38, 50, 9.0), (45, 40, 4.5), (51, 30, 0.8))),
    (-55, ((14, 74, 10.0), (22, 74, 9.5), (29, 74, 8.0), (35, 74, 5.0), (40, 73, 1.5))),
    (-70, ((10, 86, 8.0), (16, 86, 7.5), (22, 85, 6.5), (28, 84, 4.0), (33, 82, 1.5))),
    (-86, ((5, 89, 5.0), (9, 89, 5.0), (13, 88, 4.5), (18, 87, 3.0), (22, 86, 1.5))),
)


def _into_s1_axes(points: Vector) -> Vector:
    """Points (n, 3) from the pelvis' axes to those of the first sacral body."""
    angle = np.deg2rad(REFERENCE_SLOPE_DEG)
    c, s = np.cos(angle), np.sin(angle)
    turned: Vector = points @ np.array([[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]]).T
    return turned


def _ala_balls(shape: PelvisShape) -> Vector:
    """Balls (x, y, z, radius) filling the left lateral mass, in S1's own axes."""
    balls = _section_balls(_ALA_SECTIONS, 30)
    balls[:, :3] -= _MEASURED_ORIGIN
    balls[:, 0] *= shape.sacrum_width
    balls[:, :3] = _into_s1_axes(balls[:, :3])
    balls[:, 1] -= np.tan(np.deg2rad(shape.sacrum_bend_deg)) * np.maximum(-balls[:, 2] - 50.0, 0.0)
    return balls


def _add_superior_process(part: ImplicitPart, joint: FacetJoint, sign: float) -> None:
    process = joint.superior_process
    across = np.cross(joint.axis, joint.outward)
    thick = joint.process_thickness
    base = vector(sign * (abs(process[0]) + 3.0), 20.0, 1.0)
    tip = process + joint.axis * joint.half_height * 0.55
    wide = joint.half_width
    part.add(base, process, (13.0, 8.0, wide, 1.1 * thick), across, 5.0, 1.2)
    part.add(process, tip, (wide * joint.hypertrophy, thick, 4.4, 0.8 * thick), across, 2.5, 1.8 + joint.sclerosis)


def _add_posterior_wall(part: ImplicitPart, centers: list[Vector]) -> None:
    back = vector(0, 1, 0)
    depths = (26.0, 22.0, 17.0, 13.0, 9.0)
    backs = [c + vector(0, offset, -2.0) for c, offset in zip(centers[:5], depths, strict=True)]
    for n in range(4):
        part.add(backs[n], backs[n + 1], (4.5, 15.0 - 2.5 * n, 4.5, 12.5 - 2.5 * n), back, 5.0, 0.9)
        for sign in (1.0, -1.0):
            # Pedicles and laminae close the canal at its sides.
            pillar = vector(sign * (15.0 - 2.0 * n), 12.0 - 2.5 * n, 0.0)
            part.add(
                centers[n] + pillar,
                centers[n + 1] + 0.85 * pillar,
                (5.0, 7.5 - n, 4.5, 6.5 - n),
                vector(1, 0, 0),
                6.0,
                0.9,
            )
    for n in range(3):
        knob = backs[n] + vector(0, 4.0, 0)
        part.add(knob, knob + vector(0, 4.5, -9.0), (2.6, 2.6, 2.2, 2.2), vector(1, 0, 0), 4.0, 1.0)


def _cut_canal(part: ImplicitPart, centers: list[Vector]) -> None:
    hollow = [c + vector(0, offset, 0) for c, offset in zip(centers[:4], (21.0, 16.5, 12.0, 9.0), strict=True)]
    hollow[0] = hollow[0] + vector(0, 1.0, 16.0)
    for n in range(3):
        size = (10.0 - 2.0 * n, 3.4 - 0.6 * n, 8.0 - 2.0 * n, 2.8 - 0.6 * n)
        part.cut(hollow[n], hollow[n + 1], size, vector(1, 0, 0), 4.0, 0.3)


def _cut_foramina(part: ImplicitPart, centers: list[Vector], sign: float, shape: PelvisShape) -> None:
    """Four canals from front to back, each with a groove running sideways from its front mouth.

    The grooves' roofs are the arcuate lines of a frontal film.
    """
    columns = (21.0, 18.5, 16.0, 13.5)
    wide = shape.sacrum_width
    up = vector(0, 0, 1)
    for n, x in enumerate(columns):
        between = 0.5 * (centers[n] + centers[n + 1])
        along = centers[n + 1] - centers[n]
        normal = np.array([0.0, -along[2], along[1]]) / np.linalg.norm(along)
        radius = (5.6 - 0.7 * n) * shape.foramen
        mouth = between - normal * (13.0 - 2.5 * n) + vector(sign * (x + 1.0) * wide, 0, 0)
        inside = between + normal * 8.0 + vector(sign * x * wide, 0, 0)
        rear = between + normal * 34.0 + vector(sign * (x - 1.0) * wide, 0, 0)
        part.cut(mouth, inside, (1.15 * radius, 1.3 * radius, 0.9 * radius, radius), up, 2.5, 0.7)
        part.cut(inside, rear, (0.8 * radius, 0.9 * radius, 0.6 * radius, 0.65 * radius), up, 2.5, 0.4)
        end = mouth + vector(sign * (13.0 - 2.0 * n), 0, -3.0) - normal * 3.0
        part.cut(mouth, end, (0.95 * radius, 1.1 * radius, 0.8 * radius, 0.8 * radius), up, 3.0, 0.7)


def build_left_hip(shape: PelvisShape, grid_mm: float) -> BuiltBone:
    """The left hip bone in the pelvis' axes; landmark: iliac_crest (its highest point)."""
    balls = _wing_balls(shape)
    part = ImplicitPart(vector(-2, -72, -178), vector(170, 70, 86), grid_mm)
    part.add_balls(balls[:, :3], balls[:, 3], 1.3)
    _add_hip_columns(part, shape)
    outer = part.outer()
    crest = outer.vertices_mm[int(np.argmax(outer.vertices_mm[:, 2]))]
    return BuiltBone(outer, part.inner(), {"iliac_crest": crest.copy()})


def build_left_femur(shape: PelvisShape, grid_mm: float) -> BuiltBone:
    """The upper end of the left femur in the pelvis' axes; no landmarks."""
    part = ImplicitPart(vector(60, -60, -260), vector(185, 60, -40), grid_mm)
    head = _place(np.array([_FEMORAL_HEAD]), shape)[0]
    neck = head + vector(36, 6, -30)
    side = vector(1, 0, 0)
    part.add(head, head + vector(0.5, 0, 0), (23.0, 23.0, 23.0, 23.0), side, 2.0, 1.2)
    part.add(head, neck, (17.0, 14.0, 19.0, 15.0), vector(0, 0, 1), 6.0, 2.5)
    part.add(neck + vector(4, 4, 8), neck + vector(12, 5, -16), (14, 13, 15, 14), side, 6.0, 1.6)
    part.add(neck, neck + vector(2, 2, -105), (17, 16, 14, 14), side, 6.0, 5.0)
    return BuiltBone(part.outer(), part.inner(), {})


def _place(points: Vector, shape: PelvisShape) -> Vector:
    """Measured points (n, 3) into the pelvis' axes, with the individual's proportions."""
    moved = points - _MEASURED_ORIGIN
    lift = np.clip((moved[:, 2] + 60.0) / 115.0, 0.0, 1.0)
    moved = moved * np.array([shape.width, shape.depth, shape.height])
    # The sacroiliac joint stays where the sacrum is, while the wing above it flares and rises.
    moved[:, 0] *= 1.0 + shape.flare * lift * np.clip((moved[:, 0] - 50.0) / 60.0, 0.0, 1.0)
    moved[:, 2] += shape.crest_lift_mm * np.clip((moved[:, 2] + 10.0) / 60.0, 0.0, 1.0)
    return np.asarray(moved, dtype=np.float64)


def _section_balls(sections: tuple[tuple[float, tuple[tuple[float, float, float], ...]], ...], across: int) -> Vector:
    """Balls (x, y, z, radius) along and between horizontal sections, 2.5 mm apart in height."""
    from scipy.interpolate import PchipInterpolator

    heights = np.array([z for z, _ in sections][::-1], dtype=np.float64)
    table = np.array([points for _, points in sections][::-1], dtype=np.float64)
    fine_z = np.arange(heights[0], heights[-1] + 0.1, 2.5)
    rows = PchipInterpolator(heights, table, axis=0)(fine_z)
    along = PchipInterpolator(np.linspace(0, 1, table.shape[1]), rows, axis=1)(np.linspace(0, 1, across))
    levels = np.broadcast_to(fine_z[:, None, None], (len(fine_z), across, 1))
    return np.concatenate([along[..., :2], levels, along[..., 2:]], axis=2).reshape(-1, 4)


def _wing_balls(shape: PelvisShape) -> Vector:
    balls = _section_balls(_WING_SECTIONS, 54)
    balls[:, :3] = _place(balls[:, :3], shape)
    balls[:, 3] *= shape.thickness
    return balls


def _add_hip_columns(part: ImplicitPart, shape: PelvisShape) -> None:
    side = vector(1, 0, 0)
    columns = (
        ((78, 18, -70, 14), (74, 22, -86, 12), (66, 26, -102, 12), (64, 22, -118, 13), (61, 22, -135, 13)),
        ((61, 22, -135, 13), (60, 22, -152, 11), (46, 5, -158, 6), (20, -20, -146, 6), (9, -36, -136, 8)),
        ((86, -30, -70, 10), (68, -36, -86, 10), (52, -44, -99, 8.5), (28, -52, -110, 7.5), (8, -52, -122, 9)),
        ((72, -10, -74, 10), (62, -8, -88, 6), (57, -4, -104, 4.5), (57, 10, -112, 5)),
    )
    for chain in columns:
        placed = _place(np.array([p[:3] for p in chain], dtype=np.float64), shape)
        for n in range(len(chain) - 1):
            r0, r1 = chain[n][3], chain[n + 1][3]
            part.add(placed[n], placed[n + 1], (r0, r0, r1, r1), side, 5.0, 1.6)
    head = _place(np.array([_FEMORAL_HEAD]), shape)[0]
    part.cut(head, head + vector(22, 0, -14), (26.5, 26.5, 30.0, 30.0), side, 1.5, 2.2)


def mirrored(surface: Surface) -> Surface:
    """The surface reflected in the midline (x to -x)."""
    return surface.moved(np.diag([-1.0, 1.0, 1.0, 1.0]))
