"""An image file in, the same image without identity out: new header, pixels decoded and written again.

Decoding drops what hides beside and behind the pixels: unused bits, padding, and the comments that JPEG and
its kin carry. Pixels come out uncompressed, with their values unchanged outside the boxes that are blacked
out. The preamble is empty and the file meta information new. Pictures (PNG, JPEG, TIFF) become PNG with
nothing but pixels.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian

from fluorospread.atomic_files import write_atomically
from fluorospread.dicom.attributes import text
from fluorospread.dicom.deidentify import DeidentifyOptions, coded_item, deidentify_header, patient_identity
from fluorospread.dicom.file_kind import FileKind, file_kind
from fluorospread.dicom.header_facts import check_modality
from fluorospread.dicom.picture_files import read_picture
from fluorospread.dicom.pseudonyms import Pseudonyms
from fluorospread.dicom.stored_frames import StoredFrames, open_frames
from fluorospread.dicom.write_radiograph import derived_uid

PixelBox = tuple[int, int, int, int]
"""(top, left, bottom, right) in stored pixels; bottom and right are not included."""

# Frames of a run looked at for burned-in text, which stands in all of them.
_LOOKED_AT = 3


@dataclass(frozen=True)
class SourceImage:
    """An image to be de-identified.

    Attributes
    ----------
    header, frames
        Of a DICOM file; None for a picture, which has `picture`, (rows, cols), instead.
    identity, study_uid
        Whose image it is, for `Pseudonyms`; "" for a picture.
    declared_clean
        True where the file says that nothing is burned in (absent counts as burned in, PS3.3 C.7.6.1).
    """

    header: Dataset | None
    frames: StoredFrames | None
    picture: npt.NDArray[Any] | None
    identity: str = ""
    study_uid: str = ""
    declared_clean: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        if self.picture is not None:
            return int(self.picture.shape[0]), int(self.picture.shape[1])
        layout = self.frames.layout  # type: ignore[union-attr]
        return layout.rows, layout.cols

    def samples(self) -> list[npt.NDArray[Any]]:
        """First, middle and last frame as grey, (rows, cols), for a look at what is burned in."""
        if self.frames is None:
            return [np.asarray(self.picture)]
        count = self.frames.layout.frames
        numbers = sorted({round(part * (count - 1) / (_LOOKED_AT - 1)) for part in range(_LOOKED_AT)})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stored = [self.frames.stored(number) for number in numbers]
        return [frame.max(axis=2) if frame.ndim == 3 else frame for frame in stored]


def open_source(path: Path) -> SourceImage:
    """Open an image file.

    Raises
    ------
    InputError
        It is no X-ray image, or cannot be read.
    """
    with warnings.catch_warnings():
        # Warnings quote values, which may tell who the patient is.
        warnings.simplefilter("ignore")
        if file_kind(path) is FileKind.PICTURE:
            stored, _, _ = read_picture(path)
            return SourceImage(None, None, stored)
        header, frames = open_frames(path)
        check_modality(header, path.name)
        clean = text(header, "BurnedInAnnotation").upper() == "NO"
        return SourceImage(header, frames, None, patient_identity(header), text(header, "StudyInstanceUID"), clean)


@dataclass(frozen=True)
class PixelCleaning:
    """What a person confirmed about the pixels: text in `boxes` is blacked out, or there is none to hide.
    `by_person` is False where the file declares itself clean and nothing was found."""

    boxes: tuple[PixelBox, ...] = ()
    by_person: bool = True


def write_deidentified(
    source: SourceImage, path: Path, pseudonyms: Pseudonyms, options: DeidentifyOptions, cleaning: PixelCleaning
) -> dict[str, int]:
    """Write `source` to `path`, whole or not at all, into a folder that is there.

    Returns
    -------
    dict
        How many attributes were removed, emptied or replaced.

    Raises
    ------
    OutputError
        The file cannot be written.
    InputError
        A frame is damaged.
    """
    if source.header is None or source.frames is None:
        write_atomically(path, _png(_blacked_out(np.asarray(source.picture), cleaning.boxes)))
        return {}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = deidentify_header(source.header, pseudonyms, options)
        _declare_pixels(done.header, cleaning)
        _attach_pixels(done.header, source.frames, cleaning.boxes)
        dcmwrite(buffer, done.header, enforce_file_format=True)
    write_atomically(path, buffer.getvalue())
    return done.counts


def _declare_pixels(header: Dataset, cleaning: PixelCleaning) -> None:
    header.BurnedInAnnotation = "NO"
    if cleaning.by_person:
        header.DeidentificationMethod = [*header.DeidentificationMethod, "burned-in text checked by a person"]
    if cleaning.boxes:
        header.DeidentificationMethodCodeSequence.append(coded_item("113101", "DCM", "Clean Pixel Data Option"))


def _attach_pixels(header: Dataset, frames: StoredFrames, boxes: Sequence[PixelBox]) -> None:
    layout = frames.layout
    stored = [_blacked_out(frames.stored(index), boxes, layout.photometric) for index in range(layout.frames)]
    pixels = np.stack(stored)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID, meta.ImplementationVersionName = derived_uid("implementation"), "FLUOROSPREAD"
    header.file_meta = meta
    header.Rows, header.Columns, header.SamplesPerPixel = layout.rows, layout.cols, layout.samples
    if layout.samples > 1:
        header.PhotometricInterpretation, header.PlanarConfiguration = "RGB", 0
    else:
        header.PhotometricInterpretation = layout.photometric or "MONOCHROME2"
        header.pop("PlanarConfiguration", None)
    raw = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    if layout.float_bytes:
        keyword, representation = (
            ("FloatPixelData", "OF") if layout.float_bytes == 4 else ("DoubleFloatPixelData", "OD")
        )
        header.BitsAllocated = 8 * layout.float_bytes
        header.add_new(keyword, representation, raw)
        return
    header.BitsAllocated = 8 * pixels.dtype.itemsize
    header.BitsStored, header.HighBit = layout.bits_stored, layout.bits_stored - 1
    header.PixelRepresentation = int(layout.signed)
    header.pop("ExtendedOffsetTable", None)
    header.add_new("PixelData", "OB" if pixels.dtype.itemsize == 1 else "OW", raw + b"\x00" * (len(raw) % 2))


def _blacked_out(
    stored: npt.NDArray[Any], boxes: Sequence[PixelBox], photometric: str = "MONOCHROME2"
) -> npt.NDArray[Any]:
    """A copy with one value in the boxes: the frame's own lowest (displayed as black), so that none is invented."""
    if not boxes:
        return stored
    cleaned = stored.copy()
    black = stored.max() if photometric == "MONOCHROME1" else stored.min()
    for top, left, bottom, right in boxes:
        cleaned[top:bottom, left:right] = black
    return cleaned


def _png(pixels: npt.NDArray[Any]) -> bytes:
    from PIL import Image

    if pixels.dtype.kind == "f" or pixels.dtype.itemsize > 2:
        span = float(pixels.max() - pixels.min()) or 1.0
        pixels = ((pixels - pixels.min()) / span * 65535).round().astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
