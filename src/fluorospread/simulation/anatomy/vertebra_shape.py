"""Dimensions of one thoracolumbar vertebra and of the facet joints it shares with its neighbours.

Axes of a vertebra: origin at the body's centre, x towards the patient's left, y backwards, z along
the body's axis towards the head; mm.

Typical dimensions are of the size given by Panjabi et al., Spine 1992;17:299-306 (lumbar) and Spine 1991;16:888-901
(thoracic), with transverse positions of pedicles and SAP-TP junctions as read on frontal films.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fluorospread.simulation.anatomy.implicit import Vector


@dataclass(frozen=True)
class SideShape:
    """What may differ between the left and the right of a vertebra; lengths in mm.

    tp_length_factor scales the free transverse process (0.4-1.2); tp_rise_mm lifts its tip (-6 to 10);
    osteophyte_upper_mm, osteophyte_lower_mm: spur beyond the rim (0-9).
    """

    tp_length_factor: float = 1.0
    tp_rise_mm: float = 0.0
    osteophyte_upper_mm: float = 0.0
    osteophyte_lower_mm: float = 0.0


@dataclass(frozen=True)
class VertebraShape:
    """Dimensions of one vertebra in mm (or as said).

    body_width, body_depth: at the end plates; body_height: at mid body; waist: share of the width left
    at mid height (0.73-0.92); wedge: height gained per mm forwards (-0.1 to 0.2); lateral_wedge: per mm
    leftwards; concavity: of the upper and lower end plate; pedicle_x: centre from the midline; tp_tip_x:
    tip of the transverse process from the midline; tp_z: its root over the body's centre; tp_rise: its
    tip over its root; tp_radius: half its height; tp_sag: its bow (-1 to 2); spinous_drop, spinous_length,
    spinous_shift: of the spinous process down, back and to the left; cortex, end_plate: thickness;
    roughness: 1 sd of the cortex (0-0.5), arranged by seed.
    """

    level: str
    body_width: float
    body_depth: float
    body_height: float
    pedicle_x: float
    pedicle_width: float
    pedicle_height: float
    tp_tip_x: float
    tp_z: float
    tp_rise: float
    tp_radius: float
    spinous_drop: float
    spinous_length: float
    waist: float = 0.87
    wedge: float = 0.0
    lateral_wedge: float = 0.0
    concavity: tuple[float, float] = (1.6, 2.0)
    cortex: float = 0.7
    end_plate: float = 1.1
    spinous_shift: float = 0.0
    tp_sag: float = 0.6
    roughness: float = 0.0
    seed: int = 0
    left: SideShape = field(default_factory=SideShape)
    right: SideShape = field(default_factory=SideShape)

    @property
    def is_lumbar(self) -> bool:
        return self.level.startswith("L")

    @property
    def is_last(self) -> bool:
        """Whether it has the stout, rising transverse processes of the lowest lumbar vertebra."""
        return self.tp_radius > 6.0

    @property
    def back(self) -> float:
        """y of the posterior wall."""
        return 0.5 * self.body_depth


_TYPICAL = {
    # level: width, depth, height, pedicle x, width, height, TP tip x, TP z, rise, radius, spine drop, length, waist
    "T9": VertebraShape("T9", 33, 28, 21.0, 11.2, 6.0, 13.0, 27, 5.0, 3.0, 5.0, 20.0, 30.0, 0.86),
    "T10": VertebraShape("T10", 35, 29, 21.8, 11.7, 6.5, 13.5, 25, 5.0, 3.0, 5.0, 18.0, 29.0, 0.86),
    "T11": VertebraShape("T11", 38, 29.5, 22.8, 12.7, 7.5, 14.5, 21, 5.0, 2.0, 4.6, 12.0, 26.0, 0.85),
    "T12": VertebraShape("T12", 41.5, 30.5, 24.0, 13.6, 7.6, 15.0, 21, 4.5, 1.0, 4.2, 7.0, 25.0, 0.83),
    "L1": VertebraShape("L1", 44.5, 32, 25.4, 14.2, 7.4, 15.0, 36, 4.5, -1.0, 4.0, 5.0, 27.0, 0.81),
    "L2": VertebraShape("L2", 46.5, 33, 26.4, 14.9, 8.2, 14.8, 41, 4.5, 0.0, 4.2, 5.0, 28.0, 0.80),
    "L3": VertebraShape("L3", 49, 34, 27.0, 16.1, 9.4, 14.5, 47, 4.6, 1.0, 4.4, 5.0, 29.0, 0.80),
    "L4": VertebraShape("L4", 51.5, 35, 27.0, 17.6, 11.2, 14.5, 45, 1.5, 4.0, 4.6, 5.0, 27.0, 0.81),
    "L5": VertebraShape("L5", 53.5, 35.5, 26.2, 20.0, 14.5, 14.0, 47, -4.0, 7.0, 6.3, 3.0, 22.0, 0.86, 0.10),
}
_TYPICAL["L6"] = replace(_TYPICAL["L5"], level="L6", wedge=0.12)


def typical_vertebra(level: str) -> VertebraShape:
    """Dimensions of an average adult's vertebra, T9 to L6."""
    return _TYPICAL[level]


@dataclass(frozen=True)
class FacetJoint:
    """One facet joint in some vertebra's axes.

    center (mm); outward: unit vector from the inferior process (above) to the superior one (below);
    axis: unit vector up the joint; half_height, half_width (mm); gap (mm); hypertrophy: 1 is normal, to 1.6;
    sclerosis: extra cortex in mm.
    """

    center: Vector
    outward: Vector
    axis: Vector
    half_height: float = 9.2
    half_width: float = 5.8
    gap: float = 2.0
    hypertrophy: float = 1.0
    sclerosis: float = 0.0

    @property
    def process_thickness(self) -> float:
        """Half thickness of either process across the joint."""
        return 4.0 * self.hypertrophy

    @property
    def superior_process(self) -> Vector:
        """Centre of the process of the vertebra below."""
        return self.center + self.outward * (0.5 * self.gap + 0.9 * self.process_thickness)

    @property
    def inferior_process(self) -> Vector:
        """Centre of the process of the vertebra above."""
        return self.center - self.outward * (0.5 * self.gap + 0.9 * self.process_thickness)


@dataclass(frozen=True)
class FacetJoints:
    """The four joints of one vertebra, in its axes; None where there is none (the sacrum's end)."""

    upper_left: FacetJoint
    upper_right: FacetJoint
    lower_left: FacetJoint
    lower_right: FacetJoint
