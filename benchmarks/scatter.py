"""Scatter over primary behind water: the simulator's kernel beside photons followed one by one."""

from __future__ import annotations

import numpy as np
from harness.photon_transport import Slab, scatter_to_primary, water_tables
from harness.result import Result, Row, arguments, write

from fluorospread.simulation import spectrum
from fluorospread.simulation.detector import RectangularField, scatter
from fluorospread.simulation.projection import CArm
from fluorospread.simulation.spectrum import Substance

GRID_RATIO = 10.0
FILTER_MM = (3.0, 0.1)
SPACING_MM = 3.0
PIXELS = 100
THICKNESSES_CM = (15, 20, 25, 30)
# Tube voltage and side of the field at the detector: every field at 80 kV, the whole panel at the others.
BEAMS = ((80, 10), (80, 20), (80, 30), (60, 30), (110, 30))


def kernel_ratio(tube_kv: int, thickness_cm: int, field_cm: int, reference: float) -> float:
    """The simulator's scatter over primary in the middle of a field behind a slab of water."""
    carm = CArm(1000.0, 720.0, (SPACING_MM, SPACING_MM), PIXELS, PIXELS)
    beam = spectrum.bin_beam(tube_kv, *FILTER_MM)
    water = np.full((PIXELS, PIXELS), thickness_cm, dtype=np.float32)
    log_path = spectrum.log_signal(beam, {Substance.WATER: water})
    half = round(10.0 * field_cm / SPACING_MM / 2)
    middle = PIXELS // 2
    field = RectangularField(middle - half, middle + half - 1, middle - half, middle + half - 1)
    primary = np.where(field.open_mask((PIXELS, PIXELS)), np.exp(-log_path), 0.0).astype(np.float32)
    return float((scatter(primary, log_path, reference, carm) / np.exp(-log_path))[middle, middle])


def main() -> None:
    options = arguments(__doc__ or "")
    energies = spectrum.energies_kev()
    tables = water_tables(spectrum.detector_response_kev(), energies)
    photons, seeds = (2000, 2) if options.quick else (20_000, 3)
    followed: dict[tuple[int, int, int], tuple[float, ...]] = {}
    for tube_kv, field_cm in BEAMS:
        beam = spectrum.beam_spectrum(tube_kv, *FILTER_MM)
        for thickness_cm in THICKNESSES_CM:
            slab = Slab(thickness_cm, field=field_cm, grid_ratio=GRID_RATIO)
            followed[tube_kv, field_cm, thickness_cm] = tuple(
                float(scatter_to_primary(slab, energies, beam, tables, np.zeros((1, 2)), photons, seed)[0])
                for seed in range(seeds)
            )
    # The one number a recipe gives: behind 20 cm on the whole panel.
    reference = float(np.mean(followed[80, 30, 20]))
    rows = []
    for (tube_kv, field_cm, thickness_cm), values in followed.items():
        what = f"{tube_kv} kV, field {field_cm} cm, water {thickness_cm} cm"
        rows.append(Row(f"{what}: photons", "", values))
        ratio = kernel_ratio(tube_kv, thickness_cm, field_cm, reference)
        rows.append(Row(f"{what}: kernel", "", (ratio,), against=f"{what}: photons"))
    notes = (
        f"Slab in the middle of a C-arm (source 72 cm from it, detector at 100 cm), beam behind 3 mm Al and 0.1 mm Cu, "
        f"focused grid of ratio {GRID_RATIO:.0f}. The kernel is given the photons' value for 80 kV, 30 cm, 20 cm.",
        "The photons' medium is free molecules of water: coherent scatter below some 3 degrees is overestimated.",
    )
    about = (
        f"Scatter over primary in the middle of the field: {photons * seeds} photons a row in {seeds} runs, and the "
        "simulator's convolution over the same field."
    )
    write(Result("scatter", "Scatter", about, tuple(rows), notes), options.out)


if __name__ == "__main__":
    main()
