"""Computes the tables beside this file: `python -m fluorospread.simulation.tables.bake`.

Needs SpekPy and xraydb, which only developers install; the simulator reads the tables instead. Energies
are the centres of 1 keV bins. Tube spectra are those of a tungsten anode behind its inherent 1 mm of
aluminium, so that any thicker filter follows exactly by attenuation.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

ENERGIES_KEV = np.arange(10.5, 110.0, 1.0)
TUBE_KV = range(60, 111)
INHERENT_AL_MM = 1.0
ANODE_ANGLE_DEG = 12.0

# Mass fractions. Tissues: ICRU Report 44 (1989), as tabulated by NIST (Hubbell and Seltzer, NISTIR 5632,
# table 2); marrow: the same report. Steel: AISI 304, the usual one of spinal needles.
COMPOSITIONS: dict[str, dict[str, float]] = {
    "water": {"H": 0.1119, "O": 0.8881},
    "soft-tissue": {
        "H": 0.102, "C": 0.143, "N": 0.034, "O": 0.708, "Na": 0.002, "P": 0.003, "S": 0.003, "Cl": 0.002, "K": 0.003,
    },
    "muscle": {
        "H": 0.102, "C": 0.143, "N": 0.034, "O": 0.710, "Na": 0.001, "P": 0.002, "S": 0.003, "Cl": 0.001, "K": 0.004,
    },
    "fat": {"H": 0.114, "C": 0.598, "N": 0.007, "O": 0.278, "Na": 0.001, "S": 0.001, "Cl": 0.001},
    "cortical-bone": {
        "H": 0.034, "C": 0.155, "N": 0.042, "O": 0.435, "Na": 0.001, "Mg": 0.002, "P": 0.103, "S": 0.003, "Ca": 0.225,
    },
    "red-marrow": {
        "H": 0.105, "C": 0.414, "N": 0.034, "O": 0.439, "P": 0.001, "S": 0.002, "Cl": 0.002, "K": 0.002, "Fe": 0.001,
    },
    "yellow-marrow": {"H": 0.115, "C": 0.644, "N": 0.007, "O": 0.231, "Na": 0.001, "S": 0.001, "Cl": 0.001},
    "air": {"C": 0.0001, "N": 0.7553, "O": 0.2318, "Ar": 0.0128},
    "hydroxyapatite": {"H": 0.0020, "O": 0.4141, "P": 0.1850, "Ca": 0.3989},
    "calcium-carbonate": {"C": 0.1200, "O": 0.4796, "Ca": 0.4004},
    "barium-sulfate": {"O": 0.2742, "S": 0.1374, "Ba": 0.5884},
    "polypropylene": {"H": 0.1437, "C": 0.8563},
    "steel": {"Fe": 0.71, "Cr": 0.19, "Ni": 0.095, "Si": 0.005},
    "titanium": {"Ti": 1.0},
    "aluminium": {"Al": 1.0},
    "copper": {"Cu": 1.0},
    "iodine": {"I": 1.0},
    "caesium-iodide": {"Cs": 0.5115, "I": 0.4885},
}  # fmt: skip


def mass_attenuation_cm2_g(composition: dict[str, float]) -> npt.NDArray[np.float64]:
    """Total mass attenuation (coherent scatter included) of a mixture at `ENERGIES_KEV`, cm²/g."""
    import xraydb

    total = sum(composition.values())
    parts = [share / total * xraydb.mu_elam(element, ENERGIES_KEV * 1000.0) for element, share in composition.items()]
    return np.asarray(np.sum(parts, axis=0), dtype=np.float64)


def tube_spectrum(tube_kv: int) -> npt.NDArray[np.float64]:
    """Photon fluence per keV at `ENERGIES_KEV`, scaled to a sum of 1."""
    import spekpy

    spek = spekpy.Spek(kvp=tube_kv, th=ANODE_ANGLE_DEG, targ="W", dk=1.0)
    spek.filter("Al", INHERENT_AL_MM)
    energies, fluence = spek.get_spectrum(edges=False)
    full = np.interp(ENERGIES_KEV, energies, fluence, left=0.0, right=0.0)
    return np.asarray(full / full.sum(), dtype=np.float64)


def _write(path: Path, header: list[str], columns: list[npt.NDArray[np.float64]]) -> None:
    rows = [",".join(f"{value:.6g}" for value in row) for row in np.stack(columns, axis=1)]
    path.write_text("\n".join([",".join(header), *rows]) + "\n", encoding="ascii")


def main() -> None:
    """Write both tables next to this file."""
    folder = Path(__file__).parent
    _write(
        folder / "mass_attenuation_cm2_g.csv",
        ["energy_kev", *COMPOSITIONS],
        [ENERGIES_KEV, *(mass_attenuation_cm2_g(c) for c in COMPOSITIONS.values())],
    )
    _write(
        folder / "tungsten_spectra.csv",
        ["energy_kev", *(str(kv) for kv in TUBE_KV)],
        [ENERGIES_KEV, *(tube_spectrum(kv) for kv in TUBE_KV)],
    )


if __name__ == "__main__":
    main()
