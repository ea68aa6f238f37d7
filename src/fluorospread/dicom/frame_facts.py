"""How the frames of a run follow each other: their pace, the mask before contrast, and whether the C-arm moved."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from statistics import median

from pydicom.dataset import Dataset

from fluorospread.dicom.attributes import frame_texts, holder_of, items, number_or_none, numbers, text
from fluorospread.errors import TagError

# Angles that differ by less are the encoder's noise; beyond it bones no longer lie on themselves.
_STILL_DEG = 1.0
_ANGLES = {
    "PositionerPrimaryAngle": "PositionerPrimaryAngleIncrement",
    "PositionerSecondaryAngle": "PositionerSecondaryAngleIncrement",
}


def read_frame_time_ms(dataset: Dataset, frames: int) -> float | None:
    """Time between frames, or None for one frame or where no tag says."""
    if frames < 2:
        return None
    time = number_or_none(holder_of(dataset, "FrameTime"), "FrameTime")
    if time is None:
        # The first entry of the vector is the delay before the first frame.
        time = _median_or_none(_numbers(dataset, "FrameTimeVector")[1:])
    if time is None:
        time = _median_or_none(_steps_ms(frame_texts(dataset, "FrameAcquisitionDateTime")))
    if time is None:
        rates = (
            number_or_none(dataset, "CineRate"),
            number_or_none(dataset, "RecommendedDisplayFrameRate"),
            *(number_or_none(item, "RecommendedDisplayFrameRateInFloat") for item in _displays(dataset)),
        )
        time = next((1000.0 / rate for rate in rates if rate), None)
    return time if time is not None and time > 0 else None


def _displays(dataset: Dataset) -> tuple[Dataset, ...]:
    return items(dataset, "FrameDisplaySequence")[:1]


def _numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Numbers that only inform: none where they are absent or malformed."""
    try:
        return numbers(dataset, keyword) or ()
    except TagError:
        return ()


def _median_or_none(values: tuple[float, ...]) -> float | None:
    return median(values) if values else None


def _steps_ms(times: tuple[str, ...]) -> tuple[float, ...]:
    """Time from frame to frame in ms, from DICOM date-times; none where one of them is malformed."""
    try:
        moments = [_moment(time) for time in times]
    except ValueError:
        return ()
    return tuple((b - a).total_seconds() * 1000.0 for a, b in pairwise(moments))


def _moment(text_of_time: str) -> datetime:
    """YYYYMMDDHHMMSS.FFFFFF; an offset from UTC is the same in every frame and left out."""
    whole, _, fraction = text_of_time.partition("+")[0].partition("-")[0].partition(".")
    return datetime.strptime(f"{whole}.{fraction or '0'}", "%Y%m%d%H%M%S.%f")


def read_mask_frames(dataset: Dataset, frames: int) -> tuple[tuple[int, ...], list[str]]:
    """Zero-based frames that the Mask module names as pre-contrast (PS3.3 C.7.6.10), with notes.

    Where several masks belong to several ranges of frames, the one that serves most frames is taken: the
    table or the C-arm has moved between them.
    """
    masks: dict[tuple[int, ...], int] = {}
    notes: list[str] = []
    for item in items(dataset, "MaskSubtractionSequence"):
        operation = text(item, "MaskOperation").upper()
        if operation != "AVG_SUB":
            if operation not in ("", "NONE"):
                notes.append(f"Mask operation {operation} names no frames before contrast; it was not used.")
            continue
        try:
            named = [int(number) - 1 for number in numbers(item, "MaskFrameNumbers") or ()]
            served = _frames_served(item, frames)
        except TagError as error:
            notes.append(f"Mask frames ignored: {error}")
            continue
        beyond = [frame + 1 for frame in named if not 0 <= frame < frames]
        if beyond:
            notes.append(f"Mask frames {beyond} do not exist among {frames} and were ignored.")
        mask = tuple(sorted({frame for frame in named if 0 <= frame < frames}))
        if mask:
            masks[mask] = max(served, masks.get(mask, 0))
    if not masks:
        return (), notes
    if len(masks) > 1:
        notes.append(f"The file names {len(masks)} masks for different frames; the one that serves most is used.")
    return max(masks, key=lambda mask: (masks[mask], -mask[0])), notes


def _frames_served(item: Dataset, frames: int) -> int:
    """How many frames a mask applies to: pairs of first and last, all of them where none are given."""
    ends = numbers(item, "ApplicableFrameRange")
    if not ends:
        return frames
    return sum(int(last - first) + 1 for first, last in zip(ends[0::2], ends[1::2], strict=False) if last >= first)


def motion_notes(dataset: Dataset, frames: int) -> list[str]:
    """A note where the C-arm turned during the run, so that its frames do not show one view."""
    if frames < 2 or not any(_turned(dataset, frames, *keywords) for keywords in _ANGLES.items()):
        return []
    return ["The C-arm turned during the run: its frames do not show one view."]


def _turned(dataset: Dataset, frames: int, angle: str, increment: str) -> bool:
    """Whether an angle changes over the frames: by increments in a classic run, per frame in an enhanced one."""
    steps = _numbers(dataset, increment)
    # One increment stands for all.
    turned = abs(steps[0]) * (frames - 1) if len(steps) == 1 else sum(abs(step) for step in steps)
    try:
        angles = [float(value) for value in frame_texts(dataset, angle) if value]
    except ValueError:
        angles = []
    return max(turned, max(angles, default=0.0) - min(angles, default=0.0)) > _STILL_DEG
