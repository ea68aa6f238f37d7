"""Settings of every step in one frozen object, so that a run is described by one value."""

from __future__ import annotations

from dataclasses import dataclass, field

from fluorospread.landmarks.numbering_doubts import LabelSettings
from fluorospread.steps.flag_aberrant import AberrantSettings
from fluorospread.steps.locate_junctions import JunctionSettings
from fluorospread.steps.locate_needles import NeedleSettings
from fluorospread.steps.measure_spread import SpreadSettings
from fluorospread.steps.segment_contrast import ContrastSettings
from fluorospread.steps.segment_single_image import SingleImageSettings


@dataclass(frozen=True)
class VerifySettings:
    """One settings object a step; each documents its own units, ranges and reasons."""

    levels: LabelSettings = field(default_factory=LabelSettings)
    junctions: JunctionSettings = field(default_factory=JunctionSettings)
    needles: NeedleSettings = field(default_factory=NeedleSettings)
    contrast: ContrastSettings = field(default_factory=ContrastSettings)
    single_image: SingleImageSettings = field(default_factory=SingleImageSettings)
    spread: SpreadSettings = field(default_factory=SpreadSettings)
    aberrant: AberrantSettings = field(default_factory=AberrantSettings)
