"""Skin, fat planes, psoas, kidneys, lung bases and bowel gas around a given spine; mm, common axes.

Soft tissue shows on a film only where fat or gas borders it, so muscles and kidneys lie in a sheath
of fat, and the trunk has a layer of fat under its skin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluorospread.simulation.anatomy.implicit import ImplicitPart, Vector, vector
from fluorospread.simulation.anatomy.surface import Material, SoftPart, Surface

# The trunk section about L3's centre.
_TRUNK_BOTTOM_MM, _TRUNK_TOP_MM = -262.0, 236.0


@dataclass(frozen=True)
class SoftTissueShape:
    """Habitus and contents.

    half_width_mm (130-215), depth_mm (170-340): of the trunk at the waist; fat_mm: under the skin (6-60);
    psoas: size factor (0.6-1.3); perirenal_fat_mm (4-14); gas_amount: 0 none to 1 much;
    lobules: fat among the bowel, 0 to 1;
    with_kidneys, with_lungs: present; seed: of the bowel's arrangement.
    """

    half_width_mm: float = 160.0
    depth_mm: float = 220.0
    fat_mm: float = 18.0
    psoas: float = 1.0
    perirenal_fat_mm: float = 5.0
    gas_amount: float = 0.5
    lobules: float = 0.5
    with_kidneys: bool = True
    with_lungs: bool = True
    seed: int = 0


@dataclass(frozen=True)
class SpineLine:
    """The spine's course: body centres (n, 3) from cranial to caudal and their half widths (n,)."""

    centers: Vector
    half_widths: Vector

    def at(self, z: float) -> tuple[Vector, float]:
        """Centre and half width at a height."""
        order = np.argsort(self.centers[:, 2])
        heights = self.centers[order, 2]
        x, y = (float(np.interp(z, heights, self.centers[order, axis])) for axis in (0, 1))
        return vector(x, y, z), float(np.interp(z, heights, self.half_widths[order]))


def trunk_surface(shape: SoftTissueShape, bottom_mm: float, top_mm: float, inset_mm: float) -> Surface:
    """Closed trunk contour between two heights; inset_mm: distance under the skin."""
    around, along = 96, 44
    heights = np.linspace(bottom_mm + 0.2 * inset_mm, top_mm - 0.2 * inset_mm, along)
    angle = 2.0 * np.pi * np.arange(around) / around
    # The waist lies about 20 mm above L3; hips and chest widen from there, the hips more.
    below = np.clip((20.0 - heights) / 160.0, 0.0, 1.6)
    above = np.clip((heights - 20.0) / 200.0, 0.0, 1.2)
    half_w = shape.half_width_mm * (1.0 + 0.13 * np.minimum(below, 1.2) ** 1.5 + 0.04 * above) - inset_mm
    half_d = 0.5 * shape.depth_mm * (1.0 + 0.03 * below - 0.02 * above) - inset_mm
    back_mm = 92.0 + 0.4 * (shape.fat_mm - 18.0)
    center_y = back_mm - 0.5 * shape.depth_mm
    power = 2.0 / 2.45
    cosine, sine = np.cos(angle), np.sin(angle)
    x = np.sign(cosine) * np.abs(cosine) ** power
    y = np.sign(sine) * np.abs(sine) ** power
    rings = np.stack(
        [
            half_w[:, None] * x[None, :],
            center_y + half_d[:, None] * y[None, :],
            np.broadcast_to(heights[:, None], (along, around)),
        ],
        axis=2,
    ).reshape(-1, 3)
    vertices = np.vstack([rings, [[0.0, center_y, heights[0]], [0.0, center_y, heights[-1]]]])
    faces = []
    here = np.arange(around)
    after = (here + 1) % around
    for n in range(along - 1):
        low, high = n * around, (n + 1) * around
        faces += [
            np.stack([low + here, low + after, high + after], 1),
            np.stack([low + here, high + after, high + here], 1),
        ]
    last = (along - 1) * around
    faces += [
        np.stack([after, here, np.full(around, len(rings))], 1),
        np.stack([last + here, last + after, np.full(around, len(rings) + 1)], 1),
    ]
    return Surface(np.ascontiguousarray(vertices), np.concatenate(faces).astype(np.int32))


def retroperitoneum(shape: SoftTissueShape, spine: SpineLine, sign: float, grid_mm: float) -> list[SoftPart]:
    """Psoas and kidney of one side with the fat they lie in. sign: +1 left, -1 right."""
    name = "left" if sign > 0 else "right"
    course = _psoas_course(shape, spine, sign)
    kidney = _kidney(spine, sign)
    points = np.array([p for p, _ in course])
    lower, upper = points.min(axis=0) - 40.0, points.max(axis=0) + 40.0
    upper[2] = max(upper[2], kidney[0][2] + 80.0)
    lower, upper = np.minimum(lower, kidney[0] - 60.0), np.maximum(upper, kidney[0] + 60.0)
    up = vector(0, 0, 1)
    fat, muscle = ImplicitPart(lower, upper, grid_mm), ImplicitPart(lower, upper, grid_mm)
    for n in range(len(course) - 1):
        (start, r0), (end, r1) = course[n], course[n + 1]
        # Fat lies beside the muscle rather than between it and the spine.
        beside = vector(sign * 5.0, 2.0, 0.0)
        fat.add(start, end, (r0 + 0.5, r0 + 0.5, r1 + 0.5, r1 + 0.5), up, 4.0)
        fat.add(start + beside, end + beside, (r0 + 2.5, r0 + 2.5, r1 + 2.5, r1 + 2.5), up, 6.0)
        muscle.add(start, end, (r0, r0, r1, r1), up, 4.0)
    parts = [(f"psoas.{name}", muscle.outer(), Material.MUSCLE)]
    if shape.with_kidneys:
        start, end = kidney
        margin = shape.perirenal_fat_mm
        organ = ImplicitPart(lower, upper, grid_mm)
        organ.add(start, end, (27, 19, 25, 18), vector(1, 0, 0), 2.0)
        hilum = 0.5 * (start + end) - vector(sign * 26.0, 0, 0)
        organ.cut(hilum, hilum + vector(0, 0, 8), (9, 12, 9, 12), vector(1, 0, 0), 4.0)
        fat.add(start, end, (27 + margin, 19 + margin, 25 + margin, 18 + margin), vector(1, 0, 0), 6.0)
        parts.append((f"kidney.{name}", organ.outer(), Material.SOFT_TISSUE))
    fat_part = SoftPart(f"retroperitoneal-fat.{name}", fat.outer(), Material.FAT, Material.SOFT_TISSUE)
    return [fat_part, *(SoftPart(n, s, m, Material.FAT) for n, s, m in parts)]


def _psoas_course(shape: SoftTissueShape, spine: SpineLine, sign: float) -> list[tuple[Vector, float]]:
    steps = ((62, 2, 6, 6), (36, 4, 2, 10), (2, 7, -3, 14), (-34, 12, -8, 18), (-68, 21, -18, 20), (-105, 36, -38, 19),
             (-150, 52, -58, 16))  # fmt: skip
    course = []
    for z, gap, back, radius in steps:
        center, half = spine.at(max(float(z), -70.0))
        x = center[0] + sign * (half + gap + 0.35 * radius * shape.psoas)
        course.append((vector(x, center[1] + back, z), radius * shape.psoas))
    return course


def _kidney(spine: SpineLine, sign: float) -> tuple[Vector, Vector]:
    z = 52.0 if sign > 0 else 40.0
    center, half = spine.at(z)
    middle = center + vector(sign * (half + 43.0), 14.0, 0.0)
    tilt = vector(sign * -8.0, 6.0, 27.0)
    return middle - tilt, middle + tilt


def lung_bases(shape: SoftTissueShape, top_mm: float, grid_mm: float) -> list[SoftPart]:
    """The part of each lung within the trunk section: light tissue under the diaphragm's dome."""
    parts = []
    back_mm = 92.0 + 0.4 * (shape.fat_mm - 18.0) - shape.fat_mm
    for name, sign, dome in (("right", -1.0, 30.0), ("left", 1.0, 22.0)):
        half = 0.5 * (shape.half_width_mm - shape.fat_mm) - 18.0
        center = vector(sign * (half + 28.0), back_mm - 72.0, top_mm + 34.0)
        part = ImplicitPart(vector(-240, -160, top_mm - 90), vector(240, 160, top_mm - 2.0 * grid_mm), grid_mm)
        part.add(center, center + vector(0, 0, 1), (half, 62.0, half, 62.0), vector(1, 0, 0))
        recess = center + vector(sign * 0.3 * half, 34.0, -dome)
        part.add(recess, center, (0.6 * half, 22.0, half * 0.9, 40.0), vector(1, 0, 0), 12.0)
        parts.append(SoftPart(f"lung.{name}", part.outer(), Material.SOFT_TISSUE, Material.SOFT_TISSUE, 0.35))
    return parts


def mesenteric_fat(shape: SoftTissueShape, rng: np.random.Generator, grid_mm: float) -> list[SoftPart]:
    """Lobules of fat among the bowel, the cloudy background of every abdominal film."""
    if shape.lobules <= 0.0:
        return []
    front = 92.0 + 0.4 * (shape.fat_mm - 18.0) - shape.depth_mm + shape.fat_mm
    back = -22.0
    half = np.array([0.78 * shape.half_width_mm, 0.5 * (back - front) - 3.0, 205.0])
    center = vector(0.0, 0.5 * (front + back), -15.0)
    if half[1] < 15.0:
        return []
    part = ImplicitPart(center - half - 4.0, center + half + 4.0, grid_mm)
    part.add_clouds(center, half, rng.uniform(24.0, 44.0), 0.12 + 0.3 * shape.lobules, rng)
    return [SoftPart("mesenteric-fat", part.outer(), Material.FAT, Material.SOFT_TISSUE)]


def bowel_gas(shape: SoftTissueShape, rng: np.random.Generator, grid_mm: float) -> list[SoftPart]:
    """Gas in the colon's frame, small bowel and rectum, smooth or mottled with stool."""
    width = 0.62 * shape.half_width_mm
    front = 92.0 - shape.depth_mm + shape.fat_mm
    places = [
        (vector(-width, -40, -40), vector(18, 14, 50)), (vector(width, -30, -10), vector(16, 14, 60)),
        (vector(-60, -70, 60), vector(40, 12, 16)), (vector(55, -70, 75), vector(40, 12, 18)),
        (vector(0, -75, 10), vector(70, 15, 45)), (vector(0, -30, -170), vector(28, 14, 22)),
        (vector(70, -30, 120), vector(26, 15, 20)), (vector(30, -50, -110), vector(40, 15, 25)),
    ]  # fmt: skip
    parts: list[SoftPart] = []
    for number, (middle, spread) in enumerate(places):
        for _ in range(rng.poisson(1.5 * shape.gas_amount)):
            center = middle + spread * rng.normal(0.0, 0.8, 3)
            center[0] = float(np.clip(center[0], -0.62 * shape.half_width_mm, 0.62 * shape.half_width_mm))
            center[1] = float(np.clip(center[1], front + 38.0, -22.0))
            mottled = rng.random() < (0.6 if number in (0, 1, 5) else 0.2)
            surface = _mottled_gas(center, rng, grid_mm) if mottled else _smooth_gas(center, rng, grid_mm)
            parts.append(SoftPart(f"gas.{len(parts)}", surface, Material.GAS, Material.SOFT_TISSUE))
    return parts


def _smooth_gas(center: Vector, rng: np.random.Generator, grid_mm: float) -> Surface:
    """A few merging pockets along a short bent course, pinched as by haustra."""
    direction = rng.normal(size=3) * np.array([1.0, 0.3, 0.8])
    course = [center]
    for _ in range(int(rng.integers(0, 5))):
        direction = direction / np.linalg.norm(direction) + rng.normal(0.0, 0.45, 3) * np.array([1.0, 0.3, 1.0])
        course.append(course[-1] + direction / np.linalg.norm(direction) * rng.uniform(9.0, 17.0))
    points = np.array(course)
    part = ImplicitPart(points.min(axis=0) - 34.0, points.max(axis=0) + 34.0, grid_mm)
    size = rng.uniform(6.0, 15.0)
    for point in points:
        wide, deep = size * rng.uniform(0.75, 1.3), size * rng.uniform(0.6, 1.1)
        tail = point + rng.normal(0.0, 0.3, 3) * size
        part.add(point, tail, (wide, deep, 0.8 * wide, deep), rng.normal(size=3), 5.0)
    return part.outer()


def _mottled_gas(center: Vector, rng: np.random.Generator, grid_mm: float) -> Surface:
    """Many small bubbles, as in stool."""
    lumps = rng.normal(size=(int(rng.integers(3, 8)), 3)) * np.array([10.0, 6.0, 14.0])
    count = int(rng.integers(60, 220))
    spread = rng.normal(size=(count, 3)) * np.array([6.0, 6.0, 6.0])
    balls = center + np.clip(lumps[rng.integers(0, len(lumps), count)] + spread, -26.0, 26.0)
    radii = np.minimum(rng.gamma(2.2, 0.75, count) + 0.8, 4.5)
    part = ImplicitPart(balls.min(axis=0) - 8.0, balls.max(axis=0) + 8.0, min(grid_mm, 1.6))
    part.add_balls(balls, radii)
    part.smooth(0.9)
    return part.outer()


def skin_surface(shape: SoftTissueShape) -> Surface:
    """Closed contour of the trunk section; L3's centre is the origin."""
    return trunk_surface(shape, _TRUNK_BOTTOM_MM, _TRUNK_TOP_MM, 0.0)


def soft_parts(shape: SoftTissueShape, spine: SpineLine, grid_mm: float) -> list[SoftPart]:
    """Everything within the skin but bone, for a spine whose L3 lies at the origin.

    grid_mm: spacing of the vertebrae's distance fields; soft tissue uses multiples of it.
    """
    fat = trunk_surface(shape, _TRUNK_BOTTOM_MM, _TRUNK_TOP_MM, 2.0)
    core = trunk_surface(shape, _TRUNK_BOTTOM_MM, _TRUNK_TOP_MM, shape.fat_mm)
    parts = [
        SoftPart("subcutaneous-fat", fat, Material.FAT, Material.SOFT_TISSUE),
        SoftPart("trunk", core, Material.SOFT_TISSUE, Material.FAT),
    ]
    for sign in (1.0, -1.0):
        parts += retroperitoneum(shape, spine, sign, 2.4 * grid_mm)
    if shape.with_lungs:
        parts += lung_bases(shape, _TRUNK_TOP_MM, 4.0)
    parts += bowel_gas(shape, np.random.default_rng(shape.seed), 1.6 * grid_mm)
    parts += mesenteric_fat(shape, np.random.default_rng(shape.seed + 1), 4.0 * grid_mm)
    return parts
