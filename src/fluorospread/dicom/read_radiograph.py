"""Turns one image file (DICOM, PNG, JPEG, TIFF) into a `Radiograph`: bone bright, geometry and sides known
as far as the file or a person says, every fallback noted.

Only `FluorospreadError`s leave this module, whatever state the file is in; warnings of the libraries beneath
become notes. Frames of a cine are read one at a time.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from fluorospread.dicom.attributes import text
from fluorospread.dicom.decode import LOSSY, short_reason
from fluorospread.dicom.exposure_tags import read_exposure
from fluorospread.dicom.field_of_view import declared_field_of_view, found_field_of_view, not_padding
from fluorospread.dicom.file_kind import FileKind, file_kind, file_sha256
from fluorospread.dicom.frame_facts import motion_notes, read_frame_time_ms, read_mask_frames
from fluorospread.dicom.geometry_tags import given_geometry, read_geometry
from fluorospread.dicom.header_facts import check_modality, read_beam, read_identity
from fluorospread.dicom.intensity import (
    IntensityMap,
    displayed_is_stored,
    intensity_map,
    modality_transform,
    pixel_intensity_relationship,
)
from fluorospread.dicom.orientation_tags import read_orientation, read_view
from fluorospread.dicom.overlays import overlay_notes
from fluorospread.dicom.picture_files import equal_channels, read_picture
from fluorospread.dicom.pixel_layout import PixelLayout
from fluorospread.dicom.polarity import Polarity, content_score, settle_polarity
from fluorospread.dicom.stored_frames import StoredFrames, open_frames
from fluorospread.errors import FluorospreadError, NotAnImageError, PixelValueError
from fluorospread.model.geometry import NO_SCALE, ColumnsTowards, RowsTowards
from fluorospread.model.radiograph import BoolImage, FloatImage, Radiograph

# A cine may begin with blank frames while the tube starts.
_MAX_BLANK_FRAMES = 16
_MAX_NOTE_CHARACTERS = 300


@dataclass(frozen=True)
class ReadOverrides:
    """What a person settled; None leaves it to the file.

    Attributes
    ----------
    spacing_mm
        (row, column) spacing in the patient plane.
    columns_towards, rows_towards
        Where growing columns and rows lead on the patient.
    polarity
        "bone-bright" or "bone-dark", as the pixels are stored.
    """

    spacing_mm: tuple[float, float] | None = None
    columns_towards: ColumnsTowards | None = None
    rows_towards: RowsTowards | None = None
    polarity: str | None = None


@dataclass(frozen=True)
class FileFrames:
    """Line-integral-like frames, read from the file on demand (a `FrameSource`).

    Outside the field of view every frame holds `outside`, the field's median in the first frame: nothing was
    measured there, and steps that filter should not meet an edge that is not the patient's.
    """

    source: StoredFrames
    intensity: IntensityMap
    field: BoolImage
    outside: float
    kept_index: int
    kept: npt.NDArray[Any]
    """One frame's stored values, kept because every step asks for it."""

    @property
    def shape(self) -> tuple[int, int]:
        return self.source.layout.rows, self.source.layout.cols

    @property
    def count(self) -> int:
        return self.source.layout.frames

    def frame(self, index: int) -> FloatImage:
        """Frame `index`, shape (rows, cols), float32, line-integral-like."""
        if not 0 <= index < self.count:
            raise IndexError(f"frame {index} of {self.count}")
        stored = self.kept if index == self.kept_index else stored_grey(self.source, index)
        return measured(stored, self.intensity, self.field, self.outside)


@dataclass(frozen=True)
class PictureFrame:
    """The one frame of a picture file (a `FrameSource`)."""

    pixels: FloatImage

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.pixels.shape[0]), int(self.pixels.shape[1])

    @property
    def count(self) -> int:
        return 1

    def frame(self, index: int) -> FloatImage:
        """The picture, whatever frame is asked for within it."""
        if index != 0:
            raise IndexError(f"frame {index} of 1")
        return self.pixels


def read_radiograph(path: Path, overrides: ReadOverrides = ReadOverrides()) -> Radiograph:
    """Read one image file.

    Parameters
    ----------
    path
        DICOM (XA, RF, CR, DX, Secondary Capture, single or multi-frame), PNG, JPEG or TIFF.
    overrides
        What a person settled.

    Raises
    ------
    InputError
        The file cannot be used; the subclass says why and the message what to do.
    UsageError
        An override is no possible value.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            radiograph = _read(path, overrides)
    except FluorospreadError as error:
        if path.name in str(error):
            raise
        raise type(error)(f"{path.name}: {error}") from error
    except Exception as error:
        # The last line of defence: whatever a damaged header makes a library raise is the file's fault, and a
        # user must get a sentence, not a traceback.
        raise NotAnImageError(
            f"{path.name} cannot be read ({type(error).__name__}: {short_reason(error)}); copy or export it again."
        ) from error
    said = dict.fromkeys(_as_note(str(warning.message)) for warning in caught)
    if not said:
        return radiograph
    return _with_notes(radiograph, tuple(said))


def _as_note(message: str) -> str:
    """A library's warning without the values it quotes, which may tell who the patient is."""
    said = re.sub(r"(['\"]).*\1", "'…'", " ".join(message.split()))
    return f"While reading: {said}"[:_MAX_NOTE_CHARACTERS]


def _with_notes(radiograph: Radiograph, more: tuple[str, ...]) -> Radiograph:
    return replace(radiograph, notes=(*radiograph.notes, *more))


def _read(path: Path, overrides: ReadOverrides) -> Radiograph:
    kind = file_kind(path)
    sha256 = file_sha256(path)
    if kind is FileKind.PICTURE:
        return _read_picture_file(path, sha256, overrides)
    dataset, source = open_frames(path, lambda header: check_modality(header, path.name))
    geometry, notes = read_geometry(dataset, overrides.spacing_mm)
    orientation, more = read_orientation(dataset, overrides.columns_towards, overrides.rows_towards)
    notes += more
    view, more = read_view(dataset)
    notes += more
    mask_frames, more = read_mask_frames(dataset, source.layout.frames)
    notes += more + motion_notes(dataset, source.layout.frames)
    notes += overlay_notes(dataset, source.layout) + _quality_notes(dataset, source)
    kept_index, kept = _first_image(source, notes)
    field, more = _field_of_view(dataset, kept)
    notes += more
    intensity, polarity, more = _intensity(dataset, source.layout, kept, field, overrides.polarity)
    notes += more
    outside = float(np.median(intensity.apply(kept[field])))
    return Radiograph(
        path=path,
        sha256=sha256,
        frames=FileFrames(source, intensity, field, outside, kept_index, kept),
        field_of_view=field,
        quantity=intensity.quantity,
        polarity_source=polarity.source,
        geometry=geometry,
        orientation=orientation,
        beam=read_beam(dataset),
        exposure=read_exposure(dataset),
        identity=read_identity(dataset),
        view=view,
        mask_frames=mask_frames,
        frame_time_ms=read_frame_time_ms(dataset, source.layout.frames),
        notes=tuple(dict.fromkeys(notes)),
    )


def _read_picture_file(path: Path, sha256: str, overrides: ReadOverrides) -> Radiograph:
    stored, layout, notes = read_picture(path)
    _check_values(stored, path.name)
    field, more = _field_of_view(None, stored)
    notes += more
    intensity, polarity, more = _intensity(None, layout, stored, field, overrides.polarity)
    notes += more
    geometry = NO_SCALE if overrides.spacing_mm is None else given_geometry(overrides.spacing_mm)
    orientation, more = read_orientation(None, overrides.columns_towards, overrides.rows_towards)
    outside = float(np.median(intensity.apply(stored[field])))
    return Radiograph(
        path=path,
        sha256=sha256,
        frames=PictureFrame(measured(stored, intensity, field, outside)),
        field_of_view=field,
        quantity=intensity.quantity,
        polarity_source=polarity.source,
        geometry=geometry,
        orientation=orientation,
        notes=tuple(dict.fromkeys(notes + more)),
    )


def measured(stored: npt.NDArray[Any], intensity: IntensityMap, field: BoolImage, outside: float) -> FloatImage:
    """Line-integral-like values inside the field of view, `outside` elsewhere; read-only."""
    values = np.where(field, intensity.apply(stored), np.float32(outside))
    values.setflags(write=False)
    return values


def stored_grey(source: StoredFrames, index: int) -> npt.NDArray[Any]:
    """Stored grey values of frame `index`, (rows, cols); colour only where the channels agree.

    Raises
    ------
    InputError
        When the frame is damaged, coloured, or holds NaN.
    """
    with warnings.catch_warnings():
        # Decoders warn of padding and offset tables; a frame that cannot be used raises instead.
        warnings.simplefilter("ignore")
        stored = source.stored(index)
    if stored.ndim == 3:
        stored, _ = equal_channels(stored, source.file_name)
    if stored.dtype.kind == "f" and not np.isfinite(stored).all():
        raise PixelValueError(f"{source.file_name}: frame {index + 1} holds NaN or infinite pixels; export it again.")
    return stored


def _first_image(source: StoredFrames, notes: list[str]) -> tuple[int, npt.NDArray[Any]]:
    """The first frame that is not blank. Raises PixelValueError when there is none."""
    for index in range(min(source.layout.frames, _MAX_BLANK_FRAMES)):
        stored = stored_grey(source, index)
        if stored.min() != stored.max():
            if index:
                notes.append(f"The first {index} frame(s) are blank.")
            return index, stored
    raise PixelValueError(
        f"{source.file_name}: every pixel has the value {stored.flat[0]}; expected an image. Is it blank or all black?"
    )


def _check_values(stored: npt.NDArray[Any], name: str) -> None:
    if stored.dtype.kind == "f" and not np.isfinite(stored).all():
        raise PixelValueError(f"{name} holds NaN or infinite pixels; export it again.")
    if stored.min() == stored.max():
        raise PixelValueError(
            f"{name}: every pixel has the value {stored.flat[0]}; expected an image. Is it blank or all black?"
        )


def _field_of_view(dataset: Dataset | None, stored: npt.NDArray[Any]) -> tuple[BoolImage, list[str]]:
    """Declared field, without padding, without borders found in the pixels inside it."""
    declared: BoolImage = np.ones(stored.shape, bool)
    notes: list[str] = []
    if dataset is not None:
        declared, notes = declared_field_of_view(dataset, stored.shape)
        unpadded = not_padding(dataset, stored)
        if not unpadded.all():
            notes.append("Pixel padding is outside the field of view.")
        declared &= unpadded
    found = found_field_of_view(stored)
    both = declared & found
    # Where the two disagree about nearly everything, what is declared counts.
    if both.sum() < 0.5 * declared.sum() and not declared.all():
        return (declared, notes) if declared.any() else (found, notes)
    if both.sum() < 0.995 * declared.sum():
        notes.append(f"Borders found in the pixels: the field of view is {both.mean():.0%} of the image.")
    return both, notes


def _intensity(
    dataset: Dataset | None, layout: PixelLayout, stored: npt.NDArray[Any], field: BoolImage, given: str | None
) -> tuple[IntensityMap, Polarity, list[str]]:
    transform = modality_transform(dataset, layout)
    polarity = settle_polarity(
        dataset,
        given,
        displayed_is_stored(dataset, transform),
        lambda: content_score(stored.astype(np.float32), field),
    )
    intensity = intensity_map(dataset, transform, stored, field, polarity.stored_bone_bright)
    return intensity, polarity, [*([polarity.note] if polarity.note else []), *intensity.notes]


def _quality_notes(dataset: Dataset, source: StoredFrames) -> list[str]:
    notes = []
    if source.layout.samples > 1:
        notes.append("Stored as colour with equal channels; read as grey.")
    if source.syntax in LOSSY or text(dataset, "LossyImageCompression") == "01":
        notes.append(f"Lossy compression ({source.syntax.name}): fine detail may be altered.")
    if source.layout.bits_stored == 8 and pixel_intensity_relationship(dataset) == "LIN":
        notes.append("LIN in 8 bits: dark parts hold few grey values, so line integrals there are coarse.")
    return notes
