"""One radiograph in, what can be told from it alone: levels, scale, junctions and, when asked, needle tips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fluorospread.model.anatomy import Level
from fluorospread.model.case import Role
from fluorospread.model.findings import Junction, LevelLabels, LevelStatus, NeedleTip, NotFound
from fluorospread.model.geometry import Geometry, GeometrySource, PointPx
from fluorospread.model.radiograph import Radiograph
from fluorospread.pipeline.settings import VerifySettings
from fluorospread.steps.label_levels import label_levels
from fluorospread.steps.locate_junctions import locate_junctions
from fluorospread.steps.locate_needles import locate_needles

# Vertebral pitch varies by about 10 % between adults of known level, and so does a scale taken from it.
ANATOMY_SCALE_UNCERTAINTY = 0.10


@dataclass(frozen=True)
class Look:
    """One image with its role and what was found in it. `levels` is None where nothing is measured.

    `frame` is the frame looked at: a run's mask frame, before the contrast.
    """

    radiograph: Radiograph
    role: Role
    role_source: str
    shown_path: str
    frame: int = 0
    levels: LevelLabels | None = None
    junctions: tuple[Junction, ...] = ()
    junctions_reason: str = ""
    needles: tuple[NeedleTip, ...] = ()
    needles_reason: str = ""
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.radiograph.path.name

    @property
    def confident(self) -> bool:
        return self.levels is not None and self.levels.status is LevelStatus.CONFIDENT

    def noting(self, *notes: str) -> Look:
        return replace(self, notes=(*self.notes, *notes))


def look_for_levels(look: Look, given: Mapping[Level, PointPx], settings: VerifySettings) -> Look:
    """The image with levels, a scale estimated from them where it has none, and junctions."""
    frame = look.radiograph.mask_frames[0] if look.radiograph.mask_frames else 0
    levels = label_levels(look.radiograph, given or None, settings.levels, frame)
    radiograph = replace(look.radiograph, geometry=_scale(look.radiograph.geometry, levels))
    found = locate_junctions(radiograph, levels, settings.junctions, frame)
    junctions, reason = ((), found.reason) if isinstance(found, NotFound) else (found, "")
    return replace(
        look, radiograph=radiograph, frame=frame, levels=levels, junctions=junctions, junctions_reason=reason
    )


def look_for_needles(look: Look, settings: VerifySettings) -> Look:
    """The image with its needle tips, or why there are none."""
    if look.levels is None:
        return look
    found = locate_needles(look.radiograph, look.levels, settings.needles, look.frame)
    if isinstance(found, NotFound):
        return replace(look, needles_reason=found.reason).noting(f"no needle found: {found.reason}")
    return replace(look, needles=found)


def _scale(geometry: Geometry, levels: LevelLabels) -> Geometry:
    """The file's scale, else one estimated from the vertebrae, unless it is not even sure which they are."""
    mm_per_px = levels.estimated_mm_per_px
    if geometry.source is not GeometrySource.NONE or mm_per_px is None or levels.status is not LevelStatus.CONFIDENT:
        return geometry
    note = "the file has no scale; estimated from the distance between vertebrae, about 10 % uncertain"
    return Geometry(
        (mm_per_px, mm_per_px),
        GeometrySource.ESTIMATED_FROM_ANATOMY,
        ANATOMY_SCALE_UNCERTAINTY,
        note=f"{geometry.note}; {note}" if geometry.note else note,
    )
