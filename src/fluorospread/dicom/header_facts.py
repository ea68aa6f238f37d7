"""What a header tells beside pixels, scale and sides: who, when, with which beam, and how frames follow."""

from __future__ import annotations

from statistics import median

from pydicom.dataset import Dataset

from fluorospread.dicom.attributes import holder_of, items, number_or_none, numbers, text, texts
from fluorospread.errors import TagError, UnsupportedImageError
from fluorospread.model.radiograph import Beam, ImageIdentity

# X-ray projections and screenshots of them; DF, DS, CF and DR are retired or private names still met.
PROJECTION_MODALITIES = ("XA", "RF", "CR", "DX", "RG", "MG", "IO", "PX", "OT", "SC", "DF", "DS", "CF", "DR", "")


def check_modality(dataset: Dataset, file_name: str) -> None:
    """Refuse what is no X-ray projection. Raises UnsupportedImageError."""
    modality = text(dataset, "Modality").upper()
    if modality not in PROJECTION_MODALITIES:
        raise UnsupportedImageError(
            f"{file_name} is of modality {modality}; expected an X-ray projection (XA, RF, CR, DX) or a screenshot."
        )


def read_identity(dataset: Dataset) -> ImageIdentity:
    """Identifiers as found. Absent BurnedInAnnotation counts as YES."""
    return ImageIdentity(
        sop_class_uid=text(dataset, "SOPClassUID"),
        sop_instance_uid=text(dataset, "SOPInstanceUID"),
        study_instance_uid=text(dataset, "StudyInstanceUID"),
        series_instance_uid=text(dataset, "SeriesInstanceUID"),
        patient_id=text(dataset, "PatientID"),
        modality=text(dataset, "Modality").upper(),
        acquisition_time=acquisition_time(dataset),
        series_description=text(dataset, "SeriesDescription"),
        burned_in_annotation=text(dataset, "BurnedInAnnotation").upper() != "NO",
    )


def acquisition_time(dataset: Dataset) -> str:
    """YYYYMMDDHHMMSS as far as known, from the moment closest to the exposure; "" when there is none."""
    whole = text(dataset, "AcquisitionDateTime")
    if whole:
        return whole
    for prefix in ("Acquisition", "Content", "Series", "Study"):
        date, time = text(dataset, f"{prefix}Date"), text(dataset, f"{prefix}Time")
        if time:
            return (date or text(dataset, "StudyDate")) + time
    return text(dataset, "StudyDate")


def read_beam(dataset: Dataset) -> Beam:
    """Tube voltage and added filtration; a filter's thickness is the mean of its minimum and maximum."""
    thickness: dict[str, float] = {}
    materials = texts(dataset, "FilterMaterial")
    try:
        low = numbers(dataset, "FilterThicknessMinimum") or ()
        high = numbers(dataset, "FilterThicknessMaximum") or low
    except TagError:
        low = high = ()
    low = low or high
    if len(materials) == len(low) == len(high):
        for material, a, b in zip(materials, low, high, strict=True):
            thickness[material.upper()] = thickness.get(material.upper(), 0.0) + (a + b) / 2
    tube_kv = number_or_none(holder_of(dataset, "KVP"), "KVP")
    return Beam(
        tube_kv=tube_kv if tube_kv is not None and 20 <= tube_kv <= 300 else None,
        filter_al_mm=thickness.get("ALUMINUM"),
        filter_cu_mm=thickness.get("COPPER"),
    )


def read_frame_time_ms(dataset: Dataset, frames: int) -> float | None:
    """Time between frames, or None for one frame or where no tag says."""
    if frames < 2:
        return None
    time = number_or_none(holder_of(dataset, "FrameTime"), "FrameTime")
    if time is None:
        try:
            # The first entry is the delay before the first frame.
            vector = (numbers(dataset, "FrameTimeVector") or ())[1:]
        except TagError:
            vector = ()
        time = median(vector) if vector else None
    if time is None:
        for keyword in ("CineRate", "RecommendedDisplayFrameRate"):
            rate = number_or_none(dataset, keyword)
            if rate:
                time = 1000.0 / rate
                break
    return time if time is not None and time > 0 else None


def read_mask_frames(dataset: Dataset, frames: int) -> tuple[tuple[int, ...], list[str]]:
    """Zero-based frames that the Mask module names as pre-contrast, with notes."""
    found: list[int] = []
    notes: list[str] = []
    for item in items(dataset, "MaskSubtractionSequence"):
        if text(item, "MaskOperation") != "AVG_SUB":
            continue
        try:
            named = [int(number) - 1 for number in numbers(item, "MaskFrameNumbers") or ()]
        except TagError as error:
            notes.append(f"Mask frames ignored: {error}")
            continue
        beyond = [frame + 1 for frame in named if not 0 <= frame < frames]
        if beyond:
            notes.append(f"Mask frames {beyond} do not exist among {frames} and were ignored.")
        found += [frame for frame in named if 0 <= frame < frames]
    return tuple(sorted(set(found))), notes


def overlay_notes(dataset: Dataset) -> list[str]:
    """A note when the file carries overlays, which are drawings and not X-rays."""
    groups = {tag.group for tag in dataset.keys() if 0x6000 <= tag.group <= 0x60FF and tag.element == 0x0010}  # noqa: SIM118
    return [f"{len(groups)} overlay plane(s) in the file were not drawn."] if groups else []
