"""Landmark maps of several regions to one ordered, evenly spaced chain of vertebrae, and its rivals.

The chain is the best path through candidate points that assigns the channels S1, C1 ... C7 upwards without
a gap; channels beyond its ends are absent. It is found exactly by dynamic programming, for several pitches.
A rival numbering keeps the points and moves every name by some steps; all numberings share one probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.landmarks.network import LEVEL_CHANNELS, MAP_CELLS, Maps

Array = npt.NDArray[np.float64]

CHAIN_CHANNELS = 8
LAST_RIB = LEVEL_CHANNELS.index("last-rib")
SHIFTS = (-2, -1, 0, 1, 2)

# Length of the step above each channel over the pitch L2-L5, from body centres of 2,116 spines (S1-L5 from
# the meshes; the sacrum's tilt shortens and varies it).
STEP_RATIO = np.array([0.88, 1.00, 1.00, 0.99, 0.95, 0.89, 0.82])
# 1 sd of the logarithm of a step over its expectation.
STEP_SPREAD = np.array([0.24, 0.15, 0.12, 0.12, 0.12, 0.12, 0.12])
# 1 sd of a step's direction from the upright, degrees: patient, scoliosis and film together.
_DIRECTION_SD_DEG = 16.0
# Channel of the vertebra with the last ribs: C6 in a person with five lumbar vertebrae and twelve ribs; one lower
# with four, or ribs missing on T12; one higher with six, or stub ribs on L1.
LAST_RIB_PRIOR = {5: 0.05, 6: 0.90, 7: 0.05}
# One region's answer is never worth more than this probability of being plainly wrong.
_FLOOR = 0.01
_IMPOSSIBLE = -1e6


@dataclass(frozen=True)
class Evidence:
    """Log probabilities averaged over regions.

    points (m, 2) candidates in image px; at (8, m) channel at candidate; missing (8,) channel absent;
    rib (m,) log probability that the last rib-bearing vertebra is the candidate; no_rib its absence.
    """

    points: Array
    at: Array
    missing: Array
    rib: Array
    no_rib: float


@dataclass(frozen=True)
class Chain:
    """A numbered chain, caudal to cranial.

    channels (n,) consecutive, points (n, 2) px, log_p (n,) mean log probability of each name, pitch_px,
    shifts {s: probability} of names moved up by s channels, margin: lead over the best rival in nats, steps
    (n - 1,): logarithm of each step's length over its expectation, in sd.
    """

    channels: tuple[int, ...]
    points: Array
    log_p: Array
    pitch_px: float
    shifts: dict[int, float]
    margin: float
    steps: Array

    @property
    def misfit(self) -> float:
        """Root mean square of `steps`."""
        return float(np.sqrt(np.mean(self.steps**2)))

    def point_of(self, channel: int) -> Array | None:
        return self.points[self.channels.index(channel)] if channel in self.channels else None


def lowered(chain: Chain, sacral: float) -> Chain:
    """The chain when its C1 is the first sacral vertebra with probability `sacral`: every name one channel lower.

    What was called S1 leaves it. The names' probabilities and margin stay those of the vertebrae as they were told
    apart; the chain's own numbering becomes the rival, one channel higher.
    """
    kept = [i for i, k in enumerate(chain.channels) if k > 0]
    channels, points = tuple(chain.channels[i] - 1 for i in kept), chain.points[kept]
    pitch_px, steps = _spacing(channels, points)
    shifts = {s: p * sacral for s, p in chain.shifts.items() if s != 1}
    shifts[1] = 1 - sacral
    return Chain(channels, points, chain.log_p[kept], pitch_px, shifts, chain.margin, steps)


def _spacing(channels: tuple[int, ...], points: Array) -> tuple[float, Array]:
    """Pitch, px, and the steps' departures from what is expected of them, in sd."""
    lengths, below = np.hypot(*np.diff(points, axis=0).T), list(channels[:-1])
    pitch_px = float(np.median(lengths / STEP_RATIO[below]))
    return pitch_px, np.log(lengths / (pitch_px * STEP_RATIO[below])) / STEP_SPREAD[below]


def _box_mass(maps: npt.NDArray[np.float32], cells: Array, radius: int) -> Array:
    """Probability in squares of 2 radius + 1 cells around `cells` (m, 2), for all maps (k, ...) -> (k, m)."""
    padded = np.zeros((len(maps), MAP_CELLS + 1, MAP_CELLS + 1))
    padded[:, 1:, 1:] = maps.cumsum(axis=1, dtype=np.float64).cumsum(axis=2)
    low = np.rint(cells).astype(int) - radius
    top, left = low.clip(0, MAP_CELLS).T
    bottom, right = (low + 2 * radius + 1).clip(0, MAP_CELLS).T
    return padded[:, bottom, right] - padded[:, top, right] - padded[:, bottom, left] + padded[:, top, left]


def candidate_points(views: list[Maps], merge_px: float, least: float = 0.004, most: int = 70) -> Array:
    """Local maxima of the chain's channels and of the last rib's in all regions, merged within `merge_px`."""
    from scipy.ndimage import maximum_filter

    found: list[tuple[float, Array]] = []
    for view in views:
        for channel in (*range(CHAIN_CHANNELS), LAST_RIB):
            p = view.maps[channel]
            tops = np.argwhere((p >= least) & (p == maximum_filter(p, 5)))
            for r, c in tops:
                rows, cols = slice(max(r - 1, 0), r + 2), slice(max(c - 1, 0), c + 2)
                near = p[rows, cols].astype(np.float64)
                grid = np.mgrid[rows.start : rows.start + near.shape[0], cols.start : cols.start + near.shape[1]]
                at = (grid * near).sum(axis=(1, 2)) / near.sum()
                found.append((float(near.sum()), view.region.to_image(at)))
    found.sort(key=lambda item: -item[0])
    kept: list[tuple[float, Array]] = []
    for weight, point in found:
        for i, (total, mean) in enumerate(kept):
            if np.hypot(*(mean - point)) < merge_px:
                kept[i] = (total + weight, (total * mean + weight * point) / (total + weight))
                break
        else:
            if len(kept) < most:
                kept.append((weight, point))
    return np.array([point for _, point in kept]).reshape(-1, 2)


def _inside(cells: Array) -> npt.NDArray[np.bool_]:
    """Which of the map points (m, 2) a region really sees, (m,)."""
    return np.asarray(((cells > 0.5) & (cells < MAP_CELLS - 1.5)).all(axis=1))


def gather(views: list[Maps], points: Array, radius_px: float) -> tuple[Array, Array]:
    """Per region: log probability of every channel at every candidate, and of its absence.

    Returns (views, channels, m) and (views, channels). A candidate outside a region counts there as the
    channel's absence from it.
    """
    at, missing = [], []
    for view in views:
        cells = view.region.to_cells(points)
        inside = _inside(cells)
        radius = max(1, round(radius_px / view.region.cell_px))
        mass = _box_mass(view.maps, cells, radius)
        absent = np.log(view.absent.astype(np.float64) + _FLOOR)
        at.append(np.where(inside[None], np.log(np.clip(mass, 0, 1) + _FLOOR), absent[:, None]))
        missing.append(absent)
    return np.array(at), np.array(missing)


def evidence_of(views: list[Maps], points: Array, radius_px: float) -> Evidence:
    """Log probabilities of all regions averaged."""
    at, missing = gather(views, points, radius_px)
    mean_at, mean_missing = at.mean(axis=0), missing.mean(axis=0)
    return Evidence(
        points, mean_at[:CHAIN_CHANNELS], mean_missing[:CHAIN_CHANNELS], mean_at[LAST_RIB],
        float(mean_missing[LAST_RIB]),
    )  # fmt: skip


def _step_scores(points: Array, pitch_px: float, channel: int) -> Array:
    """(m, m) log prior of a step from candidate i (on `channel`) up to candidate j."""
    gap = points[None, :] - points[:, None]
    length = np.hypot(gap[..., 0], gap[..., 1])
    ratio = np.log(np.maximum(length, 1e-6) / (pitch_px * STEP_RATIO[channel]))
    lean = np.degrees(np.arctan2(gap[..., 1], -gap[..., 0]))
    score = -0.5 * (ratio / STEP_SPREAD[channel]) ** 2 - 0.5 * (lean / _DIRECTION_SD_DEG) ** 2
    return np.where((np.abs(ratio) < 0.65) & (np.abs(lean) < 50), score, _IMPOSSIBLE)


def _best_path(evidence: Evidence, pitch_px: float, allowed: npt.NDArray[np.bool_]) -> tuple[float, list[int], int]:
    """Best total, its candidates caudal to cranial, and the first channel; no path gives an empty list."""
    m = len(evidence.points)
    total_missing = float(evidence.missing.sum())
    # Assigning a channel trades its absence for its place.
    gain = np.where(allowed, evidence.at - evidence.missing[:, None], _IMPOSSIBLE)
    best = np.empty((CHAIN_CHANNELS, m))
    back = np.full((CHAIN_CHANNELS, m), -1)
    for k in range(CHAIN_CHANNELS):
        best[k] = gain[k]
        if k:
            joined = best[k - 1][:, None] + _step_scores(evidence.points, pitch_px, k - 1)
            source = joined.argmax(axis=0)
            value = joined[source, np.arange(m)]
            better = value > 0
            best[k] = np.where(better, value, 0.0) + gain[k]
            back[k] = np.where(better, source, -1)
    channel, last = divmod(int(best.argmax()), m)
    top = float(best[channel, last])
    if top <= 0:
        return total_missing, [], 0
    path = [last]
    while back[channel, path[-1]] >= 0:
        path.append(int(back[channel, path[-1]]))
        channel -= 1
    return total_missing + top, path[::-1], channel


def _rib_score(evidence: Evidence, path: list[int], first: int) -> float:
    """Log probability of where the last rib is seen, given the names on the path.

    A rib seen beside one of the path's vertebrae speaks for the numbering that makes it the twelfth.
    """
    on_path = np.exp(evidence.rib[path])
    prior = np.array([LAST_RIB_PRIOR.get(first + i, _FLOOR) for i in range(len(path))])
    return float(np.log(np.exp(evidence.no_rib) + float((on_path * prior).sum()) + _FLOOR))


def _moved(
    evidence: Evidence, path: list[int], first: int, shift: int, pitch_px: float
) -> tuple[float, list[int], int]:
    """Best total, path and first channel when the path's points carry names moved by `shift`; other points
    may join at its ends."""
    m = len(evidence.points)
    allowed = np.ones((CHAIN_CHANNELS, m), dtype=bool)
    allowed[:, path] = False
    for offset, candidate in enumerate(path):
        channel = first + shift + offset
        if 0 <= channel < CHAIN_CHANNELS:
            allowed[channel] = False
            allowed[channel, candidate] = True
    total, found, start = _best_path(evidence, pitch_px, allowed)
    return total + (_rib_score(evidence, found, start) if found else float(np.log(_FLOOR))), found, start


def _numberings(evidence: Evidence, path: list[int], first: int) -> dict[int, tuple[float, list[int], int]]:
    """Total, path and first channel of the path's own numbering (0) and of its rivals."""
    lengths = np.hypot(*np.diff(evidence.points[path], axis=0).T)
    pitch_px = float(np.median(lengths / STEP_RATIO[first : first + len(path) - 1]))
    return {s: _moved(evidence, path, first, s, pitch_px) for s in SHIFTS}


def best_chain(evidence: Evidence, pitches_px: list[float], sharpness: float = 1.0) -> Chain | None:
    """The best chain over all pitches, with the probabilities of its rivals; None when nothing fits.

    sharpness: what one nat of the averaged evidence is worth in nats of truth, from calibration.
    """
    if len(evidence.points) < 2:
        return None
    everything = np.ones((CHAIN_CHANNELS, len(evidence.points)), dtype=bool)
    tried = [_best_path(evidence, pitch, everything) for pitch in pitches_px]
    _, path, first = max(tried, key=lambda item: item[0])
    if len(path) < 2:
        return None
    numberings = _numberings(evidence, path, first)
    _, renamed, start = numberings[max(SHIFTS, key=lambda s: numberings[s][0])]
    if (renamed, start) != (path, first) and len(renamed) >= 2:
        # The ribs speak for another numbering than the vertebrae's looks alone.
        path, first = renamed, start
        numberings = _numberings(evidence, path, first)
    points = evidence.points[path]
    channels = tuple(range(first, first + len(path)))
    own_pitch, steps = _spacing(channels, points)
    scores = {s: total for s, (total, _, _) in numberings.items()}
    order = sorted(scores.values(), reverse=True)
    weights = {s: float(np.exp(sharpness * (score - order[0]))) for s, score in scores.items()}
    whole = sum(weights.values())
    return Chain(
        channels, points, np.array([evidence.at[k, c] for k, c in zip(channels, path, strict=True)]), own_pitch,
        {s: w / whole for s, w in weights.items()}, scores[0] - max(v for s, v in scores.items() if s != 0),
        steps,
    )  # fmt: skip


def votes(views: list[Maps], chain: Chain, channel_range: tuple[int, int] = (0, 5)) -> list[int]:
    """The shift that each region by itself prefers for the chain's points, of the regions that can tell.

    A region can tell when it sees at least three of the points and one of them carries an anchor, the
    sacrum (channel 0) or the vertebra of the last rib.
    """
    at, missing = gather(views, chain.points, 0.33 * chain.pitch_px)
    found = []
    for v, view in enumerate(views):
        cells = view.region.to_cells(chain.points)
        inside = _inside(cells)
        anchored = any(inside[i] and k in channel_range for i, k in enumerate(chain.channels))
        anchored = anchored or view.absent[LAST_RIB] < 0.5
        if inside.sum() < 3 or not anchored:
            continue
        totals = []
        for shift in SHIFTS:
            total = float(missing[v, :CHAIN_CHANNELS].sum())
            for i, k in enumerate(chain.channels):
                channel = k + shift
                if 0 <= channel < CHAIN_CHANNELS:
                    total += at[v, channel, i] - missing[v, channel]
                else:
                    total += float(np.log(_FLOOR))
            totals.append(total)
        found.append(SHIFTS[int(np.argmax(totals))])
    return found
