"""Surface of one vertebra or sacrum to its own axes and true landmarks.

A vertebra's axes are found from its shape alone: the spinal canal separates the body from the arch, the
end plates give the cranial direction, its mirror symmetry the left-right direction. The input lies roughly in
patient axes (LPS), tilted by less than about 35 degrees.

The SAP-TP junction is the deepest concavity of the frontal outline of the posterior elements between the
apex of the superior articular process and the tip of the transverse process.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.simulation.anatomy.mesh import sampled_points
from fluorospread.simulation.anatomy.surface import Surface

Points = npt.NDArray[np.float64]
Landmarks = dict[str, Points]

_SAMPLES = 24_000
# The junction lies this far towards the middle and towards the feet of the rounded corner of the outline, near where
# the straight borders of the two processes meet: there readers mark it on films.
_INSIDE_MM = (1.3, 1.0)
# Steps of the upper outline that make the root of a transverse process, about 6 mm.
_ROOT_STEPS = 8
# A canal narrower than this is not seen as one, mm.
_LEAST_CANAL_MM = 4.0


@dataclass(frozen=True)
class Frame:
    """Own axes of a bone: origin at the body centre, columns of `axes` point left, back and head (unit)."""

    origin_mm: Points
    axes: Points

    @property
    def to_patient(self) -> Points:
        """(4, 4) map from own axes to patient axes."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.axes, self.origin_mm
        return matrix

    def local(self, points_mm: Points) -> Points:
        return np.asarray((points_mm - self.origin_mm) @ self.axes)

    def patient(self, points_mm: Points) -> Points:
        return np.asarray(points_mm @ self.axes.T + self.origin_mm)


@dataclass(frozen=True)
class VertebraShape:
    """Where the parts of a vertebra lie along its own back axis, and its body's size, mm."""

    back_of_body_mm: float
    front_of_arch_mm: float
    body_width_mm: float
    body_height_mm: float


def _orthonormal(left: Points, head: Points) -> Points:
    head = head / np.linalg.norm(head)
    left = left - head * float(left @ head)
    left = left / np.linalg.norm(left)
    return np.stack([left, np.cross(head, left), head], axis=1)


def _canal(points: Points) -> tuple[float, float] | None:
    """(front, back) of the spinal canal along the second axis, in the band around the first axis' zero."""
    band = np.sort(points[np.abs(points[:, 0]) < 3.5][:, 1])
    if len(band) < 50:
        return None
    low, high = band[0] + 12.0, band[-1] - 2.0
    gaps = np.diff(band)
    inside = (band[:-1] > low) & (band[1:] < high)
    if not inside.any():
        return None
    widest = int(np.argmax(np.where(inside, gaps, 0.0)))
    if gaps[widest] < _LEAST_CANAL_MM:
        return None
    return float(band[widest]), float(band[widest + 1])


def _plates(body: Points) -> tuple[float, float, Points]:
    """Heights of the lower and upper end plate at the centre, and the direction between them (3,)."""
    y_mid = float(np.median(body[:, 1]))
    central = body[(np.abs(body[:, 0]) < 11) & (np.abs(body[:, 1] - y_mid) < 9)]
    middle = float(0.5 * (np.percentile(central[:, 2], 3) + np.percentile(central[:, 2], 97)))
    normals, heights = [], []
    for half in (central[central[:, 2] < middle], central[central[:, 2] >= middle]):
        design = np.column_stack([half[:, 0], half[:, 1] - y_mid, np.ones(len(half))])
        slope_x, slope_y, height = np.linalg.lstsq(design, half[:, 2], rcond=None)[0]
        normals.append(np.array([-slope_x, -slope_y, 1.0]))
        heights.append(float(height))
    normal = normals[0] / np.linalg.norm(normals[0]) + normals[1] / np.linalg.norm(normals[1])
    return heights[0], heights[1], np.asarray(normal)


def _pedicles(points: Points, canal: tuple[float, float]) -> dict[str, Points] | None:
    """Centre of each pedicle in a thin slice just behind the body (own axes)."""
    span = canal[1] - canal[0]
    section = points[(points[:, 1] > canal[0] + 0.1 * span) & (points[:, 1] < canal[0] + 0.35 * span)]
    found = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        own = section[(sign * section[:, 0] > 4.0) & (sign * section[:, 0] < 30.0)]
        if len(own) < 30:
            return None
        x = 0.5 * (np.percentile(own[:, 0], 4) + np.percentile(own[:, 0], 96))
        z = 0.5 * (np.percentile(own[:, 2], 4) + np.percentile(own[:, 2], 96))
        found[side] = np.array([x, float(own[:, 1].mean()), z])
    return found


def _mirror_plane(points: Points, reach_deg: float) -> tuple[float, float]:
    """Turn about the third axis (deg) and middle (mm) that make the shape most like its mirror image.

    Compares an axial histogram with its left-right reflection at every shift at once (by Fourier).
    """
    best = (-np.inf, 0.0, 0.0)
    for angle in np.arange(-reach_deg, reach_deg + 0.1, 2.0):
        turn = np.radians(angle)
        x = np.cos(turn) * points[:, 0] + np.sin(turn) * points[:, 1]
        y = -np.sin(turn) * points[:, 0] + np.cos(turn) * points[:, 1]
        histogram, _, _ = np.histogram2d(y, x, bins=(40, 128), range=((y.min(), y.max() + 1e-6), (-64, 64)))
        histogram = np.sqrt(histogram)
        histogram = np.roll(histogram, 1, axis=1) + 2 * histogram + np.roll(histogram, -1, axis=1)
        spectrum = np.fft.rfft(histogram, n=256, axis=1)
        matches = np.fft.irfft((spectrum**2).sum(axis=0), n=256)  # histogram against its mirror image
        # Bin i meets bin s - i: the middle lies at s / 2 bins; middles beyond 25 mm are not considered.
        shift = 77 + int(np.argmax(matches[77:178]))
        if matches[shift] > best[0]:
            best = (float(matches[shift]), float(angle), 0.5 * (shift + 1) - 64.0)
    return best[1], best[2]


def _turned(frame: Frame, angle_deg: float, middle_mm: float) -> Frame:
    turn = np.radians(angle_deg)
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1.0]])
    axes = frame.axes @ rotation
    return Frame(frame.origin_mm + middle_mm * axes[:, 0], axes)


def _levelled(frame: Frame, cloud: Points) -> Frame:
    """The frame tilted back or forth so that the spinal canal is seen widest from above."""
    best, widest = frame, -1.0
    for tilt in np.radians(np.arange(-40.0, 41.0, 10.0)):
        rotation = np.array([[1.0, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
        tilted = Frame(frame.origin_mm, frame.axes @ rotation)
        canal = _canal(tilted.local(cloud))
        if canal is not None and canal[1] - canal[0] > widest:
            best, widest = tilted, canal[1] - canal[0]
    return best


def vertebra_frame(surface: Surface, seed: int = 0) -> tuple[Frame, VertebraShape] | None:
    """Own axes and shape of a vertebra's surface; None when no canal is found or its size is impossible."""
    cloud = sampled_points(surface, _SAMPLES, np.random.default_rng(seed))
    low, high = cloud.min(axis=0), cloud.max(axis=0)
    frame = Frame(np.array([np.median(cloud[:, 0]), low[1] + 17.0, 0.5 * (low[2] + high[2])]), np.eye(3))
    frame = _turned(frame, *_mirror_plane(frame.local(cloud), 30.0))
    frame = _levelled(frame, cloud)
    shape: VertebraShape | None = None
    for reach_deg in (12.0, 6.0, 4.0):
        frame = _turned(frame, *_mirror_plane(frame.local(cloud), reach_deg))
        points = frame.local(cloud)
        canal = _canal(points)
        if canal is None:
            return None
        body = points[(points[:, 1] < canal[0] + 0.5) & (np.abs(points[:, 0]) < 38)]
        lower, upper, head = _plates(body)
        waist = body[np.abs(body[:, 2] - 0.5 * (lower + upper)) < 0.2 * (upper - lower)]
        if len(waist) < 50:
            return None
        left_edge, right_edge = np.percentile(waist[:, 0], 98), np.percentile(waist[:, 0], 2)
        middle = np.array([0.0, 0.5 * (np.percentile(body[:, 1], 1) + canal[0]), 0.5 * (lower + upper)])
        shape = VertebraShape(
            canal[0] - middle[1], canal[1] - middle[1], float(left_edge - right_edge), float(upper - lower)
        )
        frame = Frame(frame.patient(middle[None])[0], frame.axes @ _orthonormal(np.array([1.0, 0.0, 0.0]), head))
    if shape is None or not (12 < shape.body_height_mm < 45 and 20 < shape.body_width_mm < 75):
        return None
    return frame, shape


def _notch(outline: Points, apex: Points, tip: Points, inside_mm: tuple[float, float] = (0.0, 0.0)) -> Points | None:
    """Point of `outline` (n, 3), from apex to tip, farthest below the chord apex-tip in the frontal plane (axes 0 and
    2), moved by `inside_mm` towards the middle and towards the feet.

    It lies as far back as the root of the transverse process just lateral to it: the highest point of the notch
    itself may be one of the lamina's, ten millimetres behind.
    """
    chord = (tip - apex)[[0, 2]]
    length = float(np.hypot(*chord))
    if length < 8.0:
        return None
    relative = (outline - apex)[:, [0, 2]]
    along = relative @ chord / length**2
    # Towards the feet whichever way the chord runs.
    normal = np.array([-chord[1], chord[0]]) / length
    normal = normal if normal[1] < 0 else -normal
    depth = np.where((along > 0.05) & (along < 0.95), relative @ normal, -np.inf)
    best = int(np.argmax(depth))
    if depth[best] <= 1.0:
        return None
    medial_mm, caudal_mm = inside_mm
    notch = outline[best] - np.array([np.sign(tip[0]) * medial_mm, 0.0, caudal_mm])
    notch[1] = np.median(outline[best : best + _ROOT_STEPS, 1])
    return np.asarray(notch)


def _upper_outline(points: Points, sign: float, inner_mm: float, outer_mm: float, step_mm: float = 0.8) -> Points:
    """Highest point in each step from `inner_mm` to `outer_mm` away from the middle, on one side."""
    away = sign * points[:, 0]
    bins = np.floor((away - inner_mm) / step_mm).astype(int)
    highest = []
    for index in range(int((outer_mm - inner_mm) / step_mm) + 1):
        own = points[bins == index]
        if len(own):
            highest.append(own[int(np.argmax(own[:, 2]))])
    return np.array(highest).reshape(-1, 3)


def vertebra_landmarks(surface: Surface, frame: Frame, shape: VertebraShape, seed: int = 0) -> Landmarks:
    """Landmarks in patient axes: "center", "pedicle.left" ..., and, where the outline has a notch, "junction".

    Keys: center, pedicle.S, sap_tip.S, tp_tip.S, junction.S with S left or right.
    """
    points = frame.local(sampled_points(surface, _SAMPLES, np.random.default_rng(seed)))
    found: Landmarks = {"center": np.zeros(3)}
    canal = (shape.back_of_body_mm, shape.front_of_arch_mm)
    pedicles = _pedicles(points, canal) or {}
    arch = points[points[:, 1] > canal[0] + 1.0]
    for side, sign in (("left", 1.0), ("right", -1.0)):
        if side in pedicles:
            found[f"pedicle.{side}"] = pedicles[side]
        own = arch[sign * arch[:, 0] > 6.0]
        tip = own[int(np.argmax(sign * own[:, 0]))]
        facets = own[(sign * own[:, 0] < min(30.0, 0.75 * sign * tip[0])) & (own[:, 1] > canal[0] + 4.0)]
        if len(facets) < 20:
            continue
        apex = facets[int(np.argmax(facets[:, 2]))]
        outline = _upper_outline(own, sign, sign * float(apex[0]), sign * float(tip[0]))
        found[f"tp_tip.{side}"], found[f"sap_tip.{side}"] = tip, apex
        notch = _notch(outline, apex, tip, _INSIDE_MM) if len(outline) > 4 else None
        if notch is not None:
            found[f"junction.{side}"] = notch
    return {name: frame.patient(point[None])[0] for name, point in found.items()}


def sacrum_frame(surface: Surface, last_lumbar: Frame, last_shape: VertebraShape, seed: int = 0) -> Frame | None:
    """Axes of S1 from the end plate that faces the last lumbar vertebra; origin at the S1 body centre."""
    cloud = last_lumbar.local(sampled_points(surface, _SAMPLES, np.random.default_rng(seed)))
    plate_at = -0.5 * last_shape.body_height_mm
    near = cloud[
        (np.abs(cloud[:, 0]) < 16)
        & (np.abs(cloud[:, 1]) < 15)
        & (cloud[:, 2] < plate_at + 6)
        & (cloud[:, 2] > plate_at - 32)
    ]
    if len(near) < 100:
        return None
    outline = []
    for x in np.arange(-16, 16, 4.0):
        for y in np.arange(-15, 15, 3.0):
            cell = near[(np.abs(near[:, 0] - x - 2) < 2) & (np.abs(near[:, 1] - y - 1.5) < 1.5)]
            if len(cell):
                outline.append(cell[int(np.argmax(cell[:, 2]))])
    top = np.array(outline)
    for _ in range(3):  # points off the plate (promontory's front, canal behind) are dropped
        design = np.column_stack([top[:, 0], top[:, 1], np.ones(len(top))])
        fit, *_ = np.linalg.lstsq(design, top[:, 2], rcond=None)
        residual = top[:, 2] - design @ fit
        top = top[np.abs(residual) < max(2.0, 1.5 * float(residual.std()))]
    normal = np.array([-fit[0], -fit[1], 1.0])
    axes = _orthonormal(np.array([1.0, 0.0, 0.0]), normal)
    centre = np.array([0.0, float(top[:, 1].mean()), 0.0])
    centre[2] = fit[0] * centre[0] + fit[1] * centre[1] + fit[2]
    origin = centre - 0.5 * last_shape.body_height_mm * axes[:, 2]
    return Frame(last_lumbar.patient(origin[None])[0], last_lumbar.axes @ axes)


def sacrum_landmarks(surface: Surface, frame: Frame, pelvic_head: Points, seed: int = 0) -> Landmarks:
    """S1 landmarks in patient axes: "S1.center", "S2.center", "S1.junction.S".

    `pelvic_head` is the patient's cranial direction (3,), in which the frontal outline between the S1
    articular process and the ala is read.
    """
    axes = _orthonormal(frame.axes[:, 0], pelvic_head)
    upright = Frame(frame.origin_mm, axes)
    points = upright.local(sampled_points(surface, _SAMPLES, np.random.default_rng(seed)))
    found: Landmarks = {
        "S1.center": frame.origin_mm,
        "S2.center": frame.patient(np.array([[0.0, 0.0, -30.0]]))[0],
    }
    plate_back = upright.local(frame.patient(np.array([[0.0, 14.0, 14.0]])))[0]
    for side, sign in (("left", 1.0), ("right", -1.0)):
        facets = points[(sign * points[:, 0] > 10) & (sign * points[:, 0] < 30) & (points[:, 1] > plate_back[1] + 4)]
        if len(facets) < 20:
            continue
        apex = facets[int(np.argmax(facets[:, 2]))]
        inner = sign * float(apex[0])
        lateral = points[(sign * points[:, 0] > inner) & (points[:, 1] > plate_back[1] - 12)]
        outline = _upper_outline(lateral, sign, inner, 50.0)
        wing = outline[sign * outline[:, 0] > inner + 12]
        if not len(wing):
            continue
        notch = _notch(outline, apex, wing[int(np.argmax(wing[:, 2]))])
        if notch is not None:
            found[f"S1.junction.{side}"] = upright.patient(notch[None])[0]
            found[f"S1.sap_tip.{side}"] = upright.patient(apex[None])[0]
    return found
