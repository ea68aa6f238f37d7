"""Turns a `WritableImage` into one valid, reproducible DICOM file that says it is simulated.

The same image gives the same bytes: every UID is derived from `uid_seed`, dates come from the caller, and
nothing of the machine is written. XA, RF, CR, DX and Secondary Capture follow PS3.3's modules as
`dciodvfy` checks them. XA and RF have no PixelIntensityRelationshipSign of their own; it is written all the
same (a standard extension), because nothing else says which way brightness runs.
"""

from __future__ import annotations

import hashlib
import io
import math
from enum import StrEnum
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
)

from fluorospread.atomic_files import write_atomically
from fluorospread.dicom.writable_image import (
    CircularEdge,
    Edge,
    Modality,
    PolygonalEdge,
    RectangularEdges,
    Relationship,
    StoredPixels,
    WritableExposure,
    WritableImage,
    WritablePatient,
    WritableProjection,
    WritableText,
)
from fluorospread.errors import UsageError

__all__ = [
    "CircularEdge",
    "Compression",
    "Edge",
    "Modality",
    "PolygonalEdge",
    "RectangularEdges",
    "Relationship",
    "StoredPixels",
    "WritableExposure",
    "WritableImage",
    "WritablePatient",
    "WritableProjection",
    "WritableText",
    "derived_uid",
    "write_radiograph",
]

_MULTIFRAME_SECONDARY_CAPTURE = (
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
)

# PS3.16 CID 4010, DX views.
_VIEW_CODES = {
    "AP": ("399348003", "antero-posterior"),
    "PA": ("272479007", "postero-anterior"),
    "LL": ("399173006", "left lateral"),
    "RL": ("399198007", "right lateral"),
}

_LUT_BITS = 16


class Compression(StrEnum):
    """All lossless. JPEG-LS is the smallest on noisy 12-bit images."""

    JPEG_LS = "JPEG-LS lossless"
    RLE = "RLE"
    DEFLATED = "deflated"
    NONE = "none"


_TRANSFER_SYNTAX = {
    Compression.JPEG_LS: JPEGLSLossless,
    Compression.RLE: RLELossless,
    Compression.DEFLATED: DeflatedExplicitVRLittleEndian,
    Compression.NONE: ExplicitVRLittleEndian,
}


def derived_uid(*parts: str) -> UID:
    """A 2.25 UID (PS3.5 B.2) from the SHA-256 of `parts`: the same parts, the same UID."""
    digest = hashlib.sha256("\x00".join(("fluorospread", *parts)).encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")


def write_radiograph(image: WritableImage, path: Path, compression: Compression = Compression.JPEG_LS) -> Path:
    """Write `image` as one DICOM file, whole or not at all.

    Returns
    -------
    Path
        `path`. Its bytes depend on `image` and `compression` alone.

    Raises
    ------
    UsageError
        When the modality cannot hold the image (several frames in CR or DX, a cine without frame time).
    OutputError
        When the folder cannot be made or written.
    """
    dataset = _build_dataset(image)
    syntax = _TRANSFER_SYNTAX[Compression(compression)]
    _attach_pixels(dataset, image, syntax)
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    write_atomically(path, buffer.getvalue())
    return path


def _build_dataset(image: WritableImage) -> Dataset:
    frames = image.pixels.shape[0]
    if frames > 1 and image.modality in (Modality.CR, Modality.DX):
        raise UsageError(f"{image.modality.value} holds one frame, got {frames}; write XA or RF")
    if frames > 1 and image.frame_time_ms is None:
        raise UsageError(f"{frames} frames need frame_time_ms")
    dataset = Dataset()
    _add_identity(dataset, image)
    _add_patient(dataset, image.patient)
    _add_image(dataset, image)
    _add_projection(dataset, image)
    _add_exposure(dataset, image)
    if image.modality is Modality.DX:
        _add_dx(dataset, image)
    if image.modality is Modality.OT:
        dataset.ConversionType = "SYN"
    if dataset.SOPClassUID in _MULTIFRAME_SECONDARY_CAPTURE:
        _add_presentation_lut(dataset, image)
    if frames > 1:
        dataset.NumberOfFrames = frames
        dataset.FrameTime = _decimal(image.frame_time_ms or 0.0)
        dataset.FrameIncrementPointer = Tag("FrameTime")
    if image.mask_frames:
        item = Dataset()
        item.MaskOperation = "AVG_SUB"
        item.MaskFrameNumbers = [frame + 1 for frame in image.mask_frames]
        dataset.MaskSubtractionSequence = Sequence([item])
        dataset.RecommendedViewingMode = "NAT"
    return dataset


def _sop_class(image: WritableImage) -> UID:
    frames = image.pixels.shape[0]
    match image.modality:
        case Modality.XA:
            return XRayAngiographicImageStorage
        case Modality.RF:
            return XRayRadiofluoroscopicImageStorage
        case Modality.CR:
            return ComputedRadiographyImageStorage
        case Modality.DX if image.relationship is Relationship.DISP:
            return DigitalXRayImageStorageForPresentation
        case Modality.DX:
            return DigitalXRayImageStorageForProcessing
        case Modality.OT if frames == 1:
            return SecondaryCaptureImageStorage
        case Modality.OT if image.pixels.dtype.itemsize == 1:
            return MultiFrameGrayscaleByteSecondaryCaptureImageStorage
        case _:
            return MultiFrameGrayscaleWordSecondaryCaptureImageStorage


def _add_identity(dataset: Dataset, image: WritableImage) -> None:
    text = image.text
    study = text.study_seed or image.uid_seed
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = _sop_class(image)
    dataset.SOPInstanceUID = derived_uid("instance", image.uid_seed)
    dataset.StudyInstanceUID = derived_uid("study", study)
    dataset.SeriesInstanceUID = derived_uid("series", study, image.modality.value, str(text.series_number))
    for prefix in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{prefix}Date", text.date)
        setattr(dataset, f"{prefix}Time", text.time)
    dataset.AccessionNumber = ""
    dataset.Modality = image.modality.value
    dataset.Manufacturer = "fluorospread (simulation)"
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = text.study_description
    dataset.SeriesDescription = _marked(text.series_description)
    dataset.ImageComments = f"{text.standing_note} {text.image_comments}".strip()
    dataset.QualityControlImage = "YES"
    dataset.StudyID = "1"
    dataset.SeriesNumber = text.series_number
    dataset.AcquisitionNumber = text.instance_number
    dataset.InstanceNumber = text.instance_number


def _marked(description: str) -> str:
    """The description, at most 64 characters (LO), beginning with SIMULATED."""
    marked = description if description.startswith("SIMULATED") else f"SIMULATED {description}"
    return marked[:64].strip()


def _add_patient(dataset: Dataset, patient: WritablePatient) -> None:
    dataset.PatientName = f"Simulated^{patient.name}"
    dataset.PatientID = patient.patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = patient.sex
    if patient.age_years is not None:
        dataset.PatientAge = f"{patient.age_years:03d}Y"


def _add_image(dataset: Dataset, image: WritableImage) -> None:
    _, rows, cols = image.pixels.shape
    is_projection = image.modality in (Modality.XA, Modality.RF)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", *(["SINGLE PLANE"] if is_projection else [])]
    if image.modality is Modality.DX:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.BurnedInAnnotation = "YES" if image.text.burned_in else "NO"
    dataset.LossyImageCompression = "00"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = image.photometric
    dataset.Rows, dataset.Columns = rows, cols
    dataset.BitsAllocated = 8 * image.pixels.dtype.itemsize
    dataset.BitsStored = image.bits_stored
    dataset.HighBit = image.bits_stored - 1
    dataset.PixelRepresentation = int(image.pixels.dtype == np.int16)
    relationship = image.relationship
    if image.modality is Modality.DX and relationship is Relationship.DISP:
        # DX knows LIN and LOG only; that it is for presentation says the rest.
        relationship = Relationship.LOG
    dataset.PixelIntensityRelationship = relationship.value
    if image.sign is not None:
        dataset.PixelIntensityRelationshipSign = image.sign
    if dataset.SOPClassUID != DigitalXRayImageStorageForProcessing:
        low, high = (float(value) for value in np.percentile(image.pixels[0], (0.5, 99.5)))
        dataset.WindowCenter = _decimal((low + high) / 2)
        dataset.WindowWidth = _decimal(max(high - low, 1.0))
    if image.log_per_step is not None:
        dataset.ModalityLUTSequence = Sequence([_intensity_lut(image, image.log_per_step)])


def _intensity_lut(image: WritableImage, log_per_step: float) -> Dataset:
    """Stored value to X-ray intensity, as PS3.3 C.8.7.1.1.2 asks for with LOG pixels."""
    signed = image.pixels.dtype == np.int16
    entries = 1 << image.bits_stored
    first = -(entries // 2) if signed else 0
    steps = np.arange(entries) if image.sign == -1 else np.arange(entries)[::-1]
    full_scale = (1 << _LUT_BITS) - 1
    intensity = np.maximum(np.rint(full_scale * np.exp(-log_per_step * steps)), 1)
    lut = Dataset()
    lut.add_new("LUTDescriptor", "SS" if signed else "US", [entries % 65536, first, _LUT_BITS])
    lut.ModalityLUTType = "US"
    lut.LUTExplanation = "stored value to X-ray intensity"
    lut.add_new("LUTData", "OW", intensity.astype("<u2").tobytes())
    return lut


def _add_projection(dataset: Dataset, image: WritableImage) -> None:
    projection = image.projection
    dataset.PatientOrientation = list(projection.patient_orientation or ())
    if image.modality is not Modality.OT:
        dataset.PatientPosition = projection.patient_position
    if projection.imager_pixel_spacing_mm is not None:
        dataset.ImagerPixelSpacing = [_decimal(value) for value in projection.imager_pixel_spacing_mm]
    if projection.pixel_spacing_mm is not None:
        dataset.PixelSpacing = [_decimal(value) for value in projection.pixel_spacing_mm]
        if projection.pixel_spacing_calibration:
            dataset.PixelSpacingCalibrationType = projection.pixel_spacing_calibration
            dataset.PixelSpacingCalibrationDescription = "simulated"
    for keyword, value in (
        ("DistanceSourceToDetector", projection.source_detector_mm),
        ("DistanceSourceToPatient", projection.source_patient_mm),
        ("EstimatedRadiographicMagnificationFactor", projection.magnification),
    ):
        if value is not None:
            setattr(dataset, keyword, _decimal(value))
    if image.modality in (Modality.CR, Modality.DX):
        dataset.ViewPosition = projection.view_position
    # An unpaired body part, so that no Laterality is asked for.
    dataset.BodyPartExamined = "LSPINE"
    if image.modality is Modality.XA:
        dataset.PositionerMotion = "STATIC"
    for keyword, value in (
        ("PositionerPrimaryAngle", projection.primary_angle_deg),
        ("PositionerSecondaryAngle", projection.secondary_angle_deg),
    ):
        if value is not None:
            setattr(dataset, keyword, _decimal(value))
        elif image.modality is Modality.XA:
            setattr(dataset, keyword, None)


def _add_exposure(dataset: Dataset, image: WritableImage) -> None:
    exposure = image.exposure
    if image.modality is not Modality.OT:
        dataset.KVP = None if exposure.tube_kv is None else _decimal(exposure.tube_kv)
    if image.modality in (Modality.XA, Modality.RF):
        dataset.RadiationSetting = "SC"
        dataset.XRayTubeCurrent = None
        dataset.ExposureTime = None
        dataset.Exposure = None
    if exposure.filter_materials:
        dataset.FilterType = "STRIP"
        dataset.FilterMaterial = list(exposure.filter_materials)
        thicknesses = [_decimal(value) for value in exposure.filter_thicknesses_mm]
        dataset.FilterThicknessMinimum = thicknesses
        dataset.FilterThicknessMaximum = thicknesses
    if exposure.shutter is not None:
        _add_edge(dataset, "Shutter", exposure.shutter)
        dataset.ShutterPresentationValue = 0
    if exposure.collimator is not None:
        _add_edge(dataset, "Collimator", exposure.collimator)


def _add_edge(dataset: Dataset, kind: str, edge: Edge) -> None:
    """Shutter or collimator attributes; DICOM counts rows and columns from 1."""
    match edge:
        case RectangularEdges():
            setattr(dataset, f"{kind}Shape", "RECTANGULAR")
            setattr(dataset, f"{kind}LeftVerticalEdge", edge.first_col + 1)
            setattr(dataset, f"{kind}RightVerticalEdge", edge.last_col + 1)
            setattr(dataset, f"{kind}UpperHorizontalEdge", edge.first_row + 1)
            setattr(dataset, f"{kind}LowerHorizontalEdge", edge.last_row + 1)
        case CircularEdge():
            setattr(dataset, f"{kind}Shape", "CIRCULAR")
            setattr(dataset, f"CenterOfCircular{kind}", [edge.center_row + 1, edge.center_col + 1])
            setattr(dataset, f"RadiusOfCircular{kind}", edge.radius_px)
        case PolygonalEdge():
            setattr(dataset, f"{kind}Shape", "POLYGONAL")
            numbers = [number + 1 for vertex in edge.vertices for number in vertex]
            setattr(dataset, f"VerticesOfThePolygonal{kind}", numbers)


def _add_dx(dataset: Dataset, image: WritableImage) -> None:
    for_presentation = image.relationship is Relationship.DISP
    dataset.PresentationIntentType = "FOR PRESENTATION" if for_presentation else "FOR PROCESSING"
    _add_presentation_lut(dataset, image)
    dataset.ImageLaterality = "U"
    dataset.AnatomicRegionSequence = Sequence([_code("122496007", "SCT", "Lumbar spine")])
    dataset.AcquisitionContextSequence = Sequence([])
    dataset.DetectorType = "DIRECT"
    dataset.PositionerType = "CARM"
    if (view := _VIEW_CODES.get(image.projection.view_position)) is not None:
        dataset.ViewCodeSequence = Sequence([_code(view[0], "SCT", view[1])])
    if image.projection.imager_pixel_spacing_mm is None:
        raise UsageError("DX asks for imager_pixel_spacing_mm; write CR or RF without it")


def _add_presentation_lut(dataset: Dataset, image: WritableImage) -> None:
    dataset.PresentationLUTShape = "INVERSE" if image.photometric == "MONOCHROME1" else "IDENTITY"
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _decimal(value: float) -> str:
    """A DS value of at most 16 characters."""
    if not math.isfinite(value):
        raise UsageError(f"expected a finite number, got {value}")
    return f"{value:.10g}"[:16]


def _attach_pixels(dataset: Dataset, image: WritableImage, syntax: UID) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    # A fixed name, not pydicom's, so that the bytes do not change with its version.
    meta.ImplementationClassUID = derived_uid("implementation")
    meta.ImplementationVersionName = "FLUOROSPREAD"
    meta.TransferSyntaxUID = syntax
    dataset.file_meta = meta
    pixels = np.ascontiguousarray(image.pixels)
    if syntax.is_compressed and syntax != DeflatedExplicitVRLittleEndian:
        # GDCM's RLE encoder ends the process on some sizes, so the plugin is named.
        plugin = "pydicom" if syntax == RLELossless else "pyjpegls"
        frames = pixels[0] if len(pixels) == 1 else pixels
        dataset.compress(syntax, frames, encoding_plugin=plugin, generate_instance_uid=False)
    else:
        raw = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
        dataset.add_new("PixelData", "OB" if pixels.dtype.itemsize == 1 else "OW", raw + b"\x00" * (len(raw) % 2))
