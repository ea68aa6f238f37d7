"""What a header tells beside pixels, scale and sides: who, when, with which beam."""

from __future__ import annotations

import hashlib
import re

from pydicom.dataset import Dataset
from pydicom.uid import (
    BreastTomosynthesisImageStorage,
    XRay3DAngiographicImageStorage,
    XRay3DCraniofacialImageStorage,
)

from fluorospread.dicom.attributes import holder_of, number_or_none, numbers, text, texts
from fluorospread.errors import TagError, UnsupportedImageError
from fluorospread.model.radiograph import Beam, ImageIdentity

# X-ray projections and screenshots of them; DF, DS, CF and DR are retired or private names still met.
PROJECTION_MODALITIES = ("XA", "RF", "CR", "DX", "RG", "MG", "IO", "PX", "OT", "SC", "DF", "DS", "CF", "DR", "")

# Volumes that carry the modality of the projections they were made from.
_RECONSTRUCTIONS = (
    XRay3DAngiographicImageStorage,
    XRay3DCraniofacialImageStorage,
    BreastTomosynthesisImageStorage,
)


def check_modality(dataset: Dataset, file_name: str) -> None:
    """Refuse what is no X-ray projection. Raises UnsupportedImageError."""
    if text(dataset, "SOPClassUID") in _RECONSTRUCTIONS:
        raise UnsupportedImageError(
            f"{file_name} holds slices reconstructed from projections; expected an X-ray projection (XA, RF, CR, DX)."
        )
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
        name_digest=_name_digest(text(dataset, "PatientName")),
    )


def _name_digest(name: str) -> str:
    """A digest, or "" without a name; the same for a name written in other case or with other separators."""
    plain = " ".join(re.findall(r"\w+", name.casefold()))
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest() if plain else ""


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
