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
from fluorospread.simulation.anatomy.vertebra import BuiltBone, FacetJoint

REFERENCE_SLOPE_DEG = 38.0
# The sections below were measured with the first sacral body's centre here.
_MEASURED_ORIGIN = np.array([0.0, 17.0, -6.0])


@dataclass(frozen=True)
class PelvisShape:
    """Proportions of the pelvis: factors about 1 of an average adult.

    width, depth, height: overall factors (0.88-1.1); crest_lift_mm: crest against the spine (-14 to 14);
    flare: widening of the wings with height (-0.1 to 0.15); thickness: of the plate (0.8-1.2);
    sacrum_width: (0.9-1.1); sacrum_bend_deg: extra kyphosis over the lower segments (-15 to 20);
    s1_width_mm: of the end plate; foramen: size factor of the sacral foramina (0.8-1.25).
    """

    width: float = 1.0
    depth: float = 1.0
    height: float = 1.0
    crest_lift_mm: float = 0.0
    flare: float = 0.0
    thickness: float = 1.0
    sacrum_width: float = 1.0
    sacrum_bend_deg: float = 0.0
    s1_width_mm: float = 50.0
    foramen: float = 1.0


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
_FEMORAL_HEAD = (93.0, -12.0, -93.0)


def sacral_axes_to_pelvis(point: Vector) -> Vector:
    """A point from S1's own axes (z along the first sacral body) to the pelvis' axes."""
    angle = np.deg2rad(REFERENCE_SLOPE_DEG)
    c, s = np.cos(angle), np.sin(angle)
    return np.array([point[0], c * point[1] - s * point[2], s * point[1] + c * point[2]])


def build_sacrum(shape: PelvisShape, joints: tuple[FacetJoint, FacetJoint], grid_mm: float) -> BuiltBone:
    """The sacrum with the start of the coccyx, in S1's own axes (z along the first sacral body).

    joints: left and right L5-S1 facet joints in these axes. Landmarks: S1.center, S1.junction.*,
    S1.sap_tip.*, S2.center.
    """
    wide = shape.sacrum_width
    part = ImplicitPart(vector(-74, -42, -128), vector(74, 62, 34), grid_mm)
    part.add_body((0.5 * shape.s1_width_mm, 16.5, 15.0), 0.86, (1.8, 0.5, 0.12, 0.0), (0.8, 1.3, 1.4))
    centers = _segment_centers(shape.sacrum_bend_deg)
    _add_segments(part, centers, wide)
    for sign, joint in zip((1.0, -1.0), joints, strict=True):
        _add_lateral_mass(part, centers, sign, wide)
        _add_superior_process(part, joint, sign)
    _add_crest_and_canal(part, centers)
    for sign in (1.0, -1.0):
        _cut_foramina(part, centers, sign, shape)
    landmarks: dict[str, Vector] = {"S1.center": np.zeros(3), "S2.center": centers[1]}
    for name, sign, joint in zip(("left", "right"), (1.0, -1.0), joints, strict=True):
        process = joint.superior_process
        across = np.cross(joint.axis, joint.outward)
        half_x = float(np.hypot(joint.half_width * across[0], joint.process_thickness * joint.outward[0]))
        corner = vector(sign * (abs(process[0]) + half_x), process[1] - 2.0, 12.5)
        landmarks[f"S1.junction.{name}"] = part.on_surface(corner)
        landmarks[f"S1.sap_tip.{name}"] = part.on_surface(process + joint.axis * (0.55 * joint.half_height + 4.0))
    return BuiltBone(part.outer(), part.inner(), landmarks)


def _segment_centers(bend_deg: float) -> list[Vector]:
    lengths = (28.5, 25.0, 21.0, 18.0, 15.0, 9.0)
    slopes = np.array([4.0, 10.0, -2.0, -26.0, -48.0, -62.0]) - bend_deg * np.array([0.0, 0.2, 0.5, 1.0, 1.0, 1.0])
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


# Lateral masses, left side: (x, offset behind the segment's centre, offset above it, radius). The front
# row carries the ala and the face of the sacroiliac joint, the rear row the tubercles behind it.
_FRONT_ROW = ((48.0, 4.0, 0.5, 11.0), (43.0, -4.0, -1.0, 9.5), (31.0, -2.0, 0.0, 7.5))
_REAR_ROW = ((33.0, 23.0, -8.0, 10.5), (31.0, 18.0, -5.0, 9.5), (23.5, 9.0, -3.0, 8.0), (18.5, 2.0, -1.0, 6.5),
             (12.0, 0.0, 0.0, 5.0))  # fmt: skip


def _row(centers: list[Vector], row: tuple[tuple[float, ...], ...], sign: float, wide: float) -> list[Vector]:
    return [centers[n] + vector(sign * x * wide, back, up) for n, (x, back, up, _) in enumerate(row)]


def _add_lateral_mass(part: ImplicitPart, centers: list[Vector], sign: float, wide: float) -> None:
    side, up = vector(1, 0, 0), vector(0, 0, 1)
    front, rear = _row(centers, _FRONT_ROW, sign, wide), _row(centers, _REAR_ROW, sign, wide)
    part.add(vector(sign * 17.0, 3.0, 4.0), front[0], (10.5, 11.0, 11.0, 11.0), up, 6.0, 0.9)
    for points, row in ((front, _FRONT_ROW), (rear, _REAR_ROW)):
        for n in range(len(points) - 1):
            r0, r1 = row[n][3], row[n + 1][3]
            part.add(points[n], points[n + 1], (r0, r0, r1, r1), side, 6.0, 0.9)
    for n, (start, end) in enumerate(zip(front, rear, strict=False)):
        r0, r1 = _FRONT_ROW[n][3], _REAR_ROW[n][3]
        part.add(start, end, (r0, r0, r1, r1), up, 6.0, 0.9)
    for n, end in enumerate(rear):
        radius = _REAR_ROW[n][3]
        inner = centers[n] + vector(sign * (14.0 - 2.0 * n), 8.0 - 2.0 * n, 0.0)
        part.add(inner, end, (0.95 * radius, 0.95 * radius, 0.9 * radius, 0.9 * radius), up, 6.0, 0.9)
    for n, end in enumerate(front[1:], start=1):
        radius = _FRONT_ROW[n][3]
        part.add(centers[n], end, (0.8 * radius, 0.8 * radius, radius, radius), up, 6.0, 0.9)


def _add_superior_process(part: ImplicitPart, joint: FacetJoint, sign: float) -> None:
    process = joint.superior_process
    across = np.cross(joint.axis, joint.outward)
    thick = joint.process_thickness
    base = vector(sign * (abs(process[0]) + 1.0), 21.0, 4.0)
    tip = process + joint.axis * joint.half_height * 0.55
    wide = joint.half_width
    part.add(base, process, (7.0, 5.5, wide, thick), across, 3.0, 2.0)
    part.add(process, tip, (wide * joint.hypertrophy, thick, 4.4, 0.8 * thick), across, 2.5, 1.8 + joint.sclerosis)


def _add_crest_and_canal(part: ImplicitPart, centers: list[Vector]) -> None:
    back = vector(0, 1, 0)
    depths = (26.0, 22.0, 17.0, 13.0, 9.0)
    backs = [c + vector(0, offset, -2.0) for c, offset in zip(centers[:5], depths, strict=True)]
    for n in range(4):
        part.add(backs[n], backs[n + 1], (4.5, 15.0 - 2.5 * n, 4.5, 12.5 - 2.5 * n), back, 5.0, 1.2)
        for sign in (1.0, -1.0):
            # Pedicles and laminae close the canal at its sides.
            pillar = vector(sign * (15.0 - 2.0 * n), 12.0 - 2.5 * n, 0.0)
            part.add(
                centers[n] + pillar, centers[n + 1] + 0.85 * pillar, (5.5, 9.0 - n, 5.0, 8.0 - n), vector(1, 0, 0), 5.0
            )
    for n in range(3):
        knob = backs[n] + vector(0, 4.0, 0)
        part.add(knob, knob + vector(0, 4.5, -9.0), (2.6, 2.6, 2.2, 2.2), vector(1, 0, 0), 4.0, 1.0)
    hollow = [c + vector(0, offset, 0) for c, offset in zip(centers[:5], (21.0, 16.5, 12.0, 8.5, 6.0), strict=True)]
    hollow[0] = hollow[0] + vector(0, 1.0, 16.0)
    for n in range(4):
        size = (11.5 - 2.0 * n, 4.6 - 0.7 * n, 9.5 - 2.0 * n, 4.0 - 0.7 * n)
        part.cut(hollow[n], hollow[n + 1], size, vector(1, 0, 0), 2.5, 0.6)


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
        part.cut(mouth, inside, (1.15 * radius, 1.3 * radius, 0.9 * radius, radius), up, 2.0, 1.1)
        part.cut(inside, rear, (0.8 * radius, 0.9 * radius, 0.6 * radius, 0.65 * radius), up, 2.0, 0.8)
        end = mouth + vector(sign * (13.0 - 2.0 * n), 0, -3.0) - normal * 3.0
        part.cut(mouth, end, (0.95 * radius, 1.1 * radius, 0.8 * radius, 0.8 * radius), up, 3.0, 1.0)


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


def _wing_balls(shape: PelvisShape) -> Vector:
    """Balls (x, y, z, radius) filling the wing, about 2 mm apart."""
    from scipy.interpolate import PchipInterpolator

    heights = np.array([z for z, _ in _WING_SECTIONS][::-1], dtype=np.float64)
    table = np.array([points for _, points in _WING_SECTIONS][::-1], dtype=np.float64)
    fine_z = np.arange(heights[0], heights[-1] + 0.1, 2.0)
    rows = PchipInterpolator(heights, table, axis=0)(fine_z)
    along = PchipInterpolator(np.linspace(0, 1, table.shape[1]), rows, axis=1)(np.linspace(0, 1, 72))
    points = np.concatenate([along[..., :2], np.broadcast_to(fine_z[:, None, None], (*along.shape[:2], 1))], axis=2)
    placed = _place(points.reshape(-1, 3), shape)
    return np.concatenate([placed, along[..., 2].reshape(-1, 1) * shape.thickness], axis=1)


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
