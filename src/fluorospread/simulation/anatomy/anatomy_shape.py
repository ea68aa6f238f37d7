"""Everything that makes one simulated person, as one frozen object with units and ranges.

Body spacing and sagittal tilt follow 2,116 spines of the ImFusion VID key points (supine CT, body
centres by level); other ranges are chosen to cover adults seen on lumbar films.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from fluorospread.simulation.anatomy.sacrum_pelvis import PelvisShape
from fluorospread.simulation.anatomy.soft_tissue import SoftTissueShape
from fluorospread.simulation.anatomy.vertebra_shape import SideShape, VertebraShape, typical_vertebra

_THORACIC = ("T9", "T10", "T11", "T12")

# Sagittal tilt (deg, front down positive) and disc height below (mm) of the average spine.
_TILT_DEG = {"T9": -12.0, "T10": -13.0, "T11": -14.0, "T12": -14.5, "L1": -15.5, "L2": -15.0, "L3": -9.5, "L4": -0.5,
             "L5": 10.0, "L6": 18.0}  # fmt: skip
_DISC_MM = {"T9": 4.6, "T10": 5.2, "T11": 6.8, "T12": 8.5, "L1": 9.6, "L2": 10.2, "L3": 11.2, "L4": 11.4, "L5": 9.4,
            "L6": 8.5}  # fmt: skip
# Facet angle from the sagittal plane (deg) and half distance between joints (mm), named by the bone below.
_FACET_DEG = {"T10": 70.0, "T11": 66.0, "T12": 55.0, "L1": 24.0, "L2": 27.0, "L3": 33.0, "L4": 42.0, "L5": 48.0,
              "L6": 50.0, "S1": 53.0}  # fmt: skip
_FACET_X = {"T10": 9.5, "T11": 9.5, "T12": 9.8, "L1": 10.8, "L2": 11.7, "L3": 13.0, "L4": 14.8, "L5": 17.5, "L6": 18.5,
            "S1": 20.0}  # fmt: skip


def level_names(lumbar_count: int) -> tuple[str, ...]:
    """Vertebrae from T9 to the last lumbar one."""
    return _THORACIC + tuple(f"L{n}" for n in range(1, lumbar_count + 1))


@dataclass(frozen=True)
class FacetShape:
    """Facet joint pair above one bone: angle from the sagittal plane (deg, left and right), half
    distance (mm), gap (0.8-3 mm), hypertrophy (1-1.6), sclerosis (extra cortex, 0-2.5 mm)."""

    angle_deg: tuple[float, float]
    half_distance_mm: float
    gap_mm: float = 2.0
    hypertrophy: tuple[float, float] = (1.0, 1.0)
    sclerosis_mm: float = 0.0


@dataclass(frozen=True)
class RibsShape:
    """present: "both", "left", "right" or "none" for the twelfth; twelfth_sweep_deg: 20 short to 62 long;
    drop: descent in mm per degree round the chest (0.8-1.5); chest_half_width_mm (110-150)."""

    twelfth: str = "both"
    twelfth_sweep_deg: float = 50.0
    drop_mm_per_deg: float = 1.15
    chest_half_width_mm: float = 128.0
    thickness: float = 1.0


@dataclass(frozen=True)
class AnatomyShape:
    """A person, before any surface is made.

    scale: overall size (0.88-1.12); vertebrae, tilt_deg, disc_mm, coronal_deg, rotation_deg: by level
    T9..L4/L5/L6, unscaled; facets: by the bone below; cobb_deg (0-40) is recorded for information;
    trabecular_g_cm3: 1.05 osteoporotic to 1.25 dense; transitional: last lumbar vertebra broadened
    towards the ala.
    """

    lumbar_count: int
    scale: float
    vertebrae: dict[str, VertebraShape]
    tilt_deg: dict[str, float]
    disc_mm: dict[str, float]
    coronal_deg: dict[str, float]
    rotation_deg: dict[str, float]
    facets: dict[str, FacetShape]
    sacral_slope_deg: float = 41.0
    pelvis: PelvisShape = field(default_factory=PelvisShape)
    ribs: RibsShape = field(default_factory=RibsShape)
    soft: SoftTissueShape = field(default_factory=SoftTissueShape)
    trabecular_g_cm3: float = 1.14
    cobb_deg: float = 0.0
    transitional: bool = False

    def __post_init__(self) -> None:
        if self.lumbar_count not in (4, 5, 6):
            raise ValueError(f"lumbar_count must be 4, 5 or 6, got {self.lumbar_count}")
        missing = [n for n in level_names(self.lumbar_count) if n not in self.vertebrae]
        if missing:
            raise ValueError(f"no vertebra shape for {', '.join(missing)}")

    @staticmethod
    def average(lumbar_count: int = 5) -> AnatomyShape:
        """An average, left-right symmetric adult."""
        names = level_names(lumbar_count)
        vertebrae = {n: typical_vertebra(n) for n in names}
        tilt = {n: _TILT_DEG[n] for n in names}
        if lumbar_count == 4:
            # The last lumbar vertebra has the form and tilt of a fifth one.
            vertebrae["L4"] = replace(typical_vertebra("L5"), level="L4", body_width=49.0)
            tilt["L3"], tilt["L4"] = -3.0, 10.0
        facets = {n: FacetShape((_FACET_DEG[n], _FACET_DEG[n]), _FACET_X[n]) for n in (*names[1:], "S1")}
        zero = dict.fromkeys(names, 0.0)
        return AnatomyShape(
            lumbar_count, 1.0, vertebrae, tilt, {n: _DISC_MM[n] for n in names}, zero, dict(zero), facets
        )

    @staticmethod
    def sample(
        rng: np.random.Generator,
        lumbar_count: int | None = None,
        asymmetry: float = 1.0,
        degeneration: float | None = None,
    ) -> AnatomyShape:
        """A random adult.

        lumbar_count: drawn (93 % five, 4 % six, 3 % four) where not given; asymmetry: 0 is exactly
        symmetric; degeneration: 0 none to 1 severe, drawn where not given.
        """
        count = int(rng.choice([4, 5, 6], p=[0.03, 0.93, 0.04])) if lumbar_count is None else lumbar_count
        grade = float(rng.beta(1.1, 1.8)) if degeneration is None else degeneration
        base = AnatomyShape.average(count)
        pedicle, process = rng.normal(1.0, 0.07), rng.normal(1.0, 0.08)
        slender = rng.normal(1.0, 0.05)
        porosity = float(rng.beta(1.5, 2.0))
        transitional = bool(rng.random() < 0.06)
        vertebrae, facets, discs = {}, {}, {}
        for name in level_names(count):
            shape = _vary_vertebra(base.vertebrae[name], rng, (slender, pedicle, process), asymmetry, grade)
            if transitional and name == f"L{count}":
                shape = _transitional(shape, rng, asymmetry)
            vertebrae[name] = replace(shape, cortex=0.85 - 0.4 * porosity, end_plate=1.2 - 0.5 * porosity)
            wear = rng.beta(1.0, 4.0) * grade * (1.5 if name in ("L3", "L4", "L5", "L6") else 0.8)
            discs[name] = base.disc_mm[name] * float(np.clip(rng.normal(1.0, 0.1) - wear, 0.35, 1.35))
        for name, facet in base.facets.items():
            facets[name] = _vary_facet(facet, rng, asymmetry, grade)
        tilt, slope = _sample_tilt(base, rng)
        cobb, coronal, rotation = _sample_scoliosis(count, rng, asymmetry)
        return AnatomyShape(
            lumbar_count=count,
            scale=float(np.clip(rng.normal(1.0, 0.055), 0.87, 1.14)),
            vertebrae=vertebrae, tilt_deg=tilt, disc_mm=discs, coronal_deg=coronal, rotation_deg=rotation,
            facets=facets, sacral_slope_deg=slope, pelvis=_sample_pelvis(rng, asymmetry),
            ribs=_sample_ribs(rng, asymmetry),
            soft=_sample_soft(rng), trabecular_g_cm3=float(1.06 + 0.16 * (1.0 - porosity) + rng.normal(0, 0.01)),
            cobb_deg=cobb, transitional=transitional,
        )  # fmt: skip


def _vary_vertebra(
    shape: VertebraShape,
    rng: np.random.Generator,
    person: tuple[float, float, float],
    asymmetry: float,
    grade: float,
) -> VertebraShape:
    slender, pedicle, process = person
    wobble = rng.normal(1.0, 0.025, 9)
    sides = []
    shared = rng.normal(1.0, 0.09)
    for draw in rng.normal(0.0, 1.0, (2, 2)):
        spurs = [float(max(0.0, rng.gamma(1.2, 2.8) * grade * rng.binomial(1, 0.5))) for _ in range(2)]
        sides.append(
            SideShape(
                float(np.clip(shared + asymmetry * 0.10 * draw[0], 0.45, 1.3)),
                float(asymmetry * 2.2 * draw[1]),
                min(spurs[0], 8.0),
                min(spurs[1], 8.0),
            )
        )
    if asymmetry == 0.0:
        sides[1] = sides[0]
    crush = 1.0 - (rng.uniform(0.1, 0.35) if rng.random() < 0.04 * (1 + 2 * grade) else 0.0)
    return replace(
        shape,
        body_width=shape.body_width * slender * wobble[0],
        body_depth=shape.body_depth * slender * wobble[1],
        body_height=shape.body_height * wobble[2] * (0.4 + 0.6 * crush),
        pedicle_x=shape.pedicle_x * slender * wobble[3],
        pedicle_width=shape.pedicle_width * pedicle * wobble[4],
        pedicle_height=shape.pedicle_height * wobble[5] * rng.normal(1.0, 0.04),
        tp_tip_x=shape.tp_tip_x * process * wobble[6],
        tp_z=shape.tp_z + rng.normal(0.0, 0.9),
        tp_rise=shape.tp_rise + rng.normal(0.0, 2.2),
        tp_radius=shape.tp_radius * rng.normal(1.0, 0.1),
        spinous_drop=shape.spinous_drop + rng.normal(0.0, 2.0),
        spinous_length=shape.spinous_length * rng.normal(1.0, 0.1),
        waist=float(np.clip(shape.waist + rng.normal(0.0, 0.025), 0.73, 0.92)),
        wedge=shape.wedge - (1.0 - crush) * 0.5 + rng.normal(0.0, 0.02),
        lateral_wedge=asymmetry * rng.normal(0.0, 0.012),
        concavity=(float(rng.uniform(0.8, 2.8)), float(rng.uniform(1.0, 3.2))),
        spinous_shift=asymmetry * rng.normal(0.0, 1.6),
        tp_sag=float(rng.normal(0.6, 0.5)),
        roughness=0.3 * float(asymmetry > 0.0),
        seed=int(rng.integers(0, 2**31)),
        left=sides[0],
        right=sides[1],
    )


def _transitional(shape: VertebraShape, rng: np.random.Generator, asymmetry: float) -> VertebraShape:
    """Broad transverse processes reaching for the ala, on one side or both."""
    broad = SideShape(0.95, -6.0)
    one_sided = asymmetry > 0.0 and rng.random() < 0.5
    return replace(
        shape,
        tp_radius=shape.tp_radius * (1.25 if one_sided else 1.5),
        left=broad,
        right=shape.right if one_sided else broad,
    )


def _vary_facet(facet: FacetShape, rng: np.random.Generator, asymmetry: float, grade: float) -> FacetShape:
    angle = facet.angle_deg[0] + rng.normal(0.0, 6.0)
    tropism = asymmetry * rng.normal(0.0, 5.0)
    growth = 1.0 + 0.5 * grade * rng.beta(1.3, 2.5)
    uneven = asymmetry * rng.uniform(0.0, 0.15) * grade
    return FacetShape(
        (float(np.clip(angle + tropism, 8.0, 80.0)), float(np.clip(angle - tropism, 8.0, 80.0))),
        float(facet.half_distance_mm * rng.normal(1.0, 0.05)),
        float(np.clip(rng.normal(2.0, 0.4) - 0.8 * grade, 0.7, 3.0)),
        (float(growth + uneven), float(growth)),
        float(2.2 * grade * rng.random()),
    )


def _sample_tilt(base: AnatomyShape, rng: np.random.Generator) -> tuple[dict[str, float], float]:
    lordosis = rng.normal(1.0, 0.22)
    whole = rng.normal(0.0, 4.0)
    tilt = {n: float(lordosis * t + whole + rng.normal(0.0, 1.6)) for n, t in base.tilt_deg.items()}
    last = tilt[f"L{base.lumbar_count}"]
    slope = float(np.clip(last + rng.normal(28.0, 5.0), 18.0, 62.0))
    return tilt, slope


def _sample_scoliosis(
    count: int, rng: np.random.Generator, asymmetry: float
) -> tuple[float, dict[str, float], dict[str, float]]:
    names = level_names(count)
    side = float(rng.choice([-1.0, 1.0]))
    cobb = asymmetry * float(min(rng.gamma(1.1, 5.0), 40.0))
    apex = rng.uniform(3.0, len(names) - 2.0)
    span = rng.uniform(3.0, 4.5)
    coronal, rotation = {}, {}
    for n, name in enumerate(names):
        phase = np.clip((n - apex) / span, -1.5, 1.5)
        coronal[name] = float(side * 0.5 * cobb * np.sin(0.5 * np.pi * phase) + asymmetry * rng.normal(0.0, 0.9))
        turn = side * 0.45 * cobb * np.cos(0.5 * np.pi * np.clip(phase, -1, 1))
        rotation[name] = float(turn + asymmetry * rng.normal(0.0, 1.2))
    # The curve starts from a level sacrum.
    base_angle = coronal[names[-1]]
    level = {name: angle - 0.7 * base_angle for name, angle in coronal.items()}
    return cobb, level, rotation


def _sample_pelvis(rng: np.random.Generator, asymmetry: float) -> PelvisShape:
    wide = rng.normal(1.0, 0.045)
    return PelvisShape(
        width=float(wide),
        depth=float(rng.normal(1.0, 0.05)),
        height=float(rng.normal(1.0, 0.05)),
        crest_lift_mm=float(np.clip(rng.normal(0.0, 6.0), -14, 14)),
        flare=float(np.clip(rng.normal(0.0, 0.05), -0.1, 0.15)),
        thickness=float(np.clip(rng.normal(1.0, 0.08), 0.8, 1.2)),
        sacrum_width=float(np.clip(wide * rng.normal(1.0, 0.03), 0.9, 1.1)),
        sacrum_bend_deg=float(rng.normal(0.0, 8.0)),
        s1_width_mm=float(rng.normal(53.0, 2.5)),
        roughness=0.35 * float(asymmetry > 0.0),
        seed=int(rng.integers(0, 2**31)),
        foramen=float(np.clip(rng.normal(1.0, 0.12), 0.75, 1.3)),
    )


def _sample_ribs(rng: np.random.Generator, asymmetry: float) -> RibsShape:
    present = str(rng.choice(["both", "left", "right", "none"], p=[0.93, 0.015, 0.015, 0.04]))
    if asymmetry == 0.0 and present in ("left", "right"):
        present = "both"
    return RibsShape(
        present,
        float(np.clip(rng.normal(46.0, 10.0), 18.0, 66.0)),
        float(np.clip(rng.normal(1.15, 0.2), 0.7, 1.7)),
        float(rng.normal(128.0, 8.0)),
        float(rng.normal(1.0, 0.1)),
    )


def _sample_soft(rng: np.random.Generator) -> SoftTissueShape:
    habitus = float(rng.beta(1.6, 2.6))
    return SoftTissueShape(
        half_width_mm=138.0 + 75.0 * habitus + rng.normal(0, 5),
        depth_mm=178.0 + 150.0 * habitus + rng.normal(0, 8),
        fat_mm=8.0 + 42.0 * habitus,
        psoas=float(np.clip(rng.normal(1.0, 0.15), 0.6, 1.35)),
        perirenal_fat_mm=float(4.0 + 10.0 * rng.random()),
        lobules=float(rng.random()),
        gas_amount=float(rng.beta(1.3, 1.8)),
        with_kidneys=bool(rng.random() < 0.8),
        with_lungs=True,
        seed=int(rng.integers(0, 2**31)),
    )
