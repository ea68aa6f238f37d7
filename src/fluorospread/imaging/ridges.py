"""Thin bright lines: ridge points by the Hessian, joined to straight segments by a weighted Hough transform.

Points are (row, col) px; a line's direction is the unit vector (row, col), its sign without meaning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.normalisation import BoolArray, FloatArray, robust_sd, smooth

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RidgePoints:
    """Local maxima across a ridge: `points` (n, 2), `direction` (n,) radians along it, `weight` (n,) in noise sd."""

    points: Points
    direction: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Segment:
    """A straight run of ridge points from `start` to `end` with the sum of its weights and its point density."""

    start: tuple[float, float]
    end: tuple[float, float]
    weight: float
    density: float

    @property
    def length_px(self) -> float:
        return float(np.hypot(self.end[0] - self.start[0], self.end[1] - self.start[1]))


# Angle step and reach of a point's votes: the Hessian's direction is good to a few degrees at 5 noise sd.
_ANGLE_BINS = 180
_VOTE_REACH = 3
_MOST_POINTS = 16_000


def ridge_points(image: FloatArray, valid: BoolArray, sigma_px: float, texture_px: float) -> RidgePoints:
    """Points on bright ridges of about `sigma_px`, weighted against the texture within `texture_px`.

    The weight divides the curvature across the ridge by what is usual nearby, so that a line through bone has
    to stand out from trabeculae as one through soft tissue has to stand out from noise.
    """
    from scipy import ndimage

    h_rr = ndimage.gaussian_filter(image, sigma_px, order=(2, 0), truncate=3.5)
    h_cc = ndimage.gaussian_filter(image, sigma_px, order=(0, 2), truncate=3.5)
    h_rc = ndimage.gaussian_filter(image, sigma_px, order=(1, 1), truncate=3.5)
    half_difference = 0.5 * (h_rr - h_cc)
    root = np.sqrt(half_difference**2 + h_rc**2)
    across = 0.5 * (h_rr + h_cc) - root
    along = across + 2.0 * root
    strength = np.where(valid, np.maximum(-across - np.abs(along), 0.0), 0.0).astype(np.float32)
    noise = max(robust_sd(across[valid]), 1e-12) if valid.any() else 1.0
    texture = np.sqrt(smooth(np.minimum(strength, 8.0 * noise) ** 2, texture_px)) + 0.5 * noise
    weight = strength / texture
    normal = 0.5 * np.arctan2(2.0 * h_rc, h_rr - h_cc) + np.pi / 2.0
    # `normal` measures from the row axis to the axis of greatest curvature; the ridge runs across it.
    peak = _is_peak(strength, normal) & (weight > 1.0)
    rows, cols = np.nonzero(peak)
    if rows.size > _MOST_POINTS:
        keep = np.argpartition(weight[rows, cols], -_MOST_POINTS)[-_MOST_POINTS:]
        rows, cols = rows[keep], cols[keep]
    points = np.stack([rows, cols], axis=1).astype(np.float64)
    direction = (normal[rows, cols] + np.pi / 2.0) % np.pi
    return RidgePoints(points, direction.astype(np.float64), np.minimum(weight[rows, cols], 4.0).astype(np.float64))


def _is_peak(strength: FloatArray, normal: FloatArray) -> BoolArray:
    """Local maximum along the normal, in the nearest of four directions."""
    sector = np.rint(normal / (np.pi / 4.0)).astype(np.int64) % 4
    peak = np.zeros(strength.shape, dtype=np.bool_)
    inner = strength[1:-1, 1:-1]
    rows, cols = strength.shape
    for index, (d_r, d_c) in enumerate(((1, 0), (1, 1), (0, 1), (1, -1))):
        ahead = strength[1 + d_r : rows - 1 + d_r, 1 + d_c : cols - 1 + d_c]
        behind = strength[1 - d_r : rows - 1 - d_r, 1 - d_c : cols - 1 - d_c]
        peak[1:-1, 1:-1] |= (sector[1:-1, 1:-1] == index) & (inner >= ahead) & (inner > behind)
    return peak


def straight_segments(
    ridges: RidgePoints, shape: tuple[int, int], least_length_px: float, gap_px: float, most: int = 24
) -> list[Segment]:
    """The heaviest straight runs of ridge points, heaviest first, each point used once.

    Runs are cut where more than `gap_px` has no point; shorter ones than `least_length_px` are dropped.
    """
    if len(ridges.points) == 0:
        return []
    diagonal = int(np.ceil(np.hypot(*shape))) + 2
    bins = _votes(ridges, diagonal)
    width = 2 * diagonal
    votes = np.bincount(bins[0].ravel(), bins[1].ravel(), minlength=_ANGLE_BINS * width).reshape(_ANGLE_BINS, width)
    alive = np.ones(len(ridges.points), dtype=np.bool_)
    found: list[Segment] = []
    for _ in range(4 * most):
        pooled = votes[:, :-2] + votes[:, 1:-1] + votes[:, 2:]
        angle_index, place = np.unravel_index(int(np.argmax(pooled)), pooled.shape)
        if pooled[angle_index, place] < 0.5 * least_length_px or len(found) >= most:
            break
        members, segment = _run(
            ridges, alive, (float(angle_index) * np.pi / _ANGLE_BINS, float(place) + 1.0 - diagonal), gap_px
        )
        alive[members] = False
        gone = np.bincount(bins[0][members].ravel(), bins[1][members].ravel(), minlength=votes.size)
        votes -= gone.reshape(votes.shape)
        if segment is None:
            votes[angle_index, place : place + 3] = 0.0
        elif segment.length_px >= least_length_px:
            found.append(segment)
    return sorted(found, key=lambda s: -s.weight)


def _votes(ridges: RidgePoints, diagonal: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Accumulator cells (n, k) and votes (n, k) of every point for the angles near its own direction."""
    own = np.rint(ridges.direction / np.pi * _ANGLE_BINS).astype(int)
    offsets = np.arange(-_VOTE_REACH, _VOTE_REACH + 1)
    angles = (own[:, None] + offsets) % _ANGLE_BINS
    theta = angles * np.pi / _ANGLE_BINS
    # Distance of the line from the origin along its normal (-sin, cos) of the direction (cos, sin).
    rho = -np.sin(theta) * ridges.points[:, :1] + np.cos(theta) * ridges.points[:, 1:]
    cells = angles * (2 * diagonal) + np.rint(rho).astype(np.int64) + diagonal
    votes = ridges.weight[:, None] * np.exp(-0.5 * (offsets / 2.0) ** 2)
    return cells, votes


def _run(
    ridges: RidgePoints, alive: BoolArray, line: tuple[float, float], gap_px: float
) -> tuple[npt.NDArray[np.intp], Segment | None]:
    """Indices and segment of the heaviest unbroken run along the line (angle, distance)."""
    theta, rho = line
    for _ in range(2):
        direction = np.array([np.cos(theta), np.sin(theta)])
        normal = np.array([-np.sin(theta), np.cos(theta)])
        off = ridges.points @ normal - rho
        turn = np.abs((ridges.direction - theta + np.pi / 2.0) % np.pi - np.pi / 2.0)
        near = np.nonzero(alive & (np.abs(off) <= 1.8) & (turn <= np.deg2rad(14.0)))[0]
        if near.size < 5:
            return near, None
        along = ridges.points[near] @ direction
        order = np.argsort(along)
        near, along = near[order], along[order]
        cuts = np.nonzero(np.diff(along) > gap_px)[0] + 1
        runs = np.split(np.arange(near.size), cuts)
        best = max(runs, key=lambda run: float(ridges.weight[near[run]].sum()))
        chosen = near[best]
        if chosen.size < 5:
            return chosen, None
        # Refit by principal axis, so that the Hough cell's width does not bias the line.
        centre = np.average(ridges.points[chosen], axis=0, weights=ridges.weight[chosen])
        spread = np.cov((ridges.points[chosen] - centre).T, aweights=ridges.weight[chosen])
        axis = np.linalg.eigh(spread)[1][:, 1]
        theta = float(np.arctan2(axis[1], axis[0]) % np.pi)
        rho = float(centre @ np.array([-np.sin(theta), np.cos(theta)]))
    direction = np.array([np.cos(theta), np.sin(theta)])
    along = (ridges.points[chosen] - centre) @ direction
    start, end = centre + along.min() * direction, centre + along.max() * direction
    length = max(float(along.max() - along.min()), 1.0)
    steps = max(abs(direction[0]), abs(direction[1]))
    segment = Segment(
        (float(start[0]), float(start[1])),
        (float(end[0]), float(end[1])),
        float(ridges.weight[chosen].sum()),
        float(chosen.size / (length * steps)),
    )
    return chosen, segment
