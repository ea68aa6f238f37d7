"""Photons through a slab of water, followed one by one: how much scatter reaches a detector beside the primary.

Photoelectric absorption, Compton and coherent scatter, any number of times, to 5 keV. Cross sections and form
factors are xraydb's (Elam; Waasmaier and Kirfel). Coherent angles follow the squared form factors of free
atoms; Compton's follow Klein and Nishina times the incoherent scattering function, taken as Z - F²/Z (exact
for hydrogen). At every collision the chance to reach each detector point unscattered is scored (collision
density estimator), so a point needs no area. The order of interference in liquid water, Doppler broadening
and fluorescence are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LEAST_KEV = 5.0
# Momentum transfer sin(theta/2)/lambda, 1/Angstrom, at which form factors are tabulated.
_MOMENTA = np.linspace(0.0, 10.0, 2001)


@dataclass(frozen=True)
class Tables:
    """Water by energy: 1/cm of all interactions, shares of absorption and of coherent scatter, (n,) each at
    whole keV from `_LEAST_KEV`; squared form factor and incoherent function of a molecule over `_MOMENTA`;
    detector signal per photon (n,)."""

    per_cm: Floats
    absorbed: Floats
    coherent: Floats
    form_squared: Floats
    incoherent: Floats
    response: Floats


def water_tables(response_kev: Floats, energies_kev: Floats) -> Tables:
    """Tables for photons up to 120 keV; `response_kev` is the detector's signal at `energies_kev`."""
    import xraydb

    energies = np.arange(_LEAST_KEV, 121.0)
    kinds = {}
    for kind in ("photo", "coh", "incoh"):
        h, o = (np.array(xraydb.mu_elam(element, energies * 1000.0, kind=kind)) for element in "HO")
        kinds[kind] = 0.1119 * h + 0.8881 * o
    total = sum(kinds.values())
    q = np.minimum(_MOMENTA, 6.0)
    f_h, f_o = (np.asarray(xraydb.f0(element, q)) for element in "HO")
    return Tables(
        total,
        kinds["photo"] / total,
        kinds["coh"] / total,
        2 * f_h**2 + f_o**2,
        2 * (1 - np.minimum(f_h, 1.0) ** 2) + (8 - np.minimum(f_o, 8.0) ** 2 / 8),
        np.interp(energies, energies_kev, response_kev),
    )


@numba.njit(cache=True)
def _at(table: Floats, position: float) -> float:
    low = min(max(int(position), 0), len(table) - 2)
    share = min(max(position - low, 0.0), 1.0)
    return table[low] * (1 - share) + table[low + 1] * share


@numba.njit(cache=True)
def _shape(cosine: float, energy: float, compton: bool, form: Floats, incoherent: Floats) -> float:
    """Differential cross section up to a factor that depends on the energy alone."""
    q = energy / 12.39842 * math.sqrt(max(0.5 * (1 - cosine), 0.0))
    if compton:
        k = 1.0 / (1.0 + energy / 510.999 * (1 - cosine))
        return k * k * (k + 1 / k - 1 + cosine * cosine) * _at(incoherent, q * 200.0)
    return (1 + cosine * cosine) * _at(form, q * 200.0)


@numba.njit(cache=True)
def _norms(form: Floats, incoherent: Floats) -> Floats:
    """Integral of `_shape` over all directions, (2, 121) by kind (coherent, Compton) and whole keV."""
    out = np.zeros((2, 121))
    steps = 4000
    for kind in range(2):
        for kev in range(5, 121):
            total = 0.0
            for i in range(steps):
                # Steps even in sqrt(1 - cosine) follow the forward peak.
                root = (i + 0.5) / steps * math.sqrt(2.0)
                total += _shape(1 - root * root, float(kev), kind == 1, form, incoherent) * 2 * root
            out[kind, kev] = 2 * math.pi * total * math.sqrt(2.0) / steps
    return out


@numba.njit(cache=True)
def _follow(
    photons: int,
    energies: Floats,
    per_cm: Floats,
    absorbed: Floats,
    coherent: Floats,
    form: Floats,
    incoherent: Floats,
    response: Floats,
    norms: Floats,
    slab: tuple[float, float, float],
    detector: tuple[float, float, float],
    points: Floats,
    rng: np.random.Generator,
) -> tuple[Floats, float]:
    """Scatter signal at each detector point and primary signal at the middle, per photon and cm².

    slab: first and last depth and half width (cm); detector: depth, half side of the field there (cm), and
    ratio of its grid (0: none).
    """
    scored = np.zeros(len(points))
    primary = 0.0
    depth, half, grid = detector
    area = 4 * half * half
    for n in range(photons):
        energy = energies[n]
        # A point of the field, weighted so that fluence is that of an even point source.
        px, py = (2 * rng.random() - 1) * half, (2 * rng.random() - 1) * half
        away = math.sqrt(px * px + py * py + depth * depth)
        weight = (depth / away) ** 3
        dx, dy, dz = px / away, py / away, depth / away
        mu = _at(per_cm, energy - 5.0)
        primary += _at(response, energy - 5.0) * math.exp(-mu * (slab[1] - slab[0])) / area
        x, y, z = dx / dz * slab[0], dy / dz * slab[0], slab[0]
        while True:
            mu = _at(per_cm, energy - 5.0)
            step = -math.log(1.0 - rng.random()) / mu
            x, y, z = x + step * dx, y + step * dy, z + step * dz
            if z < slab[0] or z > slab[1] or abs(x) > slab[2] or abs(y) > slab[2]:
                break
            # Absorption thins the photon out instead of ending it.
            weight *= 1 - _at(absorbed, energy - 5.0)
            share = _at(coherent, energy - 5.0) / (1 - _at(absorbed, energy - 5.0))
            for kind in range(2):
                chance = share if kind == 0 else 1 - share
                norm = _at(norms[kind], energy)
                for i in range(len(points)):
                    tx, ty, tz = points[i, 0] - x, points[i, 1] - y, depth - z
                    far = math.sqrt(tx * tx + ty * ty + tz * tz)
                    cosine = (tx * dx + ty * dy + tz * dz) / far
                    after = energy
                    if kind == 1:
                        after = energy / (1.0 + energy / 510.999 * (1 - cosine))
                    if after < 5.0:
                        continue
                    inside = (slab[1] - z) * far / tz
                    reach = math.exp(-_at(per_cm, after - 5.0) * inside)
                    density = _shape(cosine, energy, kind == 1, form, incoherent) / norm
                    # Strips run along y and point at the source: a photon that leans sees less of the slot.
                    passed = max(1.0 - grid * abs(tx / tz - points[i, 0] / depth), 0.0)
                    # Fluence through the detector's plane: cos over r².
                    signal = _at(response, after - 5.0) * tz / far**3
                    scored[i] += weight * chance * density * reach * passed * signal
            compton = rng.random() >= share
            cosine = _draw_cosine(energy, compton, form, incoherent, rng)
            dx, dy, dz = _turned(dx, dy, dz, cosine, rng)
            if compton:
                energy = energy / (1.0 + energy / 510.999 * (1 - cosine))
            if energy < 5.0:
                break
            if weight < 0.02:
                if rng.random() < 0.2:
                    weight *= 5.0
                else:
                    break
    return scored / photons, primary / photons


@numba.njit(cache=True)
def _draw_cosine(energy: float, compton: bool, form: Floats, incoherent: Floats, rng: np.random.Generator) -> float:
    """Cosine of a scattering angle, by inverting the shape's sum over steps of sqrt(1 - cosine)."""
    steps = 160
    total = 0.0
    for i in range(steps):
        root = (i + 0.5) / steps * 1.4142135623730951
        total += _shape(1 - root * root, energy, compton, form, incoherent) * root
    wanted = rng.random() * total
    for i in range(steps):
        root = (i + 0.5) / steps * 1.4142135623730951
        wanted -= _shape(1 - root * root, energy, compton, form, incoherent) * root
        if wanted <= 0:
            root = (i + rng.random()) / steps * 1.4142135623730951
            return 1 - root * root
    return -1.0


@numba.njit(cache=True)
def _turned(dx: float, dy: float, dz: float, cosine: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """A direction turned by an angle about a random axis."""
    sine = math.sqrt(max(1 - cosine * cosine, 0.0))
    phi = 2 * math.pi * rng.random()
    a, b = sine * math.cos(phi), sine * math.sin(phi)
    flat = math.sqrt(dx * dx + dy * dy)
    if flat < 1e-9:
        return a, b, cosine * (1.0 if dz > 0 else -1.0)
    return (
        dx * cosine + (dx * dz * a - dy * b) / flat,
        dy * cosine + (dy * dz * a + dx * b) / flat,
        dz * cosine - flat * a,
    )


@dataclass(frozen=True)
class Slab:
    """A water slab under a C-arm, lengths in cm: its thickness and its middle's distance from the source, the
    detector's distance, side of the square field there, half the slab's width, and the ratio of a focused
    grid with opaque strips (0: no grid; what strips take from the primary they take from scatter, too)."""

    thickness: float
    middle: float = 72.0
    detector: float = 100.0
    field: float = 30.0
    half_width: float = 20.0
    grid_ratio: float = 0.0


def scatter_to_primary(
    slab: Slab, energies_kev: Floats, spectrum: Floats, tables: Tables, points_cm: Floats, photons: int, seed: int
) -> Floats:
    """Scatter at detector points (k, 2) over the primary in the middle of the field, (k,)."""
    rng = np.random.default_rng(seed)
    drawn = rng.choice(energies_kev, photons, p=spectrum / spectrum.sum())
    norms = _norms(tables.form_squared, tables.incoherent)
    first = slab.middle - 0.5 * slab.thickness
    scored, primary = _follow(
        photons, drawn, tables.per_cm, tables.absorbed, tables.coherent, tables.form_squared, tables.incoherent,
        tables.response, norms, (first, first + slab.thickness, slab.half_width),
        (slab.detector, 0.5 * slab.field, slab.grid_ratio), np.ascontiguousarray(points_cm, dtype=np.float64), rng,
    )  # fmt: skip
    return np.asarray(scored / primary)
