"""Triangle files (OBJ, VTK, CSV) to watertight surfaces in patient axes, and the surface work they need.

Readers return file coordinates times `to_lps`, a (3, 3) matrix that maps the file's axes and unit to
LPS millimetres. Faces are wound outwards on return.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fluorospread.errors import TruncatedImageError, UnsupportedImageError
from fluorospread.simulation.anatomy.surface import Surface

Points = npt.NDArray[np.float64]
Faces = npt.NDArray[np.int32]

# File axes (x forward, y left, z up) to LPS.
FORWARD_LEFT_UP_TO_LPS = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])
LPS_TO_LPS = np.eye(3)


def wound_outwards(vertices_mm: Points, faces: Faces) -> Surface:
    """The surface with its faces wound so that the enclosed volume is positive."""
    surface = Surface(np.ascontiguousarray(vertices_mm, dtype=np.float64), np.ascontiguousarray(faces, dtype=np.int32))
    return surface if surface.volume_mm3() >= 0 else Surface(surface.vertices_mm, surface.faces[:, ::-1].copy())


def closed(surface: Surface) -> Surface:
    """The surface with a lid on every hole: each loop of open edges is joined to its own middle.

    A beam through an open surface is counted as inside it all the way from the focal spot. An edge is open when
    it is not run through as often one way as the other; a cone over all open edges of a loop closes it whatever
    its shape.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = len(surface.vertices_mm)
    faces = surface.faces.astype(np.int64)
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    balance = coo_matrix((np.ones(len(start)), (start, end)), (count, count)).tocsr()
    open_edges = (balance - balance.T).tocoo()
    surplus = open_edges.data > 0
    if not surplus.any():
        return surface
    start, end = open_edges.row[surplus], open_edges.col[surplus]
    start, end = (np.repeat(ends, open_edges.data[surplus].astype(int)) for ends in (start, end))
    graph = coo_matrix((np.ones(len(start)), (start, end)), (count, count))
    loops, loop_of = connected_components(graph, directed=False)
    used = np.unique(loop_of[start])
    middles = np.array([surface.vertices_mm[np.unique(start[loop_of[start] == loop])].mean(axis=0) for loop in used])
    apex = np.zeros(loops, dtype=np.int64)
    apex[used] = count + np.arange(len(used))
    lids = np.column_stack([end, start, apex[loop_of[start]]])
    return Surface(np.concatenate([surface.vertices_mm, middles]), np.concatenate([faces, lids]).astype(np.int32))


def read_obj(path: Path, to_lps: npt.NDArray[np.float64]) -> Surface:
    """Triangles of a Wavefront OBJ file; texture and normal indices are ignored."""
    vertices: list[list[str]] = []
    faces: list[list[str]] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("v "):
            vertices.append(line.split()[1:4])
        elif line.startswith("f "):
            corners = [corner.split("/")[0] for corner in line.split()[1:]]
            faces.extend([corners[0], corners[i], corners[i + 1]] for i in range(1, len(corners) - 1))
    if not vertices or not faces:
        raise TruncatedImageError(f"{path} holds no triangles; expected a Wavefront OBJ surface")
    return closed(wound_outwards(np.array(vertices, dtype=np.float64) @ to_lps.T, np.array(faces, dtype=np.int32) - 1))


def read_csv_mesh(vertices_path: Path, faces_path: Path, to_lps: npt.NDArray[np.float64]) -> Surface:
    """A mesh of two CSV files: x, y, z a line, and three vertex numbers (from 1) a line."""
    vertices = np.loadtxt(vertices_path, delimiter=",", ndmin=2)
    faces = np.loadtxt(faces_path, delimiter=",", dtype=np.int64, ndmin=2) - 1
    return wound_outwards(vertices @ to_lps.T, faces.astype(np.int32))


def read_vtk_strips(path: Path, to_lps: npt.NDArray[np.float64]) -> Surface:
    """Triangle strips of a legacy binary VTK POLYDATA file.

    References
    ----------
    The VTK User's Guide, "Simple Legacy Formats": big-endian values, each strip preceded by its length.
    """
    raw = path.read_bytes()
    points_head = re.search(rb"POINTS (\d+) float\s*\n", raw)
    strips_head = re.search(rb"TRIANGLE_STRIPS (\d+) (\d+)\s*\n", raw)
    if points_head is None or strips_head is None:
        raise UnsupportedImageError(f"{path} is no legacy binary VTK file with float points and triangle strips")
    count = int(points_head[1])
    vertices = np.frombuffer(raw, ">f4", count * 3, points_head.end()).reshape(-1, 3).astype(np.float64)
    cells = np.frombuffer(raw, ">i4", int(strips_head[2]), strips_head.end()).astype(np.int32)
    triangles: list[npt.NDArray[np.int32]] = []
    at = 0
    for _ in range(int(strips_head[1])):
        strip = cells[at + 1 : at + 1 + cells[at]]
        at += int(cells[at]) + 1
        corners = np.stack([strip[:-2], strip[1:-1], strip[2:]], axis=1)
        corners[1::2] = corners[1::2][:, [1, 0, 2]]  # every second triangle of a strip is wound the other way
        triangles.append(corners)
    faces = np.concatenate(triangles)
    alive = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])
    # Points are stored once a strip; unwelded ones would part when the surface is inset.
    welded, index = np.unique(vertices.round(4), axis=0, return_inverse=True)
    return closed(wound_outwards(welded @ to_lps.T, index.reshape(-1)[faces[alive]]))


def split_parts(surface: Surface, least_faces: int = 200) -> list[Surface]:
    """Connected parts with at least `least_faces` triangles, highest (largest mean z) first."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    welded, index = np.unique(surface.vertices_mm.round(4), axis=0, return_inverse=True)
    faces = index.reshape(-1)[surface.faces].astype(np.int32)
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(welded), len(welded)))
    _, part_of = connected_components(graph, directed=False)
    parts = []
    for part in np.unique(part_of[faces[:, 0]]):
        own = faces[part_of[faces[:, 0]] == part]
        if len(own) < least_faces:
            continue
        used, renumbered = np.unique(own, return_inverse=True)
        parts.append(closed(wound_outwards(welded[used], renumbered.reshape(own.shape).astype(np.int32))))
    return sorted(parts, key=lambda s: -float(s.vertices_mm[:, 2].mean()))


def joined(surfaces: list[Surface]) -> Surface:
    """Several surfaces as one (they stay separate shells)."""
    offsets = np.cumsum([0, *(len(s.vertices_mm) for s in surfaces[:-1])])
    return Surface(
        np.concatenate([s.vertices_mm for s in surfaces]),
        np.concatenate([s.faces + np.int32(o) for s, o in zip(surfaces, offsets, strict=True)]).astype(np.int32),
    )


def vertex_normals(surface: Surface) -> Points:
    """Unit outward normals (n, 3), area-weighted over the faces at each vertex."""
    v, f = surface.vertices_mm, surface.faces
    face_normals = np.cross(v[f[:, 1]] - v[f[:, 0]], v[f[:, 2]] - v[f[:, 0]])
    normals = np.stack(
        [np.bincount(f.ravel(), weights=np.repeat(face_normals[:, axis], 3), minlength=len(v)) for axis in range(3)],
        axis=1,
    )
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray(normals / np.maximum(length, 1e-12))


def _neighbour_mean(surface: Surface, values: Points) -> Points:
    """Mean of `values` (n, k) over the vertices joined to each vertex by an edge."""
    from scipy.sparse import coo_matrix

    f, n = surface.faces, len(surface.vertices_mm)
    rows = np.concatenate([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]])
    graph = coo_matrix((np.ones(2 * len(rows)), (rows.ravel(), rows[:, ::-1].ravel())), shape=(n, n)).tocsr()
    degree = np.asarray(graph.sum(axis=1)).ravel()
    return np.asarray((graph @ values) / np.maximum(degree, 1)[:, None])


def smoothed(surface: Surface, rounds: int) -> Surface:
    """Taubin smoothing: voxel steps go, volume stays.

    References
    ----------
    Taubin, SIGGRAPH 1995, factors 0.5 and -0.53.
    """
    current = surface
    for step in range(2 * rounds):
        factor = 0.5 if step % 2 == 0 else -0.53
        pull = _neighbour_mean(current, current.vertices_mm) - current.vertices_mm
        current = Surface(current.vertices_mm + factor * pull, current.faces)
    return current


def inset(surface: Surface, depth_mm: float | npt.NDArray[np.float64]) -> Surface:
    """The surface moved inwards along its smoothed normals, for the inner side of cortical bone.

    Where a part is thinner than twice the depth the inner shell turns inside out there; its negative
    thickness is harmless because cortical thickness is floored at zero by the projector's user.
    """
    normals = _neighbour_mean(surface, vertex_normals(surface))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return Surface(surface.vertices_mm - normals * np.asarray(depth_mm).reshape(-1, 1), surface.faces)


def sampled_points(surface: Surface, count: int, rng: np.random.Generator) -> Points:
    """`count` points spread evenly over the surface, (count, 3)."""
    a, b, c = (surface.vertices_mm[surface.faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    pick = rng.choice(len(area), size=count, p=area / area.sum())
    u, v = rng.random((2, count, 1))
    over = (u + v) > 1
    u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
    return np.asarray(a[pick] + u * (b[pick] - a[pick]) + v * (c[pick] - a[pick]))
