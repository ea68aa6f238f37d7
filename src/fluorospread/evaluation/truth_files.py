"""truth.json of a simulated case in, typed truth out. Points are (row, col) in stored pixels."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fluorospread.errors import CaseFileError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import Role
from fluorospread.model.geometry import ColumnsTowards, PointPx
from fluorospread.model.radiograph import BoolImage
from fluorospread.model.verdict import Outcome
from fluorospread.pipeline.write_simulated_case import TRUTH_SCHEMA, runs_to_mask


@dataclass(frozen=True)
class TrueNeedle:
    level: Level
    side: Side
    tip_px: PointPx


@dataclass(frozen=True)
class TrueRun:
    """What is true of a run beside its peak frame, to which the points and the mask of its `TrueImage` belong.

    `shift_px` is how far the body lies off the peak frame in each frame, (rows, cols).
    """

    peak_frame: int
    last_frame: int
    last_mask: BoolImage = field(repr=False)
    shift_px: tuple[PointPx, ...] = field(repr=False)


@dataclass(frozen=True)
class TrueImage:
    """What is true of one image. `centers` holds every vertebra, also those out of the open field, so that a
    name given to a body at the edge is compared with its own; `in_view` names those that count. Junctions out
    of the open field are left out."""

    path: str
    role: Role
    mm_per_px: float
    columns_towards: ColumnsTowards
    centers: dict[Level, PointPx]
    in_view: tuple[Level, ...]
    junctions: dict[tuple[Level, Side], PointPx]
    needles: tuple[TrueNeedle, ...]
    contrast_mask: BoolImage | None = field(repr=False, default=None)
    run: TrueRun | None = None

    def mask_at(self, frame: int) -> BoolImage | None:
        """The contrast's mask where it lies in a frame; of a run, that of the peak or the last frame, whichever is
        nearer in time, moved with the body."""
        if self.run is None or self.contrast_mask is None:
            return self.contrast_mask
        late = abs(frame - self.run.last_frame) < abs(frame - self.run.peak_frame)
        known, mask = (self.run.last_frame, self.run.last_mask) if late else (self.run.peak_frame, self.contrast_mask)
        moved = np.rint(np.subtract(self.run.shift_px[frame], self.run.shift_px[known])).astype(int)
        return np.roll(mask, (int(moved[0]), int(moved[1])), axis=(0, 1))


@dataclass(frozen=True)
class TrueCase:
    case_id: str
    title: str
    contrast_given: bool
    families: tuple[str, ...]
    outcome: Outcome
    punctures: dict[Side, Level]
    puncture_distance_mm: dict[Side, float]
    coverage: dict[tuple[Level, Side], bool]
    images: tuple[TrueImage, ...]
    iodine_mg: float | None = None
    """Mass injected on both sides; None where some flowed off elsewhere, or the file does not say."""
    aberrant: frozenset[str] = frozenset()
    """Kinds of contrast gone astray, as `simulation.aberrant.AberrantKind` names them."""
    film: str = ""
    """The real film that needles and contrast were put into; empty where the whole image is simulated."""

    @property
    def contrast_to_find(self) -> bool | None:
        """Whether an image shows contrast; None when nothing was imaged after it."""
        if any(i.contrast_mask is not None and i.contrast_mask.any() for i in self.images):
            return True
        return False if any(i.role in (Role.POST, Role.CINE) for i in self.images) else None

    def image(self, file_name: str) -> TrueImage | None:
        return next((i for i in self.images if i.path == file_name), None)


def read_truth(path: Path) -> TrueCase:
    """Read one truth.json.

    Raises
    ------
    CaseFileError
        When it is not such a file.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema"] != TRUTH_SCHEMA:
            raise ValueError(f"schema {raw['schema']!r}")
        return TrueCase(
            case_id=raw["case_id"],
            title=raw["title"],
            contrast_given=raw["contrast_given"],
            families=tuple(raw["plume_families"]),
            outcome=Outcome(raw["outcome"]),
            punctures={Side(p["side"]): Level(p["level"]) for p in raw["punctures"]},
            puncture_distance_mm={Side(p["side"]): float(p["distance_mm"]) for p in raw["punctures"]},
            coverage={(Level(c["level"]), Side(c["side"])): bool(c["covered"]) for c in raw["coverage"]},
            images=tuple(_image(i) for i in raw["images"]),
            iodine_mg=_iodine_mg(raw),
            aberrant=frozenset(str(flow["kind"]) for flow in raw.get("aberrant", [])),
            film=str(raw.get("implant", {}).get("film", "")),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CaseFileError(f"{path} is not a truth file of {TRUTH_SCHEMA!r}: {error!r}") from error


def _iodine_mg(raw: dict[str, Any]) -> float | None:
    if raw.get("aberrant") or not raw.get("iodine_mg"):
        return None
    return float(sum(raw["iodine_mg"].values()))


def _image(raw: dict[str, Any]) -> TrueImage:
    spacing_row, spacing_col = raw["spacing_patient_mm"]
    mask = raw["contrast_mask"]
    return TrueImage(
        path=raw["path"],
        role=Role(raw["role"]),
        mm_per_px=float((spacing_row * spacing_col) ** 0.5),
        columns_towards=ColumnsTowards(raw["columns_towards"]),
        centers={Level(p["level"]): _point(p["point_px"]) for p in raw["vertebrae"]},
        in_view=tuple(Level(p["level"]) for p in raw["vertebrae"] if p["in_view"]),
        junctions={
            (Level(p["level"]), Side(p["side"])): _point(p["point_px"]) for p in raw["junctions"] if p["in_view"]
        },
        needles=tuple(TrueNeedle(Level(n["level"]), Side(n["side"]), _point(n["tip_px"])) for n in raw["needles"]),
        contrast_mask=None if mask is None else runs_to_mask(mask["runs"], (raw["rows"], raw["cols"])),
        run=_run(raw["run"], (raw["rows"], raw["cols"])) if "run" in raw else None,
    )


def _run(raw: dict[str, Any], shape: tuple[int, int]) -> TrueRun:
    shifts = tuple(_point(shift) for shift in raw["shift_px"])
    return TrueRun(raw["peak_frame"], raw["last_frame"], runs_to_mask(raw["last_mask"]["runs"], shape), shifts)


def _point(raw: list[float]) -> PointPx:
    return float(raw[0]), float(raw[1])
