"""Compiled loops that write rounded primitives into a signed distance field and its cortex field.

Fields are float32 arrays (nx, ny, nz) at `origin + step * index`, negative inside; lengths in mm.
"""

from __future__ import annotations

import math

import numba


@numba.njit(cache=True)
def _blend(field, cortex, i, j, k, distance, blend_mm, cortex_mm):  # type: ignore[no-untyped-def]
    """Smooth union of one value into the field (Quilez' polynomial minimum)."""
    old = field[i, j, k]
    if blend_mm <= 0.0:
        if distance < old:
            field[i, j, k] = distance
            cortex[i, j, k] = cortex_mm
        return
    share = 0.5 + 0.5 * (old - distance) / blend_mm
    if share <= 0.0:
        return
    if share >= 1.0:
        field[i, j, k] = distance
        cortex[i, j, k] = cortex_mm
        return
    field[i, j, k] = old + share * (distance - old) - blend_mm * share * (1.0 - share)
    cortex[i, j, k] += share * (cortex_mm - cortex[i, j, k])


@numba.njit(cache=True)
def _carve(field, cortex, i, j, k, distance, blend_mm, cortex_mm):  # type: ignore[no-untyped-def]
    """Smooth subtraction; the walls of the hole get a cortex of their own."""
    old = field[i, j, k]
    share = 0.5 - 0.5 * (old + distance) / blend_mm
    if share <= 0.0:
        return
    share = min(share, 1.0)
    field[i, j, k] = old + share * (-distance - old) + blend_mm * share * (1.0 - share)
    cortex[i, j, k] += share * (cortex_mm - cortex[i, j, k])


@numba.njit(cache=True)
def _elliptic_distance(along, v, w, radius_v, radius_w):  # type: ignore[no-untyped-def]
    """First-order distance to an ellipsoid whose third radius is the smaller of the two."""
    radius_u = min(radius_v, radius_w)
    a, b, c = along / radius_u, v / radius_v, w / radius_w
    k0 = math.sqrt(a * a + b * b + c * c)
    a, b, c = a / radius_u, b / radius_v, c / radius_w
    k1 = math.sqrt(a * a + b * b + c * c)
    if k1 < 1e-6:
        return -min(radius_v, radius_w)
    return k0 * (k0 - 1.0) / k1


@numba.njit(cache=True)
def splat_capsule(field, cortex, origin, step, start, frame, length, radii, limits, blend_mm, cortex_mm, cut):  # type: ignore[no-untyped-def]
    """radii: v at start, w at start, v at end, w at end; limits: index box (i0, i1, j0, j1, k0, k1)."""
    for i in range(limits[0], limits[1]):
        px = origin[0] + i * step - start[0]
        for j in range(limits[2], limits[3]):
            py = origin[1] + j * step - start[1]
            for k in range(limits[4], limits[5]):
                pz = origin[2] + k * step - start[2]
                u = px * frame[0, 0] + py * frame[0, 1] + pz * frame[0, 2]
                t = min(max(u / length, 0.0), 1.0) if length > 0.0 else 0.0
                v = px * frame[1, 0] + py * frame[1, 1] + pz * frame[1, 2]
                w = px * frame[2, 0] + py * frame[2, 1] + pz * frame[2, 2]
                radius_v = radii[0] + t * (radii[2] - radii[0])
                radius_w = radii[1] + t * (radii[3] - radii[1])
                distance = _elliptic_distance(u - t * length, v, w, radius_v, radius_w)
                if cut:
                    _carve(field, cortex, i, j, k, distance, blend_mm, cortex_mm)
                else:
                    _blend(field, cortex, i, j, k, distance, blend_mm, cortex_mm)


@numba.njit(cache=True)
def splat_balls(field, cortex, origin, step, centers, radii, margin, cortexes):  # type: ignore[no-untyped-def]
    ni, nj, nk = field.shape
    for n in range(centers.shape[0]):
        reach = radii[n] + margin
        i0 = max(0, int((centers[n, 0] - reach - origin[0]) / step))
        i1 = min(ni, int((centers[n, 0] + reach - origin[0]) / step) + 2)
        j0 = max(0, int((centers[n, 1] - reach - origin[1]) / step))
        j1 = min(nj, int((centers[n, 1] + reach - origin[1]) / step) + 2)
        k0 = max(0, int((centers[n, 2] - reach - origin[2]) / step))
        k1 = min(nk, int((centers[n, 2] + reach - origin[2]) / step) + 2)
        for i in range(i0, i1):
            dx = origin[0] + i * step - centers[n, 0]
            for j in range(j0, j1):
                dy = origin[1] + j * step - centers[n, 1]
                for k in range(k0, k1):
                    dz = origin[2] + k * step - centers[n, 2]
                    distance = math.sqrt(dx * dx + dy * dy + dz * dz) - radii[n]
                    _blend(field, cortex, i, j, k, distance, 0.0, cortexes[n])


@numba.njit(cache=True)
def splat_body(field, cortex, origin, step, half, waist, exponent, plates, cortexes, blend_mm):  # type: ignore[no-untyped-def]
    """Vertebral body about the grid's origin.

    half: half width, half depth at the end plates, half height; waist: share of the width and depth
    left at mid height; plates: concavity top, concavity bottom, wedge (height gained per mm forwards),
    lateral wedge (per mm leftwards); cortexes: wall, end plate, rim.
    """
    ni, nj, nk = field.shape
    for i in range(ni):
        x = origin[0] + i * step
        for j in range(nj):
            y = origin[1] + j * step
            if abs(x) > half[0] + 5.0 or abs(y) > half[1] + 5.0:
                continue
            for k in range(nk):
                z = origin[2] + k * step
                height = half[2] - 0.5 * plates[2] * y + 0.5 * plates[3] * x
                level = z / max(height, 1.0)
                if abs(level) > 1.6:
                    continue
                flare = min(abs(level) ** 2.6, 1.2)
                a = half[0] * (waist + (1.0 - waist) * flare)
                b = half[1] * (waist + 0.03 + (0.97 - waist) * flare)
                ax = abs(x) / a
                # A body's back is flatter than its front.
                power = exponent if y < 0.0 else exponent + 0.8
                ay = abs(y) / b
                rho = (ax**power + ay**power) ** (1.0 / power)
                if rho < 1e-4:
                    lateral = -min(a, b)
                else:
                    gx = (ax / rho) ** (power - 1.0) / a
                    gy = (ay / rho) ** (power - 1.0) / b
                    lateral = (rho - 1.0) / math.sqrt(gx * gx + gy * gy)
                dish = max(0.0, 1.0 - (rho / 0.86) ** 3.0) if rho < 0.86 else 0.0
                sink = plates[0] * dish if z > 0.0 else plates[1] * dish
                axial = abs(z) - height + sink
                share = min(max(0.5 + 0.5 * (axial - lateral) / 2.4, 0.0), 1.0)
                distance = lateral + share * (axial - lateral) + 2.4 * share * (1.0 - share)
                wall = cortexes[0] + (cortexes[2] - cortexes[0]) * max(0.0, abs(level) - 0.75) * 4.0 * (share < 1.0)
                _blend(field, cortex, i, j, k, distance, blend_mm, wall + share * (cortexes[1] - wall))
