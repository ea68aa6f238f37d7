"""How parts of a matched image moved by themselves: smooth displacements in tiles, from coarse to fine.

Each tile solves the same linearised match as the whole (structure_points.residual), sharing its equations with its
neighbours; a tile without structure stays with what is around it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.structure_points import Matrix, StructurePair, residual

# Tiles along each side, level by level: some 40, 20 and 10 mm of a lumbar field. What lies at another depth moves
# otherwise when the patient turns, so that neighbouring edges of one vertebra differ by up to a millimetre.
_TILES = (6, 12, 24)
# Neighbours count with a Gaussian of this sd in tiles; equations weaker than this share of the mean are held back.
_SHARED_TILES, _RIDGE = 0.8, 0.05
_FEWEST_POINTS = 50


def tile_displacements(pair: StructurePair, matrix: Matrix) -> tuple[npt.NDArray[np.float64], float]:
    """Displacement beyond `matrix` on a grid (tiles, tiles, 2), px, and the rms that coarse tiles leave unexplained.

    The displacement is over the reference: a point's place in the measured image is `matrix @ point` plus it.
    """
    from scipy import ndimage

    grid = np.zeros((_TILES[0], _TILES[0], 2))
    left_px = 0.1
    for tiles in _TILES:
        if tiles != len(grid):
            grid = np.stack(
                [
                    ndimage.zoom(grid[..., k], tiles / len(grid), order=1, mode="nearest", grid_mode=True)
                    for k in (0, 1)
                ],
                axis=-1,
            )
        terms = _normal_equations(pair, matrix, grid)
        shared = np.stack(
            [ndimage.gaussian_filter(terms[..., k], _SHARED_TILES, mode="constant") for k in range(6)], axis=-1
        )
        moved = _solve(shared, _RIDGE)
        if tiles == _TILES[0]:
            enough = terms[..., 5] >= _FEWEST_POINTS
            if not enough.any():
                return grid, left_px
            left_px = float(np.sqrt(np.median(((_solve(terms, 0.02) - moved)[enough] ** 2).sum(axis=1)) / 2.0))
        grid = grid - moved
    return grid, left_px


def _normal_equations(pair: StructurePair, matrix: Matrix, grid: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(tiles, tiles, 6): sums of the slopes' products, of slope times residual, and the number of points."""
    from scipy import ndimage

    tiles = len(grid)
    places = pair.points / np.array(pair.reference.shape) * tiles
    between = ((pair.points + 0.5) / np.array(pair.reference.shape) * tiles - 0.5).T
    beyond = np.stack([ndimage.map_coordinates(grid[..., k], between, order=1, mode="nearest") for k in (0, 1)], axis=1)
    left, weight = residual(pair, matrix, beyond)
    nearest = np.minimum(places.astype(int), tiles - 1)
    index = nearest[:, 0] * tiles + nearest[:, 1]
    g_r, g_c = pair.gradient[:, 0], pair.gradient[:, 1]
    terms = (g_r * g_r, g_r * g_c, g_c * g_c, g_r * left, g_c * left, np.ones_like(g_r))
    sums = [np.bincount(index, weight * term, minlength=tiles * tiles) for term in terms]
    return np.stack(sums, axis=-1).reshape(tiles, tiles, 6).astype(np.float64)


def _solve(terms: npt.NDArray[np.float64], held: float) -> npt.NDArray[np.float64]:
    """Displacement of each tile, held back by a share `held` of the mean equation."""
    ridge = held * float(np.mean(terms[..., 0] + terms[..., 2])) + 1e-30
    a, b, d = terms[..., 0] + ridge, terms[..., 1], terms[..., 2] + ridge
    determinant = a * d - b * b
    solution: npt.NDArray[np.float64] = np.stack(
        [
            (d * terms[..., 3] - b * terms[..., 4]) / determinant,
            (a * terms[..., 4] - b * terms[..., 3]) / determinant,
        ],
        axis=-1,
    )
    return solution
